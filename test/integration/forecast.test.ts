/**
 * The forecast against what then really happens: random people in `observe`, each forecast without a call; then the site may act, and the calls each person
 * got are compared with the steps that were foretold: at a first sync onto existing customers, after random changes, and when leavers come back.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Runs } from '../../src/directory/runs.ts';
import { Store } from '../../src/directory/store.ts';
import { SurveyIndex } from '../../src/directory/survey-index.ts';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import type { Forecast } from '../../src/survey/forecast.ts';
import { Forecasts } from '../../src/survey/forecasts.ts';
import { NO_GUARD } from '../support/guard.ts';
import { oktaUser, person } from '../support/people.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { OpsDoor } from '../support/rollout.ts';
import { API_KEY, OPS_TOKEN, Service } from '../support/service.ts';

const PEOPLE = 200;
const MUTATING = new Set(['POST', 'PUT', 'DELETE']);

let redis: TestRedis;
let sandbox: Sandbox;
let service: Service | undefined;

beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(async () => {
  await redis.flush();
  sandbox = await createSandbox({ apiKey: API_KEY, subdomain: 'acme' });
});
afterEach(async () => {
  await service?.kill();
  await sandbox.close();
});
afterAll(async () => {
  await redis?.stop();
});

/** Mulberry32. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Eyes {
  store: Store;
  runs: Runs;
  forecasts: Forecasts;
}

/** An operator's view from another process than the service. */
function eyes(): Eyes {
  const store = new Store(redis.connect(), 'us.acme', { backlogLimit: 1, guard: NO_GUARD });
  const runs = new Runs(store, { leaseMs: 3_000 });
  const policy = () => ({
    productHandle: 'pro',
    policy: 'cancel' as const,
    unknownOutcomeMs: 130_000,
    graceMs: 0,
    calmMs: 0,
    isProtected: () => false,
  });
  return { store, runs, forecasts: new Forecasts({ store, runs, index: new SurveyIndex(store), policy }) };
}

/** What is at Maxio before anybody is sent: nothing, their own customer in all variations, a stranger with their reference, a twin. */
function seedFor(n: number, pick: () => number): object[] {
  const { externalId: reference, userName: email, givenName, familyName } = person(n);
  const same = { reference, email, first_name: givenName, last_name: familyName };
  const pro = [{ product_handle: 'pro' }];
  const kinds: (() => object[])[] = [
    () => [],
    () => [],
    () => [same],
    () => [{ ...same, subscriptions: pro }],
    () => [{ ...same, last_name: 'Other', subscriptions: pro }],
    () => [{ ...same, subscriptions: [{ product_handle: 'pro', state: 'canceled' }] }],
    () => [{ ...same, email: `stranger-${n}@example.net` }],
    () => [{ ...same, reference: null, subscriptions: pro }],
  ];
  return kinds[Math.floor(pick() * kinds.length)]?.() ?? [];
}

async function foretold({ store, forecasts }: Eyes, ids: string[]): Promise<Map<string, Forecast>> {
  const told = new Map<string, Forecast>();
  for (const record of await store.readAll(ids)) told.set(record.id, await forecasts.one(record));
  return told;
}

/** The steps that each person really got since their story had so many entries. */
async function happened({ runs }: Eyes, id: string, since: number): Promise<string[]> {
  const story = (await runs.story(id)).slice(since);
  return story.flatMap(({ entry }) => (entry.kind === 'maxio' && entry.result === 'done' ? [entry.what] : []));
}

