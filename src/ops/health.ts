/**
 * Owns three answers for machines: am I alive, may I be sent work, how is everything. Refuses to let one stand for another: liveness touches nothing
 * shared (a Redis outage must not restart every process), readiness never asks Maxio (accepting while Maxio is down is the point of this service).
 * /health is open, so it holds numbers, fixed words and site keys only. Shape: draft-inadarei-api-health-check-06.
 */
import type { Redis } from 'ioredis';
import type { Config } from '../config.ts';
import type { Capacity } from '../directory/capacity.ts';
import { newerReleaseAt } from '../directory/newer-release.ts';
import type { Logger } from '../logger.ts';
import type { Telemetry } from '../telemetry.ts';
import { freshly } from './freshly.ts';
import type { OpsSite } from './site-view.ts';
import { driftOf, numbersOf, readSite, type SiteNumbers, type SiteReading } from './snapshot.ts';
import { createWriteProbe, type WriteProbe } from './write-probe.ts';

/** What a process knows of itself; app.ts keeps it up to date. */
export interface Vital {
  draining: boolean;
  /** Last sign of life of the workers, on the clock of `performance.now()`. */
  beatMs: number;
  /** Whether this process has workers at all. */
  works: boolean;
}

export interface HealthParts {
  config: Pick<Config, 'version' | 'role' | 'redisDurability'>;
  commands: Redis;
  capacity: Pick<Capacity, 'durable' | 'findings' | 'memoryRatio'>;
  vital: Vital;
  telemetry: Telemetry;
  logger: Pick<Logger, 'info' | 'warn'>;
  sites: readonly OpsSite[];
}

export type Status = 'pass' | 'warn' | 'fail';

export interface Check {
  status: Status;
  observedValue?: number;
  observedUnit?: 'ms' | 's' | 'ratio';
  output?: string;
}

export interface Health {
  status: Status;
  version: string;
  checks: Record<string, [Check]>;
  sites: Record<string, SiteNumbers>;
}

/** Everything at one moment; `readings` lacks the sites that could not be read. */
export interface Picture {
  health: Health;
  ready: Readiness;
  readings: SiteReading[];
  probe: WriteProbe;
}

export interface Readiness {
  ready: boolean;
  reasons: string[];
  /** Whether each site is served, and if not, why, in a fixed word. */
  sites: Record<string, { status: 'pass' | 'fail'; reason?: Unserved }>;
}

/** Why a site is not served while the process goes on with others: its people get the back-pressure answer, or are accepted and reach no Maxio (other-site). */
type Unserved = 'store-lost' | 'rebuilding' | 'other-site';

const BEAT_AGE_MAX_MS = 120_000;
const BUDGET_RATIO_MAX = 0.9;
/** The first warning; notices are more insistent nearer the end (notify/set-up-conditions.ts). */
const TOKEN_WARNING_MS = 30 * 86_400_000;
const MEMORY_RATIO_MAX = 0.75;
/** Single refusals of a right key are on record, so the second in a row is the one that counts. */
const KEY_REFUSALS_MIN = 2;

const SITE_REASONS: Record<Unserved, (key: string) => string> = {
  'store-lost': (key) => `The data of ${key} was lost. /ops/api/recovery says what to do.`,
  rebuilding: (key) => `The directory of ${key} is being put back.`,
  'other-site': (key) => `The API key of ${key} opens another Maxio site than its data belongs to. /ops/api/status says which.`,
};

const PROBE_REASONS: Record<NonNullable<WriteProbe['failure']>, string> = {
  slow: 'Redis did not keep a test write within 500 ms. Check its disk and its load.',
  refused: 'Redis is away or refuses writes. Check that it runs, its memory and its disk.',
  append: 'Redis could not append to its file. Check its disk.',
};

export interface HealthDesk {
  live(): { alive: boolean; beatAgeMs: number };
  ready(): Promise<Readiness>;
  picture(): Promise<Picture>;
}

/** Creates the answers of one process. */
export function createHealth(parts: HealthParts): HealthDesk {
  const probe = freshly(createWriteProbe(parts.commands, parts.telemetry));
  const live = (): { alive: boolean; beatAgeMs: number } => {
    const beatAgeMs = parts.vital.works ? Math.max(0, performance.now() - parts.vital.beatMs) : 0;
    return { alive: beatAgeMs < BEAT_AGE_MAX_MS, beatAgeMs };
  };

  let was: { ready: boolean; words: string } | undefined;
  /** Logs a turn of readiness, of the process or of one of its sites, since whoever asks for it keeps the answer to himself. */
  const told = (now: Readiness): Readiness => {
    const words = JSON.stringify(now.sites);
    const turned = now.ready !== was?.ready || (now.ready && words !== was.words);
    if (turned && now.ready && now.reasons.length === 0) parts.logger.info('ready');
    else if (turned) parts.logger.warn({ reasons: now.reasons }, now.ready ? 'ready, but not for every site' : 'not ready');
    was = { ready: now.ready, words };
    return now;
  };

  const picture = freshly(async (): Promise<Picture> => {
    const [probed, ...read] = await Promise.all([probe(), ...parts.sites.map((site) => readSite(site).catch(() => undefined))]);
    const readings = read.filter((reading) => reading !== undefined);
    const ready = told(readinessOf(parts, probed));
    const checks: Health['checks'] = {
      'redis:durability': [durabilityCheck(parts)],
      'redis:write': [writeCheck(probed)],
      'redis:memory': [memoryCheck(parts.capacity.memoryRatio)],
      'worker:heartbeat': [heartbeatCheck(parts.vital.works, live())],
    };
    for (const { key, store } of parts.sites) {
      checks[`maxio:${key}`] = [
        siteCheck(
          readings.find((reading) => reading.key === key),
          store.witness.newer !== undefined,
        ),
      ];
    }
    const health: Health = {
      status: worst([...Object.values(checks).map(([check]) => check.status), ready.ready ? 'pass' : 'fail']),
      version: parts.config.version,
      checks,
      sites: Object.fromEntries(readings.map((reading) => [reading.key, numbersOf(reading)])),
    };
    return { health, ready, readings, probe: probed };
  });

  return { live, ready: async () => told(readinessOf(parts, await probe())), picture };
}

