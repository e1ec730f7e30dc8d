/**
 * Guards how lists are cut: in any order, by number and by cursor, by address and by search, with nobody repeated or hidden by what is written elsewhere.
 * RFC 7644 §3.4.2.3-4, §3.4.3, RFC 9865. Real server, real directory.
 */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CURSOR_TIMEOUT_SECONDS, sealCursor } from '../../src/scim/cursor.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { RedisMonitor } from '../support/redis-monitor.ts';
import { ask, openSite, person, type ScimAnswer, type ScimServer, serveSites } from '../support/scim-server.ts';

const USERS = '/scim/v2/Users';
let redisServer: TestRedis;
let redis: Redis;
beforeAll(async () => {
  redisServer = await startRedis({ appendfsync: 'no' });
  redis = redisServer.connect('commands');
});
afterAll(() => redisServer.stop());

type Row = Record<string, unknown>;
const rowsOf = (answer: ScimAnswer): Row[] => answer.body.Resources as Row[];
const namesOf = (answer: ScimAnswer): string[] =>
  rowsOf(answer).map((row) => String(row.userName ?? row.displayName).replace('@example.com', ''));
const query = (values: Record<string, string | number>): string =>
  new URLSearchParams(Object.entries(values).map(([k, v]) => [k, String(v)])).toString();

async function open(names: readonly string[], more: (name: string) => Row = () => ({})): Promise<ScimServer> {
  const server = await serveSites([openSite(redis)]);
  for (const name of names) await ask(server, 'POST', USERS, person(name, more(name)));
  return server;
}

/** Reads all pages by cursor; `between` runs after each of them. */
async function readAll(
  server: ScimServer,
  values: Record<string, string | number>,
  between: (page: number) => Promise<unknown> = async () => undefined,
): Promise<{ names: string[]; pages: ScimAnswer[] }> {
  const pages: ScimAnswer[] = [];
  let cursor: unknown = '';
  while (typeof cursor === 'string') {
    const answer = await ask(server, 'GET', `${USERS}?${query({ ...values, cursor })}`);
    expect(answer.status, JSON.stringify(answer.body)).toBe(200);
    pages.push(answer);
    cursor = answer.body.nextCursor;
    await between(pages.length);
  }
  return { names: pages.flatMap(namesOf), pages };
}

describe('an order', () => {
  const titles: Record<string, string> = { ann: 'chef', bea: 'Baker', dan: 'accountant', eve: 'CHEF' };
  let server: ScimServer;
  beforeAll(async () => {
    server = await open(['ann', 'bea', 'cid', 'dan', 'eve'], (name) =>
      titles[name] === undefined ? {} : { title: titles[name] },
    );
  });
  afterAll(() => server.app.close());

  test.each<[Record<string, string>, string]>([
    [{ sortBy: 'title' }, 'dan bea ann eve cid'],
    [{ sortBy: 'title', sortOrder: 'descending' }, 'cid ann eve bea dan'],
    [{ sortBy: 'userName', sortOrder: 'descending' }, 'eve dan cid bea ann'],
    [{ sortBy: 'emails.value', sortOrder: 'ascending' }, 'ann bea cid dan eve'],
    [{ sortBy: 'title', filter: 'title pr' }, 'dan bea ann eve'],
    [{ sortBy: 'userName', sortOrder: 'descending', filter: 'userName eq "ann@example.com"' }, 'ann'],
    [{ sortBy: 'meta.created', sortOrder: 'ascending' }, 'ann bea cid dan eve'],
    [{ sortBy: 'urn:nobody:has:this' }, 'ann bea cid dan eve'],
    [{ sortOrder: 'descending' }, 'ann bea cid dan eve'],
  ])('%j', async (values, expected) => {
    const answer = await ask(server, 'GET', `${USERS}?${query(values)}`);
    expect(namesOf(answer).join(' ')).toBe(expected);
    expect(answer.body.totalResults).toBe(expected.split(' ').length);
    const paged: string[] = [];
    for (let startIndex = 1; startIndex <= 5; startIndex += 2) {
      paged.push(...namesOf(await ask(server, 'GET', `${USERS}?${query({ ...values, startIndex, count: 2 })}`)));
    }
    expect(paged.join(' '), 'by number').toBe(expected);
    expect((await readAll(server, { ...values, count: 2 })).names.join(' '), 'by cursor').toBe(expected);
  });

  test('of an attribute there is not is 400 invalidValue', async () => {
    const answer = await ask(server, 'GET', `${USERS}?sortBy=hat`);
    expect([answer.status, answer.body.scimType]).toEqual([400, 'invalidValue']);
  });
});

