/**
 * Owns the promise about queries, PATCH messages, simultaneous writes and what is remembered of a request: refused writes change nothing,
 * logs and metrics know no names. Real server, real directory. RFC 7644 §3.4.2, §3.5.2; input ids are those of the project's matrix.
 */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { ask, openSite, patchOf, person, type ScimServer, serveSites } from '../support/scim-server.ts';

const USERS = '/scim/v2/Users';
let redisServer: TestRedis;
let redis: Redis;
let server: ScimServer;
let id: string;

beforeAll(async () => {
  redisServer = await startRedis({ appendfsync: 'no' });
  redis = redisServer.connect('commands');
});
afterAll(async () => {
  await redisServer.stop();
});
beforeEach(async () => {
  server = await serveSites([openSite(redis)]);
  id = String((await ask(server, 'POST', USERS, person('ann'))).body.id);
  return async () => server.app.close();
});

async function post(body: unknown, headers?: Record<string, string>) {
  return await ask(server, 'POST', USERS, body, headers);
}
const people = async () => (await ask(server, 'GET', USERS)).body.totalResults;

describe('at the same time', () => {
  test('of many creates for one person exactly one wins, and the others are conflicts, never faults', async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => post(person('race'))));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 11 }, () => 409)]);
    expect(new Set(answers.flatMap(({ status, body }) => (status === 409 ? [body.scimType] : [])))).toEqual(
      new Set(['uniqueness']),
    );
    expect(await people()).toBe(2);
  });

  test('changes to different attributes of one person are all there afterwards', async () => {
    const paths = ['title', 'nickName', 'locale', 'timezone', 'userType', 'preferredLanguage'];
    const answers = await Promise.all(
      paths.map((path) => ask(server, 'PATCH', `${USERS}/${id}`, patchOf({ op: 'replace', path, value: `new ${path}` }))),
    );
    expect(answers.map(({ status }) => status)).toEqual(paths.map(() => 200));
    const expected = Object.fromEntries(paths.map((path) => [path, `new ${path}`]));
    expect((await ask(server, 'GET', `${USERS}/${id}`)).body).toMatchObject(expected);
  });
});

describe('query and paging', () => {
  const list = async (query: string) => await ask(server, 'GET', `${USERS}?${query}`);

  test('B65 startIndex below one is one, a negative count is none, past the end is an empty page with the right total', async () => {
    for (const query of ['startIndex=-1', 'startIndex=0'])
      expect((await list(query)).body).toMatchObject({ startIndex: 1, itemsPerPage: 1 });
    expect((await list('count=-1')).body).toMatchObject({ totalResults: 1, itemsPerPage: 0, Resources: [] });
    expect((await list('startIndex=99999')).body).toMatchObject({ totalResults: 1, startIndex: 99_999, Resources: [] });
  });

  test('B66 a huge count is capped, and what is no whole number is 400', async () => {
    expect((await list('count=1000000000')).status).toBe(200);
    for (const query of ['count=abc', 'count=0x10', 'count=1.5', 'startIndex=abc', 'count=1e3', 'count=0&count=1']) {
      expect((await list(query)).body, query).toMatchObject({ status: '400', scimType: 'invalidValue' });
    }
  });

  test('B69 unknown parameters are ignored', async () => {
    expect((await list('aadOptscim062020')).body).toMatchObject({ totalResults: 1 });
    expect((await list('__proto__=x&constructor=y&nonsense')).body).toMatchObject({ totalResults: 1 });
  });

  test('a plus and %20 are both a blank in a filter', async () => {
    for (const blank of ['+', '%20']) {
      const filter = `userName${blank}eq${blank}%22ann%40example.com%22`;
      expect((await list(`filter=${filter}`)).body).toMatchObject({ totalResults: 1 });
    }
  });

  test('projection works on every verb, and asking for both kinds refuses the write before it happens', async () => {
    const made = await ask(server, 'POST', `${USERS}?attributes=userName`, person('bob', { title: 'Guide' }));
    expect(Object.keys(made.body).sort()).toEqual(['id', 'schemas', 'userName']);
    const path = `${USERS}/${String(made.body.id)}`;
    expect((await ask(server, 'GET', `${path}?excludedAttributes=emails,title`)).body).not.toHaveProperty('emails');
    expect((await ask(server, 'PUT', `${path}?attributes=title`, person('bob', { title: 'Boss' }))).body).toMatchObject({
      title: 'Boss',
    });
    const both = await ask(
      server,
      'PATCH',
      `${path}?attributes=title&excludedAttributes=emails`,
      patchOf({ op: 'remove', path: 'title' }),
    );
    expect(both.status).toBe(400);
    expect((await ask(server, 'GET', path)).body).toMatchObject({ title: 'Boss' });
    expect((await ask(server, 'GET', `${USERS}?attributes=userName&count=1`)).body.Resources).toEqual([
      { schemas: expect.any(Array), id, userName: 'ann@example.com' },
    ]);
  });
});

