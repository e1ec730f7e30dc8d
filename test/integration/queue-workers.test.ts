/**
 * The workers on a real Redis and BullMQ: one person is one run at a time over all of them, a pause keeps to its lane, and somebody on whom the
 * code fails keeps nobody waiting. Source: docs.bullmq.io, rate limiting and graceful shutdown.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { MaxioClient } from '../../src/maxio/client.ts';
import { MaxioError } from '../../src/maxio/error.ts';
import type { NewSubscription } from '../../src/maxio/types.ts';
import type { ModelMaxio } from '../support/model-maxio.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { body, CONTEXT, patchOf } from './directory-bench.ts';
import { type Bench, closeAll, LANES, openBench } from './queue-bench.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterEach(closeAll);
afterAll(() => server.stop());

const until = { timeout: 20_000, interval: 20 };
const outcome = (bench: Bench, id: string) => expect.poll(async () => (await bench.record(id)).run?.outcome, until);
const quiet = (bench: Bench) => expect.poll(() => bench.runs.backlog(), until).toMatchObject({ pending: 0 });

/** Whose call this is, by reference. */
function personOf(maxio: ModelMaxio, argument: unknown): string {
  if (typeof argument === 'object' && argument !== null) {
    const { customer } = argument as NewSubscription;
    return customer.kind === 'new' ? customer.reference : personOf(maxio, customer.id);
  }
  const subscription = maxio.subscriptions.find(({ id }) => id === argument);
  const customer = maxio.customers.find(({ id }) => id === (subscription?.customerId ?? argument));
  return customer?.reference ?? String(argument);
}

/** The model with calls that take a while, and a note of everyone about whom two were under way at once. */
function watched(maxio: ModelMaxio): { client: MaxioClient; overlaps: string[] } {
  const underWay = new Set<string>();
  const overlaps: string[] = [];
  const client = new Proxy(maxio, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name, target);
      if (typeof method !== 'function' || name === 'readSite') return method;
      return async (...args: unknown[]) => {
        const person = personOf(target, args[0]);
        if (underWay.has(person)) overlaps.push(`${person} ${String(name)}`);
        underWay.add(person);
        try {
          for (let turns = 0; turns < 5; turns += 1) await turn();
          return (await Reflect.apply(method, target, args)) as unknown;
        } finally {
          underWay.delete(person);
        }
      };
    },
  });
  return { client: client as unknown as MaxioClient, overlaps };
}

describe('two workers', () => {
  it('F33 I6 never run one person at once, in whatever lanes their bells ring, and bring everyone to the last word', async () => {
    const bench = openBench(server);
    const { client, overlaps } = watched(bench.maxio);
    for (let n = 0; n < 2; n += 1) bench.work({ client });
    const ids = await Promise.all(Array.from({ length: 12 }, async (_, n) => (await bench.users.create(body(n), CONTEXT)).id));
    for (let round = 0; round < 8; round += 1) {
      await Promise.all(
        ids.map(async (id, n) => {
          const active = (round + n) % 2 === 0;
          await bench.users.patch(id, patchOf({ op: 'replace', value: { active, title: `t${round}` } }), CONTEXT);
          for (const lane of LANES) await bench.bells.ring(lane, id);
        }),
      );
    }
    await quiet(bench);
    expect(overlaps).toEqual([]);
    const live = new Set(bench.maxio.live().map(({ customerId }) => personOf(bench.maxio, customerId)));
    expect([...live].sort()).toEqual(
      ids
        .map((_, n) => `ext-${n}`)
        .filter((_, n) => (7 + n) % 2 === 0)
        .sort(),
    );
    expect(bench.maxio.customers.length).toBeLessThanOrEqual(12);
    expect(new Set(bench.maxio.customers.map(({ reference }) => reference)).size).toBe(bench.maxio.customers.length);
  });

  it('F33 a bell for a person whose lease is taken is put aside and heard when it is free', async () => {
    const bench = openBench(server);
    const { id } = await bench.users.create(body(1), CONTEXT);
    const lease = (await bench.runs.lease(id)) ?? expect.fail('no lease');
    bench.work();
    await expect.poll(() => bench.queues.normal.getDelayedCount(), until).toBe(1);
    expect(bench.maxio.calls).toEqual([]);
    await bench.runs.release(lease);
    await outcome(bench, id).toBe('settled');
    expect((await bench.record(id)).run?.attempts).toBe(0);
  });
});

describe('a pause', () => {
  it('of one lane stops only that lane, on every worker', async () => {
    const bench = openBench(server, { rings: false });
    bench.work();
    bench.work();
    const leaver = await bench.users.create(body(1), CONTEXT);
    const newcomer = await bench.users.create(body(2), CONTEXT);
    await bench.users.patch(leaver.id, patchOf({ op: 'replace', path: 'active', value: false }), CONTEXT);
    await bench.bells.pauseLane('normal', 60_000);
    await bench.bells.ring('normal', newcomer.id);
    await bench.bells.ring('urgent', leaver.id);
    await outcome(bench, leaver.id).toBe('settled');
    expect(await bench.record(newcomer.id)).not.toHaveProperty('run');
    expect((await bench.queues.normal.getJobs('wait')).map(({ data }) => data.userId)).toEqual([newcomer.id]);
  });

  it('F58 after the budget of the normal lane is used up leaves the reserve to leavers', async () => {
    const bench = openBench(server, { callsPerWindow: 200 });
    const { id } = await bench.users.create(body(1), CONTEXT);
    bench.work();
    await outcome(bench, id).toBe('settled');
    for (let call = 1; call < 190; call += 1) {
      const grant = await bench.budget.take({ lane: 'normal' });
      if (!grant.granted) throw new Error(grant.why);
      await bench.budget.release(grant.slot, 'answered');
    }
    const newcomer = await bench.users.create(body(2), CONTEXT);
    await outcome(bench, newcomer.id).toBe('postponed');
    expect((await bench.record(newcomer.id)).run).toMatchObject({ reason: 'budget', attempts: 0 });
    expect(await bench.redis.zscore(`${bench.store.prefix}due`, newcomer.id)).not.toBeNull();
    await bench.users.remove(id, CONTEXT);
    await outcome(bench, id).toBe('settled');
    expect(bench.maxio.live()).toEqual([]);
    expect((await bench.budget.peek()).used).toBe(192);
  });
});

