/**
 * Drift on a real service: what staff have changed at Maxio is found, all of it and nothing else, while work goes on; it is repaired when asked,
 * and somebody who changes it back is shown, not fought. Real process, real Redis; the truth is the ledger of the sandbox.
 */
import { describe, expect, test, vi } from 'vitest';
import type { StoredDriftRow } from '../../src/directory/drift-report.ts';
import { oktaUser, person } from '../support/people.ts';
import { OpsDoor } from '../support/rollout.ts';
import { OPS_TOKEN, type Service } from '../support/service.ts';
import { useStage } from '../support/stage.ts';
import { joinAll, setActive } from '../support/steps.ts';

type Row = Omit<StoredDriftRow, 'key' | 'sinceMs'> & { sinceAt: string };

interface Report {
  state: string;
  at: string | null;
  full: boolean;
  counts: Record<string, number>;
  rows: Row[];
}

const stage = useStage({ env: { MAXIO_PRODUCT_HANDLE: 'pro', LOG_LEVEL: 'warn' } });

async function start(env: Record<string, string> = {}): Promise<{ service: Service; door: OpsDoor }> {
  const service = await stage.start(env);
  return { service, door: new OpsDoor(service.url, OPS_TOKEN) };
}

/** Redis TIME has no say in when staff are done; the next report has to begin after the last one and after everybody's last run. */
async function look(door: OpsDoor, full = false): Promise<Report> {
  const before = (await door.get<Report>('/drift')).at;
  await door.post('/drift', full ? { full: true } : {});
  return await vi.waitFor(
    async () => {
      const report = await door.get<Report>('/drift');
      if (report.state !== 'done' || report.at === before) throw new Error(`the report is ${report.state}`);
      return report;
    },
    { timeout: 60_000, interval: 100 },
  );
}

interface Theirs {
  customerId: number;
  subscriptionId: number;
}

/** What person number n has at Maxio. */
function of(n: number): Theirs {
  const { externalId } = person(n);
  const customer = stage.sandbox.state.customers().find(({ reference }) => reference === externalId);
  const subscription = stage.sandbox.state.subscriptions().find((each) => each.customer?.reference === externalId);
  return { customerId: customer?.id ?? 0, subscriptionId: subscription?.id ?? 0 };
}

/** Calls that are no reading. */
function writes(since = 0): string[] {
  return stage.sandbox.state
    .ledger()
    .slice(since)
    .filter(({ method }) => method !== 'GET')
    .map(({ method, path }) => `${method} ${path}`);
}

function shown(report: Report): string[] {
  return report.rows.map(({ kind, userName }) => `${kind} ${userName}`).sort();
}

function name(n: number): string {
  return person(n).userName;
}

