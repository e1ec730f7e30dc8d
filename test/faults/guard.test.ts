/**
 * The guard on a real service: a mistaken mass deactivation is answered as SCIM wants it and cancels nothing, a decision acts on exactly those it names.
 * Real processes, a real Redis, what Okta and Entra send over HTTP; the truth is the ledger of the sandbox.
 */
import { describe, expect, test, vi } from 'vitest';
import { Holds } from '../../src/directory/holds.ts';
import { Store } from '../../src/directory/store.ts';
import { patch, person } from '../support/people.ts';

import { useStage } from '../support/stage.ts';
import { joinAll, leaveAll, setActive } from '../support/steps.ts';

const PREFIX = 'scim:{us.acme}:';
const BY = { by: 'dana', requestId: 'req-d' };
/** What a site has that sets nothing. */
const GUARD = {
  MAXIO_PRODUCT_HANDLE: 'pro',
  MAXIO_GUARD_FLOOR: '5',
  MAXIO_GUARD_REVENUE_PERCENT: '10',
  MAXIO_GUARD_CALM_SECONDS: '5',
  LOG_LEVEL: 'warn',
};

const stage = useStage({ env: GUARD });

/** The desk of an operator, in a process other than the service's. */
function desk(): Holds {
  const guard = { floor: 5, hourPercent: 5, dayPercent: 10, revenuePercent: 10, calmSeconds: 5 };
  return new Holds(new Store(stage.redis.connect(), 'us.acme', { backlogLimit: 1, guard }));
}

/** References of those whose subscription was canceled, in order. */
function canceled(): (string | null)[] {
  const ids = stage.sandbox.state.ledger().flatMap(({ method, path }) => (method === 'DELETE' ? [/\d+/.exec(path)?.[0]] : []));
  const all = stage.sandbox.state.subscriptions();
  return ids.map((id) => all.find((subscription) => String(subscription.id) === id)?.customer?.reference ?? null);
}

function refs(...ns: number[]): string[] {
  return ns.map((n) => person(n).externalId);
}

/** Let every loss so far look older by so much. */
async function age(ms: number): Promise<void> {
  const rows = await stage.commands.zrange(`${PREFIX}losses`, '0', '-1', 'WITHSCORES');
  for (let at = 0; at + 1 < rows.length; at += 2)
    await stage.commands.zadd(`${PREFIX}losses`, Number(rows[at + 1]) - ms, String(rows[at]));
}

describe('F80 100 % of 2,000 people are deactivated by mistake', () => {
  test('SCIM answers 2xx and active:false, nothing is canceled; three are approved and exactly those are', {
    timeout: 300_000,
  }, async () => {
    const service = await stage.start();
    const ids = await joinAll(service, 2_000);
    expect(stage.sandbox.state.subscriptions().filter(({ state }) => state === 'active')).toHaveLength(2_000);

    const everybody = ids.map((_, i) => i + 1);
    await leaveAll(service, ids, everybody, (n) => (n % 2 === 0 ? 'okta' : 'entra'));
    expect(await service.health()).toMatchObject({ held: 2_000, pending: 0, mode: 'enforce' });
    const match = await service.scim('GET', `/Users?filter=userName%20eq%20%22${person(77).userName}%22`);
    expect(match.body).toMatchObject({ totalResults: 1, Resources: [{ active: false }] });
    expect(canceled()).toEqual([]);

    const holds = desk();
    expect(await holds.state()).toMatchObject({ held: 2_000, activePeople: 0, why: 'hour' });
    const { heldCents } = await holds.state();
    expect(heldCents, 'the revenue at stake').toBe(2_000 * Math.round(heldCents / 2_000));
    expect(heldCents).toBeGreaterThan(0);

    // Back silently, exempt for good, and held through a title: none of the three is ended, none is held twice.
    expect((await setActive(service, ids, 10, true, 'okta')).body.active).toBe(true);
    expect(await holds.decide(ids[10] ?? '', 'reject', BY)).toBe('done');
    await service.scim('PATCH', `/Users/${ids[11]}`, patch({ op: 'Replace', path: 'title', value: 'Clerk' }));
    expect((await service.scim('DELETE', `/Users/${ids[12]}`)).status).toBe(204);
    expect(await holds.state()).toMatchObject({ held: 1_998, exempt: 1 });

    for (const n of [3, 500, 2_000]) expect(await holds.decide(ids[n - 1] ?? '', 'approve', BY)).toBe('done');
    await vi.waitFor(() => expect(canceled().toSorted()).toEqual(refs(3, 500, 2_000).toSorted()), {
      timeout: 30_000,
      interval: 100,
    });
    await service.settled();
    expect(await service.health()).toMatchObject({ held: 1_995, pending: 0, parked: 0 });

    // Nothing releases itself, not even by a restart.
    await service.kill();
    const heir = await stage.start();
    await heir.settled();
    expect(canceled().toSorted()).toEqual(refs(3, 500, 2_000).toSorted());
    const live = stage.sandbox.state.subscriptions().filter(({ state }) => state === 'active');
    expect(live, 'everybody else is still billed').toHaveLength(1_997);
  });
});

