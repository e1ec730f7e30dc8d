/**
 * Owns the way back of one subscription that we ended: what undoes the ending, by what is there. Pure.
 * Refuses to judge whether it is wanted again (plan-staying.ts, plan-products.ts).
 */
import type { MaxioLink, RememberedSubscription } from '../directory/record.ts';
import type { Subscription } from '../maxio/types.ts';
import type { Decision, Known, Step } from './plan-types.ts';
import { updateRemembered } from './remember.ts';
import { isPresent, standingOf, unknownState } from './states.ts';

/** Bring back one subscription that we ended, or forget that we did. */
export function planReturn(
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
