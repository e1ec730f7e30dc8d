/**
 * The audit trail on a real Redis: written by the scripts that make the change, numbered without gaps, in order although clocks step back,
 * bounded for each person, and free of personal data. Refuses the sealing and the export, which are elsewhere.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { auditOf, body, CONTEXT, changeOf, openSite, patchOf } from './directory-bench.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterAll(() => server.stop());

describe('the audit trail', () => {
  it('I9 is numbered without gaps, in order, while two replicas write at once', async () => {
    const site = openSite(server);
    const other = site.replica();
    const writes = Array.from({ length: 150 }, async (_, n) => {
      const at = n % 2 === 0 ? site : other;
      await at.store.commit(changeOf(n));
      await at.runs.tell(`id-${n}`, 1, { kind: 'run', what: 'seen' });
    });
    // Refused commits take no number.
    writes.push(...Array.from({ length: 20 }, async () => void (await other.store.commit(changeOf(0, { expected: 7 })))));
    await Promise.all(writes);
    const entries = await auditOf(site);
    expect(entries.map(({ seq }) => Number(seq))).toEqual(Array.from({ length: 300 }, (_, n) => n + 1));
    const moments = entries.map(({ id }) => Number(id?.split('-')[0]));
    expect(moments).toEqual([...moments].sort((a, b) => a - b));
  });

  it('F63 goes on in order when the clock of Redis steps back, and tells the true time', async () => {
    const site = openSite(server);
    await site.store.commit(changeOf(1));
    const ahead = (await site.runs.nowMs()) + 3_600_000;
    await site.redis.hset(`${site.store.prefix}auditClock`, 'at', ahead);
    await site.store.commit(changeOf(2));
    const [, second] = await auditOf(site);
    expect(second?.id).toBe(`${ahead}-2`);
    expect(Number(second?.at)).toBeLessThan(ahead);
    expect(await site.runs.story('id-2')).toMatchObject([{ seq: 2 }]);
  });

  it('B03 I10 of one person is bounded: the newest 500 stay', async () => {
    const site = openSite(server);
    await site.store.commit(changeOf(1));
    await Promise.all(Array.from({ length: 520 }, () => site.runs.tell('id-1', 1, { kind: 'run', what: 'again' })));
    const story = await site.runs.story('id-1');
    expect(story).toHaveLength(500);
    expect(story[0]?.seq).toBe(22);
    expect(story.at(-1)?.seq).toBe(521);
    expect(await site.runs.story('nobody')).toEqual([]);
  });

  it('keeps entries apart whose words equal the names of fields', async () => {
    const site = openSite(server);
    await site.runs.tell('seq', 4, { kind: 'operator', what: 'at', generation: 9, user: 'entry' });
    expect(await site.runs.story('seq')).toMatchObject([{ seq: 1, generation: 4, entry: { what: 'at', generation: 9 } }]);
  });

  it('I11 names what changed and never a value', async () => {
    const site = openSite(server);
    const canary = (word: string): string => `canary-${word}`;
    const created = await site.users.create(
      body(1, {
        userName: `${canary('name')}@example.com`,
        externalId: canary('external'),
        displayName: canary('display'),
        name: { givenName: canary('given'), familyName: canary('family') },
        emails: [{ value: `${canary('mail')}@example.com` }],
        phoneNumbers: [{ value: canary('phone') }],
        'urn:acme:2.0:Badge': { number: canary('badge') },
      }),
      CONTEXT,
    );
    await site.users.replace(
      created.id,
      body(1, { userName: `${canary('renamed')}@example.com`, title: canary('title') }),
      CONTEXT,
    );
    await site.users.patch(
      created.id,
      patchOf({ op: 'replace', path: 'active', value: false }, { op: 'add', path: 'nickName', value: canary('nick') }),
      CONTEXT,
    );
    await site.users.remove(created.id, CONTEXT);
    await site.users.create(body(1, { userName: `${canary('renamed')}@example.com` }), CONTEXT);

    const entries = await auditOf(site);
    expect(entries.map(({ entry }) => JSON.parse(entry ?? '{}').what)).toEqual([
      'create',
      'replace',
      'patch',
      'delete',
      'revive',
    ]);
    expect(JSON.stringify(entries)).not.toContain('canary');
    expect(JSON.stringify(entries)).not.toContain('example.com');
    expect(JSON.parse(entries[1]?.entry ?? '{}')).toMatchObject({
      requestId: 'req-1',
      actor: 'token-1',
      changed: expect.arrayContaining(['userName', 'title', 'displayName']),
      active: true,
      wasActive: true,
    });
    expect(JSON.parse(entries[2]?.entry ?? '{}')).toMatchObject({
      changed: ['active', 'nickName'],
      active: false,
      wasActive: true,
    });
    expect(JSON.parse(entries[3]?.entry ?? '{}')).toMatchObject({ active: false, wasActive: false });
    expect(JSON.parse(entries[4]?.entry ?? '{}')).toMatchObject({ active: true, wasActive: false });
  });
});