describe('a small site with the default guard', () => {
  test('F82 everybody of a group is unassigned, each identity provider in its own words, over two replicas: one guard counts all', async () => {
    const one = await stage.start();
    const two = await stage.start();
    const ids = await joinAll(one, 40);
    await Promise.all([leaveAll(one, ids, [1, 3, 5, 7], () => 'entra'), leaveAll(two, ids, [2, 4, 6, 8], () => 'okta')]);
    expect(await one.health()).toMatchObject({ held: 8, pending: 0 });
    expect(await desk().state()).toMatchObject({ held: 8, lossesHour: 8, limitHour: 5 });
    expect(canceled()).toEqual([]);
  });

  test('F81 a slow bleed: five an hour are let go, until the limit of a day is passed', { timeout: 60_000 }, async () => {
    const service = await stage.start({ MAXIO_GUARD_CALM_SECONDS: '0', MAXIO_GUARD_REVENUE_PERCENT: '100' });
    const ids = await joinAll(service, 80);
    // 10 % of those who were there a day ago: eight.
    for (const numbers of [
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ]) {
      await leaveAll(service, ids, numbers, () => 'okta');
      await service.settled();
      await age(3_700_000);
    }
    expect(canceled().toSorted()).toEqual(refs(1, 2, 3, 4, 5, 6, 7, 8));
    await leaveAll(service, ids, [9], () => 'okta');
    expect(await service.health()).toMatchObject({ held: 1, pending: 0 });
    expect(await desk().state()).toMatchObject({ why: 'day', lossesHour: 1, lossesDay: 9 });
    expect(canceled()).toHaveLength(8);
  });

  test('F86 the same approval twice, at once and from two processes, is one cancel', async () => {
    const service = await stage.start({ MAXIO_GUARD_FLOOR: '0', MAXIO_GUARD_HOUR_PERCENT: '0', MAXIO_GUARD_DAY_PERCENT: '0' });
    const ids = await joinAll(service, 2);
    await leaveAll(service, ids, [1, 2], () => 'entra');
    expect(await service.health()).toMatchObject({ held: 2 });
    const answers = await Promise.all([desk(), desk()].map((holds) => holds.decide(ids[0] ?? '', 'approve', BY)));
    expect(answers.toSorted()).toEqual(['already', 'done']);
    await vi.waitFor(() => expect(canceled()).toEqual(refs(1)), { timeout: 15_000, interval: 50 });
    await service.settled();
    expect(await desk().decide(ids[0] ?? '', 'approve', BY), 'and once more, after it is done').toBe('already');
    expect(canceled()).toEqual(refs(1));
    expect(await service.health()).toMatchObject({ held: 1, pending: 0 });
  });

  test('F80 a burst is seen before its first effect: six of forty, one after the other', async () => {
    const service = await stage.start({ MAXIO_GUARD_REVENUE_PERCENT: '100' });
    const ids = await joinAll(service, 40);
    for (const n of [1, 2, 3, 4, 5]) await setActive(service, ids, n, false, 'okta');
    expect((await service.health()).held).toBe(0);
    await setActive(service, ids, 6, false, 'okta');
    expect(await service.health()).toMatchObject({ held: 6, pending: 0 });
    expect(canceled()).toEqual([]);
  });

  test('an ordinary leaver only waits for the calm', async () => {
    const service = await stage.start({ MAXIO_GUARD_CALM_SECONDS: '1' });
    const ids = await joinAll(service, 10);
    await leaveAll(service, ids, [1], () => 'entra');
    await vi.waitFor(() => expect(canceled()).toEqual(refs(1)), { timeout: 15_000, interval: 50 });
    expect(await service.health()).toMatchObject({ held: 0, parked: 0 });
  });
});
