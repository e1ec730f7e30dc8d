/**
 * Guarantees the story of a first rollout on a live site, with states instead of words: 2,000 customers at Maxio, most without a reference, and 2,000 people.
 * Observe writes nothing; the survey costs a page each; a link is one call; a release adopts and creates nobody twice; and when everyone is deactivated
 * by mistake, nobody is canceled but the three whom somebody approves.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Company, createCompany } from '../../src/demo/company.ts';
import { deactivate, mistake, syncPeople } from '../../src/demo/scenes.ts';
import { createKnock, type Knock } from '../../src/demo/scim-door.ts';
import type { LedgerEntry } from '../../src/sandbox/ledger.ts';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { type LinkRow, OpsDoor } from '../support/rollout.ts';
import { API_KEY, OPS_TOKEN, SCIM_TOKEN, Service } from '../support/service.ts';

const SIZE = 2_000;
const LONG = { timeout: 200_000, interval: 200 };
const SITE = 'us.acme';

let company: Company;
let redis: TestRedis;
let sandbox: Sandbox;
let service: Service;
let ops: OpsDoor;
let knock: Knock;
const progress = (): void => {};

function writes(): LedgerEntry[] {
  return sandbox.state.ledger().filter(({ method }) => method !== 'GET');
}

async function settled(): Promise<void> {
  await vi.waitFor(async () => expect(await service.health()).toMatchObject({ pending: 0 }), LONG);
}

/** Customers by folded address, to see who is there twice. */
function byEmail(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { email } of sandbox.state.customers()) {
    const folded = (email ?? '').toLowerCase();
    counts.set(folded, (counts.get(folded) ?? 0) + 1);
  }
  return counts;
}

beforeAll(async () => {
  company = createCompany(SIZE);
  redis = await startRedis();
  sandbox = await createSandbox({ apiKey: API_KEY });
  sandbox.state.seed({ customers: company.customers });
  service = await Service.start({
    redisUrl: redis.url,
    sandboxUrl: sandbox.url,
    env: {
      MAXIO_START_MODE: 'observe',
      MAXIO_PRODUCT_HANDLE: 'pro',
      // Empty is unset: the guard as it comes.
      MAXIO_GUARD_FLOOR: '',
      MAXIO_GUARD_REVENUE_PERCENT: '',
      MAXIO_GUARD_CALM_SECONDS: '',
    },
  });
  ops = new OpsDoor(service.url, OPS_TOKEN);
  knock = createKnock(`${service.url}/scim/v2`, SCIM_TOKEN);
});

afterAll(async () => {
  await service.kill('SIGTERM');
  await sandbox.close();
  await redis.stop();
});

