/**
 * Guarantees whom a rebuild takes and whom it never takes, what an operator sees before, when a person is theirs again, and what is refused on the way.
 * A real Redis, the sandbox over HTTP, chores driven turn by turn; the ledger shows that nothing is written at Maxio.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readExport, writeExport } from '../../src/cli/export-file.ts';
import { archiveLines } from '../../src/directory/archive.ts';
import { scimId, siteOfKey } from '../../src/directory/identity.ts';
import { createUsers, type Users } from '../../src/directory/users.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { type SandboxApi, startSandbox } from '../support/sandbox-api.ts';
import { body, CONTEXT } from './directory-bench.ts';
import { openBench, type SurveyBench } from './survey-bench.ts';

const BY = { by: 'dana', requestId: 'req-d' };
let server: TestRedis;
let maxio: SandboxApi;
let bench: SurveyBench;
let users: Users;
let folder: string;

beforeAll(async () => {
  server = await startRedis();
  folder = mkdtempSync(join(tmpdir(), 'recovery-'));
});
afterAll(async () => {
  await maxio?.sandbox.close();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  await maxio?.sandbox.close();
  maxio = await startSandbox({ apiKey: 'recovery-key', subdomain: 'acme' });
  bench = await openBench(server, maxio);
  const { store } = bench.site;
  users = createUsers({ store, site: siteOfKey(bench.site.key), onCommitted: () => undefined });
});

const idOf = (reference: string): string => scimId(siteOfKey(bench.site.key), reference);

/** A customer as this service leaves it. @param mark the id its subscription names; '' for none */
async function customer(n: number, mark: string): Promise<void> {
  const token = `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
  const fields = { first_name: 'Person', last_name: `No${n}`, email: `person${n}@example.com` };
  await bench.client.createSubscription(
    {
      productHandle: 'pro',
      paymentCollectionMethod: 'remittance',
      reference: mark === '' ? `theirs-${n}` : `scim-${mark}-${token}`,
      customer: { kind: 'new', reference: `ext-${n}`, fields },
    },
    token,
  );
}

/** 1 and 2 are ours, 3 has no mark, 4 the mark of somebody else, 5 no reference. */
async function site(): Promise<void> {
  for (const n of [1, 2]) await customer(n, idOf(`ext-${n}`));
  await customer(3, '');
  await customer(4, idOf('ext-1'));
  maxio.sandbox.state.seed({ customers: [{ reference: null, email: 'five@example.com' }] });
}

async function rebuilt(references: 'marked' | 'all' | string[]): Promise<void> {
  await bench.recovery.want(references, BY);
  await bench.drive(bench.recovery);
  await bench.drive(bench.survey);
  await bench.drive(bench.recovery);
}

describe('rebuild', () => {
  test('takes whoever carries our mark, and others only by name', async () => {
    await site();
    await bench.site.store.witness.declare('lost', 'test');
    bench.calls();
    await rebuilt('marked');
    const counts = { marked: 2, unmarked: 1, foreign: 1, unreferenced: 1, known: 0, erased: 0, wanted: 2 };
    expect(await bench.recovery.state()).toMatchObject({
      recovery: 'rebuilt',
      unclaimed: 2,
      rebuild: { state: 'done', ...counts },
    });
    const more = { ...counts, known: 2, wanted: 1 };
    expect(await bench.recovery.preview('all')).toEqual(more);
    expect(await bench.recovery.preview(['ext-3', 'ext-4', 'nobody'])).toEqual(more);
    expect(await bench.recovery.preview([])).toEqual({ ...more, wanted: 0 });
    expect(await bench.site.store.read(idOf('ext-3'))).toBeUndefined();
    await rebuilt(['ext-3']);
    expect(await bench.site.store.read(idOf('ext-3'))).toMatchObject({ unclaimed: true, link: { origin: 'adopted' } });
    expect(await bench.site.store.read(idOf('ext-4'))).toBeUndefined();
    expect(bench.calls().filter((call) => !call.startsWith('GET'))).toEqual([]);
  });

  test('whoever is sent with the same name is that person again; a namesake of the reference is somebody else', async () => {
    await site();
    await bench.site.store.witness.declare('lost', 'test');
    await rebuilt('marked');
    const claimed = await users.create(body(1), CONTEXT);
    expect(claimed).toMatchObject({ id: idOf('ext-1'), generation: 2 });
    expect(claimed.unclaimed).toBeUndefined();
    expect(await bench.site.store.read(claimed.id)).toMatchObject({
      link: { origin: 'created', subscriptions: [{ origin: 'created', state: 'active' }], shown: { first_name: 'Person' } },
    });
    const other = await users.create(
      body(2, { userName: 'other@example.com', emails: [{ value: 'other@example.com' }] }),
      CONTEXT,
    );
    expect(other).toMatchObject({ id: idOf('ext-2~2'), reference: 'ext-2~2' });
    expect(await bench.recovery.state()).toMatchObject({ unclaimed: 1 });
  });

  test('is for a site that observes, and needs no loss', async () => {
    await site();
    await bench.modes.set('enforce', { by: 'dana' });
    await expect(bench.recovery.want('marked', BY)).rejects.toMatchObject({ error: 'not-observing' });
    await bench.modes.set('observe', { by: 'dana' });
    await expect(bench.recovery.preview('marked')).rejects.toMatchObject({ error: 'survey-first' });
    await rebuilt('marked');
    expect(await bench.recovery.state()).toMatchObject({ recovery: 'rebuilt', unclaimed: 2 });
  });
});

describe('a recovery of a healthy site', () => {
  test('ends by a release only: a bare enforce would leave it open, and the daily export with it', async () => {
    await site();
    await bench.modes.set('enforce', { by: 'dana' });
    await bench.modes.set('observe', { by: 'dana' });
    await rebuilt('marked');
    expect(await bench.modes.set('enforce', { by: 'dana' })).toEqual({ was: 'observe', mode: 'observe' });
    expect(await bench.modes.set('paused', { by: 'dana' })).toMatchObject({ mode: 'paused' });
    expect(await bench.modes.set('enforce', { by: 'dana' })).toMatchObject({ mode: 'paused' });
    await bench.modes.set('observe', { by: 'dana' });
    expect(await bench.release.release({ ...BY, acceptUnlinked: true })).toMatchObject({ mode: 'enforce' });
    expect(await bench.recovery.state()).toMatchObject({ recovery: null, unclaimed: 2 });
    expect((await bench.modes.read())?.mode).toBe('enforce');
  });

  test('is not opened under a site that somebody has let act meanwhile', async () => {
    const { witness } = bench.site.store;
    await bench.modes.set('enforce', { by: 'dana' });
    const audit = { kind: 'operator', what: 'rebuild-wanted', actor: 'dana' } as const;
    expect(await witness.proceed(undefined, 'rebuilding', audit)).toBe(false);
    expect(witness.standing.recovery).toBeUndefined();
  });

  test('left open by an earlier release of the service, it is ended by the next release of the site', async () => {
    await bench.survey.want(BY);
    await bench.drive(bench.survey);
    const { prefix, witness } = bench.site.store;
    await bench.modes.set('enforce', { by: 'dana' });
    await bench.site.redis.hset(`${prefix}site`, 'recovery', 'rebuilt');
    await witness.look();
    expect(await bench.release.release(BY)).toMatchObject({ mode: 'enforce' });
    expect(await bench.recovery.state()).toMatchObject({ recovery: null });
  });
});

describe('release after a loss', () => {
  test('is refused before anything was put back, unless the site begins as new', async () => {
    await site();
    await bench.site.store.witness.declare('lost', 'test');
    await expect(bench.release.release(BY)).rejects.toMatchObject({ error: 'rebuild-first' });
    await expect(bench.release.release({ ...BY, asNew: true })).rejects.toMatchObject({ error: 'survey-first' });
    await bench.survey.want(BY);
    await bench.drive(bench.survey);
    expect(await bench.release.release({ ...BY, asNew: true })).toMatchObject({ mode: 'enforce' });
    expect(await bench.recovery.state()).toMatchObject({ recovery: null, people: 0 });
  });

  test('is refused when the data is lost once more while the site is being released', async () => {
    const { witness } = bench.site.store;
    await witness.declare('restored', 'test');
    await bench.survey.want(BY);
    await bench.drive(bench.survey);
    const proceed = witness.proceed.bind(witness);
    witness.proceed = async (...words) => {
      await bench.site.redis.hset(`${bench.site.store.prefix}site`, 'epoch', 'another', 'recovery', 'lost');
      return await proceed(...words);
    };
    await expect(bench.release.release(BY)).rejects.toMatchObject({ error: 'survey-first' });
    expect((await bench.modes.read())?.mode).toBe('observe');
  });

  test('F22 the first survey of a new site that finds our people is the proof of a loss', async () => {
    await site();
    await bench.drive(bench.survey);
    expect(await bench.modes.read()).toMatchObject({ mode: 'observe', by: 'lost' });
    expect(await bench.survey.state()).toMatchObject({
      state: 'done',
      detail: expect.stringContaining('2 customers carry the mark'),
    });
    await expect(users.create(body(9), CONTEXT)).rejects.toThrow('lost');
  });
});

describe('import', () => {
  test('refuses another site, a directory with people, rows without a beginning, and a file that is not whole', async () => {
    const { id } = await users.create(body(1), CONTEXT);
    const head = await bench.archive.head();
    await expect(bench.imports.begin({ ...head, site: 'us.other' }, false, BY)).rejects.toMatchObject({ error: 'other-site' });
    await expect(bench.imports.begin(head, false, BY)).rejects.toMatchObject({ error: 'not-empty' });
    await expect(bench.imports.rows([], BY)).rejects.toMatchObject({ error: 'not-importing' });
    for (const name of ['whole.jsonl', 'whole.jsonl.gz']) {
      const path = join(folder, name);
      const lines: string[] = [];
      for await (const line of archiveLines(bench.archive)) lines.push(line);
      async function* written(): AsyncGenerator<string> {
        yield* lines.slice(0, -1);
      }
      // The command makes the same last line as the service.
      expect(await writeExport(path, written())).toEqual(JSON.parse(lines.at(-1) ?? ''));
      const file = readExport(path);
      expect(file).toMatchObject({ people: 1, head: { kind: 'head' } });
      expect(file.rows.join('')).toContain(id);
    }
    const cut = join(folder, 'cut.jsonl');
    const whole = readExport(join(folder, 'whole.jsonl'));
    writeFileSync(cut, `${[JSON.stringify(whole.head), ...whole.rows].join('\n')}\n`);
    expect(() => readExport(cut)).toThrow('not a whole export');
  });
});
