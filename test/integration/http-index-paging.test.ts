/**
 * Guarantees that whoever pages by number reads everybody once who was there all the time, whatever is deleted, created and changed meanwhile; and that the
 * bookmark behind it is one client's own, ends, and costs a list nothing that fits on one page. RFC 7644 §3.4.2.4. Real server, real directory.
 * PAGING_RUNS makes the random walks more; the seed of one that fails is printed.
 */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BOOKMARK_SECONDS } from '../../src/directory/bookmark.ts';
import { Secret } from '../../src/secret.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { RedisMonitor } from '../support/redis-monitor.ts';
import { ask, openSite, patchOf, person, type ScimAnswer, type ScimServer, serveSites } from '../support/scim-server.ts';

const SEARCH = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest';
let redisServer: TestRedis;
let redis: Redis;
beforeAll(async () => {
  redisServer = await startRedis({ appendfsync: 'no' });
  redis = redisServer.connect();
});
afterAll(() => redisServer.stop());

type Client = Pick<ScimServer, 'app' | 'token'>;
type Query = Record<string, string | number>;
const rowsOf = (answer: ScimAnswer): Record<string, unknown>[] => answer.body.Resources as Record<string, unknown>[];
const idsOf = (answer: ScimAnswer): string[] => rowsOf(answer).map(({ id }) => String(id));

/** One page, by GET or, where the path is one of a search, by POST. */
async function page(client: Client, path: string, query: Query): Promise<ScimAnswer> {
  const isSearch = path.endsWith('.search');
  const parameters = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));
  const answer = isSearch
    ? await ask(client, 'POST', `/scim/v2${path}`, { schemas: [SEARCH], ...query })
    : await ask(client, 'GET', `/scim/v2${path}?${parameters}`);
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return answer;
}

async function create(client: Client, type: 'Users' | 'Groups', name: string): Promise<string> {
  const body = type === 'Users' ? person(name) : { displayName: name };
  const answer = await ask(client, 'POST', `/scim/v2/${type}`, body);
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  return String(answer.body.id);
}

async function remove(client: Client, type: 'Users' | 'Groups', ids: readonly string[]): Promise<void> {
  for (const id of ids) expect((await ask(client, 'DELETE', `/scim/v2/${type}/${id}`)).status).toBe(204);
}

async function open(type: 'Users' | 'Groups', count: number): Promise<{ server: ScimServer; ids: string[] }> {
  const server = await serveSites([openSite(redis)]);
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) ids.push(await create(server, type, `p${n}`));
  return { server, ids };
}

/** Another client of the same site, with a token and a process of its own. */
async function another({ door }: ScimServer, token = `${randomUUID()}${randomUUID()}`): Promise<ScimServer> {
  const site = openSite(redis, { subdomain: door.key.slice('us.'.length) });
  return await serveSites([{ door: { ...site.door, token: new Secret(token) }, token }]);
}

const keysOf = async ({ door }: ScimServer): Promise<string[]> => await redis.keys(`scim:{${door.key}}:bookmark:*`);

