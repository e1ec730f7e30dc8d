/**
 * Owns the promises of the doctor where it reaches out: a real Redis with other settings, a Maxio that is not as it must be, a public address with a bad
 * certificate. Each finding is shown wrong and right. No service runs; what it does alone is what it does inside one.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createPlain, type RequestListener, type Server } from 'node:http';
import { createServer as createTls } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { sitePrefix } from '../../src/directory/keys.ts';
import { SiteModes } from '../../src/directory/site-mode.ts';
import { Store } from '../../src/directory/store.ts';
import { createUsers } from '../../src/directory/users.ts';
import { examineAlone } from '../../src/doctor/alone.ts';
import type { DoctorCheck } from '../../src/doctor/check.ts';
import { checkReach } from '../../src/doctor/check-reach.ts';
import { checkRedis } from '../../src/doctor/check-redis.ts';
import { type DoctorSite, examine } from '../../src/doctor/doctor.ts';
import { Budget } from '../../src/maxio/budget.ts';
import { connectRedis } from '../../src/redis.ts';
import { createSandbox, type Sandbox, type SandboxOptions } from '../../src/sandbox/sandbox.ts';
import { serviceProviderConfig } from '../../src/scim/discovery.ts';
import { makeCertificate } from '../support/certificate.ts';
import { NO_GUARD } from '../support/guard.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const DAY_MS = 86_400_000;
const API_KEY = 'doctor-api-key-CANARY-3b';
const SCIM_TOKEN = 'doctor-scim-CANARY-91c0';

let redisServer: TestRedis;
const opened: { close(): unknown }[] = [];

beforeAll(async () => {
  redisServer = await startRedis();
});
beforeEach(async () => await redisServer.flush());
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});
afterAll(async () => await redisServer.stop());

async function sandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const made = await createSandbox({ apiKey: API_KEY, siteId: 42, ...options });
  opened.push(made);
  return made;
}

/** Examines from settings alone, as the command does where no service runs. */
async function examined(env: Record<string, string>, patienceMs?: number): Promise<DoctorCheck[]> {
  const checks = await examineAlone(
    readConfig({
      REDIS_URL: redisServer.url,
      PUBLIC_URL: 'http://127.0.0.1:1',
      MAXIO_SUBDOMAIN: 'acme',
      MAXIO_API_KEY: API_KEY,
      MAXIO_PRODUCT_HANDLE: 'pro',
      SCIM_TOKEN,
      OPS_TOKEN: 'doctor-ops-CANARY-6d2e',
      ...env,
    }),
    patienceMs,
  );
  expect(JSON.stringify(checks)).not.toContain('CANARY');
  for (const { name, status, cure } of checks)
    expect(cure === '', `${name} has a cure exactly when it needs one`).toBe(status === 'pass');
  return checks;
}

/** The budget of the site, as any process sees it. */
const budgetOf = (): Budget =>
  new Budget(redisServer.connect(), sitePrefix('us.acme'), {
    callsPerWindow: 10_000,
    windowSeconds: 3_600,
    concurrency: 4,
    unknownOutcomeSeconds: 130,
  });

/** Somebody in the directory of the site. */
async function ada() {
  const store = new Store(redisServer.connect(), 'us.acme', { backlogLimit: 100, guard: NO_GUARD });
  const users = createUsers({ store, site: { region: 'us', subdomain: 'acme' }, onCommitted: () => undefined });
  const body = { userName: 'ada@example.com', externalId: 'ext-ada', emails: [{ value: 'ada.home@example.com' }], active: true };
  return await users.create(body as Parameters<typeof users.create>[0], { requestId: 'r', actor: 'test' });
}

const named = (checks: DoctorCheck[], name: string): DoctorCheck | undefined => checks.find((check) => check.name === name);

