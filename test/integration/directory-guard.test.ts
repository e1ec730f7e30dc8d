/**
 * The guard inside the commit script, on a real Redis: who counts as a loss, when it trips, whose leave is held, what a decision does, and that a hold
 * belongs to the leave and not to a generation. Time moves by writing older scores: Redis TIME itself cannot be moved.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GuardLimits } from '../../src/config.ts';
import { type GuardState, Holds } from '../../src/directory/holds.ts';
import type { UserRecord } from '../../src/directory/record.ts';
import type { WriteContext } from '../../src/directory/users.ts';
import { NO_GUARD } from '../support/guard.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { auditOf, body, CONTEXT, openSite, patchOf, type TestSite } from './directory-bench.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterAll(() => server.stop());

const BY = { by: 'dana', requestId: 'req-d' };
const HOUR_MS = 3_600_000;
const LEAVE = patchOf({ op: 'replace', path: 'active', value: false });
const COME = patchOf({ op: 'replace', path: 'active', value: true });

interface GuardedSite extends TestSite {
  holds: Holds;
  ids: string[];
}

/** A site with so many active people. */
async function staffed(people: number, guard: Partial<GuardLimits> = {}): Promise<GuardedSite> {
  const site = openSite(server, { guard: { ...NO_GUARD, floor: 2, hourPercent: 10, dayPercent: 20, ...guard } });
  const ids: string[] = [];
  for (let n = 1; n <= people; n += 1) ids.push((await site.users.create(body(n), CONTEXT)).id);
  return { ...site, holds: new Holds(site.store), ids };
}

function idOf(site: GuardedSite, n: number): string {
  return site.ids[n] ?? expect.fail(`nobody has the number ${n}`);
}

async function leave(site: GuardedSite, ...ns: number[]): Promise<UserRecord[]> {
  const left: UserRecord[] = [];
  for (const n of ns) left.push(await site.users.patch(idOf(site, n), LEAVE, CONTEXT));
  return left;
}

async function statesOf(site: GuardedSite, ...ns: number[]): Promise<(string | undefined)[]> {
  return (await site.store.readAll(ns.map((n) => idOf(site, n)))).map((record) => record.leave?.state);
}

/** Which of the site's lists hold the person. */
async function listsOf(site: GuardedSite, n: number): Promise<string[]> {
  const names = ['dirty', 'urgent', 'due', 'parked', 'held', 'exempt', 'losses'];
  const scores = await Promise.all(names.map((name) => site.redis.zscore(`${site.store.prefix}${name}`, idOf(site, n))));
  return names.filter((_, at) => scores[at] !== null);
}

/** Let every loss so far look older by so much. */
async function age(site: GuardedSite, ms: number): Promise<void> {
  const key = `${site.store.prefix}losses`;
  const rows = await site.redis.zrange(key, '0', '-1', 'WITHSCORES');
  for (let at = 0; at + 1 < rows.length; at += 2) await site.redis.zadd(key, Number(rows[at + 1]) - ms, String(rows[at]));
}

/** Say what each of these people brings in a month, as a run does after an answer of Maxio. */
async function worth(site: GuardedSite, cents: number, ...ns: number[]): Promise<void> {
  for (const n of ns) {
    const lease = (await site.runs.lease(idOf(site, n))) ?? expect.fail('somebody else has the lease');
    const subscriptions = [{ id: `s${n}`, origin: 'created' as const, state: 'active', monthlyCents: cents }];
    const link = { customerId: `c${n}`, origin: 'created' as const, confirmed: {}, subscriptions };
    expect(await site.runs.recordStep(lease, { generation: 1, link, open: [] })).toBeDefined();
    await site.runs.release(lease);
  }
}

async function settle(site: GuardedSite, n: number): Promise<void> {
  const lease = (await site.runs.lease(idOf(site, n))) ?? expect.fail('somebody else has the lease');
  const { generation } = (await site.store.read(idOf(site, n))) ?? expect.fail('no such person');
  expect(await site.runs.finish(lease, { generation, run: { outcome: 'settled', attempts: 0 } })).toMatchObject({ kind: 'ok' });
  await site.runs.release(lease);
}

