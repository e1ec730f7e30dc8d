/** Guarantees that an export carries groups with the people in them, and that an import brings both directions back, in step. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Archive, type ArchiveRow } from '../../src/directory/archive.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { body, CONTEXT, openSite, patchOf, type TestSite } from './directory-bench.ts';

const AUDIT = { kind: 'operator', what: 'imported' } as const;
let server: TestRedis;

beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterAll(() => server.stop());

async function rowsOf(site: TestSite): Promise<ArchiveRow[]> {
  const archive = new Archive(site.store, site.key);
  const rows: ArchiveRow[] = [];
  let cursor = '';
  do {
    const page = await archive.page(cursor);
    rows.push(...page.rows);
    cursor = page.next;
  } while (cursor !== '');
  // As they are written to a file and read again.
  return rows.map((row) => JSON.parse(JSON.stringify(row)) as ArchiveRow);
}

const put = (site: TestSite, rows: ArchiveRow[]) => new Archive(site.store, site.key).put(rows, AUDIT);
const members = (...ids: string[]) => ids.map((value) => ({ value }));

async function company(): Promise<{ site: TestSite; ids: string[]; big: string; small: string }> {
  const site = openSite(server);
  const ids: string[] = [];
  // More than one row of members.
  for (let n = 0; n < 1_200; n += 100) {
    const some = await Promise.all(Array.from({ length: 100 }, (_, at) => site.users.create(body(n + at), CONTEXT)));
    ids.push(...some.map(({ id }) => id));
  }
  const { id: big } = await site.groups.create({ displayName: 'Everybody', externalId: 'x', members: members(...ids) }, CONTEXT);
  const { id: small } = await site.groups.create({ displayName: 'Some', members: members(...ids.slice(0, 3)) }, CONTEXT);
  await site.groups.create({ displayName: 'Nobody' }, CONTEXT);
  await site.users.remove(ids[1] ?? '', CONTEXT);
  return { site, ids, big, small };
}

/** Everything that is told of groups, from both directions. */
async function told(site: TestSite, ids: string[]): Promise<unknown> {
  const { records } = await site.groups.list({ startIndex: 1, count: 100 });
  const people = await site.store.readAll(ids);
  return {
    groups: records,
    members: Object.fromEntries(await site.groupStore.members(records.map(({ id }) => id))),
    labels: Object.fromEntries(await site.groupStore.labels(records.map(({ id }) => id))),
    of: Object.fromEntries(people.map(({ id, groups }) => [id, groups])),
    named: await Promise.all(['EVERYBODY', 'some', 'gone'].map((name) => site.groupStore.idsByName(name))),
    external: await site.groupStore.idsByExternalId('x'),
  };
}

test('an import into an empty directory makes the same groups', async () => {
  const { site, ids } = await company();
  const before = await told(site, ids);
  const rows = await rowsOf(site);
  expect(rows.filter(({ kind }) => kind === 'members')).toHaveLength(2);
  const heir = openSite(server);
  expect(await put(heir, rows)).toMatchObject({ added: 1_200, groups: 3, conflict: 0 });
  expect(await told(heir, ids)).toEqual(before);
  // Once more changes nothing.
  expect(await put(heir, rows)).toMatchObject({ added: 0, kept: 1_200, groups: 0 });
  expect(await told(heir, ids)).toEqual(before);
  // And life goes on: the next group has a place of its own, the next member, too.
  const next = await heir.groups.create({ displayName: 'Next' }, CONTEXT);
  expect((await heir.groups.list({ startIndex: 4, count: 9 })).records.map(({ id }) => id)).toEqual([next.id]);
}, 60_000);

test('merged, the group that has changed more often wins, with its people', async () => {
  const { site, ids, small } = await company();
  const old = await rowsOf(site);
  await site.groups.patch(
    small,
    patchOf({ op: 'replace', path: 'members', value: members(ids[5] ?? '', ids[6] ?? '') }),
    CONTEXT,
  );
  const fresh = await rowsOf(site);
  const now = await told(site, ids);
  expect(await put(site, old)).toMatchObject({ groups: 0 });
  expect(await told(site, ids)).toEqual(now);
  // The other way round: the directory is the older one.
  const heir = openSite(server);
  await put(heir, old);
  expect(await put(heir, fresh)).toMatchObject({ groups: 1, conflict: 0 });
  expect(await told(heir, ids)).toEqual(now);
}, 60_000);

test('a name that is taken here stays where it is, and nobody becomes a member who is not here', async () => {
  const { site, ids, small } = await company();
  const rows = await rowsOf(site);
  const heir = openSite(server);
  await heir.groups.create({ displayName: 'SOME' }, CONTEXT);
  const people = rows.filter((row) => row.kind !== 'user' || row.f.id !== ids[0]);
  expect(await put(heir, people)).toMatchObject({ added: 1_199, groups: 2, conflict: 1 });
  const everybody = (await heir.groupStore.idsByName('everybody'))[0] ?? '';
  expect((await heir.groups.read(everybody)).size).toBe(1_198);
  expect(await heir.groupStore.read(small)).toBeUndefined();
  expect((await heir.store.read(ids[2] ?? ''))?.groups).toEqual([everybody]);
}, 60_000);

test('an import that broke off among the members of a group is made whole by the next', async () => {
  const { site, ids, big } = await company();
  const rows = await rowsOf(site);
  const heir = openSite(server);
  const last = rows.findLastIndex((row) => row.kind === 'members' && row.id === big);
  await put(heir, rows.slice(0, last));
  expect((await heir.groups.read(big)).size).toBeLessThan(1_199);
  expect(await put(heir, rows)).toMatchObject({ kept: 1_200 });
  expect(await told(heir, ids)).toEqual(await told(site, ids));
}, 60_000);

test('a row of a newer release is refused', async () => {
  const { site } = await company();
  const row = (await rowsOf(site)).find(({ kind }) => kind === 'group');
  if (row?.kind !== 'group') throw new Error('no row');
  const newer = { ...row, f: { ...row.f, id: 'other', name: 'other', v: '99' } };
  expect(await put(site, [newer])).toMatchObject({ newer: 1, groups: 0 });
  expect(await site.groupStore.read('other')).toBeUndefined();
}, 60_000);
