/**
 * The bells on a real Redis and BullMQ: a write is heard at once, the sweep rings for whoever was not heard and leaves the waiting alone, and a
 * lost queue loses nothing but time. docs.bullmq.io, deduplication. Refuses to test BullMQ itself (bullmq-facts).
 */

import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Bells } from '../../src/provisioning/queue.ts';
import { connectRedis, redisReady } from '../../src/redis.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { RedisProxy } from '../support/redis-proxy.ts';
import { body, CONTEXT, patchOf } from './directory-bench.ts';
import { type Bench, closeAll, LANES, openBench } from './queue-bench.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterEach(closeAll);
afterAll(() => server.stop());

const until = { timeout: 15_000, interval: 20 };
const settled = (bench: Bench, id: string) =>
  expect.poll(async () => (await bench.record(id)).run?.outcome, until).toBe('settled');

/** Who has a bell in which lane, whatever its state. */
async function rung(bench: Bench): Promise<string[]> {
  const jobs = await Promise.all(
    LANES.map(async (lane) => (await bench.queues[lane].getJobs()).map(({ data }) => `${lane} ${data.userId}`)),
  );
  return jobs.flat().sort();
}

/** Let the next failure of this person wait for minutes, as after many others. */
async function longBackoff(bench: Bench, id: string): Promise<void> {
  const nowMs = await bench.runs.nowMs();
  const run = { outcome: 'retry', reason: 'unavailable', attempts: 30, atMs: nowMs, failingSinceMs: nowMs };
  await bench.redis.hset(bench.store.userKey(id), 'run', JSON.stringify(run));
}

/** Somebody whose bell waits for minutes, with a worker running and Maxio away until `recover`. */
async function backedOff(bench: Bench): Promise<{ id: string; waiting: string | undefined; recover: () => void }> {
  let down = true;
  bench.maxio.nextFault = () => ({ fault: down ? 'unavailable' : 'none', lateMs: 0 });
  const { id } = await bench.users.create(body(1), CONTEXT);
  await longBackoff(bench, id);
  await bench.bells.ring('normal', id);
  bench.work();
  await expect.poll(() => bench.queues.normal.getDelayedCount(), until).toBe(1);
  expect((await bench.record(id)).run).toMatchObject({ outcome: 'retry', attempts: 31 });
  return {
    id,
    waiting: (await bench.queues.normal.getDelayed())[0]?.id,
    recover: () => {
      down = false;
    },
  };
}