const CALM: Partial<GuardState> = { held: 0, exempt: 0, heldCents: 0 };

describe('counting', () => {
  it('knows who is active, through create, leave, return, delete and revival', async () => {
    const site = await staffed(3);
    const active = async (): Promise<number> => (await site.holds.state()).activePeople;
    expect(await active()).toBe(3);
    await leave(site, 0);
    expect(await active()).toBe(2);
    await site.users.patch(idOf(site, 0), COME, CONTEXT);
    expect(await active()).toBe(3);
    await site.users.remove(idOf(site, 1), CONTEXT);
    expect(await active()).toBe(2);
    await site.users.create(body(2), CONTEXT);
    expect(await active()).toBe(3);
    await site.users.create(body(9, { active: false }), CONTEXT);
    expect(await active(), 'somebody who arrives inactive').toBe(3);
    expect((await site.holds.state()).lossesDay, 'everybody who left is back').toBe(0);
  });

  it('takes a leave and a DELETE for a loss, and neither a DELETE nor a title of somebody who has left', async () => {
    const site = await staffed(5, { floor: 100 });
    const losses = async (): Promise<number> => (await site.holds.state()).lossesHour;
    await leave(site, 0);
    await site.users.remove(idOf(site, 1), CONTEXT);
    expect(await losses()).toBe(2);
    const [before] = await site.store.readAll([idOf(site, 0)]);
    await site.users.patch(idOf(site, 0), patchOf({ op: 'replace', path: 'title', value: 'Clerk' }), CONTEXT);
    await site.users.remove(idOf(site, 0), CONTEXT);
    expect(await losses()).toBe(2);
    const [after] = await site.store.readAll([idOf(site, 0)]);
    expect(after?.leave, 'the leave is still the one of before').toEqual(before?.leave);
    await leave(site, 2);
    await site.users.patch(idOf(site, 2), patchOf({ op: 'replace', path: 'title', value: 'Clerk' }), CONTEXT);
    expect(await losses()).toBe(3);
  });

  it('F36 200 times out and in again is one person, never a mass, and nothing when it ends with in', async () => {
    const site = await staffed(4, { floor: 1, hourPercent: 0, dayPercent: 0 });
    for (let i = 0; i < 200; i += 1) await site.users.patch(idOf(site, 0), i % 2 === 0 ? LEAVE : COME, CONTEXT);
    expect(await site.holds.state()).toMatchObject({ ...CALM, lossesHour: 0, activePeople: 4 });
    await leave(site, 0);
    expect(await site.holds.state()).toMatchObject({ ...CALM, lossesHour: 1, activePeople: 3 });
    expect(await statesOf(site, 0)).toEqual(['free']);
  });

  it('forgets losses after a day, with their cents', async () => {
    const site = await staffed(6, { floor: 100 });
    await worth(site, 1_000, 0, 1, 2);
    await leave(site, 0, 1);
    await age(site, 25 * HOUR_MS);
    await leave(site, 2);
    expect(await site.redis.zcard(`${site.store.prefix}losses`)).toBe(1);
    expect(await site.redis.hgetall(`${site.store.prefix}lossCents`)).toEqual({ [idOf(site, 2)]: '1000' });
    expect(await site.redis.hget(`${site.store.prefix}guard`, 'lossCents')).toBe('1000');
  });

  it('sums the revenue of active people through answers, leaves and returns', async () => {
    const site = await staffed(4, { floor: 100 });
    await worth(site, 1_000, 0, 1, 2, 3);
    expect((await site.holds.state()).activeCents).toBe(4_000);
    await worth(site, 2_500, 0);
    expect((await site.holds.state()).activeCents).toBe(5_500);
    await leave(site, 0);
    expect((await site.holds.state()).activeCents).toBe(3_000);
    await site.users.patch(idOf(site, 0), COME, CONTEXT);
    expect((await site.holds.state()).activeCents).toBe(5_500);
    expect((await site.store.read(idOf(site, 0)))?.monthlyCents).toBe(2_500);
  });

  it('completes itself once for data that nobody has counted, while people come and go', async () => {
    const site = await staffed(30, { floor: 100 });
    await leave(site, 3);
    await site.redis.del(`${site.store.prefix}active`);
    await Promise.all([site.store.countActive(), leave(site, 4, 5), site.users.create(body(99), CONTEXT)]);
    expect((await site.holds.state()).activePeople).toBe(28);
    await site.redis.del(`${site.store.prefix}active`);
    await site.store.countActive();
    expect((await site.holds.state()).activePeople, 'only once').toBe(0);
  });
});

