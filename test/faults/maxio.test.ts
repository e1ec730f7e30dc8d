/**
 * Maxio misbehaves in ways that the client alone cannot see: an answer that says done while nothing was done, pages that shift while they are read, a limit
 * that somebody else uses up. Real process, real Redis; the truth is the ledger of the sandbox.
 */
import { describe, expect, test, vi } from 'vitest';
import { oktaUser, patch, person } from '../support/people.ts';
import { OpsDoor } from '../support/rollout.ts';
import { API_KEY, OPS_TOKEN, type Service } from '../support/service.ts';
import { useStage } from '../support/stage.ts';
import { joinAll } from '../support/steps.ts';
import { until } from '../support/until.ts';

interface Report {
  state: string;
  at: string | null;
  full: boolean;
  rows: { kind: string; userName: string }[];
}

const stage = useStage({ env: { MAXIO_PRODUCT_HANDLE: 'pro', SCIM_IDP: 'okta' } });

async function start(env: Record<string, string> = {}): Promise<{ service: Service; door: OpsDoor }> {
  const service = await stage.start(env);
  return { service, door: new OpsDoor(service.url, OPS_TOKEN) };
}

async function look(door: OpsDoor, full: boolean): Promise<Report> {
  const before = (await door.get<Report>('/drift')).at;
  await door.post('/drift', full ? { full } : {});
  return await vi.waitFor(
    async () => {
      const report = await door.get<Report>('/drift');
      if (report.state !== 'done' || report.at === before) throw new Error(`the report is ${report.state}`);
      return report;
    },
    { timeout: 60_000, interval: 100 },
  );
}

describe('F53 Maxio says that it was done, in so many words, and nothing was done', () => {
  /** A cancel, an update, a reactivation and a create that never happened, each with the answer of one that did. */
  async function lie(service: Service): Promise<string[]> {
    const ids = await joinAll(service, 5);
    const change = async (n: number, ...operations: Record<string, unknown>[]) =>
      expect((await service.scim('PATCH', `/Users/${ids[n - 1]}`, patch(...operations))).status).toBe(200);
    await change(3, { op: 'replace', value: { active: false } });
    await service.settled();
    stage.sandbox.state.setFault({ match: { method: 'DELETE' }, kind: 'no-effect' });
    stage.sandbox.state.setFault({ match: { method: 'PUT' }, kind: 'no-effect' });
    stage.sandbox.state.setFault({ match: { method: 'POST' }, kind: 'no-effect' });
    expect((await service.scim('POST', '/Users', oktaUser(person(6)))).status).toBe(201);
    await change(1, { op: 'replace', value: { active: false } });
    await change(2, { op: 'replace', path: 'name.familyName', value: 'Changed' });
    await change(3, { op: 'replace', value: { active: true } });
    await service.settled();
    expect(stage.sandbox.state.ledger().filter(({ fault }) => fault === 'no-effect')).toHaveLength(4);
    stage.sandbox.state.clearFaults();
    return ids;
  }

  const shown = (report: Report) => report.rows.map(({ kind, userName }) => `${kind} ${userName}`).sort();
  const stateOf = (n: number) =>
    stage.sandbox.state.subscriptions().find(({ customer }) => customer?.reference === person(n).externalId)?.state;

  test('F53 the next look for drift shows each of them, and who is on call is told', { timeout: 120_000 }, async () => {
    const { service, door } = await start();
    expect((await look(door, true)).rows).toEqual([]);
    await lie(service);
    const report = await look(door, false);
    expect(report.full, 'the small look of every day is enough').toBe(false);
    expect(shown(report)).toEqual([
      `active-unbilled ${person(3).userName}`,
      `customer-deleted ${person(6).userName}`,
      `fields-differ ${person(2).userName}`,
      `left-billed ${person(1).userName}`,
    ]);
    const conditions = await until('the drift is among the notices', async () => {
      const text = await stage.commands.hgetall('scim:{us.acme}:notices').then(JSON.stringify);
      return text.includes('drift') ? text : undefined;
    });
    expect(conditions).toContain('drift');
  });

  test('F53 where drift is repaired, the same look puts each of them right', { timeout: 120_000 }, async () => {
    const { service, door } = await start({ MAXIO_DRIFT: 'repair' });
    await look(door, true);
    await lie(service);
    await look(door, false);
    await until('the leaver is not billed any more', () => stateOf(1) === 'canceled');
    await until('the returner is billed again', () => stateOf(3) === 'active');
    await until('the newcomer is billed', () => stateOf(6) === 'active');
    await until('the name is the last one', () => stage.sandbox.state.customers()[1]?.last_name === 'Changed');
    await service.settled();
    expect((await look(door, false)).rows).toEqual([]);
  });
});

