/**
 * Owns the promises of the operator API over a real directory in a real Redis: who may enter, what is shown of people and sites, what a retry does.
 * Health, metrics and the page have their own file.
 */
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sitePrefix } from '../../src/directory/keys.ts';
import { Budget } from '../../src/maxio/budget.ts';
import { lookLive } from '../../src/ops/look-live.ts';
import { Caller } from '../../src/provisioning/caller.ts';
import { createTelemetry } from '../../src/telemetry.ts';
import { endRun, OPS_TOKEN, type OpsServer, openOpsSite, provision, serveOps } from '../support/ops-server.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { patchOf } from '../support/scim-server.ts';
import { startScriptedMaxio, whole } from '../support/scripted-maxio.ts';

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

async function serve(...args: Partial<Parameters<typeof openOpsSite>[1]>[]): Promise<OpsServer> {
  const [first = {}, ...more] = args;
  const server = await serveOps(redis, [openOpsSite(redis, first), ...more.map((options) => openOpsSite(redis, options))]);
  servers.push(server);
  return server;
}

async function get(server: OpsServer, path: string, headers: Record<string, string> = {}) {
  const answer = await server.app.inject({
    method: 'GET',
    url: `/ops/api${path}`,
    headers: { authorization: `Bearer ${OPS_TOKEN}`, ...headers },
  });
  return { status: answer.statusCode, headers: answer.headers, body: answer.json() };
}

async function retry(server: OpsServer, body: unknown) {
  const answer = await server.app.inject({
    method: 'POST',
    url: '/ops/api/parked/retry',
    headers: { authorization: `Bearer ${OPS_TOKEN}`, 'content-type': 'application/json', 'x-request-id': 'op-1' },
    payload: JSON.stringify(body),
  });
  return { status: answer.statusCode, body: answer.json() };
}

