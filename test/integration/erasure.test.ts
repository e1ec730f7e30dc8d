/**
 * Erasing one person: who may be erased, that nothing in Redis names them afterwards while the audit trail still holds, and that neither a rebuild, an import,
 * a restored backup nor a POST brings them back unasked. A real Redis; the sandbox over HTTP where Maxio matters.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ChainCheck } from '../../src/audit-chain.ts';
import { Archive, type ArchiveRow } from '../../src/directory/archive.ts';
import { AuditTrail } from '../../src/directory/audit-trail.ts';
import { Erased } from '../../src/directory/erased.ts';
import { scimId, siteOfKey } from '../../src/directory/identity.ts';
import type { MaxioLink } from '../../src/directory/record.ts';
import { SurveyIndex } from '../../src/directory/survey-index.ts';
import { createUsers, type Users } from '../../src/directory/users.ts';
import { Secret } from '../../src/secret.ts';
import { ErasedCopy } from '../../src/survey/erased-copy.ts';
import { Erasures } from '../../src/survey/erasure.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { type SandboxApi, startSandbox } from '../support/sandbox-api.ts';
import { body, CONTEXT, openSite, patchOf, type TestSite } from './directory-bench.ts';
import { openBench, type SurveyBench } from './survey-bench.ts';

const BY = { by: 'dana', requestId: 'req-e' };
const KEY = 'erasure-key-71f0c9d2b8a64e53';
const CANARY = { userName: 'canary.name@example.com', externalId: 'canary-external' };
let server: TestRedis;

beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterAll(() => server.stop());

const erasedOf = (site: TestSite, key: string | undefined = KEY): Erased =>
  new Erased(site.store, site.key, key === undefined ? undefined : new Secret(key));

function erasuresOf(site: TestSite, key?: string): Erasures {
  return new Erasures({ store: site.store, index: new SurveyIndex(site.store), erased: erasedOf(site, key) });
}

/** Ends the work of a person as a run would. */
async function settle(site: TestSite, id: string, link?: MaxioLink): Promise<void> {
  const record = await site.store.read(id);
  const lease = await site.runs.lease(id);
  if (record === undefined || lease === undefined) throw new Error('nobody to settle');
  const { generation } = record;
  if (link !== undefined) await site.runs.recordStep(lease, { generation, link, open: [] });
  const run = { outcome: 'settled' as const, attempts: 1 };
  await site.runs.finish(lease, { generation, run, audit: { kind: 'run', what: 'settled' } });
  await site.runs.release(lease, true);
}

const ended: MaxioLink = {
  customerId: '4711',
  origin: 'created',
  confirmed: { first_name: 'CanaryGiven' },
  subscriptions: [{ id: '9', origin: 'created', state: 'canceled', endedBy: 'cancel', monthlyCents: 1_000 }],
};

/** Somebody whose every word is a canary, in a group, with a customer, gone and settled. */
async function gone(site: TestSite): Promise<string> {
  const names = { name: { givenName: 'CanaryGiven', familyName: 'CanaryFamily' }, title: 'canary title' };
  const more = {
    emails: [{ value: CANARY.userName }, { value: 'canary2@example.com' }],
    phoneNumbers: [{ value: '+49 canary' }],
  };
  const { id } = await site.users.create(body('c', { ...CANARY, ...names, ...more }), CONTEXT);
  await site.groups.create({ displayName: 'Sales', members: [{ value: id }] }, CONTEXT);
  await settle(site, id, ended);
  await site.users.patch(id, patchOf({ op: 'replace', path: 'active', value: false }), CONTEXT);
  await settle(site, id);
  const p = site.store.prefix;
  await site.redis.hset(`${p}driftRows`, id, JSON.stringify([{ personId: id, userName: CANARY.userName }]));
  await site.redis.hset(`${p}driftRows:new`, id, JSON.stringify([{ personId: id, userName: CANARY.userName }]));
  await site.redis.zadd(`${p}driftPuts`, 1, id);
  await site.redis.hset(`${p}driftRepairs`, `left-billed:${id}`, '1');
  await site.redis.hset(`${p}links`, '4711', JSON.stringify({ reference: CANARY.externalId, state: 'applied' }));
  await site.redis.hset(`${p}linkReferences`, CANARY.externalId, '4711');
  await site.redis.hset(`${p}separate`, `12:${CANARY.externalId}`, '{}');
  const examples = [`${CANARY.userName} (${id}): now x. Then: y.`, 'somebody else'];
  await site.redis.hset(`${p}configuration`, { candidate: '{}', changes: JSON.stringify({ people: 2, examples }) });
  await site.redis.hset(`${p}rebuild`, { state: 'done', references: JSON.stringify([CANARY.externalId]) });
  await site.redis.hset(`${p}touchedNews`, '4711', 'canary news');
  await site.redis.zadd(`${p}touched`, 1, '4711');
  return id;
}

