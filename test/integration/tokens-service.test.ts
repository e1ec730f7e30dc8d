/**
 * Guarantees of SCIM tokens over real processes: two services without a token of the configuration, the command line, one Redis. A token that is made or
 * revoked counts everywhere within seconds and without a restart; while Redis is away, and after it was emptied, nobody's answer changes.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { type Ended, startCli } from '../support/cli.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { API_KEY, OPS_TOKEN, Service } from '../support/service.ts';

/** The promise is five seconds; on a machine that does much else the state is waited for, not the time. */
const SOON = { timeout: 60_000, interval: 50 };
const LONG = { timeout: 180_000 };
/** From the 31st wrong token in a minute on it is 429. */
const REFUSED = [401, 429];

let redis: TestRedis;
let sandbox: Sandbox;
let services: Service[] = [];

beforeAll(async () => {
  redis = await startRedis();
  sandbox = await createSandbox({ apiKey: API_KEY });
  const options = { redisUrl: redis.url, sandboxUrl: sandbox.url, env: { SCIM_TOKEN: '' } };
  services = await Promise.all([Service.spawn(options), Service.spawn(options)]);
  await vi.waitFor(async () => {
    for (const { url } of services) expect((await fetch(`${url}/readyz`)).status).toBe(200);
  }, SOON);
}, 120_000);
afterAll(async () => {
  await Promise.all(services.map((service) => service.kill()));
  await sandbox.close();
  await redis.stop();
});

async function cli(...args: string[]): Promise<Ended> {
  return await startCli(args, { MAXIO_SCIM_URL: services[0]?.url ?? '', OPS_TOKEN }).ended;
}

/** What every process answers to a read with this token. */
async function answers(token: string): Promise<number[]> {
  return await Promise.all(
    services.map(async ({ url }) => {
      const headers = { authorization: `Bearer ${token}` };
      const answer = await fetch(`${url}/scim/v2/Users?count=1`, { headers });
      await answer.text();
      return answer.status;
    }),
  );
}

async function everywhere(token: string, status: number | 'refused'): Promise<void> {
  await vi.waitFor(async () => {
    for (const answer of await answers(token)) expect(REFUSED.includes(answer) ? 'refused' : answer).toBe(status);
  }, SOON);
}

async function create(...options: string[]): Promise<{ id: string; token: string }> {
  const { code, out, err } = await cli('token', 'create', ...options);
  expect(code, err).toBe(0);
  const token = out.trim();
  expect(token).toMatch(/^smx_[a-z2-7]{12}_[A-Za-z0-9_-]{43}$/);
  expect(err).toContain('shown this once');
  expect(err).not.toContain(token.slice(17));
  return { id: token.slice(4, 16), token };
}

const made: { id: string; token: string }[] = [];

