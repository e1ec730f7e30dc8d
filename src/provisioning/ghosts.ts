/**
 * Owns the reasoning about open steps: mutating calls that left and were never answered. Such a call may still take effect until Maxio's own cut-off
 * has passed, so until then seeing nothing proves nothing. Pure.
 */
import { digest } from '../directory/keys.ts';
import type { OpenStep, StepKind } from '../directory/record.ts';
import type { Subscription } from '../maxio/types.ts';
import { foldEmail } from '../scim/fold.ts';
import type { Json } from '../scim/types.ts';
import type { Decision, Known } from './plan-types.ts';
import { standingOf } from './states.ts';

type Role = 'creating' | 'reviving' | 'ending' | 'changing' | 'updating';

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
  'change-product': 'changing',
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

/** By what a create is known again that was never answered: the address alone tells nobody who reads an open step anything. */
export function addressDigest(email: string | null): string {
  return digest(foldEmail(email ?? ''));
}

/** Say whether Maxio shows what this call was to bring about. Whether it was this very call is another matter: see isResolved. */
export function hasLanded(step: OpenStep, mark: string, subscriptions: Subscription[]): boolean {
  const target = subscriptions.find((subscription) => subscription.id === step.target);
  if (target !== undefined && standingOf(target.state) === 'unknown') return false;
  switch (step.kind) {
    case 'create-customer':
      return true;
    case 'create-with-subscription':
    case 'create-subscription':
      return subscriptions.some((subscription) => subscription.reference === subscriptionReference(mark, step.token));
    case 'reactivate':
    case 'resume':
      return target === undefined || (target.state !== 'canceled' && target.state !== 'on_hold');
    case 'undo-delayed-cancel':
      return target === undefined || !target.ending;
    case 'cancel':
      return target === undefined || (target.state === 'canceled' && (target.cancellationMessage ?? '').includes(step.token));
    case 'delay-cancel':
    case 'hold':
      return target === undefined || target.state === 'canceled';
    case 'change-product':
      return target === undefined || target.productHandle === step.productHandle;
    case 'update-customer':
      return false;
  }
}

/** Creates and cancels carry the token of the attempt; of the others somebody else, or a repetition, may have made what is seen, and they may still come. */
const CARRY_THEIR_TOKEN: ReadonlySet<StepKind> = new Set([
  'create-customer',
  'create-with-subscription',
  'create-subscription',
  'cancel',
]);

/** Say whether an open step can be forgotten: it has landed beyond doubt, or what was seen was seen when it no longer could land. */
function isResolved(step: OpenStep, known: Known, mark: string, seen: { value: Subscription[]; atMs: number }): boolean {
  return seen.atMs >= expiryMs(step, known) || (CARRY_THEIR_TOKEN.has(step.kind) && hasLanded(step, mark, seen.value));
}

/** Forget those of the given open steps that are resolved; `undefined` when none is. The others stay on record. */
export function forgetResolved(
  steps: OpenStep[],
  known: Known,
  mark: string,
  seen: { value: Subscription[]; atMs: number },
): Decision | undefined {
  const resolved = steps.filter((step) => isResolved(step, known, mark, seen));
  if (resolved.length === 0) return undefined;
  const open = known.open.filter((step) => !resolved.includes(step));
  return { kind: 'note', link: known.link, open, why: 'an unanswered call is resolved' };
}

/** What a note concludes about open steps, for the audit trail: which, about what, and whether Maxio shows the effect. Without ids nobody could find it there. */
export function conclusions(note: Extract<Decision, { kind: 'note' }>, known: Known, mark: string): Json[] {
  const linked = known.link === undefined && note.link !== undefined;
  const customer = note.link?.customerId ?? known.link?.customerId;
  const seen = known.seen.subscriptions?.value;
  return known.open
    .filter((step) => !note.open.includes(step) || (linked && roleOf(step) === 'creating'))
    .map((step) => {
      const made = seen?.find(({ reference }) => reference === subscriptionReference(mark, step.token));
      const subscription = step.target ?? made?.id;
      return {
        step: step.kind,
        ...(customer === undefined ? {} : { customer }),
        ...(subscription === undefined ? {} : { subscription }),
        effect: linked || showsEffect(step, mark, seen ?? []) ? 'seen' : 'not seen',
      };
    });
}

/** Weaker than hasLanded: a repetition, or somebody else, may have brought it about. */
function showsEffect(step: OpenStep, mark: string, seen: Subscription[]): boolean {
  const target = seen.find(({ id }) => id === step.target);
  if (step.target !== undefined && target === undefined) return false;
  if (step.kind === 'hold') return target?.state === 'on_hold';
  if (step.kind === 'delay-cancel') return target?.ending === true;
  // The product alone may have been there before: a price point that was asked for must be seen, too.
  if (step.pricePointHandle !== undefined && target !== undefined && target.pricePointHandle !== step.pricePointHandle)
    return false;
  return step.kind !== 'create-customer' && hasLanded(step, mark, seen);
}

/** Wait for an open step, or look once more when it has expired since the last look. */
export function waitFor(step: OpenStep, known: Known, detail: string): Decision {
  if (known.nowMs >= expiryMs(step, known)) return { kind: 'look', at: 'subscriptions' };
  return { kind: 'wait', untilMs: lookAgainMs(step, known), reason: 'unknown-outcome', detail };
}

/** When to look again while a call may still land: often at first, rarely later, at the latest when it has expired. */
export function lookAgainMs(step: OpenStep, known: Known): number {
  const age = known.nowMs - step.sentAtMs;
  return Math.min(expiryMs(step, known), known.nowMs + Math.min(60_000, Math.max(5_000, age)));
}
