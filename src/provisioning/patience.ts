/**
 * Owns when the ending of somebody who has left may begin. Pure, on Redis TIME.
 * Grace is for people who come back; calm is for the guard: endings wait until nobody has left for a while, so that a mass deactivation is recognised
 * before its first effect, and at most so many times as long, so that a steady trickle keeps nobody billed.
 */
import { intentOf, type UserRecord } from '../directory/record.ts';
import type { Desired } from './plan-types.ts';

/** A leaver waits for calm at most this many times the calm. */
const CALM_TIMES_MAX = 24;

export interface Patience {
  graceMs: number;
  calmMs: number;
}

/** The first moment; `undefined` for people who stay, and for those whose leave an operator has approved. */
export function notBefore(record: UserRecord, patience: Patience, lastLossMs: number | undefined): Desired['notBefore'] {
  if (intentOf(record) === 'active' || record.leave?.state === 'approved') return undefined;
  // Leavers of a release that did not write the moment down: no later than their last change.
  const leftMs = record.leave?.atMs ?? record.modifiedAtMs;
  const { graceMs, calmMs } = patience;
  const calm = Math.min(Math.max(leftMs, lastLossMs ?? 0) + calmMs, leftMs + CALM_TIMES_MAX * calmMs);
  return calm > leftMs + graceMs ? { atMs: calm, reason: 'calm' } : { atMs: leftMs + graceMs, reason: 'grace' };
}
