/**
 * What a run may write, on a real Redis: only with the lease, settled only on the generation it read, and never past a later change.
 * The lists that the sweep and people on call read are here, too. Refuses to know what a run does.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Lease } from '../../src/directory/runs.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { auditOf, changeOf, dump, openSite, type TestSite } from './directory-bench.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterAll(() => server.stop());

const settled = { outcome: 'settled' as const, attempts: 0 };
const AUDIT = { kind: 'run' as const, what: 'ended' };

async function dirty(site: TestSite, ...ns: (number | string)[]): Promise<void> {
  for (const n of ns) expect(await site.store.commit(changeOf(n))).toMatchObject({ kind: 'ok' });
}

async function leased(site: TestSite, n: number | string = 1): Promise<Lease> {
  return (await site.runs.lease(`id-${n}`)) ?? expect.fail('somebody else has the lease');
}

/** Which of the site's lists hold the person. */
async function listsOf(site: TestSite, id = 'id-1'): Promise<string[]> {
  const names = ['dirty', 'urgent', 'due', 'parked'];
  const scores = await Promise.all(names.map((name) => site.redis.zscore(`${site.store.prefix}${name}`, id)));
  return names.filter((_, at) => scores[at] !== null);
}

describe('the lease', () => {
  it("F33 is one person's at a time, over replicas, and free again when given back", async () => {
    const site = openSite(server);
    const other = site.replica();
    const lease = await leased(site);
    expect(await other.runs.lease('id-1')).toBeUndefined();
    expect(await other.runs.lease('id-2')).toBeDefined();
    expect(await site.runs.renew(lease)).toBe(true);
    await site.runs.release(lease);
    expect(await site.runs.renew(lease)).toBe(false);
    expect(await other.runs.lease('id-1')).toBeDefined();
  });

  it('F33 that has run out cannot be renewed or given back under its successor', async () => {
    const site = openSite(server, { leaseMs: 40 });
    const old = await leased(site);
    await expect.poll(() => site.redis.exists(old.key)).toBe(0);
    const patient = openSite(server, { key: site.key, leaseMs: 30_000 });
    const young = await leased(patient);
    expect(await site.runs.renew(old)).toBe(false);
    await site.runs.release(old);
    expect(await patient.redis.get(young.key)).toBe(young.token);
  });

  it('is longer after a renewal', async () => {
    const site = openSite(server);
    const lease = await leased(site);
    await site.redis.pexpire(lease.key, 1_000);
    await site.runs.renew(lease);
    expect(await site.redis.pttl(lease.key)).toBeGreaterThan(20_000);
  });
});

describe('without the lease', () => {
  it.each(['given back', "somebody else's"])('F28 nothing is written: %s', async (how) => {
    const site = openSite(server);
    await dirty(site, 1);
    const old = await leased(site);
    await site.runs.release(old);
    if (how !== 'given back') await leased(site);
    const before = await dump(site);
    const link = { customerId: '5', origin: 'created' as const, confirmed: {}, subscriptions: [] };
    expect(await site.runs.recordStep(old, { generation: 1, link, open: [], audit: AUDIT })).toBeUndefined();
    expect(await site.runs.finish(old, { generation: 1, run: settled, audit: AUDIT, waitMs: 5 })).toEqual({ kind: 'fenced' });
    expect(await dump(site)).toEqual(before);
  });
});

