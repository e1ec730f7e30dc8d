/**
 * Owns a service that lives through everything with canaries in every input: processes with a folder of their own, the peers around them, and a note of
 * everything that came out of any opening. Refuses to judge what came out, and to know the order of events.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { Redis } from 'ioredis';
import { connectRedis } from '../../src/redis.ts';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { Secret } from '../../src/secret.ts';
import { Canaries } from './canaries.ts';
import { type EchoingMaxio, startEchoingMaxio } from './echoing-maxio.ts';
import { freePort } from './free-port.ts';
import { type Hook, startHook } from './hook.ts';
import { type Mailbox, startMailbox } from './mailbox.ts';
import { startRedis, type TestRedis } from './redis.ts';
import { until } from './until.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const STRAY = fileURLToPath(new URL('./stray-rejection.ts', import.meta.url));
const ROLES = { vera: 'viewer', otto: 'operator', anna: 'approver' } as const;

const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

export interface Living {
  url: string;
  child: ChildProcess;
  /** Everything it has printed. */
  printed(): string;
  ended(): Promise<void>;
}

export interface Peers {
  redis: TestRedis;
  commands: Redis;
  sandbox: Sandbox;
  maxio: EchoingMaxio;
  hook: Hook;
  mailbox: Mailbox;
}

export class CanaryLife {
  readonly secrets: Canaries;
  readonly peers: Peers;
  readonly people = new Canaries();
  /** Whatever came out, by where. */
  readonly out = new Map<string, string[]>();
  readonly folder = mkdtempSync(join(tmpdir(), 'maxio-scim-canary-'));
  readonly #env: Record<string, string>;
  readonly #living: Living[] = [];

