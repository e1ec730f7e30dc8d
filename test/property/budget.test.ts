/**
 * The call budget against a brute-force rolling counter, on a real Redis with a clock of our own: every answer and every wait is
 * predicted call by call; and, with the clock stepping about, what a receiver with a steady clock counts never exceeds the limit.
 */
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Budget, budgetKeys, type Lane } from '../../src/maxio/budget.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const LIMITS = { callsPerWindow: 24, windowSeconds: 7.3, concurrency: 3, unknownOutcomeSeconds: 0.8 };
const WINDOW_MS = 7_300;
const BUCKET_MS = 8;
const HOLD_MS = 1_000;
const MARK_MS = 250;
const CAPS: Record<Lane, number> = { urgent: 21, normal: 21, background: 19 };
const START_MS = 1_790_000_000_123;

let server: TestRedis;
let redis: Redis;
let runs = 0;
beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
  redis = server.connect();
});
afterAll(() => server.stop());

/** A budget on fresh keys; failures never pause it, pauses have their own tests. */
function freshBudget(nowMs: () => number, limits = LIMITS): { budget: Budget; prefix: string } {
  const prefix = `scim:{us.run${runs++}}:`;
  return { budget: new Budget(redis, prefix, limits, { nowMs, failuresMax: 1_000_000 }), prefix };
}

const lane = fc.constantFrom<Lane>('urgent', 'normal', 'background');
const ending = fc.constantFrom('answered', 'unsent', 'unknown', 'failed');
type Act =
  | { act: 'wait'; ms: number }
  | { act: 'take'; lane: Lane; waiter: string }
  | { act: 'release'; which: number; result: 'answered' | 'unsent' | 'unknown' | 'failed' };
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ act: fc.constant('wait' as const), ms: fc.oneof(fc.nat(20), fc.nat(400), fc.nat(4_000)) }),
  },
  { weight: 8, arbitrary: fc.record({ act: fc.constant('take' as const), lane, waiter: fc.constantFrom('w1', 'w2') }) },
  { weight: 6, arbitrary: fc.record({ act: fc.constant('release' as const), which: fc.nat(2), result: ending }) },
) as fc.Arbitrary<Act>;

/** The whole policy by brute force: every grant is remembered for ever. */
class Model {
  readonly grants: number[] = [];
  readonly slots = new Map<string, number>();
  readonly marks = new Map<string, number>();

  take(nowMs: number, wanted: Lane, waiter: string): 'granted' | 'slots' | { budgetWaitMs: number } {
    for (const [slot, untilMs] of this.slots) if (untilMs <= nowMs) this.slots.delete(slot);
    const leaves = this.grants.map((at) => (Math.floor(at / BUCKET_MS) + 1) * BUCKET_MS + WINDOW_MS).filter((at) => at > nowMs);
    const excess = leaves.length + 1 - CAPS[wanted];
    if (excess > 0) return { budgetWaitMs: (leaves.sort((a, b) => a - b)[excess - 1] ?? 0) - nowMs };
    for (const [one, untilMs] of this.marks) if (untilMs <= nowMs) this.marks.delete(one);
    const free = LIMITS.concurrency - this.slots.size;
    if (wanted === 'urgent' && free < 1) {
      this.marks.set(waiter, nowMs + MARK_MS);
      return 'slots';
    }
    if (wanted !== 'urgent' && free <= this.marks.size) return 'slots';
    if (wanted === 'urgent') this.marks.delete(waiter);
    this.grants.push(nowMs);
    return 'granted';
  }
}

