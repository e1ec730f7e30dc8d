/**
 * Owns the answers to requests that never become one: unreadable bytes, too many headers, too slow (Node's parser), and paths that the
 * router cannot decode (Fastify's `frameworkErrors`). Without it those two places answer in plain JSON or not at all.
 * Refuses to log what was received. RFC 7644 §3.12, RFC 9112 §2.2.
 */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { errorBody, ScimError } from '../scim/error.ts';
import { ALWAYS, SCIM_MEDIA_TYPE } from './answer-error.ts';

const BY_CODE: Record<string, [status: number, detail: string]> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not arrive in time.'],
  HPE_HEADER_OVERFLOW: [431, 'The path and headers are larger than 16 KiB.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'The chunk extensions are too large.'],
};

/** Answers on the bare socket and closes it: after a parse error nobody knows where the next request begins. */
export function answerClientError(error: { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const [status, detail] = BY_CODE[error.code ?? ''] ?? [400, 'The request is not valid HTTP/1.1.'];
  if (socket.writable) {
    const body = JSON.stringify(errorBody(new ScimError(status, detail)));
    const headers = {
      ...ALWAYS,
      'content-type': SCIM_MEDIA_TYPE,
      'content-length': Buffer.byteLength(body),
      connection: 'close',
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
  }
  socket.destroySoon();
}
