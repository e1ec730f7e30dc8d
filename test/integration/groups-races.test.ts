/**
 * One group from two replicas at once, on a real Redis: members are added and removed, never rewritten, so nobody is lost, and a name has one owner.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { groupVersion } from '../../src/directory/group-resource.ts';
import { type GroupChange, GroupStore } from '../../src/directory/group-store.ts';
import { createGroups } from '../../src/directory/groups.ts';
import { ScimError } from '../../src/scim/error.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { auditOf, body, CONTEXT, openSite, patchOf, type TestSite } from './directory-bench.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterAll(() => server.stop());

async function statuses(attempts: Promise<unknown>[], ok: number): Promise<number[]> {
  const results = await Promise.allSettled(attempts);
  return results
    .map((result) => {
      if (result.status === 'fulfilled') return ok;
      if (result.reason instanceof ScimError) return result.reason.status;
      throw result.reason;
    })
    .sort((a, b) => a - b);
}

function pair(): [TestSite, TestSite] {
  const one = openSite(server);
  return [one, one.replica()];
}

async function people(site: TestSite, count: number): Promise<string[]> {
  const records = await Promise.all(Array.from({ length: count }, (_, n) => site.users.create(body(n), CONTEXT)));
  return records.map(({ id }) => id);
}

const add = (...ids: string[]) => patchOf({ op: 'add', path: 'members', value: ids.map((value) => ({ value })) });
const leave = (id: string) => patchOf({ op: 'remove', path: `members[value eq "${id}"]` });

async function membersOf(site: TestSite, group: string): Promise<string[]> {
  const record = await site.groups.read(group);
  const members = (await site.groupStore.members([group])).get(group) ?? [];
  expect(record.size).toBe(members.length);
  return members;
}

/** Whoever a group names says so of themselves, and nobody else does. */
async function expectInStep(site: TestSite, ids: string[], group: string): Promise<void> {
  const members = new Set(await membersOf(site, group));
  for (const record of await site.store.readAll(ids)) expect((record.groups ?? []).includes(group)).toBe(members.has(record.id));
}

