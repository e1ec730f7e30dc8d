/**
 * Owns the proof that Maxio's own TypeScript SDK accepts the sandbox: its schemas refuse every value of the wrong type.
 * Refuses to count as proof of missing keys, which the SDK tolerates; those are in the unit tests of the sandbox.
 * The SDK has no base URL setting, so each request is turned to the sandbox on its way out.
 */
import {
  ApiError,
  Client,
  CollectionMethod,
  CustomerErrorResponseError,
  CustomersController,
  Direction,
  Environment,
  ErrorListResponseError,
  EventKey,
  EventsController,
  InsightsController,
  ProductFamiliesController,
  ProductsController,
  SitesController,
  SortingDirection,
  SubscriptionStatusController,
  SubscriptionsController,
  WebhookOrder,
  WebhookSubscription,
  WebhooksController,
} from '@maxio-com/advanced-billing-sdk';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';

/** Builds an SDK client whose requests go to the sandbox. */
function sdkClient(sandbox: Sandbox, key = sandbox.apiKey): Client {
  const client = new Client({
    site: sandbox.subdomain,
    environment: Environment.US,
    basicAuthCredentials: { username: key, password: 'x' },
    timeout: 10_000,
  });
  const build = client.getRequestBuilderFactory();
  client.getRequestBuilderFactory = () => (method, path) => {
    const builder = build(method, path);
    builder.interceptRequest((request) => ({
      ...request,
      url: request.url.replace(`https://${sandbox.subdomain}.chargify.com`, sandbox.url),
    }));
    return builder;
  };
  return client;
}

let sandbox: Sandbox;
let customers: CustomersController;
let subscriptions: SubscriptionsController;
let status: SubscriptionStatusController;
beforeAll(async () => {
  sandbox = await createSandbox();
  const client = sdkClient(sandbox);
  customers = new CustomersController(client);
  subscriptions = new SubscriptionsController(client);
  status = new SubscriptionStatusController(client);
});
beforeEach(() => sandbox.state.reset());
afterAll(() => sandbox.close());

const ann = { firstName: 'Ann', lastName: 'Lee', email: 'ann@example.com' };

/** Creates a customer by the SDK and answers its id. */
async function newCustomer(fields: object = {}): Promise<number> {
  const { result } = await customers.createCustomer({ customer: { ...ann, ...fields } });
  return result.customer.id ?? 0;
}

/** Subscribes a new customer by the SDK and answers the subscription's id. */
async function subscribed(fields: object = {}): Promise<number> {
  const { result } = await subscriptions.createSubscription({
    subscription: {
      productHandle: 'pro',
      paymentCollectionMethod: CollectionMethod.Remittance,
      customerAttributes: ann,
      ...fields,
    },
  });
  return result.subscription?.id ?? 0;
}

/** Waits for a refusal and answers it. */
async function refusal(call: Promise<unknown>): Promise<ApiError> {
  const err = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(err).toBeInstanceOf(ApiError);
  return err as ApiError;
}

