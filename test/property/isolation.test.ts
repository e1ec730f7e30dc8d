/**
 * Two sites on one Redis and one server never meet. A client plays the same random steps in two worlds: in one a neighbour with the same names exists, and the
 * client uses the neighbour's ids, versions and cursors wherever it can put one; in the other there is nobody, and it uses ones that never were. It must not be
 * able to tell the worlds apart by any answer, and nothing of the neighbour's may change. That another site's id takes the same way through the code is shown by
 * the commands Redis gets, not by time. Seeds are printed; SEED= plays one again.
 */
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sitePrefix } from '../../src/directory/keys.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { RedisMonitor } from '../support/redis-monitor.ts';
import { ask, openSite, patchOf, person, type ScimServer, serveSites, type TestSite } from '../support/scim-server.ts';
import { Client, type Known, neverWere, type Step, steps } from '../support/two-worlds.ts';

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
console.log(`isolation: SEED=${seed}`);

const NOBODY = '00000000-0000-4000-8000-000000000000';
const MARK = 'NEIGHBOUR';
const nothing = (): Known => ({ ids: { Users: [], Groups: [] }, versions: [], cursors: [] });

let shared: TestRedis;
let alone: TestRedis;
let both: Redis;
let single: Redis;

beforeAll(async () => {
  [shared, alone] = await Promise.all([startRedis({ appendfsync: 'no' }), startRedis({ appendfsync: 'no' })]);
  both = shared.connect();
  single = alone.connect();
});
afterAll(() => Promise.all([shared.stop(), alone.stop()]));

/** Everything a site has in Redis, byte for byte. */
async function fingerprint(redis: Redis, { door }: TestSite): Promise<Map<string, string>> {
  const keys = (await redis.keys(`${sitePrefix(door.key)}*`)).toSorted();
  const dumps = await Promise.all(keys.map((key) => redis.dumpBuffer(key)));
  return new Map(keys.map((key, at) => [key, dumps[at]?.toString('base64') ?? '']));
}

/** People, groups, versions and a cursor of the neighbour, under the names that the client will use, too. */
async function settle(neighbour: Client): Promise<void> {
  const step: Step = {
    what: 'create',
    kind: 'Users',
    target: { whose: 'nobody', index: 0 },
    named: [],
    version: undefined,
    n: 0,
    form: 0,
  };
  for (let n = 0; n < 4; n += 1) await neighbour.play({ ...step, n });
  for (let n = 0; n < 3; n += 1)
    await neighbour.play({ ...step, kind: 'Groups', n, named: [0, 1, n].map((index) => ({ whose: 'own', index })) });
  await neighbour.play({ ...step, what: 'cursor', target: { whose: 'own', index: 0 } });
}

let runs = 0;

/** Both worlds, fresh. @param leaky reading a person looks at the other site, too */
async function open(leaky = false) {
  const subdomain = `mine${++runs}`;
  const [mine, theirs, only] = [openSite(both, { subdomain }), openSite(both), openSite(single, { subdomain })];
  if (leaky) {
    const { users } = mine.door;
    const read: typeof users.read = (id) => users.read(id).catch(() => theirs.door.users.read(id));
    mine.door.users = { ...users, read };
  }
  const [world, desert] = [await serveSites([mine, theirs]), await serveSites([only])];
  const neighbour = new Client(world, { token: theirs.token, mark: MARK, theirs: nothing() });
  await settle(neighbour);
  const client = new Client(world, { token: mine.token, mark: 'mine', theirs: neighbour.own });
  const lonely = new Client(desert, { token: only.token, mark: 'mine', theirs: neverWere(neighbour.own) });
  Object.assign(neighbour.theirs, client.own);
  const close = () => Promise.all([world.app.close(), desert.app.close()]);
  return { mine, theirs, world, neighbour, client, lonely, close };
}

test('S8 B53: with ids, versions and cursors of another site a client sees and changes exactly what it would with ones that never were', async () => {
  let compared = 0;
  let foreign = 0;
  const statuses = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 10, maxLength: 25 }), async (plan) => {
      const { theirs, client, lonely, neighbour, close } = await open();
      try {
        expect([neighbour.own.ids.Users.length, neighbour.own.ids.Groups.length, neighbour.own.cursors.length]).toEqual([
          4, 3, 1,
        ]);
        const before = await fingerprint(both, theirs);
        for (const step of plan) {
          const here = await client.play(step);
          const there = await lonely.play(step);
          expect(here).toEqual(there);
          expect(here.answered).not.toContain(MARK);
          compared += 1;
          statuses.add(/"status":(\d+)/.exec(here.answered)?.[1] ?? '');
          if (here.asked.includes('<theirs')) foreign += 1;
        }
        expect(await fingerprint(both, theirs)).toEqual(before);
      } finally {
        await close();
      }
    }),
    { seed, numRuns: 25 },
  );
  // A property about nothing would hold, too.
  expect(foreign).toBeGreaterThan(compared / 5);
  for (const status of ['200', '201', '400', '404']) expect([...statuses]).toContain(status);
}, 240_000);

test('S8: a leak that was planted is found', async () => {
  const result = await fc.check(
    fc.asyncProperty(fc.array(steps, { minLength: 10, maxLength: 25 }), async (plan) => {
      const { client, lonely, close } = await open(true);
      try {
        for (const step of plan) expect(await client.play(step)).toEqual(await lonely.play(step));
      } finally {
        await close();
      }
    }),
    { seed, numRuns: 25, endOnFailure: true },
  );
  expect(result.failed).toBe(true);
}, 240_000);

