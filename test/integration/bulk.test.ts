/**
 * Owns the promise that a bulk request does what its operations would do one by one, and tells of each what became of it. RFC 7644 §3.7.
 * Real server, real directory, requests by injection.
 */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { GroupStore } from '../../src/directory/group-store.ts';
import { createGroups } from '../../src/directory/groups.ts';
import { sitePrefix } from '../../src/directory/keys.ts';
import { DirectoryUnavailable } from '../../src/directory/unavailable.ts';
import { SERVER_WAITS_MS } from '../../src/http/server.ts';
import { CORE_GROUP, ENTERPRISE_USER } from '../../src/scim/types.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { ask, openSite, PUBLIC_URL, patchOf, person, type ScimServer, serveSites } from '../support/scim-server.ts';
import { CONTEXT, openSite as openDirectory, patchOf as renameOf } from './directory-bench.ts';

const BULK = '/scim/v2/Bulk';
const BASE = `${PUBLIC_URL}/scim/v2`;
const REQUEST = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest';
const NOBODY = '00000000-0000-5000-8000-000000000000';
const WAIT = { timeout: 30_000, interval: 25 };

interface Row {
  method?: string;
  bulkId?: string;
  version?: string;
  location?: string;
  status: string;
  response?: Record<string, unknown>;
}

let redisServer: TestRedis;
let redis: Redis;
let server: ScimServer;

beforeAll(async () => {
  redisServer = await startRedis({ appendfsync: 'no' });
  redis = redisServer.connect('commands');
});
beforeEach(async () => {
  server = await serveSites([openSite(redis)]);
});
afterAll(async () => {
  await redisServer.stop();
});

function bulkOf(operations: unknown[], more: Record<string, unknown> = {}): Record<string, unknown> {
  return { schemas: [REQUEST], ...more, Operations: operations };
}

async function bulk(operations: unknown[], more: Record<string, unknown> = {}, to = server): Promise<Row[]> {
  const answer = await ask(to, 'POST', BULK, bulkOf(operations, more));
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  expect(answer.body.schemas).toEqual(['urn:ietf:params:scim:api:messages:2.0:BulkResponse']);
  return answer.body.Operations as Row[];
}

const post = (bulkId: string, more: Record<string, unknown> = {}) => ({
  method: 'POST',
  path: '/Users',
  bulkId,
  data: person(bulkId, more),
});
const team = (bulkId: string, members: unknown[]) => ({
  method: 'POST',
  path: '/Groups',
  bulkId,
  data: { schemas: [CORE_GROUP], displayName: bulkId, members },
});
const statuses = (rows: Row[]): string[] => rows.map(({ status }) => status);
const pathOf = ({ location = '' }: Partial<Row> = {}): string => location.replace(PUBLIC_URL, '');
const idOf = (row?: Row): string => pathOf(row).split('/').at(-1) ?? '';

async function create(
  path: '/Users' | '/Groups',
  body: Record<string, unknown>,
): Promise<{ id: string; meta: { version: string } }> {
  const { status, body: made } = await ask(server, 'POST', `/scim/v2${path}`, body);
  expect(status).toBe(201);
  return made as { id: string; meta: { version: string } };
}

async function membersOf(path: string): Promise<unknown[]> {
  const { body } = await ask(server, 'GET', path);
  return (body.members as { value: string }[]).map(({ value }) => value);
}

