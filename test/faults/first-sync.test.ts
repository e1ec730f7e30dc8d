/**
 * Guarantees F66: the first full sync to sites that bill their customers already creates nobody twice. Two sites in one service, 20,000 customers each
 * without a reference, one pushed by Okta and one by Entra ID, in observe and after a release that accepts the undecided.
 * 1,000 people are pushed at each site, because every one of them is a durable write and the machine has two cores; ROLLOUT_PEOPLE=20000 pushes all of them.
 * Beside it the naive sequence (look up by reference, create on a miss) really runs, against a third site of the same kind, for all 20,000.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Member } from '../../src/demo/cast.ts';
import { naiveSync } from '../../src/demo/naive.ts';
import { syncPeople } from '../../src/demo/scenes.ts';
import { createKnock } from '../../src/demo/scim-door.ts';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { OpsDoor } from '../support/rollout.ts';
import { API_KEY, OPS_TOKEN, Service } from '../support/service.ts';

const EXISTING = 20_000;
const PEOPLE = Number(process.env.ROLLOUT_PEOPLE ?? 1_000);
const CALLS_MAX = 205;
const LONG_MS = 120_000 + 60 * PEOPLE;
const SITES = [
  { key: 'us.north', subdomain: 'north', idp: 'okta', via: 'Okta', token: 'rollout-okta-token-51c0' },
  { key: 'us.south', subdomain: 'south', idp: 'entra', via: 'Entra', token: 'rollout-entra-token-77ab' },
] as const;

let redis: TestRedis;
let folder: string;
const sandboxes: Sandbox[] = [];

/** A site that has been billing for years: nobody has a reference. */
async function site(subdomain: string): Promise<Sandbox> {
  const sandbox = await createSandbox({ subdomain, apiKey: API_KEY, siteId: sandboxes.length + 1 });
  sandboxes.push(sandbox);
  sandbox.state.seed({
    customers: Array.from({ length: EXISTING }, (_, index) => ({
      first_name: 'Given',
      last_name: `Family ${index}`,
      email: `person.${index}@example.com`,
      reference: null,
      subscriptions: [{ product_handle: index % 2 === 0 ? 'pro' : 'basic' }],
    })),
  });
  return sandbox;
}

function people(via: Member['via'], count: number): Member[] {
  return Array.from({ length: count }, (_, index) => {
    const email = `Person.${index}@example.com`;
    return {
      via,
      externalId: `${via}-${index}`,
      givenName: 'Given',
      familyName: `Family ${index}`,
      userName: email,
      email,
      title: '',
      id: '',
    };
  });
}

beforeAll(async () => {
  redis = await startRedis();
  folder = mkdtempSync(join(tmpdir(), 'rollout-'));
});

afterAll(async () => {
  for (const sandbox of sandboxes) await sandbox.close();
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('F66 two identity providers push to two sites full of customers without reference: nobody is created', {
  timeout: 300_000,
}, async () => {
  const file = join(folder, 'sites.json');
  const content = await Promise.all(
    SITES.map(async ({ subdomain, idp, token }) => ({
      MAXIO_SUBDOMAIN: subdomain,
      MAXIO_API_KEY: API_KEY,
      MAXIO_BASE_URL: (await site(subdomain)).url,
      MAXIO_PRODUCT_HANDLE: 'pro',
      MAXIO_START_MODE: 'observe',
      SCIM_TOKEN: token,
      SCIM_IDP: idp,
    })),
  );
  writeFileSync(file, JSON.stringify(content));
  // Empty is unset: what the service under test is given by default belongs to one site.
  const none = Object.fromEntries(
    ['BASE_URL', 'SUBDOMAIN', 'API_KEY', 'LEASE_SECONDS', 'GUARD_FLOOR', 'GUARD_REVENUE_PERCENT', 'GUARD_CALM_SECONDS'].map(
      (name) => [`MAXIO_${name}`, ''],
    ),
  );
  const service = await Service.start({
    redisUrl: redis.url,
    sandboxUrl: '',
    env: { ...none, SCIM_TOKEN: '', SITES_FILE: file },
  });
  const ops = new OpsDoor(service.url, OPS_TOKEN);
  const writes = (): number[] => sandboxes.map(({ state }) => state.ledger().filter(({ method }) => method !== 'GET').length);

  // Both push while the survey is at work: observe protects from the first moment, not from the end of the survey.
  const pushed = SITES.map(async ({ via, token }) => {
    const knock = createKnock(`${service.url}/scim/v2`, token);
    const everyone = people(via, PEOPLE);
    return await syncPeople({ knock, progress: () => {} }, everyone);
  });
  for (const { people: created, requests } of await Promise.all(pushed)) {
    expect(created).toBe(PEOPLE);
    expect(requests).toBe(2 * PEOPLE);
  }
  for (const { key } of SITES) {
    expect(await ops.surveyed(key, LONG_MS)).toMatchObject({
      customers: EXISTING,
      subscriptions: EXISTING,
      unreferenced: EXISTING,
    });
  }
  for (const { state } of sandboxes) expect(state.ledger().length).toBeLessThanOrEqual(CALLS_MAX);
  expect(writes()).toEqual([0, 0]);

  for (const { key } of SITES) {
    const refused = await ops.try('/release', { site: key });
    expect(refused.status).toBe(409);
    expect(await refused.json()).toMatchObject({ error: 'links-open' });
    expect(await ops.post('/release', { site: key, acceptUnlinked: true })).toMatchObject({
      mode: 'enforce',
      unreferenced: EXISTING,
    });
  }
  await vi.waitFor(
    async () => {
      const { sites } = (await (await fetch(`${service.url}/health`)).json()) as { sites: Record<string, { parked: number }> };
      for (const { key } of SITES) expect(sites[key], key).toMatchObject({ mode: 'enforce', parked: PEOPLE, pending: 0 });
    },
    { timeout: LONG_MS, interval: 200 },
  );
  for (const { key } of SITES) {
    const { parked } = await ops.get<{ parked: { reason: string }[] }>(`/parked?site=${key}`);
    expect(new Set(parked.map(({ reason }) => reason))).toEqual(new Set(['link-approval']));
  }
  expect(writes()).toEqual([0, 0]);
  for (const { state } of sandboxes) expect(state.customers()).toHaveLength(EXISTING);
  await service.kill('SIGTERM');
});

test('F66 what looking up by reference and creating on a miss does to the same site: everybody twice', {
  timeout: 300_000,
}, async () => {
  const sandbox = await site('naive');
  const done = await naiveSync(sandbox, people('Okta', EXISTING), 'pro');
  expect(done).toEqual({
    calls: 2 * EXISTING,
    created: EXISTING,
    duplicates: EXISTING,
    billedTwice: EXISTING,
    monthlyCents: EXISTING * 29_900,
  });
  expect(sandbox.state.customers()).toHaveLength(2 * EXISTING);
});
