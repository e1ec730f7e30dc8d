/**
 * The survey index on a real Redis: found by everything it is found by, never set back by an older reading, one pass at a time, and small.
 * What is concluded from it is tested with the plan (provisioning-plan-twins.test.ts) and the link plan.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CustomerRow, type SubscriptionRow, SurveyIndex } from '../../src/directory/survey-index.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { changeOf, openSite, type TestSite } from './directory-bench.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterAll(() => server.stop());

function customer(id: string, change: Partial<CustomerRow> = {}): CustomerRow {
  const email = `c${id}@example.com`;
  return {
    id,
    reference: `ref-${id}`,
    email,
    name: `Customer ${id}`,
    fields: { first_name: 'Customer', last_name: id, email, phone: null, city: '' },
    createdAt: '2026-01-01T00:00:00Z',
    updatedAt: '2026-01-02T00:00:00Z',
    ...change,
  };
}

function subscription(id: string, customerId: string, change: Partial<SubscriptionRow> = {}): SubscriptionRow {
  return {
    id,
    customerId,
    state: 'active',
    productHandle: 'pro',
    monthlyCents: 1_000,
    reference: null,
    ending: false,
    updatedAt: '',
    ...change,
  };
}

async function surveyed(): Promise<{ site: TestSite; index: SurveyIndex }> {
  const site = openSite(server);
  const index = new SurveyIndex(site.store);
  const pass = await index.begin({ state: 'running' });
  await index.finish(pass, { state: 'done' }, { eventId: '1', sinceMs: 1, fullAtMs: 2 });
  return { site, index };
}

const idsOf = (rows: { id: string }[]): string[] => rows.map(({ id }) => id).sort();

describe('a row', () => {
  it('is found by id, by reference and by address in any letter case, with its subscriptions', async () => {
    const { index } = await surveyed();
    await index.putCustomers([customer('1', { email: 'Ann@Example.com' }), customer('2', { reference: null })], 10);
    await index.putSubscriptions([subscription('11', '1'), subscription('12', '1'), subscription('21', '2')], 10);
    expect(await index.byReference('ref-1')).toMatchObject({ id: '1', name: 'Customer 1', readAtMs: 10 });
    expect(await index.byReference('ref-2')).toBeUndefined();
    expect(idsOf(await index.byEmails(['ann@example.com']))).toEqual(['1']);
    expect(idsOf(await index.byEmails(['ann@example.com', 'c2@example.com', 'nobody@example.com', '']))).toEqual(['1', '2']);
    expect(idsOf(await index.subscriptionsOf(['1']))).toEqual(['11', '12']);
    expect(idsOf(await index.subscriptionsOf(['1', '2', '3']))).toEqual(['11', '12', '21']);
    expect(await index.customer('2')).toMatchObject({ reference: null, email: 'c2@example.com' });
    expect(await index.customer('2').then((row) => row?.fields)).toEqual({
      first_name: 'Customer',
      last_name: '2',
      email: 'c2@example.com',
    });
    expect(await index.counts()).toEqual({ customers: 2, subscriptions: 3, unreferenced: 1 });
  });

  it('that changes leaves nothing of the old one behind', async () => {
    const { index } = await surveyed();
    await index.putCustomers([customer('1'), customer('2')], 10);
    await index.putSubscriptions([subscription('11', '1')], 10);
    await index.putCustomers([customer('1', { email: 'new@example.com', reference: 'other' })], 20);
    await index.putSubscriptions([subscription('11', '2', { state: 'canceled' })], 20);
    expect(await index.byEmails(['c1@example.com'])).toEqual([]);
    expect(idsOf(await index.byEmails(['new@example.com']))).toEqual(['1']);
    expect(await index.byReference('ref-1')).toBeUndefined();
    expect(await index.byReference('other')).toMatchObject({ id: '1' });
    expect(await index.subscriptionsOf(['1'])).toEqual([]);
    expect(await index.subscriptionsOf(['2'])).toMatchObject([{ id: '11', state: 'canceled' }]);
    await index.remove('2');
    expect(await index.counts()).toEqual({ customers: 1, subscriptions: 0, unreferenced: 0 });
    expect(await index.byReference('ref-2')).toBeUndefined();
    expect(await index.byEmails(['c2@example.com'])).toEqual([]);
    await index.remove('2');
  });

  it('keeps the newer reading, whatever order the two arrive in', async () => {
    const { index } = await surveyed();
    await index.putCustomers([customer('1', { reference: 'new' })], 20);
    await index.putCustomers([customer('1', { reference: null, email: 'old@example.com' })], 10);
    expect(await index.customer('1')).toMatchObject({ reference: 'new', email: 'c1@example.com', readAtMs: 20 });
    expect(await index.byEmails(['old@example.com'])).toEqual([]);
    expect((await index.counts()).unreferenced).toBe(0);
  });

  it('whose reference moved to another customer keeps that one findable', async () => {
    const { index } = await surveyed();
    await index.putCustomers([customer('1', { reference: 'shared' })], 10);
    await index.putCustomers([customer('2', { reference: 'shared' })], 20);
    await index.putCustomers([customer('1', { reference: null })], 30);
    expect(await index.byReference('shared')).toMatchObject({ id: '2' });
  });
});

describe('a pass', () => {
  it('is seen when it is complete and not before, and the old one is gone then', async () => {
    const { site, index } = await surveyed();
    await index.putCustomers([customer('1')], 10);
    const next = await index.begin({ state: 'running' });
    const step = { pass: next, page: 'customers:1', state: { page: 2 } };
    expect(await index.putCustomers([customer('2')], 20, step)).toBe(true);
    expect(await index.customer('2')).toBeUndefined();
    expect(await index.customer('1')).toBeDefined();
    expect(await index.finish(next, { state: 'done' }, { eventId: '', sinceMs: 1, fullAtMs: 2 })).toBe(true);
    expect(await index.customer('1')).toBeUndefined();
    expect(await index.customer('2')).toBeDefined();
    const left = await site.redis.keys(`${site.store.prefix}index:*`);
    expect(left.every((key) => key.startsWith(`${site.store.prefix}index:${next}:`))).toBe(true);
    expect(await site.redis.hget(`${site.store.prefix}surveyState`, 'page')).toBe('2');
  });

  it('that was begun anew takes no late page of the one before', async () => {
    const { index } = await surveyed();
    const first = await index.begin({ state: 'running' });
    const second = await index.begin({ state: 'running' });
    expect(await index.putCustomers([customer('1')], 10, { pass: first, state: { page: 9 } })).toBe(false);
    expect(await index.finish(first, { state: 'done' }, {})).toBe(false);
    expect(await index.finish(second, { state: 'done' }, {})).toBe(true);
    expect(await index.customer('1')).toBeUndefined();
  });

  it('gets what our own calls learn while it is built', async () => {
    const { index } = await surveyed();
    await index.putCustomers([customer('1', { reference: null })], 10);
    const next = await index.begin({ state: 'running' });
    await index.putCustomers([customer('1', { reference: 'linked' })], 30);
    // The page was asked for before the link was made, and is written down after it.
    await index.putCustomers([customer('1', { reference: null })], 20, { pass: next, state: { page: 2 } });
    await index.finish(next, { state: 'done' }, {});
    expect(await index.customer('1')).toMatchObject({ reference: 'linked' });
  });

  it('can be walked through, everybody at least once', async () => {
    const { index } = await surveyed();
    for (let page = 0; page < 6; page += 1) {
      const ids = Array.from({ length: 200 }, (_, i) => String(page * 200 + i + 1));
      await index.putCustomers(
        ids.map((id) => customer(id)),
        10,
      );
      await index.putSubscriptions(
        ids.map((id) => subscription(`9${id}`, id)),
        10,
      );
    }
    const seen = new Set<string>();
    let cursor = '0';
    do {
      const { next, rows } = await index.scan(cursor);
      for (const { id } of rows) seen.add(id);
      cursor = next;
    } while (cursor !== '0');
    expect(seen.size).toBe(1_200);
    const owned = new Set<string>();
    do {
      const { next, rows } = await index.scanSubscriptions(cursor, 100);
      for (const row of rows) owned.add(row.customerId);
      cursor = next;
    } while (cursor !== '0');
    expect(owned).toEqual(seen);
  });
});

describe('a look before a create', () => {
  it('knows nothing before the first survey has ended', async () => {
    const site = openSite(server);
    const index = new SurveyIndex(site.store);
    expect(await index.look('ref-1', ['c1@example.com'])).toEqual({ ready: false, strangers: [] });
    await index.begin({ state: 'running' });
    expect(await index.look('ref-1', ['c1@example.com'])).toEqual({ ready: false, strangers: [] });
    expect(await index.current()).toBeUndefined();
    expect(await index.byEmails(['c1@example.com'])).toEqual([]);
  });

  it('finds the customer with the reference, and strangers with an address, but nobody who is one of us', async () => {
    const { site, index } = await surveyed();
    expect(await site.store.commit(changeOf(9))).toMatchObject({ kind: 'ok' });
    const same = { email: 'ann@example.com' };
    await index.putCustomers(
      [
        customer('1', { ...same, reference: 'mine' }),
        customer('2', { ...same, reference: null }),
        customer('3', { ...same, reference: 'crm-3' }),
        customer('4', { ...same, reference: 'ref-9' }),
        customer('5', { email: '', reference: null }),
      ],
      10,
    );
    const sight = await index.look('mine', ['ann@example.com', '', 'ann@example.com']);
    expect(sight).toMatchObject({ ready: true, referenced: { id: '1' } });
    expect(sight).not.toHaveProperty('approved');
    expect(idsOf(sight.strangers)).toEqual(['2', '3']);
    expect(await index.look('nobody', ['else@example.com'])).toEqual({ ready: true, strangers: [] });
  });
});

it('20,000 customers with a subscription each need less than 40 MB', async () => {
  const { site, index } = await surveyed();
  const used = async () => Number(/used_memory:(\d+)/.exec(await site.redis.info('memory'))?.[1]);
  const before = await used();
  for (let page = 0; page < 100; page += 1) {
    const ids = Array.from({ length: 200 }, (_, i) => String(10_000_000 + page * 200 + i));
    const fields = {
      first_name: 'Someone',
      last_name: 'Ordinary',
      organization: 'Example Company Ltd',
      phone: '+1 555 0100',
      city: 'Springfield',
      country: 'US',
    };
    await index.putCustomers(
      ids.map((id) => customer(id, { fields: { ...fields, email: `c${id}@example.com` } })),
      1_763_735_000_000,
    );
    await index.putSubscriptions(
      ids.map((id) => subscription(`5${id}`, id)),
      1_763_735_000_000,
    );
  }
  expect(await index.counts()).toEqual({ customers: 20_000, subscriptions: 20_000, unreferenced: 0 });
  const megabytes = ((await used()) - before) / 1_048_576;
  console.log(`survey index of 20,000 + 20,000: ${megabytes.toFixed(1)} MB`);
  expect(megabytes).toBeLessThan(40);
});
