/**
 * Guarantees that the checker sees: each planted bug, in the evidence of a clean history and in a running service, is named by exactly the invariant it breaks.
 * A checker that finds nothing in a clean history proves nothing without this.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { check, INVARIANTS } from './checker.ts';
import { Cluster } from './cluster.ts';
import { collect, readBells, waitForQuiet } from './collect.ts';
import { Driver } from './driver.ts';
import type { Evidence } from './evidence.ts';
import { IN_EVIDENCE, IN_SERVICE, type PlantedInService } from './planted.ts';
import { Random } from './random.ts';

const SEED = 20_261;
let cluster: Cluster;
let clean: Evidence;
let strangers = 0;

beforeAll(async () => {
  cluster = await Cluster.start({ env: { SCIM_IDP: 'okta' }, workers: 1 });
  const foreign = plantStranger();
  const driver = new Driver({ random: new Random(SEED), dialect: 'okta', people: 8, steps: 8, replicas: cluster.apis });
  await driver.run();
  const { bells } = await readBells(cluster);
  const quiet = await waitForQuiet(cluster, 30_000);
  await driver.readAll();
  clean = await collect({ cluster, driver, quiet, bells, foreign });
});
afterAll(async () => {
  await cluster?.close();
});

function plantStranger(): Evidence['foreign'] {
  strangers += 1;
  const email = `stranger${strangers}@elsewhere.example`;
  const customer = { first_name: 'Old', last_name: 'Stranger', email, subscriptions: [{ product_handle: 'basic' }] };
  return cluster.sandbox.state.seed({ customers: [customer] });
}

/** One person joins and settles, the bug is made, and what is left behind is judged. */
async function play({ act, between, quietMs, undo }: PlantedInService, person: number): Promise<Evidence> {
  const foreign = plantStranger();
  const driver = new Driver({
    random: new Random(SEED).fork(String(person)),
    dialect: 'okta',
    people: 1,
    from: person,
    steps: 0,
    replicas: cluster.apis,
    ...(between === undefined ? {} : { fetch: between(fetch) }),
  });
  await driver.all('join');
  await waitForQuiet(cluster, 30_000);
  await act({ cluster, driver, person, foreign });
  const quiet = await waitForQuiet(cluster, quietMs ?? 30_000);
  const { bells } = await readBells(cluster);
  await driver.readAll();
  const evidence = await collect({ cluster, driver, quiet, bells, foreign });
  await undo?.(cluster);
  return evidence;
}

test('a history without faults and bugs violates nothing', () => {
  expect(check(clean)).toEqual([]);
  expect(clean.acks.length).toBeGreaterThan(64);
  expect(clean.ledger.filter(({ applied }) => applied).length).toBeGreaterThan(10);
});

test('every invariant has a planted bug of either kind', () => {
  const all = Object.keys(INVARIANTS).toSorted();
  expect(IN_EVIDENCE.map(({ invariant }) => invariant).toSorted()).toEqual(all);
  expect(IN_SERVICE.map(({ invariant }) => invariant).toSorted()).toEqual(all);
});

describe('planted in evidence', () => {
  test.each(IN_EVIDENCE)('$invariant: $bug', ({ invariant, plant }) => {
    const evidence = structuredClone(clean);
    plant(evidence);
    expect([...new Set(check(evidence).map((violation) => violation.invariant))]).toEqual([invariant]);
  });
});

describe('planted in a running service', () => {
  test.each(IN_SERVICE.map((planted, i) => ({ ...planted, person: 101 + i })))(
    '$invariant: $bug',
    async ({ person, ...planted }) => {
      const violations = check(await play(planted, person));
      expect([...new Set(violations.map(({ invariant }) => invariant))], JSON.stringify(violations)).toEqual([planted.invariant]);
    },
  );
});
