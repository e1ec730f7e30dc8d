/**
 * Owns a peer that stands in front of a sandbox and, when told to, answers with everything it was sent: key, header and body, in every shape of error that Maxio
 * and what stands in front of it have. Otherwise it passes requests on. Loopback only.
 */
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface EchoingMaxio {
  url: string;
  /** While set, so many of the next requests that `hits` picks are answered by an echo. */
  echo(times: number, hits?: (method: string, path: string) => boolean): void;
  /** How many requests were answered by an echo. */
  echoes: number;
  /** Everything that was sent to Maxio: paths, headers, bodies. */
  sent: { path: string; headers: string; body: string }[];
  close(): Promise<void>;
}

type Shape = (all: string, response: ServerResponse) => void;

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** Each takes what was sent, and puts it where an error of that shape would have its text. */
const SHAPES: Shape[] = [
  (all, response) => json(response, 422, { errors: [all] }),
  (all, response) => json(response, 422, { errors: { base: [all], first_name: all } }),
  (all, response) => json(response, 400, { error: all }),
  (all, response) =>
    response
      .writeHead(401, { 'content-type': 'text/html', 'www-authenticate': `Basic realm="${encodeURIComponent(all)}"` })
      .end(all),
  (all, response) => response.writeHead(403, { 'content-type': 'text/plain' }).end(all),
  (all, response) => response.writeHead(429, { 'content-type': 'text/plain', 'retry-after': '1' }).end(all),
  (all, response) => response.writeHead(500, { 'content-type': 'text/html' }).end(`<html><body>${all}</body></html>`),
  (all, response) => json(response, 502, { errors: [all] }),
  (all, response) => response.writeHead(302, { location: `https://elsewhere.invalid/${encodeURIComponent(all)}` }).end(),
  (all, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(`{"customer":{"id":"${all}`),
  (all, response) => json(response, 200, { customer: { id: all, reference: all }, subscription: { id: all } }),
  (all, response) =>
    response
      .writeHead(200, encodeURIComponent(all).slice(0, 2_000), {
        'content-type': 'text/plain',
        'x-echo': encodeURIComponent(all),
      })
      .end(all),
  (all, response) => {
    // Cut in the middle of what was announced.
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(all.length + 100) });
    response.write(all, () => response.socket?.destroy());
  },
  (all, response) => {
    // Not HTTP at all.
    response.socket?.end(`HTTP/1.1 ${all}\r\n\r\n`);
  },
];

export async function startEchoingMaxio(targetUrl: string): Promise<EchoingMaxio> {
  let left = 0;
  let hits: (method: string, path: string) => boolean = () => true;
  let next = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const { method = '', url = '' } = request;
      peer.sent.push({ path: url, headers: JSON.stringify(request.rawHeaders), body: body.toString('utf8') });
      if (left > 0 && hits(method, url)) {
        left -= 1;
        peer.echoes += 1;
        SHAPES[next++ % SHAPES.length]?.(everything(request, body), response);
      } else pass(request, body, response, targetUrl);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const peer: EchoingMaxio = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    echo: (times, which = () => true) => {
      left = times;
      hits = which;
    },
    echoes: 0,
    sent: [],
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return peer;
}

/** The key first: texts are cut somewhere. */
function everything(request: IncomingMessage, body: Buffer): string {
  const header = request.headers.authorization ?? '';
  const key = Buffer.from(header.slice('Basic '.length), 'base64').toString('utf8');
  const line = `key ${key} sent as ${header}; ${request.method} ${request.url}; ${body.toString('utf8')}`;
  return line.replaceAll(/[\r\n"\\]/g, ' ');
}

function pass(request: IncomingMessage, body: Buffer, response: ServerResponse, targetUrl: string): void {
  const { method, url, headers } = request;
  const onward = httpRequest(
    `${targetUrl}${url ?? ''}`,
    { method, headers: { ...headers, host: new URL(targetUrl).host } },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      answer.pipe(response);
    },
  );
  onward.on('error', () => response.destroy());
  onward.end(body);
}