describe('Maxio', () => {
  test('a site as it must be: two counted calls, and every line is right', async () => {
    const maxio = await sandbox({ test: false });
    const checks = await examined({ MAXIO_BASE_URL: maxio.url });
    for (const name of ['us.acme Maxio', 'us.acme invoicing', 'us.acme unique e-mail', 'us.acme product', 'us.acme card rules']) {
      expect(named(checks, name)).toMatchObject({ status: 'pass' });
    }
    expect(named(checks, 'us.acme Maxio')?.finding).toContain('site 42, Acme (acme), a live site');
    expect(named(checks, 'us.acme product')?.finding).toContain('Pro (pro) is there, 299.00 a month');
    expect(maxio.state.ledger(0).length).toBe(2);
    expect(await budgetOf().peek(), 'they are charged like all others, and their slots are free again').toMatchObject({
      used: 2,
      inFlight: 0,
    });
  });

  test('a wrong key is told, pauses nobody, and is not repeated', async () => {
    const maxio = await sandbox({ apiKey: 'another-key' });
    const checks = await examined({ MAXIO_BASE_URL: maxio.url });
    expect(named(checks, 'us.acme Maxio')).toMatchObject({ status: 'fail', cure: expect.stringContaining('MAXIO_API_KEY') });
    expect(named(checks, 'us.acme product')).toBeUndefined();
    expect((await budgetOf().peek()).blockedWhy).toBeUndefined();
  });

  test('nothing answers', async () => {
    const checks = await examined({ MAXIO_BASE_URL: 'http://127.0.0.1:1' });
    expect(named(checks, 'us.acme Maxio')).toMatchObject({
      status: 'fail',
      finding: expect.stringContaining('connection refused'),
    });
  });

  test('a Maxio that does not end its answers costs its own lines and no other', async () => {
    const maxio = await sandbox();
    maxio.state.setFault({ kind: 'slow', delayMs: 600_000 });
    const checks = await examined({ MAXIO_BASE_URL: maxio.url }, 200);
    expect(named(checks, 'us.acme Maxio')).toMatchObject({ status: 'fail', cure: expect.stringContaining('Maxio') });
    expect(named(checks, 'redis durability')).toMatchObject({ status: 'pass' });
    expect(named(checks, 'us.acme mode')).toMatchObject({ status: 'warn' });
  });

  test('what waits for Maxio by itself, and for longer, is told as not examined', async () => {
    const env = { MAXIO_SUBDOMAIN: 'acme', MAXIO_API_KEY: API_KEY, SCIM_TOKEN, OPS_TOKEN: 'doctor-ops-CANARY-6d2e' };
    const config = readConfig({ REDIS_URL: redisServer.url, PUBLIC_URL: 'http://127.0.0.1:1', ...env });
    const redis = redisServer.connect();
    // Products are read with the patience of the workers.
    const state = async () => await new Promise<never>(() => undefined);
    const site = { config: config.sites[0], watch: { groupPlans: { state } }, modes: new SiteModes(redis, 'us.acme') };
    const checks = await examine({ config, redis, sites: [site as unknown as DoctorSite], patienceMs: 1 });
    expect(named(checks, 'us.acme products by group')).toMatchObject({
      status: 'fail',
      finding: expect.stringContaining('in time'),
    });
    expect(named(checks, 'redis durability')).toMatchObject({ status: 'pass' });
  });

  test('a site that waits after failures is asked all the same, and a right answer ends the wait for all', async () => {
    const maxio = await sandbox();
    const budget = budgetOf();
    for (let i = 0; i < 5; i += 1) {
      const grant = await budget.take({ lane: 'normal' });
      if (!grant.granted) throw new Error(`not granted: ${grant.why}`);
      await budget.release(grant.slot, 'failed');
    }
    expect(await budget.peek()).toMatchObject({ blockedWhy: 'failing' });
    expect(named(await examined({ MAXIO_BASE_URL: 'http://127.0.0.1:1' }), 'us.acme Maxio')).toMatchObject({ status: 'fail' });
    expect((await budget.peek()).blockedForMs, 'another failure waits on').toBeGreaterThan(0);
    expect(named(await examined({ MAXIO_BASE_URL: maxio.url }), 'us.acme Maxio')).toMatchObject({ status: 'pass' });
    expect((await budget.peek()).blockedWhy).toBeUndefined();
  });

  test('the key opens another site than the data belongs to', async () => {
    const maxio = await sandbox();
    await new SiteModes(redisServer.connect(), 'us.acme').meet('41', 'observe');
    expect(named(await examined({ MAXIO_BASE_URL: maxio.url }), 'us.acme Maxio')).toMatchObject({
      status: 'fail',
      finding: expect.stringMatching(/opens site 42 .* belongs to site 41/),
    });
    const other = await sandbox({ subdomain: 'other' });
    expect(named(await examined({ MAXIO_BASE_URL: other.url }), 'us.acme Maxio')).toMatchObject({ status: 'fail' });
  });

  test.each([
    [true, 'remittance', 'pass'],
    [true, 'invoice', 'warn'],
    [false, 'remittance', 'fail'],
    [false, 'prepaid', 'fail'],
    [false, 'invoice', 'pass'],
  ] as const)('Relationship Invoicing %s with %s: %s', async (relationshipInvoicing, method, status) => {
    const maxio = await sandbox({ settings: { relationshipInvoicing } });
    const checks = await examined({ MAXIO_BASE_URL: maxio.url, MAXIO_PAYMENT_COLLECTION_METHOD: method });
    expect(named(checks, 'us.acme invoicing')).toMatchObject({ status });
  });

  test.each([
    ['pro', 'automatic', 'us.acme card rules', 'fail', /automatic/],
    ['free', 'automatic', 'us.acme card rules', 'pass', /without a card/],
    ['free', 'remittance', 'us.acme product', 'warn', /is free/],
    ['card-only', 'remittance', 'us.acme card rules', 'fail', /requires a card/],
    ['no-such', 'remittance', 'us.acme product', 'fail', /no product with the API handle no-such/],
  ])('the product %s by %s: %s is %s', async (handle, method, name, status, finding) => {
    const maxio = await sandbox();
    const env = { MAXIO_BASE_URL: maxio.url, MAXIO_PRODUCT_HANDLE: handle, MAXIO_PAYMENT_COLLECTION_METHOD: method };
    expect(named(await examined(env), name)).toMatchObject({ status, finding: expect.stringMatching(finding) });
  });

  test('without a product nobody is billed, and it is said', async () => {
    const maxio = await sandbox();
    const checks = await examined({ MAXIO_BASE_URL: maxio.url, MAXIO_PRODUCT_HANDLE: '' });
    expect(named(checks, 'us.acme product')).toMatchObject({ status: 'warn' });
    expect(maxio.state.ledger(0).length).toBe(1);
  });

  test('a budget that is spent is told instead of overdrawn', async () => {
    const maxio = await sandbox();
    const env = { MAXIO_BASE_URL: maxio.url, MAXIO_CALLS_PER_HOUR: '5' };
    const checks = [await examined(env), await examined(env)].flat();
    expect(checks.filter(({ finding }) => finding.includes('the call budget of the hour is used up')).length).toBeGreaterThan(0);
    expect(maxio.state.ledger(0).length).toBeLessThanOrEqual(5);
  });

  test('entries of the list of protected people that are nobody are counted, and never quoted', async () => {
    const maxio = await sandbox();
    const folder = mkdtempSync(join(tmpdir(), 'maxio-scim-doctor-'));
    const path = `${folder}/protected.txt`;
    const list = async (...entries: string[]): Promise<DoctorCheck | undefined> => {
      writeFileSync(path, `# people\n${entries.join('\n')}\n`);
      return named(await examined({ MAXIO_BASE_URL: maxio.url, MAXIO_PROTECTED_FILE: path }), 'us.acme protected people');
    };
    const { id, reference } = await ada();
    const known = ['ADA@example.com', 'ext-ada', reference, id, 'Ada.Home@example.com'];
    expect(await list(...known)).toMatchObject({
      status: 'pass',
      finding: expect.stringContaining('5 on the list, all of them'),
    });
    expect(await list('ada@example.com', 'CANARY@example.com', '', 'ext-ad')).toMatchObject({
      status: 'warn',
      finding: expect.stringMatching(/^2 of 3 entries .* number 2, 3, not counting/),
    });
    expect(await list('# nobody')).toBeUndefined();
    await redisServer.flush();
    expect(await list('ada@example.com')).toMatchObject({
      status: 'pass',
      finding: expect.stringContaining('nobody is in the directory'),
    });
    rmSync(folder, { recursive: true });
  });

  test('two sites are examined side by side', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'maxio-scim-doctor-'));
    const [first, second] = [await sandbox(), await sandbox({ subdomain: 'beta', siteId: 43 })];
    const entry = (subdomain: string, url: string, token: string) => ({
      MAXIO_SUBDOMAIN: subdomain,
      MAXIO_API_KEY: API_KEY,
      SCIM_TOKEN: token,
      MAXIO_BASE_URL: url,
    });
    writeFileSync(
      `${folder}/sites.json`,
      JSON.stringify([entry('acme', first.url, SCIM_TOKEN), entry('beta', second.url, `${SCIM_TOKEN}-2`)]),
    );
    const unset = { MAXIO_SUBDOMAIN: '', MAXIO_API_KEY: '', MAXIO_PRODUCT_HANDLE: '', SCIM_TOKEN: '' };
    const checks = await examined({ ...unset, SITES_FILE: `${folder}/sites.json` });
    rmSync(folder, { recursive: true });
    expect(named(checks, 'us.acme Maxio')?.finding).toContain('site 42');
    expect(named(checks, 'us.beta Maxio')?.finding).toContain('site 43');
  });
});

