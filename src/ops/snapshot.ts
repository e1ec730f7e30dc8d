/**
 * Owns the numbers of one site at this moment, for health, metrics, the page and the command line: all of them show the same reading.
 * Refuses to judge them (health.ts) and to name people.
 */
import type { OpsSite } from './site-view.ts';

/** The part of a reading that the open /health shows: numbers and fixed words only. */
export interface SiteNumbers {
  mode: 'enforce' | 'paused';
  /** `null` until Maxio has said what kind of site it is. */
  test: boolean | null;
  idp: 'okta' | 'entra' | 'generic';
  budget: { limit: number; used: number; windowSeconds: number };
  pending: number;
  oldestPendingSeconds: number;
  /** People who should stop being billed and still may be; part of `pending`. */
  urgent: number;
  oldestUrgentSeconds: number;
  parked: number;
  /** Changes a guard keeps back; there is no guard yet. */
  held: number;
  /** `seconds` is 0 for a pause that ends only when its cause does, and while one call at a time tries whether the site works again. */
  paused?: { reason: 'throttled' | 'unauthorized' | 'failing' | 'other-site' | 'unconfirmed'; seconds: number };
}

export interface SiteReading extends SiteNumbers {
  key: string;
  inFlight: number;
  /** Pauses in a row for the same reason. */
  pauseStreak: number;
}

/** Reads one site: two round trips, no call to Maxio. @throws when Redis does not answer */
export async function readSite(site: OpsSite): Promise<SiteReading> {
  const [backlog, budget, test] = await Promise.all([site.runs.backlog(), site.budget.peek(), site.test()]);
  const paused = pauseOf(site.mode(), budget);
  return {
    key: site.key,
    mode: paused === undefined ? 'enforce' : 'paused',
    test: test ?? null,
    idp: site.idp,
    budget: { limit: budget.limit, used: budget.used, windowSeconds: budget.windowSeconds },
    pending: backlog.pending,
    oldestPendingSeconds: Math.floor(backlog.oldestPendingMs / 1_000),
    urgent: backlog.urgent,
    oldestUrgentSeconds: Math.floor(backlog.oldestUrgentMs / 1_000),
    parked: backlog.parked,
    held: 0,
    ...(paused === undefined ? {} : { paused }),
    inFlight: budget.inFlight,
    pauseStreak: budget.blockedStreak,
  };
}

/** Leaves out what only operators see. */
export function numbersOf(reading: SiteReading): SiteNumbers {
  const { key: _key, inFlight: _inFlight, pauseStreak: _streak, ...numbers } = reading;
  return numbers;
}

function pauseOf(
  mode: ReturnType<OpsSite['mode']>,
  budget: Awaited<ReturnType<OpsSite['budget']['peek']>>,
): SiteNumbers['paused'] {
  if (mode === 'paused') return { reason: 'other-site', seconds: 0 };
  if (budget.blockedWhy === undefined) return mode === 'unconfirmed' ? { reason: 'unconfirmed', seconds: 0 } : undefined;
  return { reason: budget.blockedWhy, seconds: Math.ceil(budget.blockedForMs / 1_000) };
}
