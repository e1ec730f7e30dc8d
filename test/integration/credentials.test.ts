/**
 * Credentials of the two sides never work for each other: every route of the running service, taken from its router, is asked with every kind of credential of
 * the other side. A route that somebody adds is asked, too, and has to refuse or to be named here as open.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { METHODS } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type App, startApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { sitePrefix } from '../../src/directory/keys.ts';
import { createLogger } from '../../src/logger.ts';
import { createTelemetry } from '../../src/telemetry.ts';
import { OPERATORS, tokenOf } from '../support/operators.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { person } from '../support/scim-server.ts';

const SCIM_TOKEN = 'scim-of-the-environment-0f8e6d4c';
const OPS_TOKEN = 'ops-of-the-environment-1b2a3c4d';
const KEY = 'us.acme';

/** What answers the same to everybody. Whatever is not here has to refuse. */
const OPEN = [
  'GET /livez',
  'HEAD /livez',
  'GET /readyz',
  'HEAD /readyz',
  'GET /health',
  'HEAD /health',
  // Takes whoever signs in, and ends whatever session there is.
  'POST /ops/sign-in',
  'POST /ops/sign-out',
];

let redisServer: TestRedis;
let redis: Redis;
let folder: string;
let app: App;
let routes: { method: string; path: string }[];
let scim: Record<string, string>;
let ops: Record<string, string>;
let cookie: string;
let id: string;
let asked = 0;

type Answer = { status: number; body: string; headers: Record<string, unknown> };

/** Each request comes from an address of its own, so that none is refused for what others did. */
async function ask(method: string, url: string, headers: Record<string, string> = {}, payload?: string): Promise<Answer> {
  asked += 1;
  const remoteAddress = `198.18.${asked >> 8}.${asked & 255}`;
  const answer = await app.server.inject({
    method: method as 'GET',
    url,
    headers,
    remoteAddress,
    ...(payload === undefined ? {} : { payload }),
  });
  return { status: answer.statusCode, body: answer.body, headers: answer.headers };
}

const asJson = { 'content-type': 'application/json' };

beforeAll(async () => {
  redisServer = await startRedis({ appendfsync: 'no' });
  redis = redisServer.connect();
  folder = mkdtempSync(join(tmpdir(), 'maxio-scim-credentials-'));
  const operators = join(folder, 'operators.json');
  writeFileSync(operators, JSON.stringify(OPERATORS));
  const config = readConfig({
    REDIS_URL: redisServer.url,
    REDIS_DURABILITY_RELAXED: '1',
    ROLE: 'api',
    MAXIO_SUBDOMAIN: 'acme',
    MAXIO_API_KEY: 'key-of-acme',
    MAXIO_BASE_URL: 'http://127.0.0.1:9',
    MAXIO_WEBHOOK_KEY: 'webhook-key-of-acme',
    SCIM_TOKEN,
    OPS_TOKEN,
    OPS_TOKENS_FILE: operators,
    OAUTH_SIGNING_KEY: randomBytes(32).toString('hex'),
    SHUTDOWN_DELAY_SECONDS: '0',
  });
  app = await startApp({
    config,
    logger: createLogger({ level: 'silent' }),
    telemetry: createTelemetry({ version: 'test', processMetrics: false }),
  });
  await app.server.ready();
  routes = readRoutes(app.server.printRoutes({ commonPrefix: false }));

  const approver = { authorization: `Bearer ${tokenOf('anna')}`, ...asJson };
  const made = await ask('POST', '/ops/api/tokens', approver, JSON.stringify({ site: KEY, note: 'made' }));
  const client = await ask('POST', '/ops/api/clients', approver, JSON.stringify({ site: KEY, note: 'made', secret: {} }));
  const { id: clientId, secret } = JSON.parse(client.body) as { id: string; secret: string };
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const given = await ask(
    'POST',
    '/oauth/token',
    form,
    `grant_type=client_credentials&client_id=${clientId}&client_secret=${secret}`,
  );
  scim = {
    'the token of the configuration': SCIM_TOKEN,
    'a token that an operator has made': String(JSON.parse(made.body).token),
    'an access token': String(JSON.parse(given.body).access_token),
    'the secret of an OAuth client': secret,
  };
  ops = { OPS_TOKEN, 'a viewer': tokenOf('vera'), 'an operator': tokenOf('otto'), 'an approver': tokenOf('anna') };
  const signedIn = await ask('POST', '/ops/sign-in', { ...form, 'sec-fetch-site': 'same-origin' }, `token=${tokenOf('anna')}`);
  cookie = String(signedIn.headers['set-cookie']).split(';')[0] ?? '';
  const written = await ask(
    'POST',
    '/scim/v2/Users',
    { authorization: `Bearer ${SCIM_TOKEN}`, ...asJson },
    JSON.stringify(person('ann')),
  );
  id = String(JSON.parse(written.body).id);
});
afterAll(async () => {
  await app.close();
  await redisServer.stop();
  rmSync(folder, { recursive: true });
});

