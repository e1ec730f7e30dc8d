/**
 * Guarantees of the tokens that operators make, over the real HTTP edge and a real Redis: how they are made and kept, that two at most are live, that every refusal
 * reads the same, and that guessing is slowed down without ever shutting out whoever has the right one. Over real processes: tokens-service.test.ts.
 */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Tokens } from '../../src/directory/tokens.ts';
import { createLogger } from '../../src/logger.ts';
import { OPERATORS, type TestOperator, tokenOf } from '../support/operators.ts';
import { type OpsServer, openOpsSite, serveOps, type TestOpsSite } from '../support/ops-server.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { openSite, type ScimServer, serveSites } from '../support/scim-server.ts';

const USERS = '/scim/v2/Users?count=1';
const DAY = 86_400_000;
const BY = { by: 'anna', requestId: 'req-1', days: 365, note: 'Okta' } as const;

let redisServer: TestRedis;
let redis: Redis;
const opened: { close(): unknown }[] = [];

beforeAll(async () => {
  redisServer = await startRedis({ appendfsync: 'no' });
  redis = redisServer.connect();
});
beforeEach(async () => await redisServer.flush());
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});
afterAll(async () => await redisServer.stop());

interface Made {
  server: ScimServer;
  tokens: Tokens;
  prefix: string;
  /** @returns status, headers and body of a read with this header from this address */
  enter(
    authorization: string,
    remoteAddress?: string,
  ): Promise<{ status: number; headers: Record<string, unknown>; text: string }>;
}

/** A server of one site that has a token in its configuration and a book. */
async function serve(): Promise<Made> {
  const site = openSite(redis);
  const tokens = new Tokens({ redis, siteKey: site.door.key, configured: { expires: undefined } });
  await tokens.book.start();
  site.door.book = tokens.book;
  const server = await serveSites([site]);
  opened.push(tokens.book, server.app);
  return {
    server,
    tokens,
    prefix: `scim:{${site.door.key}}:`,
    async enter(authorization, remoteAddress = '192.0.2.1') {
      const answer = await server.app.inject({ url: USERS, headers: { authorization }, remoteAddress });
      return { status: answer.statusCode, headers: answer.headers, text: answer.body };
    },
  };
}

async function create(tokens: Tokens): Promise<{ id: string; token: string }> {
  const made = await tokens.create(BY);
  if (made.kind !== 'ok') throw new Error('the site has two live tokens');
  return made;
}

/** Changes an entry as only time could. */
async function age(prefix: string, id: string, fields: object): Promise<void> {
  const entry = JSON.parse((await redis.hget(`${prefix}tokens`, id)) ?? '{}') as object;
  await redis.hset(`${prefix}tokens`, id, JSON.stringify({ ...entry, ...fields }));
}

/** Everything in Redis, keys and values of every type. */
async function everything(): Promise<string> {
  const parts: string[] = [];
  for (const key of await redis.keys('*')) {
    const type = await redis.type(key);
    if (type === 'hash') parts.push(key, JSON.stringify(await redis.hgetall(key)));
    else if (type === 'stream') parts.push(key, JSON.stringify(await redis.xrange(key, '-', '+')));
    else if (type === 'string') parts.push(key, (await redis.get(key)) ?? '');
    else if (type === 'list') parts.push(key, JSON.stringify(await redis.lrange(key, 0, -1)));
    else if (type === 'set') parts.push(key, JSON.stringify(await redis.smembers(key)));
    else parts.push(key, JSON.stringify(await redis.zrange(key, '0', '-1')));
  }
  return parts.join('\n');
}

