/**
 * A process whose key Maxio refuses, beside one with the right key, and one that only serves: neither decides by what the site acts, and neither keeps the
 * others from their work. Real processes, real Redis; the truth is the ledger of the sandbox.
 */
import { expect, test, vi } from 'vitest';
import { OpsDoor } from '../support/rollout.ts';
import { OPS_TOKEN } from '../support/service.ts';
import { useStage } from '../support/stage.ts';
import { joinAll } from '../support/steps.ts';

const PREFIX = 'scim:{us.acme}:';
const WAIT = { timeout: 20_000, interval: 50 };

const stage = useStage({ env: { LOG_LEVEL: 'warn' } });

/** What the live processes want of the site. */
async function wishes(): Promise<string[]> {
  const fields = await stage.commands.hgetall(`${PREFIX}configuration`);
  const live = Object.entries(fields).filter(([name]) => name.startsWith('live:'));
  return live.map(([, text]) => (JSON.parse(JSON.parse(text).environment) as { productHandle: string }).productHandle);
}

test('a process with a key that Maxio refuses wants nothing, and leaves the rounds to one with the right key', async () => {
  await stage.start({ MAXIO_API_KEY: 'a-key-that-is-wrong', MAXIO_PRODUCT_HANDLE: 'basic' });
  await vi.waitFor(async () => expect(await stage.commands.get(`${PREFIX}rounds`)).toMatch(/^\?/), WAIT);
  const good = await stage.start({ MAXIO_PRODUCT_HANDLE: 'pro' });
  await vi.waitFor(async () => expect(await stage.commands.get(`${PREFIX}rounds`)).toMatch(/^[^?]/), WAIT);
  await joinAll(good, 3);
  expect(stage.sandbox.state.subscriptions().map(({ product }) => product?.handle)).toEqual(['pro', 'pro', 'pro']);
  expect(await wishes()).toEqual(['pro']);
  const applied = await stage.commands.hget(`${PREFIX}configuration`, 'applied');
  expect(applied).toContain('"productHandle":"pro"');
});

test('F83 an approval at the desk of a process that only serves does not make its environment the wanted one', async () => {
  await stage.start({ ROLE: 'worker', MAXIO_PRODUCT_HANDLE: 'pro' });
  await vi.waitFor(async () => expect(await wishes()).toEqual(['pro']), WAIT);
  const desk = new OpsDoor((await stage.start({ ROLE: 'api', MAXIO_PRODUCT_HANDLE: 'basic' })).url, OPS_TOKEN);
  const key = `${PREFIX}configuration`;
  // The worker's own wish waits for approval, as after a change that moves many.
  const wanted = (await stage.commands.hget(key, 'applied')) ?? expect.fail('nothing is applied');
  await stage.commands.hset(key, {
    applied: wanted.replace('remittance', 'automatic'),
    candidate: wanted,
    candidateBy: 'bob',
    candidateAtMs: '5000',
    changes: JSON.stringify({ people: 3, examples: [] }),
  });
  const answer = await desk.try('/configuration/approve', {});
  expect(answer.status, await answer.text()).toBe(200);
  expect(await wishes(), 'the worker alone has a say').toEqual(['pro']);
  const state = await desk.get<{ applied: { productHandle: string } }>('/configuration');
  expect(state.applied.productHandle).toBe('pro');
});
