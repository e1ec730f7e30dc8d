/**
 * Owns how many wrong credentials somebody may show: so many in any rolling minute from one address, and so many for one token id wherever they come from.
 * Only failures are counted and only failures are refused, so a right token always passes, however many wrong ones its sender or a neighbour has tried.
 * Kept in the memory of the process: whoever is not known yet must not cost a round trip to Redis. OWASP ASVS 5.0, 6.1.1 and 6.3.1.
 */
import { networkOf } from './network.ts';

export interface ThrottleOptions {
  /** Failures in a window before the next one is refused. */
  failuresMax?: number;
  windowMs?: number;
  /** Addresses, and ids, that are remembered; beyond it the one that failed longest ago is forgotten. */
  keysMax?: number;
  /** Milliseconds on any steady clock; tests bring their own. */
  nowMs?: () => number;
}

const FAILURES_MAX = 30;
const WINDOW_MS = 60_000;
const KEYS_MAX = 10_000;

export class Throttle {
  readonly #options: Required<ThrottleOptions>;
  /** When the failures of the last window were, oldest first; the key that failed last comes last. */
  readonly #addresses = new Map<string, number[]>();
  readonly #ids = new Map<string, number[]>();

  constructor(options: ThrottleOptions = {}) {
    const nowMs = (): number => performance.now();
    this.#options = { failuresMax: FAILURES_MAX, windowMs: WINDOW_MS, keysMax: KEYS_MAX, nowMs, ...options };
  }

  /**
   * Take note of a failure. One that is refused is not counted again, so whoever goes on is not shut out for longer than a window.
   * @param id names a token that was tried, where the text did
   * @returns whole seconds to wait, when there were too many
   */
  failed(address: string, id?: string): number | undefined {
    const now = this.#options.nowMs();
    const looked = [this.#look(this.#addresses, networkOf(address), now)];
    if (id !== undefined) looked.push(this.#look(this.#ids, id, now));
    const waitsMs = looked.map(({ waitMs }) => waitMs).filter((waitMs) => waitMs !== undefined);
    if (waitsMs.length > 0) return Math.max(1, Math.ceil(Math.max(...waitsMs) / 1_000));
    for (const { table, key, times } of looked) this.#keep(table, key, [...times, now]);
    return undefined;
  }

  #look(table: Map<string, number[]>, key: string, now: number) {
    const { windowMs, failuresMax } = this.#options;
    const times = (table.get(key) ?? []).filter((atMs) => atMs > now - windowMs);
    const oldest = times[0];
    return {
      table,
      key,
      times,
      waitMs: oldest !== undefined && times.length >= failuresMax ? oldest + windowMs - now : undefined,
    };
  }

  #keep(table: Map<string, number[]>, key: string, times: number[]): void {
    table.delete(key);
    table.set(key, times);
    const [oldest] = table.keys();
    if (table.size > this.#options.keysMax && oldest !== undefined) table.delete(oldest);
  }
}
