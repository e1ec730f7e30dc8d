/**
 * What groups cost Redis, counted from what it was really told: lists do not touch members unless they show them, the groups of a page of people are
 * one look, and 5,000 members in one PATCH are one script. No clocks.
 */
import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { GroupStore } from '../../src/directory/group-store.ts';
import { createGroups } from '../../src/directory/groups.ts';
import { readListQuery } from '../../src/scim/list.ts';
import { GROUP } from '../../src/scim/schema.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { RedisMonitor } from '../support/redis-monitor.ts';
import { ask, openSite, patchOf, person, type ScimAnswer, type ScimServer, serveSites } from '../support/scim-server.ts';
import { body, CONTEXT, openSite as openDirectory } from './directory-bench.ts';

let redis: TestRedis;
let commands: Redis;

beforeAll(async () => {
  redis = await startRedis({ appendfsync: 'no' });
  commands = redis.connect();
});
afterAll(() => redis.stop());

/** Runs something and tells the commands that Redis was given for it from outside, and those of its scripts. */
async function commandsOf(run: () => Promise<unknown>): Promise<{ sent: string[]; inside: string[] }> {
  const monitor = await RedisMonitor.start(redis.url);
  await run();
  // The monitor prints in order: when this one is there, everything before it is, too.
  const end = `the end ${randomUUID()}`;
  await commands.echo(end);
  await vi.waitFor(() => expect(monitor.lines().some((line) => line.includes(end))).toBe(true), {
    timeout: 15_000,
    interval: 25,
  });
  const told = monitor.stop().filter((line) => !line.includes(end));
  return { sent: told.filter((line) => !line.includes(' lua] ')), inside: told.filter((line) => line.includes(' lua] ')) };
}

const wordOf = (line: string): string => /\] "([^"]+)"/.exec(line)?.[1]?.toLowerCase() ?? '';
const about = (lines: string[], key: string): string[] => lines.filter((line) => line.includes(`:${key}:`));

async function people(server: ScimServer, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let first = 0; first < count; first += 100) {
    const some = await Promise.all(
      Array.from({ length: Math.min(100, count - first) }, (_, n) =>
        ask(server, 'POST', '/scim/v2/Users', person(`p${first + n}`)),
      ),
    );
    ids.push(...some.map(({ body }) => String(body.id)));
  }
  return ids;
}

const create = (server: ScimServer, displayName: string, ids: string[]): Promise<ScimAnswer> =>
  ask(server, 'POST', '/scim/v2/Groups', { displayName, members: ids.map((value) => ({ value })) });

test('lists of groups do not load members that are not shown, whatever their number', async () => {
  const server = await serveSites([openSite(commands)]);
  const ids = await people(server, 120);
  for (let n = 0; n < 10; n += 1) await create(server, `Group ${n}`, ids);
  const costs = [];
  for (const path of [
    '/Groups?excludedAttributes=members',
    '/Groups?attributes=displayName',
    '/Groups?excludedAttributes=members&filter=displayName%20eq%20%22group%203%22',
    '/Groups?attributes=displayName&filter=displayName%20co%20%22group%22',
    '/Groups?attributes=displayName&sortBy=displayName',
    '/Groups?count=0',
  ]) {
    const { sent } = await commandsOf(async () => {
      const { status, body } = await ask(server, 'GET', `/scim/v2${path}`);
      expect(status).toBe(200);
      expect(JSON.stringify(body)).not.toContain(ids[0]);
    });
    expect(about(sent, 'members')).toEqual([]);
    expect(about(sent, 'user')).toEqual([]);
    costs.push(sent.length);
  }
  expect(Math.max(...costs)).toBeLessThanOrEqual(25);
  const { sent } = await commandsOf(() => ask(server, 'GET', '/scim/v2/Groups?attributes=members.value'));
  // The ids of members are in their groups: nobody is read for them.
  expect(about(sent, 'members')).toHaveLength(10);
  expect(about(sent, 'user')).toEqual([]);
}, 120_000);

