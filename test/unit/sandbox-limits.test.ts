/**
 * Owns the proof of what lies before the endpoints: four slots and their queue, the optional quota, uniqueness tokens, the ledger.
 * Refuses to measure speed; requests are held in place by a fault until they are released.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { maxInWindow } from '../../src/sandbox/ledger.ts';
import { type SandboxApi, startSandbox } from '../support/sandbox-api.ts';

let api: SandboxApi;
beforeAll(async () => {
  api = await startSandbox();
});
beforeEach(() => api.sandbox.state.reset());
afterAll(() => api.sandbox.close());

const ann = { first_name: 'Ann', last_name: 'Lee', email: 'ann@example.com' };
const USAGE = /^Your request was denied due to a usage violation\. You can track this request with support by referencing \S+$/;

/** Sends requests that stay at the sandbox until they are released. */
async function occupy(count: number): Promise<Promise<unknown>[]> {
  const { state } = api.sandbox;
  const before = state.ledger().length;
  state.setFault({ kind: 'slow', match: { contains: 'occupied' } });
  const held = Array.from({ length: count }, () => api.get('/customers/lookup.json?reference=occupied'));
  await expect.poll(() => state.ledger().length).toBe(before + count);
  return held;
}

const arrived = (count: number) => expect.poll(() => api.sandbox.state.ledger().length).toBe(count);

describe('slots', () => {
  test('let four requests work; the fifth waits for its turn', async () => {
    const { state } = api.sandbox;
    const held = await occupy(4);
    const fifth = api.get('/site.json');
    await arrived(5);
    expect(state.stats()).toMatchObject({ inFlight: 5, maxInFlight: 5 });
    // One slot more is all that the fifth one needs.
    state.settings({ slots: 5 });
    expect((await fifth).status).toBe(200);
    expect(state.stats().inFlight).toBe(4);
    expect(state.release()).toBe(4);
    await Promise.all(held);
    expect(state.stats().inFlight).toBe(0);
  });

  test('are handed on in order of arrival', async () => {
    const { state } = api.sandbox;
    state.settings({ slots: 1 });
    const held = await occupy(1);
    const later: Promise<unknown>[] = [];
    for (const n of [2, 3, 4]) {
      later.push(api.get(`/customers/lookup.json?reference=${n}`));
      await arrived(n);
    }
    state.release();
    await Promise.all([...held, ...later]);
    const finished = state.ledger().toSorted((a, b) => (a.finishedMs ?? 0) - (b.finishedMs ?? 0));
    expect(finished.map(({ seq }) => seq)).toEqual(state.ledger().map(({ seq }) => seq));
  });

  test('turn away with 429 in plain text when the queue is full, and let in again when there is room', async () => {
    const { state } = api.sandbox;
    state.settings({ slots: 1, queueLimit: 1 });
    const held = await occupy(2);
    const reply = await api.get('/site.json');
    expect([reply.status, reply.headers.get('content-type'), reply.headers.get('retry-after')]).toEqual([
      429,
      'text/plain; charset=utf-8',
      null,
    ]);
    expect(reply.text).toMatch(USAGE);
    state.settings({ slots: 3 });
    expect((await api.get('/site.json')).status).toBe(200);
    expect(state.release()).toBe(2);
    await Promise.all(held);
  });

  test('stay taken by a client that has gone', async () => {
    const { state } = api.sandbox;
    state.settings({ slots: 1 });
    state.setFault({ kind: 'slow', times: 1 });
    const gone = new AbortController();
    const request = api.send('GET', '/site.json', undefined, { signal: gone.signal });
    await arrived(1);
    gone.abort();
    await expect(request).rejects.toThrow();
    await expect.poll(() => state.ledger()[0]?.abandoned).toBe(true);
    const second = api.get('/site.json');
    await arrived(2);
    expect(state.stats().inFlight).toBe(2);
    state.release();
    expect((await second).status).toBe(200);
    expect(state.ledger()).toMatchObject([
      { abandoned: true, fault: 'slow', status: null },
      { abandoned: false, status: 200 },
    ]);
  });

  test('answer the 429 as JSON where the site is set so', async () => {
    api.sandbox.state.settings({ quota: 0, throttleAsJson: true });
    expect((await api.get('/site.json')).body.errors).toEqual([expect.stringMatching(USAGE)]);
  });
});