describe('a first rollout', () => {
  let before: Map<string, number>;
  let undecided = 0;

  test('in observe the survey reads everything a page at a time, a first sync is answered, and Maxio is not written to', async () => {
    before = byEmail();
    expect(await syncPeople({ knock, progress }, company.people)).toEqual({ people: SIZE, requests: 2 * SIZE });
    const survey = await ops.surveyed(SITE);
    const subscriptions = sandbox.state.subscriptions().length;
    expect(survey).toMatchObject({ customers: SIZE, subscriptions, unreferenced: unreferenced() });
    // The site, the pages (a full last one needs an empty one behind it), and the events before and after.
    expect(sandbox.state.ledger().length).toBeLessThanOrEqual(1 + SIZE / 200 + 1 + Math.ceil(subscriptions / 200) + 1 + 2);
    expect(writes()).toEqual([]);
    expect(await service.health()).toMatchObject({ mode: 'observe' });
  }, 300_000);

  test('the plan says who would be created, and who shares an address with somebody who has no reference', async () => {
    const plan = await ops.get<{ people: number; counts: Record<string, number> }>('/plan');
    expect(plan.people).toBe(SIZE);
    const owned = new Set(company.customers.map(({ email }) => email?.toLowerCase()));
    const strangers = company.people.filter(({ email }) => !owned.has(email));
    const own = new Set(company.customers.map(({ reference }) => reference));
    const ours = company.people.filter(({ externalId }) => own.has(externalId));
    expect(plan.counts).toMatchObject({
      'create-with-subscription': strangers.length,
      park: SIZE - strangers.length - ours.length,
    });
    expect((await ops.try('/release', {})).status).toBe(409);
    expect(writes()).toEqual([]);
  });

  test('each unique match is linked by one call that sets the reference and nothing else', async () => {
    const { rows } = await ops.get<{ rows: LinkRow[] }>('/links/plan');
    const unique = rows.filter(({ match }) => match === 'unique');
    expect(unique.length).toBeGreaterThan(SIZE * 0.8);
    for (const row of unique) expect(row.proposedReference).not.toBeNull();
    const decisions = unique.map(({ customerId, proposedReference: reference }) => ({ customerId, decision: 'link', reference }));
    for (let at = 0; at < decisions.length; at += 1_000) {
      const batch = decisions.slice(at, at + 1_000);
      expect(await ops.post('/links', { rows: batch })).toEqual({ accepted: batch.length, already: 0, refused: [] });
      expect(await ops.post('/links', { rows: batch })).toEqual({ accepted: 0, already: batch.length, refused: [] });
    }
    await vi.waitFor(
      async () => expect(await ops.get('/links')).toMatchObject({ applied: unique.length, failed: 0, left: 0 }),
      LONG,
    );
    expect(writes()).toHaveLength(unique.length);
    for (const { method, body } of writes()) {
      expect(method).toBe('PUT');
      expect(body).toEqual({ customer: { reference: expect.any(String) } });
    }
    expect(await service.health()).toMatchObject({ mode: 'observe' });
  }, 300_000);

  test('the release takes over who is linked, creates who is new, parks who is undecided, and makes nobody twice', async () => {
    const since = sandbox.state.ledger().at(-1)?.seq;
    expect(await ops.post('/release', { acceptUnlinked: true })).toMatchObject({ mode: 'enforce' });
    await settled();
    const made = sandbox.state.ledger(since).filter(({ method }) => method === 'POST');
    const owned = new Set(company.customers.map(({ email }) => email?.toLowerCase()));
    const strangers = company.people.filter(({ email }) => !owned.has(email));
    // A customer is made only for those whom Maxio did not know; who was known and had nothing live gets a subscription.
    const customers = made.filter(({ body }) => JSON.stringify(body).includes('customer_attributes'));
    expect(customers).toHaveLength(strangers.length);
    expect(sandbox.state.customers()).toHaveLength(SIZE + strangers.length);
    for (const [email, count] of byEmail()) expect(count, email).toBe(before.get(email) ?? 1);
    const { parked } = await ops.get<{ parked: { reason: string }[] }>('/parked');
    undecided = parked.length;
    expect(undecided).toBeGreaterThan(0);
    expect(new Set(parked.map(({ reason }) => reason))).toEqual(new Set(['link-approval']));
  }, 300_000);

  test('two leave as on any day and are canceled', async () => {
    await deactivate({ knock, progress }, company.leavers);
    await vi.waitFor(() => expect(canceled().sort()).toEqual(company.leavers.map(({ email }) => email).sort()), LONG);
    expect(await service.health()).toMatchObject({ held: 0 });
  }, 300_000);

  test('everyone is deactivated by mistake: answered as always, nobody is canceled, and an approval ends exactly three', async () => {
    await mistake({ knock, progress }, company);
    const { body } = await knock('GET', '/Users?filter=active+eq+true&count=0');
    expect(body.totalResults).toBe(0);
    await settled();
    const endings = canceled().length;
    expect(endings).toBe(company.leavers.length);

    const { held } = await ops.get<{ held: { id: string; userName: string }[] }>('/held?limit=10000');
    const gone = new Set(company.gone.map(({ userName }) => userName));
    const ids = held.filter(({ userName }) => gone.has(userName)).map(({ id }) => id);
    expect(ids).toHaveLength(gone.size);
    // Whoever waits for a link has nothing that could end, and need not be held.
    const { parked } = await ops.get<{ parked: unknown[] }>('/parked');
    expect(parked).toEqual([]);
    expect(held.length).toBeGreaterThanOrEqual(SIZE - company.leavers.length - undecided);
    const { left } = await ops.post<{ left: number }>('/held/approve', { ids });
    expect(left).toBe(held.length - ids.length);
    const left5 = [...company.leavers, ...company.gone].map(({ email }) => email);
    await vi.waitFor(() => expect(canceled().sort()).toEqual(left5.sort()), LONG);
    await settled();
    expect(
      writes().filter(({ method, template }) => method === 'DELETE' && template === '/subscriptions/{id}.json'),
    ).toHaveLength(left5.length);
  }, 300_000);
});

/** Addresses of those whose subscriptions the service has ended. */
function canceled(): string[] {
  const ended = new Set(
    writes()
      .filter(({ method, status }) => method === 'DELETE' && status !== null && status < 300)
      .map(({ path }) => Number(/\/subscriptions\/(\d+)\.json/.exec(path)?.[1])),
  );
  const found = sandbox.state.subscriptions().filter(({ id, state }) => ended.has(id) && state === 'canceled');
  return found.map(({ customer }) => customer?.email?.toLowerCase() ?? '');
}

function unreferenced(): number {
  return company.customers.filter(({ reference }) => reference === undefined || reference === null).length;
}
