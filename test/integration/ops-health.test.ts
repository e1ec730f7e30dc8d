/**
 * Owns the promises of /livez, /readyz, /health, /metrics and the operator page: each answers its own question, open ones name nobody, and none
 * depends on what it must not depend on. Real Redis; Maxio is never asked.
 */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SiteModes } from '../../src/directory/site-mode.ts';
import { opsSiteOf } from '../../src/ops/ops-site.ts';
import { SiteIdentity } from '../../src/provisioning/site-identity.ts';
import { endRun, OPS_TOKEN, type OpsServer, openOpsSite, provision, serveOps, type TestOpsSite } from '../support/ops-server.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

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

async function serve(
  site: Parameters<typeof openOpsSite>[1] = {},
  options: Parameters<typeof serveOps>[2] = {},
): Promise<OpsServer> {
  const server = await serveOps(redis, [openOpsSite(redis, site)], options);
  servers.push(server);
  return server;
}

async function get(server: OpsServer, url: string) {
  const answer = await server.app.inject({ url });
  return { status: answer.statusCode, type: answer.headers['content-type'], body: answer.json() };
}

async function scrapeOf(server: OpsServer): Promise<string> {
  const answer = await server.app.inject({ url: '/metrics', headers: { authorization: `Bearer ${OPS_TOKEN}` } });
  expect(answer.statusCode).toBe(200);
  expect(answer.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
  return answer.body;
}

describe('liveness', () => {
  test('F76 fails two minutes after the last sign of life of a worker, and only where there is one', async () => {
    const server = await serve();
    expect(await get(server, '/livez')).toMatchObject({ status: 200, body: { status: 'pass' } });
    server.vital.beatMs = performance.now() - 119_000;
    expect((await get(server, '/livez')).status).toBe(200);
    server.vital.beatMs = performance.now() - 121_000;
    expect(await get(server, '/livez')).toMatchObject({ status: 503, body: { status: 'fail', beatAgeSeconds: 121 } });
    expect(await get(server, '/health')).toMatchObject({
      status: 503,
      body: { checks: { 'worker:heartbeat': [{ status: 'fail' }] } },
    });
    server.vital.works = false;
    expect((await get(server, '/livez')).status).toBe(200);
  });
});

describe('readiness', () => {
  test('needs a durable Redis, a process that stays, and the right site', async () => {
    const server = await serve();
    expect(await get(server, '/readyz')).toMatchObject({ status: 200, body: { status: 'pass', reasons: [] } });
    server.vital.draining = true;
    expect(await get(server, '/readyz')).toMatchObject({ status: 503, body: { reasons: [expect.stringContaining('stopping')] } });
    server.vital.draining = false;
    server.capacity.durable = false;
    expect(await get(server, '/readyz')).toMatchObject({
      status: 503,
      body: { reasons: [expect.stringContaining('every acknowledged change')] },
    });
    server.capacity.durable = true;
    server.sites[0].contact = () => 'foreign';
    expect(await get(server, '/readyz')).toMatchObject({
      status: 503,
      body: { reasons: [expect.stringContaining(server.sites[0].key)] },
    });
    expect(await get(server, '/health')).toMatchObject({ status: 503, body: { status: 'fail' } });
  });

  test('F22 one site that was lost takes nothing from the others: it answers for itself, and is named', async () => {
    const [lost, other] = [openOpsSite(redis, { key: 'us.acme-lost' }), openOpsSite(redis, { key: 'us.acme-other' })];
    const server = await serveOps(redis, [lost, other]);
    servers.push(server);
    const found = (site: TestOpsSite) =>
      server.app.inject({ url: '/scim/v2/Users', headers: { authorization: `Bearer ${site.scimToken}` } });
    expect(await get(server, '/readyz')).toMatchObject({
      status: 200,
      body: { status: 'pass', reasons: [], sites: { 'us.acme-lost': { status: 'pass' }, 'us.acme-other': { status: 'pass' } } },
    });
    await lost.store.witness.declare('lost', 'test');
    expect(await get(server, '/readyz')).toMatchObject({
      status: 200,
      body: {
        status: 'pass',
        reasons: [expect.stringContaining('The data of us.acme-lost was lost')],
        sites: { 'us.acme-lost': { status: 'fail', reason: 'store-lost' }, 'us.acme-other': { status: 'pass' } },
      },
    });
    const refused = await found(lost);
    expect(refused.statusCode).toBe(429);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await found(other)).statusCode).toBe(200);
    const { body } = await get(server, '/health');
    expect(body.checks['maxio:us.acme-lost']).toEqual([{ status: 'fail', output: expect.stringContaining('store-lost') }]);
    expect(body.checks['maxio:us.acme-other']).toEqual([{ status: 'pass' }]);

    other.contact = () => 'foreign';
    expect(await get(server, '/readyz')).toMatchObject({
      status: 503,
      body: { status: 'fail', sites: { 'us.acme-lost': { status: 'fail' }, 'us.acme-other': { reason: 'other-site' } } },
    });
    other.contact = () => 'confirmed';
    server.vital.draining = true;
    expect(await get(server, '/readyz')).toMatchObject({ status: 503, body: { sites: { 'us.acme-other': { status: 'pass' } } } });
    const turns = server.logLines.map((line) => JSON.parse(line).msg).filter((msg) => /ready/.test(msg));
    expect(turns).toEqual(['ready', 'ready, but not for every site', 'not ready']);
  });

  test('F48 does not depend on Maxio: a refused key, a pause and a used-up budget leave the process ready', async () => {
    const server = await serve({ callsPerWindow: 5 });
    const [{ budget }] = server.sites;
    const grant = await budget.take({ lane: 'urgent' });
    if (grant.granted) await budget.release(grant.slot, 'unauthorized');
    expect((await budget.peek()).blockedWhy).toBe('unauthorized');
    expect((await get(server, '/readyz')).status).toBe(200);
  });

  test('F20 F26 follows Redis: away, frozen, refusing writes; liveness does not', async () => {
    const own = await startRedis({ appendfsync: 'no' });
    const client = own.connect('commands');
    const server = await serveOps(client, [openOpsSite(client)]);
    servers.push(server);
    expect((await get(server, '/readyz')).status).toBe(200);

    await client.config('SET', 'maxmemory', '1');
    expect(await get(server, '/readyz')).toMatchObject({
      status: 503,
      body: { reasons: [expect.stringContaining('refuses writes')] },
    });
    await client.config('SET', 'maxmemory', '0');
    expect((await get(server, '/readyz')).status).toBe(200);

    own.freeze();
    expect(await get(server, '/readyz')).toMatchObject({ status: 503, body: { reasons: [expect.stringContaining('500 ms')] } });
    expect((await get(server, '/livez')).status).toBe(200);
    own.thaw();
    await expect.poll(async () => (await get(server, '/readyz')).status, { timeout: 10_000 }).toBe(200);

    await own.kill();
    await expect.poll(() => client.status).not.toBe('ready');
    expect((await get(server, '/readyz')).status).toBe(503);
    expect((await get(server, '/livez')).status).toBe(200);
    const health = await get(server, '/health');
    expect(health).toMatchObject({ status: 503, body: { status: 'fail', sites: {} } });
    expect(await scrapeOf(server)).not.toMatch(/^maxio_budget_limit\{/m);

    await own.restart();
    await expect.poll(async () => (await get(server, '/readyz')).status, { timeout: 10_000 }).toBe(200);
    const turns = server.logLines.map((line) => JSON.parse(line).msg).filter((msg) => msg === 'ready' || msg === 'not ready');
    expect(turns.slice(0, 6)).toEqual(['ready', 'not ready', 'ready', 'not ready', 'ready', 'not ready']);
    expect(turns.every((msg, at) => msg !== turns[at - 1])).toBe(true);
    await own.stop();
  });
});

