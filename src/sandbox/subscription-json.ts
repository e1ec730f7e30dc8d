/**
 * Owns the JSON of a subscription as the API shows it: all keys with their nulls, the customer and the product embedded.
 * Refuses to show cards: none are kept, so the card keys are left out as Maxio leaves them out without one.
 * Answers to the subscription object of developers.maxio.com.
 */
import type { Product } from './catalogue.ts';
import { formatInstant, formatMoment } from './clock.ts';
import { embeddedCustomerJson } from './customer-json.ts';
import type { SubscriptionRow } from './rows.ts';
import type { Site } from './site.ts';

/** Finds the product of a subscription as its price point sells it; it exists because a catalogue never changes. */
export function productOf(site: Site, row: SubscriptionRow): Product {
  const product = site.products.find(({ id }) => id === row.productId);
  if (!product) throw new Error(`subscription ${row.id} has a product that is not in the catalogue`);
  const point = row.pricePointId === null ? undefined : site.pricePoints.find(({ id }) => id === row.pricePointId);
  if (!point) return product;
  return {
    ...product,
    price_in_cents: point.price_in_cents,
    interval: point.interval,
    interval_unit: point.interval_unit,
    product_price_point_id: point.id,
    product_price_point_name: point.name,
    product_price_point_handle: point.handle,
  };
}

/** What the sandbox never fills: coupons, scheduled products, credits, groups. */
const UNUSED = {
  scheduled_cancellation_at: null,
  next_product_id: null,
  next_product_handle: null,
  next_product_price_point_id: null,
  snap_day: null,
  locale: null,
  currency: 'USD',
  signup_payment_id: null,
  signup_revenue: '0.00',
  coupon_code: null,
  coupon_codes: [],
  coupons: [],
  coupon_use_count: null,
  coupon_uses_allowed: null,
  referral_code: null,
  offer_id: null,
  credit_balance_in_cents: 0,
  prepayment_balance_in_cents: 0,
  prepaid_dunning: false,
  stored_credential_transaction_id: null,
  dunning_communication_delay_enabled: false,
  dunning_communication_delay_time_zone: null,
  group: null,
};

/** Shows a subscription as lists and writes do. */
export function subscriptionJson(site: Site, row: SubscriptionRow) {
  const offset = site.settings.utcOffsetMinutes;
  const at = (instantMs: number | null): string | null => formatInstant(instantMs, offset);
  const product = productOf(site, row);
  const customer = site.store.customer(row.customerId);
  return {
    id: row.id,
    state: row.state,
    trial_started_at: at(row.trialStartedMs),
    trial_ended_at: at(row.trialEndedMs),
    activated_at: at(row.activatedMs),
    created_at: formatMoment(row.createdMs, offset),
    updated_at: formatMoment(row.updatedMs, offset),
    expires_at: at(row.expiresMs),
    balance_in_cents: row.balanceCents,
    current_period_started_at: at(row.periodStartedMs),
    current_period_ends_at: at(row.periodEndsMs),
    next_assessment_at: at(row.signupMs ?? row.periodEndsMs),
    canceled_at: at(row.canceledMs),
    cancellation_message: row.cancellationMessage,
    cancellation_method: row.cancellationMethod,
    cancel_at_end_of_period: row.cancelAtPeriodEnd,
    delayed_cancel_at: at(row.delayedCancelMs),
    reason_code: row.reasonCode,
    payment_collection_method: row.collectionMethod,
    product_price_point_id: product.product_price_point_id,
    product_price_point_type: row.pricePointId === null ? 'default' : 'catalog',
    receives_invoice_emails: row.receivesInvoiceEmails,
    net_terms: row.netTerms,
    reference: row.reference,
    previous_state: row.previousState,
    total_revenue_in_cents: row.revenueCents,
    product_price_in_cents: product.price_in_cents,
    product_version_number: product.version_number,
    ...UNUSED,
    payment_type: row.hasPaymentProfile ? 'credit_card' : null,
    automatically_resume_at: at(row.autoResumeMs),
    on_hold_at: at(row.onHoldMs),
    payer_id: row.customerId,
    customer: customer ? embeddedCustomerJson(customer, offset) : null,
    product,
  };
}

export type SubscriptionJson = ReturnType<typeof subscriptionJson>;

/** Wraps a subscription in its envelope. */
export function subscriptionEnvelope(site: Site, row: SubscriptionRow): { subscription: SubscriptionJson } {
  return { subscription: subscriptionJson(site, row) };
}