describe('entry', () => {
  const places = [
    ['GET', '/ops/api/status'],
    ['GET', '/ops/api/parked'],
    ['GET', '/ops/api/people/ann@example.com'],
    ['POST', '/ops/api/parked/retry'],
    ['GET', '/metrics'],
  ] as const;

  test.each(places)('S4 %s %s opens to the ops token alone: not without, not with a SCIM token', async (method, url) => {
    const server = await serve();
    const [site] = server.sites;
    const wrong = [
      {},
      { authorization: `Bearer ${site.scimToken}` },
      { authorization: OPS_TOKEN },
      { authorization: `Basic ${OPS_TOKEN}` },
      { authorization: 'Bearer' },
    ];
    for (const headers of wrong) {
      const answer = await server.app.inject({ method, url, headers });
      expect(answer.statusCode, JSON.stringify(headers)).toBe(401);
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="ops"');
      expect(answer.json()).toEqual({
        error: 'unauthorized',
        detail: expect.any(String),
        do: expect.stringContaining('OPS_TOKEN'),
      });
    }
    const right = await server.app.inject({ method, url, headers: { authorization: `bearer  ${OPS_TOKEN}` } });
    expect(right.statusCode).not.toBe(401);
    const counted = await server.telemetry.authFailures.get();
    expect(counted.values).toEqual([{ labels: { reason: 'ops' }, value: wrong.length }]);
  });

  test('two Authorization headers are one too many, whichever is right', async () => {
    const server = await serve();
    const { port } = new URL(await server.app.listen({ host: '127.0.0.1', port: 0 }));
    const right = `Bearer ${OPS_TOKEN}`;
    const statusOf = async (...sent: string[]): Promise<number | undefined> => {
      const headers = ['Host', `127.0.0.1:${port}`, ...sent.flatMap((value) => ['Authorization', value])];
      const asked = httpRequest({ port, host: '127.0.0.1', path: '/ops/api/status', headers, agent: false });
      const answered = once(asked, 'response');
      asked.end();
      const [response] = (await answered) as [IncomingMessage];
      response.resume();
      return response.statusCode;
    };
    expect(await statusOf(right)).toBe(200);
    expect(await statusOf(right, 'Bearer other')).toBe(401);
    expect(await statusOf('Bearer other', right)).toBe(401);
  });

  test('S4 the ops token opens nothing of SCIM', async () => {
    const server = await serve();
    const answer = await server.app.inject({ url: '/scim/v2/Users', headers: { authorization: `Bearer ${OPS_TOKEN}` } });
    expect(answer.statusCode).toBe(401);
  });

  test('answers are kept by nobody, and an unknown path is plain JSON that says where to go', async () => {
    const server = await serve();
    const status = await get(server, '/status');
    expect(status.headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    const nothing = await get(server, '/nothing');
    expect(nothing).toMatchObject({ status: 404, body: { error: 'not-found', do: expect.stringContaining('/ops') } });
  });
});

describe('a person', () => {
  test('is found by id, userName in any letter case, reference, externalId and e-mail address; when deleted, by id', async () => {
    const server = await serve();
    const [site] = server.sites;
    const ann = await provision(site, 'ann', { emails: [{ value: 'ann@work.example' }] });
    await provision(site, 'bob');
    for (const who of [ann.id, ann.id.toUpperCase(), 'ANN@example.com', ann.reference, 'id-of-ann', 'ann@work.example']) {
      const { status, body } = await get(server, `/people/${encodeURIComponent(who)}`);
      expect(status, who).toBe(200);
      expect(body).toMatchObject({ id: ann.id, userName: 'ann@example.com', site: site.key, active: true, deleted: false });
    }
    await site.users.remove(ann.id, { requestId: 'd', actor: 'scim-token:test' });
    expect((await get(server, `/people/${ann.id}`)).body).toMatchObject({
      deleted: true,
      promised: expect.stringContaining('was deleted'),
    });
    expect((await get(server, '/people/ann@example.com')).status).toBe(404);
  });

  test('B50 who is nobody gets an answer that does not repeat the question', async () => {
    const server = await serve();
    for (const who of ['nobody@example.com', '..%2f..%2fhealth', '%00', '__proto__', 'A'.repeat(400)]) {
      const { status, body } = await get(server, `/people/${who}`);
      expect(status).toBe(404);
      expect(body).toEqual({ error: 'not-found', detail: expect.any(String), do: expect.any(String) });
      expect(JSON.stringify(body)).not.toContain('nobody@');
    }
  });

  test('known at two sites is asked for by site, and never guessed', async () => {
    const server = await serve({}, {});
    const [here, there] = server.sites;
    if (there === undefined) throw new Error('two sites were asked for');
    const ann = await provision(here, 'ann');
    await provision(there, 'ann');
    const both = await get(server, '/people/ann@example.com');
    expect(both).toMatchObject({ status: 409, body: { error: 'ambiguous' } });
    for (const { key } of [here, there]) expect(both.body.detail).toContain(key);
    expect((await get(server, `/people/ann@example.com?site=${here.key}`)).body.id).toBe(ann.id);
    expect(await get(server, '/people/ann@example.com?site=us.none')).toMatchObject({
      status: 404,
      body: { error: 'no-such-site' },
    });
    expect((await get(server, '/people/ann@example.com?sight=us.none')).status).toBe(400);
  });

  test('has one story from all who acted, in order', async () => {
    const server = await serve();
    const [site] = server.sites;
    const ann = await provision(site, 'ann');
    const lease = await site.runs.lease(ann.id);
    if (lease === undefined) throw new Error('no lease');
    const token = '3b6a3f1e-0000-4000-8000-000000000000';
    await site.runs.recordStep(lease, {
      generation: ann.generation,
      link: {
        customerId: '77',
        origin: 'created',
        confirmed: {},
        subscriptions: [{ id: '88', origin: 'created', state: 'active' }],
      },
      open: [{ kind: 'cancel', token, target: '88', generation: 1, sentAtMs: 1_000 }],
      audit: { kind: 'maxio', what: 'create-customer', result: 'done', customer: '77', requestId: ann.requestId },
    });
    await site.runs.release(lease);
    await endRun(site, ann, 'parked', { reason: 'needs-email', detail: 'Map an e-mail attribute.' });
    const parked = (await get(server, `/people/${ann.id}`)).body;
    expect(parked).toMatchObject({
      generation: 1,
      settledGeneration: 0,
      inStep: false,
      promised: expect.stringMatching(/^Since 20\d\d-.* subscribed to pro/),
      now: expect.stringMatching(/^Parked for \d+ s \(needs-email\)\. Map an e-mail attribute\. Nothing happens until/),
      maxio: { customerId: '77', subscriptions: [{ id: '88', state: 'active' }] },
      openSteps: [{ kind: 'cancel', target: '88', generation: 1, sentAt: '1970-01-01T00:00:01.000Z' }],
    });
    expect(parked).not.toHaveProperty('live');
    expect((await retry(server, { ids: [ann.id] })).status).toBe(200);

    const { body } = await get(server, `/people/${ann.id}`);
    expect(body.story.map(({ who }: { who: string }) => who)).toEqual(['IdP', 'Maxio', 'service', 'operator']);
    expect(body.story.map(({ requestId }: { requestId: string }) => requestId)).toEqual([
      'create-ann',
      'create-ann',
      'create-ann',
      'op-1',
    ]);
    const seqs: number[] = body.story.map(({ seq }: { seq: number }) => seq);
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    expect(body.now).toMatch(/^Waits for its turn/);
  });

  test('says what happens next and when, whatever the last run said', async () => {
    const server = await serve();
    const [site] = server.sites;
    const now = async (id: string): Promise<string> => (await get(server, `/people/${id}`)).body.now;
    const ann = await provision(site, 'ann');
    expect(await now(ann.id)).toMatch(/^Waits for its turn; the last change came \d+ s ago\./);
    await endRun(site, ann, 'retry', { reason: 'unavailable', detail: 'Maxio could not be reached', waitMs: 600_000 });
    expect(await now(ann.id)).toBe(
      'Attempt 1 did not succeed (unavailable). Maxio could not be reached. Next attempt in 10 min.',
    );
    await endRun(site, ann, 'postponed', { reason: 'budget', waitMs: 90_000 });
    expect(await now(ann.id)).toBe('Postponed (budget). Next attempt in 90 s.');
    await endRun(site, ann, 'settled');
    expect(await now(ann.id)).toMatch(/^In step with Maxio since 20/);
    const left = await site.users.patch(
      ann.id,
      patchOf({ op: 'replace', path: 'active', value: false }) as Parameters<typeof site.users.patch>[1],
      { requestId: 'p', actor: 'scim-token:test' },
    );
    const { body } = await get(server, `/people/${left.id}`);
    expect(body).toMatchObject({
      active: false,
      inStep: false,
      promised: expect.stringContaining('is deactivated at the identity provider'),
    });
  });

  test('shows what is true at Maxio when asked to, and why not when it cannot be asked', async () => {
    const maxio = await startScriptedMaxio();
    const site = openOpsSite(redis, { callsPerWindow: 40 });
    const telemetry = createTelemetry({ version: 'test', processMetrics: false });
    const budget = new Budget(redis, sitePrefix(site.key), site.budget.limits);
    const caller = new Caller(budget, site.key, telemetry);
    const client = maxio.client();
    site.live = (record) => lookLive(record, caller, client);
    const server = await serveOps(redis, [site]);
    servers.push(server);
    const ann = await provision(site, 'ann');
    const customer = {
      id: 77,
      reference: ann.reference,
      first_name: 'Ann',
      last_name: 'Lee',
      email: 'a@example.com',
      created_at: 'c',
      updated_at: 'u',
    };
    const subscription = (id: number, reference: string | null) => ({
      subscription: {
        id,
        state: 'active',
        reference,
        product: { handle: 'pro' },
        cancel_at_end_of_period: true,
        customer: { id: 77 },
        updated_at: 'u',
      },
    });
    maxio.answer((socket, asked) => {
      const list = asked.url.startsWith('/customers/77/subscriptions.json');
      const body = list ? [subscription(88, `scim-${ann.id}-1`), subscription(89, null)] : { customer };
      whole(200, JSON.stringify(body))(socket, asked);
    });
    const { body } = await get(server, `/people/${ann.id}?live=1`);
    expect(body.liveError).toBeUndefined();
    expect(body.live).toMatchObject({
      customer: { id: '77', reference: ann.reference, updatedAt: 'u' },
      subscriptions: [
        { id: '88', product: 'pro', state: 'active', ending: true, managed: true },
        { id: '89', managed: false },
      ],
    });
    expect(maxio.asked.map(({ method }) => method)).toEqual(['GET', 'GET']);
    expect((await budget.peek()).used).toBe(2);

    maxio.answer(whole(500, ''));
    expect((await get(server, `/people/${ann.id}?live=1`)).body.liveError).toMatch(/Ask again later\.$/);
    // A mere look may use 80 % of the window; what is above stays with changes and leavers.
    while ((await budget.peek()).used < 32) {
      const answer = await budget.take({ lane: 'normal' });
      if (answer.granted) await budget.release(answer.slot, 'answered');
    }
    const refused = await get(server, `/people/${ann.id}?live=1`);
    expect(refused).toMatchObject({ status: 200, body: { id: ann.id, liveError: expect.stringContaining('call budget') } });
    expect((await budget.peek()).used).toBe(32);
    await maxio.close();
  });
});

describe('parked people', () => {
  test('are listed longest parked first, with the reason, leavers marked', async () => {
    const server = await serve();
    const [site] = server.sites;
    const ann = await provision(site, 'ann');
    const bob = await provision(site, 'bob', { active: false });
    await endRun(site, ann, 'parked', { reason: 'needs-email', detail: 'No address.' });
    await endRun(site, bob, 'parked', { reason: 'cannot-end', detail: 'Maxio refused.' });
    // Both may be parked within one millisecond, and then the order would be that of their ids.
    await site.store.redis.zincrby(`${site.store.prefix}parked`, -1_000, ann.id);
    await provision(site, 'carol');
    const { body } = await get(server, '/parked');
    expect(body).toEqual({
      total: 2,
      parked: [
        {
          site: site.key,
          id: ann.id,
          userName: 'ann@example.com',
          reason: 'needs-email',
          detail: 'No address.',
          leaver: false,
          parkedAt: expect.stringMatching(/^20\d\d-/),
          parkedSeconds: expect.any(Number),
        },
        expect.objectContaining({ id: bob.id, leaver: true }),
      ],
    });
    expect((await get(server, '/parked?limit=1')).body).toMatchObject({ total: 2, parked: [{ id: ann.id }] });
    expect((await get(server, '/parked?limit=0')).status).toBe(400);
  });

  test('who is retried is dirty again, audited with who asked, and rung for: leavers in the urgent lane', async () => {
    const server = await serve();
    const [site] = server.sites;
    const ann = await provision(site, 'ann');
    const bob = await provision(site, 'bob', { active: false });
    for (const one of [ann, bob]) await endRun(site, one, 'parked', { reason: 'refused-by-maxio' });
    expect(await site.runs.backlog()).toMatchObject({ pending: 0, parked: 2 });
    const unknown = '00000000-0000-5000-8000-000000000000';
    const { body } = await retry(server, { ids: [ann.id, unknown] });
    expect(body).toEqual({ retried: [{ site: site.key, id: ann.id }], notParked: [unknown], left: 1 });
    expect(await site.runs.backlog()).toMatchObject({ pending: 1, urgent: 0, parked: 1 });
    expect((await retry(server, { all: true, site: site.key })).body).toEqual({
      retried: [{ site: site.key, id: bob.id }],
      notParked: [],
      left: 0,
    });
    expect(site.rung).toEqual([
      { userId: ann.id, lane: 'normal' },
      { userId: bob.id, lane: 'urgent' },
    ]);
    expect(await site.runs.backlog()).toMatchObject({ pending: 2, urgent: 1, parked: 0 });
    const story = await site.runs.story(bob.id);
    expect(story.at(-1)?.entry).toEqual({ kind: 'operator', what: 'retry', actor: 'ops-token', requestId: 'op-1' });
    expect((await retry(server, { all: true })).body).toEqual({ retried: [], notParked: [], left: 0 });
  });

  test('a lost bell does not lose a retry', async () => {
    const server = await serve({ ring: () => Promise.reject(new Error('the queue is away')) });
    const [site] = server.sites;
    const ann = await provision(site, 'ann');
    await endRun(site, ann, 'parked');
    expect((await retry(server, { ids: [ann.id] })).status).toBe(200);
    expect(await site.runs.backlog()).toMatchObject({ pending: 1, parked: 0 });
  });

  test.each([
    [{}],
    [{ ids: [] }],
    [{ ids: ['x'], all: true }],
    [{ all: false }],
    [{ ids: 'x' }],
    [{ all: true, force: 1 }],
    [[]],
    ['all'],
  ])('a wish that is not clear, %j, changes nothing', async (body) => {
    const server = await serve();
    const [site] = server.sites;
    await endRun(site, await provision(site, 'ann'), 'parked');
    expect(await retry(server, body)).toMatchObject({ status: 400, body: { error: 'bad-request' } });
    expect(await site.runs.backlog()).toMatchObject({ parked: 1 });
  });
});

test('S14 B56 whatever is looked up or done, no name, address or token gets into the log', async () => {
  const server = await serve();
  const [site] = server.sites;
  const ann = await provision(site, 'canary-ann');
  await endRun(site, ann, 'parked');
  const paths = [
    '/people/canary-ann@example.com',
    '/people/canary-nobody',
    `/people/${ann.id}`,
    '/parked',
    '/parked?limit=canary',
    '/status',
  ];
  for (const path of paths) await get(server, path);
  await retry(server, { ids: [ann.id, 'canary-id'] });
  await server.app.inject({ url: '/ops/api/status', headers: { authorization: 'Bearer canary-token' } });
  expect(server.logLines.length).toBeGreaterThan(paths.length);
  expect(server.logLines.join('\n')).not.toMatch(/canary|CANARY/);
});

test('F20 with Redis away the API says so in its own words and does not hang', async () => {
  const own = await startRedis({ appendfsync: 'no' });
  const client = own.connect('commands');
  const server = await serveOps(client, [openOpsSite(client)]);
  servers.push(server);
  const ann = await provision(server.sites[0], 'ann');
  await own.kill();
  await expect.poll(() => client.status).not.toBe('ready');
  for (const path of [`/people/${ann.id}`, '/parked']) {
    expect(await get(server, path)).toMatchObject({
      status: 503,
      body: { error: 'redis-unavailable', do: expect.stringContaining('Redis') },
    });
  }
  expect(await retry(server, { ids: [ann.id] })).toMatchObject({ status: 503 });
  expect(await get(server, '/status')).toMatchObject({ status: 200, body: { status: 'fail', ready: false, sites: [] } });
  await own.stop();
});
