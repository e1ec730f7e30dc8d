/**
 * Guarantees that data which is not what a process knew is noticed by every script that matters, before it is written to and whoever asks first:
 * F22 (lost), F23 (set back), F2B (a lower number), and that every process takes part in what one of them has declared.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SiteModes } from '../../src/directory/site-mode.ts';
import { DirectoryUnavailable } from '../../src/directory/unavailable.ts';
import { Budget } from '../../src/maxio/budget.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { auditOf, body, CONTEXT, changeOf, openSite, type TestSite } from './directory-bench.ts';

let server: TestRedis;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  await server.stop();
});

/** A site that was met and has somebody, known to two processes. */
async function met(): Promise<{ site: TestSite; other: TestSite; id: string; modes: SiteModes }> {
  const site = openSite(server);
  const other = site.replica();
  const modes = new SiteModes(site.redis, site.key);
  expect(await modes.meet('17', 'enforce')).toBe('17');
  const { id } = await site.users.create(body(1), CONTEXT);
  for (const { store } of [site, other]) {
    expect(await store.witness.look()).toMatchObject({ epoch: expect.stringMatching(/^[0-9a-f-]{36}$/), recovery: undefined });
  }
  return { site, other, id, modes };
}

async function empty({ redis, store }: TestSite): Promise<void> {
  const keys = await redis.keys(`${store.prefix}*`);
  await redis.del(...keys);
}

/** The trail as it was some entries ago. */
async function setBack({ redis, store }: TestSite, by: number): Promise<void> {
  await redis.hincrby(`${store.prefix}auditClock`, 'seq', -by);
}

describe('lost', () => {
  test('F22 a commit writes nothing and declares it, and the other process hears of it', async () => {
    const { site, other, modes } = await met();
    await empty(site);
    await expect(site.store.commit(changeOf(2))).rejects.toThrow(DirectoryUnavailable);
    expect(await site.redis.keys(`${site.store.prefix}user:*`)).toEqual([]);
    expect(await modes.read()).toMatchObject({ mode: 'observe', by: 'lost' });
    expect((await modes.read())?.releasedAtMs).toBeUndefined();
    expect(await site.redis.hget(`${site.store.prefix}site`, 'siteId')).toBe('17');
    const { epoch } = site.store.witness.standing;
    expect(await other.store.witness.look()).toMatchObject({ epoch, recovery: 'lost' });
    await expect(other.users.create(body(3), CONTEXT)).rejects.toThrow(DirectoryUnavailable);
    // One declaration, whoever was first.
    expect((await auditOf(site)).filter(({ entry }) => entry?.includes('site-lost'))).toHaveLength(1);
  });

  test('F22 nobody is told that somebody is not there', async () => {
    const { site, other, id } = await met();
    await empty(site);
    await expect(site.users.read(id)).rejects.toThrow(DirectoryUnavailable);
    await expect(other.users.list({ startIndex: 1, count: 10 })).rejects.toThrow(DirectoryUnavailable);
    await expect(other.users.remove(id, CONTEXT)).rejects.toThrow(DirectoryUnavailable);
  });

  test('F22 nobody is told of half a directory while it is being put back', async () => {
    const { site, id } = await met();
    const { store } = site;
    await store.witness.declare('restored', 'dana');
    const audit = { kind: 'operator', what: 'import-begun', actor: 'dana', requestId: 'req-d' } as const;
    expect(await store.witness.proceed('restored', 'rebuilding', audit)).toBe(true);
    await expect(site.users.read(id)).rejects.toThrow(DirectoryUnavailable);
    await expect(site.users.list({ startIndex: 1, count: 10 })).rejects.toThrow(DirectoryUnavailable);
    expect(await store.witness.proceed('rebuilding', 'imported', audit)).toBe(true);
    expect(await site.users.read(id)).toMatchObject({ id });
    expect(await site.users.list({ startIndex: 1, count: 10 })).toMatchObject({ totalResults: 1 });
  });

  test('F22 a run begins nothing, the sweep rings nobody, and no call is granted', async () => {
    const { site, id } = await met();
    const fence = site.store.witness.fences();
    const budget = new Budget(site.redis, site.store.prefix, {
      callsPerWindow: 100,
      windowSeconds: 60,
      concurrency: 4,
      unknownOutcomeSeconds: 130,
    });
    expect(await budget.take({ lane: 'urgent', fences: fence })).toMatchObject({ granted: true });
    const keys = await site.redis.hgetall(`${site.store.prefix}site`);
    await site.redis.hset(`${site.store.prefix}site`, 'epoch', 'another');
    expect(await site.runs.begin(id)).toMatchObject({ mode: undefined });
    expect(await site.runs.sweepable(0, 100, { everybody: 0, leavers: 0 })).toMatchObject({ people: [] });
    expect(await budget.take({ lane: 'urgent', fences: fence })).toMatchObject({ granted: false, why: 'fenced' });
    expect(keys.siteId).toBe('17');
  });

  test('a process that did not know the epochs before takes over the one that follows its own, and no other', async () => {
    const { site, other } = await met();
    await site.store.witness.declare('lost', 'dana');
    const second = await site.store.witness.declare('restored', 'dana');
    expect(await other.store.witness.look()).toMatchObject({ epoch: second.epoch, recovery: 'restored' });
    await site.redis.hset(`${site.store.prefix}site`, 'epoch', 'a stranger');
    await site.redis.hdel(`${site.store.prefix}site`, 'recovery');
    expect(await other.store.witness.look()).toMatchObject({ recovery: 'lost' });
  });
});