test('every answer and every wait equals that of a brute-force rolling counter with slots, lanes and urgent marks', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 30, maxLength: 150 }), async (acts) => {
      let nowMs = START_MS;
      const model = new Model();
      const unknown = new Set<string>();
      const { budget } = freshBudget(() => nowMs);
      for (const each of acts) {
        if (each.act === 'wait') nowMs += each.ms;
        else if (each.act === 'release') {
          const slot = [...model.slots.keys()][each.which];
          if (slot === undefined) continue;
          await budget.release(slot, each.result);
          // Once unknown, always unknown: a second word about the same call changes nothing.
          if (each.result === 'unknown') unknown.add(slot);
          else if (!unknown.has(slot)) model.slots.delete(slot);
        } else {
          const expected = model.take(nowMs, each.lane, each.waiter);
          const answer = await budget.take({ lane: each.lane, waiter: each.waiter });
          if (answer.granted) {
            expect(expected).toBe('granted');
            expect(answer.nowMs).toBe(nowMs);
            model.slots.set(answer.slot, nowMs + HOLD_MS);
          } else if (answer.why === 'budget') expect({ budgetWaitMs: answer.waitMs }).toEqual(expected);
          else expect(answer.why).toBe(expected);
        }
      }
      const peek = await budget.peek();
      expect(peek.inFlight).toBe([...model.slots.values()].filter((untilMs) => untilMs > nowMs).length);
      const live = model.grants.filter((at) => (Math.floor(at / BUCKET_MS) + 1) * BUCKET_MS + WINDOW_MS > nowMs);
      expect(peek.used).toBe(live.length);
    }),
    { numRuns: 60 },
  );
});

test('a refusal tells the exact wait: one millisecond earlier is too early, then it is granted', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(600), { minLength: 24, maxLength: 24 }), lane, async (pauses, wanted) => {
      let nowMs = START_MS;
      const { budget } = freshBudget(() => nowMs);
      for (const pause of pauses) {
        nowMs += Math.floor(pause / 4);
        const grant = await budget.take({ lane: 'urgent' });
        if (grant.granted) await budget.release(grant.slot, 'answered');
      }
      const refusal = await budget.take({ lane: wanted });
      if (refusal.granted || refusal.why !== 'budget') throw new Error('the window should be full');
      nowMs += refusal.waitMs - 1;
      expect(await budget.take({ lane: wanted })).toMatchObject({ granted: false, why: 'budget', waitMs: 1 });
      nowMs += 1;
      expect((await budget.take({ lane: wanted })).granted).toBe(true);
    }),
    { numRuns: 40 },
  );
});

/** Counts the most events in any window [t, t + spanMs) of a sorted list. */
function most(timesMs: number[], spanMs: number): number {
  const sorted = timesMs.toSorted((a, b) => a - b);
  let from = 0;
  let best = 0;
  for (const [i, at] of sorted.entries()) {
    while (at - (sorted[from] ?? 0) >= spanMs) from++;
    best = Math.max(best, i - from + 1);
  }
  return best;
}

interface Call {
  slot: string;
  granted: number;
  /** Where between its grant and its last possible moment the call arrives, 0..1. */
  late: number;
  released?: number;
}

const worldAct = fc.oneof(
  { weight: 4, arbitrary: fc.record({ act: fc.constant('wait' as const), ms: fc.oneof(fc.nat(60), fc.nat(1_500)) }) },
  {
    weight: 8,
    arbitrary: fc.record({ act: fc.constant('take' as const), lane, late: fc.double({ min: 0, max: 1, noNaN: true }) }),
  },
  { weight: 6, arbitrary: fc.record({ act: fc.constant('release' as const), which: fc.nat(3) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      act: fc.constant('step' as const),
      ms: fc.oneof(fc.integer({ min: -400, max: 400 }), fc.integer({ min: -40_000, max: 900 })),
    }),
  },
);

test('F60 F63 a receiver with a steady clock counts at most the limit in any window and the concurrency at once, however the clock of Redis steps back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(worldAct, { minLength: 60, maxLength: 220 }), fc.boolean(), async (acts, forward) => {
      let realMs = START_MS;
      let offsetMs = 0;
      let forwardMs = 0;
      const calls: Call[] = [];
      const { budget } = freshBudget(() => realMs + offsetMs);
      for (const each of acts) {
        if (each.act === 'wait') realMs += each.ms;
        else if (each.act === 'step') {
          if (each.ms > 0 && !forward) continue;
          offsetMs += each.ms;
          forwardMs += Math.max(0, each.ms);
        } else if (each.act === 'release') {
          const open = calls.filter((call) => call.released === undefined)[each.which];
          if (!open) continue;
          open.released = realMs;
          await budget.release(open.slot, 'answered');
        } else {
          const answer = await budget.take({ lane: each.lane });
          if (answer.granted) calls.push({ slot: answer.slot, granted: realMs, late: each.late });
        }
      }
      // A forward step of Redis ages everything by its size; nothing but the host's time service can prevent that.
      const spanMs = WINDOW_MS - forwardMs;
      if (spanMs > 0) {
        const granted = most(
          calls.map((call) => call.granted),
          spanMs,
        );
        expect(granted).toBeLessThanOrEqual(CAPS.urgent);
      }
      if (forwardMs > 0) return;
      const ends = calls.map((call) => Math.min(call.released ?? Number.POSITIVE_INFINITY, call.granted + HOLD_MS));
      const arrivals = calls.map((call, i) => call.granted + call.late * ((ends[i] ?? 0) - call.granted));
      expect(most(arrivals, WINDOW_MS)).toBeLessThanOrEqual(LIMITS.callsPerWindow);
      for (const call of calls) {
        const together = calls.filter((other, i) => other.granted <= call.granted && (ends[i] ?? 0) > call.granted).length;
        expect(together).toBeLessThanOrEqual(LIMITS.concurrency);
      }
    }),
    { numRuns: 80 },
  );
});

