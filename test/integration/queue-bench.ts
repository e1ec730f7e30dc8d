/**
 * Owns what the tests of the queue share: one site with real bells, budget and workers on a real Redis, and the fast model of Maxio behind it.
 * Refuses HTTP. Everything opened here is closed by `closeAll`, so that a failing test leaves no worker behind.
 */
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { type DestinationStream, pino } from 'pino';
import { sitePrefix } from '../../src/directory/keys.ts';
import { intentOf, type UserRecord } from '../../src/directory/record.ts';
import { Runs } from '../../src/directory/runs.ts';
import { Store } from '../../src/directory/store.ts';
import { createUsers, type Users } from '../../src/directory/users.ts';
import { Budget } from '../../src/maxio/budget.ts';
import type { MaxioClient } from '../../src/maxio/client.ts';
import { Caller } from '../../src/provisioning/caller.ts';
import { type Bell, Bells, type QueueLane, queuePrefix } from '../../src/provisioning/queue.ts';
import { Sweep } from '../../src/provisioning/sweep.ts';
import { SiteWorker, type WorkerParts } from '../../src/provisioning/worker.ts';
import { createTelemetry } from '../../src/telemetry.ts';
import { NO_GUARD } from '../support/guard.ts';
import { ModelMaxio } from '../support/model-maxio.ts';
import type { TestRedis } from '../support/redis.ts';

export const LANES: QueueLane[] = ['urgent', 'normal'];
const telemetry = createTelemetry({ version: 'test', processMetrics: false });
const closers: (() => Promise<unknown>)[] = [];

export interface BenchOptions {
  key?: string;
  client?: MaxioClient;
  leaseMs?: number;
  unknownOutcomeMs?: number;
  callsPerWindow?: number;
  log?: DestinationStream;
  /** False: writes ring nobody. */
  rings?: boolean;
}

export interface Bench {
  key: string;
  redis: Redis;
  maxio: ModelMaxio;
  store: Store;
  runs: Runs;
  users: Users;
  budget: Budget;
  bells: Bells;
  sweep: Sweep;
  /** Bells as BullMQ sees them. */
  queues: Record<QueueLane, Queue<Bell>>;
  work(change?: Partial<WorkerParts>): SiteWorker;
  record(id: string): Promise<UserRecord>;
  /** Let everyone who is dirty look as if they had been for a minute. */
  age(): Promise<void>;
}

let serial = 0;

export function openBench(server: TestRedis, options: BenchOptions = {}): Bench {
  serial += 1;
  const key = options.key ?? `us.queue${serial}`;
  const redis = server.connect();
  const maxio = new ModelMaxio();
  const logger = options.log === undefined ? pino({ level: 'silent' }) : pino({ level: 'trace' }, options.log);
  const unknownOutcomeMs = options.unknownOutcomeMs ?? 130_000;
  const store = new Store(redis, key, { backlogLimit: 100_000, guard: NO_GUARD });
  const runs = new Runs(store, { leaseMs: options.leaseMs ?? 30_000 });
  const budget = new Budget(redis, sitePrefix(key), {
    callsPerWindow: options.callsPerWindow ?? 10_000,
    windowSeconds: 3_600,
    concurrency: 4,
    unknownOutcomeSeconds: unknownOutcomeMs / 1_000,
  });
  const bells = new Bells(key, server.connect('queue'), logger);
  const open = (lane: QueueLane): Queue<Bell> =>
    new Queue<Bell>(lane, { connection: server.connect('queue'), prefix: queuePrefix(key) });
  const queues = { urgent: open('urgent'), normal: open('normal') };
  closers.push(() => bells.close(), ...LANES.map((lane) => () => queues[lane].close()));
  const users = createUsers({
    store,
    site: { region: 'us', subdomain: key },
    onCommitted: (record) => {
      if (options.rings === false) return;
      bells.ring(intentOf(record) === 'inactive' ? 'urgent' : 'normal', record.id).catch(() => undefined);
    },
  });
  const parts: WorkerParts = {
    siteKey: key,
    store,
    runs,
    bells,
    caller: new Caller(budget, key, telemetry),
    client: options.client ?? (maxio as unknown as MaxioClient),
    logger,
    telemetry,
    connect: () => server.connect('worker'),
    leaseMs: options.leaseMs ?? 30_000,
    paymentCollectionMethod: 'remittance',
    policy: { productHandle: 'pro', policy: 'cancel', unknownOutcomeMs, graceMs: 0, calmMs: 0, isProtected: () => false },
  };
  // Commands of one connection keep their order, so this is so before anything else of this bench.
  void redis.hset(`${store.prefix}mode`, 'mode', 'enforce');
  return {
    key,
    redis,
    maxio,
    store,
    runs,
    users,
    budget,
    bells,
    sweep: new Sweep({ site: key, runs, bells, logger, telemetry, beat: () => undefined }),
    queues,
    work: (change = {}) => {
      const worker = new SiteWorker({ ...parts, ...change });
      closers.push(() => worker.close(1));
      return worker;
    },
    record: async (id) => (await store.read(id)) ?? Promise.reject(new Error('no such person')),
    age: async () => {
      const old = (await runs.nowMs()) - 60_000;
      for (const id of await redis.zrange(`${store.prefix}dirty`, '0', '-1'))
        await redis.zadd(`${store.prefix}dirty`, 'XX', old, id);
    },
  };
}

/** Close what was opened since the last time, workers first. */
export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
}
