/**
 * OAuth 2.0 client credentials with a secret, over real Redis: what Entra ID sends and must get, several secrets at once, their end and that of their tokens,
 * tokens that were tampered with, two sites, throttling, and that no secret is kept or printed.
 */
import fc from 'fast-check';
import { SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Gate } from '../../src/directory/gate.ts';
import { AccessTokens } from '../../src/http/access-token.ts';
import { createLogger } from '../../src/logger.ts';
import { Networks } from '../../src/network.ts';
import { Secret } from '../../src/secret.ts';
import {
  askScim,
  askToken,
  makeClient,
  makeKey,
  type OAuthBench,
  type OAuthSite,
  openOAuthSite,
  SIGNING_KEY,
  seconds,
  secretForm,
  serveOAuth,
  tokenFor,
} from '../support/oauth.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { PUBLIC_URL } from '../support/scim-server.ts';

const WAIT = { timeout: 20_000, interval: 50 };

let server: TestRedis;
let redis: ReturnType<TestRedis['connect']>;
let bench: OAuthBench;
let here: OAuthSite;
let there: OAuthSite;

beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
  redis = server.connect();
  here = openOAuthSite(redis);
  there = openOAuthSite(redis);
  bench = await serveOAuth([here, there]);
}, 60_000);

afterAll(async () => {
  await bench.app.close();
  await server.stop();
});

/** Moves the end of a credential, as time would. */
async function endAt(site: OAuthSite, made: { client: string; credential: string }, expiresMs: number): Promise<void> {
  const key = `scim:{${site.key}}:clients`;
  const field = `${made.client.slice(4)}.${made.credential}`;
  const text = await redis.hget(key, field);
  await redis.hset(key, field, JSON.stringify({ ...JSON.parse(text ?? '{}'), expiresMs }));
  await site.clients.book.look();
}

