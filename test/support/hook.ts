/** Owns a real receiver of JSON webhooks for tests: it keeps what arrives and answers as it is told. Loopback only. */
import { once } from 'node:events';
import { createServer } from 'node:http';

export interface Hook {
  url: string;
  /** Bodies that were answered with 2xx, in order. */
  taken: Record<string, unknown>[];
  /** How many requests came, taken or not. */
  asked: number;
  /** Status of the answers from now on; 0: never answer. */
  status: number;
  headers: Record<string, string>;
  close(): Promise<void>;
}

/** Start a receiver. @param path where it listens; a secret part of a real one's address */
export async function startHook(path = '/hook'): Promise<Hook> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      hook.asked += 1;
      if (hook.status === 0) return;
      const good = hook.status >= 200 && hook.status < 300 && request.method === 'POST' && request.url === path;
      if (good) hook.taken.push(JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>);
      response.writeHead(request.url === path ? hook.status : 404, hook.headers).end('ok');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const hook: Hook = {
    url: `http://127.0.0.1:${port}${path}`,
    taken: [],
    asked: 0,
    status: 200,
    headers: {},
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return hook;
}
