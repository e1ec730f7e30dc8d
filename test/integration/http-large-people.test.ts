/**
 * Guarantees that people who were sent with very much cost nobody else anything: pages end by bytes, too, whoever steps by the number they asked for or by the
 * number they got reads everybody once, and only few requests of one site have much to read at once. RFC 7644 §3.4.2.4, RFC 9865.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { SERVER_LIMITS } from '../../src/http/limits.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { ask, openSite, person, type ScimAnswer, type ScimServer, serveSites } from '../support/scim-server.ts';

const WAIT = { timeout: 15_000, interval: 25 };
const MIB = 1024 * 1024;
const PEOPLE = 45;
let redisServer: TestRedis;
let redis: Redis;
let server: ScimServer;
let other: ScimServer;
const ids: string[] = [];

beforeAll(async () => {
  redisServer = await startRedis({ appendfsync: 'no' });
  redis = redisServer.connect('commands');
  const [large, small] = [openSite(redis), openSite(redis)];
  server = await serveSites([large, small]);
  other = { ...server, ...small };
  await server.app.listen({ host: '127.0.0.1', port: 0 });
  for (let n = 0; n < PEOPLE; n += 1) {
    // One in the middle is small, so that a page does not end where it did by chance.
    const title = 'x'.repeat(n === 20 ? 10 : 185_000);
    const name = `p${String(n).padStart(2, '0')}`;
    const answer = await ask(server, 'POST', '/scim/v2/Users', person(name, { 'urn:acme:2.0:Big': { title }, nickName: name }));
    expect(answer.status).toBe(201);
    ids.push(String(answer.body.id));
  }
  await ask(other, 'POST', '/scim/v2/Users', person('somebody'));
});
afterAll(async () => {
  await server.app.close();
  await redisServer.stop();
});

const rowsOf = (answer: ScimAnswer): Record<string, unknown>[] => answer.body.Resources as Record<string, unknown>[];

async function page(query: Record<string, string | number>, path = '/Users'): Promise<ScimAnswer> {
  const parameters = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));
  const answer = await ask(server, 'GET', `/scim/v2${path}?${parameters}`);
  expect(answer.status, JSON.stringify(answer.body).slice(0, 400)).toBe(200);
  expect(JSON.stringify(answer.body).length).toBeLessThan(4.3 * MIB);
  expect(answer.body.itemsPerPage).toBe(rowsOf(answer).length);
  return answer;
}

const FILTER = 'nickName sw "p"';

describe('a page of large people', () => {
  test.each([
    ['what they got', {}, false],
    ['what they asked for', {}, true],
    ['what they got', { filter: FILTER }, false],
    ['what they asked for', { filter: FILTER }, true],
    ['what they got', { filter: 'emails.value ew "example.com"', attributes: 'userName' }, false],
  ])('is shorter than asked for, and by number who steps by %s reads everybody once: %j', async (_, query, byCount) => {
    const count = 30;
    const seen: string[] = [];
    const sizes: number[] = [];
    let total = 1;
    for (let startIndex = 1; startIndex <= total; startIndex += byCount ? count : (sizes.at(-1) ?? 1)) {
      const answer = await page({ ...query, startIndex, count });
      total = Number(answer.body.totalResults);
      seen.push(...rowsOf(answer).map(({ id }) => String(id)));
      sizes.push(rowsOf(answer).length);
      // The same page again, for a client that got no answer.
      expect(rowsOf(await page({ ...query, startIndex, count })).map(({ id }) => id)).toEqual(seen.slice(-(sizes.at(-1) ?? 0)));
    }
    expect(seen).toEqual(ids);
    expect(sizes.every((size) => size > 0 && size < count)).toBe(true);
  });

  test.each([{}, { filter: FILTER }, { sortBy: 'userName', sortOrder: 'descending' }])(
    'by cursor is shorter, too, and who follows the cursors reads everybody once: %j',
    async (query) => {
      const seen: string[] = [];
      const sizes: number[] = [];
      for (let cursor: string | undefined = ''; cursor !== undefined; ) {
        const answer: ScimAnswer = await page({ ...query, cursor, count: 30 });
        seen.push(...rowsOf(answer).map(({ id }) => String(id)));
        sizes.push(rowsOf(answer).length);
        cursor = answer.body.nextCursor as string | undefined;
      }
      expect(seen).toEqual('sortBy' in query ? ids.toReversed() : ids);
      expect(sizes.length).toBeGreaterThan(1);
    },
  );

  test('does not hide the groups behind them in a search over everything', async () => {
    const group = await ask(server, 'POST', '/scim/v2/Groups', { displayName: 'Team' });
    const seen: unknown[] = [];
    for (let startIndex = 1, total = 1; startIndex <= total; ) {
      const body = { schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'], startIndex, count: 100 };
      const answer = await ask(server, 'POST', '/scim/v2/.search', body);
      seen.push(...rowsOf(answer).map(({ id }) => id));
      total = Number(answer.body.totalResults);
      startIndex += rowsOf(answer).length;
    }
    expect(seen).toEqual([...ids, group.body.id]);
  });

  test('by number and sorted is refused with what to do, since nobody could go on behind it', async () => {
    const answer = await ask(server, 'GET', '/scim/v2/Users?sortBy=userName&count=30');
    expect(answer.body).toMatchObject({
      status: '400',
      scimType: 'tooMany',
      detail: expect.stringContaining('fewer with count'),
    });
    expect(rowsOf(await page({ sortBy: 'userName', count: 10 })).map(({ id }) => id)).toEqual(ids.slice(0, 10));
  });

  test.each([{}, { filter: FILTER }])('is refused, too, where no bookmark can be kept: %j', async (query) => {
    await redis.config('SET', 'maxmemory', '1');
    try {
      const parameters = new URLSearchParams({ ...query, count: '40' });
      const answer = await ask(server, 'GET', `/scim/v2/Users?${parameters}`);
      expect(answer.body).toMatchObject({ status: '400', scimType: 'tooMany' });
      expect(rowsOf(await page({ ...query, count: 10 }))).toHaveLength(10);
    } finally {
      await redis.config('SET', 'maxmemory', '0');
    }
  });
});

test('S16 few requests of one site have much to read at once, and their places come back; small ones and other sites are served', async () => {
  const { port } = server.app.server.address() as AddressInfo;
  const taken: Socket[] = [];
  server.app.server.on('connection', (socket: Socket) => taken.push(socket));
  const large = async () => await ask(server, 'GET', '/scim/v2/Users?count=20');
  const request = `GET /scim/v2/Users?count=20 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.token}\r\n\r\n`;
  const slow: Socket[] = [];
  for (let at = 0; at < SERVER_LIMITS.siteLargeReads; at += 1) {
    expect((await large()).status).toBe(200);
    const socket = connect(port, '127.0.0.1').pause();
    slow.push(socket);
    await once(socket, 'connect');
    // Nobody reads these answers. Some of them are what the system keeps for a connection, and then one is left.
    let asked = -1;
    let stuck = 0;
    const fill = (): void => {
      const { writableLength = 0, bytesWritten = -1 } = taken[at] ?? {};
      stuck = writableLength > 0 ? stuck + 1 : 0;
      if (writableLength === 0 && bytesWritten > asked) {
        asked = bytesWritten + MIB;
        socket.write(request);
      }
      expect(stuck).toBeGreaterThan(3);
    };
    await vi.waitFor(fill, WAIT);
  }
  expect((await large()).status).toBe(503);
  for (const path of [
    '/Users?count=20',
    `/Users?filter=${encodeURIComponent(FILTER)}&count=1&attributes=userName`,
    '/Users?sortBy=title&count=1',
  ]) {
    const answer = await ask(server, 'GET', `/scim/v2${path}`);
    expect(answer.body.detail).toMatch(/not acknowledged: 4 requests of this SCIM connection with much to read.*in one second/);
    expect(answer.headers['retry-after']).toBe('1');
  }
  for (const path of [`/Users/${ids[3]}`, '/Users?filter=userName+eq+%22p03@example.com%22', '/Users?count=1', '/Groups'])
    expect((await ask(server, 'GET', `/scim/v2${path}`)).status).toBe(200);
  expect((await ask(server, 'PUT', `/scim/v2/Users/${ids[20]}`, person('p20', { nickName: 'p20' }))).status).toBe(200);
  expect((await ask(other, 'GET', '/scim/v2/Users')).status).toBe(200);
  for (const socket of slow) socket.destroy();
  await vi.waitFor(async () => expect((await large()).status).toBe(200), WAIT);
});
