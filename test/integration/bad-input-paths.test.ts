/**
 * Owns the promise about paths, ids and keys: nothing in a path is looked up unless it can be one of our ids, and nothing a client has sent becomes a key,
 * a command, a path or a site. Over sockets, on a running server. RFC 7643 §3.1, RFC 7644 §2, §3.4.1; ids are those of the project's matrix.
 */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bench, GROUPS, openBench, type Refusal, USERS } from '../support/bad-input.ts';
import type { RawRequest } from '../support/raw-http.ts';
import { openSite, patchOf, person, type TestSite } from '../support/scim-server.ts';

let bench: Bench;
let other: TestSite;
beforeAll(async () => {
  const more = (redis: Redis): TestSite[] => {
    other = openSite(redis);
    return [other];
  };
  bench = await openBench({ more });
});
afterAll(() => bench.close());

const NOBODY: Refusal = { status: 404, says: /does not exist here|no such endpoint/ };
const NO_PLACE: Refusal = { status: 404, says: /no such endpoint.*\/scim\/v2\/Users, with a capital U/ };
const asOther = (request: RawRequest): RawRequest => ({
  ...request,
  headers: { authorization: `Bearer ${other.token}`, ...request.headers },
});

/** Each way to do something with what a path names. */
const VERBS: RawRequest[] = [
  {},
  { method: 'HEAD' },
  { method: 'PUT', body: person('x') },
  { method: 'PATCH', body: patchOf({ op: 'replace', path: 'active', value: false }) },
  { method: 'DELETE' },
];
const withBody = VERBS.filter(({ method }) => method !== 'HEAD');

describe('ids', () => {
  test.each([
    '..%2f..%2fhealth',
    '%2e%2e',
    '%252e%252e',
    'a%0d%0aX:%20y',
    '%00',
    '1',
    '0',
    '-1',
    '*',
    '__proto__',
    'constructor',
    'undefined',
    '%F0%9F%92%A9',
    '%7Btag%7D',
    'user:1',
    "1'%20OR%20'1'='1",
    '$where',
    'A'.repeat(36),
    'a'.repeat(101),
  ])('B50 B56 %s is nobody and no group, for any verb', async (id) => {
    for (const request of withBody) {
      await bench.refused({ ...request, path: `${USERS}/${id}` }, NOBODY);
      await bench.refused({ ...request, path: `${GROUPS}/${id}` }, NOBODY);
    }
  });

  test.each(['..', '../../health', '.', './../Groups', '%2e/%2e%2e/metrics'])(
    'B50 the path %s below /Users leads nowhere else',
    async (path) => {
      await bench.refused({ path: `${USERS}/${path}` }, NOBODY);
    },
  );

  test('B50 an id in capitals is another id', async () => {
    await bench.refused({ path: `${USERS}/${bench.ann.toUpperCase()}` }, NOBODY);
  });

  test('B51 an empty id is never everybody', async () => {
    const before = await bench.fingerprint();
    expect((await bench.send({ path: `${USERS}/` })).body).toMatchObject({ totalResults: 2 });
    expect(await bench.fingerprint()).toBe(before);
    const expected: Refusal = { status: 405, says: /not possible here\. Allowed: GET, HEAD, POST/ };
    for (const path of [`${USERS}/`, `${GROUPS}/`, USERS, GROUPS, `${USERS}//`]) {
      for (const request of withBody.slice(1)) {
        const { headers } = await bench.refused({ ...request, path }, expected);
        expect(headers.allow).toBe('GET, HEAD, POST');
      }
    }
  });

  test('B53 what belongs to another site is 404 like what is nowhere, for any verb', async () => {
    const nowhere = '00000000-0000-4000-8000-000000000000';
    for (const [list, id] of [
      [USERS, bench.ann],
      [GROUPS, bench.team],
    ] as const) {
      for (const request of withBody) {
        const foreign = await bench.refused(asOther({ ...request, path: `${list}/${id}` }), NOBODY);
        const absent = await bench.refused(asOther({ ...request, path: `${list}/${nowhere}` }), NOBODY);
        expect(foreign.text.replace(id, nowhere)).toBe(absent.text);
      }
    }
    expect((await bench.send(asOther({}))).body).toMatchObject({ totalResults: 0 });
  });

  test('B54 only the token names the site: a site in path, query, body or header changes nothing', async () => {
    const { key } = bench.server.door;
    const naming: RawRequest[] = [
      { path: `${USERS}?site=${key}&tenant=${key}` },
      { headers: { host: `${key}.scim.example.com`, 'x-site': key, 'x-tenant-id': key, 'x-forwarded-host': key } },
    ];
    for (const request of naming) expect((await bench.send(asOther(request))).body).toMatchObject({ totalResults: 0 });
    for (const path of [`/scim/v2/${key}/Users`, `/${key}/scim/v2/Users`, `/scim/${key}/v2/Users`]) {
      await bench.refused(asOther({ path }), { status: 404, says: /no such endpoint/ });
    }
    const before = await bench.send({});
    await bench.send(asOther({ body: person('theirs', { site: key, 'urn:acme:2.0:Site': { key } }) }));
    expect((await bench.send({})).body).toEqual(before.body);
  });

  test('B55 an address that somebody else has as well is no reason to refuse, and nobody is taken over by it', async () => {
    const emails = [{ type: 'work', value: 'ann@example.com', primary: true }];
    const made = await bench.send({ body: person('namesake', { emails }) });
    expect(made.status).toBe(201);
    expect(made.body?.id).not.toBe(bench.ann);
    expect((await bench.send({ path: `${USERS}/${bench.ann}` })).body).toMatchObject({
      userName: 'ann@example.com',
      title: 'Guide',
    });
  });
});

