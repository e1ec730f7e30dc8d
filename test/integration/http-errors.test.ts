/**
 * Owns the promise that every refusal is a SCIM error with the right status, given in the right order: who are you, is there such a
 * place, may one do that there, can it be read, is it valid. RFC 7644 §3.12. Real server, real directory, requests by injection.
 */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { DirectoryUnavailable } from '../../src/directory/unavailable.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { ask, openSite, patchOf, person, type ScimAnswer, type ScimServer, serveSites } from '../support/scim-server.ts';

const USERS = '/scim/v2/Users';
let redisServer: TestRedis;
let redis: Redis;
let server: ScimServer;

beforeAll(async () => {
  redisServer = await startRedis({ appendfsync: 'no' });
  redis = redisServer.connect('commands');
  server = await serveSites([openSite(redis)]);
});
afterAll(async () => {
  await server.app.close();
  await redisServer.stop();
});

function expectError(answer: ScimAnswer, status: number, scimType?: string): void {
  expect(answer.status, JSON.stringify(answer.body)).toBe(status);
  expect(answer.headers['content-type']).toBe('application/scim+json; charset=utf-8');
  expect(answer.headers['cache-control']).toBe('no-store');
  expect(answer.headers['x-content-type-options']).toBe('nosniff');
  expect(answer.body).toEqual({
    schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
    status: String(status),
    detail: expect.stringMatching(/^.{10,400}$/),
    ...(scimType !== undefined && { scimType }),
  });
}

describe('places', () => {
  test.each(['/scim/v2/Nothing', '/scim/v2', '/scim/v2/', '/scim/v2/Users/a/b', '/scim/v2/users'])(
    'an unknown path %s is 404',
    async (path) => {
      expectError(await ask(server, 'GET', path), 404);
      expectError(await ask(server, 'POST', path, '{ not json'), 404);
    },
  );

  test.each(['/', '/Users', '/scim', '/favicon.ico'])(
    'a path outside the base path, %s, is 404 and names the base path',
    async (path) => {
      const answer = await ask(server, 'GET', path);
      expectError(answer, 404);
      expect(answer.body.detail).toContain('/scim/v2');
    },
  );

  test('another protocol version is 400 invalidVers', async () => {
    expectError(await ask(server, 'GET', '/scim/v1/Users'), 400, 'invalidVers');
  });

  test('B50 an id that is not one of ours is 404 before any look-up', async () => {
    const read = vi.fn();
    const guarded = await serveSites([openSite(redis, { users: { read, replace: read, patch: read, remove: read } })]);
    const paths = ['..%2f..%2fhealth', '%252e', 'a%0d%0aX:', '1', '__proto__', '%00', 'A'.repeat(36), '%F0%9F%92%A9'];
    for (const id of paths) {
      expectError(await ask(guarded, 'GET', `${USERS}/${id}`), 404);
      expectError(await ask(guarded, 'DELETE', `${USERS}/${id}`), 404);
      expectError(await ask(guarded, 'PATCH', `${USERS}/${id}`, patchOf({ op: 'replace', path: 'active', value: false })), 404);
    }
    expect(read).not.toHaveBeenCalled();
    await guarded.app.close();
  });

  test('B51 /Users/ is /Users, and never an id', async () => {
    const list = await ask(server, 'GET', `${USERS}/`);
    expect(list.status).toBe(200);
    expect(list.body.Resources).toEqual([]);
    expect((await ask(server, 'POST', `${USERS}/`, person('slash'))).status).toBe(201);
    for (const method of ['PUT', 'PATCH', 'DELETE'] as const) {
      const answer = await ask(server, method, `${USERS}/`, person('nobody'));
      expectError(answer, 405);
      expect(answer.headers.allow).toBe('GET, HEAD, POST');
    }
  });

  test('B53 an id of another site is 404, for reading and for writing', async () => {
    const second = openSite(redis);
    const both = await serveSites([openSite(redis), second]);
    const other = { app: both.app, token: second.token };
    const id = String((await ask(both, 'POST', USERS, person('ann'))).body.id);
    expect((await ask(both, 'GET', `${USERS}/${id}`)).status).toBe(200);
    expectError(await ask(other, 'GET', `${USERS}/${id}`), 404);
    expectError(await ask(other, 'PUT', `${USERS}/${id}`, person('ann')), 404);
    expectError(await ask(other, 'PATCH', `${USERS}/${id}`, patchOf({ op: 'replace', path: 'active', value: false })), 404);
    expectError(await ask(other, 'DELETE', `${USERS}/${id}`), 404);
    expect((await ask(both, 'GET', `${USERS}/${id}`)).body.active).toBe(true);
    await both.app.close();
  });

  test('B56 a path that cannot be decoded is 400, a long id 404 and an absurd one 414', async () => {
    server.logLines.length = 0;
    expectError(await ask(server, 'GET', `${USERS}/%zz`), 400, 'invalidSyntax');
    expect(JSON.parse(server.logLines[0] ?? '{}')).toMatchObject({ route: 'unmatched', status: 400, method: 'GET' });
    expectError(await ask(server, 'GET', `${USERS}/%ff`), 400, 'invalidSyntax');
    expectError(await ask(server, 'GET', `${USERS}/${'a'.repeat(101)}`), 404);
    expectError(await ask(server, 'GET', `${USERS}/${'a'.repeat(600)}`), 414);
  });

  test('B60 double slashes are one, semicolons and other letter case are not ours', async () => {
    expect((await ask(server, 'GET', '//scim//v2//Users')).status).toBe(200);
    expectError(await ask(server, 'GET', `${USERS};jsessionid=1`), 404);
    const answer = await ask(server, 'GET', '/scim/v2/users');
    expectError(answer, 404);
    expect(answer.body.detail).toContain('/Users');
  });

  test('a known path refuses other methods with Allow, and does not read the body first', async () => {
    const answer = await ask(server, 'PUT', USERS, '{ not json', { 'content-type': 'text/html' });
    expectError(answer, 405);
    expect(answer.headers.allow).toBe('GET, HEAD, POST');
    expectError(await ask(server, 'OPTIONS', USERS), 405);
    const id = '00000000-0000-5000-8000-000000000000';
    expect((await ask(server, 'POST', `${USERS}/${id}`, person('x'))).headers.allow).toBe('GET, HEAD, PUT, PATCH, DELETE');
    for (const path of ['/scim/v2/ServiceProviderConfig', '/scim/v2/Schemas', '/scim/v2/ResourceTypes/User']) {
      expectError(await ask(server, 'DELETE', path), 405);
    }
  });

  test('B77 Me is 501', async () => {
    for (const method of ['GET', 'POST', 'PATCH', 'DELETE'] as const) expectError(await ask(server, method, '/scim/v2/Me'), 501);
  });

  test.each([
    ['/Groups', 'PUT', 'GET, HEAD, POST'],
    ['/Groups/00000000-0000-4000-8000-000000000000', 'POST', 'GET, HEAD, PUT, PATCH, DELETE'],
    ['/.search', 'GET', 'POST'],
    ['/Users/.search', 'GET', 'POST'],
    ['/Groups/.search', 'PUT', 'POST'],
    ['/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group', 'PUT', 'GET, HEAD'],
    ['/ResourceTypes', 'POST', 'GET, HEAD'],
  ] as const)('%s refuses %s with Allow before it reads a body', async (path, method, allowed) => {
    const body = method === 'GET' ? undefined : '{ not json';
    const answer = await ask(server, method, `/scim/v2${path}`, body, body === undefined ? {} : { 'content-type': 'text/html' });
    expectError(answer, 405);
    expect(answer.headers.allow).toBe(allowed);
  });

  test('discovery forbids a filter, and HEAD mirrors GET without a body', async () => {
    expectError(await ask(server, 'GET', '/scim/v2/Schemas?filter=id%20eq%20%22x%22'), 403);
    const head = await ask(server, 'HEAD', USERS);
    expect(head.status).toBe(200);
    expect(head.body).toEqual({});
  });
});

