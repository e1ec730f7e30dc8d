/** Guarantees that an export carries everything that a directory is made of, and that an import brings it back without doubling or overwriting anybody. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Archive, type ArchiveRow, archiveLines } from '../../src/directory/archive.ts';
import { NightlyExport } from '../../src/survey/nightly-export.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { body, CONTEXT, dump, find, openSite, type TestSite } from './directory-bench.ts';

const AUDIT = { kind: 'operator', what: 'imported' } as const;
const GUARD = { floor: 0, hourPercent: 50, dayPercent: 50, revenuePercent: 100, calmSeconds: 0 };
let server: TestRedis;
let folder: string;

beforeAll(async () => {
  server = await startRedis();
  folder = mkdtempSync(join(tmpdir(), 'exports-'));
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function rowsOf(archive: Archive): Promise<ArchiveRow[]> {
  const rows: ArchiveRow[] = [];
  let cursor = '';
  do {
    const page = await archive.page(cursor);
    rows.push(...page.rows);
    cursor = page.next;
  } while (cursor !== '');
  return rows;
}

/** Somebody active, a leaver, a tombstone, held people, an approved link. */
async function company(): Promise<{ site: TestSite; archive: Archive; ids: string[] }> {
  const site = openSite(server, { guard: GUARD });
  const ids: string[] = [];
  for (let n = 1; n <= 8; n += 1) ids.push((await site.users.create(body(n), CONTEXT)).id);
  await site.users.replace(ids[1] ?? '', body(2, { active: false }), CONTEXT);
  await site.users.remove(ids[2] ?? '', CONTEXT);
  for (const n of [4, 5, 6]) await site.users.replace(ids[n - 1] ?? '', body(n, { active: false }), CONTEXT);
  await site.redis.hset(`${site.store.prefix}links`, '77', JSON.stringify({ reference: 'ref', state: 'approved' }));
  await site.redis.hset(`${site.store.prefix}linkReferences`, 'ref', '77');
  return { site, archive: new Archive(site.store, site.key), ids };
}

/** What a directory is made of, without what an import makes anew: trail, moments of the lists of work. */
async function substance(site: TestSite): Promise<Record<string, unknown>> {
  const { redis, store } = site;
  const names = Object.keys(await dump(site)).map((name) => name.slice(store.prefix.length));
  const made = /^(audit|auditClock|story:.*|mode|site|losses|lossCents|guard|dirty|urgent|sequence|lease:.*)$/;
  const kept: Record<string, unknown> = {};
  for (const name of names.filter((each) => !made.test(each))) {
    const key = store.prefix + name;
    const type = await redis.type(key);
    if (type === 'hash') kept[name] = await redis.hgetall(key);
    if (type === 'set') kept[name] = (await redis.smembers(key)).sort();
    if (type === 'zset') kept[name] = await redis.zrange(key, '0', '-1', 'WITHSCORES');
  }
  for (const list of ['dirty', 'urgent']) kept[list] = (await redis.zrange(store.prefix + list, '0', '-1')).sort();
  return kept;
}

test('an import into an empty directory makes the same directory', async () => {
  const { site, archive } = await company();
  const before = await substance(site);
  expect(before.held).not.toEqual([]);
  const rows = await rowsOf(archive);
  await site.redis.del(...(await site.redis.keys(`${site.store.prefix}*`)));
  expect(await archive.put(rows, AUDIT)).toMatchObject({ added: 8, kept: 0, conflict: 0 });
  const { linkQueue, ...after } = await substance(site);
  expect(after).toEqual(before);
  expect(linkQueue).toEqual(['77', '0']);
  // Once more changes nothing.
  expect(await archive.put(rows, AUDIT)).toMatchObject({ added: 0, kept: 8 });
  expect(await site.redis.scard(`${site.store.prefix}active`)).toBe(3);
});

