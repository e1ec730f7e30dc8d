/**
 * How the sandbox delivers webhooks: real requests to a receiver, with Maxio's form, headers, signature, retries and log.
 * The receiver verifies by hand. Refuses to use the client's reader, so that neither shares the other's mistakes.
 */
import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type SandboxApi, startSandbox } from '../support/sandbox-api.ts';

interface Received {
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
  form: Record<string, string>;
}

let api: SandboxApi;
let address: string;
let got: Received[] = [];
let reply: (response: ServerResponse) => void;
const receiver = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks).toString();
    got.push({ url: request.url ?? '', headers: request.headers, body, form: Object.fromEntries(new URLSearchParams(body)) });
    reply(response);
  });
});
beforeAll(async () => {
  api = await startSandbox({ siteId: 77, subdomain: 'acme' });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
});
beforeEach(() => {
  api.sandbox.state.reset();
  got = [];
  reply = (response) => response.end('ok');
});
afterAll(async () => {
  await api.sandbox.close();
  receiver.closeAllConnections();
  await new Promise((resolve) => receiver.close(resolve));
});

const answerWith = (status: number) => (response: ServerResponse) => {
  response.statusCode = status;
  response.end();
};
const received = async (count: number): Promise<Received[]> => {
  await vi.waitFor(() => expect(got).toHaveLength(count), { timeout: 5_000 });
  return got;
};
const statuses = async (query = ''): Promise<(string | boolean)[][]> => {
  const { list } = await api.get(`/webhooks.json?order=oldest_first${query}`);
  return (list as unknown as { webhook: { event: string; successful: boolean } }[]).map(({ webhook }) => [
    webhook.event,
    webhook.successful,
  ]);
};

describe('a message', () => {
  test('is a signed form with the object in it, and is accepted by 200', async () => {
    api.sandbox.state.settings({ webhookKey: '123' });
    api.sandbox.state.listen(address);
    const { id, customer } = await api.subscription();
    const [created, signup] = await received(2);
    const [log] = api.sandbox.state.webhooks();
    expect(created?.headers).toMatchObject({
      'content-type': 'application/x-www-form-urlencoded',
      'x-chargify-webhook-id': String(log?.id),
      'x-chargify-webhook-signature': createHash('md5').update(`123${created?.body}`).digest('hex'),
      'x-chargify-webhook-signature-hmac-sha-256': createHmac('sha256', '123').update(String(created?.body)).digest('hex'),
    });
    expect(created?.form).toMatchObject({
      id: String(log?.id),
      event: 'customer_create',
      'payload[customer][id]': String(customer?.id),
      'payload[customer][organization]': '',
      'payload[site][id]': '77',
      'payload[site][subdomain]': 'acme',
      'payload[event_id]': String(api.sandbox.state.events()[0]?.id),
    });
    expect(created?.form['payload[customer][created_at]']).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d -0500$/);
    expect(signup?.form).toMatchObject({
      event: 'signup_success',
      'payload[subscription][id]': String(id),
      'payload[subscription][state]': 'active',
      'payload[subscription][customer][id]': String(customer?.id),
      'payload[subscription][product][handle]': 'pro',
    });
    await vi.waitFor(async () => expect(await statuses('&status=successful')).toHaveLength(2), { timeout: 15_000, interval: 25 });
  });

  test('goes to each endpoint that asked for its event, and never tells of a deleted customer', async () => {
    await api.post('/endpoints.json', { endpoint: { url: `${address}/a`, webhook_subscriptions: ['customer_update'] } });
    await api.post('/endpoints.json', {
      endpoint: { url: `${address}/b`, webhook_subscriptions: ['customer_update', 'customer_create'] },
    });
    const { id } = await api.customer();
    await api.put(`/customers/${id}.json`, { customer: { last_name: 'Low' } });
    await api.del(`/customers/${id}.json`);
    expect((await received(3)).map(({ url, form }) => [url, form.event]).sort()).toEqual([
      ['/hook/a', 'customer_update'],
      ['/hook/b', 'customer_create'],
      ['/hook/b', 'customer_update'],
    ]);
    expect(api.sandbox.state.webhooks()).toHaveLength(3);
  });

  test('keeps what the object was when it happened', async () => {
    api.sandbox.state.settings({ webhooksHeld: true });
    api.sandbox.state.listen(address, ['customer_update']);
    const { id } = await api.customer();
    for (const last_name of ['One', 'Two']) await api.put(`/customers/${id}.json`, { customer: { last_name } });
    expect(await api.sandbox.state.deliverWebhooks()).toBe(2);
    expect(got.map(({ form }) => form['payload[customer][last_name]'])).toEqual(['One', 'Two']);
  });

  test('is not sent for a write whose effects were taken back', async () => {
    api.sandbox.state.listen(address);
    api.sandbox.state.setFault({ kind: 'no-effect', times: 1 });
    await api.customer();
    await api.customer();
    expect(await received(1)).toMatchObject([{ form: { 'payload[customer][email]': expect.stringMatching(/^ann-\d+@/) } }]);
    expect(api.sandbox.state.webhooks()).toHaveLength(1);
  });

  test('tells of staff and of the clock, too', async () => {
    const { id } = await api.subscription();
    api.sandbox.state.listen(address);
    api.sandbox.state.staff({ do: 'move-product', id, product: 'basic' });
    api.sandbox.state.advance(32 * 86_400);
    const [moved, renewed] = await received(2);
    expect(moved?.form).toMatchObject({ event: 'subscription_product_change', 'payload[previous_product][name]': 'Pro' });
    expect(renewed?.form).toMatchObject({ event: 'renewal_success' });
  });
});

