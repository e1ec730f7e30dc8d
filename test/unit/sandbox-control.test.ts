/**
 * Owns the proof that the control plane does over HTTP what tests do in their own process, and never looks like a part of Maxio.
 * Refuses to repeat what each step means; only that it arrives.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type SandboxApi, startSandbox } from '../support/sandbox-api.ts';

let api: SandboxApi;
beforeAll(async () => {
  api = await startSandbox({ settings: { queueLimit: 3 } });
});
beforeEach(() => api.sandbox.state.reset());
afterAll(() => api.sandbox.close());

/** Sends a control request without a key; a body makes it a POST unless a method is named. */
async function control(path: string, body?: unknown, method = body === undefined ? 'GET' : 'POST') {
  const response = await fetch(`${api.sandbox.url}/__sandbox/${path}`, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

test('control requests need no key and leave no trace in the ledger', async () => {
  expect((await control('state')).status).toBe(200);
  expect((await control('ledger')).body).toEqual([]);
  expect((await control('stats')).body).toMatchObject({ requests: 0 });
});

test('seed adds counted people, or records with subscriptions in any state', async () => {
  await control('seed', { customers: 3, product: 'basic' });
  await control('seed', { customers: 1, referencePrefix: null });
  await control('seed', {
    customers: [
      {
        reference: 'x-1',
        city: 'Bonn',
        subscriptions: [{ product_handle: 'pro', state: 'past_due' }, { product_handle: 'pro' }],
      },
    ],
  });
  const { body } = await control('state');
  expect(body.customers).toMatchObject([
    { reference: 'seed-1' },
    { reference: 'seed-2' },
    { reference: 'seed-3' },
    { reference: null },
    { reference: 'x-1', city: 'Bonn' },
  ]);
  expect(body.subscriptions).toMatchObject([
    { state: 'active', product: { handle: 'basic' } },
    { state: 'active' },
    { state: 'active' },
    { state: 'past_due', customer: { reference: 'x-1' } },
    { state: 'active' },
  ]);
  expect((await control('seed', { customers: [{ reference: 'x-1' }] })).status).toBe(400);
  expect((await control('seed', { customers: [{ subscriptions: [{ product_handle: 'none' }] }] })).status).toBe(400);
});

test('the clock moves by seconds or to an instant, and not back', async () => {
  await control('clock', { set: '2031-05-05T10:00:00Z' });
  await control('clock', { advanceSeconds: 3_600 });
  const { body } = await control('clock');
  expect(Math.abs(Date.parse(String(body.now)) - Date.parse('2031-05-05T11:00:00Z'))).toBeLessThan(60_000);
  expect((await control('clock', { set: '2030-01-01T00:00:00Z' })).status).toBe(400);
  expect((await control('clock', { advanceSeconds: -1 })).status).toBe(400);
});

test('faults are armed, listed and cleared', async () => {
  const armed = await control('faults', { kind: 'html-404', match: { method: 'GET', path: '/site.json' }, times: 2 });
  expect(armed.body).toEqual({ id: 'fault-1' });
  expect((await api.get('/site.json')).text).toContain('<h1>404');
  expect((await control('faults')).body).toMatchObject([{ hits: 1, fault: { kind: 'html-404' } }]);
  await control('faults', undefined, 'DELETE');
  expect((await api.get('/site.json')).status).toBe(200);
  expect((await control('faults', { kind: 'nonsense' })).status).toBe(400);
});

test('release ends the delays of faults', async () => {
  await control('faults', { kind: 'slow', times: 1 });
  const slow = api.get('/site.json');
  await expect.poll(async () => (await control('release', {})).body.released).toBe(1);
  expect((await slow).status).toBe(200);
});

test('another API key is issued, and the one before opens nothing from then on', async () => {
  expect((await control('key', {})).status).toBe(400);
  await control('key', { apiKey: 'issued-later' });
  expect((await api.get('/site.json')).status).toBe(401);
  await control('key', { apiKey: api.sandbox.apiKey });
  expect((await api.get('/site.json')).status).toBe(200);
});

test('settings are changed one by one and refused when unknown', async () => {
  const { body } = await control('settings', { quota: 1 });
  expect(body).toMatchObject({ quota: 1, queueLimit: 3, slots: 4 });
  await api.get('/site.json');
  expect((await api.get('/site.json')).status).toBe(429);
  expect((await control('settings', { quotas: 1 })).status).toBe(400);
  expect((await control('settings')).body).toMatchObject({ quota: 1 });
});

test('ledger and numbers are read in parts and the ledger is cleared', async () => {
  await api.get('/site.json');
  await api.get('/site.json');
  const ledger = (await control('ledger')).body as unknown as { seq: number }[];
  expect(ledger).toHaveLength(2);
  expect((await control(`ledger?since=${ledger[0]?.seq}`)).body).toMatchObject([{ seq: ledger[1]?.seq }]);
  expect((await control('stats?windowMs=60000')).body).toMatchObject({
    requests: 2,
    maxInFlight: 1,
    maxInWindow: 2,
    windowMs: 60_000,
  });
  await control('ledger', undefined, 'DELETE');
  expect((await control('ledger')).body).toEqual([]);
});

test('staff edits are done one by one, leave events, and are refused when they make no sense', async () => {
  const { id } = await api.customer();
  expect((await control('staff', { do: 'edit-customer', id, changes: { last_name: 'Low' } })).body).toEqual({ customerId: id });
  const made = await control('staff', { do: 'create-subscription', customerId: id, subscription: { product_handle: 'pro' } });
  await control('staff', { do: 'purge-subscription', id: made.body.subscriptionId });
  await control('staff', { do: 'delete-customer', id });
  const events = (await control('events')).body as unknown as { key: string }[];
  expect(events.map(({ key }) => key)).toEqual([
    'customer_create',
    'customer_update',
    'signup_success',
    'subscription_deletion',
    'customer_delete',
  ]);
  expect((await control('staff', { do: 'delete-customer', id })).status).toBe(400);
  expect((await control('staff', { do: 'nothing' })).status).toBe(400);
});

test('webhooks are listened to, listed and delivered at a moment of choice', async () => {
  await control('settings', { webhooksHeld: true });
  const endpoint = await control('webhooks/endpoints', { url: 'http://127.0.0.1:1/', keys: ['customer_create'] });
  expect(endpoint.body).toEqual({ id: 11, url: 'http://127.0.0.1:1/', keys: ['customer_create'] });
  await api.customer();
  expect((await control('webhooks/deliver', {})).body).toEqual({ attempts: 1 });
  expect((await control('webhooks')).body).toMatchObject([{ event: 'customer_create', attempts: 1, acceptedMs: null }]);
  expect((await control('webhooks/endpoints', { url: 'nowhere' })).status).toBe(400);
});

test('reset returns to the settings of the start, with the same ids again', async () => {
  const { id } = await api.customer();
  await control('settings', { queueLimit: 9, quota: 0 });
  await control('reset', {});
  expect((await control('settings')).body).toMatchObject({ queueLimit: 3, quota: null });
  expect((await control('state')).body).toMatchObject({ customers: [], subscriptions: [] });
  expect((await api.customer()).id).toBe(id);
});

test('a form cannot steer it, and Maxio paths do not lead to it', async () => {
  const form = await fetch(`${api.sandbox.url}/__sandbox/clock`, {
    method: 'POST',
    body: new URLSearchParams({ advanceSeconds: '9' }),
  });
  expect(form.status).toBe(400);
  expect((await control('clock', {})).status).toBe(400);
  expect((await fetch(`${api.sandbox.url}/__sandbox/nothing`)).status).toBe(404);
});
