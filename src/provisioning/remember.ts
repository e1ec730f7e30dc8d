/**
 * Owns how an observation of a customer becomes memory: which subscriptions are managed, which are foreign, which we ended. Pure.
 * Managed is what we created (remembered, or carrying our mark) and everything of a customer we adopted by reference.
 */
import type { MaxioLink, RememberedSubscription } from '../directory/record.ts';
import type { Customer, Subscription } from '../maxio/types.ts';
import type { Mapped } from './mapping.ts';
import { isPresent } from './states.ts';

/**
 * Link a customer that was found by reference.
 * @param allOurs every mapped field it has was sent by us, so what the person no longer has is to be cleared; else such fields are left to whoever set them
 */
export function linkFound(customer: Customer, origin: MaxioLink['origin'], mapped: Mapped, allOurs = false): MaxioLink {
  const confirmed: Record<string, string | null> = {};
  for (const [name, value] of Object.entries(mapped) as [keyof Mapped, string | null][]) {
    if (allOurs || (value !== null && value !== '')) confirmed[name] = customer[name] ?? null;
  }
  return { customerId: customer.id, origin, confirmed, subscriptions: [], unseen: true };
}

/** A link that a rebuild has made, once it is known which fields the person has: those are taken for ours, the others are left to whoever set them. */
export function linkClaimed({ shown = {}, ...link }: MaxioLink, mapped: Mapped): MaxioLink {
  const ours = Object.entries(mapped).filter(([, value]) => value !== null && value !== '');
  return { ...link, confirmed: Object.fromEntries(ours.map(([name]) => [name, shown[name] ?? null])) };
}

/** Link a customer that we have just created. */
export function linkCreated(customer: Customer, sent: Record<string, string | null>, subscription?: Subscription): MaxioLink {
  const subscriptions = subscription === undefined ? [] : [rememberNew(subscription)];
  return { customerId: customer.id, origin: 'created', confirmed: sent, subscriptions };
}

export function rememberNew(subscription: Subscription): RememberedSubscription {
  return withProduct({ id: subscription.id, origin: 'created', state: subscription.state }, subscription);
}

/** Bring memory up to date with a complete list of the customer's subscriptions. */
export function rememberSeen(link: MaxioLink, seen: Subscription[], mark: string, scimId: string): MaxioLink {
  const subscriptions: RememberedSubscription[] = [];
  const foreign: NonNullable<MaxioLink['foreign']> = [];
  for (const subscription of seen) {
    const known = link.subscriptions.find(({ id }) => id === subscription.id);
    const marked = subscription.reference?.startsWith(mark) === true;
    if (known === undefined && !marked && link.origin === 'created') {
      if (isPresent(subscription.state)) {
        const { id, productHandle, productFamily } = subscription;
        foreign.push({
          id,
          ...(productHandle === undefined ? {} : { productHandle }),
          ...(productFamily === undefined ? {} : { productFamily }),
        });
      }
      continue;
    }
    const origin = known?.origin ?? (marked ? 'created' : 'adopted');
    const remembered = withProduct({ ...known, id: subscription.id, origin, state: subscription.state }, subscription);
    // Maxio remembers for us: a cancel that carries our mark was ours, even if our own memory of it was lost.
    // And a cancel without it is somebody else's decision, even where we had ended the subscription before: it is not ours to undo.
    if (subscription.state === 'canceled' && remembered.endedBy !== 'cancel_at_period_end') {
      if (endedByUs(subscription, scimId)) remembered.endedBy = 'cancel';
      else delete remembered.endedBy;
    }
    subscriptions.push(remembered);
  }
  const { unseen: _seen, quiet: _quiet, foreign: _old, ...rest } = link;
  return foreign.length === 0 ? { ...rest, subscriptions } : { ...rest, subscriptions, foreign };
}

/** Replace what is remembered of one subscription. */
export function updateRemembered(
  link: MaxioLink,
  id: string,
  change: (known: RememberedSubscription) => RememberedSubscription,
): MaxioLink {
  return { ...link, subscriptions: link.subscriptions.map((known) => (known.id === id ? change(known) : known)) };
}

/**
 * The message that goes with our cancels. It names the person by SCIM id, the generation and the attempt, and no more.
 * @param intent what is wanted of the person: who is to stay has only lost a group
 */
export function cancellationMessage(scimId: string, generation: number, token: string, intent: 'active' | 'inactive'): string {
  const why = intent === 'active' ? LOST_PRODUCT : 'the identity provider deactivated this person';
  return `Canceled by maxio-scim: ${why}. scim=${scimId} generation=${generation} step=${token}`;
}

const LOST_PRODUCT = 'a group no longer gives this product';

/** Read such a message again; `undefined` when it is not about a cancel of ours for this person. */
export function readCancellation(
  message: string | null | undefined,
  scimId: string,
): { generation: number; intent: 'active' | 'inactive' } | undefined {
  const [, whose, generation] = /\bscim=([0-9a-z-]+) generation=(\d+)/.exec(message ?? '') ?? [];
  if (whose !== scimId) return undefined;
  return { generation: Number(generation), intent: message?.includes(LOST_PRODUCT) === true ? 'active' : 'inactive' };
}

/** Say whether a subscription shows that this service made it, or ended it, for this person: proof that outlives our own memory. */
export function carriesMark(subscription: Subscription, mark: string, scimId: string): boolean {
  return subscription.reference?.startsWith(mark) === true || endedByUs(subscription, scimId);
}

function endedByUs(subscription: Subscription, scimId: string): boolean {
  return subscription.cancellationMessage?.includes(`scim=${scimId}`) === true;
}

/** Take over which product a subscription shows, and what it brings in. */
export function withProduct(known: RememberedSubscription, subscription: Subscription): RememberedSubscription {
  const { productHandle, monthlyCents, productFamily, pricePointHandle } = subscription;
  const { pricePointHandle: _before, ...rest } = known;
  return {
    ...(productHandle === undefined ? known : rest),
    ...(productHandle === undefined ? {} : { productHandle }),
    ...(monthlyCents === undefined ? {} : { monthlyCents }),
    ...(productFamily === undefined ? {} : { productFamily }),
    ...(pricePointHandle === undefined ? {} : { pricePointHandle }),
  };
}
