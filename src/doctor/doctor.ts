/**
 * Owns the examination: everything that must be right before and while people are billed, one line each, with the cure. It runs inside the service and,
 * where no service answers, in the command line. Refuses to change anything; its calls to Maxio are counted like all others.
 */
import type { Redis } from 'ioredis';
import type { Config, SiteConfig } from '../config.ts';
import type { Clients } from '../directory/clients.ts';
import { sitePrefix } from '../directory/keys.ts';
import type { SiteModes } from '../directory/site-mode.ts';
import type { Store } from '../directory/store.ts';
import type { Tokens } from '../directory/tokens.ts';
import type { Budget } from '../maxio/budget.ts';
import type { MaxioClient } from '../maxio/client.ts';
import type { Caller } from '../provisioning/caller.ts';
import { isRedisAway } from '../redis.ts';
import { type DoctorCheck, fail } from './check.ts';
import { checkClients } from './check-clients.ts';
import { checkConfig } from './check-config.ts';
import { checkGroupPlans, type GroupPlansParts } from './check-group-plans.ts';
import { checkMaxio } from './check-maxio.ts';
import { checkMode, type SurveyFacts } from './check-mode.ts';
import { checkProtected } from './check-protected.ts';
import { checkReach } from './check-reach.ts';
import { checkRedis } from './check-redis.ts';
import { checkTokens } from './check-tokens.ts';

export type { DoctorCheck } from './check.ts';

/** What a running site has. */
export interface DoctorSite {
  config: SiteConfig;
  caller: Caller;
  budget: Pick<Budget, 'probeNow'>;
  client: MaxioClient;
  modes: Pick<SiteModes, 'read'>;
  tokens: Pick<Tokens, 'list'>;
  clients: Pick<Clients, 'list'>;
  store: Pick<Store, 'redis' | 'prefix'>;
  onboarding: { survey: { state(): Promise<SurveyFacts> } };
  watch: Pick<GroupPlansParts, 'groupPlans'>;
  groupStore: GroupPlansParts['groups'];
}

export interface DoctorParts {
  config: Config;
  redis: Redis;
  sites: readonly DoctorSite[];
  /** For Maxio. */
  patienceMs?: number;
}

/** What Maxio is waited for; its own deadline is longer than anybody waits for a line of text. */
const PATIENCE_MS = 8_000;
/** Until what is still not examined is said to be so. Two examinations, of which the second waits for the first, must end before the server gives up at 20 s. */
const MARGIN_MS = 1_000;

/** Examines everything. Never throws: what cannot be examined is a finding. */
export async function examine({ config, redis, sites, patienceMs = PATIENCE_MS }: DoctorParts): Promise<DoctorCheck[]> {
  const signal = AbortSignal.timeout(patienceMs);
  const late = Promise.withResolvers<'late'>();
  const timer = setTimeout(() => late.resolve('late'), patienceMs + MARGIN_MS);
  const guarded = (name: string, look: () => Promise<DoctorCheck[]>): Promise<DoctorCheck[]> =>
    examined(name, look, late.promise);
  const found = await Promise.all([
    guarded('configuration', async () => checkConfig(config, Date.now())),
    guarded('redis', () => checkRedis(redis, config.redisDurability, Date.now)),
    ...sites.flatMap((site) => [
      guarded(`${site.config.key} Maxio`, () => maxioOf(site, redis, signal)),
      guarded(`${site.config.key} products by group`, () =>
        checkGroupPlans({ config: site.config, groupPlans: site.watch.groupPlans, groups: site.groupStore }),
      ),
      guarded(`${site.config.key} mode`, () => modeOf(site)),
      guarded(`${site.config.key} SCIM tokens`, () => credentialsOf(site, config.oauth.signingKey !== undefined)),
      guarded(`${site.config.key} protected people`, () =>
        checkProtected(site.config.key, site.config.protectedPeople, site.store),
      ),
    ]),
    guarded('SCIM URL', () => checkReach(config.publicUrl, Date.now())),
  ]).finally(() => clearTimeout(timer));
  return found.flat();
}

async function maxioOf(site: DoctorSite, redis: Redis, signal: AbortSignal): Promise<DoctorCheck[]> {
  const { config, caller, budget, client } = site;
  // Whoever asks wants to know now: the question finds out for all whether Maxio is back. A wait that Maxio itself asked for is waited out.
  for (const why of ['failing', 'unauthorized'] as const) await budget.probeNow(why);
  const knownSiteId = (await redis.hget(`${sitePrefix(config.key)}site`, 'siteId')) ?? undefined;
  return await checkMaxio({ config, caller, client, knownSiteId, signal });
}

/** A site may be entered by tokens, by OAuth clients, or by both. */
async function credentialsOf({ config: { key }, tokens, clients: known }: DoctorSite, offered: boolean): Promise<DoctorCheck[]> {
  const [list, clients] = await Promise.all([tokens.list(), known.list()]);
  const live = clients.filter(
    ({ state, credentials }) => state === 'live' && credentials.some((one) => one.state === 'live'),
  ).length;
  return [...checkTokens(key, list, Date.now(), offered ? live : 0), ...checkClients(key, { clients, offered }, Date.now())];
}

async function modeOf({ config, modes, onboarding }: DoctorSite): Promise<DoctorCheck[]> {
  return [checkMode(config.key, await modes.read(), await onboarding.survey.state())];
}

/** One examination that fails, or does not end, must not hide the others. */
async function examined(name: string, look: () => Promise<DoctorCheck[]>, late: Promise<'late'>): Promise<DoctorCheck[]> {
  try {
    const found = await Promise.race([look(), late]);
    if (found !== 'late') return found;
    return [
      fail(
        name,
        'Not examined: the answer did not come in time.',
        'See the lines about Maxio and Redis, then run the doctor again.',
      ),
    ];
  } catch (error) {
    if (isRedisAway(error)) return [fail(name, 'Not examined, because Redis cannot be used.', 'See the line about Redis.')];
    const words = error instanceof Error ? error.message.slice(0, 300) : 'unknown';
    return [fail(name, `Not examined: ${words}.`, 'Look at the log of the service, and tell its makers if it does not say why.')];
  }
}