describe('the trip', () => {
  it('F80 comes with the leaver beyond the limit, and takes back those who are not applied yet', async () => {
    const site = await staffed(40);
    const replica = { ...site.replica(), holds: site.holds, ids: site.ids };
    await leave(site, 0);
    await settle(site, 0);
    await leave(replica, 1, 2);
    expect(await statesOf(site, 0, 1, 2)).toEqual(['free', 'free', 'free']);
    // 10 % of the 40 who were there an hour ago.
    const [fourth, fifth] = await leave(site, 3, 4);
    expect(fourth?.leave?.state).toBe('free');
    expect(fifth?.leave, 'told to whoever would ring').toMatchObject({ state: 'held', why: 'hour' });
    expect(await statesOf(site, 0, 1, 2, 3, 4)).toEqual(['free', 'held', 'held', 'held', 'held']);
    expect(await listsOf(site, 1)).toEqual(['held', 'losses']);
    expect(await listsOf(site, 4)).toEqual(['held', 'losses']);
    await leave(replica, 5);
    expect(await listsOf(site, 5)).toEqual(['held', 'losses']);
    expect(await site.holds.state()).toMatchObject({ held: 5, why: 'hour', lossesHour: 6, limitHour: 4, activePeople: 34 });
    expect(await site.holds.list(0, 10)).toHaveLength(5);
    const entries = (await auditOf(site)).map(({ entry }) => JSON.parse(entry ?? '{}'));
    expect(entries.filter(({ what }) => what === 'tripped')).toEqual([
      { kind: 'guard', what: 'tripped', why: 'hour', lossesHour: 5, lossesDay: 5, active: 35, held: 4 },
    ]);
    expect(entries.filter(({ what }) => what === 'held')).toHaveLength(5);
  });

  it('F81 a slow bleed that never passes the limit of an hour passes the one of a day', async () => {
    const site = await staffed(40);
    for (let n = 0; n < 8; n += 1) {
      await leave(site, n);
      expect((await site.holds.state()).held, `leaver ${n + 1}`).toBe(0);
      await age(site, HOUR_MS);
    }
    await leave(site, 8);
    expect(await site.holds.state()).toMatchObject({ held: 9, why: 'day', lossesHour: 1, lossesDay: 9, limitDay: 8 });
  });

  it('takes back a leaver who is parked, too: neither a title nor a retry lets them through', async () => {
    const site = await staffed(6, { floor: 2, hourPercent: 0, dayPercent: 0 });
    await leave(site, 0);
    const lease = (await site.runs.lease(idOf(site, 0))) ?? expect.fail('somebody else has the lease');
    const run = { outcome: 'parked' as const, reason: 'cannot-end', attempts: 0 };
    expect(await site.runs.finish(lease, { generation: 2, run })).toMatchObject({ kind: 'ok' });
    expect(await listsOf(site, 0)).toEqual(['parked', 'losses']);
    await leave(site, 1, 2);
    expect(await statesOf(site, 0, 1, 2)).toEqual(['held', 'held', 'held']);
    expect(await listsOf(site, 0)).toEqual(['held', 'losses']);
    expect((await site.store.read(idOf(site, 0)))?.run, 'what stopped them is asked anew after an approval').toBeUndefined();
    expect(await site.runs.retry(idOf(site, 0), { kind: 'operator', what: 'retry' })).toBe(false);
    await site.users.patch(idOf(site, 0), patchOf({ op: 'replace', path: 'title', value: 'Clerk' }), CONTEXT);
    expect(await listsOf(site, 0)).toEqual(['held', 'losses']);
  });

  it('F36 is not reset by somebody who leaves and comes back: what was applied without a decision stays counted', async () => {
    const site = await staffed(12, { floor: 2, hourPercent: 0, dayPercent: 0 });
    for (const n of [0, 1]) {
      await leave(site, n);
      await settle(site, n);
    }
    for (let n = 2; n < 6; n += 1) {
      await leave(site, 11);
      expect(await statesOf(site, 11)).toEqual(['held']);
      await site.users.patch(idOf(site, 11), COME, CONTEXT);
      expect(await site.holds.state()).toMatchObject({ held: 0, lossesHour: 2 });
      await leave(site, n);
      expect(await statesOf(site, n), `leaver ${n + 1} beside somebody who flaps`).toEqual(['held']);
      await site.users.patch(idOf(site, n), COME, CONTEXT);
    }
    expect(await site.holds.state()).toMatchObject({ ...CALM, lossesHour: 2, activePeople: 10 });
  });

  it('lets the floor leave where a percentage would be nobody, and holds everybody where both are 0', async () => {
    const small = await staffed(4, { floor: 3, hourPercent: 5, dayPercent: 5 });
    await leave(small, 0, 1, 2);
    expect((await small.holds.state()).held).toBe(0);
    await leave(small, 3);
    expect((await small.holds.state()).held).toBe(4);
    const strict = await staffed(4, { floor: 0, hourPercent: 0, dayPercent: 0 });
    await leave(strict, 0);
    expect(await statesOf(strict, 0)).toEqual(['held']);
  });

  it('weighs revenue: two people of thirty who bring in a fifth of it', async () => {
    const site = await staffed(30, { floor: 100, revenuePercent: 10 });
    await worth(site, 1_000, ...site.ids.keys());
    await worth(site, 5_000, 0, 1);
    await leave(site, 2, 3);
    expect((await site.holds.state()).held).toBe(0);
    await leave(site, 0);
    expect(await site.holds.state()).toMatchObject({ held: 3, why: 'revenue', heldCents: 7_000, activeCents: 31_000 });
  });

  it('does not weigh revenue among twenty people or fewer', async () => {
    const site = await staffed(20, { floor: 100, revenuePercent: 10 });
    await worth(site, 1_000, ...site.ids.keys());
    await leave(site, 0, 1, 2, 3);
    expect((await site.holds.state()).held).toBe(0);
  });
});

