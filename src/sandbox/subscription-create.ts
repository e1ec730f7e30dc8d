/**
 * Owns `POST /subscriptions.json`: the three ways to name the customer, and when a subscription may begin without a card.
 * Refuses to leave halves behind: a refused signup creates no customer either (unless a setting asks for that). A taken
 * reference is an error, never a reuse. Answers to "Create Subscription" of developers.maxio.com.
 */
import { type Answer, blankRoot, CUSTOMER_NEEDED, noPaymentMethod, ok, REFERENCE_TAKEN, refused } from './answers.ts';
import { startPeriod, startTrial } from './billing.ts';
import type { PricePoint, Product } from './catalogue.ts';
import { dayOfMonth, parseInstant } from './clock.ts';
import { customerProblems, newCustomer, readCustomerFields, unknownAttributes } from './customer-rules.ts';
import type { CustomerRow, SubscriptionRow } from './rows.ts';
import { asFlag, asInteger, asText, isObject, type Operation, type Route, rootOf, type Site } from './site.ts';
import { subscriptionEnvelope } from './subscription-json.ts';

type Sent = Record<string, unknown>;
type ChosenCustomer = { existing: Readonly<CustomerRow> } | { fresh: Partial<CustomerRow> } | { problems: string[] };

const METHODS = ['automatic', 'remittance', 'prepaid', 'invoice'];
const SCHEDULE_KEYS = ['cancel_at_end_of_period', 'scheduled_cancellation_at'];

/** Finds the product of a body; answers the sentence of the refusal when there is none. */
export function chooseProduct(site: Site, sent: Sent): Product | string {
  const handle = asText(sent.product_handle);
  if (handle !== undefined && handle !== null) {
    const known = site.products.find((product) => product.handle === handle);
    // Whoever has an archived product keeps it; nobody else gets it.
    if (known?.archived_at) return `Product with API Handle '${handle}' is archived.`;
    return known ?? `Product with API Handle '${handle}' does not exist for this site.`;
  }
  const id = asText(sent.product_id);
  if (id === undefined || id === null) return 'A Product must be specified for the subscription to be valid.';
  return site.products.find((product) => String(product.id) === id) ?? `Product with ID '${id}' does not exist for this site.`;
}

/** Finds the price point of a body, null for the default one; answers the sentence of the refusal when the product has no such price point. */
export function choosePricePoint(site: Site, product: Product, sent: Sent): PricePoint | null | string {
  const [handle, id] = [asText(sent.product_price_point_handle), asText(sent.product_price_point_id)];
  if (!handle && !id) return null;
  if (id === String(product.default_product_price_point_id) || handle === product.product_price_point_handle) return null;
  const found = site.pricePoints.find(
    (each) => each.product_id === product.id && (handle ? each.handle === handle : String(each.id) === id),
  );
  return found ?? 'Product Price Point: could not be found.';
}

function chooseCustomer(site: Site, sent: Sent): ChosenCustomer {
  if (sent.customer_id !== undefined) {
    const existing = site.store.customer(asInteger(sent.customer_id) ?? 0);
    return existing ? { existing } : { problems: [CUSTOMER_NEEDED] };
  }
  const reference = asText(sent.customer_reference);
  if (reference) {
    const broken = site.settings.plusBreaksCustomerReference && reference.includes('+');
    const existing = broken ? undefined : site.store.customerByReference(reference);
    return existing ? { existing } : { problems: [CUSTOMER_NEEDED] };
  }
  if (!isObject(sent.customer_attributes)) return { problems: [CUSTOMER_NEEDED] };
  const fresh = readCustomerFields(sent.customer_attributes);
  const problems = [...unknownAttributes(site, sent.customer_attributes), ...customerProblems(site, fresh)];
  return problems.length > 0 ? { problems } : { fresh };
}

/** Reads the collection method. Sites with invoices bill by remittance, old ones by invoice; each takes the other's word for its own. */
export function chooseMethod(site: Site, sent: Sent): string | undefined {
  const method = asText(sent.payment_collection_method) ?? site.settings.defaultCollectionMethod;
  if (!METHODS.includes(method)) return undefined;
  if (site.settings.relationshipInvoicing) return method === 'invoice' ? 'remittance' : method;
  return method === 'remittance' ? 'invoice' : method;
}

/** Tells whether a payment method came along; null for one that is empty. */
function paymentProfileOf(sent: Sent): boolean | null {
  if (asInteger(sent.payment_profile_id) !== undefined) return true;
  for (const key of ['payment_profile_attributes', 'credit_card_attributes', 'bank_account_attributes']) {
    const profile = sent[key];
    if (isObject(profile)) return Object.keys(profile).length > 0 ? true : null;
  }
  return false;
}

/** Lists what is wrong with a signup apart from product, customer and money. */
function otherProblems(site: Site, sent: Sent): string[] {
  const problems: string[] = [];
  const codes = [sent.coupon_code, ...(Array.isArray(sent.coupon_codes) ? sent.coupon_codes : [])];
  for (const code of codes.map(asText)) {
    if (code) problems.push(`Coupon Code: '${code}' - Coupon code could not be found.`);
  }
  if (chooseMethod(site, sent) === undefined) problems.push('Payment collection method: is not included in the list.');
  if (SCHEDULE_KEYS.some((key) => sent[key] !== undefined)) {
    problems.push('A cancellation cannot be scheduled while the subscription is created.');
  }
  const reference = asText(sent.reference);
  if (site.settings.uniqueSubscriptionReference && reference && site.store.subscriptionByReference(reference)) {
    problems.push(REFERENCE_TAKEN);
  }
  return problems;
}

