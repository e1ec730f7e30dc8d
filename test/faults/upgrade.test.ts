/**
 * Two releases at once, and the way back: real processes of this release beside others, on one Redis with `appendfsync always` and one sandbox.
 * The other releases are this source with changes such as a real release has (test/support/versions.ts).
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Fleet } from '../support/fleet.ts';
import { oktaUser, patch, person } from '../support/people.ts';
import { OpsDoor } from '../support/rollout.ts';
import { OPS_TOKEN } from '../support/service.ts';
import type { ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';
import { addingRelease, billingRelease, nextRelease, previousRelease, type Release } from '../support/versions.ts';

const LONG = { timeout: 180_000 };
const PATIENCE = { timeoutMs: 60_000, everyMs: 100 };

const releases = new Map<string, Release>();
let fleet: Fleet;

beforeAll(() => {
  releases.set('next', nextRelease());
  releases.set('previous', previousRelease());
  releases.set('adding', addingRelease());
  releases.set('billing', billingRelease());
});
beforeEach(async () => {
  fleet = await Fleet.open({ MAXIO_PRODUCT_HANDLE: 'pro' });
});
afterEach(async () => {
  await fleet?.close();
});
afterAll(() => {
  for (const each of releases.values()) each.remove();
});

const release = (name: string): Release => releases.get(name) ?? expect.fail(`no release ${name}`);
const renamed = (familyName: string) => patch({ op: 'replace', path: 'name.familyName', value: familyName });
const byName = (n: number) => `/Users?filter=${encodeURIComponent(`userName eq "${person(n).userName}"`)}`;

async function create(at: ServiceProcess, n: number): Promise<string> {
  const { status, body } = await fleet.scim(at, 'POST', '/Users', oktaUser(person(n)));
  expect(status).toBe(201);
  return String(body.id);
}

async function createMany(at: ServiceProcess, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 1; n <= count; n += 1) ids.push(await create(at, n));
  return ids;
}

/** Everything that could be asked about somebody is answered "not now", in the words and with the header that Okta waits for. */
async function expectTurnedAway(at: ServiceProcess, id: string, n: number): Promise<void> {
  const asked: [string, string, unknown?][] = [
    ['GET', `/Users/${id}`],
    ['PUT', `/Users/${id}`, oktaUser(person(n), { id })],
    ['PATCH', `/Users/${id}`, renamed('Overwritten')],
    ['PATCH', `/Users/${id}`, patch({ op: 'replace', path: 'active', value: false })],
    ['DELETE', `/Users/${id}`],
    ['POST', '/Users', oktaUser(person(n))],
    ['GET', byName(n)],
    ['GET', '/Users?count=100'],
  ];
  for (const [method, path, body] of asked) {
    const answer = await fleet.scim(at, method, path, body);
    expect([method, path, answer.status]).toEqual([method, path, 429]);
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(String(answer.body.detail)).toMatch(/not acknowledged: a newer release has written.+upgrade/);
  }
}

/** It says what is wrong and what to do, to whoever asks and in its log. */
async function expectOutdated(at: ServiceProcess, schema: number): Promise<void> {
  await until(`${at.name} is not ready`, async () => (await fleet.readiness(at)).status === 503, PATIENCE);
  expect((await fleet.readiness(at)).reasons).toMatch(
    new RegExp(`newer release has written to us\\.acme \\(schema version ${schema}, .+Run the newer release here, or restore`),
  );
  const health = await fleet.health(at);
  expect([health.status, health.checks['maxio:us.acme']?.[0].output]).toEqual(['fail', expect.stringContaining('newer-release')]);
  expect(at.output).toMatch(/"level":(50|"error").+A newer release has written to us\.acme.+Run the newer release here/);
}

const customersByReference = (): Record<string, string> =>
  Object.fromEntries(fleet.sandbox.state.customers().map(({ reference, last_name }) => [reference, last_name]));

