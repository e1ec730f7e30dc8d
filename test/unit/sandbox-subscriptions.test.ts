/**
 * Owns the proof that the sandbox subscribes, finds, lists and updates as Maxio's documentation and live tests say.
 * Refuses to test our own client; requests are plain.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type SandboxApi, startSandbox } from '../support/sandbox-api.ts';

let api: SandboxApi;
beforeAll(async () => {
  api = await startSandbox();
});
beforeEach(() => api.sandbox.state.reset());
afterAll(() => api.sandbox.close());

/** The keys of a subscription object without a card. */
const SUBSCRIPTION_KEYS = [
  'activated_at automatically_resume_at balance_in_cents cancel_at_end_of_period canceled_at cancellation_message',
  'cancellation_method coupon_code coupon_codes coupon_use_count coupon_uses_allowed coupons created_at',
  'credit_balance_in_cents currency current_period_ends_at current_period_started_at customer delayed_cancel_at',
  'dunning_communication_delay_enabled dunning_communication_delay_time_zone expires_at group id locale net_terms',
  'next_assessment_at next_product_handle next_product_id next_product_price_point_id offer_id on_hold_at payer_id',
  'payment_collection_method payment_type prepaid_dunning prepayment_balance_in_cents previous_state product',
  'product_price_in_cents product_price_point_id product_price_point_type product_version_number reason_code',
  'receives_invoice_emails reference referral_code scheduled_cancellation_at signup_payment_id signup_revenue snap_day',
  'state stored_credential_transaction_id total_revenue_in_cents trial_ended_at trial_started_at updated_at',
]
  .join(' ')
  .split(' ');

const person = { first_name: 'Ann', last_name: 'Lee', email: 'ann@example.com' };
const subscribe = (fields: Record<string, unknown>) => api.post('/subscriptions.json', { subscription: fields });
const remittance = { product_handle: 'pro', payment_collection_method: 'remittance' };

describe('the customer of a signup', () => {
  test('can be created with it, found by id, or found by reference', async () => {
    const first = await subscribe({
      ...remittance,
      customer_attributes: { ...person, reference: 'r-1', metafields: { a: 'b' } },
    });
    expect(first.status).toBe(201);
    const owner = first.body.subscription.customer;
    expect(owner).toMatchObject({ ...person, reference: 'r-1' });
    expect(owner).not.toHaveProperty('country_name');
    for (const selector of [{ customer_id: owner?.id }, { customer_reference: 'r-1' }]) {
      const next = await subscribe({ ...remittance, ...selector });
      expect([next.status, next.body.subscription.customer?.id]).toEqual([201, owner?.id]);
    }
    const listed = await api.get(`/customers/${owner?.id}/subscriptions.json`);
    expect(listed.list).toHaveLength(3);
    expect(api.sandbox.state.customers()).toHaveLength(1);
  });

  test.each([
    ['none', {}],
    ['an unknown id', { customer_id: 1 }],
    ['an unknown reference', { customer_reference: 'nobody' }],
  ])('refuses %s', async (_case, selector) => {
    const reply = await subscribe({ ...remittance, ...selector });
    expect([reply.status, reply.body.errors]).toEqual([422, ['A Customer must be specified for the subscription to be valid.']]);
  });

  test('refuses a taken reference and does not reuse its customer', async () => {
    await api.customer({ reference: 'r-1' });
    const reply = await subscribe({ ...remittance, customer_attributes: { ...person, reference: 'r-1' } });
    expect([reply.status, reply.body.errors]).toEqual([422, ['Reference: must be unique - that value has been taken.']]);
    expect(api.sandbox.state.subscriptions()).toEqual([]);
  });

  test('is validated like any other', async () => {
    const reply = await subscribe({ ...remittance, customer_attributes: { first_name: 'Ann', email: 'ann@example.com' } });
    expect(reply.body.errors).toEqual(['Last name: cannot be blank.']);
  });

  test('does not resolve by a reference with a plus sign, on sites that have this weakness', async () => {
    await api.customer({ reference: 'a+b' });
    expect((await subscribe({ ...remittance, customer_reference: 'a+b' })).status).toBe(201);
    api.sandbox.state.settings({ plusBreaksCustomerReference: true });
    expect((await subscribe({ ...remittance, customer_reference: 'a+b' })).status).toBe(422);
    expect((await api.get('/customers/lookup.json?reference=a%2Bb')).status).toBe(200);
  });

  test('is not left behind by a refused signup, unless the site does so', async () => {
    const refusal = { product_handle: 'pro', customer_attributes: person };
    expect((await subscribe(refusal)).status).toBe(422);
    expect(api.sandbox.state.customers()).toEqual([]);
    api.sandbox.state.settings({ failedSignupKeepsCustomer: true });
    await subscribe(refusal);
    expect(api.sandbox.state.customers()).toHaveLength(1);
  });
});

