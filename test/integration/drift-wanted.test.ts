/** When looks for drift are asked for while one is at work: on a real Redis, with a site at which nothing has changed. */
import type { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { DriftReports } from '../../src/directory/drift-report.ts';
import { Runs } from '../../src/directory/runs.ts';
import { Store } from '../../src/directory/store.ts';
import { SurveyIndex } from '../../src/directory/survey-index.ts';
import { Drift, type DriftParts } from '../../src/survey/drift.ts';
import { createTelemetry } from '../../src/telemetry.ts';
import { NO_GUARD } from '../support/guard.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const TURN = { nowMs: 1_000_000, mode: 'enforce' as const, signal: new AbortController().signal };
const ORDER = { by: 'ann', requestId: 'r1' };

let redis: TestRedis;
let commands: Redis;

beforeAll(async () => {
  redis = await startRedis({ appendfsync: 'no' });
  commands = redis.connect();
});
beforeEach(async () => await redis.flush());
afterAll(async () => await redis?.stop());

function drift(change: { whileComparing?: (one: Drift) => Promise<void>; surveys?: string[] } = {}): Drift {
  const store = new Store(commands, 'us.acme', { backlogLimit: 100, guard: NO_GUARD });
  const index = new SurveyIndex(store);
  const marks = async () => ({ current: '1', sinceMs: 900_000, fullAtMs: 900_000, eventId: '' });
  const parts: DriftParts = {
    site: { key: 'us.acme', drift: 'report', driftHours: 24 },
    store,
    runs: new Runs(store, { leaseMs: 3_000 }),
    index: Object.assign(index, {
      scan: async () => {
        await change.whileComparing?.(made);
        return { next: '0', rows: [] };
      },
    }),
    survey: { want: async () => void change.surveys?.push('wanted') },
    delta: { marks, step: async () => 'done' } as unknown as DriftParts['delta'],
    reports: new DriftReports(store),
    repairs: { once: async () => ({ repaired: 0, skipped: [], left: 0 }) },
    policy: () => ({ productHandle: 'pro', deprovision: 'cancel' }),
    logger: pino({ level: 'silent' }),
    telemetry: createTelemetry({ version: '1', processMetrics: false }),
  };
  const made = new Drift(parts);
  return made;
}

test('a full look that is asked for while a smaller one is compared is not lost with its report', async () => {
  const surveys: string[] = [];
  let asked = false;
  const one = drift({
    surveys,
    async whileComparing(made) {
      if (!asked) await made.want(true, ORDER);
      asked = true;
    },
  });
  await one.want(false, ORDER);
  await one.turn(TURN);
  await one.turn(TURN);
  expect(await one.head()).toMatchObject({ state: 'wanted', full: true, by: 'ann', atMs: TURN.nowMs, lastFull: false });
  await one.turn(TURN);
  expect(await one.head()).toMatchObject({ state: 'running', full: true });
  expect(surveys).toEqual(['wanted']);
});

test('a smaller look that is asked for while one is compared is that one', async () => {
  const one = drift({ whileComparing: async (made) => await made.want(false, ORDER) });
  await one.want(false, ORDER);
  await one.turn(TURN);
  await one.turn(TURN);
  expect(await one.head()).toMatchObject({ state: 'done', atMs: TURN.nowMs });
});
