/**
 * OAuth clients as an operator and an identity provider meet them: two real processes over one Redis, the command, and the ops API. A client is good everywhere
 * within seconds of its making and refused everywhere within seconds of its end, and the signing key is changed in its file, all without a restart.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { type Ended, startCli } from '../support/cli.ts';
import { OPERATORS, type TestOperator, tokenOf } from '../support/operators.ts';
import { openOpsSite, serveOps } from '../support/ops-server.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { API_KEY, OPS_TOKEN, Service } from '../support/service.ts';

const WAIT = { timeout: 60_000, interval: 200 };
const KEYS = ['oauth-CANARY-file-key-one-5b0f3c8a17', 'oauth-CANARY-file-key-two-e94d2a6b08'] as const;

let redis: TestRedis;
let sandbox: Sandbox;
let folder: string;
let keyFile: string;
let first: Service;
let second: Service;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'maxio-scim-oauth-'));
  keyFile = join(folder, 'signing-key');
  writeFileSync(keyFile, `${KEYS[0]}\n`);
  redis = await startRedis({ appendfsync: 'no' });
  sandbox = await createSandbox({ apiKey: API_KEY });
  const env = {
    OAUTH_SIGNING_KEY_FILE: keyFile,
    SCIM_TOKEN: '',
    REDIS_DURABILITY_RELAXED: '1',
    PUBLIC_URL: 'https://scim.example.com',
    LOG_LEVEL: 'debug',
  };
  const options = { redisUrl: redis.url, sandboxUrl: sandbox.url };
  first = await Service.spawn({ ...options, env });
  second = await Service.spawn({ ...options, env: { ...env, ROLE: 'api' } });
  for (const each of [first, second])
    await vi.waitFor(async () => expect((await fetch(`${each.url}/readyz`)).status).toBe(200), {
      timeout: 90_000,
      interval: 200,
    });
}, 180_000);

afterAll(async () => {
  await Promise.all([first?.kill(), second?.kill()]);
  await sandbox?.close();
  await redis?.stop();
  rmSync(folder, { recursive: true });
});

async function cli(...args: string[]): Promise<Ended> {
  return await startCli(args, { MAXIO_SCIM_URL: first.url, OPS_TOKEN }).ended;
}

async function token(service: Service, client: string, secret: string) {
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: client, client_secret: secret });
  const answer = await fetch(`${service.url}/oauth/token`, { method: 'POST', body });
  return { status: answer.status, body: (await answer.json()) as { access_token?: string; error?: string } };
}

async function scim(service: Service, bearer: string): Promise<number> {
  return (await fetch(`${service.url}/scim/v2/Users?count=1`, { headers: { authorization: `Bearer ${bearer}` } })).status;
}

/** What was made: the id is on stderr for people, the secret alone on stdout. */
function read({ out, err }: Ended): { client: string; secret: string; credential: string } {
  const [, client = '', credential = ''] = /Client ID\s+(smc_\w+)\s+\(\S+; (\w{12}) is good until/.exec(err) ?? [];
  return { client, credential, secret: out.trim() };
}

describe('two processes', () => {
  it('know a client that was made by the command, and forget it within seconds, without a restart', async () => {
    const made = await cli('client', 'create', '--note', 'Entra, production', '--days', '400');
    expect(made.code).toBe(0);
    expect(made.out).toMatch(/^sms_[a-z2-7]{12}_[\w-]{43}\n$/);
    expect(made.err).toContain('Token URL   https://scim.example.com/oauth/token');
    const one = read(made);
    const bearer = (await token(first, one.client, one.secret)).body.access_token ?? '';
    expect(await scim(first, bearer)).toBe(200);
    await vi.waitFor(async () => expect(await scim(second, bearer)).toBe(200), WAIT);

    const two = read(await cli('client', 'add-secret', one.client));
    expect(two.client).toBe(one.client);
    const next = (await token(first, one.client, two.secret)).body.access_token ?? '';
    const list = await cli('client', 'list');
    expect(list.out).toContain('Entra, production');
    expect(list.out.match(/secret +live/g)).toHaveLength(2);

    const ended = await cli('client', 'revoke-secret', one.client, one.credential, '--yes');
    expect(ended).toMatchObject({ code: 0, out: expect.stringContaining('is revoked') });
    expect(await scim(first, bearer)).toBe(401);
    await vi.waitFor(async () => expect(await scim(second, bearer)).toBe(401), WAIT);
    await vi.waitFor(async () => expect(await scim(second, next)).toBe(200), WAIT);

    expect((await cli('client', 'revoke', one.client, '--yes')).code).toBe(0);
    await vi.waitFor(async () => expect(await scim(second, next)).toBe(401), WAIT);
    expect((await token(second, one.client, two.secret)).body.error).toBe('invalid_client');
  }, 120_000);

  it('change the signing key in its file: the new one second, then first, then alone', async () => {
    const made = read(await cli('client', 'create'));
    const issue = async () => (await token(first, made.client, made.secret)).body.access_token ?? '';
    const kidOf = (text: string) =>
      (JSON.parse(Buffer.from(text.split('.')[0] ?? '', 'base64url').toString()) as { kid: string }).kid;
    const put = (...keys: string[]): void => {
      writeFileSync(keyFile, `${keys.join('\n')}\n`);
      for (const each of [first, second]) each.signal('SIGHUP');
    };
    const old = await issue();
    await vi.waitFor(async () => expect(await scim(second, old)).toBe(200), WAIT);
    put(KEYS[1], KEYS[0]);
    await vi.waitFor(async () => expect(kidOf(await issue())).not.toBe(kidOf(old)), WAIT);
    const fresh = await issue();
    await vi.waitFor(async () => expect([await scim(second, old), await scim(second, fresh)]).toEqual([200, 200]), WAIT);
    put(KEYS[1]);
    await vi.waitFor(async () => expect([await scim(second, old), await scim(second, fresh)]).toEqual([401, 200]), WAIT);
  }, 120_000);

  it('take keys and issuers from the command, and no private key', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
    const [open, secret] = [join(folder, 'public.pem'), join(folder, 'private.pem')];
    writeFileSync(open, publicKey.export({ format: 'pem', type: 'spki' }));
    writeFileSync(secret, privateKey.export({ format: 'pem', type: 'pkcs8' }));
    expect(await cli('client', 'create', '--key', secret)).toMatchObject({
      code: 2,
      err: expect.stringContaining('it was not sent'),
    });
    const made = await cli('client', 'create', '--key', open);
    expect(made.code).toBe(0);
    const client = made.out.trim();
    expect(client).toMatch(/^smc_[a-z2-7]{12}$/);
    const tenant = 'https://login.microsoftonline.com/ce5f061f-abe6-4e40-9615-301f87bcb7f0/v2.0';
    const trusted = await cli(
      'client',
      'trust',
      client,
      '--issuer',
      tenant,
      '--subject',
      'd2f8ee76',
      '--audience',
      'api://b5ba7a93/.default',
    );
    expect(trusted).toMatchObject({ code: 0, out: `${client}\n` });
    expect(await cli('client', 'trust', client)).toMatchObject({ code: 2, err: expect.stringContaining('--issuer is missing') });
    const { out } = await cli('client', 'list', '--json');
    const row = (
      JSON.parse(out) as { clients: { id: string; credentials: { kind: string; trust: object | null }[] }[] }
    ).clients.find(({ id }) => id === client);
    expect(row?.credentials.map(({ kind }) => kind).sort()).toEqual(['key', 'trust']);
    expect(JSON.stringify(row)).toContain('/discovery/v2.0/keys');
  }, 120_000);

  it('S4 open nothing of the operators with an access token, and give none for a token of theirs', async () => {
    const made = read(await cli('client', 'create'));
    const bearer = (await token(first, made.client, made.secret)).body.access_token ?? '';
    expect(await scim(first, bearer)).toBe(200);
    for (const path of ['/ops/api/status', '/ops/api/clients', '/metrics', '/ops']) {
      const answer = await fetch(`${first.url}${path}`, { headers: { authorization: `Bearer ${bearer}` }, redirect: 'manual' });
      expect([401, 303, 302], path).toContain(answer.status);
    }
    expect((await token(first, made.client, OPS_TOKEN)).body.error).toBe('invalid_client');
    for (const text of [made.secret, made.client, OPS_TOKEN]) expect(await scim(first, text)).toBe(401);
  }, 60_000);

  it('have printed no secret, token or key', () => {
    const output = [...first.output, ...second.output].join('');
    expect(output).toContain('an access token was given out');
    expect(output).not.toMatch(/sms_[a-z2-7]{12}_[\w-]{8}|eyJ[\w-]+\.|CANARY/);
  });
});

