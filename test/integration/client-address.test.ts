/**
 * Whose address counts, and what it decides. What a request claims about its way here is believed from listed proxies only; the address decides about the
 * allow-list of a site and about failures, never about who somebody is. A right token from another network is refused, and somebody is told: by a notice, by a
 * metric, and by the log. RFC 7239 §8.1.
 */
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { Gate } from '../../src/directory/gate.ts';
import { sitePrefix } from '../../src/directory/keys.ts';
import { checkConfig } from '../../src/doctor/check-config.ts';
import { createLogger } from '../../src/logger.ts';
import { Networks } from '../../src/network.ts';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { type Hook, startHook } from '../support/hook.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { openSite, PUBLIC_URL, person, type ScimServer, serveSites, type TestSite } from '../support/scim-server.ts';
import { API_KEY, OPS_TOKEN, SCIM_TOKEN, Service } from '../support/service.ts';

const USERS = '/scim/v2/Users';
const IDP = '203.0.113.7';
const ELSEWHERE = '198.51.100.66';
const PROXY = '10.20.0.4';

let redisServer: TestRedis;
let redis: Redis;
const servers: ScimServer[] = [];

beforeAll(async () => {
  redisServer = await startRedis({ appendfsync: 'no' });
  redis = redisServer.connect();
});
beforeEach(() => redisServer.flush());
afterEach(async () => {
  await Promise.all(servers.splice(0).map(({ app }) => app.close()));
});
afterAll(() => redisServer.stop());

interface Opened extends ScimServer {
  logged: string[];
  gate: Gate;
  site: TestSite;
}

/** A server of one site with an allow-list, and what its gate writes into the log. */
async function serve(allowFrom: string[] | undefined, trusted?: string[]): Promise<Opened> {
  const logged: string[] = [];
  const logger = createLogger({ level: 'info' }, { write: (line: string) => void logged.push(line) });
  const site = openSite(redis);
  const gate = new Gate({ redis, siteKey: site.door.key, allowFrom: allowFrom && Networks.parse(allowFrom), logger });
  site.door.gate = gate;
  const server = await serveSites([site], { trustedProxies: trusted && Networks.parse(trusted) });
  servers.push(server);
  return { ...server, logged, gate, site };
}

async function from(server: Opened, remoteAddress: string, headers: Record<string, string> = {}, path = USERS) {
  const answer = await server.app.inject({
    url: path,
    remoteAddress,
    headers: { authorization: `Bearer ${server.token}`, ...headers },
  });
  return { status: answer.statusCode, body: answer.json() as Record<string, unknown>, headers: answer.headers };
}

