/**
 * Owns the promises of the `maxio-scim` command as somebody on call meets it: a real process against a real service. What it prints, what its exit
 * code says, what it advises when something is wrong, and that neither the token nor a hostile name gets onto the terminal.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { endRun, OPS_TOKEN, type OpsServer, openOpsSite, provision, serveOps, type TestOpsSite } from '../support/ops-server.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bin = join(root, 'bin/maxio-scim.js');

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

let redisServer: TestRedis;
let redis: Redis;
let server: OpsServer;
let site: TestOpsSite;
let url: string;

beforeAll(async () => {
  redisServer = await startRedis({ appendfsync: 'no' });
  redis = redisServer.connect('commands');
});
beforeEach(async () => {
  await server?.app.close();
  await redisServer.flush();
  site = openOpsSite(redis, { key: 'us.acme', test: async () => false });
  server = await serveOps(redis, [site]);
  url = await server.app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await server.app.close();
  await redisServer.stop();
});

/** Runs a program to its end. */
function run(command: string, args: string[], env: Record<string, string> = {}): Promise<Ended> {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(command, args, {
    cwd: root,
    env: { PATH, HOME, MAXIO_SCIM_URL: url, OPS_TOKEN, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended: Ended = { code: null, out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    ended.out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    ended.err += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      expect(ended.out + ended.err, 'no output shows the token').not.toContain(OPS_TOKEN);
      resolve({ ...ended, code });
    });
  });
}

const cli = async (args: string[], env?: Record<string, string>): Promise<Ended> =>
  await run(process.execPath, [bin, ...args], env);

describe('status', () => {
  test('shows each site in a row, and its exit code says whether all is well', async () => {
    await provision(site, 'ann');
    await provision(site, 'bob', { active: false });
    await endRun(site, await provision(site, 'carol'), 'parked', { reason: 'needs-email' });
    const warned = await cli(['status']);
    expect(warned).toMatchObject({ code: 0, err: '' });
    expect(warned.out).toContain(`maxio-scim 9.9.9 at ${url}: warn`);
    expect(warned.out).toMatch(/^us\.acme +enforce +░{12} +0 of 100 in 60 min +2 +\d+ s +1 +\d+ s +1 +0$/m);
    expect(warned.out).toContain('1 parked: maxio-scim parked shows who and why.');

    server.capacity.durable = false;
    server.capacity.findings = ['Redis has appendonly no; run CONFIG SET appendonly yes.'];
    const failed = await cli(['status']);
    expect(failed.code).toBe(1);
    expect(failed.out).toContain('fail, not ready');
    expect(failed.out).toContain('run CONFIG SET appendonly yes');
  });

  test('with --json prints the answer as it came', async () => {
    const { code, out } = await cli(['status', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      status: 'pass',
      sites: [{ key: 'us.acme', idp: 'okta', deprovision: 'cancel', inFlight: 0 }],
    });
  });
});

describe('person', () => {
  test('tells the story of one person from userName, live facts included when asked for', async () => {
    const ann = await provision(site, 'ann');
    await endRun(site, ann, 'parked', { reason: 'refused-by-maxio', detail: 'Maxio refused to create customer.' });
    const subscription = {
      id: '88',
      product: 'pro',
      state: 'active',
      ending: false,
      currentPeriodEndsAt: '2026-12-01',
      managed: true,
    };
    site.live = async () => ({ customer: { id: '77', reference: 'r', updatedAt: 'u' }, subscriptions: [subscription] });
    const { code, out, err } = await cli(['person', 'Ann@Example.com', '--live']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const text of [
      'ann@example.com  active at the identity provider, not in step',
      ann.id,
      'Since 20',
      'Parked for',
      '(refused-by-maxio)',
      'no customer known yet',
      'customer 77, reference r',
      'subscription 88, pro: active, period ends 2026-12-01',
      'change 1, request create-ann\n20',
    ]) {
      expect(out).toContain(text);
    }
    const whos = [...out.matchAll(/^20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ {2}(\w+)/gm)].map(([, who]) => who);
    expect(whos).toEqual(['IdP', 'service']);
    const quiet = await cli(['person', ann.id, '--json', '--site', 'us.acme']);
    expect(JSON.parse(quiet.out)).toMatchObject({ id: ann.id, story: [{ who: 'IdP' }, { who: 'service' }] });
    expect(JSON.parse(quiet.out)).not.toHaveProperty('live');
  });

  test('who is nobody, or a site that is not there, is a plain no with the next step', async () => {
    const nobody = await cli(['person', 'nobody@example.com']);
    expect(nobody).toMatchObject({ code: 1, out: '' });
    expect(nobody.err).toMatch(/^error: Nobody is known under that id.*\nCheck the spelling/);
    const elsewhere = await cli(['person', 'ann', '--site', 'us.none']);
    expect(elsewhere).toMatchObject({ code: 1, err: expect.stringContaining('Use one of: us.acme') });
  });

  test('B56 a name or a reason with control characters cannot steer the terminal', async () => {
    const ann = await provision(site, 'ann');
    await endRun(site, ann, 'parked', { reason: 'x', detail: 'line\u001b]0;title\u0007 o\u202ene' });
    for (const args of [['person', ann.id], ['parked'], ['parked', '--json'], ['person', ann.id, '--json']]) {
      const { code, out } = await cli(args);
      expect(code).toBe(0);
      expect(out.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202e]/u);
    }
  });
});

