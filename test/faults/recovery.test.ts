/**
 * Guarantees what becomes of a site whose data was lost or set back: nothing is acknowledged or written blindly, operators hear why, and after a rebuild, an
 * import or a restore the identity provider's next full sync ends with the same ids and without one change at Maxio. Real processes, a real Redis,
 * the sandbox over HTTP; the truth is its ledger.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { SiteModes } from '../../src/directory/site-mode.ts';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { type Ended, startCli } from '../support/cli.ts';
import { oktaUser, person } from '../support/people.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { OpsDoor } from '../support/rollout.ts';
import { API_KEY, OPS_TOKEN, Service } from '../support/service.ts';
import { joinAll, setActive } from '../support/steps.ts';

const KEY = 'us.acme';
const WAIT = { timeout: 60_000, interval: 100 };
/** A window short enough to be waited out: after a loss it counts as used. */
const ENV = { MAXIO_PRODUCT_HANDLE: 'pro', MAXIO_BUDGET_WINDOW_SECONDS: '4', MAXIO_UNKNOWN_OUTCOME_SECONDS: '4' };
const PEOPLE = 6;

let redis: TestRedis;
let sandbox: Sandbox;
let folder: string;
let services: Service[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'recovery-'));
});
beforeEach(async () => {
  redis = await startRedis();
  sandbox = await createSandbox({ apiKey: API_KEY, subdomain: 'acme' });
});
afterEach(async () => {
  await Promise.all(services.map((service) => service.kill()));
  services = [];
  await sandbox.close();
  await redis.stop();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function start(env: Record<string, string> = {}): Promise<Service> {
  const service = await Service.spawn({ redisUrl: redis.url, sandboxUrl: sandbox.url, env: { ...ENV, ...env } });
  services.push(service);
  await service.ready();
  return service;
}

interface Standing {
  recovery: string | null;
  unclaimed: number;
  people: number;
  rebuild: { state: string; marked: number; wanted: number } | null;
}

const standing = async (service: Service): Promise<Standing> => await new OpsDoor(service.url, OPS_TOKEN).get('/recovery');

async function mutations(): Promise<string[]> {
  return sandbox.state
    .ledger()
    .filter(({ method }) => method !== 'GET')
    .map(({ method, template }) => `${method} ${template}`);
}

/** Every process knows what it will remember, and nobody is at work. */
async function known(service: Service, count = PEOPLE): Promise<string[]> {
  const ids = await joinAll(service, count);
  await vi.waitFor(async () => expect(await new SiteModes(redis.connect(), KEY).read()).toMatchObject({ mode: 'enforce' }), WAIT);
  // Said after a process has looked what the data is.
  await vi.waitFor(() => {
    for (const each of services) expect(each.output.join('')).toContain('site confirmed');
  }, WAIT);
  return ids;
}

async function cli(service: Service, ...args: string[]): Promise<Ended> {
  return await startCli(args, { OPS_TOKEN, MAXIO_SCIM_URL: service.url }).ended;
}

async function readyz(service: Service): Promise<{ status: number; reasons: string[] }> {
  const answer = await fetch(`${service.url}/readyz`);
  return { status: answer.status, reasons: ((await answer.json()) as { reasons: string[] }).reasons };
}

const lost = async (service: Service): Promise<void> => {
  await vi.waitFor(async () => expect(await standing(service)).toMatchObject({ recovery: 'lost' }), WAIT);
};

/** The whole company once more, as an identity provider sends it that begins anew. */
async function fullSync(service: Service, count = PEOPLE): Promise<string[]> {
  const answers = await Promise.all(
    Array.from({ length: count }, (_, i) => service.scim('POST', '/Users', oktaUser(person(i + 1)))),
  );
  for (const answer of answers) expect(answer).toMatchObject({ status: 201 });
  return answers.map(({ body }) => String(body.id));
}

describe('a store that was emptied under running processes', () => {
  test('F22 nothing is acknowledged or written, and readiness, health and operators say why', { timeout: 120_000 }, async () => {
    const [api, worker] = [await start({ ROLE: 'api' }), await start({ ROLE: 'worker' })];
    const ids = await known(api);
    const before = await mutations();
    await redis.flush();
    // The very first answers, before any timer has noticed: not one of them may be about the empty data.
    const first = await Promise.all([
      api.scim('POST', '/Users', oktaUser(person(50))),
      api.scim('GET', `/Users/${ids[0]}`),
      api.scim('DELETE', `/Users/${ids[1]}`),
      api.scim('GET', `/Users?filter=${encodeURIComponent(`userName eq "${person(1).userName}"`)}`),
      setActive(api, ids, 3, false, 'entra'),
    ]);
    for (const { status, headers } of first) {
      expect(status).toBe(503);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    }
    for (const service of [api, worker]) {
      await lost(service);
      await vi.waitFor(async () => expect(await readyz(service)).toMatchObject({ status: 503 }), WAIT);
      expect((await readyz(service)).reasons.join(' ')).toContain('The data of us.acme was lost');
      const health = await (await fetch(`${service.url}/health`)).text();
      expect(health).toContain('store-lost');
    }
    const ops = new OpsDoor(api.url, OPS_TOKEN);
    expect(await ops.get('/mode')).toMatchObject({ sites: [{ mode: 'observe', by: 'lost' }] });
    const refused = await ops.try('/mode', { mode: 'enforce' });
    expect(await refused.json()).toMatchObject({ error: 'release-first' });
    expect(await (await ops.try('/release', {})).json()).toMatchObject({ error: 'rebuild-first' });
    expect(await mutations()).toEqual(before);
    // A process that comes later and remembers nothing hears it from the data.
    const late = await Service.spawn({ redisUrl: redis.url, sandboxUrl: sandbox.url, env: ENV });
    services.push(late);
    await vi.waitFor(
      async () => expect(await late.scim('POST', '/Users', oktaUser(person(51)))).toMatchObject({ status: 503 }),
      WAIT,
    );
    expect(await mutations()).toEqual(before);
  });

  test('F2A a flush, a rebuild and the next full sync: the same ids, and not one change at Maxio', {
    timeout: 180_000,
  }, async () => {
    const service = await start();
    const ids = await known(service);
    await setActive(service, ids, PEOPLE, false, 'okta');
    await service.settled();
    const [before, customers] = [await mutations(), sandbox.state.customers().length];
    const calls = sandbox.state.ledger().length;
    await redis.flush();
    await lost(service);
    // The window of the lost budget counts as used: nothing at all leaves before it is over.
    expect(sandbox.state.ledger().length).toBe(calls);
    const rebuilt = await cli(service, 'rebuild', '--yes', '--wait', '--json');
    expect(rebuilt.code, rebuilt.err).toBe(0);
    expect(await standing(service)).toMatchObject({
      recovery: 'rebuilt',
      unclaimed: PEOPLE,
      rebuild: { state: 'done', marked: PEOPLE, wanted: PEOPLE },
    });
    // Nobody is seen, and nobody can be asked for, before the identity provider has sent them.
    expect((await service.scim('GET', '/Users')).body).toMatchObject({ totalResults: 0 });
    expect(await service.scim('GET', `/Users/${ids[0]}`)).toMatchObject({ status: 404 });

    expect(await fullSync(service, PEOPLE - 1)).toEqual(ids.slice(0, PEOPLE - 1));
    expect(await standing(service)).toMatchObject({ unclaimed: 1 });
    const released = await cli(service, 'release', '--yes', '--json');
    expect(released.code, released.err).toBe(0);
    await service.settled();
    expect(await service.health()).toMatchObject({ mode: 'enforce', parked: 0, held: 0 });
    expect(await mutations()).toEqual(before);
    expect(sandbox.state.customers()).toHaveLength(customers);
    expect(await standing(service)).toMatchObject({ recovery: null });
    // From here on everything is as it ever was.
    expect(await setActive(service, ids, 1, false, 'okta')).toMatchObject({ status: 200 });
    await service.settled();
    expect((await mutations()).slice(before.length)).toEqual(['DELETE /subscriptions/{id}.json']);
  });
});

test('a deletion by the identity provider of somebody unclaimed is that person leaving', { timeout: 180_000 }, async () => {
  const service = await start();
  const ids = await known(service, 2);
  await redis.flush();
  await lost(service);
  expect((await cli(service, 'rebuild', '--yes', '--wait')).code).toBe(0);
  expect(await service.scim('DELETE', `/Users/${ids[0]}`)).toMatchObject({ status: 204 });
  expect((await cli(service, 'release', '--yes')).code).toBe(0);
  await service.settled();
  expect((await mutations()).filter((call) => call.startsWith('DELETE'))).toHaveLength(1);
  expect(await standing(service)).toMatchObject({ unclaimed: 1 });
});

test('F22 at a start on an empty store: the survey finds our marks, and the site waits for an operator', {
  timeout: 180_000,
}, async () => {
  const first = await start();
  const ids = await known(first, 3);
  await first.kill();
  await redis.flush();
  const before = await mutations();
  const second = await start({ MAXIO_START_MODE: 'observe' });
  await lost(second).catch((error: unknown) => {
    throw new Error(second.output.join('').slice(-2_000), { cause: error });
  });
  expect(await second.scim('POST', '/Users', oktaUser(person(1)))).toMatchObject({ status: 503 });
  expect((await cli(second, 'release', '--yes')).code).toBe(1);
  expect((await cli(second, 'rebuild', '--yes', '--wait')).code).toBe(0);
  expect(await fullSync(second, 3)).toEqual(ids);
  expect((await cli(second, 'release', '--yes')).code).toBe(0);
  await second.settled();
  expect(await mutations()).toEqual(before);
});

test('F22 an export brought back: the drill of a lost store, ids, leavers and remembered cancels included', {
  timeout: 180_000,
}, async () => {
  const service = await start();
  const ids = await known(service);
  await setActive(service, ids, 2, false, 'entra');
  await service.settled();
  const file = join(folder, 'site.jsonl.gz');
  const exported = await cli(service, 'export', file, '--json');
  expect(exported.code, exported.err).toBe(0);
  expect(JSON.parse(exported.out)).toMatchObject({ people: PEOPLE });
  const [before, people] = [await mutations(), (await service.scim('GET', '/Users')).body];
  await redis.flush();
  await lost(service);
  const imported = await cli(service, 'import', file, '--yes', '--json');
  expect(imported.code, imported.err).toBe(0);
  expect(JSON.parse(imported.out)).toMatchObject({ added: PEOPLE, conflict: 0 });
  expect((await service.scim('GET', '/Users')).body).toEqual(people);
  await vi.waitFor(
    async () => expect(await new OpsDoor(service.url, OPS_TOKEN).get('/survey')).toMatchObject({ state: 'done' }),
    WAIT,
  );
  expect((await cli(service, 'release', '--yes')).code).toBe(0);
  await service.settled();
  expect(await mutations()).toEqual(before);
  // What Maxio alone could not have told for sure: exactly what we ended comes back.
  expect(await setActive(service, ids, 2, true, 'entra')).toMatchObject({ status: 200 });
  await service.settled();
  expect((await mutations()).slice(before.length)).toEqual(['PUT /subscriptions/{id}/reactivate.json']);
});

/** Bring the server back on what its folder was earlier. */
async function setBack(to: string): Promise<void> {
  await redis.kill();
  rmSync(redis.dir, { recursive: true, force: true });
  await cp(to, redis.dir, { recursive: true });
  await redis.restart();
}

async function backup(name: string): Promise<string> {
  const at = join(folder, name);
  await cp(redis.dir, at, { recursive: true });
  return at;
}

test('F23 an older backup is restored: nobody who has come back meanwhile is ended, before or after the release', {
  timeout: 240_000,
}, async () => {
  const service = await start({ DEPROVISION_GRACE: '5' });
  const ids = await known(service);
  // Somebody leaves; the backup is taken while that waits; then they come back.
  await setActive(service, ids, 1, false, 'okta');
  const old = await backup('f23');
  await setActive(service, ids, 1, true, 'okta');
  const later = await service.scim('POST', '/Users', oktaUser(person(20)));
  expect(later.status).toBe(201);
  await service.settled();
  const before = await mutations();
  await setBack(old);
  await vi.waitFor(async () => expect(await standing(service)).toMatchObject({ recovery: 'restored' }), WAIT);
  const ops = new OpsDoor(service.url, OPS_TOKEN);
  expect(await ops.get('/mode')).toMatchObject({ sites: [{ mode: 'observe', by: 'restored' }] });
  expect(await (await ops.try('/release', {})).json()).toMatchObject({ error: 'survey-first' });
  // Whoever came after the backup is put back, and sent again by the identity provider.
  expect((await cli(service, 'rebuild', '--yes', '--wait')).code).toBe(0);
  expect(await standing(service)).toMatchObject({ recovery: 'rebuilt', unclaimed: 1 });
  expect((await service.scim('POST', '/Users', oktaUser(person(20)))).body).toMatchObject({ id: later.body.id });
  // Released without a word about the leaver of then: that leave is held, however long it waited.
  expect((await cli(service, 'release', '--yes')).code).toBe(0);
  await vi.waitFor(async () => expect(await service.health()).toMatchObject({ mode: 'enforce', pending: 0, held: 1 }), WAIT);
  expect(await mutations()).toEqual(before);
  expect(await setActive(service, ids, 1, true, 'okta')).toMatchObject({ status: 200 });
  await service.settled();
  expect(await service.health()).toMatchObject({ held: 0 });
  expect(await mutations()).toEqual(before);
});

test('F23 who has left since the backup is not billed again, by a pending create or a repair of drift, before anybody says so', {
  timeout: 240_000,
}, async () => {
  const service = await start({ MAXIO_DRIFT: 'repair' });
  const ops = new OpsDoor(service.url, OPS_TOKEN);
  const [here = ''] = await known(service, 1);
  // The create of the second person waits while the backup is made.
  await ops.post('/mode', { mode: 'observe' });
  const pending = String((await service.scim('POST', '/Users', oktaUser(person(2)))).body.id);
  const old = await backup('left-since');
  await ops.post('/mode', { mode: 'enforce' });
  await service.settled();
  const ids = [here, pending];
  for (const n of [1, 2]) await setActive(service, ids, n, false, 'okta');
  await service.settled();
  const before = await mutations();
  expect(before.filter((call) => call.startsWith('DELETE'))).toHaveLength(2);
  await setBack(old);
  await vi.waitFor(async () => expect(await standing(service)).toMatchObject({ recovery: 'restored' }), WAIT);
  // Nobody sends them: they are nobody's any more at the identity provider.
  expect((await cli(service, 'rebuild', '--yes', '--wait')).code).toBe(0);
  expect((await cli(service, 'release', '--yes')).code).toBe(0);
  await vi.waitFor(async () => expect(await service.health()).toMatchObject({ mode: 'enforce', pending: 0, parked: 1 }), WAIT);
  await cli(service, 'drift', '--full', '--wait');
  const report = await ops.get<{ rows: object[] }>('/drift');
  expect(report.rows).toEqual([
    expect.objectContaining({
      kind: 'active-unbilled',
      personId: here,
      repair: 'none',
      detail: expect.stringContaining('that this directory has forgotten (generation 2, here it is 1)'),
    }),
  ]);
  expect((await cli(service, 'parked')).out).toContain('forgotten-leave');
  expect((await cli(service, 'retry', '--all')).code).toBe(0);
  await vi.waitFor(async () => expect(await service.health()).toMatchObject({ pending: 0, parked: 1 }), WAIT);
  expect(await mutations()).toEqual(before);

  // The word of the identity provider decides, also one that changes nothing about somebody who is waited for.
  expect(await setActive(service, ids, 2, true, 'okta')).toMatchObject({ status: 200 });
  await service.settled();
  expect((await mutations()).slice(before.length)).toEqual(['PUT /subscriptions/{id}/reactivate.json']);
  await service.scim('PUT', `/Users/${here}`, oktaUser(person(1), { id: here, title: 'Back' }));
  await service.settled();
  await cli(service, 'drift', '--full', '--wait');
  await vi.waitFor(
    async () =>
      expect((await mutations()).slice(before.length)).toEqual(Array(2).fill('PUT /subscriptions/{id}/reactivate.json')),
    WAIT,
  );
  await service.settled();
  expect(await service.health()).toMatchObject({ parked: 0, held: 0 });
});

test('F22 F23 the witness file tells a new process what was lost or set back while nothing ran', {
  timeout: 180_000,
}, async () => {
  const witness = { WITNESS_FILE: join(folder, 'witness.json') };
  const first = await start(witness);
  const ids = await known(first, 2);
  const old = await backup('witness');
  await setActive(first, ids, 1, false, 'okta');
  await first.settled();
  await first.kill('SIGTERM');
  const before = await mutations();
  await setBack(old);
  const second = await start({ ...witness, MAXIO_START_MODE: 'enforce' });
  await vi.waitFor(async () => expect(await standing(second)).toMatchObject({ recovery: 'restored' }), WAIT);
  await second.kill('SIGTERM');
  await redis.flush();
  const third = await Service.spawn({ redisUrl: redis.url, sandboxUrl: sandbox.url, env: { ...ENV, ...witness } });
  services.push(third);
  await vi.waitFor(async () => expect(await standing(third)).toMatchObject({ recovery: 'lost' }), WAIT);
  expect(await third.scim('POST', '/Users', oktaUser(person(1)))).toMatchObject({ status: 503 });
  expect(await mutations()).toEqual(before);
});

test('F2B a replica that is behind takes over: the trail went back, so nothing is written before a release', {
  timeout: 180_000,
}, async () => {
  const service = await start();
  const ids = await known(service, 3);
  const behind = await backup('f2b');
  const renamed = await service.scim('PUT', `/Users/${ids[0]}`, { ...oktaUser(person(1)), title: 'Engineer' });
  expect(renamed.status).toBe(200);
  await setActive(service, ids, 2, false, 'okta');
  await service.settled();
  const before = await mutations();
  await setBack(behind);
  await vi.waitFor(async () => expect(await standing(service)).toMatchObject({ recovery: 'restored' }), WAIT);
  // Still answered, for the identity provider has to mend it; written at Maxio is nothing.
  expect(await setActive(service, ids, 2, false, 'okta')).toMatchObject({ status: 200 });
  expect((await fetch(`${service.url}/health`).then((answer) => answer.text())).includes('restored')).toBe(true);
  expect(await mutations()).toEqual(before);
});
