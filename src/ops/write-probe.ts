/**
 * Owns the proof that Redis keeps what it acknowledges at this moment: a real write, because PING also succeeds on a server that refuses writes
 * (disk full, out of memory, replica), and the state of the append-only file. Refuses to judge settings (redis.ts does).
 * Source: redis.io, INFO, section Persistence.
 */
import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Telemetry } from '../telemetry.ts';

export interface WriteProbe {
  tookMs: number;
  /** Absent when the write was kept. `append`: Redis answered, but says that its last append to the file failed. */
  failure?: 'slow' | 'refused' | 'append';
}

const PATIENCE_MS = 500;
/** Long enough to be found by somebody who wonders, short enough not to pile up over restarts. */
const KEY_LIFE_MS = 60_000;

/** Creates the probe of one process. */
export function createWriteProbe(redis: Redis, telemetry: Pick<Telemetry, 'durableWriteSeconds'>): () => Promise<WriteProbe> {
  const key = `scim:probe:${randomUUID()}`;
  return async () => {
    const startedMs = performance.now();
    const { promise: impatience, resolve } = Promise.withResolvers<'slow'>();
    const timer = setTimeout(() => resolve('slow'), PATIENCE_MS);
    const write = Promise.all([redis.set(key, '1', 'PX', KEY_LIFE_MS), redis.info('persistence')]);
    write.catch(() => undefined);
    try {
      const answer = await Promise.race([write, impatience]);
      const tookMs = performance.now() - startedMs;
      if (answer === 'slow') return { tookMs, failure: 'slow' };
      telemetry.durableWriteSeconds.observe(tookMs / 1_000);
      return /^aof_last_write_status:(?!ok)/m.test(answer[1]) ? { tookMs, failure: 'append' } : { tookMs };
    } catch {
      return { tookMs: performance.now() - startedMs, failure: 'refused' };
    } finally {
      clearTimeout(timer);
    }
  };
}
