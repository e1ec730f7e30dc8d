/**
 * Owns the proof that each fault does what it says: what the client sees, and whether the write took effect.
 * Refuses to test how our client copes; that is the client's own test.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Fault } from '../../src/sandbox/faults.ts';
import { type SandboxApi, startSandbox } from '../support/sandbox-api.ts';

let api: SandboxApi;
beforeAll(async () => {
  api = await startSandbox();
});
beforeEach(() => api.sandbox.state.reset());
afterAll(() => api.sandbox.close());

const customer = { first_name: 'Ann', last_name: 'Lee', email: 'ann@example.com', reference: 'r-1' };
const create = () => api.post('/customers.json', { customer });
const count = () => api.sandbox.state.customers().length;
const entry = () => api.sandbox.state.ledger().at(-1);
const arm = (fault: Fault) => api.sandbox.state.setFault(fault);

describe('cut connections', () => {
  test('F42: commit-then-drop applies the write and says nothing', async () => {
    arm({ kind: 'commit-then-drop' });
    await expect(create()).rejects.toThrow();
    expect(count()).toBe(1);
    expect(entry()).toMatchObject({ fault: 'commit-then-drop', applied: true, status: null });
  });

  test('F43: drop-before-commit applies nothing', async () => {
    arm({ kind: 'drop-before-commit' });
    await expect(create()).rejects.toThrow();
    expect(count()).toBe(0);
    expect(entry()).toMatchObject({ applied: false, status: null });
  });

  test('F44: late-commit applies the write only after the client has lost its connection', async () => {
    arm({ kind: 'late-commit', times: 1 });
    await expect(create()).rejects.toThrow();
    expect((await api.get('/customers/lookup.json?reference=r-1')).status).toBe(404);
    expect(api.sandbox.state.stats().inFlight).toBe(1);
    api.sandbox.state.release();
    await expect.poll(count).toBe(1);
    expect(api.sandbox.state.ledger()[0]).toMatchObject({ applied: true, status: null, abandoned: true });
    await expect.poll(() => api.sandbox.state.stats().inFlight).toBe(0);
  });

  test('F44: late-commit applies the write by itself after its delay', async () => {
    arm({ kind: 'late-commit', delayMs: 20, times: 1 });
    await expect(create()).rejects.toThrow();
    await expect.poll(count).toBe(1);
  });

  test('F44: slow applies the write though the client gave up waiting', async () => {
    arm({ kind: 'slow', times: 1 });
    const gone = new AbortController();
    const request = api.send('POST', '/customers.json', { customer }, { signal: gone.signal });
    await expect.poll(() => entry()?.fault).toBe('slow');
    gone.abort();
    await expect(request).rejects.toThrow();
    await expect.poll(() => entry()?.abandoned).toBe(true);
    expect(count()).toBe(0);
    api.sandbox.state.release();
    await expect.poll(count).toBe(1);
    expect(api.sandbox.state.ledger()[0]).toMatchObject({ applied: true, status: null, abandoned: true });
  });

  test('slow answers rightly to those who wait', async () => {
    arm({ kind: 'slow', minDelayMs: 5, maxDelayMs: 20 });
    expect((await create()).status).toBe(201);
  });

  test('stall says nothing until the cut-off and applies nothing', async () => {
    api.sandbox.state.settings({ cutoffMs: 30 });
    arm({ kind: 'stall' });
    await expect(create()).rejects.toThrow();
    expect(count()).toBe(0);
  });

  test('F45: cut-body applies the write and ends in the middle of the announced body', async () => {
    arm({ kind: 'cut-body' });
    await expect(create()).rejects.toThrow();
    expect(count()).toBe(1);
    expect(entry()).toMatchObject({ applied: true, status: 201 });
  });

  test('a reset makes work under way come to nothing', async () => {
    arm({ kind: 'late-commit', times: 1 });
    await expect(create()).rejects.toThrow();
    api.sandbox.state.reset();
    api.sandbox.state.release();
    await expect.poll(() => api.sandbox.state.stats().inFlight).toBe(0);
    expect(count()).toBe(0);
  });
});

describe('wrong answers', () => {
  test.each([
    [
      'F40: throttle',
      { kind: 'throttle', retryAfter: 7 },
      429,
      /^Your request was denied due to a usage violation/,
      'retry-after',
      '7',
    ],
    ['F41: html-error', { kind: 'html-error' }, 502, /^<!DOCTYPE html>/, 'content-type', 'text/html'],
    ['F46: html-error with a status', { kind: 'html-error', status: 403 }, 403, /<h1>403/, 'content-type', 'text/html'],
    ['F47: html-404', { kind: 'html-404' }, 404, /<h1>404/, 'content-type', 'text/html'],
    [
      'F48: unauthorized',
      { kind: 'unauthorized' },
      401,
      /^HTTP Basic: Access denied\.\n$/,
      'www-authenticate',
      'Basic realm="Application"',
    ],
    [
      'F49: account-block',
      { kind: 'account-block' },
      422,
      /^\{"errors":\["Your Chargify account has been canceled\./,
      'content-type',
      'application/json; charset=utf-8',
    ],
    ['F54: redirect', { kind: 'redirect' }, 302, /^$/, 'location', 'https://elsewhere.invalid/'],
  ] as const)('%s answers so and applies nothing', async (_name, fault, status, text, header, value) => {
    arm(fault);
    const reply = await create();
    expect(reply.status).toBe(status);
    expect(reply.text).toMatch(text);
    expect(reply.headers.get(header)).toBe(value);
    expect(count()).toBe(0);
    expect(entry()).toMatchObject({ applied: false, status });
  });

  test('account-block speaks on reads too, in the words it was given', async () => {
    arm({ kind: 'account-block', message: 'This site has been deleted.' });
    expect((await api.get('/site.json')).body.errors).toEqual(['This site has been deleted.']);
  });

  test('F41: html-error can come after the write took effect', async () => {
    arm({ kind: 'html-error', status: 504, commit: true });
    expect((await create()).status).toBe(504);
    expect(count()).toBe(1);
  });

  test('F45: truncated-json applies the write and answers half of the JSON', async () => {
    arm({ kind: 'truncated-json' });
    const reply = await create();
    expect(reply.status).toBe(201);
    expect(() => JSON.parse(reply.text)).toThrow(SyntaxError);
    expect(count()).toBe(1);
  });

  test('F45: missing-id applies the write and answers without an id', async () => {
    arm({ kind: 'missing-id' });
    const reply = await create();
    expect(reply.body.customer).toMatchObject({ reference: 'r-1' });
    expect(reply.body.customer).not.toHaveProperty('id');
    expect(count()).toBe(1);
  });

  test('unknown-state changes the state of subscriptions, not of addresses', async () => {
    await api.subscription({ customer_attributes: { ...customer, country: 'US', state: 'TX' } });
    arm({ kind: 'unknown-state', state: 'hibernating' });
    const [listed] = (await api.get('/subscriptions.json')).list;
    expect(listed?.subscription.state).toBe('hibernating');
    expect(listed?.subscription.customer?.state).toBe('TX');
    expect(api.sandbox.state.subscriptions()[0]?.state).toBe('active');
  });

  test('odd-shape gives ids as text, unknown keys and no product', async () => {
    const { id } = await api.subscription();
    arm({ kind: 'odd-shape' });
    const { subscription } = (await api.get(`/subscriptions/${id}.json`)).body;
    expect(subscription).toMatchObject({ id: String(id), product: null, never_heard_of: {} });
    expect(subscription.customer).toMatchObject({ id: expect.any(String), never_heard_of: {} });
  });

  test('F55: oversized answers as many bytes as asked', async () => {
    arm({ kind: 'oversized', bytes: 3_000_000 });
    const reply = await api.get('/site.json');
    expect([reply.status, reply.text.length]).toEqual([200, 3_000_000]);
    expect(() => JSON.parse(reply.text)).not.toThrow();
  });

  test('F53: no-effect answers success and changes nothing', async () => {
    const { id } = await api.subscription();
    arm({ kind: 'no-effect' });
    expect((await api.del(`/subscriptions/${id}.json`)).body.subscription.state).toBe('canceled');
    expect(api.sandbox.state.subscriptions()[0]?.state).toBe('active');
    expect(entry()).toMatchObject({ applied: false, status: 200 });
  });
});

describe('aim', () => {
  const statuses = async (...paths: string[]) => {
    const seen: number[] = [];
    for (const path of paths) seen.push((await api.get(path)).status);
    return seen;
  };

  test('is by method, template, regular expression, or text in URL and body', async () => {
    await create();
    arm({ kind: 'html-error', match: { path: '/customers/{id}.json' } });
    expect(await statuses('/customers/98840116.json', '/customers.json', '/customers/lookup.json?reference=r-1')).toEqual([
      502, 200, 200,
    ]);
    api.sandbox.state.clearFaults();
    arm({ kind: 'html-error', match: { path: '^/customers\\b' } });
    expect(await statuses('/customers/98840116.json', '/customers.json', '/site.json')).toEqual([502, 502, 200]);
    api.sandbox.state.clearFaults();
    arm({ kind: 'html-error', match: { method: 'post', contains: 'r-2' } });
    expect((await create()).status).toBe(422);
    expect((await api.post('/customers.json', { customer: { ...customer, reference: 'r-2' } })).status).toBe(502);
    expect(await statuses('/customers/lookup.json?reference=r-2')).toEqual([404]);
  });

  test('lets some pass, hits so many, and stops; the next fault takes over', async () => {
    arm({ kind: 'html-error', after: 1, times: 2 });
    arm({ kind: 'html-404', times: 1 });
    const path = '/site.json';
    expect(await statuses(path, path, path, path)).toEqual([404, 502, 502, 200]);
    expect(api.sandbox.state.faults().map(({ hits }) => hits)).toEqual([2, 1]);
  });

  test('by chance is the same for the same seed', async () => {
    const paths = Array.from({ length: 30 }, () => '/site.json');
    arm({ kind: 'html-error', probability: 0.5, seed: 42 });
    const first = await statuses(...paths);
    api.sandbox.state.clearFaults();
    arm({ kind: 'html-error', probability: 0.5, seed: 42 });
    expect(await statuses(...paths)).toEqual(first);
    expect(new Set(first)).toEqual(new Set([200, 502]));
  });

  test('refuses what makes no sense', () => {
    expect(() => arm({ kind: 'explode' } as unknown as Fault)).toThrow();
    expect(() => arm({ kind: 'slow', match: { path: '(' } })).toThrow();
    expect(() => arm({ kind: 'slow', delay: 5 } as unknown as Fault)).toThrow();
  });

  test('closing cuts requests that are stalled', async () => {
    const other = await startSandbox();
    other.sandbox.state.setFault({ kind: 'stall' });
    const stalled = other.get('/site.json').catch((err: unknown) => err);
    await expect.poll(() => other.sandbox.state.stats().inFlight).toBe(1);
    await other.sandbox.close();
    expect(await stalled).toBeInstanceOf(Error);
  });
});
