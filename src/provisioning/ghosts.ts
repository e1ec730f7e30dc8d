/**
 * Owns the reasoning about open steps: mutating calls that left and were never answered. Such a call may still take effect until Maxio's own cut-off
 * has passed, so until then seeing nothing proves nothing. Pure.
 */
import type { OpenStep, StepKind } from '../directory/record.ts';
import type { Subscription } from '../maxio/types.ts';
import type { Known } from './plan-types.ts';

type Role = 'creating' | 'reviving' | 'ending' | 'updating';

const ROLES: Record<StepKind, Role> = {
  'create-customer': 'creating',
  'create-with-subscription': 'creating',
  'create-subscription': 'reviving',
  reactivate: 'reviving',
  resume: 'reviving',
  'undo-delayed-cancel': 'reviving',
  cancel: 'ending',
  'delay-cancel': 'ending',
  hold: 'ending',
  'update-customer': 'updating',
};

export function roleOf(step: OpenStep): Role {
  return ROLES[step.kind];
}

/** Redis time from which the call can no longer take effect. */
export function expiryMs(step: OpenStep, known: Pick<Known, 'unknownOutcomeMs'>): number {
  return step.sentAtMs + known.unknownOutcomeMs;
}

/** The reference of a subscription we make: our mark for the person, and the token of the very attempt. */
export function subscriptionReference(mark: string, token: string): string {
  return `${mark}${token.slice(0, 8)}`;
}

/** Say whether what Maxio shows can only be so because this call took effect. */
export function hasLanded(step: OpenStep, mark: string, subscriptions: Subscription[]): boolean {
  const target = subscriptions.find((subscription) => subscription.id === step.target);
  switch (step.kind) {
    case 'create-customer':
      return true;
    case 'create-with-subscription':
    case 'create-subscription':
      return subscriptions.some((subscription) => subscription.reference === subscriptionReference(mark, step.token));
    // Never repeated while unanswered, so what is seen can only be theirs.
    case 'reactivate':
    case 'resume':
      return target === undefined || (target.state !== 'canceled' && target.state !== 'on_hold');
    case 'undo-delayed-cancel':
      return target === undefined || !target.ending;
    case 'cancel':
      return target === undefined || (target.state === 'canceled' && (target.cancellationMessage ?? '').includes(step.token));
    // These leave no mark of the very attempt, and a leaver's are repeated: another one may have made what is seen, and this one may still come.
    case 'delay-cancel':
    case 'hold':
      return target === undefined || target.state === 'canceled';
    case 'update-customer':
      return false;
  }
}

/** When to look again while a call may still land: often at first, rarely later, at the latest when it has expired. */
export function lookAgainMs(step: OpenStep, known: Known): number {
  const age = known.nowMs - step.sentAtMs;
  return Math.min(expiryMs(step, known), known.nowMs + Math.min(60_000, Math.max(5_000, age)));
}
