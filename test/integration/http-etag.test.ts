/**
 * Guards versions: one for each state of a person or group, told in header and body alike, and a write that was decided on an old one changes nothing,
 * whichever replica it reaches. RFC 7644 §3.14, RFC 9110 §13.1. Real server, real directory.
 */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Store } from '../../src/directory/store.ts';
import { createUsers } from '../../src/directory/users.ts';
import { NO_GUARD } from '../support/guard.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { ask, openSite, patchOf, person, type ScimServer, serveSites } from '../support/scim-server.ts';

const USERS = '/scim/v2/Users';
const GROUPS = '/scim/v2/Groups';
let redisServer: TestRedis;
let redis: Redis;
let server: ScimServer;
/** A second process of the same site, over a connection of its own. */
let replica: ScimServer;

beforeAll(async () => {
  redisServer = await startRedis({ appendfsync: 'no' });
  redis = redisServer.connect('commands');
  const site = openSite(redis);
  server = await serveSites([site]);
  const [region = '', subdomain = ''] = site.door.key.split('.');
  const store = new Store(redisServer.connect('commands'), site.door.key, { backlogLimit: 1_000_000, guard: NO_GUARD });
  const users = createUsers({ store, site: { region, subdomain }, onCommitted: () => undefined });
  replica = await serveSites([{ ...site, door: { ...site.door, users } }]);
});
afterAll(async () => {
  await Promise.all([server.app.close(), replica.app.close()]);
  await redisServer.stop();
});

const titled = (title: string) => patchOf({ op: 'replace', path: 'title', value: title });
const versionIn = (body: Record<string, unknown>): unknown => (body.meta as { version?: unknown } | undefined)?.version;

async function created(name: string): Promise<{ url: string; id: string; etag: string }> {
  const answer = await ask(server, 'POST', USERS, person(name));
  return { url: `${USERS}/${String(answer.body.id)}`, id: String(answer.body.id), etag: String(answer.headers.etag) };
}

describe('the version of a person', () => {
  test('is the same in header and body of every answer, and changes exactly when the person does', async () => {
    const { url, etag } = await created('ann');
    expect(etag).toBe('W/"1"');
    for (const step of [
      await ask(server, 'GET', url),
      await ask(server, 'PATCH', url, titled('Chef')),
      await ask(server, 'PATCH', url, titled('Chef')),
      await ask(server, 'PUT', url, person('ann', { title: 'Baker' })),
    ])
      expect(step.headers.etag).toBe(versionIn(step.body));
    expect((await ask(server, 'GET', url)).headers.etag).toBe('W/"3"');
    const list = await ask(server, 'GET', `${USERS}?filter=userName%20eq%20%22ann@example.com%22`);
    expect((list.body.Resources as Record<string, unknown>[]).map(versionIn)).toEqual(['W/"3"']);
    expect(list.headers.etag).toBeUndefined();
  });

  test('is told in the header although the projection leaves meta out', async () => {
    const { url, etag } = await created('bea');
    const answer = await ask(server, 'GET', `${url}?attributes=userName`);
    expect(answer.headers.etag).toBe(etag);
    expect(answer.body).not.toHaveProperty('meta');
  });

  test('changes with the groups the person is in, and with what these are called', async () => {
    const { id, url, etag } = await created('cid');
    const group = await ask(server, 'POST', GROUPS, { displayName: 'Cooks', members: [{ value: id }] });
    const inGroup = await ask(server, 'GET', url);
    expect(inGroup.headers.etag).not.toBe(etag);
    expect(inGroup.headers.etag).toBe(versionIn(inGroup.body));
    await ask(
      server,
      'PATCH',
      `${GROUPS}/${String(group.body.id)}`,
      patchOf({ op: 'replace', path: 'displayName', value: 'Chefs' }),
    );
    const renamed = await ask(server, 'GET', url);
    expect(renamed.body.groups).toMatchObject([{ display: 'Chefs' }]);
    expect(renamed.headers.etag).not.toBe(inGroup.headers.etag);
    expect((await ask(server, 'PATCH', url, titled('x'), { 'if-match': String(inGroup.headers.etag) })).status).toBe(412);
    expect((await ask(server, 'PATCH', url, titled('x'), { 'if-match': String(renamed.headers.etag) })).status).toBe(200);
  });
});

