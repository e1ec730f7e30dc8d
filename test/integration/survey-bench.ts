/**
 * Owns what the tests of the survey share: a site on a real Redis with a sandbox over HTTP behind it, and chores that are driven turn by turn.
 * Refuses the timer of the rounds, which has tests of its own: here a test says when a turn is.
 */
import { pino } from 'pino';
import { SiteModes } from '../../src/directory/site-mode.ts';
import { SurveyIndex } from '../../src/directory/survey-index.ts';
import { Budget } from '../../src/maxio/budget.ts';
import { MaxioClient } from '../../src/maxio/client.ts';
import { Caller } from '../../src/provisioning/caller.ts';
import { Secret } from '../../src/secret.ts';
import { createOnboarding, type Onboarding } from '../../src/survey/onboarding.ts';
import type { Chore } from '../../src/survey/rounds.ts';
import { createTelemetry } from '../../src/telemetry.ts';
import type { TestRedis } from '../support/redis.ts';
import type { SandboxApi } from '../support/sandbox-api.ts';
import { openSite, type TestSite } from './directory-bench.ts';

export interface SurveyBench extends Onboarding {
  site: TestSite;
  modes: SiteModes;
  index: SurveyIndex;
  client: MaxioClient;
  /** One turn, as the rounds would give it. */
  turn(chore: Chore): Promise<'more' | 'idle'>;
  /** Turn after turn until the chore has nothing to do. @returns how many */
  drive(chore: Chore, turnsMax?: number): Promise<number>;
  /** Everything Maxio was asked since the last look, as `METHOD template`. */
  calls(): string[];
}

export interface BenchOptions {
  key?: string;
  /** A service is at work on this site: its mode is left as it is. */
  attach?: boolean;
  /** Absent: nobody can be erased. */
  erasureKey?: string;
  /** Default 0: what happened is told at once. */
  eventsSettleMs?: number;
}

/** Open a site in `observe` by `start`, as first contact leaves it. */
export async function openBench(server: TestRedis, { sandbox }: SandboxApi, options: BenchOptions = {}): Promise<SurveyBench> {
  const site = openSite(server, { mode: null, ...(options.key === undefined ? {} : { key: options.key }) });
  const fields = { mode: 'observe', by: 'start', atMs: await site.runs.nowMs(), why: '' };
  if (options.attach !== true) await site.redis.hset(`${site.store.prefix}mode`, fields);
  const telemetry = createTelemetry({ version: 'test', processMetrics: false });
  const limits = { callsPerWindow: 10_000, windowSeconds: 3_600, concurrency: 4, unknownOutcomeSeconds: 130 };
  const caller = new Caller(new Budget(site.redis, site.store.prefix, limits), site.key, telemetry);
  const apiKey = new Secret(sandbox.apiKey);
  const client = new MaxioClient({ region: 'us', subdomain: sandbox.subdomain, apiKey, baseUrl: sandbox.url });
  const modes = new SiteModes(site.redis, site.key);
  const index = new SurveyIndex(site.store);
  const { redis, store, runs, key: siteKey } = site;
  const logger = pino({ level: 'silent' });
  const eventsSettleMs = options.eventsSettleMs ?? 0;
  const erasureKey = options.erasureKey === undefined ? undefined : new Secret(options.erasureKey);
  const parts = { siteKey, redis, store, runs, index, modes, caller, client, logger, telemetry, eventsSettleMs, erasureKey };
  const onboarding = createOnboarding(parts);
  const turn = async (chore: Chore): Promise<'more' | 'idle'> =>
    await chore.turn({ nowMs: await runs.nowMs(), mode: (await modes.read())?.mode, signal: new AbortController().signal });
  let seen = sandbox.state.ledger().at(-1)?.seq ?? 0;
  return {
    ...onboarding,
    site,
    modes,
    index,
    client,
    turn,
    async drive(chore, turnsMax = 1_000) {
      for (let turns = 1; turns <= turnsMax; turns += 1) if ((await turn(chore)) === 'idle') return turns;
      throw new Error(`${chore.name} did not come to an end in ${turnsMax} turns`);
    },
    calls() {
      const fresh = sandbox.state.ledger(seen);
      seen = fresh.at(-1)?.seq ?? seen;
      return fresh.map(({ method, template }) => `${method} ${template}`);
    },
  };
}
