/**
 * Owns the promise about requests that only a bare socket can send: malformed framing, strange hosts, slow senders, and how the server
 * drains. Every refusal is SCIM JSON on a closed connection. RFC 9112 §2.2, §3.2, §6.3; waits are shortened by injection, never slept.
 */
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SERVER_WAITS_MS } from '../../src/http/server.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { openSite, type ScimServer, serveSites } from '../support/scim-server.ts';

let redisServer: TestRedis;
let redis: Redis;
let server: ScimServer;

beforeAll(async () => {
  redisServer = await startRedis({ appendfsync: 'no' });
  redis = redisServer.connect('commands');
  server = await serveSites([openSite(redis)], {
    waitsMs: { ...SERVER_WAITS_MS, request: 400, headers: 300, check: 50 },
  });
  await server.app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await server.app.close();
  await redisServer.stop();
});

const portOf = (target: ScimServer): number => (target.app.server.address() as AddressInfo).port;

/** Writes bytes and gives back all that comes until the server closes. */
async function raw(bytes: string, target = server): Promise<string> {
  const socket = connect(portOf(target), '127.0.0.1');
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  // A server that closes early may reset what we still write.
  socket.on('error', () => undefined);
  socket.write(bytes);
  await once(socket, 'close');
  return text;
}

function expectScim(text: string, status: number): void {
  expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(text.toLowerCase()).toContain('content-type: application/scim+json; charset=utf-8');
  expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4))).toMatchObject({
    schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
    status: String(status),
  });
}

const head = (line = 'GET /scim/v2/Users HTTP/1.1', ...headers: string[]): string => [line, ...headers].join('\r\n');
const HOST = 'Host: scim.example.com';
const CLOSE = 'Connection: close';
const auth = (): string => `Authorization: Bearer ${server.token}`;

describe('framing', () => {
  const POST = 'POST /scim/v2/Users HTTP/1.1';
  test.each([
    ['B39 a length and chunks', head(POST, HOST, 'Content-Length: 3', 'Transfer-Encoding: chunked', '', '0\r\n\r\n')],
    ['B39 two lengths', head(POST, HOST, 'Content-Length: 3', 'Content-Length: 4', '', 'abcd')],
    ['B39 an unknown coding', head(POST, HOST, 'Transfer-Encoding: xchunked', '', 'abcd')],
    ['B39 a space before the colon', head(POST, HOST, 'Content-Length : 3', '', 'abc')],
    ['B39 a folded header', head(POST, HOST, 'X-A: 1', ' 2', '', '')],
    ['B39 bare line feeds', `${POST}\nHost: x\n\n`],
    ['B39 a bad chunk size', head(POST, HOST, 'Transfer-Encoding: chunked', '', 'zz\r\nabc\r\n0\r\n\r\n')],
    ['B42 a NUL in a header', head(undefined, HOST, 'X-A: a\u0000b', '', '')],
    ['B42 a control character in a header', head(undefined, HOST, 'X-A: a\u0001b', '', '')],
  ])('%s is 400 on a closed connection', async (_, bytes) => {
    expectScim(await raw(bytes), 400);
  });

  test('B41 headers or a path beyond 16 KiB are 431', async () => {
    expectScim(await raw(head(undefined, HOST, `X-A: ${'a'.repeat(20_000)}`, '', '')), 431);
    expectScim(await raw(head(`GET /scim/v2/Users?filter=${'a'.repeat(20_000)} HTTP/1.1`, HOST, '', '')), 431);
  });

  test('B43 a body that drips in is 408 and its connection is closed', async () => {
    expectScim(await raw(head(POST, HOST, auth(), 'Content-Type: application/json', 'Content-Length: 100', '', '{')), 408);
  });

  test('B43 headers that never end are 408', async () => {
    expectScim(await raw(head(undefined, HOST, 'X-A: ')), 408);
  });

  test('B43 outside tests the waits add up to less than 15 s, and idle connections are bounded', () => {
    const { request, headers, check, handler, keepAlive, finishing, silent } = SERVER_WAITS_MS;
    expect(request + check).toBeLessThan(15_000);
    expect(headers).toBeLessThan(request);
    expect(handler).toBeGreaterThan(request + check);
    expect(keepAlive).toBeLessThanOrEqual(65_000);
    expect(finishing).toBeGreaterThan(handler);
    expect(finishing + silent).toBeLessThanOrEqual(25_000);
    expect(server.app.server.maxConnections).toBeGreaterThan(0);
  });
});

