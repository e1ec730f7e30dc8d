/**
 * Owns the rhythm of a site's background work: which process makes the rounds (a lease in Redis), when each chore gets its next turn,
 * and that a chore which fails waits longer while the others go on. A process that Maxio has not confirmed the site to gives way to one that it has
 * (take-rounds.lua). Refuses to know what any chore does.
 * Nothing here must happen: a process that dies in a turn leaves the lease to run out, and the next one takes the turn again.
 */
import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { sitePrefix } from '../directory/keys.ts';
import { type Mode, modeOf } from '../directory/site-mode.ts';
import { DirectoryUnavailable } from '../directory/unavailable.ts';
import type { Logger } from '../logger.ts';
import { NotMade } from '../provisioning/caller.ts';
import { isRedisAway } from '../redis.ts';
import { RedisScript } from '../redis-script.ts';

const takeScript = new RedisScript(new URL('../directory/take-rounds.lua', import.meta.url));
const RELEASE = `local holder = redis.call('get', KEYS[1])
if holder == ARGV[1] or holder == '?' .. ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end`;

/** What a turn begins with. */
export interface Turn {
  /** Redis TIME. */
  nowMs: number;
  /** `undefined` before first contact. A mutating call still needs its fence: this was true when the turn began. */
  mode: Mode | undefined;
  /** Ends when the process stops or has lost the right to make the rounds. */
  signal: AbortSignal;
}

export interface Chore {
  name: string;
  /** Whether it calls Maxio, so that it rests while the site is paused or not confirmed. Default true, the safe side. */
  needsMaxio?: boolean;
  /** One bounded piece of work. 'more': call again soon. */
  turn(now: Turn): Promise<'more' | 'idle'>;
}

export interface RoundsParts {
  siteKey: string;
  redis: Redis;
  chores: Chore[];
  /** Whether Maxio has confirmed that this is the site the data belongs to. */
  confirmed: () => boolean;
  logger: Logger;
}

const INTERVAL_MS = 1_000;
/** How long the site goes without rounds after the process that made them was killed. */
const LEASE_MS = 10_000;
/** What is at work must have ended before another process can hold the lease. */
const LEASE_MARGIN_MS = 3_000;
const BACKOFF_FIRST_MS = 1_000;
const BACKOFF_MAX_MS = 60_000;

/** One chore and what its last turn left behind. */
interface Place {
  chore: Chore;
  busy: Promise<void> | undefined;
  /** On the clock of `performance.now()`. */
  dueMs: number;
  failures: number;
  said: string;
}

export class Rounds {
  readonly #parts: RoundsParts;
  readonly #places: Place[];
  readonly #token = randomUUID();
  readonly #prefix: string;
  #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #keptMs = Number.NEGATIVE_INFINITY;
  #looking = false;
  #closed = false;

  constructor(parts: RoundsParts) {
    this.#parts = parts;
    this.#prefix = sitePrefix(parts.siteKey);
    this.#places = parts.chores.map((chore) => ({ chore, busy: undefined, dueMs: 0, failures: 0, said: '' }));
  }

  start(): void {
    this.#wake(INTERVAL_MS * Math.random());
  }

  /** Begin no further turn, end those at work, and leave the rounds to another process. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#stop.abort(new Error('the process stops'));
    await Promise.all(this.#places.flatMap(({ busy }) => busy ?? []));
    await this.#parts.redis.eval(RELEASE, 1, `${this.#prefix}rounds`, this.#token).catch(() => undefined);
  }

  #wake(waitMs: number): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(), waitMs);
  }

  /** Keep the lease and begin every turn that is due. Turns are not waited for here, so a long one keeps nobody, and the lease is kept meanwhile. */
  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const askedMs = performance.now();
    let turn: Omit<Turn, 'signal'> | undefined;
    try {
      const { redis, confirmed } = this.#parts;
      const args = [this.#token, LEASE_MS, confirmed() ? 1 : 0];
      const [mine, nowMs, mode] = (await takeScript.run(redis, this.#prefix, ...args)) as [number, number, string];
      this.#keptMs = mine === 1 ? askedMs : Number.NEGATIVE_INFINITY;
      if (mine === 1) turn = { nowMs, mode: modeOf(mode) };
    } catch {
      // Redis is away, and whoever speaks to it says so. The lease lasts a while without being kept.
    }
    if (performance.now() > this.#keptMs + LEASE_MS - LEASE_MARGIN_MS) this.#lost();
    this.#begin(turn);
    this.#looking = false;
    this.#wake(this.#waitMs());
  }

  #begin(turn: Omit<Turn, 'signal'> | undefined): void {
    const at = performance.now();
    const quiet = turn?.mode === undefined || turn.mode === 'paused' || !this.#parts.confirmed();
    for (const place of this.#places) {
      if (this.#closed || place.busy !== undefined || place.dueMs > at) continue;
      if (turn === undefined || (quiet && place.chore.needsMaxio !== false)) place.dueMs = at + INTERVAL_MS;
      else place.busy = this.#turn(place, { ...turn, signal: this.#stop.signal });
    }
  }

  async #turn(place: Place, turn: Turn): Promise<void> {
    let waitMs = INTERVAL_MS;
    try {
      if ((await place.chore.turn(turn)) === 'more') waitMs = 0;
      place.failures = 0;
      place.said = '';
    } catch (error) {
      waitMs = this.#failed(place, error, turn.signal);
    }
    place.busy = undefined;
    place.dueMs = performance.now() + waitMs;
    if (!this.#looking) this.#wake(this.#waitMs());
  }

  /** Say each kind of failure once, and wait longer each time. */
  #failed(place: Place, error: unknown, signal: AbortSignal): number {
    if (error instanceof NotMade)
      return error.why === 'fenced' ? INTERVAL_MS : Math.min(BACKOFF_MAX_MS, Math.max(50, error.waitMs));
    place.failures += 1;
    const waitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(place.failures - 1, 10));
    if (signal.aborted || error instanceof DirectoryUnavailable || isRedisAway(error)) return waitMs;
    const kind = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    if (kind !== place.said) {
      const { logger, siteKey } = this.#parts;
      logger.warn({ err: error, site: siteKey, chore: place.chore.name }, 'a chore of the rounds failed and is tried again');
    }
    place.said = kind;
    return waitMs;
  }

  /** Somebody else makes the rounds: what is at work here ends. */
  #lost(): void {
    if (this.#places.every(({ busy }) => busy === undefined)) return;
    this.#stop.abort(new Error('the right to make the rounds was lost'));
    this.#stop = new AbortController();
  }

  /** Until the next turn that is due, at most a second: the lease must be kept and others must be heard of. */
  #waitMs(): number {
    const at = performance.now();
    const due = this.#places.filter(({ busy }) => busy === undefined).map(({ dueMs }) => dueMs - at);
    return Math.max(0, Math.min(INTERVAL_MS, ...due));
  }
}
