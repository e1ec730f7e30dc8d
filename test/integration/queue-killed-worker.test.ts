/**
 * Real worker processes that die by SIGKILL at a named point: their person is taken up by another worker, and Maxio sees each thing once.
 * The sandbox is the witness. Refuses SCIM over HTTP (end-to-end tests do that).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MaxioClient } from '../../src/maxio/client.ts';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { Secret } from '../../src/secret.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { body, CONTEXT } from './directory-bench.ts';
import { type Bench, closeAll, openBench } from './queue-bench.ts';
import type { WorkerOrder } from './queue-worker.ts';

const PROGRAM = fileURLToPath(new URL('./queue-worker.ts', import.meta.url));
const SPAN = { leaseMs: 600, unknownOutcomeMs: 1_000 };
const until = { timeout: 20_000, interval: 20 };
const children: ChildProcess[] = [];
let server: TestRedis;
let sandbox: Sandbox;
beforeAll(async () => {
  server = await startRedis();
  sandbox = await createSandbox({ apiKey: 'key', subdomain: 'acme' });
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await closeAll();
});
afterAll(async () => {
  await sandbox.close();
  await server.stop();
});

function open(): Bench {
  const site = { region: 'us', subdomain: 'acme', apiKey: new Secret('key'), baseUrl: sandbox.url } as const;
  return openBench(server, { ...SPAN, client: new MaxioClient(site) });
}

function startWorker(bench: Bench, failpoint: string): ChildProcess {
  const order: WorkerOrder = { redisUrl: server.url, key: bench.key, sandboxUrl: sandbox.url, apiKey: 'key', ...SPAN, failpoint };
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(order)], { stdio: ['pipe', 'ignore', 'inherit'] });
  children.push(child);
  return child;
}

async function dead(child: ChildProcess): Promise<void> {
  if (child.signalCode === null && child.exitCode === null) await once(child, 'exit', { signal: AbortSignal.timeout(10_000) });
  expect(child.signalCode).toBe('SIGKILL');
}

const settled = (bench: Bench, id: string) =>
  expect.poll(async () => (await bench.record(id)).run?.outcome, until).toBe('settled');

function atMaxio(reference: string): { customers: number; subscriptions: string[] } {
  const customers = sandbox.state.customers().filter((customer) => customer.reference === reference);
  const ids = customers.map(({ id }) => id);
  const subscriptions = sandbox.state.subscriptions().filter(({ customer }) => customer !== null && ids.includes(customer.id));
  return { customers: customers.length, subscriptions: subscriptions.map(({ state }) => state) };
}

describe('a worker process that is killed', () => {
  it('F05 F28 while it stands still with the lease loses nothing: another takes the person when the lease has run out', async () => {
    const bench = open();
    const child = startWorker(bench, 'after_lease:stall');
    const { id } = await bench.users.create(body('stall'), CONTEXT);
    const lease = `${bench.store.prefix}lease:${id}`;
    await expect.poll(() => bench.redis.exists(lease), until).toBe(1);
    child.kill('SIGKILL');
    await dead(child);
    bench.work();
    await settled(bench, id);
    expect(atMaxio('ext-stall')).toEqual({ customers: 1, subscriptions: ['active'] });
  });

  it.each([
    ['F05', 'after_lease'],
    ['F05', 'after_read'],
    ['F62', 'before_send'],
    ['F08', 'after_answer'],
    ['F10', 'after_record'],
    ['F10', 'after_settle'],
  ])('%s at %s leaves one customer and one subscription, and the next worker settles', async (_fault, point) => {
    const bench = open();
    const { id } = await bench.users.create(body(point), CONTEXT);
    await dead(startWorker(bench, `${point}:kill`));
    bench.work();
    await settled(bench, id);
    expect(atMaxio(`ext-${point}`)).toEqual({ customers: 1, subscriptions: ['active'] });
    expect((await bench.record(id)).open).toEqual([]);
  });

  it('F15 after a cancel was answered and before it was recorded settles the leaver', async () => {
    const bench = open();
    const first = bench.work();
    const { id } = await bench.users.create(body('leaver'), CONTEXT);
    await settled(bench, id);
    await first.close(1_000);
    await bench.users.remove(id, CONTEXT);
    await dead(startWorker(bench, 'after_answer:kill'));
    expect(atMaxio('ext-leaver').subscriptions).toEqual(['canceled']);
    bench.work();
    await settled(bench, id);
    const record = await bench.record(id);
    expect(record.link?.subscriptions).toMatchObject([{ state: 'canceled', endedBy: 'cancel' }]);
    expect(record.settledGeneration).toBe(record.generation);
  });

  it('F16 five times in a row over one person: the bell is still alive, nobody is parked', async () => {
    const bench = open();
    const { id } = await bench.users.create(body('five'), CONTEXT);
    for (let kill = 0; kill < 5; kill += 1) await dead(startWorker(bench, 'after_lease:kill'));
    expect(await bench.queues.normal.getFailedCount()).toBe(0);
    bench.work();
    await settled(bench, id);
    expect(atMaxio('ext-five')).toEqual({ customers: 1, subscriptions: ['active'] });
  });
});