/** Refuses a signup whose first charge has no payment method; undefined when money is no obstacle. */
function moneyObstacle(product: Product, method: string, hasProfile: boolean | null, chargedNow: boolean): Answer | undefined {
  if (hasProfile === null || (product.require_credit_card && !hasProfile)) return refused('Payment profile: cannot be blank.');
  const due = chargedNow && product.trial_interval === null ? product.price_in_cents : 0;
  return method === 'automatic' && !hasProfile && due > 0 ? noPaymentMethod(due) : undefined;
}

const create: Operation = (site, { body }) => {
  const sent = rootOf(body, 'subscription');
  if (!sent) return blankRoot('subscription');
  const product = chooseProduct(site, sent);
  const point = typeof product === 'string' ? null : choosePricePoint(site, product, sent);
  const customer = chooseCustomer(site, sent);
  const problems = [
    ...(typeof product === 'string' ? [product] : []),
    ...(typeof point === 'string' ? [point] : []),
    ...('problems' in customer ? customer.problems : []),
    ...otherProblems(site, sent),
  ];
  if (typeof product === 'string' || typeof point === 'string' || 'problems' in customer || problems.length > 0)
    return refused(...problems);

  const nowMs = site.clock.nowMs();
  const offset = site.settings.utcOffsetMinutes;
  const futureMs = (value: unknown): number | null => {
    const instantMs = parseInstant(value, offset);
    return instantMs !== undefined && instantMs > nowMs ? instantMs : null;
  };
  const firstBillingMs = futureMs(sent.next_billing_at);
  const signupMs = futureMs(sent.initial_billing_at);
  const deferred = asFlag(sent.defer_signup);
  const method = chooseMethod(site, sent) ?? 'automatic';
  const hasProfile = paymentProfileOf(sent);
  const sold = point === null ? product : { ...product, price_in_cents: point.price_in_cents };
  const obstacle = moneyObstacle(sold, method, hasProfile, firstBillingMs === null && signupMs === null && !deferred);
  if (obstacle) {
    if ('fresh' in customer && site.settings.failedSignupKeepsCustomer)
      site.store.addCustomer(newCustomer(customer.fresh, nowMs));
    return obstacle;
  }

  const owner = 'existing' in customer ? customer.existing : site.store.addCustomer(newCustomer(customer.fresh, nowMs));
  const blank = {
    ...blankSubscription(nowMs, dayOfMonth(nowMs, offset)),
    customerId: owner.id,
    productId: product.id,
    pricePointId: point?.id ?? null,
    reference: asText(sent.reference) || null,
    collectionMethod: method,
    hasPaymentProfile: hasProfile === true,
    expiresMs: futureMs(sent.expires_at),
    receivesInvoiceEmails: asFlag(sent.receives_invoice_emails),
    netTerms: asInteger(sent.net_terms) ?? null,
  };
  const row = site.store.addSubscription(blank, (added) => begin(site, added, { nowMs, firstBillingMs, signupMs, deferred }));
  return ok(subscriptionEnvelope(site, row), 201);
};

/** Builds the row of a subscription that has not begun. */
export function blankSubscription(nowMs: number, anchorDay: number): Omit<SubscriptionRow, 'id' | 'customerId' | 'productId'> {
  return {
    pricePointId: null,
    state: 'pending',
    previousState: 'active',
    reference: null,
    collectionMethod: 'remittance',
    hasPaymentProfile: false,
    balanceCents: 0,
    revenueCents: 0,
    createdMs: nowMs,
    updatedMs: nowMs,
    activatedMs: null,
    trialStartedMs: null,
    trialEndedMs: null,
    periodStartedMs: null,
    periodEndsMs: null,
    anchorDay,
    expiresMs: null,
    canceledMs: null,
    cancellationMessage: null,
    cancellationMethod: null,
    reasonCode: null,
    cancelAtPeriodEnd: false,
    delayedCancelMs: null,
    onHoldMs: null,
    autoResumeMs: null,
    pastDueMs: null,
    signupMs: null,
    receivesInvoiceEmails: false,
    netTerms: null,
  };
}

interface Dates {
  nowMs: number;
  firstBillingMs: number | null;
  signupMs: number | null;
  deferred: boolean;
}

/** Puts a new subscription into its first state: waiting, imported without a charge, in trial, or active. */
function begin(site: Site, row: SubscriptionRow, { nowMs, firstBillingMs, signupMs, deferred }: Dates): void {
  if (deferred) row.state = 'awaiting_signup_date';
  else if (signupMs !== null) {
    row.state = 'awaiting_signup';
    row.signupMs = signupMs;
  } else if (firstBillingMs !== null) {
    row.state = 'active';
    row.activatedMs = nowMs;
    row.periodStartedMs = nowMs;
    row.periodEndsMs = firstBillingMs;
    row.anchorDay = dayOfMonth(firstBillingMs, site.settings.utcOffsetMinutes);
  } else if (!startTrial(site, row, nowMs)) startPeriod(site, row, nowMs);
  row.previousState = row.state;
}

export const subscriptionCreateRoute: Route = { method: 'POST', template: '/subscriptions.json', operation: create };
