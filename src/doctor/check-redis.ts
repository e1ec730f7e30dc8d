/**
 * Owns what the doctor finds out about Redis: version and persistence (redis.ts judges them), room, the state of its file, its clock.
 * Refuses to write: the write probe of /readyz does. Sources: redis.io INFO (memory, persistence), TIME.
 */
import type { Redis } from 'ioredis';
import type { Config } from '../config.ts';
import { checkDurability, isRedisAway } from '../redis.ts';
import { type DoctorCheck, fail, pass, warn } from './check.ts';

const MEMORY_RATIO_WARN = 0.75;
/** The service refuses new writes from here on. */
const MEMORY_RATIO_FAIL = 0.85;
/** A look at Maxio for what has changed overlaps the one before by five minutes. */
const CLOCK_OFFSET_FAIL_MS = 240_000;
const CLOCK_OFFSET_WARN_MS = 2_000;
const MEBIBYTE = 1_048_576;

/** Examines the store of record. */
export async function checkRedis(redis: Redis, durability: Config['redisDurability'], now: () => number): Promise<DoctorCheck[]> {
  try {
    const info = await redis.info();
    return [...(await durabilityChecks(redis, durability)), fileCheck(info), memoryCheck(info), await clockCheck(redis, now)];
  } catch (error) {
    if (!isRedisAway(error)) throw error;
    const why = error instanceof Error ? error.message.slice(0, 200) : 'no answer';
    return [fail('redis', `Redis cannot be used: ${why}.`, 'Check that it runs, REDIS_URL, its password and its disk.')];
  }
}

async function durabilityChecks(redis: Redis, mode: Config['redisDurability']): Promise<DoctorCheck[]> {
  const name = 'redis durability';
  const { asserted, findings } = await checkDurability(redis, mode);
  if (mode === 'relaxed') {
    const why = findings.length === 0 ? '' : ` ${findings.join(' ')}`;
    return [
      warn(
        name,
        `REDIS_DURABILITY_RELAXED is set: acknowledged changes may be lost.${why}`,
        'Unset REDIS_DURABILITY_RELAXED and set appendonly yes, appendfsync always, maxmemory-policy noeviction.',
      ),
    ];
  }
  if (findings.length > 0) return findings.map((finding) => sentenceAndCure(name, finding));
  if (asserted) {
    return [
      warn(
        name,
        'CONFIG is refused, so that every acknowledged change is kept is the word of REDIS_DURABILITY_ASSERTED alone.',
        'Ask the provider whether appendonly is yes and appendfsync always, or grant +config|get.',
      ),
    ];
  }
  return [pass(name, 'Version, append-only file, fsync and eviction policy are as they must be.')];
}

/** The findings of redis.ts hold their cure behind a semicolon. */
function sentenceAndCure(name: string, finding: string): DoctorCheck {
  const [what = finding, ...rest] = finding.split('; ');
  const cure = rest.join('; ');
  return fail(name, `${what}.`, cure.charAt(0).toUpperCase() + cure.slice(1));
}

function fileCheck(info: string): DoctorCheck {
  const name = 'redis file';
  const written = field(info, 'aof_last_write_status');
  const rewritten = field(info, 'aof_last_bgrewrite_status');
  if (written !== undefined && written !== 'ok') {
    return fail(name, 'Redis could not append to its file.', 'Check its disk: free space, permissions, errors in its log.');
  }
  if (rewritten !== undefined && rewritten !== 'ok') {
    return warn(
      name,
      'Redis could not rewrite its append-only file the last time, so the file only grows.',
      'Give it memory for a fork (vm.overcommit_memory 1) and disk space, then run BGREWRITEAOF.',
    );
  }
  return pass(name, 'The last append and the last rewrite have succeeded.');
}

function memoryCheck(info: string): DoctorCheck {
  const name = 'redis memory';
  const used = Number(field(info, 'used_memory') ?? 0);
  const most = Number(field(info, 'maxmemory') ?? 0);
  const usedMib = Math.ceil(used / MEBIBYTE);
  if (most === 0) {
    return pass(name, `${usedMib} MiB used, without a limit of its own; the machine must have room for it.`);
  }
  const text = `${usedMib} of ${Math.floor(most / MEBIBYTE)} MiB used`;
  const cure = 'Raise maxmemory, and the memory of the machine with it.';
  if (used / most >= MEMORY_RATIO_FAIL) return fail(name, `${text}: new changes are refused from 85 % on.`, cure);
  if (used / most >= MEMORY_RATIO_WARN) return warn(name, `${text}; from 85 % on new changes are refused.`, cure);
  return pass(name, `${text}.`);
}

/** Half of the round trip is the error of this measurement, so it is taken off. */
async function clockCheck(redis: Redis, now: () => number): Promise<DoctorCheck> {
  const sentMs = now();
  const [seconds, microseconds] = await redis.time();
  const heardMs = now();
  const redisMs = Number(seconds) * 1_000 + Number(microseconds) / 1_000;
  const tripMs = Math.max(0, heardMs - sentMs);
  const offMs = Math.max(0, Math.abs(redisMs - (sentMs + heardMs) / 2) - tripMs / 2);
  const words = `The clock of Redis and the clock of this process are ${(offMs / 1_000).toFixed(1)} s apart.`;
  const cure = 'Run an NTP client (chrony, systemd-timesyncd) on both machines.';
  if (offMs >= CLOCK_OFFSET_FAIL_MS) return fail('redis clock', words, cure);
  if (offMs >= CLOCK_OFFSET_WARN_MS) return warn('redis clock', words, cure);
  return pass('redis clock', 'The clock of Redis and the clock of this process agree.');
}

function field(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
}
