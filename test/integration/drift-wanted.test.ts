/** When looks for drift, or of one person, are asked for while one is at work: on a real Redis, with a site at which nothing has changed. */
import type { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DriftReports, openCounts, type StoredDriftRow } from '../../src/directory/drift-report.ts';
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

interface Staged {
  whileComparing?: (one: Drift) => Promise<void>;
  surveys?: string[];
  /** When the last full pass was complete. */
  fullAtMs?: () => number;
  telemetry?: DriftParts['telemetry'];
}

function drift(change: Staged = {}): Drift {
  const store = new Store(commands, 'us.acme', { backlogLimit: 100, guard: NO_GUARD });
  const index = new SurveyIndex(store);
  const marks = async () => ({ current: '1', sinceMs: 900_000, fullAtMs: change.fullAtMs?.() ?? 900_000, eventId: '' });
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
    telemetry: change.telemetry ?? createTelemetry({ version: '1', processMetrics: false }),
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

test('a full look that was asked for in the last phase of a survey asks for another one, and comes to an end', async () => {
  const surveys: string[] = [];
  let fullAtMs = 900_000;
  const one = drift({ surveys, fullAtMs: () => fullAtMs });
  await one.want(true, ORDER);
  await one.turn(TURN);
  expect(surveys).toEqual(['wanted']);
  // The survey that was at work has ended, with a pass that is older than the question.
  expect(await one.turn({ ...TURN, nowMs: 1_001_000 })).toBe('idle');
  expect(surveys).toEqual(['wanted', 'wanted']);
  expect(await one.head()).toMatchObject({ state: 'running', full: true });
  fullAtMs = 1_002_000;
  await one.turn({ ...TURN, nowMs: 1_003_000 });
  expect(surveys).toHaveLength(2);
  expect(await one.head()).toMatchObject({ state: 'done', atMs: 1_003_000, lastFull: true });
});

describe('what is put of one person beside a report', () => {
  const P = 'scim:{us.acme}:';
  const row = (personId: string, kind = 'fields-differ'): StoredDriftRow => ({
    key: `${kind}:${personId}:`,
    kind,
    personId,
    userName: personId,
    customerId: null,
    subscriptionId: null,
    detail: 'Maxio shows other values in last_name.',
    exempt: false,
    sinceMs: 1_767_225_600_123,
    repair: 'possible',
  });
  const REPORT = { beganMs: 0, atMs: 1, lastFull: false, nextMs: 2 };
  const reports = (): DriftReports => new DriftReports(new Store(commands, 'us.acme', { backlogLimit: 100, guard: NO_GUARD }));

  test('while a look compares is not lost with its report, and is counted', async () => {
    await commands.hset(`${P}user:ann`, 'gen', 1);
    const one = drift({ whileComparing: async () => await reports().change('ann', () => [row('ann')]) });
    await one.want(false, ORDER);
    await one.turn(TURN);
    await one.turn(TURN);
    expect(await one.head()).toMatchObject({ state: 'done', counts: { 'fields-differ': 1 } });
    expect(await one.rows()).toEqual([row('ann')]);
  });

  test('stands against what was compared, but for strangers; later comparisons have the last word; who was erased is in neither', async () => {
    const store = reports();
    await commands.hset(`${P}user:ann`, 'gen', 1);
    await commands.hset(`${P}user:bob`, 'gen', 1);
    const compared = [row('ann'), row('ann', 'duplicate-customer'), row('bob'), row('bob', 'left-billed'), row('eve')];
    for (const id of ['ann', 'bob', 'eve']) await store.change(id, () => [row(id, 'ending-foreign')]);
    await store.change('bob', () => []);
    const made = await store.replace(compared, REPORT);
    expect(made).toEqual({ counts: { 'duplicate-customer': 1, 'ending-foreign': 1 }, late: expect.any(Array) });
    expect(made?.late.toSorted()).toEqual(['ann', 'bob', 'eve']);
    expect((await store.rows()).map(({ key }) => key)).toEqual(['ending-foreign:ann:', 'duplicate-customer:ann:']);
    expect((await store.head()).counts).toEqual(made?.counts);
    expect(await commands.zrange(`${P}driftPuts`, '0', '-1')).not.toContain('eve');

    const later = await store.replace(compared.slice(0, 4), { ...REPORT, beganMs: Number.MAX_SAFE_INTEGER, atMs: 5 });
    expect(later).toMatchObject({ counts: { 'fields-differ': 2, 'duplicate-customer': 1, 'left-billed': 1 }, late: [] });
    expect(await commands.exists(`${P}driftPuts`)).toBe(0);
    // A comparison of a process that has lost the rounds comes too late.
    expect(await store.replace([], { ...REPORT, atMs: 4 })).toBeUndefined();
    expect(await store.rows()).toHaveLength(4);
    expect(await store.head()).toMatchObject({ atMs: 5, counts: later?.counts });
  });

  test('at once for many, and by two for one, is all counted', async () => {
    const [one, other] = [reports(), reports()];
    const ids = Array.from({ length: 40 }, (_, n) => `p${n}`);
    await Promise.all(
      ids.flatMap((id) => [
        one.change(id, (before) => [...before, row(id)]),
        other.change(id, async (before) => [...before, row(id, 'left-billed')]),
      ]),
    );
    expect((await one.head()).counts).toEqual({ 'fields-differ': 40, 'left-billed': 40 });
    expect(await one.rows()).toHaveLength(80);
    await Promise.all(ids.map((id) => one.change(id, () => [])));
    expect((await one.head()).counts).toEqual({});
    expect(await commands.exists(`${P}driftRows`)).toBe(0);
  });

  test('whom an operator has exempted is in the report, and not among those to do something about', async () => {
    const store = reports();
    const exempt = (personId: string): StoredDriftRow => ({ ...row(personId, 'left-billed'), exempt: true });
    const numbers = async () => {
      const head = await store.head();
      return { all: head.counts['left-billed'], open: openCounts(head)['left-billed'] };
    };
    await store.replace([row('ann', 'left-billed'), exempt('bob'), exempt('eve')], REPORT);
    expect(await numbers()).toEqual({ all: 3, open: 1 });
    const telemetry = createTelemetry({ version: '1', processMetrics: false });
    await drift({ telemetry }).turn(TURN);
    const shown = (await telemetry.driftUsers.get()).values.find(({ labels }) => labels.kind === 'left-billed');
    expect(shown?.value).toBe(1);

    await store.change('ann', () => [exempt('ann')]);
    expect(await numbers()).toEqual({ all: 3, open: 0 });
    await store.change('ann', () => [row('ann', 'left-billed')]);
    await store.change('bob', () => []);
    expect(await numbers()).toEqual({ all: 2, open: 1 });
    // What is put while it is compared stands, exempt or not.
    await commands.hset(`${P}user:eve`, 'gen', 1);
    await store.change('eve', () => [row('eve', 'left-billed')]);
    await store.replace([exempt('eve'), exempt('bob')], { ...REPORT, atMs: 5 });
    expect(await numbers()).toEqual({ all: 1, open: 1 });
    await store.replace([], { ...REPORT, beganMs: Number.MAX_SAFE_INTEGER, atMs: 6 });
    expect(openCounts(await store.head())).toEqual({});
  });
});
