/**
 * The way onto a live site through real processes: people arrive by SCIM while nothing is written, links are decided and carried out through a kill,
 * the site is released, and the people who were customers already are adopted. The ledger shows no create for any of them.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { sitePrefix } from '../../src/directory/keys.ts';
import { entraUser, oktaUser, person } from '../support/people.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { OpsDoor } from '../support/rollout.ts';
import { type SandboxApi, startSandbox } from '../support/sandbox-api.ts';
import { API_KEY, OPS_TOKEN, Service } from '../support/service.ts';
import { openBench, type SurveyBench } from './survey-bench.ts';

const KEY = 'us.acme';
const CREATE = 'POST /subscriptions.json';
const PUT = 'PUT /customers/{id}.json';
const LOOKUP = 'GET /customers/lookup.json';
const LIST = 'GET /customers/{id}/subscriptions.json';
const ENV = { MAXIO_START_MODE: 'observe', MAXIO_PRODUCT_HANDLE: 'pro' };
const WAIT = { timeout: 60_000, interval: 100 };

/** 1 to 30 are customers already, 31 to 40 are not; 1 is there twice; 30 moved to another address since. */
const KNOWN = 30;
const PEOPLE = 40;

let redis: TestRedis;
let maxio: SandboxApi;
let service: Service;
let bench: SurveyBench;

beforeAll(async () => {
  redis = await startRedis();
  maxio = await startSandbox({ apiKey: API_KEY, subdomain: 'acme' });
  const email = (n: number) => (n === KNOWN ? 'before-the-wedding@example.com' : person(n).userName);
  const customers = Array.from({ length: KNOWN }, (_, i) => ({
    first_name: 'Person',
    last_name: `No${i + 1}`,
    email: email(i + 1),
    reference: null,
    subscriptions: [{ product_handle: 'pro' }],
  }));
  maxio.sandbox.state.seed({ customers: [...customers, { reference: null, email: email(1) }] });
  service = await Service.start({ redisUrl: redis.url, sandboxUrl: maxio.sandbox.url, env: ENV });
  bench = await openBench(redis, maxio, { key: KEY, attach: true });
}, 60_000);

afterAll(async () => {
  await service?.kill();
  await maxio?.sandbox.close();
  await redis?.stop();
});

const writes = (calls: string[]) => calls.filter((call) => !call.startsWith('GET'));
const idOf = (n: number) => String(maxio.sandbox.state.customers()[n - 1]?.id);
const referenceAt = (n: number) => maxio.sandbox.state.customers()[n - 1]?.reference;

