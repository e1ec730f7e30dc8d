/**
 * What the budget owes to Redis: fences and notes in the same script, lanes at full size, keys that name the site and vanish when idle,
 * and counts that survive a restart of the server and the death of a worker.
 */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import {
  Budget,
  budgetKeys,
  type Grant,
  mayStillSend,
  SEND_GRACE_MS,
  type Take,
  type TakeAnswer,
} from '../../src/maxio/budget.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const LIMITS = { callsPerWindow: 10_000, windowSeconds: 3_600, concurrency: 4, unknownOutcomeSeconds: 130 };
let server: TestRedis;
let redis: Redis;
let runs = 0;
let prefix = '';
let budget: Budget;

beforeAll(async () => {
  server = await startRedis({ appendfsync: 'always' });
  redis = server.connect();
});
afterAll(() => server.stop());
beforeEach(() => {
  prefix = `scim:{us.site${runs++}}:`;
  budget = new Budget(redis, prefix, LIMITS);
});

async function grant(from: Budget = budget, wanted: Take = { lane: 'urgent' }): Promise<Grant> {
  const answer = await from.take(wanted);
  if (!answer.granted) throw new Error(`not granted: ${answer.why}`);
  return answer;
}

/** Makes finished calls until the lane is refused, and counts them. */
async function drain(from: Budget, lane: Take['lane']): Promise<{ granted: number; refusal: TakeAnswer }> {
  for (let granted = 0; ; granted++) {
    const answer = await from.take({ lane });
    if (!answer.granted) return { granted, refusal: answer };
    await from.release(answer.slot, 'answered');
  }
}

test('a call is granted only while every fence holds, and a fenced one costs nothing', async () => {
  const [lease, user] = [`${prefix}lease:1`, `${prefix}user:1`];
  await redis.set(lease, 'token');
  await redis.hset(user, 'generation', '7');
  const fences = [
    { key: lease, equals: 'token' },
    { key: user, field: 'generation', equals: '7' },
  ];
  const notes = [{ key: user, field: 'open', value: '[]' }];
  await redis.hset(user, 'generation', '8');
  expect(await budget.take({ lane: 'urgent', fences, notes })).toEqual({ granted: false, why: 'fenced', fence: 1 });
  await redis.del(lease);
  expect(await budget.take({ lane: 'urgent', fences, notes })).toEqual({ granted: false, why: 'fenced', fence: 0 });
  const nothing = [{ key: `${prefix}none`, equals: '' }];
  expect(await budget.take({ lane: 'urgent', fences: nothing })).toEqual({ granted: false, why: 'fenced', fence: 0 });
  expect(await budget.peek()).toMatchObject({ used: 0, inFlight: 0 });
  expect(await redis.hget(user, 'open')).toBeNull();

  await redis.set(lease, 'token');
  await redis.hset(user, 'generation', '7');
  await grant(budget, { lane: 'urgent', fences, notes });
  expect(await budget.peek()).toMatchObject({ used: 1, inFlight: 1 });
  expect(await redis.hget(user, 'open')).toBe('[]');
});

test('a fence may want a field to be absent: any value in it refuses the call', async () => {
  const fences = [{ key: `${prefix}user:1`, field: 'hold', equals: undefined }];
  await grant(budget, { lane: 'urgent', fences });
  for (const value of ['held', 'approved', '']) {
    await redis.hset(`${prefix}user:1`, 'hold', value);
    expect(await budget.take({ lane: 'urgent', fences }), value).toEqual({ granted: false, why: 'fenced', fence: 0 });
  }
  await redis.hdel(`${prefix}user:1`, 'hold');
  await grant(budget, { lane: 'urgent', fences });
});

test('a note is written with the moment of the grant, whatever else it holds', async () => {
  const key = `${prefix}user:1`;
  const value = JSON.stringify({ sentAtMs: '$now', again: '$now', text: 'costs $now 5', percent: '%1 %% $now' });
  const { nowMs } = await grant(budget, { lane: 'urgent', notes: [{ key, field: 'open', value }] });
  const written = JSON.parse((await redis.hget(key, 'open')) ?? '');
  expect(written).toEqual({ sentAtMs: nowMs, again: nowMs, text: 'costs $now 5', percent: '%1 %% $now' });
  const [seconds] = await redis.time();
  expect(Math.abs(Number(seconds) * 1_000 - nowMs)).toBeLessThan(60_000);
});

test('a refused call writes no note', async () => {
  const key = `${prefix}user:1`;
  for (let i = 0; i < 4; i++) await grant();
  expect(await budget.take({ lane: 'urgent', notes: [{ key, field: 'open', value: 'x' }] })).toMatchObject({ why: 'slots' });
  expect(await redis.exists(key)).toBe(0);
});

test('F58 background stops at 80 %, normal at 95 %, urgent at the limit less the calls in flight', async () => {
  const small = new Budget(redis, prefix, { ...LIMITS, callsPerWindow: 200 });
  expect((await drain(small, 'background')).granted).toBe(160);
  expect((await drain(small, 'normal')).granted).toBe(30);
  expect((await drain(small, 'urgent')).granted).toBe(6);
  const { refusal } = await drain(small, 'urgent');
  if (refusal.granted || refusal.why !== 'budget') throw new Error('expected to be refused for the budget');
  expect(refusal.waitMs).toBeGreaterThan(3_000_000);
  expect(refusal.waitMs).toBeLessThanOrEqual(3_604_000);
  expect(await small.peek()).toMatchObject({ limit: 200, used: 196, windowSeconds: 3_600, inFlight: 0, blockedForMs: 0 });
});

