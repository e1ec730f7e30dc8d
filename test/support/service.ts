/**
 * Owns real service processes for end-to-end tests: `node src/main.ts` on a free port, with a sandbox and a Redis of the test's own.
 * Refuses shortcuts: the service is reached over HTTP only. Every process ends with its test.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { vi } from 'vitest';
import { freePort } from './free-port.ts';

export const SCIM_TOKEN = 'e2e-scim-token-7f3a9c51d0';
export const OPS_TOKEN = 'e2e-ops-token-b82e64f19a';
export const API_KEY = 'e2e-maxio-key-5c0d';

const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

export interface ServiceOptions {
  redisUrl: string;
  sandboxUrl: string;
  env?: Record<string, string>;
}

export interface Answer {
  status: number;
  body: Record<string, unknown>;
  headers: Headers;
}

export class Service {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly output: string[] = [];

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
    const keep = (chunk: Buffer): void => {
      this.output.push(chunk.toString('utf8'));
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
  }

  /** Start a process and wait until it is ready. */
  static async start(options: ServiceOptions): Promise<Service> {
    const service = await Service.spawn(options);
    await service.ready();
    return service;
  }

  /** Start a process without waiting for anything. */
  static async spawn(options: ServiceOptions): Promise<Service> {
    const port = await freePort();
    const child = spawn(process.execPath, ['src/main.ts'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        NODE_ENV: 'production',
        REDIS_URL: options.redisUrl,
        MAXIO_BASE_URL: options.sandboxUrl,
        MAXIO_SUBDOMAIN: 'acme',
        MAXIO_API_KEY: API_KEY,
        SCIM_TOKEN,
        OPS_TOKEN,
        HOST: '127.0.0.1',
        PORT: String(port),
        LOG_LEVEL: 'info',
        MAXIO_LEASE_SECONDS: '3',
        // Tests that are about something else: nothing is held and nobody waits.
        MAXIO_GUARD_FLOOR: '1000000',
        MAXIO_GUARD_REVENUE_PERCENT: '100',
        MAXIO_GUARD_CALM_SECONDS: '0',
        SHUTDOWN_DELAY_SECONDS: '0',
        ...options.env,
      },
    });
    children.add(child);
    child.once('exit', () => children.delete(child));
    return new Service(`http://127.0.0.1:${port}`, child);
  }

  /** Wait until it answers /readyz with 200. */
  async ready(): Promise<void> {
    await vi.waitFor(
      async () => {
        const answer = await fetch(`${this.url}/readyz`).catch(() => undefined);
        if (answer?.status !== 200) throw new Error(`not ready: ${answer === undefined ? this.#exit() : await answer.text()}`);
      },
      { timeout: 60_000, interval: 50 },
    );
  }

  /** True when the process has ended, by itself or by a signal. */
  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async waitForEnd(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    if (!this.ended) await once(this.#child, 'exit');
    return { code: this.#child.exitCode, signal: this.#child.signalCode };
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.ended) return;
    this.#child.kill(signal);
    await this.waitForEnd();
  }

  /** Send a signal that the process is meant to outlive. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Make one SCIM request. @param path below /scim/v2 */
  async scim(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(`${this.url}/scim/v2${path}`, {
      method,
      headers: {
        authorization: `Bearer ${SCIM_TOKEN}`,
        ...(body === undefined ? {} : { 'content-type': 'application/scim+json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
      headers: response.headers,
    };
  }

  /** Read the figures of the one site from /health. */
  async health(): Promise<{
    mode: 'observe' | 'enforce' | 'paused';
    pending: number;
    parked: number;
    held: number;
    budget: { used: number; limit: number };
  }> {
    const body = (await (await fetch(`${this.url}/health`)).json()) as { sites: Record<string, never> };
    const site = Object.values(body.sites)[0];
    if (site === undefined) throw new Error(`no site in /health: ${JSON.stringify(body)}`);
    return site;
  }

  /** Wait until every acknowledged change has settled or is parked. */
  async settled(timeoutMs = 20_000): Promise<void> {
    await vi.waitFor(
      async () => {
        const { pending } = await this.health();
        if (pending > 0) throw new Error(`${pending} people are still pending`);
      },
      { timeout: timeoutMs, interval: 50 },
    );
  }

  #exit(): string {
    return this.ended ? `the process has ended: ${this.output.join('').slice(-2_000)}` : 'not listening yet';
  }
}