describe('F72 this release beside the next one, which stores another shape', () => {
  test(
    'F72 turns away and leaves alone whomever the next one has written to, serves everybody else, and nobody is lost or billed twice',
    LONG,
    async () => {
      const next = release('next');
      const [api, worker] = [await fleet.start('api'), await fleet.start('worker')];
      const ids = await createMany(api, 6);
      await fleet.settled();
      const [newApi, newWorker] = [await fleet.start('api', next), await fleet.start('worker', next)];
      expect((await fleet.health(newApi)).version).toBe(next.version);
      expect((await fleet.readiness(api)).status, 'nothing of another shape is there yet').toBe(200);

      // Changes by the next release, some of whose bells the old worker hears first.
      expect((await fleet.scim(newApi, 'PATCH', `/Users/${ids[0]}`, renamed('Next'))).status).toBe(200);
      expect((await fleet.scim(newApi, 'DELETE', `/Users/${ids[1]}`)).status).toBe(204);
      ids.push(await create(newApi, 7));
      await fleet.settled();
      const written = [ids[0], ids[1], ids[6]].map(String);
      const before = await fleet.stored(written);
      expect(before.map(({ v }) => v)).toEqual(Array.from(written, () => String(next.schema)));
      const calls = fleet.mutations();
      expect(fleet.mutations('POST')).toHaveLength(7);

      await expectOutdated(api, next.schema);
      await expectOutdated(worker, next.schema);
      expect((await fleet.readiness(newApi)).status).toBe(200);
      expect((await fleet.readiness(newWorker)).status).toBe(200);
      await expectTurnedAway(api, written[0] ?? '', 1);
      await expectTurnedAway(api, written[2] ?? '', 7);
      expect(await fleet.stored(written)).toEqual(before);
      expect(fleet.mutations()).toEqual(calls);

      // Whom the next release has not written to is served by both.
      expect((await fleet.scim(api, 'PATCH', `/Users/${ids[2]}`, renamed('Old'))).status).toBe(200);
      expect((await fleet.scim(newApi, 'GET', `/Users/${ids[2]}`)).body).toMatchObject({ name: { familyName: 'Old' } });
      await fleet.settled();
      expect(customersByReference()).toMatchObject({ [person(1).externalId]: 'Next', [person(3).externalId]: 'Old' });
      expect(fleet.mutations('POST')).toHaveLength(7);
    },
  );

  test(
    'F72 a worker of this release hears the bells of the next one, does nothing, and leaves the work to a worker of that release',
    LONG,
    async () => {
      const next = release('next');
      const worker = await fleet.start('worker');
      const api = await fleet.start('api', next);
      const id = await create(api, 1);
      // The bell of the next release cannot be read; the sweep of this one rings its own, which leads to a record that cannot be read either.
      await until('the bell was heard', () => worker.output.includes('a bell of another release'), PATIENCE);
      await until(
        'the person was given back',
        async () => (await fleet.commands.zcard(fleet.key('bull:normal:delayed'))) > 0,
        PATIENCE,
      );
      await expectOutdated(worker, next.schema);
      expect(fleet.mutations()).toEqual([]);
      expect((await fleet.stored([id]))[0]).toMatchObject({ v: String(next.schema), gen: '1', settled: '0', open: '[]' });
      expect((await fleet.stored([id]))[0]).not.toHaveProperty('run');

      await fleet.start('worker', next);
      await fleet.settled();
      expect(fleet.mutations('POST')).toHaveLength(1);
      expect(customersByReference()).toEqual({ [person(1).externalId]: person(1).familyName });
    },
  );
});