describe('/health', () => {
  test('is health+json with the numbers of each site, read at the moment of the question', async () => {
    const server = await serve({ key: 'us.acme-shape', idp: 'entra' });
    const [site] = server.sites;
    const quiet = await get(server, '/health');
    expect(quiet).toEqual({
      status: 200,
      type: 'application/health+json; charset=utf-8',
      body: {
        status: 'pass',
        version: '9.9.9',
        checks: {
          'redis:durability': [{ status: 'pass' }],
          'redis:write': [{ status: 'pass', observedValue: expect.any(Number), observedUnit: 'ms' }],
          'redis:memory': [{ status: 'pass', observedValue: 0.1, observedUnit: 'ratio' }],
          'worker:heartbeat': [{ status: 'pass', observedValue: expect.any(Number), observedUnit: 's' }],
          'maxio:us.acme-shape': [{ status: 'pass' }],
        },
        sites: {
          'us.acme-shape': {
            mode: 'enforce',
            test: true,
            idp: 'entra',
            budget: { limit: 100, used: 0, windowSeconds: 3_600 },
            pending: 0,
            oldestPendingSeconds: 0,
            urgent: 0,
            oldestUrgentSeconds: 0,
            parked: 0,
            held: 0,
          },
        },
      },
    });
    await provision(site, 'ann');
    await provision(site, 'bob', { active: false });
    await endRun(site, await provision(site, 'carol'), 'parked', { reason: 'needs-email' });
    await site.budget.take({ lane: 'normal' });
    const busy = await get(server, '/health');
    expect(busy).toMatchObject({ status: 200, body: { status: 'warn' } });
    expect(busy.body.checks['maxio:us.acme-shape']).toEqual([{ status: 'warn', output: 'parked' }]);
    expect(busy.body.sites['us.acme-shape']).toMatchObject({ pending: 2, urgent: 1, parked: 1, budget: { used: 1 } });
  });

  test('S24 is open and names nobody', async () => {
    const server = await serve();
    const [site] = server.sites;
    await endRun(site, await provision(site, 'canary-ann'), 'parked', { reason: 'refused-by-maxio', detail: 'canary detail' });
    site.contactDetail = () => 'canary site';
    server.capacity.findings = ['canary finding'];
    for (const url of ['/health', '/readyz', '/livez']) {
      expect(JSON.stringify((await get(server, url)).body)).not.toMatch(/canary|example\.com/);
    }
    expect(await scrapeOf(server)).not.toMatch(/canary|example\.com/);
  });

  test('a leaver who waits for more than five minutes is a warning', async () => {
    const server = await serve();
    const [site] = server.sites;
    const { id } = await provision(site, 'ann', { active: false });
    for (const key of ['dirty', 'urgent']) await redis.zadd(`${site.store.prefix}${key}`, Date.now() - 301_000, id);
    const { body } = await get(server, '/health');
    expect(body.checks[`maxio:${site.key}`]).toEqual([{ status: 'warn', output: 'leaver-waiting' }]);
    expect(body.sites[site.key].oldestUrgentSeconds).toBeGreaterThanOrEqual(301);
  });

  test('a budget above 90 % is a warning', async () => {
    const server = await serve({ callsPerWindow: 100 });
    const [site] = server.sites;
    for (let used = 0; used < 91; used += 1) {
      const grant = await site.budget.take({ lane: 'urgent' });
      if (grant.granted) await site.budget.release(grant.slot, 'answered');
    }
    const { body } = await get(server, '/health');
    expect(body.checks[`maxio:${site.key}`]).toEqual([{ status: 'warn', output: 'budget' }]);
  });

  test('F48 one refusal of the key pauses and warns; the second in a row fails', async () => {
    const server = await serve();
    const [site] = server.sites;
    const refuse = async (): Promise<void> => {
      await redis.hset(`${site.store.prefix}budget`, 'blockedUntil', '0');
      const grant = await site.budget.take({ lane: 'urgent' });
      if (!grant.granted) throw new Error(`not granted: ${grant.why}`);
      await site.budget.release(grant.slot, 'unauthorized');
    };
    await refuse();
    const once = await get(server, '/health');
    expect(once).toMatchObject({ status: 200, body: { status: 'warn' } });
    expect(once.body.sites[site.key]).toMatchObject({
      mode: 'enforce',
      paused: { reason: 'unauthorized', seconds: expect.any(Number) },
    });
    await refuse();
    const twice = await get(server, '/health');
    expect(twice).toMatchObject({ status: 503, body: { status: 'fail' } });
    expect(twice.body.checks[`maxio:${site.key}`]).toEqual([{ status: 'fail', output: 'key-refused, paused' }]);
  });

  test.each(['asserted', 'relaxed'] as const)('durability that is only %s is shown as a warning', async (durability) => {
    const server = await serve({}, { durability });
    const { body } = await get(server, '/health');
    expect(body).toMatchObject({ status: 'warn', checks: { 'redis:durability': [{ status: 'warn', output: durability }] } });
  });

  test('before its own first contact a process shows what an earlier one has learned of the site', async () => {
    const key = 'us.test-flag';
    const base = openOpsSite(redis, { key });
    const identity = new SiteIdentity(redis, { key, subdomain: 'test-flag', startMode: 'enforce' }, new SiteModes(redis, key));
    const running = { ...base, config: { key, idp: 'okta', graceSeconds: 0 }, identity } as const;
    const site = opsSiteOf(running as unknown as Parameters<typeof opsSiteOf>[0]);
    expect(await site.test()).toBeUndefined();
    await redis.hset(`${base.store.prefix}site`, { siteId: '1', test: '1' });
    expect(await site.test()).toBe(true);
    expect(site.contact()).toBe('unknown');
  });
});

