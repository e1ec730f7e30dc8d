/**
 * The image as it runs: put together by the Dockerfile's own lines, read-only, without root, rights, shell and core files, with the limits of the compose file.
 * A real Redis that knows the users of security/redis.acl alone, the sandbox, people from POST to customer and back.
 */
import { globSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connectRedis, redisReady } from '../../src/redis.ts';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { buildImage, type Contained, IMAGE, type Image, LIMITS, noContainer, VOLUME } from '../support/container.ts';
import { freePort } from '../support/free-port.ts';
import { oktaUser, person } from '../support/people.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { API_KEY, OPS_TOKEN, SCIM_TOKEN } from '../support/service.ts';
import { until } from '../support/until.ts';

const PEOPLE = 300;
/** What Node gives itself under the compose file's limit, and less: the rest of its memory is not on the heap. */
const HEAP_MIB = 192;
const PASSWORD = '5f0c31d7e2a94b68';
const why = noContainer();

describe('the image', () => {
  let image: Image;
  let redis: TestRedis;
  let sandbox: Sandbox;
  let folder: string;
  let admin: Redis;
  const containers: Contained[] = [];
  const urlAs = (user: string): string => redis.url.replace('//', `//${user}:${PASSWORD}@`);

  beforeAll(async () => {
    if (why !== undefined) return;
    image = buildImage();
    folder = mkdtempSync(join(tmpdir(), 'maxio-scim-acl-'));
    const users = readFileSync('security/redis.acl', 'utf8').replace('PASSWORD', PASSWORD);
    writeFileSync(join(folder, 'users.acl'), `${users}user admin on >${PASSWORD} ~* &* +@all\n`);
    redis = await startRedis({ settings: { aclfile: join(folder, 'users.acl') } });
    admin = connectRedis(urlAs('admin'), 'commands');
    await redisReady(admin);
    sandbox = await createSandbox({ apiKey: API_KEY, subdomain: 'acme' });
  }, 120_000);
  beforeEach(({ skip }) => skip(why !== undefined, why));
  afterEach(async () => {
    await Promise.all(containers.splice(0).map((container) => container.kill()));
  });
  afterAll(async () => {
    admin?.disconnect();
    await sandbox?.close();
    await redis?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    image?.remove();
  });

  const run = (command: readonly string[], env: Record<string, string> = {}): Contained => {
    const container = image.run(command, { ...IMAGE.env, ...env });
    containers.push(container);
    return container;
  };

  /** Starts the service as the image does and waits until it is ready. */
  const service = async (env: Record<string, string> = {}): Promise<Contained & { url: string; env: Record<string, string> }> => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const settings = {
      NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB}`,
      REDIS_URL: urlAs('maxio-scim'),
      MAXIO_BASE_URL: sandbox.url,
      MAXIO_SUBDOMAIN: 'acme',
      MAXIO_API_KEY: API_KEY,
      MAXIO_PRODUCT_HANDLE: 'pro',
      SCIM_TOKEN,
      OPS_TOKEN,
      HOST: '127.0.0.1',
      PORT: String(port),
      PUBLIC_URL: url,
      SHUTDOWN_DELAY_SECONDS: '0',
      EXPORT_DIR: VOLUME,
      WITNESS_FILE: `${VOLUME}/witness.json`,
      ...env,
    };
    const container = run(IMAGE.command, settings);
    await until(
      'the contained service is ready',
      async () => {
        if (container.hasEnded()) return true;
        return (await fetch(`${url}/readyz`)).status === 200;
      },
      { timeoutMs: 60_000 },
    );
    if (container.hasEnded()) throw new Error(`it has ended: ${container.output()}`);
    return { ...container, url, env: settings };
  };

  const statusOf = ({ pid }: Contained, field: string): string =>
    new RegExp(`^${field}:\\s+(\\S+)`, 'm').exec(readFileSync(`/proc/${pid()}/status`, 'utf8'))?.[1] ?? '';

  test('S22 holds Node, its libraries, packages and sources, and no other program', () => {
    const files = globSync('**/*', { cwd: image.root }).filter((file) => statSync(join(image.root, file)).isFile());
    const system = files.filter((file) => !file.startsWith('app/'));
    expect(system.length).toBeGreaterThan(5);
    const programs = system.filter((file) => !/(^|\/)(lib|ld-)[\w.+-]*\.so(\.\d+)*$/.test(file));
    expect(programs.toSorted()).toEqual(['etc/nsswitch.conf', 'etc/passwd', 'usr/local/bin/node']);
    expect(
      files.filter((file) => file.endsWith('.node')),
      'native code of packages',
    ).toEqual([]);
    expect(files.filter((file) => /node_modules\/(vitest|typescript|@biomejs|node-linux)/.test(file))).toEqual([]);
  });

  test('F77 S20 S22 on a read-only file system, without rights and with little memory, it serves people from POST to customer, and ends when it is told to', {
    timeout: 180_000,
  }, async () => {
    const it = await service();
    expect([statusOf(it, 'Uid'), statusOf(it, 'CapEff'), statusOf(it, 'CapPrm'), statusOf(it, 'NoNewPrivs')]).toEqual([
      String(IMAGE.user),
      '0000000000000000',
      '0000000000000000',
      '1',
    ]);
    const created = await Promise.all(
      Array.from({ length: PEOPLE }, async (_, n) => {
        const body = JSON.stringify(oktaUser(person(n)));
        const headers = { authorization: `Bearer ${SCIM_TOKEN}`, 'content-type': 'application/scim+json' };
        return (
          await until(`person ${n} is acknowledged`, async () => {
            const answer = await fetch(`${it.url}/scim/v2/Users`, { method: 'POST', headers, body });
            await answer.arrayBuffer();
            return answer.status === 503 ? undefined : answer;
          })
        ).status;
      }),
    );
    expect(created.filter((status) => status !== 201)).toEqual([]);
    await until(
      'everybody is a customer',
      async () => {
        const { sites } = (await (await fetch(`${it.url}/health`)).json()) as {
          sites: Record<string, { pending: number; parked: number }>;
        };
        return sites['us.acme']?.pending === 0 && sites['us.acme'].parked === 0;
      },
      { timeoutMs: 120_000, everyMs: 200 },
    );
    const references = sandbox.state.customers().map(({ reference }) => reference);
    expect([references.length, new Set(references).size]).toEqual([PEOPLE, PEOPLE]);
    expect(Number(statusOf(it, 'VmHWM')) / 1_024, 'MiB of memory').toBeLessThan(LIMITS.memoryMiB / 2);
    // The health check of the image and the command line are processes beside it.
    expect(Number(statusOf(it, 'Threads')) * 3).toBeLessThan(LIMITS.threads);

    const wrote = run(['node', '-e', "require('node:fs').writeFileSync('/app/x', '')"]);
    expect(await wrote.ended).not.toBe(0);
    expect(wrote.output()).toContain('EROFS');
    const healthy = run(IMAGE.healthCheck, it.env);
    expect([await healthy.ended, healthy.output()]).toEqual([0, '']);
    const doctor = run(['node', 'bin/maxio-scim.js', 'doctor', '--url', it.url], it.env);
    await doctor.ended;
    expect(doctor.output()).toMatch(/^pass {2}redis durability /m);
    expect(doctor.output()).toMatch(/^pass {2}us\.acme Maxio /m);

    expect(await admin.call('ACL', 'LOG'), 'what Redis has refused').toEqual([]);

    process.kill(it.pid(), 'SIGTERM');
    expect(await it.ended).toBe(0);
    expect(it.output()).toContain('"msg":"stopped"');
  });

  test('S22 says what is wrong instead of failing in its middle, when the volume it is to write into is not there', {
    timeout: 60_000,
  }, async () => {
    const it = await service({ WITNESS_FILE: '/app/witness.json' });
    await until('it is told in the log', () => it.output().includes('EROFS'));
    expect((await fetch(`${it.url}/readyz`)).status).toBe(200);
  });

  test('S20 Redis knows the service and nobody else, and lets it do nothing beyond its keys', async () => {
    const service = connectRedis(urlAs('maxio-scim'), 'commands');
    // ioredis asks for INFO first, and says on the console that a stranger may not.
    const stranger = new Redis(redis.url, { enableReadyCheck: false });
    await Promise.all([redisReady(service), redisReady(stranger)]);
    const refused = async (who: Redis, ...[command = '', ...args]: string[]): Promise<unknown> =>
      who.call(command, ...args).then(
        (answer) => `${command} is answered: ${String(answer)}`,
        (error: Error) => error.message.slice(0, 6),
      );
    expect(await stranger.ping()).toBe('PONG');
    for (const command of [['GET', 'scim:x'], ['INFO'], ['SET', 'scim:x', '1'], ['EVAL', 'return 1', '0']]) {
      expect(await refused(stranger, ...command), command.join(' ')).toBe('NOPERM');
    }
    const beyond = [['FLUSHALL'], ['KEYS', '*'], ['CONFIG', 'SET', 'appendonly', 'no'], ['SHUTDOWN'], ['ACL', 'LIST']];
    const elsewhere = [
      ['GET', 'other'],
      ['SET', 'other', '1'],
      ['SUBSCRIBE', 'other'],
      ['EVAL', 'return redis.call("GET", KEYS[1])', '1', 'other'],
    ];
    for (const command of [...beyond, ...elsewhere, ['MODULE', 'LIST'], ['REPLICAOF', 'NO', 'ONE'], ['MONITOR'], ['SAVE']]) {
      expect(await refused(service, ...command), command.join(' ')).toBe('NOPERM');
    }
    expect(await service.set('scim:x', '1')).toBe('OK');
    await service.del('scim:x');
    service.disconnect();
    stranger.disconnect();
  });

  test('S23 nobody opens a debugger in it, and it leaves no core file', { timeout: 60_000 }, async () => {
    const it = await service();
    process.kill(it.pid(), 'SIGUSR1');
    expect((await fetch(`${it.url}/livez`)).status).toBe(200);
    // Node catches the signal where it would open a debugger for it (proc(5), SigCgt).
    const caught = BigInt(`0x${statusOf(it, 'SigCgt')}`);
    expect((caught >> 14n) & 1n, 'SIGTERM is caught').toBe(1n);
    expect((caught >> 9n) & 1n, 'SIGUSR1 is caught').toBe(0n);
    expect(readFileSync(`/proc/${it.pid()}/limits`, 'utf8')).toMatch(/^Max core file size +0 +0 /m);
    const proto = run([...IMAGE.command.slice(0, -1), '-e', 'console.log(typeof {}.__proto__, typeof ({ ["__proto__"]: 1 }).x)']);
    await proto.ended;
    expect(proto.output()).toBe('undefined undefined\n');
  });
});
