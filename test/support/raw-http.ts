/**
 * Owns requests as bytes on a socket, and answers read back from one: nothing between a test and the server corrects, completes or hides anything.
 * Refuses to know SCIM beyond its media type. Every request asks for the connection to be closed, so the end of the answer is the end of the connection.
 */
import { once } from 'node:events';
import { connect } from 'node:net';

export interface RawAnswer {
  status: number;
  headers: Record<string, string>;
  text: string;
  /** The body as JSON; `undefined` when it is none. */
  body: Record<string, unknown> | undefined;
}

export interface RawRequest {
  method?: string;
  /** As it goes out, unencoded; characters above U+00FF are not possible. */
  path?: string;
  /** On top of the usual ones; null takes one away. A list sends the header several times. */
  headers?: Record<string, string | string[] | null>;
  /** JSON when it is an object; text and bytes go out as they are. */
  body?: unknown;
}

/** Writes a request as a client with this token would. */
export function bytesOf({ method, path = '/scim/v2/Users', headers, body }: RawRequest, token: string): Buffer {
  const payload =
    body === undefined || Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const all: Record<string, string | string[] | null> = {
    host: 'scim.example.com',
    connection: 'close',
    authorization: `Bearer ${token}`,
    ...(payload !== undefined && { 'content-type': 'application/scim+json', 'content-length': String(payload.length) }),
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === null ? [] : [value].flat().map((each) => `${name}: ${each}`),
  );
  const verb = method ?? (payload === undefined ? 'GET' : 'POST');
  const head = Buffer.from(`${verb} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  return payload === undefined ? head : Buffer.concat([head, payload]);
}

/** Sends bytes and reads until the server closes. @throws when it closes without an answer */
export async function exchange(port: number, bytes: Buffer | string): Promise<RawAnswer> {
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  // A server that refuses early may reset what we still write.
  socket.on('error', () => undefined);
  socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  if (!socket.destroyed) await once(socket, 'close');
  return parse(Buffer.concat(chunks));
}

/** Sends bytes and resets the connection as soon as they have left. */
export async function abandon(port: number, bytes: string): Promise<boolean> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  await new Promise((sent) => socket.write(Buffer.from(bytes, 'latin1'), sent));
  socket.resetAndDestroy();
  return socket.destroyed;
}

function parse(bytes: Buffer): RawAnswer {
  const end = bytes.indexOf('\r\n\r\n');
  const [first = '', ...lines] = bytes.subarray(0, Math.max(0, end)).toString('latin1').split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1]);
  if (!Number.isInteger(status))
    throw new Error(`no HTTP answer but ${bytes.length} bytes: ${bytes.subarray(0, 80).toString('latin1')}`);
  if (status === 100) return parse(bytes.subarray(end + 4));
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const text = bytes.subarray(end + 4).toString('utf8');
  return { status, headers, text, body: jsonOf(text) };
}

function jsonOf(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