describe('Redis', () => {
  const look = async (server: TestRedis, mode: 'required' | 'asserted' | 'relaxed' = 'required', now = Date.now) =>
    await checkRedis(server.connect(), mode, now);

  test('as it must be, every line is right', async () => {
    const checks = await look(redisServer);
    expect(checks.map(({ name, status }) => [name, status])).toEqual([
      ['redis durability', 'pass'],
      ['redis file', 'pass'],
      ['redis memory', 'pass'],
      ['redis clock', 'pass'],
    ]);
  });

  test('each setting that loses acknowledged changes is a line with its cure', async () => {
    const server = await startRedis({ appendfsync: 'everysec', settings: { 'maxmemory-policy': 'allkeys-lru' } });
    opened.push({ close: () => server.stop() });
    const checks = (await look(server)).filter(({ status }) => status === 'fail');
    expect(checks.map(({ finding, cure }) => `${finding} ${cure}`)).toEqual([
      expect.stringMatching(/^Redis has appendfsync everysec\. Run CONFIG SET appendfsync always/),
      expect.stringMatching(/^Redis has maxmemory-policy allkeys-lru\. Run CONFIG SET maxmemory-policy noeviction/),
    ]);
    expect(await look(server, 'relaxed')).toContainEqual(expect.objectContaining({ name: 'redis durability', status: 'warn' }));
  });

  test('where CONFIG is refused the word of the operator is named as such', async () => {
    const server = await startRedis();
    opened.push({ close: () => server.stop() });
    const admin = server.connect();
    await admin.call('ACL', 'SETUSER', 'limited', 'on', '>pw', '~*', '&*', '+@all', '-config');
    const limited = connectRedis(server.url.replace('redis://', 'redis://limited:pw@'), 'commands');
    opened.push({ close: () => limited.disconnect() });
    await expect.poll(() => limited.status).toBe('ready');
    const named = async (mode: 'required' | 'asserted') =>
      (await checkRedis(limited, mode, Date.now)).filter(({ name }) => name === 'redis durability');
    expect(await named('required')).toContainEqual(
      expect.objectContaining({ status: 'fail', cure: expect.stringContaining('+config|get') }),
    );
    expect(await named('asserted')).toEqual([
      expect.objectContaining({ status: 'warn', finding: expect.stringContaining('word') }),
    ]);
  });

  test('memory that runs out is told before writes are refused, and after', async () => {
    const server = await startRedis();
    opened.push({ close: () => server.stop() });
    const admin = server.connect();
    // Made inside Redis: a command of that size would leave a buffer behind that goes away in the middle of the test.
    await admin.setrange('ballast', 40 * 1_048_576, 'x');
    const used = Number(/^used_memory:(\d+)/m.exec(await admin.info('memory'))?.[1]);
    for (const [ratio, status] of [
      [0.5, 'pass'],
      [0.8, 'warn'],
      [0.95, 'fail'],
    ] as const) {
      await admin.config('SET', 'maxmemory', String(Math.round(used / ratio)));
      expect((await look(server)).find(({ name }) => name === 'redis memory')).toMatchObject({ status });
    }
  });

  test.each([
    [0, 'pass'],
    [30_000, 'warn'],
    [-600_000, 'fail'],
  ])('a clock %i ms away: %s', async (offMs, status) => {
    const checks = await look(redisServer, 'required', () => Date.now() + offMs);
    expect(checks.find(({ name }) => name === 'redis clock')).toMatchObject({ status });
  });

  test('Redis away is one line, and what needs it says so', async () => {
    const checks = await examined({ REDIS_URL: 'redis://127.0.0.1:1', MAXIO_BASE_URL: (await sandbox()).url });
    expect(named(checks, 'redis')).toMatchObject({ status: 'fail', cure: expect.stringContaining('REDIS_URL') });
    expect(named(checks, 'us.acme Maxio')).toMatchObject({ status: 'fail', finding: expect.stringContaining('because Redis') });
  });
});