describe('a cursor', () => {
  test('walks through everybody, names a total where nothing is filtered, and is left out on the last page alone', async () => {
    const server = await open(['a', 'b', 'c', 'd', 'e', 'f']);
    const { names, pages } = await readAll(server, { count: 2 });
    expect(names.join('')).toBe('abcdef');
    expect(pages.map(({ body }) => [body.totalResults, body.itemsPerPage, 'nextCursor' in body])).toEqual([
      [6, 2, true],
      [6, 2, true],
      [6, 2, false],
    ]);
    for (const { body } of pages) {
      expect(body).not.toHaveProperty('startIndex');
      if (body.nextCursor !== undefined) expect(body.nextCursor).toMatch(/^[A-Za-z0-9._~-]+$/);
    }
    expect((await readAll(server, { count: 3, filter: 'userName co "@example"' })).pages).toHaveLength(2);
    expect((await readAll(server, { count: 3, filter: 'userName eq "nobody"' })).names).toEqual([]);
    await server.app.close();
  });

  test('neither repeats nor hides anybody while others come, go and change', async () => {
    const names = Array.from({ length: 60 }, (_, n) => `p${String(n).padStart(3, '0')}`);
    for (const values of [
      {},
      { filter: 'userName co "p"' },
      { sortBy: 'userName', sortOrder: 'descending' },
      { sortBy: 'title' },
    ]) {
      const server = await open(names);
      const all = await ask(server, 'GET', `${USERS}?count=200`);
      const idOf = new Map(rowsOf(all).map((row) => [String(row.userName).replace('@example.com', ''), String(row.id)]));
      const gone = new Set<string>();
      const { names: seen } = await readAll(server, { ...values, count: 7 }, async (page) => {
        // Somebody already seen leaves, somebody not yet seen leaves, somebody new comes, everybody else changes where it does not matter.
        for (const n of [page, 59 - page]) {
          const name = names[n] ?? '';
          gone.add(name);
          await ask(server, 'DELETE', `${USERS}/${idOf.get(name)}`);
        }
        await ask(server, 'POST', USERS, person(`z${page}`));
        const changed = patch('nickName', `n${page}`);
        await ask(server, 'PATCH', `${USERS}/${idOf.get(names[30] ?? '')}`, changed);
      });
      expect(new Set(seen).size, 'nobody twice').toBe(seen.length);
      const stayed = names.filter((name) => !gone.has(name));
      expect(
        stayed.filter((name) => !seen.includes(name)),
        `nobody hidden, ${JSON.stringify(values)}`,
      ).toEqual([]);
      await server.app.close();
    }
  });

  test('by number nobody is repeated or hidden while others come and change', async () => {
    const names = Array.from({ length: 30 }, (_, n) => `p${n}`);
    const server = await open(names);
    const ids = rowsOf(await ask(server, 'GET', `${USERS}?count=200`)).map((row) => String(row.id));
    const seen: string[] = [];
    for (let startIndex = 1; startIndex <= 30; startIndex += 7) {
      seen.push(...namesOf(await ask(server, 'GET', `${USERS}?${query({ startIndex, count: 7 })}`)));
      await ask(server, 'POST', USERS, person(`z${startIndex}`));
      await ask(server, 'PATCH', `${USERS}/${ids[0]}`, patch('title', `t${startIndex}`));
    }
    expect(seen.slice(0, 30)).toEqual(names);
    expect(new Set(seen).size).toBe(seen.length);
    await server.app.close();
  });

  test('of another query, of another site, forged or expired is refused with its own word', async () => {
    const server = await open(['a', 'b', 'c']);
    const { nextCursor } = (await ask(server, 'GET', `${USERS}?count=1&cursor=`)).body;
    const refusal = async (values: Record<string, string | number>, to = server): Promise<unknown> => {
      const answer = await ask(to, 'GET', `${USERS}?${query(values)}`);
      expect(answer.status).toBe(400);
      return answer.body.scimType;
    };
    expect(await refusal({ cursor: 'abc' })).toBe('invalidCursor');
    expect(await refusal({ cursor: String(nextCursor), filter: 'userName pr' })).toBe('invalidCursor');
    expect(await refusal({ cursor: String(nextCursor), sortBy: 'userName' })).toBe('invalidCursor');
    expect(await refusal({ cursor: String(nextCursor), count: 201 })).toBe('invalidCount');
    expect(await refusal({ cursor: String(nextCursor), startIndex: 1 })).toBe('invalidValue');
    const other = await open(['a', 'b']);
    expect(await refusal({ cursor: String(nextCursor) }, other)).toBe('invalidCursor');

    const key = Buffer.from((await redis.get(`scim:{${server.door.key}}:cursorKey`)) ?? '', 'base64');
    const [seconds] = await redis.time();
    const longAgo = { key, epoch: '', nowMs: (Number(seconds) - CURSOR_TIMEOUT_SECONDS - 60) * 1_000 };
    const identity = JSON.stringify([['User'], null, '', false]);
    expect(await refusal({ cursor: sealCursor({ list: 0, sequence: 1 }, identity, longAgo) })).toBe('expiredCursor');
    await Promise.all([server.app.close(), other.app.close()]);
  });
});

