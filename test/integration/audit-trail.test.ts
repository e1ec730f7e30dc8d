/**
 * The sealed audit trail on a real Redis: every entry hangs on the one before, whoever edits, removes or cuts off is found by the first bad entry, files outside of
 * Redis go on from one another, and nothing is forgotten before it is exported. What checks is what the command line checks with.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ChainCheck, type ChainFault, type ChainPoint, genesisOf, readSealed } from '../../src/audit-chain.ts';
import { type Verdict, verifyFiles, verifyService } from '../../src/cli/audit-verify.ts';
import { AuditTrail, KEPT_DAYS, KEPT_EXPORTED_DAYS } from '../../src/directory/audit-trail.ts';
import { Secret } from '../../src/secret.ts';
import { AuditCare } from '../../src/survey/audit-care.ts';
import { AuditExport } from '../../src/survey/audit-export.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { body, CONTEXT, changeOf, openSite, patchOf, type TestSite } from './directory-bench.ts';

const DAY_MS = 86_400_000;
const signal = new AbortController().signal;
let server: TestRedis;
let folder: string;

beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterAll(() => server.stop());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'audit-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const trailOf = (site: TestSite): AuditTrail => new AuditTrail(site.store, site.key);

async function seal(site: TestSite): Promise<void> {
  for (const trail = trailOf(site); (await trail.seal()).more; );
}

async function lines(site: TestSite): Promise<string[]> {
  const all: string[] = [];
  for (let after = ''; ; ) {
    const page = await trailOf(site).page(after, 7);
    all.push(...page.lines);
    if (page.last === undefined) return all;
    after = page.last;
  }
}

/** What whoever audits would find. */
async function verdict(site: TestSite, anchor?: ChainPoint): Promise<ChainFault | undefined> {
  const { base, sealed } = await trailOf(site).head();
  const check = new ChainCheck(site.key, base);
  for (const line of await lines(site)) check.add(line);
  check.expect(sealed);
  if (anchor !== undefined) check.expect(anchor);
  return check.fault;
}

/** A life: nine entries and more. */
async function live(site: TestSite): Promise<void> {
  const { id } = await site.users.create(body('ä"\\ /', { userName: 'zoë@example.com' }), CONTEXT);
  await site.users.patch(id, patchOf({ op: 'replace', path: 'title', value: 'x' }), CONTEXT);
  await site.groups.create({ displayName: 'Sales', members: [{ value: id }] }, CONTEXT);
  for (let n = 1; n <= 4; n += 1) await site.store.commit(changeOf(n));
  await site.runs.tell(id, 2, { kind: 'maxio', what: 'create-customer', result: 'done', updatedAt: '2026-01-01T00:00:00-05:00' });
  await site.users.remove(id, CONTEXT);
}

/** A hand in Redis: the stream is written anew with the same ids. */
async function rewrite(site: TestSite, edit: (rows: [string, string[]][]) => [string, string[]][]): Promise<void> {
  const key = `${site.store.prefix}audit`;
  const rows = edit(await site.redis.xrange(key, '-', '+'));
  await site.redis.del(key);
  for (const [id, fields] of rows) await site.redis.xadd(key, id, ...fields);
}

