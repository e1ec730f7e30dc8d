/** The applied configuration on a real Redis: a newer mapping, processes that come and go, decisions at the same moment. */
import type { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { GuardLimits } from '../../src/config.ts';
import { Runs } from '../../src/directory/runs.ts';
import { Store } from '../../src/directory/store.ts';
import { SurveyIndex } from '../../src/directory/survey-index.ts';
import type { RunPolicy } from '../../src/provisioning/run.ts';
import { Configuration, type Configured } from '../../src/survey/configuration.ts';
import { Forecasts } from '../../src/survey/forecasts.ts';
import { GroupPlans } from '../../src/survey/group-plans.ts';
import { NO_GUARD } from '../support/guard.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const PREFIX = 'scim:{us.acme}:';

let redis: TestRedis;
let commands: Redis;
let store: Store;
let rung: string[];
let open: Configuration[] = [];

beforeAll(async () => {
  redis = await startRedis();
  commands = redis.connect();
});
beforeEach(async () => {
  await Promise.all(open.map((each) => each.close()));
  open = [];
  await redis.flush();
  store = new Store(commands, 'us.acme', { backlogLimit: 100_000, guard: NO_GUARD });
  rung = [];
});
afterAll(async () => {
  await Promise.all(open.map((each) => each.close()));
  await redis?.stop();
});

function configuration(
  environment: Partial<Configured> = {},
  options: { author?: string; guard?: GuardLimits; groupPlans?: Pick<GroupPlans, 'wanted'> } = {},
): Configuration {
  const runs = new Runs(store, { leaseMs: 3_000 });
  const policyOf = ({ productHandle, deprovision }: Configured): RunPolicy => ({
    productHandle: productHandle ?? undefined,
    policy: deprovision,
    unknownOutcomeMs: 130_000,
    graceMs: 0,
    calmMs: 0,
    isProtected: () => false,
  });
  const made: Configuration = new Configuration({
    siteKey: 'us.acme',
    store,
    runs,
    environment: { productHandle: 'pro', paymentCollectionMethod: 'remittance', deprovision: 'cancel', ...environment },
    author: options.author ?? 'start',
    ...(options.groupPlans && { groupPlans: options.groupPlans }),
    guard: options.guard ?? { ...NO_GUARD, floor: 5, hourPercent: 5 },
    forecasts: new Forecasts({ store, runs, index: new SurveyIndex(store), policy: () => policyOf(made.current()) }),
    policyOf,
    ring: async (id) => void rung.push(id),
    logger: pino({ level: 'silent' }),
  });
  open.push(made);
  return made;
}

const TURN = { nowMs: 0, mode: 'enforce' as const, signal: new AbortController().signal };

async function work(one: Configuration): Promise<void> {
  for (let i = 0; i < 10 && (await one.turn(TURN)) === 'more'; i += 1);
}

/** Somebody of whom nothing is at Maxio yet. */
async function joined(n: number) {
  const id = `0000000${n}`.slice(-8);
  const attributes = {
    userName: `p${n}@example.com`,
    emails: [{ value: `p${n}@example.com` }],
    active: true,
    name: { givenName: 'P', familyName: `N${n}` },
  };
  await store.commit({
    id,
    expected: 0,
    reference: `r${n}`,
    attributes,
    deleted: false,
    requestId: 'r',
    audit: { kind: 'scim', what: 'create' },
  });
  return { id, attributes };
}

/** Somebody who has settled, and to whose customer an older mapping has given this family name. */
async function settled(n: number, familyName: string): Promise<string> {
  const { id, attributes } = await joined(n);
  const confirmed = { first_name: 'P', last_name: familyName, email: attributes.userName };
  const subscriptions = [{ id: `s${n}`, productHandle: 'pro', origin: 'created', state: 'active' }];
  const link = { customerId: `c${n}`, origin: 'created', confirmed, subscriptions };
  const run = { outcome: 'settled', atMs: 1, attempts: 0 };
  await commands.hset(store.userKey(id), { settled: '1', link: JSON.stringify(link), run: JSON.stringify(run) });
  await commands.zrem(`${PREFIX}dirty`, id);
  return id;
}

test('F83 a release with another mapping asks before it updates many, then updates exactly those', async () => {
  const first = configuration({ mappingVersion: 1 });
  await first.start();
  await work(first);
  const differing: string[] = [];
  for (let n = 1; n <= 20; n += 1) {
    const id = await settled(n, n <= 8 ? `Older${n}` : `N${n}`);
    if (n <= 8) differing.push(id);
  }
  await first.close();
  const second = configuration({ mappingVersion: 2 }, { author: 'ann' });
  await second.start();
  await work(second);
  expect(await second.state()).toMatchObject({
    applied: { mappingVersion: 1, author: 'start' },
    candidate: { mappingVersion: 2, author: 'ann' },
    changes: { people: 8 },
  });
  expect(await commands.zcard(`${PREFIX}dirty`)).toBe(0);
  await second.approve({ by: 'bob', requestId: 'r1' });
  await work(second);
  expect((await commands.zrange(`${PREFIX}dirty`, '0', '-1')).sort()).toEqual(differing);
  expect(rung.sort()).toEqual(differing);
  expect(await second.state()).toMatchObject({ applied: { mappingVersion: 2, author: 'ann' }, candidate: undefined });
  await expect(second.approve({ by: 'bob', requestId: 'r2' })).rejects.toMatchObject({ error: 'nothing-waits' });
});

test('F83 another collection method asks before many are subscribed by it, and means nothing to who is subscribed', async () => {
  const first = configuration();
  await first.start();
  await work(first);
  for (let n = 1; n <= 8; n += 1) await joined(n);
  for (let n = 9; n <= 20; n += 1) await settled(n, `N${n}`);
  await first.close();
  const second = configuration({ paymentCollectionMethod: 'invoice' }, { author: 'ann' });
  await second.start();
  await work(second);
  const state = await second.state();
  expect(state).toMatchObject({
    applied: { paymentCollectionMethod: 'remittance', author: 'start' },
    candidate: { paymentCollectionMethod: 'invoice', author: 'ann' },
    changes: { people: 8 },
  });
  expect(second.current().paymentCollectionMethod).toBe('remittance');
  await second.approve({ by: 'bob', requestId: 'r1' });
  await work(second);
  expect(await second.state()).toMatchObject({ applied: { paymentCollectionMethod: 'invoice' }, candidate: undefined });
  expect(second.current().paymentCollectionMethod).toBe('invoice');
});

test('F83 a process of an older release does not judge what only a newer mapping can tell', async () => {
  const old = configuration({ mappingVersion: 1 });
  await old.start();
  for (let n = 1; n <= 8; n += 1) await settled(n, `Older${n}`);
  const fresh = configuration({ mappingVersion: 2 });
  await fresh.start();
  // The old one still makes the rounds of an upgrade: to it nobody would differ.
  await old.start();
  await work(old);
  expect(await old.state()).toMatchObject({ applied: { mappingVersion: 1 }, candidate: undefined });
  await old.close();
  await fresh.start();
  await work(fresh);
  expect(await fresh.state()).toMatchObject({ candidate: { mappingVersion: 2 }, changes: { people: 8 } });
  // Nor does one that has come back plan anybody anew for it.
  await fresh.approve({ by: 'bob', requestId: 'r1' });
  await old.start();
  await work(old);
  expect(await commands.hget(`${PREFIX}configuration`, 'replan')).toBe('1');
  await work(fresh);
  expect(await commands.zcard(`${PREFIX}dirty`)).toBe(8);
});

test('an approval is for the candidate that was seen, and not for one that has come since', async () => {
  const first = configuration({}, { guard: { ...NO_GUARD, floor: 0, hourPercent: 0 } });
  await first.start();
  await settled(1, 'Older1');
  await first.close();
  const second = configuration({ mappingVersion: 2 }, { guard: { ...NO_GUARD, floor: 0, hourPercent: 0 } });
  await second.start();
  await work(second);
  const { candidate } = await second.state();
  await expect(second.approve({ by: 'bob', requestId: 'r1', seenAt: '2027-01-01T00:00:00.000Z' })).rejects.toMatchObject({
    error: 'moved',
  });
  expect((await second.state()).applied?.mappingVersion).toBe(1);
  await second.approve({ by: 'bob', requestId: 'r2', seenAt: candidate?.at ?? '' });
  expect((await second.state()).applied?.mappingVersion).toBe(2);
});

test('F83 below the limit it applies by itself and plans those few again', async () => {
  const first = configuration({ mappingVersion: 1 });
  await first.start();
  const ids = [await settled(1, 'Older'), await settled(2, 'Older'), await settled(3, 'N3')];
  await first.close();
  const second = configuration({ mappingVersion: 2 });
  await second.start();
  await work(second);
  expect(await second.state()).toMatchObject({ applied: { mappingVersion: 2 }, candidate: undefined });
  expect((await commands.zrange(`${PREFIX}dirty`, '0', '-1')).sort()).toEqual(ids.slice(0, 2));
});

test('the process that started last among those alive decides what is wanted, whoever asks', async () => {
  const old = configuration({ deprovision: 'cancel' });
  await old.start();
  const fresh = configuration({ deprovision: 'hold' });
  await fresh.start();
  // The old one makes the rounds, and finds what the new one wants.
  await old.start();
  await work(old);
  expect((await old.state()).applied?.deprovision).toBe('hold');
  await fresh.start();
  expect([old.current().deprovision, fresh.current().deprovision]).toEqual(['hold', 'hold']);
  // The new one is taken away again.
  await fresh.close();
  await old.start();
  await work(old);
  expect((await old.state()).applied?.deprovision).toBe('cancel');
});

test('two processes that judge at the same moment decide once', async () => {
  const first = configuration();
  await first.start();
  const others = [configuration({ deprovision: 'hold' }), configuration({ deprovision: 'hold' })];
  for (const other of others) await other.start();
  await Promise.all(others.map((other) => work(other)));
  const audit = JSON.stringify(await commands.xrange(`${PREFIX}audit`, '-', '+'));
  expect(audit.match(/configuration-apply/g)).toHaveLength(1);
});

test('a process that works nothing follows what applies', async () => {
  const worker = configuration({ productHandle: 'basic' });
  await worker.start();
  const api = configuration({ productHandle: 'pro' });
  api.follow();
  await expect.poll(() => api.current().productHandle).toBe('basic');
  expect((await api.state()).candidate).toBeUndefined();
});

/** Rules for groups as an operator sets them, over products that Maxio was asked for already. */
async function plansOf(rules: ConstructorParameters<typeof GroupPlans>[0]['rules'] = []): Promise<GroupPlans> {
  for (const handle of ['pro', 'basic'])
    await commands.hset(
      `${PREFIX}catalogue`,
      handle,
      JSON.stringify({ found: { handle, family: 'one', archived: false }, readAtMs: 1 }),
    );
  const nobody = { caller: undefined as never, client: undefined as never };
  return new GroupPlans({ siteKey: 'us.acme', store, ...nobody, rules, siteProduct: 'pro', logger: pino({ level: 'silent' }) });
}

const RULES = [{ group: { displayName: 'Guests' }, product: 'basic' }];
const setBy = async (by: string, rules: typeof RULES): Promise<unknown> =>
  await commands.hset(`${PREFIX}groupPlans`, 'set', JSON.stringify({ rules, by, atMs: 1 }));

/** Whose word a process says its wish is; `one` is the first of the test, and every other one the latest. */
async function wishOf(one: Configuration): Promise<string> {
  await one.start();
  const fields = Object.entries(await commands.hgetall(`${PREFIX}configuration`)).filter(([field]) => field.startsWith('live:'));
  const lives = fields.map(([, text]) => JSON.parse(text) as { started: number; author: string });
  lives.sort((a, b) => a.started - b.started);
  return (one === open[0] ? lives[0] : lives.at(-1))?.author ?? '';
}

test('whoever takes the rules for groups back is the author of what that changes, until it is applied', async () => {
  await setBy('ben', RULES);
  const one = configuration({}, { author: 'carl', groupPlans: await plansOf() });
  await one.start();
  await work(one);
  expect((await one.state()).applied).toMatchObject({ groupPlans: [{ product: 'basic' }] });
  await (await plansOf()).reset({ by: 'anna', requestId: 'r' });
  expect(await wishOf(one)).toBe('anna');
  // The file of a process that was started since may be another one.
  expect(await wishOf(configuration({}, { author: 'carl', groupPlans: await plansOf() }))).toBe('anna and carl');
  await work(one);
  const { applied } = await one.state();
  expect(applied).not.toHaveProperty('groupPlans');
  expect(applied?.author).toMatch(/^anna/);
  const file = await plansOf(RULES);
  expect(await wishOf(configuration({}, { author: 'carl', groupPlans: file })), 'a file that came later').toBe('carl');
});

test('rules that somebody has set make nobody the author of what a start changes', async () => {
  await setBy('ben', RULES);
  const one = configuration({}, { author: 'carl', groupPlans: await plansOf() });
  await one.start();
  await work(one);
  expect(await wishOf(configuration({ deprovision: 'hold' }, { author: 'carl', groupPlans: await plansOf() }))).toBe('carl');
  await setBy('anna', []);
  expect(await wishOf(one)).toBe('anna');
  expect(await wishOf(configuration({ deprovision: 'hold' }, { author: 'carl', groupPlans: await plansOf() }))).toBe(
    'anna and carl',
  );
});