describe('what is done', () => {
  test('all four methods on people and groups, each with status, location and version', async () => {
    const [ann, bob, cid] = [
      await create('/Users', person('ann')),
      await create('/Users', person('bob')),
      await create('/Users', person('cid')),
    ];
    const group = await create('/Groups', { displayName: 'Old' });
    const rows = await bulk([
      post('dan'),
      { method: 'PUT', path: `/Users/${ann.id}`, data: person('ann', { title: 'Put' }) },
      {
        method: 'patch',
        path: `/Users/${bob.id}/`,
        bulkId: 'b',
        data: patchOf({ op: 'Replace', path: 'title', value: 'Patched' }),
      },
      { method: 'DELETE', path: `/Users/${cid.id}`, data: { ignored: true } },
      { method: 'PUT', path: `/Groups/${group.id}`, data: { displayName: 'New', members: [{ value: ann.id }] } },
      team('team', []),
    ]);
    expect(rows.map(({ method, bulkId, status }) => [method, bulkId, status])).toEqual([
      ['POST', 'dan', '201'],
      ['PUT', undefined, '200'],
      ['PATCH', 'b', '200'],
      ['DELETE', undefined, '204'],
      ['PUT', undefined, '200'],
      ['POST', 'team', '201'],
    ]);
    expect(rows[3]).toEqual({ method: 'DELETE', location: `${BASE}/Users/${cid.id}`, status: '204' });
    expect((await ask(server, 'GET', pathOf(rows[3]))).status).toBe(404);
    const read = await Promise.all([0, 1, 2, 4, 5].map(async (at) => await ask(server, 'GET', pathOf(rows[at]))));
    expect(read.map(({ body }) => body.title ?? body.displayName ?? body.userName)).toEqual([
      'dan@example.com',
      'Put',
      'Patched',
      'New',
      'team',
    ]);
    // Ann has become a member after her own operation was answered, and that is another version.
    for (const [at, row] of [0, 2, 3, 4].map((n) => [n, rows[[0, 1, 2, 4, 5][n] ?? 0]] as const)) {
      expect(read[at]?.headers.etag).toBe(row?.version);
      expect(read[at]?.body.meta).toMatchObject({ location: row?.location, version: row?.version });
    }
    expect(await membersOf(pathOf(rows[4]))).toEqual([ann.id]);
  });

  test('nothing, for no operations; and GET is no way to ask', async () => {
    expect(await bulk([])).toEqual([]);
    const answer = await ask(server, 'GET', BULK);
    expect([answer.status, answer.headers.allow]).toEqual([405, 'POST']);
  });

  test('nothing more, once nobody waits for the answer', async () => {
    const url = await server.app.listen({ port: 0, host: '127.0.0.1' });
    const abort = new AbortController();
    const answering = fetch(`${url}${BULK}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/scim+json' },
      body: JSON.stringify(bulkOf(Array.from({ length: 1_000 }, (_, n) => post(`p${n}`)))),
      signal: abort.signal,
    });
    const order = `${sitePrefix(server.door.key)}order`;
    await vi.waitFor(async () => expect(await redis.zcard(order)).toBeGreaterThan(20), WAIT);
    abort.abort();
    await expect(answering).rejects.toThrow('abort');
    const told = await vi.waitFor(() => {
      const line = server.logLines.find((each) => each.includes('"msg":"bulk"'));
      expect(line).toBeDefined();
      return JSON.parse(line ?? '') as { operations: number; failed: number };
    }, WAIT);
    expect(told.failed).toBeGreaterThan(0);
    expect(await redis.zcard(order)).toBe(1_000 - told.failed);
    expect(server.logLines.filter((line) => line.includes('bulk operation failed'))).toHaveLength(1);
    await server.app.close();
  });

  test('in the order of the request: what an operation changes is there for the next one', async () => {
    const ann = await create('/Users', person('ann'));
    const path = `/Users/${ann.id}`;
    const rows = await bulk([
      { method: 'PATCH', path, data: patchOf({ op: 'replace', path: 'userName', value: 'free@example.com' }) },
      post('new', { userName: 'ann@example.com', emails: [] }),
      { method: 'DELETE', path },
      { method: 'PATCH', path, data: patchOf({ op: 'replace', path: 'title', value: 'x' }) },
    ]);
    expect(statuses(rows)).toEqual(['200', '201', '204', '404']);
    expect(rows[3]?.location).toBe(`${BASE}${path}`);
  });

  const deep = (levels: number): unknown => (levels === 0 ? 'x' : { a: deep(levels - 1) });
  test.each<[string, 'POST' | 'PUT' | 'PATCH', string, unknown]>([
    ['a person without a userName', 'POST', '/Users', { displayName: 'x' }],
    ['a userName that is taken', 'POST', '/Users', person('here')],
    ['active that is no boolean', 'POST', '/Users', person('a', { active: 'maybe' })],
    ['a person too large to keep', 'POST', '/Users', person('a', { 'urn:x:y:User': { note: 'x'.repeat(200_000) } })],
    ['a group without a name', 'POST', '/Groups', {}],
    ['a member whom nobody knows', 'POST', '/Groups', { displayName: 'T', members: [{ value: NOBODY }] }],
    ['a PUT of nobody', 'PUT', `/Users/${NOBODY}`, person('a')],
    ['an id that cannot be one', 'PUT', '/Users/1', person('a')],
    ['a PATCH without its schema', 'PATCH', '/Users/{id}', { Operations: [] }],
    ['a PATCH of what may not change', 'PATCH', '/Users/{id}', patchOf({ op: 'replace', path: 'id', value: 'x' })],
    ['a PATCH with a broken path', 'PATCH', '/Users/{id}', patchOf({ op: 'replace', path: 'emails[', value: 'x' })],
  ])('%s is refused in the words of the request alone', async (_what, method, at, body) => {
    const { id } = await create('/Users', person('here'));
    const path = at.replace('{id}', id);
    const alone = await ask(server, method, `/scim/v2${path}`, body);
    expect(alone.status).toBeGreaterThanOrEqual(400);
    const [row] = await bulk([{ method, path, data: body, ...(method === 'POST' ? { bulkId: 'a' } : {}) }]);
    expect(row).toMatchObject({ method, status: String(alone.status), response: alone.body });
    expect(row?.location).toBe(path.includes('-') ? `${BASE}${path}` : undefined);
    expect(row).not.toHaveProperty('version');
  });

  test('data may be nested as deeply as in the request alone, and no deeper', async () => {
    const nested = (name: string, levels: number) => person(name, { 'urn:x:y:User': deep(levels) });
    expect((await ask(server, 'POST', '/scim/v2/Users', nested('one', 15))).status).toBe(201);
    expect(statuses(await bulk([post('two', nested('two', 15))]))).toEqual(['201']);
    expect((await ask(server, 'POST', '/scim/v2/Users', nested('tri', 16))).status).toBe(400);
    expect((await ask(server, 'POST', BULK, bulkOf([post('fyr', nested('fyr', 16))]))).status).toBe(400);
  });
});

describe('references', () => {
  test('a group may come before its people, and be changed by what refers to it', async () => {
    const rows = await bulk([
      {
        method: 'PATCH',
        path: '/Groups/bulkId:team',
        data: patchOf({ op: 'add', path: 'members', value: [{ $ref: '../Users/bulkId:cid' }] }),
      },
      team('team', [{ value: 'bulkId:ann' }, { value: 'bulkId:bob', type: 'User' }]),
      post('ann'),
      post('bob', { [ENTERPRISE_USER]: { manager: { value: 'bulkId:ann' } } }),
      post('cid', { [ENTERPRISE_USER]: { manager: 'bulkId:ann' } }),
      { method: 'PATCH', path: '/Groups/bulkId:team', data: patchOf({ op: 'remove', path: 'members[value eq "bulkId:bob"]' }) },
      { method: 'DELETE', path: '/Users/bulkId:bob' },
    ]);
    expect(statuses(rows)).toEqual(['200', '201', '201', '201', '201', '200', '204']);
    expect(rows[0]?.location).toBe(rows[1]?.location);
    expect(await membersOf(pathOf(rows[1]))).toEqual([idOf(rows[2]), idOf(rows[4])]);
    const { body } = await ask(server, 'GET', pathOf(rows[4]));
    expect(body[ENTERPRISE_USER]).toMatchObject({ manager: { value: idOf(rows[2]) } });
  });

  test('people who manage each other both end with their manager', async () => {
    const managed = (by: string) => ({ [ENTERPRISE_USER]: { department: 'R', manager: { value: `bulkId:${by}` } } });
    const rows = await bulk([post('ann', managed('bob')), post('bob', managed('ann')), post('me', managed('me'))]);
    expect(statuses(rows)).toEqual(['201', '201', '201']);
    for (const [at, by] of [1, 0, 2].entries()) {
      const { body, headers } = await ask(server, 'GET', pathOf(rows[at]));
      expect(body[ENTERPRISE_USER]).toMatchObject({ department: 'R', manager: { value: idOf(rows[by]) } });
      expect(headers.etag).toBe(rows[at]?.version);
    }
  });

  test('to nothing, and to what could not be made, fail the operation and nothing else', async () => {
    await create('/Users', person('here'));
    const rows = await bulk([
      post('here'),
      team('one', ['bulkId:here']),
      team('two', ['bulkId:nobody']),
      post('ann'),
      team('tri', ['bulkId:ann']),
    ]);
    expect(statuses(rows)).toEqual(['409', '409', '400', '201', '201']);
    expect(rows[1]).toEqual({
      method: 'POST',
      bulkId: 'one',
      status: '409',
      response: expect.objectContaining({ status: '409' }),
    });
    expect((await ask(server, 'GET', '/scim/v2/Groups')).body.totalResults).toBe(1);
  });
});

describe('limits', () => {
  test('more operations than maxOperations are 413, and nothing is done', async () => {
    const patient = await serveSites([openSite(redis)], { waitsMs: { ...SERVER_WAITS_MS, handler: 120_000 } });
    const nobody = Array.from({ length: 1_000 }, () => ({ method: 'DELETE', path: `/Users/${NOBODY}` }));
    const most = await bulk(nobody, {}, patient);
    expect(new Set(statuses(most))).toEqual(new Set(['404']));
    for (const beyond of [1_000, 60_000]) {
      const operations = [post('ann'), ...Array.from({ length: beyond }, () => ({}))];
      const answer = await ask(server, 'POST', BULK, bulkOf(operations));
      expect([answer.status, answer.body.status]).toEqual([413, '413']);
      expect(answer.body.detail).toContain('maxOperations is 1000');
    }
    expect((await ask(server, 'GET', '/scim/v2/Users')).body.totalResults).toBe(0);
  });

  test('a payload of maxPayloadSize is taken, one byte more is 413 and names the limit', async () => {
    const empty = JSON.stringify(bulkOf([post('ann')], { filler: '' }));
    const filled = empty.replace('"filler":""', `"filler":"${'x'.repeat(1_048_576 - empty.length)}"`);
    expect(filled).toHaveLength(1_048_576);
    expect((await ask(server, 'POST', BULK, filled)).status).toBe(200);
    const answer = await ask(server, 'POST', BULK, filled.replace('xx', 'xxx'));
    expect([answer.status, answer.body.status]).toEqual([413, '413']);
    expect(answer.body.detail).toMatch(/1048576 bytes, the maxPayloadSize/);
  });

  test('other endpoints name their own', async () => {
    const answer = await ask(server, 'POST', '/scim/v2/Users', person('ann', { title: 'x'.repeat(300_000) }));
    expect(answer.status).toBe(413);
    expect(answer.body.detail).toContain('256 KiB');
    expect((await ask(server, 'POST', '/scim/v2/Groups', { displayName: 'x'.repeat(9_000_000) })).body.detail).toContain(
      '8192 KiB',
    );
  });

  test('what comes too late is put off, each operation by itself', async () => {
    const late = await serveSites([openSite(redis, { idp: 'okta' })], { waitsMs: { ...SERVER_WAITS_MS, handler: 0 } });
    const answer = await ask(late, 'POST', BULK, bulkOf([post('ann'), post('bob')]));
    expect(answer.status).toBe(200);
    expect(statuses(answer.body.Operations as Row[])).toEqual(['429', '429']);
    expect(answer.headers['retry-after']).toBe('1');
    expect((await ask(late, 'GET', '/scim/v2/Users')).body.totalResults).toBe(0);
  });
});

describe('versions', () => {
  test('an operation on a version that is not the current one is 412, and the others are done', async () => {
    const ann = await create('/Users', person('ann'));
    const group = await create('/Groups', { displayName: 'T' });
    const title = patchOf({ op: 'replace', path: 'title', value: 'New' });
    const rows = await bulk([
      { method: 'PATCH', path: `/Users/${ann.id}`, version: 'W/"7"', data: title },
      { method: 'PATCH', path: `/Users/${ann.id}`, version: ann.meta.version, data: title },
      { method: 'DELETE', path: `/Users/${ann.id}`, version: ann.meta.version },
      { method: 'DELETE', path: `/Groups/${group.id}`, version: 'W/"7"' },
      { method: 'PUT', path: `/Groups/${group.id}`, version: '*', data: { displayName: 'U' } },
    ]);
    expect(statuses(rows)).toEqual(['412', '200', '412', '412', '200']);
    expect((await ask(server, 'GET', `/scim/v2/Users/${ann.id}`)).body.title).toBe('New');
  });
});

describe('failOnErrors', () => {
  test('ends the request after so many, and what comes after is neither done nor told of', async () => {
    const rows = await bulk([post('bad', { userName: '' }), post('ann'), post('worse', { userName: '' }), post('bob')], {
      failOnErrors: 2,
    });
    expect(statuses(rows)).toEqual(['400', '201', '400']);
    expect((await ask(server, 'GET', '/scim/v2/Users')).body.totalResults).toBe(1);
  });
});

describe('back-pressure in the middle', () => {
  test.each([
    ['okta', '429'],
    ['entra', '503'],
  ] as const)('%s: what the site has no room for says %s, and what is acknowledged is there', async (idp, status) => {
    let room = 3;
    const accepting = () => {
      room -= 1;
      return room >= 0 ? ({ ok: true } as const) : ({ ok: false, detail: 'the site is full', retryAfterSeconds: 60 } as const);
    };
    const full = await serveSites([openSite(redis, { idp, accepting })]);
    const answer = await ask(full, 'POST', BULK, bulkOf([post('a'), post('b'), post('c'), post('d'), team('t', ['bulkId:d'])]));
    const rows = answer.body.Operations as Row[];
    expect(statuses(rows)).toEqual(['201', '201', '201', status, status]);
    expect(answer.headers['retry-after']).toBe('60');
    expect(rows[3]?.response).toMatchObject({ status, detail: expect.stringMatching(/not acknowledged.*60 seconds/) });
    expect((await ask(full, 'GET', '/scim/v2/Users')).body.totalResults).toBe(3);
  });

  test('whoever leaves passes a full backlog, also between those who have to wait', async () => {
    const full = await serveSites([openSite(redis, { backlogLimit: 2 })]);
    const rows = await bulk(
      [post('a'), post('b'), post('c'), { method: 'DELETE', path: '/Users/bulkId:a' }, post('d')],
      {},
      full,
    );
    expect(statuses(rows)).toEqual(['201', '201', '503', '204', '503']);
  });

  test('Redis dies: every person who was acknowledged is there when it is back, and the rest can be sent again', async () => {
    const own = await startRedis({ appendfsync: 'always' });
    const connection = own.connect('commands');
    const site = openSite(connection, { idp: 'okta' });
    const stranded = await serveSites([site]);
    const operations = Array.from({ length: 1_000 }, (_, n) => post(`p${n}`));
    const answering = bulk(operations, {}, stranded);
    const counted = own.connect();
    await vi.waitFor(async () => expect(await counted.zcard(`${sitePrefix(site.door.key)}order`)).toBeGreaterThan(20), WAIT);
    await own.kill();
    const rows = await answering;
    const done = rows.filter(({ status }) => status === '201');
    expect(rows).toHaveLength(1_000);
    expect(done.length).toBeGreaterThan(20);
    expect(new Set(statuses(rows))).toEqual(new Set(['201', '429']));
    await own.restart();
    await vi.waitFor(async () => expect((await ask(stranded, 'GET', '/scim/v2/Users?count=0')).status).toBe(200), WAIT);
    for (const row of done) expect((await ask(stranded, 'GET', pathOf(row))).status).toBe(200);
    const again = await bulk(operations.filter((_, n) => rows[n]?.status === '429').slice(0, 50), {}, stranded);
    // Of the operation at which Redis died nobody knew what became of it.
    expect(statuses(again).filter((status, n) => status !== '201' && !(n === 0 && status === '409'))).toEqual([]);
    await stranded.app.close();
    await own.stop();
  }, 120_000);
});

describe('the trail', () => {
  test('each write is audited as alone, under one request id and with the number of its operation', async () => {
    const operations = [
      team('team', ['bulkId:ann']),
      post('ann'),
      post('bad', { userName: '' }),
      { method: 'DELETE', path: '/Groups/bulkId:team' },
    ];
    const answer = await ask(server, 'POST', BULK, bulkOf(operations), { 'x-request-id': 'the-bulk' });
    expect(statuses(answer.body.Operations as Row[])).toEqual(['201', '201', '400', '204']);
    const stream = await redis.xrange(`${sitePrefix(server.door.key)}audit`, '-', '+');
    const entries = stream.map(([, fields]) => JSON.parse(fields[fields.indexOf('entry') + 1] ?? '') as Record<string, unknown>);
    const entry = { kind: 'scim', requestId: 'the-bulk', actor: expect.any(String) };
    expect(entries).toEqual([
      expect.objectContaining({ ...entry, what: 'create', bulkOperation: 2, active: true }),
      expect.objectContaining({ ...entry, what: 'group-create', bulkOperation: 1, added: 1 }),
      expect.objectContaining({ ...entry, what: 'group-delete', bulkOperation: 4 }),
    ]);
    await create('/Users', person('alone'));
    const [last] = await redis.xrevrange(`${sitePrefix(server.door.key)}audit`, '+', '-', 'COUNT', 1);
    expect(JSON.stringify(last)).not.toContain('bulkOperation');
  });

  test('a defect in one operation is logged and told as one, and the others are done', async () => {
    const users = { remove: async () => Promise.reject(new Error('a defect')) };
    const broken = await serveSites([openSite(redis, { users })]);
    const rows = await bulk([{ method: 'DELETE', path: `/Users/${NOBODY}` }, post('ann')], {}, broken);
    expect(statuses(rows)).toEqual(['500', '201']);
    expect(JSON.stringify(rows)).not.toContain('a defect');
    expect(broken.logLines.filter((line) => line.includes('a defect') && line.includes('"operation":1'))).toHaveLength(1);
  });
});

test('a change of a group that was never made is not taken for an earlier one of the same request', async () => {
  const site = openDirectory(redisServer);
  const { id } = await site.groups.create({ displayName: 'One' }, { ...CONTEXT, bulkOperation: 1 });
  class Deaf extends GroupStore {
    override commit(): Promise<never> {
      return Promise.reject(new DirectoryUnavailable('nothing arrived', 10));
    }
  }
  const deaf = createGroups({ store: new Deaf(site.store) });
  const rename = renameOf({ op: 'replace', path: 'displayName', value: 'Two' });
  await expect(deaf.patch(id, rename, { ...CONTEXT, bulkOperation: 2 })).rejects.toThrow(DirectoryUnavailable);
});

test('two bulk requests at once lose nothing of each other', async () => {
  const group = await create('/Groups', { displayName: 'T' });
  const joining = (n: number) => ({
    method: 'PATCH',
    path: `/Groups/${group.id}`,
    data: patchOf({ op: 'add', path: 'members', value: [{ value: `bulkId:p${n}` }] }),
  });
  const half = (from: number) => Array.from({ length: 40 }, (_, n) => [joining(from + n), post(`p${from + n}`)]).flat();
  const answers = await Promise.all([bulk(half(0)), bulk(half(100))]);
  expect(new Set(answers.flatMap(statuses))).toEqual(new Set(['200', '201']));
  expect(new Set(await membersOf(`/scim/v2/Groups/${group.id}`)).size).toBe(80);
});