test('F63 a clock that was years ahead and is set right blocks nobody for longer than one window', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 100_000_000_000 }), async (aheadMs) => {
      let nowMs = START_MS + aheadMs;
      const { budget } = freshBudget(() => nowMs);
      for (let i = 0; i < CAPS.urgent; i++) {
        const grant = await budget.take({ lane: 'urgent' });
        if (grant.granted) await budget.release(grant.slot, 'answered');
      }
      nowMs = START_MS;
      const refusal = await budget.take({ lane: 'urgent' });
      expect(refusal).toMatchObject({ granted: false, why: 'budget' });
      if ('waitMs' in refusal) {
        expect(refusal.waitMs).toBeLessThanOrEqual(WINDOW_MS + BUCKET_MS);
        nowMs += refusal.waitMs;
      }
      expect((await budget.take({ lane: 'urgent' })).granted).toBe(true);
    }),
    { numRuns: 20 },
  );
});

test('F63 slots and urgent claims from a clock that was ahead end as if they had begun when it was set right', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 100_000_000_000 }), async (aheadMs) => {
      let nowMs = START_MS + aheadMs;
      const { budget } = freshBudget(() => nowMs);
      for (let i = 0; i < LIMITS.concurrency; i++) await budget.take({ lane: 'urgent' });
      await budget.take({ lane: 'urgent' });
      nowMs = START_MS;
      expect(await budget.take({ lane: 'normal' })).toMatchObject({ granted: false, why: 'slots' });
      nowMs += HOLD_MS - 1;
      expect(await budget.take({ lane: 'normal' })).toMatchObject({ granted: false, why: 'slots' });
      nowMs += 1;
      for (let i = 0; i < LIMITS.concurrency; i++) expect((await budget.take({ lane: 'normal' })).granted).toBe(true);
    }),
    { numRuns: 20 },
  );
});

test('a saturated budget loses at most one per cent of what a perfect one would grant', async () => {
  let nowMs = START_MS;
  const limits = { ...LIMITS, callsPerWindow: 103, windowSeconds: 5 };
  const { budget } = freshBudget(() => nowMs, limits);
  let granted = 0;
  const endMs = START_MS + 20 * 5_000;
  while (nowMs < endMs) {
    const answer = await budget.take({ lane: 'urgent' });
    if (answer.granted) {
      granted++;
      await budget.release(answer.slot, 'answered');
    } else if ('waitMs' in answer) nowMs += answer.waitMs;
  }
  expect(granted).toBeGreaterThanOrEqual(100 * 20 * 0.99);
  expect(granted).toBeLessThanOrEqual(100 * 20);
});

test('another window length on the same keys forgets no call', async () => {
  const nowMs = START_MS;
  const { budget, prefix } = freshBudget(() => nowMs);
  for (let i = 0; i < 10; i++) {
    const grant = await budget.take({ lane: 'urgent' });
    if (grant.granted) await budget.release(grant.slot, 'answered');
  }
  const wider = new Budget(redis, prefix, { ...LIMITS, callsPerWindow: 13, windowSeconds: 3_600 }, { nowMs: () => nowMs });
  expect((await wider.peek()).used).toBe(10);
  expect(await wider.take({ lane: 'urgent' })).toMatchObject({ granted: false, why: 'budget' });
  expect(await redis.hlen(budgetKeys(prefix).calls)).toBe(1);
});