describe.each(['Users', 'Groups'] as const)('%s by number', (type) => {
  const filter = type === 'Users' ? 'userName co "p"' : 'displayName co "p"';
  const ways: [string, Query][] = [`/${type}`, `/${type}/.search`, '/.search'].flatMap((path): [string, Query][] => [
    [path, {}],
    [path, { filter }],
  ]);

  test.each(ways)('%s %j: who is deleted before the next page hides nobody behind it', async (path, query) => {
    const { server, ids } = await open(type, 11);
    const read = async (startIndex: number, count = 4): Promise<ScimAnswer> =>
      await page(server, path, { ...query, startIndex, count });
    expect(idsOf(await read(1))).toEqual(ids.slice(0, 4));
    await remove(server, type, ids.slice(0, 4));
    const second = await read(5);
    expect(idsOf(second)).toEqual(ids.slice(4, 8));
    // Four were read and seven are left: a client that stops at the number of those who are here now, 7, would never ask for the rest.
    expect(second.body).toMatchObject({ totalResults: 11, startIndex: 5, itemsPerPage: 4 });
    expect(idsOf(await read(5)), 'the same page again, by a client that got no answer').toEqual(ids.slice(4, 8));
    await remove(server, type, ids.slice(6, 8));
    await create(server, type, 'p-new');
    const third = await read(9, 3);
    expect(idsOf(third)).toEqual(ids.slice(8, 11));
    expect(third.body.totalResults).toBe(12);
    expect(idsOf(await read(12))).toHaveLength(1);
    // Whoever begins anew is told what is there now.
    expect((await read(1)).body.totalResults).toBe(6);
    await server.app.close();
  });

  test('any other page goes by rank: of another number, another query or another client', async () => {
    const { server, ids } = await open(type, 10);
    const other = await another(server);
    const read = async (client: Client, startIndex: number, query: Query = {}): Promise<string[]> =>
      idsOf(await page(client, `/${type}`, { ...query, startIndex, count: 4 }));
    await read(server, 1);
    await remove(server, type, ids.slice(0, 2));
    const left = ids.slice(2);
    expect(await read(other, 5)).toEqual(left.slice(4, 8));
    expect(await read(server, 5, { filter })).toEqual(left.slice(4, 8));
    expect(await read(server, 4)).toEqual(left.slice(3, 7));
    expect(await read(server, 6)).toEqual(left.slice(5, 8));
    expect((await page(other, `/${type}`, { startIndex: 5, count: 4 })).body.totalResults).toBe(8);
    await Promise.all([server.app.close(), other.app.close()]);
  });

  test('sorted by number goes by rank, so that one is hidden by one who is deleted; sorted by cursor hides nobody', async () => {
    const { server, ids } = await open(type, 6);
    const sortBy = type === 'Users' ? 'userName' : 'displayName';
    const byNumber = async (startIndex: number): Promise<string[]> =>
      idsOf(await page(server, `/${type}`, { sortBy, startIndex, count: 2 }));
    const byCursor = async (cursor: string): Promise<ScimAnswer> => await page(server, `/${type}`, { sortBy, cursor, count: 2 });
    const first = await byCursor('');
    expect(await byNumber(1)).toEqual(ids.slice(0, 2));
    expect(idsOf(first)).toEqual(ids.slice(0, 2));
    await remove(server, type, ids.slice(0, 1));
    expect(await byNumber(3), 'a limit that docs/limits.md names').toEqual(ids.slice(3, 5));
    expect(idsOf(await byCursor(String(first.body.nextCursor)))).toEqual(ids.slice(2, 4));
    await server.app.close();
  });

  test('two clients with tokens of their own do not disturb each other, and any process goes on', async () => {
    const { server, ids } = await open(type, 9);
    const other = await another(server);
    const replica = await another(server, server.token);
    const read = async (client: Client, startIndex: number): Promise<string[]> =>
      idsOf(await page(client, `/${type}`, { startIndex, count: 3 }));
    await read(server, 1);
    await remove(server, type, ids.slice(0, 1));
    expect(await read(other, 1)).toEqual(ids.slice(1, 4));
    await remove(server, type, ids.slice(1, 3));
    expect(await read(replica, 4)).toEqual(ids.slice(3, 6));
    expect(await read(other, 4)).toEqual(ids.slice(4, 7));
    expect(await read(server, 7)).toEqual(ids.slice(6, 9));
    expect(await read(other, 7)).toEqual(ids.slice(7, 9));
    expect(await keysOf(server)).toHaveLength(2);
    await Promise.all([server.app.close(), other.app.close(), replica.app.close()]);
  });
});

type Write = { what: 'delete' | 'create' | 'off' | 'on' | 'return'; pick: number };
const writes = fc.array(
  fc.record({ what: fc.constantFrom<Write['what'][]>('delete', 'delete', 'create', 'off', 'on', 'return'), pick: fc.nat(999) }),
  { maxLength: 6 },
);

interface Reading {
  /** Some, such as Okta, read on until the total is covered; others until a page is empty. */
  isByTotal: boolean;
  count: number;
  /** What is written after each page. */
  rounds: Write[][];
}

/** People and groups that come, go and change, and who of the first ones has never gone. */
class Population {
  readonly throughout = new Set<string>();
  readonly #client: Client;
  readonly #types: readonly ('Users' | 'Groups')[];
  readonly #here = new Map<string, { type: 'Users' | 'Groups'; name: string }>();
  readonly #gone = new Map<string, string>();
  #made = 0;

  constructor(client: Client, types: readonly ('Users' | 'Groups')[]) {
    this.#client = client;
    this.#types = types;
  }

