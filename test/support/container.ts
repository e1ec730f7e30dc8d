/**
 * Owns a container without a container engine: a root folder put together by the Dockerfile's own lines, and processes that have it as their root, read-only,
 * as the user and with the limits that Dockerfile and compose file name, in their own mount and process namespaces. Needs Linux and root.
 * What it cannot imitate: the engine's seccomp profile and cgroups; limits are resource limits here. The network is the one of the test.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DOCKERFILE = readFileSync(join(ROOT, 'Dockerfile'), 'utf8').replaceAll('\\\n', '');
const COMPOSE = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');
const RUN_SYSTEM = /^FROM \S+ AS system\nRUN (.*)$/m.exec(DOCKERFILE)?.[1] ?? '';

/** The folder that stands for a volume. */
export const VOLUME = '/data';

/** What the image is told to run, and how it is asked whether it is well. */
export const IMAGE = {
  command: words(/^CMD (\[.*\])$/m),
  healthCheck: words(/^HEALTHCHECK .*?CMD (\[.*\])$/m),
  user: Number(/^USER (\d+):\d+$/m.exec(DOCKERFILE)?.[1]),
  env: Object.fromEntries(
    [...(/^ENV (.*)$/m.exec(DOCKERFILE)?.[1] ?? '').matchAll(/(\w+)=(\S+)/g)].map(([, name = '', value = '']) => [name, value]),
  ),
};

/** What the compose file allows one process of the service. */
export const LIMITS = {
  memoryMiB: 1_024 * Number(/^ {2}mem_limit: (\d+)g$/m.exec(COMPOSE)?.[1]),
  threads: Number(/^ {2}pids_limit: (\d+)$/m.exec(COMPOSE)?.[1]),
};

function words(line: RegExp): string[] {
  return JSON.parse(line.exec(DOCKERFILE)?.[1] ?? '[]') as string[];
}

/** Why there can be no container here; `undefined` where there can. */
export function noContainer(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs Linux and root';
  const tried = spawnSync('unshare', ['--mount', '--pid', '--fork', 'mount', '-t', 'tmpfs', 'none', '/mnt']);
  return tried.status === 0 ? undefined : 'this system lets nobody mount';
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) killInside(child);
});

/** The one that has become number 1 inside, as this system numbers it; it takes everything inside with it when it ends. */
function insideOf({ pid }: ChildProcess): number | undefined {
  const children = `/proc/${pid}/task/${pid}/children`;
  return existsSync(children) ? Number(readFileSync(children, 'utf8').trim().split(' ')[0]) || undefined : undefined;
}

/** The outer process ends with the inner one, and not the other way round. */
function killInside(child: ChildProcess): void {
  const inner = insideOf(child);
  if (inner === undefined) child.kill('SIGKILL');
  else process.kill(inner, 'SIGKILL');
}

export interface Contained {
  /** Everything it has printed. */
  output(): string;
  /** Its number as this system sees it; inside it is number 1. */
  pid(): number;
  hasEnded(): boolean;
  ended: Promise<number | null>;
  kill(): Promise<void>;
}

export interface Image {
  root: string;
  run(command: readonly string[], env?: Record<string, string>): Contained;
  remove(): void;
}

/** Puts the image together: the lines of its stage `system`, the packages of production, and what is copied. */
export function buildImage(): Image {
  const root = mkdtempSync(join(tmpdir(), 'maxio-scim-image-'));
  chmodSync(root, 0o755);
  // The base has Node there; ours is somewhere else.
  const base =
    'mount -t tmpfs none /usr/local/bin && touch /usr/local/bin/node && mount --bind "$NODE" /usr/local/bin/node && exec sh -c "$RUN"';
  const { PATH = '' } = process.env;
  const built = spawnSync('unshare', ['--mount', 'sh', '-c', base], {
    env: { PATH, NODE: process.execPath, RUN: RUN_SYSTEM, ROOT: root },
    encoding: 'utf8',
  });
  if (RUN_SYSTEM === '' || built.status !== 0)
    throw new Error(`the stage system of the Dockerfile cannot be built: ${built.stderr}`);
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Record<string, unknown>>;
  };
  const packages = Object.entries(lock.packages).filter(
    ([path, { dev, devOptional, optional }]) => path !== '' && !dev && !devOptional && !optional,
  );
  const files = [...DOCKERFILE.matchAll(/^COPY (?!--from)(.+) \S+$/gm)]
    .flatMap(([, list = '']) => list.split(' '))
    .filter((file) => file !== 'package-lock.json' && file !== '.npmrc');
  for (const file of [...files, ...packages.map(([path]) => path)]) {
    if (!existsSync(join(ROOT, file))) throw new Error(`${file} is not there: run npm ci`);
    mkdirSync(join(root, 'app', dirname(file)), { recursive: true });
    cpSync(join(ROOT, file), join(root, 'app', file), { recursive: true });
  }
  for (const folder of ['proc', 'dev', VOLUME]) mkdirSync(join(root, folder));
  return {
    root,
    run: (command, env = {}) => start(root, command, env),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

const INSIDE = [
  'mount --bind "$ROOT" "$ROOT" && mount -o remount,bind,ro,nosuid,nodev "$ROOT"',
  'mount -t proc none "$ROOT/proc" && mount -t tmpfs none "$ROOT/tmp"',
  `mount -t tmpfs -o mode=700,uid=${IMAGE.user},gid=${IMAGE.user} none "$ROOT${VOLUME}"`,
  'exec setpriv --no-new-privs prlimit --core=0 --nproc="$THREADS" unshare --root="$ROOT" --wd=/app --setgid="$USER_ID" --setuid="$USER_ID" "$@"',
].join(' && ');

function start(root: string, [program = '', ...args]: readonly string[], env: Record<string, string>): Contained {
  const { PATH = '' } = process.env;
  const child = spawn(
    'unshare',
    ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', INSIDE, 'sh', join('/usr/local/bin', program), ...args],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...env, PATH, ROOT: root, THREADS: String(LIMITS.threads), USER_ID: String(IMAGE.user) },
    },
  );
  running.add(child);
  child.once('exit', () => running.delete(child));
  const chunks: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return {
    output: () => chunks.join(''),
    pid: () => insideOf(child) ?? Number.NaN,
    hasEnded,
    ended,
    kill: async () => {
      if (!hasEnded()) killInside(child);
      await ended;
    },
  };
}