describe('the ops API', () => {
  it('S4 lets viewers look, approvers act, and says what cannot be taken', async () => {
    const site = openOpsSite(redis.connect());
    const { app } = await serveOps(redis.connect(), [site], { operators: OPERATORS });
    const ask = async (method: 'GET' | 'POST', path: string, who: TestOperator, payload?: object) => {
      const answer = await app.inject({
        method,
        url: `/ops/api${path}`,
        headers: { authorization: `Bearer ${tokenOf(who)}` },
        ...(payload && { payload }),
      });
      return { status: answer.statusCode, body: answer.json() as Record<string, unknown> };
    };
    const by = (role: string) => OPERATORS.find((one) => one.role === role)?.name as TestOperator;
    const [viewer, operator, approver] = [by('viewer'), by('operator'), by('approver')];
    for (const who of [viewer, operator]) expect((await ask('POST', '/clients', who, { secret: {} })).status).toBe(403);
    const made = await ask('POST', '/clients', approver, { secret: { days: 90 } });
    expect(made).toMatchObject({
      status: 200,
      body: { secret: expect.stringMatching(/^sms_/), advice: expect.stringContaining('OAUTH_SIGNING_KEY') },
    });
    const list = await ask('GET', '/clients', viewer);
    expect(list.body).toMatchObject({
      clients: [{ id: made.body.id, credentials: [{ kind: 'secret', state: 'live', by: approver }] }],
    });
    expect(JSON.stringify(list.body)).not.toMatch(/sms_|digest/);

    const id = made.body.id as string;
    for (const [path, payload, status, error] of [
      ['/clients', {}, 400, 'bad-request'],
      ['/clients', { secret: {}, key: { text: 'x' } }, 400, 'bad-request'],
      ['/clients', { secret: { days: 1_096 } }, 400, 'bad-request'],
      ['/clients', { key: { text: 'hello' } }, 400, 'unfit-credential'],
      ['/clients', { trust: { issuer: 'http://10.0.0.1/', subject: 's', audience: 'a' } }, 400, 'unfit-credential'],
      ['/clients/credentials', { id: 'smc_aaaaaaaaaaaa', secret: {} }, 404, 'no-such-client'],
      ['/clients/revoke', { id, credential: 'aaaaaaaaaaaa' }, 404, 'no-such-client'],
      ['/clients/revoke', { id: 'smc_aaaaaaaaaaaa' }, 404, 'no-such-client'],
    ] as const) {
      const answer = await ask('POST', path, approver, payload);
      expect([answer.status, answer.body.error], `${path} ${JSON.stringify(payload)}`).toEqual([status, error]);
    }
    for (let i = 0; i < 4; i += 1)
      expect((await ask('POST', '/clients/credentials', approver, { id, secret: {} })).status).toBe(200);
    expect((await ask('POST', '/clients/credentials', approver, { id, secret: {} })).body.error).toBe('too-many');
    expect((await ask('POST', '/clients/revoke', approver, { id })).body).toMatchObject({ already: false, credential: null });
    expect((await ask('POST', '/clients/revoke', approver, { id })).body).toMatchObject({ already: true });
    await app.close();
  }, 60_000);
});
