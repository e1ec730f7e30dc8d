/**
 * What the sandbox tells of what has happened: which change makes which event, whoever caused it, and how events are read.
 * Refuses to test webhooks, which tell of the same events in another way.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type SandboxApi, startSandbox } from '../support/sandbox-api.ts';

interface Event {
  id: number;
  key: string;
  message: string;
  customer_id: number | null;
  subscription_id: number | null;
  created_at: string;
  event_specific_data: Record<string, unknown> | null;
}

let api: SandboxApi;
beforeAll(async () => {
  api = await startSandbox();
});
beforeEach(() => api.sandbox.state.reset());
afterAll(() => api.sandbox.close());

async function events(query = '', path = '/events.json'): Promise<Event[]> {
  const { list } = await api.get(`${path}?per_page=200&direction=asc${query}`);
  return (list as unknown as { event: Event }[]).map(({ event }) => event);
}
const keys = async (query?: string): Promise<string[]> => (await events(query)).map(({ key }) => key);

describe('events by requests', () => {
  test('a customer is created, changed and deleted', async () => {
    const { id } = await api.customer();
    await api.put(`/customers/${id}.json`, { customer: { reference: 'r-1' } });
    await api.del(`/customers/${id}.json`);
    expect(await events()).toMatchObject([
      { key: 'customer_create', customer_id: id, subscription_id: null, event_specific_data: null },
      { key: 'customer_update', customer_id: id },
      { key: 'customer_delete', customer_id: id },
    ]);
  });

  test('nothing is told of a change that changes nothing, or of fields Maxio is silent about', async () => {
    const { id, email } = await api.customer();
    await api.put(`/customers/${id}.json`, { customer: { email } });
    await api.put(`/customers/${id}.json`, { customer: { vat_number: '1', locale: 'de' } });
    await api.put(`/customers/${id}.json`, { customer: { email: 'nonsense' } });
    expect(await keys()).toEqual(['customer_create']);
  });

  test('a signup tells of the new customer first, a refused one of nobody', async () => {
    const subscription = await api.subscription();
    const refused = await api.post('/subscriptions.json', {
      subscription: { product_handle: 'pro', customer_attributes: { first_name: 'A', last_name: 'B', email: 'a@b.example' } },
    });
    expect(refused.status).toBe(422);
    const customerId = subscription.customer?.id;
    expect(await events()).toMatchObject([
      { key: 'customer_create', customer_id: customerId, subscription_id: null },
      { key: 'signup_success', customer_id: customerId, subscription_id: subscription.id },
    ]);
  });

  test('a subscription that changes its state tells from where to where', async () => {
    const { id } = await api.subscription();
    await api.post(`/subscriptions/${id}/hold.json`);
    await api.post(`/subscriptions/${id}/resume.json`);
    await api.del(`/subscriptions/${id}.json`);
    await api.del(`/subscriptions/${id}.json`);
    await api.put(`/subscriptions/${id}/reactivate.json`, { resume: true });
    const told = (await events('&filter=subscription_state_change')).map(({ event_specific_data: about }) => about);
    expect(told).toEqual(
      [
        ['active', 'on_hold'],
        ['on_hold', 'active'],
        ['active', 'canceled'],
        ['canceled', 'active'],
      ].map(([from, to]) => ({ previous_subscription_state: from, new_subscription_state: to })),
    );
  });

  test('a scheduled end, its undoing and another product are told once each', async () => {
    const { id, current_period_ends_at: endsAt } = await api.subscription();
    const path = `/subscriptions/${id}`;
    await api.post(`${path}/delayed_cancel.json`);
    await api.post(`${path}/delayed_cancel.json`);
    await api.del(`${path}/delayed_cancel.json`);
    await api.del(`${path}/delayed_cancel.json`);
    await api.put(`${path}.json`, { subscription: { product_handle: 'basic' } });
    const told = (await events('', `${path}/events.json`)).slice(1);
    expect(told).toMatchObject([
      { key: 'pending_cancellation_change', event_specific_data: { cancellation_state: 'true', cancels_at: endsAt } },
      { key: 'pending_cancellation_change', event_specific_data: { cancellation_state: 'false', cancels_at: endsAt } },
      { key: 'subscription_product_change', event_specific_data: { previous_product_id: 7130992, new_product_id: 7130991 } },
    ]);
  });

  test('a write whose effects are taken back leaves no event', async () => {
    api.sandbox.state.setFault({ kind: 'no-effect', times: 1 });
    expect(
      (await api.post('/customers.json', { customer: { first_name: 'A', last_name: 'B', email: 'a@b.example' } })).status,
    ).toBe(201);
    expect(api.sandbox.state.events()).toEqual([]);
  });
});

describe('events without a request', () => {
  test('the clock renews, ends trials and fires scheduled cancels', async () => {
    const renewing = await api.subscription();
    const ending = await api.subscription();
    await api.post(`/subscriptions/${ending.id}/delayed_cancel.json`);
    const since = api.sandbox.state.events().at(-1)?.id ?? 0;
    api.sandbox.state.advance(32 * 86_400);
    expect((await events(`&since_id=${since + 1}`)).map(({ key, subscription_id: of }) => [key, of])).toEqual([
      ['renewal_success', renewing.id],
      ['subscription_state_change', ending.id],
    ]);
  });

  test('staff leave the same events, and what a seed plants has been there all along', async () => {
    const { state } = api.sandbox;
    const [seeded] = state.seed({ customers: 2, product: 'pro' }).subscriptions;
    expect(await keys()).toEqual([]);
    const { customerId } = state.staff({ do: 'create-customer', customer: { reference: 'by-staff' } });
    const { subscriptionId = 0 } = state.staff({
      do: 'create-subscription',
      customerId,
      subscription: { product_handle: 'basic' },
    });
    state.staff({ do: 'move-product', id: subscriptionId, product: 'pro' });
    state.staff({ do: 'end-subscription-later', id: subscriptionId });
    state.staff({ do: 'hold-subscription', id: subscriptionId });
    state.editSubscription(subscriptionId, { state: 'active' });
    state.editCustomer(customerId, { email: 'new@example.com' });
    state.staff({ do: 'cancel-subscription', id: seeded?.id ?? 0, message: 'by hand' });
    state.staff({ do: 'delete-customer', id: customerId });
    expect(await keys()).toEqual([
      'customer_create',
      'signup_success',
      'subscription_product_change',
      'pending_cancellation_change',
      'subscription_state_change',
      'subscription_state_change',
      'customer_update',
      'subscription_state_change',
      'subscription_deletion',
      'customer_delete',
    ]);
    expect((await api.get(`/subscriptions/${seeded?.id}.json`)).body.subscription).toMatchObject({
      state: 'canceled',
      cancellation_message: 'by hand',
      cancellation_method: 'merchant_ui',
    });
    expect((await api.get(`/subscriptions/${subscriptionId}.json`)).status).toBe(404);
  });

  test('staff can neither touch what is not there nor misspell a field', () => {
    const { state } = api.sandbox;
    const [customer] = state.seed({ customers: 1 }).customers;
    expect(() => state.staff({ do: 'delete-customer', id: 1 })).toThrow('no customer has the id 1');
    expect(() => state.staff({ do: 'purge-subscription', id: 1 })).toThrow('no subscription has the id 1');
    expect(() => state.staff({ do: 'edit-customer', id: customer?.id ?? 0, changes: { mail: 'x' } })).toThrow('mail');
    expect(state.events()).toEqual([]);
  });
});

describe('reading events', () => {
  test('the newest come first; ids are inclusive at both ends; keys, pages and counts agree', async () => {
    for (let i = 0; i < 30; i++) await api.customer();
    const all = await events();
    expect(all).toHaveLength(30);
    const ids = all.map(({ id }) => id);
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
    const { list } = await api.get('/events.json');
    expect((list as unknown as { event: Event }[]).map(({ event }) => event.id)).toEqual(ids.slice(10).reverse());
    const between = await events(`&since_id=${ids[3]}&max_id=${ids[5]}`);
    expect(between.map(({ id }) => id)).toEqual(ids.slice(3, 6));
    expect(await keys('&filter=customer_delete,customer_update')).toEqual([]);
    expect(await keys('&filter=customer_delete,customer_create&page=2')).toEqual([]);
    expect((await api.get('/events/count.json')).text).toBe('{"count":30}');
    expect((await api.get(`/events/count.json?since_id=${ids[28]}`)).text).toBe('{"count":2}');
    expect(await keys('&date_field=created_at&start_date=2999-01-01')).toEqual([]);
    expect((await api.get('/subscriptions/1/events.json')).status).toBe(404);
  });

  test('events can be read some seconds after the fact, in the order of their ids', async () => {
    const { state } = api.sandbox;
    state.settings({ eventDelaySeconds: 6 });
    await api.customer();
    state.settings({ eventDelaySeconds: 0 });
    await api.customer();
    expect(state.events()).toHaveLength(2);
    expect(await keys()).toEqual([]);
    state.advance(6);
    const told = await events();
    expect(told.map(({ id }) => id)).toEqual(state.events().map(({ id }) => id));
  });
});
