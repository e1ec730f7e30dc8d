/**
 * What happens to the store under a running service: the power goes, a large file is read again after a restart, the disk is full. Nothing that was
 * acknowledged is missing afterwards, nobody is told yes meanwhile, and nobody has to do anything to the service. Real processes, real Redis, the sandbox.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { oktaUser, person } from '../support/people.ts';
import { compiler, type MortalRedis, startMortalRedis } from '../support/power-cut.ts';
import { startRedis, type TestRedis, type TestRedisOptions } from '../support/redis.ts';
import { type Answer, API_KEY, Service } from '../support/service.ts';
import { until } from '../support/until.ts';

/** Calls at work when Redis goes away hold their slots for this long. */
const ENV = {
  MAXIO_PRODUCT_HANDLE: 'pro',
  MAXIO_UNKNOWN_OUTCOME_SECONDS: '4',
  MAXIO_CALL_DEADLINE_SECONDS: '1',
  SCIM_IDP: 'okta',
};

let sandbox: Sandbox;
const servers: { stop(): Promise<void> }[] = [];
const services: Service[] = [];

beforeEach(async () => {
  sandbox = await createSandbox({ apiKey: API_KEY, subdomain: 'acme' });
});
afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.kill()));
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  await sandbox.close();
});

async function redisWith(options: TestRedisOptions): Promise<TestRedis> {
  const redis = await startRedis(options);
  servers.push(redis);
  return redis;
}

async function start({ url: redisUrl }: TestRedis): Promise<Service> {
  const service = await Service.start({ redisUrl, sandboxUrl: sandbox.url, env: ENV });
  services.push(service);
  return service;
}

async function post(service: Service, n: number, more: Record<string, unknown> = {}): Promise<Answer> {
  return await service.scim('POST', '/Users', oktaUser(person(n), more));
}

/** As an identity provider hears that it should come back later. */
function expectBackPressure(answer: Answer): void {
  expect(answer.status).toBe(429);
  expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
  expect(answer.body.schemas).toEqual(['urn:ietf:params:scim:api:messages:2.0:Error']);
}

async function readiness(service: Service): Promise<number> {
  return (await fetch(`${service.url}/readyz`)).status;
}

/** Everybody in the log of acknowledgements is there, and once at Maxio. */
async function expectAllThere(service: Service, acknowledged: Map<number, string>): Promise<void> {
  for (const [n, id] of acknowledged) {
    const found = await service.scim('GET', `/Users/${id}`);
    expect(found.status, `person ${n} was acknowledged`).toBe(200);
  }
  await service.settled(60_000);
  const references = sandbox.state.customers().map(({ reference }) => reference);
  expect(new Set(references).size).toBe(references.length);
  for (const n of acknowledged.keys()) expect(references).toContain(person(n).externalId);
}

describe('power is lost', () => {
  describe('in the middle of its writes', () => {
    // Not `skipIf`: whoever lists the tests without running them would not see these.
    beforeEach(({ skip }) => skip(compiler === undefined, 'no C compiler to build the preload that notes what was synced'));

    async function mortal(appendfsync: 'always' | 'no'): Promise<MortalRedis> {
      const server = await startMortalRedis(appendfsync);
      servers.push(server);
      return server;
    }

    test('F21 with appendfsync always: not one acknowledged change is missing, at whatever moment', {
      timeout: 120_000,
    }, async () => {
      const server = await mortal('always');
      const service = await start(server.redis);
      const acknowledged = new Map<number, string>();
      for (let cut = 0; cut < 3; cut += 1) {
        const from = cut * 40 + 1;
        const asked = Array.from({ length: 40 }, async (_, i) => {
          const answer = await post(service, from + i).catch(() => undefined);
          if (answer?.status === 201) acknowledged.set(from + i, String(answer.body.id));
        });
        await until('some of them are acknowledged', () => acknowledged.size > cut * 40 + 5, { everyMs: 1 });
        await server.cutPower();
        await Promise.all(asked);
        await server.redis.restart();
        await until('the service has found it again', async () => (await readiness(service)) === 200);
      }
      expect(acknowledged.size).toBeGreaterThan(15);
      await expectAllThere(service, acknowledged);
    });

    test('F21 the same cut takes acknowledged writes from a Redis that syncs when it likes: the cut is real', async () => {
      const server = await mortal('no');
      const redis = server.redis.connect();
      for (let n = 0; n < 100; n += 1) expect(await redis.set(`key${n}`, 'acknowledged')).toBe('OK');
      expect(await server.cutPower()).toBeGreaterThan(0);
      await server.redis.restart();
      expect(await server.redis.connect().dbsize()).toBe(0);
    });
  });

  test('F21 a Redis that does not sync before it answers is refused: not ready, no acknowledgement, and the reason with its cure', async () => {
    const redis = await redisWith({ appendfsync: 'everysec' });
    const service = await Service.spawn({ redisUrl: redis.url, sandboxUrl: sandbox.url, env: { SCIM_IDP: 'okta' } });
    services.push(service);
    const ready = await until('it answers', () => fetch(`${service.url}/readyz`));
    expect(ready.status).toBe(503);
    expect(await ready.text()).toContain('appendfsync');
    expectBackPressure(await post(service, 1));
    const commands = redis.connect();
    expect(await commands.keys('scim:{us.acme}:user:*')).toEqual([]);
    await commands.config('SET', 'appendfsync', 'always');
    await service.ready();
    expect((await post(service, 1)).status).toBe(201);
  });
});

