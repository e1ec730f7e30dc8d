/** Who is left out when many are repaired: people of whom somebody wants something so, with everything that differs for them. Real Redis. */
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DriftReports, type RepairState, type StoredDriftRow } from '../../src/directory/drift-report.ts';
import { Runs } from '../../src/directory/runs.ts';
import { SiteModes } from '../../src/directory/site-mode.ts';
import { SurveyIndex } from '../../src/directory/survey-index.ts';
import { type Repaired, Repairs } from '../../src/survey/repair.ts';
import { NO_GUARD } from '../support/guard.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { body, CONTEXT, openSite, type TestSite } from './directory-bench.ts';

const ORDER = { by: 'dana', requestId: 'r1' };

let server: TestRedis;

beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterAll(async () => await server.stop());

/** Somebody who is settled, with a customer. */
async function settled({ users, runs }: TestSite, n: number): Promise<string> {
  const { id, generation } = await users.create(body(n), CONTEXT);
  const lease = await runs.lease(id);
  if (lease === undefined) throw new Error('no lease');
  const link = { customerId: String(700 + n), origin: 'created' as const, confirmed: {}, subscriptions: [] };
  await runs.recordStep(lease, { generation, link, open: [] });
  await runs.finish(lease, { generation, run: { outcome: 'settled', attempts: 1 } });
  await runs.release(lease);
  return id;
}

test('a word about many, and the policy, leave them out; their ids do not', async () => {
  const site = openSite(server);
  const { store, redis, key } = site;
  const [plain = '', both = '', contested = ''] = [await settled(site, 1), await settled(site, 2), await settled(site, 3)];
  const modes = new SiteModes(redis, key);
  await modes.set('enforce', ORDER);
  const reports = new DriftReports(store);
  const rung: string[] = [];
  const repairs = new Repairs({
    site: { key, guard: { ...NO_GUARD, floor: 1_000 } },
    store,
    runs: new Runs(store, { leaseMs: 3_000 }),
    modes,
    index: new SurveyIndex(store),
    reports,
    ring: async (id) => void rung.push(id),
    logger: pino({ level: 'silent' }),
  });
  const row = (personId: string, kind: string, repair: RepairState): StoredDriftRow => ({
    ...{ key: `${kind}:${personId}:`, kind, personId, userName: 'u', customerId: '1', subscriptionId: null, detail: 'd' },
    ...{ exempt: false, sinceMs: 1, repair },
  });
  const rows = [
    row(plain, 'fields-differ', 'possible'),
    row(both, 'fields-differ', 'possible'),
    row(both, 'active-unbilled', 'contested'),
    row(contested, 'fields-differ', 'contested'),
  ];
  await reports.replace(rows, { beganMs: 0, atMs: 1, lastFull: true, nextMs: 2 });

  expect(await repairs.once(rows.slice(1))).toEqual({ repaired: 0, skipped: [], left: 0 });
  const detail = expect.stringContaining('name this person by id');
  const left = [both, contested].toSorted().map((id) => ({ id, detail }));
  const sorted = ({ skipped, ...rest }: Repaired): Repaired => ({
    ...rest,
    skipped: skipped.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
  });
  expect(sorted(await repairs.repair({ kind: 'fields-differ' }, ORDER))).toEqual({ repaired: 1, skipped: left, left: 0 });
  expect(sorted(await repairs.repair({ all: true }, ORDER))).toEqual({ repaired: 0, skipped: left, left: 0 });
  expect(rung).toEqual([plain]);
  expect(await repairs.repair({ ids: [both, contested] }, ORDER)).toEqual({ repaired: 2, skipped: [], left: 0 });
  expect(rung.toSorted()).toEqual([plain, both, contested].toSorted());
  expect((await reports.rows()).map(({ repair }) => repair)).toEqual(Array(4).fill('repaired'));
});
