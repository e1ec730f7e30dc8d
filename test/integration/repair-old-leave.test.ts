/** When the last word about somebody is too old for a repair that nobody has ordered: after a loss of data, and not merely because the site got its epoch later. */
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DriftReports, type StoredDriftRow } from '../../src/directory/drift-report.ts';
import { Runs } from '../../src/directory/runs.ts';
import { SiteModes } from '../../src/directory/site-mode.ts';
import { SurveyIndex } from '../../src/directory/survey-index.ts';
import { Repairs } from '../../src/survey/repair.ts';
import { NO_GUARD } from '../support/guard.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { body, CONTEXT, openSite } from './directory-bench.ts';

let server: TestRedis;

beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterAll(async () => await server.stop());

test.each([
  ['a leave', false, 'left-billed'],
  ['being here', true, 'active-unbilled'],
])('F23 %s is old after a loss only, not after the upgrade that brought the epoch', async (_name, active, kind) => {
  const { store, users, redis, key } = openSite(server);
  const { id } = await users.create({ ...body(1), active }, CONTEXT);
  await new Promise((resolve) => setTimeout(resolve, 5));
  const modes = new SiteModes(redis, key);
  await modes.meet('17', 'enforce');
  await store.witness.look();
  const repairs = new Repairs({
    site: { key, guard: { ...NO_GUARD, floor: 1_000 } },
    store,
    runs: new Runs(store, { leaseMs: 3_000 }),
    modes,
    index: new SurveyIndex(store),
    reports: new DriftReports(store),
    ring: async () => undefined,
    logger: pino({ level: 'silent' }),
  });
  const row = { key: 'k', kind, personId: id, userName: 'u', customerId: '1', subscriptionId: '2', detail: 'd' };
  const rows: StoredDriftRow[] = [{ ...row, exempt: false, sinceMs: 1, repair: 'possible' }];
  // There is nothing to plan for this person, but that is another reason.
  expect((await repairs.once(rows)).skipped).toEqual([{ id, detail: expect.stringContaining('on its way') }]);

  await store.witness.declare('restored', 'dana');
  await store.witness.proceed('restored', undefined, { kind: 'operator', what: 'recovery-ended', actor: 'dana' });
  await modes.set('enforce', { by: 'dana' });
  expect((await repairs.once(rows)).skipped).toEqual([{ id, detail: expect.stringContaining('older than the recovery') }]);
  // An operator may decide all the same; and a word of the identity provider makes the person new.
  expect((await repairs.repair({ ids: [id] }, { by: 'dana', requestId: 'r' })).skipped).not.toEqual([
    { id, detail: expect.stringContaining('older than the recovery') },
  ]);
  await users.replace(id, { ...body(1), active, displayName: 'Sent again' }, CONTEXT);
  expect((await repairs.once(rows)).skipped).toEqual([{ id, detail: expect.stringContaining('on its way') }]);
});
