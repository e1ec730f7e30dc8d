/**
 * Owns a hash of the site that every process keeps in memory, read anew every two seconds: what was changed anywhere counts everywhere within seconds, nobody
 * waits for Redis to be told whether they may enter, and while Redis is away the last answers stand.
 * Refuses to let a loss of data decide who may enter: entries still good that Redis has forgotten, and endings that it has, are put back from memory. Entries
 * are ended by revoking them, or by their own date, and in no other way.
 * Refuses to know what the entries mean; the owner of the hash does.
 */
import type { Redis } from 'ioredis';
import type { Logger } from '../logger.ts';
import { RedisScript } from '../redis-script.ts';
import { sitePrefix } from './keys.ts';

const restoreScript = new RedisScript(new URL('./kept-restore.lua', import.meta.url));

const LOOK_MS = 2_000;

/** What is asked of every entry. */
interface Ending {
  /** Whether somebody has ended it, which nothing undoes. */
  revoked: boolean;
  /** When it ends by itself; infinite where it does not. */
  expiresMs: number;
}

export interface KeptHashParts<T extends Ending> {
  redis: Redis;
  siteKey: string;
  /** Name of the key, and what the log calls the entries. */
  name: string;
  what: string;
  /** Read one entry; `undefined` for what this release cannot read, which opens nothing. */
  decode(id: string, text: string): T | undefined;
  logger?: Pick<Logger, 'warn'> | undefined;
}

interface Kept<T> {
  text: string;
  entry: T;
}

export class KeptHash<T extends Ending> {
  readonly #parts: KeptHashParts<T>;
  #entries: ReadonlyMap<string, Kept<T>> = new Map();
  #loaded = false;
  #looking = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: KeptHashParts<T>) {
    this.#parts = parts;
  }

  /** Whether there was ever an answer; before it, nobody can be told that something is not there. */
  get loaded(): boolean {
    return this.#loaded;
  }

  get(id: string): T | undefined {
    return this.#entries.get(id)?.entry;
  }

  *values(): Generator<T> {
    for (const { entry } of this.#entries.values()) yield entry;
  }

  /** Take the first look, then keep it fresh. */
  async start(): Promise<void> {
    this.#timer ??= setInterval(() => {
      if (!this.#looking) void this.look();
    }, LOOK_MS);
    await this.look();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Read what is true now. Never throws: without an answer, what was known stands. */
  async look(): Promise<void> {
    const { redis, siteKey, name } = this.#parts;
    this.#looking = true;
    try {
      this.#take(await redis.hgetall(`${sitePrefix(siteKey)}${name}`));
    } catch {
      // Redis is away. Others say so.
    } finally {
      this.#looking = false;
    }
  }

  #take(texts: Record<string, string>): void {
    const entries = new Map<string, Kept<T>>();
    for (const [id, text] of Object.entries(texts)) {
      const before = this.#entries.get(id);
      // The same text keeps its entry, and with it whatever was made of it.
      const entry = before?.text === text ? before.entry : this.#parts.decode(id, text);
      if (entry !== undefined) entries.set(id, { text, entry });
    }
    const back: [string, string][] = [];
    for (const [id, before] of this.#entries) {
      const { revoked, expiresMs } = before.entry;
      const missing = texts[id] === undefined;
      const revived = revoked && entries.get(id)?.entry.revoked === false;
      if (missing ? expiresMs <= Date.now() : !revived) continue;
      entries.set(id, before);
      // What is revoked and missing needs no entry, only to be known here should a backup bring it back.
      if (revived || !revoked) back.push([id, before.text]);
    }
    this.#entries = entries;
    this.#loaded = true;
    if (back.length > 0) this.#putBack(back);
  }

  #putBack(back: [string, string][]): void {
    const { redis, siteKey, name, what, logger } = this.#parts;
    const count = back.length;
    restoreScript.run(redis, sitePrefix(siteKey), name, ...back.flat()).then(
      () => logger?.warn({ site: siteKey, count }, `Redis had forgotten ${what}, or that they are revoked; they were put back`),
      // Tried again with the next look, since they are missed there as well.
      () => undefined,
    );
  }
}