describe('how a token is made and kept', () => {
  test('S1 it has a prefix, an id and 32 random bytes, and no two share any of the random part', async () => {
    const { tokens, prefix } = await serve();
    const made: { id: string; token: string }[] = [];
    for (let at = 0; at < 100; at += 1) {
      const one = await create(tokens);
      made.push(one);
      await tokens.revoke(one.id, BY);
    }
    const secrets = made.map(({ id, token }) => {
      expect(token).toMatch(/^smx_[a-z2-7]{12}_[A-Za-z0-9_-]{43}$/);
      expect(token.slice(4, 16)).toBe(id);
      const secret = Buffer.from(token.slice(17), 'base64url');
      expect(secret).toHaveLength(32);
      return secret;
    });
    expect(new Set(made.map(({ id }) => id)).size).toBe(100);
    // Each of 256 bits is set about every other time; one that is not random would be set always or never.
    for (let bit = 0; bit < 256; bit += 1) {
      const set = secrets.filter((secret) => ((secret[bit >> 3] ?? 0) >> (bit & 7)) & 1).length;
      expect(set, `bit ${bit}`).toBeGreaterThan(10);
      expect(set, `bit ${bit}`).toBeLessThan(90);
    }
    expect(await redis.hlen(`${prefix}tokens`)).toBe(100);
  });

  test('S1 S2 it is in one answer only: Redis holds its SHA-256, and neither Redis, the log nor the list holds it', async () => {
    const { server, tokens, prefix, enter } = await serve();
    const { id, token } = await create(tokens);
    expect((await enter(`Bearer ${token}`)).status).toBe(200);
    expect((await enter(`Bearer ${token}x`)).status).toBe(401);
    await expect.poll(() => redis.hget(`${prefix}tokenUses`, id), { timeout: 15_000, interval: 25 }).toMatch(/^\d{13}$/);
    const entry = JSON.parse((await redis.hget(`${prefix}tokens`, id)) ?? '{}') as Record<string, unknown>;
    expect(entry.digest).toBe(createHash('sha256').update(token).digest('hex'));
    const secret = token.slice(17);
    const list = await tokens.list();
    expect(list.tokens).toMatchObject([{ id, state: 'live', by: 'anna', note: 'Okta' }]);
    for (const text of [
      await everything(),
      JSON.stringify(list),
      server.logLines.join('\n'),
      await server.telemetry.registry.metrics(),
    ])
      expect(text).not.toContain(secret);
    expect(JSON.stringify(list)).not.toContain(String(entry.digest));
  });

  test('S1 the log shows the id of a token and never its secret, wherever the text comes from', async () => {
    const { tokens } = await serve();
    const { id, token } = await create(tokens);
    const lines: string[] = [];
    const logger = createLogger({ level: 'info', secrets: [] }, { write: (line: string) => void lines.push(line) });
    logger.info({ header: `Bearer ${token}`, err: new Error(`refused ${token}`) }, `with ${token}`);
    expect(lines.join('')).not.toContain(token.slice(17, 40));
    expect(lines.join('')).toContain(`smx_${id}_[secret]`);
  });

  test('S2 id and secret belong together: nothing opens with the secret of another id, a cut or a longer secret, or the digest', async () => {
    const { tokens, enter } = await serve();
    const [one, two] = [await create(tokens), await create(tokens)];
    expect((await enter(one.token)).status).toBe(200);
    expect((await enter(two.token)).status).toBe(200);
    const digest = createHash('sha256').update(one.token).digest('hex');
    const wrong = [
      `smx_${one.id}_${two.token.slice(17)}`,
      `smx_${two.id}_${one.token.slice(17)}`,
      one.token.slice(0, -1),
      `${one.token}A`,
      one.token.toUpperCase(),
      one.token.slice(17),
      one.id,
      digest,
      `smx_${one.id}_${digest.slice(0, 43)}`,
      `smx_${'a'.repeat(12)}_${one.token.slice(17)}`,
      'smx_constructor_x',
    ];
    for (const [at, token] of wrong.entries()) expect((await enter(`Bearer ${token}`, `192.0.2.${at}`)).status, token).toBe(401);
  });
});

describe('two live tokens', () => {
  test('S3 a third is refused and names both; each end makes room; one that is over stays over', async () => {
    const { tokens, enter, prefix } = await serve();
    const [one, two] = [await create(tokens), await create(tokens)];
    expect(await tokens.create(BY)).toEqual({ kind: 'full' });
    expect(await tokens.revoke(one.id, BY)).toBe('ok');
    expect(await tokens.revoke(one.id, BY)).toBe('already');
    expect(await tokens.revoke('aaaaaaaaaaaa', BY)).toBe('missing');
    expect((await enter(one.token)).status).toBe(401);
    expect((await enter(two.token)).status).toBe(200);
    const three = await create(tokens);
    await age(prefix, two.id, { expiresMs: Date.now() - 1 });
    const four = await create(tokens);
    expect((await enter(two.token)).status).toBe(401);
    for (const { token } of [three, four]) expect((await enter(token)).status).toBe(200);
    expect((await tokens.list()).tokens.map(({ state }) => state).sort()).toEqual(['expired', 'live', 'live', 'revoked']);
  });

  test('S3 of many who ask at once two get one', async () => {
    const { tokens } = await serve();
    const answers = await Promise.all(Array.from({ length: 20 }, () => tokens.create(BY)));
    expect(answers.filter(({ kind }) => kind === 'ok')).toHaveLength(2);
  });

  test('S3 what has been over for 90 days is forgotten with the next one, with its use', async () => {
    const { tokens, enter, prefix } = await serve();
    const [one, two] = [await create(tokens), await create(tokens)];
    await enter(one.token);
    await expect.poll(() => redis.hget(`${prefix}tokenUses`, one.id), { timeout: 15_000, interval: 25 }).toMatch(/^\d+$/);
    await tokens.revoke(two.id, BY);
    await age(prefix, one.id, { expiresMs: Date.now() - 91 * DAY });
    await tokens.book.look();
    await create(tokens);
    expect((await tokens.list()).tokens.map(({ id }) => id)).not.toContain(one.id);
    expect((await tokens.list()).tokens.map(({ id }) => id)).toContain(two.id);
    expect(await redis.hexists(`${prefix}tokenUses`, one.id)).toBe(0);
  });
});

