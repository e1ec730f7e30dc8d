/**
 * Owns the plan for someone who should be billed and has a customer. Pure.
 * Trusts memory where that is safe (an update or a rehire costs one call) and looks first wherever a call of ours is unanswered.
 */
import type { MaxioLink, RememberedSubscription } from '../directory/record.ts';
import type { Subscription } from '../maxio/types.ts';
import { expiryMs, hasLanded, lookAgainMs, roleOf } from './ghosts.ts';
import { fieldsToSend } from './mapping.ts';
import type { Decision, Desired, Known } from './plan-types.ts';
import { updateRemembered } from './remember.ts';
import { isPresent } from './states.ts';

export function planStaying(desired: Desired, known: Known, link: MaxioLink): Decision {
  if (known.seen.subscriptions === undefined && mustLook(known, link)) return { kind: 'look', at: 'subscriptions' };
  return (
    planGhosts(desired, known, link) ??
    planReturning(desired, known, link) ??
    planMissing(desired, known, link) ??
    planUpdate(desired, known, link) ?? { kind: 'settle' }
  );
}

/** Memory is not enough after a found customer, an unanswered call, a refusal, or an ending that Maxio carries out by itself later. */
function mustLook(known: Known, link: MaxioLink): boolean {
  return (
    link.unseen === true ||
    known.seen.refused.size > 0 ||
    known.open.some((step) => roleOf(step) !== 'updating') ||
    link.subscriptions.some(({ endedBy }) => endedBy === 'cancel_at_period_end' || endedBy === 'hold')
  );
}

function planGhosts(desired: Desired, known: Known, link: MaxioLink): Decision | undefined {
  const seen = known.seen.subscriptions;
  const subscriptions = seen?.value ?? [];
  const resolved = known.open.filter(
    (step) =>
      roleOf(step) !== 'updating' &&
      seen !== undefined &&
      (hasLanded(step, desired.mark, subscriptions) || seen.atMs >= expiryMs(step, known)),
  );
  if (resolved.length > 0) {
    const open = known.open.filter((step) => !resolved.includes(step));
    return { kind: 'note', link, open, why: 'an unanswered call is resolved' };
  }
  const ghost = known.open.find((step) => roleOf(step) !== 'updating');
  if (ghost === undefined) return undefined;
  if (known.nowMs >= expiryMs(ghost, known)) return { kind: 'look', at: 'subscriptions' };
  return {
    kind: 'wait',
    untilMs: lookAgainMs(ghost, known),
    reason: 'unknown-outcome',
    detail:
      'An earlier call about this person left and Maxio did not answer. It may still take effect, so nothing is concluded before that is impossible.',
  };
}

/** Bring back what we ended: only that, and only what is still wanted. */
function planReturning(desired: Desired, known: Known, link: MaxioLink): Decision | undefined {
  for (const remembered of link.subscriptions) {
    if (remembered.endedBy === undefined || !isWanted(desired, remembered)) continue;
    const seen = known.seen.subscriptions?.value?.find(({ id }) => id === remembered.id);
    const decision = planReturn(known, link, remembered, seen);
    if (decision !== undefined) return decision;
  }
  return undefined;
}

function planReturn(
  known: Known,
  link: MaxioLink,
  remembered: RememberedSubscription,
  seen: Subscription | undefined,
): Decision | undefined {
  const target = remembered.id;
  const refusal = known.seen.refused.get(target);
  if (seen === undefined && refusal === undefined) return { kind: 'step', step: { kind: 'reactivate', target } };
  if (seen?.state === 'canceled') {
    if (refusal === undefined) return { kind: 'step', step: { kind: 'reactivate', target } };
    return {
      kind: 'park',
      reason: 'refused-by-maxio',
      detail: `Maxio refused to reactivate subscription ${target}: ${refusal}. Correct it in Maxio, then retry.`,
    };
  }
  if (seen !== undefined && isPresent(seen.state)) {
    if (seen.ending && remembered.endedBy === 'cancel_at_period_end')
      return { kind: 'step', step: { kind: 'undo-delayed-cancel', target } };
    if (seen.state === 'on_hold' && remembered.endedBy === 'hold') return { kind: 'step', step: { kind: 'resume', target } };
  }
  const forgotten = updateRemembered(link, target, ({ endedBy: _endedBy, ...rest }) => rest);
  return { kind: 'note', link: forgotten, open: known.open, why: 'this ending is already undone, or cannot be' };
}

function isWanted(desired: Desired, remembered: RememberedSubscription): boolean {
  return remembered.origin === 'adopted' || remembered.productHandle === desired.productHandle;
}

function planMissing(desired: Desired, known: Known, link: MaxioLink): Decision | undefined {
  const { productHandle } = desired;
  if (productHandle === undefined) return undefined;
  if (link.subscriptions.some(({ state }) => isPresent(state))) return undefined;
  // Somebody at Maxio has already given this customer the product: a second one would bill twice.
  if (link.foreign?.some((foreign) => foreign.productHandle === productHandle)) return undefined;
  if (known.seen.subscriptions === undefined) return { kind: 'look', at: 'subscriptions' };
  return { kind: 'step', step: { kind: 'create-subscription', productHandle, customerId: link.customerId } };
}

function planUpdate(desired: Desired, known: Known, link: MaxioLink): Decision | undefined {
  const ghost = known.open.find((step) => roleOf(step) === 'updating');
  if (ghost !== undefined) {
    // The lost update could still overwrite a newer one, so the newer one is sent when the lost one no longer can.
    if (known.nowMs < expiryMs(ghost, known)) {
      return {
        kind: 'wait',
        untilMs: expiryMs(ghost, known),
        reason: 'unknown-outcome',
        detail:
          'A profile update left and Maxio did not answer. All mapped fields are sent again when the lost one can no longer overwrite them.',
      };
    }
    return {
      kind: 'note',
      link: { ...link, inDoubt: true },
      open: known.open.filter((step) => step !== ghost),
      why: 'an unanswered update has expired',
    };
  }
  const fields = fieldsToSend(desired.mapped, link.confirmed, link.inDoubt === true);
  if (Object.keys(fields).length === 0) return undefined;
  return { kind: 'step', step: { kind: 'update-customer', customerId: link.customerId, fields } };
}