describe('a secret', () => {
  it("in the body, as Microsoft's published code sends it, brings a token that Entra ID accepts and that opens the site", async () => {
    const made = await makeClient(here);
    const form = `grant_type=client_credentials&client_id=${made.client}&client_secret=${made.secret}&scope=scim`;
    const { status, headers, body } = await askToken(bench, form);
    expect(status).toBe(200);
    expect(body).toEqual({ access_token: expect.stringMatching(/^eyJ/), token_type: 'Bearer', expires_in: 3_600, scope: 'scim' });
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      pragma: 'no-cache',
      'content-type': expect.stringMatching(/^application\/json/),
    });
    const list = await askScim(bench, body.access_token ?? '', '/scim/v2/Users?filter=userName+eq+%2258342554%22');
    expect(list).toMatchObject({ status: 200, body: { totalResults: 0 } });
  });

  it('by Basic brings one as well, and the audit trail names the client', async () => {
    const made = await makeClient(here);
    const basic = Buffer.from(`${made.client}:${encodeURIComponent(made.secret)}`).toString('base64');
    const { status, body } = await askToken(bench, { grant_type: 'client_credentials' }, { authorization: `Basic ${basic}` });
    expect(status).toBe(200);
    const answer = await bench.app.inject({
      method: 'POST',
      url: '/scim/v2/Users',
      headers: { authorization: `Bearer ${body.access_token}`, 'content-type': 'application/scim+json' },
      payload: {
        schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
        userName: 'by-oauth@example.com',
        externalId: 'by-oauth',
      },
    });
    expect(answer.statusCode).toBe(201);
    const entries = await redis.xrange(`scim:{${here.key}}:audit`, '-', '+');
    expect(JSON.stringify(entries.at(-1))).toContain(`oauth:${made.client}`);
  });

  it('is good beside the one before it, until that is revoked: then its tokens are refused, and those of the other are not', async () => {
    const first = await makeClient(here);
    const second = await here.clients.add(first.client, { kind: 'secret', days: 30 }, { by: 'anna', requestId: 'r' });
    if (second.kind !== 'ok') throw new Error(second.kind);
    const [old, fresh] = [
      await tokenFor(bench, first),
      await tokenFor(bench, { client: first.client, secret: second.secret ?? '' }),
    ];
    expect([(await askScim(bench, old)).status, (await askScim(bench, fresh)).status]).toEqual([200, 200]);

    expect(await here.clients.revoke(first.client, first.credential, { by: 'anna', requestId: 'r' })).toBe('ok');
    expect([(await askScim(bench, old)).status, (await askScim(bench, fresh)).status]).toEqual([401, 200]);
    expect((await askToken(bench, secretForm(first))).status).toBe(401);
    expect(await here.clients.revoke(first.client, first.credential, { by: 'anna', requestId: 'r' })).toBe('already');

    expect(await here.clients.revoke(first.client, undefined, { by: 'anna', requestId: 'r' })).toBe('ok');
    expect((await askScim(bench, fresh)).status).toBe(401);
    expect(await here.clients.add(first.client, { kind: 'secret', days: 30 }, { by: 'anna', requestId: 'r' })).toEqual({
      kind: 'missing',
    });
  });

  it('that was revoked in one process is refused in another within seconds, tokens already given out included', async () => {
    const other = openOAuthSite(redis, here);
    await other.clients.book.start();
    const elsewhere = await serveOAuth([other]);
    try {
      const made = await makeClient(here);
      const token = await tokenFor(bench, made);
      await vi.waitFor(async () => expect((await askScim(elsewhere, token)).status).toBe(200), WAIT);
      expect((await askToken(elsewhere, secretForm(made))).status).toBe(200);
      await here.clients.revoke(made.client, made.credential, { by: 'anna', requestId: 'r' });
      await vi.waitFor(async () => expect((await askScim(elsewhere, token)).status).toBe(401), WAIT);
      expect((await askToken(elsewhere, secretForm(made))).status).toBe(401);
    } finally {
      other.clients.book.close();
      await elsewhere.app.close();
    }
  });

  it('that has expired brings nothing, and so do the tokens it has brought; a token never outlives its secret', async () => {
    const made = await makeClient(here);
    await endAt(here, made, Date.now() + 600_000);
    const { body } = await askToken(bench, secretForm(made));
    expect(body.expires_in).toBeLessThanOrEqual(600);
    expect((await askScim(bench, body.access_token ?? '')).status).toBe(200);
    await endAt(here, made, Date.now() - 1_000);
    expect((await askToken(bench, secretForm(made))).status).toBe(401);
    expect((await askScim(bench, body.access_token ?? '')).status).toBe(401);
  });

  it('is one of at most five of a client, and each must end', async () => {
    const made = await makeClient(here);
    const order = { by: 'anna', requestId: 'r' };
    for (let i = 0; i < 4; i += 1)
      expect((await here.clients.add(made.client, { kind: 'secret', days: 1_095 }, order)).kind).toBe('ok');
    expect(await here.clients.add(made.client, { kind: 'secret', days: 1 }, order)).toEqual({ kind: 'full-credentials' });
    const row = (await here.clients.list()).find(({ id }) => id === made.client);
    expect(row?.credentials.map(({ expiresMs }) => typeof expiresMs)).toEqual(Array(5).fill('number'));
  });

  it('brings a token while Redis is away, and a revoked one still does not', async () => {
    const own = await startRedis({ appendfsync: 'no' });
    try {
      const site = openOAuthSite(own.connect());
      const away = await serveOAuth([site]);
      const [good, bad] = [await makeClient(site), await makeClient(site)];
      const dead = await tokenFor(away, bad);
      await site.clients.revoke(bad.client, undefined, { by: 'anna', requestId: 'r' });
      await own.kill();
      await site.clients.book.look();
      const token = await tokenFor(away, good);
      // The directory is away, the door is not: 503 is the answer to somebody who was let in.
      expect((await askScim(away, token)).status).toBe(503);
      expect((await askScim(away, dead)).status).toBe(401);
      expect((await askToken(away, secretForm(bad))).status).toBe(401);
      await away.app.close();
    } finally {
      await own.stop();
    }
  });

  it('that Redis has forgotten, or whose end it has forgotten, is put back from memory', async () => {
    const [kept, ended] = [await makeClient(here), await makeClient(here)];
    const key = `scim:{${here.key}}:clients`;
    const before = await redis.hgetall(key);
    await here.clients.revoke(ended.client, undefined, { by: 'anna', requestId: 'r' });
    await redis.del(key);
    await redis.hset(key, `${ended.client.slice(4)}`, before[ended.client.slice(4)] ?? '');
    await here.clients.book.look();
    expect((await askToken(bench, secretForm(kept))).status).toBe(200);
    expect((await askToken(bench, secretForm(ended))).status).toBe(401);
    await vi.waitFor(async () => {
      const rows = await here.clients.list();
      expect(rows.find(({ id }) => id === kept.client)?.state).toBe('live');
      expect(rows.find(({ id }) => id === ended.client)?.state).toBe('revoked');
    }, WAIT);
  });

  it('that was revoked stays so when Redis has forgotten it and a backup from before brings it back', async () => {
    const [client, secret] = [await makeClient(here), await makeClient(here)];
    const key = `scim:{${here.key}}:clients`;
    const backup = await redis.hgetall(key);
    await here.clients.revoke(client.client, undefined, { by: 'anna', requestId: 'r' });
    await here.clients.revoke(secret.client, secret.credential, { by: 'anna', requestId: 'r' });
    await redis.del(key);
    await here.clients.book.look();
    await redis.hset(key, backup);
    await here.clients.book.look();
    for (const one of [client, secret]) expect((await askToken(bench, secretForm(one))).status).toBe(401);
    await vi.waitFor(async () => {
      const rows = await here.clients.list();
      expect(rows.find(({ id }) => id === client.client)?.state).toBe('revoked');
      expect(rows.find(({ id }) => id === secret.client)).toMatchObject({ state: 'live', credentials: [{ state: 'revoked' }] });
    }, WAIT);
  });

  it('is kept as a digest only, and neither it nor a token is in the log', async () => {
    const made = await makeClient(here);
    const token = await tokenFor(bench, made);
    await askScim(bench, token);
    await askToken(bench, { ...secretForm(made), client_secret: `${made.secret}x` });
    await bench.app.inject({ method: 'POST', url: `/oauth/token?client_secret=${made.secret}&client_id=${made.client}` });
    const stored = JSON.stringify(await redis.hgetall(`scim:{${here.key}}:clients`));
    const log = bench.logLines.join('\n');
    expect(log).toContain('an access token was given out');
    for (const text of [made.secret, made.secret.slice(17), token, token.split('.')[2] ?? '', SIGNING_KEY]) {
      expect(stored).not.toContain(text);
      expect(log).not.toContain(text);
    }
  });
});