/** Every key with everything in it, as text. In an order of its own: that of Redis changes while it moves its tables. */
async function everything(site: TestSite): Promise<string> {
  const parts: string[] = [];
  for (const key of (await site.redis.keys('*')).sort()) {
    if (!key.includes(site.key)) continue;
    const type = await site.redis.type(key);
    const read = {
      hash: () => site.redis.hgetall(key),
      zset: () => site.redis.zrange(key, '0', '-1'),
      set: () => site.redis.smembers(key),
      list: () => site.redis.lrange(key, 0, -1),
      stream: () => site.redis.xrange(key, '-', '+'),
      string: () => site.redis.get(key),
    }[type];
    parts.push(key, JSON.stringify(await read?.()));
  }
  return parts.join('\n');
}

async function sealed(site: TestSite): Promise<ChainCheck> {
  const trail = new AuditTrail(site.store, site.key);
  while ((await trail.seal()).more);
  const { base, sealed: end } = await trail.head();
  const check = new ChainCheck(site.key, base);
  for (const line of (await trail.page('', 1_000)).lines) check.add(line);
  check.expect(end);
  return check;
}

describe('S18 erase', () => {
  it('says that a colleague keeps the name of a manager who is erased, and nothing else keeps it, until the identity provider sends another', async () => {
    const site = openSite(server);
    const id = await gone(site);
    const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
    const manager = { value: id, displayName: 'CanaryGiven CanaryFamily' };
    const { id: report } = await site.users.create(body('report', { [enterprise]: { manager } }), CONTEXT);
    const done = await erasuresOf(site).erase(id, BY);
    expect(done.byHand.filter((line) => line.includes('as manager'))).toHaveLength(1);

    const kept = await site.redis.hgetall(site.store.userKey(report));
    expect(JSON.stringify(kept)).toContain('CanaryFamily');
    expect((await everything(site)).split('CanaryFamily')).toHaveLength(JSON.stringify(kept).split('CanaryFamily').length);
    const next = { value: 'somebody-else', displayName: 'Another Manager' };
    await site.users.patch(report, patchOf({ op: 'replace', path: `${enterprise}:manager`, value: next }), CONTEXT);
    const after = await everything(site);
    expect(after).not.toContain('CanaryFamily');
    expect(after).not.toContain(id);
  });

  it('leaves nothing in Redis that names the person or their id, and a trail that holds', async () => {
    const site = openSite(server);
    const id = await gone(site);
    const { id: other } = await site.users.create(body('other'), CONTEXT);
    await sealed(site);
    const subject = (await site.redis.hget(site.store.userKey(id), 'subject')) ?? '';
    const before = await everything(site);
    expect(before.toLowerCase()).toContain('canary');
    expect(before).toContain(id);

    const done = await erasuresOf(site).erase(id, BY);
    expect(done).toMatchObject({ customerId: '4711', groups: 1 });
    expect(done.stays.join(' ')).toContain('Customer 4711');
    expect(done.byHand.join(' ')).toContain('identity provider');
    expect(done.byHand.join(' ')).toContain('as manager');

    const after = await everything(site);
    expect(after.toLowerCase()).not.toContain('canary');
    expect(after).not.toContain(id);
    expect((await sealed(site)).fault).toBeUndefined();
    // The trail still tells what happened to somebody, and nobody can say to whom.
    expect(after.split(subject).length - 1).toBeGreaterThan(4);
    expect(after).toContain('\\"what\\":\\"erase\\"');
    const { people } = await new AuditTrail(site.store, site.key).people('0');
    expect(people.map(({ id: one }) => one)).toEqual([other]);
    const { records } = await site.groups.list({ startIndex: 1, count: 10 });
    expect(records).toMatchObject([{ size: 0, generation: 2 }]);
    await expect(site.users.read(id)).rejects.toMatchObject({ status: 404 });
    await expect(erasuresOf(site).erase(id, BY)).rejects.toMatchObject({ error: 'unknown-person' });
    expect((await site.store.read(other))?.id).toBe(other);
  });

  it('is for those who have left and are settled, and changes nothing for anybody else', async () => {
    const site = openSite(server);
    const erasures = erasuresOf(site);
    const { id } = await site.users.create(body(1), CONTEXT);
    const refused = async (error: string): Promise<void> => {
      const had = await everything(site);
      await expect(erasures.erase(id, BY)).rejects.toMatchObject({ name: 'Refused', error });
      expect(await everything(site)).toBe(had);
    };
    await refused('still-active');
    await settle(site, id, { ...ended, subscriptions: [{ id: '9', origin: 'created', state: 'active', monthlyCents: 500 }] });
    await refused('still-active');
    await site.users.remove(id, CONTEXT);
    await refused('not-settled');
    await settle(site, id);
    await refused('still-billed');
    const lease = await site.runs.lease(id);
    if (lease === undefined) throw new Error('no lease');
    await site.runs.recordStep(lease, { generation: 2, link: ended, open: [] });
    await refused('not-settled');
    await site.runs.release(lease, true);
    for (const list of ['held', 'parked', 'exempt']) {
      await site.redis.zadd(`${site.store.prefix}${list}`, 1, id);
      await refused(list === 'exempt' ? 'still-billed' : 'not-settled');
      await site.redis.zrem(`${site.store.prefix}${list}`, id);
    }
    await erasures.erase(id, BY);
    expect(await site.store.read(id)).toBeUndefined();
  });

  it('needs a key that is not in Redis, always the same one, and a mark that tells nobody', async () => {
    const site = openSite(server);
    const id = await gone(site);
    await expect(
      new Erasures({
        store: site.store,
        index: new SurveyIndex(site.store),
        erased: new Erased(site.store, site.key, undefined),
      }).erase(id, BY),
    ).rejects.toMatchObject({ error: 'erasure-key' });
    await erasuresOf(site).erase(id, BY);
    const marks = await erasedOf(site).all();
    expect(Object.keys(marks)).toHaveLength(2);
    expect(JSON.stringify(marks)).not.toMatch(/canary|erasure-key/);
    expect(await erasedOf(site).has(CANARY.externalId)).toBe(true);
    expect(await erasedOf(site).has('somebody')).toBe(false);
    const twin = openSite(server);
    expect(erasedOf(twin).mark('x'), 'another site, another mark').not.toBe(erasedOf(site).mark('x'));
    const stranger = erasedOf(site, 'another-key-0a1b2c3d4e5f');
    expect(await stranger.state()).toEqual({ count: 1, key: 'other' });
    await expect(stranger.has('somebody'), 'never a no that is none').rejects.toThrow('another ERASURE_KEY');
    await expect(new Erased(site.store, site.key, undefined).has('somebody')).rejects.toThrow('no ERASURE_KEY');
  });

  it('beside a change that comes at the same moment: either the person is gone, or the change is there and nothing is erased', async () => {
    for (let round = 0; round < 20; round += 1) {
      const site = openSite(server);
      const id = await gone(site);
      const [erased, changed] = await Promise.allSettled([
        erasuresOf(site).erase(id, BY),
        site.users.patch(id, patchOf({ op: 'replace', path: 'active', value: true }), CONTEXT),
      ]);
      const record = await site.store.read(id);
      if (erased.status === 'fulfilled') {
        // A write that was decided on a record that is gone must not bring back what was in it.
        expect(changed.status === 'rejected' && record === undefined).toBe(true);
      } else expect(record).toMatchObject({ generation: 3, attributes: { active: true } });
    }
  });
});

