/**
 * Owns the plan for someone who should no longer be billed and has a customer. Pure.
 * Every managed subscription that can bill is ended by the site's policy, when its time has come; states nobody knows are left alone and shown, and
 * protected people are shown instead of ended. Nobody waits for whom nothing would be ended.
 */
import type { MaxioLink } from '../directory/record.ts';
import type { Subscription } from '../maxio/types.ts';
import { forgetResolved, roleOf, waitFor } from './ghosts.ts';
import type { Decision, Desired, Known, Step } from './plan-types.ts';
import { standingOf, unknownState } from './states.ts';

/** A refused hold or delayed cancel is tried again until this long before the renewal that it should prevent. */
const LAST_CHANCE_MS = 3_600_000;

export function planLeaving(desired: Desired, known: Known, link: MaxioLink): Decision {
  if (link.quiet === true && known.open.length === 0) return { kind: 'settle' };
  const early = desired.protected === true ? undefined : tooEarly(desired, known);
  const seen = known.seen.subscriptions;
  if (early !== undefined && seen === undefined && mayBill(known, link)) return early;
  if (seen?.value === undefined) return { kind: 'look', at: 'subscriptions' };

  // Before any step of ours muddies the picture.
  const forgotten = forgetResolved(known.open, known, desired.mark, { value: seen.value, atMs: seen.atMs });
  if (forgotten !== undefined) return forgotten;
  const refused: Subscription[] = [];
  const unknown: Subscription[] = [];
  for (const subscription of seen.value) {
    if (!link.subscriptions.some(({ id }) => id === subscription.id)) continue;
    if (standingOf(subscription.state) === 'unknown') {
      unknown.push(subscription);
      continue;
    }
    const step = endingStep(desired.policy, subscription);
    if (step === undefined) continue;
    if (desired.protected === true) return protectedParked(subscription);
    if (early !== undefined) return early;
    if (known.seen.refused.has(subscription.id)) refused.push(subscription);
    else return { kind: 'step', step };
  }
  return planRevivingGhosts(known) ?? planRefused(desired, known, refused) ?? planUnknown(unknown) ?? settle(known);
}

/** By memory: when it says that nothing can be ended, one look tells at once instead of after the wait. */
function mayBill(known: Known, link: MaxioLink): boolean {
  return link.unseen === true || known.open.length > 0 || link.subscriptions.some(({ state }) => standingOf(state) !== 'ended');
}

const EARLY = {
  grace: 'This person has left and the grace of this site is not over; coming back before costs nothing.',
  calm: 'This person has left; endings begin when nobody has left for a while, so that a mistake with many is seen before its first effect.',
};

function tooEarly(desired: Desired, known: Known): Decision | undefined {
  if (desired.notBefore === undefined || known.nowMs >= desired.notBefore.atMs) return undefined;
  const { atMs, reason } = desired.notBefore;
  return { kind: 'wait', untilMs: atMs, reason, detail: EARLY[reason] };
}

/** Put a protected person aside instead of ending what is theirs. @param why what has happened to them, as in "This person has …" */
export function protectedParked(subscription: Subscription, why = 'left'): Decision {
  return {
    kind: 'park',
    reason: 'protected',
    detail:
      `This person has ${why}, but is on the list of protected people, so subscription ${subscription.id} is left as it is. ` +
      'Remove them from the file that MAXIO_PROTECTED_FILE names, restart the service and retry; or reactivate them in the identity provider; ' +
      'or end the subscription in Maxio by hand, then retry.',
  };
}

export function endingStep(policy: Desired['policy'], subscription: Subscription): Step | undefined {
  const standing = standingOf(subscription.state);
  if (standing === 'ended' || subscription.ending) return undefined;
  const target = subscription.id;
  switch (policy) {
    case 'cancel':
      return { kind: 'cancel', target };
    case 'cancel_at_period_end':
      return { kind: 'delay-cancel', target };
    case 'hold':
      return standing === 'held' ? undefined : { kind: 'hold', target };
  }
}

export function planRefused(desired: Desired, known: Known, refused: Subscription[]): Decision | undefined {
  // The next renewal decides; one that is not known may be any moment.
  const [first] = refused
    .map((subscription) => ({ ...subscription, renewalMs: Date.parse(subscription.currentPeriodEndsAt ?? '') || 0 }))
    .sort((a, b) => a.renewalMs - b.renewalMs);
  if (first === undefined) return undefined;
  // The refusal may be about the effect of an earlier attempt, which then is ours: what it was is known when that attempt can no longer come.
  const ghost = known.open.findLast((step) => roleOf(step) === 'ending' && step.target === first.id);
  if (ghost !== undefined) {
    return waitFor(
      ghost,
      known,
      'An ending left and Maxio did not answer; it has refused the repetition. The first may still take effect, so nothing is concluded before that is impossible.',
    );
  }
  const why = known.seen.refused.get(first.id) ?? 'no reason given';
  const what = { cancel: 'canceled', cancel_at_period_end: 'scheduled to end', hold: 'put on hold' }[desired.policy];
  if (known.nowMs < first.renewalMs - LAST_CHANCE_MS) {
    return { kind: 'retry', reason: 'refused-for-now', detail: `Subscription ${first.id} could not be ${what}: ${why}` };
  }
  return {
    kind: 'park',
    reason: 'cannot-end',
    detail: `Subscription ${first.id} could not be ${what} and may renew: ${why}. End it in Maxio by hand, then retry.`,
  };
}

function planUnknown(unknown: Subscription[]): Decision | undefined {
  return unknown[0] === undefined ? undefined : unknownState(unknown[0]);
}

/** A create or reactivation may still land and bill a leaver: stay until that is impossible. */
function planRevivingGhosts(known: Known): Decision | undefined {
  const ghost = known.open.find((step) => roleOf(step) === 'reviving' || roleOf(step) === 'creating');
  if (ghost === undefined) return undefined;
  return waitFor(
    ghost,
    known,
    'A call that would bill this person again left and Maxio did not answer. It may still take effect, so the person is watched.',
  );
}

function settle(known: Known): Decision {
  const foreign = known.link?.foreign?.length ?? 0;
  return foreign === 0
    ? { kind: 'settle' }
    : { kind: 'settle', note: `${foreign} live subscription(s) of this customer were made by someone else and are left alone` };
}
