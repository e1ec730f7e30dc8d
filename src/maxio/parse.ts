/**
 * Owns the tolerant reading of Maxio's JSON into our types: unknown keys are dropped, unknown states kept, ids become strings.
 * Tolerance ends where a wrong act would begin: no id, no state or another shape is "not an answer", never a default.
 * Source: developers.maxio.com "Versioning" (attributes may appear, ids need not stay integers) and the pages of each object.
 */
import { z } from 'zod';
import type { Customer, MaxioEvent, PricePoint, Product, SiteFacts, Subscription } from './types.ts';

const id = z.union([z.int().nonnegative().transform(String), z.string().regex(/^[A-Za-z0-9_-]{1,64}$/)]);
const text = z.union([z.string(), z.number().transform(String)]).nullish();
const textOrNull = text.transform((value) => value ?? null);
const textOrEmpty = text.transform((value) => value ?? '');
const textOrNone = text.transform((value) => value ?? undefined);
const flag = z
  .boolean()
  .nullish()
  .transform((value) => value === true);
const cents = z
  .union([
    z.number(),
    z
      .string()
      .regex(/^-?\d+$/)
      .transform(Number),
  ])
  .nullish();

const customer: z.ZodType<Customer> = z.object({
  id,
  reference: textOrNull,
  first_name: textOrEmpty,
  last_name: textOrEmpty,
  email: textOrEmpty,
  organization: textOrNull,
  phone: textOrNull,
  address: textOrNull,
  address_2: textOrNull,
  city: textOrNull,
  state: textOrNull,
  zip: textOrNull,
  country: textOrNull,
  locale: textOrNull,
  created_at: textOrEmpty,
  updated_at: textOrEmpty,
});

/** Days or months of an average year, in months. */
const MONTHS: Readonly<Record<string, number>> = { day: 12 / 365.25, week: 84 / 365.25, month: 1, year: 12 };

/** Turns the price of one period into that of a month. */
function monthly(
  priceInCents: number | undefined,
  period: { interval?: number | null | undefined; interval_unit?: string | undefined } | null | undefined,
): number | undefined {
  if (priceInCents === 0) return 0;
  const months = (period?.interval ?? 0) * (MONTHS[period?.interval_unit ?? ''] ?? 0);
  return priceInCents === undefined || months <= 0 ? undefined : Math.round(priceInCents / months);
}

const family = z.object({ handle: textOrNone }).nullish();

/** A price point that nobody has named has a handle like `uuid:…`. */
function isNamed(handle: string | undefined): boolean {
  return handle !== undefined && !handle.startsWith('uuid:');
}

const subscription = z
  .object({
    id,
    state: z.string().min(1),
    reference: textOrNull,
    product: z
      .object({
        handle: textOrNone,
        price_in_cents: cents,
        interval: cents,
        interval_unit: textOrNone,
        product_family: family,
        product_price_point_handle: textOrNone,
      })
      .nullish(),
    product_price_in_cents: cents,
    current_period_ends_at: textOrNone,
    cancel_at_end_of_period: flag,
    delayed_cancel_at: textOrNone,
    scheduled_cancellation_at: textOrNone,
    cancellation_message: textOrNull,
    canceled_at: textOrNone,
    customer: z.object({ id }).nullish(),
    updated_at: textOrEmpty,
  })
  .transform((raw): Subscription => {
    const priceInCents = raw.product_price_in_cents ?? raw.product?.price_in_cents ?? undefined;
    return {
      id: raw.id,
      state: raw.state,
      reference: raw.reference,
      productHandle: raw.product?.handle,
      productPriceInCents: priceInCents,
      monthlyCents: monthly(priceInCents, raw.product),
      ...(raw.product?.product_family?.handle === undefined ? {} : { productFamily: raw.product.product_family.handle }),
      ...(isNamed(raw.product?.product_price_point_handle) ? { pricePointHandle: raw.product?.product_price_point_handle } : {}),
      currentPeriodEndsAt: raw.current_period_ends_at,
      ending: raw.cancel_at_end_of_period || Boolean(raw.delayed_cancel_at) || Boolean(raw.scheduled_cancellation_at),
      cancellationMessage: raw.cancellation_message,
      ...(raw.canceled_at === undefined ? {} : { canceledAt: raw.canceled_at }),
      customerId: raw.customer?.id,
      updatedAt: raw.updated_at,
    };
  });

const site = z
  .object({
    id,
    subdomain: z.string(),
    name: textOrEmpty,
    test: z.boolean(),
    relationship_invoicing_enabled: flag,
    default_payment_collection_method: textOrNone,
  })
  .transform(
    (raw): SiteFacts => ({
      id: raw.id,
      subdomain: raw.subdomain,
      name: raw.name,
      test: raw.test,
      relationshipInvoicingEnabled: raw.relationship_invoicing_enabled,
      defaultPaymentCollectionMethod: raw.default_payment_collection_method,
    }),
  );

const product = z
  .object({
    handle: z.string().min(1),
    name: textOrEmpty,
    require_credit_card: flag,
    price_in_cents: cents,
    interval: cents,
    interval_unit: textOrNone,
    archived_at: textOrNone,
    product_family: family,
  })
  .transform(
    (raw): Product => ({
      handle: raw.handle,
      name: raw.name,
      requireCreditCard: raw.require_credit_card,
      priceInCents: raw.price_in_cents ?? undefined,
      monthlyCents: monthly(raw.price_in_cents ?? undefined, raw),
      archived: raw.archived_at !== undefined,
      family: raw.product_family?.handle,
    }),
  );

const pricePoint = z
  .object({ handle: z.string().min(1), archived_at: textOrNone })
  .transform((raw): PricePoint => ({ handle: raw.handle, archived: raw.archived_at !== undefined }));

const event = z
  .object({ id, key: z.string().min(1), customer_id: id.nullish(), subscription_id: id.nullish(), created_at: textOrEmpty })
  .transform(
    (raw): MaxioEvent => ({
      id: raw.id,
      key: raw.key,
      customerId: raw.customer_id ?? undefined,
      subscriptionId: raw.subscription_id ?? undefined,
      createdAt: raw.created_at,
    }),
  );

export const siteAnswer = z.object({ site }).transform((body) => body.site);
export const customerAnswer = z.object({ customer }).transform((body) => body.customer);
export const subscriptionAnswer = z.object({ subscription }).transform((body) => body.subscription);
export const pricePointAnswer = z.object({ price_point: pricePoint }).transform((body) => body.price_point);
export const productAnswer = z.object({ product }).transform((body) => body.product);
/** A list is a bare array of envelopes. */
export const customersAnswer = z.array(customerAnswer);
export const eventsAnswer = z.array(z.object({ event }).transform((body) => body.event));
export const subscriptionsAnswer = z.array(subscriptionAnswer);
/** The answer to a signup embeds the whole customer. */
export const signupAnswer = z
  .object({ subscription: z.intersection(subscription, z.object({ customer })) })
  .transform((body) => body.subscription);
/** Calls whose answer is only a confirmation; still a JSON object, so that a proxy's page is not taken for one. */
export const confirmation = z.object({ message: z.string().nullish() }).transform(() => undefined);

/** Reads a body by a shape; `undefined` in `value`'s place is never confused with failure, which is `ok: false`. */
export function readBody<T>(shape: z.ZodType<T>, body: string): { ok: true; value: T } | { ok: false } {
  try {
    const parsed = shape.safeParse(JSON.parse(body));
    return parsed.success ? { ok: true, value: parsed.data } : { ok: false };
  } catch {
    return { ok: false };
  }
}