describe('S3 tokens of a running service', () => {
  test('without any token it starts, refuses everybody, and doctor, health and list say so', LONG, async () => {
    expect(await answers('any-token-0123456789')).toEqual([401, 401]);
    const list = await cli('token', 'list');
    expect(list).toMatchObject({ code: 0, out: expect.stringContaining('has no token') });
    const doctor = await cli('doctor', '--json');
    const checks = (JSON.parse(doctor.out) as { checks: { name: string; status: string; cure: string }[] }).checks;
    expect(checks.filter(({ name }) => /SCIM token/.test(name))).toEqual([
      expect.objectContaining({ name: 'us.acme SCIM tokens', status: 'fail', cure: 'maxio-scim token create --site us.acme' }),
    ]);
    const health = (await (await fetch(`${services[0]?.url}/health`)).json()) as {
      checks: Record<string, { output?: string }[]>;
    };
    expect(health.checks['maxio:us.acme']?.[0]?.output).toContain('no-token');
  });

  test('a token that is made opens the door of every process within seconds, and so does a second one', LONG, async () => {
    made.push(await create('--note', 'Okta', '--days', '90'), await create());
    for (const { token } of made) await everywhere(token, 200);
    const third = await cli('token', 'create');
    expect(third).toMatchObject({ code: 1, out: '' });
    for (const { id } of made) expect(third.err).toContain(id);
    await vi.waitFor(async () => {
      const { out } = await cli('token', 'list', '--json');
      const rows = (JSON.parse(out) as { tokens: { id: string; note: string; lastUsedAt: string | null }[] }).tokens;
      expect(rows.map(({ id }) => id)).toEqual([made[1]?.id, made[0]?.id]);
      for (const { lastUsedAt } of rows) expect(lastUsedAt).not.toBeNull();
      expect(rows[1]?.note).toBe('Okta');
    }, SOON);
    expect((await cli('token', 'list')).out).toMatch(/live .* Okta/);
  });

  test('a revoked one is refused by every process within seconds, and the other goes on', LONG, async () => {
    const [gone, kept] = made;
    const asked = await cli('token', 'revoke', gone?.id ?? '');
    expect(asked).toMatchObject({ code: 2, err: expect.stringContaining('--yes') });
    expect(await cli('token', 'revoke', gone?.id ?? '', '--yes')).toMatchObject({
      code: 0,
      out: expect.stringContaining('is revoked'),
    });
    expect(REFUSED).toContain((await answers(gone?.token ?? ''))[0]);
    await everywhere(gone?.token ?? '', 'refused');
    expect(await answers(kept?.token ?? '')).toEqual([200, 200]);
    // The whole token, as whoever has found it somewhere holds it, is as good as its id; what is neither is not sent.
    expect(await cli('token', 'revoke', gone?.token ?? '', '--yes')).toMatchObject({
      code: 0,
      out: expect.stringContaining('was revoked before'),
    });
    expect(await cli('token', 'revoke', 'Okta', '--yes')).toMatchObject({ code: 2, err: expect.stringContaining('token list') });
    expect(await cli('client', 'revoke', 'Okta', '--yes')).toMatchObject({
      code: 2,
      err: expect.stringContaining('client list'),
    });
    expect(await cli('token', 'revoke', 'aaaaaaaaaaaa', '--yes')).toMatchObject({
      code: 1,
      err: expect.stringContaining('token list'),
    });
  });
});

describe('S3 when Redis is away', () => {
  const failures = (): number[] => services.map(({ output }) => output.join('').split('redis connection error').length);

  /** Who is refused stays refused; who may enter is told that the directory is away, and never that the token is wrong. */
  async function sameAnswers(): Promise<void> {
    const [gone, kept] = made;
    await everywhere(kept?.token ?? '', 503);
    const before = failures();
    // A process tries Redis at most once a second on each of its few connections, so by then several looks have come to nothing.
    const over = (): boolean => failures().every((count, at) => count > (before[at] ?? 0) + 20);
    while (!over()) {
      expect(await answers(kept?.token ?? '')).toEqual([503, 503]);
      for (const status of await answers(gone?.token ?? '')) expect(REFUSED).toContain(status);
      await delay(200);
    }
  }

  test('killed: the right token is 503, the revoked one 401, and both are as before when it is back', LONG, async () => {
    await redis.kill();
    await sameAnswers();
    await redis.restart();
    await everywhere(made[1]?.token ?? '', 200);
    await everywhere(made[0]?.token ?? '', 'refused');
  });

  test('emptied: the token that was live is never called wrong, and is in Redis again', LONG, async () => {
    await redis.flush();
    const commands = redis.connect();
    await vi.waitFor(async () => {
      for (const status of await answers(made[1]?.token ?? '')) expect(REFUSED).not.toContain(status);
      expect(await commands.hkeys('scim:{us.acme}:tokens')).toEqual([made[1]?.id]);
    }, SOON);
    for (const status of await answers(made[1]?.token ?? '')) expect(REFUSED).not.toContain(status);
    await everywhere(made[0]?.token ?? '', 'refused');
  });

  test('no process has printed a token', () => {
    for (const { output } of services) for (const { token } of made) expect(output.join('')).not.toContain(token.slice(17));
  });
});
