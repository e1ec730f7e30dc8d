/**
 * F83: a changed configuration that would change what happens to many people waits for approval; a small one applies by itself; old processes beside new ones
 * do not quarrel. Real processes, real Redis; the truth is the ledger of the sandbox.
 */
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { oktaUser, person } from '../support/people.ts';
import { OpsDoor } from '../support/rollout.ts';
import { OPS_TOKEN, type Service } from '../support/service.ts';
import { useStage } from '../support/stage.ts';
import { joinAll } from '../support/steps.ts';

interface State {
  applied: { productHandle: string | null; author: string } | null;
  candidate: { productHandle: string | null; author: string } | null;
  changes: { people: number; examples: string[] } | null;
}

const stage = useStage({ env: { MAXIO_GUARD_FLOOR: '5', LOG_LEVEL: 'warn' } });
// A customer without a reference, so that a site in `observe` waits for its release.
beforeEach(() => {
  stage.sandbox.state.seed({ customers: [{ reference: null, email: 'somebody@example.net' }] });
});

async function start(product: string, env: Record<string, string> = {}): Promise<{ service: Service; door: OpsDoor }> {
  const service = await stage.start({ MAXIO_PRODUCT_HANDLE: product, ...env });
  return { service, door: new OpsDoor(service.url, OPS_TOKEN) };
}

async function stop(service: Service): Promise<void> {
  await service.kill('SIGTERM');
}

/** Wait for the configuration to look so. */
async function until(door: OpsDoor, expected: (state: State) => void): Promise<State> {
  return await vi.waitFor(
    async () => {
      const state = await door.get<State>('/configuration');
      expected(state);
      return state;
    },
    { timeout: 40_000, interval: 200 },
  );
}

function products(): Record<string, number> {
  const count: Record<string, number> = {};
  for (const { product } of stage.sandbox.state.subscriptions()) {
    const handle = product?.handle ?? 'none';
    count[handle] = (count[handle] ?? 0) + 1;
  }
  return count;
}

/** People whom nothing has been done for yet, because the site is only observed. */
async function waiting(service: Service, count: number): Promise<void> {
  for (let n = 1; n <= count; n += 1) expect((await service.scim('POST', '/Users', oktaUser(person(n)))).status).toBe(201);
}