describe('hosts', () => {
  test.each([
    ['no Host', head(undefined, CLOSE, '', '')],
    ['two Hosts', head(undefined, HOST, 'Host: evil.example', CLOSE, '', '')],
    ['an absolute URL', head('GET http://evil.example/scim/v2/Users HTTP/1.1', HOST, CLOSE, '', '')],
    ['a request line without version', 'GET /scim/v2/ServiceProviderConfig\r\n\r\n'],
  ])('B40 %s is 400', async (_, bytes) => {
    expectScim(await raw(bytes), 400);
  });

  test('B48 two Authorization headers are 401, even if one is right', async () => {
    expectScim(await raw(head(undefined, HOST, auth(), 'Authorization: Bearer other', CLOSE, '', '')), 401);
    expectScim(await raw(head(undefined, HOST, 'Authorization: Bearer other', auth(), CLOSE, '', '')), 401);
    expect(await raw(head(undefined, HOST, auth(), CLOSE, '', ''))).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('B45 TRACE and an overridden method reach nothing', async () => {
    expectScim(await raw(head('TRACE /scim/v2/Users HTTP/1.1', HOST, auth(), CLOSE, '', '')), 405);
    const text = await raw(head(undefined, HOST, auth(), 'X-HTTP-Method-Override: DELETE', CLOSE, '', ''));
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe('draining', () => {
  /** A server of its own whose list waits for `release` and then holds one very long name. */
  async function slowServer() {
    const gate = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    const id = '00000000-0000-5000-8000-000000000000';
    const attributes = { userName: 'x'.repeat(30_000_000), active: true };
    const stamps = { createdAtMs: 0, modifiedAtMs: 0, generation: 1, settledGeneration: 1 };
    const record = { schemaVersion: 1, id, reference: 'x', attributes, deleted: false, requestId: 'x', open: [], ...stamps };
    const list = async () => {
      entered.resolve();
      await gate.promise;
      return { records: [record], totalResults: 1 };
    };
    const target = await serveSites([openSite(redis, { users: { list } })], { waitsMs: { ...SERVER_WAITS_MS, silent: 50 } });
    await target.app.listen({ host: '127.0.0.1', port: 0 });
    const path = (attributesWanted: string) => `/scim/v2/Users?attributes=${attributesWanted}`;
    const headers = { authorization: `Bearer ${target.token}` };
    return { ...target, path, headers, entered: entered.promise, release: gate.resolve };
  }

  /** Waits until a newcomer is told to close, or finds the door shut. */
  async function untilClosing(target: ScimServer): Promise<void> {
    const agent = new Agent({ keepAlive: true });
    const connection = async () => {
      try {
        const [response] = await once(
          get({ agent, port: portOf(target), host: '127.0.0.1', path: '/scim/v2/Schemas' }),
          'response',
        );
        response.resume();
        return response.headers.connection;
      } catch {
        return 'close';
      }
    };
    await expect.poll(connection).toBe('close');
    agent.destroy();
  }

  test('a request under way is answered, told to close, and does not hold up the end', async () => {
    const target = await slowServer();
    const agent = new Agent({ keepAlive: true });
    const request = get({ agent, port: portOf(target), host: '127.0.0.1', path: target.path('id'), headers: target.headers });
    await target.entered;
    const closed = target.app.close();
    await untilClosing(target);
    target.release();
    const [response] = await once(request, 'response');
    expect(response.statusCode).toBe(200);
    expect(response.headers.connection).toBe('close');
    response.resume();
    await closed;
    agent.destroy();
  });

  test('an answer that is written but not yet sent arrives complete', async () => {
    const target = await slowServer();
    target.release();
    const socket = connect(portOf(target), '127.0.0.1');
    socket.write(head(`GET ${target.path('userName')} HTTP/1.1`, HOST, `Authorization: ${target.headers.authorization}`, '', ''));
    await once(socket, 'readable');
    const closed = target.app.close();
    await untilClosing(target);
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    await once(socket, 'close');
    expect(bytes).toBeGreaterThan(30_000_000);
    await closed;
  });

  test('a connection that never sends a whole request does not hold up the end', async () => {
    const target = await slowServer();
    const socket = connect(portOf(target), '127.0.0.1').on('error', () => undefined);
    socket.write('GET /scim/v2/Us');
    const connections = async () =>
      await new Promise((resolve) => target.app.server.getConnections((_, count) => resolve(count)));
    await expect.poll(connections).toBe(1);
    const gone = once(socket, 'close');
    await target.app.close();
    await gone;
  });
});