describe('customers', () => {
  test('are created, read, found by reference, updated and deleted', async () => {
    const created = await customers.createCustomer({ customer: { ...ann, reference: 'r-1', country: 'US', state: 'TX' } });
    expect(created.statusCode).toBe(201);
    expect(created.result.customer).toMatchObject({ ...ann, reference: 'r-1', countryName: 'United States', stateName: 'Texas' });
    const id = created.result.customer.id ?? 0;
    expect((await customers.readCustomer(id)).result).toEqual(created.result);
    expect((await customers.readCustomerByReference('r-1')).result).toEqual(created.result);
    const updated = await customers.updateCustomer(id, { customer: { city: 'Austin' } });
    expect(updated.result.customer).toMatchObject({ ...ann, city: 'Austin' });
    expect((await customers.deleteCustomer(id)).statusCode).toBe(204);
    expect((await refusal(customers.readCustomer(id))).statusCode).toBe(404);
  });

  test('are listed in pages, in both directions, and found by q', async () => {
    sandbox.state.seed({ customers: 120 });
    expect((await customers.listCustomers({})).result).toHaveLength(50);
    expect((await customers.listCustomers({ perPage: 200 })).result).toHaveLength(120);
    expect((await customers.listCustomers({ page: 3 })).result).toHaveLength(20);
    expect((await customers.listCustomers({ page: 4 })).result).toEqual([]);
    const [newest] = (await customers.listCustomers({ direction: SortingDirection.Desc, perPage: 1 })).result;
    expect(newest?.customer.reference).toBe('seed-120');
    const found = await customers.listCustomers({ q: 'seed-77@example.com' });
    expect(found.result.map(({ customer }) => customer.reference)).toEqual(['seed-77']);
  });

  test('are refused with the errors the SDK knows', async () => {
    await newCustomer({ reference: 'r-1' });
    const taken = await refusal(newCustomer({ reference: 'r-1' }));
    expect(taken).toBeInstanceOf(CustomerErrorResponseError);
    expect([taken.statusCode, taken.body]).toEqual([
      422,
      '{"errors":["Reference: must be unique - that value has been taken."]}',
    ]);
    const empty = await refusal(customers.createCustomer());
    expect([empty.statusCode, empty.body]).toEqual([422, '{"errors":{"customer":"can\'t be blank"}}']);
    const unknown = await refusal(customers.readCustomerByReference('nobody'));
    expect([unknown.statusCode, unknown.body]).toEqual([404, '']);
  });

  test('are kept apart from clients with another key', async () => {
    const stranger = new CustomersController(sdkClient(sandbox, 'stranger'));
    const denied = await refusal(stranger.listCustomers({}));
    expect([denied.statusCode, denied.body]).toEqual([401, 'HTTP Basic: Access denied.\n']);
  });

  test('are not created twice with one uniqueness token, which the SDK passes through', async () => {
    const body = { customer: ann, uniqueness_token: 't-1' };
    await customers.createCustomer(body);
    const again = await refusal(customers.createCustomer(body));
    expect([again.statusCode, again.body]).toEqual([409, '{"errors":["DuplicatePrevention::DuplicateSubmissionError"]}']);
  });
});