test('S8 B53: what the neighbour does meanwhile, with ids of the client, is not noticed either', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(steps, steps), { minLength: 8, maxLength: 16 }), async (plan) => {
      const { client, lonely, neighbour, close } = await open();
      try {
        for (const [step, disturbance] of plan) {
          // Only the step may name the neighbour's by ids that still stand for the same in both worlds.
          const own = {
            ...step,
            target: { ...step.target, whose: 'own' as const },
            named: step.named.map((each) => ({ ...each, whose: 'own' as const })),
            version: undefined,
          };
          const [here] = await Promise.all([client.play(own), neighbour.play(disturbance)]);
          expect(here).toEqual(await lonely.play(own));
        }
      } finally {
        await close();
      }
    }),
    { seed, numRuns: 15 },
  );
}, 240_000);

describe('the way of another site’s id through the code', () => {
  let server: ScimServer;
  let mine: TestSite;
  let theirs: TestSite;
  let ids: { user: string; group: string; member: string };

  beforeAll(async () => {
    [mine, theirs] = [openSite(both), openSite(both)];
    server = await serveSites([mine, theirs]);
    const other = { app: server.app, token: theirs.token };
    const user = String((await ask(other, 'POST', '/scim/v2/Users', person('ann'))).body.id);
    const member = String((await ask({ app: server.app, token: mine.token }, 'POST', '/scim/v2/Users', person('bob'))).body.id);
    const made = await ask(other, 'POST', '/scim/v2/Groups', { displayName: 'Team', members: [{ value: user }] });
    ids = { user, group: String(made.body.id), member };
  });
  afterAll(() => server.app.close());

  const own = patchOf({ op: 'replace', path: 'active', value: false });
  const cases: [string, 'GET' | 'PUT' | 'PATCH' | 'DELETE' | 'POST', (id: string) => string, ((id: string) => unknown)?][] = [
    ['read a person', 'GET', (id) => `/Users/${id}`],
    ['replace a person', 'PUT', (id) => `/Users/${id}`, () => person('ann')],
    ['patch a person', 'PATCH', (id) => `/Users/${id}`, () => own],
    ['delete a person', 'DELETE', (id) => `/Users/${id}`],
    ['find a person by id', 'GET', (id) => `/Users?filter=${encodeURIComponent(`id eq "${id}"`)}`],
    ['find people by group', 'GET', (id) => `/Users?filter=${encodeURIComponent(`groups.value eq "${id}"`)}`],
    ['read a group', 'GET', (id) => `/Groups/${id}`],
    ['replace a group', 'PUT', (id) => `/Groups/${id}`, () => ({ displayName: 'Team' })],
    ['patch a group', 'PATCH', (id) => `/Groups/${id}`, () => patchOf({ op: 'replace', value: { displayName: 'Team' } })],
    ['delete a group', 'DELETE', (id) => `/Groups/${id}`],
    ['find groups by member', 'GET', (id) => `/Groups?filter=${encodeURIComponent(`members.value eq "${id}"`)}`],
    ['put a person into a new group', 'POST', () => '/Groups', (id) => ({ displayName: 'Fresh', members: [{ value: id }] })],
    [
      'delete in bulk',
      'POST',
      () => '/Bulk',
      (id) => ({
        schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
        Operations: [{ method: 'DELETE', path: `/Users/${id}` }],
      }),
    ],
    ['read with a version', 'GET', (id) => `/Users/${id}`],
  ];

  async function commandsOf(which: string, [, method, path, body]: (typeof cases)[number]) {
    const monitor = await RedisMonitor.start(shared.url);
    const headers = { 'x-request-id': 'the-same', 'if-none-match': 'W/"1"' };
    const answer = await ask({ app: server.app, token: mine.token }, method, `/scim/v2${path(which)}`, body?.(which), headers);
    await both.echo(`end-${which}`);
    const lines = await monitor.stopAfter(`end-${which}`);
    const commands = lines
      .filter((line) => !/^\S+ \S+ \S+ "echo" /i.test(line))
      .map((line) => line.replace(/^\+[\d.]+ \[[^\]]*\] /, '').replaceAll(which, '<id>'))
      .map((line) =>
        line.replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<random>').replaceAll(/"1[0-9]{12}"/g, '"<moment>"'),
      );
    return {
      status: answer.status,
      body: JSON.stringify(answer.body).replaceAll(which, '<id>'),
      names: Object.keys(answer.headers).toSorted(),
      commands,
    };
  }

  test.each(cases)('B53: to %s is the same answer and the same commands as for an id that never was', async (...one) => {
    const [what, method] = one;
    const which = what.includes('group') && !what.includes('member') && !what.includes('new') ? ids.group : ids.user;
    const before = await fingerprint(both, theirs);
    // The first of its kind loads its script into Redis.
    await commandsOf('00000000-0000-4000-8000-000000000001', one);
    const foreign = await commandsOf(which, one);
    const unknown = await commandsOf(NOBODY, one);
    expect(foreign).toEqual(unknown);
    expect(foreign.status).toBe(what.startsWith('find') || what.includes('bulk') ? 200 : method === 'POST' ? 400 : 404);
    expect(await fingerprint(both, theirs)).toEqual(before);
    // No key of the other site was as much as looked at.
    expect(foreign.commands.join('\n')).not.toContain(sitePrefix(theirs.door.key));
  });
});