describe('what a request claims about its way here', () => {
  const claims = {
    'x-forwarded-for': IDP,
    'x-real-ip': IDP,
    forwarded: `for=${IDP}`,
    'true-client-ip': IDP,
    'cf-connecting-ip': IDP,
  };

  test('B46 S7 is ignored unless it comes from a listed proxy', async () => {
    const open = await serve([IDP]);
    expect((await from(open, ELSEWHERE, claims)).status).toBe(403);
    const behind = await serve([IDP], [PROXY]);
    expect((await from(behind, ELSEWHERE, claims)).status).toBe(403);
    expect((await from(behind, PROXY, claims)).status).toBe(200);
  });

  test('B46 S7 a hop that the proxy has not seen itself counts for nothing: what a client writes in front is not reached', async () => {
    const server = await serve([IDP], [PROXY, '10.20.0.5']);
    const as = async (...hops: string[]) => (await from(server, PROXY, { 'x-forwarded-for': hops.join(', ') })).status;
    expect(await as(ELSEWHERE)).toBe(403);
    expect(await as(IDP, ELSEWHERE)).toBe(403);
    expect(await as(IDP, PROXY, ELSEWHERE)).toBe(403);
    expect(await as(IDP, ELSEWHERE, '10.20.0.5')).toBe(403);
    expect(await as(ELSEWHERE, IDP)).toBe(200);
    expect(await as(ELSEWHERE, IDP, '10.20.0.5')).toBe(200);
  });

  test.each([
    'unknown',
    '_hidden',
    '',
    ' ',
    '203.0.113',
    `${IDP}.example.com`,
    `${IDP},`,
    '0x cb007107',
    `${IDP}\t${ELSEWHERE}`,
    '3405803783',
    'localhost',
    `"${IDP}"`,
    `for=${IDP}`,
  ])('B46 S6 a proxy that says %j lets nobody in who is not allowed', async (said) => {
    const server = await serve(['198.51.100.0/24'], [PROXY]);
    expect((await from(server, PROXY, { 'x-forwarded-for': said })).status).toBe(403);
  });

  test('B46 a port behind the address, IPv4 in the clothes of IPv6 and brackets change nothing', async () => {
    const server = await serve([IDP, '2001:db8::/32'], [PROXY, 'fd00::4']);
    for (const said of [`${IDP}:51234`, `::ffff:${IDP}`, '[2001:db8::7]:443', '2001:db8::7'])
      expect([said, (await from(server, `::ffff:${PROXY}`, { 'x-forwarded-for': said })).status]).toEqual([said, 200]);
    expect((await from(server, 'fd00::4', { 'x-forwarded-for': `${IDP}, [::ffff:${PROXY}]:80` })).status).toBe(200);
  });

  test('B46 neither host nor scheme of a request gets into an answer, not even from a listed proxy', async () => {
    const server = await serve(undefined, [PROXY]);
    const answer = await server.app.inject({
      method: 'POST',
      url: USERS,
      remoteAddress: PROXY,
      headers: {
        authorization: `Bearer ${server.token}`,
        'content-type': 'application/scim+json',
        host: 'evil.example',
        'x-forwarded-host': 'evil.example',
        'x-forwarded-proto': 'gopher',
        'x-forwarded-port': '99',
        'x-forwarded-prefix': '/evil',
        'x-original-url': '/evil',
        'x-rewrite-url': '/evil',
      },
      payload: person('ann'),
    });
    expect(answer.statusCode).toBe(201);
    expect(answer.headers.location).toMatch(new RegExp(`^${PUBLIC_URL}${USERS}/[0-9a-f-]{36}$`));
    expect(`${JSON.stringify(answer.headers)}${answer.body}`).not.toMatch(/evil|gopher/);
  });

  test('B46 over a bare socket, where nothing stands between the bytes and the server', async () => {
    const ask = async (server: ScimServer, ...lines: string[]): Promise<string> => {
      if (!server.app.server.listening) await server.app.listen({ host: '127.0.0.1', port: 0 });
      const socket = connect((server.app.server.address() as AddressInfo).port, '127.0.0.1');
      let text = '';
      socket.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      socket.write(
        [`GET ${USERS} HTTP/1.1`, 'Host: x', `Authorization: Bearer ${server.token}`, 'Connection: close', ...lines, '', ''].join(
          '\r\n',
        ),
      );
      await once(socket, 'close');
      return text.slice(0, 12);
    };
    const open = await serve([IDP]);
    expect(await ask(open, `X-Forwarded-For: ${IDP}`)).toBe('HTTP/1.1 403');
    const behind = await serve([IDP], ['127.0.0.1']);
    expect(await ask(behind)).toBe('HTTP/1.1 403');
    expect(await ask(behind, `X-Forwarded-For: ${IDP}`)).toBe('HTTP/1.1 200');
    // Two headers are one list, in their order: the last hop is the one that the proxy has seen.
    expect(await ask(behind, `X-Forwarded-For: ${IDP}`, `X-Forwarded-For: ${ELSEWHERE}`)).toBe('HTTP/1.1 403');
    expect(await ask(behind, `X-Forwarded-For: ${ELSEWHERE}`, `X-Forwarded-For: ${IDP}`)).toBe('HTTP/1.1 200');
  });

  test('B46 S5 failures are counted for the client behind the proxy, whatever port and hops it comes with', async () => {
    const server = await serve(undefined, [PROXY]);
    const wrong = async (client: string) =>
      (await from(server, PROXY, { authorization: 'Bearer a-wrong-token', 'x-forwarded-for': client })).status;
    const statuses: number[] = [];
    for (let n = 0; n < 40; n += 1) statuses.push(await wrong(`203.0.113.${n}, ${ELSEWHERE}:${40_000 + n}`));
    expect([statuses[0], statuses.at(-1)]).toEqual([401, 429]);
    expect(await wrong(IDP)).toBe(401);
  });
});

