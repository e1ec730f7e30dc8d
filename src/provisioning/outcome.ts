/**
 * Owns how a run can end, and the one table from Maxio's error kinds to those ends. Pure.
 * Waiting is not failing: only `retry` counts as an attempt.
 */
import type { OutcomeKind } from '../directory/record.ts';
import type { Lane } from '../maxio/budget.ts';
import type { MaxioError } from '../maxio/error.ts';

export interface Outcome {
  kind: OutcomeKind | 'superseded' | 'fenced';
  reason?: string;
  detail?: string;
  /** The budget lane that refused, when one did. */
  lane?: Lane;
  /** What the run had seen when it was refused its next call. */
  seen?: string;
  /** When to come back, from now. Absent for `retry`: the backoff decides. */
  waitMs?: number;
}

/** A person whose calls keep failing is parked after this long, so that a human looks; no single Maxio outage on record lasted longer. */
export const RETRY_HORIZON_MS = 24 * 3_600_000;
const BACKOFF_FIRST_MS = 1_000;
const BACKOFF_LAST_MS = 300_000;
/** A hold that Maxio refuses may stay refused for weeks, at two calls a try; half an hour still leaves a try before the last hour. */
const REFUSED_BACKOFF_LAST_MS = 1_800_000;

/** Backoff before attempt n + 1: doubling from a second to five minutes, spread by `random` in [0, 1) over the upper half. */
export function backoffMs(attempts: number, random: number, reason?: string): number {
  const last = reason === 'refused-for-now' ? REFUSED_BACKOFF_LAST_MS : BACKOFF_LAST_MS;
  const ceiling = Math.min(last, BACKOFF_FIRST_MS * 2 ** Math.min(20, Math.max(0, attempts - 1)));
  return Math.round(ceiling / 2 + (ceiling / 2) * random);
}

/** What a failed call means for the run. Kinds that the plan turns into knowledge (taken references, missing records) never come here. */
export function outcomeOf(error: MaxioError): Outcome {
  const said = error.messages.length > 0 ? ` Maxio said: ${error.messages.join('; ')}` : '';
  switch (error.kind) {
    case 'throttled':
      return {
        kind: 'postponed',
        reason: 'throttled',
        detail: 'Maxio asked for a pause (429); the whole site waits.',
        waitMs: 1_000,
      };
    case 'unauthorized':
      return {
        kind: 'paused',
        reason: 'unauthorized',
        detail: `Maxio refused the API key (HTTP ${error.status}). The site pauses and is probed; if this lasts, check MAXIO_API_KEY.`,
        waitMs: 5_000,
      };
    case 'blocked':
      return { kind: 'paused', reason: 'site-blocked', detail: `Maxio has blocked this site's account.${said}`, waitMs: 60_000 };
    case 'rejected':
    case 'missing':
      return {
        kind: 'parked',
        reason: 'refused-by-maxio',
        detail: `Maxio refused to ${error.call} (HTTP ${error.status}).${said} Correct it in the identity provider or in Maxio; the next change retries, or retry by hand.`,
      };
    case 'duplicate':
    case 'ambiguous':
      return {
        kind: 'retry',
        reason: 'unknown-outcome',
        detail: `Maxio did not answer: ${error.call}. The next run looks before it repeats anything.`,
      };
    case 'unavailable':
      return { kind: 'retry', reason: 'unavailable', detail: `Maxio could not be reached: ${error.call}.` };
  }
}
