/**
 * The survey against the sandbox over HTTP: what it costs, that a kill costs one page at most, that nothing slips through when somebody deletes meanwhile,
 * and when a site is released by itself. The ledger of the sandbox is the witness.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { type SandboxApi, startSandbox } from '../support/sandbox-api.ts';
import { API_KEY, Service } from '../support/service.ts';
import { auditOf } from './directory-bench.ts';
import { openBench } from './survey-bench.ts';

const CUSTOMERS = 'GET /customers.json';
const SUBSCRIPTIONS = 'GET /subscriptions.json';
const EVENTS = 'GET /events.json';

let server: TestRedis;
let maxio: SandboxApi;
beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterAll(() => server.stop());
beforeEach(async () => {
  maxio = await startSandbox({ apiKey: API_KEY, subdomain: 'acme' });
});
afterEach(() => maxio.sandbox.close());

const idsOf = (rows: { id: number | string }[]): string[] => rows.map(({ id }) => String(id)).sort();

/** Everything the index holds, by id. */
async function indexed(bench: Awaited<ReturnType<typeof openBench>>): Promise<{ customers: string[]; subscriptions: string[] }> {
  const [customers, subscriptions] = [new Set<string>(), new Set<string>()];
  let cursor = '0';
  do {
    const { next, rows } = await bench.index.scan(cursor);
    for (const { id } of rows) customers.add(id);
    cursor = next;
  } while (cursor !== '0');
  do {
    const { next, rows } = await bench.index.scanSubscriptions(cursor);
    for (const { id } of rows) subscriptions.add(id);
    cursor = next;
  } while (cursor !== '0');
  return { customers: [...customers].sort(), subscriptions: [...subscriptions].sort() };
}

describe('what it costs', () => {
  it('20,000 customers and 20,000 subscriptions are surveyed by at most 205 calls, the one to read the site included', {
    timeout: 120_000,
  }, async () => {
    maxio.sandbox.state.seed({ customers: 20_000, product: 'pro', referencePrefix: null });
    const redis = await startRedis();
    const options = {
      redisUrl: redis.url,
      sandboxUrl: maxio.sandbox.url,
      env: { MAXIO_START_MODE: 'observe', MAXIO_PRODUCT_HANDLE: 'pro' },
    };
    const service = await Service.start(options);
    const read = redis.connect();
    await vi.waitFor(async () => expect(await read.hget('scim:{us.acme}:surveyState', 'state')).toBe('done'), {
      timeout: 100_000,
      interval: 200,
    });
    const calls = maxio.sandbox.state.ledger().map(({ method, template }) => `${method} ${template}`);
    expect(calls.filter((call) => call === CUSTOMERS)).toHaveLength(101);
    expect(calls.filter((call) => call === SUBSCRIPTIONS)).toHaveLength(101);
    expect(calls.length).toBeLessThanOrEqual(205);
    expect(await read.hlen('scim:{us.acme}:index:1:customers')).toBe(20_000);
    expect(await read.hlen('scim:{us.acme}:index:1:subscriptions')).toBe(20_000);
    await service.kill();
    await redis.stop();
  });

  it('a small site costs four calls, and a survey that is done costs none', async () => {
    maxio.sandbox.state.seed({ customers: 3, product: 'pro', referencePrefix: null });
    const bench = await openBench(server, maxio);
    await bench.drive(bench.survey);
    expect(bench.calls()).toEqual([EVENTS, CUSTOMERS, SUBSCRIPTIONS, EVENTS]);
    await bench.drive(bench.survey);
    expect(bench.calls()).toEqual([]);
    expect(await bench.survey.state()).toMatchObject({
      state: 'done',
      phase: null,
      customers: 3,
      subscriptions: 3,
      calls: 4,
      progress: 1,
      unreferenced: 3,
    });
  });
});