describe('two replicas', () => {
  it('F30 get 50 pairs of the same POST: one group each, one conflict each', async () => {
    const [one, two] = pair();
    const pairs = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        statuses(
          [one.groups.create({ displayName: `Team ${n}` }, CONTEXT), two.groups.create({ displayName: `TEAM ${n}` }, CONTEXT)],
          201,
        ),
      ),
    );
    expect(pairs).toEqual(Array(50).fill([201, 409]));
    expect((await one.groups.list({ startIndex: 1, count: 0 })).totalResults).toBe(50);
    expect(await auditOf(one)).toHaveLength(50);
  });

  it('F31 get two groups that both want a third name: one has it', async () => {
    const [one, two] = pair();
    const first = await one.groups.create({ displayName: 'A' }, CONTEXT);
    const second = await one.groups.create({ displayName: 'B' }, CONTEXT);
    const rename = (site: TestSite, id: string, name: string) =>
      site.groups.patch(id, patchOf({ op: 'replace', path: 'displayName', value: name }), CONTEXT);
    expect(await statuses([rename(one, first.id, 'Third'), rename(two, second.id, 'third')], 200)).toEqual([200, 409]);
  });

  it('F32 add and remove 200 different members at once: nobody is lost, nobody comes back', async () => {
    const [one, two] = pair();
    const ids = await people(one, 200);
    const stay = ids.slice(0, 50);
    const { id } = await one.groups.create(
      { displayName: 'All', members: ids.slice(0, 100).map((value) => ({ value })) },
      CONTEXT,
    );
    await Promise.all(
      ids.slice(50).map((who, n) => (n % 2 === 0 ? one : two).groups.patch(id, n < 50 ? leave(who) : add(who), CONTEXT)),
    );
    expect(new Set(await membersOf(two, id))).toEqual(new Set([...stay, ...ids.slice(100)]));
    await expectInStep(one, ids, id);
    // Members need no order among themselves: none of these writes was decided twice.
    expect((await one.groups.read(id)).generation).toBe(151);
  });

  it('F32 rename a group while members change: both stand', async () => {
    const [one, two] = pair();
    const ids = await people(one, 40);
    const { id } = await one.groups.create({ displayName: 'Team' }, CONTEXT);
    await Promise.all([
      ...ids.map((who) => two.groups.patch(id, add(who), CONTEXT)),
      ...[1, 2, 3].map((n) => one.groups.patch(id, patchOf({ op: 'replace', value: { id, displayName: `Team ${n}` } }), CONTEXT)),
    ]);
    expect((await one.groups.read(id)).attributes.displayName).toMatch(/^Team [123]$/);
    expect(await membersOf(one, id)).toHaveLength(40);
  });

  it('F32 a change of members tells the name under which its version is known, whoever renames meanwhile', async () => {
    const [one, two] = pair();
    const [who = ''] = await people(one, 1);
    const { id } = await one.groups.create({ displayName: 'Old' }, CONTEXT);
    const rename = async () => await two.groups.patch(id, patchOf({ op: 'replace', path: 'displayName', value: 'New' }), CONTEXT);
    class Overtaken extends GroupStore {
      override async commit(change: GroupChange) {
        await rename();
        return await super.commit(change);
      }
    }
    const groups = createGroups({ store: new Overtaken(one.store) });
    for (const operation of [add(who), add(who)]) {
      const told = await groups.patch(id, operation, CONTEXT);
      expect(told).toMatchObject({ generation: 3, size: 1, attributes: { displayName: 'New' } });
    }
  });

  it('F33 delete a person while they are added: never a member who is not there', async () => {
    const [one, two] = pair();
    const ids = await people(one, 60);
    const { id } = await one.groups.create({ displayName: 'Team' }, CONTEXT);
    await Promise.all(
      ids.map(async (who, n) => {
        const [first, second] = n % 2 === 0 ? [one, two] : [two, one];
        await Promise.all([first.users.remove(who, CONTEXT), statuses([second.groups.patch(id, add(who), CONTEXT)], 200)]);
      }),
    );
    expect(await membersOf(one, id)).toEqual([]);
    await expectInStep(one, ids, id);
  });

  it('F33 delete a group while people join: they are in no group afterwards', async () => {
    const [one, two] = pair();
    const ids = await people(one, 20);
    for (let n = 0; n < 10; n += 1) {
      const { id } = await one.groups.create({ displayName: `Team ${n}` }, CONTEXT);
      const joins = ids.map((who) => two.groups.patch(id, add(who), CONTEXT));
      const [came] = await Promise.all([statuses(joins, 200), one.groups.remove(id, CONTEXT)]);
      expect(new Set(came).isSubsetOf(new Set([200, 404]))).toBe(true);
      for (const record of await one.store.readAll(ids)) expect(record.groups).toBeUndefined();
    }
    expect(await one.redis.keys(`${one.store.prefix}group:*`)).toEqual([]);
    expect(await one.redis.keys(`${one.store.prefix}members:*`)).toEqual([]);
  });

  it('F32 write on the same version: one of two wins, the other is told', async () => {
    const [one, two] = pair();
    const ids = await people(one, 40);
    const { id } = await one.groups.create({ displayName: 'Team' }, CONTEXT);
    for (let n = 0; n < 20; n += 1) {
      const version = groupVersion(await one.groups.read(id));
      const context = { ...CONTEXT, ifMatch: (current: string) => current === version };
      const both = [one, two].map((site, at) => site.groups.patch(id, add(ids[2 * n + at] ?? ''), context));
      expect(await statuses(both, 200)).toEqual([200, 412]);
    }
    expect(await membersOf(one, id)).toHaveLength(20);
  });

  it('F32 get the same PATCH twice: the second finds nothing to change', async () => {
    const [one, two] = pair();
    const [who = ''] = await people(one, 1);
    const { id } = await one.groups.create({ displayName: 'Team' }, CONTEXT);
    await Promise.all([one, two, one, two].map((site) => site.groups.patch(id, add(who), CONTEXT)));
    expect((await one.groups.read(id)).generation).toBe(2);
  });
});