describe('the end of a run', () => {
  it('settles the generation it read and takes the person off every list', async () => {
    const site = openSite(server);
    await dirty(site, 1);
    await site.store.commit(changeOf(1, { expected: 1, deleted: true }));
    expect(await listsOf(site)).toEqual(['dirty', 'urgent']);
    const since = Number(await site.redis.zscore(`${site.store.prefix}dirty`, 'id-1'));
    const end = await site.runs.finish(await leased(site), { generation: 2, run: settled, audit: AUDIT });
    expect(end).toMatchObject({ kind: 'ok', dirtySinceMs: since });
    expect(await listsOf(site)).toEqual([]);
    const ended = await site.store.read('id-1');
    expect(ended).toMatchObject({
      settledGeneration: 2,
      settledAtMs: ended?.run?.atMs,
      run: { outcome: 'settled', attempts: 0 },
    });
    expect((await auditOf(site)).map(({ seq, generation }) => [seq, generation])).toEqual([
      ['1', '1'],
      ['2', '2'],
      ['3', '2'],
    ]);
  });

  it.each(['settled', 'parked'] as const)(
    'does not count as %s by a configuration that was replaced meanwhile',
    async (outcome) => {
      const site = openSite(server);
      await dirty(site, 1);
      const key = `${site.store.prefix}configuration`;
      await site.redis.hset(key, 'applied', '{"new":1}');
      const lease = await leased(site);
      const end = { generation: 1, run: { outcome, attempts: 0 } };
      for (const equals of ['{"old":1}', undefined])
        expect(await site.runs.finish(lease, { ...end, restsOn: [{ key, field: 'applied', equals }] })).toEqual({
          kind: 'moved',
        });
      expect(await listsOf(site)).toEqual(['dirty']);
      expect(await site.store.read('id-1')).toMatchObject({ settledGeneration: 0 });
      const waits = { generation: 1, run: { outcome: 'retry' as const, attempts: 1 }, waitMs: 60_000 };
      const restsOn = [{ key, field: 'applied', equals: '{"old":1}' }];
      expect(await site.runs.finish(lease, { ...waits, restsOn })).toMatchObject({ kind: 'ok' });
      expect(await site.runs.finish(lease, { ...end, restsOn: [{ key, field: 'applied', equals: '{"new":1}' }] })).toMatchObject({
        kind: 'ok',
      });
      expect(await listsOf(site)).toEqual(outcome === 'settled' ? [] : ['parked']);
    },
  );

  it.each(['settled', 'parked', 'retry'] as const)(
    'I1 I6 as %s leaves the mark of a change that came meanwhile',
    async (outcome) => {
      const site = openSite(server);
      await dirty(site, 1);
      const lease = await leased(site);
      await site.store.commit(changeOf(1, { expected: 1, attributes: { userName: 'a', active: false } }));
      const end = await site.runs.finish(lease, { generation: 1, run: { outcome, attempts: 1 }, waitMs: 60_000, audit: AUDIT });
      expect(end).toEqual({ kind: 'moved' });
      expect(await listsOf(site)).toEqual(['dirty', 'urgent']);
      const record = await site.store.read('id-1');
      expect(record?.settledGeneration).toBe(outcome === 'settled' ? 1 : 0);
      expect(record).not.toHaveProperty('run');
      expect(await auditOf(site), 'no entry of an outcome that does not stand').toHaveLength(2);
    },
  );

  it('never lowers the settled generation', async () => {
    const site = openSite(server);
    await dirty(site, 1);
    await site.store.commit(changeOf(1, { expected: 1 }));
    const lease = await leased(site);
    await site.runs.finish(lease, { generation: 2, run: settled });
    await site.runs.finish(lease, { generation: 1, run: settled });
    expect((await site.store.read('id-1'))?.settledGeneration).toBe(2);
  });

  it('as retry keeps the person dirty and says when to come back', async () => {
    const site = openSite(server);
    await dirty(site, 1);
    const end = await site.runs.finish(await leased(site), {
      generation: 1,
      run: { outcome: 'retry', reason: 'unavailable', attempts: 2 },
      waitMs: 30_000,
    });
    if (end.kind !== 'ok') throw new Error(end.kind);
    expect(await listsOf(site)).toEqual(['dirty', 'due']);
    const { run } = (await site.store.read('id-1')) ?? expect.fail('gone');
    expect(run).toMatchObject({ outcome: 'retry', attempts: 2 });
    expect((run?.nextAttemptAtMs ?? 0) - (run?.atMs ?? 0)).toBe(30_000);
    expect(Number(await site.redis.zscore(`${site.store.prefix}due`, 'id-1'))).toBe(end.nowMs + 30_000);
  });
});

describe('parked people', () => {
  it("are listed longest parked first, leave by an operator's retry, and the same generation is tried again", async () => {
    const site = openSite(server);
    await dirty(site, 1, 2, 3);
    for (const n of [2, 1, 3]) {
      await site.runs.finish(await leased(site, n), {
        generation: 1,
        run: { outcome: 'parked', reason: 'needs-email', attempts: 0 },
      });
      await site.redis.zadd(`${site.store.prefix}parked`, 'XX', String({ 2: 10, 1: 20, 3: 30 }[n]), `id-${n}`);
    }
    expect(await site.runs.parked(0, 10)).toEqual(['id-2', 'id-1', 'id-3']);
    expect(await site.runs.parked(1, 1)).toEqual(['id-1']);
    expect(await site.runs.backlog()).toMatchObject({ pending: 0, parked: 3 });
    expect(await listsOf(site)).toEqual(['parked']);

    expect(await site.runs.retry('id-1', { kind: 'operator', what: 'retry' })).toBe(true);
    expect(await listsOf(site)).toEqual(['dirty']);
    expect(await site.store.read('id-1')).toMatchObject({ generation: 1, settledGeneration: 0 });
    expect((await site.store.read('id-1'))?.run).toBeUndefined();
    expect((await site.runs.story('id-1')).at(-1)?.entry).toMatchObject({ kind: 'operator', what: 'retry' });
  });

  it('who left are urgent again after a retry', async () => {
    const site = openSite(server);
    await dirty(site, 1);
    await site.store.commit(changeOf(1, { expected: 1, deleted: true }));
    await site.runs.finish(await leased(site), { generation: 2, run: { outcome: 'parked', attempts: 0 } });
    await site.runs.retry('id-1', { kind: 'operator', what: 'retry' });
    expect(await listsOf(site)).toEqual(['dirty', 'urgent']);
  });

  it('F86 are retried once: twice, or for somebody who is not parked, nothing is written', async () => {
    const site = openSite(server);
    await dirty(site, 1);
    const before = await dump(site);
    for (const id of ['id-1', 'nobody']) expect(await site.runs.retry(id, { kind: 'operator', what: 'retry' })).toBe(false);
    expect(await dump(site)).toEqual(before);
  });
});

