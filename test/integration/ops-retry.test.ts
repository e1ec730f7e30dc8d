/** Owns the promises of a retry of very many parked people: it can be seen beforehand, changes nothing until then, and happens once for each. */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { timeFor } from '../../src/ops/estimate.ts';
import { OPS_TOKEN, type OpsServer, openOpsSite, provision, serveOps } from '../support/ops-server.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

let redisServer: TestRedis;
let redis: Redis;

beforeAll(async () => {
  redisServer = await startRedis({ appendfsync: 'no' });
  redis = redisServer.connect('commands');
});
afterAll(async () => {
  await redisServer.stop();
});

const PEOPLE = 5_000;

async function retry(server: OpsServer, body: object) {
  const answer = await server.app.inject({
    method: 'POST',
    url: '/ops/api/parked/retry',
    headers: { authorization: `Bearer ${OPS_TOKEN}`, 'content-type': 'application/json' },
    payload: JSON.stringify(body),
  });
  return { status: answer.statusCode, body: answer.json() };
}

test('F88 a retry of 5,000 parked people is previewed without a trace, made in parts, and made once', async () => {
  const site = openOpsSite(redis, { callsPerWindow: 1_000 });
  const server = await serveOps(redis, [site]);
  const ids: string[] = [];
  for (let at = 0; at < PEOPLE; at += 250) {
    const batch = await Promise.all(Array.from({ length: 250 }, (_, i) => provision(site, `p${at + i}`)));
    await Promise.all(
      batch.map(async ({ id, requestId }, i) => {
        const lease = await site.runs.lease(id);
        if (lease === undefined) throw new Error('no lease');
        const reason = (at + i) % 5 === 0 ? 'refused-by-maxio' : 'link-approval';
        const run = { outcome: 'parked', attempts: 0, reason, detail: 'x' } as const;
        await site.runs.finish(lease, { generation: 1, run, audit: { kind: 'run', what: 'parked', requestId } });
        await site.runs.release(lease);
      }),
    );
    ids.push(...batch.map(({ id }) => id));
  }
  const keysBefore = await redis.dbsize();
  const auditBefore = await redis.xlen(`${site.store.prefix}audit`);
  const seen = await retry(server, { all: true, preview: true });
  expect(seen).toMatchObject({
    status: 200,
    body: {
      preview: true,
      total: PEOPLE,
      reasons: [
        { reason: 'link-approval', count: 4_000 },
        { reason: 'refused-by-maxio', count: 1_000 },
      ],
      notParked: [],
      // Each of them would be created with a subscription, which is one call.
      estimatedCalls: PEOPLE,
    },
  });
  // 950 of 5,000 calls fit into the hour that runs, the rest into those that follow.
  expect(seen.body.estimatedSeconds).toBe(timeFor(PEOPLE, { limit: 1_000, used: 0, windowSeconds: 3_600 }));
  expect(seen.body.estimatedSeconds).toBeGreaterThan(4 * 3_600);
  expect((await retry(server, { ids: [ids[0], 'nobody'], preview: true })).body).toMatchObject({
    total: 1,
    notParked: ['nobody'],
  });
  expect(await site.runs.backlog()).toMatchObject({ parked: PEOPLE, pending: 0 });
  expect([await redis.dbsize(), await redis.xlen(`${site.store.prefix}audit`)]).toEqual([keysBefore, auditBefore]);
  expect(site.rung).toEqual([]);
  expect((await site.budget.peek()).used).toBe(0);

  const lefts: number[] = [];
  for (let left = PEOPLE; left > 0 && lefts.length < 10; ) {
    const { status, body } = await retry(server, { all: true });
    expect(status).toBe(200);
    left = body.left;
    lefts.push(left);
  }
  expect(lefts).toEqual([4_000, 3_000, 2_000, 1_000, 0]);
  expect(new Set(site.rung.map(({ userId }) => userId))).toEqual(new Set(ids));
  expect(site.rung).toHaveLength(PEOPLE);
  expect(await site.runs.backlog()).toMatchObject({ parked: 0, pending: PEOPLE });

  const again = await retry(server, { ids: ids.slice(0, 1_000) });
  expect(again.body).toMatchObject({ retried: [], notParked: { length: 1_000 }, left: 0 });
  expect(site.rung).toHaveLength(PEOPLE);
  const audited = await redis.xlen(`${site.store.prefix}audit`);
  expect(audited - auditBefore).toBe(PEOPLE);
  await server.app.close();
}, 120_000);
