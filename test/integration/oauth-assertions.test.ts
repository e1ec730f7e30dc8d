/**
 * Signing in by an assertion, over real Redis and with real keys: private_key_jwt, and workload identity federation as Entra ID does it, with an issuer of the
 * test's own that serves its keys over HTTP. Every way to pass off another assertion as the right one.
 */
import { createHmac } from 'node:crypto';
import { type JWTPayload, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readPublicKeys } from '../../src/directory/client-keys.ts';
import type { Wanted } from '../../src/directory/clients.ts';
import {
  askScim,
  askToken,
  assertionForm,
  type Issuer,
  type KeyPair,
  type Made,
  makeClient,
  makeKey,
  type OAuthBench,
  type OAuthSite,
  openOAuthSite,
  seconds,
  serveOAuth,
  startIssuer,
  TOKEN_URL,
} from '../support/oauth.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { PUBLIC_URL } from '../support/scim-server.ts';

const SUBJECT = '7d0a3b52-1f6c-4b0e-9a57-0d1c2e3f4a5b';
const APPLICATION = 'api://b5ba7a93-4452-4522-aeb4-a2b5da870c16';

/** Claims in place of the right ones; `undefined`: left out. */
type Changes = { [K in keyof JWTPayload]: unknown };

let server: TestRedis;
let bench: OAuthBench;
let here: OAuthSite;
let there: OAuthSite;
let counter = 0;

beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
  const redis = server.connect();
  here = openOAuthSite(redis);
  there = openOAuthSite(redis);
  bench = await serveOAuth([here, there]);
}, 60_000);

afterAll(async () => {
  await bench.app.close();
  await server.stop();
});

/** A fresh address each time, so that failures are judged by themselves. */
async function send(client: string | undefined, assertion: string) {
  counter += 1;
  return await askToken(
    bench,
    assertionForm(client, assertion),
    {},
    `10.${counter >> 16}.${(counter >> 8) & 255}.${counter & 255}`,
  );
}

/** What the log of the operators says of the last refusal. */
function reason(): unknown {
  const line = bench.logLines
    .map((text) => JSON.parse(text) as Record<string, unknown>)
    .findLast(({ msg }) => msg === 'an OAuth client was refused');
  return line?.reason;
}

async function refused(client: string | undefined, assertion: string, why: string): Promise<void> {
  const { status, body } = await send(client, assertion);
  expect([status, body.error, reason()]).toEqual([401, 'invalid_client', why]);
  expect(body.error_description).not.toContain(why);
}