describe('F72 this release beside the one before it', () => {
  test('F72 goes on with what that one has stored, and is understood by it until it has written itself', LONG, async () => {
    const previous = release('previous');
    const [oldApi, oldWorker] = [await fleet.start('api', previous), await fleet.start('worker', previous)];
    const ids = await createMany(oldApi, 4);
    await fleet.settled();
    const api = await fleet.start('api');
    const before = await fleet.stored(ids);
    for (const [at, id] of ids.entries()) {
      expect((await fleet.scim(api, 'GET', `/Users/${id}`)).body).toMatchObject({ userName: person(at + 1).userName });
    }
    expect((await fleet.readiness(oldApi)).status, 'reading changes nothing').toBe(200);
    expect(await fleet.stored(ids)).toEqual(before);

    // The api first, then the workers: until then the work waits, and is not done by those who would half understand it.
    expect((await fleet.scim(api, 'PATCH', `/Users/${ids[0]}`, renamed('Newer'))).status).toBe(200);
    expect((await fleet.scim(oldApi, 'PATCH', `/Users/${ids[1]}`, renamed('Older'))).status).toBe(200);
    await expectOutdated(oldApi, previous.schema + 1);
    await expectTurnedAway(oldApi, String(ids[0]), 1);
    await until('the old worker has done what it can', () => customersByReference()[person(2).externalId] === 'Older', PATIENCE);
    expect(customersByReference()[person(1).externalId]).toBe(person(1).familyName);
    expect(await oldWorker.end('SIGTERM')).toEqual({ code: 0, signal: null });
    await fleet.start('worker');
    await fleet.settled();
    expect(customersByReference()).toMatchObject({ [person(1).externalId]: 'Newer', [person(2).externalId]: 'Older' });
    expect(fleet.mutations('POST')).toHaveLength(4);
  });

  test('F72 whom a worker of this release has worked on, the one before it no longer half understands', LONG, async () => {
    const previous = release('previous');
    const oldApi = await fleet.start('api', previous);
    const id = await create(oldApi, 1);
    expect((await fleet.stored([id]))[0]?.v).toBe(String(previous.schema));
    const worker = await fleet.start('worker');
    await fleet.settled();
    expect((await fleet.stored([id]))[0]?.v).toBe(String(previous.schema + 1));
    await expectOutdated(oldApi, previous.schema + 1);
    await expectTurnedAway(oldApi, id, 1);
    expect((await fleet.readiness(worker)).status).toBe(200);
    expect(fleet.mutations()).toHaveLength(1);
  });
});

describe('F72 a default that the next release changes', () => {
  test(
    'F72 is a question first: neither release bills anybody by it, and with the way back the question is gone',
    LONG,
    async () => {
      await fleet.close();
      // Without a product: whoever is here is a customer and pays nothing.
      fleet = await Fleet.open({ MAXIO_GUARD_FLOOR: '5' });
      const [api, worker] = [await fleet.start('api'), await fleet.start('worker')];
      await createMany(api, 8);
      await fleet.settled();
      const [newApi, newWorker] = [await fleet.start('api', release('billing')), await fleet.start('worker', release('billing'))];
      const candidate = async (): Promise<{ productHandle: string } | null> =>
        (await new OpsDoor(newApi.url, OPS_TOKEN).get<{ candidate: { productHandle: string } | null }>('/configuration'))
          .candidate;
      await until('the new default waits', async () => (await candidate())?.productHandle === 'pro', PATIENCE);
      await create(api, 9);
      await create(newApi, 10);
      await fleet.settled();
      expect(await worker.end('SIGTERM')).toEqual({ code: 0, signal: null });
      await create(newApi, 11);
      await fleet.settled();
      expect(fleet.sandbox.state.customers()).toHaveLength(11);
      expect(fleet.sandbox.state.subscriptions()).toEqual([]);

      expect(await newWorker.end('SIGTERM')).toEqual({ code: 0, signal: null });
      await fleet.restart(worker);
      await until('the question is gone', async () => (await candidate()) === null, PATIENCE);
      await create(api, 12);
      await fleet.settled();
      expect(fleet.sandbox.state.subscriptions()).toEqual([]);
      expect(fleet.mutations('POST')).toHaveLength(12);
    },
  );
});

