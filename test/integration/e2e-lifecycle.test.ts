/**
 * The main promise, end to end: what Okta and Entra really send, over HTTP to two replicas on one Redis, leaves Maxio in the right state, at the promised
 * price in calls, read from the sandbox's own ledger.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { entraUser, oktaUser, patch, person } from '../support/people.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { API_KEY, Service } from '../support/service.ts';

let redis: TestRedis;
let sandbox: Sandbox;
let one: Service;
let two: Service;
let next = 0;

async function start(env: Record<string, string>): Promise<void> {
  await redis.flush();
  const options = { redisUrl: redis.url, sandboxUrl: sandbox.url, env };
  [one, two] = await Promise.all([Service.start(options), Service.start(options)]);
  // The first contact with the site costs one call per replica.
  await vi.waitFor(() => expect(sandbox.state.ledger()).toHaveLength(2), { timeout: 15_000, interval: 25 });
}

beforeAll(async () => {
  redis = await startRedis();
  sandbox = await createSandbox({ apiKey: API_KEY, subdomain: 'acme' });
});

afterAll(async () => {
  await Promise.all([one?.kill(), two?.kill()]);
  await sandbox?.close();
  await redis?.stop();
});

/** Everything Maxio was asked since the last look, as `METHOD template`. */
async function callsOf(work: () => Promise<unknown>): Promise<string[]> {
  const before = sandbox.state.ledger().at(-1)?.seq ?? 0;
  await work();
  await Promise.all([one.settled(), two.settled()]);
  return sandbox.state.ledger(before).map(({ method, template }) => `${method} ${template}`);
}

function customersOf(reference: string) {
  return sandbox.state.customers().filter((customer) => customer.reference === reference);
}

function subscriptionsOf(reference: string) {
  const ids = customersOf(reference).map(({ id }) => id);
  return sandbox.state.subscriptions().filter(({ customer }) => customer !== null && ids.includes(customer.id));
}

const CREATE_BOTH = 'POST /subscriptions.json';
const LIST = 'GET /customers/{id}/subscriptions.json';
const CANCEL = 'DELETE /subscriptions/{id}.json';
const UPDATE = 'PUT /customers/{id}.json';
const REACTIVATE = 'PUT /subscriptions/{id}/reactivate.json';