describe('product and money', () => {
  const as = (fields: Record<string, unknown>) => subscribe({ customer_attributes: person, ...fields });

  test.each([
    ['a missing root', undefined, { subscription: "can't be blank" }],
    ['an unknown handle', { product_handle: 'x' }, ["Product with API Handle 'x' does not exist for this site."]],
    ['a coupon nobody made', { ...remittance, coupon_code: 'X' }, ["Coupon Code: 'X' - Coupon code could not be found."]],
    ['a paid product without a card', { product_handle: 'pro' }, ['No payment method was on file for the $299.00 balance']],
    ['an empty card', { ...remittance, credit_card_attributes: {} }, ['Payment profile: cannot be blank.']],
    ['a product that wants a card', { ...remittance, product_handle: 'card-only' }, ['Payment profile: cannot be blank.']],
  ])('refuses %s', async (_case, fields, errors) => {
    const reply = fields ? await as(fields) : await api.post('/subscriptions.json', {});
    expect([reply.status, reply.body.errors]).toEqual([422, errors]);
  });

  test('refuses to schedule a cancel while it creates', async () => {
    expect((await as({ ...remittance, cancel_at_end_of_period: true })).status).toBe(422);
  });

  test.each([
    ['a paid product by remittance, with an open balance', remittance, { state: 'active', balance_in_cents: 29_900 }],
    ['a free product without a card', { product_handle: 'free' }, { state: 'active', payment_collection_method: 'automatic' }],
    ['a trial without a card', { product_handle: 'trial' }, { state: 'trialing', activated_at: null, balance_in_cents: 0 }],
    [
      'a paid product with a card',
      { product_handle: 'card-only', credit_card_attributes: { full_number: '1' } },
      { state: 'active', balance_in_cents: 0, total_revenue_in_cents: 4_900 },
    ],
    [
      'an import with a future billing date',
      { product_handle: 'pro', next_billing_at: '2099-01-01' },
      { state: 'active', balance_in_cents: 0, current_period_ends_at: '2099-01-01T00:00:00-05:00' },
    ],
    [
      'a signup that waits for its day',
      { product_handle: 'pro', initial_billing_at: '2099-01-01' },
      { state: 'awaiting_signup', next_assessment_at: '2099-01-01T00:00:00-05:00' },
    ],
    ['a deferred signup', { product_handle: 'pro', defer_signup: true }, { state: 'awaiting_signup_date' }],
  ])('accepts %s', async (_case, fields, expected) => {
    const reply = await as(fields);
    expect(reply.status).toBe(201);
    expect(reply.body.subscription).toMatchObject(expected);
  });

  test('shows every key of the API', async () => {
    const subscription = await api.subscription({ reference: 's-1' });
    expect(Object.keys(subscription).sort()).toEqual(SUBSCRIPTION_KEYS);
    expect(subscription).toMatchObject({
      reference: 's-1',
      previous_state: 'active',
      cancel_at_end_of_period: false,
      payment_type: null,
      group: null,
      coupons: [],
      product: { handle: 'pro', price_in_cents: 29_900, product_family: { handle: 'plans' } },
    });
    expect(subscription).not.toHaveProperty('credit_card');
  });

  test('speaks of remittance on sites with invoices and of invoice on older ones', async () => {
    const method = async (sent: string) =>
      (await api.subscription({ payment_collection_method: sent })).payment_collection_method;
    expect(await method('invoice')).toBe('remittance');
    api.sandbox.state.settings({ relationshipInvoicing: false });
    expect(await method('remittance')).toBe('invoice');
    expect((await as({ ...remittance, payment_collection_method: 'barter' })).status).toBe(422);
  });
});

describe('a subscription reference', () => {
  test('need not be unique by default; lookup answers the first', async () => {
    const first = await api.subscription({ reference: 's-1' });
    await api.subscription({ reference: 's-1' });
    expect((await api.get('/subscriptions/lookup.json?reference=s-1')).body.subscription.id).toBe(first.id);
  });

  test('is unique where the site says so', async () => {
    api.sandbox.state.settings({ uniqueSubscriptionReference: true });
    await api.subscription({ reference: 's-1' });
    const reply = await subscribe({ ...remittance, customer_attributes: person, reference: 's-1' });
    expect([reply.status, reply.body.errors]).toEqual([422, ['Reference: must be unique - that value has been taken.']]);
  });

  test.each(['/subscriptions/lookup.json?reference=none', '/subscriptions/lookup.json', '/subscriptions/1.json'])(
    'answers %s with 404 and no body',
    async (path) => {
      const reply = await api.get(path);
      expect([reply.status, reply.text]).toEqual([404, '']);
    },
  );
});

