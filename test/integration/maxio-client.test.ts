/**
 * The client against a Maxio that behaves: one person's life through every call, with what the client reports compared to what the
 * sandbox holds. Bad answers have their own tests, with exact bytes.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isAlreadyCanceled, isReferenceTaken } from '../../src/maxio/classify.ts';
import { MaxioClient } from '../../src/maxio/client.ts';
import { MaxioError } from '../../src/maxio/error.ts';
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