describe('who is refused', () => {
  test('B48 unknown, expired and revoked tokens are refused in the same words and headers, and counted as what they are', async () => {
    const { server, tokens, enter, prefix } = await serve();
    const [expired, revoked] = [await create(tokens), await create(tokens)];
    await age(prefix, expired.id, { expiresMs: Date.now() - 1 });
    await tokens.revoke(revoked.id, BY);
    const unknown = `smx_${'b'.repeat(12)}_${'A'.repeat(43)}`;
    const said = new Set<string>();
    for (const token of [unknown, expired.token, revoked.token, `${expired.token.slice(0, -4)}AAAA`, 'a-plain-wrong-token-01']) {
      const { status, headers, text } = await enter(`Bearer ${token}`);
      expect(status).toBe(401);
      const { 'x-request-id': _, date: __, ...same } = headers;
      said.add(JSON.stringify([same, text]));
    }
    expect(said.size).toBe(1);
    const metrics = await server.telemetry.registry.metrics();
    for (const [reason, count] of [
      ['unknown', 3],
      ['expired', 1],
      ['revoked', 1],
    ])
      expect(metrics).toContain(`scim_auth_failures_total{reason="${reason}"} ${count}`);
  });

  test('B48 a token that could not be looked up yet is not called wrong', async () => {
    const site = openSite(redis);
    const tokens = new Tokens({ redis, siteKey: site.door.key, configured: undefined });
    const { token } = await create(tokens);
    const late = new Tokens({ redis, siteKey: site.door.key, configured: undefined });
    site.door.book = late.book;
    const server = await serveSites([site]);
    opened.push(server.app);
    const ask = () => server.app.inject({ url: USERS, headers: { authorization: `Bearer ${token}` } });
    const early = await ask();
    expect(early.statusCode).toBe(503);
    expect(early.headers['retry-after']).toBe('5');
    await late.book.look();
    expect((await ask()).statusCode).toBe(200);
  });

  test('a token opens its own site and no other', async () => {
    const [one, two] = [openSite(redis), openSite(redis)];
    const made: { token: string; key: string }[] = [];
    for (const { door } of [one, two]) {
      const tokens = new Tokens({ redis, siteKey: door.key, configured: undefined });
      made.push({ token: (await create(tokens)).token, key: door.key });
      door.book = tokens.book;
    }
    const server = await serveSites([one, two]);
    opened.push(server.app);
    const person = { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName: 'ann@example.com', externalId: 'x1' };
    const as = (at: number) => ({ authorization: `Bearer ${made[at]?.token}`, 'content-type': 'application/scim+json' });
    expect((await server.app.inject({ method: 'POST', url: '/scim/v2/Users', headers: as(0), payload: person })).statusCode).toBe(
      201,
    );
    expect((await server.app.inject({ url: '/scim/v2/Users', headers: as(0) })).json().totalResults).toBe(1);
    expect((await server.app.inject({ url: '/scim/v2/Users', headers: as(1) })).json().totalResults).toBe(0);
  });
});

