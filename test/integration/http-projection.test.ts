/**
 * Guards which attributes an answer has, on every verb, and our own extension, which is told on request and never taken from a client.
 * RFC 7643 §7 (`returned`), RFC 7644 §3.4.2.5, §3.5.2, §3.9. Real server, real directory.
 */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BILLING_USER, CORE_USER, ENTERPRISE_USER } from '../../src/scim/types.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { RedisMonitor } from '../support/redis-monitor.ts';
import { ask, openSite, patchOf, person, type ScimServer, serveSites } from '../support/scim-server.ts';

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

async function create(name: string, more: Record<string, unknown> = {}): Promise<string> {
  return `${USERS}/${String((await ask(server, 'POST', USERS, person(name, more))).body.id)}`;
}

describe('attributes and excludedAttributes', () => {
  const body = person('ann', {
    title: 'Chef',
    name: { givenName: 'Ann', familyName: 'Lee' },
    [ENTERPRISE_USER]: { department: 'Ops' },
  });

  test.each([
    ['attributes=userName,name.givenName', ['schemas', 'id', 'userName', 'name']],
    [`attributes=${ENTERPRISE_USER}:department`, ['schemas', 'id', ENTERPRISE_USER]],
    [`attributes=${CORE_USER}:TITLE`, ['schemas', 'id', 'title']],
    ['attributes=password', ['schemas', 'id']],
    ['excludedAttributes=id,schemas,meta,emails,externalId,active,name', ['schemas', 'id', 'userName', 'title', ENTERPRISE_USER]],
  ])('%s is honoured by every verb', async (parameters, expected) => {
    const made = await ask(server, 'POST', `${USERS}?${parameters}`, body);
    expect(made.status).toBe(201);
    const url = `${USERS}/${String(made.body.id)}`;
    const answers = [
      made,
      await ask(server, 'GET', `${url}?${parameters}`),
      await ask(server, 'PUT', `${url}?${parameters}`, body),
      await ask(server, 'PATCH', `${url}?${parameters}`, patchOf({ op: 'replace', path: 'title', value: 'Cook' })),
    ];
    const list = await ask(server, 'GET', `${USERS}?${parameters}`);
    const listed = (list.body.Resources as Record<string, unknown>[])[0] ?? {};
    for (const each of [...answers.map((answer) => answer.body), listed])
      expect(Object.keys(each).sort()).toEqual(expected.toSorted());
    expect(answers[3]?.status).toBe(200);
    await ask(server, 'DELETE', url);
  });

  test('together are refused before anything is written', async () => {
    const both = 'attributes=id&excludedAttributes=name';
    for (const [method, path, sent] of [
      ['POST', USERS, person('bob')],
      ['GET', USERS, undefined],
      ['GET', `${USERS}/00000000-0000-5000-8000-000000000000`, undefined],
    ] as const) {
      const answer = await ask(server, method, `${path}?${both}`, sent);
      expect([answer.status, answer.body.scimType]).toEqual([400, 'invalidValue']);
    }
    expect((await ask(server, 'GET', `${USERS}?filter=userName%20eq%20%22bob@example.com%22`)).body.totalResults).toBe(0);
  });

  test('Location, Content-Location and meta.location agree', async () => {
    const made = await ask(server, 'POST', USERS, person('loc'));
    const { location } = made.body.meta as { location: string };
    expect([made.headers.location, made.headers['content-location']]).toEqual([location, location]);
    const read = await ask(server, 'GET', `${USERS}/${String(made.body.id)}?attributes=userName`);
    expect(read.headers['content-location']).toBe(location);
    const found = await ask(server, 'GET', `${USERS}?filter=${encodeURIComponent(`meta.location eq "${location}"`)}`);
    expect(found.body.totalResults).toBe(1);
  });
});