describe('F83 a change of configuration that would move many people', () => {
  test('F83 waits for approval, is not acted by before, and then is', { timeout: 180_000 }, async () => {
    const first = await start('pro', { MAXIO_START_MODE: 'observe', CONFIG_AUTHOR: 'ann' });
    await waiting(first.service, 20);
    await until(first.door, ({ applied }) => expect(applied).toMatchObject({ productHandle: 'pro', author: 'ann' }));
    await stop(first.service);

    const { service, door } = await start('basic', { MAXIO_START_MODE: 'observe', CONFIG_AUTHOR: 'bob' });
    const state = await until(door, ({ candidate }) =>
      expect(candidate).toMatchObject({ productHandle: 'basic', author: 'bob' }),
    );
    expect(state.applied).toMatchObject({ productHandle: 'pro', author: 'ann' });
    expect(state.changes?.people).toBe(20);
    expect(state.changes?.examples[0]).toMatch(/now .*subscription to pro.*Then: .*subscription to basic/);

    // Until somebody approves, the old product is what people get.
    await vi.waitFor(async () => await door.post('/release', { acceptUnlinked: true }), { timeout: 30_000, interval: 300 });
    await service.settled(60_000);
    expect(products()).toEqual({ pro: 20 });
    await door.post('/configuration/approve');
    await until(door, ({ applied, candidate }) => {
      expect(applied).toMatchObject({ productHandle: 'basic', author: 'bob' });
      expect(candidate).toBeNull();
    });
    expect((await service.scim('POST', '/Users', oktaUser(person(21)))).status).toBe(201);
    await service.settled();
    expect(products()).toEqual({ pro: 20, basic: 1 });
    expect((await door.try('/configuration/approve', {})).status).toBe(409);
    const audit = JSON.stringify(await stage.commands.xrange('scim:{us.acme}:audit', '-', '+'));
    expect(audit).toContain('configuration-propose');
    expect(audit).toContain('configuration-apply');
  });

  test('F83 the author cannot approve it where there is a second operator', { timeout: 120_000 }, async () => {
    const { createHash } = await import('node:crypto');
    const { mkdtemp, writeFile } = await import('node:fs/promises');
    const { tmpdir } = await import('node:os');
    const { join } = await import('node:path');
    const token = (name: string): string => `token-of-${name}-5d1f0a7c9e`;
    const entry = (name: string) => ({
      name,
      role: 'approver',
      sha256: createHash('sha256').update(token(name)).digest('hex'),
    });
    const file = join(await mkdtemp(join(tmpdir(), 'maxio-scim-ops-')), 'operators.json');
    await writeFile(file, JSON.stringify([entry('ann'), entry('bob')]));
    const env = { MAXIO_START_MODE: 'observe', OPS_TOKENS_FILE: file };
    const first = await start('pro', { ...env, CONFIG_AUTHOR: 'ann' });
    await waiting(first.service, 8);
    await stop(first.service);
    const { service, door } = await start('basic', { ...env, CONFIG_AUTHOR: 'bob' });
    await until(new OpsDoor(service.url, token('ann')), ({ candidate }) => expect(candidate?.author).toBe('bob'));
    expect((await new OpsDoor(service.url, token('bob')).try('/configuration/approve', {})).status).toBe(403);
    expect((await until(new OpsDoor(service.url, token('ann')), () => undefined)).candidate).not.toBeNull();
    await new OpsDoor(service.url, token('ann')).post('/configuration/approve');
    const approved = await until(new OpsDoor(service.url, token('ann')), ({ candidate }) => expect(candidate).toBeNull());
    expect(approved.applied?.productHandle).toBe('basic');
    expect(door).toBeDefined();
  });

  test('F83 one that changes nothing for anybody applies by itself; going back takes a candidate away', {
    timeout: 180_000,
  }, async () => {
    const first = await start('pro');
    await joinAll(first.service, 10);
    await stop(first.service);
    // Everybody has settled: another product is for those who come from now on.
    const second = await start('basic');
    await until(second.door, ({ applied, candidate }) => {
      expect(applied?.productHandle).toBe('basic');
      expect(candidate).toBeNull();
    });
    await second.door.post('/mode', { mode: 'observe' });
    for (let n = 11; n <= 30; n += 1) await second.service.scim('POST', '/Users', oktaUser(person(n)));
    await stop(second.service);
    const third = await start('pro');
    await until(third.door, ({ candidate }) => expect(candidate?.productHandle).toBe('pro'));
    await stop(third.service);
    const fourth = await start('basic');
    await until(fourth.door, ({ applied, candidate }) => {
      expect(candidate).toBeNull();
      expect(applied?.productHandle).toBe('basic');
    });
    await fourth.door.post('/mode', { mode: 'enforce' });
    await fourth.service.settled(60_000);
    expect(products()).toEqual({ pro: 10, basic: 20 });
  });

  test('F83 an old process beside a new one acts by the same configuration, whichever is asked', {
    timeout: 180_000,
  }, async () => {
    const old = await start('pro', { MAXIO_START_MODE: 'observe' });
    await waiting(old.service, 20);
    const fresh = await start('basic', { MAXIO_START_MODE: 'observe' });
    await until(fresh.door, ({ candidate }) => expect(candidate?.productHandle).toBe('basic'));
    await fresh.door.post('/configuration/approve');
    for (const { door } of [old, fresh]) await until(door, ({ applied }) => expect(applied?.productHandle).toBe('basic'));
    await vi.waitFor(async () => await old.door.post('/release', { acceptUnlinked: true }), { timeout: 30_000, interval: 300 });
    await old.service.settled(60_000);
    expect(products()).toEqual({ basic: 20 });
    const state = await until(old.door, () => undefined);
    expect(state.candidate).toBeNull();
    const moves = JSON.stringify(await stage.commands.xrange('scim:{us.acme}:audit', '-', '+')).match(
      /configuration-(propose|apply|withdraw)/g,
    );
    expect(moves).toEqual(['configuration-propose', 'configuration-apply']);
  });
});