/** Reads method and path of every route off the tree that the router prints. */
function readRoutes(tree: string): { method: string; path: string }[] {
  const above: string[] = [];
  const found: { method: string; path: string }[] = [];
  for (const line of tree.split('\n')) {
    const [, indent = '', part = '', methods] = /^((?:[│ ] {3})*)(?:├──|└──) (.*?)(?: \(([A-Z, -]+)\))?$/.exec(line) ?? [];
    if (part === '') continue;
    const depth = indent.length / 4;
    above.length = depth;
    above.push(part);
    for (const method of methods?.split(', ') ?? []) found.push({ method, path: above.join('') });
  }
  return found;
}

const fill = (path: string): string =>
  path
    .replace(':siteKey', KEY)
    .replace(/:[a-zA-Z]+/g, id)
    .replace('*', 'x');
const isScim = (path: string): boolean => path.startsWith('/scim/v2');

async function fingerprint(): Promise<Record<string, string>> {
  const keys = (await redis.keys(`${sitePrefix(KEY)}*`)).toSorted();
  const dumps = await Promise.all(keys.map((key) => redis.dumpBuffer(key)));
  // When a token was used last is written a moment later.
  return Object.fromEntries(
    keys.map((key, at) => [key, dumps[at]?.toString('base64') ?? ''] as const).filter(([key]) => !/Uses$/.test(key)),
  );
}

test('S4 the right credentials work, and the list of routes is whole', async () => {
  for (const [what, token] of Object.entries(scim))
    expect([what, (await ask('GET', '/scim/v2/Users', { authorization: `Bearer ${token}` })).status]).toEqual([
      what,
      what.startsWith('the secret') ? 401 : 200,
    ]);
  for (const [what, token] of Object.entries(ops))
    expect([what, (await ask('GET', '/ops/api/status', { authorization: `Bearer ${token}` })).status]).toEqual([what, 200]);
  expect((await ask('GET', '/ops/api/status', { cookie })).status).toBe(200);
  const names = routes.map(({ method, path }) => `${method} ${path}`);
  for (const known of [
    'PATCH /scim/v2/Users/:id',
    'DELETE /scim/v2/Groups/:id',
    'POST /scim/v2/Bulk',
    'GET /metrics',
    'POST /ops/api/tokens',
    'POST /ops/held',
    'POST /oauth/token',
    'POST /maxio/webhooks/:siteKey',
  ])
    expect(names).toContain(known);
  for (const { method, path } of routes)
    expect([path, METHODS.includes(method), app.server.hasRoute({ method: method as 'GET', url: path })]).toEqual([
      path,
      true,
      true,
    ]);
  expect(names.length).toBeGreaterThan(100);
});

test('S4 nothing of SCIM opens to a credential of the operators, on no route and by no method', async () => {
  const before = await fingerprint();
  const entries = [
    ...Object.entries(ops).map(([what, token]) => [what, { authorization: `Bearer ${token}` }] as const),
    ['a session', { cookie }] as const,
  ];
  let count = 0;
  for (const { method, path } of routes.filter((route) => isScim(route.path))) {
    const none = await ask(method, fill(path), asJson, '{}');
    for (const [what, headers] of entries) {
      const answer = await ask(method, fill(path), { ...asJson, ...headers }, '{}');
      // With a session alone there is no credential of SCIM at all; discovery is open to that.
      const wanted = what === 'a session' ? none.status : 401;
      expect([method, path, what, answer.status]).toEqual([method, path, what, wanted]);
      const discovery = /^\/scim\/v2\/(ServiceProviderConfig|Schemas|ResourceTypes)/.test(path) && /^(GET|HEAD)$/.test(method);
      expect([method, path, discovery ? [200, 404].includes(none.status) : none.status === 401]).toEqual([method, path, true]);
      count += 1;
    }
  }
  expect(count).toBeGreaterThan(300);
  expect(await fingerprint()).toEqual(before);
});

