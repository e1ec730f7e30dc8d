/**
 * Owns the promises that hold for every route of the ops API because they are made from one table: who may use it, that its answer is what the OpenAPI
 * document says, and that the document is sound. Real Redis, real directory, survey index and drift report; Maxio is never asked.
 */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DriftReports } from '../../src/directory/drift-report.ts';
import { SERVER_WAITS_MS } from '../../src/http/server.ts';
import { templateOf } from '../../src/ops/api/openapi.ts';
import type { ApiRoute } from '../../src/ops/api/route.ts';
import { ROUTES } from '../../src/ops/api/table.ts';
import { mayAct } from '../../src/ops/ops-auth.ts';
import type { JsonObject } from '../../src/scim/types.ts';
import { OPERATORS, type TestOperator, tokenOf } from '../support/operators.ts';
import { endRun, OPS_TOKEN, type OpsServer, openOpsSite, provision, serveOps, type TestOpsSite } from '../support/ops-server.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { patchOf, person } from '../support/scim-server.ts';

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

async function serve(site: TestOpsSite = openOpsSite(redis), options: Parameters<typeof serveOps>[2] = {}): Promise<OpsServer> {
  const server = await serveOps(redis, [site], { operators: OPERATORS, ...options });
  servers.push(server);
  return server;
}

interface Asked {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  body?: object;
  token?: string;
}

