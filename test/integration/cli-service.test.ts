/**
 * Owns the promises of the commands against a real service, Redis and Maxio: a rollout and a mistaken mass deactivation, typed as an operator types them.
 * What each command prints and refuses in detail is in cli-rollout.test.ts.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { type Ended, startCli } from '../support/cli.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { API_KEY, OPS_TOKEN, SCIM_TOKEN, Service } from '../support/service.ts';

const PEOPLE = 30;
const LONG = { timeout: 60_000, interval: 100 };

let redis: TestRedis;
let sandbox: Sandbox;
let service: Service;
let folder: string;
const ids: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'maxio-scim-cli-'));
  redis = await startRedis();
  sandbox = await createSandbox({ apiKey: API_KEY });
  sandbox.state.seed({
    customers: Array.from({ length: 5 }, (_, at) => ({
      first_name: 'Person',
      last_name: String(at),
      email: `p${at}@example.com`,
      subscriptions: [{ product_handle: 'pro' }],
    })),
  });
  service = await Service.start({
    redisUrl: redis.url,
    sandboxUrl: sandbox.url,
    env: {
      MAXIO_START_MODE: 'observe',
      MAXIO_PRODUCT_HANDLE: 'pro',
      MAXIO_GUARD_FLOOR: '',
      MAXIO_GUARD_REVENUE_PERCENT: '',
      MAXIO_GUARD_CALM_SECONDS: '2',
    },
  });
});
afterAll(async () => {
  await service.kill('SIGTERM');
  await sandbox.close();
  await redis.stop();
  rmSync(folder, { recursive: true });
});

async function cli(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  return await startCli(args, { MAXIO_SCIM_URL: service.url, OPS_TOKEN, ...env }).ended;
}

const canceled = (): number => sandbox.state.ledger(0).filter(({ method }) => method === 'DELETE').length;
const writes = (): number => sandbox.state.ledger(0).filter(({ method }) => method !== 'GET').length;

async function scim(method: string, path: string, body?: unknown): Promise<void> {
  const { status, body: answer } = await service.scim(method, path, body);
  expect(status).toBeLessThan(300);
  if (method === 'POST') ids.push(String(answer.id));
}

describe('a rollout', () => {
  test('the survey finds what is there, and the site stays in observe', async () => {
    const surveyed = await cli(['survey', '--wait']);
    expect(surveyed).toMatchObject({ code: 0, out: expect.stringContaining('5 customers, 5 subscriptions') });
    expect(surveyed.out).toContain('5 customers without a reference');
    expect((await cli(['mode'])).out).toMatch(/^us\.acme +observe .* start +done/m);
    expect(await cli(['mode', 'enforce'])).toMatchObject({ code: 1, err: expect.stringContaining('release') });
  });

  test('people arrive, nothing is written, and the plan says what would be', async () => {
    for (let at = 0; at < PEOPLE; at += 1) {
      await scim('POST', '/Users', {
        schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
        userName: `p${at}@example.com`,
        name: { givenName: 'Person', familyName: String(at) },
        emails: [{ value: `p${at}@example.com`, primary: true }],
        active: true,
      });
    }
    const planned = await cli(['plan']);
    expect(planned).toMatchObject({ code: 0, out: expect.stringContaining('what would happen to 30 people') });
    expect(planned.out).toMatch(/ 25 {2}become a customer with a subscription$/m);
    expect((await cli(['person', ids[9] ?? ''])).out).toMatch(/^ {2}would +\w/m);
    expect(writes()).toBe(0);
  });

  test('links are planned in a file, decided, set, and set again to no effect', async () => {
    const path = join(folder, 'links.csv');
    expect(await cli(['link', 'plan', '--csv', path, '--decide-unique'])).toMatchObject({ code: 0 });
    expect(readFileSync(path, 'utf8').split('\r\n').length).toBe(7);
    const unlinked = await cli(['release', '--yes']);
    expect(unlinked).toMatchObject({ code: 1, out: '' });
    const applied = await cli(['link', 'apply', path, '--wait', '--yes']);
    expect(applied).toMatchObject({ code: 0, out: expect.stringContaining('5 accepted, 0 known already') });
    expect(writes()).toBe(5);
    expect((await cli(['link', 'apply', path, '--yes'])).out).toContain('0 accepted, 5 known already');
    expect(await cli(['link', 'status'])).toMatchObject({ code: 0, out: expect.stringContaining('5 set at Maxio') });
    expect(sandbox.state.customers().every(({ reference }) => reference !== null)).toBe(true);
  });

  test('a release lets it happen, once for everybody', async () => {
    expect(await cli(['release'])).toMatchObject({ code: 2, err: expect.stringContaining('Let this happen at Maxio') });
    expect(await cli(['release', '--yes'])).toMatchObject({ code: 0, out: expect.stringContaining('us.acme is in enforce') });
    await service.settled(60_000);
    expect(sandbox.state.customers().length).toBe(PEOPLE);
    expect(sandbox.state.subscriptions().length).toBe(PEOPLE);
    expect((await cli(['plan'])).code).toBe(0);
  });
});

describe('an incident', () => {
  test('pause and resume are one word each, and resume goes back to where it was', async () => {
    expect(await cli(['pause', '--why', 'looking into it'])).toMatchObject({ code: 0 });
    expect((await cli(['mode'])).out).toMatch(/paused .*looking into it$/m);
    expect(await cli(['resume'])).toMatchObject({ code: 0, out: expect.stringContaining('us.acme is in enforce') });
    expect(await cli(['resume'])).toMatchObject({ code: 1, err: expect.stringContaining('is not paused') });
  });

  test('F80 everybody is deactivated by mistake: nobody is canceled but those who are approved', async () => {
    const leave = {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [{ op: 'replace', path: 'active', value: false }],
    };
    await Promise.all(ids.map(async (id) => await scim('PATCH', `/Users/${id}`, leave)));
    await vi.waitFor(async () => expect(await service.health()).toMatchObject({ held: PEOPLE, pending: 0 }), LONG);
    expect(canceled()).toBe(0);
    const held = await cli(['held']);
    expect(held.out).toContain('30 people held since');
    expect(held.out).toContain('8,970.00 a month. They are still billed.');
    expect((await cli(['status'])).out).toContain('30 held: maxio-scim held shows who');

    const path = join(folder, 'leavers.txt');
    writeFileSync(path, `${ids.slice(0, 3).join('\n')}\n`);
    expect(await cli(['approve', '--file', path])).toMatchObject({ code: 2, err: expect.stringContaining('3 people') });
    const approved = await cli(['approve', '--file', path, '--yes']);
    expect(approved).toMatchObject({ code: 0, out: expect.stringContaining('27 people are still held') });
    await vi.waitFor(() => expect(canceled()).toBe(3), LONG);
    expect((await cli(['approve', ids[0] ?? ''])).out).toContain('1 person was decided before');

    expect(await cli(['reject', '--all', '--yes'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('Nobody is held any more'),
    });
    expect((await cli(['person', ids[9] ?? ''])).out).toMatch(/exempt/);
    expect(canceled()).toBe(3);
  });

  test('roles, configuration, messages and drift answer in words', async () => {
    expect(await cli(['config'])).toMatchObject({ code: 0, out: expect.stringContaining('productHandle pro') });
    expect(await cli(['config', 'approve', '--yes'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('No configuration waits'),
    });
    expect(await cli(['notify-test'])).toMatchObject({ code: 1, out: expect.stringContaining('No channel is configured') });
    expect(await cli(['drift', '--wait'])).toMatchObject({ err: expect.not.stringContaining('error') });
    expect(await cli(['retry', '--preview'])).toMatchObject({ code: 0, out: expect.stringContaining('parked') });
  });
});

describe('doctor', () => {
  const settings = (): Record<string, string> => ({
    REDIS_URL: redis.url,
    MAXIO_BASE_URL: sandbox.url,
    MAXIO_SUBDOMAIN: 'acme',
    MAXIO_API_KEY: API_KEY,
    SCIM_TOKEN,
    MAXIO_PRODUCT_HANDLE: 'pro',
  });

  test('the service examines itself, its own address included', async () => {
    const { code, out } = await cli(['doctor']);
    expect(out).toMatch(/^pass {2}redis durability/m);
    expect(out).toMatch(/^pass {2}us\.acme Maxio +The API key opens site 1, Acme \(acme\), a test site/m);
    expect(out).toMatch(/^pass {2}us\.acme mode +enforce, set by ops-token/m);
    expect(out).toMatch(/^warn {2}operators .*second person is impossible/m);
    // PUBLIC_URL is unset here, so it names port and host by itself.
    expect(out).toMatch(/^(pass|fail) {2}SCIM URL/m);
    expect(code).toBe(out.includes('\nfail') ? 1 : 0);
  });

  test('the service tells what it has seen while Maxio does not end its answers', { timeout: 90_000 }, async () => {
    sandbox.state.setFault({ kind: 'slow', delayMs: 600_000, match: { path: '/site.json' } });
    const { code, out } = await cli(['doctor']);
    sandbox.state.clearFaults();
    expect(code).toBe(1);
    expect(out).toMatch(/^fail {2}us\.acme Maxio/m);
    expect(out).toMatch(/^pass {2}redis durability/m);
  });

  test('where no service answers it examines by itself, and says that none does', async () => {
    const nowhere = { MAXIO_SCIM_URL: 'http://127.0.0.1:1' };
    const { code, out } = await cli(['doctor'], { ...nowhere, ...settings() });
    expect(code).toBe(1);
    expect(out).toMatch(/^fail {2}service .*cannot be reached \(ECONNREFUSED\)/m);
    expect(out).toMatch(/^pass {2}us\.acme Maxio/m);
    expect(out).toMatch(/^pass {2}us\.acme mode/m);
    const json = await cli(['doctor', '--json'], { ...nowhere, ...settings() });
    expect(JSON.parse(json.out)).toMatchObject({
      ok: false,
      checks: expect.arrayContaining([expect.objectContaining({ name: 'service', status: 'fail' })]),
    });
  });

  test('a configuration that is wrong is told line by line; none at all is not taken for one', async () => {
    const nowhere = { MAXIO_SCIM_URL: 'http://127.0.0.1:1' };
    const wrong = await cli(['doctor'], { ...nowhere, ...settings(), MAXIO_REGION: 'mars', MAXIO_GUARD_FLOR: '3' });
    expect(wrong.code).toBe(1);
    expect(wrong.out).toMatch(/^fail {2}configuration .*MAXIO_REGION/m);
    expect(wrong.out).toContain('did you mean MAXIO_GUARD_FLOOR?');
    const none = await cli(['doctor'], nowhere);
    expect(none).toMatchObject({ code: 2, out: '', err: expect.stringContaining('cannot be reached') });
  });
});
