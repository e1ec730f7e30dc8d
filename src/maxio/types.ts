/**
 * Owns the shapes of the Maxio Advanced Billing API that we read and write, after the tolerant parser has been over them.
 * Ids are strings, states are open strings, timestamps stay ISO 8601 text with the site's offset (compare as instants only).
 * Refuses to know SCIM. Source: developers.maxio.com, customers and subscriptions.
 */

/** The customer fields we may write. `null` clears a field; a missing key leaves it alone. */
export interface CustomerFields {
  first_name?: string;
  last_name?: string;
  email?: string;
  organization?: string | null;
  phone?: string | null;
  address?: string | null;
  address_2?: string | null;
  city?: string | null;
  state?: string | null;
  zip?: string | null;
  country?: string | null;
  locale?: string | null;
}

/** The only customer fields that can reach Maxio, whatever an object carries besides (OWASP API3, mass assignment), and that are compared with it. */
export const CUSTOMER_FIELDS = [
  'first_name',
  'last_name',
  'email',
  'organization',
  'phone',
  'address',
  'address_2',
  'city',
  'state',
  'zip',
  'country',
  'locale',
] as const satisfies readonly (keyof CustomerFields)[];

export interface Customer extends Required<CustomerFields> {
  id: string;
  reference: string | null;
  created_at: string;
  updated_at: string;
}

export interface Subscription {
  id: string;
  /** One of `SUBSCRIPTION_STATES` or a word Maxio has added since. */
  state: string;
  reference: string | null;
  /** Absent when the site's catalogue has no products. */
  productHandle: string | undefined;
  productPriceInCents: number | undefined;
  /** The price of its product turned into one of a month, 0 when free; absent when the product or its interval is unknown. */
  monthlyCents: number | undefined;
  /** Handle of the family of its product. */
  productFamily?: string | undefined;
  /** Only one that somebody has named; Maxio makes up the handles of the others. */
  pricePointHandle?: string | undefined;
  currentPeriodEndsAt: string | undefined;
  /** A cancel is scheduled for the end of the period. */
  ending: boolean;
  cancellationMessage: string | null;
  /** Absent unless it is canceled. */
  canceledAt?: string | undefined;
  customerId: string | undefined;
  updatedAt: string;
}

export interface SiteFacts {
  id: string;
  subdomain: string;
  name: string;
  test: boolean;
  relationshipInvoicingEnabled: boolean;
  /** How new subscriptions collect when nobody says otherwise. */
  defaultPaymentCollectionMethod: string | undefined;
}

export interface Product {
  handle: string;
  name: string;
  /** A signup without a card is refused. */
  requireCreditCard: boolean;
  priceInCents: number | undefined;
  /** See `Subscription`. */
  monthlyCents: number | undefined;
  archived: boolean;
  /** Handle of the product family. */
  family: string | undefined;
}

export interface PricePoint {
  handle: string;
  archived: boolean;
}

/** One line of what happened at the site; Maxio writes it some seconds after the fact. */
export interface MaxioEvent {
  id: string;
  key: string;
  customerId: string | undefined;
  subscriptionId: string | undefined;
  createdAt: string;
}

export interface EventQuery {
  /** Included itself, so that the last one seen can be asked for again. */
  sinceId?: string | undefined;
  /** Only events with these keys. */
  keys?: readonly string[] | undefined;
  /** Only the last event there is. */
  newest?: true | undefined;
}

export interface NewSubscription {
  productHandle: string;
  /** Absent: the default price point of the product. */
  pricePointHandle?: string | undefined;
  paymentCollectionMethod: string;
  /** The subscription's own reference, our mark; Maxio does not promise that it is unique. */
  reference: string;
  customer: { kind: 'new'; reference: string; fields: CustomerFields } | { kind: 'existing'; id: string };
}

export const SUBSCRIPTION_STATES = [
  'pending',
  'failed_to_create',
  'trialing',
  'assessing',
  'active',
  'soft_failure',
  'past_due',
  'suspended',
  'canceled',
  'expired',
  'paused',
  'unpaid',
  'trial_ended',
  'on_hold',
  'awaiting_signup',
  'awaiting_signup_date',
] as const;

export type SubscriptionState = (typeof SUBSCRIPTION_STATES)[number];