/** Six people, three of them held. */
async function tripped(): Promise<GuardedSite> {
  const site = await staffed(6, { floor: 2, hourPercent: 0, dayPercent: 0 });
  await worth(site, 1_000, ...site.ids.keys());
  await leave(site, 0, 1, 2);
  expect(await statesOf(site, 0, 1, 2)).toEqual(['held', 'held', 'held']);
  return site;
}

describe('a hold', () => {
  it('is neither lost nor made twice by a later title', async () => {
    const site = await tripped();
    const title = patchOf({ op: 'replace', path: 'title', value: 'Clerk' });
    const record = await site.users.patch(idOf(site, 0), title, CONTEXT);
    expect(record.leave).toMatchObject({ state: 'held', why: 'hour' });
    expect(await listsOf(site, 0)).toEqual(['held', 'losses']);
    expect(await site.holds.state()).toMatchObject({ held: 3, heldCents: 3_000, lossesHour: 3 });
  });

  it('is kept by a DELETE of the person', async () => {
    const site = await tripped();
    await site.users.remove(idOf(site, 0), CONTEXT);
    expect(await site.store.read(idOf(site, 0))).toMatchObject({ deleted: true, leave: { state: 'held' } });
    expect(await listsOf(site, 0)).toEqual(['held', 'losses']);
    expect(await site.holds.state()).toMatchObject({ held: 3, lossesHour: 3 });
  });

  it('is left silently by coming back, also by a POST after a DELETE, and the trip ends with the last', async () => {
    const site = await tripped();
    await site.users.remove(idOf(site, 0), CONTEXT);
    const back = await site.users.create(body(1), CONTEXT);
    expect(back).toMatchObject({ id: idOf(site, 0), deleted: false });
    expect(back.leave).toBeUndefined();
    expect(await listsOf(site, 0)).toEqual(['dirty']);
    expect(await site.store.read(idOf(site, 0))).not.toHaveProperty('leave');
    await site.users.patch(idOf(site, 1), COME, CONTEXT);
    expect(await site.holds.state()).toMatchObject({ held: 1, heldCents: 1_000, why: 'hour' });
    await site.users.patch(idOf(site, 2), COME, CONTEXT);
    const state = await site.holds.state();
    expect(state).toMatchObject({ ...CALM, lossesHour: 0, activePeople: 6, activeCents: 6_000 });
    expect(state.why).toBeUndefined();
    await leave(site, 0, 1);
    expect(await statesOf(site, 0, 1), 'counted anew').toEqual(['free', 'free']);
  });

  it('gives way when a run that was at work has already ended everything', async () => {
    const site = await staffed(6, { floor: 2, hourPercent: 0, dayPercent: 0 });
    await leave(site, 0);
    const lease = (await site.runs.lease(idOf(site, 0))) ?? expect.fail('somebody else has the lease');
    await leave(site, 1, 2);
    expect(await statesOf(site, 0, 1, 2)).toEqual(['held', 'held', 'held']);
    const end = { generation: 2, waitMs: 50, run: { outcome: 'postponed' as const, attempts: 0 } };
    expect(await site.runs.finish(lease, end), 'anything else waits for the decision').toEqual({ kind: 'moved' });
    expect(await listsOf(site, 0)).toEqual(['held', 'losses']);
    const done = { generation: 2, run: { outcome: 'settled' as const, attempts: 0 } };
    expect(await site.runs.finish(lease, done)).toMatchObject({ kind: 'ok' });
    expect(await listsOf(site, 0)).toEqual(['losses']);
    expect(await statesOf(site, 0)).toEqual(['free']);
  });
});

