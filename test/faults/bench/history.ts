/**
 * Owns one random history: a seed becomes a cluster with its settings, a load, faults at certain points of it, operators where the guard is on,
 * quiet, and a verdict. The same seed makes the same decisions; how processes interleave is the machine's. Refuses to be a test: tests and the soak call it.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { OPS_TOKEN } from '../../support/service.ts';
import { until } from '../../support/until.ts';
import { check } from './checker.ts';
import { Cluster, PREFIX } from './cluster.ts';
import { collect, readBells } from './collect.ts';
import { type Dialect, Driver, personNumber } from './driver.ts';
import type { Evidence, Settings, Violation } from './evidence.ts';
import { type FaultName, Faults, ORDINARY_FAULTS, type Struck } from './fault-kinds.ts';
import { GROUP_PRODUCTS, RULES } from './group-life.ts';
import { waitForQuiet } from './quiet.ts';
import { Random } from './random.ts';

export interface HistoryOptions {
  seed: number;
  /** Only faults of these kinds; default all ordinary ones. */
  kinds?: readonly FaultName[];
  people?: number;
  steps?: number;
  /** At most so many faults. */
  faultsMax?: number;
  /** Every one of the kinds, one after the other, each until it was met with, and load for as long as that takes; default chosen by chance. */
  each?: boolean;
  /** Whether groups give products; default in one of three histories. */
  groups?: boolean;
}

export interface HistoryResult {
  seed: number;
  violations: Violation[];
  evidence: Evidence;
  /** What it was: settings and faults in words. */
  story: string[];
  faults: Struck[];
  tookMs: number;
}

interface Plan {
  dialect: Dialect;
  guard: boolean;
  groups: boolean;
  env: Record<string, string>;
  settings: Partial<Settings>;
  /** At which step of the load each fault begins. */
  faults: { atStep: number; name: FaultName }[];
  adopted: number[];
}

function planHistory(
  random: Random,
  options: Required<Pick<HistoryOptions, 'people' | 'steps' | 'faultsMax'>> & Pick<HistoryOptions, 'groups'>,
  kinds: readonly FaultName[],
): Plan {
  const dialect = random.pick(['okta', 'entra'] as const);
  const guard = random.chance(0.25);
  const tight = random.chance(0.25);
  const policy = random.weighed({ cancel: 4, hold: 1, cancel_at_period_end: 1 });
  const steps = options.people * options.steps;
  const faults = Array.from({ length: random.between(1, options.faultsMax) }, () => ({
    atStep: random.between(1, Math.ceil(steps * 0.8)),
    name: random.pick(kinds),
  }));
  return {
    dialect,
    guard,
    // From a stream of its own, so that a seed decides everything else as it did before there were groups.
    groups: options.groups ?? random.fork('groups').chance(1 / 3),
    env: {
      SCIM_IDP: dialect,
      MAXIO_DEPROVISION: policy,
      ...(guard ? { MAXIO_GUARD_FLOOR: '2', MAXIO_GUARD_CALM_SECONDS: '1' } : {}),
      ...(tight ? { MAXIO_CALLS_PER_HOUR: '60', MAXIO_BUDGET_WINDOW_SECONDS: '5' } : {}),
    },
    settings: { policy, ...(tight ? { callsPerWindow: 60, windowMs: 5_000 } : {}) },
    faults: faults.toSorted((a, b) => a.atStep - b.atStep),
    adopted: Array.from({ length: options.people }, (_, i) => i + 1).filter(() => random.chance(0.15)),
  };
}

