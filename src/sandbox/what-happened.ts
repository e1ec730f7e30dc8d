/**
 * Owns the translation of a change of a row into the events that Maxio would tell of it, in its keys and words.
 * Refuses to know who caused it: the API, the clock and staff leave the same traces. What is not here (payments, invoices, dunning
 * steps, components) the sandbox does not model. Answers to the event keys and event data of developers.maxio.com, Events.
 */
import { formatInstant } from './clock.ts';
import type { CustomerRow, SubscriptionRow } from './rows.ts';
import type { Site } from './site.ts';
import type { Change } from './store.ts';
import { productOf } from './subscription-json.ts';

export interface NewEvent {
  key: string;
  message: string;
  customerId: number;
  subscriptionId: number | null;
  /** What Maxio calls event specific data. */
  about: Record<string, unknown> | null;
}

/** Only these make a `customer_update`; the rest of a customer changes without a word. */
const TOLD = [
  'first_name',
  'last_name',
  'organization',
  'email',
  'reference',
  'address',
  'address_2',
  'city',
  'state',
  'zip',
  'country',
  'phone',
] as const satisfies readonly (keyof CustomerRow)[];

const WAITING = ['awaiting_signup', 'awaiting_signup_date'];

/** Lists the events of one change, in the order in which they happened. */
export function whatHappened(site: Site, change: Change): NewEvent[] {
  return change.of === 'customer' ? ofCustomer(change.was, change.is) : ofSubscription(site, change.was, change.is);
}

function ofCustomer(was: Readonly<CustomerRow> | undefined, is: Readonly<CustomerRow> | undefined): NewEvent[] {
  const row = is ?? was;
  if (!row || (was && is && !TOLD.some((key) => was[key] !== is[key]))) return [];
  const [key, verb] = was
    ? is
      ? ['customer_update', 'updated']
      : ['customer_delete', 'deleted']
    : ['customer_create', 'created'];
  const message = `Customer ${verb}: ${row.first_name} ${row.last_name}`;
  return [{ key, message, customerId: row.id, subscriptionId: null, about: null }];
}

function ofSubscription(
  site: Site,
  was: Readonly<SubscriptionRow> | undefined,
  is: Readonly<SubscriptionRow> | undefined,
): NewEvent[] {
  const row = is ?? was;
  if (!row) return [];
  const owner = site.store.customer(row.customerId);
  const whose = `${owner?.first_name ?? 'a former'} ${owner?.last_name ?? 'customer'}'s subscription to ${productOf(site, row).name}`;
  const event = (key: string, message: string, about: NewEvent['about'] = null): NewEvent => ({
    key,
    message,
    customerId: row.customerId,
    subscriptionId: row.id,
    about,
  });
  if (!is) return [event('subscription_deletion', `Deleted ${whose}`)];
  const signup = event('signup_success', `Created ${whose}`);
  if (!was) return WAITING.includes(is.state) ? [] : [signup];
  return changesOf(site, was, is, whose).map((each) => event(each.key, each.message, each.about));
}

function changesOf(site: Site, was: Readonly<SubscriptionRow>, is: Readonly<SubscriptionRow>, whose: string) {
  const found: Pick<NewEvent, 'key' | 'message' | 'about'>[] = [];
  if (WAITING.includes(was.state) && !WAITING.includes(is.state) && is.state !== 'canceled') {
    found.push({ key: 'signup_success', message: `Created ${whose}`, about: null });
  }
  if (was.productId !== is.productId) {
    const about = { previous_product_id: was.productId, new_product_id: is.productId };
    found.push({ key: 'subscription_product_change', message: `Changed the product of ${whose}`, about });
  }
  if (was.state === 'active' && was.periodStartedMs !== is.periodStartedMs) {
    const paid = is.state === 'active';
    const about = { product_id: is.productId, account_transaction_id: is.id };
    const message = `${paid ? 'Renewed' : 'Failed to renew'} ${whose}`;
    found.push({ key: paid ? 'renewal_success' : 'renewal_failure', message, about });
  }
  if (was.cancelAtPeriodEnd !== is.cancelAtPeriodEnd && is.state !== 'canceled' && was.state !== 'canceled') {
    const about = {
      cancellation_state: String(is.cancelAtPeriodEnd),
      cancels_at: formatInstant(is.delayedCancelMs ?? was.delayedCancelMs ?? is.periodEndsMs, site.settings.utcOffsetMinutes),
    };
    const words = is.cancelAtPeriodEnd ? 'Scheduled the end of' : 'Took back the end of';
    found.push({ key: 'pending_cancellation_change', message: `${words} ${whose}`, about });
  }
  if (was.state !== is.state) {
    const about = { previous_subscription_state: was.state, new_subscription_state: is.state };
    found.push({
      key: 'subscription_state_change',
      message: `State changed on ${whose} from ${was.state} to ${is.state}`,
      about,
    });
  }
  return found;
}
