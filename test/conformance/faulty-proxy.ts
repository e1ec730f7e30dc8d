/**
 * Owns a proxy in front of our server that breaks one thing in what goes through, so that it can be shown that the checks find it.
 * Refuses to be subtle: each fault is one that a real SCIM server has been seen with.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Agent, request } from 'undici';

export interface Ask {
  method: string;
  /** Below the SCIM base, with its query. */
  path: string;
  headers: Record<string, string>;
  body: string;
}

export interface Reply {
  status: number;
  headers: Record<string, string>;
  body: string;
}

export interface Fault {
  /** Changes the request, or answers it itself. `pass` sends one on. */
  before?: (ask: Ask, pass: (ask: Ask) => Promise<Reply>) => Ask | Reply | Promise<Ask | Reply>;
  after?: (reply: Reply, ask: Ask) => void;
}

export interface Proxy {
  url: string;
  stop(): Promise<void>;
}

/** Starts the proxy. @param base the SCIM base of the server behind it */
export async function startProxy(base: string, fault: Fault = {}): Promise<Proxy> {
  const agent = new Agent();
  const pass = async (ask: Ask): Promise<Reply> => {
    const { method, headers } = ask;
    const body = ask.body === '' ? {} : { body: ask.body };
    const answer = await request(base + ask.path, { method, headers, dispatcher: agent, ...body });
    const kept = Object.entries(answer.headers).filter(
      ([name]) => name !== 'content-length' && name !== 'connection' && name !== 'keep-alive',
    );
    return {
      status: answer.statusCode,
      headers: Object.fromEntries(kept) as Record<string, string>,
      body: await answer.body.text(),
    };
  };
  const server = createServer((incoming, outgoing) => {
    const serve = async (): Promise<void> => {
      const {
        host: _host,
        connection: _connection,
        'content-length': _length,
        'transfer-encoding': _transfer,
        ...headers
      } = incoming.headers;
      const path = (incoming.url ?? '').replace(/^\/scim\/v2/, '');
      const asked: Ask = {
        method: incoming.method ?? '',
        path,
        headers: headers as Record<string, string>,
        body: await text(incoming),
      };
      const ready = (await fault.before?.(asked, pass)) ?? asked;
      const reply = 'status' in ready ? ready : await pass(ready);
      fault.after?.(reply, asked);
      outgoing.writeHead(reply.status, reply.headers).end(reply.body);
    };
    serve().catch((error: unknown) => outgoing.writeHead(502).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/scim/v2`,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await agent.destroy();
    },
  };
}