describe('If-None-Match', () => {
  test.each([
    ['the current version', (etag: string) => etag, 304],
    ['one of several', (etag: string) => `W/"77", ${etag}`, 304],
    ['the same, not weak', (etag: string) => etag.slice(2), 304],
    ['any version', () => '*', 304],
    ['an old version', () => 'W/"0"', 200],
    ['nonsense', () => '"', 200],
  ] as const)('with %s', async (what, header, status) => {
    const { url, etag } = await created(`reader-${what.replaceAll(/\W/g, '')}`);
    for (const method of ['GET', 'HEAD'] as const) {
      const answer = await ask(server, method, url, undefined, { 'if-none-match': header(etag) });
      expect(answer.status).toBe(status);
      expect(answer.headers.etag).toBe(etag);
      if (status === 304) expect(answer.body).toEqual({});
      if (status === 304) expect(answer.headers['content-type']).toBeUndefined();
    }
  });
});

test('what is told of billing changes without the person: who asks for it is never told that nothing has', async () => {
  const { id, url, etag } = await created('may');
  const known = { 'if-none-match': etag };
  const billing = 'urn:maxio-scim:params:scim:schemas:extension:billing:2.0:User';
  const state = async () => (await ask(server, 'GET', `${url}?attributes=${billing}:state`, undefined, known)).body[billing];
  expect(await state()).toEqual({ state: 'pending' });
  await redis.hset(`scim:{${server.door.key}}:user:${id}`, 'run', JSON.stringify({ outcome: 'parked', atMs: 1, attempts: 1 }));
  expect(await state()).toEqual({ state: 'parked' });
  expect((await ask(server, 'GET', url, undefined, known)).status).toBe(304);
});

describe('If-Match', () => {
  test('of an old version changes nothing, by whichever verb', async () => {
    const { url, etag } = await created('dan');
    await ask(server, 'PATCH', url, titled('Chef'));
    for (const [method, body] of [
      ['PATCH', titled('Baker')],
      ['PATCH', titled('Chef')],
      ['PUT', person('dan', { title: 'Baker' })],
      ['DELETE', undefined],
    ] as const) {
      const answer = await ask(server, method, url, body, { 'if-match': etag });
      expect(answer.status, method).toBe(412);
      expect(answer.body).toMatchObject({ schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'], status: '412' });
    }
    expect((await ask(server, 'GET', url)).body).toMatchObject({ title: 'Chef', meta: { version: 'W/"2"' } });
  });

  test.each(['W/"1"', '"1"', '*', '"9", W/"1"'])('%s lets a write through', async (header) => {
    const { url } = await created(`eve-${Buffer.from(header).toString('hex')}`);
    expect((await ask(server, 'PATCH', url, titled('Chef'), { 'if-match': header })).status).toBe(200);
    expect((await ask(server, 'DELETE', url, undefined, { 'if-match': '*' })).status).toBe(204);
    expect((await ask(server, 'DELETE', url, undefined, { 'if-match': '*' })).status).toBe(404);
  });

  test('F33 of many clients on two replicas who decide on one version exactly one wins, round after round', async () => {
    const { url } = await created('fay');
    const wins: string[] = [];
    for (let round = 0; round < 10; round += 1) {
      const etag = String((await ask(server, 'GET', url)).headers.etag);
      const answers = await Promise.all(
        Array.from({ length: 8 }, async (_, client) => {
          const title = `${round}-${client}`;
          const answer = await ask(client % 2 === 0 ? server : replica, 'PATCH', url, titled(title), { 'if-match': etag });
          return { title, status: answer.status };
        }),
      );
      expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 412, 412, 412, 412, 412, 412, 412]);
      wins.push(answers.find(({ status }) => status === 200)?.title ?? '');
      expect((await ask(replica, 'GET', url)).body.title).toBe(wins.at(-1));
    }
    expect((await ask(server, 'GET', url)).headers.etag).toBe('W/"11"');
  });
});

describe('a group', () => {
  test('has a version too, which a change of members raises', async () => {
    const { id } = await created('gus');
    const made = await ask(server, 'POST', GROUPS, { displayName: 'Guests' });
    const url = `${GROUPS}/${String(made.body.id)}`;
    expect(made.headers.etag).toBe(versionIn(made.body));
    const joined = await ask(server, 'PATCH', url, patchOf({ op: 'add', path: 'members', value: [{ value: id }] }), {
      'if-match': String(made.headers.etag),
    });
    expect(joined.status).toBe(200);
    expect(joined.headers.etag).not.toBe(made.headers.etag);
    const late = patchOf({ op: 'remove', path: 'members' });
    expect((await ask(server, 'PATCH', url, late, { 'if-match': String(made.headers.etag) })).status).toBe(412);
    expect((await ask(server, 'DELETE', url, undefined, { 'if-match': String(made.headers.etag) })).status).toBe(412);
    const known = await ask(server, 'GET', url, undefined, { 'if-none-match': String(joined.headers.etag) });
    expect([known.status, known.headers.etag]).toEqual([304, joined.headers.etag]);
    expect((await ask(server, 'GET', url)).body.members).toMatchObject([{ value: id }]);
  });
});