describe('set back', () => {
  test('F23 F2B a lower number of the trail stops the writes, and the numbers are not used again', async () => {
    const { site, id, modes } = await met();
    await site.users.replace(id, { ...body(1), title: 'Engineer' }, CONTEXT);
    const { seq } = site.store.witness.standing;
    await setBack(site, 1);
    await expect(site.users.replace(id, { ...body(1), title: 'Writer' }, CONTEXT)).rejects.toThrow(DirectoryUnavailable);
    expect(await modes.read()).toMatchObject({ mode: 'observe', by: 'restored' });
    // Answered again at once: the identity provider mends what was forgotten.
    await site.users.replace(id, { ...body(1), title: 'Writer' }, CONTEXT);
    const numbers = (await auditOf(site)).map((entry) => Number(entry.seq));
    expect(numbers.at(-1)).toBe(seq + 2);
    expect(await site.runs.begin(id)).toMatchObject({ mode: 'observe' });
  });

  test('F2B a run that reads the older data begins nothing', async () => {
    const { site, id } = await met();
    await setBack(site, 1);
    expect(await site.runs.begin(id)).toMatchObject({ mode: undefined });
  });

  test('the backup of an epoch that was left is known for what it is', async () => {
    const { site } = await met();
    const first = site.store.witness.standing.epoch;
    await site.store.witness.declare('lost', 'dana');
    await site.redis.del(`${site.store.prefix}site`);
    await site.redis.hset(`${site.store.prefix}site`, 'epoch', first, 'siteId', '17');
    expect(await site.store.witness.look()).toMatchObject({ recovery: 'restored' });
  });
});

test('a filled budget grants nothing for one window, however often it is filled', async () => {
  const site = openSite(server);
  let nowMs = 1_000_000;
  const limits = { callsPerWindow: 10, windowSeconds: 60, concurrency: 2, unknownOutcomeSeconds: 130 };
  const budget = new Budget(site.redis, site.store.prefix, limits, { nowMs: () => nowMs });
  expect(await budget.take({ lane: 'urgent' })).toMatchObject({ granted: true });
  await budget.fill();
  await budget.fill();
  expect(await budget.peek()).toMatchObject({ used: 10 });
  expect(await budget.take({ lane: 'urgent' })).toMatchObject({ granted: false, why: 'budget' });
  nowMs += 59_000;
  expect(await budget.take({ lane: 'urgent' })).toMatchObject({ granted: false, why: 'budget' });
  nowMs += 1_200;
  expect(await budget.take({ lane: 'urgent' })).toMatchObject({ granted: true });
});
