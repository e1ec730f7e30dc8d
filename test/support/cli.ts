/**
 * Owns real runs of the `maxio-scim` command for tests: a process of its own, without a terminal, with nothing of this process's environment but PATH.
 * Refuses to let the token out: every output is searched for it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const CLI_ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const CLI_BIN = join(CLI_ROOT, 'bin/maxio-scim.js');

export interface Ended {
  code: number | null;
  out: string;
  err: string;
}

export interface CliRun {
  child: ChildProcess;
  ended: Promise<Ended>;
  /** What was printed so far. */
  seen: Ended;
}

/** Starts the command. @param env of the command, with OPS_TOKEN and MAXIO_SCIM_URL */
export function startCli(args: string[], env: Record<string, string>, input?: string): CliRun {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [CLI_BIN, ...args], {
    cwd: CLI_ROOT,
    env: { PATH, HOME, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const seen: Ended = { code: null, out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    seen.out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    seen.err += chunk.toString();
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input ?? '');
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      const { OPS_TOKEN: token } = env;
      if (token && (seen.out + seen.err).includes(token)) reject(new Error('the command has printed its token'));
      else resolve({ ...seen, code });
    });
  });
  return { child, ended, seen };
}
