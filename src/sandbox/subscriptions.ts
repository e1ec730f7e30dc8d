/**
 * Owns reading, finding, listing and updating subscriptions.
 * Refuses to move them through their states (lifecycle.ts, pauses.ts). A lookup by reference gives the first match, because references need not be unique.
 * Answers to the Subscriptions pages of developers.maxio.com.
 */
import { blankRoot, notFound, ok, REFERENCE_TAKEN, refused } from './answers.ts';
import { parseInstant } from './clock.ts';
import { dateFilter, pageOf } from './paging.ts';
import type { SubscriptionRow } from './rows.ts';
import { asFlag, asInteger, asText, type Call, type Operation, type Route, rootOf, type Site } from './site.ts';
import { chooseMethod, chooseProduct } from './subscription-create.ts';
import { productOf, subscriptionEnvelope, subscriptionJson } from './subscription-json.ts';

const PER_PAGE_DEFAULT = 20;

type Instant = (row: SubscriptionRow) => number | null;

const DATES: Readonly<Record<string, Instant>> = {
  current_period_ends_at: (row) => row.periodEndsMs,
  current_period_starts_at: (row) => row.periodStartedMs,
  created_at: (row) => row.createdMs,
  activated_at: (row) => row.activatedMs,
  canceled_at: (row) => row.canceledMs,
  expires_at: (row) => row.expiresMs,
  trial_started_at: (row) => row.trialStartedMs,
  trial_ended_at: (row) => row.trialEndedMs,
  updated_at: (row) => row.updatedMs,
};

const ORDERS: Readonly<Record<string, Instant>> = {
  signup_date: (row) => row.createdMs,
  created_at: (row) => row.createdMs,
  updated_at: (row) => row.updatedMs,
  period_start: (row) => row.periodStartedMs,
  period_end: (row) => row.periodEndsMs,
  next_assessment: (row) => row.signupMs ?? row.periodEndsMs,
  expires_at: (row) => row.expiresMs,
  total_payments: (row) => row.revenueCents,
  open_balance: (row) => row.balanceCents,
  id: (row) => row.id,
};

/** Finds the subscription that a path names. */
export function findSubscription(site: Site, call: Call): SubscriptionRow | undefined {
  return site.store.subscription(asInteger(call.params.id) ?? 0);
}

const read: Operation = (site, call) => {
  const row = findSubscription(site, call);
  if (!row) return notFound();
  // Only a single read tells what the next bill would be.
  const subscription = {
    ...subscriptionJson(site, row),
    current_billing_amount_in_cents: productOf(site, row).price_in_cents,
  };
  return ok({ subscription });
};

const lookup: Operation = (site, { query }) => {
  const reference = query.get('reference');
  const row = reference ? site.store.subscriptionByReference(reference) : undefined;
  return row ? ok(subscriptionEnvelope(site, row)) : notFound();
};

const list: Operation = (site, { query }) => {
  const state = query.get('state');
  const product = query.get('product');
  const customer = query.get('customer_id');
  const inDates = dateFilter(query, DATES, site.settings.utcOffsetMinutes);
  const rows = site.store.subscriptions().filter((row) => {
    if (state && !(state === 'pending_cancellation' ? pendingCancellation(row) : row.state === state)) return false;
    if (product && String(row.productId) !== product) return false;
    if (customer && String(row.customerId) !== customer) return false;
    return inDates(row);
  });
  const name = query.get('sort') ?? '';
  const key = (Object.hasOwn(ORDERS, name) ? ORDERS[name] : undefined) ?? ((row: SubscriptionRow) => row.createdMs);
  rows.sort((a, b) => (key(a) ?? 0) - (key(b) ?? 0) || a.id - b.id);
  if (query.get('direction') !== 'asc') rows.reverse();
  return ok(pageOf(rows, query, PER_PAGE_DEFAULT).map((row) => subscriptionEnvelope(site, row)));
};

function pendingCancellation(row: SubscriptionRow): boolean {
  return row.cancelAtPeriodEnd && row.state !== 'canceled';
}

const update: Operation = (site, call) => {
  const row = findSubscription(site, call);
  if (!row) return notFound();
  const sent = rootOf(call.body, 'subscription');
  if (!sent) return blankRoot('subscription');
  const changesProduct = sent.product_handle !== undefined || sent.product_id !== undefined;
  const product = changesProduct ? chooseProduct(site, sent) : productOf(site, row);
  if (typeof product === 'string') return refused(product);
  const method = sent.payment_collection_method === undefined ? row.collectionMethod : chooseMethod(site, sent);
  if (method === undefined) return refused('Payment collection method: is not included in the list.');
  const reference = asText(sent.reference);
  if (reference && reference !== row.reference && site.settings.uniqueSubscriptionReference) {
    if (site.store.subscriptionByReference(reference)) return refused(REFERENCE_TAKEN);
  }
  const nextBillingMs = parseInstant(sent.next_billing_at, site.settings.utcOffsetMinutes);
  row.productId = product.id;
  row.collectionMethod = method;
  if (reference !== undefined) row.reference = reference || null;
  if (nextBillingMs !== undefined) row.periodEndsMs = nextBillingMs;
  if (sent.receives_invoice_emails !== undefined) row.receivesInvoiceEmails = asFlag(sent.receives_invoice_emails);
  if (sent.net_terms !== undefined) row.netTerms = asInteger(sent.net_terms) ?? null;
  row.updatedMs = site.clock.nowMs();
  return ok(subscriptionEnvelope(site, row));
};

export const subscriptionRoutes: readonly Route[] = [
  { method: 'GET', template: '/subscriptions.json', operation: list },
  { method: 'GET', template: '/subscriptions/lookup.json', operation: lookup },
  { method: 'GET', template: '/subscriptions/{id}.json', operation: read },
  { method: 'PUT', template: '/subscriptions/{id}.json', operation: update },
];