async function compare(
  view: Eyes,
  told: Map<string, Forecast>,
  since: Map<string, number>,
  ledgerFrom: number,
  seed: number,
): Promise<void> {
  const really = new Map<string, string[]>();
  for (const id of told.keys()) really.set(id, await happened(view, id, since.get(id) ?? 0));
  const wrong = [...told].filter(([id, { steps }]) => steps.map(({ kind }) => kind).join() !== really.get(id)?.join());
  const said = wrong.map(([id, { kind, words }]) => `${id}: ${kind}: ${words} — but ${really.get(id)?.join() || 'nothing'}`);
  expect(said, `seed ${seed}`).toEqual([]);
  // Parked is parked, and nobody else is.
  const parked = new Set(await view.runs.parked(0, PEOPLE));
  const foretoldParked = [...told].filter(([, { kind }]) => kind === 'park').map(([id]) => id);
  expect([...parked].sort(), `seed ${seed}`).toEqual(foretoldParked.sort());
  // The ledger has not one change more than was foretold; a refused create is a question.
  const changes = sandbox.state
    .ledger()
    .slice(ledgerFrom)
    .filter(({ method, status }) => MUTATING.has(method) && status !== null && status < 300);
  const steps = [...told.values()].reduce((sum, { steps: theirs }) => sum + theirs.length, 0);
  expect(changes.length, `seed ${seed}`).toBe(steps);
}

async function storyLengths({ runs }: Eyes, ids: string[]): Promise<Map<string, number>> {
  const lengths = new Map<string, number>();
  for (const id of ids) lengths.set(id, (await runs.story(id)).length);
  return lengths;
}

test('what is foretold for 200 random people is what then happens, call by call', { timeout: 240_000 }, async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`forecast seed ${seed}`);
  const pick = random(seed);
  const numbers = Array.from({ length: PEOPLE }, (_, i) => i + 1);
  sandbox.state.seed({ customers: numbers.flatMap((n) => seedFor(n, pick)) as never });
  service = await Service.start({
    redisUrl: redis.url,
    sandboxUrl: sandbox.url,
    env: { MAXIO_PRODUCT_HANDLE: 'pro', MAXIO_START_MODE: 'observe', LOG_LEVEL: 'warn' },
  });
  const door = new OpsDoor(service.url, OPS_TOKEN);
  await door.surveyed('us.acme');
  const ids: string[] = [];
  for (const n of numbers) {
    const answer = await service.scim('POST', '/Users', oktaUser(person(n), pick() < 0.1 ? { active: false } : {}));
    expect(answer.status).toBe(201);
    ids.push(String(answer.body.id));
  }
  const view = eyes();
  const calls = sandbox.state.ledger().length;
  const first = await foretold(view, ids);
  const plan = await door.get<{ people: number; counts: Record<string, number> }>('/plan');
  expect(plan.people).toBe(PEOPLE);
  expect(sandbox.state.ledger().length).toBe(calls);
  const kinds = new Set([...first.values()].map(({ kind }) => kind));
  for (const kind of ['nothing', 'create-with-subscription', 'adopt', 'park']) expect(kinds, `seed ${seed}`).toContain(kind);
  const before = await storyLengths(view, ids);
  await door.post('/release', { acceptUnlinked: true });
  await service.settled(120_000);
  await compare(view, first, before, calls, seed);

  const parked = new Set(await view.runs.parked(0, PEOPLE));
  const left = new Set<string>();
  const changeAll = async (change: (id: string, n: number) => Promise<unknown>): Promise<void> => {
    await door.post('/mode', { mode: 'observe' });
    const free = ids.filter((id) => !parked.has(id));
    for (const id of free) await change(id, ids.indexOf(id) + 1);
    const told = await foretold(view, ids);
    const since = await storyLengths(view, ids);
    const from = sandbox.state.ledger().length;
    await door.post('/mode', { mode: 'enforce' });
    await service?.settled(120_000);
    await compare(view, told, since, from, seed);
  };
  await changeAll(async (id, n) => {
    const who = person(n);
    const what = pick();
    if (what < 0.2) return;
    if (what < 0.5) {
      left.add(id);
      await service?.scim('PUT', `/Users/${id}`, oktaUser(who, { id, active: false }));
    } else if (what < 0.65) await service?.scim('PUT', `/Users/${id}`, oktaUser({ ...who, familyName: 'Renamed' }, { id }));
    else if (what < 0.8) await service?.scim('DELETE', `/Users/${id}`);
    else await service?.scim('PUT', `/Users/${id}`, oktaUser(who, { id, title: 'unmapped' }));
  });
  expect(left.size).toBeGreaterThan(0);
  await changeAll(async (id, n) => {
    if (left.has(id)) await service?.scim('PUT', `/Users/${id}`, oktaUser(person(n), { id, active: true }));
  });
});
