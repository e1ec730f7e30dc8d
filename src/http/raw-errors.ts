/**
 * Owns the answers to requests that never become one for the router: unreadable bytes, too many headers, too slow (Node's parser), a tunnel, and an
 * expectation nobody meets. Without it those places answer in plain JSON, without a body or not at all.
 * Refuses to log what was received. RFC 7644 §3.12, RFC 9112 §2.2, RFC 9110 §9.3.6 (CONNECT), §10.1.1 (Expect).
 */
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { errorBody, ScimError } from '../scim/error.ts';
import { ALWAYS, SCIM_MEDIA_TYPE } from './answer-error.ts';
import type { EndAfterAnswer } from './connections.ts';

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE';

const BY_CODE: Record<string, [status: number, detail: string]> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not arrive in time.'],
  HPE_HEADER_OVERFLOW: [431, 'The path and headers are larger than 16 KiB.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'The chunk extensions are too large.'],
};

/** Sockets whose last answer is on its way. */
const ending = new WeakSet<object>();

/**
 * Answers on the bare socket and closes it: after a parse error nobody knows where the next request begins.
 * Unless the one before it is whole and still being answered: this answer would be taken for the other, perhaps of a change that was made.
 */
export function answerClientError(error: { code?: string }, socket: Socket, endAfterAnswer: EndAfterAnswer): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || ending.has(socket) || endAfterAnswer(socket)) return;
  const [status, detail] = BY_CODE[error.code ?? ''] ?? [400, 'The request is not valid HTTP/1.1.'];
  answerAndClose(socket, new ScimError(status, detail));
}

/** Answers what Node keeps from the router: `Expect` with anything but 100-continue, and CONNECT. */
export function answerUnrouted(server: Server): void {
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    ending.add(request.socket);
    const { body, headers } = messageOf(new ScimError(417, 'Send the request without the Expect header, or with 100-continue.'));
    response.writeHead(417, headers).end(body);
  });
  server.on('connect', (_request, socket) => {
    // A reset by the other side must not end the process: nobody else listens on this socket any more.
    socket.on('error', () => undefined);
    answerAndClose(socket as Socket, new ScimError(405, 'This is no proxy: CONNECT is not possible here.'), { allow: METHODS });
  });
}

function answerAndClose(socket: Socket, error: ScimError, more: Record<string, string> = {}): void {
  if (socket.writable) {
    const { body, headers } = messageOf(error);
    const lines = Object.entries({ ...headers, ...more }).map(([name, value]) => `${name}: ${value}`);
    socket.write(`HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
  }
  socket.destroySoon();
}

function messageOf(error: ScimError): { body: string; headers: Record<string, string> } {
  const body = JSON.stringify(errorBody(error));
  const headers = {
    ...ALWAYS,
    'content-type': SCIM_MEDIA_TYPE,
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  };
  return { body, headers };
}
