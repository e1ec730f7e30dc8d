/**
 * Guarantees that people without a record are noticed at a start, and references that are gone while a process runs, and that nothing legal is taken for either: F2A.
 * Then the data can be put back: whoever was only listed is a stranger to a rebuild, an import and the groups. Scripts on a real Redis.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Archive, type ArchiveRow } from '../../src/directory/archive.ts';
import { Census } from '../../src/directory/census.ts';
import { Erased } from '../../src/directory/erased.ts';
import { SCHEMA_VERSION } from '../../src/directory/record.ts';
import { SiteModes } from '../../src/directory/site-mode.ts';
import { SurveyIndex } from '../../src/directory/survey-index.ts';
import { WitnessFile } from '../../src/directory/witness-file.ts';
import { RedisScript } from '../../src/redis-script.ts';
import { Secret } from '../../src/secret.ts';
import { Erasures } from '../../src/survey/erasure.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { auditOf, body, CONTEXT, openSite, patchOf, type TestSite } from './directory-bench.ts';

const BY = { by: 'dana', requestId: 'req-c' };
const LEAVE = patchOf({ op: 'replace', path: 'active', value: false });
const logger = pino({ level: 'silent' });
const AUDIT = { kind: 'operator', what: 'imported', actor: 'dana', requestId: 'req-c' } as const;

let server: TestRedis;
let folder: string;

beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
  folder = mkdtempSync(join(tmpdir(), 'census-'));
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A site that was met, with so many people. */
async function staffed(people: number): Promise<TestSite & { ids: string[] }> {
  const site = openSite(server);
  await new SiteModes(site.redis, site.key).meet('17', 'enforce');
  const ids: string[] = [];
  for (let n = 1; n <= people; n += 1) ids.push((await site.users.create(body(n), CONTEXT)).id);
  await site.store.witness.look();
  return { ...site, ids };
}

/** What a process that starts finds. @returns where the site stands then */
async function begin(site: TestSite): Promise<string | undefined> {
  const late = site.replica();
  await new Census(late.store, site.key, logger).take();
  return late.store.witness.standing.recovery;
}

async function remove(site: TestSite, pattern: string): Promise<void> {
  const keys = await site.redis.keys(site.store.prefix + pattern);
  expect(keys.length).toBeGreaterThan(0);
  await site.redis.del(...keys);
}

async function declarations(site: TestSite): Promise<string[]> {
  const entries = (await auditOf(site)).map(({ entry }) => JSON.parse(entry ?? '{}') as { what?: string });
  return entries.flatMap(({ what }) => (what?.startsWith('site-') === true ? [what] : []));
}

const erasuresOf = (site: TestSite): Erasures =>
  new Erasures({
    store: site.store,
    index: new SurveyIndex(site.store),
    erased: new Erased(site.store, site.key, new Secret('erasure-key-71f0c9d2b8a64e53')),
  });

/** Somebody leaves, a run says that nothing is to be done, and they are erased. */
async function erase(site: TestSite, id: string): Promise<void> {
  const record = (await site.store.read(id)) ?? expect.fail('nobody to erase');
  if (record.attributes.active && !record.deleted) await site.users.patch(id, LEAVE, CONTEXT);
  const lease = (await site.runs.lease(id)) ?? expect.fail('somebody else has the lease');
  const { generation } = (await site.store.read(id)) ?? record;
  await site.runs.finish(lease, { generation, run: { outcome: 'settled', attempts: 1 } });
  await site.runs.release(lease);
  await erasuresOf(site).erase(id, BY);
}

async function exported(site: TestSite): Promise<ArchiveRow[]> {
  const rows: ArchiveRow[] = [];
  let cursor = '';
  do {
    const page = await new Archive(site.store, site.key).page(cursor);
    rows.push(...page.rows);
    cursor = page.next;
  } while (cursor !== '');
  return rows;
}

