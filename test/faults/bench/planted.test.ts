/**
 * Guarantees that the checker sees: each planted bug, in the evidence of a clean history and in a running service, is named by exactly the invariant it breaks.
 * A checker that finds nothing in a clean history proves nothing without this.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { check, INVARIANTS } from './checker.ts';
import { Cluster, PREFIX } from './cluster.ts';
import { collect, readBells } from './collect.ts';
import { Driver } from './driver.ts';
import type { Evidence } from './evidence.ts';
import { IN_EVIDENCE, IN_SERVICE, type PlantedInService } from './planted.ts';
import { cancelAfterGift, IN_GROUPS, withGroups } from './planted-groups.ts';
import { waitForQuiet } from './quiet.ts';
import { Random } from './random.ts';

const SEED = 20_261;
/** Far beyond what a busy machine needs: what is waited for are states. */
const PATIENCE = { timeout: 600_000 };
let cluster: Cluster;
let clean: Evidence;
let strangers = 0;

beforeAll(async () => {
  cluster = await Cluster.start({ env: { SCIM_IDP: 'okta' }, workers: 1 });
  const foreign = plantStranger();
  const driver = new Driver({ random: new Random(SEED), dialect: 'okta', people: 8, steps: 8, replicas: cluster.apis });
  // Each of these is at Maxio before the next, which a busy machine would otherwise pass over.
  for (const step of ['join', 'rename', 'rename'] as const) {
    await driver.all(step);
    await waitForQuiet(cluster);
  }
  await driver.run();
  const { bells } = await readBells(cluster);
  const quiet = await waitForQuiet(cluster);
  await driver.readAll();
  clean = await collect({ cluster, driver, quiet, bells, foreign });
}, PATIENCE.timeout);
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
async function play({ act, between, patience, undo }: PlantedInService, person: number): Promise<Evidence> {
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
  await waitForQuiet(cluster);
  await act({ cluster, driver, person, foreign });
  const quiet = await waitForQuiet(cluster, patience);
  const { bells } = await readBells(cluster);
  await driver.readAll();
  const evidence = await collect({ cluster, driver, quiet, bells, foreign });
  await undo?.(cluster);
  return evidence;
}

test('a history without faults and bugs violates nothing', () => {
  expect(check(clean)).toEqual([]);
  expect(clean.acks.length).toBeGreaterThan(64);
  expect(clean.ledger.filter(({ applied }) => applied).length).toBeGreaterThanOrEqual(24);
});

test('every invariant has a planted bug of either kind', () => {
  const all = Object.keys(INVARIANTS).toSorted();
  expect([...new Set(IN_EVIDENCE.map(({ invariant }) => invariant))].toSorted()).toEqual(all);
  expect([...new Set(IN_SERVICE.map(({ invariant }) => invariant))].toSorted()).toEqual(all);
});

test(
  'whoever is swept again and again without a sign of work is lost, however long it took; whoever is taken up at last was late',
  PATIENCE,
  async () => {
    const driver = new Driver({
      random: new Random(SEED).fork('late'),
      dialect: 'okta',
      people: 1,
      from: 90,
      steps: 0,
      replicas: cluster.apis,
    });
    for (const worker of cluster.workers) worker.stop();
    await driver.all('join');
    const id = (await cluster.commands.zrange(`${PREFIX}dirty`, '0', '-1'))[0] ?? '';
    // As if somebody had put the person off for ever.
    await cluster.commands.zadd(`${PREFIX}due`, Date.now() + 86_400_000, id);
    await cluster.commands.del(...(await cluster.commands.keys(`${PREFIX}bull:*`)));
    for (const worker of cluster.workers) worker.go();
    const lost = await waitForQuiet(cluster, { idleSweeps: 2 });
    expect(lost).toMatchObject({ reached: false, why: 'no sign of work while every worker swept 2 times' });
    await cluster.commands.zrem(`${PREFIX}due`, id);
    expect(await waitForQuiet(cluster)).toMatchObject({ reached: true });
  },
);

describe('planted in evidence', () => {
  test.each(IN_EVIDENCE)('$invariant: $bug', ({ invariant, plant }) => {
    const evidence = structuredClone(clean);
    plant(evidence);
    expect([...new Set(check(evidence).map((violation) => violation.invariant))]).toEqual([invariant]);
  });
});

test('a checker that counts in fixed windows would not see the bug planted at the edge of two', () => {
  const evidence = structuredClone(clean);
  const { callsPerWindow, windowMs } = evidence.settings;
  IN_EVIDENCE.find(({ invariant }) => invariant === 'I5')?.plant(evidence);
  const perWindow = new Map<number, number>();
  for (const { arrivedMs } of evidence.ledger) {
    const window = Math.floor(arrivedMs / windowMs);
    perWindow.set(window, (perWindow.get(window) ?? 0) + 1);
  }
  expect(Math.max(...perWindow.values())).toBe(callsPerWindow);
});

describe('planted in evidence with groups', () => {
  test('nothing is found where nothing is planted', () => {
    const evidence = structuredClone(clean);
    withGroups(evidence);
    expect(check(evidence)).toEqual([]);
  });

  test('an ending that was on its way when a group gave the product back was granted before', () => {
    const evidence = structuredClone(clean);
    const id = withGroups(evidence);
    cancelAfterGift(evidence, id, evidence.settings.sendGraceMs / 2);
    expect(check(evidence).map(({ invariant }) => invariant)).not.toContain('I3');
  });

  test.each(IN_GROUPS)('$invariant: $bug', ({ invariant, plant }) => {
    const evidence = structuredClone(clean);
    const id = withGroups(evidence);
    evidence.groups = plant(evidence, evidence.groups ?? expect.fail('no groups'), id);
    const violations = check(evidence);
    expect([...new Set(violations.map((violation) => violation.invariant))], JSON.stringify(violations)).toEqual([invariant]);
  });
});

describe('planted in a running service', PATIENCE, () => {
  test.each(IN_SERVICE.map((planted, i) => ({ ...planted, person: 101 + i })))(
    '$invariant: $bug',
    async ({ person, ...planted }) => {
      const violations = check(await play(planted, person));
      expect([...new Set(violations.map(({ invariant }) => invariant))], JSON.stringify(violations)).toEqual([planted.invariant]);
    },
  );
});
