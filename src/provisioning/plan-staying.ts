/**
 * Owns the plan for someone who should be billed and has a customer. Pure.
 * Trusts memory where that is safe (an update or a rehire costs one call) and looks first wherever a call of ours is unanswered.
 */
import type { MaxioLink, RememberedSubscription } from '../directory/record.ts';
import type { Subscription } from '../maxio/types.ts';
import { expiryMs, forgetResolved, hasLanded, roleOf, waitFor } from './ghosts.ts';
import { fieldsToSend } from './mapping.ts';
import type { Decision, Desired, Known, Step } from './plan-types.ts';
import { updateRemembered } from './remember.ts';
import { isPresent, standingOf, unknownState } from './states.ts';

export function planStaying(desired: Desired, known: Known, link: MaxioLink): Decision {
  if (known.seen.subscriptions === undefined && mustLook(desired, known, link)) return { kind: 'look', at: 'subscriptions' };
  return (
    planGhosts(desired, known) ??
    planReturning(desired, known, link) ??
    planMissing(desired, known, link) ??
    planUpdate(desired, known, link) ?? { kind: 'settle' }
  );
}

/** Memory is not enough after a found customer, an unanswered call, a refusal, or an ending that Maxio carries out by itself later. */
function mustLook(desired: Desired, known: Known, link: MaxioLink): boolean {
  return (
    link.unseen === true ||
    known.seen.refused.size > 0 ||
    known.open.some((step) => roleOf(step) !== 'updating') ||
    link.subscriptions.some(
      (each) => isWanted(desired, each) && (each.endedBy === 'cancel_at_period_end' || each.endedBy === 'hold'),
    )
  );
}

function planGhosts(desired: Desired, known: Known): Decision | undefined {
  const { value = [], atMs } = known.seen.subscriptions ?? { atMs: Number.NEGATIVE_INFINITY };
  const ghosts = known.open.filter((step) => roleOf(step) !== 'updating');
  const forgotten = forgetResolved(ghosts, known, desired.mark, { value, atMs });
  if (forgotten !== undefined) return forgotten;
  // One that shows its effect stays on record until it has expired, for a later leave, but keeps nobody who stays waiting.
  const ghost = ghosts.find((step) => roleOf(step) === 'ending' || !hasLanded(step, desired.mark, value));
  if (ghost === undefined) return undefined;
  return waitFor(
    ghost,
    known,
    'An earlier call about this person left and Maxio did not answer. It may still take effect, so nothing is concluded before that is impossible.',
  );
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
  // What a state means that nobody knows is a guess, and a wrong guess would leave somebody unbilled for good.
  if (seen !== undefined && standingOf(seen.state) === 'unknown') return unknownState(seen);
  // Canceled, and somebody at Maxio has given the customer that product since: brought back as well it would bill twice.
  const replaced = seen?.state === 'canceled' && link.foreign?.some((foreign) => foreign.productHandle === seen.productHandle);
  const step = seen === undefined || replaced === true ? undefined : returningStep(remembered, seen);
  if (step !== undefined && refusal === undefined) return { kind: 'step', step };
  if (step !== undefined) {
    return {
      kind: 'park',
      reason: 'refused-by-maxio',
      detail: `Maxio refused to bring back subscription ${target} (${step.kind}): ${refusal}. Correct it in Maxio, then retry.`,
    };
  }
  const forgotten = updateRemembered(link, target, ({ endedBy: _endedBy, ...rest }) => rest);
  return { kind: 'note', link: forgotten, open: known.open, why: 'this ending is already undone, or cannot be' };
}

function returningStep(remembered: RememberedSubscription, seen: Subscription): Step | undefined {
  const target = seen.id;
  if (seen.state === 'canceled') return { kind: 'reactivate', target };
  if (!isPresent(seen.state)) return undefined;
  if (seen.ending && remembered.endedBy === 'cancel_at_period_end') return { kind: 'undo-delayed-cancel', target };
  return seen.state === 'on_hold' && remembered.endedBy === 'hold' ? { kind: 'resume', target } : undefined;
}

function isWanted(desired: Desired, remembered: RememberedSubscription): boolean {
  return remembered.origin === 'adopted' || remembered.productHandle === desired.productHandle;
}

function planMissing(desired: Desired, known: Known, link: MaxioLink): Decision | undefined {
  const { productHandle } = desired;
  if (productHandle === undefined) return undefined;
  // What we ended and the site no longer sells is on its way out: it does not stand for the product that is sold now.
  const stands = link.subscriptions.some(
    (each) => isPresent(each.state) && (each.endedBy === undefined || isWanted(desired, each)),
  );
  if (stands) return undefined;
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