describe('S18 whoever was erased stays away', () => {
  async function rowsOf(site: TestSite): Promise<ArchiveRow[]> {
    const archive = new Archive(site.store, site.key);
    const rows: ArchiveRow[] = [];
    let cursor = '';
    do {
      const page = await archive.page(cursor);
      rows.push(...page.rows);
      cursor = page.next;
    } while (cursor !== '');
    return rows;
  }
  const archiveOf = (site: TestSite, key?: string): Archive => new Archive(site.store, site.key, erasedOf(site, key));
  const IMPORTED = { kind: 'operator', what: 'imported' } as const;

  it('an import leaves them out with what was decided about them, by marks of its own or of the export', async () => {
    const site = openSite(server);
    const id = await gone(site);
    await site.users.create(body('other'), CONTEXT);
    const older = await rowsOf(site);
    await erasuresOf(site).erase(id, BY);
    expect(await archiveOf(site).put(older, IMPORTED)).toMatchObject({ erased: 4, added: 0 });
    expect((await everything(site)).toLowerCase()).not.toContain('canary');
    const newer = await rowsOf(site);
    await server.flush();
    const heir = site.replica();
    expect(await archiveOf(heir).put([...newer, ...older], IMPORTED)).toMatchObject({ erased: 4, added: 1 });
    expect((await everything(heir)).toLowerCase()).not.toContain('canary');
    await expect(archiveOf(heir, 'another-key-0a1b2c3d4e5f').put(older, IMPORTED)).rejects.toThrow('another ERASURE_KEY');
  });

  it('a restored backup from before is cleaned by the marks in EXPORT_DIR, as far as work is done', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'erased-'));
    try {
      const site = openSite(server);
      const id = await gone(site);
      const backup = await rowsOf(site);
      const copy = (of: TestSite): ErasedCopy =>
        new ErasedCopy({
          siteKey: of.key,
          folder,
          store: of.store,
          erased: erasedOf(of),
          erasures: erasuresOf(of),
          logger: pino({ level: 'silent' }),
        });
      expect(await copy(site).look(), 'nobody was erased, nothing is written').toBe(0);
      expect(readdirSync(folder)).toEqual([]);
      await erasuresOf(site).erase(id, BY);
      await copy(site).look();
      const [file = ''] = readdirSync(folder);
      expect(readFileSync(join(folder, file), 'utf8')).not.toMatch(/canary/i);
      await server.flush();
      const restored = site.replica();
      await new Archive(restored.store, restored.key).put(backup, IMPORTED);
      expect(await restored.store.read(id)).toBeDefined();
      expect(await copy(restored).look()).toBe(2);
      expect(await restored.store.read(id)).toBeUndefined();
      expect(await copy(restored).look(), 'once').toBe(0);
      expect(await erasedOf(restored).has(CANARY.externalId)).toBe(true);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('S18 at Maxio', () => {
  let maxio: SandboxApi;
  let bench: SurveyBench;
  let users: Users;
  afterAll(() => maxio?.sandbox.close());
  beforeEach(async () => {
    await maxio?.sandbox.close();
    maxio = await startSandbox({ apiKey: 'erasure-api-key', subdomain: 'acme' });
    bench = await openBench(server, maxio, { erasureKey: KEY });
    users = createUsers({ store: bench.site.store, site: siteOfKey(bench.site.key), onCommitted: () => undefined });
  });

  it('a rebuild leaves them out, and a site that knows nobody but them has lost nothing', async () => {
    const { site } = bench;
    const token = '00000000-0000-4000-8000-000000000001';
    const customers = [CANARY.externalId, 'ext-other'].map(async (reference, n) => {
      const mark = scimId(siteOfKey(site.key), reference);
      const fields = { first_name: 'Person', last_name: 'X', email: n === 0 ? CANARY.userName : 'other@example.com' };
      const customer = { kind: 'new' as const, reference, fields };
      const words = {
        productHandle: 'pro',
        paymentCollectionMethod: 'remittance' as const,
        reference: `scim-${mark}-${token}`,
        customer,
      };
      return await bench.client.createSubscription(words, `${token}${n}`);
    });
    await Promise.all(customers);
    const { id } = await users.create(body('c', CANARY), CONTEXT);
    await users.remove(id, CONTEXT);
    await settle(site, id, ended);
    await bench.erasures.erase(id, BY);
    await bench.survey.want(BY);
    await bench.drive(bench.survey);
    expect(await bench.recovery.preview('all')).toMatchObject({ marked: 2, erased: 1, wanted: 1 });
    await bench.recovery.want('all', BY);
    await bench.drive(bench.recovery);
    expect(await bench.recovery.state()).toMatchObject({ recovery: 'rebuilt', unclaimed: 1 });
    expect(await site.store.read(id)).toBeUndefined();
    expect(await bench.recovery.lostBySurvey()).toBe(0);
  });

  it('a rebuild without the key is refused, so that nobody comes back by mistake', async () => {
    const { site } = bench;
    const { id } = await users.create(body('c', CANARY), CONTEXT);
    await users.remove(id, CONTEXT);
    await settle(site, id);
    await bench.erasures.erase(id, BY);
    const forgetful = await openBench(server, maxio, { key: site.key });
    await expect(forgetful.recovery.want('all', BY)).rejects.toMatchObject({ error: 'erasure-key' });
    const head = await new Archive(site.store, site.key).head();
    await expect(forgetful.imports.begin(head, true, BY)).rejects.toMatchObject({ error: 'erasure-key' });
  });
});