test('S4 nothing of the operators opens to a credential of SCIM, on no route, by no method and in no header', async () => {
  const before = await fingerprint();
  const open = new Set<string>();
  let count = 0;
  for (const { method, path } of routes.filter((route) => !isScim(route.path))) {
    const url = fill(path);
    const none = await ask(method, url, asJson, '{}');
    for (const [what, token] of Object.entries(scim)) {
      for (const headers of [
        { authorization: `Bearer ${token}` },
        { authorization: token },
        { authorization: `Basic ${Buffer.from(`${token}:x`).toString('base64')}` },
        { cookie: `maxio_scim_ops=${token}` },
      ]) {
        const answer = await ask(method, url, { ...asJson, ...headers, 'sec-fetch-site': 'same-origin' }, '{}');
        const name = `${method} ${path}`;
        if (OPEN.includes(name)) open.add(name);
        // A refusal is whatever somebody without any credential gets, and it is never a success.
        else
          expect([
            name,
            what,
            Object.keys(headers)[0],
            answer.status >= 400,
            answer.status === 401 || answer.status === none.status,
          ]).toEqual([name, what, Object.keys(headers)[0], true, true]);
        if (/^\/(ops\/api|metrics)/.test(path)) expect([name, what, answer.status]).toEqual([name, what, 401]);
        expect(answer.headers['set-cookie'] ?? '').not.toMatch(/maxio_scim_ops=[^;]/);
        count += 1;
      }
    }
  }
  // HEAD comes with GET.
  expect([...open].filter((name) => !name.startsWith('HEAD')).toSorted()).toEqual(
    OPEN.filter((name) => !name.startsWith('HEAD')).toSorted(),
  );
  expect(count).toBeGreaterThan(300);
  expect(await fingerprint()).toEqual(before);
});

describe('what is open', () => {
  test('S4 S24 says the same to everybody, and no person, token or address', async () => {
    for (const url of ['/livez', '/readyz', '/health']) {
      const without = Object.keys(JSON.parse((await ask('GET', url)).body)).toSorted();
      for (const token of [...Object.values(scim), ...Object.values(ops)]) {
        const { body } = await ask('GET', url, { authorization: `Bearer ${token}` });
        expect(Object.keys(JSON.parse(body)).toSorted()).toEqual(without);
        expect(body).not.toMatch(/ann@|example\.com|127\.0\.0\.1/);
        for (const secret of [...Object.values(scim), ...Object.values(ops)]) expect(body).not.toContain(secret);
      }
    }
  });

  test('S4 signs nobody in with a token of SCIM, and gives no access token for a token of the operators', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' };
    for (const token of Object.values(scim)) {
      const answer = await ask('POST', '/ops/sign-in', form, `token=${encodeURIComponent(token)}`);
      expect([answer.status, answer.headers['set-cookie']]).toEqual([401, undefined]);
    }
    for (const token of [...Object.values(ops), SCIM_TOKEN]) {
      const body = `grant_type=client_credentials&client_id=${encodeURIComponent(token)}&client_secret=${encodeURIComponent(token)}`;
      const answer = await ask('POST', '/oauth/token', form, body);
      expect([answer.status, JSON.parse(answer.body).access_token]).toEqual([401, undefined]);
    }
  });
});

test('S15 no answer of any route may be kept or guessed at, tells what serves it, or sends a caller elsewhere; pages run no script and are framed by nobody', async () => {
  const missing: string[] = [];
  for (const { method, path } of routes) {
    for (const headers of [{}, { authorization: `Bearer ${isScim(path) ? SCIM_TOKEN : tokenOf('vera')}` }]) {
      const answer = await ask(method, fill(path), { ...asJson, ...headers }, method === 'GET' ? undefined : '{}');
      const {
        'cache-control': cache,
        'x-content-type-options': sniff,
        'content-type': type = '',
        'content-security-policy': policy = '',
      } = answer.headers;
      const name = `${method} ${path} ${answer.status}`;
      if (cache !== 'no-store') missing.push(`${name}: cache-control ${String(cache)}`);
      if (sniff !== 'nosniff') missing.push(`${name}: x-content-type-options ${String(sniff)}`);
      for (const telling of ['server', 'x-powered-by', 'via', 'access-control-allow-origin'])
        if (telling in answer.headers) missing.push(`${name}: ${telling}`);
      if (answer.status >= 300 && answer.status < 400 && answer.headers.location !== '/ops')
        missing.push(`${name}: to ${String(answer.headers.location)}`);
      if (!String(type).startsWith('text/html')) continue;
      if (!/^default-src 'none'/.test(String(policy)) || /unsafe|script-src/.test(String(policy)))
        missing.push(`${name}: policy ${String(policy)}`);
      if (answer.headers['x-frame-options'] !== 'DENY' || /<script|\son[a-z]+=/i.test(answer.body)) missing.push(`${name}: page`);
    }
  }
  expect(missing).toEqual([]);
  for (const url of ['/', '/nothing', '/scim/v2/nothing', '/ops/nothing', '/scim/v1/Users']) {
    const { headers, status } = await ask('GET', url);
    expect([url, status >= 400, headers['x-content-type-options'], headers.server, headers['cache-control']]).toEqual([
      url,
      true,
      'nosniff',
      undefined,
      'no-store',
    ]);
  }
});
