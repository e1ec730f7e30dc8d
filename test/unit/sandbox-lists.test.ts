/**
 * The lists of a whole site as a survey reads them, page by page, and the numbers a site tells of itself.
 * Refuses to measure time; that 20,000 rows are read in full is enough.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type SandboxApi, startSandbox } from '../support/sandbox-api.ts';

let api: SandboxApi;
beforeAll(async () => {
  api = await startSandbox();
});
beforeEach(() => api.sandbox.state.reset());
afterAll(() => api.sandbox.close());

async function pages(path: string): Promise<{ id: number; updated_at: string }[]> {
  const rows: { id: number; updated_at: string }[] = [];
  for (let page = 1; ; page++) {
    const { list } = await api.get(`${path}&per_page=200&page=${page}`);
    if (list.length === 0) return rows;
    rows.push(...list.map(({ customer, subscription }) => subscription ?? customer));
  }
}

test('20,000 customers and 20,000 subscriptions are planted by a pattern and read in 200 pages, each once', async () => {
  const pattern = { email: 'person-{n}@corp.example', first_name: 'Pat {n}', organization: 'Corp' };
  const planted = api.sandbox.state.seed({ customers: 20_000, product: 'pro', referencePrefix: null, from: 1_000, pattern });
  expect(planted.customers[0]).toMatchObject({
    first_name: 'Pat 1000',
    last_name: 'Number 1000',
    email: 'person-1000@corp.example',
    organization: 'Corp',
    reference: null,
  });
  const customers = await pages('/customers.json?direction=asc');
  const subscriptions = await pages('/subscriptions.json?sort=created_at&direction=asc');
  expect(customers.map(({ id }) => id)).toEqual(planted.customers.map(({ id }) => id));
  expect(subscriptions.map(({ id }) => id)).toEqual(planted.subscriptions.map(({ id }) => id));
  expect(api.sandbox.state.stats()).toMatchObject({
    countsByTemplate: { 'GET /customers.json': 101, 'GET /subscriptions.json': 101 },
  });
});

test('what has changed since an instant is found on both lists, the instant included', async () => {
  const { state } = api.sandbox;
  const { customers, subscriptions } = state.seed({ customers: 10, product: 'pro' });
  state.advance(3_600);
  const [customer, subscription] = [customers[3]?.id ?? 0, subscriptions[5]?.id ?? 0];
  state.editCustomer(customer, { city: 'Bonn' });
  state.staff({ do: 'move-product', id: subscription, product: 'basic' });
  const changedMs = Date.parse((await api.get(`/customers/${customer}.json`)).body.customer.updated_at);
  const since = (ms: number) =>
    `date_field=updated_at&start_datetime=${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
  expect((await pages(`/customers.json?${since(changedMs)}`)).map(({ id }) => id)).toEqual([customer]);
  expect((await pages(`/subscriptions.json?${since(changedMs)}`)).map(({ id }) => id)).toEqual([subscription]);
  expect(await pages(`/customers.json?${since(changedMs + 1_000)}`)).toEqual([]);
});

test('subscriptions are filtered by state, product, price point, method, owner and text', async () => {
  const { state } = api.sandbox;
  const { customers } = state.seed({
    customers: [
      {
        reference: 'ann',
        organization: 'Acme',
        subscriptions: [
          { product_handle: 'pro', state: 'canceled', reference: 'ann-pro' },
          { product_handle: 'basic', payment_collection_method: 'automatic' },
        ],
      },
      { reference: 'bob', first_name: 'Bob', last_name: 'Low', subscriptions: [{ product_handle: 'pro' }] },
    ],
  });
  const [canceled, automatic, ending] = state.subscriptions().map(({ id }) => id);
  state.staff({ do: 'end-subscription-later', id: ending ?? 0 });
  const found = async (query: string) => (await pages(`/subscriptions.json?sort=id&direction=asc&${query}`)).map(({ id }) => id);
  const product = state.subscriptions()[1]?.product;
  expect(await found('state=canceled')).toEqual([canceled]);
  expect(await found('state=pending_cancellation')).toEqual([ending]);
  expect(await found('state=past_due')).toEqual([automatic]);
  expect(await found('state=nonsense')).toEqual([]);
  expect(await found(`product=${product?.id}`)).toEqual([automatic]);
  expect(await found('product=Basic')).toEqual([automatic]);
  expect(await found('product=basic')).toEqual([]);
  expect(await found(`product_price_point_id=${product?.product_price_point_id}`)).toEqual([automatic]);
  expect(await found('collection_method=automatic')).toEqual([automatic]);
  expect(await found(`customer_id=${customers[0]?.id}`)).toEqual([canceled, automatic]);
  expect(await found('q=bob low')).toEqual([ending]);
  expect(await found('q=acme&q_scope=organization')).toEqual([canceled, automatic]);
  expect(await found('q=acme&q_scope=first_name')).toEqual([]);
  expect(await found('q=ann-pro&q_scope=subscription_reference')).toEqual([canceled]);
  expect(await found('group_status=ungrouped')).toEqual([canceled, automatic, ending]);
  for (const query of ['group_status=grouped', 'coupon_code=X', 'coupon=1', 'metadata[a]=b'])
    expect(await found(query)).toEqual([]);
});

test('a customer gets a reference, keeps it, and cannot take that of another', async () => {
  const { id } = await api.customer();
  const other = await api.customer({ reference: 'taken' });
  const set = (reference: string | null) => api.put(`/customers/${id}.json`, { customer: { reference } });
  expect((await set('mine')).body.customer).toMatchObject({ id, reference: 'mine' });
  expect((await set('mine')).status).toBe(200);
  expect((await api.get('/customers/lookup.json?reference=mine')).body.customer.id).toBe(id);
  const refused = await set('taken');
  expect([refused.status, refused.body.errors]).toEqual([422, ['Reference: must be unique - that value has been taken.']]);
  expect((await set('second')).body.customer.reference).toBe('second');
  expect((await api.get('/customers/lookup.json?reference=mine')).status).toBe(404);
  await api.del(`/customers/${other.id}.json`);
  expect((await set('taken')).body.customer.reference).toBe('taken');
  expect((await set(null)).body.customer.reference).toBeNull();
});

test('a site tells its numbers', async () => {
  api.sandbox.state.seed({ customers: 3, product: 'pro' });
  const { id } = await api.subscription();
  await api.del(`/subscriptions/${id}.json`);
  expect(JSON.parse((await api.get('/stats.json')).text)).toMatchObject({
    site_name: 'Acme',
    site_id: 1,
    stats: { total_subscriptions: 4, subscriptions_today: 4, total_active_subscriptions: 3, total_canceled_subscriptions: 1 },
  });
});