describe('at a start', () => {
  test('F2A records that are gone while the counts stay are a loss, declared once by however many processes', async () => {
    const site = await staffed(5);
    await remove(site, 'user:*');
    expect(await Promise.all(Array.from({ length: 4 }, () => begin(site)))).toEqual(Array.from({ length: 4 }, () => 'lost'));
    expect(await declarations(site)).toEqual(['site-lost']);
    expect(await new SiteModes(site.redis, site.key).read()).toMatchObject({ mode: 'observe', by: 'lost' });
    expect((await site.store.witness.look()).recovery).toBe('lost');
    await expect(site.users.remove(site.ids[0] ?? '', CONTEXT)).rejects.toThrow('lost');
  });

  test('F2A one record of many is as much of a loss: of somebody active, a leaver, a tombstone', async () => {
    for (const what of ['active', 'leaver', 'tombstone'] as const) {
      const site = await staffed(3);
      const [id = ''] = site.ids;
      if (what === 'leaver') await site.users.patch(id, LEAVE, CONTEXT);
      if (what === 'tombstone') await site.users.remove(id, CONTEXT);
      await remove(site, `user:${id}`);
      expect(await begin(site), what).toBe('lost');
    }
  });

  test('F2A the references gone as well, the records that people in lists should have are missed all the same', async () => {
    const site = await staffed(3);
    await site.redis.del(`${site.store.prefix}references`);
    await remove(site, 'user:*');
    expect(await begin(site)).toBe('lost');
  });

  test('F2A references that are gone under whole records are put back, and a rebuild takes nothing from those records', async () => {
    const site = await staffed(3);
    const { redis, store, ids } = site;
    const [tombstone = ''] = ids;
    await site.users.remove(tombstone, CONTEXT);
    const before = await Promise.all(ids.map((id) => redis.hgetall(store.userKey(id))));
    await redis.del(`${store.prefix}references`);
    expect(await begin(site)).toBe('lost');
    expect(await redis.hvals(`${store.prefix}references`)).toEqual(expect.arrayContaining(ids.slice(1)));
    const link = JSON.stringify({ customerId: '1', origin: 'created', confirmed: {}, subscriptions: [] });
    const put = new RedisScript(new URL('../../src/directory/put-unclaimed.lua', import.meta.url));
    const reference = before[0]?.reference ?? '';
    expect(await put.run(redis, store.prefix, tombstone, reference, SCHEMA_VERSION, '{}', link, 0, '{}', 'word')).toBe(0);
    expect(await redis.hget(`${store.prefix}references`, reference)).toBe(tombstone);
    expect(await Promise.all(ids.map((id) => redis.hgetall(store.userKey(id))))).toEqual(before);
    expect(await redis.zcard(`${store.prefix}unclaimed`)).toBe(0);
  });

  test('what is left is as if nobody had ever been listed: no second alarm, and who comes back by an import is whole', async () => {
    const site = await staffed(6);
    const { ids, redis, store } = site;
    const group = await site.groups.create({ displayName: 'Chess', members: ids.map((value) => ({ value })) }, CONTEXT);
    const rows = await exported(site);
    const gone = ids.slice(0, 4);
    await redis.del(...gone.map((id) => store.userKey(id)));
    // What somebody who knew them has still written.
    await redis.hset(store.userKey(gone[0] ?? ''), 'run', '{}');
    expect(await begin(site)).toBe('lost');
    expect(await redis.hvals(`${store.prefix}references`)).toEqual(expect.arrayContaining(ids.slice(4)));
    for (const index of ['references', 'userNames']) expect(await redis.hlen(store.prefix + index)).toBe(2);
    for (const list of ['order', 'dirty', `members:${group.id}`]) expect(await redis.zcard(store.prefix + list)).toBe(2);
    expect(await redis.scard(`${store.prefix}active`)).toBe(2);
    expect(await redis.hget(`${store.prefix}group:${group.id}`, 'size')).toBe('2');
    // Those who ran on, and those who begin now, see nothing new in what was forgotten.
    expect(await begin(site)).toBe('lost');
    await site.store.witness.look();
    const imported = await new Archive(store, site.key).put(rows, AUDIT);
    expect(imported).toMatchObject({ added: 4, kept: 2, conflict: 0 });
    const { witness } = store;
    for (const [from, to] of [
      ['lost', 'rebuilding'],
      ['rebuilding', 'imported'],
      ['imported', undefined],
    ] as const) {
      expect(await witness.proceed(from, to, { ...AUDIT, what: 'step' })).toBe(true);
    }
    expect(await begin(site)).toBeUndefined();
    expect([...((await site.groupStore.members([group.id])).get(group.id) ?? [])].sort()).toEqual([...ids].sort());
    expect(await store.redis.hmget(store.userKey(ids[0] ?? ''), 'groups')).toEqual([JSON.stringify([group.id])]);
    expect(await declarations(site)).toEqual(['site-lost']);
  });

  test('a survey from before is none of the data that was lost in part', async () => {
    const site = await staffed(2);
    await remove(site, 'user:*');
    await begin(site);
    expect(await site.redis.hget(`${site.store.prefix}site`, 'began')).toBe('restored');
  });

  test('nothing is missed in data that is whole: people of every kind, erased ones, groups, and writes at that very moment', async () => {
    const site = await staffed(8);
    const { ids, users } = site;
    await site.groups.create({ displayName: 'Chess', members: ids.map((value) => ({ value })) }, CONTEXT);
    await users.patch(ids[0] ?? '', LEAVE, CONTEXT);
    await users.remove(ids[1] ?? '', CONTEXT);
    await erase(site, ids[2] ?? '');
    await erase(site, ids[1] ?? '');
    let writing = true;
    const write = async (first: number): Promise<void> => {
      for (let n = first; n < first + 20; n += 1) {
        const { id } = await users.create(body(n), CONTEXT);
        if (n % 2 === 0) await users.remove(id, CONTEXT);
        if (n % 4 === 0) await erase(site, id);
      }
    };
    const writes = Promise.all([write(100), write(200), write(300)]).finally(() => {
      writing = false;
    });
    const late = site.replica();
    const found = new Set<string | undefined>();
    while (writing) {
      await new Census(late.store, site.key, logger).take();
      found.add(late.store.witness.standing.recovery);
    }
    await writes;
    expect(found.add(await begin(site))).toEqual(new Set([undefined]));
    expect(await declarations(site)).toEqual([]);
  });

  test('what a newer release keeps otherwise is not judged, at a start or later', async () => {
    const site = await staffed(3);
    await site.redis.hset(`${site.store.prefix}site`, 'schema', SCHEMA_VERSION + 1);
    await remove(site, 'user:*');
    expect(await begin(site)).toBeUndefined();
    await site.redis.del(`${site.store.prefix}references`);
    expect((await site.store.witness.look()).recovery).toBeUndefined();
    expect(await declarations(site)).toEqual([]);
  });

  test('data that nobody has met, and an empty Redis, are nothing lost', async () => {
    const site = openSite(server);
    expect(await begin(site)).toBeUndefined();
    await site.users.create(body(1), CONTEXT);
    expect(await begin(site)).toBeUndefined();
  });
});

