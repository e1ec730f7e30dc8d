/**
 * Groups that decide products, when somebody makes a mistake with them: many lose a product at once, or a rule is changed for many. Real processes, a real
 * Redis, what identity providers send over HTTP; the truth is the ledger of the sandbox.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { OPERATORS, tokenOf } from '../support/operators.ts';
import { oktaUser, patch, person } from '../support/people.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { API_KEY, Service } from '../support/service.ts';
import { joinAll } from '../support/steps.ts';

const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';
const WAIT = { timeout: 60_000, interval: 50 };
const PRODUCTS = [
  { handle: 'basic', priceInCents: 1_900 },
  { handle: 'pro', priceInCents: 9_900 },
  { handle: 'suite', priceInCents: 19_900, family: 'suites' },
  { handle: 'old', priceInCents: 900, archived: true },
];

let redis: TestRedis;
let sandbox: Sandbox;
let service: Service;
let folder: string;

beforeAll(async () => {
  redis = await startRedis();
  folder = await mkdtemp(join(tmpdir(), 'group-plans-'));
  await writeFile(join(folder, 'operators.json'), JSON.stringify(OPERATORS));
});
beforeEach(async () => {
  await redis.flush();
  sandbox = await createSandbox({ apiKey: API_KEY, subdomain: 'acme', products: PRODUCTS });
});
afterEach(async () => {
  await service?.kill();
  await sandbox.close();
});
afterAll(async () => {
  await redis?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(rules: unknown[], env: Record<string, string> = {}): Promise<void> {
  await writeFile(join(folder, 'plans.json'), JSON.stringify(rules));
  service = await Service.start({
    redisUrl: redis.url,
    sandboxUrl: sandbox.url,
    env: {
      MAXIO_GROUP_PLANS_FILE: join(folder, 'plans.json'),
      OPS_TOKENS_FILE: join(folder, 'operators.json'),
      MAXIO_GROUP_GRACE: '1',
      MAXIO_GUARD_FLOOR: '5',
      MAXIO_GUARD_REVENUE_PERCENT: '10',
      LOG_LEVEL: 'warn',
      ...env,
    },
  });
}

async function ops(method: string, path: string, body?: unknown, as: 'anna' | 'bert' = 'anna') {
  const response = await fetch(`${service.url}/ops/api${path}`, {
    method,
    headers: { authorization: `Bearer ${tokenOf(as)}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** People number 1 to `count`, all of them in one group, billed. */
async function billed(count: number, displayName: string): Promise<{ ids: string[]; group: string }> {
  await vi.waitFor(async () => expect((await ops('GET', '/configuration')).body.applied).not.toBeNull(), WAIT);
  const ids = await joinAll(service, count);
  const members = ids.map((value) => ({ value }));
  const { status, body } = await service.scim('POST', '/Groups', { schemas: [GROUP], displayName, members });
  expect(status).toBe(201);
  await service.settled(120_000);
  expect(live()).toHaveLength(count);
  return { ids, group: String(body.id) };
}

function live(): number[] {
  return sandbox.state
    .subscriptions()
    .filter(({ state }) => state === 'active')
    .map(({ id }) => id);
}

function productsOf(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { product, state } of sandbox.state.subscriptions()) {
    const word = `${product.handle} ${state}`;
    counts[word] = (counts[word] ?? 0) + 1;
  }
  return counts;
}

function endings(): number {
  return sandbox.state.ledger().filter(({ method, template }) => method === 'DELETE' && template === '/subscriptions/{id}.json')
    .length;
}

const members = (group: string, op: 'replace' | 'add', ids: string[]) =>
  service.scim('PATCH', `/Groups/${group}`, patch({ op, path: 'members', value: ids.map((value) => ({ value })) }));

