/**
 * Owns the look at what is true at Maxio for one person: at most two reads, background lane, so that curiosity never delays a leaver.
 * Refuses to remember anything: the directory learns from runs alone. Maxio API: Read Customer, List Customer Subscriptions.
 */
import type { UserRecord } from '../directory/record.ts';
import type { MaxioClient } from '../maxio/client.ts';
import type { Subscription } from '../maxio/types.ts';
import { type Caller, NotMade } from '../provisioning/caller.ts';
import type { LiveSubscription, LiveView } from './site-view.ts';

/** Below the time after which the server gives a request up. */
const PATIENCE_MS = 12_000;

/** Reads the person's customer and its subscriptions. @throws NotMade, also when nothing was heard in 12 s; MaxioError */
export async function lookLive(record: UserRecord, caller: Caller, client: MaxioClient): Promise<LiveView> {
  const gaveUp = new AbortController();
  const { promise: impatience, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    gaveUp.abort();
    reject(new NotMade('slots', 1_000, 'background'));
  }, PATIENCE_MS);
  // A call that has left is not aborted: its slot would stay taken until the unknown-outcome time is over.
  const signal = (): AbortSignal | undefined => (gaveUp.signal.aborted ? gaveUp.signal : undefined);
  const look = async (): Promise<LiveView> => {
    const { link, reference } = record;
    const { value: customer } = await caller.call({ operation: 'look-live', lane: 'background' }, () =>
      link === undefined ? client.lookupCustomer(reference, signal()) : client.readCustomer(link.customerId, signal()),
    );
    if (customer === undefined) return { customer: null, subscriptions: [] };
    const { value: list } = await caller.call({ operation: 'look-live', lane: 'background' }, () =>
      client.listSubscriptions(customer.id, signal()),
    );
    return {
      customer: { id: customer.id, reference: customer.reference, updatedAt: customer.updated_at },
      subscriptions: (list ?? []).map((subscription) => viewOf(subscription, record)),
    };
  };
  const looking = look();
  looking.catch(() => undefined);
  try {
    return await Promise.race([looking, impatience]);
  } finally {
    clearTimeout(timer);
  }
}

function viewOf(subscription: Subscription, record: UserRecord): LiveSubscription {
  const { link } = record;
  const remembered = link?.subscriptions.some(({ id }) => id === subscription.id) === true;
  return {
    id: subscription.id,
    product: subscription.productHandle ?? null,
    state: subscription.state,
    ending: subscription.ending,
    currentPeriodEndsAt: subscription.currentPeriodEndsAt ?? null,
    managed: remembered || link?.origin === 'adopted' || subscription.reference?.startsWith(`scim-${record.id}-`) === true,
  };
}
