/**
 * Owns private, real Redis servers for tests: own directory, own loopback port, append-only file on, no eviction.
 * Refuses to know what is stored. A server dies with its test process, however that ends: a small shell holds a pipe to it
 * and kills the server when the pipe closes, so that not even SIGKILL of a test worker leaves one behind.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Redis } from 'ioredis';
import { connectRedis, type RedisRole } from '../../src/redis.ts';
import { freePort } from './free-port.ts';
import { INSTALL_REDIS, redisBinary } from './redis-binary.ts';

export interface TestRedisOptions {
  /** Default `always`, as the product requires it. */
  appendfsync?: 'always' | 'everysec' | 'no';
  /** For example `64mb`; default without a limit. */
  maxmemory?: string;
  /** Further settings of redis.conf, such as `{ requirepass: 'x' }`. */
  settings?: Record<string, string>;
  /** Words put before the command of the server, such as `['env', 'LD_PRELOAD=…']`. What they name must become the server by `exec`. */
  under?: readonly string[];
}

export interface TestRedis {
  /** `redis://127.0.0.1:<port>`; stays the same over `restart`. */
  readonly url: string;
  /** The directory with the append-only file. */
  readonly dir: string;
  /** Opens a connection as the product does; commands given before it is up wait for it, and `stop` closes it. */
  connect(role?: RedisRole): Redis;
  /** Removes all keys. */
  flush(): Promise<void>;
  /** Kills the server if it still runs and starts it again on the same directory and port. @param under what it runs under from now on */
  restart(under?: readonly string[]): Promise<void>;
  /** Ends the server as SIGKILL does: nothing is flushed or saved. */
  kill(): Promise<void>;
  /** Freezes the server (SIGSTOP): connections stay open, nothing answers. */
  freeze(): void;
  /** Lets a frozen server go on. */
  thaw(): void;
  /** Ends the server and removes its directory. */
  stop(): Promise<void>;
}

const HOLDER =
  '"$@" & pid=$!; echo "pid $pid"; read -r word; kill -9 $pid 2>/dev/null; wait $pid 2>/dev/null; [ "$word" = keep ] || rm -rf "$HOLDER_DIR"';

interface Running {
  holder: ChildProcess;
  pid: number;
}

/** Starts one server and resolves when it accepts connections, its append-only file loaded. */
function launch(binary: string, dir: string, args: string[], under: readonly string[]): Promise<Running> {
  const holder = spawn('sh', ['-c', HOLDER, 'sh', ...under, binary, ...args], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { ...process.env, HOLDER_DIR: dir },
    detached: true,
  });
  return new Promise((resolve, reject) => {
    let pid = 0;
    const heard: string[] = [];
    const lines = createInterface({ input: holder.stdout });
    lines.on('line', (line) => {
      if (!pid && line.startsWith('pid ')) pid = Number(line.slice(4));
      heard.push(line);
      if (heard.length > 50) heard.shift();
      if (line.includes('eady to accept connections')) {
        for (const handle of [holder, holder.stdin, holder.stdout] as { unref?: () => void }[]) handle.unref?.();
        resolve({ holder, pid });
      } else if (/# Fatal|Could not create server TCP|FATAL CONFIG|aborting|# Failed listening/i.test(line)) {
        holder.stdin.end();
        reject(new Error(`${binary} did not start:\n${heard.slice(-12).join('\n')}`));
      }
    });
    // An early death of the server does not end the holder, so its output ending is the only other way out.
    lines.on('close', () => reject(new Error(`${binary} did not start:\n${heard.slice(-12).join('\n')}`)));
    holder.once('error', reject);
  });
}

/** Ends a server by SIGKILL through its holder and waits until both are gone. */
async function end(running: Running, word: 'keep' | 'drop'): Promise<void> {
  const { holder } = running;
  if (holder.exitCode !== null || holder.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => holder.once('exit', () => resolve()));
  holder.ref();
  holder.stdin?.end(`${word}\n`);
  await gone;
}

/**
 * Starts a private Redis.
 * @throws Error that says what to install when no server binary is on PATH
 */
export async function startRedis(options: TestRedisOptions = {}): Promise<TestRedis> {
  const binary = redisBinary();
  if (!binary) throw new Error(INSTALL_REDIS);
  const dir = mkdtempSync(join(tmpdir(), 'maxio-scim-redis-'));
  const settings: Record<string, string> = {
    bind: '127.0.0.1',
    dir,
    appendonly: 'yes',
    appendfsync: options.appendfsync ?? 'always',
    'maxmemory-policy': 'noeviction',
    save: '',
    logfile: '',
    ...(options.maxmemory ? { maxmemory: options.maxmemory } : {}),
    ...options.settings,
  };
  const args = (port: number) => [
    '--port',
    String(port),
    ...Object.entries(settings).flatMap(([key, value]) => [`--${key}`, value]),
  ];

  let port = 0;
  let under = options.under ?? [];
  let running: Running | undefined;
  for (let attempt = 1; !running; attempt++) {
    port = await freePort();
    try {
      running = await launch(binary, dir, args(port), under);
    } catch (err) {
      // Another process may have taken the port between the probe and the start.
      if (attempt >= 5) {
        rmSync(dir, { recursive: true, force: true });
        throw err;
      }
    }
  }

  const clients: Redis[] = [];
  const url = `redis://127.0.0.1:${port}`;
  const connect = (role: RedisRole = 'commands'): Redis => {
    const redis = connectRedis(url, role);
    const { enableOfflineQueue } = redis.options;
    redis.options.enableOfflineQueue = true;
    redis.once('ready', () => {
      if (enableOfflineQueue !== undefined) redis.options.enableOfflineQueue = enableOfflineQueue;
    });
    clients.push(redis);
    return redis;
  };
  const signal = (name: NodeJS.Signals): void => {
    if (running) process.kill(running.pid, name);
  };
  const kill = async (): Promise<void> => {
    if (running) await end(running, 'keep');
    running = undefined;
  };

  return {
    url,
    dir,
    connect,
    kill,
    flush: async () => {
      const redis = connect();
      await redis.flushall();
      redis.disconnect();
    },
    restart: async (next = under) => {
      await kill();
      under = next;
      running = await launch(binary, dir, args(port), under);
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    stop: async () => {
      for (const client of clients) client.disconnect();
      if (running) await end(running, 'drop');
      running = undefined;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
