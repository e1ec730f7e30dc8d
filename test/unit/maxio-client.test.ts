/**
 * What the Maxio client puts on the wire and what it makes of good answers: one request per call, the documented paths and bodies,
 * ids as strings, unknown things tolerated. Bad answers are in maxio-classify and maxio-transport.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CALLS, pathOf } from '../../src/maxio/calls.ts';
import type { MaxioClient } from '../../src/maxio/client.ts';
import type { CustomerFields } from '../../src/maxio/types.ts';
import { API_KEY, type ScriptedMaxio, startScriptedMaxio, whole } from '../support/scripted-maxio.ts';

const customer = { id: 98840116, reference: 'ann', first_name: 'Ann', last_name: 'Lee', email: 'ann@example.com', zip: 12345 };
const subscription = {
  id: 94211938,
  state: 'active',
  reference: 'ann-pro',
  product: { handle: 'pro', price_in_cents: 29900 },
  product_price_in_cents: 29900,
  current_period_ends_at: '2026-12-20T12:00:00-05:00',
  cancel_at_end_of_period: false,
  delayed_cancel_at: null,
  cancellation_message: null,
  customer,
  updated_at: '2026-11-20T12:00:01-05:00',
};
const signup = {
  productHandle: 'pro',
  paymentCollectionMethod: 'remittance',
  reference: 'ann-pro',
  customer: { kind: 'new', reference: 'ann', fields: { first_name: 'Ann', last_name: 'Lee', email: 'ann@example.com' } },
} as const;

let maxio: ScriptedMaxio;
let client: MaxioClient;
beforeEach(async () => {
  maxio = await startScriptedMaxio();
  client = maxio.client();
});
afterEach(() => maxio.close());

const oneCustomer = JSON.stringify({ customer });
const oneProduct = JSON.stringify({ product: { handle: 'pro:2', name: 'Pro', price_in_cents: 100 } });
const oneSubscription = JSON.stringify({ subscription });
const wire: [keyof typeof CALLS, string, string, unknown, string, (client: MaxioClient) => Promise<unknown>][] = [
  ['readSite', 'GET', '/site.json', '', JSON.stringify({ site: { id: 1, subdomain: 'acme', test: true } }), (c) => c.readSite()],
  ['readProduct', 'GET', '/products/handle/pro%3A2.json', '', oneProduct, (c) => c.readProduct('pro:2')],
  [
    'readPricePoint',
    'GET',
    '/products/handle:pro%3A2/price_points/handle:yearly.json',
    '',
    JSON.stringify({ price_point: { id: 7, handle: 'yearly', archived_at: null } }),
    (c) => c.readPricePoint('pro:2', 'yearly'),
  ],
  [
    'changeProduct',
    'PUT',
    '/subscriptions/94211938.json',
    { subscription: { product_handle: 'max', product_price_point_handle: 'yearly', payment_collection_method: 'automatic' } },
    oneSubscription,
    (c) =>
      c.changeProduct('94211938', { productHandle: 'max', pricePointHandle: 'yearly', paymentCollectionMethod: 'automatic' }),
  ],
  [
    'listCustomers',
    'GET',
    '/customers.json?page=3&per_page=200&direction=asc',
    '',
    `[${oneCustomer}]`,
    (c) => c.listCustomers(3),
  ],
  [
    'listAllSubscriptions',
    'GET',
    '/subscriptions.json?page=1&per_page=200&sort=created_at&direction=asc',
    '',
    `[${oneSubscription}]`,
    (c) => c.listAllSubscriptions(1),
  ],
  ['listEvents', 'GET', '/events.json?page=1&per_page=200&direction=asc', '', '[]', (c) => c.listEvents({})],
  ['lookupCustomer', 'GET', '/customers/lookup.json?reference=ann', '', oneCustomer, (c) => c.lookupCustomer('ann')],
  ['readCustomer', 'GET', '/customers/98840116.json', '', oneCustomer, (c) => c.readCustomer('98840116')],
  [
    'createCustomer',
    'POST',
    '/customers.json',
    { customer: { first_name: 'Ann', phone: null, reference: 'ann' }, uniqueness_token: 't1' },
    oneCustomer,
    (c) => c.createCustomer('ann', { first_name: 'Ann', phone: null }, 't1'),
  ],
  [
    'updateCustomer',
    'PUT',
    '/customers/98840116.json',
    { customer: { last_name: 'Low' } },
    oneCustomer,
    (c) => c.updateCustomer('98840116', { last_name: 'Low' }),
  ],
  [
    'setReference',
    'PUT',
    '/customers/98840116.json',
    { customer: { reference: 'ann' } },
    oneCustomer,
    (c) => c.setReference('98840116', 'ann'),
  ],
  ['readSubscription', 'GET', '/subscriptions/94211938.json', '', oneSubscription, (c) => c.readSubscription('94211938')],
  [
    'listSubscriptions',
    'GET',
    '/customers/98840116/subscriptions.json',
    '',
    `[${oneSubscription}]`,
    (c) => c.listSubscriptions('98840116'),
  ],
  [
    'createSubscription',
    'POST',
    '/subscriptions.json',
    {
      subscription: {
        product_handle: 'pro',
        payment_collection_method: 'remittance',
        reference: 'ann-pro',
        customer_attributes: { first_name: 'Ann', last_name: 'Lee', email: 'ann@example.com', reference: 'ann' },
      },
      uniqueness_token: 't2',
    },
    oneSubscription,
    (c) => c.createSubscription(signup, 't2'),
  ],
  [
    'cancelSubscription',
    'DELETE',
    '/subscriptions/94211938.json',
    { subscription: { cancellation_message: 'left' } },
    oneSubscription,
    (c) => c.cancelSubscription('94211938', 'left'),
  ],
  ['delayCancel', 'POST', '/subscriptions/94211938/delayed_cancel.json', '', '{"message":"m"}', (c) => c.delayCancel('94211938')],
  [
    'undoDelayedCancel',
    'DELETE',
    '/subscriptions/94211938/delayed_cancel.json',
    '',
    '{"message":"m"}',
    (c) => c.undoDelayedCancel('94211938'),
  ],
  [
    'reactivate',
    'PUT',
    '/subscriptions/94211938/reactivate.json',
    { resume: true },
    oneSubscription,
    (c) => c.reactivate('94211938'),
  ],
  ['hold', 'POST', '/subscriptions/94211938/hold.json', '', oneSubscription, (c) => c.hold('94211938')],
  ['resume', 'POST', '/subscriptions/94211938/resume.json', '', oneSubscription, (c) => c.resume('94211938')],
];

test.each(wire)('%s is exactly one documented request with Basic auth and JSON', async (name, method, url, body, reply, run) => {
  maxio.answer(whole(200, reply));
  await run(client);
  expect(maxio.asked).toHaveLength(1);
  const asked = maxio.asked[0];
  expect([asked?.method, asked?.url]).toEqual([method, url]);
  expect(asked?.body === '' ? '' : JSON.parse(asked?.body ?? '')).toEqual(body);
  expect(asked?.headers.authorization).toBe(`Basic ${Buffer.from(`${API_KEY}:x`).toString('base64')}`);
  expect(asked?.headers.accept).toBe('application/json');
  expect(asked?.headers['content-type']).toBe(body === '' ? undefined : 'application/json');
  expect(CALLS[name].method).toBe(method);
});

test('S11 the list of calls is closed: nothing that purges, deletes a customer or touches the site', () => {
  expect(Object.keys(CALLS).sort()).toEqual(wire.map(([name]) => name).sort());
  const all = Object.values(CALLS).map((call) => `${call.method} ${call.template}`);
  expect(all.filter((each) => /purge|clear|metafield|cancel_dunning|\/cancel\.json|DELETE \/customers/.test(each))).toEqual([]);
});

test.each(['', '..', '../site', 'a/b', 'a%2Fb', '1?x=1', 'a b', '1\n', 'ü', 'x'.repeat(65)])(
  'B58 the text %j cannot become an id in a path, and no request leaves',
  async (id) => {
    await expect(client.cancelSubscription(id, 'm')).rejects.toThrow(TypeError);
    await expect(client.readCustomer(id)).rejects.toThrow(TypeError);
    expect(maxio.asked).toEqual([]);
  },
);

test('B58 a reference travels as one query value, whatever it contains', async () => {
  const reference = 'a&reference=b#c?d/e%2F+ü';
  maxio.answer(whole(200, JSON.stringify({ customer: { ...customer, reference } })));
  await client.lookupCustomer(reference);
  const url = new URL(maxio.asked[0]?.url ?? '', maxio.url);
  expect([...url.searchParams]).toEqual([['reference', reference]]);
  expect(url.pathname).toBe('/customers/lookup.json');
  expect(pathOf(CALLS.lookupCustomer, undefined, { reference: 'a b' })).toBe('/customers/lookup.json?reference=a+b');
});

test('S9 only mapped customer fields are sent, whatever else the object carries', async () => {
  maxio.answer(whole(201, oneCustomer));
  const greedy = { first_name: 'A', reference: 'evil', parent_id: 7, tax_exempt: true, payment_profile_id: 1 } as CustomerFields;
  await client.createCustomer('ann', greedy, 't');
  await client.updateCustomer('98840116', greedy);
  expect(maxio.asked.map((asked) => JSON.parse(asked.body).customer)).toEqual([
    { first_name: 'A', reference: 'ann' },
    { first_name: 'A' },
  ]);
});

test('a subscription for an existing customer carries the id as Maxio has issued it', async () => {
  maxio.answer(whole(201, oneSubscription));
  await client.createSubscription({ ...signup, customer: { kind: 'existing', id: '98840116' } }, 't');
  await client.createSubscription({ ...signup, customer: { kind: 'existing', id: 'cus_7' } }, 't');
  const ids = maxio.asked.map((asked) => JSON.parse(asked.body).subscription.customer_id);
  expect(ids).toEqual([98840116, 'cus_7']);
});

test('ids become strings, missing fields become null, unknown keys are dropped', async () => {
  maxio.answer(whole(200, JSON.stringify({ customer: { ...customer, from_2029: { x: 1 }, __proto__: { y: 1 } } })));
  expect(await client.readCustomer('98840116')).toEqual({
    id: '98840116',
    reference: 'ann',
    first_name: 'Ann',
    last_name: 'Lee',
    email: 'ann@example.com',
    organization: null,
    phone: null,
    address: null,
    address_2: null,
    city: null,
    state: null,
    zip: '12345',
    country: null,
    locale: null,
    created_at: '',
    updated_at: '',
  });
});

test.each(['', '..', '../customers', 'a/b', '.a', 'a b', 'pro\n', 'x'.repeat(256)])(
  'B58 the text %j cannot become the handle of a product in a path, and no request leaves',
  async (handle) => {
    await expect(client.readProduct(handle)).rejects.toThrow(TypeError);
    expect(maxio.asked).toEqual([]);
  },
);

test('lists of what has changed ask from an instant on, in UTC and in whole seconds', async () => {
  maxio.answer(whole(200, '[]'));
  const since = new Date('2026-11-20T12:00:01.999Z');
  expect(await client.listCustomers(2, since)).toEqual([]);
  expect(await client.listAllSubscriptions(7, since)).toEqual([]);
  const asked = maxio.asked.map(({ url }) => Object.fromEntries(new URL(url, maxio.url).searchParams));
  expect(asked).toEqual([
    { page: '2', per_page: '200', direction: 'asc', date_field: 'updated_at', start_datetime: '2026-11-20 12:00:01 UTC' },
    {
      page: '7',
      per_page: '200',
      sort: 'created_at',
      direction: 'asc',
      date_field: 'updated_at',
      start_datetime: '2026-11-20 12:00:01 UTC',
    },
  ]);
});

test('events are asked for from an id on and by keys, or only the newest, and may be about nobody', async () => {
  const rows = [
    {
      id: 351,
      key: 'customer_delete',
      customer_id: 7,
      subscription_id: null,
      created_at: '2026-11-20T12:00:00-05:00',
      message: 'm',
    },
    { id: 'e_2', key: 'a_key_of_2031', customer_id: null },
  ];
  maxio.answer(whole(200, JSON.stringify(rows.map((event) => ({ event })))));
  expect(await client.listEvents({ sinceId: '351', keys: ['customer_delete', 'customer_create'] })).toEqual([
    { id: '351', key: 'customer_delete', customerId: '7', subscriptionId: undefined, createdAt: '2026-11-20T12:00:00-05:00' },
    { id: 'e_2', key: 'a_key_of_2031', customerId: undefined, subscriptionId: undefined, createdAt: '' },
  ]);
  await client.listEvents({ newest: true });
  expect(maxio.asked.map(({ url }) => Object.fromEntries(new URL(url, maxio.url).searchParams))).toEqual([
    { page: '1', per_page: '200', direction: 'asc', since_id: '351', filter: 'customer_delete,customer_create' },
    { page: '1', per_page: '1', direction: 'desc' },
  ]);
});

test('an answer about another reference or handle is not believed: of a write nothing is known, of a read nothing was read', async () => {
  maxio.answer(whole(200, oneCustomer));
  await expect(client.setReference('98840116', 'bob')).rejects.toMatchObject({ kind: 'ambiguous' });
  maxio.answer(whole(200, oneProduct));
  await expect(client.readProduct('basic')).rejects.toMatchObject({ kind: 'unavailable' });
  maxio.answer(whole(404));
  expect(await client.readProduct('basic')).toBeUndefined();
  expect(await client.readSubscription('1')).toBeUndefined();
  await expect(client.setReference('98840116', 'bob')).rejects.toMatchObject({ kind: 'missing' });
});

test.each([
  ['by the month', { price_in_cents: 29900, interval: 1, interval_unit: 'month' }, 29900],
  ['by the year in months', { price_in_cents: 120000, interval: 12, interval_unit: 'month' }, 10000],
  ['by the year', { price_in_cents: 120000, interval: 1, interval_unit: 'year' }, 10000],
  ['by thirty days', { price_in_cents: 1000, interval: 30, interval_unit: 'day' }, 1015],
  ['by the week', { price_in_cents: 1000, interval: 1, interval_unit: 'week' }, 4348],
  ['free, whatever the period', { price_in_cents: 0 }, 0],
  ['by a period nobody knows', { price_in_cents: 1000, interval: 1, interval_unit: 'moon' }, undefined],
  ['by no period', { price_in_cents: 1000, interval: 0, interval_unit: 'month' }, undefined],
  ['without a price', { interval: 1, interval_unit: 'month' }, undefined],
])('a price %s becomes one of a month', async (_what, product, monthlyCents) => {
  maxio.answer(whole(200, JSON.stringify({ subscription: { id: 1, state: 'active', product: { handle: 'p', ...product } } })));
  expect(await client.readSubscription('1')).toMatchObject({ monthlyCents });
  maxio.answer(whole(200, JSON.stringify({ product: { handle: 'p', ...product, require_credit_card: true, archived_at: 'x' } })));
  expect(await client.readProduct('p')).toMatchObject({ monthlyCents, requireCreditCard: true, archived: true });
});

test('the price of a subscription counts before that of its product', async () => {
  const product = { handle: 'p', price_in_cents: 1000, interval: 1, interval_unit: 'month' };
  maxio.answer(whole(200, JSON.stringify({ subscription: { id: 1, state: 'active', product_price_in_cents: 700, product } })));
  expect(await client.readSubscription('1')).toMatchObject({ productPriceInCents: 700, monthlyCents: 700 });
});

test('a signup answers with the subscription and the customer in it', async () => {
  maxio.answer(whole(201, oneSubscription));
  const created = await client.createSubscription(signup, 't');
  expect(created.customer).toMatchObject({ id: '98840116', email: 'ann@example.com' });
  expect(created.subscription).toEqual({
    id: '94211938',
    state: 'active',
    reference: 'ann-pro',
    productHandle: 'pro',
    productPriceInCents: 29900,
    monthlyCents: undefined,
    currentPeriodEndsAt: '2026-12-20T12:00:00-05:00',
    ending: false,
    cancellationMessage: null,
    customerId: '98840116',
    updatedAt: '2026-11-20T12:00:01-05:00',
  });
});

test('a list keeps unknown states, subscriptions without a product and every way of ending', async () => {
  const rows = [
    { id: 's_1', state: 'awaiting_signup_date', product: null },
    { id: 2, state: 'a_state_of_2031' },
    { id: 3, state: 'active', cancel_at_end_of_period: true },
    { id: 4, state: 'active', delayed_cancel_at: '2026-12-20T12:00:00-05:00' },
    { id: 5, state: 'active', scheduled_cancellation_at: '2026-12-20T12:00:00-05:00' },
  ];
  maxio.answer(whole(200, JSON.stringify(rows.map((row) => ({ subscription: row })))));
  const found = await client.listSubscriptions('1');
  expect(found?.map((each) => [each.id, each.state, each.productHandle, each.ending])).toEqual([
    ['s_1', 'awaiting_signup_date', undefined, false],
    ['2', 'a_state_of_2031', undefined, false],
    ['3', 'active', undefined, true],
    ['4', 'active', undefined, true],
    ['5', 'active', undefined, true],
  ]);
});

test('a site is known by its id and whether it is a test site', async () => {
  const site = { id: 77, subdomain: 'acme', name: 'Acme', test: false, relationship_invoicing_enabled: true };
  maxio.answer(whole(200, JSON.stringify({ site })));
  expect(await client.readSite()).toEqual({
    id: '77',
    subdomain: 'acme',
    name: 'Acme',
    test: false,
    relationshipInvoicingEnabled: true,
    defaultPaymentCollectionMethod: undefined,
  });
  maxio.answer(whole(200, JSON.stringify({ site: { ...site, default_payment_collection_method: 'remittance' } })));
  expect(await client.readSite()).toMatchObject({ defaultPaymentCollectionMethod: 'remittance' });
});

test('connections are kept: ten calls in a row, a DELETE with a body among them, use one', async () => {
  const single = maxio.client({ connections: 1 });
  maxio.answer(whole(200, oneSubscription));
  for (let i = 0; i < 5; i++) {
    await single.hold('94211938');
    await single.cancelSubscription('94211938', 'm');
  }
  expect(maxio.asked).toHaveLength(10);
  expect(maxio.connections).toBe(1);
});

test('metrics see template, status and kind, and no values', async () => {
  const seen: unknown[] = [];
  const watched = maxio.client({ onCall: (call) => seen.push(call) });
  maxio.answer(whole(404));
  await watched.readCustomer('98840116');
  maxio.answer(whole(200, oneCustomer));
  await watched.readCustomer('98840116');
  expect(seen).toMatchObject([
    { method: 'GET', template: '/customers/{id}.json', status: 404, kind: 'missing' },
    { method: 'GET', template: '/customers/{id}.json', status: 200, kind: undefined },
  ]);
  expect(JSON.stringify(seen)).not.toContain('98840116');
});