describe('F73 back to this release after a later one has written', () => {
  test(
    'F73 where the shape has changed: it says so, serves and works on everybody else, rewrites nothing, and the later one goes on',
    LONG,
    async () => {
      const next = release('next');
      const [api, worker] = [await fleet.start('api'), await fleet.start('worker')];
      const ids = await createMany(api, 4);
      await fleet.settled();
      await api.end('SIGTERM');
      await worker.end('SIGTERM');
      await fleet.restart(api, next);
      // No worker: what the later release has acknowledged is still to be done when it is taken away.
      expect((await fleet.scim(api, 'PATCH', `/Users/${ids[0]}`, renamed('Next'))).status).toBe(200);
      expect(
        (await fleet.scim(api, 'PATCH', `/Users/${ids[1]}`, patch({ op: 'replace', path: 'active', value: false }))).status,
      ).toBe(200);
      ids.push(await create(api, 5));
      await api.end('SIGTERM');

      await fleet.restart(api);
      await fleet.restart(worker);
      const written = [ids[0], ids[1], ids[4]].map(String);
      const before = await fleet.stored(written);
      const calls = fleet.mutations();
      await expectOutdated(api, next.schema);
      await expectOutdated(worker, next.schema);
      await expectTurnedAway(api, String(ids[4]), 5);
      expect((await fleet.scim(api, 'PATCH', `/Users/${ids[2]}`, renamed('Meanwhile'))).status).toBe(200);
      expect((await fleet.scim(api, 'DELETE', `/Users/${ids[3]}`)).status).toBe(204);
      await until('all that can be done is done', async () => (await fleet.commands.zcard(fleet.key('dirty'))) === 3, PATIENCE);
      expect(customersByReference()[person(3).externalId]).toBe('Meanwhile');
      expect(await fleet.stored(written)).toEqual(before);
      expect(
        fleet
          .mutations()
          .slice(calls.length)
          .map((call) => call.split(' ')[0])
          .sort(),
      ).toEqual(['DELETE', 'PUT']);

      await api.end('SIGTERM');
      await worker.end('SIGTERM');
      await fleet.restart(api, next);
      await fleet.restart(worker, next);
      await fleet.settled();
      expect((await fleet.readiness(api)).status).toBe(200);
      expect((await fleet.scim(api, 'GET', `/Users/${ids[4]}`)).body).toMatchObject({ userName: person(5).userName });
      expect(customersByReference()).toMatchObject({
        [person(1).externalId]: 'Next',
        [person(5).externalId]: person(5).familyName,
      });
      expect(fleet.mutations('POST')).toHaveLength(5);
    },
  );

  test(
    'F73 where it has only added: it serves and works on everybody at once, and keeps what it does not know',
    LONG,
    async () => {
      const adding = release('adding');
      const [api, worker] = [await fleet.start('api', adding), await fleet.start('worker', adding)];
      const ids = await createMany(api, 3);
      await fleet.settled();
      const left = await create(api, 4);
      await api.end('SIGTERM');
      await worker.end('SIGTERM');

      await fleet.restart(api);
      await fleet.restart(worker);
      expect((await fleet.readiness(api)).status).toBe(200);
      for (const id of ids) expect((await fleet.scim(api, 'PATCH', `/Users/${id}`, renamed('Back'))).status).toBe(200);
      await fleet.settled();
      const back = await fleet.stored(ids);
      expect(back.map(({ costCentre }) => costCentre)).toEqual(['centre-1', 'centre-1', 'centre-1']);
      expect(back.map(({ link }) => JSON.parse(String(link)))).toEqual(
        Array.from(ids, () => expect.objectContaining({ currency: 'EUR' })),
      );
      expect(Object.values(customersByReference())).toEqual(['Back', 'Back', 'Back', person(4).familyName]);

      await api.end('SIGTERM');
      await worker.end('SIGTERM');
      await fleet.restart(api, adding);
      await fleet.restart(worker, adding);
      expect((await fleet.scim(api, 'PATCH', `/Users/${left}`, renamed('Again'))).status).toBe(200);
      await fleet.settled();
      expect(customersByReference()[person(4).externalId]).toBe('Again');
      expect(fleet.mutations('POST')).toHaveLength(4);
    },
  );
});