describe('guessing', () => {
  test('B49 S5 of 1,000 wrong tokens from one address all but 30 are 429; right tokens from there and wrong ones from elsewhere are answered as ever', async () => {
    const { server, tokens, enter, prefix } = await serve();
    const { token } = await create(tokens);
    const before = await redis.keys(`${prefix}*`);
    const statuses = new Map<number, number>();
    let last: Awaited<ReturnType<typeof enter>> | undefined;
    for (let at = 0; at < 1_000; at += 1) {
      last = await enter(`Bearer wrong-token-number-${at}`, '203.0.113.9');
      statuses.set(last.status, (statuses.get(last.status) ?? 0) + 1);
      if (at % 100 === 0) expect((await enter(`Bearer ${token}`, '203.0.113.9')).status).toBe(200);
    }
    expect(statuses.get(401)).toBeGreaterThanOrEqual(30);
    // Thirty in any minute, however long a busy machine takes for a thousand.
    expect(statuses.get(429)).toBeGreaterThan(500);
    expect([...statuses.keys()].sort()).toEqual([401, 429]);
    expect(last?.status).toBe(429);
    expect(last?.headers).toMatchObject({
      'retry-after': expect.stringMatching(/^([1-9]|[1-5]\d|60)$/),
      'content-type': 'application/scim+json; charset=utf-8',
      'cache-control': 'no-store',
    });
    expect(JSON.parse(last?.text ?? '')).toMatchObject({
      schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
      status: '429',
      detail: expect.stringContaining('a right one is served at once'),
    });
    expect((await enter(`Bearer ${server.token}`, '203.0.113.9')).status).toBe(200);
    expect((await enter('Bearer another-wrong-token', '203.0.113.10')).status).toBe(401);
    expect((await enter(`Bearer ${token}`, '203.0.113.10')).status).toBe(200);
    expect(await server.telemetry.registry.metrics()).toMatch(/scim_auth_failures_total\{reason="throttled"\} \d{3}/);
    // Nothing about those who failed is written anywhere.
    expect((await redis.keys(`${prefix}*`)).filter((key) => !before.includes(key) && !key.endsWith(':tokenUses'))).toEqual([]);
  });

  test('S5 wrong secrets for one token id are refused wherever they come from, and its right secret is not', async () => {
    const { tokens, enter } = await serve();
    const { id, token } = await create(tokens);
    const statuses: number[] = [];
    for (let at = 0; at < 60; at += 1) statuses.push((await enter(`smx_${id}_${'A'.repeat(43)}`, `203.0.113.${at}`)).status);
    expect(statuses.slice(0, 30)).toEqual(Array(30).fill(401));
    expect(statuses).toContain(429);
    expect((await enter(token, '203.0.113.200')).status).toBe(200);
    expect((await enter(`smx_${'c'.repeat(12)}_${'A'.repeat(43)}`, '203.0.113.201')).status).toBe(401);
  });

  test('S5 a token that has expired or was revoked is no guess: its sender reads 401 every time, and a wrong secret for its id is counted as ever', async () => {
    const { tokens, enter, prefix } = await serve();
    const [expired, revoked] = [await create(tokens), await create(tokens)];
    await age(prefix, expired.id, { expiresMs: 1 });
    await tokens.revoke(revoked.id, { by: 'anna', requestId: 'req-2' });
    await tokens.book.look();
    for (const { id, token } of [expired, revoked]) {
      const statuses = new Set<number>();
      for (let at = 0; at < 40; at += 1) statuses.add((await enter(`Bearer ${token}`, '203.0.113.9')).status);
      expect([...statuses]).toEqual([401]);
      const guesses: number[] = [];
      for (let at = 0; at < 40; at += 1)
        guesses.push((await enter(`smx_${id}_${'A'.repeat(43)}`, `203.0.113.${100 + at}`)).status);
      expect(guesses.at(-1)).toBe(429);
    }
  });

  test('S5 requests without a token are never counted: they are no guess', async () => {
    const { server, enter } = await serve();
    for (let at = 0; at < 100; at += 1)
      expect((await server.app.inject({ url: USERS, remoteAddress: '203.0.113.9' })).statusCode).toBe(401);
    expect((await enter('Bearer wrong-token-number-1', '203.0.113.9')).status).toBe(401);
  });

  test('S5 an undecodable path counts like any other, and is not a way around', async () => {
    const { server } = await serve();
    const ask = async () =>
      (
        await server.app.inject({
          url: '/scim/v2/Users/%zz',
          headers: { authorization: 'Bearer wrong-01' },
          remoteAddress: '203.0.113.9',
        })
      ).statusCode;
    const statuses: number[] = [];
    for (let at = 0; at < 40; at += 1) statuses.push(await ask());
    expect(statuses[0]).toBe(401);
    expect(statuses.at(-1)).toBe(429);
  });
});