describe('the allow-list of a site', () => {
  test('S6 F85: a right token from another network is refused with a reason, for reading and for writing, and changes nothing', async () => {
    const server = await serve(['203.0.113.0/24']);
    const made = await server.app.inject({
      method: 'POST',
      url: USERS,
      remoteAddress: IDP,
      headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/scim+json' },
      payload: person('ann'),
    });
    const prefix = sitePrefix(server.site.door.key);
    const id = String(made.json().id);
    const before = await redis.dumpBuffer(`${prefix}user:${id}`);
    for (const [method, url, payload] of [
      ['GET', USERS],
      ['GET', `${USERS}/${id}`],
      ['POST', USERS, person('eve')],
      ['PUT', `${USERS}/${id}`, person('eve')],
      ['DELETE', `${USERS}/${id}`],
      ['GET', '/scim/v2/ServiceProviderConfig'],
      ['GET', '/scim/v2/Nothing'],
      ['GET', '/scim/v2/Users/%zz'],
      ['POST', '/scim/v2/Bulk', {}],
    ] as const) {
      const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/scim+json' };
      const answer = await server.app.inject({ method, url, headers, remoteAddress: ELSEWHERE, ...(payload ? { payload } : {}) });
      expect([method, url, answer.statusCode]).toEqual([method, url, 403]);
      expect(answer.headers['content-type']).toBe('application/scim+json; charset=utf-8');
      expect(answer.json()).toEqual({
        schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
        status: '403',
        detail: expect.stringMatching(/token is right, but not accepted from 198\.51\.100\.66.*SCIM_ALLOW_FROM.*TRUSTED_PROXIES/),
      });
    }
    expect(await redis.dumpBuffer(`${prefix}user:${id}`)).toEqual(before);
    expect(await redis.hlen(`${prefix}userNames`)).toBe(1);
    expect((await from(server, IDP)).status).toBe(200);
  });

  test('S6: a wrong token reads the same from everywhere, so that the list is not found out by guessing', async () => {
    const server = await serve([IDP]);
    const wrong = { authorization: 'Bearer a-wrong-token' };
    const [inside, outside] = [await from(server, IDP, wrong), await from(server, ELSEWHERE, wrong)];
    expect(inside.status).toBe(401);
    expect(outside.body).toEqual(inside.body);
  });

  test('S6: each site has its own list, and what is open without a token stays open', async () => {
    const [one, two] = [openSite(redis), openSite(redis)];
    const logger = createLogger({ level: 'silent' });
    one.door.gate = new Gate({ redis, siteKey: one.door.key, allowFrom: Networks.parse([IDP]), logger });
    const server = await serveSites([one, two]);
    servers.push(server);
    const status = async (token: string | undefined, url: string) =>
      (
        await server.app.inject({
          url,
          remoteAddress: ELSEWHERE,
          headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        })
      ).statusCode;
    expect(await status(one.token, USERS)).toBe(403);
    expect(await status(two.token, USERS)).toBe(200);
    expect(await status(undefined, '/scim/v2/ServiceProviderConfig')).toBe(200);
  });

  test('F85: what came from elsewhere is counted and remembered, one line for many, without the token', async () => {
    const server = await serve([IDP]);
    for (let n = 0; n < 25; n += 1) expect((await from(server, ELSEWHERE)).status).toBe(403);
    const moment = async () => Number((await redis.time())[0]) * 1_000;
    await vi.waitFor(async () => expect(await server.gate.strangers(await moment())).toBeDefined(), {
      timeout: 15_000,
      interval: 25,
    });
    const strangers = await server.gate.strangers(await moment());
    expect(strangers).toMatchObject({ address: ELSEWHERE, actor: expect.stringMatching(/^scim-token:[0-9a-f]{8}$/) });
    expect(strangers?.times).toBeGreaterThanOrEqual(1);
    expect(server.logged.length).toBeLessThan(25);
    expect(JSON.parse(server.logged[0] ?? '')).toMatchObject({ level: 'warn', address: ELSEWHERE, site: server.site.door.key });
    expect(`${server.logged.join('')}${server.logLines.join('')}`).not.toContain(server.token);
    expect(await server.telemetry.registry.metrics()).toContain('scim_auth_failures_total{reason="network"} 25');
    // A day later nobody is bothered with it any more.
    expect(await server.gate.strangers((await moment()) + 86_500_000)).toBeUndefined();
  });

  test('F85: Redis being away changes no answer', async () => {
    const own = await startRedis({ appendfsync: 'no' });
    const connection = own.connect();
    const gate = new Gate({
      redis: connection,
      siteKey: 'us.away',
      allowFrom: Networks.parse([IDP]),
      logger: createLogger({ level: 'silent' }),
    });
    await own.stop();
    expect([gate.admits(ELSEWHERE, 'scim-token:x'), gate.admits(IDP, 'scim-token:x')]).toEqual([false, true]);
  });
});