describe('parked and retry', () => {
  test('lists who waits for whom and why, then tries them again', async () => {
    const ann = await provision(site, 'ann');
    const bob = await provision(site, 'bob', { active: false });
    await endRun(site, ann, 'parked', { reason: 'needs-email', detail: 'Map an e-mail attribute.' });
    await endRun(site, bob, 'parked', { reason: 'cannot-end', detail: 'End it by hand.' });
    const { code, out } = await cli(['parked']);
    expect(code).toBe(0);
    expect(out).toMatch(
      new RegExp(`ann@example.com {2}${ann.id} {2}us.acme\n {2}needs-email, for \\d+ s\n {2}Map an e-mail attribute.`),
    );
    expect(out).toMatch(/bob@example.com .* LEAVER/);

    const unknown = '00000000-0000-5000-8000-000000000000';
    const some = await cli(['retry', ann.id, unknown]);
    expect(some).toMatchObject({ code: 1, out: expect.stringContaining(`${unknown} is not parked`) });
    expect(some.out).toContain(`${ann.id} at us.acme is tried again.`);
    const rest = await cli(['retry', '--all', '--site', 'us.acme', '--json']);
    expect(rest.code).toBe(0);
    expect(JSON.parse(rest.out)).toEqual({ retried: [{ site: 'us.acme', id: bob.id }], notParked: [], left: 0 });
    expect(await site.runs.backlog()).toMatchObject({ parked: 0, pending: 2 });
    expect(await cli(['parked'])).toMatchObject({ code: 0, out: 'Nobody is parked.\n' });
    expect(await cli(['retry', '--all'])).toMatchObject({ code: 0, out: 'Nobody is parked.\n' });
  });

  test.each([[['retry']], [['retry', 'x', '--all']], [['person']], [['statsu']], [['status', '--nope']], [[]]])(
    'a command that is not clear, %j, does nothing and says how to say it',
    async (args) => {
      await endRun(site, await provision(site, 'ann'), 'parked');
      const { code, out, err } = await cli(args);
      expect({ code, out }).toEqual({ code: 2, out: '' });
      expect(err).toMatch(/maxio-scim/);
      expect(await site.runs.backlog()).toMatchObject({ parked: 1 });
    },
  );
});

describe('a service that cannot be asked', () => {
  test('nothing listens there', async () => {
    const { code, err } = await cli(['status', '--url', 'http://127.0.0.1:1']);
    expect(code).toBe(2);
    expect(err).toMatch(/^error: http:\/\/127\.0\.0\.1:1 cannot be reached \(ECONNREFUSED\)\.\nCheck that the service runs/);
  });

  test('S4 the token is missing, wrong, or a SCIM token', async () => {
    expect(await cli(['status'], { OPS_TOKEN: '' })).toMatchObject({
      code: 2,
      err: expect.stringContaining('OPS_TOKEN or OPS_TOKEN_FILE is not set'),
    });
    for (const token of ['wrong-token-0123456789', site.scimToken]) {
      const { code, err } = await cli(['status'], { OPS_TOKEN: token });
      expect(code).toBe(2);
      expect(err).toMatch(/^error: The service refused the ops token\.\nSet OPS_TOKEN/);
      expect(err).not.toContain(token);
    }
  });

  test('something else answers there', async () => {
    const other = createServer((request, response) => {
      const place = request.url?.startsWith('/moved') ? 302 : 200;
      response.writeHead(place, { 'content-type': 'text/html', location: `${url}/ops/api/status` }).end('<h1>hello</h1>');
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    for (const path of ['', '/moved/']) {
      const { code, out, err } = await cli(['status', '--url', address + path]);
      expect({ code, out }).toEqual({ code: 2, out: '' });
      expect(err).toMatch(/not understood|not as maxio-scim does/);
    }
    expect(await cli(['status', '--url', 'localhost:8080'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--url is not an address'),
    });
    other.close();
  });

  test('Redis is away behind it', async () => {
    const own = await startRedis({ appendfsync: 'no' });
    const client = own.connect('commands');
    const alone = await serveOps(client, [openOpsSite(client)]);
    const address = await alone.app.listen({ host: '127.0.0.1', port: 0 });
    await own.kill();
    await expect.poll(() => client.status).not.toBe('ready');
    expect(await cli(['parked', '--url', address])).toMatchObject({ code: 2, err: expect.stringContaining('Check Redis') });
    expect(await cli(['status', '--url', address])).toMatchObject({
      code: 1,
      out: expect.stringMatching(/Redis (is away|did not keep)/),
    });
    await alone.app.close();
    await own.stop();
  });
});

describe('the start', () => {
  test('the token may come from a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'maxio-scim-cli-'));
    writeFileSync(join(folder, 'token'), `${OPS_TOKEN}\n`);
    expect(await cli(['status'], { OPS_TOKEN: '', OPS_TOKEN_FILE: join(folder, 'token') })).toMatchObject({ code: 0 });
    rmSync(folder, { recursive: true });
  });

  test('under an old Node the command runs with the one that came with the package', async () => {
    const old = "data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.1.0'}})";
    const { code, out } = await run(process.execPath, ['--import', old, bin, 'status']);
    expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining('us.acme') });
    expect((await run(process.execPath, ['--import', old, bin, 'person', 'nobody'])).code).toBe(1);
  });

  test('npx maxio-scim finds the command in a checkout', async () => {
    const { code, out, err } = await run('npx', ['--no-install', 'maxio-scim', 'status']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('us.acme');
  });

  test('help names every command and needs no token', async () => {
    const { code, out } = await cli(['--help'], { OPS_TOKEN: '' });
    expect(code).toBe(0);
    for (const word of ['status', 'person', 'parked', 'retry', '--url', '--json', 'Exit codes']) expect(out).toContain(word);
  });
});