describe('a bell', () => {
  it('carries site and id and nothing else, and is one per person and lane, however often it rings', async () => {
    const bench = openBench(server);
    for (const lane of LANES) {
      for (let times = 0; times < 3; times += 1) await bench.bells.ring(lane, 'id-1');
      const jobs = await bench.queues[lane].getJobs();
      expect(jobs.map(({ data }) => data)).toEqual([{ site: bench.key, userId: 'id-1' }]);
      expect(jobs[0]?.id, 'an own id would swallow the next change').not.toContain('id-1');
    }
  });

  it('of a write overtakes one that waits for a later attempt, and the sweep leaves that one alone', async () => {
    const bench = openBench(server, { rings: false });
    const { id, waiting, recover } = await backedOff(bench);
    await bench.age();
    expect(await bench.sweep.sweepOnce()).toBe(0);
    expect((await bench.queues.normal.getDelayed()).map((job) => job.id)).toEqual([waiting]);

    recover();
    await bench.users.patch(id, patchOf({ op: 'replace', path: 'title', value: 'Boss' }), CONTEXT);
    await bench.bells.ring('normal', id);
    await settled(bench, id);
    expect(await bench.queues.normal.getDelayedCount()).toBe(0);
  });

  it('that was put aside just before a change whose own bell got lost is overtaken by the sweep', async () => {
    const bench = openBench(server, { rings: false });
    const { id, waiting, recover } = await backedOff(bench);
    recover();
    await bench.users.patch(id, patchOf({ op: 'replace', path: 'title', value: 'Boss' }), CONTEXT);
    expect((await bench.queues.normal.getDelayed()).map((job) => job.id)).toEqual([waiting]);
    await bench.age();
    expect(await bench.sweep.sweepOnce()).toBe(1);
    await settled(bench, id);
  });

  it('of someone who leaves enters the urgent lane although their normal one waits for minutes', async () => {
    const bench = openBench(server);
    const { id } = await bench.users.create(body(1), CONTEXT);
    await longBackoff(bench, id);
    bench.maxio.nextFault = () => ({ fault: 'unavailable', lateMs: 0 });
    bench.work();
    await expect.poll(() => bench.queues.normal.getDelayedCount(), until).toBe(1);
    await bench.users.remove(id, CONTEXT);
    await settled(bench, id);
    expect(bench.maxio.customers).toEqual([]);
    expect(await bench.queues.normal.getDelayedCount(), 'the other bell may ring later; it then costs nothing').toBe(1);
  });

  it('for nobody, or for someone long settled, costs no call', async () => {
    const bench = openBench(server);
    const { id } = await bench.users.create(body(1), CONTEXT);
    bench.work();
    await settled(bench, id);
    bench.maxio.calls = [];
    for (const lane of LANES) for (const each of [id, 'nobody']) await bench.bells.ring(lane, each);
    await expect.poll(() => rung(bench), until).toEqual([]);
    expect(bench.maxio.calls).toEqual([]);
    expect(await bench.redis.keys(`${bench.store.prefix}user:nobody`)).toEqual([]);
  });
});

describe('the sweep', () => {
  it('F04 rings for dirty people without a bell, in their lane, and not for those who wait, are parked or are settled', async () => {
    const bench = openBench(server, { rings: false });
    const made: Record<string, string> = {};
    for (const name of ['lost', 'leaver', 'waiting', 'parked', 'settled']) {
      made[name] = (await bench.users.create(body(name, { active: name !== 'leaver' }), CONTEXT)).id;
    }
    const end = async (name: string, outcome: 'retry' | 'parked' | 'settled') => {
      const lease = (await bench.runs.lease(made[name] ?? '')) ?? expect.fail('no lease');
      await bench.runs.finish(lease, {
        generation: 1,
        run: { outcome, attempts: 1 },
        ...(outcome === 'retry' ? { waitMs: 60_000 } : {}),
      });
    };
    await end('waiting', 'retry');
    await end('parked', 'parked');
    await end('settled', 'settled');
    expect(await bench.sweep.sweepOnce(), 'nobody has been dirty for long enough').toBe(0);
    await bench.age();
    expect(await bench.sweep.sweepOnce()).toBe(2);
    expect(await rung(bench)).toEqual([`normal ${made.lost}`, `urgent ${made.leaver}`].sort());
  });

  it('F74 twice, from two replicas, rings once', async () => {
    const bench = openBench(server, { rings: false });
    const other = openBench(server, { key: bench.key });
    const { id } = await bench.users.create(body(1), CONTEXT);
    await bench.age();
    await Promise.all([bench, other, bench, other].map(({ sweep }) => sweep.sweepOnce()));
    expect(await rung(bench)).toEqual([`normal ${id}`]);
  });

  it('I12 reaches everyone, although more than a batch of others wait for a later attempt', async () => {
    const bench = openBench(server);
    const p = bench.store.prefix;
    const nowMs = await bench.runs.nowMs();
    const waiting = Array.from({ length: 1_100 }, (_, n) => `id-${n}`);
    await bench.redis.zadd(`${p}dirty`, ...waiting.flatMap((id, n) => [nowMs - 200_000 + n, id]));
    await bench.redis.zadd(`${p}due`, ...waiting.flatMap((id) => [nowMs + 600_000, id]));
    await bench.redis.zadd(`${p}dirty`, nowMs - 10_000, 'last');
    expect(await bench.sweep.sweepOnce()).toBe(0);
    expect(await bench.sweep.sweepOnce()).toBe(0);
    expect(await bench.sweep.sweepOnce()).toBe(1);
    expect(await rung(bench)).toEqual(['normal last']);
    expect(await bench.sweep.sweepOnce(), 'and begins anew').toBe(0);
  });

  it('turns by itself, goes on after Redis was away, and stops when told', async () => {
    const own = await startRedis();
    try {
      const bench = openBench(own, { rings: false });
      bench.work();
      bench.sweep.start();
      const first = await bench.users.create(body(1), CONTEXT);
      await bench.age();
      await settled(bench, first.id);
      await own.kill();
      await own.restart();
      const again = () => bench.users.create(body(2), CONTEXT).catch(() => undefined);
      await expect.poll(again, { ...until, timeout: 10_000 }).toBeDefined();
      await bench.age();
      const second = await bench.store.findByUserName('person2@example.com');
      await settled(bench, second?.id ?? '');
      bench.sweep.close();
      await closeAll();
    } finally {
      await own.stop();
    }
  });
});

