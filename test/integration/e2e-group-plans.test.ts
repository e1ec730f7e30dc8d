/**
 * Groups decide products, end to end: what an identity provider sends to /Groups, over HTTP to a real process, leaves the right product at Maxio, at the
 * promised price in calls, read from the sandbox's own ledger (ADR 0014).
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { startCli } from '../support/cli.ts';
import { oktaUser, patch, person } from '../support/people.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { API_KEY, OPS_TOKEN, Service } from '../support/service.ts';

const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';
const PRODUCTS = [
  { handle: 'basic', priceInCents: 1_900 },
  { handle: 'pro', priceInCents: 9_900, pricePoints: [{ handle: 'yearly', priceInCents: 99_000, interval: 12 }] },
  { handle: 'support', priceInCents: 4_000, family: 'extras' },
  { handle: 'legacy', priceInCents: 500, family: 'old' },
];
const RULES = [
  { group: { externalId: 'g-yearly' }, product: 'pro', pricePoint: 'yearly' },
  { group: 'Pro', product: 'pro' },
  { group: { displayName: 'Basic' }, product: 'basic', collectionMethod: 'invoice' },
  { group: 'Support', product: 'support' },
  { group: 'By card', product: 'pro', collectionMethod: 'automatic' },
];
const LIST = 'GET /customers/{id}/subscriptions.json';
const CREATE = 'POST /subscriptions.json';
const CHANGE = 'PUT /subscriptions/{id}.json';
const CANCEL = 'DELETE /subscriptions/{id}.json';
const REACTIVATE = 'PUT /subscriptions/{id}/reactivate.json';

let redis: TestRedis;
let sandbox: Sandbox;
let service: Service;
let folder: string;
let next = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'group-plans-'));
  await writeFile(join(folder, 'plans.json'), JSON.stringify(RULES));
  redis = await startRedis();
  sandbox = await createSandbox({ apiKey: API_KEY, subdomain: 'acme', products: PRODUCTS });
});

afterAll(async () => {
  await service?.kill();
  await sandbox?.close();
  await redis?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(env: Record<string, string> = {}): Promise<void> {
  await service?.kill();
  await redis.flush();
  sandbox.state.reset();
  service = await Service.start({
    redisUrl: redis.url,
    sandboxUrl: sandbox.url,
    env: { MAXIO_GROUP_PLANS_FILE: join(folder, 'plans.json'), MAXIO_GROUP_GRACE: '900', ...env },
  });
  // The rules are read from Maxio before anything is done by them.
  await vi.waitFor(async () => expect((await ops('GET', '/configuration')).applied).not.toBeNull(), {
    timeout: 15_000,
    interval: 25,
  });
}

async function ops(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(`${service.url}/ops/api${path}`, {
    method,
    headers: { authorization: `Bearer ${OPS_TOKEN}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return (await response.json()) as Record<string, unknown>;
}

interface Somebody {
  id: string;
  reference: string;
}

async function joins(): Promise<Somebody> {
  next += 1;
  const who = person(next);
  const { status, body } = await service.scim('POST', '/Users', oktaUser(who));
  expect(status).toBe(201);
  return { id: String(body.id), reference: who.externalId.toLowerCase() };
}

async function group(displayName: string, members: Somebody[] = [], change: Record<string, unknown> = {}): Promise<string> {
  const body = { schemas: [GROUP], displayName, members: members.map(({ id }) => ({ value: id })), ...change };
  const answer = await service.scim('POST', '/Groups', body);
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  return String(answer.body.id);
}

async function change(groupId: string, ...operations: Record<string, unknown>[]): Promise<void> {
  const answer = await service.scim('PATCH', `/Groups/${groupId}`, patch(...operations));
  expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
}

const add = (groupId: string, ...who: Somebody[]) =>
  change(groupId, { op: 'add', path: 'members', value: who.map(({ id }) => ({ value: id })) });
const remove = (groupId: string, { id }: Somebody) => change(groupId, { op: 'remove', path: `members[value eq "${id}"]` });

/** Everything Maxio was asked since the last look, when the person has settled. */
async function callsOf(work: () => Promise<unknown>): Promise<string[]> {
  const before = sandbox.state.ledger().at(-1)?.seq ?? 0;
  await work();
  await service.settled();
  return sandbox.state.ledger(before).map(({ method, template }) => `${method} ${template}`);
}

function subscriptionsOf({ reference }: Somebody): string[] {
  const owners = sandbox.state.customers().filter((customer) => customer.reference?.toLowerCase() === reference);
  const ids = owners.map(({ id }) => id);
  return sandbox.state
    .subscriptions()
    .filter(({ customer }) => customer !== null && ids.includes(customer.id))
    .map(({ product, state }) => `${product.handle} ${state}`);
}