describe('S17 the sealed trail', () => {
  it('holds, and can be checked with a hash and a knife alone', async () => {
    const site = openSite(server);
    await live(site);
    await seal(site);
    expect(await verdict(site)).toBeUndefined();
    let before = createHash('sha256').update(`maxio-scim audit ${site.key}`).digest('hex');
    const all = await lines(site);
    expect(all.length).toBeGreaterThan(8);
    for (const line of all) {
      const text = `${line.slice(0, line.lastIndexOf(',"hash":"'))}}`;
      before = createHash('sha256')
        .update(before + text)
        .digest('hex');
      expect(line.endsWith(`,"hash":"${before}"}`)).toBe(true);
    }
    expect((await trailOf(site).head()).sealed).toEqual({ seq: all.length, hash: before });
    expect(JSON.parse(all[0] ?? '')).toMatchObject({
      seq: 1,
      generation: 1,
      entry: { kind: 'scim', what: 'create', requestId: 'req-1' },
    });
  });

  it('is one chain although two seal at once and others go on writing', async () => {
    const site = openSite(server);
    const other = site.replica();
    const writes = Array.from({ length: 1_200 }, (_, n) => site.store.commit(changeOf(n)));
    const seals = Array.from({ length: 20 }, (_, n) => trailOf(n % 2 === 0 ? site : other).seal());
    await Promise.all([...writes, ...seals]);
    await seal(site);
    expect(await verdict(site)).toBeUndefined();
    expect((await trailOf(site).head()).sealed.seq).toBe(1_200);
  });

  it('names a person by one random word for ever, which says nothing about the id', async () => {
    const site = openSite(server);
    await live(site);
    await seal(site);
    const record = (await site.store.idsByExternalId('ext-ä"\\ /'))[0] ?? '';
    const read = (await lines(site)).flatMap((line) => readSealed(line) ?? []);
    const subjects = new Set(
      read.filter(({ entry }) => entry.requestId === 'req-1' && entry.kind === 'scim').map(({ subject }) => subject),
    );
    const { people } = await trailOf(site).people('0');
    const own = people.find(({ id }) => id === record);
    expect(subjects).toContain(own?.subject);
    expect(new Set(people.map(({ subject }) => subject)).size).toBe(people.length);
    expect(JSON.stringify(read)).not.toContain(record);
  });

  it('F72 goes on after the data was set back, and after it was lost; both are told and neither is a fault', async () => {
    const site = openSite(server);
    await site.redis.hset(`${site.store.prefix}site`, 'epoch', 'first');
    await site.store.witness.look();
    await live(site);
    await seal(site);
    const saved = await Promise.all(
      ['audit', 'auditChain', 'auditSeal', 'auditClock'].map((name) => site.redis.dumpBuffer(site.store.prefix + name)),
    );
    for (let n = 10; n <= 20; n += 1) await site.store.commit(changeOf(n));
    await seal(site);
    const [newer, { sealed }] = [await lines(site), await trailOf(site).head()];
    for (const [at, name] of ['audit', 'auditChain', 'auditSeal', 'auditClock'].entries()) {
      await site.redis.restore(site.store.prefix + name, 0, saved[at] ?? Buffer.alloc(0), 'REPLACE');
    }
    expect((await site.store.witness.look()).recovery).toBe('restored');
    await site.runs.tell('', 0, { kind: 'operator', what: 'after' });
    await seal(site);
    expect(await verdict(site)).toBeUndefined();
    expect((await trailOf(site).head()).sealed.seq).toBe(sealed.seq + 2);
    // Whoever has the lines that were lost in between can check both together.
    const check = new ChainCheck(site.key);
    for (const line of [...newer, ...(await lines(site))]) check.add(line);
    expect(check.fault).toBeUndefined();
    await site.redis.del(...['audit', 'auditChain', 'auditSeal', 'auditClock', 'site'].map((name) => site.store.prefix + name));
    expect((await site.store.witness.look()).recovery).toBe('lost');
    await seal(site);
    expect(await verdict(site)).toBeUndefined();
  });

  it('is sealed by a chore that says its end in the log, without a name', async () => {
    const site = openSite(server);
    const said: string[] = [];
    const logger = pino({ level: 'info' }, { write: (line: string) => void said.push(line) });
    const care = new AuditCare({ siteKey: site.key, trail: trailOf(site), logger });
    await live(site);
    const nowMs = await site.runs.nowMs();
    const turn = (atMs: number) => care.turn({ nowMs: atMs, mode: 'paused', signal });
    while ((await turn(nowMs)) === 'more');
    const { sealed } = await trailOf(site).head();
    expect(said.map((line) => JSON.parse(line))).toMatchObject([{ msg: 'audit trail sealed', ...sealed }]);
    await turn(nowMs + 3_500_000);
    expect(said).toHaveLength(1);
    await turn(nowMs + 3_700_000);
    expect(said).toHaveLength(2);
  });

  it('gives a word to people whom an earlier release has left without', async () => {
    const site = openSite(server);
    await site.store.commit(changeOf(1));
    await site.redis.hdel(site.store.userKey('id-1'), 'subject');
    await site.runs.tell('id-1', 1, { kind: 'run', what: 'before' });
    expect(await trailOf(site).giveSubjects('0')).toBe('0');
    await site.runs.tell('id-1', 1, { kind: 'run', what: 'after' });
    await seal(site);
    const subjects = (await lines(site)).map((line) => readSealed(line)?.subject);
    expect(subjects[1]).toBe('');
    expect(subjects[2]).toBe(await site.redis.hget(site.store.userKey('id-1'), 'subject'));
    expect(await verdict(site)).toBeUndefined();
  });
});

