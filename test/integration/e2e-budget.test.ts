/**
 * The budget at the receiver: 2,000 people join through two replicas against a budget of 200 calls in any 10 s, with random delays on the way.
 * No window at the sandbox exceeds 200, never more than four calls at once, the lane is used to the full, and a leaver does not wait for the joiners.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { oktaUser, patch, person } from '../support/people.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { API_KEY, Service } from '../support/service.ts';

const PEOPLE = 2_000;
const LIMIT = 200;
const WINDOW_MS = 10_000;

let redis: TestRedis;
let sandbox: Sandbox;
let replicas: Service[] = [];

beforeAll(async () => {
  redis = await startRedis();
  sandbox = await createSandbox({
    apiKey: API_KEY,
    subdomain: 'acme',
    settings: { quota: LIMIT, windowSeconds: WINDOW_MS / 1_000 },
  });
  sandbox.state.setFault({ kind: 'slow', minDelayMs: 0, maxDelayMs: 60, seed: 7 });
  const env = {
    MAXIO_PRODUCT_HANDLE: 'pro',
    MAXIO_CALLS_PER_HOUR: String(LIMIT),
    MAXIO_BUDGET_WINDOW_SECONDS: String(WINDOW_MS / 1_000),
    LOG_LEVEL: 'warn',
  };
  replicas = await Promise.all([1, 2].map(() => Service.start({ redisUrl: redis.url, sandboxUrl: sandbox.url, env })));
});

afterAll(async () => {
  await Promise.all(replicas.map((replica) => replica.kill()));
  await sandbox?.close();
  await redis?.stop();
});

function replica(n: number): Service {
  const found = replicas[n % replicas.length];
  if (found === undefined) throw new Error('no replica');
  return found;
}

test('F58 F60: 2,000 creates over two replicas stay inside every rolling window, use it, and let a leaver pass', {
  timeout: 300_000,
}, async () => {
  const first = await replica(0).scim('POST', '/Users', oktaUser(person(0)));
  await replica(0).settled();

  const calm = sandbox.state.ledger().at(-1)?.seq ?? 0;
  for (let n = 1; n <= PEOPLE; n += 50) {
    const batch = Array.from({ length: 50 }, (_, i) => replica(i).scim('POST', '/Users', oktaUser(person(n + i))));
    for (const answer of await Promise.all(batch)) expect(answer.status).toBe(201);
  }
  const pending = (await replica(0).health()).pending;
  expect(pending, 'a backlog to overtake').toBeGreaterThan(1_000);

  const id = String(first.body.id);
  const leftAtMs = Date.now();
  expect((await replica(1).scim('PATCH', `/Users/${id}`, patch({ op: 'replace', value: { active: false } }))).status).toBe(200);
  await expect
    .poll(() => sandbox.state.ledger().some(({ method }) => method === 'DELETE'), { timeout: 10_000, interval: 50 })
    .toBe(true);
  expect((await replica(0).health()).pending, 'the leaver has overtaken the joiners').toBeGreaterThan(PEOPLE / 2);

  await replica(0).settled(240_000);
  const stats = sandbox.state.stats(WINDOW_MS);
  expect(stats.maxInWindow, 'calls in the fullest rolling window').toBeLessThanOrEqual(LIMIT);
  expect(stats.maxInFlight, 'calls at once').toBeLessThanOrEqual(4);
  expect(stats.countsByStatus, 'nothing was refused by Maxio').not.toHaveProperty('429');
  expect(sandbox.state.customers()).toHaveLength(PEOPLE + 1);

  // From the first joiner of the crowd on: before, there was no backlog to work at.
  const arrivals = sandbox.state.ledger(calm).map(({ arrivedMs }) => arrivedMs);
  const spanMs = (arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0);
  const utilisation = arrivals.length / ((spanMs / WINDOW_MS) * LIMIT);
  const endedAtMs = sandbox.state.ledger().find(({ method }) => method === 'DELETE')?.arrivedMs ?? Number.NaN;
  console.log(
    `the leaver's cancel arrived ${((endedAtMs - leftAtMs) / 1_000).toFixed(2)} s after the IdP said so; ` +
      `${arrivals.length} calls in ${(spanMs / 1_000).toFixed(1)} s, utilisation ${utilisation.toFixed(3)}, fullest window ${stats.maxInWindow} of ${LIMIT}, at most ${stats.maxInFlight} at once`,
  );
  expect(utilisation, 'share of the budget used while there was a backlog').toBeGreaterThanOrEqual(0.95);
});