/** Waits for the person's run to have looked at the change and put it off. */
async function postponed(who: Somebody): Promise<void> {
  await vi.waitFor(
    async () => {
      const run = JSON.parse((await redis.connect().hget(`scim:{us.acme}:user:${who.id}`, 'run')) ?? '{}') as { reason?: string };
      expect(run.reason).toBe('grace');
    },
    { timeout: 15_000, interval: 50 },
  );
}

describe('with fifteen minutes of grace', () => {
  let ids: Record<'Pro' | 'Basic' | 'Support' | 'Yearly', string>;
  beforeAll(async () => {
    await start();
    ids = {
      Pro: await group('Pro'),
      Basic: await group('BASIC'),
      Support: await group('Support'),
      Yearly: await group('Whatever', [], { externalId: 'g-yearly' }),
    };
  }, 60_000);

  test('each product is read from Maxio once, and never again after a restart', async () => {
    const reads = () => sandbox.state.ledger().filter(({ template }) => template?.startsWith('/products/'));
    expect(
      reads()
        .map(({ path }) => path)
        .sort(),
    ).toEqual([
      '/products/handle/basic.json',
      '/products/handle/pro.json',
      '/products/handle/support.json',
      '/products/handle:pro/price_points/handle:yearly.json',
    ]);
  });

  test('somebody in a group is created with its product by one call, paid as the rule says', async () => {
    await ops('POST', '/mode', { mode: 'paused', why: 'first the groups' });
    const who = await joins();
    await add(ids.Basic, who);
    const calls = await callsOf(() => ops('POST', '/mode', { mode: 'enforce', why: 'go' }));
    expect(calls).toEqual([CREATE]);
    expect(subscriptionsOf(who)).toEqual(['basic active']);
    const [sent] = sandbox.state
      .ledger()
      .filter(({ template }) => template === '/subscriptions.json')
      .slice(-1);
    expect(sent?.body).toMatchObject({ subscription: { product_handle: 'basic', payment_collection_method: 'invoice' } });
  });

  test('somebody without a mapped group is a customer, and nothing more', async () => {
    const who = await joins();
    await service.settled();
    await callsOf(() => group('Chess club', [who]));
    expect(subscriptionsOf(who)).toEqual([]);
  });

  test('remove Basic, then add Pro, is one product change', async () => {
    const who = await joins();
    await add(ids.Basic, who);
    await service.settled();
    const calls = await callsOf(async () => {
      await remove(ids.Basic, who);
      await postponed(who);
      await add(ids.Pro, who);
    });
    expect(calls).toEqual([CHANGE]);
    expect(subscriptionsOf(who)).toEqual(['pro active']);
  });

  test('add Pro, then remove Basic, is one product change as well, and a removal of what the first rule hides costs nothing', async () => {
    const who = await joins();
    await add(ids.Basic, who);
    await service.settled();
    expect(await callsOf(() => add(ids.Pro, who))).toEqual([CHANGE]);
    expect(await callsOf(() => remove(ids.Basic, who))).toEqual([]);
    expect(subscriptionsOf(who)).toEqual(['pro active']);
  });

  test('a product change carries the id of the request about the group, not of the last one about the person', async () => {
    const who = await joins();
    await add(ids.Basic, who);
    await service.settled();
    await add(ids.Pro, who);
    await service.settled();
    const { story } = (await ops('GET', `/people/${who.id}`)) as { story: { who: string; what: string; requestId: string }[] };
    const asked = story.filter((entry) => entry.who === 'IdP').at(-1);
    const done = story.filter((entry) => entry.who === 'Maxio').at(-1);
    expect(asked?.what).toMatch(/groups/);
    expect(done?.what).toMatch(/Change the product/);
    expect(done?.requestId).toBe(asked?.requestId);
  });

  test('a move changes how a subscription is paid where the rule says so, by the same one call, and keeps it where it does not', async () => {
    const card = await group('By card');
    const who = await joins();
    await add(ids.Basic, who);
    await service.settled();
    const move = async (from: string, to: string) => {
      const calls = await callsOf(async () => {
        await remove(from, who);
        await postponed(who);
        await add(to, who);
      });
      const { product, payment_collection_method: paidBy } = sandbox.state.subscriptions().at(-1) ?? {};
      return { calls, sent: sandbox.state.ledger().at(-1)?.body, bills: `${product?.handle} by ${paidBy}` };
    };
    // The sandbox bills by invoices of the new kind, which Maxio calls remittance.
    expect(await move(ids.Basic, card)).toEqual({
      calls: [CHANGE],
      sent: { subscription: { product_handle: 'pro', payment_collection_method: 'automatic' } },
      bills: 'pro by automatic',
    });
    expect(await move(card, ids.Basic)).toEqual({
      calls: [CHANGE],
      sent: { subscription: { product_handle: 'basic', payment_collection_method: 'invoice' } },
      bills: 'basic by remittance',
    });
    expect(await move(ids.Basic, ids.Pro)).toEqual({
      calls: [CHANGE],
      sent: { subscription: { product_handle: 'pro' } },
      bills: 'pro by remittance',
    });
    // Another way of paying alone is no change of product: how somebody pays may have been settled at Maxio since.
    expect(await move(ids.Pro, card)).toMatchObject({ calls: [], bills: 'pro by remittance' });
  });

  test('out of the group and in again costs nothing', async () => {
    const who = await joins();
    await add(ids.Pro, who);
    await service.settled();
    const calls = await callsOf(async () => {
      await remove(ids.Pro, who);
      await postponed(who);
      await add(ids.Pro, who);
    });
    expect(calls).toEqual([]);
    expect(subscriptionsOf(who)).toEqual(['pro active']);
    expect(await redis.connect().hexists(`scim:{us.acme}:user:${who.id}`, 'lost')).toBe(0);
  });

  test('another price point of the same product is one change, there and back', async () => {
    const who = await joins();
    await add(ids.Pro, who);
    await service.settled();
    expect(await callsOf(() => add(ids.Yearly, who))).toEqual([CHANGE]);
    const yearly = sandbox.state.subscriptions().at(-1);
    expect(yearly?.product_price_in_cents).toBe(99_000);
    // A rule that names no price point takes the one that is there.
    expect(await callsOf(() => remove(ids.Yearly, who))).toEqual([]);
  });

  test('the command line shows the rules, sets others, and goes back', async () => {
    const run = async (...args: string[]) =>
      await startCli(['group-plans', ...args], { MAXIO_SCIM_URL: service.url, OPS_TOKEN }).ended;
    const shown = await run();
    expect(shown).toMatchObject({
      code: 0,
      out: expect.stringMatching(/externalId g-yearly .*yearly[\s\S]*Basic .*basic .*invoice[\s\S]*at work/),
    });
    const file = join(folder, 'other.json');
    await writeFile(file, JSON.stringify([...RULES, { group: 'Visitors', product: 'legacy' }]));
    expect(await run('set', file, '--yes')).toMatchObject({ code: 0, out: expect.stringContaining('Visitors') });
    await vi.waitFor(
      async () => {
        const told = await startCli(['config'], { MAXIO_SCIM_URL: service.url, OPS_TOKEN }).ended;
        expect(told.out).toMatch(/groupPlans 1 externalId g-yearly: pro, yearly[\s\S]*groupPlans 6 Visitors: legacy/);
      },
      { timeout: 30_000, interval: 250 },
    );
    await vi.waitFor(async () => expect((await run()).out).toMatch(/set by ops-token[\s\S]*They are at work/), {
      timeout: 15_000,
      interval: 200,
    });
    await writeFile(file, JSON.stringify([{ group: 'Visitors', product: 'nothing' }]));
    expect(await run('set', file, '--yes')).toMatchObject({
      code: 1,
      err: expect.stringContaining('Maxio has no product nothing'),
    });
    expect(await run('reset', '--yes')).toMatchObject({ code: 0, out: expect.not.stringContaining('Visitors') });
  });

  test('families stand beside each other', async () => {
    const who = await joins();
    await add(ids.Pro, who);
    await service.settled();
    expect(await callsOf(() => add(ids.Support, who))).toEqual([LIST, CREATE]);
    expect(subscriptionsOf(who).sort()).toEqual(['pro active', 'support active']);
  });

  test('active: false does not wait, and who comes back gets what their groups give by then', async () => {
    const who = await joins();
    await add(ids.Pro, who);
    await service.settled();
    const left = await callsOf(() =>
      service.scim('PATCH', `/Users/${who.id}`, patch({ op: 'replace', path: 'active', value: false })),
    );
    expect(left).toEqual([LIST, CANCEL]);
    const back = await callsOf(() =>
      service.scim('PATCH', `/Users/${who.id}`, patch({ op: 'replace', path: 'active', value: true })),
    );
    expect(back).toEqual([REACTIVATE]);
    expect(subscriptionsOf(who)).toEqual(['pro active']);
  });

  test('who loses a product and then leaves altogether is ended at once', async () => {
    const who = await joins();
    await add(ids.Pro, who);
    await service.settled();
    await remove(ids.Pro, who);
    await postponed(who);
    await callsOf(() => service.scim('DELETE', `/Users/${who.id}`));
    expect(subscriptionsOf(who)).toEqual(['pro canceled']);
  });
});