describe('F87 S17 a hand in the trail', () => {
  async function sealedLife(): Promise<{ site: TestSite; anchor: ChainPoint }> {
    const site = openSite(server);
    await live(site);
    await seal(site);
    return { site, anchor: (await trailOf(site).head()).sealed };
  }

  it('that edits an entry is found at that entry', async () => {
    const { site } = await sealedLife();
    await rewrite(site, (rows) =>
      rows.map(([id, fields], at) => [id, fields.map((field) => (at === 3 ? field.replace('create', 'delete') : field))]),
    );
    expect(await verdict(site)).toMatchObject({ seq: 4, what: expect.stringContaining('changed') });
  });

  it('that puts no JSON into an entry is found at that entry', async () => {
    const { site } = await sealedLife();
    await rewrite(site, (rows) => rows.map(([id, fields], at) => [id, at === 1 ? [...fields.slice(0, -1), '{'] : fields]));
    expect(await verdict(site)).toMatchObject({ seq: 2 });
  });

  it('that removes an entry is found at the gap, also before it was sealed', async () => {
    const { site } = await sealedLife();
    await rewrite(site, (rows) => rows.toSpliced(4, 1));
    expect(await verdict(site)).toMatchObject({ seq: 5, what: expect.stringContaining('missing') });
    const young = openSite(server);
    await live(young);
    await rewrite(young, (rows) => rows.toSpliced(2, 2));
    await seal(young);
    expect(await verdict(young)).toMatchObject({ seq: 3, what: expect.stringContaining('up to 4') });
  });

  it('that exchanges two entries is found at the first of them', async () => {
    const { site } = await sealedLife();
    await rewrite(site, (rows) => rows.map(([id], at) => [id, (rows[at === 5 ? 6 : at === 6 ? 5 : at] ?? ['', []])[1]]));
    expect((await verdict(site))?.seq).toBeLessThanOrEqual(7);
    expect((await verdict(site))?.seq).toBeGreaterThanOrEqual(6);
  });

  it('that cuts off the end is found by the seal', async () => {
    const { site, anchor } = await sealedLife();
    await rewrite(site, (rows) => rows.slice(0, -3));
    expect(await verdict(site)).toMatchObject({ seq: anchor.seq - 2, what: expect.stringContaining('missing') });
  });

  it('that cuts off the end with its seal, or writes the whole chain anew, is found by an anchor kept elsewhere only', async () => {
    const { site, anchor } = await sealedLife();
    const p = site.store.prefix;
    await rewrite(site, (rows) => rows.slice(0, -3));
    await site.redis.del(`${p}auditSeal`, `${p}auditChain`);
    await seal(site);
    expect(await verdict(site), 'nothing that is left contradicts itself').toBeUndefined();
    expect(await verdict(site, anchor)).toMatchObject({
      seq: anchor.seq - 2,
      what: expect.stringContaining(`sealed up to ${anchor.seq}`),
    });
    const forged = await sealedLife();
    await rewrite(forged.site, (rows) =>
      rows.map(([id, fields], at) => [id, fields.map((field) => (at === 0 ? field.replace('create', 'revive') : field))]),
    );
    await forged.site.redis.del(`${forged.site.store.prefix}auditSeal`, `${forged.site.store.prefix}auditChain`);
    await seal(forged.site);
    expect(await verdict(forged.site)).toBeUndefined();
    expect(await verdict(forged.site, forged.anchor)).toMatchObject({
      seq: forged.anchor.seq,
      what: expect.stringContaining('anew'),
    });
  });

  it('lines of another site do not stand in for these', async () => {
    const { site } = await sealedLife();
    const check = new ChainCheck('us.another');
    for (const line of await lines(site)) check.add(line);
    expect(check.fault?.seq).toBe(1);
  });
});