describe('who is calling', () => {
  const REFUSED: [what: string, headers: Record<string, string>][] = [
    ['no header', {}],
    ['an empty header', { authorization: '' }],
    ['the scheme alone', { authorization: 'Bearer' }],
    ['Basic', { authorization: 'Basic dXNlcjpwYXNz' }],
    ['an unknown token', { authorization: 'Bearer 0123456789abcdef0123456789abcdef' }],
    ['two words', { authorization: 'Bearer one two' }],
    ['a very long token', { authorization: `Bearer ${'x'.repeat(1_000_000)}` }],
  ];

  test.each(REFUSED)('B48 %s is 401 before route, method, media type and body are looked at', async (what, headers) => {
    const bodies = new Set<string>();
    for (const [method, path, body] of [
      ['GET', USERS, undefined],
      ['POST', USERS, '{ not json'],
      ['DELETE', USERS, undefined],
      ['GET', '/scim/v2/Nothing', undefined],
      ['GET', `${USERS}/%zz`, undefined],
      ['GET', `//scim/v2/Users/${'a'.repeat(600)}`, undefined],
      ['POST', '/scim/v2/Bulk', '<xml/>'],
      ['DELETE', '/scim/v2/Schemas', undefined],
    ] as const) {
      const answer = await server.app.inject({
        method,
        url: path,
        // Each kind from an address of its own: too many from one are answered otherwise.
        remoteAddress: `192.0.2.${REFUSED.findIndex(([name]) => name === what)}`,
        headers: { ...headers, ...(body && { 'content-type': 'text/html' }) },
        ...(body && { payload: body }),
      });
      expectError({ status: answer.statusCode, headers: answer.headers, body: answer.json() }, 401);
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="scim"');
      bodies.add(answer.body);
    }
    expect(bodies.size).toBe(1);
  });

  test('B48 the scheme in any letter case, stray blanks and a bare token are accepted', async () => {
    const { token } = server;
    for (const authorization of [`bearer ${token}`, `BEARER\t ${token}  `, token, ` ${token} `, `Bearer bearer ${token}`]) {
      expect((await ask(server, 'GET', USERS, undefined, { authorization })).status, authorization.slice(0, 8)).toBe(200);
    }
  });

  test('B48 a token selects its own site, and failures are counted by reason without a name', async () => {
    const second = openSite(redis);
    const two = await serveSites([openSite(redis), second]);
    const other = { app: two.app, token: second.token };
    await ask(two, 'POST', USERS, person('ann'));
    expect((await ask(two, 'GET', USERS)).body.totalResults).toBe(1);
    expect((await ask(other, 'GET', USERS)).body.totalResults).toBe(0);
    await ask(two, 'GET', USERS, undefined, { authorization: 'Bearer wrong' });
    await ask(two, 'GET', USERS, undefined, { authorization: 'Bearer a b' });
    const metrics = await two.telemetry.registry.metrics();
    expect(metrics).toContain('scim_auth_failures_total{reason="unknown"} 1');
    expect(metrics).toContain('scim_auth_failures_total{reason="malformed"} 1');
    await two.app.close();
  });

  test('discovery is open, but a token that is sent there must be right', async () => {
    for (const path of ['ServiceProviderConfig', 'ResourceTypes', 'ResourceTypes/User', 'Schemas']) {
      const answer = await server.app.inject({ url: `/scim/v2/${path}` });
      expect(answer.statusCode, path).toBe(200);
      expect(answer.headers['content-type']).toBe('application/scim+json; charset=utf-8');
    }
    expectError(await ask(server, 'GET', '/scim/v2/Schemas', undefined, { authorization: 'Bearer wrong' }), 401);
  });
});