describe('with two seconds of grace', () => {
  let pro: string;
  beforeAll(async () => {
    await start({ MAXIO_GROUP_GRACE: '2' });
    pro = await group('Pro');
  }, 60_000);

  test('whoever is in no mapped group any more is not billed any more, and stays a customer', async () => {
    const who = await joins();
    await add(pro, who);
    await service.settled();
    expect(await callsOf(() => remove(pro, who))).toEqual([LIST, CANCEL]);
    // Maxio keeps the reason for good, and this person is active.
    expect(JSON.stringify(sandbox.state.ledger().at(-1)?.body)).toMatch(/a group no longer gives this product\. scim=/);
    expect(subscriptionsOf(who)).toEqual(['pro canceled']);
    expect(sandbox.state.customers().some(({ reference }) => reference?.toLowerCase() === who.reference)).toBe(true);
    expect((await service.scim('GET', `/Users/${who.id}`)).body.active).toBe(true);
    // What we ended is brought back.
    expect(await callsOf(() => add(pro, who))).toEqual([REACTIVATE]);
    expect(subscriptionsOf(who)).toEqual(['pro active']);
  });

  test('a group that is renamed or deleted gives its product to nobody any more', async () => {
    const who = await joins();
    await add(pro, who);
    await service.settled();
    await callsOf(() => change(pro, { op: 'replace', path: 'displayName', value: 'Professionals' }));
    expect(subscriptionsOf(who)).toEqual(['pro canceled']);
    await callsOf(() => change(pro, { op: 'replace', path: 'displayName', value: 'pro' }));
    expect(subscriptionsOf(who)).toEqual(['pro active']);
    await callsOf(() => service.scim('DELETE', `/Groups/${pro}`));
    expect(subscriptionsOf(who)).toEqual(['pro canceled']);
    pro = await group('Pro');
  });

  test('what no rule names is never ended for a group', async () => {
    next += 1;
    const { externalId, userName } = person(next);
    sandbox.state.seed({
      customers: [{ reference: externalId, email: userName, subscriptions: [{ product_handle: 'legacy' }] }],
    });
    next -= 1;
    const who = await joins();
    await service.settled();
    await callsOf(() => add(pro, who));
    await callsOf(() => remove(pro, who));
    expect(subscriptionsOf(who).sort()).toEqual(['legacy active', 'pro canceled']);
  });
});

