/**
 * The audit trail and erasure as an auditor and an operator meet them: a real service on a real Redis before a sandbox, and real runs of the command.
 * What Maxio did is in the trail with Maxio's own date, and a person who was erased and is sent again waits for a human.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { readSealed } from '../../src/audit-chain.ts';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { type Ended, startCli } from '../support/cli.ts';
import { oktaUser, patch, person } from '../support/people.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { API_KEY, OPS_TOKEN, Service } from '../support/service.ts';

const SITE = 'us.acme';
const WAIT = { timeout: 30_000, interval: 50 };
let redis: TestRedis;
let sandbox: Sandbox;
let service: Service;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'audit-service-'));
  redis = await startRedis();
  sandbox = await createSandbox({ apiKey: API_KEY, subdomain: 'acme' });
  const env = { MAXIO_PRODUCT_HANDLE: 'pro', ERASURE_KEY: 'erasure-key-71f0c9d2b8a64e53', MAXIO_START_MODE: 'enforce' };
  service = await Service.start({ redisUrl: redis.url, sandboxUrl: sandbox.url, env });
}, 60_000);
afterAll(async () => {
  await service?.kill();
  await sandbox?.close();
  await redis?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const cli = async (...args: string[]): Promise<Ended> => await startCli(args, { MAXIO_SCIM_URL: service.url, OPS_TOKEN }).ended;

/** Everything that was written so far is sealed. */
async function sealed(): Promise<void> {
  await vi.waitFor(async () => {
    const answer = await fetch(`${service.url}/ops/api/audit`, { headers: { authorization: `Bearer ${OPS_TOKEN}` } });
    const head = (await answer.json()) as { seq: number; sealed: { seq: number } };
    expect(head.sealed.seq).toBe(head.seq);
  }, WAIT);
}

async function joins(n: number): Promise<string> {
  const answer = await service.scim('POST', '/Users', oktaUser(person(n)));
  expect(answer.status).toBe(201);
  return String(answer.body.id);
}