describe('subscriptions', () => {
  test('are created with their customer, read, found, listed and updated', async () => {
    const id = await subscribed({ reference: 's-1', customerAttributes: { ...ann, reference: 'r-1' } });
    const { result } = await subscriptions.readSubscription(id);
    expect(result.subscription).toMatchObject({
      state: 'active',
      paymentCollectionMethod: 'remittance',
      reference: 's-1',
      currentBillingAmountInCents: 29_900n,
      customer: { reference: 'r-1' },
      product: { handle: 'pro' },
    });
    expect((await subscriptions.findSubscription('s-1')).result.subscription?.id).toBe(id);
    const byReference = await subscribed({ customerAttributes: undefined, customerReference: 'r-1' });
    const customerId = result.subscription?.customer?.id ?? 0;
    const own = await customers.listCustomerSubscriptions(customerId);
    expect(own.result.map(({ subscription }) => subscription?.id)).toEqual([id, byReference]);
    expect((await subscriptions.listSubscriptions({ perPage: 200 })).result).toHaveLength(2);
    const moved = { productHandle: 'basic', paymentCollectionMethod: CollectionMethod.Automatic };
    const updated = await subscriptions.updateSubscription(id, { subscription: moved });
    expect(updated.result.subscription).toMatchObject({ product: { handle: 'basic' }, paymentCollectionMethod: 'automatic' });
  });

  test('are refused without money, customer or product', async () => {
    const unpaid = await refusal(subscribed({ paymentCollectionMethod: undefined }));
    expect(unpaid).toBeInstanceOf(ErrorListResponseError);
    expect(unpaid.body).toBe('{"errors":["No payment method was on file for the $299.00 balance"]}');
    const nobody = await refusal(subscribed({ customerAttributes: undefined, customerId: 1 }));
    expect(nobody.body).toBe('{"errors":["A Customer must be specified for the subscription to be valid."]}');
    const nothing = await refusal(subscribed({ productHandle: 'x' }));
    expect(nothing.body).toBe('{"errors":["Product with API Handle \'x\' does not exist for this site."]}');
    expect((await refusal(subscriptions.readSubscription(1))).statusCode).toBe(404);
    expect(sandbox.state.customers()).toEqual([]);
  });

  test('are canceled once and reactivated with resume', async () => {
    const id = await subscribed();
    const canceled = await status.cancelSubscription(id, { subscription: { cancellationMessage: 'left', reasonCode: 'CHURN' } });
    expect(canceled.result.subscription).toMatchObject({
      state: 'canceled',
      cancellationMethod: 'merchant_api',
      cancellationMessage: 'left',
      reasonCode: 'CHURN',
    });
    const twice = await refusal(status.cancelSubscription(id));
    expect([twice.statusCode, twice.body]).toEqual([422, '{"error":"The subscription is already canceled"}']);
    const back = await status.reactivateSubscription(id, { resume: true });
    expect(back.result.subscription).toMatchObject({ state: 'active', previousState: 'canceled', canceledAt: null });
    const active = await refusal(status.reactivateSubscription(id, { resume: true }));
    expect(active.body).toBe(
      '{"errors":["Cannot reactivate a subscription that is not marked \\"Canceled\\" or \\"Trial Ended\\"."]}',
    );
  });

  test('are canceled at the end of the period, unless that is undone', async () => {
    const id = await subscribed();
    const set = await status.initiateDelayedCancellation(id);
    expect(set.result.message).toBe('This subscription is scheduled to be canceled at the end of the current period');
    expect((await subscriptions.readSubscription(id)).result.subscription?.cancelAtEndOfPeriod).toBe(true);
    const undone = await status.cancelDelayedCancellation(id);
    expect(undone.result.message).toBe('This subscription will no longer be canceled');
    await status.initiateDelayedCancellation(id);
    sandbox.state.advance(32 * 86_400);
    expect((await subscriptions.readSubscription(id)).result.subscription?.state).toBe('canceled');
  });

  test('are put on hold and resumed', async () => {
    const id = await subscribed();
    const held = await status.pauseSubscription(id, { hold: { automaticallyResumeAt: '2099-01-01T00:00:00Z' } });
    expect(held.result.subscription?.state).toBe('on_hold');
    const again = await refusal(status.pauseSubscription(id));
    expect(again.body).toBe('{"errors":["This subscription is not eligible to be put on hold."]}');
    expect((await status.resumeSubscription(id)).result.subscription?.state).toBe('active');
    const resumed = await refusal(status.resumeSubscription(id));
    expect(resumed.body).toBe('{"errors":["Only subscriptions that are on hold can be resumed."]}');
  });

  test('are purged on a test site', async () => {
    const id = await subscribed();
    const owner = sandbox.state.customers()[0]?.id ?? 0;
    expect((await refusal(subscriptions.purgeSubscription(id, 1))).statusCode).toBe(400);
    expect((await subscriptions.purgeSubscription(id, owner)).statusCode).toBe(200);
    expect(sandbox.state.subscriptions()).toEqual([]);
  });
});

