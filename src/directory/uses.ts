/**
 * Owns when each credential of a site was last used, to the minute, so that an operator sees which one the identity provider has gone over to.
 * Refuses to be waited for, and to decide anything: a use that is not noted is left at that.
 */
import type { Redis } from 'ioredis';
import { RedisScript } from '../redis-script.ts';

const usedScript = new RedisScript(new URL('./used.lua', import.meta.url));

/** A use is written down at most so often for each credential. */
const USED_MS = 60_000;

export class Uses {
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #name: 'tokenUses' | 'clientUses';
  readonly #notedMs = new Map<string, number>();

  constructor(redis: Redis, prefix: string, name: 'tokenUses' | 'clientUses') {
    this.#redis = redis;
    this.#prefix = prefix;
    this.#name = name;
  }

  /** Note that a credential has opened the door. */
  note(id: string): void {
    const nowMs = performance.now();
    if (nowMs - (this.#notedMs.get(id) ?? Number.NEGATIVE_INFINITY) < USED_MS) return;
    for (const [other, atMs] of this.#notedMs) if (nowMs - atMs >= USED_MS) this.#notedMs.delete(other);
    this.#notedMs.set(id, nowMs);
    usedScript.run(this.#redis, this.#prefix, this.#name, id).catch(() => undefined);
  }
}