/** Runs one history from start to verdict. */
export async function runHistory(options: HistoryOptions): Promise<HistoryResult> {
  const startedMs = performance.now();
  const { seed, kinds = ORDINARY_FAULTS, people = 12, steps = 8, faultsMax = 4, each = false } = options;
  const random = new Random(seed);
  const size = { people, steps, faultsMax, ...(options.groups === undefined ? {} : { groups: options.groups }) };
  const plan = planHistory(random.fork('plan'), size, kinds);
  const folder = mkdtempSync(join(tmpdir(), 'fault-bench-'));
  const cluster = await startCluster(plan, folder);
  try {
    const foreign = plantCustomers(cluster, plan);
    const faults = new Faults(cluster);
    const pending = each ? [] : [...plan.faults];
    let turns: Promise<void> | undefined;
    let hasTurns = each;
    const driver = new Driver({
      random: random.fork('load'),
      dialect: plan.dialect,
      people,
      steps,
      groups: plan.groups,
      replicas: cluster.apis,
      goOn: () => hasTurns,
      onStep: (step) => {
        if (each) {
          turns ??= faults.inTurn(random.fork('order').shuffled(kinds), random.fork('turns')).finally(() => {
            hasTurns = false;
          });
        }
        while (pending[0] !== undefined && pending[0].atStep <= step) {
          const { name, atStep } = pending.shift() ?? pending[0];
          void faults.strike(name, random.fork(`${name} ${atStep}`));
        }
      },
    });
    const desk = plan.guard ? new Desk(cluster, random.fork('operators')) : undefined;
    await driver.run();
    await turns;
    const { bells } = await readBells(cluster).catch(() => ({ bells: [] }));
    await faults.over();
    await desk?.close();
    const quiet = await waitForQuiet(cluster);
    await driver.readAll();
    const grace = plan.groups ? { groupGraceMs: GROUP_GRACE_SECONDS * 1_000 } : {};
    const { unmended, struck } = faults;
    const evidence = await collect({ cluster, driver, quiet, unmended, bells, foreign, settings: plan.settings, ...grace });
    const story = [
      `${plan.dialect}${plan.groups ? ', groups' : ''}${plan.guard ? ', guarded' : ''}${plan.settings.callsPerWindow ? ', tight budget' : ''}, ${plan.settings.policy}`,
      ...struck.map(({ name }) => name),
    ];
    return { seed, violations: check(evidence), evidence, story, faults: struck, tookMs: performance.now() - startedMs };
  } finally {
    await cluster.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const GROUP_GRACE_SECONDS = 1;

/** Where groups give products, it is ready when the rules apply: before that, a change of groups means nothing. */
async function startCluster({ env, groups }: Plan, folder: string): Promise<Cluster> {
  if (!groups) return await Cluster.start({ env });
  const file = join(folder, 'plans.json');
  writeFileSync(file, JSON.stringify(RULES.map(({ group, product }) => ({ group, product }))));
  const more = { MAXIO_GROUP_PLANS_FILE: file, MAXIO_GROUP_GRACE: String(GROUP_GRACE_SECONDS) };
  const cluster = await Cluster.start({ env: { ...env, ...more }, products: GROUP_PRODUCTS });
  try {
    await until('the rules apply', async () => (await cluster.commands.hexists(`${PREFIX}configuration`, 'applied')) === 1);
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

const KEPT = new URL('../../../var/soak/', import.meta.url);

/** Writes down everything about a history, for somebody to read. @returns the name of the file */
export function keepEvidence({ seed, violations, story, evidence }: HistoryResult): string {
  mkdirSync(KEPT, { recursive: true });
  const file = fileURLToPath(new URL(`${seed}.json`, KEPT));
  writeFileSync(file, JSON.stringify({ seed, violations, story, evidence }, undefined, 1));
  return file;
}

/** Strangers whom nobody may touch, and some who are customers already and are to be found by their reference. */
function plantCustomers({ sandbox }: Cluster, { adopted }: Plan): Evidence['foreign'] {
  const foreign = sandbox.state.seed({
    customers: [1, 2, 3].map((n) => ({
      first_name: 'Old',
      last_name: `Stranger${n}`,
      email: `stranger${n}@elsewhere.example`,
      ...(n === 1 ? { reference: 'other-system-1' } : {}),
      subscriptions: [{ product_handle: 'basic' }],
    })),
  });
  const known = sandbox.state.seed({
    customers: adopted.map((n) => {
      const { externalId, userName, givenName, familyName } = personNumber(n);
      return {
        first_name: givenName,
        last_name: familyName,
        email: userName,
        reference: externalId,
        subscriptions: [{ product_handle: 'pro' }],
      };
    }),
  });
  // Customers of long ago: one that is as young as an unanswered create would be taken for what it has made.
  for (const { id } of known.customers) sandbox.state.editCustomer(id, { createdMs: Date.now() - 30 * 86_400_000 });
  return foreign;
}

/** Operators who decide about held leaves while work goes on, some of them twice and at once. */
class Desk {
  readonly #cluster: Cluster;
  readonly #random: Random;
  #open = true;
  readonly #work: Promise<void>;

  constructor(cluster: Cluster, random: Random) {
    this.#cluster = cluster;
    this.#random = random;
    this.#work = this.#decide();
  }

  async close(): Promise<void> {
    this.#open = false;
    await this.#work;
  }

  async #decide(): Promise<void> {
    while (this.#open) {
      await sleep(this.#random.between(200, 600));
      const { url } = this.#random.pick(this.#cluster.apis);
      const held = await ask<{ held: { id: string }[] }>(`${url}/ops/api/held`);
      const ids = (held?.held ?? []).map(({ id }) => id).filter(() => this.#random.chance(0.4));
      if (ids.length === 0) continue;
      const decision = this.#random.chance(0.7) ? 'approve' : 'reject';
      const times = this.#random.chance(0.3) ? 2 : 1;
      await Promise.all(Array.from({ length: times }, () => ask(`${url}/ops/api/held/${decision}`, { ids })));
    }
  }
}

/** Operators ask again when nobody answers: no answer is no decision. */
async function ask<T>(url: string, body?: object): Promise<T | undefined> {
  const answer = await fetch(url, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${OPS_TOKEN}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(5_000),
  }).catch(() => undefined);
  return answer?.status === 200 ? ((await answer.json().catch(() => undefined)) as T | undefined) : undefined;
}