describe('with a product for those to whom no group gives one', () => {
  let pro: string;
  let support: string;
  beforeAll(async () => {
    await start({ MAXIO_GROUP_GRACE: '2', MAXIO_PRODUCT_HANDLE: 'basic' });
    pro = await group('Pro');
    support = await group('Support');
  }, 60_000);

  test('it is changed to the one of a group, and takes its place again after the grace', async () => {
    const who = await joins();
    await service.settled();
    expect(subscriptionsOf(who)).toEqual(['basic active']);
    expect(await callsOf(() => add(pro, who))).toEqual([CHANGE]);
    expect(await callsOf(() => remove(pro, who))).toEqual([CHANGE]);
    expect(subscriptionsOf(who)).toEqual(['basic active']);
  });

  test('it is not sold beside what a customer came with, whose group may be told later', async () => {
    const { externalId, userName } = person(next + 1);
    sandbox.state.seed({
      customers: [{ reference: externalId, email: userName, subscriptions: [{ product_handle: 'support' }] }],
    });
    const who = await joins();
    await service.settled();
    expect(subscriptionsOf(who)).toEqual(['support active']);
    // Away and back within a moment: what nobody had given them is nobody's to take away.
    for (const active of [false, true])
      await service.scim('PATCH', `/Users/${who.id}`, patch({ op: 'replace', value: { active } }));
    await service.settled();
    await callsOf(() => add(support, who));
    expect(subscriptionsOf(who).filter((each) => each.endsWith('active'))).toEqual(['support active']);
    await callsOf(() => remove(support, who));
    expect(subscriptionsOf(who).filter((each) => each.endsWith('active'))).toEqual(['basic active']);
  });

  test('a group of another family takes its place, after the grace', async () => {
    const who = await joins();
    await service.settled();
    await callsOf(() => add(support, who));
    expect(subscriptionsOf(who).sort()).toEqual(['basic canceled', 'support active']);
  });
});