function readinessOf(parts: HealthParts, probed: WriteProbe): Readiness {
  const reasons: string[] = [];
  if (parts.vital.draining) reasons.push('This process is stopping.');
  if (!parts.capacity.durable) {
    reasons.push('Redis is not set up to keep every acknowledged change.', ...parts.capacity.findings);
  }
  if (probed.failure !== undefined) reasons.push(PROBE_REASONS[probed.failure]);
  reasons.push(...parts.sites.flatMap(outdated));
  const processWide = reasons.length;
  const sites: Readiness['sites'] = {};
  for (const site of parts.sites) {
    const reason = unserved(site);
    sites[site.key] = reason === undefined ? { status: 'pass' } : { status: 'fail', reason };
    if (reason !== undefined) reasons.push(SITE_REASONS[reason](site.key));
  }
  // One site that cannot be served answers for itself; to take the process away would take the others with it.
  const served = parts.sites.length === 0 || Object.values(sites).some(({ status }) => status === 'pass');
  return { ready: processWide === 0 && served, reasons, sites };
}

/** A newer process serves everybody; this one would turn away whomever a newer release has written to. */
function outdated({ key, store }: OpsSite): string[] {
  const { newer } = store.witness;
  return newer === undefined ? [] : [newerReleaseAt(key, newer)];
}

function unserved(site: OpsSite): Unserved | undefined {
  if (site.contact() === 'foreign') return 'other-site';
  const { recovery } = site.store.witness.standing;
  return recovery === 'lost' ? 'store-lost' : recovery === 'rebuilding' ? 'rebuilding' : undefined;
}

function durabilityCheck({ capacity, config }: HealthParts): Check {
  if (!capacity.durable) return { status: 'fail', observedValue: capacity.findings.length, output: 'settings' };
  if (config.redisDurability !== 'required') return { status: 'warn', output: config.redisDurability };
  return { status: 'pass' };
}

function writeCheck(probed: WriteProbe): Check {
  return {
    status: probed.failure === undefined ? 'pass' : 'fail',
    observedValue: Math.round(probed.tookMs * 10) / 10,
    observedUnit: 'ms',
    ...(probed.failure === undefined ? {} : { output: probed.failure }),
  };
}

function memoryCheck(ratio: number): Check {
  return {
    status: ratio > MEMORY_RATIO_MAX ? 'warn' : 'pass',
    observedValue: Math.round(ratio * 1_000) / 1_000,
    observedUnit: 'ratio',
  };
}

function heartbeatCheck(works: boolean, { alive, beatAgeMs }: ReturnType<HealthDesk['live']>): Check {
  if (!works) return { status: 'pass', output: 'no worker in this process' };
  return { status: alive ? 'pass' : 'fail', observedValue: Math.floor(beatAgeMs / 1_000), observedUnit: 's' };
}

/** Judges one site; several words when several things are wrong. Some of them are nobody's mistake, and a human should know all the same. */
function siteCheck(reading: SiteReading | undefined, outdatedHere: boolean): Check {
  if (reading === undefined) return { status: 'fail', output: 'unreadable' };
  const { paused, budget, mode } = reading;
  const keyRefused = paused?.reason === 'unauthorized' && reading.pauseStreak >= KEY_REFUSALS_MIN;
  const findings: [boolean, Status, string][] = [
    [outdatedHere, 'fail', 'newer-release'],
    [reading.recovery === 'lost', 'fail', 'store-lost'],
    [reading.recovery === 'rebuilding', 'fail', 'rebuilding'],
    [paused?.reason === 'other-site', 'fail', 'other-site'],
    [keyRefused, 'fail', 'key-refused'],
    [paused !== undefined, 'warn', 'paused'],
    [reading.recovery !== null && mode === 'observe', 'warn', reading.recovery ?? ''],
    [mode === 'observe', 'warn', 'observing'],
    [mode === 'paused' && reading.modeBy !== null, 'warn', 'paused-by-operator'],
    [reading.held > 0, 'warn', 'held'],
    [reading.parked > 0, 'warn', 'parked'],
    [reading.oldestUrgentSeconds > reading.lateAfterSeconds, 'warn', 'leaver-waiting'],
    [budget.used > budget.limit * BUDGET_RATIO_MAX, 'warn', 'budget'],
    [reading.configurationWaiting, 'warn', 'configuration-waiting'],
    [driftOf(reading) > 0, 'warn', 'drift'],
    [endsSoon(reading.tokenExpires), 'warn', 'token-expiry'],
    [endsSoon(reading.clientExpires), 'warn', 'client-expiry'],
    [reading.liveTokens === 0 && reading.liveCredentials === 0, 'warn', 'no-token'],
  ];
  const found = findings.filter(([applies]) => applies);
  if (found.length === 0) return { status: 'pass' };
  return { status: worst(found.map(([, status]) => status)), output: found.map(([, , word]) => word).join(', ') };
}

function endsSoon(at: string | null): boolean {
  return at !== null && Date.parse(at) - Date.now() < TOKEN_WARNING_MS;
}

function worst(statuses: Status[]): Status {
  return statuses.includes('fail') ? 'fail' : statuses.includes('warn') ? 'warn' : 'pass';
}
