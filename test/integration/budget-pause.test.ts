/**
 * How the budget pauses a whole site and finds its way back: 429 with and without Retry-After, a refused key, failures in a row, one
 * probe at a time. On a real Redis, with the clock in our hands.
 */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Budget, budgetKeys, type Grant, type Lane } from '../../src/maxio/budget.ts';
import type { CallResult } from '../../src/maxio/call-result.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const LIMITS = { callsPerWindow: 10_000, windowSeconds: 3_600, concurrency: 4, unknownOutcomeSeconds: 130 };
const MINUTE = 60_000;
let server: TestRedis;
let redis: Redis;
let nowMs = 1_790_000_000_000;
let runs = 0;
let prefix = '';
let budget: Budget;

beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
  redis = server.connect();
});
afterAll(() => server.stop());
beforeEach(() => {
  prefix = `scim:{us.pause${runs++}}:`;
  budget = new Budget(redis, prefix, LIMITS, { nowMs: () => nowMs });
});

async function grant(lane: Lane = 'normal'): Promise<Grant> {
  const answer = await budget.take({ lane });
  if (!answer.granted) throw new Error(`not granted: ${answer.why}`);
  return answer;
}

async function call(result: CallResult, retryAfterMs?: number): Promise<void> {
  await budget.release((await grant()).slot, result, retryAfterMs);
}

/** Ends each pause by one probe with this result, and lists how long the pauses were. */
async function pausesOf(result: CallResult, rounds: number): Promise<number[]> {
  const lengths: number[] = [];
  for (let i = 0; i < rounds; i++) {
    await call(result);
    const { blockedForMs } = await budget.peek();
    lengths.push(blockedForMs);
    nowMs += blockedForMs;
  }
  return lengths;
}

test('F40 a 429 stops every lane of the site for a minute, then twice as long each time, up to ten minutes', async () => {
  await call('throttled');
  for (const lane of ['urgent', 'normal', 'background'] as const) {
    expect(await budget.take({ lane })).toEqual({ granted: false, why: 'blocked', waitMs: MINUTE });
  }
  expect(await budget.peek()).toMatchObject({ blockedForMs: MINUTE, blockedWhy: 'throttled', blockedStreak: 1 });
  nowMs += MINUTE;
  expect((await pausesOf('throttled', 5)).map((ms) => ms / MINUTE)).toEqual([2, 4, 8, 10, 10]);
});

test.each([
  [17_000, 17_000],
  [0, 1_000],
  [-5, 1_000],
  [10 * 3_600_000, 3_600_000],
])('F40 a Retry-After of %i ms pauses for %i ms', async (retryAfterMs, expected) => {
  await call('throttled', retryAfterMs);
  expect((await budget.peek()).blockedForMs).toBe(expected);
  nowMs += expected - 1;
  expect(await budget.take({ lane: 'urgent' })).toEqual({ granted: false, why: 'blocked', waitMs: 1 });
  nowMs += 1;
  expect((await budget.take({ lane: 'urgent' })).granted).toBe(true);
});

test('F48 a refused key pauses from the first 401, half a minute and growing, and one good answer ends it', async () => {
  expect((await pausesOf('unauthorized', 6)).map((ms) => ms / 1_000)).toEqual([30, 60, 120, 240, 480, 600]);
  await call('answered');
  expect(await budget.peek()).toMatchObject({ blockedForMs: 0, blockedStreak: 0 });
  expect((await budget.peek()).blockedWhy).toBeUndefined();
  await Promise.all([grant(), grant(), grant(), grant()]);
});

test('F79 a new key need not wait for the end of the pause: one call finds out, the others wait for it, and only a pause for the key is cut short', async () => {
  await call('unauthorized');
  await budget.probeNow('throttled');
  expect(await budget.take({ lane: 'urgent' })).toMatchObject({ granted: false, why: 'blocked', waitMs: 30_000 });
  await budget.probeNow('unauthorized');
  const probe = await grant();
  expect(await budget.take({ lane: 'urgent' })).toMatchObject({ granted: false, why: 'blocked' });
  await budget.release(probe.slot, 'answered');
  await grant();
  expect((await budget.peek()).blockedWhy).toBeUndefined();
  await budget.probeNow('unauthorized');
  expect((await budget.peek()).blockedWhy, 'nothing to cut short').toBeUndefined();
});

test('F41 only five failures in a row pause the site, and an answer in between starts the count anew', async () => {
  for (const result of [
    'failed',
    'failed',
    'failed',
    'failed',
    'answered',
    'failed',
    'failed',
    'unsent',
    'failed',
    'failed',
  ] as const) {
    await call(result);
    expect((await budget.peek()).blockedForMs).toBe(0);
  }
  await call('failed');
  expect(await budget.peek()).toMatchObject({ blockedForMs: 5_000, blockedWhy: 'failing', blockedStreak: 1 });
  nowMs += 5_000;
  expect((await pausesOf('failed', 7)).map((ms) => ms / 1_000)).toEqual([10, 20, 40, 80, 160, 300, 300]);
});

