/**
 * Owns the products of the sandbox and their JSON. Refuses to change them: a catalogue is given once, at the start.
 * The default one has a product for each rule of signing up: paid, free, card required, with a trial; and a price point beside the default one.
 * Answers to the Products and Product Families pages of developers.maxio.com.
 */

export interface ProductSpec {
  handle: string;
  name?: string;
  priceInCents: number;
  requireCreditCard?: boolean;
  /** A trial of this many days comes before the first charge. */
  trialDays?: number;
  /** Default one month. */
  interval?: number;
  intervalUnit?: 'month' | 'day';
  /** Handle of its family, default `plans`. */
  family?: string;
  /** Not sold any more. */
  archived?: boolean;
  /** Beside the default one. */
  pricePoints?: readonly PricePointSpec[];
}

export interface PricePointSpec {
  handle: string;
  priceInCents: number;
  /** Default that of the product. */
  interval?: number;
  intervalUnit?: 'month' | 'day';
}

export const defaultProducts: readonly ProductSpec[] = [
  { handle: 'basic', name: 'Basic', priceInCents: 1_900 },
  { handle: 'pro', name: 'Pro', priceInCents: 29_900, pricePoints: [{ handle: 'yearly', priceInCents: 299_000, interval: 12 }] },
  { handle: 'free', name: 'Free', priceInCents: 0 },
  { handle: 'card-only', name: 'Card Only', priceInCents: 4_900, requireCreditCard: true },
  { handle: 'trial', name: 'Trial', priceInCents: 9_900, trialDays: 14 },
];

const FAMILY = { id: 527_890, name: 'Plans', handle: 'plans', accounting_code: null, description: '' };
const FIRST_PRODUCT_ID = 7_130_991;
const FIRST_PRICE_POINT_ID = 3_462;
const FIRST_NAMED_PRICE_POINT_ID = 5_001;

/** Lists the families of a catalogue, the default one first. */
function familiesOf(specs: readonly ProductSpec[]): (typeof FAMILY)[] {
  const handles = [...new Set(specs.map(({ family }) => family ?? FAMILY.handle))].filter((handle) => handle !== FAMILY.handle);
  const others = handles.map((handle, at) => ({ ...FAMILY, id: FAMILY.id + 1 + at, name: handle, handle }));
  return [FAMILY, ...others];
}

/** Builds the catalogue, in the key order and with the nulls of the API. */
export function buildCatalogue(specs: readonly ProductSpec[], createdAt: string) {
  const families = familiesOf(specs);
  return specs.map((spec, index) => ({
    id: FIRST_PRODUCT_ID + index,
    name: spec.name ?? spec.handle,
    handle: spec.handle,
    description: '',
    accounting_code: '',
    request_credit_card: spec.requireCreditCard ?? false,
    expiration_interval: null,
    expiration_interval_unit: 'never',
    created_at: createdAt,
    updated_at: createdAt,
    price_in_cents: spec.priceInCents,
    interval: spec.interval ?? 1,
    interval_unit: spec.intervalUnit ?? ('month' as 'month' | 'day'),
    initial_charge_in_cents: null,
    trial_price_in_cents: spec.trialDays === undefined ? null : 0,
    trial_interval: spec.trialDays ?? null,
    trial_interval_unit: spec.trialDays === undefined ? 'month' : 'day',
    archived_at: spec.archived === true ? createdAt : null,
    require_credit_card: spec.requireCreditCard ?? false,
    return_params: '',
    taxable: false,
    update_return_url: '',
    update_return_params: '',
    tax_code: null,
    initial_charge_after_trial: false,
    version_number: 1,
    default_product_price_point_id: FIRST_PRICE_POINT_ID + index,
    product_price_point_id: FIRST_PRICE_POINT_ID + index,
    product_price_point_name: 'Default',
    product_price_point_handle: `uuid:00000000-0000-4000-8000-${String(index + 1).padStart(12, '0')}`,
    require_shipping_address: false,
    request_billing_address: false,
    require_billing_address: false,
    use_site_exchange_rate: true,
    item_category: null,
    product_family: families.find(({ handle }) => handle === (spec.family ?? FAMILY.handle)) ?? FAMILY,
    public_signup_pages: [],
  }));
}

export type Product = ReturnType<typeof buildCatalogue>[number];

/** Builds the price points that a merchant has named; the default one of each product is part of the product. */
export function buildPricePoints(specs: readonly ProductSpec[], products: readonly Product[], createdAt: string) {
  const named = specs.flatMap((spec, index) => (spec.pricePoints ?? []).map((point) => ({ point, product: products[index] })));
  return named.flatMap(({ point, product }, index) =>
    product === undefined
      ? []
      : {
          id: FIRST_NAMED_PRICE_POINT_ID + index,
          name: point.handle,
          type: 'catalog',
          handle: point.handle,
          price_in_cents: point.priceInCents,
          interval: point.interval ?? product.interval,
          interval_unit: point.intervalUnit ?? product.interval_unit,
          product_id: product.id,
          archived_at: null,
          created_at: createdAt,
          updated_at: createdAt,
        },
  );
}

export type PricePoint = ReturnType<typeof buildPricePoints>[number];
