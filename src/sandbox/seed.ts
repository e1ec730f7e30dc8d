/**
 * Owns filling a sandbox with customers and subscriptions that are simply there, without a request in the ledger.
 * Refuses customers that the API would refuse; a subscription may be put into any state, also one the API cannot reach.
 */
import { z } from 'zod';
import { cancelAt, startPeriod, startTrial } from './billing.ts';
import { dayOfMonth } from './clock.ts';
import { customerProblems, newCustomer, readCustomerFields } from './customer-rules.ts';
import type { CustomerRow, SubscriptionRow } from './rows.ts';
import type { Site } from './site.ts';
import { blankSubscription } from './subscription-create.ts';

export const subscriptionSeed = z.strictObject({
  product_handle: z.string(),
  reference: z.string().nullable().optional(),
  state: z.string().optional(),
  payment_collection_method: z.string().optional(),
  cancellation_message: z.string().optional(),
});

export const customerSeed = z.looseObject({
  reference: z.string().nullable().optional(),
  email: z.string().optional(),
  first_name: z.string().optional(),
  last_name: z.string().optional(),
  subscriptions: z.array(subscriptionSeed).optional(),
});

export const seedSchema = z.strictObject({
  /** How many, or which. */
  customers: z.union([z.int().min(0), z.array(customerSeed)]),
  /** Gives each counted customer an active subscription to this product. */
  product: z.string().optional(),
  /** Begins the reference of each counted customer, default `seed-`; null leaves them without one. */
  referencePrefix: z.string().nullable().optional(),
  /** The number of the first counted customer; default goes on after those that are there. */
  from: z.int().min(0).optional(),
  /** Fields of each counted customer, with its number in place of `{n}`. */
  pattern: z.record(z.string(), z.string()).optional(),
});

export type Seed = z.input<typeof seedSchema>;
type CustomerSeed = z.input<typeof customerSeed>;
type SubscriptionSeed = z.input<typeof subscriptionSeed>;

interface Planted {
  customers: Readonly<CustomerRow>[];
  subscriptions: Readonly<SubscriptionRow>[];
}

/** Adds customers and their subscriptions. Throws Error when a record or a product handle is not acceptable. */
export function plantSeed(site: Site, seed: Seed): Planted {
  const parsed = seedSchema.parse(seed);
  const records = typeof parsed.customers === 'number' ? counted(site, parsed.customers, parsed) : parsed.customers;
  const planted: Planted = { customers: [], subscriptions: [] };
  site.store.quietly(() => {
    for (const record of records) {
      const row = plantCustomer(site, record);
      planted.customers.push(row);
      for (const subscription of record.subscriptions ?? []) {
        planted.subscriptions.push(plantSubscription(site, row, subscription));
      }
    }
  });
  return planted;
}

function counted(site: Site, count: number, { product, referencePrefix: prefix = 'seed-', from, pattern }: Seed): CustomerSeed[] {
  const first = from ?? site.store.customerCount() + 1;
  return Array.from({ length: count }, (_, index) => {
    const number = first + index;
    const filled = Object.entries(pattern ?? {}).map(([key, text]) => [key, text.replaceAll('{n}', String(number))]);
    return {
      first_name: 'Seed',
      last_name: `Number ${number}`,
      email: `seed-${number}@example.com`,
      reference: prefix === null ? null : `${prefix}${number}`,
      ...Object.fromEntries(filled),
      subscriptions: product === undefined ? [] : [{ product_handle: product }],
    };
  });
}

/** Adds a customer by the rules of the API, with what is missing made up. */
export function plantCustomer(site: Site, record: CustomerSeed): Readonly<CustomerRow> {
  const name = record.reference ?? `customer-${site.store.customerCount() + 1}`;
  const fields = {
    first_name: 'Seed',
    last_name: 'Customer',
    email: `${name.toLowerCase().replaceAll(/[^a-z0-9.-]/g, '-')}@example.com`,
    ...readCustomerFields(record),
  };
  const problems = customerProblems(site, fields);
  if (problems.length > 0) throw new Error(`seed: ${problems.join(' ')}`);
  return site.store.addCustomer(newCustomer(fields, site.clock.nowMs()));
}

/** Adds a subscription in any state. */
export function plantSubscription(site: Site, owner: Readonly<CustomerRow>, seed: SubscriptionSeed): Readonly<SubscriptionRow> {
  const product = site.products.find(({ handle }) => handle === seed.product_handle);
  if (!product) throw new Error(`seed: no product has the handle ${seed.product_handle}`);
  const nowMs = site.clock.nowMs();
  const blank = {
    ...blankSubscription(nowMs, dayOfMonth(nowMs, site.settings.utcOffsetMinutes)),
    customerId: owner.id,
    productId: product.id,
    reference: seed.reference ?? null,
    collectionMethod: seed.payment_collection_method ?? 'remittance',
  };
  return site.store.addSubscription(blank, (row) => {
    if (!startTrial(site, row, nowMs)) startPeriod(site, row, nowMs);
    row.previousState = row.state;
    row.cancellationMessage = seed.cancellation_message ?? null;
    if (seed.state === 'canceled') cancelAt(row, nowMs);
    else if (seed.state !== undefined) row.state = seed.state;
    if (row.state === 'on_hold') row.onHoldMs = nowMs;
  });
}