  private constructor(peers: Peers, planted: Planted) {
    const { redis, maxio, hook, mailbox } = peers;
    this.peers = peers;
    this.secrets = planted.secrets;
    mkdirSync(join(this.folder, 'work'));
    this.write('api-key', planted.apiKey);
    const operators = Object.entries(ROLES).map(([name, role]) => ({
      name,
      role,
      sha256: digest(planted.operators[name] ?? ''),
    }));
    this.#env = {
      NODE_ENV: 'production',
      REDIS_URL: redis.url.replace('redis://', `redis://:${planted.redisPassword}@`),
      REDIS_DURABILITY_RELAXED: '1',
      MAXIO_BASE_URL: maxio.url,
      MAXIO_SUBDOMAIN: 'acme',
      MAXIO_API_KEY_FILE: join(this.folder, 'api-key'),
      MAXIO_PRODUCT_HANDLE: 'pro',
      MAXIO_WEBHOOK_KEY: planted.webhookKey,
      MAXIO_LEASE_SECONDS: '3',
      MAXIO_UNKNOWN_OUTCOME_SECONDS: '2',
      MAXIO_CALL_DEADLINE_SECONDS: '3',
      MAXIO_GUARD_FLOOR: '1',
      MAXIO_GUARD_HOUR_PERCENT: '1',
      MAXIO_GUARD_CALM_SECONDS: '0',
      SCIM_TOKEN: planted.scimToken,
      OPS_TOKEN: planted.opsToken,
      OPS_TOKENS_FILE: this.write('operators.json', JSON.stringify(operators)),
      OAUTH_SIGNING_KEY: planted.signingKey,
      ERASURE_KEY: planted.erasureKey,
      NOTIFY_WEBHOOK_URL: hook.url,
      NOTIFY_SMTP_URL: mailbox.url,
      NOTIFY_FROM: 'scim@example.com',
      NOTIFY_TO: 'ops@example.com',
      EXPORT_DIR: join(this.folder, 'exports'),
      WITNESS_FILE: join(this.folder, 'witness.json'),
      HOST: '127.0.0.1',
      LOG_LEVEL: 'trace',
      SHUTDOWN_DELAY_SECONDS: '0',
      NODE_OPTIONS: `--import=${STRAY}`,
      STRAY_TEXT: planted.everything.join(' '),
    };
    mkdirSync(join(this.folder, 'exports'));
  }

  /** Starts the peers; no process of the service yet. */
  static async open(planted: Planted): Promise<CanaryLife> {
    const redis = await startRedis({ appendfsync: 'no', settings: { requirepass: planted.redisPassword } });
    const commands = connectRedis(new Secret(redis.url.replace('redis://', `redis://:${planted.redisPassword}@`)), 'commands');
    commands.on('error', () => undefined);
    const sandbox = await createSandbox({ apiKey: planted.apiKey, subdomain: 'acme' });
    const [maxio, hook, mailbox] = await Promise.all([
      startEchoingMaxio(sandbox.url),
      startHook(planted.hookPath),
      startMailbox({ login: { user: 'scim', pass: planted.mailPassword } }),
    ]);
    return new CanaryLife({ redis, commands, sandbox, maxio, hook, mailbox }, planted);
  }

  write(name: string, text: string): string {
    const file = join(this.folder, name);
    writeFileSync(file, text);
    return file;
  }

  /** Keeps what came out of an opening. */
  keep(where: string, text: string): string {
    this.out.set(where, [...(this.out.get(where) ?? []), text]);
    return text;
  }

  /** Starts a process; what it prints is kept under its name. */
  async start(name: string, env: Record<string, string> = {}): Promise<Living> {
    const port = await freePort();
    const { PATH = '' } = process.env;
    const child = spawn(process.execPath, [MAIN], {
      cwd: join(this.folder, 'work'),
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH, ...this.#env, PORT: String(port), ...env },
    });
    children.add(child);
    child.once('exit', () => children.delete(child));
    const chunks: string[] = [];
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        chunks.push(this.keep(`output of ${name}`, chunk.toString('utf8')));
      });
    const ended = async (): Promise<void> => {
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    };
    const living = { url: `http://127.0.0.1:${port}`, child, printed: () => chunks.join(''), ended };
    this.#living.push(living);
    return living;
  }

  /** Waits until a process serves. */
  async ready({ url, child, printed }: Living): Promise<void> {
    await until(`${url} is ready`, async () => child.exitCode !== null || (await fetch(`${url}/readyz`)).status === 200, {
      timeoutMs: 90_000,
    });
    if (child.exitCode !== null) throw new Error(`the process has ended: ${printed().slice(-2_000)}`);
  }

  /** Everything in Redis but the keys' own names, each value by the name of its key. */
  async redisContents(): Promise<{ key: string; value: string }[]> {
    const keys = (await this.peers.commands.keys('*')).toSorted();
    return await Promise.all(keys.map(async (key) => ({ key, value: await this.#valueOf(key) })));
  }

  async #valueOf(key: string): Promise<string> {
    const read: Record<string, () => Promise<unknown>> = {
      string: () => this.peers.commands.get(key),
      hash: () => this.peers.commands.hgetall(key),
      list: () => this.peers.commands.lrange(key, 0, -1),
      set: () => this.peers.commands.smembers(key),
      zset: () => this.peers.commands.zrange(key, '0', '-1'),
      stream: () => this.peers.commands.xrange(key, '-', '+'),
    };
    return JSON.stringify((await read[await this.peers.commands.type(key)]?.()) ?? '');
  }

  /** Files that processes have left behind, with what is in them. */
  leftovers(): { name: string; text: string }[] {
    return readdirSync(this.folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((name) => ({ name: name.slice(this.folder.length + 1), text: textOf(readFileSync(name)) }));
  }

  /** Command lines of the processes, where the system shows them. */
  commandLines(): string[] {
    return this.#living
      .map(({ child }) => `/proc/${child.pid}/cmdline`)
      .filter((file) => existsSync(file))
      .map((file) => readFileSync(file, 'utf8'));
  }

  async close(): Promise<void> {
    for (const { child, ended } of this.#living) {
      child.kill('SIGKILL');
      await ended();
    }
    const { redis, commands, sandbox, maxio, hook, mailbox } = this.peers;
    commands.disconnect();
    await Promise.all([maxio.close(), sandbox.close(), hook.close(), mailbox.close(), redis.stop()]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface Planted {
  secrets: Canaries;
  apiKey: string;
  redisPassword: string;
  scimToken: string;
  opsToken: string;
  operators: Record<string, string>;
  webhookKey: string;
  signingKey: string;
  erasureKey: string;
  hookPath: string;
  mailPassword: string;
  /** What an error that nobody expects might speak of. */
  everything: string[];
}

/** Makes every secret that a service is given. */
export function plantSecrets(): Planted {
  const secrets = new Canaries();
  const plant = (what: string): string => secrets.plant(what, 40);
  const operators = Object.fromEntries(Object.keys(ROLES).map((name) => [name, plant(`token of ${name}`)]));
  const planted = {
    apiKey: plant('API key'),
    redisPassword: plant('password of Redis'),
    scimToken: plant('SCIM_TOKEN'),
    opsToken: plant('OPS_TOKEN'),
    webhookKey: plant('webhook key'),
    signingKey: plant('OAuth signing key'),
    erasureKey: plant('erasure key'),
    mailPassword: plant('password of the mail server'),
  };
  const hookPath = `/services/${plant('path of the webhook')}`;
  return { secrets, ...planted, operators, hookPath, everything: Object.values(planted) };
}

/** Exports are compressed, and a word in them would not be found. */
function textOf(bytes: Buffer): string {
  return (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString('latin1');
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