/** The signing input of an assertion with a signature that somebody else makes. */
function forge(header: object, claims: object, key: Buffer): string {
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`;
}

async function keyWanted(...keys: KeyPair[]): Promise<Wanted> {
  const read = await readPublicKeys(JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }));
  if (read.kind !== 'ok') throw new Error(read.why);
  return { kind: 'key', days: 365, jwks: read.jwks };
}

describe('an assertion that nobody has signed', () => {
  it.each([
    ['an object that is no text', { toString: 1, valueOf: 1 }],
    ['a list', ['smc_aaaaaaaaaaaa']],
    ['a number', 5],
    ['nothing', null],
    ['left out', undefined],
  ])('S5 is refused as any other where it names as its subject %s', async (_what, sub) => {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const assertion = `${part({ alg: 'RS256' })}.${part({ iss: 'x', sub, aud: TOKEN_URL, exp: seconds(300) })}.AAAA`;
    expect(await send(undefined, assertion)).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
    expect(reason()).toBe('unknown-client');
  });
});

describe('private_key_jwt', () => {
  let key: KeyPair;
  let made: Made;
  let jti = 0;

  beforeAll(async () => {
    key = await makeKey('key-1');
    made = await makeClient(here, await keyWanted(key));
  });

  const claims = (more: Changes = {}): JWTPayload => {
    jti += 1;
    const right = { iss: made.client, sub: made.client, aud: TOKEN_URL, exp: seconds(300), iat: seconds(), jti: `id-${jti}` };
    return { ...right, ...more } as JWTPayload;
  };

  it('brings a token; the client may be named by the assertion alone, and the audience may be the service', async () => {
    const first = await send(made.client, await key.sign(claims()));
    expect(first).toMatchObject({ status: 200, body: { token_type: 'Bearer', expires_in: 3_600 } });
    expect((await askScim(bench, first.body.access_token ?? '')).status).toBe(200);
    expect((await send(undefined, await key.sign(claims({ aud: PUBLIC_URL })))).status).toBe(200);
    expect((await send(made.client, await key.sign(claims(), { typ: undefined }))).status).toBe(200);
  });

  it.each(['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'])('takes keys of %s', async (alg) => {
    const own = await makeKey('own', alg);
    const wanted = await keyWanted({ ...own, jwk: { ...own.jwk, alg } });
    const client = await makeClient(alg === 'EdDSA' ? there : here, wanted);
    const of = claims({ iss: client.client, sub: client.client });
    expect((await send(client.client, await own.sign(of))).status).toBe(200);
  });

  it('brings none for an assertion that was used, in whichever process', async () => {
    const assertion = await key.sign(claims());
    expect((await send(made.client, assertion)).status).toBe(200);
    await refused(made.client, assertion, 'replayed-assertion');
    const twin = openOAuthSite(server.connect(), here);
    const other = await serveOAuth([twin]);
    expect((await askToken(other, assertionForm(made.client, assertion))).status).toBe(401);
    await other.app.close();
    // Another client may use the same id: it is theirs.
    const own = await makeKey('own');
    const neighbour = await makeClient(here, await keyWanted(own));
    const same = claims({ iss: neighbour.client, sub: neighbour.client, jti: `id-${jti}` });
    expect((await send(neighbour.client, await own.sign(same))).status).toBe(200);
  });

  it.each<[string, Changes, string]>([
    ['without an id', { jti: undefined }, 'assertion-without-id'],
    ['with an endless id', { jti: 'x'.repeat(300) }, 'assertion-without-id'],
    ['for somebody else', { aud: 'https://other.example.com/oauth/token' }, 'wrong-audience'],
    ['for us and somebody else', { aud: [TOKEN_URL, 'https://other.example.com'] }, 'wrong-audience'],
    ['for nobody', { aud: undefined }, 'wrong-audience'],
    ['about another client', { sub: 'smc_aaaaaaaaaaaa' }, 'wrong-subject'],
    ['of another issuer', { iss: 'https://login.example.com' }, 'untrusted-issuer'],
    ['that has expired', { exp: seconds(-61) }, 'expired-assertion'],
    ['without an end', { exp: undefined }, 'unreadable-assertion'],
    ['that ends too far ahead', { exp: seconds(7_200) }, 'long-lived-assertion'],
    ['not yet valid', { nbf: seconds(120) }, 'early-assertion'],
    ['issued in the future', { iat: seconds(120) }, 'early-assertion'],
  ])('brings none for an assertion %s', async (_, more, why) => {
    await refused(made.client, await key.sign(claims(more)), why);
  });

  it('bears clocks that differ by less than a minute', async () => {
    for (const more of [{ exp: seconds(-30) }, { nbf: seconds(30) }, { iat: seconds(30) }])
      expect((await send(made.client, await key.sign(claims(more)))).status).toBe(200);
  });

  it('brings none for alg none, for HMAC with the public key, or for a key that the assertion brings along', async () => {
    await refused(made.client, new UnsecuredJWT(claims()).encode(), 'wrong-signature');
    const publicBytes = Buffer.from(key.jwk.n ?? '', 'base64url');
    const pem = Buffer.from(JSON.stringify(key.jwk));
    for (const secret of [publicBytes, pem, Buffer.alloc(0)])
      await refused(made.client, forge({ alg: 'HS256', typ: 'JWT', kid: 'key-1' }, claims(), secret), 'wrong-signature');
    const stranger = await makeKey('key-1');
    await refused(made.client, await stranger.sign(claims()), 'wrong-signature');
    await refused(made.client, await stranger.sign(claims(), { jwk: stranger.jwk }), 'wrong-signature');
    await refused(
      made.client,
      await stranger.sign(claims(), { jku: 'http://127.0.0.1:1/keys', x5u: 'http://127.0.0.1:1' }),
      'wrong-signature',
    );
    await refused(made.client, await key.sign(claims(), { kid: 'key-2' }), 'wrong-signature');
    const critical = forge({ alg: 'RS256', typ: 'JWT', kid: 'key-1', crit: ['x'], x: 1 }, claims(), publicBytes);
    await refused(made.client, critical, 'wrong-signature');
    for (const text of ['', '.', '..', 'a.b.c', 'eyJ.eyJ.x', 'x'.repeat(9_000)]) {
      const { status } = await send(made.client, text);
      expect([400, 401]).toContain(status);
    }
  });

  it("brings none for another client's key under the same key id, in this site or the other", async () => {
    const [mine, theirs] = [await makeKey('shared'), await makeKey('shared')];
    const a = await makeClient(here, await keyWanted(mine));
    const b = await makeClient(there, await keyWanted(theirs));
    const about = (client: string) => claims({ iss: client, sub: client });
    expect((await send(a.client, await mine.sign(about(a.client)))).status).toBe(200);
    expect((await send(b.client, await theirs.sign(about(b.client)))).status).toBe(200);
    await refused(a.client, await theirs.sign(about(a.client)), 'wrong-signature');
    await refused(b.client, await mine.sign(about(b.client)), 'wrong-signature');
    await refused(b.client, await mine.sign(about(a.client)), 'untrusted-issuer');
  });

  it('goes over from one key to the next, and a revoked one ends with its tokens', async () => {
    const [old, fresh] = [await makeKey('same-id'), await makeKey('same-id')];
    const client = await makeClient(here, await keyWanted(old));
    const more = await here.clients.add(client.client, await keyWanted(fresh), { by: 'anna', requestId: 'r' });
    if (more.kind !== 'ok') throw new Error(more.kind);
    const about = () => claims({ iss: client.client, sub: client.client });
    const first = await send(client.client, await old.sign(about()));
    const second = await send(client.client, await fresh.sign(about()));
    expect([first.status, second.status]).toEqual([200, 200]);
    await here.clients.revoke(client.client, client.credential, { by: 'anna', requestId: 'r' });
    await refused(client.client, await old.sign(about()), 'wrong-signature');
    expect((await askScim(bench, first.body.access_token ?? '')).status).toBe(401);
    expect((await askScim(bench, second.body.access_token ?? '')).status).toBe(200);
  });

  it('is not acknowledged while it cannot be known whether an assertion was used', async () => {
    const own = await startRedis({ appendfsync: 'no' });
    const site = openOAuthSite(own.connect());
    const away = await serveOAuth([site]);
    try {
      const client = await makeClient(site, await keyWanted(key));
      await own.kill();
      const answer = await askToken(
        away,
        assertionForm(client.client, await key.sign(claims({ iss: client.client, sub: client.client }))),
      );
      expect([answer.status, answer.body.error]).toEqual([503, 'temporarily_unavailable']);
      expect(answer.headers['retry-after']).toMatch(/^\d+$/);
    } finally {
      await away.app.close();
      await own.stop();
    }
  });
});

describe('workload identity federation', () => {
  let key: KeyPair;
  let issuer: Issuer;
  let made: Made;

  beforeAll(async () => {
    key = await makeKey('entra-1');
    issuer = await startIssuer(key.jwk);
    made = await makeClient(here, trust());
  });
  afterAll(() => issuer.close());
  beforeEach(() => {
    issuer.fault = undefined;
  });

  const trust = (more: object = {}): Wanted => ({
    kind: 'trust',
    issuer: issuer.issuer,
    subject: SUBJECT,
    audience: `${APPLICATION}/.default`,
    jwksUrl: issuer.jwksUrl,
    ...more,
  });
  /** The payload of Microsoft's example. */
  const claims = (more: Changes = {}): JWTPayload => ({
    aud: APPLICATION,
    iss: issuer.issuer,
    iat: seconds(-5),
    nbf: seconds(-5),
    exp: seconds(3_895),
    appid: APPLICATION.slice(6),
    appidacr: '2',
    idp: issuer.issuer,
    oid: 'd2f8ee76-c549-45b8-a143-f5b640669704',
    sub: SUBJECT,
    tid: 'ce5f061f-abe6-4e40-9615-301f87bcb7f0',
    ver: '2.0',
    ...(more as JWTPayload),
  });

  it("takes Entra ID's request, again and again with the same assertion, and asks the issuer for its keys once", async () => {
    const assertion = await key.sign(claims());
    for (let i = 0; i < 3; i += 1) {
      const { status, body } = await send(made.client, assertion);
      expect([status, body.token_type, body.expires_in, body.scope]).toEqual([200, 'Bearer', 3_600, 'scim']);
      expect((await askScim(bench, body.access_token ?? '')).status).toBe(200);
    }
    expect(issuer.asked).toBe(1);
    const log = bench.logLines.join('\n');
    for (const part of assertion.split('.')) expect(log).not.toContain(part);
  });

  it.each<[string, () => Changes, string]>([
    ['another tenant', () => ({ iss: issuer.issuer.replace('tenant', 'tenant2') }), 'untrusted-issuer'],
    ['an issuer that only begins like ours', () => ({ iss: `${issuer.issuer}.evil.example.com` }), 'untrusted-issuer'],
    ['the issuer in another letter case', () => ({ iss: issuer.issuer.toUpperCase() }), 'untrusted-issuer'],
    ['another subject', () => ({ sub: 'd2f8ee76-c549-45b8-a143-f5b640669704' }), 'wrong-subject'],
    ['no subject', () => ({ sub: undefined }), 'wrong-subject'],
    ['another application', () => ({ aud: 'api://00000000-0000-0000-0000-000000000000' }), 'wrong-audience'],
    ['several audiences', () => ({ aud: [APPLICATION, 'api://other'] }), 'wrong-audience'],
    ['a time that is over', () => ({ exp: seconds(-61) }), 'expired-assertion'],
    ['a time to come', () => ({ nbf: seconds(120) }), 'early-assertion'],
    ['an end two days ahead', () => ({ exp: seconds(172_800) }), 'long-lived-assertion'],
  ])('refuses %s', async (_, more, why) => {
    await refused(made.client, await key.sign(claims(more())), why);
  });

  it('asks the issuer nothing for an assertion whose claims do not fit', async () => {
    const quiet = await startIssuer(key.jwk);
    const client = await makeClient(here, trust({ issuer: quiet.issuer, jwksUrl: quiet.jwksUrl }));
    await refused(client.client, await key.sign(claims({ iss: quiet.issuer, sub: 'x' })), 'wrong-subject');
    await refused(client.client, await key.sign(claims({ iss: quiet.issuer, aud: 'x' })), 'wrong-audience');
    await refused('smc_aaaaaaaaaaaa', await key.sign(claims({ iss: quiet.issuer })), 'unknown-client');
    expect(quiet.asked).toBe(0);
    await quiet.close();
  });

  it('refuses alg none, HMAC with the public key, a stranger under the same key id, and a key the issuer does not have', async () => {
    await refused(made.client, new UnsecuredJWT(claims()).encode(), 'wrong-signature');
    const hmac = forge({ alg: 'HS256', typ: 'JWT', kid: 'entra-1' }, claims(), Buffer.from(key.jwk.n ?? '', 'base64url'));
    await refused(made.client, hmac, 'wrong-signature');
    await refused(made.client, await (await makeKey('entra-1')).sign(claims()), 'wrong-signature');
    await refused(made.client, await (await makeKey('nobody')).sign(claims()), 'wrong-signature');
  });

  it('refuses an algorithm that is not on our list, although the issuer uses it', async () => {
    const odd = await makeKey('odd', 'ES512');
    const fond = await startIssuer(odd.jwk);
    const client = await makeClient(there, trust({ issuer: fond.issuer, jwksUrl: fond.jwksUrl }));
    await refused(client.client, await odd.sign(claims({ iss: fond.issuer })), 'wrong-signature');
    await there.clients.revoke(client.client, undefined, { by: 'anna', requestId: 'r' });
    await fond.close();
  });

  it('does not let what the client has signed itself stand for the issuer, nor the other way round', async () => {
    const own = await makeKey('entra-1');
    const read = await readPublicKeys(JSON.stringify(own.jwk));
    if (read.kind !== 'ok') throw new Error(read.why);
    const added = await here.clients.add(made.client, { kind: 'key', days: 1, jwks: read.jwks }, { by: 'anna', requestId: 'r' });
    expect(added.kind).toBe('ok');
    await refused(made.client, await own.sign(claims()), 'wrong-signature');
    const self = { iss: made.client, sub: made.client, aud: TOKEN_URL, exp: seconds(60), jti: 'self' };
    await refused(made.client, await key.sign(self), 'wrong-signature');
    expect((await send(made.client, await own.sign(self))).status).toBe(200);
  });

  it('keeps tenants apart: an assertion about one client signs in no other, in this site or the next', async () => {
    const second = await makeKey('entra-1');
    const tenant = await startIssuer(second.jwk);
    const other = await makeClient(there, trust({ issuer: tenant.issuer, jwksUrl: tenant.jwksUrl }));
    expect((await send(other.client, await second.sign(claims({ iss: tenant.issuer })))).status).toBe(200);
    await refused(other.client, await key.sign(claims()), 'untrusted-issuer');
    await refused(made.client, await second.sign(claims({ iss: tenant.issuer })), 'untrusted-issuer');
    await refused(made.client, await second.sign(claims()), 'wrong-signature');
    await tenant.close();
  });

  it.each<[string, Issuer['fault']]>([
    ['answers 500', { status: 500 }],
    ['sends elsewhere', { status: 302, location: 'https://keys.example.com/' }],
    ['answers no JSON', { status: 200, body: '<html>' }],
    ['answers no keys', { status: 200, body: '{"keys":7}' }],
    ['answers without end', { status: 200, body: `{"keys":[],"x":"${'x'.repeat(300_000)}"}` }],
  ])('says "later" while an issuer whose keys are not known %s, and asks it once only', async (_, fault) => {
    const down = await startIssuer(key.jwk);
    down.fault = fault;
    const client = await makeClient(there, trust({ issuer: down.issuer, jwksUrl: down.jwksUrl }));
    const assertion = await key.sign(claims({ iss: down.issuer }));
    for (let i = 0; i < 3; i += 1) {
      const { status, body, headers } = await send(client.client, assertion);
      expect([status, body.error, headers['retry-after']]).toEqual([503, 'temporarily_unavailable', '10']);
    }
    expect(down.asked).toBe(1);
    await there.clients.revoke(client.client, undefined, { by: 'anna', requestId: 'r' });
    await down.close();
  });

  it('slows an address down that keeps sending what cannot be verified, and says once in the log why', async () => {
    const down = await startIssuer(key.jwk);
    down.fault = { status: 500 };
    const client = await makeClient(there, trust({ issuer: down.issuer, jwksUrl: down.jwksUrl }));
    const form = assertionForm(client.client, await key.sign(claims({ iss: down.issuer })));
    const statuses: number[] = [];
    for (let i = 0; i < 35; i += 1) statuses.push((await askToken(bench, form, {}, '192.0.2.99')).status);
    expect(statuses).toEqual([...Array(30).fill(503), ...Array(5).fill(429)]);
    const told = bench.logLines.map((text) => JSON.parse(text)).filter(({ jwksUrl }) => jwksUrl === down.jwksUrl);
    expect(told).toMatchObject([{ level: 'warn' }]);
    // A neighbour is not slowed down, and neither is whoever can be verified, from that address.
    expect((await send(client.client, form.client_assertion ?? '')).status).toBe(503);
    const right = assertionForm(made.client, await key.sign(claims()));
    expect((await askToken(bench, right, {}, '192.0.2.99')).status).toBe(200);
    await there.clients.revoke(client.client, undefined, { by: 'anna', requestId: 'r' });
    await down.close();
  });

  it('ends when the trust is revoked, and its tokens with it', async () => {
    const client = await makeClient(here, trust());
    const { body } = await send(client.client, await key.sign(claims()));
    expect((await askScim(bench, body.access_token ?? '')).status).toBe(200);
    await here.clients.revoke(client.client, client.credential, { by: 'anna', requestId: 'r' });
    await refused(client.client, await key.sign(claims()), 'untrusted-issuer');
    expect((await askScim(bench, body.access_token ?? '')).status).toBe(401);
  });
});