describe('a request for a token', () => {
  const grant = 'grant_type=client_credentials';
  it.each([
    ['without a grant type', 'client_id=x&client_secret=y', 400, 'invalid_request'],
    ['of another grant type', 'grant_type=password&username=a&password=b', 400, 'unsupported_grant_type'],
    ['without any sign-in', grant, 400, 'invalid_request'],
    ['without a client id', `${grant}&client_secret=x`, 400, 'invalid_request'],
    ['with an empty secret', `${grant}&client_id=x&client_secret=`, 400, 'invalid_request'],
    ['with a parameter twice', `${grant}&client_id=x&client_id=y&client_secret=z`, 400, 'invalid_request'],
    ['with two ways to sign in', `${grant}&client_id=x&client_secret=y&client_assertion=z`, 400, 'invalid_request'],
    ['with an assertion of an unknown type', `${grant}&client_assertion_type=x&client_assertion=z`, 400, 'invalid_request'],
    ['that is not UTF-8', Buffer.from([0x61, 0xff, 0xfe]), 400, 'invalid_request'],
    ['of an unknown client', `${grant}&client_id=smc_aaaaaaaaaaaa&client_secret=z`, 401, 'invalid_client'],
    ['of a client that cannot be ours', `${grant}&client_id=__proto__&client_secret=constructor`, 401, 'invalid_client'],
    ['larger than 16 KiB', `${grant}&client_id=${'x'.repeat(20_000)}`, 413, 'invalid_request'],
  ])('%s is refused in the form of RFC 6749', async (_, form, status, error) => {
    const answer = await askToken(bench, form, {}, '192.0.2.50');
    expect([answer.status, answer.body.error]).toEqual([status, error]);
    expect(answer.body.error_description).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]{20,}$/);
    expect(answer.headers['cache-control']).toBe('no-store');
    if (status === 401) expect(answer.headers['www-authenticate']).toMatch(/^Basic /);
  });

  it('with Basic and a secret in the body, two Authorization headers, or another scheme is refused', async () => {
    const made = await makeClient(here);
    const basic = `Basic ${Buffer.from(`${made.client}:${made.secret}`).toString('base64')}`;
    expect((await askToken(bench, secretForm(made), { authorization: basic })).body.error).toBe('invalid_request');
    expect((await askToken(bench, secretForm(made), { authorization: 'Bearer abc' })).body.error).toBe('invalid_request');
    const other = await makeClient(here);
    const mixed = await askToken(bench, { grant_type: 'client_credentials', client_id: other.client }, { authorization: basic });
    expect(mixed.body.error).toBe('invalid_request');
  });

  it('as JSON, by GET, or in the address is refused', async () => {
    const made = await makeClient(here);
    const json = await bench.app.inject({ method: 'POST', url: '/oauth/token', payload: secretForm(made) });
    expect([json.statusCode, json.json().error]).toEqual([415, 'invalid_request']);
    const get = await bench.app.inject({ url: '/oauth/token' });
    expect([get.statusCode, get.headers.allow, get.json().error]).toEqual([405, 'POST', 'invalid_request']);
    const query = await bench.app.inject({
      method: 'POST',
      url: `/oauth/token?${new URLSearchParams(secretForm(made))}`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: '',
    });
    expect([query.statusCode, query.json().error]).toEqual([400, 'invalid_request']);
  });

  it('reads the same whether the client is unknown, its secret wrong, revoked or expired, or it is of another site', async () => {
    const [revoked, expired, mine, theirs] = [
      await makeClient(here),
      await makeClient(here),
      await makeClient(here),
      await makeClient(there),
    ];
    await here.clients.revoke(revoked.client, revoked.credential, { by: 'anna', requestId: 'r' });
    await endAt(here, expired, Date.now() - 1);
    const answers = await Promise.all(
      [
        { client: 'smc_bbbbbbbbbbbb', secret: mine.secret },
        { client: mine.client, secret: `${mine.secret.slice(0, -4)}AAAA` },
        revoked,
        expired,
        { client: mine.client, secret: theirs.secret },
        { client: theirs.client, secret: mine.secret },
      ].map((one) => askToken(bench, secretForm(one), {}, '192.0.2.60')),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(401));
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
  });

  it('S6 F85 with a right secret from another network is refused with the address and what to do, gets no token, and does not count as a use', async () => {
    const site = openOAuthSite(redis);
    const [allowed, elsewhere] = ['203.0.113.20', '198.51.100.66'];
    const logger = createLogger({ level: 'silent' });
    site.door.gate = new Gate({ redis, siteKey: site.key, allowFrom: Networks.parse([allowed]), logger });
    const [stolen, used] = [await makeClient(site), await makeClient(site)];
    const walled = await serveOAuth([site]);
    try {
      const refused = await askToken(walled, secretForm(stolen), {}, elsewhere);
      expect([refused.status, refused.body.error, refused.body.access_token]).toEqual([403, 'unauthorized_client', undefined]);
      expect(refused.body.error_description).toMatch(/not accepted from 198\.51\.100\.66\..*SCIM_ALLOW_FROM.*TRUSTED_PROXIES/);
      expect((await askToken(walled, secretForm(used), {}, allowed)).status).toBe(200);
      const uses = async () => Object.keys(await redis.hgetall(`scim:{${site.key}}:clientUses`));
      await vi.waitFor(async () => expect(await uses()).toContain(used.credential), WAIT);
      expect(await uses()).toEqual([used.credential]);
    } finally {
      await walled.app.close();
    }
  });

  it('S5 with a wrong secret is throttled by address and by client; a right one passes all the while, and other addresses are not touched', async () => {
    const made = await makeClient(here);
    const wrong = { ...secretForm(made), client_secret: 'wrong' };
    const statuses: number[] = [];
    for (let i = 0; i < 32; i += 1) statuses.push((await askToken(bench, wrong, {}, '198.51.100.9')).status);
    expect(statuses.slice(0, 30)).toEqual(Array(30).fill(401));
    const refused = await askToken(bench, wrong, {}, '198.51.100.9');
    expect([refused.status, refused.body.error]).toEqual([429, 'invalid_client']);
    expect(refused.headers['retry-after']).toMatch(/^[1-9]\d?$/);
    expect((await askToken(bench, wrong, {}, '203.0.113.5')).status).toBe(429);
    expect((await askToken(bench, secretForm(made), {}, '198.51.100.9')).status).toBe(200);
    const bystander = await makeClient(here);
    expect((await askToken(bench, { ...secretForm(bystander), client_secret: 'wrong' }, {}, '203.0.113.6')).status).toBe(401);
    expect(
      (await bench.telemetry.authFailures.get()).values.find(({ labels }) => labels.reason === 'throttled')?.value,
    ).toBeGreaterThan(0);
  });

  it('of any other content is refused and never breaks the server', async () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'grant_type=client_credentials',
        'client_id=smc_aaaaaaaaaaaa',
        'client_secret=',
        'client_assertion=a.b.c',
        '&',
        '=',
        '%',
        '%zz',
        '+',
        'eyJ',
      ),
      fc.string(),
    );
    const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2_147_483_647);
    console.log(`oauth fuzz seed ${seed}`);
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 8 }),
        fc.option(fc.string({ maxLength: 60 }), { nil: undefined }),
        async (pieces, authorization) => {
          const header =
            authorization === undefined ? {} : { authorization: `Basic ${Buffer.from(authorization).toString('base64')}` };
          const { status, body } = await askToken(bench, pieces.join('&'), header, '198.51.100.77');
          expect([400, 401, 429]).toContain(status);
          expect(body.access_token).toBeUndefined();
        },
      ),
      { seed, numRuns: 300 },
    );
  }, 120_000);

  it('is answered 501 with what to set, where no key is configured', async () => {
    const without = await serveOAuth([openOAuthSite(redis)], { signingKey: undefined });
    const { status, body } = await askToken(without, { grant_type: 'client_credentials' });
    expect([status, body.error]).toEqual([501, 'server_error']);
    expect(body.error_description).toContain('OAUTH_SIGNING_KEY');
    const schemes = (bench: OAuthBench) => bench.app.inject({ url: '/scim/v2/ServiceProviderConfig' });
    const names = async (of: OAuthBench) =>
      ((await schemes(of)).json().authenticationSchemes as { type: string }[]).map(({ type }) => type);
    expect(await names(without)).toEqual(['oauthbearertoken']);
    expect(await names(bench)).toEqual(['oauthbearertoken', 'oauth2']);
    await without.app.close();
  });
});

