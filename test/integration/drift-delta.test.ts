/**
 * What a look for changes at Maxio reads when an earlier one was broken off in this process: the lists again, from the first page.
 * Real Redis and index; Maxio is a script, because what counts is which calls there are.
 */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Store } from '../../src/directory/store.ts';
import { SurveyIndex } from '../../src/directory/survey-index.ts';
import { Delta, type DeltaParts } from '../../src/survey/delta.ts';
import { NO_GUARD } from '../support/guard.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const WHOLE = ['customers 1', 'subscriptions 1', 'events'];

let redis: TestRedis;
let commands: Redis;

beforeAll(async () => {
  redis = await startRedis({ appendfsync: 'no' });
  commands = redis.connect();
});
beforeEach(async () => {
  await redis.flush();
  await commands.hset('scim:{us.acme}:index', { current: '1', sinceMs: 1_000_000, fullAtMs: 1_000_000, eventId: '' });
});
afterAll(async () => await redis?.stop());

function open(): { delta: Delta; calls: string[]; step: (nowMs: number, askedMs: number) => Promise<'more' | 'done'> } {
  const store = new Store(commands, 'us.acme', { backlogLimit: 100, guard: NO_GUARD });
  const calls: string[] = [];
  let nowMs = 0;
  const caller = {
    call: async (_asked: object, send: (signal: undefined) => Promise<unknown>) => ({
      value: await send(undefined),
      atMs: nowMs,
    }),
  } as unknown as DeltaParts['caller'];
  const told = (call: string) => {
    calls.push(call);
    return [];
  };
  const client: DeltaParts['client'] = {
    listCustomers: async (page) => told(`customers ${page}`),
    listAllSubscriptions: async (page) => told(`subscriptions ${page}`),
    listEvents: async () => told('events'),
  };
  const delta = new Delta({ store, index: new SurveyIndex(store), caller, client });
  const step = async (at: number, askedMs: number): Promise<'more' | 'done'> => {
    nowMs = at;
    return await delta.step({ nowMs, mode: 'enforce', signal: new AbortController().signal }, askedMs);
  };
  return { delta, calls, step };
}

test('one that another process has finished is not gone on with', async () => {
  const [first, second] = [open(), open()];
  await first.step(2_000_000, 2_000_000);
  await first.step(2_001_000, 2_000_000);
  expect(first.calls).toEqual(WHOLE.slice(0, 2));
  for (let at = 2_002_000; (await second.step(at, 2_000_000)) === 'more'; at += 1_000);
  expect(second.calls).toEqual(WHOLE);
  expect((await first.delta.marks()).sinceMs).toBe(2_002_000);

  first.calls.length = 0;
  for (let at = 3_000_000; (await first.step(at, 2_000_000)) === 'more'; at += 1_000);
  expect(first.calls).toEqual(WHOLE);
  expect((await first.delta.marks()).sinceMs).toBe(3_000_000);
});

test('one that nobody has finished is not what a later look goes on with', async () => {
  const { delta, calls, step } = open();
  await step(2_000_000, 2_000_000);
  await step(2_001_000, 2_000_000);
  calls.length = 0;
  for (let at = 9_000_000; (await step(at, 9_000_000)) === 'more'; at += 1_000);
  expect(calls).toEqual(WHOLE);
  expect((await delta.marks()).sinceMs).toBe(9_000_000);
});