describe('differences that staff have made', () => {
  test('ten planted ones are found among 500 people with work going on, and nothing else', { timeout: 240_000 }, async () => {
    const { service, door } = await start();
    const ids = await joinAll(service, 500);
    for (const n of [490, 491, 492]) await setActive(service, ids, n, false, 'okta');
    await service.settled();
    const first = await look(door);
    expect(first.full).toBe(true);
    expect(first.rows).toEqual([]);

    const { state } = stage.sandbox;
    state.staff({ do: 'cancel-subscription', id: of(1).subscriptionId });
    state.staff({ do: 'create-subscription', customerId: of(490).customerId, subscription: { product_handle: 'pro' } });
    state.editSubscription(of(491).subscriptionId, { state: 'active' });
    state.staff({ do: 'edit-customer', id: of(2).customerId, changes: { last_name: 'Changed' } });
    state.staff({ do: 'edit-customer', id: of(3).customerId, changes: { email: 'elsewhere@example.net' } });
    state.staff({ do: 'delete-customer', id: of(4).customerId });
    state.staff({ do: 'edit-customer', id: of(5).customerId, changes: { reference: 'renamed-by-staff' } });
    state.staff({ do: 'create-customer', customer: { reference: null, email: name(6), first_name: 'Twin', last_name: 'Six' } });
    state.staff({ do: 'create-subscription', customerId: of(7).customerId, subscription: { product_handle: 'pro' } });
    state.staff({ do: 'end-subscription-later', id: of(8).subscriptionId });
    // Nobody's business: what we never set, customers without anybody, and a change that is made back.
    state.staff({ do: 'edit-customer', id: of(20).customerId, changes: { organization: 'Filled in by staff' } });
    state.staff({ do: 'create-customer', customer: { reference: 'other-system-1', email: 'nobody@example.org' } });
    state.staff({ do: 'edit-customer', id: of(21).customerId, changes: { last_name: 'Briefly' } });
    state.staff({ do: 'edit-customer', id: of(21).customerId, changes: { last_name: person(21).familyName } });

    // Work that goes on meanwhile: people join, leave and change while the report is made.
    const busy = Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const n = 30 + i;
        const changed = { ...person(n), familyName: `Renamed${n}` };
        if (i % 3 === 0) return await setActive(service, ids, n, false, 'entra');
        if (i % 3 === 1) return await service.scim('PUT', `/Users/${ids[n - 1]}`, oktaUser(changed, { id: ids[n - 1] }));
        return await service.scim('POST', '/Users', oktaUser(person(1_000 + n)));
      }),
    );
    const expected = [
      `active-unbilled ${name(1)}`,
      `customer-deleted ${name(4)}`,
      `duplicate-customer ${name(6)}`,
      `duplicate-subscription ${name(7)}`,
      `ending-foreign ${name(8)}`,
      `fields-differ ${name(2)}`,
      `fields-differ ${name(3)}`,
      `left-billed ${name(490)}`,
      `left-billed ${name(491)}`,
      `reference-changed ${name(5)}`,
    ];
    const during = await look(door);
    expect(during.full).toBe(false);
    expect(shown(during)).toEqual(expected);
    await busy;
    await service.settled();
    const after = await look(door);
    expect(shown(after)).toEqual(expected);
    // The same differences keep the moment at which they were first seen.
    expect(after.rows.map(({ sinceAt }) => sinceAt).sort()).toEqual(during.rows.map(({ sinceAt }) => sinceAt).sort());
    // Details name fields and states, never what they hold.
    const told = after.rows.map(({ detail }) => detail).join('\n');
    expect(told).not.toMatch(/Changed|elsewhere|renamed-by-staff/);
  });

  test('a quiet look costs three calls', { timeout: 120_000 }, async () => {
    const { service, door } = await start();
    await joinAll(service, 5);
    await look(door);
    const before = stage.sandbox.state.ledger().length;
    const report = await look(door);
    expect(report.rows).toEqual([]);
    const calls = stage.sandbox.state
      .ledger()
      .slice(before)
      .map(({ path }) => path.replace(/\?.*/, ''));
    expect(calls).toEqual(['/customers.json', '/subscriptions.json', '/events.json']);
  });

  test('a leave that an operator has rejected is shown as exempt and never repaired', { timeout: 120_000 }, async () => {
    const { service, door } = await start({ MAXIO_GUARD_FLOOR: '0', MAXIO_GUARD_HOUR_PERCENT: '0', MAXIO_DRIFT: 'repair' });
    const ids = await joinAll(service, 2);
    await setActive(service, ids, 1, false, 'okta');
    await vi.waitFor(async () => expect((await service.health()).held).toBe(1), { timeout: 10_000 });
    expect((await look(door)).rows).toEqual([]);
    await door.post('/held/reject', { ids: [ids[0]] });
    const before = stage.sandbox.state.ledger().length;
    const report = await look(door);
    expect(report.rows).toMatchObject([{ kind: 'left-billed', personId: ids[0], exempt: true, repair: 'none' }]);
    const asked = await door.post<{ repaired: number; skipped: { id: string }[] }>('/drift/repair', { all: true });
    expect(asked).toMatchObject({ repaired: 0, skipped: [{ id: ids[0] }] });
    expect(writes(before)).toEqual([]);
  });
});

