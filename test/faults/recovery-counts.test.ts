/**
 * Guarantees that data of which a part is gone is noticed at a start, before anybody is answered, although epoch and audit trail are what they were: F2A, keys that
 * somebody else has removed. And that nothing legal is taken for it. Real processes, a real Redis, the sandbox over HTTP; the truth is its ledger.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Ended, startCli } from '../support/cli.ts';
import { oktaUser, person } from '../support/people.ts';
import { OpsDoor } from '../support/rollout.ts';
import { OPS_TOKEN, type Service } from '../support/service.ts';
import { useStage } from '../support/stage.ts';
import { joinAll, setActive } from '../support/steps.ts';

const LONG = { timeout: 120_000 };
const WAIT = { timeout: 30_000, interval: 25 };
const PREFIX = 'scim:{us.acme}:';
const PEOPLE = 4;
const stage = useStage({
  // A window short enough to be waited out: after a loss it counts as used.
  env: {
    MAXIO_PRODUCT_HANDLE: 'pro',
    MAXIO_BUDGET_WINDOW_SECONDS: '4',
    MAXIO_UNKNOWN_OUTCOME_SECONDS: '4',
    ERASURE_KEY: 'erasure-key-71f0c9d2b8a64e53',
  },
});
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'recovery-counts-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Standing {
  recovery: string | null;
  people: number;
}

const standing = async (service: Service): Promise<Standing> => await new OpsDoor(service.url, OPS_TOKEN).get('/recovery');

const cli = async (service: Service, ...args: string[]): Promise<Ended> =>
  await startCli(args, { OPS_TOKEN, MAXIO_SCIM_URL: service.url }).ended;

async function confirmed(service: Service): Promise<void> {
  // Said after a process has looked what the data is.
  await vi.waitFor(() => expect(service.output.join('')).toContain('site confirmed'), WAIT);
}

function mutations(): string[] {
  return stage.sandbox.state
    .ledger()
    .filter(({ method }) => method !== 'GET')
    .map(({ method, template }) => `${method} ${template}`);
}

async function remove(...patterns: string[]): Promise<void> {
  for (const pattern of patterns) {
    const keys = await stage.commands.keys(PREFIX + pattern);
    expect(keys.length, pattern).toBeGreaterThan(0);
    await stage.commands.del(...keys);
  }
}

/** Started on data that is lost: it listens, and is not ready. */
async function listening(env: Record<string, string> = {}): Promise<Service> {
  const service = await stage.spawn(env);
  await vi.waitFor(async () => expect((await fetch(`${service.url}/livez`)).status).toBe(200), WAIT);
  return service;
}

/** Not one answer may be about the data that is left. */
async function expectNobodyAnswered(service: Service, ids: readonly string[]): Promise<void> {
  const answers = await Promise.all([
    setActive(service, ids, 1, false, 'entra'),
    setActive(service, ids, 2, false, 'okta'),
    service.scim('DELETE', `/Users/${ids[2]}`),
    service.scim('GET', `/Users/${ids[0]}`),
    service.scim('GET', '/Users'),
    service.scim('POST', '/Users', oktaUser(person(1))),
  ]);
  for (const { status, headers } of answers) {
    expect(status).toBe(503);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  }
  const ready = await fetch(`${service.url}/readyz`);
  expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining('The data of us.acme was lost')]);
}

