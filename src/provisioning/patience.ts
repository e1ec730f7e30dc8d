/**
 * Owns when the ending of somebody who has left may begin. Pure, on Redis TIME.
 * Grace is for people who come back; calm is for the guard: endings wait until nobody has left for a while, so that a mass deactivation is recognised
 * before its first effect, and at most so many times as long, so that a steady trickle keeps nobody billed.
 */
import { intentOf, type UserRecord } from '../directory/record.ts';
import type { Desired, LostFamily } from './plan-types.ts';

/** A leaver waits for calm at most this many times the calm. */
const CALM_TIMES_MAX = 24;

export interface Patience {
  graceMs: number;
  calmMs: number;
}

export interface LossPatience extends Patience {
  groupGraceMs?: number | undefined;
}

/** What may be done about each product family that a group has taken away; `undefined` where none was. */
export function lostFamilies({ loss }: UserRecord, patience: LossPatience, lastLossMs: number | undefined): Desired['lost'] {
  if (loss === undefined) return undefined;
  const { groupGraceMs = 0, calmMs } = patience;
  const lost: Record<string, LostFamily> = Object.fromEntries(loss.spared.map((family) => [family, 'exempt']));
  for (const [family, atMs] of Object.entries(loss.families)) {
    if (loss.state === 'held' || loss.state === 'exempt') lost[family] = loss.state;
    else if (loss.state === 'approved') lost[family] = { fromMs: 0, reason: 'grace' };
    else {
      const { atMs: fromMs, reason } = firstMoment(atMs, { graceMs: groupGraceMs, calmMs }, lastLossMs);
      lost[family] = { fromMs, reason };
    }
  }
  return lost;
}

/** The first moment; `undefined` for people who stay, and for those whose leave an operator has approved. */
export function notBefore(record: UserRecord, patience: Patience, lastLossMs: number | undefined): Desired['notBefore'] {
  if (intentOf(record) === 'active' || record.leave?.state === 'approved') return undefined;
  // Leavers of a release that did not write the moment down: no later than their last change.
  const leftMs = record.leave?.atMs ?? record.modifiedAtMs;
  return firstMoment(leftMs, patience, lastLossMs);
}

function firstMoment(
  leftMs: number,
  { graceMs, calmMs }: Patience,
  lastLossMs: number | undefined,
): NonNullable<Desired['notBefore']> {
  const calm = Math.min(Math.max(leftMs, lastLossMs ?? 0) + calmMs, leftMs + CALM_TIMES_MAX * calmMs);
  return calm > leftMs + graceMs ? { atMs: calm, reason: 'calm' } : { atMs: leftMs + graceMs, reason: 'grace' };
}