describe('while a process runs, and over a restart', () => {
  test('F2A references that are gone are noticed by who has counted them: all of them lost, some of them set back', async () => {
    const site = await staffed(5);
    const { redis, store } = site;
    await redis.hdel(`${store.prefix}references`, 'ext-1', 'ext-2');
    expect((await store.witness.look()).recovery).toBe('restored');
    const other = await staffed(5);
    await other.redis.del(`${other.store.prefix}references`);
    expect((await other.store.witness.look()).recovery).toBe('lost');
  });

  test('erasures lower the number for everybody, also those of a release that knows nothing of it, and of one person twice', async () => {
    const site = await staffed(6);
    const other = site.replica();
    await other.store.witness.look();
    for (const id of site.ids.slice(0, 4)) await erase(site, id);
    expect((await other.store.witness.look()).recovery).toBeUndefined();
    const again = await site.users.create(body(1), CONTEXT);
    await other.store.witness.look();
    await erase(site, again.id);
    for (const each of [site, other]) expect((await each.store.witness.look()).recovery).toBeUndefined();
    expect(await declarations(site)).toEqual([]);
  });

  test('an import, a rebuild and a declared loss are numbers of their own to who was there before', async () => {
    const site = await staffed(4);
    const other = site.replica();
    await other.store.witness.look();
    await site.store.witness.declare('restored', 'dana');
    await site.redis.del(`${site.store.prefix}references`);
    // Whoever has declared it has counted: this is one more loss. Who comes later takes its word.
    expect((await site.store.witness.look()).recovery).toBe('lost');
    expect((await other.store.witness.look()).recovery).toBe('lost');
    expect(await declarations(site)).toEqual(['site-restored', 'site-lost']);
  });

  test('F2A the witness file keeps the number, and a file of a release that did not count is no alarm', async () => {
    const path = join(folder, 'witness.json');
    const site = await staffed(4);
    const kept = (from: TestSite): WitnessFile | undefined =>
      WitnessFile.open(path, { site: site.key, witness: from.store.witness, logger });
    const first = kept(site);
    first?.close();
    const { [site.key]: memory } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, { counted: { people: number } }>;
    expect(memory?.counted.people).toBe(4);
    await site.redis.hdel(`${site.store.prefix}references`, 'ext-1');
    const [older, newer] = [site.replica(), site.replica()];
    const { epoch, seq } = site.store.witness.standing;
    older.store.witness.remember({ epoch, seq, past: [] });
    expect((await older.store.witness.look()).recovery).toBeUndefined();
    const second = kept(newer);
    expect((await newer.store.witness.look()).recovery).toBe('restored');
    second?.close();
  });
});