describe('the quota', () => {
  test('counts arrivals, refused ones and those before a cleared ledger included', async () => {
    api.sandbox.state.settings({ quota: 3, windowSeconds: 3_600 });
    const statuses: number[] = [];
    for (let n = 0; n < 5; n += 1) statuses.push((await api.get('/site.json')).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
    api.sandbox.state.clearLedger();
    expect((await api.get('/site.json')).status).toBe(429);
    api.sandbox.state.settings({ quota: 7 });
    expect((await api.get('/site.json')).status).toBe(200);
  });

  test('rolls: what left the window no longer counts', async () => {
    api.sandbox.state.settings({ quota: 1, windowSeconds: 0.2 });
    expect((await api.get('/site.json')).status).toBe(200);
    expect((await api.get('/site.json')).status).toBe(429);
    await expect.poll(async () => (await api.get('/site.json')).status, { interval: 250 }).toBe(200);
  });

  test('is none by default', async () => {
    await Promise.all(Array.from({ length: 16 }, () => api.get('/site.json')));
    expect(api.sandbox.state.stats().countsByStatus).toEqual({ 200: 16 });
  });
});

describe('a uniqueness token', () => {
  const create = (token: unknown, fields: object = {}) =>
    api.post('/customers.json', { customer: { ...ann, ...fields }, uniqueness_token: token });
  const DUPLICATE = '{"errors":["DuplicatePrevention::DuplicateSubmissionError"]}';

  test('lets one request through and answers 409 to the next, whatever its body and endpoint', async () => {
    expect((await create('t-1')).status).toBe(201);
    const again = await create('t-1', { email: 'other@example.com' });
    expect([again.status, again.text]).toEqual([409, DUPLICATE]);
    const elsewhere = await api.post('/subscriptions.json', { subscription: {}, uniqueness_token: 't-1' });
    expect(elsewhere.status).toBe(409);
    expect((await create('t-2')).status).toBe(201);
    expect(api.sandbox.state.customers()).toHaveLength(2);
  });

  test('is used up by a request that ended in 422', async () => {
    expect((await create('t-1', { email: '' })).status).toBe(422);
    expect((await create('t-1')).status).toBe(409);
    expect(api.sandbox.state.customers()).toEqual([]);
  });

  test('counts in the query and on PUT too, but not inside the resource', async () => {
    const { id } = await api.customer({ uniqueness_token: 't-1' });
    const put = () => api.put(`/customers/${id}.json?uniqueness_token=t-1`, { customer: { city: 'Bonn' } });
    expect((await put()).status).toBe(200);
    expect((await put()).status).toBe(409);
    expect((await create('t-1')).status).toBe(409);
  });

  test('is forgotten after 60 minutes', async () => {
    await create('t-1');
    api.sandbox.state.advance(3_599);
    expect((await create('t-1')).status).toBe(409);
    api.sandbox.state.advance(2);
    expect((await create('t-1')).status).toBe(201);
  });

  test.each([
    ['died before it was worked on', { kind: 'drop-before-commit' }],
    ['was throttled', { kind: 'throttle' }],
    ['was refused at the door', { kind: 'unauthorized' }],
  ] as const)('is not used up by a request that %s', async (_case, fault) => {
    api.sandbox.state.setFault({ ...fault, times: 1 });
    await create('t-1').catch(() => undefined);
    expect((await create('t-1')).status).toBe(201);
  });

  test('tells a client that lost the answer that the first request arrived', async () => {
    api.sandbox.state.setFault({ kind: 'commit-then-drop', times: 1 });
    await expect(create('t-1', { reference: 'r-1' })).rejects.toThrow();
    expect((await create('t-1', { reference: 'r-1' })).status).toBe(409);
    expect((await api.get('/customers/lookup.json?reference=r-1')).status).toBe(200);
  });
});

describe('the ledger', () => {
  test('keeps path, template, body, status and whether a write took effect', async () => {
    const customer = { ...ann, reference: 'r-1' };
    await api.post('/customers.json', { customer });
    await api.post('/customers.json', { customer });
    await api.get('/customers/lookup.json?reference=r-1');
    await api.get('/users.json');
    await api.send('GET', '/site.json', undefined, { headers: { authorization: 'none' } });
    const ledger = api.sandbox.state.ledger();
    expect(ledger).toMatchObject([
      { method: 'POST', template: '/customers.json', status: 201, applied: true, body: { customer }, inFlight: 1, fault: null },
      { method: 'POST', template: '/customers.json', status: 422, applied: false },
      {
        method: 'GET',
        path: '/customers/lookup.json?reference=r-1',
        template: '/customers/lookup.json',
        status: 200,
        applied: false,
      },
      { method: 'GET', path: '/users.json', template: null, status: 404 },
      { method: 'GET', template: '/site.json', status: 401 },
    ]);
    expect(JSON.stringify(ledger)).not.toContain(Buffer.from('sandbox-key:x').toString('base64'));
    const third = ledger[2]?.seq ?? 0;
    expect(api.sandbox.state.ledger(third).map(({ seq }) => seq)).toEqual([third + 1, third + 2]);
    expect(api.sandbox.state.stats().countsByTemplate).toEqual({
      'POST /customers.json': 2,
      'GET /customers/lookup.json': 1,
      'GET (unknown)': 1,
      'GET /site.json': 1,
    });
  });

  test('finds the fullest window as a naive count does', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 20 }),
        (times, windowMs) => {
          const arrivals = times.toSorted((a, b) => a - b);
          const naive = arrivals.map((from) => arrivals.filter((at) => at >= from && at - from < windowMs).length);
          expect(maxInWindow(arrivals, windowMs)).toBe(Math.max(0, ...naive));
        },
      ),
    );
  });

  test('does not keep counting a request whose body never came', async () => {
    const { createConnection } = await import('node:net');
    const socket = createConnection(Number(new URL(api.sandbox.url).port), '127.0.0.1');
    socket.write(
      'POST /customers.json HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"cust',
    );
    await expect.poll(() => api.sandbox.state.stats().inFlight).toBe(1);
    socket.destroy();
    await expect.poll(() => api.sandbox.state.stats().inFlight).toBe(0);
    expect(api.sandbox.state.ledger()).toMatchObject([{ status: null, applied: false }]);
  });
});
