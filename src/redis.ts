/**
 * Owns every connection to Redis or Valkey and the check that what Redis acknowledges survives a power cut.
 * Refuses to know keys, scripts and queues: those belong to directory, maxio/budget and provisioning.
 * No role repeats a command by itself after a lost connection, except `worker`, where BullMQ requires it: a repeated
 * write would be a second write. Sources: ioredis options, docs.bullmq.io "Going to production", redis.io "Persistence".
 */
import { type CommonRedisOptions, Redis } from 'ioredis';
import { Secret } from './secret.ts';

/** `commands` for the directory and the budget, `queue` for adding jobs, `worker` for BullMQ's blocking consumers. */
export type RedisRole = 'commands' | 'queue' | 'worker';

/** The one method of the logger that a connection needs; pino fits. */
export interface RedisLog {
  warn(fields: object, message: string): void;
}

export type DurabilityMode = 'required' | 'asserted' | 'relaxed';

export interface Durability {
  /** False: the service must not become ready. Always true in mode `relaxed`. */
  ok: boolean;
  /** True when the operator's word stands in for what this Redis does not let us read. */
  asserted: boolean;
  /** One sentence per deviation, each with its cure. May be non-empty although `ok`, in mode `relaxed`. */
  findings: string[];
}

const RECONNECT_WAIT_MAX_MS = 1_000;
const COMMAND_TIMEOUT_MS = 2_000;
const CONNECT_TIMEOUT_MS = 5_000;
const LOG_LINES_PER_SECOND_MAX = 10;

/** Without `replyMapping`: its type parameter would refuse an optional one, and BullMQ wants the default shapes. */
type ConnectionOptions = Omit<CommonRedisOptions, 'replyMapping'>;

const failFast: ConnectionOptions = {
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  commandTimeout: COMMAND_TIMEOUT_MS,
};

const optionsOf: Record<RedisRole, ConnectionOptions> = {
  commands: failFast,
  queue: failFast,
  worker: { maxRetriesPerRequest: null },
};

const logWindow = { startedMs: Number.NEGATIVE_INFINITY, lines: 0, dropped: 0 };

/** Answers whether one more line may be written in this second, counting over all connections of the process. */
function mayLog(nowMs: number): { allowed: boolean; dropped: number } {
  let dropped = 0;
  if (nowMs - logWindow.startedMs >= 1_000) {
    dropped = logWindow.dropped;
    logWindow.startedMs = nowMs;
    logWindow.lines = 0;
    logWindow.dropped = 0;
  }
  if (logWindow.lines >= LOG_LINES_PER_SECOND_MAX) {
    logWindow.dropped += 1;
    return { allowed: false, dropped: 0 };
  }
  logWindow.lines += 1;
  return { allowed: true, dropped };
}

/**
 * Opens a connection of the given role; it connects in the background and reconnects for ever, at most 1 s apart.
 * In the roles `commands` and `queue` a command is rejected at once while the connection is down, and after 2 s without an
 * answer; such a rejection leaves open whether Redis executed it. Await `redisReady` before the first command.
 */
export function connectRedis(url: string | Secret, role: RedisRole, log?: RedisLog): Redis {
  const redis = new Redis(url instanceof Secret ? url.reveal() : url, {
    ...optionsOf[role],
    connectTimeout: CONNECT_TIMEOUT_MS,
    connectionName: `maxio-scim-${role}`,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 10), RECONNECT_WAIT_MAX_MS),
  });
  // Without a listener ioredis writes to the console by itself, unbounded, as long as Redis is away.
  redis.on('error', (err) => tellRedisError(log, err, { connection: role }, 'redis connection error'));
  return redis;
}

/** Writes a line about a failure of Redis, at most so many a second over the whole process; the next line says how many were left out. */
export function tellRedisError(log: RedisLog | undefined, err: Error & { code?: string }, where: object, words: string): void {
  const { allowed, dropped } = mayLog(performance.now());
  if (allowed) log?.warn({ ...where, error: err.message || err.name, code: err.code, droppedLines: dropped }, words);
}

/**
 * Waits until the connection takes commands.
 * @param waitMs longest wait, in ms
 * @throws Error when Redis is still unreachable then; the last connection error is its cause
 */