describe('events and webhooks', () => {
  const endpoint = { url: 'http://127.0.0.1:1/', webhookSubscriptions: [WebhookSubscription.SubscriptionStateChange] };

  test('events of every kind are listed and counted', async () => {
    const events = new EventsController(sdkClient(sandbox));
    const id = await subscribed();
    const owner = sandbox.state.customers()[0]?.id ?? 0;
    await customers.updateCustomer(owner, { customer: { city: 'Bonn' } });
    await subscriptions.updateSubscription(id, { subscription: { productHandle: 'basic' } });
    await status.initiateDelayedCancellation(id);
    await status.cancelDelayedCancellation(id);
    await status.cancelSubscription(id);
    await subscriptions.purgeSubscription(id, owner);
    await customers.deleteCustomer(owner);
    await subscribed();
    sandbox.state.advance(32 * 86_400);
    const { result } = await events.listEvents({ perPage: 200, direction: Direction.Asc });
    expect(result.map(({ event }) => event.key)).toEqual([
      'customer_create',
      'signup_success',
      'customer_update',
      'subscription_product_change',
      'pending_cancellation_change',
      'pending_cancellation_change',
      'subscription_state_change',
      'subscription_deletion',
      'customer_delete',
      'customer_create',
      'signup_success',
      'renewal_success',
    ]);
    expect((await events.readEventsCount({})).result.count).toBe(12);
    const filter = [EventKey.CustomerDelete, EventKey.CustomerUpdate];
    const some = await events.listEvents({ sinceId: result[2]?.event.id ?? 0n, filter });
    expect(some.result.map(({ event }) => event.key)).toEqual(['customer_delete', 'customer_update']);
    const newest = sandbox.state.subscriptions()[0]?.id ?? 0;
    expect((await events.listSubscriptionEvents({ subscriptionId: newest })).result).toHaveLength(2);
  });

  test('endpoints are kept, and the log of webhooks is read and replayed', async () => {
    const webhooks = new WebhooksController(sdkClient(sandbox));
    sandbox.state.settings({ webhooksHeld: true });
    const created = await webhooks.createEndpoint({ endpoint });
    expect(created.result.endpoint).toMatchObject({ ...endpoint, status: 'enabled' });
    expect((await webhooks.listEndpoints()).result).toEqual([created.result.endpoint]);
    const changed = { ...endpoint, url: 'http://127.0.0.1:1/2' };
    expect(
      (await webhooks.updateEndpoint(created.result.endpoint?.id ?? 0, { endpoint: changed })).result.endpoint,
    ).toMatchObject(changed);
    expect((await refusal(webhooks.createEndpoint({ endpoint: { ...endpoint, url: 'ftp://x/' } }))).statusCode).toBe(422);
    await status.cancelSubscription(await subscribed());
    const waiting = await webhooks.listWebhooks({});
    expect(waiting.result.map(({ webhook }) => webhook)).toMatchObject([
      { event: 'subscription_state_change', successful: false, acceptedAt: null },
    ]);
    await sandbox.state.deliverWebhooks();
    const [entry] = (await webhooks.listWebhooks({ order: WebhookOrder.NewestFirst, perPage: 1 })).result;
    expect(entry?.webhook?.lastError).toBe('ECONNREFUSED (retry 1 of 5)');
    const ids = [waiting.result[0]?.webhook?.id ?? 0n];
    expect((await webhooks.replayWebhooks({ ids })).result).toMatchObject({ status: 'ok' });
    expect((await webhooks.enableWebhooks({ webhooksEnabled: false })).result).toMatchObject({ webhooksEnabled: false });
  });
});

test('the site and its catalogue are read', async () => {
  const client = sdkClient(sandbox);
  expect((await new SitesController(client).readSite()).result.site).toMatchObject({ subdomain: 'acme', test: true });
  const product = await new ProductsController(client).readProductByHandle('pro');
  expect(product.result.product).toMatchObject({ handle: 'pro', priceInCents: 29_900n });
  const listed = await new ProductFamiliesController(client).listProductsForProductFamily({ productFamilyId: 'handle:plans' });
  expect(listed.result).toHaveLength(5);
  await subscribed();
  const stats = await new InsightsController(client).readSiteStats();
  expect(stats.result).toMatchObject({ siteName: 'Acme', stats: { totalSubscriptions: 1, totalActiveSubscriptions: 1 } });
});