describe('groups of a person', () => {
  test('are derived, shown, found by a filter, and cost one look for a whole page', async () => {
    const urls = await Promise.all(['g1', 'g2', 'g3'].map((name) => create(name)));
    const ids = urls.map((url) => url.slice(USERS.length + 1));
    const group = await ask(server, 'POST', '/scim/v2/Groups', {
      displayName: 'Cooks',
      members: ids.slice(0, 2).map((value) => ({ value })),
    });
    const id = String(group.body.id);
    const shown = [{ value: id, $ref: `https://scim.example.com/scim/v2/Groups/${id}`, display: 'Cooks', type: 'direct' }];
    expect((await ask(server, 'GET', urls[0] ?? '')).body.groups).toEqual(shown);
    expect((await ask(server, 'GET', urls[2] ?? '')).body).not.toHaveProperty('groups');
    expect((await ask(server, 'GET', `${urls[0]}?excludedAttributes=groups`)).body).not.toHaveProperty('groups');
    for (const filter of [
      `groups.value eq "${id}"`,
      'groups.display eq "cooks"',
      'groups[type eq "direct" and display sw "C"]',
    ]) {
      const found = await ask(server, 'GET', `${USERS}?filter=${encodeURIComponent(filter)}`);
      expect(
        (found.body.Resources as { id: string }[]).map((row) => row.id),
        filter,
      ).toEqual(ids.slice(0, 2));
    }
    const looks = async (parameters: string): Promise<number> => {
      const monitor = await RedisMonitor.start(redisServer.url);
      await ask(server, 'GET', `${USERS}?${parameters}`);
      await redis.echo('that was all');
      const lines = await monitor.stopAfter('that was all');
      return lines.filter((line) => line.includes('groupLabels')).length;
    };
    expect(await looks('count=100')).toBe(1);
    expect(await looks('count=100&attributes=userName')).toBe(0);
    expect(await looks('count=100&excludedAttributes=groups,meta')).toBe(0);
  });

  test('that a client sends are not taken', async () => {
    const url = await create('liar', { groups: [{ value: 'x', display: 'Admins' }] });
    await ask(server, 'PUT', url, person('liar', { groups: [{ value: 'x' }] }));
    expect((await ask(server, 'GET', url)).body).not.toHaveProperty('groups');
  });
});

describe('the billing extension', () => {
  test.each([
    [`attributes=${BILLING_USER}`, { reference: 'id-of-bil1', state: 'pending' }],
    [`attributes=userName,${BILLING_USER.toLowerCase()}:STATE`, { state: 'pending' }],
    [`attributes=${BILLING_USER}.state`, { state: 'pending' }],
  ])('is told on request: %s', async (parameters, expected) => {
    const url = await create('bil1');
    const { body } = await ask(server, 'GET', `${url}?${parameters}`);
    expect(body[BILLING_USER]).toEqual(expected);
    expect(body.schemas).toEqual([CORE_USER, BILLING_USER]);
    await ask(server, 'DELETE', url);
  });

  test('is in no answer that does not name it', async () => {
    const url = await create('bil2');
    for (const parameters of ['', '?attributes=userName', '?excludedAttributes=name', `?attributes=${CORE_USER}`]) {
      const { body } = await ask(server, 'GET', url + parameters);
      expect(JSON.stringify(body), parameters).not.toContain('maxio-scim');
    }
    expect(JSON.stringify((await ask(server, 'GET', USERS)).body)).not.toContain('maxio-scim');
  });

  test('finds people by what is told', async () => {
    await create('bil3');
    for (const [filter, found] of [
      [`${BILLING_USER}:state eq "pending" and userName eq "bil3@example.com"`, 1],
      [`${BILLING_USER}:state eq "settled" and userName eq "bil3@example.com"`, 0],
      [`${BILLING_USER}:reference eq "id-of-bil3"`, 1],
    ] as const) {
      const answer = await ask(server, 'GET', `${USERS}?filter=${encodeURIComponent(filter)}`);
      expect(answer.body.totalResults, filter).toBe(found);
    }
    const unknown = await ask(server, 'GET', `${USERS}?filter=${encodeURIComponent(`${BILLING_USER}:hat eq 1`)}`);
    expect([unknown.status, unknown.body.scimType]).toEqual([400, 'invalidFilter']);
  });

  test('is never taken from a client, and keeps nothing beside it from landing', async () => {
    const lie = { [BILLING_USER]: { state: 'settled', hat: 'x' }, [`${BILLING_USER}:customerId`]: '1' };
    const url = await create('bil4', lie);
    await ask(server, 'PUT', url, person('bil4', { title: 'Chef', ...lie }));
    const patched = await ask(
      server,
      'PATCH',
      url,
      patchOf(
        { op: 'replace', path: `${BILLING_USER}:state`, value: 'settled' },
        { op: 'replace', value: { ...lie, active: false } },
        { op: 'remove', path: BILLING_USER },
      ),
    );
    expect([patched.status, patched.body.active, patched.body.title]).toEqual([200, false, 'Chef']);
    const { body } = await ask(server, 'GET', `${url}?attributes=${BILLING_USER}`);
    expect(body[BILLING_USER]).toEqual({ reference: 'id-of-bil4', state: 'pending' });
    expect((await ask(server, 'GET', url)).body.schemas).toEqual([CORE_USER]);
  });
});
