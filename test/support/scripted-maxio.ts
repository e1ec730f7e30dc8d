/**
 * Owns a tiny HTTP server that answers with exactly the bytes a test gives it, and remembers what it was asked.
 * Refuses to know Maxio's rules (the sandbox does): it exists for the answers a well-behaved Maxio never gives.
 */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { MaxioClient, type MaxioClientOptions } from '../../src/maxio/client.ts';
import { Secret } from '../../src/secret.ts';

export interface Asked {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** Writes the answer to one request, as raw bytes. */
export type Script = (socket: Socket, asked: Asked) => void;

export interface ScriptedMaxio {
  url: string;
  port: number;
  asked: Asked[];
  /** Connections accepted so far. */
  connections: number;
  answer(script: Script): void;
  client(options?: MaxioClientOptions): MaxioClient;
  close(): Promise<void>;
}

export const API_KEY = 'key-CANARY-5f1e';

/** Builds a complete answer. */
export function whole(status: number, body = '', headers: Record<string, string> = {}): Script {
  const type = body === '' ? {} : { 'content-type': /^\s*[[{]/.test(body) ? 'application/json; charset=utf-8' : 'text/plain' };
  const lines = Object.entries({ ...type, 'content-length': String(Buffer.byteLength(body)), ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return (socket) => socket.write(`HTTP/1.1 ${status} Any\r\n${lines.join('')}\r\n${body}`);
}

/** Starts the server; until told otherwise it answers 200 `{}`. */
export async function startScriptedMaxio(): Promise<ScriptedMaxio> {
  let script: Script = whole(200, '{}');
  const asked: Asked[] = [];
  const sockets = new Set<Socket>();
  const clients: MaxioClient[] = [];
  const server = createServer((request) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers, socket } = request;
      const one = { method, url, headers, body: Buffer.concat(chunks).toString('utf8') };
      asked.push(one);
      script(socket, one);
    });
  });
  server.on('connection', (socket) => {
    started.connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const started: ScriptedMaxio = {
    url: `http://127.0.0.1:${port}`,
    port,
    asked,
    connections: 0,
    answer: (next) => {
      script = next;
    },
    client: (options) => {
      const site = { region: 'us', subdomain: 'acme', apiKey: new Secret(API_KEY), baseUrl: `http://127.0.0.1:${port}` } as const;
      const client = new MaxioClient(site, options);
      clients.push(client);
      return client;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await Promise.all(clients.map((client) => client.close()));
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return started;
}
