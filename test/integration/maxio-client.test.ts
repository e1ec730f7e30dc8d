/**
 * The client against a Maxio that behaves: one person's life through every call, with what the client reports compared to what the
 * sandbox holds. Bad answers have their own tests, with exact bytes.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isAlreadyCanceled, isReferenceTaken } from '../../src/maxio/classify.ts';
import { MaxioClient } from '../../src/maxio/client.ts';
import { MaxioError } from '../../src/maxio/error.ts';
import { readWebhook, verifyWebhook } from '../../src/maxio/webhook.ts';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { Secret } from '../../src/secret.ts';

let sandbox: Sandbox;
let client: MaxioClient;
function clientWith(apiKey: string): MaxioClient {
  return new MaxioClient({ region: 'us', subdomain: sandbox.subdomain, apiKey: new Secret(apiKey), baseUrl: sandbox.url });
}
beforeAll(async () => {
  sandbox = await createSandbox({ siteId: 77 });
  client = clientWith(sandbox.apiKey);
});
afterAll(async () => {
  await client.close();
  await sandbox.close();
});

async function failure(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    () => undefined,
    (err: unknown) => err,
  );
}
const kindOf = (err: unknown): string | undefined => (err instanceof MaxioError ? err.kind : undefined);
const ann = { first_name: 'Ann', last_name: 'Lee', email: 'ann@example.com' };

test('the site tells who it is, and a wrong key is told as such', async () => {
  expect(await client.readSite()).toMatchObject({ id: '77', subdomain: sandbox.subdomain, test: true });
  const stranger = clientWith('wrong');
  expect(kindOf(await failure(stranger.readSite()))).toBe('unauthorized');
  await stranger.close();
});

test('a customer is created, found, changed, and absent when it is not there', async () => {
  const created = await client.createCustomer('ann-1', { ...ann, phone: '1' }, 'token-1');
  expect(created).toMatchObject({ ...ann, reference: 'ann-1', phone: '1' });
  expect(await client.lookupCustomer('ann-1')).toMatchObject({ id: created.id });
  expect(await client.updateCustomer(created.id, { last_name: 'Low', phone: null })).toMatchObject({
    last_name: 'Low',
    email: ann.email,
  });
  expect(await client.readCustomer(created.id)).toMatchObject({ last_name: 'Low' });
  expect(await client.listSubscriptions(created.id)).toEqual([]);

  expect(await client.lookupCustomer('nobody')).toBeUndefined();
  expect(await client.readCustomer('999999999')).toBeUndefined();
  expect(await client.listSubscriptions('999999999')).toBeUndefined();
  expect(kindOf(await failure(client.updateCustomer('999999999', ann)))).toBe('missing');
});

test('a customer of somebody else is given a reference once, and never that of another', async () => {
  const [stranger] = sandbox.state.seed({ customers: 1, referencePrefix: null }).customers;
  const id = String(stranger?.id);
  await client.createCustomer('dan-1', ann, 'token-7');
  expect(await client.setReference(id, 'dan-2')).toMatchObject({ id, reference: 'dan-2', email: stranger?.email });
  expect(await client.setReference(id, 'dan-2')).toMatchObject({ reference: 'dan-2' });
  expect(isReferenceTaken(await failure(client.setReference(id, 'dan-1')))).toBe(true);
  expect(kindOf(await failure(client.setReference('999999999', 'dan-3')))).toBe('missing');
});

test('a product tells whether it needs a card, what it costs a month and which family it is of', async () => {
  const known = {
    family: 'plans',
    name: 'Pro',
    requireCreditCard: false,
    priceInCents: 29_900,
    monthlyCents: 29_900,
    archived: false,
  };
  expect(await client.readProduct('pro')).toEqual({ handle: 'pro', ...known });
  expect(await client.readProduct('card-only')).toMatchObject({ requireCreditCard: true });
  expect(await client.readProduct('nothing')).toBeUndefined();
});

test('the lists of the site hold every row once, and what has changed since an instant', async () => {
  const other = await createSandbox();
  const reader = new MaxioClient({
    region: 'us',
    subdomain: other.subdomain,
    apiKey: new Secret(other.apiKey),
    baseUrl: other.url,
  });
  try {
    const planted = other.state.seed({ customers: 450, product: 'pro' });
    const customers = [
      ...(await reader.listCustomers(1)),
      ...(await reader.listCustomers(2)),
      ...(await reader.listCustomers(3)),
    ];
    expect(customers.map(({ id }) => Number(id))).toEqual(planted.customers.map(({ id }) => id));
    expect(await reader.listCustomers(4)).toEqual([]);
    const second = await reader.listAllSubscriptions(2);
    expect(second.map(({ id }) => Number(id))).toEqual(planted.subscriptions.slice(200, 400).map(({ id }) => id));
    expect(second[0]).toMatchObject({ customerId: customers[200]?.id, monthlyCents: 29_900, productHandle: 'pro' });
    expect(await reader.readSubscription(second[0]?.id ?? '')).toEqual(second[0]);
    expect(await reader.readSubscription('999999999')).toBeUndefined();

    expect(await reader.listEvents({ newest: true })).toEqual([]);
    other.state.advance(60);
    const since = other.state.now();
    const [changed, deleted] = planted.customers;
    other.state.editCustomer(changed?.id ?? 0, { last_name: 'Changed' });
    const [mark] = await reader.listEvents({ newest: true });
    expect(mark).toMatchObject({ key: 'customer_update', customerId: String(changed?.id), subscriptionId: undefined });
    other.state.staff({ do: 'delete-customer', id: deleted?.id ?? 0 });
    expect((await reader.listCustomers(1, since)).map(({ id }) => Number(id))).toEqual([changed?.id]);
    expect(await reader.listAllSubscriptions(1, since)).toEqual([]);
    const told = await reader.listEvents({ sinceId: mark?.id });
    expect(told.map(({ key }) => key)).toEqual(['customer_update', 'subscription_deletion', 'customer_delete']);
    expect(await reader.listEvents({ sinceId: mark?.id, keys: ['customer_delete'] })).toEqual(told.slice(2));
  } finally {
    await reader.close();
    await other.close();
  }
});

test('what the sandbox delivers as a webhook is proven and read, and nothing else is', async () => {
  const got: { raw: Buffer; signature: string }[] = [];
  const receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      got.push({ raw: Buffer.concat(chunks), signature: String(request.headers['x-chargify-webhook-signature-hmac-sha-256']) });
      response.end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const { port } = receiver.address() as AddressInfo;
  const key = new Secret(sandbox.state.settings({ webhooksHeld: true }).webhookKey);
  sandbox.state.listen(`http://127.0.0.1:${port}/`);
  const { subscription, customer } = await client.createSubscription(
    {
      productHandle: 'pro',
      paymentCollectionMethod: 'remittance',
      reference: 'eve-pro',
      customer: { kind: 'new', reference: 'eve-1', fields: { ...ann, organization: 'Ä & Ö = 1' } },
    },
    'token-8',
  );
  await sandbox.state.deliverWebhooks();
  sandbox.state.settings({ webhookTamper: 'body' });
  await client.cancelSubscription(subscription.id, 'left');
  await sandbox.state.deliverWebhooks();
  expect(got.map(({ raw, signature }) => verifyWebhook(key, raw, signature))).toEqual([true, true, false]);
  const site = { id: '77', subdomain: sandbox.subdomain };
  expect(got.map(({ raw }) => readWebhook(raw))).toEqual([
    { event: 'customer_create', customerIds: [customer.id], subscriptionIds: [], site },
    { event: 'signup_success', customerIds: [customer.id], subscriptionIds: [subscription.id], site },
    { event: 'subscription_state_change', customerIds: [customer.id], subscriptionIds: [subscription.id], site },
  ]);
  receiver.closeAllConnections();
  await new Promise((resolve) => receiver.close(resolve));
});

test('a taken reference, a repeated token and a wrong address are three different refusals', async () => {
  await client.createCustomer('bob-1', ann, 'token-2');
  expect(isReferenceTaken(await failure(client.createCustomer('bob-1', ann, 'token-3')))).toBe(true);
  expect(kindOf(await failure(client.createCustomer('bob-2', ann, 'token-2')))).toBe('duplicate');
  const refused = await failure(client.createCustomer('bob-3', { ...ann, email: 'nonsense' }, 'token-4'));
  expect([kindOf(refused), isReferenceTaken(refused)]).toEqual(['rejected', false]);
});

test('a subscription is created with its customer, ended, resumed, held, and scheduled to end', async () => {
  const wanted = { productHandle: 'pro', paymentCollectionMethod: 'remittance', reference: 'cat-pro' };
  const { subscription, customer } = await client.createSubscription(
    { ...wanted, customer: { kind: 'new', reference: 'cat-1', fields: ann } },
    'token-5',
  );
  expect(customer).toMatchObject({ ...ann, reference: 'cat-1' });
  const { id } = subscription;
  expect(subscription).toMatchObject({
    state: 'active',
    productHandle: 'pro',
    customerId: customer.id,
    ending: false,
    reference: 'cat-pro',
  });

  expect(await client.cancelSubscription(id, 'left the company')).toMatchObject({
    id,
    state: 'canceled',
    cancellationMessage: 'left the company',
  });
  expect(isAlreadyCanceled(await failure(client.cancelSubscription(id, 'again')))).toBe(true);
  expect(isAlreadyCanceled(await failure(client.delayCancel(id)))).toBe(true);
  expect(await client.reactivate(id)).toMatchObject({ id, state: 'active' });
  expect(await failure(client.reactivate(id))).toMatchObject({ kind: 'rejected', status: 422 });

  expect(await client.hold(id)).toMatchObject({ state: 'on_hold' });
  expect(await failure(client.hold(id))).toMatchObject({ kind: 'rejected', status: 422 });
  expect(await client.resume(id)).toMatchObject({ state: 'active' });

  await client.delayCancel(id);
  expect(await client.listSubscriptions(customer.id)).toMatchObject([{ id, state: 'active', ending: true }]);
  await client.undoDelayedCancel(id);
  await client.undoDelayedCancel(id);
  expect(await client.listSubscriptions(customer.id)).toMatchObject([{ id, state: 'active', ending: false }]);

  const second = await client.createSubscription(
    { ...wanted, reference: 'cat-2', customer: { kind: 'existing', id: customer.id } },
    'token-6',
  );
  expect(second.customer.id).toBe(customer.id);
  expect(await client.listSubscriptions(customer.id)).toHaveLength(2);
});