describe('/metrics', () => {
  test('shows the same numbers as /health, and what is gone has no sample', async () => {
    const server = await serve({ key: 'us.acme-metrics' });
    const [site] = server.sites;
    const ann = await provision(site, 'ann');
    await provision(site, 'bob', { active: false });
    await endRun(site, ann, 'parked', { reason: 'needs-email' });
    const before = await scrapeOf(server);
    for (const sample of [
      'scim_sync_pending{site="us.acme-metrics",operation="deprovision"} 1',
      'scim_sync_pending{site="us.acme-metrics",operation="other"} 0',
      'scim_sync_lag_seconds{site="us.acme-metrics",operation="deprovision"} 0',
      'scim_parked{site="us.acme-metrics",reason="needs-email"} 1',
      'maxio_budget_limit{site="us.acme-metrics"} 100',
      'maxio_breaker_open{site="us.acme-metrics"} 0',
      'redis_durable 1',
      'redis_aof_write_ok 1',
      'scim_build_info{version="test"} 1',
    ]) {
      expect(before).toContain(`${sample}\n`);
    }
    const beat = Number(/^worker_heartbeat_timestamp_seconds\{.*\} (.+)$/m.exec(before)?.[1]);
    expect(Math.abs(beat - Date.now() / 1_000)).toBeLessThan(60);
    await site.runs.retry(ann.id, { kind: 'operator', what: 'retry' });
    expect(await scrapeOf(server)).not.toMatch(/^scim_parked\{/m);
  });
});

describe('the page', () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' };

  async function signIn(server: OpsServer, headers: Record<string, string> = form, token: string = OPS_TOKEN) {
    return await server.app.inject({
      method: 'POST',
      url: '/ops/sign-in',
      headers,
      payload: new URLSearchParams({ token }).toString(),
    });
  }

  function cookieOf(answer: { headers: Record<string, unknown> }): string {
    return String(answer.headers['set-cookie']).split(';')[0] ?? '';
  }

  test('asks for the token, shows nothing before, and lets nobody frame it', async () => {
    const server = await serve();
    await endRun(server.sites[0], await provision(server.sites[0], 'ann'), 'parked');
    for (const url of ['/ops', '/ops/']) {
      const answer = await server.app.inject({ url, headers: { cookie: 'maxio_scim_ops=guess; maxio_scim_ops=' } });
      expect(answer.statusCode).toBe(401);
      expect(answer.headers['content-security-policy']).toMatch(
        /^default-src 'none'; style-src 'nonce-[\w+/=]+'; form-action 'self'; .*frame-ancestors 'none'$/,
      );
      expect(answer.headers['cache-control']).toBe('no-store');
      expect(answer.body).toContain('action="/ops/sign-in"');
      expect(answer.body).not.toContain('example.com');
    }
  });

  test('S4 signing in needs the ops token, and the cookie is for this page of this origin alone', async () => {
    const server = await serve();
    for (const token of ['', 'wrong', server.sites[0].scimToken]) {
      const refused = await signIn(server, form, token);
      expect(refused.statusCode).toBe(401);
      expect(refused.headers).not.toHaveProperty('set-cookie');
    }
    const answer = await signIn(server);
    expect(answer).toMatchObject({ statusCode: 303, headers: { location: '/ops' } });
    expect(answer.headers['set-cookie']).toMatch(
      /^maxio_scim_ops=[\w-]{43}; Max-Age=3600; Path=\/ops; HttpOnly; SameSite=Strict; Secure$/,
    );
    expect(answer.headers['set-cookie']).not.toContain(OPS_TOKEN);
    const plain = await signIn(await serve({}, { publicUrl: 'http://localhost:8080' }));
    expect(plain.headers['set-cookie']).not.toContain('Secure');
  });

  test('shows sites and parked people, lets them be retried, and forgets the session at sign-out', async () => {
    const server = await serve({ key: 'us.acme-page' });
    const [site] = server.sites;
    const ann = await provision(site, 'ann', { userName: '<b>ann</b>@example.com' });
    await endRun(site, ann, 'parked', { reason: 'needs-email', detail: 'No <address>.' });
    const cookie = cookieOf(await signIn(server));
    const page = await server.app.inject({ url: '/ops', headers: { cookie } });
    expect(page.statusCode).toBe(200);
    for (const text of ['us.acme-page', 'needs-email', '&#60;b&#62;ann', 'No &#60;address&#62;.'])
      expect(page.body).toContain(text);
    expect(page.body).not.toContain('<b>');
    expect((await server.app.inject({ url: `/ops/api/people/${ann.id}`, headers: { cookie } })).json().id).toBe(ann.id);

    const payload = new URLSearchParams({ site: site.key, id: ann.id }).toString();
    const retry = await server.app.inject({ method: 'POST', url: '/ops/retry', headers: { ...form, cookie }, payload });
    expect(retry.statusCode).toBe(303);
    expect((await site.runs.story(ann.id)).at(-1)?.entry).toMatchObject({ kind: 'operator', actor: 'ops-page' });
    expect(await site.runs.backlog()).toMatchObject({ parked: 0, pending: 1 });

    const out = await server.app.inject({ method: 'POST', url: '/ops/sign-out', headers: { ...form, cookie } });
    expect(out.headers['set-cookie']).toContain('Max-Age=0');
    expect((await server.app.inject({ url: '/ops', headers: { cookie } })).statusCode).toBe(401);
    expect((await server.app.inject({ url: '/ops/api/status', headers: { cookie } })).statusCode).toBe(401);
  });

  test.each([
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'https://evil.example' },
    { origin: 'null' },
    {},
  ])('a form from another site %j does nothing, session or not', async (from) => {
    const server = await serve();
    const [site] = server.sites;
    const ann = await provision(site, 'ann');
    await endRun(site, ann, 'parked');
    const cookie = cookieOf(await signIn(server));
    const foreign: Record<string, string> = { 'content-type': 'application/x-www-form-urlencoded', cookie, ...from };
    const json = { ...foreign, 'content-type': 'application/json' };
    const wishes = [
      { url: '/ops/retry', headers: foreign, payload: new URLSearchParams({ site: site.key, id: ann.id }).toString() },
      { url: '/ops/api/parked/retry', headers: json, payload: '{"all":true}' },
      { url: '/ops/sign-out', headers: foreign, payload: '' },
    ];
    for (const wish of wishes) expect((await server.app.inject({ method: 'POST', ...wish })).statusCode, wish.url).toBe(403);
    expect(await site.runs.backlog()).toMatchObject({ parked: 1 });
    expect((await server.app.inject({ url: '/ops', headers: { cookie } })).statusCode).toBe(200);
  });

  test('a browser that sends only Origin may act from the page itself', async () => {
    const server = await serve();
    const headers = { 'content-type': form['content-type'], origin: 'https://scim.example.com', host: 'scim.example.com' };
    expect((await signIn(server, headers)).statusCode).toBe(303);
  });
});
