/**
 * Owns the numbers of one site at this moment, for health, metrics, the page and the command line: all of them show the same reading.
 * Refuses to judge them (health.ts) and to name people.
 */
import { openCounts } from '../directory/drift-report.ts';
import { GroupStore } from '../directory/group-store.ts';
import type { GuardState } from '../directory/holds.ts';
import type { Recovery } from '../directory/witness.ts';
import { timeForPeople } from './estimate.ts';
import type { OpsSite } from './site-view.ts';
import { moment } from './words.ts';

/** The part of a reading that the open /health shows: numbers and fixed words only. */
export interface SiteNumbers {
  /** As set; before first contact nothing is done, which is `paused`. A pause that Maxio asked for is in `paused` below. */
  mode: 'observe' | 'enforce' | 'paused';
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
  /** Leaves that the guard keeps back until somebody decides. */
  held: number;
  /** `seconds` is 0 for a pause that ends only when its cause does, and while one call at a time tries whether the site works again. */
  paused?: { reason: 'throttled' | 'unauthorized' | 'failing' | 'other-site' | 'unconfirmed'; seconds: number };
}

/** What only operators see on top: it may hold names of operators. */
export interface SiteReading extends SiteNumbers {
  key: string;
  /** `start`, `survey`, `lost`, `restored`, or the name of an operator; `null` before first contact. */
  modeBy: string | null;
  modeSince: string | null;
  modeWhy: string | null;
  exempt: number;
  groups: number;
  /** About how long it takes until nobody is pending, by the call budget; `null` while nothing is written at Maxio. */
  pendingForSeconds: number | null;
  guard: GuardReading;
  survey: { state: string; detail: string };
  /** `counts` by kind, without those of exempt people. */
  drift: { state: string; at: string | null; counts: Record<string, number> };
  configurationWaiting: boolean;
  /** Where the site stands after its data was lost or set back; `null`: nothing is wrong. */
  recovery: Recovery | null;
  /** The end of the SCIM token that ends first of those whose end would be noticed; `null`: none ends by itself, or there is none. */
  tokenExpires: string | null;
  /** SCIM tokens that open the door now. */
  liveTokens: number;
  /** The end of the secret or key of an OAuth client that ends first; `null`: none ends by itself, or there is none. */
  clientExpires: string | null;
  /** What OAuth clients can sign in with now. */
  liveCredentials: number;
  /** A leaver who waits longer waits too long: the promise of five minutes, after the grace that was asked for. */
  lateAfterSeconds: number;
  inFlight: number;
  /** Pauses in a row for the same reason. */
  pauseStreak: number;
}

export interface GuardReading {
  trippedAt: string | null;
  why: string | null;
  activePeople: number;
  leftInHour: number;
  limitHour: number;
  leftInDay: number;
  limitDay: number;
  heldMonthlyCents: number;
  activeMonthlyCents: number;
}

/** The objective for a leaver. */
const LATE_SECONDS = 300;

/** Reads one site: a few round trips, no call to Maxio. @throws when Redis does not answer */
export async function readSite(site: OpsSite): Promise<SiteReading> {
  const [backlog, budget, test, mode, guard, survey, drift, configuration, groups, tokens, clients] = await Promise.all([
    site.runs.backlog(),
    site.budget.peek(),
    site.test(),
    site.modes.read(),
    site.holds.state(),
    site.survey.state(),
    site.drift.head(),
    site.configuration.state(),
    new GroupStore(site.store).count(),
    site.tokens.standing(),
    site.clients.standing(),
  ]);
  const paused = pauseOf(site.contact(), budget);
  return {
    key: site.key,
    mode: paused?.reason === 'other-site' ? 'paused' : (mode?.mode ?? 'paused'),
    test: test ?? null,
    idp: site.idp,
    budget: { limit: budget.limit, used: budget.used, windowSeconds: budget.windowSeconds },
    pending: backlog.pending,
    oldestPendingSeconds: Math.floor(backlog.oldestPendingMs / 1_000),
    urgent: backlog.urgent,
    oldestUrgentSeconds: Math.floor(backlog.oldestUrgentMs / 1_000),
    parked: backlog.parked,
    held: guard.held,
    ...(paused === undefined ? {} : { paused }),
    modeBy: mode?.by ?? null,
    modeSince: mode === undefined ? null : moment(mode.atMs),
    modeWhy: mode === undefined || mode.why === '' ? null : mode.why,
    exempt: guard.exempt,
    groups,
    pendingForSeconds:
      mode?.mode !== 'enforce' || paused !== undefined
        ? null
        : timeForPeople(Math.max(0, backlog.pending - backlog.waiting), budget),
    guard: guardOf(guard),
    survey: { state: survey.state, detail: survey.detail },
    drift: { state: drift.state, at: drift.atMs === 0 ? null : moment(drift.atMs), counts: openCounts(drift) },
    recovery: site.store.witness.standing.recovery ?? null,
    configurationWaiting: configuration.candidate !== undefined,
    tokenExpires: tokens.first === undefined ? null : moment(tokens.first.expiresMs),
    liveTokens: tokens.live,
    clientExpires: clients.first === undefined ? null : moment(clients.first.expiresMs),
    liveCredentials: clients.live,
    lateAfterSeconds: LATE_SECONDS + site.graceSeconds,
    inFlight: budget.inFlight,
    pauseStreak: budget.blockedStreak,
  };
}

function guardOf(state: GuardState): GuardReading {
  return {
    trippedAt: state.trippedAtMs === undefined ? null : moment(state.trippedAtMs),
    why: state.why ?? null,
    activePeople: state.activePeople,
    leftInHour: state.lossesHour,
    limitHour: state.limitHour,
    leftInDay: state.lossesDay,
    limitDay: state.limitDay,
    heldMonthlyCents: state.heldCents,
    activeMonthlyCents: state.activeCents,
  };
}

/** Keeps what the open /health may show: a list, so that what is added for operators stays theirs. */
export function numbersOf(reading: SiteReading): SiteNumbers {
  const { mode, test, idp, budget, pending, oldestPendingSeconds, urgent, oldestUrgentSeconds, parked, held, paused } = reading;
  const numbers = { mode, test, idp, budget, pending, oldestPendingSeconds, urgent, oldestUrgentSeconds, parked, held };
  return paused === undefined ? numbers : { ...numbers, paused };
}

/** Counts the differences of the last report that somebody may have to do something about. */
export function driftOf({ drift }: Pick<SiteReading, 'drift'>): number {
  return Object.values(drift.counts).reduce((sum, count) => sum + count, 0);
}

function pauseOf(
  contact: ReturnType<OpsSite['contact']>,
  budget: Awaited<ReturnType<OpsSite['budget']['peek']>>,
): SiteNumbers['paused'] {
  if (contact === 'foreign') return { reason: 'other-site', seconds: 0 };
  if (budget.blockedWhy === undefined) return contact === 'unknown' ? { reason: 'unconfirmed', seconds: 0 } : undefined;
  return { reason: budget.blockedWhy, seconds: Math.ceil(budget.blockedForMs / 1_000) };
}
