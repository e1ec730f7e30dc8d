/**
 * Guarantees that a request which nobody waits for any more takes no place of its site: not for a moment, and not for ever.
 */
import { EventEmitter } from 'node:events';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { expect, test } from 'vitest';
import { Crowded } from '../../src/http/crowded.ts';
import { SERVER_LIMITS } from '../../src/http/limits.ts';
import { createSiteCrowd } from '../../src/http/site-crowd.ts';

const MUCH = SERVER_LIMITS.largeReadBytes + 1;

function asked(destroyed = false) {
  const request = { raw: { headers: {}, socket: { destroyed } }, routeOptions: {} } as unknown as FastifyRequest;
  const raw = new EventEmitter();
  return { request, reply: { raw } as unknown as FastifyReply, end: (how: 'finish' | 'close') => raw.emit(how) };
}

test.each(['finish', 'close'] as const)('S16 reading on after the answer is over (%s) is ended, and takes no place', (how) => {
  const admit = createSiteCrowd(SERVER_LIMITS);
  for (let n = 0; n < 2 * SERVER_LIMITS.siteLargeReads; n += 1) {
    const { request, reply, end } = asked();
    const weigh = admit('us.acme', request, reply);
    weigh(1);
    end(how);
    expect(() => weigh(MUCH)).toThrow(Crowded);
  }
  const open = Array.from({ length: SERVER_LIMITS.siteLargeReads }, () => asked());
  for (const { request, reply } of open) expect(() => admit('us.acme', request, reply)(MUCH)).not.toThrow();
  const late = asked();
  expect(() => admit('us.acme', late.request, late.reply)(MUCH)).toThrow(/much to read are under way/);
});

test('S16 whoever has gone before being let in takes no place', () => {
  const admit = createSiteCrowd({ ...SERVER_LIMITS, siteRequests: 1 });
  const gone = asked(true);
  expect(() => admit('us.acme', gone.request, gone.reply)).toThrow(Crowded);
  const here = asked();
  expect(() => admit('us.acme', here.request, here.reply)).not.toThrow();
});