describe('the backlog', () => {
  it('counts people and tells the age of the oldest', async () => {
    const site = openSite(server);
    const none = { pending: 0, urgent: 0, parked: 0, held: 0, exempt: 0, waiting: 0, oldestPendingMs: 0, oldestUrgentMs: 0 };
    expect(await site.runs.backlog()).toEqual({ ...none, mode: 'enforce' });
    await dirty(site, 1, 2);
    await site.store.commit(changeOf(2, { expected: 1, deleted: true }));
    const nowMs = await site.runs.nowMs();
    await site.redis.zadd(`${site.store.prefix}dirty`, 'XX', nowMs - 90_000, 'id-1');
    await site.redis.zadd(`${site.store.prefix}urgent`, 'XX', nowMs - 30_000, 'id-2');
    await site.redis.zadd(`${site.store.prefix}due`, nowMs + 60_000, 'id-1');
    const backlog = await site.runs.backlog();
    expect(backlog).toMatchObject({ pending: 2, urgent: 1, parked: 0, waiting: 1 });
    expect(backlog.oldestPendingMs).toBeGreaterThanOrEqual(90_000);
    expect(backlog.oldestUrgentMs).toBeGreaterThanOrEqual(30_000);
    expect(backlog.oldestUrgentMs).toBeLessThan(90_000);
  });

  it('F63 of a clock that stepped back is not younger than nothing', async () => {
    const site = openSite(server);
    await dirty(site, 1);
    await site.redis.zadd(`${site.store.prefix}dirty`, 'XX', (await site.runs.nowMs()) + 60_000, 'id-1');
    expect((await site.runs.backlog()).oldestPendingMs).toBe(0);
  });
});

describe('the sweep', () => {
  /** Sweep as a worker does, until it begins anew. */
  async function sweepAll(site: TestSite, most: number): Promise<string[]> {
    const seen: string[] = [];
    let from = { everybody: 0, leavers: 0 };
    for (let round = 0; round < 100; round += 1) {
      const { next, people } = await site.runs.sweepable(1_000, most, from);
      seen.push(...people.map(({ id, lane }) => `${id} ${lane}`));
      from = next;
      // A leaver may be met on both walks; ringing twice is harmless.
      if (next.everybody === 0) return [...new Set(seen)];
    }
    throw new Error('the sweep never came to an end');
  }

  it('lists who has been dirty for long enough, in their lane, and nobody who waits for a later attempt', async () => {
    const site = openSite(server);
    const p = site.store.prefix;
    await dirty(site, 'old', 'young', 'waiting', 'due', 'leaver');
    await site.store.commit(changeOf('leaver', { expected: 1, deleted: true }));
    const nowMs = await site.runs.nowMs();
    for (const n of ['old', 'waiting', 'due', 'leaver']) await site.redis.zadd(`${p}dirty`, 'XX', nowMs - 5_000, `id-${n}`);
    await site.redis.zadd(`${p}dirty`, 'XX', nowMs + 60_000, 'id-young');
    await site.redis.zadd(`${p}due`, nowMs + 60_000, 'id-waiting', nowMs - 1, 'id-due');
    expect((await sweepAll(site, 500)).sort()).toEqual(['id-due normal', 'id-leaver urgent', 'id-old normal']);
  });

  it.each([1, 7, 25, 500])('I12 walks over everyone in batches of %i, however many wait for later', async (most) => {
    const site = openSite(server);
    const p = site.store.prefix;
    const nowMs = await site.runs.nowMs();
    for (let n = 0; n < 60; n += 1) {
      await site.redis.zadd(`${p}dirty`, nowMs - 100_000 + n, `id-${n}`);
      // The longest dirty ones all wait for a later attempt, and must not starve the others.
      if (n < 50) await site.redis.zadd(`${p}due`, nowMs + 60_000, `id-${n}`);
    }
    expect(await sweepAll(site, most)).toEqual(Array.from({ length: 10 }, (_, n) => `id-${n + 50} normal`));
  });
});