describe('delivery', () => {
  test('is tried five times on the sandbox clock with one id, then given up', async () => {
    const { state } = api.sandbox;
    state.listen(address);
    reply = answerWith(204);
    await api.customer();
    for (const [attempt, seconds] of [10, 15, 90, 180].entries()) {
      await received(attempt + 1);
      await vi.waitFor(() => expect(state.webhooks()[0]?.attempts).toBe(attempt + 1), { timeout: 15_000, interval: 25 });
      expect(await statuses('&status=pending')).toEqual([['customer_create', false]]);
      state.advance(seconds);
    }
    await received(5);
    await vi.waitFor(async () => expect(await statuses('&status=failed')).toEqual([['customer_create', false]]), {
      timeout: 15_000,
      interval: 25,
    });
    expect(state.webhooks()[0]).toMatchObject({ attempts: 5, nextMs: null, lastError: '204 No Content (retry 5 of 5)' });
    expect(new Set(got.map(({ headers }) => headers['x-chargify-webhook-id'])).size).toBe(1);
    expect(new Set(got.map(({ body }) => body)).size).toBe(1);
    state.advance(86_400);
    expect(state.webhooks()[0]?.attempts).toBe(5);
  });

  test('that was given up is replayed with its id, and accepted', async () => {
    const { state } = api.sandbox;
    state.settings({ webhooksHeld: true });
    state.listen(address);
    reply = answerWith(500);
    await api.customer();
    for (let attempt = 0; attempt < 5; attempt++) await state.deliverWebhooks();
    expect(await state.deliverWebhooks()).toBe(0);
    reply = answerWith(200);
    const id = state.webhooks()[0]?.id;
    state.settings({ webhooksHeld: false });
    expect((await api.post('/webhooks/replay.json', { ids: [id, 1] })).text).toBe('{"status":"ok"}');
    await vi.waitFor(async () => expect(await statuses('&status=successful')).toEqual([['customer_create', true]]), {
      timeout: 15_000,
      interval: 25,
    });
    expect(got.at(-1)?.headers['x-chargify-webhook-id']).toBe(String(id));
    expect((await api.post('/webhooks/replay.json', { ids: [] })).status).toBe(422);
    expect((await api.post('/webhooks/replay.json', { ids: Array.from({ length: 1_001 }, (_, i) => i) })).status).toBe(422);
  });

  test('that is never answered or goes nowhere fails, and a redirect is not followed', async () => {
    const { state } = api.sandbox;
    state.settings({ webhooksHeld: true, webhookTimeoutMs: 50 });
    state.listen(address, ['customer_create']);
    reply = () => undefined;
    await api.customer();
    await state.deliverWebhooks();
    expect(state.webhooks()[0]?.lastError).toBe('no answer in time (retry 1 of 5)');
    state.settings({ webhookTimeoutMs: 5_000 });
    reply = (response) => response.writeHead(302, { location: `${address}/elsewhere` }).end();
    await state.deliverWebhooks();
    expect(state.webhooks()[0]?.lastError).toBe('302 Found (retry 2 of 5)');
    expect(got.map(({ url }) => url)).toEqual(['/hook', '/hook']);
    await api.put('/endpoints/11.json', { endpoint: { url: 'http://127.0.0.1:1/nobody' } });
    await state.deliverWebhooks();
    expect(state.webhooks()[0]?.lastError).toBe('ECONNREFUSED (retry 3 of 5)');
  });

  test.each(['http://example.com/', 'https://127.0.0.1/', 'http://127.0.0.1.example.com/', 'http://10.0.0.1/', 'http://[::2]/'])(
    'to %s never leaves this machine',
    async (url) => {
      const { state } = api.sandbox;
      state.settings({ webhooksHeld: true });
      state.listen(url);
      await api.customer();
      await state.deliverWebhooks();
      expect(state.webhooks()[0]?.lastError).toContain('addresses of this machine only');
    },
  );

  test('can be late, doubled, out of order and forged', async () => {
    const { state } = api.sandbox;
    state.settings({ webhooksHeld: true, webhookDuplicates: 1, webhookOrder: 'reversed' });
    state.listen(address, ['customer_create']);
    await api.customer({ reference: 'one' });
    await api.customer({ reference: 'two' });
    await state.deliverWebhooks();
    expect(got.map(({ form }) => form['payload[customer][reference]'])).toEqual(['two', 'two', 'one', 'one']);
    expect(new Set(got.map(({ headers }) => headers['x-chargify-webhook-id'])).size).toBe(2);

    got = [];
    for (const webhookTamper of ['body', 'signature'] as const) {
      state.settings({ webhookDuplicates: 0, webhookTamper });
      await api.customer();
      await state.deliverWebhooks();
      const { webhookKey } = state.settings();
      const signed = createHmac('sha256', webhookKey)
        .update(String(got.at(-1)?.body))
        .digest('hex');
      expect(got.at(-1)?.headers['x-chargify-webhook-signature-hmac-sha-256']).not.toBe(signed);
    }

    got = [];
    state.settings({ webhooksHeld: false, webhookTamper: 'nothing', webhookDelaySeconds: 600 });
    await api.customer({ reference: 'late' });
    state.settings({ webhookDelaySeconds: 0 });
    await api.customer({ reference: 'prompt' });
    expect((await received(1))[0]?.form['payload[customer][reference]']).toBe('prompt');
    state.advance(600);
    expect((await received(2))[1]?.form['payload[customer][reference]']).toBe('late');
  });

  test('of a burst arrives completely', async () => {
    api.sandbox.state.listen(address, ['customer_update']);
    for (const { id } of api.sandbox.state.seed({ customers: 100 }).customers) {
      api.sandbox.state.editCustomer(id, { city: 'Bonn' });
    }
    await received(100);
    expect(new Set(got.map(({ headers }) => headers['x-chargify-webhook-id'])).size).toBe(100);
  });
});

