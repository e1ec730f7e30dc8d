/**
 * The budget where it counts: four real processes on one Redis against a receiver that notes every arrival. Whatever the processes do,
 * and however they die, no rolling window at the receiver holds more calls than the limit, and never more than four are in flight.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { Budget, type BudgetLimits, budgetKeys } from '../../src/maxio/budget.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const LIMITS = { callsPerWindow: 200, windowSeconds: 2, concurrency: 4, unknownOutcomeSeconds: 2 };
const PATIENCE = { timeout: 30_000, interval: 20 };
const hammerFile = fileURLToPath(new URL('./budget-hammer.ts', import.meta.url));

let server: TestRedis;
const children = new Set<ChildProcess>();
beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});
afterAll(() => server.stop());

/** A receiver that answers after a few milliseconds; now and then it takes long, so that calls straddle windows. */
async function startReceiver() {
  const arrivals: number[] = [];
  let inFlight = 0;
  let inFlightMax = 0;
  const http = createServer((_request, answer) => {
    arrivals.push(performance.now());
    inFlight++;
    inFlightMax = Math.max(inFlightMax, inFlight);
    const tookMs = arrivals.length % 50 === 0 ? 300 : Math.random() * 8;
    setTimeout(() => {
      inFlight--;
      answer.end('{}');
    }, tookMs);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/`,
    arrivals,
    inFlightMax: () => inFlightMax,
    /** Most arrivals in any window of the given length. */
    most: (spanMs: number): number => {
      let from = 0;
      let best = 0;
      for (const [i, at] of arrivals.entries()) {
        while (at - (arrivals[from] ?? 0) >= spanMs) from++;
        best = Math.max(best, i - from + 1);
      }
      return best;
    },
    close: async () => {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

function startHammer(
  prefix: string,
  url: string,
  options: { loops: number; hang?: boolean; limits?: BudgetLimits },
): ChildProcess {
  const orders = { redisUrl: server.url, prefix, url, limits: LIMITS, hang: false, ...options };
  const child = spawn(process.execPath, [hammerFile, JSON.stringify(orders)], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  return child;
}

test('I5 F60 F63 four processes flooding: no rolling window at the receiver above the limit, never more than four in flight', {
  timeout: 120_000,
}, async () => {
  const receiver = await startReceiver();
  const prefix = 'scim:{us.flood}:';
  const hammers = Array.from({ length: 4 }, () => startHammer(prefix, receiver.url, { loops: 6 }));
  const budget = new Budget(server.connect(), prefix, LIMITS);
  // Only a window that has been full proves anything.
  await vi.waitFor(async () => expect((await budget.peek()).used).toBe(LIMITS.callsPerWindow - LIMITS.concurrency), PATIENCE);
  // Three windows' worth, with one process killed in the middle of its calls and another one taking its place.
  await vi.waitFor(() => expect(receiver.arrivals.length).toBeGreaterThan(250), PATIENCE);
  hammers[0]?.kill('SIGKILL');
  startHammer(prefix, receiver.url, { loops: 6 });
  await vi.waitFor(() => expect(receiver.arrivals.length).toBeGreaterThan(700), PATIENCE);
  for (const child of children) child.kill('SIGKILL');
  await receiver.close();
  expect(receiver.most(2_000)).toBeLessThanOrEqual(LIMITS.callsPerWindow);
  expect(receiver.inFlightMax()).toBeLessThanOrEqual(LIMITS.concurrency);
});

test('F62 the slots and charges of a process that died after reserving stay until its calls could no longer be at work', {
  timeout: 120_000,
}, async () => {
  const prefix = 'scim:{us.died}:';
  const redis = server.connect();
  const limits = { ...LIMITS, unknownOutcomeSeconds: 3 };
  const budget = new Budget(redis, prefix, limits);
  const child = startHammer(prefix, 'http://127.0.0.1:9/', { loops: 4, hang: true, limits });
  await vi.waitFor(async () => expect(await budget.peek()).toMatchObject({ inFlight: 4 }), PATIENCE);
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('exit', resolve));
  expect(await budget.take({ lane: 'urgent' })).toMatchObject({ granted: false, why: 'slots' });
  const [, firstFreeMs] = await redis.zrange(budgetKeys(prefix).slots, '0', '0', 'WITHSCORES');
  const granted = await vi.waitFor(async () => {
    const answer = await budget.take({ lane: 'urgent' });
    if (!answer.granted) throw new Error('no slot yet');
    return answer;
  }, PATIENCE);
  expect(granted.nowMs).toBeGreaterThanOrEqual(Number(firstFreeMs));
});