describe('an access token', () => {
  const claims = (site: OAuthSite, made: { client: string; credential: string }) => ({
    iss: PUBLIC_URL,
    aud: site.key,
    sub: made.client,
    client_id: made.client,
    cred: made.credential,
    exp: seconds(600),
  });
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

  it('opens its own site and no other, whatever its claims are changed to', async () => {
    const [mine, theirs] = [await makeClient(here), await makeClient(there)];
    const [a, b] = [await tokenFor(bench, mine), await tokenFor(bench, theirs)];
    const own = await bench.app.inject({ url: '/scim/v2/Users', headers: { authorization: `Bearer ${here.token}` } });
    expect((await askScim(bench, a)).body).toEqual(own.json());
    const [head = '', , signature = ''] = a.split('.');
    const swapped = [
      `${head}.${part({ ...claims(there, mine) })}.${signature}`,
      `${head}.${b.split('.')[1]}.${signature}`,
      `${b.split('.')[0]}.${a.split('.')[1]}.${b.split('.')[2]}`,
    ];
    for (const token of swapped) expect((await askScim(bench, token)).status).toBe(401);
    // Signed by us and naming a client that the site does not have: it does not stand.
    const tokens = new AccessTokens({
      publicUrl: PUBLIC_URL,
      oauth: { signingKey: new Secret(SIGNING_KEY), tokenSeconds: 3_600 },
    });
    const crossed = await tokens.issue({ site: there.key, client: mine.client, credential: mine.credential }, Date.now() + 9e6);
    expect((await askScim(bench, crossed.text)).status).toBe(401);
  });

  it('is refused without a signature, by another algorithm or key, of another type, issuer or time, or without its claims', async () => {
    const made = await makeClient(here);
    const good = await tokenFor(bench, made);
    const kid = JSON.parse(Buffer.from(good.split('.')[0] ?? '', 'base64url').toString()).kid as string;
    const right = claims(here, made);
    const sign = (payload: object, header: object = {}, key: string | Uint8Array = SIGNING_KEY) =>
      new SignJWT({ ...payload })
        .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid, ...header })
        .sign(typeof key === 'string' ? Buffer.from(key) : key);
    const asymmetric = await makeKey(kid);
    const modulus = Buffer.from(asymmetric.jwk.n ?? '', 'base64url');
    const forged: Record<string, string> = {
      'alg none': new UnsecuredJWT(right).encode(),
      'alg none with our header': `${part({ alg: 'none', typ: 'at+jwt', kid })}.${part(right)}.`,
      'the signature left out': good.replace(/[^.]+$/, ''),
      'signed with the key itself instead of what is derived from it': await sign(right),
      'signed with another key under our kid': await sign(right, {}, 'x'.repeat(32)),
      'signed with an empty key': `${part({ alg: 'HS256', typ: 'at+jwt', kid })}.${part(right)}.${Buffer.alloc(32).toString('base64url')}`,
      'an unknown kid': await sign(right, { kid: '../../dev/null' }),
      'no kid': await sign(right, { kid: undefined }),
      'RS256 under our kid': await asymmetric.sign(right, { typ: 'at+jwt' }),
      'HS256 with the bytes of a public key': await sign(right, {}, new Uint8Array(modulus)),
      'a key in its own header': await sign(right, { jwk: asymmetric.jwk, jku: 'http://127.0.0.1:1/keys' }),
    };
    const failed =
      (await bench.telemetry.authFailures.get()).values.find(({ labels }) => labels.reason === 'unknown')?.value ?? 0;
    for (const [name, token] of Object.entries(forged))
      expect((await askScim(bench, token, undefined, '192.0.2.80')).status, name).toBe(401);
    const now = (await bench.telemetry.authFailures.get()).values.find(({ labels }) => labels.reason === 'unknown')?.value ?? 0;
    expect(now - failed).toBe(Object.keys(forged).length);
  });

  it('is refused with wrong claims although the signature is right', async () => {
    const made = await makeClient(here);
    const grant = { site: here.key, client: made.client, credential: made.credential };
    const oauth = { signingKey: new Secret(SIGNING_KEY), tokenSeconds: 3_600 };
    const issue = async (parts: object, of: object = {}) =>
      (await new AccessTokens({ publicUrl: PUBLIC_URL, oauth, ...parts }).issue({ ...grant, ...of }, Date.now() + 9e7)).text;
    expect((await askScim(bench, await issue({}))).status).toBe(200);
    const wrong = {
      'another issuer': await issue({ publicUrl: 'https://scim.example.org' }),
      'an unknown site': await issue({}, { site: 'us.nobody' }),
      'an unknown client': await issue({}, { client: 'smc_cccccccccccc' }),
      'an unknown credential': await issue({}, { credential: 'cccccccccccc' }),
      'a time that is over': await issue({ nowMs: () => Date.now() - 3_601_000 }),
    };
    for (const [name, token] of Object.entries(wrong)) expect((await askScim(bench, token)).status, name).toBe(401);
  });

  it('that was good once and is over reads 401 however often it is sent, so that the client fetches another one', async () => {
    const made = await makeClient(here);
    const oauth = { signingKey: new Secret(SIGNING_KEY), tokenSeconds: 3_600 };
    const past = new AccessTokens({ publicUrl: PUBLIC_URL, oauth, nowMs: () => Date.now() - 4_000_000 });
    const { text } = await past.issue({ site: here.key, client: made.client, credential: made.credential }, Date.now() + 9e7);
    const statuses = new Set<number>();
    for (let i = 0; i < 60; i += 1) statuses.add((await askScim(bench, text, undefined, '198.51.100.44')).status);
    expect([...statuses]).toEqual([401]);
    // While nonsense of the same shape is counted.
    for (let i = 0; i < 31; i += 1) statuses.add((await askScim(bench, `${text}x`, undefined, '198.51.100.44')).status);
    expect(statuses.has(429)).toBe(true);
  });

  it('of the key before is good while that key is still listed, and not afterwards', async () => {
    const site = openOAuthSite(redis);
    const fresh = 'oauth-CANARY-signing-key-new-77c1e0b9a2d4';
    const made = await makeClient(site);
    const before = await serveOAuth([site]);
    const both = await serveOAuth([site], { signingKey: `${fresh},${SIGNING_KEY}` });
    const after = await serveOAuth([site], { signingKey: fresh });
    const [old, next] = [await tokenFor(before, made), await tokenFor(both, made)];
    expect([(await askScim(both, old)).status, (await askScim(both, next)).status]).toEqual([200, 200]);
    expect([(await askScim(after, old)).status, (await askScim(after, next)).status]).toEqual([401, 200]);
    expect((await askScim(before, next)).status).toBe(401);
    for (const { app } of [before, both, after]) await app.close();
  });

  it('does not take the place of a configured token that happens to look like one', async () => {
    const site = openOAuthSite(redis);
    const like = new UnsecuredJWT({ iss: 'somebody' }).encode();
    site.door.token = new Secret(like);
    const own = await serveOAuth([site]);
    expect((await askScim(own, like)).status).toBe(200);
    await own.app.close();
  });
});