describe('paths', () => {
  test('B56 what cannot be decoded is 400, and an absurdly long id 414', async () => {
    const expected: Refusal = { status: 400, scimType: 'invalidSyntax', says: /could not be read\. Check its path/ };
    for (const path of [`${USERS}/%zz`, `${USERS}/%ff`, `${USERS}/%`, `${USERS}/%c0%af`, '/scim/v2/%zz']) {
      for (const method of ['GET', 'DELETE']) await bench.refused({ method, path }, expected);
    }
    await bench.refused({ path: `${USERS}/${'a'.repeat(600)}` }, { status: 414, says: /path is too long/ });
  });

  test.each([
    '/scim/v2/users',
    '/SCIM/v2/Users',
    `${USERS};jsessionid=1`,
    `${USERS}/a/b`,
    '/scim/v2',
    '/scim/v2/',
    '/scim/v2/Users.json',
    '/',
    '/Users',
  ])('B60 %s is no endpoint', async (path) => {
    await bench.refused({ path }, NO_PLACE);
    await bench.refused({ path, body: person('x') }, NO_PLACE);
  });

  test('B60 double slashes are one, and a slash after an id leads nowhere', async () => {
    expect((await bench.send({ path: '//scim//v2//Users' })).status).toBe(200);
    for (const request of withBody) await bench.refused({ ...request, path: `${USERS}/${bench.ann}/` }, NO_PLACE);
    await bench.refused(
      { path: '//scim//v2//Users', headers: { authorization: null } },
      { status: 401, says: /bearer token is missing/ },
    );
  });

  test('B77 what is not offered says so', async () => {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
      await bench.refused({ method, path: '/scim/v2/Me' }, { status: 501, says: /no "me".*\/Users with a filter/ });
    }
    await bench.refused({ path: '/scim/v2/Bulk' }, { status: 405, says: /GET is not possible here\. Allowed: POST/ });
    await bench.refused({ path: '/scim/v2/.search' }, { status: 405, says: /Allowed: POST/ });
    await bench.refused({ path: '/scim/v1/Users' }, { status: 400, scimType: 'invalidVers', says: /SCIM 2\.0.*\/scim\/v2/ });
  });
});

describe('plain text', () => {
  test.each([
    ['B57', 'x:*'],
    ['B57', 'bull:q:1'],
    ['B57', '{tag}:user:1'],
    ['B57', ':'.repeat(200)],
    ['B57', '$5 SET a b'],
    ['B57', "redis.call('FLUSHALL')"],
    ['B57', 'KEYS[1]..ARGV[1]'],
    ['B58', '../../subscriptions/1'],
    ['B58', '?reference=1&page=2'],
    ['B58', 'a#b%2e%2e/%00'],
    ['B59', "x' OR '1'='1'; DROP TABLE users; --"],
    ['B59', '{"$where":"sleep(1000)"}'],
    ['B59', '{"$ne":null}'],
    ['B59', '{{7*7}}<%= 7*7 %>#{7*7}$\u007b7*7}'],
    ['B59', '*)(uid=*))(|(uid=*'],
    ['B59', '<script>alert(1)</script>'],
    ['B59', '`id`$(id)|id;id'],
  ])('%s %s is a name like any other', async (_, text) => {
    const body = person('plain', {
      userName: `${text} `.slice(0, 250),
      externalId: `e ${text}`.slice(0, 250),
      displayName: text,
    });
    const made = await bench.send({ body });
    expect(made.status, made.text).toBe(201);
    const { id } = made.body ?? {};
    expect(made.body).toMatchObject({ userName: body.userName, externalId: body.externalId, displayName: text });
    for (const attribute of ['userName', 'externalId', 'displayName'] as const) {
      const filter = encodeURIComponent(`${attribute} eq ${JSON.stringify(body[attribute])}`);
      const found = (await bench.send({ path: `${USERS}?filter=${filter}` })).body;
      expect(found, attribute).toMatchObject({ totalResults: 1, Resources: [{ id }] });
    }
    const group = await bench.send({ path: GROUPS, body: { displayName: text, members: [{ value: id }] } });
    expect(group.body, group.text).toMatchObject({ displayName: text, members: [{ value: id }] });
    expect((await bench.send({ method: 'DELETE', path: `${GROUPS}/${String(group.body?.id)}` })).status).toBe(204);

    const keys = await bench.redis.keys('*');
    expect(keys.filter((key) => !/^scim:\{us\.t[0-9a-f-]+\}:[A-Za-z0-9:-]+$/.test(key))).toEqual([]);
    for (const key of keys) expect(key).not.toContain(text);
  });

  test('B57 a line break cannot get into a name, so no command can follow one', async () => {
    const expected: Refusal = { status: 400, scimType: 'invalidValue', says: /control characters|line breaks/ };
    await bench.refused({ body: person('x', { userName: 'a\r\nSET a b' }) }, expected);
    await bench.refused({ body: person('x', { externalId: 'a\r\nSET a b' }) }, expected);
  });
});
