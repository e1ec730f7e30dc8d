/**
 * Owns the promise that nobody can take the server away from others: silent, slow and idle connections, a site whose client has gone wild, bodies that are
 * large all at once, and requests that never end. Limits are tightened by injection and states are waited for, never times. RFC 9110 §15.5.9, §15.6.4.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { SERVER_LIMITS } from '../../src/http/limits.ts';
import { SERVER_WAITS_MS } from '../../src/http/server.ts';
import { Secret } from '../../src/secret.ts';
import { type Bench, type BenchOptions, expectRefusal, GROUPS, openBench, USERS } from '../support/bad-input.ts';
import { bytesOf } from '../support/raw-http.ts';
import { openSite, person, type TestSite } from '../support/scim-server.ts';

const WAIT = { timeout: 15_000, interval: 25 };
const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function open(options: BenchOptions): Promise<Bench> {
  const bench = await openBench(options);
  ends.push(() => bench.close());
  return bench;
}

/** A connection that is kept, and how often it has been answered. */
async function hold(bench: Bench): Promise<{ socket: Socket; text: () => string }> {
  const socket = connect(bench.port, '127.0.0.1').on('error', () => undefined);
  ends.push(() => void socket.destroy());
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(socket, 'connect');
  return { socket, text: () => text };
}

/** A directory that answers lists only when it is let go, and says how many wait. */
function gatedLists() {
  const gate = Promise.withResolvers<void>();
  const waiting = { count: 0 };
  const list = async () => {
    waiting.count += 1;
    await gate.promise;
    return { records: [], totalResults: 0 };
  };
  return { users: { list }, waiting, release: gate.resolve };
}

const keepAlive = (bench: Bench, path = '/scim/v2/Schemas') =>
  bytesOf({ path, headers: { connection: 'keep-alive' } }, bench.server.token);
const answers = (text: string): number => text.split('HTTP/1.1 200 ').length - 1;