describe('somebody on whom the code fails', () => {
  it('F18 is parked after ten tries, and the others are served meanwhile', async () => {
    const bench = openBench(server);
    const poisoned = await bench.users.create(body('poison'), CONTEXT);
    await bench.redis.hset(bench.store.userKey(poisoned.id), 'attrs', '{"userName":42,"active":true}');
    bench.work();
    for (let attempt = 1; attempt <= 10; attempt += 1) {
      await expect.poll(async () => (await bench.record(poisoned.id)).run?.attempts, until).toBeGreaterThanOrEqual(attempt);
      const healthy = await bench.users.create(body(attempt), CONTEXT);
      await outcome(bench, healthy.id).toBe('settled');
      // Stands in for the backoff, which by then is minutes.
      await bench.bells.ring('normal', poisoned.id);
    }
    await outcome(bench, poisoned.id).toBe('parked');
    expect((await bench.record(poisoned.id)).run).toMatchObject({
      reason: 'internal-error',
      detail: expect.stringContaining('ten times'),
    });
    expect(await bench.runs.parked(0, 10)).toEqual([poisoned.id]);
    await bench.age();
    expect(await bench.sweep.sweepOnce()).toBe(0);
    expect(bench.maxio.customers).toHaveLength(10);
  });

  it('F18 because the record cannot be read is told in the log, without what it holds, and keeps nobody waiting', async () => {
    const lines: string[] = [];
    const bench = openBench(server, { log: { write: (line) => void lines.push(line) } });
    const poisoned = await bench.users.create(body('poison'), CONTEXT);
    await bench.redis.hset(bench.store.userKey(poisoned.id), 'attrs', '{"userName":"canary@example.com"');
    bench.work();
    await expect.poll(() => lines.filter((line) => line.includes('a run could not be ended')).length, until).toBeGreaterThan(0);
    const healthy = await bench.users.create(body(1), CONTEXT);
    await outcome(bench, healthy.id).toBe('settled');
    expect(lines.find((line) => line.includes('could not be ended'))).toContain(poisoned.id);
    expect(await bench.redis.zscore(`${bench.store.prefix}dirty`, poisoned.id), 'stays in the backlog').not.toBeNull();
  });
});

describe('a stop', () => {
  it('F71 in the middle of a call ends by its deadline; another worker finishes, and there is one customer', async () => {
    const bench = openBench(server, { leaseMs: 900, unknownOutcomeMs: 1_000 });
    const calling = Promise.withResolvers<void>();
    const stuck = new Proxy(bench.maxio, {
      get: (target, name) =>
        name === 'createSubscription'
          ? async (_input: NewSubscription, _token: string, signal: AbortSignal) => {
              await target.createSubscription(_input);
              calling.resolve();
              await new Promise((resolve) => signal.addEventListener('abort', resolve));
              throw new MaxioError({
                kind: 'ambiguous',
                call: 'create subscription',
                sent: true,
                answered: false,
                aborted: true,
              });
            }
          : Reflect.get(target, name, target),
    });
    const first = bench.work({ client: stuck as unknown as MaxioClient });
    const { id } = await bench.users.create(body(1), CONTEXT);
    await calling.promise;
    await first.close(1);
    const record = await bench.record(id);
    expect(record.open).toMatchObject([{ kind: 'create-with-subscription', generation: 1 }]);
    expect(record.settledGeneration).toBe(0);
    expect(await bench.redis.exists(`${bench.store.prefix}lease:${id}`), 'the lease was given back').toBe(0);

    bench.work();
    await bench.bells.ring('normal', id);
    await outcome(bench, id).toBe('settled');
    expect(bench.maxio.customers).toHaveLength(1);
    expect(bench.maxio.subscriptions).toHaveLength(1);
  });

  it('F70 waits for a run that can end by itself', async () => {
    const bench = openBench(server);
    const calling = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const slow = new Proxy(bench.maxio, {
      get: (target, name) =>
        name === 'createSubscription'
          ? async (input: NewSubscription) => {
              calling.resolve();
              await go.promise;
              return await target.createSubscription(input);
            }
          : Reflect.get(target, name, target),
    });
    const worker = bench.work({ client: slow as unknown as MaxioClient });
    const { id } = await bench.users.create(body(1), CONTEXT);
    await calling.promise;
    const closed = worker.close(60_000);
    go.resolve();
    await closed;
    expect((await bench.record(id)).run).toMatchObject({ outcome: 'settled' });
  });
});
