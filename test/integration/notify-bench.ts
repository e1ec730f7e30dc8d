/**
 * Owns what the tests of notices share: a site on a real Redis with people, a budget and a guard, and notifiers over real channels, one for each replica.
 * Refuses to fake a channel: messages go over sockets to a receiver and a mail server of the test.
 */
import type { GuardLimits } from '../../src/config.ts';
import { Holds } from '../../src/directory/holds.ts';
import { SiteModes } from '../../src/directory/site-mode.ts';
import { createLogger } from '../../src/logger.ts';
import { Budget } from '../../src/maxio/budget.ts';
import type { Channel } from '../../src/notify/channel.ts';
import { Notifier } from '../../src/notify/notifier.ts';
import type { SituationSources } from '../../src/notify/situation.ts';
import { createTelemetry } from '../../src/telemetry.ts';
import { NO_GUARD } from '../support/guard.ts';
import type { TestRedis } from '../support/redis.ts';
import { body, CONTEXT, openSite, type TestSite } from './directory-bench.ts';

export interface NoticeSite extends TestSite {
  sources: SituationSources;
  holds: Holds;
  budget: Budget;
  /** A notifier as a replica would have it. */
  notifier(channels: Channel[], options?: { names?: boolean; sources?: SituationSources }): Notifier;
  /** What every notifier of this site has counted and logged. */
  told(): Promise<Record<string, number>>;
  logLines: string[];
}

export function openNoticeSite(
  server: TestRedis,
  options: { key?: string; guard?: GuardLimits; expires?: Date } = {},
): NoticeSite {
  const guard = options.guard ?? NO_GUARD;
  const site = openSite(server, { ...(options.key === undefined ? {} : { key: options.key }), guard });
  const { store, runs, redis } = site;
  const limits = { callsPerWindow: 100, windowSeconds: 3_600, concurrency: 4, unknownOutcomeSeconds: 130 };
  const budget = new Budget(redis, store.prefix, limits);
  const holds = new Holds(store);
  const sources: SituationSources = {
    site: { key: site.key, graceSeconds: 0, guard },
    token: async () => options.expires && { expiresMs: options.expires.getTime() },
    store,
    runs,
    budget,
    holds,
    modes: new SiteModes(redis, site.key),
    contact: () => ({ kind: 'confirmed', refusals: 0 }),
    test: async () => true,
  };
  const telemetry = createTelemetry({ version: 'test', processMetrics: false });
  const logLines: string[] = [];
  const logger = createLogger({ level: 'debug' }, { write: (line: string) => void logLines.push(line) });
  return {
    ...site,
    sources,
    holds,
    budget,
    notifier: (channels, { names = false, sources: others } = {}) =>
      new Notifier({
        sources: others ?? sources,
        channels,
        wording: { names, opsUrl: 'https://scim.example.com/ops' },
        telemetry,
        logger,
      }),
    told: async () => {
      const { values } = await telemetry.notices.get();
      return Object.fromEntries(
        values.map(({ labels, value }) => [`${labels.topic} ${labels.kind} ${labels.channel} ${labels.result}`, value]),
      );
    },
    logLines,
  };
}

/** Creates people as the identity provider would. @returns their ids */
export async function arrive(site: TestSite, ...names: string[]): Promise<string[]> {
  const records = await Promise.all(names.map((name) => site.users.create(body(name), CONTEXT)));
  return records.map(({ id }) => id);
}

/** Deactivates people as the identity provider would. */
export async function leave(site: TestSite, ...ids: string[]): Promise<void> {
  const off = {
    schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
    Operations: [{ op: 'replace', path: 'active', value: false }],
  };
  for (const id of ids) await site.users.patch(id, off, CONTEXT);
}

/** Parks a person as a run would. */
export async function park(site: TestSite, id: string, reason = 'refused-by-maxio'): Promise<void> {
  const record = await site.store.read(id);
  const lease = await site.runs.lease(id);
  if (record === undefined || lease === undefined) throw new Error('nobody of that id, or somebody else has the lease');
  const run = { outcome: 'parked' as const, reason, detail: 'Detail.', attempts: 0 };
  const ended = await site.runs.finish(lease, { generation: record.generation, run });
  await site.runs.release(lease);
  if (ended.kind !== 'ok') throw new Error(`not parked: ${ended.kind}`);
}