describe('F51 a subscription or customer is changed by hand at Maxio', () => {
  test('F51 repair brings each kind in step again through the normal plan', { timeout: 180_000 }, async () => {
    const { service, door } = await start();
    const ids = await joinAll(service, 6);
    await setActive(service, ids, 5, false, 'okta');
    await service.settled();
    await look(door);
    const { state } = stage.sandbox;
    const gone = of(4);
    state.staff({ do: 'cancel-subscription', id: of(1).subscriptionId });
    state.staff({ do: 'edit-customer', id: of(2).customerId, changes: { last_name: 'Changed' } });
    state.staff({ do: 'hold-subscription', id: of(3).subscriptionId });
    state.staff({ do: 'delete-customer', id: gone.customerId });
    state.editSubscription(of(5).subscriptionId, { state: 'active' });
    state.staff({ do: 'end-subscription-later', id: of(6).subscriptionId });
    const report = await look(door);
    expect(shown(report)).toEqual([
      `active-unbilled ${name(1)}`,
      `customer-deleted ${name(4)}`,
      `ending-foreign ${name(3)}`,
      `ending-foreign ${name(6)}`,
      `fields-differ ${name(2)}`,
      `left-billed ${name(5)}`,
    ]);
    // Report alone touches nothing.
    expect(report.rows.every(({ repair }) => repair === 'possible')).toBe(true);
    expect(await door.post('/drift/repair', { all: true })).toMatchObject({ repaired: 6, skipped: [] });
    await service.settled();

    expect(
      state.subscriptions().filter((each) => each.customer?.reference === person(1).externalId && each.state === 'active'),
    ).toHaveLength(1);
    expect(state.customers().find(({ reference }) => reference === person(2).externalId)?.last_name).toBe(person(2).familyName);
    expect(state.subscriptions().find(({ id }) => id === of(3).subscriptionId)?.state).toBe('active');
    expect(of(4).customerId).toBeGreaterThan(gone.customerId);
    expect(state.subscriptions().find(({ id }) => id === of(5).subscriptionId)?.state).toBe('canceled');
    expect(state.subscriptions().find(({ id }) => id === of(6).subscriptionId)?.cancel_at_end_of_period).toBe(false);
    expect((await look(door)).rows).toEqual([]);
  });

  test('F51 by policy a difference is repaired once; staff who change it back are shown, not fought', {
    timeout: 180_000,
  }, async () => {
    const { service, door } = await start({ MAXIO_DRIFT: 'repair' });
    const ids = await joinAll(service, 3);
    await look(door);
    const { customerId } = of(1);
    const puts = () => writes().filter((call) => call === `PUT /customers/${customerId}.json`).length;
    stage.sandbox.state.staff({ do: 'edit-customer', id: customerId, changes: { last_name: 'Mine' } });
    expect((await look(door)).counts).toEqual({ 'fields-differ': 1 });
    await vi.waitFor(() => expect(puts()).toBe(1), { timeout: 10_000 });
    await service.settled();
    expect((await look(door)).rows).toEqual([]);

    for (let again = 0; again < 3; again += 1) {
      stage.sandbox.state.staff({ do: 'edit-customer', id: customerId, changes: { last_name: `Mine again ${again}` } });
      const report = await look(door);
      expect(report.rows).toMatchObject([{ kind: 'fields-differ', userName: name(1), repair: 'contested' }]);
      expect(puts()).toBe(1);
    }
    // An operator may go on where the service does not: about this person, not by a word about many.
    const [id] = ids;
    const alone = { repaired: 0, skipped: [{ id, detail: expect.stringContaining('Somebody wants it so') }] };
    expect(await door.post('/drift/repair', { kind: 'fields-differ' })).toEqual({ ...alone, left: 0 });
    expect(await door.post('/drift/repair', { all: true })).toEqual({ ...alone, left: 0 });
    expect(puts()).toBe(1);
    expect(await door.post('/drift/repair', { ids: [id] })).toMatchObject({ repaired: 1, skipped: [] });
    await vi.waitFor(() => expect(puts()).toBe(2), { timeout: 10_000 });
    await service.settled();
    expect((await look(door)).rows).toEqual([]);
  });

  test('F51 somebody who left and is sold a subscription again is shown, and ended only by name', {
    timeout: 120_000,
  }, async () => {
    const { externalId, userName: email } = person(1);
    stage.sandbox.state.seed({ customers: [{ reference: externalId, email, first_name: 'Was', last_name: 'There' }] });
    const { service, door } = await start({ MAXIO_DRIFT: 'repair' });
    const ids = await joinAll(service, 1);
    await setActive(service, ids, 1, false, 'okta');
    await service.settled();
    expect((await look(door)).rows).toEqual([]);

    const { customerId } = of(1);
    stage.sandbox.state.staff({ do: 'create-subscription', customerId, subscription: { product_handle: 'pro' } });
    const before = stage.sandbox.state.ledger().length;
    expect((await look(door)).rows).toMatchObject([{ kind: 'left-billed', personId: ids[0], repair: 'contested' }]);
    for (const wish of [{ all: true }, { kind: 'left-billed' }]) {
      expect(await door.post('/drift/repair', wish)).toMatchObject({ repaired: 0, skipped: [{ id: ids[0] }] });
    }
    expect(await stage.commands.zcard('scim:{us.acme}:dirty')).toBe(0);
    expect(writes(before)).toEqual([]);
    expect(await door.post('/drift/repair', { ids })).toMatchObject({ repaired: 1, skipped: [] });
    await service.settled();
    expect(writes(before)).toEqual([expect.stringMatching(/^DELETE \/subscriptions\//)]);
  });

  test('F51 by policy not so many are repaired that somebody must have meant it', { timeout: 120_000 }, async () => {
    const { service, door } = await start({ MAXIO_DRIFT: 'repair', MAXIO_GUARD_FLOOR: '3', MAXIO_GUARD_HOUR_PERCENT: '0' });
    await joinAll(service, 8);
    await look(door);
    const before = stage.sandbox.state.ledger().length;
    for (const n of [1, 2, 3, 4]) stage.sandbox.state.staff({ do: 'cancel-subscription', id: of(n).subscriptionId });
    const report = await look(door);
    expect(report.counts).toEqual({ 'active-unbilled': 4 });
    expect(report.rows.every(({ repair }) => repair === 'possible')).toBe(true);
    expect(writes(before)).toEqual([]);
    expect(await door.post('/drift/repair', { all: true })).toMatchObject({ repaired: 4 });
    await service.settled();
    expect(writes(before)).toHaveLength(4);
  });

  test('F51 a person with a change on the way is left to it, and one that is only observed is not repaired', {
    timeout: 120_000,
  }, async () => {
    const { service, door } = await start();
    const ids = await joinAll(service, 2);
    await look(door);
    stage.sandbox.state.staff({ do: 'edit-customer', id: of(1).customerId, changes: { last_name: 'Mine' } });
    await look(door);
    await door.post('/mode', { mode: 'observe' });
    expect(await door.post('/drift/repair', { all: true })).toMatchObject({ repaired: 0, skipped: [{ id: ids[0] }] });
    const renamed = { ...person(1), familyName: 'Newer' };
    await service.scim('PUT', `/Users/${ids[0]}`, oktaUser(renamed, { id: ids[0] }));
    expect((await look(door)).rows).toEqual([]);
    expect(await stage.commands.zcard('scim:{us.acme}:dirty')).toBe(1);
  });
});