test('F82 500 people fall out of a mapped group: nobody is ended, all are held, and three who are approved are three', async () => {
  await start([{ group: 'Pro', product: 'pro' }]);
  const { ids, group } = await billed(500, 'Pro');
  expect((await members(group, 'replace', [])).status).toBeLessThan(300);
  await service.settled(120_000);
  expect(await service.health()).toMatchObject({ held: 500, pending: 0, parked: 0 });
  expect(endings()).toBe(0);
  const { body: shown } = await ops('GET', '/held?limit=3');
  expect(shown).toMatchObject({
    total: 500,
    tripped: { why: 'hour' },
    monthlyCents: 500 * 9_900,
    held: [{ what: 'product', products: ['pro'], deleted: false, subscriptions: 1, monthlyCents: 9_900 }, {}, {}],
  });

  // Everything else of a held person goes on.
  const [first = '', second = '', third = '', fourth = '', fifth = '', sixth = ''] = ids;
  const renamed = oktaUser({ ...person(6), familyName: 'Newname' }, { id: sixth });
  expect((await service.scim('PUT', `/Users/${sixth}`, renamed)).status).toBe(200);
  await vi.waitFor(
    () => expect(sandbox.state.customers().filter(({ last_name: name }) => name === 'Newname')).toHaveLength(1),
    WAIT,
  );
  await service.settled();
  expect((await service.health()).held).toBe(500);

  const approved = await ops('POST', '/held/approve', { ids: [first, second, third] }, 'bert');
  expect(approved.body).toMatchObject({ done: 3, left: 497 });
  await vi.waitFor(() => expect(productsOf()).toEqual({ 'pro canceled': 3, 'pro active': 497 }), WAIT);
  await service.settled();
  expect(endings()).toBe(3);

  // Back in the group: the hold ends by itself, and so does the loss.
  const before = sandbox.state.ledger().length;
  await members(group, 'add', [fourth]);
  await service.settled();
  expect((await service.health()).held).toBe(496);
  expect(sandbox.state.ledger()).toHaveLength(before);

  // Leaving altogether makes it a leave, which is as held as the loss was.
  await service.scim('PATCH', `/Users/${fifth}`, patch({ op: 'replace', path: 'active', value: false }));
  const { body: leaver } = await ops('GET', `/people/${fifth}`);
  expect(leaver).toMatchObject({ leave: { state: 'held' }, loss: null });
  expect((await service.health()).held).toBe(496);

  const rejected = await ops('POST', '/held/reject', { all: true }, 'bert');
  expect(rejected.body).toMatchObject({ done: 496, left: 0 });
  await service.settled();
  expect(productsOf()).toEqual({ 'pro canceled': 3, 'pro active': 497 });
  const { body: spared } = await ops('GET', `/people/${sixth}`);
  expect(spared).toMatchObject({ active: true, loss: { state: 'exempt', spared: ['plans'], families: [] } });
  const { body: exempt } = await ops('GET', '/held?state=exempt&limit=500');
  const sixths = (exempt as { held: { id: string }[] }).held.find(({ id }) => id === sixth);
  expect(sixths).toMatchObject({ what: 'product', products: ['pro'], subscriptions: 1, monthlyCents: 9_900, decidedBy: 'bert' });
  expect(exempt).toMatchObject({ total: 496 });
}, 300_000);

test('F82 everybody of a mapped group is deactivated while the loss of its product is held: they are held as leavers', async () => {
  await start([{ group: 'Pro', product: 'pro' }]);
  const { ids, group } = await billed(12, 'Pro');
  await service.scim('DELETE', `/Groups/${group}`);
  await service.settled();
  expect((await service.health()).held).toBe(12);
  for (const id of ids) await service.scim('DELETE', `/Users/${id}`);
  await service.settled();
  expect(await service.health()).toMatchObject({ held: 12 });
  expect(endings()).toBe(0);
  expect((await ops('GET', '/held')).body).toMatchObject({
    held: Array.from({ length: 12 }, () => ({ what: 'person', deleted: true })),
  });
  await ops('POST', '/held/approve', { all: true }, 'bert');
  await vi.waitFor(() => expect(productsOf()).toEqual({ 'pro canceled': 12 }), WAIT);
}, 120_000);

