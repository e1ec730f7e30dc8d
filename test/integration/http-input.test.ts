/**
 * Owns the promise about bodies at the edge: what is refused with which error, what is accepted although it looks odd, and that a
 * refused write has changed nothing. Real server, real directory. RFC 7644 §3.1-3.5, RFC 8259; input ids are those of the project's matrix.
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

describe('body shape and encoding', () => {
  test('B01 a body above the limit is 413, announced or not', async () => {
    const bytes = JSON.stringify(person('big', { nickName: 'x'.repeat(10 * 1024 * 1024) }));
    expect((await post(bytes)).status).toBe(413);
    expect((await post('{}', { 'content-length': '99999999' })).status).toBe(413);
    expect(await people()).toBe(1);
  });

  test.each([
    ['B07 a NUL in userName', JSON.stringify(person('a\u0000b')), 'invalidValue'],
    ['B08 a raw NUL', `{"userName":"a\u0000b"}`, 'invalidSyntax'],
    ['B10 a lone surrogate', '{"userName":"a\\ud800b"}', 'invalidValue'],
    ['B14 a duplicate key', '{"userName":"a@example.com","userName":"b@example.com"}', 'invalidSyntax'],
    ['B15 a duplicate key in other letter case', '{"userName":"a@example.com","USERNAME":"b@example.com"}', 'invalidSyntax'],
    ['B16 half a body', '{', 'invalidSyntax'],
    ['B16 text after the body', '{"userName":"a@example.com"} {}', 'invalidSyntax'],
    ['B17 an array', '[]', 'invalidSyntax'],
    ['B17 null', 'null', 'invalidSyntax'],
    ['B17 a string', '"x"', 'invalidSyntax'],
    ['B17 a number', '1', 'invalidSyntax'],
    ['B04 a prototype', '{"userName":"a@example.com","__proto__":{"x":1}}', 'invalidSyntax'],
    ['B02 a deep body', `{"userName":"a@example.com","x":${'['.repeat(5_000)}${']'.repeat(5_000)}}`, 'invalidSyntax'],
  ])('%s is 400', async (_, body, scimType) => {
    const answer = await post(body);
    expect(answer.status, JSON.stringify(answer.body)).toBe(400);
    expect(answer.body.scimType).toBe(scimType);
    expect(await people()).toBe(1);
  });

  test('B09 bytes that are not UTF-8 are 400 and never become another name', async () => {
    const bytes = Buffer.concat([Buffer.from('{"userName":"a'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
    expect((await post(bytes)).status).toBe(400);
  });

  test('B16 an empty body is 400 where one is needed', async () => {
    for (const method of ['POST', 'PUT', 'PATCH'] as const) {
      const path = method === 'POST' ? USERS : `${USERS}/${id}`;
      const answer = await ask(server, method, path, '', { 'content-type': 'application/scim+json' });
      expect(answer.status).toBe(400);
      expect(answer.body.scimType).toBe('invalidSyntax');
      expect((await ask(server, method, path)).status).toBe(400);
    }
  });

  test.each([
    ['B13 a charset other than UTF-8', 'application/scim+json; charset=utf-16'],
    ['B33 text/plain', 'text/plain'],
    ['B34 a longer subtype', 'application/scim+jsonx'],
    ['B34 a tab in the type', 'application/scim+json\t,text/html'],
    ['B35 XML', 'application/xml'],
    ['B35 a form', 'application/x-www-form-urlencoded'],
    ['B35 multipart', 'multipart/form-data; boundary=x'],
    ['B35 nonsense', 'nonsense'],
  ])('%s is 415', async (_, type) => {
    expect((await post(person('bob'), { 'content-type': type })).status).toBe(415);
    expect(await people()).toBe(1);
  });

  test('B35 a body without a content type is 415', async () => {
    const answer = await server.app.inject({
      method: 'POST',
      url: USERS,
      headers: { authorization: `Bearer ${server.token}` },
      payload: Buffer.from(JSON.stringify(person('bob'))),
    });
    expect(answer.statusCode).toBe(415);
    expect(answer.json()).toMatchObject({ status: '415' });
  });

  test.each(['application/json', 'APPLICATION/JSON', 'application/scim+json;charset=UTF-8', 'application/json; charset="utf-8"'])(
    'B36 %s is read',
    async (type) => {
      expect((await post(person('bob'), { 'content-type': type })).status).toBe(201);
    },
  );

  test('B37 Accept is never a reason to refuse', async () => {
    for (const accept of ['text/html', 'image/png', '*/*', 'application/scim+json;v=9']) {
      const answer = await ask(server, 'GET', USERS, undefined, { accept });
      expect(answer.status).toBe(200);
      expect(answer.headers['content-type']).toBe('application/scim+json; charset=utf-8');
    }
  });

  test('B38 a compressed body is 415 and never inflated', async () => {
    for (const encoding of ['gzip', 'br', 'GZIP, identity']) {
      expect((await post(Buffer.alloc(64), { 'content-encoding': encoding })).status).toBe(415);
    }
    expect((await post(person('bob'), { 'content-encoding': 'identity' })).status).toBe(201);
  });
});

