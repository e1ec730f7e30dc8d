/**
 * Owns the Redis of the demo: the one it is told to use, else a private redis-server or valkey-server from PATH, else one in JavaScript that needs no binary.
 * Refuses to touch a Redis of somebody else beyond the demo's own keys. A private server listens on a socket in a folder of its own and dies with the demo,
 * however that ends: a small shell holds a pipe to it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AddressInfo, Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectRedis, redisReady } from '../redis.ts';
import { Secret } from '../secret.ts';

export interface DemoRedis {
  url: Secret;
  /** What it is, in words for the first screen. */
  words: string;
  /** False: it keeps every acknowledged change, as the service requires; true: the service must be told to accept less. */
  relaxed: boolean;
  /** Too slow for thousands of people. */
  slow: boolean;
  close(): Promise<void>;
}

const HOLDER = '"$@" & pid=$!; read -r _; kill $pid 2>/dev/null; wait $pid 2>/dev/null; rm -rf "$0"';
const START_MS = 10_000;

/** Starts or finds a Redis for the demo. @throws Error that says what to do */
export async function openDemoRedis(given: Secret | undefined): Promise<DemoRedis> {
  if (given !== undefined) {
    return {
      url: given,
      words: 'the one in REDIS_URL; the demo adds keys of a site of its own',
      relaxed: true,
      slow: false,
      close: async () => {},
    };
  }
  for (const program of ['redis-server', 'valkey-server']) {
    if (spawnSync(program, ['--version']).status === 0) return await privateServer(program);
  }
  return await embedded();
}

async function privateServer(program: string): Promise<DemoRedis> {
  const folder = mkdtempSync(join(tmpdir(), 'maxio-scim-demo-'));
  const socket = join(folder, 'redis.sock');
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory-policy', 'noeviction', '--save', ''];
  const args = [
    '--port',
    '0',
    '--unixsocket',
    socket,
    '--unixsocketperm',
    '700',
    '--dir',
    folder,
    '--loglevel',
    'warning',
    ...durable,
  ];
  // Detached: Ctrl-C must reach the demo first, so that it can end its work before its store is gone.
  const holder = spawn('sh', ['-c', HOLDER, folder, program, ...args], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  const url = new Secret(socket);
  try {
    await answering(url);
  } catch (cause) {
    await end(holder, folder);
    throw new Error(`${program} is on PATH but did not start; try it by hand, or give REDIS_URL`, { cause });
  }
  return {
    url,
    words: `a private ${program} in ${folder}, removed at the end`,
    relaxed: false,
    slow: false,
    close: () => end(holder, folder),
  };
}

/** Waits until a server takes commands on its socket; ioredis keeps trying while it is not there yet. */
async function answering(url: Secret): Promise<void> {
  const redis = connectRedis(url, 'commands');
  try {
    await redisReady(redis, START_MS);
  } finally {
    redis.disconnect();
  }
}

async function end(holder: ChildProcess, folder: string): Promise<void> {
  if (holder.exitCode === null && holder.signalCode === null) {
    const gone = once(holder, 'exit');
    holder.stdin?.end('\n');
    await gone;
  }
  rmSync(folder, { recursive: true, force: true });
}

async function embedded(): Promise<DemoRedis> {
  const { createRedisServer } = await importEmbedded();
  const server = await createRedisServer();
  const { port } = await onLoopback(server.server.server);
  const sockets = new Set<Socket>();
  server.server.server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const url = new Secret(`redis://127.0.0.1:${port}`);
  await answering(url);
  const words = 'js-redis-server, in memory, FOR DEMOS ONLY: no redis-server or valkey-server is on PATH';
  const close = async (): Promise<void> => {
    // It would wait for its clients to leave, and some stay until the process ends.
    for (const socket of sockets) socket.destroy();
    await server.close();
  };
  return { url, words, relaxed: true, slow: true, close };
}

/** It listens on every interface and knows no password, so it is moved to loopback before anything is stored in it. */
async function onLoopback(server: Server): Promise<AddressInfo> {
  server.close();
  await once(server, 'close');
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address() as AddressInfo;
}

/** A development dependency: not there after `npm ci --omit=dev`. */
async function importEmbedded(): Promise<typeof import('js-redis-server')> {
  try {
    createRequire(import.meta.url).resolve('js-redis-server');
  } catch {
    throw new Error(
      'The demo needs a Redis: there is no redis-server or valkey-server on PATH, and js-redis-server is not installed. ' +
        'Run npm ci without --omit=dev, or install Redis, or give REDIS_URL.',
    );
  }
  return await import('js-redis-server');
}