describe('a search by POST', () => {
  const SEARCH = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest';
  const search = async (server: ScimServer, path: string, body: Row): Promise<ScimAnswer> => {
    const answer = await ask(server, 'POST', `/scim/v2${path}`, { schemas: [SEARCH], ...body });
    expect(answer.status, JSON.stringify(answer.body)).toBe(200);
    return answer;
  };
  let server: ScimServer;
  beforeAll(async () => {
    server = await open(['ann', 'bea', 'cid']);
    for (const displayName of ['Bakers', 'Ann']) await ask(server, 'POST', '/scim/v2/Groups', { displayName });
  });
  afterAll(() => server.app.close());

  test('finds people as GET does, projection and pages included', async () => {
    const body = { filter: 'userName sw "b"', attributes: ['userName'], startIndex: 1, count: 10 };
    const answer = await search(server, '/Users/.search', body);
    expect(answer.body).toEqual((await ask(server, 'GET', `${USERS}?${query({ ...body, attributes: 'userName' })}`)).body);
    expect(Object.keys(rowsOf(answer)[0] ?? {})).toEqual(['schemas', 'id', 'userName']);
    expect((await search(server, '/Users/.search', { count: 1 })).body).toMatchObject({
      totalResults: 3,
      itemsPerPage: 1,
      startIndex: 1,
    });
    expect((await search(server, '/Users/.search', { count: 2, cursor: '' })).body.nextCursor).toEqual(expect.any(String));
  });

  test('finds groups', async () => {
    expect(namesOf(await search(server, '/Groups/.search', { filter: 'displayName eq "bakers"' }))).toEqual(['Bakers']);
    expect(namesOf(await search(server, '/Groups/.search', { sortBy: 'displayName' }))).toEqual(['Ann', 'Bakers']);
  });

  test.each<[Row, string[]]>([
    [{}, ['ann', 'bea', 'cid', 'Bakers', 'Ann']],
    [{ sortBy: 'displayName' }, ['Ann', 'Bakers', 'ann', 'bea', 'cid']],
    [{ filter: 'userName eq "ann@example.com" or displayName eq "ann"' }, ['ann', 'Ann']],
    [{ filter: 'userName pr' }, ['ann', 'bea', 'cid']],
    [{ filter: 'meta.resourceType eq "Group"', sortBy: 'id' }, []],
    [{ filter: 'meta.resourceType eq "User" and not (userName sw "a")' }, ['bea', 'cid']],
  ])('over both: %j', async (body, expected) => {
    const answer = await search(server, '/.search', body);
    if (expected.length > 0) expect(namesOf(answer)).toEqual(expected);
    const total = Number(answer.body.totalResults);
    expect(total).toBe(expected.length || 2);
    const byNumber: string[] = [];
    for (let startIndex = 1; startIndex <= total; startIndex += 2) {
      byNumber.push(...namesOf(await search(server, '/.search', { ...body, startIndex, count: 2 })));
    }
    expect(byNumber).toEqual(namesOf(answer));
    const byCursor: string[] = [];
    for (let cursor: unknown = ''; typeof cursor === 'string'; ) {
      const page = await search(server, '/.search', { ...body, cursor, count: 2 });
      byCursor.push(...namesOf(page));
      cursor = page.body.nextCursor;
    }
    expect(byCursor).toEqual(namesOf(answer));
  });

  test('of another message, or with a bad filter, is refused', async () => {
    for (const [body, scimType] of [
      [{}, 'invalidSyntax'],
      [{ schemas: [SEARCH], filter: 'hat eq 1' }, 'invalidFilter'],
      [{ schemas: [SEARCH], filter: '' }, 'invalidFilter'],
      [{ schemas: [SEARCH], attributes: ['id'], excludedAttributes: ['name'] }, 'invalidValue'],
    ] as const) {
      const answer = await ask(server, 'POST', '/scim/v2/.search', body);
      expect([answer.status, answer.body.scimType]).toEqual([400, scimType]);
    }
  });
});