  async settle(count: number): Promise<void> {
    for (const type of this.#types) for (let n = 0; n < count / this.#types.length; n += 1) await this.#add(type);
    for (const id of this.#here.keys()) this.throughout.add(id);
  }

  async write({ what, pick }: Write): Promise<void> {
    if (what === 'create') return await this.#add(this.#types[pick % this.#types.length] ?? 'Users');
    if (what === 'return') {
      const [id, name] = [...this.#gone][pick % Math.max(1, this.#gone.size)] ?? [];
      if (id !== undefined) this.#gone.delete(id);
      return await this.#add('Users' as const, name);
    }
    const [id, one] = [...this.#here][pick % Math.max(1, this.#here.size)] ?? [];
    if (id === undefined || one === undefined) return;
    const { type, name } = one;
    if (what === 'delete') {
      await remove(this.#client, type, [id]);
      this.#here.delete(id);
      this.throughout.delete(id);
      if (type === 'Users') this.#gone.set(id, name);
      return;
    }
    const change = type === 'Users' ? { path: 'active', value: what === 'on' } : { path: 'externalId', value: `x${pick}` };
    const answer = await ask(this.#client, 'PATCH', `/scim/v2/${type}/${id}`, patchOf({ op: 'replace', ...change }));
    expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  }

  async #add(type: 'Users' | 'Groups', name?: string): Promise<void> {
    if (!this.#types.includes(type)) return;
    this.#made += 1;
    const known = name ?? `p${this.#made}`;
    this.#here.set(await create(this.#client, type, known), { type, name: known });
  }
}

async function readThrough(path: string, query: Query, { isByTotal, count, rounds }: Reading): Promise<void> {
  const server = await serveSites([openSite(redis)]);
  const types = (['Users', 'Groups'] as const).filter((type) => path.startsWith('/.') || path.startsWith(`/${type}`));
  const population = new Population(server, types);
  await population.settle(18);
  const seen: string[] = [];
  for (let startIndex = 1, isMore = true; isMore; startIndex += count) {
    const answer = await page(server, path, { ...query, startIndex, count });
    seen.push(...idsOf(answer));
    isMore = isByTotal ? startIndex + count <= Number(answer.body.totalResults) : rowsOf(answer).length > 0;
    for (const one of rounds[(startIndex - 1) / count] ?? []) await population.write(one);
  }
  await server.app.close();
  const { throughout } = population;
  expect(seen.filter((id) => throughout.has(id)).sort()).toEqual([...throughout].sort());
}

test.each([
  ['/Users', {}],
  ['/Users', { filter: 'userName co "p"' }],
  ['/Users/.search', { filter: 'emails.value ew "example.com"' }],
  ['/Groups', {}],
  ['/Groups/.search', { filter: 'displayName co "p"' }],
  ['/.search', {}],
  ['/.search', { filter: 'id pr' }],
] as [string, Query][])(
  '%s %j: nobody who was there throughout is skipped or repeated, whatever is written between two pages',
  async (path, query) => {
    const reading = fc.record({
      isByTotal: fc.boolean(),
      count: fc.integer({ min: 2, max: 6 }),
      rounds: fc.array(writes, { minLength: 4, maxLength: 9 }),
    });
    const numRuns = Number(process.env.PAGING_RUNS ?? 6);
    await fc.assert(
      fc.asyncProperty(reading, async (one) => await readThrough(path, query, one)),
      { numRuns },
    );
  },
  120_000,
);

describe('a bookmark', () => {
  test('carries the site, nothing a client has sent, and ends by itself', async () => {
    const { server } = await open('Users', 4);
    const filter = 'userName co "p" and not (title eq "canary")';
    await page(server, '/Users', { filter, startIndex: 1, count: 2 });
    const [key = '', ...others] = await keysOf(server);
    expect(others).toEqual([]);
    expect(key).toMatch(new RegExp(`^scim:\\{${server.door.key}\\}:bookmark:[0-9a-f]{40}$`));
    expect(await redis.get(key)).toMatch(/^3:0:\d+$/);
    const ttl = await redis.ttl(key);
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(BOOKMARK_SECONDS);
    // What an end leaves behind is a page by rank.
    const ids = idsOf(await page(server, '/Users', { count: 4 }));
    await redis.del(key);
    await remove(server, 'Users', ids.slice(0, 1));
    expect(idsOf(await page(server, '/Users', { filter, startIndex: 3, count: 2 }))).toEqual(ids.slice(3));
    await server.app.close();
  });

  test('costs nothing where one page is all, else one command to make and one to find', async () => {
    const { server } = await open('Users', 6);
    const cost = async (query: Query): Promise<string[]> => {
      const monitor = await RedisMonitor.start(redisServer.url);
      await page(server, '/Users', query);
      const end = `the end ${randomUUID()}`;
      await redis.echo(end);
      const lines = await monitor.stopAfter(end);
      return lines
        .filter((line) => line.includes(':bookmark:'))
        .map((line) => /\] "([^"]+)"/.exec(line)?.[1]?.toLowerCase() ?? '');
    };
    for (const more of [{}, { filter: 'userName co "p"' }]) {
      expect(await cost({ ...more, startIndex: 1, count: 6 })).toEqual([]);
      expect(await cost({ ...more, startIndex: 1, count: 0 })).toEqual([]);
      expect(await cost({ ...more, startIndex: 1, count: 2 })).toEqual(['set']);
      expect(await cost({ ...more, startIndex: 3, count: 2 })).toEqual(['get', 'set']);
      expect(await cost({ ...more, startIndex: 5, count: 2 })).toEqual(['get', 'set']);
    }
    expect(await cost({ filter: 'userName eq "p1@example.com"', startIndex: 1, count: 1 })).toEqual([]);
    expect(await cost({ sortBy: 'userName', startIndex: 3, count: 2 })).toEqual([]);
    await server.app.close();
  });

  test('that cannot be written fails no list', async () => {
    const { server, ids } = await open('Users', 4);
    await redis.config('SET', 'maxmemory', '1');
    try {
      expect(idsOf(await page(server, '/Users', { startIndex: 1, count: 2 }))).toEqual(ids.slice(0, 2));
      expect(idsOf(await page(server, '/Users', { startIndex: 3, count: 2 }))).toEqual(ids.slice(2));
      expect(await keysOf(server)).toEqual([]);
    } finally {
      await redis.config('SET', 'maxmemory', '0');
    }
    await server.app.close();
  });
});
