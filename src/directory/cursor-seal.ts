/**
 * Owns the key that cursors of a site are sealed with (scim/cursor.ts): random, made by whoever needs it first, the same for every process.
 * It opens nothing but cursors. It lives in Redis beside the sequence numbers that cursors hold, so that when those are lost, it is too.
 */
import { randomBytes } from 'node:crypto';
import type { Seal } from '../scim/cursor.ts';
import { milliseconds } from './redis-time.ts';
import type { Store } from './store.ts';
import { DirectoryUnavailable } from './unavailable.ts';

const KEY_BYTES = 32;

/** Read the key and the time, by Redis; one round trip. */
export async function readSeal(store: Store): Promise<Seal> {
  const name = `${store.prefix}cursorKey`;
  const fresh = randomBytes(KEY_BYTES).toString('base64');
  const replies = await store.guard(async () =>
    // In two commands: Redis 6.2 does not know the one that sets and answers.
    store.redis.pipeline().set(name, fresh, 'NX').get(name).time().exec(),
  );
  const [[setError] = [], [getError, key] = [], [timeError, time] = []] = replies ?? [];
  const nowMs = milliseconds(Array.isArray(time) ? time : []);
  const error = setError ?? getError ?? timeError;
  if (error || typeof key !== 'string' || Number.isNaN(nowMs)) {
    throw new DirectoryUnavailable('the directory could not be read', 10, { cause: error });
  }
  return {
    key: Buffer.from(key, 'base64'),
    epoch: store.witness.standing.epoch,
    nowMs,
  };
}
