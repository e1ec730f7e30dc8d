/**
 * Owns reading, finding and updating one subscription.
 * Refuses to list (subscription-list.ts) and to move them through their states (lifecycle.ts, pauses.ts). A lookup by reference gives the first match, because references need not be unique.
 * Answers to the Subscriptions pages of developers.maxio.com.
 */
import { blankRoot, notFound, ok, REFERENCE_TAKEN, refused } from './answers.ts';
import { parseInstant } from './clock.ts';
import type { SubscriptionRow } from './rows.ts';
import { asFlag, asInteger, asText, type Call, type Operation, type Route, rootOf, type Site } from './site.ts';
import { chooseMethod, choosePricePoint, chooseProduct } from './subscription-create.ts';
import { productOf, subscriptionEnvelope, subscriptionJson } from './subscription-json.ts';

/** Finds the subscription that a path names. */
export function findSubscription(site: Site, call: Call): Readonly<SubscriptionRow> | undefined {
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

const update: Operation = (site, call) => {
  const row = findSubscription(site, call);
  if (!row) return notFound();
  const sent = rootOf(call.body, 'subscription');
  if (!sent) return blankRoot('subscription');
  const changesProduct = sent.product_handle !== undefined || sent.product_id !== undefined;
  if (asFlag(sent.product_change_delayed)) return refused('A delayed product change is not something this sandbox does.');
  const product = changesProduct ? chooseProduct(site, sent) : productOf(site, row);
  if (typeof product === 'string') return refused(product);
  const changesPrice =
    changesProduct || sent.product_price_point_handle !== undefined || sent.product_price_point_id !== undefined;
  const point = changesPrice ? choosePricePoint(site, product, sent) : undefined;
  if (typeof point === 'string') return refused(point);
  const method = sent.payment_collection_method === undefined ? row.collectionMethod : chooseMethod(site, sent);
  if (method === undefined) return refused('Payment collection method: is not included in the list.');
  const reference = asText(sent.reference);
  if (reference && reference !== row.reference && site.settings.uniqueSubscriptionReference) {
    if (site.store.subscriptionByReference(reference)) return refused(REFERENCE_TAKEN);
  }
  const nextBillingMs = parseInstant(sent.next_billing_at, site.settings.utcOffsetMinutes);
  site.store.changeSubscription(row, (changing) => {
    // Nothing is charged and no date moves: the new price is that of the next period.
    changing.productId = product.id;
    if (point !== undefined) changing.pricePointId = point?.id ?? null;
    changing.collectionMethod = method;
    if (reference !== undefined) changing.reference = reference || null;
    if (nextBillingMs !== undefined) changing.periodEndsMs = nextBillingMs;
    if (sent.receives_invoice_emails !== undefined) changing.receivesInvoiceEmails = asFlag(sent.receives_invoice_emails);
    if (sent.net_terms !== undefined) changing.netTerms = asInteger(sent.net_terms) ?? null;
    changing.updatedMs = site.clock.nowMs();
  });
  return ok(subscriptionEnvelope(site, row));
};

export const subscriptionRoutes: readonly Route[] = [
  { method: 'GET', template: '/subscriptions/lookup.json', operation: lookup },
  { method: 'GET', template: '/subscriptions/{id}.json', operation: read },
  { method: 'PUT', template: '/subscriptions/{id}.json', operation: update },
];
