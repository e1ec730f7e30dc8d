/**
 * Owns how the server ends: what is under way is answered completely, every answer says `Connection: close`, and nothing can hold up the end.
 * Refuses to decide when to end (main.ts) and to close anything but HTTP. Node's `server.close()` destroys a connection whose answer has been
 * written but not yet sent, and waits for ever for one that never sent a whole request; both were measured on Node 26.10, hence the two waits.
 * RFC 9112 §9.6: what comes after the answer that says `close` is not acted on, so a request without an answer was never begun.
 */
import type { ServerResponse } from 'node:http';
import { Server, type Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

export interface DrainWaits {
  /** Longest wait for answers under way, after the listener has closed, in ms. */
  finishing: number;
  /** Longest wait for connections that have not sent a whole request, after that, in ms. */
  silent: number;
}

interface Line {
  /** Answers under way, in the order of the requests: clients may send the next one before they have read an answer. */
  underWay: ServerResponse[];
  /** Its answer says `close`. */
  last?: ServerResponse | undefined;
}

/**
 * Makes `app.close()` drain; together with both waits it must fit into the grace period of the platform.
 * @param leaving true as soon as the end is known: from then on clients are sent elsewhere with the answer to what they have asked
 */
export function drainOnClose(app: FastifyInstance, waitsMs: DrainWaits, leaving: () => boolean): void {
  const lines = new WeakMap<Socket, Line>();
  const answered = new WeakSet<ServerResponse>();
  let underWay = 0;
  let draining = false;
  let onEmpty = (): void => undefined;
  const ending = (): boolean => draining || leaving();

  app.addHook('onRequest', async (request, reply) => {
    const { raw } = reply;
    const { socket } = request.raw;
    const line = lines.get(socket) ?? { underWay: [] };
    lines.set(socket, line);
    const before = line.underWay.at(-1);
    if (ending() && before !== undefined && !answered.has(before)) line.last ??= before;
    if (line.last !== undefined) return reply.hijack();
    const done = (): void => {
      const at = line.underWay.indexOf(raw);
      if (at < 0) return;
      line.underWay.splice(at, 1);
      underWay -= 1;
      if (underWay === 0) onEmpty();
    };
    line.underWay.push(raw);
    underWay += 1;
    raw.once('finish', done).once('close', done);
    return undefined;
  });

  app.addHook('onSend', async (request, reply, payload) => {
    const { raw } = reply;
    const line = lines.get(request.raw.socket);
    answered.add(raw);
    // An answer in the middle of the line must not end the connection before the others.
    if (line !== undefined && ending() && (line.last ?? line.underWay.at(-1)) === raw) {
      line.last = raw;
      reply.header('connection', 'close');
    }
    return payload;
  });

  app.addHook('preClose', async () => {
    draining = true;
    if (!app.server.listening) return;
    // The listener alone: newcomers would have no end, and whoever is connected may still get an answer.
    Server.prototype.close.call(app.server);
    await new Promise<void>((resolve) => {
      const give = setTimeout(resolve, waitsMs.finishing);
      onEmpty = () => {
        clearTimeout(give);
        resolve();
      };
      if (underWay === 0) onEmpty();
    });
    const cut = setTimeout(() => app.server.closeAllConnections(), waitsMs.silent);
    app.server.once('close', () => clearTimeout(cut));
  });
}