describe('a survey that is interrupted', () => {
  it('goes on at its next page in another process: no page is lost, at most the one at work is read twice', {
    timeout: 120_000,
  }, async () => {
    maxio.sandbox.state.seed({ customers: 4_100, product: 'pro', referencePrefix: null });
    const redis = await startRedis();
    const options = { redisUrl: redis.url, sandboxUrl: maxio.sandbox.url, env: { MAXIO_START_MODE: 'observe' } };
    const read = redis.connect();
    const stateOf = (field: string) => read.hget('scim:{us.acme}:surveyState', field);
    // Slow enough that the kill falls into the middle, whatever this machine does.
    const id = maxio.sandbox.state.setFault({ match: { path: '/customers.json' }, kind: 'slow', delayMs: 150 });
    expect(id).toBeTruthy();
    const first = await Service.start(options);
    await vi.waitFor(async () => expect(Number(await stateOf('customers'))).toBeGreaterThanOrEqual(1_000), {
      timeout: 30_000,
      interval: 20,
    });
    await first.kill('SIGKILL');
    const reached = Number(await stateOf('customers'));
    expect(reached).toBeLessThan(4_100);
    maxio.sandbox.state.clearFaults();
    const second = await Service.start(options);
    await vi.waitFor(async () => expect(await stateOf('state')).toBe('done'), { timeout: 60_000, interval: 100 });
    const pages = maxio.sandbox.state.ledger().filter(({ template }) => template === '/customers.json');
    expect(pages.length).toBeLessThanOrEqual(21 + 1);
    expect(await read.hlen('scim:{us.acme}:index:1:customers')).toBe(4_100);
    expect(await stateOf('pass')).toBe('1');
    await second.kill();
    await redis.stop();
  });

  it('a page that a process wrote late, after another had gone on, skips nothing', async () => {
    maxio.sandbox.state.seed({ customers: 450, product: 'pro', referencePrefix: null });
    const bench = await openBench(server, maxio);
    // Wanted, begun, page 1.
    for (let turns = 0; turns < 3; turns += 1) await bench.turn(bench.survey);
    maxio.sandbox.state.setFault({ match: { path: '/customers.json' }, kind: 'slow', delayMs: 1_500, times: 1 });
    bench.calls();
    const late = bench.turn(bench.survey);
    await vi.waitFor(() => expect(bench.calls()).toHaveLength(1), { timeout: 15_000, interval: 10 });
    // The other process reads page 2 as well, page 3, and is with the subscriptions then.
    for (let turns = 0; turns < 2; turns += 1) await bench.turn(bench.survey);
    expect(await bench.survey.state()).toMatchObject({ phase: 'subscriptions', customers: 450 });
    await late;
    await bench.drive(bench.survey);
    expect(await bench.index.counts()).toMatchObject({ customers: 450, subscriptions: 450 });
  });

  it('stops with a pause and goes on after it', async () => {
    maxio.sandbox.state.seed({ customers: 450, referencePrefix: null });
    const bench = await openBench(server, maxio);
    for (let turns = 0; turns < 3; turns += 1) await bench.turn(bench.survey);
    const running = { nowMs: 0, mode: 'observe' as const, signal: new AbortController().signal };
    await bench.modes.set('paused', { by: 'alice' });
    bench.calls();
    // The turn began before the pause; the call is refused when it would leave.
    await expect(bench.survey.turn(running)).rejects.toMatchObject({ why: 'fenced' });
    expect(bench.calls()).toEqual([]);
    await bench.modes.set('observe', { by: 'alice' });
    await bench.drive(bench.survey);
    expect((await bench.index.counts()).customers).toBe(450);
  });

  it('that is wanted twice is one', async () => {
    maxio.sandbox.state.seed({ customers: 1, referencePrefix: null });
    const bench = await openBench(server, maxio);
    await Promise.all([bench.survey.want({ by: 'alice', requestId: 'r1' }), bench.survey.want({ by: 'start' })]);
    await bench.turn(bench.survey);
    await bench.survey.want({ by: 'bob' });
    await bench.drive(bench.survey);
    expect(bench.calls()).toEqual([EVENTS, CUSTOMERS, SUBSCRIPTIONS, EVENTS]);
    await bench.survey.want({ by: 'bob', requestId: 'r2' });
    expect(await bench.survey.state()).toMatchObject({ state: 'wanted', customers: 1 });
    await bench.drive(bench.survey);
    expect(await bench.index.current()).toBe(2);
    const told = (await auditOf(bench.site)).map(({ entry = '{}' }) => JSON.parse(entry) as { what: string; actor: string });
    expect(told.filter(({ what }) => what === 'survey-wanted').at(-1)).toMatchObject({ actor: 'bob', requestId: 'r2' });
  });
});

