/**
 * Owns a real server with the operator routes beside SCIM, over real Redis, for tests: sites are real directories with a real budget.
 * Refuses Maxio: what is true there is a stand-in, bells are only noted, and capacity and vital signs are as the test sets them.
 */
import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { Redis } from 'ioredis';
import { sitePrefix } from '../../src/directory/keys.ts';
import type { UserRecord } from '../../src/directory/record.ts';
import { Runs } from '../../src/directory/runs.ts';
import { Store } from '../../src/directory/store.ts';
import { createUsers, type Users } from '../../src/directory/users.ts';
import { createServer } from '../../src/http/server.ts';
import { createLogger } from '../../src/logger.ts';
import { Budget } from '../../src/maxio/budget.ts';
import type { Vital } from '../../src/ops/health.ts';
import { registerOps } from '../../src/ops/routes.ts';
import type { OpsSite } from '../../src/ops/site-view.ts';
import { Secret } from '../../src/secret.ts';
import { createTelemetry, type Telemetry } from '../../src/telemetry.ts';
import { person } from './scim-server.ts';

export const OPS_TOKEN = 'ops-CANARY-0f8e6d4c2b1a';

export interface TestOpsSite extends OpsSite {
  users: Users;
  scimToken: string;
  rung: { userId: string; lane: string }[];
}

export interface OpsServer {
  app: FastifyInstance;
  sites: [TestOpsSite, ...TestOpsSite[]];
  vital: Vital;
  capacity: { durable: boolean; findings: string[]; memoryRatio: number };
  telemetry: Telemetry;
  logLines: string[];
}

/** Makes a fresh, empty site. */
export function openOpsSite(redis: Redis, options: Partial<OpsSite> & { callsPerWindow?: number } = {}): TestOpsSite {
  const subdomain = `t${randomUUID().slice(0, 8)}`;
  const key = options.key ?? `us.${subdomain}`;
  const store = new Store(redis, key, { backlogLimit: 1_000_000 });
  const limits = {
    callsPerWindow: options.callsPerWindow ?? 100,
    windowSeconds: 3_600,
    concurrency: 4,
    unknownOutcomeSeconds: 130,
  };
  const rung: TestOpsSite['rung'] = [];
  return {
    key,
    idp: 'okta',
    deprovision: 'cancel',
    productHandle: 'pro',
    store,
    runs: new Runs(store, { leaseMs: 45_000 }),
    budget: new Budget(redis, sitePrefix(key), limits),
    test: async () => true,
    mode: () => 'enforce',
    modeDetail: () => undefined,
    ring: async (userId, lane) => void rung.push({ userId, lane }),
    live: async () => ({ customer: null, subscriptions: [] }),
    users: createUsers({ store, site: { region: 'us', subdomain }, onCommitted: () => undefined }),
    scimToken: `scim-${randomUUID()}`,
    rung,
    ...options,
  };
}

/** Starts a server with operator routes; it does not listen until asked to. */
export async function serveOps(
  redis: Redis,
  sites: [TestOpsSite, ...TestOpsSite[]],
  options: { publicUrl?: string; durability?: 'required' | 'asserted' | 'relaxed' } = {},
): Promise<OpsServer> {
  const logLines: string[] = [];
  const secrets = [new Secret(OPS_TOKEN), ...sites.map(({ scimToken }) => new Secret(scimToken))];
  const logger = createLogger({ level: 'debug', secrets }, { write: (line: string) => void logLines.push(line) });
  const telemetry = createTelemetry({ version: 'test', processMetrics: false });
  const publicUrl = options.publicUrl ?? 'https://scim.example.com';
  const app = createServer({
    config: { publicUrl },
    logger,
    telemetry,
    sites: sites.map(({ key, users, scimToken }) => ({
      key,
      idp: 'okta',
      token: new Secret(scimToken),
      users,
      accepting: () => ({ ok: true }),
    })),
  });
  const vital: Vital = { draining: false, beatMs: performance.now(), works: true };
  const capacity = { durable: true, findings: [] as string[], memoryRatio: 0.1 };
  await registerOps(app, {
    config: {
      version: '9.9.9',
      role: 'all',
      redisDurability: options.durability ?? 'required',
      publicUrl,
      opsToken: new Secret(OPS_TOKEN),
    },
    commands: redis,
    capacity,
    vital,
    telemetry,
    logger,
    sites,
  });
  await app.ready();
  return { app, sites, vital, capacity, telemetry, logLines };
}

/** Creates somebody as the identity provider would. */
export async function provision(site: TestOpsSite, name: string, more: Record<string, unknown> = {}): Promise<UserRecord> {
  return await site.users.create(person(name, more) as Parameters<Users['create']>[0], {
    requestId: `create-${name}`,
    actor: 'scim-token:test',
  });
}

/** Ends a run of this person as a worker would. */
export async function endRun(
  site: OpsSite,
  record: UserRecord,
  outcome: 'settled' | 'parked' | 'retry' | 'postponed',
  words: { reason?: string; detail?: string; waitMs?: number } = {},
): Promise<void> {
  const { waitMs, ...said } = words;
  const lease = await site.runs.lease(record.id);
  if (lease === undefined) throw new Error('somebody else has the lease');
  const ended = await site.runs.finish(lease, {
    generation: record.generation,
    run: { outcome, attempts: outcome === 'retry' ? 1 : 0, ...said },
    ...(waitMs === undefined ? {} : { waitMs }),
    audit: { kind: 'run', what: outcome, requestId: record.requestId, ...said },
  });
  await site.runs.release(lease);
  if (ended.kind !== 'ok') throw new Error(`the run did not end: ${ended.kind}`);
}