export function redisReady(redis: Redis, waitMs = 10_000): Promise<void> {
  if (redis.status === 'ready') return Promise.resolve();
  return new Promise((resolve, reject) => {
    let last: Error | undefined;
    const onError = (err: Error): void => {
      last = err;
    };
    const settle = (err?: Error): void => {
      clearTimeout(timer);
      redis.off('ready', onReady).off('end', onEnd).off('error', onError);
      if (err) reject(err);
      else resolve();
    };
    const onReady = (): void => settle();
    const onEnd = (): void => settle(new Error('Redis: the connection was closed before it was ready', { cause: last }));
    const timer = setTimeout(
      () =>
        settle(new Error(`Redis: not reachable within ${waitMs} ms; check REDIS_URL and that the server runs`, { cause: last })),
      waitMs,
    );
    redis.on('ready', onReady).on('end', onEnd).on('error', onError);
  });
}

const REDIS_VERSION_MIN = [6, 2] as const;
const wanted = { appendonly: 'yes', appendfsync: 'always', 'maxmemory-policy': 'noeviction' } as const;
const reason: Record<keyof typeof wanted, string> = {
  appendonly: 'without an append-only file a restart forgets acknowledged changes',
  appendfsync: 'a power cut would lose up to a second of acknowledged changes',
  'maxmemory-policy': 'a full Redis would silently drop people or queued work',
};

const AWAY =
  /Connection is closed|Command timed out|Stream isn't writeable|max retries|ECONN|OOM|MISCONF|READONLY|LOADING|NOAUTH|WRONGPASS|NOPERM|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY/;

/** Tells whether Redis is out of reach or refuses to serve for now; what remains of its errors is a command that we call wrong. */
export function isRedisAway(err: unknown): boolean {
  return err instanceof Error && AWAY.test(err.message);
}

/** Reads `field:value` of an INFO answer. */
function infoField(info: string, field: string): string | undefined {
  return new RegExp(`^${field}:(.*?)\\r?$`, 'm').exec(info)?.[1];
}

/** Reads one CONFIG parameter; `undefined` where the provider or the ACL does not let us. */
async function configValue(redis: Redis, name: string): Promise<string | undefined> {
  try {
    const answer = (await redis.config('GET', name)) as unknown;
    return Array.isArray(answer) && typeof answer[1] === 'string' ? answer[1] : undefined;
  } catch (err) {
    // Only a refusal by Redis itself may lead to the fallback: a lost connection proves nothing about its settings.
    if (err instanceof Error && /^(NOPERM|ERR|NOAUTH|READONLY)\b/.test(err.message)) return undefined;
    throw err;
  }
}

/**
 * Checks version, append-only file, fsync policy and eviction policy of the connected server.
 * Where CONFIG is refused, INFO is the witness and the operator's assertion must cover what INFO does not show.
 * @throws Error when Redis cannot be reached
 */
export async function checkDurability(redis: Redis, mode: DurabilityMode): Promise<Durability> {
  const info = await redis.info();
  const findings: string[] = [];
  let asserted = false;

  const version = infoField(info, 'redis_version') ?? '0.0';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < REDIS_VERSION_MIN[0] || (major === REDIS_VERSION_MIN[0] && minor < REDIS_VERSION_MIN[1])) {
    findings.push(`Redis is version ${version}; use Redis 6.2 or newer, or Valkey.`);
  }

  const fromInfo = { appendonly: undefined, appendfsync: undefined, 'maxmemory-policy': infoField(info, 'maxmemory_policy') };
  for (const name of Object.keys(wanted) as (keyof typeof wanted)[]) {
    const value = (await configValue(redis, name)) ?? fromInfo[name];
    if (value === wanted[name]) continue;
    if (value !== undefined) {
      findings.push(
        `Redis has ${name} ${value}; run CONFIG SET ${name} ${wanted[name]} and keep it in redis.conf: ${reason[name]}.`,
      );
    } else if (mode === 'asserted') {
      asserted = true;
    } else {
      findings.push(
        `Redis does not show ${name}; grant +config|get in its ACL, or set REDIS_DURABILITY_ASSERTED=1 if the provider guarantees ${name} ${wanted[name]}.`,
      );
    }
  }
  return { ok: mode === 'relaxed' || findings.length === 0, asserted, findings };
}
