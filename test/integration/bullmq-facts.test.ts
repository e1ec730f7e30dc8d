/**
 * Owns the behaviour of BullMQ that provisioning builds on, or guards against, pinned on a real Redis so that an upgrade
 * which changes any of it is noticed here and not by a leaver who is still billed.
 * Refuses to test our own queue. Sources: docs.bullmq.io (deduplication, rate limiting, stalled jobs, graceful shutdown).
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import {
  DelayedError,
  type Job,
  type JobsOptions,
  type Processor,
  Queue,
  RateLimitError,
  Worker,
  type WorkerOptions,
} from 'bullmq';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { startRedis, type TestRedis } from '../support/redis.ts';

let redis: TestRedis;
let serial = 0;
const open: { close(force?: boolean): Promise<void> }[] = [];

beforeAll(async () => {
  redis = await startRedis({ appendfsync: 'no' });
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close(true)));
});
afterAll(() => redis.stop());

/** Opens a queue of a name of its own. */
function newQueue(): Queue {
  serial += 1;
  const queue = new Queue(`facts-${serial}`, { connection: redis.connect('queue') });
  queue.on('error', () => undefined);
  open.push(queue);
  return queue;
}

/** Starts a worker on a queue; errors of the connection at the end of a test are of no interest. */
function newWorker(queue: Queue, processor: Processor, options: Partial<WorkerOptions> = {}): Worker {
  const worker = new Worker(queue.name, processor, { connection: redis.connect('worker'), ...options });
  worker.on('error', () => undefined);
  open.push({ close: (force) => worker.close(force) });
  return worker;
}

/** A gate that a processor waits at until the test opens it. */
function gate(): { wait: Promise<void>; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { wait: promise, open: resolve };
}

const until = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 15_000, interval: 20 });
const quiet = async (queue: Queue) =>
  until(async () =>
    expect(await queue.getJobCounts('active', 'wait', 'prioritized', 'delayed')).toEqual({
      active: 0,
      wait: 0,
      prioritized: 0,
      delayed: 0,
    }),
  );

/** Runs three adds, the last two while the first is active, and answers with what the worker saw. */
async function versionsSeen(options: JobsOptions): Promise<{ seen: number[]; parallel: number }> {
  const queue = newQueue();
  const started = gate();
  const hold = gate();
  const seen: number[] = [];
  let running = 0;
  let parallel = 0;
  newWorker(
    queue,
    async (job) => {
      running += 1;
      parallel = Math.max(parallel, running);
      seen.push(job.data.version);
      started.open();
      await hold.wait;
      running -= 1;
    },
    { concurrency: 5 },
  );
  await queue.add('nudge', { version: 1 }, options);
  await started.wait;
  await queue.add('nudge', { version: 2 }, options);
  await queue.add('nudge', { version: 3 }, options);
  hold.open();
  await quiet(queue);
  return { seen, parallel };
}

describe('an add while the same key is active', () => {
  it('is silently lost with a fixed jobId', async () => {
    expect((await versionsSeen({ jobId: 'ann', removeOnComplete: true })).seen).toEqual([1]);
  });

  it('is silently lost with a plain deduplication id', async () => {
    expect((await versionsSeen({ deduplication: { id: 'ann' }, removeOnComplete: true })).seen).toEqual([1]);
  });

  it('is lost with keepLastIfActive too when a jobId is fixed beside it', async () => {
    const { seen } = await versionsSeen({
      jobId: 'ann',
      deduplication: { id: 'ann', keepLastIfActive: true },
      removeOnComplete: true,
    });
    expect(seen).toEqual([1]);
  });

  it.each([undefined, true])(
    'becomes exactly one later run with keepLastIfActive (replace %s), never a parallel one',
    async (replace) => {
      const deduplication = { id: 'site:ann', keepLastIfActive: true, ...(replace ? { replace } : {}) };
      expect(await versionsSeen({ deduplication, removeOnComplete: true })).toEqual({ seen: [1, 3], parallel: 1 });
    },
  );
});

it('an add for a jobId that is kept as failed is silently ignored; with an automatic id it is not', async () => {
  const queue = newQueue();
  const seen: number[] = [];
  newWorker(queue, async (job) => {
    seen.push(job.data.version);
    if (job.data.version === 1) throw new Error('refused');
  });
  for (const options of [{ jobId: 'ann' }, { deduplication: { id: 'bob', keepLastIfActive: true } }]) {
    seen.length = 0;
    await queue.add('nudge', { version: 1 }, options);
    await until(async () => expect(await queue.getFailedCount()).toBeGreaterThan(0));
    await queue.add('nudge', { version: 2 }, options);
    await queue.add('other', { version: 3 });
    await until(() => expect(seen).toContain(3));
    expect(seen).toEqual(options.jobId ? [1, 3] : [1, 2, 3]);
    await queue.clean(0, 0, 'failed');
  }
});

