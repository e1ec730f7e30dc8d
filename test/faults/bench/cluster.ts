/**
 * Owns the cluster under test: two api and two worker processes of the real service, a Redis of its own with `appendfsync always` behind a proxy,
 * and the sandbox in this process. Refuses to know what is done with it. Nothing outlives `close`, nor this process.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Redis } from 'ioredis';
import { createSandbox, type Sandbox } from '../../../src/sandbox/sandbox.ts';
import { startRedis, type TestRedis, type TestRedisOptions } from '../../support/redis.ts';
import { RedisProxy } from '../../support/redis-proxy.ts';
import { API_KEY, OPS_TOKEN, SCIM_TOKEN } from '../../support/service.ts';
import { ServiceProcess } from '../../support/service-process.ts';
import { until } from '../../support/until.ts';

export const SITE = 'us.acme';
export const PREFIX = `scim:{${SITE}}:`;
export const PRODUCT = 'pro';

export interface ClusterOptions {
  /** On top of the environment of every process. */
  env?: Record<string, string>;
  apis?: number;
  workers?: number;
  redis?: TestRedisOptions;
  /** What the sandbox sells; default as it comes. */
  products?: NonNullable<Parameters<typeof createSandbox>[0]>['products'];
}

/** Short enough to be waited for, long enough that an answer on loopback is not taken for lost. */
const SHORT: Record<string, string> = {
  MAXIO_LEASE_SECONDS: '3',
  MAXIO_UNKNOWN_OUTCOME_SECONDS: '6',
  MAXIO_CALL_DEADLINE_SECONDS: '2',
};

/** Nothing is held and nobody waits, unless a history asks for the guard. */
const NO_GUARD: Record<string, string> = {
  MAXIO_GUARD_FLOOR: '1000000',
  MAXIO_GUARD_REVENUE_PERCENT: '100',
  MAXIO_GUARD_CALM_SECONDS: '0',
};

export class Cluster {
  readonly redis: TestRedis;
  readonly proxy: RedisProxy;
  readonly sandbox: Sandbox;
  /** Past the proxy, for the bench itself. */
  readonly commands: Redis;
  readonly apis: ServiceProcess[];
  readonly workers: ServiceProcess[];
  readonly #lag = monitorEventLoopDelay({ resolution: 10 });

  private constructor(parts: Pick<Cluster, 'redis' | 'proxy' | 'sandbox' | 'commands' | 'apis' | 'workers'>) {
    this.redis = parts.redis;
    this.proxy = parts.proxy;
    this.sandbox = parts.sandbox;
    this.commands = parts.commands;
    this.apis = parts.apis;
    this.workers = parts.workers;
    this.#lag.enable();
  }

  /** Starts everything and waits until all processes are ready. */
  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const redis = await startRedis(options.redis);
    const proxy = await RedisProxy.start(redis.url);
    const sandbox = await createSandbox({
      apiKey: API_KEY,
      subdomain: 'acme',
      ...(options.products === undefined ? {} : { products: options.products }),
    });
    const env: Record<string, string> = {
      NODE_ENV: 'production',
      REDIS_URL: proxy.url,
      MAXIO_BASE_URL: sandbox.url,
      MAXIO_SUBDOMAIN: 'acme',
      MAXIO_API_KEY: API_KEY,
      MAXIO_PRODUCT_HANDLE: PRODUCT,
      SCIM_TOKEN,
      OPS_TOKEN,
      LOG_LEVEL: 'info',
      SHUTDOWN_DELAY_SECONDS: '0',
      ...SHORT,
      ...NO_GUARD,
      ...options.env,
    };
    const prepare = async (role: 'api' | 'worker', count: number): Promise<ServiceProcess[]> =>
      await Promise.all(
        Array.from({ length: count }, (_, i) => ServiceProcess.prepare(`${role}-${i + 1}`, { ...env, ROLE: role })),
      );
    const cluster = new Cluster({
      redis,
      proxy,
      sandbox,
      commands: redis.connect(),
      apis: await prepare('api', options.apis ?? 2),
      workers: await prepare('worker', options.workers ?? 2),
    });
    for (const each of cluster.processes) each.start();
    try {
      await Promise.all(cluster.processes.map((each) => each.ready()));
    } catch (error) {
      const said = cluster.processes.map(({ name, output }) => `${name}: ${output.slice(-1_000)}`).join('\n');
      await cluster.close();
      throw new Error(`the cluster did not come up:\n${said}`, { cause: error });
    }
    return cluster;
  }

  /** The longest that this process, and with it the sandbox, has kept anybody waiting so far. */
  get lagMs(): number {
    return Math.ceil(this.#lag.max / 1e6);
  }

  get processes(): ServiceProcess[] {
    return [...this.apis, ...this.workers];
  }

  /** Ends every fault there is: all processes run, Redis answers, the sandbox behaves, the proxy only forwards. */
  async heal(): Promise<void> {
    this.sandbox.state.clearFaults();
    this.sandbox.state.release();
    this.proxy.heal();
    this.redis.thaw();
    for (const each of this.processes) each.go();
    if (this.commands.status !== 'ready') await this.redis.restart();
    await until('Redis takes commands', async () => (await this.commands.config('SET', 'maxmemory', '0')) === 'OK');
    for (const each of this.processes) each.start();
    await Promise.all(this.processes.map((each) => each.ready()));
  }

  async close(): Promise<void> {
    this.#lag.disable();
    await Promise.all(this.processes.map((each) => each.end('SIGKILL')));
    await this.proxy.stop();
    await this.redis.stop();
    await this.sandbox.close();
  }
}