describe('read, list, update', () => {
  const ids = async (query: string) =>
    (await api.get(`/subscriptions.json?${query}`)).list.map(({ subscription }) => subscription.id);

  test('tells the next bill only in a single read', async () => {
    const created = await api.subscription();
    expect(created).not.toHaveProperty('current_billing_amount_in_cents');
    const read = await api.get(`/subscriptions/${created.id}.json`);
    expect(read.body.subscription).toMatchObject({ id: created.id, current_billing_amount_in_cents: 29_900 });
  });

  test('shows the newest 20 first, clamps to 200, and sorts on request', async () => {
    const all = api.sandbox.state.seed({ customers: 210, product: 'free' }).subscriptions.map(({ id }) => id);
    expect(await ids('')).toEqual(all.toReversed().slice(0, 20));
    expect(await ids('per_page=1000&direction=asc')).toEqual(all.slice(0, 200));
    expect(await ids('per_page=200&page=2&sort=id&direction=asc')).toEqual(all.slice(200));
    expect(await ids('page=12')).toEqual([]);
  });

  test('filters by state, product, customer and dates', async () => {
    const live = await api.subscription();
    const gone = await api.subscription({ product_handle: 'basic' });
    const ending = await api.subscription();
    await api.del(`/subscriptions/${gone.id}.json`);
    await api.post(`/subscriptions/${ending.id}/delayed_cancel.json`);
    expect(await ids('state=canceled')).toEqual([gone.id]);
    expect(await ids('state=active&direction=asc')).toEqual([live.id, ending.id]);
    expect(await ids('state=pending_cancellation')).toEqual([ending.id]);
    expect(await ids(`product=${gone.product.id}`)).toEqual([gone.id]);
    expect(await ids(`customer_id=${live.customer?.id}`)).toEqual([live.id]);
    expect(await ids('date_field=canceled_at&start_date=2020-01-01')).toEqual([gone.id]);
    expect(await ids('date_field=created_at&end_date=2020-01-01')).toEqual([]);
  });

  test('changes product, reference and billing date by PUT', async () => {
    const { id } = await api.subscription();
    const reply = await api.put(`/subscriptions/${id}.json`, {
      subscription: { product_handle: 'basic', reference: 's-2', next_billing_at: '2098-05-05' },
    });
    expect(reply.status).toBe(200);
    expect(reply.body.subscription).toMatchObject({
      product: { handle: 'basic' },
      reference: 's-2',
      current_period_ends_at: '2098-05-05T00:00:00-05:00',
    });
    expect((await api.get('/subscriptions/lookup.json?reference=s-2')).body.subscription.id).toBe(id);
    expect((await api.put('/subscriptions/1.json', {})).status).toBe(404);
    expect((await api.put(`/subscriptions/${id}.json`, {})).status).toBe(422);
    expect((await api.put(`/subscriptions/${id}.json`, { subscription: { product_handle: 'x' } })).status).toBe(422);
  });
});

describe('the site and its catalogue', () => {
  const json = async (path: string) => JSON.parse((await api.get(path)).text) as unknown;

  test('shows the site with the flags a client needs', async () => {
    expect(await json('/site.json')).toMatchObject({
      site: {
        id: 1,
        subdomain: 'acme',
        test: true,
        relationship_invoicing_enabled: true,
        default_payment_collection_method: 'automatic',
      },
    });
  });

  test('finds products by family, handle and id', async () => {
    const listed = (await json('/product_families/handle:plans/products.json')) as { product: { id: number; handle: string } }[];
    expect(listed.map(({ product }) => product.handle)).toEqual(['basic', 'pro', 'free', 'card-only', 'trial']);
    expect(await json('/product_families/527890/products.json')).toEqual(listed);
    expect(await json('/product_families.json')).toMatchObject([{ product_family: { handle: 'plans' } }]);
    expect(await json('/products/handle/pro.json')).toEqual(listed[1]);
    expect(await json(`/products/${listed[1]?.product.id}.json`)).toEqual(listed[1]);
    expect((await api.get('/products/handle/x.json')).status).toBe(404);
    expect((await api.get('/product_families/1/products.json')).text).toBe('');
  });
});