describe('a key in backoff', () => {
  /** Brings a key into a backoff of an hour. */
  async function inBackoff(): Promise<{ queue: Queue; runs: { attempts: number; version: number }[] }> {
    const queue = newQueue();
    const runs: { attempts: number; version: number }[] = [];
    newWorker(queue, async (job) => {
      runs.push({ attempts: job.attemptsMade, version: job.data.version });
      if (job.data.version === 1) throw new Error('not now');
    });
    const deduplication = { id: 'ann', keepLastIfActive: true };
    await queue.add('nudge', { version: 1 }, { deduplication, attempts: 5, backoff: { type: 'fixed', delay: 3_600_000 } });
    await until(async () => expect(await queue.getDelayedCount()).toBe(1));
    return { queue, runs };
  }

  it('is overtaken by an add with replace, which starts with fresh attempts', async () => {
    const { queue, runs } = await inBackoff();
    await queue.add(
      'nudge',
      { version: 2 },
      { deduplication: { id: 'ann', keepLastIfActive: true, replace: true }, attempts: 5 },
    );
    await until(() => expect(runs).toHaveLength(2));
    expect(runs[1]).toEqual({ attempts: 0, version: 2 });
    await quiet(queue);
  });

  it('is left alone by an add without replace, as the sweep needs it', async () => {
    const { queue, runs } = await inBackoff();
    const [before] = await queue.getDelayed();
    await queue.add('nudge', { version: 2 }, { deduplication: { id: 'ann', keepLastIfActive: true }, attempts: 5 });
    await queue.add('nudge', { version: 3 }, { deduplication: { id: 'bob', keepLastIfActive: true }, attempts: 5 });
    await until(() => expect(runs.map((run) => run.version)).toContain(3));
    expect(runs.map((run) => run.version)).toEqual([1, 3]);
    const [after] = await queue.getDelayed();
    expect(after).toMatchObject({ id: before?.id, data: { version: 1 }, attemptsMade: 1 });
  });
});

describe('order', () => {
  it('a waiting key keeps its old priority when it is added again, until changePriority', async () => {
    const queue = newQueue();
    const options = (priority: number): JobsOptions => ({ priority, deduplication: { id: 'ann', keepLastIfActive: true } });
    await queue.add('nudge', {}, options(10));
    await queue.add('nudge', {}, options(1));
    const id = await queue.getDeduplicationJobId('ann');
    expect((await queue.getJob(id ?? ''))?.priority).toBe(10);
    await (await queue.getJob(id ?? ''))?.changePriority({ priority: 1 });
    expect((await queue.getJob(id ?? ''))?.priority).toBe(1);
  });

  it('a job without a priority goes before priority 1', async () => {
    const queue = newQueue();
    for (const priority of [10, 1, 5]) await queue.add('nudge', { priority }, { priority });
    await queue.add('nudge', { priority: 'none' });
    const seen: unknown[] = [];
    newWorker(queue, async (job) => void seen.push(job.data.priority));
    await until(() => expect(seen).toHaveLength(4));
    expect(seen).toEqual(['none', 1, 5, 10]);
  });

  it.each(['7', 'site:ann'])('refuses %j as a jobId, and takes a colon in a deduplication id', async (jobId) => {
    const queue = newQueue();
    await expect(queue.add('nudge', {}, { jobId })).rejects.toThrow();
    await expect(queue.add('nudge', {}, { deduplication: { id: 'site:ann' } })).resolves.toBeDefined();
  });
});

describe('waiting without spending attempts', () => {
  it('moveToDelayed with DelayedError costs no attempt, and an add with replace overtakes it', async () => {
    const queue = newQueue();
    const runs: { made: number; version: number }[] = [];
    newWorker(queue, async (job: Job, token) => {
      runs.push({ made: job.attemptsMade, version: job.data.version });
      if (runs.length === 1) {
        await job.moveToDelayed(Date.now() + 3_600_000, token);
        throw new DelayedError();
      }
    });
    const deduplication = { id: 'ann', keepLastIfActive: true, replace: true };
    await queue.add('nudge', { version: 1 }, { deduplication, attempts: 1 });
    await until(async () => expect(await queue.getDelayedCount()).toBe(1));
    expect((await queue.getDelayed())[0]?.attemptsMade).toBe(0);
    expect(await queue.getFailedCount()).toBe(0);
    await queue.add('nudge', { version: 2 }, { deduplication, attempts: 1 });
    await until(() => expect(runs).toHaveLength(2));
    expect(runs[1]).toEqual({ made: 0, version: 2 });
  });

  it('rateLimit stops every worker, urgent jobs included, when each has a limiter; the job loses no attempt', async () => {
    const queue = newQueue();
    const runs: { worker: string; name: string; made: number }[] = [];
    const limiter = { max: 1_000_000, duration: 1_000 };
    const processor =
      (worker: string): Processor =>
      async (job) => {
        runs.push({ worker, name: job.name, made: job.attemptsMade });
        if (job.name === 'throttled' && runs.length === 1) {
          await queue.rateLimit(3_600_000);
          throw new RateLimitError();
        }
      };
    await queue.add('throttled', {}, { priority: 5, attempts: 1 });
    for (const name of ['a', 'b']) newWorker(queue, processor(name), { limiter, maximumRateLimitDelay: 100 });
    await until(async () => expect(await queue.getRateLimitTtl()).toBeGreaterThan(0));
    await until(async () => expect(await queue.getJobCounts('active', 'prioritized')).toEqual({ active: 0, prioritized: 1 }));
    await queue.add('urgent', {}, { priority: 1 });
    // Both workers are idle and awake: a probe through another queue shows that they would have had the time.
    const probe = newQueue();
    const probed = gate();
    newWorker(probe, async () => probed.open());
    await probe.add('x', {});
    await probed.wait;
    expect(runs).toEqual([expect.objectContaining({ name: 'throttled', made: 0 })]);
    // Workers look again only every maximumRateLimitDelay (30 s by default), also when the key has been removed.
    await queue.removeRateLimitKey();
    await queue.add('wake', {}, { priority: 1 });
    await until(() => expect(runs.map((run) => run.name).sort()).toEqual(['throttled', 'throttled', 'urgent', 'wake']));
    expect(runs.every((run) => run.made === 0)).toBe(true);
  });
});