describe('a decision', () => {
  it('that comes while a run is at work is what the run ends by: an approved leaver does not wait out the grace', async () => {
    const site = await staffed(6, { floor: 0, hourPercent: 0, dayPercent: 0 });
    const lease = (await site.runs.lease(idOf(site, 0))) ?? expect.fail('somebody else has the lease');
    await leave(site, 0);
    expect(await site.holds.decide(idOf(site, 0), 'approve', BY)).toBe('done');
    const run = { outcome: 'postponed' as const, reason: 'grace', attempts: 0 };
    expect(await site.runs.finish(lease, { generation: 2, leave: 'free', waitMs: 3_600_000, run })).toEqual({ kind: 'moved' });
    expect(await listsOf(site, 0)).toEqual(['dirty', 'urgent']);
    const approved = { generation: 2, leave: 'approved' as const, run: { outcome: 'settled' as const, attempts: 0 } };
    expect(await site.runs.finish(lease, approved)).toMatchObject({ kind: 'ok' });
    expect(await listsOf(site, 0)).toEqual([]);
  });

  it('F86 approval is one effect, however often and from wherever it comes', async () => {
    const site = await tripped();
    const elsewhere = new Holds(site.replica().store);
    const id = idOf(site, 0);
    const answers = await Promise.all([site.holds, elsewhere, site.holds].map((holds) => holds.decide(id, 'approve', BY)));
    expect(answers.toSorted()).toEqual(['already', 'already', 'done']);
    expect(await elsewhere.decide(id, 'reject', BY), 'what is decided stays decided').toBe('already');
    expect(await listsOf(site, 0)).toEqual(['dirty', 'urgent']);
    const { leave } = (await site.store.read(id)) ?? expect.fail('no such person');
    expect(leave).toMatchObject({ state: 'approved', why: 'hour', by: 'dana', decidedAtMs: expect.any(Number) });
    expect(await site.holds.state()).toMatchObject({ held: 2, heldCents: 2_000, lossesHour: 2, why: 'hour' });
    const decided = (await auditOf(site)).map(({ entry }) => JSON.parse(entry ?? '{}')).filter(({ kind }) => kind === 'operator');
    expect(decided).toEqual([{ kind: 'operator', what: 'approve-leave', actor: 'dana', requestId: 'req-d' }]);
  });

  it('of rejection makes exempt: in no list of work, through titles and a DELETE, until the person has been active again', async () => {
    const site = await tripped();
    expect(await site.holds.decide(idOf(site, 0), 'reject', BY)).toBe('done');
    expect(await listsOf(site, 0)).toEqual(['exempt']);
    await site.users.patch(idOf(site, 0), patchOf({ op: 'replace', path: 'title', value: 'Clerk' }), CONTEXT);
    await site.users.remove(idOf(site, 0), CONTEXT);
    expect(await listsOf(site, 0)).toEqual(['exempt']);
    expect(await site.holds.exempt(0, 10)).toEqual([idOf(site, 0)]);
    expect(await site.runs.retry(idOf(site, 0), { kind: 'operator', what: 'retry' })).toBe(false);
    await site.users.create(body(1), CONTEXT);
    expect(await listsOf(site, 0)).toEqual(['dirty']);
    expect(await site.holds.state()).toMatchObject({ exempt: 0, held: 2 });
  });

  it('about somebody who is not held is none', async () => {
    const site = await tripped();
    expect(await site.holds.decide(idOf(site, 5), 'approve', BY)).toBe('not-held');
    expect(await site.holds.decide('nobody', 'reject', BY)).toBe('not-held');
    expect(await listsOf(site, 5)).toEqual(['dirty']);
  });

  it('about the last ends the trip, and counting begins anew', async () => {
    const site = await tripped();
    await site.holds.decide(idOf(site, 0), 'approve', BY);
    await site.holds.decide(idOf(site, 1), 'reject', BY);
    await leave(site, 3);
    expect(await statesOf(site, 3), 'nothing releases itself').toEqual(['held']);
    for (const n of [2, 3]) await site.holds.decide(idOf(site, n), 'reject', BY);
    expect(await site.holds.state()).toMatchObject({ held: 0, exempt: 3, heldCents: 0, lossesHour: 0, lossesDay: 0 });
    await leave(site, 4, 5);
    expect(await statesOf(site, 4, 5)).toEqual(['free', 'free']);
    const whats = (await auditOf(site)).map(({ entry }) => JSON.parse(entry ?? '{}').what);
    expect(whats.filter((what) => what === 'trip-ended')).toHaveLength(1);
  });
});

it('F82 everybody of a group leaves at once, over many replicas: all are held, also those within the limit', async () => {
  const site = await staffed(200, { floor: 5, hourPercent: 5, dayPercent: 10 });
  const replicas = [site, site.replica(), site.replica(), site.replica()];
  const context: WriteContext = { ...CONTEXT, actor: 'entra' };
  await Promise.all(
    site.ids.map((id, n) =>
      (replicas[n % 4] ?? site).users.patch(id, patchOf({ op: 'Replace', path: 'active', value: 'False' }), context),
    ),
  );
  const state = await site.holds.state();
  expect(state).toMatchObject({ held: 200, activePeople: 0, why: 'hour' });
  expect(await site.redis.zcard(`${site.store.prefix}urgent`)).toBe(0);
  expect(await site.redis.zcard(`${site.store.prefix}dirty`)).toBe(0);
});
