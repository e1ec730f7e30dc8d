/**
 * Owns the promise that nobody can take the server away from others: silent, slow and idle connections, a site whose client has gone wild, bodies that are
 * large all at once, and requests that never end. Limits are tightened by injection and states are waited for, never times. RFC 9110 §15.5.9, §15.6.4.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { PAGE_BYTES_MAX } from '../../src/directory/stretch.ts';
import { SERVER_LIMITS } from '../../src/http/limits.ts';
import { SERVER_WAITS_MS } from '../../src/http/server.ts';
import { LIST_LIMITS } from '../../src/scim/list.ts';
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
/** What needs no token, and is answered at length. */
const OPEN = 'GET /scim/v2/Schemas HTTP/1.1\r\nhost: x\r\n\r\n';
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

  test('B44 that send on without reading what they were answered are cut at once, and few requests sent ahead are answered in order', async () => {
    const bench = await open({ limits: { ...few, pipelined: 4 } });
    const begun = () => bench.server.logLines.filter((line) => line.includes('"route":"/scim/v2/Schemas"')).length;
    const stranger = await hold(bench);
    stranger.socket.write(OPEN.repeat(1_500));
    await vi.waitFor(() => expect(stranger.socket.destroyed).toBe(true), WAIT);
    expect([stranger.text(), begun()]).toEqual(['', 0]);

    const client = await hold(bench);
    const asked = ['/scim/v2/Schemas', USERS, '/scim/v2/nothing', `${USERS}/${bench.ann}`];
    client.socket.write(Buffer.concat(asked.map((path) => keepAlive(bench, path))));
    const statuses = () => [...client.text().matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
    await vi.waitFor(() => expect(statuses()).toEqual([200, 200, 404, 200]), WAIT);
    client.socket.write(keepAlive(bench));
    await vi.waitFor(() => expect(statuses()).toHaveLength(5), WAIT);
  });

  test('B44 of strangers that do not read make room while all are busy; whoever has shown a token does not', async () => {
    const { users, waiting, release } = gatedLists();
    // So many answers that they do not fit into what the system keeps for a connection.
    const bench = await open({ limits: { ...few, connections: 4, pipelined: 1_000 }, site: { users } });
    const taken: Socket[] = [];
    bench.server.app.server.on('connection', (socket: Socket) => taken.push(socket));
    const known = await hold(bench);
    known.socket.write(keepAlive(bench, USERS));
    await vi.waitFor(() => expect(waiting.count).toBe(1), WAIT);
    for (let at = 0; at < 3; at += 1) (await hold(bench)).socket.pause().write(OPEN.repeat(400));
    await vi.waitFor(() => expect(taken.filter((socket) => socket.writableLength > 0)).toHaveLength(3), WAIT);

    for (let at = 0; at < 3; at += 1) expect((await bench.send({ path: `${USERS}/${bench.ann}` })).status).toBe(200);
    expect(taken.slice(0, 2).map((socket) => socket.destroyed)).toEqual([false, true]);
    release();
    await vi.waitFor(() => expect(answers(known.text())).toBe(1), WAIT);
  });

  test('B44 that take nothing of their answer for too long are cut, those that wait for one are not', async () => {
    const { users, waiting, release } = gatedLists();
    const bench = await open({
      limits: { ...few, pipelined: 1_000 },
      site: { users },
      waitsMs: { ...SERVER_WAITS_MS, reading: 200 },
    });
    const known = await hold(bench);
    known.socket.write(keepAlive(bench, USERS));
    const idle = await hold(bench);
    const stranger = await hold(bench);
    stranger.socket.pause().write(OPEN.repeat(400));
    const connections = async () =>
      await new Promise((resolve) => bench.server.app.server.getConnections((_, count) => resolve(count)));
    await vi.waitFor(async () => expect(await connections()).toBe(1), WAIT);
    expect([waiting.count, idle.socket.destroyed, known.socket.destroyed]).toEqual([1, true, false]);
    release();
    await vi.waitFor(() => expect(answers(known.text())).toBe(1), WAIT);
  });

  test('B43 B44 outside tests the waits and limits hold together', () => {
    const { request, headers, check, handler, keepAlive: idle, reading } = SERVER_WAITS_MS;
    expect(request + check).toBeLessThan(15_000);
    expect(headers).toBeLessThan(request);
    expect(handler).toBeGreaterThan(request + check);
    expect(reading).toBeGreaterThan(handler);
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
  test('what the directory does not answer is 503 with Retry-After, with and without a body, and nobody is named when it is done after all', async () => {
    const bench = await open({ waitsMs: { ...SERVER_WAITS_MS, handler: 2_500 } });
    const gate = Promise.withResolvers<never>();
    const waiting: string[] = [];
    const wait = (what: string) => async () => {
      waiting.push(what);
      return await gate.promise;
    };
    const { users } = bench.server.door;
    const stuck = { list: wait('list'), create: wait('create'), replace: wait('replace'), remove: wait('remove') };
    Object.assign(users, stuck);
    const search = { schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'], filter: 'userName eq "canary"' };
    const told = await Promise.all(
      [
        { path: `${USERS}?filter=userName+eq+%22canary%22` },
        { path: `${USERS}/.search`, body: search },
        { body: person('canary') },
        { method: 'PUT', path: `${USERS}/${bench.ann}`, body: person('canary') },
        { method: 'DELETE', path: `${USERS}/${bench.ann}` },
      ].map(async (request) => await bench.send(request)),
    );
    for (const answer of told) {
      const says = /not acknowledged: the directory did not answer in time.*10 seconds/;
      expectRefusal(answer, { status: 503, says });
      expect(answer.headers['retry-after']).toBe('10');
    }
    expect(waiting.sort()).toEqual(['create', 'list', 'list', 'remove', 'replace']);
    gate.reject(new Error('canary'));
    expect((await bench.send({ path: `${USERS}/${bench.ann}` })).status).toBe(200);
    expect(bench.server.logLines.filter((line) => line.includes('canary'))).toEqual([]);
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

  test('B43 whoever was answered before the body had arrived gets no second answer for it', async () => {
    const bench = await open({ waitsMs: { ...SERVER_WAITS_MS, headers: 300, request: 600, check: 50 } });
    const { socket, text } = await hold(bench);
    const headers = { 'content-type': 'application/json', 'content-length': '1000', connection: 'keep-alive' };
    socket.write(bytesOf({ method: 'POST', path: '/scim/v2/Nothing', headers }, bench.server.token));
    await once(socket, 'close');
    expect(text()).toMatch(/^HTTP\/1\.1 404 /);
    expect(text().split('HTTP/1.1 ')).toHaveLength(2);
  });
});

describe('S16 work', () => {
  /** Two sites on one server, and the token of the other one. */
  async function openTwo(): Promise<{ bench: Bench; another: () => Promise<number> }> {
    let token = '';
    const more = (redis: Parameters<NonNullable<BenchOptions['more']>>[0]) => {
      const other = openSite(redis);
      ({ token } = other);
      return [other];
    };
    const bench = await open({ more });
    const another = async (): Promise<number> => (await bench.send({ headers: { authorization: `Bearer ${token}` } })).status;
    return { bench, another };
  }

  test('a filter over texts that are expensive to fold is answered, and so is another site meanwhile', async () => {
    const { bench, another } = await openTwo();
    const title = `a${'\u0301\u0323'.repeat(15_000)}`;
    for (let n = 0; n < 5; n += 1) expect((await bench.send({ body: person(`p${n}`, { title }) })).status).toBe(201);
    const filter = encodeURIComponent(Array.from({ length: 10 }, () => 'title co "x"').join(' or '));
    const normalised = vi.spyOn(String.prototype, 'normalize');
    ends.push(() => normalised.mockRestore());
    const [answer, status] = await Promise.all([bench.send({ path: `${USERS}?filter=${filter}` }), another()]);
    expect([answer.status, answer.body?.totalResults, status]).toEqual([200, 0, 200]);
    const lengths = normalised.mock.contexts.map((text) => String(text).length);
    expect(Math.max(0, ...lengths)).toBeLessThan(20_000);
  });

  test('a PATCH that compares too much is refused as a whole, alone and in a bulk request, and another site is answered meanwhile', async () => {
    const { bench, another } = await openTwo();
    const emails = Array.from({ length: 250 }, (_, n) => ({ value: `a${n}@x.example`, display: '\uFDFA'.repeat(240) }));
    const made = await bench.send({ body: person('crowded', { emails }) });
    const path = `${USERS}/${String(made.body?.id)}`;
    const choose = (count: number) => ({
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: Array.from({ length: count }, () => ({ op: 'remove', path: 'emails[display co "x"]' })),
    });
    const before = await bench.fingerprint();
    const [refused, status] = await Promise.all([bench.send({ method: 'PATCH', path, body: choose(1_000) }), another()]);
    expectRefusal(refused, { status: 413, says: /Operation \d+ of 1000: .*Split the request/ });
    expect(status).toBe(200);
    const operations = Array.from({ length: 100 }, () => ({
      method: 'PATCH',
      path: path.slice('/scim/v2'.length),
      data: choose(1),
    }));
    const bulk = await bench.send({
      path: '/scim/v2/Bulk',
      body: { schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'], Operations: operations },
    });
    expect(bulk.body).toMatchObject({
      Operations: expect.arrayContaining([
        expect.objectContaining({ status: '200' }),
        expect.objectContaining({ status: '413' }),
      ]),
    });
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
    pipelined,
    siteRequests,
    siteLargeBodies,
    siteLargeReads,
    largeReadBytes,
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
    ['Requests sent ahead on one connection, the one being answered included', pipelined],
    ['Time in which nothing of an answer is taken', seconds(SERVER_WAITS_MS.reading)],
    ['Connections', connections],
    ['Connections beyond that, for saying so', connectionsSpare],
    ['Requests of one site under way', siteRequests],
    [`Among them with a body above ${kib(bodyBytes)}, or of unknown length where larger ones are allowed`, siteLargeBodies],
    [
      `Among them with more than ${kib(largeReadBytes)} to read: large pages, searches that no index answers, groups of many people`,
      siteLargeReads,
    ],
    ['Resources on one page', `${LIST_LIMITS.maxCount}, and ${PAGE_BYTES_MAX / 1024 ** 2} MiB as they are stored`],
    ['Time until the directory has answered', seconds(SERVER_WAITS_MS.handler)],
    ['Body, one person', kib(bodyBytes)],
  ] as const) {
    expect(page).toContain(`\n| ${what} | ${limit} |`);
  }
});
