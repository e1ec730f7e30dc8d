/**
 * Owns a place in which the commands of a page run as they are written: a folder of its own that looks like the repository, ports of its own, and an end for
 * everything that a page has started. Refuses to know what a page says. `npx maxio-scim` is answered by the same program without npx around it, which takes
 * longer to start than the command; docs-onboarding.test.ts goes through npx.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import type { LedgerEntry } from '../../src/sandbox/ledger.ts';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

export interface Said {
  code: number | null;
  output: string;
}

export interface MaxioState {
  customers: { id: number; email: string; reference: string | null }[];
  subscriptions: { id: number; state: string; customer: { id: number; email: string } }[];
}

const WORDS = 'docs/runbooks/rehearse.sh';
const LINKED = ['package.json', 'node_modules', 'src', 'bin', 'docs'];
/** Does on the end of its input what a page would do at its end, so that nothing is left behind even when the test is killed. */
const LIFELINE = `read -r _; . ./${WORDS}; stage_end`;

export class Rehearsal {
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #lifeline: ChildProcess;
  #demo: ChildProcess | undefined;

  private constructor(folder: string, env: NodeJS.ProcessEnv) {
    this.#folder = folder;
    this.#env = env;
    this.#lifeline = spawn('bash', ['-c', LIFELINE], { cwd: folder, env, stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  }

  static async open(): Promise<Rehearsal> {
    const folder = mkdtempSync(join(tmpdir(), 'runbook-'));
    for (const name of LINKED) symlinkSync(resolve(name), join(folder, name));
    const bin = join(folder, 'npx');
    mkdirSync(bin);
    writeFileSync(join(bin, 'npx'), '#!/bin/sh\n[ "$1" = maxio-scim ] || exit 64\nshift\nexec node bin/maxio-scim.js "$@"\n');
    chmodSync(join(bin, 'npx'), 0o755);
    const PATH = [bin, dirname(process.execPath), process.env.PATH].join(delimiter);
    const ports = { PORT: String(await freePort()), SANDBOX_PORT: String(await freePort()) };
    return new Rehearsal(folder, { PATH, HOME: process.env.HOME, NO_COLOR: '1', ...ports });
  }

  /** Runs commands as in a terminal in which the words of the runbooks are known. @param strict ends at the first that fails */
  async run(commands: string, strict: boolean): Promise<Said> {
    const flags = strict ? 'set -e -o pipefail' : 'set -o pipefail';
    const child = spawn('bash', ['-c', `. ./${WORDS}\n${flags}\n${commands}`], {
      cwd: this.#folder,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, output };
  }

  /** Starts a demo as in a second terminal, and waits until it has told everything. */
  async startDemo(command: string): Promise<void> {
    const [env = '', program = command] = /^((?:[A-Z_]+=\S+ )*)(.*)$/s.exec(command)?.slice(1) ?? [];
    const demo = spawn('bash', ['-c', `${env === '' ? '' : `export ${env}; `}exec ${program}`], {
      cwd: this.#folder,
      env: this.#env,
      detached: true,
    });
    this.#demo = demo;
    let output = '';
    for (const stream of [demo.stdout, demo.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    const told = (): boolean => demo.exitCode !== null || output.includes('Ctrl-C ends it.');
    await until('the demo has told everything', told, { timeoutMs: 120_000 });
    if (demo.exitCode !== null) throw new Error(output);
  }

  read(file: string): string {
    return readFileSync(join(this.#folder, file), 'utf8');
  }

  /** What the sandbox holds. */
  async maxio(): Promise<MaxioState> {
    return (await this.#sandbox('state')) as MaxioState;
  }

  /** Every call that has arrived. */
  async ledger(): Promise<LedgerEntry[]> {
    return (await this.#sandbox('ledger')) as LedgerEntry[];
  }

  /** What the service tells of itself, as an operator sees it; `undefined` while it does not answer. */
  async ops<T>(path: string): Promise<T | undefined> {
    const token = /^export OPS_TOKEN=(\S+)/m.exec(this.read(WORDS))?.[1];
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(`http://127.0.0.1:${this.#env.PORT}/ops/api${path}`, { headers }).catch(() => undefined);
    return answer?.status === 200 ? ((await answer.json()) as T) : undefined;
  }

  /** What the SCIM door answers to somebody with this token. */
  async enters(token: string): Promise<number> {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch(`http://127.0.0.1:${this.#env.PORT}/scim/v2/Users?count=0`, { headers })).status;
  }

  async #sandbox(path: string): Promise<unknown> {
    return await (await fetch(`http://127.0.0.1:${this.#env.SANDBOX_PORT}/__sandbox/${path}`)).json();
  }

  async close(): Promise<void> {
    const demo = this.#demo;
    if (demo?.pid !== undefined && demo.exitCode === null && demo.signalCode === null) {
      const ended = once(demo, 'exit');
      process.kill(-demo.pid, 'SIGTERM');
      await ended;
    }
    const gone = once(this.#lifeline, 'exit');
    this.#lifeline.stdin?.end('\n');
    await gone;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