describe('types, values, semantics', () => {
  const patchActive = async (value: unknown) =>
    await ask(server, 'PATCH', `${USERS}/${id}`, patchOf({ op: 'replace', path: 'active', value }));

  test.each(['False', 'false', 'FALSE'])('B21 active "%s" is false', async (word) => {
    expect((await patchActive(word)).body.active).toBe(false);
    expect((await post(person('bob', { active: word }))).body.active).toBe(false);
  });

  test.each([[0], ['no'], [null], [''], [[]], [{}]])('B22 active %j is 400 everywhere and deactivates nobody', async (value) => {
    for (const answer of [
      await patchActive(value),
      await ask(server, 'PATCH', `${USERS}/${id}`, patchOf({ op: 'replace', value: { active: value } })),
      await ask(server, 'PUT', `${USERS}/${id}`, person('ann', { active: value })),
      await post(person('bob', { active: value })),
    ]) {
      expect(answer.status, JSON.stringify(answer.body)).toBe(400);
      expect(answer.body.scimType).toBe('invalidValue');
    }
    expect((await ask(server, 'GET', `${USERS}/${id}`)).body.active).toBe(true);
    expect(await people()).toBe(1);
  });

  test.each([[['a']], [{ a: 1 }], [7], [''], ['x'.repeat(300)], ['   '], [null]])('B23 userName %j is 400', async (userName) => {
    expect((await post(person('bob', { userName }))).body).toMatchObject({ status: '400', scimType: 'invalidValue' });
  });

  test('B24 a PUT without userName is 400, one without active changes nothing about it', async () => {
    const { userName: _, ...nameless } = person('ann');
    expect((await ask(server, 'PUT', `${USERS}/${id}`, nameless)).body).toMatchObject({
      status: '400',
      scimType: 'invalidValue',
    });
    await patchActive(false);
    expect((await ask(server, 'PUT', `${USERS}/${id}`, person('ann'))).body.active).toBe(false);
  });

  test('B25 id and meta of the client are ignored', async () => {
    const answer = await ask(
      server,
      'PUT',
      `${USERS}/${id}`,
      person('ann', { id: 'other', meta: { location: 'http://elsewhere' } }),
    );
    expect(answer.body.id).toBe(id);
    expect(answer.body.meta).toMatchObject({ location: `https://scim.example.com${USERS}/${id}` });
  });

  test('B26 a PATCH of id or meta is 400 mutability, but the own id in a path-less value is fine', async () => {
    for (const path of ['id', 'meta', 'meta.created']) {
      const answer = await ask(server, 'PATCH', `${USERS}/${id}`, patchOf({ op: 'replace', path, value: 'x' }));
      expect(answer.body, path).toMatchObject({ status: '400', scimType: 'mutability' });
    }
    const own = await ask(server, 'PATCH', `${USERS}/${id}`, patchOf({ op: 'replace', value: { id, title: 'Guide' } }));
    expect(own.body).toMatchObject({ id, title: 'Guide' });
    const foreign = await ask(server, 'PATCH', `${USERS}/${id}`, patchOf({ op: 'replace', value: { id: 'x', title: 'Boss' } }));
    expect(foreign.body).toMatchObject({ status: '400', scimType: 'mutability' });
  });

  test('B27 a password is never stored, shown or logged', async () => {
    const password = 'correct-horse-battery';
    const made = await post(person('bob', { password }));
    await ask(
      server,
      'PATCH',
      String(new URL(String(made.headers.location)).pathname),
      patchOf({ op: 'replace', value: { password } }),
    );
    const keys = await redis.keys(`*${server.door.key}*`);
    const dump = await Promise.all(keys.map(async (key) => (await redis.dumpBuffer(key))?.toString('latin1')));
    expect(keys.length).toBeGreaterThan(0);
    expect(JSON.stringify([made.body, dump, server.logLines])).not.toContain(password);
  });

  test.each(['1', '__proto__', '0', 'constructor', '{x}:*', 'a\u00e9/../b'])(
    'B52 externalId %j is an opaque string',
    async (externalId) => {
      const made = await post(person('bob', { externalId }));
      expect(made.body).toMatchObject({ externalId });
      const filter = encodeURIComponent(`externalId eq ${JSON.stringify(externalId)}`);
      expect((await ask(server, 'GET', `${USERS}?filter=${filter}`)).body).toMatchObject({ totalResults: 1 });
    },
  );

  test('B52 an externalId of 10 KB is 400', async () => {
    expect((await post(person('bob', { externalId: 'x'.repeat(10_240) }))).body).toMatchObject({
      status: '400',
      scimType: 'invalidValue',
    });
  });
});
