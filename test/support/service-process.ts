/**
 * Owns one service process of a cluster under test: started, killed, stopped and continued by signals, always on the same port, its output kept over restarts.
 * Refuses shortcuts: it is asked over HTTP only. Every process ends with its test.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

export class ServiceProcess {
  readonly name: string;
  readonly url: string;
  readonly #env: Record<string, string>;
  readonly #chunks: string[] = [];
  #child: ChildProcess | undefined;

  private constructor(name: string, port: number, env: Record<string, string>) {
    this.name = name;
    this.url = `http://127.0.0.1:${port}`;
    this.#env = { ...env, HOST: '127.0.0.1', PORT: String(port) };
  }

  /** Prepares a process that does not run yet. @param env all of its environment but PATH, HOST and PORT */
  static async prepare(name: string, env: Record<string, string>): Promise<ServiceProcess> {
    return new ServiceProcess(name, await freePort(), env);
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get pid(): number | undefined {
    return this.running ? this.#child?.pid : undefined;
  }

  /** Everything it has printed, all lives together. */
  get output(): string {
    return this.#chunks.join('');
  }

  /** Starts it without waiting for anything. @param env on top of its own, for this life @param root folder of the release to run, for this life */
  start(env: Record<string, string> = {}, root = ROOT): void {
    if (this.running) return;
    const { PATH = '' } = process.env;
    const child = spawn(process.execPath, ['src/main.ts'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH, ...this.#env, ...env },
    });
    children.add(child);
    child.once('exit', () => children.delete(child));
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => this.#chunks.push(chunk.toString()));
    this.#child = child;
  }

  /** @throws Error with the last words of a process that has ended instead */
  async ready(timeoutMs = 60_000): Promise<void> {
    const ready = async (): Promise<boolean> => {
      if (!this.running) return true;
      return (await fetch(`${this.url}/readyz`)).status === 200;
    };
    await until(`${this.name} answers /readyz with 200`, ready, { timeoutMs });
    if (!this.running) throw new Error(`${this.name} has ended: ${this.output.slice(-1_000)}`);
  }

  /** Ends it by a signal and waits for the end; a stopped one goes on first, or SIGTERM would never be heard. */
  async end(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    const child = this.#child;
    if (child !== undefined && this.running) {
      const exit = once(child, 'exit');
      child.kill(signal);
      if (signal !== 'SIGKILL') child.kill('SIGCONT');
      await exit;
    }
    return { code: child?.exitCode ?? null, signal: child?.signalCode ?? null };
  }

  /** Waits for an end that something else brings about. */
  async ended(timeoutMs = 30_000): Promise<void> {
    await until(`${this.name} ends`, () => !this.running, { timeoutMs });
  }

  /** SIGSTOP: connections stay open, nothing answers. */
  stop(): void {
    if (this.running) this.#child?.kill('SIGSTOP');
  }

  /** SIGCONT. */
  go(): void {
    if (this.running) this.#child?.kill('SIGCONT');
  }

  /** Memory and open files now, where the system shows them. */
  figures(): { rssBytes: number; openFiles: number } {
    const folder = `/proc/${this.pid}`;
    if (this.pid === undefined || !existsSync(folder)) return { rssBytes: 0, openFiles: 0 };
    const rss = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`${folder}/status`, 'utf8'))?.[1];
    return { rssBytes: Number(rss ?? 0) * 1_024, openFiles: readdirSync(`${folder}/fd`).length };
  }
}