describe('the public address', () => {
  const now = (): number => Date.now();

  async function listen(server: Server): Promise<number> {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    opened.push({
      close: () => {
        server.closeAllConnections();
        server.close();
      },
    });
    return (server.address() as AddressInfo).port;
  }

  /** Answers as the service does under the given address. */
  const service =
    (url: () => string, ready = 200, reasons = ready === 200 ? [] : ['This process is stopping.']): RequestListener =>
    (request, response) => {
      if (request.url === '/readyz') {
        response.writeHead(ready, { 'content-type': 'application/json' }).end(JSON.stringify({ ready: ready === 200, reasons }));
      } else if (request.headers.authorization !== undefined) response.writeHead(500).end('no token may come here');
      else response.writeHead(200).end(JSON.stringify(serviceProviderConfig(`${url()}/scim/v2`)));
    };

  test('leads here, is ready, and redirects nobody', async () => {
    let url = '';
    const port = await listen(createPlain(service(() => url)));
    url = `http://127.0.0.1:${port}`;
    expect(await checkReach(url, now())).toEqual([
      expect.objectContaining({ name: 'SCIM URL', status: 'pass' }),
      expect.objectContaining({ name: 'readiness', status: 'pass' }),
    ]);
  });

  test.each([
    ['redirects', (_request, response) => response.writeHead(301, { location: '/elsewhere' }).end(), /redirects \(HTTP 301\)/],
    ['is something else', (_request, response) => response.writeHead(200).end('<h1>hello</h1>'), /not as this service does/],
    ['is not there', (_request, response) => response.writeHead(404).end('{}'), /HTTP 404/],
    ['answers JSON null', (_request, response) => response.writeHead(200).end('null'), /not as this service does/],
    [
      'never ends',
      (_request, response) => {
        response.writeHead(200);
        response.write('x'.repeat(200_000));
      },
      /not as this service does/,
    ],
    ['is another maxio-scim', service(() => 'https://other.example.com'), /calls itself https:\/\/other.example.com/],
  ] as [string, RequestListener, RegExp][])('%s', async (_what, answer, finding) => {
    const port = await listen(createPlain(answer));
    const checks = await checkReach(`http://127.0.0.1:${port}`, now());
    expect(checks.find(({ name }) => name === 'SCIM URL')).toMatchObject({
      status: 'fail',
      finding: expect.stringMatching(finding),
    });
  });

  test('nobody listens, and a host that is none', async () => {
    expect(await checkReach('http://127.0.0.1:1', now())).toEqual([
      expect.objectContaining({ status: 'fail', finding: expect.stringContaining('ECONNREFUSED') }),
    ]);
    expect(await checkReach('https://no-such-host.invalid', now())).toEqual([
      expect.objectContaining({ status: 'fail', finding: expect.stringContaining('has no address') }),
    ]);
  });

  test('a process that is not ready is told with its reasons', async () => {
    let url = '';
    const port = await listen(createPlain(service(() => url, 503)));
    url = `http://127.0.0.1:${port}`;
    expect(await checkReach(url, now())).toContainEqual(
      expect.objectContaining({ name: 'readiness', status: 'fail', finding: expect.stringContaining('is stopping') }),
    );
  });

  test('a process that is ready for some of its sites is told with the others', async () => {
    let url = '';
    const port = await listen(createPlain(service(() => url, 200, ['The data of us.beta was lost.'])));
    url = `http://127.0.0.1:${port}`;
    expect(await checkReach(url, now())).toContainEqual(
      expect.objectContaining({ name: 'readiness', status: 'warn', finding: expect.stringContaining('us.beta was lost') }),
    );
  });

  test('certificates: nobody vouches for it, it has expired, it is for another name, it ends soon, it is good', async () => {
    const serve = async (certificate: { cert: string; key: string }): Promise<string> => {
      let url = '';
      const port = await listen(
        createTls(
          certificate,
          service(() => url),
        ) as unknown as Server,
      );
      url = `https://localhost:${port}`;
      return url;
    };
    const until = (days: number): Date => new Date(now() + days * DAY_MS);
    const good = makeCertificate({ names: ['localhost'], notAfter: until(90) });
    const soon = makeCertificate({ names: ['localhost'], notAfter: until(10) });
    const expired = makeCertificate({ names: ['localhost'], notAfter: until(-2) });
    const elsewhere = makeCertificate({ names: ['scim.example.com'], notAfter: until(90) });
    const first = async (certificate: { cert: string; key: string }) => (await checkReach(await serve(certificate), now()))[0];

    expect(await first(good)).toMatchObject({
      name: 'SCIM URL',
      status: 'fail',
      finding: expect.stringContaining('SELF_SIGNED'),
    });
    const trusted = getCACertificates('default');
    setDefaultCACertificates([...trusted, ...[good, soon, expired, elsewhere].map(({ cert }) => cert)]);
    try {
      expect(await first(expired)).toMatchObject({ status: 'fail', finding: expect.stringContaining('has expired') });
      expect(await first(elsewhere)).toMatchObject({ status: 'fail', finding: expect.stringContaining('for another name') });
      expect(await first(soon)).toMatchObject({ name: 'certificate', status: 'warn' });
      expect(await first(good)).toMatchObject({
        name: 'certificate',
        status: 'pass',
        finding: expect.stringMatching(/holds (89|90) more/),
      });
    } finally {
      setDefaultCACertificates(trusted);
    }
  });
});