test('an urgent caller that found no slot gets the next one, and its claim ends with it or by itself', async () => {
  let nowMs = 1_790_000_000_000;
  const timed = new Budget(redis, prefix, LIMITS, { nowMs: () => nowMs });
  const urgent = { lane: 'urgent', waiter: 'leaver' } as const;
  const first = await grant(timed);
  for (let i = 0; i < 3; i++) await grant(timed);
  for (let i = 0; i < 2; i++) expect(await timed.take(urgent)).toMatchObject({ granted: false, why: 'slots' });
  expect(await redis.zcard(budgetKeys(prefix).waiting)).toBe(1);
  await timed.release(first.slot, 'answered');
  expect(await timed.take({ lane: 'normal' })).toMatchObject({ granted: false, why: 'slots' });
  const { slot } = await grant(timed, urgent);
  await timed.release(slot, 'answered');
  const next = await grant(timed, { lane: 'normal' });

  expect(await timed.take(urgent)).toMatchObject({ granted: false, why: 'slots' });
  await timed.release(next.slot, 'answered');
  expect(await timed.take({ lane: 'background' })).toMatchObject({ granted: false, why: 'slots' });
  nowMs += 250;
  await grant(timed, { lane: 'background' });
});

test('a slot wait is short and spread', async () => {
  for (let i = 0; i < 4; i++) await grant();
  const waits = new Set<number>();
  for (let i = 0; i < 60; i++) {
    const answer = await budget.take({ lane: 'normal' });
    if ('waitMs' in answer) waits.add(answer.waitMs);
  }
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(10);
  expect(Math.max(...waits)).toBeLessThanOrEqual(25);
  expect(waits.size).toBeGreaterThan(1);
});

test('every key carries the prefix of the site and vanishes when the site is idle', async () => {
  for (let i = 0; i < 4; i++) await grant();
  await budget.take({ lane: 'urgent' });
  const names = (await redis.keys('*')).filter((name) => name.startsWith(prefix));
  expect(names.sort()).toEqual(Object.values(budgetKeys(prefix)).sort());
  for (const name of names) {
    const ttlMs = await redis.pttl(name);
    expect(ttlMs, name).toBeGreaterThan(0);
    expect(ttlMs, name).toBeLessThanOrEqual(2 * 3_600_000);
  }
  const kept = await redis.pttl(budgetKeys(prefix).calls);
  expect(kept).toBeGreaterThan(3_600_000);
});

test('two sites on one Redis do not share anything', async () => {
  const other = new Budget(redis, 'scim:{us.other}:', LIMITS);
  for (let i = 0; i < 4; i++) await grant();
  await grant(other);
  expect(await other.peek()).toMatchObject({ used: 1, inFlight: 1 });
});

test('a look at the budget changes nothing', async () => {
  await budget.peek();
  expect((await redis.keys('*')).filter((name) => name.startsWith(prefix))).toEqual([]);
});

test('F63 the clock of the worker is not asked', async () => {
  const small = new Budget(redis, prefix, { ...LIMITS, callsPerWindow: 24 });
  await drain(small, 'urgent');
  for (const skewMs of [3_600_000, -3_600_000, 365 * 86_400_000]) {
    const spy = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + skewMs);
    try {
      expect(await small.take({ lane: 'urgent' })).toMatchObject({ granted: false, why: 'budget' });
    } finally {
      spy.mockRestore();
    }
  }
});

test('F61 the count and the slots survive a kill and restart of Redis', async () => {
  const small = new Budget(redis, prefix, { ...LIMITS, callsPerWindow: 200 });
  expect((await drain(small, 'background')).granted).toBe(160);
  await grant(small);
  await server.restart();
  await vi.waitFor(async () => expect(await small.peek()).toMatchObject({ used: 161, inFlight: 1 }), { timeout: 10_000 });
  expect((await drain(small, 'urgent')).granted).toBe(196 - 161);
});

test('F20 without Redis no call is granted', async () => {
  const own = await startRedis({ appendfsync: 'no' });
  const lost = new Budget(own.connect(), prefix, LIMITS);
  try {
    const { slot } = await grant(lost);
    await own.kill();
    await expect(lost.take({ lane: 'urgent' })).rejects.toThrow();
    await expect(lost.release(slot, 'answered')).rejects.toThrow();
  } finally {
    await own.stop();
  }
});

test('F27 a grant whose answer was lost gives its slot back and keeps its charge', async () => {
  const own = server.connect();
  own.options.commandTimeout = 100;
  const dropping = new Budget(own, prefix, LIMITS);
  await grant(dropping);
  server.freeze();
  try {
    await expect(dropping.take({ lane: 'urgent' })).rejects.toThrow('timed out');
  } finally {
    server.thaw();
  }
  await vi.waitFor(async () => expect(await budget.peek()).toMatchObject({ used: 2, inFlight: 1 }), { timeout: 10_000 });
});

test('a grant is good for sending during the grace only', async () => {
  const fresh = await grant();
  expect(mayStillSend(fresh)).toBe(true);
  expect(fresh.sendByMs - performance.now()).toBeLessThanOrEqual(SEND_GRACE_MS);
  expect(mayStillSend({ ...fresh, sendByMs: performance.now() - 1 })).toBe(false);
  const scaled = new Budget(redis, prefix, { ...LIMITS, unknownOutcomeSeconds: 2 });
  expect([budget.sendGraceMs, scaled.sendGraceMs]).toEqual([5_000, 500]);
});

test.each([
  { callsPerWindow: 4 },
  { callsPerWindow: 0 },
  { callsPerWindow: Number.NaN },
  { concurrency: 0 },
  { windowSeconds: 0 },
  { unknownOutcomeSeconds: -1 },
])('limits that leave nothing to grant are refused: %j', (wrong) => {
  expect(() => new Budget(redis, prefix, { ...LIMITS, ...wrong })).toThrow(RangeError);
});