test('S17 S18 a life is told, checked, exported, reported; then one person is erased and comes back', {
  timeout: 180_000,
}, async () => {
  const [stays, leaves] = [await joins(1), await joins(2)];
  await service.settled();
  await service.scim('PATCH', `/Users/${leaves}`, patch({ op: 'replace', value: { active: false } }));
  await service.settled();
  await sealed();

  const good = await cli('audit', 'verify');
  expect(good, good.err).toMatchObject({ code: 0 });
  expect(good.out).toContain(`of ${SITE} hold`);
  const anchor = /\d+:[0-9a-f]{64}/.exec(good.out)?.[0] ?? '';
  // Says what it does not prove.
  expect(good.out).toContain('Without --anchor');
  expect((await cli('audit', 'verify', '--anchor', anchor)).out).not.toContain('Without --anchor');

  // JSON Lines: can be verified by themselves, and every change at Maxio carries Maxio's own date.
  const file = join(folder, 'trail.jsonl.gz');
  expect((await cli('audit', 'export', '--out', file)).code).toBe(0);
  expect(statSync(file).mode & 0o077).toBe(0);
  expect(await cli('audit', 'verify', file, '--anchor', anchor)).toMatchObject({ code: 0 });
  const plain = await cli('audit', 'export');
  const entries = plain.out.split('\n').flatMap((line) => readSealed(line) ?? []);
  const done = entries.filter(({ entry }) => entry.kind === 'maxio' && entry.result === 'done');
  expect(done.map(({ entry }) => entry.what).toSorted()).toEqual([
    'cancel',
    'create-with-subscription',
    'create-with-subscription',
  ]);
  for (const { entry } of done) expect(Number.isNaN(Date.parse(String(entry.updatedAt)))).toBe(false);
  for (const n of [1, 2]) for (const word of Object.values(person(n))) expect(plain.out).not.toContain(word);
  const edited = join(folder, 'edited.jsonl');
  writeFileSync(edited, plain.out.replace('"what":"cancel"', '"what":"hold"'));
  const bad = await cli('audit', 'verify', edited);
  expect(bad).toMatchObject({ code: 1 });
  expect(bad.out).toMatch(/BAD: entry \d+ of us\.acme/);

  // CSV for a spreadsheet: a name that is a formula is none there.
  await service.scim('PATCH', `/Users/${stays}`, patch({ op: 'replace', path: 'userName', value: '=HYPERLINK("http://x")' }));
  await service.settled();
  await sealed();
  const csv = join(folder, 'trail.csv');
  expect((await cli('audit', 'export', '--format', 'csv', '--out', csv)).code).toBe(0);
  expect(readFileSync(csv, 'utf8').split('\r\n')[0]).toContain('seq,at,kind,what,subject');
  const report = await cli('audit', 'report', 'joiners-leavers', '--from', '2020-01-01', '--to', '2120-01-01');
  const rows = report.out
    .trimEnd()
    .split('\r\n')
    .map((line) => line.split(','));
  expect(rows.slice(1).map(([kind]) => kind)).toEqual(['joiner', 'joiner', 'leaver']);
  expect(report.out).toContain("'=HYPERLINK");
  expect(report.out).not.toMatch(/(^|[,\r\n])"?=/);
  const told = JSON.parse((await cli('--json', 'audit', 'report', 'joiners-leavers')).out).rows as Record<string, unknown>[];
  for (const row of told) {
    expect(row).toMatchObject({ state: 'done', id: row.kind === 'leaver' ? leaves : expect.any(String) });
    expect(row.elapsedSeconds).toEqual(expect.any(Number));
  }
  expect(JSON.parse((await cli('--json', 'audit', 'report', 'joiners-leavers', '--to', '2020-01-01')).out).rows).toEqual([]);

  // Nobody who is active is erased; whoever has left is, and the trail holds as before.
  expect(await cli('erase', stays, '--yes')).toMatchObject({ code: 1, err: expect.stringContaining('active') });
  expect(await cli('erase', leaves), 'nobody said yes').toMatchObject({ code: 2 });
  const erased = await cli('erase', leaves, '--yes');
  expect(erased, erased.err).toMatchObject({ code: 0 });
  expect(erased.out).toContain('stays at Maxio');
  expect((await service.scim('GET', `/Users/${leaves}`)).status).toBe(404);
  await sealed();
  expect(await cli('audit', 'verify', '--anchor', anchor)).toMatchObject({ code: 0 });
  const after = JSON.parse((await cli('--json', 'audit', 'report', 'joiners-leavers')).out).rows as Record<string, unknown>[];
  expect(after.filter(({ userName }) => userName === '(erased)')).toHaveLength(2);
  expect(JSON.stringify(after)).not.toContain(leaves);

  // Sent again, they are not given the old customer, nor a second one, before a human says so.
  const back = await joins(2);
  await service.settled();
  expect(await service.health()).toMatchObject({ parked: 1 });
  const parked = await cli('parked');
  expect(parked.out).toContain('was erased here');
  expect(sandbox.state.customers().filter(({ reference }) => reference === person(2).externalId)).toHaveLength(1);
  expect(await cli('readmit', back, '--yes')).toMatchObject({ code: 0 });
  await vi.waitFor(async () => expect(await service.health()).toMatchObject({ parked: 0, pending: 0 }), WAIT);
  const billed = sandbox.state
    .subscriptions()
    .filter(({ customer, state }) => customer?.reference === person(2).externalId && state === 'active');
  expect(billed).toHaveLength(1);
  expect(await cli('readmit', back, '--yes'), 'once').toMatchObject({ code: 1 });
  await sealed();
  expect(await cli('audit', 'verify', '--anchor', anchor)).toMatchObject({ code: 0 });
  expect(service.output.join('')).toContain('audit trail sealed');
});