it('the limiter is a fixed window: it starts more than its limit within one rolling window', async () => {
  const queue = newQueue();
  const limiter = { max: 10, duration: 2_000 };
  const startedMs: number[] = [];
  newWorker(queue, async () => void startedMs.push(performance.now()), { limiter, concurrency: 50 });
  await queue.add('first', {});
  const client = redis.connect();
  await until(async () => {
    const leftMs = await client.pttl(`bull:${queue.name}:limiter`);
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThan(500);
  });
  await queue.addBulk(Array.from({ length: 30 }, () => ({ name: 'edge', data: {} })));
  await until(() => expect(startedMs.length).toBeGreaterThanOrEqual(20));
  const most = Math.max(...startedMs.map((from) => startedMs.filter((at) => at >= from && at < from + limiter.duration).length));
  expect(most).toBeGreaterThan(limiter.max);
});

it('close waits for the active job', async () => {
  const queue = newQueue();
  const started = gate();
  const hold = gate();
  const worker = newWorker(queue, async () => {
    started.open();
    await hold.wait;
  });
  await queue.add('nudge', {});
  await started.wait;
  let closed = false;
  const closing = worker.close().then(() => {
    closed = true;
  });
  await queue.getJobCounts();
  expect(closed).toBe(false);
  hold.open();
  await closing;
  expect(await queue.getCompletedCount()).toBe(1);
});

describe('a worker process that dies by SIGKILL in the middle of a job', () => {
  /** Lets a process take the job and die, as often as asked. */
  async function crash(queue: Queue, times: number, maxStalledCount: number | undefined): Promise<void> {
    const script = fileURLToPath(new URL('../support/dying-worker.ts', import.meta.url));
    for (let time = 0; time < times; time++) {
      const child = spawn(process.execPath, [script, redis.url, queue.name, String(maxStalledCount ?? '')], { stdio: 'inherit' });
      const signal = await new Promise((resolve) => child.once('exit', (_code, name) => resolve(name)));
      expect(signal).toBe('SIGKILL');
    }
  }
  const soon = { lockDuration: 500, stalledInterval: 200 };

  it('F16: loses the job at the second crash with the default maxStalledCount', async () => {
    const queue = newQueue();
    await queue.add('nudge', {}, { attempts: 10 });
    await crash(queue, 2, undefined);
    const seen: unknown[] = [];
    newWorker(queue, async (job) => void seen.push(job.id), soon);
    await until(async () => expect(await queue.getFailedCount()).toBe(1));
    expect((await queue.getFailed())[0]?.failedReason).toMatch(/stalled/);
    expect(seen).toEqual([]);
  });

  it('F16: keeps the job alive with a high maxStalledCount', async () => {
    const queue = newQueue();
    await queue.add('nudge', {}, { attempts: 10 });
    await crash(queue, 3, 1_000);
    const seen: unknown[] = [];
    newWorker(queue, async (job) => void seen.push(job.id), { ...soon, maxStalledCount: 1_000 });
    await until(() => expect(seen).toHaveLength(1));
  });
});

it('F20: a worker resumes by itself after Redis was away for longer than drainDelay', async () => {
  const queue = newQueue();
  const seen: unknown[] = [];
  let errors = 0;
  const worker = newWorker(queue, async (job) => void seen.push(job.data.n), { drainDelay: 1 });
  worker.on('error', () => {
    errors += 1;
  });
  await queue.add('nudge', { n: 1 });
  await until(() => expect(seen).toEqual([1]));
  await redis.kill();
  // Reconnects are at most a second apart, so that many errors mean several seconds of outage.
  await until(() => expect(errors).toBeGreaterThanOrEqual(10));
  await redis.restart();
  await until(async () => {
    await queue.add('nudge', { n: 2 });
  });
  await until(() => expect(seen).toContain(2));
});