describe('a large file is read again after a restart', () => {
  test('F24 meanwhile everybody is told to come back, then the service goes on by itself', { timeout: 120_000 }, async () => {
    // 20,000 commands of which each takes its time are a file of many gigabytes, as far as anybody can tell from outside.
    const redis = await redisWith({ settings: { 'key-load-delay': '200' } });
    const ballast = redis.connect().pipeline();
    for (let n = 0; n < 20_000; n += 1) ballast.set(`ballast:${n}`, '');
    await ballast.exec();
    const service = await start(redis);
    const acknowledged = new Map<number, string>();
    for (let n = 1; n <= 5; n += 1) acknowledged.set(n, String((await post(service, n)).body.id));
    await service.settled();

    let loaded = false;
    const restarted = redis.restart().then(() => {
      loaded = true;
    });
    await until('Redis reads its file', async () => (await whatRedisSays(redis)).includes('LOADING'), { everyMs: 10 });
    const [write, read, ready, alive] = await Promise.all([
      post(service, 6),
      service.scim('GET', `/Users/${acknowledged.get(1)}`),
      readiness(service),
      fetch(`${service.url}/livez`),
    ]);
    expect(loaded, 'all of this was asked while it was loading').toBe(false);
    for (const answer of [write, read]) expectBackPressure(answer);
    expect([ready, alive.status]).toEqual([503, 200]);

    await restarted;
    await until('the service has found it again', async () => (await readiness(service)) === 200);
    const again = await until('it takes changes again', async () => {
      const answer = await post(service, 6);
      return answer.status === 201 ? answer : undefined;
    });
    acknowledged.set(6, String(again.body.id));
    await expectAllThere(service, acknowledged);
  });

  /** Without a client that would wait for a better answer. */
  async function whatRedisSays({ url }: TestRedis): Promise<string> {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    try {
      socket.write('DBSIZE\r\n');
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      return chunk.toString();
    } finally {
      socket.destroy();
    }
  }
});

describe('the disk is full', () => {
  /**
   * A limit on the length of a file, so that no right to mount a small file system is needed; without the signal, a write beyond it fails as on a full disk does.
   * `appendfsync always` makes the server end itself then, rather than acknowledge what it cannot keep.
   */
  const FULL = ['sh', '-c', 'trap "" XFSZ; ulimit -f 700; exec "$@"', 'sh'];

  test('F25 nobody is acknowledged who is not on the disk; with room again, all goes on and nothing is missing', {
    timeout: 120_000,
  }, async () => {
    const redis = await redisWith({ under: FULL });
    const service = await start(redis);
    const acknowledged = new Map<number, string>();
    let refused: Answer | undefined;
    const ballast = { userType: 'x'.repeat(4_000) };
    for (let n = 1; refused === undefined && n < 500; n += 1) {
      const answer = await post(service, n, ballast);
      if (answer.status === 201) acknowledged.set(n, String(answer.body.id));
      else refused = answer;
    }
    expect(acknowledged.size).toBeGreaterThan(10);
    expectBackPressure(refused ?? expect.fail('the disk was never full'));
    expect(await readiness(service)).toBe(503);
    expect((await fetch(`${service.url}/livez`)).status).toBe(200);
    expectBackPressure(await post(service, 501));

    await redis.restart([]);
    await until('the service has found it again', async () => (await readiness(service)) === 200);
    await until('it takes changes again', async () => (await post(service, 502)).status === 201);
    await expectAllThere(service, acknowledged);
  });
});