describe('the admin side', () => {
  test('endpoints are created, changed and listed without envelopes, five at most', async () => {
    const created = await api.post('/endpoints.json', { endpoint: { url: address, webhook_subscriptions: ['customer_update'] } });
    expect([created.status, JSON.parse(created.text)]).toEqual([
      201,
      { endpoint: { id: 11, url: address, site_id: 77, status: 'enabled', webhook_subscriptions: ['customer_update'] } },
    ]);
    await api.put('/endpoints/11.json', { endpoint: { webhook_subscriptions: ['signup_success'] } });
    expect(JSON.parse((await api.get('/endpoints.json')).text)).toMatchObject([
      { id: 11, url: address, webhook_subscriptions: ['signup_success'] },
    ]);
    const bad = await api.post('/endpoints.json', { endpoint: { url: 'ftp://x/', webhook_subscriptions: ['customer_delete'] } });
    expect([bad.status, bad.body.errors]).toEqual([
      422,
      ['URL: invalid, only http and https supported', 'Webhook Subscriptions: is not included in the list.'],
    ]);
    expect((await api.put('/endpoints/99.json', { endpoint: { url: address } })).status).toBe(404);
    expect((await api.post('/endpoints.json', { endpoint: {} })).body.errors).toEqual({ endpoint: "can't be blank" });
    for (let i = 0; i < 4; i++) await api.post('/endpoints.json', { endpoint: { url: address } });
    expect((await api.post('/endpoints.json', { endpoint: { url: address } })).status).toBe(422);
  });

  test('the switch silences all endpoints', async () => {
    api.sandbox.state.listen(address);
    expect((await api.put('/webhooks/settings.json', { webhooks_enabled: false })).text).toBe('{"webhooks_enabled":false}');
    await api.customer();
    expect(JSON.parse((await api.get('/endpoints.json')).text)).toMatchObject([{ status: 'disabled' }]);
    await api.put('/webhooks/settings.json', { webhooks_enabled: true });
    await api.customer();
    await received(1);
    expect(api.sandbox.state.webhooks()).toHaveLength(1);
  });

  test('the log is read newest first, in pages, by status and by subscription', async () => {
    api.sandbox.state.settings({ webhooksHeld: true });
    api.sandbox.state.listen(address);
    const { id } = await api.subscription();
    const { list } = await api.get('/webhooks.json?per_page=1');
    expect(list).toMatchObject([{ webhook: { event: 'signup_success', accepted_at: null, successful: false } }]);
    expect(await statuses(`&subscription=${id}`)).toEqual([['signup_success', false]]);
    expect(await statuses('&status=pending')).toEqual([
      ['customer_create', false],
      ['signup_success', false],
    ]);
    expect(await statuses('&since_date=2999-01-01')).toEqual([]);
    expect(await statuses('&until_date=2001-01-01')).toEqual([]);
  });
});