describe('S17 S19 files of the trail', () => {
  /** Turns of the chore a day apart. */
  async function exported(site: TestSite, days: number): Promise<string[]> {
    const chore = new AuditExport({ siteKey: site.key, folder, trail: trailOf(site), logger: pino({ level: 'silent' }) });
    const nowMs = (await site.runs.nowMs()) + days * DAY_MS;
    while ((await chore.turn({ nowMs, mode: 'enforce', signal })) === 'more');
    return files(site);
  }

  const files = (site: TestSite): string[] =>
    readdirSync(folder)
      .filter((name) => name.startsWith(`audit-${site.key}-`))
      .sort()
      .map((name) => join(folder, name));

  it('go on from one another and are checked together, in their order, to the end that somebody noted', async () => {
    const site = openSite(server);
    await live(site);
    await seal(site);
    expect(await exported(site, 0), 'less than a day').toEqual([]);
    const [first = ''] = await exported(site, 2);
    await site.users.create(body('next'), CONTEXT);
    await seal(site);
    const both = await exported(site, 4);
    expect(both).toHaveLength(2);
    const { sealed, exportedSeq } = await trailOf(site).head();
    expect(exportedSeq).toBe(sealed.seq);
    const good = await verifyFiles(both, [sealed]);
    expect(good).toMatchObject({ fault: undefined, site: site.key, entries: sealed.seq, head: sealed, notes: [] });
    expect((await verifyFiles([both[1] ?? ''], [])).notes).toHaveLength(1);
    expect((await verifyFiles([first], [sealed])).fault, 'the second file was taken away').toMatchObject({
      seq: sealed.seq,
      where: 'the anchor',
    });
    expect((await verifyFiles([first, first], [])).fault, 'the same twice').toBeUndefined();
    expect(await exported(site, 6), 'nothing new, no file').toHaveLength(2);
  });

  it('F87 a file that was edited, cut off or is of another site is found', async () => {
    const site = openSite(server);
    await live(site);
    await seal(site);
    const [path = ''] = await exported(site, 2);
    const whole = gunzipSync(readFileSync(path)).toString().trimEnd().split('\n');
    const written = (name: string, texts: string[]): string => {
      writeFileSync(join(folder, name), gzipSync(`${texts.join('\n')}\n`));
      return join(folder, name);
    };
    const edited = written(
      'edited.jsonl.gz',
      whole.map((line, at) => (at === 3 ? line.replace('"generation":', '"generation":1') : line)),
    );
    expect((await verifyFiles([edited], [])).fault).toMatchObject({ seq: 3, what: expect.stringContaining('changed') });
    const cut = written('cut.jsonl.gz', whole.slice(0, -1));
    expect((await verifyFiles([cut], [])).fault).toMatchObject({ what: expect.stringContaining('cut off') });
    const shorter = written('shorter.jsonl.gz', whole.toSpliced(-2, 1));
    expect((await verifyFiles([shorter], [])).fault).toMatchObject({ seq: whole.length - 2 });
    const bytes = readFileSync(path);
    writeFileSync(join(folder, 'torn.jsonl.gz'), bytes.subarray(0, bytes.length - 30));
    expect((await verifyFiles([join(folder, 'torn.jsonl.gz')], [])).fault).toBeDefined();
    const head = JSON.parse(whole[0] ?? '');
    const moved = written('moved.jsonl.gz', [
      JSON.stringify({ ...head, site: 'us.another', previous: genesisOf('us.another') }),
      ...whole.slice(1),
    ]);
    expect((await verifyFiles([moved], [])).fault).toMatchObject({ seq: 1 });
    expect((await verifyFiles([path, moved], [])).fault).toMatchObject({ what: expect.stringContaining('not of') });
  });

  it('that begins anew without a word is bad, unless an entry behind it was noted elsewhere; with a word it holds', async () => {
    const site = openSite(server);
    const names = ['audit', 'auditChain', 'auditSeal', 'auditClock'].map((name) => site.store.prefix + name);
    const copy = (paths: string[]): string[] =>
      paths.map((path, at) => {
        const kept = join(folder, `kept-${at}-${Math.random()}.jsonl.gz`);
        writeFileSync(kept, readFileSync(path));
        rmSync(path);
        return kept;
      });
    await live(site);
    await seal(site);
    const old = copy(await exported(site, 2));
    const oldHead = (await trailOf(site).head()).sealed;
    await site.redis.del(...names);
    // Processes that have been restarted remember nothing.
    const fresh = site.replica();
    for (let n = 30; n <= 33; n += 1) await fresh.store.commit(changeOf(n));
    await seal(site);
    const silent = [...old, ...copy(await exported(site, 2))];
    const newHead = (await trailOf(site).head()).sealed;
    expect(newHead.seq).toBe(4);
    expect(await verifyFiles(silent, [])).toMatchObject({ fault: { seq: 1, what: expect.stringContaining('begins anew') } });
    expect((await verifyFiles(silent, [oldHead])).fault, 'it is about what came before').toMatchObject({ seq: 1 });
    expect((await verifyFiles(silent, [genesisOf(site.key)])).fault).toMatchObject({ seq: 1 });
    expect((await verifyFiles(silent, [{ ...newHead, hash: 'f'.repeat(64) }])).fault).toMatchObject({ where: 'the anchor' });
    expect((await verifyFiles(silent, [newHead, oldHead])).fault).toBeUndefined();
    expect((await verifyFiles([silent[1] ?? ''], [])).fault, 'the first file begins somewhere').toBeUndefined();
    expect((await verifyFiles(silent.toReversed(), [])).fault, 'in the wrong order').toMatchObject({ seq: 1 });

    // Told late: by the survey, before anything is done at Maxio.
    const begin = async (...entries: { kind: 'run' | 'maxio'; what: string; seqFound?: number }[]): Promise<string[]> => {
      await site.redis.del(...names);
      for (const entry of entries) await site.runs.tell('', 0, entry as Parameters<typeof site.runs.tell>[2]);
      await seal(site);
      return [...old, ...copy(await exported(site, 2))];
    };
    const lost = { kind: 'run' as const, what: 'site-lost', seqFound: 1 };
    const told = await verifyFiles(await begin({ kind: 'run', what: 'mode' }, lost), []);
    expect(told).toMatchObject({ fault: undefined, notes: [expect.stringContaining('entry 2 tells')] });
    const late = await begin({ kind: 'maxio', what: 'cancel' }, lost);
    expect((await verifyFiles(late, [])).fault).toMatchObject({ what: expect.stringContaining('begins anew') });
  });

  it('F87 a trail that does not hold is not exported, so nothing of it is forgotten', async () => {
    const site = openSite(server);
    await live(site);
    await seal(site);
    await rewrite(site, (rows) => rows.toSpliced(2, 1));
    await expect(exported(site, 2)).rejects.toThrow('does not hold from entry 3 on');
    expect(readdirSync(folder)).toEqual([]);
    expect((await trailOf(site).head()).exportedSeq).toBe(0);
  });

  it('S19 Redis forgets after 30 days what is exported, and after 400 what is not; the rest is still checked', async () => {
    const site = openSite(server);
    const trail = trailOf(site);
    await live(site);
    await seal(site);
    const nowMs = await site.runs.nowMs();
    const all = (await lines(site)).length;
    expect(await trail.trim(nowMs + (KEPT_EXPORTED_DAYS + 10) * DAY_MS), 'not exported yet').toBe(0);
    await exported(site, 2);
    expect(await trail.trim(nowMs + (KEPT_EXPORTED_DAYS - 1) * DAY_MS)).toBe(0);
    const gone = await trail.trim(nowMs + (KEPT_EXPORTED_DAYS + 1) * DAY_MS);
    expect(gone).toBeGreaterThan(0);
    expect(await lines(site)).toHaveLength(all - gone);
    expect(await site.redis.hlen(`${site.store.prefix}auditChain`)).toBe(all - gone);
    await site.users.create(body('later'), CONTEXT);
    await seal(site);
    expect(await verdict(site)).toBeUndefined();
    const { base } = await trail.head();
    expect(base.seq).toBe(gone);
    expect((await exported(site, 4)).length).toBe(2);
    expect((await verifyFiles(files(site), [])).fault).toBeUndefined();

    const alone = openSite(server);
    await live(alone);
    expect(await trailOf(alone).trim(nowMs + 2 * KEPT_DAYS * DAY_MS), 'not sealed yet').toBe(0);
    await seal(alone);
    expect(await trailOf(alone).trim(nowMs + (KEPT_DAYS + 1) * DAY_MS)).toBe((await trailOf(alone).head()).sealed.seq);
    expect(await verdict(alone)).toBeUndefined();
  });
});

