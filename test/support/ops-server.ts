/**
 * Owns a real server with the operator routes beside SCIM, over real Redis, for tests: sites are real directories with a real budget.
 * Refuses Maxio: what is true there is a stand-in, bells are only noted, and capacity and vital signs are as the test sets them.
 */
import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { Redis } from 'ioredis';
import { type GuardLimits, type NamedOperator, readConfig, type SiteConfig } from '../../src/config.ts';
import { Clients } from '../../src/directory/clients.ts';
import { GroupStore } from '../../src/directory/group-store.ts';
import { createGroups } from '../../src/directory/groups.ts';
import { Holds } from '../../src/directory/holds.ts';
import { sitePrefix } from '../../src/directory/keys.ts';
import type { UserRecord } from '../../src/directory/record.ts';
import { Runs } from '../../src/directory/runs.ts';
import { type Mode, SiteModes } from '../../src/directory/site-mode.ts';
import { Store } from '../../src/directory/store.ts';
import { SurveyIndex } from '../../src/directory/survey-index.ts';
import { Tokens } from '../../src/directory/tokens.ts';
import { createUsers, type Users } from '../../src/directory/users.ts';
import type { DoctorCheck } from '../../src/doctor/check.ts';
import { createServer, type SERVER_WAITS_MS } from '../../src/http/server.ts';
import { createLogger } from '../../src/logger.ts';
import { Budget } from '../../src/maxio/budget.ts';
import { MaxioClient } from '../../src/maxio/client.ts';
import type { Channel } from '../../src/notify/channel.ts';
import { Notifier } from '../../src/notify/notifier.ts';
import type { Vital } from '../../src/ops/health.ts';
import { registerOps } from '../../src/ops/routes.ts';
import type { OpsSite } from '../../src/ops/site-view.ts';
import { Caller } from '../../src/provisioning/caller.ts';
import { Secret } from '../../src/secret.ts';
import { createOnboarding, type Onboarding } from '../../src/survey/onboarding.ts';
import { createWatch, type Watch } from '../../src/survey/watch.ts';
import { createTelemetry, type Telemetry } from '../../src/telemetry.ts';
import { NO_GUARD } from './guard.ts';
import { person } from './scim-server.ts';

export const OPS_TOKEN = 'ops-CANARY-0f8e6d4c2b1a';