test('a page by cursor asks Redis for nothing that 6.2 does not know', async () => {
  const server = await serveSites([openSite(redis)]);
  await ask(server, 'POST', USERS, person('ann'));
  const monitor = await RedisMonitor.start(redisServer.url);
  expect((await ask(server, 'GET', `${USERS}?cursor=`)).status).toBe(200);
  await redis.echo('that was all');
  const sets = (await monitor.stopAfter('that was all')).filter((line) => /\] "set" /i.test(line));
  expect(sets).toHaveLength(1);
  // NX and GET together came with 7.0.
  expect(sets[0]).not.toMatch(/"GET"/i);
  await server.app.close();
});

describe('a look-up by index', () => {
  const FILTERS = [
    'userName eq "PERSON-1@example.com"',
    'externalId eq "id-of-person-1"',
    'emails.value eq "person-1@example.com"',
    'emails[type eq "work" and value eq "person-1@example.com"]',
    'active eq true and userName eq "person-1@example.com"',
  ];

  async function commandsFor(server: ScimServer, filter: string): Promise<number> {
    // A look at the data itself is made now and then by any process, and is no part of the query.
    const monitor = await RedisMonitor.start(redisServer.url);
    const answer = await ask(server, 'GET', `${USERS}?${query({ filter })}`);
    expect(namesOf(answer)).toEqual(['person-1']);
    await redis.echo('that was all');
    const lines = await monitor.stopAfter('that was all');
    return lines.filter((line) => line.includes(server.door.key)).length;
  }

  test('costs the same few commands among 3 people and among 400', async () => {
    const counts: number[][] = [];
    for (const size of [3, 400]) {
      const server = await serveSites([openSite(redis)]);
      for (let first = 0; first < size; first += 50) {
        const names = Array.from({ length: Math.min(50, size - first) }, (_, n) => `person-${first + n}`);
        await Promise.all(names.map((name) => ask(server, 'POST', USERS, person(name))));
      }
      const { id } = rowsOf(await ask(server, 'GET', `${USERS}?${query({ filter: FILTERS[0] ?? '' })}`))[0] ?? {};
      const row: number[] = [];
      for (const filter of [...FILTERS, `id eq "${String(id)}"`]) row.push(await commandsFor(server, filter));
      counts.push(row);
      await server.app.close();
    }
    expect(counts[1]).toEqual(counts[0]);
    expect(Math.max(...(counts[0] ?? []))).toBeLessThanOrEqual(3);
  });
});

function patch(path: string, value: string): Row {
  return { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations: [{ op: 'replace', path, value }] };
}
