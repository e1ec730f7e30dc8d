/**
 * Owns how the server ends: what is under way is answered completely, every answer says `Connection: close`, and nothing can hold up the end.
 * Refuses to decide when to end (main.ts) and to close anything but HTTP. Node's `server.close()` destroys a connection whose answer has been
 * written but not yet sent, and waits for ever for one that never sent a whole request; both were measured on Node 26.10, hence the two waits.
 */
import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';

export interface DrainWaits {
  /** Longest wait for answers under way, before the listener closes, in ms. */
  finishing: number;
  /** Longest wait for connections that have not sent a whole request, after that, in ms. */
  silent: number;
}

/** Makes `app.close()` drain; together with both waits it must fit into the grace period of the platform. */
export function drainOnClose(app: FastifyInstance, waitsMs: DrainWaits): void {
  const underWay = new Set<ServerResponse>();
  let draining = false;
  let onEmpty = (): void => undefined;

  app.addHook('onRequest', async (_request, reply) => {
    const { raw } = reply;
    const done = (): void => {
      if (underWay.delete(raw) && underWay.size === 0) onEmpty();
    };
    underWay.add(raw);
    raw.once('finish', done).once('close', done);
  });

  app.addHook('onSend', async (_request, reply, payload) => {
    if (draining) reply.header('connection', 'close');
    return payload;
  });

  app.addHook('preClose', async () => {
    draining = true;
    if (!app.server.listening) return;
    await new Promise<void>((resolve) => {
      const give = setTimeout(resolve, waitsMs.finishing);
      onEmpty = () => {
        clearTimeout(give);
        resolve();
      };
      if (underWay.size === 0) onEmpty();
    });
    const cut = setTimeout(() => app.server.closeAllConnections(), waitsMs.silent);
    app.server.once('close', () => clearTimeout(cut));
  });
}
