/**
 * The service as a process: what it says when it is misconfigured, what it does when Maxio or Redis misbehave, and what it never prints.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test, vi } from 'vitest';
import { oktaUser, patch, person } from '../support/people.ts';
import { API_KEY, OPS_TOKEN, SCIM_TOKEN } from '../support/service.ts';
import { useStage } from '../support/stage.ts';

const stage = useStage({ env: { SCIM_IDP: 'okta' } });

test('F78: a bad configuration is told in full before listening, with secrets masked, and ends with code 78', async () => {
  const child = spawn(process.execPath, ['src/main.ts'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      MAXIO_SUBDOMAIN: 'not a subdomain',
      MAXIO_API_KEY: 'canary-key-1234567890',
      SCIM_TOKEN: 'short',
      OPS_TOKEN: 'canary-ops-token-1234567890',
      PORT: 'eighty',
      MAXIO_DEPROVISON: 'cancel',
    },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
    });
  }
  const [code] = (await once(child, 'close')) as [number];
  expect(code).toBe(78);
  for (const name of ['REDIS_URL', 'MAXIO_SUBDOMAIN', 'SCIM_TOKEN', 'PORT', 'MAXIO_DEPROVISON']) expect(said).toContain(name);
  expect(said, 'a typing error gets a suggestion').toContain('MAXIO_DEPROVISION');
  expect(said).not.toContain('canary-');
});

test('F57 I13: the key of another site opens nothing: not ready, and no write reaches Maxio', async () => {
  await stage.openSandbox({ subdomain: 'other' });
  const service = await stage.spawn();
  await vi.waitFor(() => expect(stage.sandbox.state.ledger().length).toBeGreaterThan(0), { timeout: 10_000 });
  await vi.waitFor(
    async () => {
      const answer = await fetch(`${service.url}/readyz`).catch(() => undefined);
      expect(answer?.status).toBe(503);
    },
    { timeout: 15_000, interval: 25 },
  );
  await service.scim('POST', '/Users', oktaUser(person(1)));
  expect(stage.sandbox.state.ledger().filter(({ method }) => method !== 'GET')).toEqual([]);
});

test('F48: a refused key pauses the site at the first 401, shows in /health, and the IdP is not bothered', async () => {
  const service = await stage.start();
  await vi.waitFor(() => expect(stage.sandbox.state.ledger()).toHaveLength(1), { timeout: 15_000, interval: 25 });
  stage.sandbox.state.setFault({ match: { method: 'POST' }, kind: 'unauthorized', times: 1 });
  expect((await service.scim('POST', '/Users', oktaUser(person(1)))).status).toBe(201);
  await vi.waitFor(async () => expect(JSON.stringify(await service.health())).toContain('unauthorized'), { timeout: 10_000 });
  expect((await service.scim('POST', '/Users', oktaUser(person(2)))).status, 'the IdP is not bothered').toBe(201);
  expect(stage.sandbox.state.ledger().filter(({ status }) => status === 401)).toHaveLength(1);
});

test('F20 I8: while Redis is away nothing is acknowledged; Okta gets 429 and a whole number to wait, and all is well afterwards', async () => {
  const service = await stage.start();
  expect((await service.scim('POST', '/Users', oktaUser(person(1)))).status).toBe(201);
  await stage.redis.kill();
  const refused = await service.scim('POST', '/Users', oktaUser(person(2)));
  expect(refused.status).toBe(429);
  expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
  expect(refused.body.schemas).toEqual(['urn:ietf:params:scim:api:messages:2.0:Error']);
  expect((await fetch(`${service.url}/livez`)).status).toBe(200);
  await stage.redis.restart();
  await service.ready();
  await vi.waitFor(async () => expect((await service.scim('POST', '/Users', oktaUser(person(2)))).status).toBe(201), {
    timeout: 15_000,
  });
  await service.settled(25_000);
  expect(
    stage.sandbox.state
      .customers()
      .map(({ reference }) => reference)
      .sort(),
  ).toEqual([person(1).externalId, person(2).externalId]);
});

test('F70: SIGTERM ends the process by itself, and what was acknowledged before is carried on by the next one', async () => {
  const service = await stage.start();
  stage.sandbox.state.setFault({ kind: 'slow', delayMs: 300 });
  for (let n = 1; n <= 12; n += 1) expect((await service.scim('POST', '/Users', oktaUser(person(n)))).status).toBe(201);
  await service.kill('SIGTERM');
  expect(await service.waitForEnd()).toEqual({ code: 0, signal: null });
  const heir = await stage.start();
  await heir.settled(25_000);
  expect(stage.sandbox.state.customers()).toHaveLength(12);
  expect(stage.sandbox.state.ledger().filter(({ method }) => method === 'POST')).toHaveLength(12);
});

test('I11: neither names nor addresses nor secrets are printed, whatever happens to a person', async () => {
  const service = await stage.start({ MAXIO_PRODUCT_HANDLE: 'no-such-product', LOG_LEVEL: 'trace' });
  const who = {
    externalId: '00ucanary',
    userName: 'canary.person@canary.example',
    givenName: 'Canarygiven',
    familyName: 'Canaryfamily',
  };
  const created = await service.scim('POST', '/Users', oktaUser(who, { password: 'canary-password' }));
  await vi.waitFor(async () => expect((await service.health()).parked).toBe(1), { timeout: 10_000 });
  await service.scim('PATCH', `/Users/${created.body.id}`, patch({ op: 'replace', path: 'nonsense[', value: 'canary-value' }));
  await service.scim('GET', `/Users?filter=${encodeURIComponent(`userName eq "${who.userName}"`)}`);
  const printed = service.output.join('');
  expect(printed).toContain('run ended');
  for (const canary of [
    /canary\.person/i,
    /Canarygiven/,
    /Canaryfamily/,
    /canary-password/,
    /canary-value/,
    SCIM_TOKEN,
    OPS_TOKEN,
    API_KEY,
  ]) {
    expect(printed).not.toMatch(canary);
  }
  expect(printed, 'the key as it goes over the wire').not.toContain(Buffer.from(`${API_KEY}:x`).toString('base64'));
});

test('one replica with a wrong key stops nobody else: it works for no one and says so', async () => {
  const lost = await stage.start({ MAXIO_API_KEY: 'a-key-that-opens-nothing' });
  await vi.waitFor(() => expect(stage.sandbox.state.ledger().filter(({ status }) => status === 401)).toHaveLength(1), {
    timeout: 10_000,
  });
  const healthy = await stage.start({ MAXIO_PRODUCT_HANDLE: 'pro' });
  for (let n = 1; n <= 20; n += 1) {
    const created = await lost.scim('POST', '/Users', oktaUser(person(n)));
    if (n % 2 === 0) await lost.scim('DELETE', `/Users/${created.body.id}`);
  }
  await healthy.settled(25_000);
  expect(stage.sandbox.state.subscriptions().filter(({ state }) => state === 'active')).toHaveLength(10);
  expect(stage.sandbox.state.ledger().filter(({ status }) => status === 401)).toHaveLength(1);
  expect(JSON.stringify(await lost.health())).toContain('unconfirmed');
});

test('the split of roles: an api and a worker do together what one process does', async () => {
  const api = await stage.start({ ROLE: 'api' });
  await stage.start({ ROLE: 'worker' });
  expect((await api.scim('POST', '/Users', oktaUser(person(1)))).status).toBe(201);
  await api.settled(25_000);
  expect(stage.sandbox.state.customers()).toHaveLength(1);
});
