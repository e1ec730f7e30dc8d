/**
 * Owns the plan for someone who should be billed and has a customer. Pure.
 * Trusts memory where that is safe (an update or a rehire costs one call) and looks first wherever a call of ours is unanswered.
 */
import type { MaxioLink, RememberedSubscription } from '../directory/record.ts';
import { expiryMs, forgetResolved, hasLanded, roleOf, waitFor } from './ghosts.ts';
import { fieldsToSend } from './mapping.ts';
import { isByGroup, mayReturn, noteOfOthers, planDeferred, planLosses, planProducts } from './plan-products.ts';
import { planReturn } from './plan-return.ts';
import type { Decision, Desired, Known } from './plan-types.ts';
import { isPresent } from './states.ts';

export function planStaying(desired: Desired, known: Known, link: MaxioLink): Decision {
  if (known.seen.subscriptions === undefined && mustLook(desired, known, link)) return { kind: 'look', at: 'subscriptions' };
  return (
    planGhosts(desired, known) ??
    (isByGroup(desired)
      ? planProducts(desired, known, link)
      : (planReturning(desired, known, link) ?? planMissing(desired, known, link))) ??
    planUpdate(desired, known, link) ??
    planLosses(desired, known, link) ??
    planDeferred(desired, known, link) ??
    settle(desired, link)
  );
}

function settle(desired: Desired, link: MaxioLink): Decision {
  const held = Object.values(desired.lost ?? {}).includes('held')
    ? 'A group has taken a product away. That waits for an operator; everything else is done.'
    : undefined;
  const note = held ?? noteOfOthers(desired, link);
  return note === undefined ? { kind: 'settle' } : { kind: 'settle', note };
}

/** Memory is not enough after a found customer, an unanswered call, a refusal, or an ending that Maxio carries out by itself later. */
function mustLook(desired: Desired, known: Known, link: MaxioLink): boolean {
  return (
    link.unseen === true ||
    known.seen.refused.size > 0 ||
    known.open.some((step) => roleOf(step) !== 'updating') ||
    link.subscriptions.some(
      (each) => mayBeBack(desired, each) && (each.endedBy === 'cancel_at_period_end' || each.endedBy === 'hold'),
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

function mayBeBack(desired: Desired, remembered: RememberedSubscription): boolean {
  return isByGroup(desired) ? mayReturn(desired, remembered) : isWanted(desired, remembered);
}

function isWanted(desired: Desired, remembered: RememberedSubscription): boolean {
  return remembered.origin === 'adopted' || remembered.productHandle === desired.products[0]?.productHandle;
}

function planMissing(desired: Desired, known: Known, link: MaxioLink): Decision | undefined {
  const productHandle = desired.products[0]?.productHandle;
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