describe('B44 S16 connections', () => {
  const few = { ...SERVER_LIMITS, connections: 10, connectionsSpare: 40 };

  test('B44 that never send anything are closed with 408', async () => {
    const bench = await open({ waitsMs: { ...SERVER_WAITS_MS, headers: 300, request: 400, check: 50 } });
    const silent = await Promise.all(Array.from({ length: 50 }, () => hold(bench)));
    await Promise.all(silent.map(async ({ socket }) => socket.destroyed || (await once(socket, 'close'))));
    for (const { text } of silent) expect(text()).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('B44 that are idle make room, those of strangers first, so that nobody is kept out', async () => {
    const bench = await open({ limits: few });
    const known = await hold(bench);
    known.socket.write(keepAlive(bench));
    await vi.waitFor(() => expect(answers(known.text())).toBe(1), WAIT);
    const crowd: Awaited<ReturnType<typeof hold>>[] = [];
    for (let at = 0; at < 40; at += 1) crowd.push(await hold(bench));
    await vi.waitFor(() => expect(crowd.filter(({ socket }) => socket.destroyed).length).toBeGreaterThanOrEqual(31), WAIT);

    expect((await bench.send({})).status).toBe(200);
    known.socket.write(keepAlive(bench));
    await vi.waitFor(() => expect(answers(known.text())).toBe(2), WAIT);
    const told = bench.server.logLines.filter((line) => line.includes('all connections are taken'));
    expect(told).toHaveLength(1);
  });

  test('B44 B43 of strangers that send slowly what is read without a token make room; whoever has shown one does not', async () => {
    const bench = await open({ limits: few, oauth: { signingKey: new Secret('k'.repeat(64)), tokenSeconds: 3_600 } });
    const known = await hold(bench);
    const [head = '', body = ''] = bytesOf({ body: person('slow') }, bench.server.token)
      .toString('latin1')
      .split('\r\n\r\n');
    known.socket.write(`${head}\r\n\r\n${body.slice(0, 10)}`);
    const form =
      'POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 900\r\n\r\n';
    const crowd: Awaited<ReturnType<typeof hold>>[] = [];
    for (let at = 0; at < 40; at += 1) {
      const one = await hold(bench);
      one.socket.write(`${form}grant_type`);
      crowd.push(one);
    }
    await vi.waitFor(() => expect(crowd.filter(({ socket }) => socket.destroyed).length).toBeGreaterThanOrEqual(31), WAIT);

    expect((await bench.send({})).status).toBe(200);
    known.socket.write(body.slice(10));
    await vi.waitFor(() => expect(known.text()).toMatch(/^HTTP\/1\.1 201 /), WAIT);
  });

  test('B44 beyond the limit while all are busy are answered 503 with Retry-After, and nothing is done for them', async () => {
    const { users, waiting, release } = gatedLists();
    const bench = await open({ limits: { ...few, connections: 5 }, site: { users } });
    const busy = await Promise.all(Array.from({ length: 5 }, () => hold(bench)));
    for (const { socket } of busy) socket.write(bytesOf({}, bench.server.token));
    await vi.waitFor(() => expect(waiting.count).toBe(5), WAIT);

    const refused = { status: 503, says: /not acknowledged: all connections of this server are busy.*again in one second/ };
    const { headers } = await bench.refused({ method: 'DELETE', path: `${USERS}/${bench.ann}` }, refused);
    expect([headers['retry-after'], headers.connection]).toEqual(['1', 'close']);
    expect((await bench.refused({ headers: { authorization: null } }, refused)).headers['www-authenticate']).toBeUndefined();
    // Whoever looks after the server must get in just then.
    expect((await bench.send({ path: '/livez' })).status).toBe(404);

    release();
    await vi.waitFor(() => expect(busy.every(({ text }) => answers(text()) === 1)).toBe(true), WAIT);
    expect((await bench.send({ path: `${USERS}/${bench.ann}` })).status).toBe(200);
  });

  test('B43 B44 outside tests the waits and limits hold together', () => {
    const { request, headers, check, handler, keepAlive: idle } = SERVER_WAITS_MS;
    expect(request + check).toBeLessThan(15_000);
    expect(headers).toBeLessThan(request);
    expect(handler).toBeGreaterThan(request + check);
    expect(idle).toBeGreaterThanOrEqual(10_000);
    expect(idle).toBeLessThanOrEqual(65_000);
    expect(SERVER_LIMITS.connections + SERVER_LIMITS.connectionsSpare).toBeLessThan(5_000);
    expect(SERVER_LIMITS.siteRequests).toBeLessThan(SERVER_LIMITS.connections);
    expect(SERVER_LIMITS.urlChars).toBeLessThan(SERVER_LIMITS.headerBytes);
  });
});

describe('S16 one site', () => {
  test.each([
    ['okta', 429],
    ['entra', 503],
  ] as const)('with too many requests under way is answered %s-like with %i, and the others are served', async (idp, status) => {
    const { users, waiting, release } = gatedLists();
    let other: TestSite | undefined;
    const more = (redis: Parameters<NonNullable<BenchOptions['more']>>[0]) => {
      other = openSite(redis);
      return [other];
    };
    const bench = await open({ limits: { ...SERVER_LIMITS, siteRequests: 3 }, site: { idp, users }, more });
    const busy = await Promise.all(Array.from({ length: 3 }, () => hold(bench)));
    for (const { socket } of busy) socket.write(bytesOf({}, bench.server.token));
    await vi.waitFor(() => expect(waiting.count).toBe(3), WAIT);

    const says = /not acknowledged: 3 requests of this SCIM connection are under way.*again in one second/;
    const { headers } = await bench.refused({ method: 'DELETE', path: `${USERS}/${bench.ann}` }, { status, says });
    expect(headers['retry-after']).toBe('1');
    // A stranger learns nothing of it, and takes nobody's place.
    await bench.refused({ headers: { authorization: 'Bearer wrong' } }, { status: 401, says: /bearer token/ });
    expect((await bench.send({ headers: { authorization: `Bearer ${other?.token}` } })).status).toBe(200);

    release();
    await vi.waitFor(() => expect(busy.every(({ text }) => answers(text()) === 1)).toBe(true), WAIT);
    expect((await bench.send({ path: `${USERS}/${bench.ann}` })).status).toBe(200);
  });

  test('whose clients give up has its places back', async () => {
    const { users, waiting, release } = gatedLists();
    const bench = await open({ limits: { ...SERVER_LIMITS, siteRequests: 2 }, site: { users } });
    ends.push(release);
    const gone = await Promise.all(Array.from({ length: 2 }, () => hold(bench)));
    for (const { socket } of gone) socket.write(bytesOf({}, bench.server.token));
    await vi.waitFor(() => expect(waiting.count).toBe(2), WAIT);
    expect((await bench.send({ path: `${USERS}/${bench.ann}` })).status).toBe(503);
    for (const { socket } of gone) socket.destroy();
    await vi.waitFor(async () => expect((await bench.send({ path: `${USERS}/${bench.ann}` })).status).toBe(200), WAIT);
  });

  test.each([
    ['an announced length', { 'content-length': '300000' }],
    ['a length that nobody knows', { 'content-length': null, 'transfer-encoding': 'chunked' }],
  ])('may send few large bodies at once (%s), and small requests pass', async (_, headers) => {
    const bench = await open({ limits: { ...SERVER_LIMITS, siteLargeBodies: 1 } });
    const before = await bench.fingerprint();
    const large = {
      method: 'POST',
      path: GROUPS,
      headers: { 'content-type': 'application/scim+json', expect: '100-continue', ...headers },
    };
    const slow = await hold(bench);
    slow.socket.write(bytesOf(large, bench.server.token));
    await vi.waitFor(async () => {
      const answer = await bench.sendBytes(
        bytesOf({ ...large, headers: { ...large.headers, expect: null } }, bench.server.token),
      );
      expectRefusal(answer, { status: 503, says: /not acknowledged: 1 large requests of this SCIM connection are under way/ });
    }, WAIT);
    expect(await bench.fingerprint()).toBe(before);
    expect((await bench.send({ path: GROUPS, body: { displayName: 'Small' } })).status).toBe(201);
    slow.socket.destroy();
    const body = `{"displayName":"Large"${' '.repeat(300_000)}}`;
    await vi.waitFor(async () => expect((await bench.send({ path: GROUPS, body })).status).toBe(201), WAIT);
  });
});

describe('S16 time', () => {
  test('a request that the directory does not answer is 503 with Retry-After', async () => {
    const { users, release } = gatedLists();
    ends.push(release);
    const bench = await open({ site: { users }, waitsMs: { ...SERVER_WAITS_MS, handler: 300 } });
    const answer = await bench.refused(
      {},
      { status: 503, says: /not acknowledged: the directory did not answer in time.*10 seconds/ },
    );
    expect(answer.headers['retry-after']).toBe('10');
  });

  test('B43 a body that drips is 408 however steadily it drips, and writes nothing', async () => {
    const bench = await open({ waitsMs: { ...SERVER_WAITS_MS, headers: 300, request: 600, check: 50 } });
    const before = await bench.fingerprint();
    const { socket, text } = await hold(bench);
    socket.write(
      bytesOf({ method: 'POST', headers: { 'content-type': 'application/json', 'content-length': '1000' } }, bench.server.token),
    );
    const drip = setInterval(() => socket.write(' '), 20);
    await once(socket, 'close');
    clearInterval(drip);
    expect(text()).toMatch(/^HTTP\/1\.1 408 /);
    expect(text()).toContain('"status":"408"');
    expect(await bench.fingerprint()).toBe(before);
  });
});

test('S16 every limit is told to operators as it is', () => {
  const page = readFileSync('docs/limits.md', 'utf8');
  const kib = (bytes: number): string => `${bytes / 1024} KiB`;
  const seconds = (ms: number): string => `${ms / 1_000} s`;
  const {
    headerBytes,
    headers,
    urlChars,
    pathSegmentChars,
    connections,
    connectionsSpare,
    siteRequests,
    siteLargeBodies,
    bodyBytes,
  } = SERVER_LIMITS;
  for (const [what, limit] of [
    ['Path and headers together', kib(headerBytes)],
    ['Headers', headers],
    ['Path and query', `${urlChars} characters`],
    ['An id in a path', `${pathSegmentChars} characters`],
    ['Time until the headers are complete', seconds(SERVER_WAITS_MS.headers)],
    ['Time until the request is complete', seconds(SERVER_WAITS_MS.request)],
    ['Idle connections', seconds(SERVER_WAITS_MS.keepAlive)],
    ['Connections', connections],
    ['Connections beyond that, for saying so', connectionsSpare],
    ['Requests of one site under way', siteRequests],
    [`Among them with a body above ${kib(bodyBytes)}, or of unknown length where larger ones are allowed`, siteLargeBodies],
    ['Time until the directory has answered', seconds(SERVER_WAITS_MS.handler)],
    ['Body, one person', kib(bodyBytes)],
  ] as const) {
    expect(page).toContain(`\n| ${what} | ${limit} |`);
  }
});