test('merged, whoever has changed more often wins, and somebody else keeps their name', async () => {
  const { site, archive, ids } = await company();
  const old = await rowsOf(archive);
  await site.users.replace(ids[0] ?? '', body(1, { title: 'Engineer' }), CONTEXT);
  await site.users.replace(ids[6] ?? '', body(7, { userName: 'moved@example.com' }), CONTEXT);
  const fresh = await rowsOf(archive);
  expect(await archive.put(old, AUDIT)).toMatchObject({ added: 0, replaced: 0, kept: 8 });
  expect((await site.users.read(ids[0] ?? '')).attributes.title).toBe('Engineer');

  // The other way round: the directory is the older one, and somebody new has taken a name.
  await site.redis.del(...(await site.redis.keys(`${site.store.prefix}*`)));
  // In a process that does not know what was here.
  const heir = site.replica();
  await new Archive(heir.store, heir.key).put(old, AUDIT);
  const taken = await heir.users.create(body(30, { userName: 'moved@example.com' }), CONTEXT);
  expect(await new Archive(heir.store, heir.key).put(fresh, AUDIT)).toMatchObject({ replaced: 1, conflict: 1, kept: 6 });
  expect((await heir.users.read(ids[0] ?? '')).attributes.title).toBe('Engineer');
  expect(await find(heir, 'userName eq "moved@example.com"')).toEqual([taken.id]);
  expect(await find(heir, `externalId eq "ext-7"`)).toEqual([ids[6]]);
});

test('rules for groups that come with an import are those of whoever imports them, whoever the file says', async () => {
  const site = openSite(server);
  const row = {
    kind: 'decision',
    hash: 'groupPlans',
    field: 'set',
    value: JSON.stringify({ rules: [], by: 'ben', atMs: 7 }),
  } as const;
  await new Archive(site.store, site.key).put([row], { ...AUDIT, actor: 'anna' });
  const kept = await site.redis.hget(`${site.store.prefix}groupPlans`, 'set');
  expect(JSON.parse(kept ?? '')).toEqual({ rules: [], by: 'anna', atMs: 7 });
});

test('a row of a newer release is refused', async () => {
  const { site, archive } = await company();
  const [row] = (await rowsOf(archive)).filter(({ kind }) => kind === 'user');
  if (row?.kind !== 'user') throw new Error('no row');
  const newer = { ...row, f: { ...row.f, id: 'other', reference: 'other', un: 'other', v: '99' } };
  expect(await archive.put([newer], AUDIT)).toMatchObject({ newer: 1, added: 0 });
  expect(await site.store.read('other')).toBeUndefined();
});

test('the daily export is whole, private, one a day, and the oldest goes', async () => {
  const { site, archive } = await company();
  const parts = { siteKey: site.key, folder, keep: 2, store: site.store, archive, logger: pino({ level: 'silent' }) };
  const turnAt = async (nowMs: number): Promise<string[]> => {
    const turn = { nowMs, mode: 'enforce', signal: new AbortController().signal } as const;
    // As after a restart: only the files say when the last one was.
    expect(await new NightlyExport(parts).turn(turn)).toBe('idle');
    return (await readdir(folder)).filter((name) => name.startsWith(site.key)).sort();
  };
  const [first = ''] = await turnAt(Date.UTC(2026, 0, 1));
  expect(await turnAt(Date.UTC(2026, 0, 1, 23, 59))).toEqual([first]);
  const lines = gunzipSync(readFileSync(join(folder, first)))
    .toString('utf8')
    .trimEnd()
    .split('\n');
  const expected: string[] = [];
  for await (const line of archiveLines(archive)) expected.push(line);
  expect(lines.length).toBe(expected.length);
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ kind: 'end', people: 8 });
  expect(statSync(join(folder, first)).mode & 0o777).toBe(0o600);
  expect(await turnAt(Date.UTC(2026, 0, 2))).toHaveLength(2);
  const last = await turnAt(Date.UTC(2026, 0, 3));
  expect(last).toHaveLength(2);
  expect(last).not.toContain(first);
  // What a process that was killed has left behind goes with the next export; what is not of this kind or not of this site stays.
  const left = `${site.key}-2026-01-03T000100000Z.jsonl.gz.unfinished`;
  const others = [`${site.key}-notes.unfinished`, `${site.key}2-2026-01-03T000100000Z.jsonl.gz.unfinished`];
  for (const name of [left, ...others]) writeFileSync(join(folder, name), 'half');
  const next = await turnAt(Date.UTC(2026, 0, 4));
  expect(next).not.toContain(left);
  expect(next).toEqual(expect.arrayContaining(others));
  for (const name of others) rmSync(join(folder, name));
  const kept = await turnAt(Date.UTC(2026, 0, 4, 1));
  expect(kept).toHaveLength(2);
  // Data in doubt does not push out the good ones.
  await site.store.witness.declare('lost', 'dana');
  expect(await turnAt(Date.UTC(2026, 0, 9))).toEqual(kept);
});