describe('onboarding a site with customers', () => {
  test('first contact surveys the site and leaves it in observe, because customers without a reference are there', async () => {
    await vi.waitFor(
      async () => expect(await bench.survey.state()).toMatchObject({ state: 'done', unreferenced: KNOWN + 1 }),
      WAIT,
    );
    expect(await bench.modes.read()).toMatchObject({ mode: 'observe', by: 'start' });
    expect(writes(maxio.sandbox.state.ledger().map(({ method }) => method))).toEqual([]);
  });

  test('everybody the IdP sends is accepted, and not one call is made for them', async () => {
    bench.calls();
    for (let n = 1; n <= PEOPLE; n += 1) {
      const body = n % 2 === 0 ? oktaUser(person(n)) : entraUser(person(n));
      expect(await service.scim('POST', '/Users', body)).toMatchObject({ status: 201 });
    }
    expect(await service.health()).toMatchObject({ mode: 'observe', pending: PEOPLE });
    expect(bench.calls()).toEqual([]);
  });

  test('the plan proposes who is who, and links are carried out one call each, through a kill of the worker', {
    timeout: 90_000,
  }, async () => {
    const rows = await bench.links.plan();
    const unique = rows.filter(({ match }) => match === 'unique');
    expect(unique).toHaveLength(KNOWN - 2);
    expect(rows.filter(({ match }) => match === 'several').map(({ customerId }) => customerId)).toEqual([
      idOf(1),
      idOf(KNOWN + 1),
    ]);
    expect(rows.filter(({ match }) => match === 'none').map(({ customerId }) => customerId)).toEqual([idOf(KNOWN)]);
    const wanted = unique.map(({ customerId, proposedReference }) => ({
      customerId,
      decision: 'link' as const,
      reference: proposedReference ?? '',
    }));
    // The operator knows: the first of the two is the real one, and number 30 has another address by now.
    wanted.push({ customerId: idOf(1), decision: 'link', reference: person(1).externalId });
    wanted.push({ customerId: idOf(KNOWN), decision: 'link', reference: person(KNOWN).externalId });

    maxio.sandbox.state.setFault({ match: { method: 'PUT' }, kind: 'slow', delayMs: 100 });
    expect(await bench.links.accept(wanted, { by: 'alice', requestId: 'r1' })).toEqual({
      accepted: KNOWN,
      already: 0,
      refused: [],
    });
    await vi.waitFor(async () => expect((await bench.links.progress()).applied).toBeGreaterThan(3), WAIT);
    await service.kill('SIGKILL');
    const reached = await bench.links.progress();
    expect(reached.left).toBeGreaterThan(0);
    maxio.sandbox.state.clearFaults();
    service = await Service.start({ redisUrl: redis.url, sandboxUrl: maxio.sandbox.url, env: ENV });
    await vi.waitFor(
      async () => expect(await bench.links.progress()).toMatchObject({ applied: KNOWN, left: 0, failed: 0 }),
      WAIT,
    );
    const sent = bench.calls().filter((call) => call === PUT).length;
    // Those that were under way at the kill may go twice, which sets the same reference again.
    expect(sent).toBeGreaterThanOrEqual(KNOWN);
    expect(sent).toBeLessThanOrEqual(KNOWN + 3);
    for (let n = 1; n <= KNOWN; n += 1) expect(referenceAt(n)).toBe(person(n).externalId);
    expect(maxio.sandbox.state.customers()).toHaveLength(KNOWN + 1);
  });

  test('the release waits for the last decision, then adopts who was there and creates who was not', {
    timeout: 90_000,
  }, async () => {
    // The second customer with the address of person 1 is undecided, but person 1 has a customer by now: that is a duplicate, and it is shown.
    await expect(bench.release.release({ by: 'alice', requestId: 'r2' })).rejects.toMatchObject({ error: 'links-open' });
    const apart = { customerId: idOf(KNOWN + 1), decision: 'separate' as const, reference: person(1).externalId };
    expect(await bench.links.accept([apart], { by: 'alice', requestId: 'r3' })).toMatchObject({ accepted: 1 });
    bench.calls();
    expect(await bench.release.release({ by: 'alice', requestId: 'r4' })).toEqual({ mode: 'enforce', unreferenced: 1, twins: 0 });
    await service.settled(60_000);
    const calls = bench.calls();
    const count = (call: string) => calls.filter((each) => each === call).length;
    expect(count(CREATE)).toBe(PEOPLE - KNOWN);
    expect(count('POST /customers.json')).toBe(0);
    expect(count(LOOKUP)).toBe(KNOWN);
    expect(count(LIST)).toBe(KNOWN);
    expect(await service.health()).toMatchObject({ pending: 0, parked: 0 });
    const { customers, subscriptions } = maxio.sandbox.state;
    expect(customers.call(maxio.sandbox.state)).toHaveLength(KNOWN + 1 + PEOPLE - KNOWN);
    expect(subscriptions.call(maxio.sandbox.state).filter(({ state }) => state === 'active')).toHaveLength(PEOPLE);
  });

  test('a stranger with the address of a newcomer parks the newcomer, and a link lets them go on by itself', {
    timeout: 60_000,
  }, async () => {
    const late = person(77);
    const stranger = await maxio.customer({ email: late.userName });
    await bench.survey.want({ by: 'alice' });
    await vi.waitFor(async () => expect(await bench.survey.state()).toMatchObject({ state: 'done', unreferenced: 2 }), WAIT);
    bench.calls();
    expect(await service.scim('POST', '/Users', oktaUser(late))).toMatchObject({ status: 201 });
    await vi.waitFor(async () => expect(await service.health()).toMatchObject({ parked: 1 }), WAIT);
    expect(bench.calls()).toEqual([]);
    const reasons = await bench.site.redis.zrange(`${sitePrefix(KEY)}parked`, '0', '-1');
    const record = await bench.site.store.read(reasons[0] ?? '');
    expect(record?.run).toMatchObject({ reason: 'link-approval', detail: expect.stringContaining(`customer ${stranger.id}`) });
    const decision = { customerId: String(stranger.id), decision: 'link' as const, reference: late.externalId };
    await bench.links.accept([decision], { by: 'alice', requestId: 'r5' });
    await vi.waitFor(async () => expect(await service.health()).toMatchObject({ parked: 0, pending: 0 }), WAIT);
    expect(bench.calls().filter((call) => call === 'POST /customers.json')).toEqual([]);
    const mine = maxio.sandbox.state.customers().filter(({ email }) => email === late.userName);
    expect(mine).toMatchObject([{ id: stranger.id, reference: late.externalId }]);
  });

  test('strangers that somebody deletes or corrects at Maxio hold nobody up after a look for drift and a retry, as the words of the parked person say', {
    timeout: 90_000,
  }, async () => {
    const late = person(78);
    const [doubled, moved] = [await maxio.customer({ email: late.userName }), await maxio.customer({ email: late.userName })];
    const ops = new OpsDoor(service.url, OPS_TOKEN);
    const looked = async (): Promise<void> => {
      await ops.post('/drift', {});
      await vi.waitFor(async () => expect(await ops.get('/drift')).toMatchObject({ state: 'done' }), WAIT);
    };
    await looked();
    expect(await service.scim('POST', '/Users', oktaUser(late))).toMatchObject({ status: 201 });
    await vi.waitFor(async () => expect(await service.health()).toMatchObject({ parked: 1, pending: 0 }), WAIT);
    const parked = (await ops.get('/parked')) as { parked: { detail: string }[] };
    expect(parked.parked[0]?.detail).toMatch(/maxio-scim drift --wait .* then retry\.$/);

    expect(await maxio.del(`/customers/${doubled.id}.json`)).toMatchObject({ status: 204 });
    const correct = { customer: { email: 'somebody.else@example.com' } };
    expect(await maxio.put(`/customers/${moved.id}.json`, correct)).toMatchObject({ status: 200 });
    bench.calls();
    await looked();
    expect(writes(bench.calls())).toEqual([]);
    await ops.post('/parked/retry', { all: true });
    await vi.waitFor(async () => expect(await service.health()).toMatchObject({ parked: 0, pending: 0 }), WAIT);
    expect(writes(bench.calls())).toEqual([CREATE]);
  });
});