describe('pages shift while they are read', () => {
  test('F52 rows that are deleted before the next page is read hide nobody: the survey has every customer and subscription', {
    timeout: 120_000,
  }, async () => {
    const row = (n: number) => {
      const { givenName: first_name, familyName: last_name, userName: email, externalId: reference } = person(n);
      return { first_name, last_name, email, reference, subscriptions: [{ product_handle: 'pro' }] };
    };
    stage.sandbox.state.seed({ customers: Array.from({ length: 520 }, (_, i) => row(i + 1)) });
    stage.sandbox.state.settings({ refuseDeleteWithSubscriptions: false });
    for (const path of ['/customers.json', '/subscriptions.json'])
      stage.sandbox.state.setFault({
        match: { method: 'GET', path, contains: '?page=2&' },
        kind: 'slow',
        delayMs: 60_000,
        times: 1,
      });
    const second = (path: string) => () =>
      stage.sandbox.state
        .ledger()
        .some(({ path: asked, finishedMs }) => asked.startsWith(path) && /[?&]page=2\b/.test(asked) && finishedMs === null);
    const { door } = await start({ MAXIO_START_MODE: 'observe' });
    // Each time the rows of the first page are read already, and everybody behind them moves up.
    const gone: number[] = [];
    const remove = (count: number): void => {
      for (const { id, reference } of stage.sandbox.state.customers().slice(0, count)) {
        gone.push(Number(reference?.slice(3)));
        stage.sandbox.state.staff({ do: 'delete-customer', id });
      }
    };
    await until('the second page of customers is asked for', second('/customers.json'));
    remove(7);
    stage.sandbox.state.release();
    await until('the second page of subscriptions is asked for', second('/subscriptions.json'));
    remove(5);
    stage.sandbox.state.release();
    const survey = await door.surveyed('us.acme', 90_000);
    expect(gone).toHaveLength(12);
    expect([survey.customers, survey.subscriptions]).toEqual([508, stage.sandbox.state.subscriptions().length]);
    const pass = await stage.commands.hget('scim:{us.acme}:index', 'current');
    const ids = async (kind: string) =>
      (await stage.commands.hkeys(`scim:{us.acme}:index:${pass}:${kind}`)).map(Number).sort((a, b) => a - b);
    expect(await ids('customers')).toEqual(stage.sandbox.state.customers().map(({ id }) => id));
    expect(await ids('subscriptions')).toEqual(stage.sandbox.state.subscriptions().map(({ id }) => id));
  });
});

describe('one of several cancels fails', () => {
  test('F50 one is cancelled by hand meanwhile, one fails, one is done: what is done counts and is not repeated, the rest is', {
    timeout: 90_000,
  }, async () => {
    const { givenName: first_name, familyName: last_name, userName: email, externalId: reference } = person(1);
    const subscriptions = ['pro', 'basic', 'pro'].map((product_handle) => ({ product_handle }));
    stage.sandbox.state.seed({ customers: [{ first_name, last_name, email, reference, subscriptions }] });
    const { service } = await start({ MAXIO_UNKNOWN_OUTCOME_SECONDS: '4' });
    const [id] = await joinAll(service, 1);
    const [byHand = 0, failing = 0, easy = 0] = stage.sandbox.state.subscriptions().map((each) => each.id);
    const match = (subscription: number) => ({ method: 'DELETE', path: `^/subscriptions/${subscription}\\.json$` });
    stage.sandbox.state.setFault({ match: match(byHand), kind: 'slow', delayMs: 60_000, times: 1 });
    stage.sandbox.state.setFault({ match: match(failing), kind: 'html-error', status: 500, times: 1 });
    const cancels = () => stage.sandbox.state.ledger().filter(({ method }) => method === 'DELETE');
    const answersTo = (subscription: number) =>
      cancels().flatMap(({ path, status }) => (path.startsWith(`/subscriptions/${subscription}.json`) ? [status] : []));

    const leave = patch({ op: 'replace', value: { active: false } });
    expect((await service.scim('PATCH', `/Users/${id}`, leave)).status).toBe(200);
    await until('the cancel is on its way', () => answersTo(byHand).length === 1);
    stage.sandbox.state.staff({ do: 'cancel-subscription', id: byHand, message: 'by hand' });
    stage.sandbox.state.release();
    await service.settled(60_000);
    expect(stage.sandbox.state.subscriptions().map(({ state }) => state)).toEqual(['canceled', 'canceled', 'canceled']);
    expect([byHand, failing, easy].map(answersTo)).toEqual([[422], [500, 200], [200]]);
    expect((await service.health()).parked).toBe(0);
  });
});

describe('somebody else uses the same limit', () => {
  test('F59 a 429 makes the site wait, longer each time, instead of knocking on; everybody is served in the end, and the identity provider hears nothing of it', {
    timeout: 180_000,
  }, async () => {
    const { service } = await start();
    await service.settled();
    const authorization = `Basic ${Buffer.from(`${API_KEY}:x`).toString('base64')}`;
    const neighbour = async () => (await fetch(`${stage.sandbox.url}/customers.json`, { headers: { authorization } })).status;
    // The site takes 30 calls in 20 seconds, refused ones included, and the neighbour begins with all of them.
    stage.sandbox.state.settings({ quota: 30, windowSeconds: 20 });
    for (let call = 0; call < 30; call += 1) await neighbour();
    expect(await neighbour()).toBe(429);
    const before = stage.sandbox.state.ledger().length;
    for (let n = 1; n <= 12; n += 1) expect((await service.scim('POST', '/Users', oktaUser(person(n)))).status).toBe(201);
    await until('the pause shows', async () => JSON.stringify(await service.health()).includes('throttled'));
    expect((await service.health()).pending).toBeGreaterThan(0);
    await service.settled(150_000);
    expect(stage.sandbox.state.customers()).toHaveLength(12);
    const ours = stage.sandbox.state.ledger().slice(before);
    const refused = ours.filter(({ status }) => status === 429).length;
    // Those that were in flight when the first was refused, at most four, and one that found out for each later pause.
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThanOrEqual(8);
    expect(ours.filter(({ method, applied }) => method === 'POST' && applied)).toHaveLength(12);
  });
});