export interface TestOpsSite extends OpsSite {
  /** The real thing, to be put into another mode or to say what survey and drift have found. */
  modes: SiteModes;
  tokens: Tokens;
  clients: Clients;
  watch: Watch;
  onboarding: Onboarding;
  index: SurveyIndex;
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

export interface TestSiteOptions extends Partial<Omit<OpsSite, 'modes' | 'tokens' | 'clients'>> {
  callsPerWindow?: number;
  guard?: GuardLimits;
  channels?: Channel[];
}

/** Makes a fresh, empty site; nothing at its Maxio address answers. */
export function openOpsSite(redis: Redis, options: TestSiteOptions = {}): TestOpsSite {
  const { callsPerWindow = 100, guard = NO_GUARD, channels = [], ...given } = options;
  const config = siteConfigOf(given.key?.slice(3) ?? `t${randomUUID().slice(0, 8)}`);
  const { key, subdomain, region } = config;
  const telemetry = createTelemetry({ version: 'test', processMetrics: false });
  const logger = createLogger({ level: 'silent', secrets: [] });
  const store = new Store(redis, key, { backlogLimit: 1_000_000, guard });
  const runs = new Runs(store, { leaseMs: 45_000 });
  const limits = { callsPerWindow, windowSeconds: 3_600, concurrency: 4, unknownOutcomeSeconds: 130 };
  const budget = new Budget(redis, sitePrefix(key), limits);
  const [modes, holds, index] = [new SiteModes(redis, key), new Holds(store), new SurveyIndex(store)];
  const [caller, client] = [new Caller(budget, key, telemetry), new MaxioClient(config)];
  const rung: TestOpsSite['rung'] = [];
  const ring: OpsSite['ring'] = async (userId, lane) => void rung.push({ userId, lane });
  const isProtected = (): boolean => false;
  const parts = { siteKey: key, redis, store, runs, modes, index, caller, client, logger, telemetry, isProtected, ring };
  const onboarding = createOnboarding({ ...parts, erasureKey: new Secret('ops-test-erasure-key-3f9d') });
  const watch = createWatch({ ...parts, site: { ...config, guard }, author: undefined, survey: onboarding.survey });
  const { drift, repairs, configuration, forecasts } = watch;
  const contact = () => ({ kind: 'confirmed', refusals: 0 }) as const;
  const test = async () => true;
  const tokens = new Tokens({ redis, siteKey: key, configured: { expires: undefined } });
  const clients = new Clients({ redis, siteKey: key });
  const token = async () => (await tokens.standing()).first;
  const sources = { site: { ...config, guard }, store, runs, budget, modes, holds, token, contact, test };
  const wording = { names: false, opsUrl: 'https://scim.example.com/ops' };
  return {
    key,
    idp: 'okta',
    deprovision: 'cancel',
    productHandle: 'pro',
    graceSeconds: 0,
    store,
    runs,
    budget,
    modes,
    holds,
    tokens,
    clients,
    survey: onboarding.survey,
    links: onboarding.links,
    release: onboarding.release,
    recovery: onboarding.recovery,
    imports: onboarding.imports,
    archive: onboarding.archive,
    audit: onboarding.audit,
    erasures: onboarding.erasures,
    drift,
    repairs,
    configuration,
    groupPlans: watch.groupPlans,
    plans: () => ({}),
    wanted: async (record) => (await watch.wanted([record]))(record),
    forecasts,
    notifier: new Notifier({ sources, channels, wording, telemetry, logger }),
    isProtected,
    test,
    contact: () => 'confirmed',
    contactDetail: () => undefined,
    ring,
    live: async () => ({ customer: null, subscriptions: [] }),
    users: createUsers({ store, site: { region, subdomain }, onCommitted: () => undefined }),
    scimToken: `scim-${randomUUID()}`,
    rung,
    watch,
    onboarding,
    index,
    ...given,
  };
}

function siteConfigOf(subdomain: string): SiteConfig {
  const [site] = readConfig({
    REDIS_URL: 'redis://127.0.0.1:1',
    MAXIO_SUBDOMAIN: subdomain,
    MAXIO_API_KEY: 'ops-test-key',
    MAXIO_BASE_URL: 'http://127.0.0.1:9',
    MAXIO_PRODUCT_HANDLE: 'pro',
    SCIM_TOKEN: `scim-${randomUUID()}`,
    OPS_TOKEN,
  }).sites;
  if (site === undefined) throw new Error('the configuration names no site');
  return site;
}

/** Starts a server with operator routes; it does not listen until asked to. */
export async function serveOps(
  redis: Redis,
  sites: [TestOpsSite, ...TestOpsSite[]],
  options: {
    publicUrl?: string;
    durability?: 'required' | 'asserted' | 'relaxed';
    operators?: NamedOperator[];
    startMode?: Mode;
    doctor?: () => Promise<DoctorCheck[]>;
    waitsMs?: Record<keyof typeof SERVER_WAITS_MS, number>;
  } = {},
): Promise<OpsServer> {
  for (const { modes } of sites) await modes.meet('1', options.startMode ?? 'enforce');
  const logLines: string[] = [];
  const secrets = [new Secret(OPS_TOKEN), ...sites.map(({ scimToken }) => new Secret(scimToken))];
  const logger = createLogger({ level: 'debug', secrets }, { write: (line: string) => void logLines.push(line) });
  const telemetry = createTelemetry({ version: 'test', processMetrics: false });
  const publicUrl = options.publicUrl ?? 'https://scim.example.com';
  const app = createServer({
    config: { publicUrl },
    ...(options.waitsMs && { waitsMs: options.waitsMs }),
    logger,
    telemetry,
    sites: sites.map(({ key, store, users, scimToken, tokens }) => ({
      key,
      idp: 'okta',
      token: new Secret(scimToken),
      book: tokens.book,
      users,
      groups: createGroups({ store: new GroupStore(store) }),
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
      operators: options.operators ?? [],
    },
    doctor: options.doctor ?? (async () => []),
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
