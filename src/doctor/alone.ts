/**
 * Owns the examination where no service runs: it opens what the doctor needs from the configuration alone, and closes it again.
 * Calls to Maxio go through the same budget in the same Redis as those of a service that may run elsewhere. Refuses to change anything.
 */
import type { Redis } from 'ioredis';
import type { Config, SiteConfig } from '../config.ts';
import { Clients } from '../directory/clients.ts';
import { GroupStore } from '../directory/group-store.ts';
import { sitePrefix } from '../directory/keys.ts';
import { SiteModes } from '../directory/site-mode.ts';
import { Store } from '../directory/store.ts';
import { SurveyIndex } from '../directory/survey-index.ts';
import { Tokens } from '../directory/tokens.ts';
import { createLogger } from '../logger.ts';
import { Budget } from '../maxio/budget.ts';
import { MaxioClient } from '../maxio/client.ts';
import { Caller } from '../provisioning/caller.ts';
import { connectRedis, redisReady } from '../redis.ts';
import { GroupPlans } from '../survey/group-plans.ts';
import { decodeNotes } from '../survey/survey-state.ts';
import { createTelemetry } from '../telemetry.ts';
import type { DoctorCheck } from './check.ts';
import { type DoctorSite, examine } from './doctor.ts';

const REDIS_PATIENCE_MS = 3_000;
/** The examination has ended by then, and nothing of it is left to wait for. */
const CALL_DEADLINE_MS = 8_000;

/** Examines everything from the configuration alone. Never throws for what it finds. @param patienceMs for Maxio */
export async function examineAlone(config: Config, patienceMs?: number): Promise<DoctorCheck[]> {
  const redis = connectRedis(config.redisUrl, 'commands');
  // Not reachable is a finding, which the first command tells.
  await redisReady(redis, REDIS_PATIENCE_MS).catch(() => undefined);
  const sites = config.sites.map((site) => siteOf(config, site, { redis, deadlineMs: patienceMs ?? CALL_DEADLINE_MS }));
  try {
    return await examine({ config, redis, sites, ...(patienceMs !== undefined && { patienceMs }) });
  } finally {
    await Promise.all(sites.map(({ client }) => client.close()));
    redis.disconnect();
  }
}

function siteOf(config: Config, site: SiteConfig, { redis, deadlineMs }: { redis: Redis; deadlineMs: number }): DoctorSite {
  const budget = new Budget(redis, sitePrefix(site.key), {
    callsPerWindow: site.callsPerHour,
    windowSeconds: site.budgetWindowSeconds,
    concurrency: site.maxConcurrency,
    unknownOutcomeSeconds: site.unknownOutcomeSeconds,
  });
  const telemetry = createTelemetry({ version: config.version, processMetrics: false });
  const store = new Store(redis, site.key, { backlogLimit: config.backlogLimit, guard: site.guard });
  const index = new SurveyIndex(store);
  const caller = new Caller(budget, site.key, telemetry);
  const client = new MaxioClient(site, { deadlineMs });
  const logger = createLogger({ level: 'silent', secrets: [] });
  const { groupPlans: rules, productHandle: siteProduct } = site;
  return {
    config: site,
    caller,
    budget,
    client,
    store,
    watch: { groupPlans: new GroupPlans({ siteKey: site.key, store, caller, client, rules, siteProduct, logger }) },
    groupStore: new GroupStore(store),
    modes: new SiteModes(redis, site.key),
    clients: new Clients({ redis, siteKey: site.key }),
    tokens: new Tokens({
      redis,
      siteKey: site.key,
      configured: site.scimToken && { expires: site.scimTokenExpires },
    }),
    onboarding: {
      survey: {
        async state() {
          const { state } = decodeNotes(await redis.hgetall(`${sitePrefix(site.key)}surveyState`));
          const ended = (await index.current()) !== undefined;
          return { state, unreferenced: ended ? (await index.counts()).unreferenced : null };
        },
      },
    },
  };
}
