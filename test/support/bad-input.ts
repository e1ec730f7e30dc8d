/**
 * Owns the bench for input that must be refused: a running server with two people and a group, requests over sockets, and the proof that a refusal has
 * left every key of Redis as it was. Refuses to know single inputs.
 */
import type { AddressInfo } from 'node:net';
import type { Redis } from 'ioredis';
import { expect } from 'vitest';
import type { ServerParts } from '../../src/http/server.ts';
import { abandon, bytesOf, exchange, type RawAnswer, type RawRequest } from './raw-http.ts';
import { startRedis } from './redis.ts';
import { openSite, person, type ScimServer, serveSites, type TestSite } from './scim-server.ts';

export const USERS = '/scim/v2/Users';
export const GROUPS = '/scim/v2/Groups';
const ERROR = 'urn:ietf:params:scim:api:messages:2.0:Error';

export interface Refusal {
  status: number;
  /** Absent: the answer has none. */
  scimType?: string;
  /** What the administrator who reads it must learn. */
  says: RegExp;
}

export interface Bench {
  server: ScimServer;
  redis: Redis;
  port: number;
  /** Ids of two people, and of a group with the first of them in it. */
  ann: string;
  bob: string;
  team: string;
  send(request: RawRequest): Promise<RawAnswer>;
  sendBytes(bytes: Buffer | string): Promise<RawAnswer>;
  /** Sends bytes and resets the connection before an answer can come. */
  abandon(bytes: string): Promise<boolean>;
  /** Sends, and checks status, form, wording and that nothing at all was written. */
  refused(request: RawRequest | Buffer | string, expected: Refusal): Promise<RawAnswer>;
  /** Digest of every key in this Redis. */
  fingerprint(): Promise<string>;
  close(): Promise<void>;
}

export interface BenchOptions extends Pick<ServerParts, 'waitsMs' | 'limits'> {
  site?: Parameters<typeof openSite>[1];
  /** What access tokens are signed with; absent: none are given out. */
  oauth?: ServerParts['config']['oauth'];
  /** Sites beside the one that is asked. */
  more?: (redis: Redis) => TestSite[];
}

/** Starts Redis and a listening server. */
export async function openBench({ site, more, ...options }: BenchOptions = {}): Promise<Bench> {
  const redisServer = await startRedis({ appendfsync: 'no' });
  const redis = redisServer.connect('commands');
  const server = await serveSites([openSite(redis, site), ...(more?.(redis) ?? [])], options);
  await server.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = server.app.server.address() as AddressInfo;
  const sendBytes = (bytes: Buffer | string): Promise<RawAnswer> => exchange(port, bytes);
  const send = (request: RawRequest): Promise<RawAnswer> => sendBytes(bytesOf(request, server.token));
  const fingerprint = (): Promise<string> => fingerprintOf(redis);
  const made = async (path: string, body: unknown): Promise<string> => {
    const answer = await send({ path, body });
    expect(answer.status, `${answer.text}\n${server.logLines.slice(-2).join('')}`).toBe(201);
    return String(answer.body?.id);
  };
  const ann = await made(USERS, person('ann', { title: 'Guide' }));
  const bob = await made(USERS, person('bob'));
  const team = await made(GROUPS, { displayName: 'Team', members: [{ value: ann }] });

  return {
    server,
    redis,
    port,
    ann,
    bob,
    team,
    send,
    sendBytes,
    fingerprint,
    abandon: (bytes) => abandon(port, bytes),
    async refused(request, expected) {
      const before = await fingerprint();
      const isBytes = typeof request === 'string' || Buffer.isBuffer(request);
      const answer = isBytes ? await sendBytes(request) : await send(request);
      expectRefusal(answer, expected);
      expect(await fingerprint(), 'a refused request has changed the store').toBe(before);
      return answer;
    },
    async close() {
      await server.app.close();
      await redisServer.stop();
    },
  };
}

/** Checks the form of an error as every SCIM client reads it, and what it tells. RFC 7644 §3.12. */
export function expectRefusal(answer: RawAnswer, { status, scimType, says }: Refusal): void {
  expect(answer.status, answer.text).toBe(status);
  expect(answer.headers).toMatchObject({
    'content-type': 'application/scim+json; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  expect(answer.body).toEqual({
    schemas: [ERROR],
    status: String(status),
    ...(scimType !== undefined && { scimType }),
    detail: expect.stringMatching(says),
  });
  // Long enough to help, short enough for a task list, and printable whatever was sent.
  expect(answer.body?.detail).toMatch(/^[\x20-\x7e\u2018-\u201d]{15,400}$/);
}

/** In one round trip: the keys in order, each with its serialised value. */
const FINGERPRINT = `
local keys = redis.call('KEYS', '*')
table.sort(keys)
local parts = {}
for _, key in ipairs(keys) do
  parts[#parts + 1] = key
  local kind = redis.call('TYPE', key).ok
  -- A large hash or set moves its parts about when it is read.
  if kind == 'hash' then
    local names = redis.call('HKEYS', key)
    table.sort(names)
    for _, name in ipairs(names) do
      parts[#parts + 1] = name
      parts[#parts + 1] = redis.call('HGET', key, name)
    end
  elseif kind == 'set' then
    local members = redis.call('SMEMBERS', key)
    table.sort(members)
    for _, member in ipairs(members) do parts[#parts + 1] = member end
  else
    parts[#parts + 1] = redis.call('DUMP', key)
  end
end
return redis.sha1hex(table.concat(parts, '|'))
`;

async function fingerprintOf(redis: Redis): Promise<string> {
  return String(await redis.eval(FINGERPRINT, 0));
}
