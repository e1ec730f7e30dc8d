/**
 * Owns the processes of an upgrade test: any number of api and worker processes, of any release, on one Redis with `appendfsync always` and one sandbox in
 * this process. Refuses to know what is tried with them. Nothing outlives `close`.
 */
import type { Redis } from 'ioredis';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { startRedis, type TestRedis } from './redis.ts';
import { API_KEY, OPS_TOKEN, SCIM_TOKEN } from './service.ts';
import { ServiceProcess } from './service-process.ts';
import { until } from './until.ts';
import type { Release } from './versions.ts';

const PREFIX = 'scim:{us.acme}:';

export interface ScimAnswer {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

export interface FleetHealth {
  status: string;
  version: string;
  checks: Record<string, [{ status: string; output?: string }]>;
  sites: Record<string, { pending: number; parked: number }>;
}

export class Fleet {
  readonly redis: TestRedis;
  readonly commands: Redis;
  readonly sandbox: Sandbox;
  readonly #env: Record<string, string>;
  readonly #processes: ServiceProcess[] = [];

  private constructor(redis: TestRedis, sandbox: Sandbox, env: Record<string, string>) {
    this.redis = redis;
    this.commands = redis.connect();
    this.sandbox = sandbox;
    this.#env = {
      NODE_ENV: 'production',
      REDIS_URL: redis.url,
      MAXIO_BASE_URL: sandbox.url,
      MAXIO_SUBDOMAIN: 'acme',
      MAXIO_API_KEY: API_KEY,
      SCIM_TOKEN,
      SCIM_IDP: 'okta',
      OPS_TOKEN,
      LOG_LEVEL: 'info',
      SHUTDOWN_DELAY_SECONDS: '0',
      MAXIO_LEASE_SECONDS: '3',
      MAXIO_UNKNOWN_OUTCOME_SECONDS: '6',
      MAXIO_GUARD_FLOOR: '1000000',
      MAXIO_GUARD_REVENUE_PERCENT: '100',
      MAXIO_GUARD_CALM_SECONDS: '0',
      ...env,
    };
  }

  /** @param env on top of the environment of every process */
  static async open(env: Record<string, string> = {}): Promise<Fleet> {
    const redis = await startRedis({ appendfsync: 'always' });
    return new Fleet(redis, await createSandbox({ apiKey: API_KEY, subdomain: 'acme' }), env);
  }

  /** Starts one process and waits until it answers. @param release absent: this one */
  async start(role: 'api' | 'worker', release?: Release): Promise<ServiceProcess> {
    const one = await ServiceProcess.prepare(`${role}-${this.#processes.length + 1}`, { ...this.#env, ROLE: role });
    this.#processes.push(one);
    await this.restart(one, release);
    return one;
  }

  /** Starts a process that has ended, perhaps as another release, and waits until it answers: it need not be ready. */
  async restart(one: ServiceProcess, release?: Release): Promise<void> {
    const { length } = one.output;
    one.start({}, release?.root);
    await until(`${one.name} answers`, async () => (await fetch(`${one.url}/livez`)).ok, { timeoutMs: 60_000 });
    await until(`${one.name} has met Maxio`, () => one.output.slice(length).includes('site confirmed'), { timeoutMs: 60_000 });
  }

  /** One SCIM request. @param path below /scim/v2 */
  async scim(at: ServiceProcess, method: string, path: string, body?: unknown): Promise<ScimAnswer> {
    const response = await fetch(`${at.url}/scim/v2${path}`, {
      method,
      headers: { authorization: `Bearer ${SCIM_TOKEN}`, 'content-type': 'application/scim+json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) };
  }

  async health(at: ServiceProcess): Promise<FleetHealth> {
    return (await (await fetch(`${at.url}/health`)).json()) as FleetHealth;
  }

  async readiness(at: ServiceProcess): Promise<{ status: number; reasons: string }> {
    const answer = await fetch(`${at.url}/readyz`);
    return { status: answer.status, reasons: String(((await answer.json()) as { reasons: string[] }).reasons) };
  }

  /** Waits until Maxio has everything that was acknowledged. */
  async settled(timeoutMs = 90_000): Promise<void> {
    await until('nobody is pending', async () => (await this.commands.zcard(`${PREFIX}dirty`)) === 0, { timeoutMs });
  }

  /** The records as they are stored, whole. */
  async stored(ids: string[]): Promise<Record<string, string>[]> {
    return await Promise.all(ids.map((id) => this.commands.hgetall(`${PREFIX}user:${id}`)));
  }

  key(name: string): string {
    return PREFIX + name;
  }

  /** Calls by which Maxio was changed, or asked to be. */
  mutations(method?: string): string[] {
    const calls = this.sandbox.state.ledger().filter((call) => call.method !== 'GET');
    return calls.filter((call) => method === undefined || call.method === method).map((call) => `${call.method} ${call.path}`);
  }

  async close(): Promise<void> {
    await Promise.all(this.#processes.map((each) => each.end('SIGKILL')));
    await this.redis.stop();
    await this.sandbox.close();
  }
}