describe('our own failures', () => {
  test('an unexpected failure is 500 with the request id and nothing else; the log has the cause', async () => {
    const users = { read: async () => Promise.reject(new Error('key 42 of jane@example.com is broken')) };
    const broken = await serveSites([openSite(redis, { users })]);
    const answer = await ask(broken, 'GET', `${USERS}/00000000-0000-5000-8000-000000000000`, undefined, {
      'x-request-id': 'req-7',
    });
    expectError(answer, 500);
    expect(answer.body.detail).toContain('req-7');
    expect(JSON.stringify(answer.body)).not.toContain('key 42');
    const line = broken.logLines.map((text) => JSON.parse(text)).find((each) => each.level === 'error');
    expect(line).toMatchObject({ requestId: 'req-7', err: { message: expect.stringContaining('key 42') } });
    await broken.app.close();
  });

  test.each([
    ['okta', 429],
    ['entra', 503],
    ['generic', 503],
  ] as const)(
    'a directory that cannot promise durability is back-pressure: %s gets %i with a whole Retry-After',
    async (idp, status) => {
      const refuse = async () => Promise.reject(new DirectoryUnavailable('the directory could not be reached', 1.2));
      const site = openSite(redis, { idp, users: { create: refuse, list: refuse } });
      const down = await serveSites([site]);
      for (const answer of [await ask(down, 'POST', USERS, person('ann')), await ask(down, 'GET', USERS)]) {
        expectError(answer, status);
        expect(answer.headers['retry-after']).toBe('2');
        expect(answer.body.detail).toContain('2 seconds');
      }
      await down.app.close();
    },
  );

  test.each([
    ['okta', 429],
    ['entra', 503],
  ] as const)('a full backlog refuses writes of %s with %i and still answers reads', async (idp, status) => {
    const accepting = () => ({ ok: false, detail: 'the backlog limit is reached', retryAfterSeconds: 60 }) as const;
    const full = await serveSites([openSite(redis, { idp, accepting })]);
    const id = '00000000-0000-5000-8000-000000000000';
    for (const answer of [
      await ask(full, 'POST', USERS, person('ann')),
      await ask(full, 'PUT', `${USERS}/${id}`, person('ann')),
      await ask(full, 'PATCH', `${USERS}/${id}`, patchOf({ op: 'replace', path: 'active', value: true })),
      await ask(full, 'DELETE', `${USERS}/${id}`),
    ]) {
      expectError(answer, status);
      expect(answer.headers['retry-after']).toBe('60');
    }
    expect((await ask(full, 'GET', USERS)).body.totalResults).toBe(0);
    await full.app.close();
  });

  test('a Redis that is gone is back-pressure, not a fault page', async () => {
    const own = await startRedis({ appendfsync: 'no' });
    const connection = own.connect('commands');
    await connection.ping();
    const stranded = await serveSites([openSite(connection, { idp: 'okta' })]);
    await own.kill();
    const answer = await ask(stranded, 'POST', USERS, person('ann'));
    expectError(answer, 429);
    expect(answer.headers['retry-after']).toMatch(/^\d+$/);
    await stranded.app.close();
    await own.stop();
  });
});
