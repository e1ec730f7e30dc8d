/**
 * Owns the promises about held leavers and a waiting configuration as operators meet them: over HTTP and on the page, with names and roles.
 * Real Redis, a real guard that holds everybody; what the worker then does is tested elsewhere.
 */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { UserRecord } from '../../src/directory/record.ts';
import { OPERATORS, type TestOperator, tokenOf } from '../support/operators.ts';
import { OPS_TOKEN, type OpsServer, openOpsSite, provision, serveOps, type TestOpsSite } from '../support/ops-server.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { patchOf } from '../support/scim-server.ts';

let redisServer: TestRedis;
let redis: Redis;
const servers: OpsServer[] = [];

beforeAll(async () => {
  redisServer = await startRedis({ appendfsync: 'no' });
  redis = redisServer.connect('commands');
});
afterAll(async () => {
  await Promise.all(servers.map(({ app }) => app.close()));
  await redisServer.stop();
});

const HOLD_EVERYBODY = { floor: 0, hourPercent: 0, dayPercent: 0, revenuePercent: 100, calmSeconds: 0 };
const FORM = { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' };

async function serve(
  options: Parameters<typeof serveOps>[2] = {},
  parts: Parameters<typeof openOpsSite>[1] = {},
): Promise<{ server: OpsServer; site: TestOpsSite }> {
  const site = openOpsSite(redis, { guard: HOLD_EVERYBODY, ...parts });
  const server = await serveOps(redis, [site], { operators: OPERATORS, ...options });
  servers.push(server);
  return { server, site };
}

async function setActive(site: TestOpsSite, { id }: Pick<UserRecord, 'id'>, active: boolean): Promise<UserRecord> {
  const patch = patchOf({ op: 'replace', path: 'active', value: active }) as Parameters<typeof site.users.patch>[1];
  return await site.users.patch(id, patch, { requestId: `set-${active}`, actor: 'scim-token:test' });
}

/** Lets people join with a subscription each, and leave. */
async function leavers(site: TestOpsSite, ...names: string[]): Promise<UserRecord[]> {
  const people: UserRecord[] = [];
  for (const [at, name] of names.entries()) {
    const person = await provision(site, name);
    const lease = await site.runs.lease(person.id);
    if (lease === undefined) throw new Error('no lease');
    const subscriptions = [{ id: String(800 + at), origin: 'created' as const, state: 'active', monthlyCents: 1_000 }];
    const link = { customerId: String(700 + at), origin: 'created' as const, confirmed: {}, subscriptions };
    await site.runs.recordStep(lease, { generation: 1, link, open: [] });
    await site.runs.release(lease);
    people.push(await setActive(site, person, false));
  }
  return people;
}

async function ask(server: OpsServer, as: TestOperator, path: string, body?: object, token = tokenOf(as)) {
  const answer = await server.app.inject({
    method: body === undefined ? 'GET' : 'POST',
    url: `/ops/api${path}`,
    headers: { authorization: `Bearer ${token}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { payload: JSON.stringify(body) } : {}),
  });
  return { status: answer.statusCode, body: answer.json() };
}

async function auditOf(site: TestOpsSite): Promise<Record<string, unknown>[]> {
  const rows = await redis.xrange(`${site.store.prefix}audit`, '-', '+');
  return rows.map(([, fields]) => JSON.parse(fields[fields.indexOf('entry') + 1] ?? '{}') as Record<string, unknown>);
}

describe('F86 a decision', () => {
  test('made twice, one after the other and at once from two processes, has one effect', async () => {
    const { server, site } = await serve();
    const other = await serveOps(redis, [site], { operators: OPERATORS });
    servers.push(other);
    const [ann, bob, carol] = await leavers(site, 'ann', 'bob', 'carol');
    if (ann === undefined || bob === undefined || carol === undefined) throw new Error('three left');

    expect((await ask(server, 'anna', '/held/approve', { ids: [ann.id] })).body).toMatchObject({ done: 1, already: 0, left: 2 });
    const again = await ask(server, 'anna', '/held/approve', { ids: [ann.id] });
    expect(again).toMatchObject({ status: 200, body: { done: 0, already: 1, notHeld: [], left: 2 } });
    const late = await ask(server, 'bert', '/held/reject', { ids: [ann.id] });
    expect(late.body).toMatchObject({ done: 0, already: 1 });

    const both = await Promise.all([
      ask(server, 'anna', '/held/approve', { ids: [bob.id, carol.id] }),
      ask(other, 'bert', '/held/approve', { ids: [carol.id, bob.id] }),
    ]);
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
    const sum = (field: 'done' | 'already'): number => both.reduce((total, { body }) => total + body[field], 0);
    expect([sum('done'), sum('already')]).toEqual([2, 2]);
    expect(site.rung).toHaveLength(3);
    expect(site.rung.every(({ lane }) => lane === 'urgent')).toBe(true);
    const approvals = (await auditOf(site)).filter(({ what }) => what === 'approve-leave');
    expect(approvals).toHaveLength(3);
    expect(await site.runs.backlog()).toMatchObject({ held: 0, urgent: 3 });
  });

  test('is taken from who released the site, the second time too: with two approvers, one of whom made the configuration, nobody else is left', async () => {
    const { server, site } = await serve();
    const [ann, bob, carol] = await leavers(site, 'ann', 'bob', 'carol');
    const approve = async (person: UserRecord | undefined) => await ask(server, 'bert', '/held/approve', { ids: [person?.id] });
    const taken = { status: 200, body: { done: 1, secondPerson: true } };
    const applied = { productHandle: 'pro', paymentCollectionMethod: 'remittance', deprovision: 'cancel', mappingVersion: 1 };
    await redis.hset(`${site.store.prefix}configuration`, {
      applied: JSON.stringify(applied),
      appliedBy: 'anna',
      appliedAtMs: 1,
    });
    await redis.hset(`${site.store.prefix}index`, { current: '1', sinceMs: await site.runs.nowMs() });
    await redis.hdel(`${site.store.prefix}mode`, 'releasedAtMs');

    expect((await ask(server, 'otto', '/mode', { mode: 'observe' })).status).toBe(200);
    expect(await ask(server, 'bert', '/release', {})).toMatchObject({ status: 200, body: { mode: 'enforce' } });
    expect(await approve(ann)).toMatchObject(taken);

    expect((await ask(server, 'bert', '/mode', { mode: 'observe' })).status).toBe(200);
    expect(await approve(bob)).toMatchObject({ status: 403, body: { detail: expect.stringContaining('last set the mode') } });
    expect((await ask(server, 'bert', '/release', {})).status).toBe(200);
    expect(await approve(bob)).toMatchObject(taken);

    // Whoever goes on without a release has set the mode.
    for (const mode of ['paused', 'enforce']) expect((await ask(server, 'bert', '/mode', { mode })).status).toBe(200);
    expect(await approve(carol)).toMatchObject({ status: 403, body: { error: 'second-person' } });
    expect(await site.runs.backlog()).toMatchObject({ held: 1 });
  });

  test('does not ask for another mode where a loss has set it: that is nobody, and only a release leads on', async () => {
    const { server, site } = await serve();
    const [ann, bob] = await leavers(site, 'ann', 'bob');
    const applied = { productHandle: 'pro', paymentCollectionMethod: 'remittance', deprovision: 'cancel', mappingVersion: 1 };
    const madeBy = async (appliedBy: string) =>
      await redis.hset(`${site.store.prefix}configuration`, { applied: JSON.stringify(applied), appliedBy, appliedAtMs: 1 });
    const approve = async (person: UserRecord | undefined) => await ask(server, 'bert', '/held/approve', { ids: [person?.id] });
    await site.store.witness.look();
    await site.store.witness.declare('restored', 'otto');
    expect(await site.modes.read()).toMatchObject({ mode: 'observe', by: 'restored' });

    await madeBy('anna and bert');
    const refused = await approve(ann);
    expect(refused).toMatchObject({
      status: 403,
      body: { error: 'second-person', do: expect.stringContaining('OPS_TOKENS_FILE') },
    });
    expect(refused.body.do).not.toContain('set the mode');
    await madeBy('anna');
    expect(await approve(bob)).toMatchObject({ status: 200, body: { done: 1, secondPerson: true } });
  });

  test('is refused to who made the configuration or last set the mode, and taken from somebody else', async () => {
    const { server, site } = await serve();
    const [ann] = await leavers(site, 'ann');
    const ids = [ann?.id ?? ''];
    await redis.hset(`${site.store.prefix}configuration`, {
      applied: JSON.stringify({
        productHandle: 'pro',
        paymentCollectionMethod: 'remittance',
        deprovision: 'cancel',
        mappingVersion: 1,
      }),
      appliedBy: 'Anna',
      appliedAtMs: '1000',
    });
    const own = await ask(server, 'anna', '/held/approve', { ids });
    expect(own).toMatchObject({
      status: 403,
      body: { error: 'second-person', detail: expect.stringContaining('made the configuration'), do: 'Ask one of: bert.' },
    });
    expect((await ask(server, 'bert', '/mode', { mode: 'paused' })).status).toBe(200);
    const setter = await ask(server, 'bert', '/held/approve', { ids });
    // Anna is refused, too, so neither is told to ask the other.
    expect(setter).toMatchObject({
      status: 403,
      body: { detail: expect.stringContaining('last set the mode'), do: expect.stringContaining('set the mode anew') },
    });
    expect(await site.runs.backlog()).toMatchObject({ held: 1 });

    expect((await ask(server, 'otto', '/mode', { mode: 'enforce' })).status).toBe(200);
    expect(await ask(server, 'bert', '/held/approve', { ids })).toMatchObject({
      status: 200,
      body: { done: 1, secondPerson: true },
    });
    expect((await auditOf(site)).at(-1)).toMatchObject({ what: 'approve-leaves', actor: 'bert', done: 1, secondPerson: true });
    // A reject is the careful side: whoever may approve may always do it.
    const [bob] = await leavers(site, 'bob');
    expect(await ask(server, 'anna', '/held/reject', { ids: [bob?.id] })).toMatchObject({ status: 200, body: { done: 1 } });
  });

  test('is refused to who has imported people, as is the release, until somebody else has released the site', async () => {
    const released: string[] = [];
    const release = async ({ by }: { by: string }) => {
      released.push(by);
      return { mode: 'enforce' as const, unreferenced: 0, twins: 0 };
    };
    const from = (await serve()).site;
    await leavers(from, 'ann', 'bob');
    const { server, site } = await serve({}, { key: from.key, release: { release } });
    const head = await from.archive.head();
    const rows = [...(await from.archive.page('0')).rows];
    const keys = await redis.keys(`${from.store.prefix}*`);
    await redis.del(...keys);
    const imported = await ask(server, 'anna', '/import', { head, rows, end: true });
    expect(imported, JSON.stringify(imported.body)).toMatchObject({ status: 200, body: { added: 2 } });
    const ids = await site.holds.list(0, 10);
    expect(ids).toHaveLength(2);

    const own = {
      status: 403,
      body: { error: 'second-person', detail: expect.stringContaining('imported'), do: 'Ask one of: bert.' },
    };
    expect(await ask(server, 'anna', '/release', {})).toMatchObject(own);
    expect(await ask(server, 'anna', '/held/approve', { ids })).toMatchObject(own);
    expect(released).toEqual([]);
    expect(await site.runs.backlog()).toMatchObject({ held: 2 });
    // Rows that bert adds make him one of those who imported.
    await redis.hset(`${site.store.prefix}site`, 'recovery', 'rebuilding');
    expect((await ask(server, 'bert', '/import', { rows: [], end: true })).status).toBe(200);
    expect(await ask(server, 'bert', '/release', {})).toMatchObject({
      status: 403,
      body: { do: expect.stringContaining('No approver is left') },
    });
    const fields = await redis.hkeys(`${site.store.prefix}site`);
    await redis.hdel(`${site.store.prefix}site`, ...fields.filter((field) => field.endsWith(':bert')));

    expect(await ask(server, 'bert', '/release', {})).toMatchObject({ status: 200, body: { secondPerson: true } });
    expect((await auditOf(site)).at(-1)).toMatchObject({ what: 'import-released', actor: 'bert', secondPerson: true });
    expect(released).toEqual(['bert']);
    expect(await ask(server, 'anna', '/held/approve', { ids })).toMatchObject({ status: 200, body: { done: 2 } });
    expect(await ask(server, 'anna', '/release', {})).toMatchObject({ status: 200 });
  });

  test('after an import with one token for all is taken, and the release says that a second person is not known', async () => {
    const release = async () => ({ mode: 'enforce' as const, unreferenced: 0, twins: 0 });
    const { server, site } = await serve({ operators: [] }, { release: { release } });
    const head = await site.archive.head();
    expect((await ask(server, 'anna', '/import', { head, rows: [], end: true }, OPS_TOKEN)).status).toBe(200);
    const answer = await ask(server, 'anna', '/release', {}, OPS_TOKEN);
    expect(answer).toMatchObject({ status: 200, body: { secondPerson: false } });
    expect((await auditOf(site)).at(-1)).toMatchObject({ what: 'import-released', secondPerson: false });
  });

  test('with one token for all is taken, and says that a second person is not known', async () => {
    const { server, site } = await serve({ operators: [] });
    const [ann] = await leavers(site, 'ann');
    expect((await ask(server, 'anna', '/mode', { mode: 'paused' }, OPS_TOKEN)).status).toBe(200);
    const approved = await ask(server, 'anna', '/held/approve', { ids: [ann?.id] }, OPS_TOKEN);
    expect(approved).toMatchObject({ status: 200, body: { done: 1, secondPerson: false } });
    expect((await auditOf(site)).at(-1)).toMatchObject({ actor: 'ops-token', secondPerson: false });
  });

  test('about all is about those who are held as it is asked, thousands too', async () => {
    const { server, site } = await serve();
    await leavers(site, ...Array.from({ length: 230 }, (_, at) => `p${at}`));
    expect((await ask(server, 'vera', '/held?limit=3')).body).toMatchObject({
      total: 230,
      monthlyCents: 230_000,
      held: [{}, {}, {}],
    });
    const rejected = await ask(server, 'anna', '/held/reject', { all: true });
    expect(rejected.body).toMatchObject({ done: 230, already: 0, left: 0 });
    expect(await site.holds.state()).toMatchObject({ held: 0, exempt: 230 });
    expect(site.rung).toEqual([]);
  });
});

test('a person is told about in plain words: held, exempt, observed, paused, and what would happen', async () => {
  const { server, site } = await serve();
  const [ann] = await leavers(site, 'ann');
  const view = async () => (await ask(server, 'vera', `/people/${ann?.id}`)).body;
  expect(await view()).toMatchObject({
    now: expect.stringMatching(/^Held: more people left within an hour than is usual.*maxio-scim approve/),
    would: { kind: 'end', steps: [{ kind: 'cancel', target: '800' }], monthlyCents: 1_000 },
    leave: { state: 'held', why: 'hour', by: null },
    monthlyCents: 1_000,
    protected: false,
  });
  expect((await ask(server, 'vera', '/held?state=exempt')).body).toMatchObject({ total: 0, monthlyCents: 0, held: [] });
  await ask(server, 'anna', '/held/reject', { ids: [ann?.id] });
  expect((await ask(server, 'vera', '/held')).body).toMatchObject({ total: 0, held: [] });
  const exempt = { id: ann?.id, what: 'person', subscriptions: 1, monthlyCents: 1_000, why: 'hour', decidedBy: 'anna' };
  expect((await ask(server, 'vera', '/held?state=exempt')).body).toMatchObject({
    total: 1,
    monthlyCents: 1_000,
    held: [{ ...exempt, decidedAt: expect.stringMatching(/^20/) }],
  });
  expect(await view()).toMatchObject({
    now: expect.stringMatching(/^Exempt: this leave was rejected by anna/),
    would: null,
    leave: { state: 'exempt', by: 'anna', decidedAt: expect.stringMatching(/^20/) },
  });
  if (ann !== undefined) await setActive(site, ann, true);
  expect((await ask(server, 'vera', '/held?state=exempt')).body).toMatchObject({ total: 0, held: [] });
  const bob = await provision(site, 'bob');
  await ask(server, 'otto', '/mode', { mode: 'paused', why: 'month-end' });
  const paused = (await ask(server, 'vera', `/people/${bob.id}`)).body;
  expect(paused.now).toMatch(/^Waits, because otto paused the site at .*\(month-end\)\. maxio-scim resume/);
  expect(paused.would).toMatchObject({ kind: 'create-with-subscription', steps: [{}] });
  // Paused again by the same hand: a new reason is taken, and told; no reason changes nothing.
  const before = await site.modes.read();
  const changes = async () => (await auditOf(site)).filter(({ what }) => what === 'mode').length;
  const told = await changes();
  await ask(server, 'otto', '/mode', { mode: 'paused', why: 'Maxio is being moved' });
  await ask(server, 'otto', '/mode', { mode: 'paused', why: 'Maxio is being moved' });
  await ask(server, 'otto', '/mode', { mode: 'paused' });
  expect(await site.modes.read()).toEqual({ ...before, why: 'Maxio is being moved' });
  expect(await changes()).toBe(told + 1);
  await ask(server, 'otto', '/mode', { mode: 'observe' });
  expect((await ask(server, 'vera', `/people/${bob.id}`)).body.now).toMatch(/^Waits, because the site is observed only/);
});

test('enforce for a site that nobody has released is refused, and a release without a survey, too', async () => {
  const { server, site } = await serve({ startMode: 'observe' });
  expect(await ask(server, 'otto', '/mode', { mode: 'enforce' })).toMatchObject({
    status: 409,
    body: { error: 'release-first', do: expect.stringContaining('maxio-scim release') },
  });
  expect(await ask(server, 'anna', '/release', {})).toMatchObject({ status: 409, body: { error: 'survey-first' } });
  expect((await site.modes.read())?.mode).toBe('observe');
  expect((await server.app.inject({ url: '/health' })).json().checks[`maxio:${site.key}`]).toEqual([
    { status: 'warn', output: 'observing' },
  ]);
});

test('enforce while a recovery is open is refused, with what to do', async () => {
  const { server, site } = await serve({ startMode: 'enforce' });
  await ask(server, 'otto', '/mode', { mode: 'observe' });
  expect(await ask(server, 'otto', '/recovery/rebuild', {})).toMatchObject({ status: 200, body: { recovery: 'rebuilding' } });
  expect(await ask(server, 'otto', '/mode', { mode: 'enforce' })).toMatchObject({
    status: 409,
    body: { error: 'recovery-open', do: expect.stringContaining('maxio-scim release') },
  });
  expect((await site.modes.read())?.mode).toBe('observe');
});

test('/health and /metrics tell of mode, held leavers, a waiting configuration, drift and a token near its end', async () => {
  let exempt = 1;
  const site = openOpsSite(redis, {
    guard: HOLD_EVERYBODY,
    drift: {
      head: async () => ({
        state: 'done',
        full: false,
        by: 'drift',
        askedMs: 0,
        atMs: 1,
        lastFull: false,
        counts: { 'left-billed': 2 },
        exempts: { 'left-billed': exempt },
        nextMs: 1,
      }),
      rows: async () => [],
      want: async () => undefined,
    },
  });
  const server = await serveOps(redis, [site], { operators: OPERATORS });
  servers.push(server);
  await site.tokens.create({ by: 'anna', requestId: 'r1', days: 29, note: '' });
  await redis.hset(`${site.store.prefix}configuration`, {
    applied: '{}',
    candidate: '{"deprovision":"hold"}',
    candidateBy: 'otto',
  });
  await leavers(site, 'ann');
  await ask(server, 'otto', '/mode', { mode: 'paused' });
  const health = (await server.app.inject({ url: '/health' })).json();
  expect(health.checks[`maxio:${site.key}`]).toEqual([
    { status: 'warn', output: 'paused-by-operator, held, configuration-waiting, drift, token-expiry' },
  ]);
  expect(health.sites[site.key]).toMatchObject({ mode: 'paused', held: 1 });
  expect(JSON.stringify(health)).not.toMatch(/otto|ann@/);
  expect((await server.app.inject({ url: '/readyz' })).statusCode).toBe(200);
  const metrics = (await server.app.inject({ url: '/metrics', headers: { authorization: `Bearer ${tokenOf('vera')}` } })).body;
  expect(metrics).toContain(`scim_site_mode{site="${site.key}",mode="paused"} 1\n`);
  expect(metrics).toContain(`scim_site_mode{site="${site.key}",mode="enforce"} 0\n`);
  expect(metrics).toContain(`scim_held_changes{site="${site.key}",guard="hour"} 1\n`);
  expect(metrics).not.toMatch(/otto|ann@/);
  // What an approver has decided about is nothing to warn of.
  exempt = 2;
  expect((await server.app.inject({ url: '/health' })).json().checks[`maxio:${site.key}`]).toEqual([
    { status: 'warn', output: 'paused-by-operator, held, configuration-waiting, token-expiry' },
  ]);
});

describe('the page', () => {
  async function cookieOf(server: OpsServer, name: TestOperator): Promise<string> {
    const payload = new URLSearchParams({ token: tokenOf(name) }).toString();
    const answer = await server.app.inject({ method: 'POST', url: '/ops/sign-in', headers: FORM, payload });
    return String(answer.headers['set-cookie']).split(';')[0] ?? '';
  }

  async function post(server: OpsServer, cookie: string, fields: Record<string, string>, headers: Record<string, string> = FORM) {
    const payload = new URLSearchParams(fields).toString();
    return await server.app.inject({ method: 'POST', url: '/ops/held', headers: { ...headers, cookie }, payload });
  }

  test('lets an approver decide about one and about all, and shows what came of it', async () => {
    const { server, site } = await serve();
    const [ann, bob] = await leavers(site, 'ann', 'bob', 'carol');
    const cookie = await cookieOf(server, 'anna');
    const page = await server.app.inject({ url: '/ops', headers: { cookie } });
    expect(page.body).toContain('Held');
    expect(page.body).toContain('3 people, 30.00 a month');
    const one = await post(server, cookie, { site: site.key, id: ann?.id ?? '', word: 'approve' });
    expect(one).toMatchObject({ statusCode: 200, body: expect.stringContaining('1 leave approved.') });
    const twice = await post(server, cookie, { site: site.key, id: ann?.id ?? '', word: 'approve' });
    expect(twice.body).toContain('0 leaves approved. 1 had been decided before.');
    // Somebody came back and somebody else left after the page was loaded: a word about all is about those who were seen.
    const seenOn = ({ body }: { body: string }): string => /name="seen" value="([^"]+)"/.exec(body)?.[1] ?? '';
    const before = await server.app.inject({ url: '/ops', headers: { cookie } });
    // As many are held, and not the same.
    if (bob === undefined) throw new Error('bob left');
    await setActive(site, bob, true);
    await leavers(site, 'dora');
    const stale = await post(server, cookie, { site: site.key, word: 'approve-all', seen: seenOn(before) });
    expect(stale).toMatchObject({ statusCode: 409, body: expect.stringContaining('not all of them are those you saw') });
    expect(await site.holds.state()).toMatchObject({ held: 2 });
    const all = await post(server, cookie, { site: site.key, word: 'reject-all', seen: seenOn(stale) });
    expect(all.body).toContain('2 leaves rejected.');
    expect(await site.holds.state()).toMatchObject({ held: 0, exempt: 2 });
  });

  test('keeps to the rules of the API: role, second person, and no form of another site', async () => {
    const { server, site } = await serve();
    const [ann] = await leavers(site, 'ann');
    const fields = { site: site.key, id: ann?.id ?? '', word: 'approve' };
    const operator = await post(server, await cookieOf(server, 'otto'), fields);
    expect(operator).toMatchObject({
      statusCode: 409,
      body: expect.stringContaining('This needs an approver; otto is an operator.'),
    });
    await ask(server, 'anna', '/mode', { mode: 'enforce' });
    const cookie = await cookieOf(server, 'anna');
    expect((await post(server, cookie, fields)).body).toContain('anna last set the mode, so somebody else must approve.');
    const foreign = await post(server, cookie, fields, { ...FORM, 'sec-fetch-site': 'cross-site' });
    expect(foreign.statusCode).toBe(403);
    expect(
      (await server.app.inject({ method: 'POST', url: '/ops/held', headers: FORM, payload: 'word=approve' })).statusCode,
    ).toBe(401);
    expect(await site.holds.state()).toMatchObject({ held: 1 });
  });
});
