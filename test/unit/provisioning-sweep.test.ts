/** The sweep is a worker's sign of life: it beats while there is nothing to do and while Redis is away. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Runs } from '../../src/directory/runs.ts';
import { createLogger } from '../../src/logger.ts';
import type { Bells } from '../../src/provisioning/queue.ts';
import { Sweep } from '../../src/provisioning/sweep.ts';
import { createTelemetry } from '../../src/telemetry.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test.each([
  ['idle', async () => ({ next: { everybody: 0, leavers: 0 }, people: [] })],
  ['without Redis', () => Promise.reject(new Error('Connection is closed.'))],
])('a worker process that is %s shows that it lives, until it is closed', async (_what, sweepable) => {
  const beat = vi.fn();
  const sweep = new Sweep({
    site: 'us.acme',
    runs: { sweepable } as unknown as Runs,
    bells: {} as Bells,
    logger: createLogger({ level: 'silent' }),
    telemetry: createTelemetry({ version: 'test', processMetrics: false }),
    beat,
  });
  sweep.start();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(beat.mock.calls.length).toBeGreaterThan(10);
  sweep.close();
  const beats = beat.mock.calls.length;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(beat.mock.calls.length).toBe(beats);
});