describe('S19 a trail that is read while Redis forgets its beginning', () => {
  /** What the command finds, asked over HTTP. @param meanwhile called before each answer and, for pages, between what is read and its hashes */
  async function asked(site: TestSite, meanwhile: (what: 'head' | 'page', n: number) => Promise<void>): Promise<Verdict> {
    const trail = trailOf(site);
    const counts = { head: 0, page: 0 };
    const service = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://x');
      const what = pathname.endsWith('/lines') ? 'page' : 'head';
      counts[what] += 1;
      const answer = async (): Promise<object> => {
        await meanwhile(what, counts[what]);
        if (what === 'head') return { site: site.key, ...(await trail.head()), sealedAt: null };
        const { lines: some, last } = await trail.page(searchParams.get('after') ?? '', 3);
        return { site: site.key, lines: some, last: last ?? null };
      };
      void answer().then((body) => response.setHeader('content-type', 'application/json').end(JSON.stringify(body)));
    });
    service.listen(0, '127.0.0.1');
    await once(service, 'listening');
    const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
    try {
      return await verifyService({ url, token: new Secret('x') }, undefined, []);
    } finally {
      service.closeAllConnections();
      service.close();
    }
  }

  /** Forgets everything before an entry, as the chore does. */
  async function forget(site: TestSite, seq: number): Promise<void> {
    const rows = await site.redis.xrange(`${site.store.prefix}audit`, '-', '+');
    const p = site.store.prefix;
    for (const [id, fields] of rows) {
      const own = Number(fields[fields.indexOf('seq') + 1]);
      if (own >= seq) return;
      const hash = (await site.redis.hget(`${p}auditChain`, String(own))) ?? '';
      await site.redis.hset(`${p}auditSeal`, { baseSeq: own, baseHash: hash });
      await site.redis.hdel(`${p}auditChain`, String(own));
      await site.redis.xdel(`${p}audit`, id);
    }
  }

  async function sealedSite(): Promise<TestSite> {
    const site = openSite(server);
    for (let n = 1; n <= 12; n += 1) await site.store.commit(changeOf(n));
    await seal(site);
    return site;
  }

  it.each([
    ['before the first page', 'page', 1, 5],
    ['between pages, beyond the next one', 'page', 2, 9],
    ['everything', 'page', 2, 13],
  ] as const)('is not called bad: %s', async (_, when, n, seq) => {
    const site = await sealedSite();
    const found = await asked(site, async (what, at) => {
      if (what === when && at === n) await forget(site, seq);
    });
    expect(found).toMatchObject({ fault: undefined, head: { seq: 12 } });
    expect(found.notes.join()).toContain('were forgotten while this was read');
  });

  it('is not called bad where entries were read and their hashes were gone', async () => {
    const site = await sealedSite();
    const hmget = site.redis.hmget.bind(site.redis);
    let torn = false;
    site.redis.hmget = (async (...args: Parameters<typeof hmget>) => {
      if (!torn && String(args[0]).endsWith('auditChain')) {
        torn = true;
        await forget(site, 3);
      }
      return await hmget(...args);
    }) as typeof site.redis.hmget;
    const found = await asked(site, async () => undefined);
    expect(torn).toBe(true);
    expect(found).toMatchObject({ fault: undefined, head: { seq: 12 }, entries: 10 });
  });

  it('F87 is called bad all the same where a hand was in it', async () => {
    const edited = await sealedSite();
    await rewrite(edited, (rows) =>
      rows.map(([id, fields], at) => [id, fields.map((field) => (at === 1 ? field.replace('create', 'delete') : field))]),
    );
    const found = await asked(edited, async (what, n) => {
      if (what === 'head' && n === 2) await forget(edited, 5);
    });
    expect(found.fault).toMatchObject({ seq: 2, what: expect.stringContaining('changed') });
    const removed = await sealedSite();
    await rewrite(removed, (rows) => rows.toSpliced(8, 1));
    const gap = await asked(removed, async (what, n) => {
      if (what === 'page' && n === 1) await forget(removed, 4);
    });
    expect(gap.fault).toMatchObject({ seq: 9, what: expect.stringContaining('missing') });
  });
});
