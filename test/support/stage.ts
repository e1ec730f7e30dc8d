/**
 * Owns what a test file with real service processes plays on: one Redis for the file, emptied for each test, a sandbox of Maxio for each test, and the services
 * started on both, which end with the test. Refuses to know what is played: settings and people are the file's own.
 */
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { createSandbox, type Sandbox, type SandboxOptions } from '../../src/sandbox/sandbox.ts';
import { startRedis, type TestRedis, type TestRedisOptions } from './redis.ts';
import { API_KEY, Service } from './service.ts';

export interface StageOptions {
  /** What every service of the file is started with, unless the test says otherwise. */
  env?: Record<string, string>;
  redis?: TestRedisOptions;
  sandbox?: Partial<SandboxOptions>;
}

export class Stage {
  readonly #options: StageOptions;
  #redis: TestRedis | undefined;
  #commands: Redis | undefined;
  #sandbox: Sandbox | undefined;
  /** Those of this test, in the order they were started. */
  services: Service[] = [];

  constructor(options: StageOptions) {
    this.#options = options;
  }

  get redis(): TestRedis {
    return present(this.#redis);
  }

  /** A connection that stays open over all tests of the file. */
  get commands(): Redis {
    return present(this.#commands);
  }

  get sandbox(): Sandbox {
    return present(this.#sandbox);
  }

  /** Start a service and wait until it is ready. */
  async start(env: Record<string, string> = {}): Promise<Service> {
    const service = await this.spawn(env);
    await service.ready();
    return service;
  }

  /** Start a service that may be gone before it is ready, or that is not meant to become so. */
  async spawn(env: Record<string, string> = {}): Promise<Service> {
    const service = await Service.spawn({
      redisUrl: this.redis.url,
      sandboxUrl: this.sandbox.url,
      env: { ...this.#options.env, ...env },
    });
    this.services.push(service);
    return service;
  }

  /** Put another sandbox in the place of the one there is. */
  async openSandbox(options: Partial<SandboxOptions> = {}): Promise<void> {
    await this.#sandbox?.close();
    this.#sandbox = await createSandbox({ apiKey: API_KEY, subdomain: 'acme', ...this.#options.sandbox, ...options });
  }

  async open(): Promise<void> {
    this.#redis = await startRedis(this.#options.redis);
    this.#commands = this.#redis.connect();
  }

  async clear(): Promise<void> {
    await this.redis.flush();
    await this.openSandbox();
  }

  async clean(): Promise<void> {
    await Promise.all(this.services.map((service) => service.kill()));
    this.services = [];
    await this.#sandbox?.close();
    this.#sandbox = undefined;
  }

  async close(): Promise<void> {
    await this.#redis?.stop();
  }
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the stage is open inside a test only');
  return value;
}

/** Open a stage for the file that calls this, by the hooks of its tests. */
export function useStage(options: StageOptions = {}): Stage {
  const stage = new Stage(options);
  beforeAll(() => stage.open());
  beforeEach(() => stage.clear());
  afterEach(() => stage.clean());
  afterAll(() => stage.close());
  return stage;
}
