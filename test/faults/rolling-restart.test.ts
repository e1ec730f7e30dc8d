/**
 * SIGTERM under load and over a call that hangs: real processes, clients that keep their connections, a rolling restart into another release.
 * What was acknowledged is kept, and what was not answered was not begun.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Fleet } from '../support/fleet.ts';
import { oktaUser, person } from '../support/people.ts';
import { SCIM_TOKEN } from '../support/service.ts';
import type { ServiceProcess } from '../support/service-process.ts';
import { SteadyLoad } from '../support/steady-load.ts';
import { until } from '../support/until.ts';
import { addingRelease, type Release } from '../support/versions.ts';

const LONG = { timeout: 240_000 };
const PATIENCE = { timeoutMs: 90_000, everyMs: 50 };
/** Requests that a client sends before it has read an answer; whoever sends many more is cut. */
const SENT_AHEAD = 6;
const ENDED_BY_ITSELF = { code: 0, signal: null };

let fleet: Fleet;
let release: Release;

beforeAll(() => {
  release = addingRelease();
});
afterEach(async () => {
  await fleet?.close();
});
afterAll(() => release?.remove());

describe('F70 SIGTERM under load', () => {
  test(
    'F70 a rolling restart into another release, api and workers: every write is answered, and every answer is kept',
    LONG,
    async () => {
      fleet = await Fleet.open({ MAXIO_PRODUCT_HANDLE: 'pro', SHUTDOWN_DELAY_SECONDS: '3' });
      const apis = [await fleet.start('api'), await fleet.start('api')];
      const workers = [await fleet.start('worker'), await fleet.start('worker')];
      const load = new SteadyLoad(apis);
      load.start();
      for (const each of [...apis, ...workers]) {
        const { answers } = load;
        await until('the load is on', () => load.answers > answers + 50, PATIENCE);
        expect(await each.end('SIGTERM')).toEqual(ENDED_BY_ITSELF);
        await fleet.restart(each, release);
        await each.ready();
      }
      const { answers } = load;
      await until('all replicas are in use again', () => load.answers > answers + 50, PATIENCE);
      await load.stop();
      await fleet.settled();

      expect(load.unanswered).toEqual([]);
      expect(load.strange).toEqual([]);
      const goodbyes = apis.reduce((sum, { name }) => sum + (load.goodbyes.get(name) ?? 0), 0);
      expect(goodbyes, 'goodbyes on connections in use').toBeGreaterThan(0);
      for (const each of apis) expect((await fleet.health(each)).version).toBe(release.version);
      for (const [n, { id, familyName, ...rest }] of load.acknowledged) {
        const { body } = await fleet.scim(apis[n % 2] ?? expect.fail('two replicas'), 'GET', `/Users/${id}`);
        expect(body).toMatchObject({ ...rest, name: { familyName }, externalId: person(n).externalId });
      }
      const { state } = fleet.sandbox;
      const customers = state.customers();
      const names = new Map(customers.map(({ reference, last_name }) => [reference, last_name]));
      expect(names.size, 'nobody is there twice').toBe(customers.length);
      const billed = state.subscriptions().filter((each) => each.state === 'active');
      const active = [...load.acknowledged].filter(([, each]) => each.active).map(([n]) => person(n).externalId);
      expect(billed.map(({ customer }) => customer?.reference).sort()).toEqual(active.sort());
      // Whoever leaves is not renamed any more at Maxio, or was never there: only what bills matters.
      for (const [n, each] of load.acknowledged) if (each.active) expect(names.get(person(n).externalId)).toBe(each.familyName);
    },
  );

  test.each(['0', '1'])(
    'F70 clients that notice nothing, %s s before the door closes: whoever got no answer was not begun',
    LONG,
    async (delay) => {
      fleet = await Fleet.open({ SHUTDOWN_DELAY_SECONDS: delay });
      const api = await fleet.start('api');
      const told = { created: [] as number[], unanswered: [] as number[], goodbyes: 0 };
      let next = 1;
      const lane = async (): Promise<void> => {
        const pool = new Pool(api.url, { connections: 1 });
        for (;;) {
          const n = next++;
          try {
            const answer = await pool.request({ ...posting(n), method: 'POST' });
            await answer.body.dump();
            expect(answer.statusCode).toBe(201);
            told.created.push(n);
            if (answer.headers.connection === 'close') told.goodbyes += 1;
          } catch (error) {
            if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') break;
            told.unanswered.push(n);
          }
        }
        await pool.destroy();
      };
      const lanes = Array.from({ length: 8 }, lane);
      await until('the load is on', () => told.created.length > 100, PATIENCE);
      expect(await api.end('SIGTERM')).toEqual(ENDED_BY_ITSELF);
      await Promise.all(lanes);
      expect(told.goodbyes).toBeGreaterThan(0);
      await fleet.restart(api);
      await expectTrue(api, told);
    },
  );

  test('F70 clients that send without waiting for an answer: whoever got none was not begun', LONG, async () => {
    fleet = await Fleet.open({ SHUTDOWN_DELAY_SECONDS: '1' });
    const api = await fleet.start('api');
    const told = { created: [] as number[], unanswered: [] as number[] };
    let next = 1;
    const heard = [0, 0, 0, 0];
    const flood = async (which: number): Promise<void> => {
      const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
      // The far end may close with our requests unread.
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      const sent: number[] = [];
      let text = '';
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
        heard[which] = text.split('HTTP/1.1 ').length - 1;
      });
      // Not by `once`, which would throw for the error that comes first.
      const closed = new Promise((resolve) => socket.once('close', resolve));
      while (!socket.destroyed && socket.readable) {
        for (; sent.length - (heard[which] ?? 0) < SENT_AHEAD; next += 1) {
          sent.push(next);
          socket.write(bytesOf(next));
        }
        await sleep(4);
      }
      await closed;
      const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
      expect(statuses.length).toBeGreaterThan(20);
      expect(statuses.filter((status) => status !== 201)).toEqual([]);
      expect(text.match(/^connection: close/gim)).toHaveLength(1);
      for (const [i, n] of sent.entries()) (statuses[i] === 201 ? told.created : told.unanswered).push(n);
    };
    const floods = heard.map(async (_, which) => await flood(which));
    await until('the load is on', () => heard.every((answers) => answers > 20), PATIENCE);
    expect(await api.end('SIGTERM')).toEqual(ENDED_BY_ITSELF);
    await Promise.all(floods);
    expect(told.unanswered.length, 'more was sent than answered').toBeGreaterThan(0);
    await fleet.restart(api);
    await expectTrue(api, told);
  });
});