test('F44 unknown outcomes count as failures and keep their slots', async () => {
  for (let i = 0; i < 4; i++) await call('unknown');
  expect(await budget.peek()).toMatchObject({ inFlight: 4, blockedForMs: 0 });
  expect(await budget.take({ lane: 'urgent' })).toMatchObject({ granted: false, why: 'slots' });
  nowMs += 134_999;
  expect(await budget.take({ lane: 'urgent' })).toMatchObject({ granted: false, why: 'slots' });
  nowMs += 1;
  await call('unknown');
  expect(await budget.peek()).toMatchObject({ inFlight: 1, blockedForMs: 5_000, blockedWhy: 'failing' });
});

test('after a pause exactly one call probes; the others wait until it has told', async () => {
  await call('throttled');
  nowMs += MINUTE;
  const probe = await grant('background');
  for (const lane of ['urgent', 'normal'] as const) {
    expect(await budget.take({ lane })).toEqual({ granted: false, why: 'blocked', waitMs: 1_000 });
  }
  await budget.release(probe.slot, 'answered');
  await Promise.all([grant(), grant(), grant(), grant('urgent')]);
});

test('a probe that was never sent hands the turn on, and one whose process died does so when its slot ends', async () => {
  await call('throttled');
  nowMs += MINUTE;
  await budget.release((await grant()).slot, 'unsent');
  await grant();
  nowMs += 134_999;
  expect(await budget.take({ lane: 'urgent' })).toMatchObject({ why: 'blocked' });
  nowMs += 1;
  await grant();
});

test('calls from before the pause neither end it nor make it grow; a Retry-After among them can lengthen it', async () => {
  const [a, b, c, d] = [await grant(), await grant(), await grant(), await grant()];
  await budget.release(a.slot, 'throttled');
  await budget.release(b.slot, 'throttled');
  await budget.release(c.slot, 'answered');
  expect(await budget.peek()).toMatchObject({ blockedForMs: MINUTE, blockedStreak: 1, blockedWhy: 'throttled' });
  await budget.release(d.slot, 'throttled', 90_000);
  expect(await budget.peek()).toMatchObject({ blockedForMs: 90_000, blockedStreak: 1, inFlight: 0 });
});

test('a probe that fails otherwise starts a pause of its own kind', async () => {
  await call('throttled');
  nowMs += MINUTE;
  await call('unauthorized');
  expect(await budget.peek()).toMatchObject({ blockedForMs: 30_000, blockedWhy: 'unauthorized', blockedStreak: 1 });
  nowMs += 30_000;
  await call('failed');
  expect(await budget.peek()).toMatchObject({ blockedForMs: 5_000, blockedWhy: 'failing', blockedStreak: 1 });
});

test('a repeated release counts once', async () => {
  const { slot } = await grant();
  for (let i = 0; i < 6; i++) await budget.release(slot, 'unknown');
  expect(await budget.peek()).toMatchObject({ blockedForMs: 0, inFlight: 1 });
  await budget.release('never-granted', 'throttled');
  expect((await budget.peek()).blockedWhy).toBeUndefined();
});

test('F63 a clock that steps back lengthens no pause beyond an hour', async () => {
  nowMs += 365 * 24 * 60 * MINUTE;
  await call('throttled');
  nowMs -= 365 * 24 * 60 * MINUTE;
  const refusal = await budget.take({ lane: 'urgent' });
  expect(refusal).toMatchObject({ why: 'blocked', waitMs: 60 * MINUTE });
  expect((await budget.peek()).blockedForMs).toBe(60 * MINUTE);
});

test('an operator can end a pause; charges and slots stay', async () => {
  await grant();
  await call('unauthorized');
  await budget.unblock();
  expect(await budget.peek()).toEqual({
    limit: 10_000,
    used: 2,
    windowSeconds: 3_600,
    inFlight: 1,
    nextCallMs: expect.any(Number),
    blockedForMs: 0,
    blockedStreak: 0,
  });
  await grant('urgent');
});

test('a pause outlives the shortest window in Redis', async () => {
  const short = new Budget(redis, prefix, { ...LIMITS, callsPerWindow: 20, windowSeconds: 1 }, { nowMs: () => nowMs });
  const answer = await short.take({ lane: 'urgent' });
  if (answer.granted) await short.release(answer.slot, 'throttled', 3_600_000);
  expect(await redis.pttl(budgetKeys(prefix).state)).toBeGreaterThan(3_600_000);
});