describe('a start on data of which a part is gone', () => {
  test(
    'F2A records are gone and the counts are not: nobody is answered, and a rebuild ends with the same ids and no call',
    LONG,
    async () => {
      const first = await stage.start();
      const ids = await joinAll(first, PEOPLE);
      await confirmed(first);
      await setActive(first, ids, PEOPLE, false, 'okta');
      await first.settled();
      await first.kill('SIGTERM');
      const before = mutations();
      await remove('user:*');
      const [api, worker] = await Promise.all([listening({ ROLE: 'api' }), listening({ ROLE: 'worker' })]);
      await expectNobodyAnswered(api, ids);
      for (const service of [api, worker]) expect(await standing(service)).toMatchObject({ recovery: 'lost', people: 0 });
      const ops = new OpsDoor(api.url, OPS_TOKEN);
      expect(await ops.get('/mode')).toMatchObject({ sites: [{ mode: 'observe', by: 'lost' }] });
      expect(await (await ops.try('/release', {})).json()).toMatchObject({ error: 'rebuild-first' });

      const rebuilt = await cli(api, 'rebuild', '--yes', '--wait', '--json');
      expect(rebuilt.code, rebuilt.err).toBe(0);
      expect(await standing(api)).toMatchObject({ recovery: 'rebuilt', unclaimed: PEOPLE, people: PEOPLE });
      for (const [at, id] of ids.slice(0, PEOPLE - 1).entries()) {
        expect(await api.scim('POST', '/Users', oktaUser(person(at + 1)))).toMatchObject({ status: 201, body: { id } });
      }
      expect((await cli(api, 'release', '--yes')).code).toBe(0);
      await api.settled();
      expect(mutations()).toEqual(before);

      // From here on it is whole: the next start finds nothing, and who leaves is ended.
      const next = await stage.start();
      expect(await standing(next)).toMatchObject({ recovery: null, people: PEOPLE });
      expect(await setActive(next, ids, 1, false, 'entra')).toMatchObject({ status: 200 });
      await next.settled();
      expect(mutations().slice(before.length)).toEqual(['DELETE /subscriptions/{id}.json']);
    },
  );

  test('F2A every list of people is gone with them: the witness file remembers how many there were', LONG, async () => {
    const witness = { WITNESS_FILE: join(folder, 'all.json') };
    const first = await stage.start(witness);
    const ids = await joinAll(first, PEOPLE);
    await confirmed(first);
    expect(await standing(first)).toMatchObject({ recovery: null, people: PEOPLE });
    await first.kill('SIGTERM');
    const before = mutations();
    await remove('user:*', 'references', 'order', 'userNames', 'active');
    await expectNobodyAnswered(await listening(witness), ids);
    expect(mutations()).toEqual(before);
  });
});

test('F2A the references are removed under running processes: noticed, and said to both', LONG, async () => {
  const [api, worker] = await Promise.all([stage.start({ ROLE: 'api' }), stage.start({ ROLE: 'worker' })]);
  const ids = await joinAll(api, PEOPLE);
  await Promise.all([api, worker].map(confirmed));
  // Who is asked for the state of the recovery has looked.
  for (const service of [api, worker]) expect((await standing(service)).people).toBe(PEOPLE);
  await remove('references', 'user:*');
  // Who asks for somebody who is not there is the first to look.
  await expectNobodyAnswered(api, ids);
  await vi.waitFor(async () => expect(await standing(worker)).toMatchObject({ recovery: 'lost' }), WAIT);
});

test('F2A who is erased is not missed, by a process that ran on or by one that starts later', LONG, async () => {
  const witness = { WITNESS_FILE: join(folder, 'erased.json') };
  const [service, other] = [
    await stage.start(witness),
    await stage.start({ ROLE: 'api', WITNESS_FILE: join(folder, 'other.json') }),
  ];
  const ids = await joinAll(service, PEOPLE);
  await Promise.all([service, other].map(confirmed));
  expect((await standing(other)).people).toBe(PEOPLE);
  for (const n of [1, 2, 3]) {
    expect(await setActive(service, ids, n, false, 'okta')).toMatchObject({ status: 200 });
    await service.settled();
    const erased = await cli(service, 'erase', String(ids[n - 1]), '--yes');
    expect(erased.code, erased.err).toBe(0);
  }
  expect(await standing(other)).toMatchObject({ recovery: null, people: 1 });
  await other.kill('SIGTERM');
  await service.kill('SIGTERM');
  for (const file of ['erased.json', 'other.json']) {
    const later = await stage.start({ WITNESS_FILE: join(folder, file) });
    expect(await standing(later)).toMatchObject({ recovery: null, people: 1 });
    expect(await later.health()).toMatchObject({ mode: 'enforce' });
  }
});