describe('what happens while the pages are read', () => {
  it('a deletion in a page already read makes nobody slip through, and the deleted one is not in the index', async () => {
    const { customers } = maxio.sandbox.state.seed({ customers: 900, referencePrefix: null });
    const bench = await openBench(server, maxio);
    // want, begin, pages 1 and 2.
    for (let turns = 0; turns < 4; turns += 1) await bench.turn(bench.survey);
    expect((await bench.survey.state()).customers).toBe(400);
    const gone = customers[10];
    if (gone === undefined) throw new Error('no customer');
    maxio.sandbox.state.staff({ do: 'delete-customer', id: gone.id });
    await bench.drive(bench.survey);
    expect((await indexed(bench)).customers).toEqual(idsOf(maxio.sandbox.state.customers()));
    expect(await bench.index.customer(String(gone.id))).toBeUndefined();
    expect((await bench.index.counts()).customers).toBe(899);
  });

  it('customers who are new or changed meanwhile are read as they are now', async () => {
    const { customers } = maxio.sandbox.state.seed({ customers: 500, referencePrefix: null });
    const bench = await openBench(server, maxio);
    for (let turns = 0; turns < 6; turns += 1) await bench.turn(bench.survey);
    const [first] = customers;
    if (first === undefined) throw new Error('no customer');
    maxio.sandbox.state.editCustomer(first.id, { reference: 'set-by-staff' });
    const late = await maxio.customer({ email: 'late@example.com' });
    await bench.drive(bench.survey);
    expect(await bench.index.byReference('set-by-staff')).toMatchObject({ id: String(first.id) });
    expect(await bench.index.byEmails(['late@example.com'])).toMatchObject([{ id: String(late.id) }]);
    expect((await indexed(bench)).customers).toEqual(idsOf(maxio.sandbox.state.customers()));
  });

  it('the events are read only when Maxio has had the time to write them', async () => {
    maxio.sandbox.state.seed({ customers: 201, referencePrefix: null });
    const bench = await openBench(server, maxio, { eventsSettleMs: 600_000 });
    await bench.drive(bench.survey);
    expect(await bench.survey.state()).toMatchObject({ state: 'running', phase: 'events' });
    expect(bench.calls()).toEqual([EVENTS, CUSTOMERS, CUSTOMERS, SUBSCRIPTIONS]);
  });
});

describe('after the survey', () => {
  it('a site without unreferenced customers is released by itself, audited', async () => {
    maxio.sandbox.state.seed({ customers: 5, product: 'pro', referencePrefix: 'crm-' });
    const bench = await openBench(server, maxio);
    await bench.drive(bench.survey);
    expect(await bench.modes.read()).toMatchObject({ mode: 'enforce', by: 'survey' });
    const told = (await auditOf(bench.site)).map(({ entry = '{}' }) => JSON.parse(entry) as { what: string; actor: string });
    expect(told).toContainEqual(expect.objectContaining({ what: 'mode', mode: 'enforce', was: 'observe', actor: 'survey' }));
    expect(await bench.survey.state()).toMatchObject({ unreferenced: 0, detail: expect.stringContaining('Every customer') });
  });

  it('an empty site is released by itself, too', async () => {
    const bench = await openBench(server, maxio);
    await bench.drive(bench.survey);
    expect(await bench.modes.read()).toMatchObject({ mode: 'enforce', by: 'survey' });
    expect(bench.calls()).toEqual([EVENTS, CUSTOMERS, SUBSCRIPTIONS, EVENTS]);
  });

  it('one unreferenced customer keeps the site in observe, and the words say what to do', async () => {
    maxio.sandbox.state.seed({ customers: [{ reference: 'crm-1' }, { reference: null, email: 'x@example.com' }] });
    const bench = await openBench(server, maxio);
    await bench.drive(bench.survey);
    expect(await bench.modes.read()).toMatchObject({ mode: 'observe', by: 'start' });
    expect((await bench.survey.state()).detail).toContain('1 customer has no reference');
  });

  it('a site that an operator put into observe stays there', async () => {
    const bench = await openBench(server, maxio);
    await bench.modes.set('observe', { by: 'alice' });
    await bench.survey.want({ by: 'alice' });
    await bench.drive(bench.survey);
    expect(await bench.modes.read()).toMatchObject({ mode: 'observe', by: 'alice' });
    expect((await bench.survey.state()).detail).toContain('maxio-scim release');
  });

  it('a site in enforce is not surveyed unless somebody asks', async () => {
    const bench = await openBench(server, maxio);
    await bench.modes.set('enforce', { by: 'start' });
    await bench.drive(bench.survey);
    expect(bench.calls()).toEqual([]);
    expect(await bench.survey.state()).toMatchObject({
      state: 'never',
      unreferenced: null,
      detail: expect.stringContaining('maxio-scim survey'),
    });
  });
});