test('S6 S7 the doctor says when all clients have the address of one proxy', () => {
  const set = (env: Record<string, string>) =>
    checkConfig(
      readConfig({
        REDIS_URL: 'redis://x',
        MAXIO_SUBDOMAIN: 'acme',
        MAXIO_API_KEY: 'key-of-acme',
        SCIM_TOKEN: 'scim-0123456789abc',
        OPS_TOKEN: 'ops-0123456789abcdef',
        ...env,
      }),
      Date.now(),
    ).filter(({ name }) => name === 'proxies' || name === 'us.acme networks');
  expect(set({}).map(({ status }) => status)).toEqual(['pass', 'pass']);
  const https = { PUBLIC_URL: 'https://scim.example.com' };
  expect(set(https)[0]).toMatchObject({ status: 'warn', finding: expect.stringContaining('TRUSTED_PROXIES') });
  expect(set({ ...https, SCIM_ALLOW_FROM: IDP })[0]).toMatchObject({
    status: 'fail',
    finding: expect.stringContaining('us.acme'),
  });
  const whole = set({ ...https, SCIM_ALLOW_FROM: IDP, TRUSTED_PROXIES: PROXY });
  expect(whole.map(({ status, finding }) => [status, finding])).toEqual([
    ['pass', expect.stringContaining(PROXY)],
    ['pass', expect.stringContaining(IDP)],
  ]);
});

describe('the service as it runs', () => {
  let sandbox: Sandbox;
  let hook: Hook;
  let service: Service | undefined;

  beforeAll(async () => {
    sandbox = await createSandbox({ apiKey: API_KEY, subdomain: 'acme' });
    hook = await startHook();
  });
  afterAll(async () => {
    await service?.kill();
    await Promise.all([sandbox.close(), hook.close()]);
  });

  test('F85 S6 a token that leaked is refused from another network while the identity provider goes on, and somebody is told', async () => {
    service = await Service.start({
      redisUrl: redisServer.url,
      sandboxUrl: sandbox.url,
      env: {
        REDIS_DURABILITY_RELAXED: '1',
        SCIM_ALLOW_FROM: '203.0.113.0/24',
        TRUSTED_PROXIES: '127.0.0.1',
        NOTIFY_WEBHOOK_URL: hook.url,
      },
    });
    const { url } = service;
    const ask = (address: string, token = SCIM_TOKEN) =>
      fetch(`${url}${USERS}`, { headers: { authorization: `Bearer ${token}`, 'x-forwarded-for': address } });
    expect((await ask(IDP)).status).toBe(200);
    expect((await ask(ELSEWHERE)).status).toBe(403);
    expect((await ask(IDP)).status).toBe(200);
    await vi.waitFor(() => expect(hook.taken.find(({ topic }) => topic === 'other-network')).toBeDefined(), {
      timeout: 60_000,
      interval: 100,
    });
    const told = hook.taken.find(({ topic }) => topic === 'other-network');
    expect(told).toMatchObject({
      severity: 'page',
      site: 'us.acme',
      what: expect.stringContaining(ELSEWHERE),
      todo: expect.stringMatching(/SCIM_TOKEN_FILE.*token create --site us\.acme/),
    });
    expect(JSON.stringify(told)).not.toContain(SCIM_TOKEN);
    const metrics = await (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${OPS_TOKEN}` } })).text();
    expect(metrics).toContain('scim_auth_failures_total{reason="network"} 1');
    // A token that an operator has made is held to the same list, and a refused use is no use.
    const made = await fetch(`${url}/ops/api/tokens`, {
      method: 'POST',
      headers: { authorization: `Bearer ${OPS_TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ site: 'us.acme', note: 'second' }),
    });
    const { token, id } = (await made.json()) as { token: string; id: string };
    expect((await ask(ELSEWHERE, token)).status).toBe(403);
    const listed = async (): Promise<string> =>
      await (await fetch(`${url}/ops/api/tokens?site=us.acme`, { headers: { authorization: `Bearer ${OPS_TOKEN}` } })).text();
    const lastUse = async () =>
      (JSON.parse(await listed()) as { tokens: { id: string; lastUsedAt: string | null }[] }).tokens.find((one) => one.id === id)
        ?.lastUsedAt;
    expect(await lastUse()).toBeNull();
    expect((await ask(IDP, token)).status).toBe(200);
    await vi.waitFor(async () => expect(await lastUse()).toEqual(expect.any(String)), { timeout: 15_000, interval: 50 });
  }, 120_000);
});