test('a filter over the people in groups has only so many of them in memory at once, however it finds the groups', async () => {
  const site = openDirectory(redis);
  const looks: number[] = [];
  class Watched extends GroupStore {
    override async members(ids: readonly string[]): Promise<Map<string, string[]>> {
      looks.push(ids.length);
      return await super.members(ids);
    }
  }
  const groups = createGroups({ store: new Watched(site.store) });
  const { id: ann } = await site.users.create(body(1), CONTEXT);
  for (const [n, size] of [30_000, 15_000, 5_000, 1, 60_000, 2].entries()) {
    const { id } = await groups.create({ displayName: `Group ${n}`, members: [{ value: ann }] }, CONTEXT);
    await site.redis.hset(`${site.store.prefix}group:${id}`, 'size', size);
  }
  for (const filter of ['members.type eq "user"', `members.value eq "${ann}"`]) {
    for (const page of [{}, { cursor: '' }, { sortBy: 'members.value' }]) {
      const query = readListQuery({ filter, ...page }, { type: GROUP });
      expect((await groups.list(query)).records).toHaveLength(6);
      // 50,000 at most, then the one, then the largest by itself, then the rest.
      expect(looks.splice(0)).toEqual([3, 1, 1, 1]);
    }
  }
});

test('a page of 100 people in groups costs one look more than a page of people in none', async () => {
  const server = await serveSites([openSite(commands)]);
  const ids = await people(server, 100);
  const page = (): Promise<ScimAnswer> => ask(server, 'GET', '/scim/v2/Users?count=100');
  const without = await commandsOf(page);
  expect((await page()).body.Resources).toSatisfy((all: object[]) => all.every((user) => !('groups' in user)));
  const groups = [];
  for (let n = 0; n < 3; n += 1) groups.push(String((await create(server, `Group ${n}`, ids)).body.id));
  const within = await commandsOf(page);
  const [ann] = (await page()).body.Resources as Record<string, unknown>[];
  expect(ann?.groups).toHaveLength(3);
  expect(ann?.groups).toContainEqual({
    value: groups[0],
    display: 'Group 0',
    type: 'direct',
    $ref: `https://scim.example.com/scim/v2/Groups/${groups[0]}`,
  });
  expect(within.sent.length).toBe(without.sent.length + 1);
  expect(within.sent.filter((line) => wordOf(line) === 'hmget')).toHaveLength(1);
}, 120_000);

test('5,000 members in one PATCH, as Okta writes them: one script, and everybody is in', async () => {
  const server = await serveSites([openSite(commands)]);
  const [extra, ...ids] = await people(server, 5_001);
  const group = String((await create(server, 'Everybody', [])).body.id);
  const value = ids.map((id, n) => ({ value: id, display: `somebody.with.a.long.name.${n}@example.com` }));
  let answer: ScimAnswer | undefined;
  const { sent } = await commandsOf(async () => {
    const body = patchOf(
      { op: 'replace', value: { id: group, displayName: 'Everybody' } },
      { op: 'add', path: 'members', value },
    );
    expect(JSON.stringify(body).length).toBeGreaterThan(350_000);
    answer = await ask(server, 'PATCH', `/scim/v2/Groups/${group}?attributes=displayName`, body);
  });
  expect(answer).toMatchObject({ status: 200, body: { displayName: 'Everybody' } });
  expect(sent.filter((line) => wordOf(line).startsWith('eval'))).toHaveLength(1);
  expect(sent.length).toBeLessThanOrEqual(3);

  const whole = await ask(server, 'GET', `/scim/v2/Groups/${group}`);
  expect((whole.body.members as { value: string }[]).map((member) => member.value)).toEqual(ids);
  const last = await ask(server, 'GET', `/scim/v2/Users/${ids.at(-1)}`);
  expect(last.body.groups).toMatchObject([{ value: group, display: 'Everybody' }]);

  // Beyond, a PATCH is answered without a body: whoever adds people one by one is not sent all of them each time.
  const one = (op: string): Promise<ScimAnswer> =>
    ask(server, 'PATCH', `/scim/v2/Groups/${group}`, patchOf({ op, path: 'members', value: [{ value: extra }] }));
  const beyond = await one('add');
  expect(beyond).toMatchObject({ status: 204, body: {} });
  const head = await ask(server, 'GET', `/scim/v2/Groups/${group}?excludedAttributes=members`);
  expect(head.headers.etag).toBe(beyond.headers.etag);
  expect(await one('remove')).toMatchObject({ status: 200, body: { displayName: 'Everybody' } });

  // Out again by one more, of which every one but the first is named.
  const removed = await ask(
    server,
    'PATCH',
    `/scim/v2/Groups/${group}`,
    patchOf({ op: 'remove', path: 'members', value: value.slice(1) }),
  );
  expect(removed).toMatchObject({ status: 200, body: { members: [{ value: ids[0] }] } });
}, 240_000);
