/**
 * Owns the assembly of the real service around the models: what src/app-site.ts does for a site, without HTTP, survey and notices. Refuses decisions.
 */
import type { Redis } from 'ioredis';
import { pino } from 'pino';
import { intentOf } from '../../src/directory/record.ts';
import { Runs } from '../../src/directory/runs.ts';
import { SiteModes } from '../../src/directory/site-mode.ts';
import { Store } from '../../src/directory/store.ts';
import { createUsers, type Users } from '../../src/directory/users.ts';
import { Budget } from '../../src/maxio/budget.ts';
import { Caller } from '../../src/provisioning/caller.ts';
import { Bells } from '../../src/provisioning/queue.ts';
import { SiteIdentity } from '../../src/provisioning/site-identity.ts';
import { Sweep } from '../../src/provisioning/sweep.ts';
import { SiteWorker } from '../../src/provisioning/worker.ts';
import { createTelemetry } from '../../src/telemetry.ts';
import type { SimProcess } from './clock.ts';
import { SimConnection, type SimServer } from './connection.ts';
import type { Settings } from './history.ts';
import { type SimMaxio, UNKNOWN_OUTCOME_SECONDS } from './maxio.ts';

export const SITE = { key: 'us.acme', region: 'us', subdomain: 'acme', startMode: 'enforce' } as const;
export const PRODUCT = 'pro';
const LEASE_MS = 20_000;
const CONTACT_WAIT_MS = 5_000;

const logger = pino({ level: (process.env.DBG ?? 'silent') as 'silent' });
const telemetry = createTelemetry({ version: 'simulation', processMetrics: false });

export function openRedis(server: SimServer, owner: SimProcess): Redis {
  return new SimConnection(server, owner) as unknown as Redis;
}

export function openStore(redis: Redis, { guard, backlogLimit }: Settings): Store {
  return new Store(redis, SITE.key, { guard, backlogLimit });
}

/** The part of an api process that decides and commits. */
export function openUsers(server: SimServer, owner: SimProcess, settings: Settings): Users {
  const redis = openRedis(server, owner);
  const bells = new Bells(SITE.key, openRedis(server, owner), logger);
  const store = openStore(redis, settings);
  // In an event of the process, so that the timers belong to it.
  server.clock.after(0, owner, () => store.witness.start());
  return createUsers({
    store,
    site: SITE,
    onCommitted: (record) => {
      if (record.leave?.state === 'held' || record.leave?.state === 'exempt') return;
      bells.ring(intentOf(record) === 'inactive' ? 'urgent' : 'normal', record.id).catch(() => undefined);
    },
  });
}

/** A worker process: first contact, then bells and sweep. @returns ends it as SIGTERM does */
export function startWorker(server: SimServer, owner: SimProcess, maxio: SimMaxio, settings: Settings): () => Promise<void> {
  const redis = openRedis(server, owner);
  const store = openStore(redis, settings);
  const runs = new Runs(store, { leaseMs: LEASE_MS });
  const bells = new Bells(SITE.key, openRedis(server, owner), logger);
  const budget = new Budget(redis, store.prefix, { ...settings, unknownOutcomeSeconds: UNKNOWN_OUTCOME_SECONDS });
  const caller = new Caller(budget, SITE.key, telemetry, store.witness);
  const client = maxio.client(owner);
  const sweep = new Sweep({ site: SITE.key, runs, bells, logger, telemetry, beat: () => {} });
  const { policy, graceMs, calmMs } = settings;
  let worker: SiteWorker | undefined;
  let closed = false;
  const work = (): SiteWorker =>
    new SiteWorker({
      siteKey: SITE.key,
      store,
      runs,
      bells,
      caller,
      client,
      logger,
      telemetry,
      connect: () => openRedis(server, owner),
      leaseMs: LEASE_MS,
      paymentCollectionMethod: 'remittance',
      policy: {
        productHandle: PRODUCT,
        policy,
        unknownOutcomeMs: UNKNOWN_OUTCOME_SECONDS * 1_000,
        graceMs,
        calmMs,
        isProtected: () => false,
      },
    });
  const identity = new SiteIdentity(redis, SITE, new SiteModes(redis, SITE.key));
  const contact = async (): Promise<void> => {
    const found = await store
      .countActive()
      .then(() => identity.check(caller, client))
      .then(async (answer) => {
        if (answer.kind === 'confirmed') await store.witness.look();
        return answer;
      })
      .catch(() => undefined);
    if (closed) return;
    if (found?.kind === 'confirmed') worker = work();
    else setTimeout(() => void contact(), CONTACT_WAIT_MS);
  };
  sweep.start();
  store.witness.start();
  void contact();
  return async () => {
    closed = true;
    store.witness.close();
    sweep.close();
    await worker?.close(10_000);
  };
}