describe('with a product', () => {
  beforeAll(async () => {
    await start({ MAXIO_PRODUCT_HANDLE: 'pro', SCIM_IDP: 'okta' });
  });
  afterAll(async () => {
    await Promise.all([one?.kill(), two?.kill()]);
  });
  beforeEach(() => {
    next += 1;
  });

  test('an Okta custom app (PUT only): join, rename, leave, return cost 1, 1, 2 and 1 calls', async () => {
    const who = person(next);
    let id = '';
    expect(
      await callsOf(async () => {
        const match = await one.scim(
          'GET',
          `/Users?filter=userName%20eq%20%22${encodeURIComponent(who.userName)}%22&startIndex=1&count=100`,
        );
        expect(match.body.totalResults).toBe(0);
        const created = await one.scim('POST', '/Users', oktaUser(who));
        expect(created.status).toBe(201);
        id = String(created.body.id);
      }),
    ).toEqual([CREATE_BOTH]);
    expect(customersOf(who.externalId)).toMatchObject([{ first_name: 'Person', last_name: who.familyName, email: who.userName }]);
    expect(subscriptionsOf(who.externalId)).toMatchObject([
      { state: 'active', product: { handle: 'pro' }, payment_collection_method: 'remittance' },
    ]);

    const current = (await two.scim('GET', `/Users/${id}`)).body;
    expect(
      await callsOf(() => two.scim('PUT', `/Users/${id}`, { ...current, name: { givenName: 'Person', familyName: 'Renamed' } })),
    ).toEqual([UPDATE]);
    expect(customersOf(who.externalId)[0]?.last_name).toBe('Renamed');

    const renamed = (await one.scim('GET', `/Users/${id}`)).body;
    expect(await callsOf(() => one.scim('PUT', `/Users/${id}`, renamed)), 'an identical PUT').toEqual([]);
    expect(await callsOf(() => one.scim('PUT', `/Users/${id}`, { ...renamed, title: 'Engineer' })), 'an unmapped change').toEqual(
      [],
    );

    const titled = (await one.scim('GET', `/Users/${id}`)).body;
    expect(await callsOf(() => one.scim('PUT', `/Users/${id}`, { ...titled, active: false }))).toEqual([LIST, CANCEL]);
    expect(subscriptionsOf(who.externalId)).toMatchObject([{ state: 'canceled', cancellation_method: 'merchant_api' }]);

    expect(await callsOf(() => two.scim('PUT', `/Users/${id}`, { ...titled, active: true }))).toEqual([REACTIVATE]);
    expect(subscriptionsOf(who.externalId)).toMatchObject([{ state: 'active' }]);
  });

  test('an Okta template app (PATCH without path) deactivates, and a fresh POST with the same externalId brings the same person back', async () => {
    const who = person(next);
    const created = await one.scim('POST', '/Users', oktaUser(who));
    await one.settled();
    expect(
      await callsOf(() => two.scim('PATCH', `/Users/${created.body.id}`, patch({ op: 'replace', value: { active: false } }))),
    ).toEqual([LIST, CANCEL]);
    let again: Awaited<ReturnType<Service['scim']>> | undefined;
    expect(
      await callsOf(async () => {
        again = await one.scim('POST', '/Users', oktaUser(who));
      }),
    ).toEqual([REACTIVATE]);
    expect(again?.status).toBe(201);
    expect(again?.body.id).toBe(created.body.id);
    expect(customersOf(who.externalId)).toHaveLength(1);
  });

  test('Entra: string booleans disable, the person stays readable, DELETE after that is free, and reads cost nothing', async () => {
    const who = person(next);
    const created = await one.scim('POST', '/Users', entraUser(who));
    const id = String(created.body.id);
    await one.settled();
    expect(
      await callsOf(() =>
        one.scim(
          'PATCH',
          `/Users/${id}`,
          patch({ op: 'Replace', path: 'emails[type eq "work"].value', value: `new.${who.userName}` }),
        ),
      ),
    ).toEqual([UPDATE]);
    expect(customersOf(who.externalId)[0]?.email).toBe(`new.${who.userName}`);
    expect(
      await callsOf(() => two.scim('PATCH', `/Users/${id}`, patch({ op: 'Replace', path: 'active', value: 'False' }))),
    ).toEqual([LIST, CANCEL]);
    expect(
      await callsOf(async () => {
        expect((await two.scim('GET', `/Users/${id}`)).body.active).toBe(false);
        expect((await two.scim('GET', `/Users?filter=externalId+eq+%22${who.externalId}%22`)).body.totalResults).toBe(1);
        expect((await two.scim('GET', '/Users?startIndex=1&count=10')).status).toBe(200);
        expect((await two.scim('DELETE', `/Users/${id}`)).status).toBe(204);
      }),
      'reads, filters, lists, and the DELETE of someone who is already quiet',
    ).toEqual([]);
    expect((await one.scim('GET', `/Users/${id}`)).status).toBe(404);
    expect(customersOf(who.externalId), 'the customer and its invoices stay').toHaveLength(1);
  });

  test('a leaver with several live subscriptions of an adopted customer: one look, one cancel each', async () => {
    const who = person(next);
    sandbox.state.seed({
      customers: [
        {
          first_name: 'Person',
          last_name: who.familyName,
          email: who.userName,
          reference: who.externalId,
          subscriptions: [{ product_handle: 'pro' }, { product_handle: 'basic' }],
        },
      ],
    });
    const created = await one.scim('POST', '/Users', oktaUser(who));
    await one.settled();
    expect(customersOf(who.externalId), 'adopted by reference and e-mail, not doubled').toHaveLength(1);
    expect(subscriptionsOf(who.externalId)).toHaveLength(2);
    expect(await callsOf(() => one.scim('DELETE', `/Users/${created.body.id}`))).toEqual([LIST, CANCEL, CANCEL]);
    expect(subscriptionsOf(who.externalId).map(({ state }) => state)).toEqual(['canceled', 'canceled']);
    expect(await callsOf(() => one.scim('POST', '/Users', oktaUser(who))), 'back: one call for each').toEqual([
      REACTIVATE,
      REACTIVATE,
    ]);
    expect(subscriptionsOf(who.externalId).map(({ state }) => state)).toEqual(['active', 'active']);
  });

  test('a customer with our reference but nobody we know is not touched: parked for a human', async () => {
    const who = person(next);
    sandbox.state.seed({
      customers: [{ first_name: 'Some', last_name: 'One', email: 'someone.else@example.org', reference: who.externalId }],
    });
    await one.scim('POST', '/Users', oktaUser(who));
    await expect.poll(async () => (await one.health()).parked, { timeout: 10_000 }).toBe(1);
    expect(customersOf(who.externalId)).toMatchObject([{ first_name: 'Some', email: 'someone.else@example.org' }]);
  });
});

describe('without a product', () => {
  beforeAll(async () => {
    sandbox.state.clearLedger();
    await start({ SCIM_IDP: 'entra' });
  });

  test('a joiner is one call, a leaver without subscriptions one look, a returner none', async () => {
    next += 1;
    const who = person(next);
    let id = '';
    expect(
      await callsOf(async () => {
        id = String((await one.scim('POST', '/Users', entraUser(who))).body.id);
      }),
    ).toEqual(['POST /customers.json']);
    expect(
      await callsOf(() => one.scim('PATCH', `/Users/${id}`, patch({ op: 'replace', path: 'active', value: false }))),
    ).toEqual([LIST]);
    expect(await callsOf(() => one.scim('PATCH', `/Users/${id}`, patch({ op: 'replace', path: 'active', value: true })))).toEqual(
      [],
    );
  });
});
