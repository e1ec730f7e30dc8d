/**
 * Owns what the product relies on from Redis itself and from our connections to it, on a real server: scripts, durability,
 * behaviour while Redis is gone, and the start-up check of its settings.
 * Refuses to know keys of the product. Sources: redis.io (EVAL, persistence, ACL, INFO, CONFIG), ioredis options.
 */
import { connect as connectSocket, createServer, type Server, type Socket } from 'node:net';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { checkDurability, connectRedis, redisReady } from '../../src/redis.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

let server: TestRedis;
const open: Redis[] = [];

beforeAll(async () => {
  server = await startRedis();
});
afterEach(async () => {
  for (const redis of open.splice(0)) redis.disconnect();
  await server.flush();
});
afterAll(() => server.stop());

/** Opens a connection that this file closes after the test. */
function track(redis: Redis): Redis {
  open.push(redis.on('error', () => undefined));
  return redis;
}

const until = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 15_000, interval: 20 });

describe('a script', () => {
  it('may read TIME and write in one go, and later calls never see an earlier time', async () => {
    const redis = server.connect();
    const lua = "local t = redis.call('TIME') redis.call('RPUSH', KEYS[1], t[1] * 1000 + math.floor(t[2] / 1000)) return t";
    for (let call = 0; call < 50; call++) await redis.eval(lua, 1, 'times');
    const times = (await redis.lrange('times', 0, -1)).map(Number);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it('is not rolled back when it fails halfway, so a commit must check everything before its first write', async () => {
    const redis = server.connect();
    await redis.set('text', 'x');
    const lua = "redis.call('SET', KEYS[1], '1') redis.call('INCR', KEYS[2])";
    await expect(redis.eval(lua, 2, 'first', 'text')).rejects.toThrow(/not an integer/);
    expect(await redis.get('first')).toBe('1');
  });

  it('sent by digest works again after a restart that forgot it', async () => {
    const redis = server.connect();
    redis.defineCommand('twice', { numberOfKeys: 1, lua: "return redis.call('INCRBY', KEYS[1], 2)" });
    const twice = (redis as unknown as { twice: (key: string) => Promise<number> }).twice.bind(redis);
    expect(await twice('n')).toBe(2);
    await server.restart();
    await until(async () => expect(await twice('n')).toBe(4));
  });
});

it('I8: appendfsync always keeps every acknowledged script write over kill -9', async () => {
  const redis = server.connect();
  const lua = "redis.call('SADD', KEYS[1], ARGV[1]) return redis.call('INCR', KEYS[2])";
  const acknowledged: string[] = [];
  let gone = false;
  const writer = async (name: number): Promise<void> => {
    for (let turn = 0; !gone; turn++) {
      try {
        await redis.eval(lua, 2, 'seen', 'count', `${name}-${turn}`);
        acknowledged.push(`${name}-${turn}`);
      } catch {
        gone = true;
      }
    }
  };
  const writers = [1, 2, 3, 4].map(writer);
  await until(() => expect(acknowledged.length).toBeGreaterThan(500));
  await server.kill();
  await Promise.all(writers);
  await server.restart();
  const after = server.connect();
  const present = new Set(await after.smembers('seen'));
  expect(acknowledged.filter((each) => !present.has(each))).toEqual([]);
  expect(Number(await after.get('count'))).toBe(present.size);
});

it('F26: a full Redis refuses writes, still answers reads and PING, and goes on when there is room again', async () => {
  const redis = server.connect();
  await redis.set('kept', '1');
  await redis.config('SET', 'maxmemory', '1');
  await expect(redis.set('more', '2')).rejects.toThrow(/OOM/);
  expect(await redis.get('kept')).toBe('1');
  expect(await redis.ping()).toBe('PONG');
  await redis.config('SET', 'maxmemory', '0');
  expect(await redis.set('more', '2')).toBe('OK');
});

/** Listens before Redis and, once armed, lets the next request through and cuts the connection instead of its reply. */
async function proxy(): Promise<{ url: string; arm: () => void; cuts: () => number; close: () => void }> {
  let armed = false;
  let cuts = 0;
  const sockets: Socket[] = [];
  const target = new URL(server.url);
  const listener: Server = createServer((near) => {
    const far = connectSocket(Number(target.port), target.hostname);
    sockets.push(near, far);
    near.on('data', (chunk) => far.write(chunk));
    far.on('data', (chunk) => {
      if (!armed) {
        near.write(chunk);
        return;
      }
      armed = false;
      cuts += 1;
      near.destroy();
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = listener.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    url: `redis://127.0.0.1:${port}`,
    arm: () => {
      armed = true;
    },
    cuts: () => cuts,
    close: () => {
      for (const socket of sockets) socket.destroy();
      listener.close();
    },
  };
}

describe('a reply that is lost after the write', () => {
  it('F27: is an error on our connections, and the write is not repeated', async () => {
    const cut = await proxy();
    for (const role of ['commands', 'queue'] as const) {
      const redis = track(connectRedis(cut.url, role));
      await redisReady(redis);
      cut.arm();
      await expect(redis.incr(role)).rejects.toThrow();
      await redisReady(redis);
      expect(await redis.get(role)).toBe('1');
    }
    cut.close();
  });

  it('F27: is repeated silently by ioredis as it comes, which is why ours are set otherwise', async () => {
    const cut = await proxy();
    const redis = track(new Redis(cut.url));
    await redisReady(redis);
    cut.arm();
    expect(await redis.incr('n')).toBe(2);
    expect(cut.cuts()).toBe(1);
    cut.close();
  });
});

describe('a connection of ours', () => {
  it('F20: refuses at once while Redis is gone and comes back by itself', async () => {
    const redis = track(connectRedis(server.url, 'commands'));
    await redisReady(redis);
    await server.kill();
    await until(() => expect(redis.status).not.toBe('ready'));
    await expect(redis.set('a', '1')).rejects.toThrow(/enableOfflineQueue/);
    await server.restart();
    await redisReady(redis);
    expect(await redis.set('a', '1')).toBe('OK');
  });

  it('F28: gives up on a frozen Redis, which may still execute the command later', async () => {
    const redis = track(connectRedis(server.url, 'commands'));
    await redisReady(redis);
    server.freeze();
    try {
      await expect(redis.set('late', '1')).rejects.toThrow('Command timed out');
    } finally {
      server.thaw();
    }
    const other = server.connect();
    await until(async () => expect(await other.get('late')).toBe('1'));
  });

  it('says why when Redis is not there, without the password', async () => {
    const redis = track(connectRedis('redis://app:h1dden@127.0.0.1:1', 'commands'));
    const err: Error = await redisReady(redis, 300).then(
      () => Promise.reject(new Error('was ready')),
      (reason: Error) => reason,
    );
    expect(err.message).toMatch(/REDIS_URL/);
    expect(`${err.message}${err.stack}${(err.cause as Error).message}`).not.toContain('h1dden');
  });

  it('F26: writes a bounded number of log lines per second, over all connections', async () => {
    let lines = 0;
    let errors = 0;
    const log = {
      warn: () => {
        lines += 1;
      },
    };
    for (let count = 0; count < 60; count++) {
      track(connectRedis('redis://127.0.0.1:1', 'worker', log)).on('error', () => {
        errors += 1;
      });
    }
    const startMs = performance.now();
    await until(() => expect(errors).toBeGreaterThanOrEqual(120));
    const seconds = Math.ceil((performance.now() - startMs) / 1_000) + 1;
    expect(lines).toBeGreaterThan(0);
    expect(lines).toBeLessThanOrEqual(10 * seconds);
  });
});

describe('the durability check', () => {
  /** Sets parameters for one call and puts them back. */
  async function withSettings<T>(settings: Record<string, string>, run: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = server.connect();
    const before: Record<string, string> = {};
    for (const [name, value] of Object.entries(settings)) {
      before[name] = ((await redis.config('GET', name)) as string[])[1] ?? '';
      await redis.config('SET', name, value);
    }
    try {
      return await run(redis);
    } finally {
      for (const [name, value] of Object.entries(before)) await redis.config('SET', name, value);
    }
  }

  it('passes a Redis that keeps what it acknowledges', async () => {
    expect(await checkDurability(server.connect(), 'required')).toEqual({ ok: true, asserted: false, findings: [] });
  });

  it.each([
    ['appendfsync', 'everysec', 'CONFIG SET appendfsync always'],
    ['appendonly', 'no', 'CONFIG SET appendonly yes'],
    ['maxmemory-policy', 'allkeys-lru', 'CONFIG SET maxmemory-policy noeviction'],
  ])('refuses %s %s and names the cure; an assertion does not help where the setting can be read', async (name, value, cure) => {
    for (const mode of ['required', 'asserted'] as const) {
      const verdict = await withSettings({ [name]: value }, (redis) => checkDurability(redis, mode));
      expect(verdict).toEqual({ ok: false, asserted: false, findings: [expect.stringContaining(cure)] });
    }
  });

  it('tells the findings but passes in mode relaxed', async () => {
    const verdict = await withSettings({ appendfsync: 'no', appendonly: 'no' }, (redis) => checkDurability(redis, 'relaxed'));
    expect(verdict.ok).toBe(true);
    expect(verdict.findings).toHaveLength(2);
  });

  it('wants the operator to assert what a Redis that refuses CONFIG does not show', async () => {
    const admin = server.connect();
    await admin.call('ACL', 'SETUSER', 'app', 'on', '>app-password', '~*', '&*', '+@all', '-config');
    const url = server.url.replace('redis://', 'redis://app:app-password@');
    const redis = track(connectRedis(url, 'commands'));
    await redisReady(redis);
    const required = await checkDurability(redis, 'required');
    expect(required.ok).toBe(false);
    expect(required.findings.join('\n')).toMatch(/\+config\|get .*REDIS_DURABILITY_ASSERTED=1/);
    expect(await checkDurability(redis, 'asserted')).toEqual({ ok: true, asserted: true, findings: [] });

    const evicting = await withSettings({ 'maxmemory-policy': 'allkeys-lru' }, () => checkDurability(redis, 'asserted'));
    expect(evicting).toMatchObject({ ok: false, findings: [expect.stringContaining('maxmemory-policy')] });
    await admin.call('ACL', 'DELUSER', 'app');
  });

  it('F20: fails rather than trusts an assertion when Redis is gone', async () => {
    const redis = track(connectRedis('redis://127.0.0.1:1', 'commands'));
    await expect(checkDurability(redis, 'asserted')).rejects.toThrow();
  });
});
