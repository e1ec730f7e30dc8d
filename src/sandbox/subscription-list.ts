/**
 * Owns `GET /subscriptions.json`: filters, dates, orders and pages.
 * Refuses what the sandbox has no trace of: a filter for coupons, groups or metadata finds nothing, because there are none.
 * Answers to "List Subscriptions" of developers.maxio.com. How `q` matches is undocumented; here it is a part of the text.
 */
import { ok } from './answers.ts';
import { dateFilter, pageOf } from './paging.ts';
import type { SubscriptionRow } from './rows.ts';
import type { Operation, Route, Site } from './site.ts';
import { productOf, subscriptionEnvelope } from './subscription-json.ts';

const PER_PAGE_DEFAULT = 20;

type Row = Readonly<SubscriptionRow>;
type Instant = (row: Row) => number | null;
type Test = (row: Row) => boolean;

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

/** The one word of the state filter that is no state of its own and that the sandbox can tell. */
const pendingCancellation: Test = (row) => row.cancelAtPeriodEnd && row.state !== 'canceled';

/** The texts that each scope of `q` looks at. */
const SCOPES: Readonly<Record<string, (site: Site, row: Row) => (string | null | undefined)[]>> = {
  full_name: (site, row) => {
    const owner = site.store.customer(row.customerId);
    return [`${owner?.first_name} ${owner?.last_name}`];
  },
  first_name: (site, row) => [site.store.customer(row.customerId)?.first_name],
  last_name: (site, row) => [site.store.customer(row.customerId)?.last_name],
  organization: (site, row) => [site.store.customer(row.customerId)?.organization],
  customer_reference: (site, row) => [site.store.customer(row.customerId)?.reference],
  subscription_reference: (_site, row) => [row.reference],
};

function search(site: Site, q: string, scope: string | null): Test {
  const wanted = q.trim().toLowerCase();
  const named = scope !== null && Object.hasOwn(SCOPES, scope) ? SCOPES[scope] : undefined;
  const scopes = named ? [named] : Object.values(SCOPES);
  return (row) => scopes.some((texts) => texts(site, row).some((text) => text?.toLowerCase().includes(wanted)));
}

/** Collects the filters of a query; what was not asked for costs nothing. */
function testsOf(site: Site, query: URLSearchParams): Test[] {
  const tests: Test[] = [];
  const add = (name: string, test: (wanted: string) => Test): void => {
    const wanted = query.get(name);
    if (wanted) tests.push(test(wanted));
  };
  add('state', (state) => (state === 'pending_cancellation' ? pendingCancellation : (row) => row.state === state));
  add('product', (product) => (row) => String(row.productId) === product || productOf(site, row).name === product);
  add('product_price_point_id', (id) => (row) => String(productOf(site, row).product_price_point_id) === id);
  add('customer_id', (id) => (row) => String(row.customerId) === id);
  add('collection_method', (method) => (row) => row.collectionMethod === method);
  add('group_status', (status) => () => status !== 'grouped');
  add('coupon', () => () => false);
  add('coupon_code', () => () => false);
  add('q', (q) => search(site, q, query.get('q_scope')));
  if ([...query.keys()].some((key) => key.startsWith('metadata['))) tests.push(() => false);
  if (query.has('date_field')) tests.push(dateFilter(query, DATES, site.settings.utcOffsetMinutes));
  return tests;
}

const list: Operation = (site, { query }) => {
  const tests = testsOf(site, query);
  const all = site.store.subscriptions();
  const rows = tests.length === 0 ? all : all.filter((row) => tests.every((test) => test(row)));
  const name = query.get('sort') ?? '';
  const key = (Object.hasOwn(ORDERS, name) ? ORDERS[name] : undefined) ?? ((row: Row) => row.createdMs);
  rows.sort((a, b) => (key(a) ?? 0) - (key(b) ?? 0) || a.id - b.id);
  if (query.get('direction') !== 'asc') rows.reverse();
  return ok(pageOf(rows, query, PER_PAGE_DEFAULT).map((row) => subscriptionEnvelope(site, row)));
};

export const subscriptionListRoute: Route = { method: 'GET', template: '/subscriptions.json', operation: list };