describe('PATCH', () => {
  const patch = async (body: unknown) => await ask(server, 'PATCH', `${USERS}/${id}`, body);

  test.each([
    ['no Operations', {}, 400],
    ['an object', { Operations: {} }, 400],
    ['no operation', { Operations: [] }, 400],
    ['too many', { Operations: Array.from({ length: 1_001 }, () => ({ op: 'add', path: 'title', value: 'x' })) }, 413],
    ['an unknown op', { Operations: [{ op: 'Move', path: 'title', value: 'x' }] }, 400],
  ])('B72 %s is refused', async (_, body, status) => {
    const answer = await patch({ schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], ...body });
    expect(answer.body).toMatchObject({ status: String(status), ...(status === 400 && { scimType: 'invalidSyntax' }) });
  });

  test('B72 an op in capitals is accepted', async () => {
    expect((await patch(patchOf({ op: 'ADD', path: 'title', value: 'Guide' }))).body).toMatchObject({ title: 'Guide' });
  });

  test('B73 remove without path is noTarget, a value path without a match creates the element', async () => {
    expect((await patch(patchOf({ op: 'remove' }))).body).toMatchObject({ status: '400', scimType: 'noTarget' });
    const made = await patch(patchOf({ op: 'replace', path: 'emails[type eq "home"].value', value: 'ann@home.example' }));
    expect(made.body.emails).toContainEqual({ type: 'home', value: 'ann@home.example' });
  });

  test('B75 a PATCH that fails at its third operation changes nothing, not even the time of the last change', async () => {
    const before = (await ask(server, 'GET', `${USERS}/${id}`)).body;
    const answer = await patch(
      patchOf(
        { op: 'replace', path: 'title', value: 'Boss' },
        { op: 'replace', path: 'active', value: false },
        { op: 'replace', path: 'active', value: 'maybe' },
        { op: 'replace', path: 'nickName', value: 'A' },
      ),
    );
    expect(answer.status).toBe(400);
    expect(answer.body.detail).toContain('3 of 4');
    expect((await ask(server, 'GET', `${USERS}/${id}`)).body).toEqual(before);
  });
});

describe('traces', () => {
  test('B47 a harmless X-Request-Id is kept and returned, any other is replaced', async () => {
    const kept = await ask(server, 'GET', USERS, undefined, { 'x-request-id': 'okta-1.2_3' });
    expect(kept.headers['x-request-id']).toBe('okta-1.2_3');
    for (const sent of ['x'.repeat(65), 'a b', 'a\u00e9', '', 'x'.repeat(10_240)]) {
      const { headers } = await ask(server, 'GET', USERS, undefined, { 'x-request-id': sent });
      expect(headers['x-request-id']).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
    }
  });

  test('B40 a Host or forwarded header never reaches a location', async () => {
    const made = await post(person('bob'), {
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'http',
    });
    expect(made.headers.location).toBe(`https://scim.example.com${USERS}/${String(made.body.id)}`);
    expect(JSON.stringify(made.body)).not.toContain('evil');
  });

  test('one line per request: method, route template, status, time, ids; no query, no name, no token', async () => {
    server.logLines.length = 0;
    await ask(server, 'GET', `${USERS}?filter=userName+eq+%22ann%40example.com%22`, undefined, { 'x-request-id': 'one' });
    await ask(server, 'GET', `${USERS}/${id}`, undefined, { 'x-request-id': 'two' });
    await post('{"userName":"jane@private.example"', { 'x-request-id': 'three' });
    const lines = server.logLines.map((line) => JSON.parse(line));
    expect(lines).toEqual([
      expect.objectContaining({ requestId: 'one', method: 'GET', route: '/scim/v2/Users', status: 200, site: server.door.key }),
      expect.objectContaining({ requestId: 'two', method: 'GET', route: '/scim/v2/Users/:id', status: 200, scimId: id }),
      expect.objectContaining({
        requestId: 'three',
        method: 'POST',
        route: '/scim/v2/Users',
        status: 400,
        ms: expect.any(Number),
      }),
    ]);
    expect(server.logLines.join()).not.toMatch(/ann|jane|filter|Bearer/);
    expect(server.logLines.join()).not.toContain(server.token);
  });

  test('durations are measured by route template and site, never by path', async () => {
    await ask(server, 'GET', `${USERS}/${id}`);
    await ask(server, 'GET', '/scim/v2/wp-admin/setup.php');
    const metrics = await server.telemetry.registry.metrics();
    expect(metrics).toMatch(
      new RegExp(
        `http_server_request_duration_seconds_count\\{.*http_route="/scim/v2/Users/:id".*site="${server.door.key}".*\\} 1`,
      ),
    );
    expect(metrics).not.toMatch(/wp-admin/);
    expect(metrics).not.toContain(id);
  });
});