test('F83 rules set through the ops API wait for somebody else where they would change many, and move exactly those', async () => {
  await start([{ group: 'Staff', product: 'basic' }]);
  await billed(12, 'Staff');
  const rules = [{ group: 'Staff', product: 'pro' }];
  const set = await ops('PUT', '/group-plans', { rules });
  expect(set).toMatchObject({ status: 200, body: { from: 'ops', by: 'anna', problems: [] } });
  await vi.waitFor(
    async () =>
      expect((await ops('GET', '/configuration')).body).toMatchObject({ candidate: { author: 'anna' }, changes: { people: 12 } }),
    WAIT,
  );
  expect(productsOf()).toEqual({ 'basic active': 12 });
  expect((await ops('POST', '/configuration/approve', {}, 'anna')).body).toMatchObject({ error: 'second-person' });
  expect((await ops('POST', '/configuration/approve', {}, 'bert')).status).toBe(200);
  await vi.waitFor(() => expect(productsOf()).toEqual({ 'pro active': 12 }), WAIT);
  const changes = sandbox.state
    .ledger()
    .filter(({ method, template }) => method === 'PUT' && template === '/subscriptions/{id}.json');
  expect(changes).toHaveLength(12);

  // Back to the file is a change of many as well.
  await ops('DELETE', '/group-plans', undefined, 'bert');
  await vi.waitFor(
    async () =>
      expect((await ops('GET', '/configuration')).body).toMatchObject({ candidate: { groupPlans: [{ product: 'basic' }] } }),
    WAIT,
  );
}, 120_000);

test('F83 rules that name what Maxio does not sell are refused, and at a start what applied goes on to apply', async () => {
  await start([{ group: 'Staff', product: 'basic' }]);
  const { ids } = await billed(2, 'Staff');
  for (const [product, text] of [
    ['nothing', /Maxio has no product nothing/],
    ['old', /archived/],
  ] as const) {
    const { status, body } = await ops('PUT', '/group-plans', { rules: [{ group: 'Staff', product }] });
    expect([status, body.error, body.detail]).toEqual([422, 'products-unknown', expect.stringMatching(text)]);
  }
  const wrongPrice = await ops('PUT', '/group-plans', { rules: [{ group: 'Staff', product: 'pro', pricePoint: 'yearly' }] });
  expect(wrongPrice).toMatchObject({ status: 422 });
  expect((await ops('GET', '/group-plans')).body).toMatchObject({ from: 'file', by: null });

  await service.kill();
  await start([{ group: 'Staff', product: 'nothing' }]);
  await vi.waitFor(
    async () => expect((await ops('GET', '/group-plans')).body).toMatchObject({ problems: ['Maxio has no product nothing.'] }),
    WAIT,
  );
  // Who is in the group keeps what they have, and is worked for by the rules that apply.
  const { body } = await service.scim(
    'PATCH',
    `/Users/${ids[0]}`,
    patch({ op: 'replace', path: 'name.familyName', value: 'Else' }),
  );
  expect(body.active).toBe(true);
  await vi.waitFor(
    () => expect(sandbox.state.customers().filter(({ last_name: name }) => name === 'Else')).toHaveLength(1),
    WAIT,
  );
  await service.settled();
  expect(productsOf()).toEqual({ 'basic active': 2 });
  expect((await ops('GET', '/doctor')).body).toMatchObject({
    checks: expect.arrayContaining([
      expect.objectContaining({
        name: 'us.acme products by group',
        status: 'fail',
        cure: expect.stringMatching(/^Correct MAXIO_GROUP_PLANS_FILE and restart/),
      }),
    ]),
  });

  // The rules are right, and what the site names beside them is not.
  await service.kill();
  await start([{ group: 'Staff', product: 'basic' }], { MAXIO_PRODUCT_HANDLE: 'nobody-made-it' });
  await vi.waitFor(
    async () =>
      expect((await ops('GET', '/doctor')).body).toMatchObject({
        checks: expect.arrayContaining([
          expect.objectContaining({
            name: 'us.acme products by group',
            finding: expect.stringContaining('no product nobody-made-it'),
            cure: expect.stringMatching(/^Correct MAXIO_PRODUCT_HANDLE and restart/),
          }),
        ]),
      }),
    WAIT,
  );
}, 120_000);