describe('the door of the operators', () => {
  let site: TestOpsSite;
  let server: OpsServer;

  beforeEach(async () => {
    site = openOpsSite(redis);
    server = await serveOps(redis, [site], { operators: OPERATORS });
    opened.push(server.app);
  });

  async function api(name: TestOperator, method: 'GET' | 'POST', path: string, body?: object) {
    const answer = await server.app.inject({
      method,
      url: `/ops/api${path}`,
      headers: { authorization: `Bearer ${tokenOf(name)}` },
      ...(body && { payload: body }),
    });
    return { status: answer.statusCode, body: answer.json() as Record<string, unknown>, headers: answer.headers };
  }

  test('S5 wrong ops tokens are 429 from the 31st on, at the API, at /metrics and at the form; a right one passes', async () => {
    const from = { remoteAddress: '203.0.113.9' };
    const wrong = { authorization: 'Bearer wrong-ops-token-0001' };
    const form = { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' };
    const asks = [
      () => server.app.inject({ ...from, url: '/ops/api/status', headers: wrong }),
      () => server.app.inject({ ...from, url: '/metrics', headers: wrong }),
      () =>
        server.app.inject({ ...from, method: 'POST', url: '/ops/sign-in', headers: form, payload: 'token=wrong-ops-token-0001' }),
    ];
    for (let at = 0; at < 30; at += 1) expect((await asks[at % 3]?.())?.statusCode).toBe(401);
    for (const ask of asks) {
      const { statusCode, headers } = await ask();
      expect(statusCode).toBe(429);
      expect(headers['retry-after']).toMatch(/^\d+$/);
      expect(headers).not.toHaveProperty('set-cookie');
    }
    expect((await asks[0]?.())?.json()).toMatchObject({ error: 'too-many-failures', do: expect.stringContaining('a right one') });
    const right = { authorization: `Bearer ${tokenOf('vera')}` };
    expect((await server.app.inject({ ...from, url: '/ops/api/status', headers: right })).statusCode).toBe(200);
    const payload = new URLSearchParams({ token: tokenOf('vera') }).toString();
    expect((await server.app.inject({ ...from, method: 'POST', url: '/ops/sign-in', headers: form, payload })).statusCode).toBe(
      303,
    );
    expect((await server.app.inject({ url: '/ops/api/status', headers: wrong, remoteAddress: '203.0.113.10' })).statusCode).toBe(
      401,
    );
  });

  test('S3 an approver makes and revokes, everybody lists, and both are in the audit trail without the token', async () => {
    expect((await api('otto', 'POST', '/tokens', {})).status).toBe(403);
    const made = await api('anna', 'POST', '/tokens', { days: 90, note: 'Okta production' });
    expect(made).toMatchObject({ status: 200, body: { site: site.key, token: expect.stringMatching(/^smx_/) } });
    expect(made.headers['cache-control']).toBe('no-store');
    const { id, token, createdAt, expiresAt } = made.body as Record<string, string>;
    expect(Date.parse(expiresAt ?? '') - Date.parse(createdAt ?? '')).toBe(90 * DAY);
    expect((await server.app.inject({ url: USERS, headers: { authorization: `Bearer ${token}` } })).statusCode).toBe(200);
    const list = await api('vera', 'GET', '/tokens');
    expect(list.body).toMatchObject({
      tokens: [{ id, state: 'live', by: 'anna', note: 'Okta production' }],
      configured: { expiresAt: null },
    });

    const second = (await api('anna', 'POST', '/tokens', {})).body as Record<string, string>;
    expect(Date.parse(second.expiresAt ?? '') - Date.parse(second.createdAt ?? '')).toBe(365 * DAY);
    const third = await api('anna', 'POST', '/tokens', {});
    expect(third).toMatchObject({ status: 409, body: { error: 'too-many-tokens' } });
    expect(third.body.detail).toContain(id);
    expect(third.body.detail).toContain(second.id);
    expect(third.body.do).toContain(`maxio-scim token revoke ${second.id}`);

    expect((await api('otto', 'POST', '/tokens/revoke', { id })).status).toBe(403);
    expect(await api('bert', 'POST', '/tokens/revoke', { id })).toMatchObject({ status: 200, body: { id, already: false } });
    expect(await api('bert', 'POST', '/tokens/revoke', { id })).toMatchObject({ status: 200, body: { id, already: true } });
    expect(await api('bert', 'POST', '/tokens/revoke', { id: 'aaaaaaaaaaaa' })).toMatchObject({
      status: 404,
      body: { error: 'no-such-token' },
    });
    expect((await server.app.inject({ url: USERS, headers: { authorization: `Bearer ${token}` } })).statusCode).toBe(401);

    const audit = (await redis.xrange(`${site.store.prefix}audit`, '-', '+')).map(([, fields]) => fields.join(' ')).join('\n');
    for (const what of [`"create-token","actor":"anna"`, `"revoke-token","actor":"bert"`]) expect(audit).toContain(what);
    expect(audit.match(/revoke-token/g)).toHaveLength(1);
    for (const text of [audit, server.logLines.join('\n')]) {
      expect(text).toContain(id);
      expect(text).not.toContain(token?.slice(17));
    }
  });

  test.each([{ days: 0 }, { days: 731 }, { days: 1.5 }, { days: null }, { expires: 'never' }, { note: 'x'.repeat(201) }])(
    'S3 an end is mandatory and within two years: %j is refused',
    async (body) => {
      expect((await api('anna', 'POST', '/tokens', body)).status).toBe(400);
      expect((await site.tokens.list()).tokens).toEqual([]);
    },
  );

  test.each([
    [31, [], undefined],
    [29, ['token-expiry'], { severity: 'warn', title: 'The SCIM token expires in 28 days' }],
    [14, ['token-expiry'], { severity: 'warn', title: 'The SCIM token expires in 13 days' }],
    [3, ['token-expiry'], { severity: 'page', title: 'The SCIM token expires in 2 days' }],
  ])('S3 with %d days left /health, metrics and notices say what they should', async (days, words, notice) => {
    const made = await site.tokens.create({ ...BY, days });
    if (made.kind !== 'ok') throw new Error('full');
    const health = (await server.app.inject({ url: '/health' })).json();
    expect(health.checks[`maxio:${site.key}`][0].output?.split(', ') ?? []).toEqual(words);
    const metrics = (await server.app.inject({ url: '/metrics', headers: { authorization: `Bearer ${tokenOf('vera')}` } })).body;
    expect(metrics).toContain(`scim_token_expiry_timestamp_seconds{site="${site.key}"} ${made.expiresMs / 1_000}\n`);
    expect(metrics).toContain(`scim_live_tokens{site="${site.key}"} 2\n`);
    const notices = await site.notifier.current();
    const told = notices.find(({ topic }) => topic === 'token-expiry');
    if (notice === undefined) expect(told).toBeUndefined();
    else
      expect(told).toMatchObject({
        ...notice,
        what: expect.stringContaining(made.id),
        todo: expect.stringContaining(`maxio-scim token revoke ${made.id}`),
      });
  });

  test('S3 a site that nobody can enter is told in /health', async () => {
    const bare = openOpsSite(redis, { key: 'us.bare' });
    const tokens = new Tokens({ redis, siteKey: 'us.bare', configured: undefined });
    const other = await serveOps(redis, [Object.assign(bare, { tokens })], { operators: OPERATORS });
    opened.push(other.app);
    expect((await other.app.inject({ url: '/health' })).json().checks['maxio:us.bare'][0].output).toBe('no-token');
  });
});

describe('a store that forgets', () => {
  test('S3 live tokens and revocations that Redis has lost are put back from memory, and nothing else is', async () => {
    const { tokens, enter, prefix } = await serve();
    const [kept, gone] = [await create(tokens), await create(tokens)];
    await tokens.revoke(gone.id, BY);
    const old = await redis.hgetall(`${prefix}tokens`);
    await redisServer.flush();
    await tokens.book.look();
    expect((await enter(kept.token)).status).toBe(200);
    expect((await enter(gone.token)).status).toBe(401);
    await expect.poll(() => redis.hkeys(`${prefix}tokens`), { timeout: 15_000, interval: 25 }).toEqual([kept.id]);

    // A backup from before the revocation.
    const { revokedMs: _, revokedBy: __, ...before } = JSON.parse(old[gone.id] ?? '{}') as Record<string, unknown>;
    await redis.hset(`${prefix}tokens`, { [kept.id]: old[kept.id] ?? '', [gone.id]: JSON.stringify(before) });
    await tokens.book.look();
    expect((await enter(gone.token)).status).toBe(401);
    await expect.poll(() => redis.hget(`${prefix}tokens`, gone.id), { timeout: 15_000, interval: 25 }).toContain('revokedMs');
  });
});
