/**
 * Owns the proof that the sandbox changes products as ADR 0014 has read it in Maxio's documentation: at once, without a charge, at the next period's price.
 * Refuses to test our own client; requests are plain.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type SandboxApi, startSandbox } from '../support/sandbox-api.ts';

let api: SandboxApi;
beforeAll(async () => {
  api = await startSandbox({
    products: [
      { handle: 'basic', name: 'Basic', priceInCents: 1_900 },
      {
        handle: 'pro',
        name: 'Pro',
        priceInCents: 9_900,
        pricePoints: [{ handle: 'yearly', priceInCents: 99_000, interval: 12 }],
      },
      { handle: 'old', priceInCents: 500, archived: true },
      { handle: 'support', priceInCents: 4_000, family: 'extras' },
    ],
  });
});
beforeEach(() => api.sandbox.state.reset());
afterAll(() => api.sandbox.close());

const change = (id: number, fields: Record<string, unknown>) => api.put(`/subscriptions/${id}.json`, { subscription: fields });

describe('a product change', () => {
  test('is there at once, charges nothing, moves no date, and is billed from the next period on', async () => {
    const before = await api.subscription({ product_handle: 'basic' });
    const { status, body } = await change(before.id, { product_handle: 'pro' });
    expect(status).toBe(200);
    expect(body.subscription).toMatchObject({
      product: { handle: 'pro', product_family: { handle: 'plans' } },
      product_price_in_cents: 9_900,
      balance_in_cents: before.balance_in_cents,
      current_period_ends_at: before.current_period_ends_at,
      state: 'active',
    });
    api.sandbox.state.advance(32 * 86_400);
    const [later] = api.sandbox.state.subscriptions();
    expect(later?.balance_in_cents).toBe(1_900 + 9_900);
  });

  test('takes the price point that is named, and the default one where none is', async () => {
    const { id } = await api.subscription({ product_handle: 'basic' });
    const yearly = await change(id, { product_handle: 'pro', product_price_point_handle: 'yearly' });
    expect(yearly.body.subscription).toMatchObject({
      product_price_in_cents: 99_000,
      product_price_point_type: 'catalog',
      product: { handle: 'pro', interval: 12, product_price_point_handle: 'yearly' },
    });
    const plain = await change(id, { product_handle: 'pro' });
    expect(plain.body.subscription).toMatchObject({ product_price_in_cents: 9_900, product_price_point_type: 'default' });
  });

  test('to the product it has is no mistake, so that a call without an answer may be repeated', async () => {
    const { id } = await api.subscription({ product_handle: 'pro' });
    expect((await change(id, { product_handle: 'pro' })).status).toBe(200);
    expect(api.sandbox.state.events().filter(({ key }) => key === 'subscription_product_change')).toEqual([]);
  });

  test.each([
    ['an unknown product', { product_handle: 'nothing' }, /does not exist for this site/],
    ['an archived product', { product_handle: 'old' }, /archived/],
    ['a price point of another product', { product_handle: 'basic', product_price_point_handle: 'yearly' }, /Price Point/],
  ])('to %s is refused and changes nothing', async (_case, fields, text) => {
    const { id } = await api.subscription({ product_handle: 'basic' });
    const { status, body } = await change(id, fields);
    expect([status, String(body.errors)]).toEqual([422, expect.stringMatching(text)]);
    expect(api.sandbox.state.subscriptions()[0]?.product.handle).toBe('basic');
  });

  test('is told once as an event, with both products', async () => {
    const { id } = await api.subscription({ product_handle: 'basic' });
    await change(id, { product_handle: 'pro' });
    const [told, ...more] = api.sandbox.state.events().filter(({ key }) => key === 'subscription_product_change');
    expect(told?.about).toEqual({ previous_product_id: 7_130_991, new_product_id: 7_130_992 });
    expect(more).toEqual([]);
  });
});

describe('the catalogue', () => {
  test('a signup takes a price point, and none of an archived product', async () => {
    const sold = await api.subscription({ product_handle: 'pro', product_price_point_handle: 'yearly' });
    expect(sold).toMatchObject({ product_price_in_cents: 99_000, balance_in_cents: 99_000 });
    const owner = { customer_attributes: { first_name: 'A', last_name: 'B', email: 'a@b.example' } };
    const method = { payment_collection_method: 'remittance' };
    const refused = await api.post('/subscriptions.json', { subscription: { product_handle: 'old', ...method, ...owner } });
    expect(refused.status).toBe(422);
  });

  test('products tell their family, families their products, price points are found by handle', async () => {
    const read = async (path: string): Promise<unknown> => JSON.parse((await api.get(path)).text);
    expect(await read('/products/handle/support.json')).toMatchObject({ product: { product_family: { handle: 'extras' } } });
    expect(await read('/product_families.json')).toMatchObject([
      { product_family: { handle: 'plans' } },
      { product_family: { handle: 'extras' } },
    ]);
    expect(await read('/product_families/handle:extras/products.json')).toMatchObject([{ product: { handle: 'support' } }]);
    expect(await read('/products/handle:pro/price_points/handle:yearly.json')).toMatchObject({
      price_point: { handle: 'yearly', price_in_cents: 99_000 },
    });
    expect((await api.get('/products/handle:basic/price_points/handle:yearly.json')).status).toBe(404);
  });
});