describe('a lost queue', () => {
  async function dropBullKeys(bench: Bench): Promise<number> {
    const names = await bench.redis.keys(`${bench.store.prefix}bull:*`);
    return names.length === 0 ? 0 : await bench.redis.del(...names);
  }

  it('F2A loses nobody: the sweep rings for all who are dirty', async () => {
    const bench = openBench(server);
    for (let n = 0; n < 20; n += 1) await bench.users.create(body(n, { active: n % 4 !== 0 }), CONTEXT);
    await expect.poll(async () => (await rung(bench)).length, until).toBe(20);
    expect(await dropBullKeys(bench)).toBeGreaterThan(20);
    bench.work();
    await bench.age();
    expect(await bench.sweep.sweepOnce()).toBe(20);
    await expect.poll(() => bench.runs.backlog(), until).toMatchObject({ pending: 0, parked: 0 });
    expect(bench.maxio.live()).toHaveLength(15);
  });

  it('F2A under a worker at work: it hears the next bell', async () => {
    const bench = openBench(server);
    bench.work();
    const first = await bench.users.create(body(1), CONTEXT);
    await settled(bench, first.id);
    await dropBullKeys(bench);
    const second = await bench.users.create(body(2), CONTEXT);
    await settled(bench, second.id);
  });

  it('a deduplication key that an outage left behind swallows no later bell', async () => {
    const bench = openBench(server);
    const { id } = await bench.users.create(body(1), CONTEXT);
    await expect.poll(() => rung(bench), until).toEqual([`normal ${id}`]);
    const jobs = await bench.redis.keys(`${bench.store.prefix}bull:normal:[0-9a-f]*`);
    await bench.redis.del(
      `${bench.store.prefix}bull:normal:wait`,
      ...jobs.filter((name) => /:\d+$|-[0-9a-f]{12}$/.test(name) && !name.includes(':de:')),
    );
    expect(await bench.redis.keys(`${bench.store.prefix}bull:normal:de:*`)).toHaveLength(1);
    bench.work();
    await bench.age();
    await bench.sweep.sweepOnce();
    await settled(bench, id);
  });
});

it('a Redis that hangs while the queues are opened silences no bell for longer than it hangs', async () => {
  const proxy = await RedisProxy.start(server.url);
  const connection = connectRedis(proxy.url, 'queue');
  await redisReady(connection);
  proxy.stall();
  const bells = new Bells('us.hanging', connection, pino({ level: 'silent' }));
  await expect(bells.ring('urgent', 'u1')).rejects.toThrow();
  proxy.heal();
  await expect.poll(() => bells.ring('urgent', 'u1').then(() => 'rung', String), until).toBe('rung');
  await bells.close();
  connection.disconnect();
  await proxy.stop();
});
