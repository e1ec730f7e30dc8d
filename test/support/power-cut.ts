/**
 * Owns a Redis whose power can be cut: a preload notes what was synced, and after a SIGKILL everything beyond that is taken from its files.
 * Refuses to pretend: where there is no C compiler to build the preload with, it says so, and the test is skipped.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startRedis, type TestRedis } from './redis.ts';
import { onPath } from './redis-binary.ts';

const SOURCE = fileURLToPath(new URL('./fsync-shim.c', import.meta.url));

/** The compiler, on a system whose servers take a preload. */
export const compiler = process.platform === 'linux' ? (onPath('cc') ?? onPath('gcc') ?? onPath('clang')) : undefined;

export interface MortalRedis {
  redis: TestRedis;
  /** @returns how many bytes that were written had not been synced */
  cutPower(): Promise<number>;
  stop(): Promise<void>;
}

export async function startMortalRedis(appendfsync: 'always' | 'no'): Promise<MortalRedis> {
  if (compiler === undefined) throw new Error('there is no C compiler for the preload that notes what was synced');
  const folder = mkdtempSync(join(tmpdir(), 'maxio-scim-power-'));
  const [shim, notes] = [join(folder, 'shim.so'), join(folder, 'synced')];
  execFileSync(compiler, ['-shared', '-fPIC', '-o', shim, SOURCE, '-ldl']);
  const redis = await startRedis({ appendfsync, under: ['env', `LD_PRELOAD=${shim}`, `SYNCED=${notes}`] });
  return {
    redis,
    async cutPower() {
      await redis.kill();
      return truncate(redis.dir, lastNotes(notes));
    },
    async stop() {
      await redis.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function lastNotes(notes: string): Map<string, number> {
  const lines = readFileSync(notes, 'utf8').trim().split('\n');
  return new Map(lines.map((line) => [line.slice(line.indexOf(' ') + 1), Number(line.slice(0, line.indexOf(' ')))]));
}

/** The file that commands are appended to loses what was never synced; a file nobody has synced was never there. */
function truncate(dir: string, synced: Map<string, number>): number {
  const folder = join(dir, 'appendonlydir');
  const manifest = readFileSync(join(folder, 'appendonly.aof.manifest'), 'utf8');
  let lost = 0;
  for (const [, name = ''] of manifest.matchAll(/^file (\S+) .*type i/gm)) {
    const file = join(folder, name);
    const keep = [...synced].find(([path]) => path.endsWith(`/${name}`))?.[1] ?? 0;
    lost += readFileSync(file).length - keep;
    truncateSync(file, keep);
  }
  return lost;
}