describe('F71 SIGTERM while a call to Maxio hangs', () => {
  test('F71 the worker ends by its deadline, another one finishes, and it counts as nobody’s failure', LONG, async () => {
    fleet = await Fleet.open({ MAXIO_PRODUCT_HANDLE: 'pro' });
    const [api, worker] = [await fleet.start('api'), await fleet.start('worker')];
    fleet.sandbox.state.setFault({ match: { method: 'POST' }, kind: 'stall', times: 1, delayMs: 60_000 });
    const { body } = await fleet.scim(api, 'POST', '/Users', oktaUser(person(1)));
    await until('the call hangs', () => fleet.mutations('POST').length === 1, PATIENCE);
    expect(await worker.end('SIGTERM')).toEqual(ENDED_BY_ITSELF);
    expect((await fleet.stored([String(body.id)]))[0]?.open).toContain('create-with-subscription');

    await fleet.start('worker');
    await fleet.settled();
    expect(fleet.sandbox.state.subscriptions().map(({ state }) => state)).toEqual(['active']);
    expect(fleet.mutations('POST')).toHaveLength(2);
    const run = JSON.parse((await fleet.stored([String(body.id)]))[0]?.run ?? '{}') as object;
    expect(run).toMatchObject({ outcome: 'settled', attempts: 0 });
    expect(await fleet.commands.hgetall(fleet.key('unfinished'))).toEqual({});
  });
});

/** What was answered is there, and nothing else of what was sent. */
async function expectTrue(api: ServiceProcess, told: { created: number[]; unanswered: number[] }): Promise<void> {
  const there = async (n: number): Promise<unknown> =>
    (await fleet.scim(api, 'GET', `/Users?filter=${encodeURIComponent(`externalId eq "${person(n).externalId}"`)}`)).body
      .totalResults;
  for (const n of told.created) expect([n, await there(n)]).toEqual([n, 1]);
  for (const n of told.unanswered) expect([n, await there(n)]).toEqual([n, 0]);
  const all = await fleet.scim(api, 'GET', '/Users?count=0');
  expect(all.body.totalResults).toBe(told.created.length);
}

function posting(n: number): { path: string; headers: Record<string, string>; body: string } {
  return {
    path: '/scim/v2/Users',
    headers: { authorization: `Bearer ${SCIM_TOKEN}`, 'content-type': 'application/scim+json' },
    body: JSON.stringify(oktaUser(person(n))),
  };
}

function bytesOf(n: number): string {
  const { path, headers, body } = posting(n);
  const lines = Object.entries({ ...headers, host: 'localhost', 'content-length': Buffer.byteLength(body) });
  return `POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
}
