/**
 * Owns what each subscription state means for billing, as an exhaustive switch: a word the compiler knows must be placed, a word Maxio invents is `unknown`.
 * Source: subscription states of Maxio's API reference and help centre.
 */
import { SUBSCRIPTION_STATES, type Subscription, type SubscriptionState } from '../maxio/types.ts';
import type { Decision } from './plan-types.ts';

/** `billing`: bills now or may bill later by itself. `held`: on hold. `ended`: cannot bill again by itself. */
export type Standing = 'billing' | 'held' | 'ended' | 'unknown';

export function standingOf(state: string): Standing {
  return isKnown(state) ? standingOfKnown(state) : 'unknown';
}

function isKnown(state: string): state is SubscriptionState {
  return (SUBSCRIPTION_STATES as readonly string[]).includes(state);
}

function standingOfKnown(state: SubscriptionState): Standing {
  switch (state) {
    case 'active':
    case 'trialing':
    case 'assessing':
    case 'pending':
    case 'paused':
    case 'past_due':
    case 'soft_failure':
    case 'unpaid':
    case 'suspended':
    case 'trial_ended':
      return 'billing';
    // Not billing yet, but it will start by itself.
    case 'awaiting_signup':
    case 'awaiting_signup_date':
      return 'billing';
    case 'on_hold':
      return 'held';
    case 'canceled':
    case 'expired':
    case 'failed_to_create':
      return 'ended';
  }
}

/** Say whether the subscription still stands in the way of creating another. */
export function isPresent(state: string): boolean {
  return standingOf(state) !== 'ended';
}

/** Put a person aside whose subscription is in a state that this release does not know. */
export function unknownState(subscription: Subscription): Decision {
  const state = subscription.state.replaceAll(/[^\w -]/g, '?').slice(0, 40);
  return {
    kind: 'park',
    reason: 'unknown-state',
    detail: `Subscription ${subscription.id} is in the state "${state}", which this release does not know. Set it right in Maxio by hand, then retry.`,
  };
}
