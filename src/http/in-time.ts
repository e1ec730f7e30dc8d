/**
 * Owns that every SCIM request is answered in time, reads and writes alike: who waits for the directory too long is told so, and to send the same again.
 * A write that was given up may still be carried out; that is why the answer says "not acknowledged", as it does where Redis does not answer.
 * Refuses to end what is under way. Fastify's own `handlerTimeout` forgets a request as soon as its body has been read, and complains with the address, in
 * which a filter may name people, when an answer comes after all; so it is kept for what happens before a handler runs.
 */
import type { FastifyInstance } from 'fastify';
import { DirectoryUnavailable } from '../directory/unavailable.ts';

const RETRY_AFTER_SECONDS = 10;

/** Bounds every route that `app` gets from now on. @param handlerMs counted from the first byte of the request; 0: without a limit */
export function answerInTime(app: FastifyInstance, handlerMs: number): void {
  if (handlerMs === 0) return;
  app.addHook('onRoute', (route) => {
    const { handler } = route;
    route.handlerTimeout = 2 * handlerMs;
    route.handler = async function (request, reply) {
      const late = Promise.withResolvers<never>();
      const tooLate = (): void =>
        late.reject(new DirectoryUnavailable('the directory did not answer in time', RETRY_AFTER_SECONDS));
      const timer = setTimeout(tooLate, Math.max(0, handlerMs - reply.elapsedTime));
      try {
        return await Promise.race([handler.call(this, request, reply), late.promise]);
      } finally {
        clearTimeout(timer);
      }
    };
  });
}
