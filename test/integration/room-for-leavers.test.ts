/**
 * Guarantees that whoever leaves is let go while Redis has no room for anything else: one site that fills it must not keep the leavers of others billed.
 * A real Redis with a real limit; only its settings are not asked about. RFC 9110 §15.6.4.
 */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Capacity } from '../../src/directory/capacity.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { ask, openSite, patchOf, person, type ScimServer, serveSites } from '../support/scim-server.ts';

let redisServer: TestRedis;
let redis: Redis;
let server: ScimServer;
let capacity: Capacity;
beforeAll(async () => {
  redisServer = await startRedis({ appendfsync: 'no' });
  redis = redisServer.connect('commands');
  capacity = new Capacity(redis, async () => ({ ok: true, findings: [] }));
  server = await serveSites([openSite(redis, { accepting: (leaving) => capacity.accepting(leaving) })]);
  // So much that what the tests themselves write makes no difference.
  for (let n = 0; n < 20; n += 1) await redis.set(`ballast${n}`, 'x'.repeat(1_000_000));
  await fill(0.5);
});
afterAll(async () => {
  await server.app.close();
  await redisServer.stop();
});

/** Sets the limit so that this share of it is in use. */
async function fill(share: number): Promise<void> {
  const used = Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1]);
  await redis.config('SET', 'maxmemory', String(Math.round(used / share)));
  await capacity.start();
  capacity.close();
}

const bulk = (...Operations: Record<string, unknown>[]) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
  Operations,
});
const off = patchOf({ op: 'replace', path: 'active', value: false });

test('S16 from 85 to 95 % of its memory whoever leaves is let go, and nothing else is taken; beyond that nothing is', async () => {
  const ids: string[] = [];
  for (let n = 0; n < 6; n += 1) ids.push(String((await ask(server, 'POST', '/scim/v2/Users', person(`p${n}`))).body.id));
  const at = (n: number): string => `/scim/v2/Users/${ids[n]}`;
  await fill(0.9);

  const refused = {
    status: 503,
    body: { detail: expect.stringMatching(/not acknowledged: Redis has reached 85 % of its memory/) },
  };
  expect(await ask(server, 'POST', '/scim/v2/Users', person('new'))).toMatchObject(refused);
  expect(await ask(server, 'PUT', at(0), person('p0', { title: 'x' }))).toMatchObject(refused);
  expect(await ask(server, 'PATCH', at(0), patchOf({ op: 'replace', path: 'title', value: 'x' }))).toMatchObject(refused);
  expect(await ask(server, 'POST', '/scim/v2/Groups', { displayName: 'Team' })).toMatchObject(refused);
  expect(await ask(server, 'PATCH', at(0), off)).toMatchObject({ status: 200, body: { active: false } });
  expect(await ask(server, 'PUT', at(1), person('p1', { active: false }))).toMatchObject({
    status: 200,
    body: { active: false },
  });
  expect((await ask(server, 'DELETE', at(2))).status).toBe(204);
  const { body } = await ask(
    server,
    'POST',
    '/scim/v2/Bulk',
    bulk(
      { method: 'PATCH', path: `/Users/${ids[3]}`, data: off },
      { method: 'DELETE', path: `/Users/${ids[4]}` },
      { method: 'POST', path: '/Users', bulkId: 'x', data: person('new') },
    ),
  );
  expect((body.Operations as { status: string }[]).map(({ status }) => status)).toEqual(['200', '204', '503']);

  await fill(0.97);
  for (const [method, sent] of [
    ['DELETE', undefined],
    ['PATCH', off],
  ] as const) {
    const answer = await ask(server, method, at(5), sent);
    expect(answer).toMatchObject({ status: 503, body: { detail: expect.stringMatching(/95 % of its memory/) } });
  }
});