async function ask(server: OpsServer, { method, path, body, token = tokenOf('anna') }: Asked) {
  const answer = await server.app.inject({
    method,
    url: `/ops/api${path}`,
    headers: { authorization: `Bearer ${token}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { payload: JSON.stringify(body) } : {}),
  });
  return {
    status: answer.statusCode,
    headers: answer.headers,
    text: answer.body,
    body: answer.body.startsWith('{') ? answer.json() : undefined,
  };
}

function pathOf({ path }: ApiRoute): string {
  return path.replaceAll(/:\w+/g, 'nobody');
}

const routes = ROUTES.map((route) => [`${route.method} ${route.path}`, route] as const);

describe('roles', () => {
  test.each(routes)('%s asks for its role, and nobody gets in with another token', async (_name, route) => {
    const server = await serve();
    const request = {
      method: route.method,
      path: pathOf(route),
      ...(route.method === 'POST' || route.method === 'PUT' ? { body: {} } : {}),
    };
    for (const { name, role } of OPERATORS) {
      const { status, body } = await ask(server, { ...request, token: tokenOf(name) });
      if (mayAct(role, route.role)) expect([401, 403], name).not.toContain(status);
      else {
        expect(status, name).toBe(403);
        expect(body).toMatchObject({ error: 'role-missing', detail: expect.stringContaining(name) });
        expect(body.do).toMatch(/OPS_TOKENS_FILE.*(otto|anna|bert)/);
      }
    }
    for (const token of ['wrong', server.sites[0].scimToken, '', OPERATORS[2]?.sha256 ?? ''])
      expect((await ask(server, { ...request, token })).status, token).toBe(401);
  });

  test('a viewer changes nothing anywhere, an operator approves nothing', () => {
    for (const [name, { method, role }] of routes) {
      if (method !== 'GET') expect(role, name).not.toBe('viewer');
      else expect(role, name).toBe('viewer');
    }
    const approvals = routes.filter(([, { role }]) => role === 'approver').map(([name]) => name);
    expect(approvals).toEqual([
      'POST /release',
      'POST /held/approve',
      'POST /held/reject',
      'POST /configuration/approve',
      'PUT /group-plans',
      'DELETE /group-plans',
      'POST /import',
      'POST /tokens',
      'POST /tokens/revoke',
      'POST /clients',
      'POST /clients/credentials',
      'POST /clients/revoke',
      'POST /erase',
      'POST /readmit',
    ]);
  });

  test('OPS_TOKEN may approve where nobody has a name, and may not where operators have', async () => {
    const alone = await serve(openOpsSite(redis), { operators: [] });
    const approve = { method: 'POST', path: '/held/approve', body: { all: true }, token: OPS_TOKEN } as const;
    expect(await ask(alone, approve)).toMatchObject({ status: 200, body: { done: 0, secondPerson: false } });
    const named = await serve();
    expect(await ask(named, approve)).toMatchObject({
      status: 403,
      body: { error: 'role-missing', do: expect.stringContaining('anna, bert') },
    });
    expect((await ask(named, { method: 'POST', path: '/mode', body: { mode: 'paused' }, token: OPS_TOKEN })).status).toBe(200);
    expect((await named.sites[0].modes.read())?.by).toBe('ops-token');
  });

  test('who signs in to the page is who the token belongs to, with the role it has', async () => {
    const server = await serve();
    const form = { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' };
    const cookieOf = async (name: TestOperator): Promise<string> => {
      const payload = new URLSearchParams({ token: tokenOf(name) }).toString();
      const answer = await server.app.inject({ method: 'POST', url: '/ops/sign-in', headers: form, payload });
      return String(answer.headers['set-cookie']).split(';')[0] ?? '';
    };
    const page = await server.app.inject({ url: '/ops', headers: { cookie: await cookieOf('vera') } });
    expect(page.body).toContain('Signed in as vera (viewer)');
    const status = await server.app.inject({ url: '/ops/api/status', headers: { cookie: await cookieOf('bert') } });
    expect(status.json().operator).toEqual({ name: 'bert', role: 'approver' });
    const headers = { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin', cookie: await cookieOf('otto') };
    const payload = JSON.stringify({ mode: 'paused', why: 'month-end' });
    expect((await server.app.inject({ method: 'POST', url: '/ops/api/mode', headers, payload })).statusCode).toBe(200);
    expect(await server.sites[0].modes.read()).toMatchObject({ mode: 'paused', by: 'otto', why: 'month-end' });
    const retry = { method: 'POST', url: '/ops/retry', payload: 'site=x&id=y' } as const;
    const refused = await server.app.inject({ ...retry, headers: { ...form, cookie: await cookieOf('vera') } });
    expect(refused.statusCode).toBe(403);
  });
});

/** A site where every list has somebody in it. */
async function busySite(): Promise<{ server: OpsServer; held: string; parked: string }> {
  const site = openOpsSite(redis, { guard: HOLD_EVERYBODY });
  const server = await serve(site, {
    doctor: async () => [{ name: 'redis', status: 'warn', finding: 'It is full.', cure: 'Give it memory.' }],
  });
  const ann = await provision(site, 'ann');
  await endRun(site, ann, 'parked', { reason: 'needs-email', detail: 'No address.' });
  const bob = await provision(site, 'bob', { emails: [{ value: 'bob@example.com' }] });
  await provision(site, 'carol', { emails: [{ value: 'carol@example.com' }] });
  const lease = await site.runs.lease(bob.id);
  if (lease === undefined) throw new Error('no lease');
  const subscription = { id: '88', origin: 'created', state: 'active', monthlyCents: 2_500 } as const;
  const link = { customerId: '77', origin: 'created', confirmed: { email: 'b' }, subscriptions: [subscription] } as const;
  await site.runs.recordStep(lease, {
    generation: 1,
    link: { ...link, subscriptions: [subscription] },
    open: [{ kind: 'update-customer', token: 't', generation: 1, sentAtMs: 1_000 }],
  });
  await site.runs.release(lease);
  await site.users.patch(
    bob.id,
    patchOf({ op: 'replace', path: 'active', value: false }) as Parameters<typeof site.users.patch>[1],
    {
      requestId: 'leave-bob',
      actor: 'scim-token:test',
    },
  );
  await survey(site);
  await new DriftReports(site.store).replace(
    [
      {
        key: 'k',
        kind: 'fields-differ',
        personId: ann.id,
        userName: 'ann@example.com',
        customerId: '5',
        subscriptionId: null,
        detail: '=HYPERLINK("x") differs',
        exempt: false,
        sinceMs: 1_000,
        repair: 'possible',
      },
    ],
    { beganMs: 1_000, atMs: 1_000, lastFull: true, nextMs: 2_000 },
  );
  return { server, held: bob.id, parked: ann.id };
}

/** Two customers nobody knows; the name of one would be a formula in a spreadsheet. */
async function survey(site: TestOpsSite): Promise<void> {
  const pass = await site.index.begin({ state: 'running', startedAtMs: 1_000 });
  const customer = (id: string, email: string) => ({
    id,
    reference: null,
    email,
    name: '=1+1',
    fields: {},
    createdAt: '2026-01-01T00:00:00Z',
    updatedAt: '2026-01-01T00:00:00Z',
  });
  const step = { pass, page: 'customers:1', state: { customers: 2 } };
  await site.index.putCustomers([customer('501', 'carol@example.com'), customer('502', 'stranger@example.com')], 10, step);
  // Just now, so that a release need not ask Maxio first.
  await site.index.finish(pass, { state: 'done', finishedAtMs: 2_000 }, { sinceMs: await site.runs.nowMs(), fullAtMs: 2_000 });
}

/** Somebody who never was active, with nothing left to do: may be erased. */
async function erasable({ users, store }: TestOpsSite): Promise<string> {
  const gone = person('gone', { active: false }) as JsonObject;
  const { id } = await users.create(gone, { requestId: 'r', actor: 'okta' });
  for (const list of ['dirty', 'urgent']) await store.redis.zrem(store.prefix + list, id);
  await store.redis.hset(store.userKey(id), 'settled', '1');
  return id;
}

describe('answers', () => {
  test('every route answers what its schema says, and nothing beside', async () => {
    const { server, held, parked } = await busySite();
    const token = await server.sites[0].tokens.create({ by: 'anna', requestId: 'r1', days: 300, note: '' });
    const wanted = { kind: 'secret', days: 30 } as const;
    const client = await server.sites[0].clients.create({ by: 'anna', requestId: 'r2', note: '', wanted });
    const clientId = client.kind === 'ok' ? client.client : '';
    const gone = await erasable(server.sites[0]);
    const requests: Record<string, Omit<Asked, 'method'>[]> = {
      'GET /status': [{ path: '/status' }],
      'GET /people/:idOrUserName': [{ path: `/people/${held}?live=1` }, { path: '/people/ann@example.com' }],
      'GET /parked': [{ path: '/parked?limit=5' }],
      'GET /mode': [{ path: '/mode' }],
      'GET /survey': [{ path: '/survey' }],
      'GET /links/plan': [{ path: '/links/plan' }],
      'POST /links': [
        {
          path: '/links',
          body: {
            rows: [
              { customerId: '502', decision: 'link', reference: 'someone' },
              { customerId: '9', decision: 'link', reference: 'x' },
            ],
          },
        },
      ],
      'GET /links': [{ path: '/links' }],
      'GET /plan': [{ path: '/plan' }],
      'GET /drift': [{ path: '/drift' }, { path: '/drift?kind=left-billed' }],
      'POST /drift/repair': [{ path: '/drift/repair', body: { ids: [held] } }],
      'POST /drift': [{ path: '/drift', body: { full: true } }],
      'GET /held': [{ path: '/held?limit=10' }],
      'POST /held/reject': [{ path: '/held/reject', body: { ids: ['nobody'] } }],
      'POST /held/approve': [{ path: '/held/approve', body: { ids: [held] } }],
      'GET /configuration': [{ path: '/configuration' }],
      'POST /configuration/approve': [{ path: '/configuration/approve', body: {} }],
      'GET /group-plans': [{ path: '/group-plans' }],
      'PUT /group-plans': [{ path: '/group-plans', body: { rules: [] } }],
      'DELETE /group-plans': [{ path: '/group-plans' }],
      'POST /tokens': [{ path: '/tokens', body: { note: 'Okta' } }],
      'GET /tokens': [{ path: '/tokens' }],
      'POST /tokens/revoke': [{ path: '/tokens/revoke', body: { id: token.kind === 'ok' ? token.id : '' } }],
      'POST /clients': [
        { path: '/clients', body: { secret: {} } },
        {
          path: '/clients',
          body: {
            trust: { issuer: 'https://a.example.com', subject: 's', audience: 'a', jwksUrl: 'https://a.example.com/keys' },
          },
        },
      ],
      'POST /clients/credentials': [{ path: '/clients/credentials', body: { id: clientId, secret: { days: 10 } } }],
      'GET /clients': [{ path: '/clients' }],
      'POST /clients/revoke': [{ path: '/clients/revoke', body: { id: clientId } }],
      'GET /doctor': [{ path: '/doctor' }],
      'POST /notices/test': [{ path: '/notices/test', body: {} }],
      'POST /parked/retry': [
        { path: '/parked/retry', body: { all: true, preview: true } },
        { path: '/parked/retry', body: { ids: [parked] } },
      ],
      'POST /survey': [{ path: '/survey', body: {} }],
      'POST /mode': [{ path: '/mode', body: { mode: 'paused' } }],
      'POST /release': [{ path: '/release', body: { acceptUnlinked: true } }],
      'GET /recovery': [{ path: '/recovery' }],
      'POST /export': [
        { path: '/export', body: {} },
        { path: '/export', body: { cursor: '0' } },
      ],
      'POST /recovery/restored': [{ path: '/recovery/restored', body: {} }],
      'POST /recovery/rebuild': [{ path: '/recovery/rebuild', body: { references: 'all' } }],
      'POST /import': [{ path: '/import', body: { rows: [], end: true } }],
      'GET /audit': [{ path: '/audit' }],
      'GET /audit/lines': [{ path: '/audit/lines' }, { path: '/audit/lines?after=0-0' }],
      'POST /audit/people': [{ path: '/audit/people', body: {} }],
      'POST /erase': [{ path: '/erase', body: { id: gone } }],
      'POST /readmit': [{ path: '/readmit', body: { id: held } }],
    };
    expect(Object.keys(requests).sort()).toEqual(routes.map(([name]) => name).sort());
    const seen: Record<string, unknown> = {};
    const told = new Set<string>();
    const { store } = server.sites[0];
    const numberOf = async (): Promise<number> => Number(await redis.hget(`${store.prefix}auditClock`, 'seq'));
    await proposeConfiguration(server.sites[0]);
    for (const [name, list] of Object.entries(requests)) {
      const route = ROUTES.find(({ method, path }) => name === `${method} ${path}`);
      for (const request of list) {
        const before = await numberOf();
        const { status, body } = await ask(server, { method: name.split(' ')[0] as Asked['method'], ...request });
        expect(status, `${name}: ${JSON.stringify(body)}`).toBe(200);
        expect(route?.answer.parse(body), name).toEqual(body);
        seen[name] ??= body;
        if ((await numberOf()) > before) told.add(name);
      }
    }
    // S17: whoever acts is in the audit trail, and whoever looks is not, but for those who take names along. What finds nothing to do is no act: a difference, a hold, an erasure.
    const acts = Object.keys(requests).filter((name) => !name.startsWith('GET'));
    const nothingDone = ['POST /drift/repair', 'POST /held/reject', 'POST /readmit'];
    expect([...told].sort()).toEqual([...acts.filter((name) => !nothingDone.includes(name)), 'GET /links/plan'].sort());
    // The answers hold something to be checked.
    expect(seen).toMatchObject({
      'GET /status': {
        sites: [
          {
            held: 1,
            parked: 1,
            guard: { why: 'hour', heldMonthlyCents: 2_500 },
            notices: [{ topic: 'held' }, { topic: 'parked' }],
          },
        ],
      },
      'GET /people/:idOrUserName': { leave: { state: 'held', why: 'hour' }, would: {}, monthlyCents: 2_500, openSteps: [{}] },
      'GET /links/plan': {
        rows: [
          { customerId: '501', match: 'unique' },
          { customerId: '502', match: 'none' },
        ],
      },
      'POST /links': { accepted: 1, refused: [{ customerId: '9' }] },
      'GET /drift': { rows: [{ kind: 'fields-differ', sinceAt: '1970-01-01T00:00:01.000Z' }] },
      'GET /held': { total: 1, monthlyCents: 2_500, held: [{ id: held, requestId: 'leave-bob', subscriptions: 1 }] },
      'POST /held/reject': { done: 0, notHeld: ['nobody'], left: 1 },
      'POST /held/approve': { done: 1, left: 0 },
      'GET /configuration': { candidate: { deprovision: 'hold' }, changes: { people: 3 } },
      'POST /configuration/approve': { applied: { deprovision: 'hold' } },
      'POST /parked/retry': { preview: true, total: 1 },
      'POST /release': { mode: 'enforce' },
    });
  });

  test('tables come as CSV that a spreadsheet takes for text', async () => {
    const { server } = await busySite();
    const plan = await ask(server, { method: 'GET', path: '/links/plan?format=csv', token: tokenOf('vera') });
    expect(plan.headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': `attachment; filename="link-plan-${server.sites[0].key}.csv"`,
      'cache-control': 'no-store',
    });
    const [head, first] = plan.text.replace(/^\uFEFF/, '').split('\r\n');
    expect(head).toBe(
      'customer_id,name,email,reference,live_subscriptions,monthly_revenue,match,user_name,proposed_reference,decision,state',
    );
    expect(first).toMatch(/^501,'=1\+1,carol@example\.com,,0,0\.00,unique,carol@example\.com,[^,]+,,open$/);
    const drift = await ask(server, { method: 'GET', path: '/drift?format=csv' });
    expect(drift.text).toContain(`"'=HYPERLINK(""x"") differs"`);
  });

  test.each([
    ['POST', '/mode', { mode: 'off' }, 'mode'],
    ['POST', '/mode', { mode: 'paused', force: true }, 'force'],
    ['POST', '/links', { rows: [{ customerId: '../1', decision: 'link', reference: 'x' }] }, 'rows.0.customerId'],
    ['POST', '/links', { rows: [] }, 'rows'],
    ['POST', '/held/approve', {}, 'ids, all'],
    ['POST', '/held/approve', { ids: ['x'], all: true }, 'ids, all'],
    ['POST', '/drift/repair', { ids: ['x'], kind: 'y' }, 'ids, kind, all'],
    ['GET', '/held?limit=0', undefined, 'limit'],
    ['GET', '/drift?format=xls', undefined, 'format'],
  ] as const)('%s %s with %j is refused with the name of what is wrong', async (method, path, body, named) => {
    const server = await serve();
    const answer = await ask(server, { method, path, ...(body ? { body } : {}) });
    expect(answer).toMatchObject({ status: 400, body: { error: 'bad-request', do: expect.any(String) } });
    expect(answer.body.detail).toContain(named);
  });

  test('what holds for every door is told in its own words', async () => {
    const server = await serve();
    const headers = Object.fromEntries(Array.from({ length: 120 }, (_, n) => [`x-${n}`, '1']));
    const answer = await server.app.inject({ url: '/ops/api/status', headers });
    expect(answer.statusCode).toBe(431);
    expect(answer.json()).toMatchObject({ error: 'bad-request', detail: expect.stringContaining('more than 100 headers') });
  });

  test.each([
    ['/export', 'export', ['0', 'g0', '7']],
    ['/audit/people', 'audit-names', ['0', '7', '12']],
  ] as const)(
    'S17 whoever takes everybody along by %s stands in the audit trail, wherever they begin',
    async (path, what, cursors) => {
      const { server } = await busySite();
      const [site] = server.sites;
      const taken = async (): Promise<unknown[]> => {
        const rows = await redis.xrange(`scim:{${site.key}}:audit`, '-', '+');
        const entries = rows.map(([, fields]) => JSON.parse(fields.at(-1) ?? '{}') as { what: string; actor?: string });
        return entries.filter((entry) => entry.what === what).map(({ actor }) => actor);
      };
      const take = async (name: TestOperator, cursor?: string): Promise<void> => {
        const body = cursor === undefined ? {} : { cursor };
        expect((await ask(server, { method: 'POST', path, body, token: tokenOf(name) })).status).toBe(200);
      };
      for (const cursor of cursors) await take('otto', cursor);
      expect(await taken()).toEqual(['otto']);
      await take('anna', cursors[0]);
      expect(await taken()).toEqual(['otto', 'anna']);
      await take('otto');
      expect(await taken()).toEqual(['otto', 'anna', 'otto']);
    },
  );

  test.each(routes.filter(([, { csv }]) => csv))(
    'S17 whoever takes the table of %s along stands in the audit trail, each time',
    async (_name, { path }) => {
      const { server } = await busySite();
      const [site] = server.sites;
      const before = await redis.xlen(`scim:{${site.key}}:audit`);
      for (const name of ['vera', 'otto', 'vera'] as const)
        expect((await ask(server, { method: 'GET', path: `${path}?format=csv`, token: tokenOf(name) })).status).toBe(200);
      const rows = (await redis.xrange(`scim:{${site.key}}:audit`, '-', '+')).slice(before);
      const entries = rows.map(([, fields]) => JSON.parse(fields.at(-1) ?? '{}') as { what: string; actor?: string });
      expect(entries.map(({ actor }) => actor)).toEqual(['vera', 'otto', 'vera']);
    },
  );

  test('S14 S17 whoever only looks, or is refused, is in the log with their route, and whom they looked at by id only', async () => {
    const { server, held } = await busySite();
    const from = server.logLines.length;
    const asked = [
      ['vera', 'GET', '/people/bob@example.com'],
      ['vera', 'GET', '/people/nobody-CANARY@example.com'],
      ['otto', 'GET', '/held'],
      ['vera', 'POST', '/mode'],
      ['anna', 'GET', '/drift?kind=CANARY'],
      ['anna', 'POST', '/mode'],
    ] as const;
    for (const [name, method, path] of asked)
      await ask(server, { method, path, ...(method === 'POST' ? { body: { mode: 'paused' } } : {}), token: tokenOf(name) });
    const lines = server.logLines.slice(from).map((line) => JSON.parse(line) as Record<string, unknown>);
    const told = lines.filter(({ actor }) => actor !== undefined);
    expect(told).toMatchObject([
      { msg: 'an operator looked', actor: 'vera', role: 'viewer', route: '/people/:idOrUserName', scimId: held, level: 'info' },
      { msg: 'an operator got no answer', actor: 'vera', route: '/people/:idOrUserName', error: 'not-found' },
      { msg: 'an operator looked', actor: 'otto', role: 'operator', route: '/held' },
      { msg: 'an operator got no answer', actor: 'vera', method: 'POST', route: '/mode', error: 'role-missing' },
      { msg: 'an operator looked', actor: 'anna', route: '/drift' },
      { msg: 'an operator acted', actor: 'anna', role: 'approver', method: 'POST', route: '/mode' },
    ]);
    expect(JSON.stringify(told)).not.toMatch(/bob@|CANARY/);
  });

  test('with several sites a route about one asks which', async () => {
    const server = await serveOps(redis, [openOpsSite(redis), openOpsSite(redis)], { operators: OPERATORS });
    servers.push(server);
    const keys = server.sites.map(({ key }) => key);
    expect(await ask(server, { method: 'GET', path: '/held' })).toMatchObject({
      status: 400,
      body: { error: 'site-needed', do: expect.stringContaining(keys.join(', ')) },
    });
    expect(await ask(server, { method: 'GET', path: `/held?site=${keys[1]}` })).toMatchObject({
      status: 200,
      body: { site: keys[1] },
    });
    expect((await ask(server, { method: 'GET', path: '/mode' })).body.sites).toHaveLength(2);
  });
});

async function proposeConfiguration(site: TestOpsSite): Promise<void> {
  const { configuration } = site.watch;
  await configuration.start();
  await configuration.close();
  const stored = `${site.store.prefix}configuration`;
  const applied = JSON.parse((await redis.hget(stored, 'applied')) ?? '{}') as object;
  await redis.hset(stored, {
    candidate: JSON.stringify({ ...applied, deprovision: 'hold' }),
    candidateBy: 'otto',
    candidateAtMs: '5000',
    changes: JSON.stringify({ people: 3, examples: ['ann@example.com: now nothing.'] }),
  });
}

describe('the document', () => {
  test('is OpenAPI 3.1 that names every route with its role, and every reference in it resolves', async () => {
    const server = await serve();
    const { status, body } = await ask(server, { method: 'GET', path: '/openapi.json', token: tokenOf('vera') });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      openapi: '3.1.0',
      info: { title: expect.any(String), version: '9.9.9' },
      servers: [{ url: 'https://scim.example.com/ops/api' }],
      security: [{ opsToken: [] }],
      components: { securitySchemes: { opsToken: { type: 'http', scheme: 'bearer' } } },
    });
    const operations: unknown[] = Object.entries(body.paths).flatMap(([path, methods]) =>
      Object.entries(methods as Record<string, { 'x-role': string }>).map(([method, operation]) => [
        `${method.toUpperCase()} ${path}`,
        operation['x-role'],
      ]),
    );
    expect(operations).toEqual(ROUTES.map((route) => [`${route.method} ${templateOf(route.path)}`, route.role]));
    const references = [...JSON.stringify(body).matchAll(/"\$ref":"([^"]+)"/g)].map(([, target]) => target ?? '');
    expect(references.length).toBeGreaterThan(ROUTES.length);
    for (const target of new Set(references)) {
      const name = /^#\/components\/schemas\/(\w+)$/.exec(target)?.[1] ?? '';
      expect(Object.keys(body.components.schemas), target).toContain(name);
    }
  });

  test('says of each operation what it takes and what may go wrong, under names of its own', async () => {
    const server = await serve();
    const { body } = await ask(server, { method: 'GET', path: '/openapi.json' });
    interface Operation {
      operationId: string;
      parameters?: { name: string; in: string; schema: object }[];
      requestBody?: { content: { 'application/json': { schema: { type: string } } } };
      responses: Record<string, { description: string; content: object }>;
    }
    const operations = Object.values(body.paths as Record<string, Record<string, Operation>>).flatMap((methods) =>
      Object.values(methods),
    );
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(ROUTES.length);
    for (const operation of operations) {
      expect(Object.keys(operation.responses), operation.operationId).toEqual(
        expect.arrayContaining(['200', '400', '401', '503']),
      );
      for (const { description } of Object.values(operation.responses)) expect(description).not.toBe('');
    }
    expect(
      body.paths['/people/{idOrUserName}'].get.parameters.map(({ name, in: where }: { name: string; in: string }) => [
        name,
        where,
      ]),
    ).toEqual([
      ['idOrUserName', 'path'],
      ['site', 'query'],
      ['live', 'query'],
    ]);
    expect(body.paths['/mode'].post.requestBody).toMatchObject({
      required: true,
      content: { 'application/json': { schema: { type: 'object', required: ['mode'], additionalProperties: false } } },
    });
    expect(body.paths['/links/plan'].get.responses['200'].content).toHaveProperty('text/csv');
    expect(body.paths['/held/approve'].post.responses['403'].description).toMatch(/role-missing.*second-person/);
  });

  test('is a page for people, too: text alone, with a command for every route', async () => {
    const server = await serve();
    const page = await ask(server, { method: 'GET', path: '/docs', token: tokenOf('vera') });
    expect(page.status).toBe(200);
    expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'/);
    expect(page.text).not.toMatch(/<script|<link|<img|\son[a-z]+=|url\(/i);
    for (const { path, method } of ROUTES) expect(page.text).toContain(`<code>${method} ${templateOf(path)}</code>`);
    expect(page.text.match(/<pre>curl /g)).toHaveLength(ROUTES.length);
    expect((await ask(server, { method: 'GET', path: '/docs', token: 'wrong' })).status).toBe(401);
  });
});

test.each(['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data; boundary=x'])(
  'a body that is %s is refused with what to send; only JSON is read',
  async (type) => {
    const server = await serve();
    const answer = await server.app.inject({
      method: 'POST',
      url: '/ops/api/mode',
      headers: { authorization: `Bearer ${tokenOf('anna')}`, 'content-type': type },
      payload: 'mode=paused',
    });
    expect(answer.statusCode).toBe(415);
    expect(answer.json()).toMatchObject({ error: 'json-only', do: expect.stringContaining('content-type: application/json') });
    expect((await server.sites[0].modes.read())?.mode).toBe('enforce');
    expect((await ask(server, { method: 'POST', path: '/mode', body: { mode: 'paused' } })).status).toBe(200);
  },
);

test('what is not answered in time is said to be that, and not a failure of our own', async () => {
  const { promise, resolve } = Promise.withResolvers<[]>();
  const server = await serve(openOpsSite(redis), { doctor: () => promise, waitsMs: { ...SERVER_WAITS_MS, handler: 300 } });
  const answer = await ask(server, { method: 'GET', path: '/doctor' });
  expect(answer).toMatchObject({ status: 503, body: { error: 'too-slow', do: expect.stringContaining('Ask again') } });
  expect(answer.headers['retry-after']).toBe('10');
  resolve([]);
});
