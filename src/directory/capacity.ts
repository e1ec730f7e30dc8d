/**
 * Owns the answer to "may this directory take another write?": only while Redis promises durability and has memory left.
 * Refuses to look at every write (a reading is at most a few seconds old; the commit script itself refuses above the backlog limit).
 */
import type { Redis } from 'ioredis';

/** Above this share of `maxmemory` writes are refused, so that the work already accepted has room to end. */
const MEMORY_RATIO_MAX = 0.85;
/** Whoever leaves is let go on longer: one site that fills Redis must not keep the leavers of all others billed. */
const LEAVING_RATIO_MAX = 0.95;
const INTERVAL_MS = 2_000;

export type Accepting = { ok: true } | { ok: false; detail: string; retryAfterSeconds: number };

export class Capacity {
  readonly #redis: Redis;
  readonly #durability: () => Promise<{ ok: boolean; findings: string[] }>;
  #timer: NodeJS.Timeout | undefined;
  #findings: string[] = ['Redis has not been checked yet.'];
  #durable = false;
  #memoryRatio = 0;

  constructor(redis: Redis, durability: () => Promise<{ ok: boolean; findings: string[] }>) {
    this.#redis = redis;
    this.#durability = durability;
  }

  /** What is wrong with Redis as the store of record, each with its cure; empty when nothing is. */
  get findings(): string[] {
    return this.#findings;
  }

  get durable(): boolean {
    return this.#durable;
  }

  /** Used memory by `maxmemory`; 0 without a limit. */
  get memoryRatio(): number {
    return this.#memoryRatio;
  }

  /** Take the first reading, then keep it fresh. */
  async start(): Promise<void> {
    await this.#read();
    this.#timer = setInterval(() => void this.#read(), INTERVAL_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** @param leaving by a change that only takes away */
  accepting(leaving: boolean): Accepting {
    if (!this.#durable) {
      return {
        ok: false,
        detail: 'Redis is not set up to keep changes (/readyz of the service says what to change)',
        retryAfterSeconds: 30,
      };
    }
    const most = leaving ? LEAVING_RATIO_MAX : MEMORY_RATIO_MAX;
    if (this.#memoryRatio >= most) {
      return {
        ok: false,
        detail: `Redis has reached ${Math.round(100 * most)} % of its memory (raise maxmemory)`,
        retryAfterSeconds: 60,
      };
    }
    return { ok: true };
  }

  async #read(): Promise<void> {
    try {
      const { ok, findings } = await this.#durability();
      this.#durable = ok;
      this.#findings = findings;
      const info = await this.#redis.info('memory');
      const number = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
      const most = number('maxmemory');
      this.#memoryRatio = most === 0 ? 0 : number('used_memory') / most;
    } catch {
      // Redis is away: every commit says so by itself, and the last reading of its settings stands until it is back.
    }
  }
}
