/**
 * Owns the promise that what Okta and Entra ID send gets the answer they need: every JSON file beside this one is one oddity, replayed
 * through the real server over the real directory. Refuses to hold any exchange itself; a new oddity is a new file.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEVIATIONS } from '../../src/scim/deviations.ts';
import { exchangeSchema, replay } from '../support/exchange.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { openSite, serveSites } from '../support/scim-server.ts';

const SCIM_JSON = 'application/scim+json; charset=utf-8';

/** What each client puts on every request; Entra ID has been seen without Accept and without User-Agent. */
const CLIENTS = {
  okta: {
    accept: 'application/scim+json',
    'accept-charset': 'utf-8',
    'accept-encoding': 'gzip,deflate',
    'user-agent': 'Okta SCIM Client 1.0.0',
  },
  entra: {},
} as const;

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
  redis = server.connect('commands');
});
afterAll(async () => {
  await server.stop();
});

describe('the replay itself', () => {
  const step = (response: Record<string, unknown>) => ({
    request: { method: 'GET', path: '/Users' },
    response: { status: 200, ...response },
  });
  const file = (over: Record<string, unknown>) => ({
    name: 'a list is answered with a list',
    source: ['RFC 7644 section 3.4.2'],
    exchanges: [step({ body: { totalResults: 1, Resources: [{ active: false }] } })],
    ...over,
  });
  const answering = (body: unknown, headers = {}) => ({
    token: 'none',
    usualHeaders: () => ({}),
    send: async () => ({
      status: 200,
      headers: { 'content-type': SCIM_JSON, 'cache-control': 'no-store', ...headers },
      text: JSON.stringify(body),
    }),
  });
  const list = (Resources: unknown[]) => ({
    schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
    totalResults: Resources.length,
    startIndex: 1,
    itemsPerPage: Resources.length,
    Resources,
  });

  test.each([
    ['no source', { source: [] }],
    ['a source that is not public', { source: ['some notes'] }],
    ['no exchange', { exchanges: [] }],
    ['nothing asserted', { exchanges: [step({})] }],
    ['an unknown key', { exchanges: [{ ...step({ body: {} }), reponse: {} }] }],
  ])('refuses a file with %s', (_, over) => {
    expect(exchangeSchema.safeParse(file({})).success).toBe(true);
    expect(exchangeSchema.safeParse(file(over)).success).toBe(false);
  });

  test('accepts the promised answer and fails on every other', async () => {
    const exchange = exchangeSchema.parse(file({}));
    await replay(exchange, answering(list([{ id: '1', active: false }])));
    await expect(replay(exchange, answering(list([{ id: '1', active: true }])))).rejects.toThrow('step 1 of 1');
    await expect(replay(exchange, answering(list([{ active: false }, { active: false }])))).rejects.toThrow();
    await expect(replay(exchange, answering({ ...list([{ active: false }]), startIndex: '1' }))).rejects.toThrow('startIndex');
    await expect(replay(exchange, answering(list([{ active: false, password: 'x' }])))).rejects.toThrow('password');
    await expect(
      replay(exchange, answering(list([{ active: false }]), { 'content-type': 'application/json' })),
    ).rejects.toThrow();
    const absent = exchangeSchema.parse(file({ exchanges: [step({ absent: ['/Resources/0/title'] })] }));
    await expect(replay(absent, answering(list([{ title: 'x' }])))).rejects.toThrow('/Resources/0/title');
  });
});

describe('the table of deviations', () => {
  const recorded = new Map(
    (['okta', 'entra'] as const).flatMap((idp) =>
      readdirSync(new URL(`${idp}/`, import.meta.url))
        .filter((name) => name.endsWith('.json'))
        .map((name) => {
          const { deviations = [] } = exchangeSchema.parse(
            JSON.parse(readFileSync(new URL(`${idp}/${name}`, import.meta.url), 'utf8')),
          );
          return [`${idp}/${name.replace(/\.json$/, '')}`, deviations] as const;
        }),
    ),
  );

  test('there are enough recorded exchanges to speak of coverage', () => {
    expect(recorded.size).toBeGreaterThanOrEqual(140);
  });

  test.each(DEVIATIONS.map((row) => [row.id, row] as const))(
    '%s names the exchanges that show it, and they name it',
    (id, row) => {
      const naming = [...recorded].filter(([, deviations]) => deviations.includes(id)).map(([file]) => file);
      expect(row.fixtures.length).toBeGreaterThan(0);
      expect([...row.fixtures].sort()).toEqual(naming.sort());
      if (row.client !== 'both') expect(row.fixtures.some((file) => file.startsWith(`${row.client}/`))).toBe(true);
    },
  );

  test('every deviation that an exchange names is in it', () => {
    const known = new Set(DEVIATIONS.map(({ id }) => id));
    for (const [file, deviations] of recorded) for (const id of deviations) expect(known, file).toContain(id);
  });
});

for (const idp of ['okta', 'entra'] as const) {
  const folder = new URL(`${idp}/`, import.meta.url);
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'));

  describe(idp, () => {
    test.each(files)('%s', async (file) => {
      const exchange = exchangeSchema.parse(JSON.parse(readFileSync(new URL(file, folder), 'utf8')));
      const { app, token } = await serveSites([openSite(redis, { idp })]);
      try {
        await replay(exchange, {
          token,
          usualHeaders: (hasBody) => ({
            ...CLIENTS[idp],
            authorization: `Bearer ${token}`,
            ...(hasBody && { 'content-type': SCIM_JSON }),
          }),
          send: async ({ method, path, headers, payload }) => {
            const answer = await app.inject({
              method,
              url: `/scim/v2${path}`,
              headers,
              ...(payload !== undefined && { payload }),
            });
            return { status: answer.statusCode, headers: answer.headers, text: answer.body };
          },
        });
      } finally {
        await app.close();
      }
    });
  });
}
