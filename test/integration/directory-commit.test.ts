/**
 * The commit script on a real Redis: a change of desired state is there as a whole or not at all, and every refusal leaves each key as it was.
 * RFC 7644 §3.3, §3.5; the promise behind every 2xx.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SCHEMA_VERSION } from '../../src/directory/record.ts';
import { DirectoryUnavailable } from '../../src/directory/unavailable.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { auditOf, changeOf, dump, openSite, type TestSite } from './directory-bench.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterAll(() => server.stop());

async function committed(site: TestSite, n: number | string, change: Parameters<typeof changeOf>[1] = {}): Promise<void> {
  expect(await site.store.commit(changeOf(n, change))).toMatchObject({ kind: 'ok' });
}

describe('a commit', () => {
  it('I1 writes record, indexes, generation, dirty mark and audit entry in one step', async () => {
    const site = openSite(server);
    const answer = await site.store.commit(changeOf(1));
    if (answer.kind !== 'ok') throw new Error(answer.kind);
    const { modifiedAtMs, createdAtMs } = answer.record;
    expect(answer.record.generation).toBe(1);
    expect(createdAtMs).toBe(modifiedAtMs);
    expect(Math.abs(createdAtMs - (await site.runs.nowMs()))).toBeLessThan(60_000);

    const record = await site.store.read('id-1');
    expect(record).toMatchObject({
      id: 'id-1',
      reference: 'ref-1',
      generation: 1,
      settledGeneration: 0,
      open: [],
      deleted: false,
      requestId: 'req-1',
    });
    expect(record).not.toHaveProperty('link');
    const found = [
      await site.store.findByUserName('PERSON1@example.com'),
      await site.store.findByReference('ref-1'),
      ...(await site.store.findByExternalId('ext-1')),
      ...(await site.store.findByEmail('Person1@Example.com')),
      ...(await site.store.page(0, 10)).rows.map(({ record }) => record),
    ];
    expect(found.map((each) => each?.id)).toEqual(Array(5).fill('id-1'));
    const p = site.store.prefix;
    expect(await site.redis.zscore(`${p}dirty`, 'id-1')).toBe(String(modifiedAtMs));
    expect(await site.redis.zscore(`${p}urgent`, 'id-1')).toBeNull();
    expect(await auditOf(site)).toMatchObject([
      { seq: '1', subject: expect.stringMatching(/^[0-9a-f-]{36}$/), generation: '1', at: String(modifiedAtMs) },
    ]);
    expect(await site.runs.story('id-1')).toMatchObject([{ seq: 1, generation: 1, entry: { kind: 'scim', what: 'create' } }]);
  });

  it('moves the indexes with the values, and keeps the first moment of dirtiness', async () => {
    const site = openSite(server);
    await committed(site, 1);
    const since = '1700000000000';
    await site.redis.zadd(`${site.store.prefix}dirty`, 'XX', since, 'id-1');
    await committed(site, 1, {
      expected: 1,
      attributes: { userName: 'new@example.com', active: true, externalId: 'ext-new', emails: [] },
    });
    expect(await site.store.findByUserName('person1@example.com')).toBeUndefined();
    expect(await site.store.findByExternalId('ext-1')).toEqual([]);
    expect(await site.store.findByEmail('person1@example.com')).toEqual([]);
    expect((await site.store.findByUserName('new@example.com'))?.generation).toBe(2);
    expect((await site.store.findByExternalId('ext-new')).map(({ id }) => id)).toEqual(['id-1']);
    expect((await site.store.findByReference('ref-1'))?.id, 'the reference is immutable').toBe('id-1');
    expect(await site.redis.zscore(`${site.store.prefix}dirty`, 'id-1')).toBe(since);
    expect(await site.store.count()).toBe(1);
  });

  it('marks someone who should stop being billed as urgent, and takes the mark back', async () => {
    const site = openSite(server);
    const p = site.store.prefix;
    await committed(site, 1);
    await committed(site, 1, { expected: 1, attributes: { userName: 'a', active: false } });
    expect(await site.redis.zscore(`${p}urgent`, 'id-1')).not.toBeNull();
    await committed(site, 1, { expected: 2, attributes: { userName: 'a', active: true } });
    expect(await site.redis.zscore(`${p}urgent`, 'id-1')).toBeNull();
    await committed(site, 1, { expected: 3, attributes: { userName: 'a', active: true }, deleted: true });
    expect(await site.redis.zscore(`${p}urgent`, 'id-1')).not.toBeNull();
  });

  it('forgets waiting, parking and the last outcome, and keeps what is known of Maxio', async () => {
    const site = openSite(server);
    const p = site.store.prefix;
    await committed(site, 1);
    const lease = (await site.runs.lease('id-1')) ?? expect.fail('no lease');
    const link = { customerId: '5', origin: 'created' as const, confirmed: {}, subscriptions: [] };
    const open = [{ kind: 'cancel' as const, token: 't', target: '7', generation: 1, sentAtMs: 1 }];
    await site.runs.recordStep(lease, { generation: 1, link, open });
    await site.runs.finish(lease, { generation: 1, run: { outcome: 'parked', reason: 'x', attempts: 3 } });
    await committed(site, 1, { expected: 1 });
    const record = await site.store.read('id-1');
    expect(record).toMatchObject({ link, open, generation: 2 });
    expect(record).not.toHaveProperty('run');
    expect(await site.redis.exists(`${p}parked`, `${p}due`)).toBe(0);
  });

  it('of a tombstone frees the userName and the addresses, and keeps externalId and reference', async () => {
    const site = openSite(server);
    await committed(site, 1);
    await committed(site, 1, { expected: 1, deleted: true });
    expect(await site.store.findByUserName('person1@example.com')).toBeUndefined();
    expect(await site.store.findByEmail('person1@example.com')).toEqual([]);
    expect(await site.store.count()).toBe(0);
    expect((await site.store.page(0, 10)).rows).toEqual([]);
    expect((await site.store.findByExternalId('ext-1')).map(({ deleted }) => deleted)).toEqual([true]);
    expect((await site.store.findByReference('ref-1'))?.deleted).toBe(true);
    await committed(site, 2, { attributes: { userName: 'person1@example.com', active: true } });
    expect(await site.store.commit(changeOf(1, { expected: 2 })), 'now somebody else has it').toEqual({
      kind: 'taken',
      what: 'userName',
      id: 'id-2',
    });
  });

  it('of two people who share an address keeps the other one findable', async () => {
    const site = openSite(server);
    const shared = (userName: string) => ({ userName, active: true, emails: [{ value: 'desk@example.com' }] });
    await committed(site, 1, { attributes: shared('a') });
    await committed(site, 2, { attributes: shared('b') });
    await committed(site, 1, { expected: 1, attributes: { userName: 'a', active: true } });
    expect((await site.store.findByEmail('DESK@example.com')).map(({ id }) => id)).toEqual(['id-2']);
  });

  it('of someone without any address or externalId works, and a later one finds them', async () => {
    const site = openSite(server);
    await committed(site, 1, { attributes: { userName: 'a', active: true } });
    await committed(site, 1, {
      expected: 1,
      attributes: { userName: 'a', active: true, externalId: 'x', emails: ['plain@example.com'] },
    });
    expect((await site.store.findByEmail('plain@example.com'))[0]?.id).toBe('id-1');
    expect((await site.store.findByExternalId('x'))[0]?.id).toBe('id-1');
    expect(await site.store.findByExternalId('X'), 'externalId is case-exact').toEqual([]);
  });
});

describe('a refused commit leaves every key as it was', () => {
  const change = (n: number, attributes: Record<string, string>) =>
    changeOf(n, { attributes: { active: true, userName: `p${n}`, ...attributes } });

  it.each([
    [
      'I2 F31 a userName that differs in letter case only',
      () => change(2, { userName: 'PERSON1@EXAMPLE.COM' }),
      { kind: 'taken', what: 'userName', id: 'id-1' },
    ],
    ['I2 a taken reference', () => ({ ...change(2, {}), reference: 'ref-1' }), { kind: 'taken', what: 'reference', id: 'id-1' }],
    ['I6 an older generation', () => changeOf(1, { expected: 0 }), { kind: 'moved' }],
    ['I6 a newer generation', () => changeOf(1, { expected: 2 }), { kind: 'moved' }],
    ['I6 a generation of nobody', () => changeOf(9, { expected: 1 }), { kind: 'moved' }],
  ])('%s', async (_name, make, answer) => {
    const site = openSite(server);
    await committed(site, 1);
    const before = await dump(site);
    expect(await site.store.commit(make())).toEqual(answer);
    expect(await dump(site)).toEqual(before);
  });

  it('the backlog limit refuses more dirty people, and still takes changes of those who are dirty, and leavers', async () => {
    const site = openSite(server, { backlogLimit: 2 });
    await committed(site, 1);
    await committed(site, 2);
    const before = await dump(site);
    const refusal = site.store.commit(changeOf(3));
    await expect(refusal).rejects.toBeInstanceOf(DirectoryUnavailable);
    await expect(refusal).rejects.toMatchObject({ retryAfterSeconds: 60 });
    expect(await dump(site)).toEqual(before);
    await committed(site, 1, { expected: 1, attributes: { userName: 'a', active: false } });
    const lease = (await site.runs.lease('id-2')) ?? expect.fail('no lease');
    await site.runs.finish(lease, { generation: 1, run: { outcome: 'settled', attempts: 0 } });
    await committed(site, 3);
    await committed(site, 4, { attributes: { userName: 'leaver', active: false } });
  });

  it('F72 F73 a record of a newer release is neither changed nor half understood, and whoever asks comes back', async () => {
    const site = openSite(server);
    await committed(site, 1);
    await site.redis.hset(site.store.userKey('id-1'), 'v', String(SCHEMA_VERSION + 1));
    const before = await dump(site);
    await expect(site.store.commit(changeOf(1, { expected: 1 }))).rejects.toThrow(/newer release.+upgrade/);
    await expect(site.store.read('id-1')).rejects.toThrow(/schema version \d+.+upgrade/);
    await expect(site.store.commit(changeOf(1, { expected: 1 }))).rejects.toBeInstanceOf(DirectoryUnavailable);
    expect(await dump(site)).toEqual(before);
  });

  it('F26 a Redis without memory', async () => {
    const site = openSite(server);
    await committed(site, 1);
    const before = await dump(site);
    await site.redis.config('SET', 'maxmemory', '1');
    try {
      await expect(site.store.commit(changeOf(2))).rejects.toBeInstanceOf(DirectoryUnavailable);
      expect((await site.store.read('id-1'))?.generation, 'reading goes on').toBe(1);
    } finally {
      await site.redis.config('SET', 'maxmemory', '0');
    }
    expect(await dump(site)).toEqual(before);
    await committed(site, 2);
  });

  it('F20 a Redis that is away is one kind of error, with whole seconds to wait, and nothing acknowledged is missing after it', async () => {
    const own = await startRedis();
    try {
      const site = openSite(own);
      await committed(site, 1);
      await own.kill();
      for (const work of [
        () => site.store.commit(changeOf(2)),
        () => site.store.read('id-1'),
        () => site.store.count(),
        () => site.store.page(0, 5),
      ]) {
        const error: unknown = await work().catch((each: unknown) => each);
        if (!(error instanceof DirectoryUnavailable)) throw new Error(`unexpected: ${String(error)}`);
        expect(Number.isInteger(error.retryAfterSeconds) && error.retryAfterSeconds > 0).toBe(true);
        expect(error.message).not.toContain('example.com');
      }
      await own.restart();
      await expect
        .poll(() => site.store.read('id-1').catch(() => undefined), { timeout: 10_000 })
        .toMatchObject({ generation: 1 });
      await committed(site, 2);
    } finally {
      await own.stop();
    }
  });
});
