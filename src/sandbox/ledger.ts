/**
 * Owns the record of every request that reached the Maxio paths, in order of arrival, and the numbers computed from it.
 * Refuses to keep the Authorization header. Arrivals are stamped on a monotonic clock: a step of the wall clock must not bend a window.
 */
import { performance } from 'node:perf_hooks';

const ENTRIES_MAX = 500_000;

export interface LedgerEntry {
  /** Counts from 1; a restart of the ledger does not start it again. */
  seq: number;
  /** Epoch milliseconds with a fraction. */
  arrivedMs: number;
  method: string;
  /** With the query. */
  path: string;
  /** The path as documented, such as `/customers/{id}.json`; null for a path that does not exist. */
  template: string | null;
  body: unknown;
  /** Requests here at the moment of arrival, this one included: those that wait and those whose client is gone count too. */
  inFlight: number;
  /** The status that was sent; null while it is worked on, and for ever when the connection was cut instead. */
  status: number | null;
  /** Whether a write took effect, whatever was answered. */
  applied: boolean;
  appliedMs: number | null;
  finishedMs: number | null;
  /** The client closed the connection before the answer. */
  abandoned: boolean;
  /** The kind of the fault that was injected. */
  fault: string | null;
}

export interface Stats {
  requests: number;
  inFlight: number;
  maxInFlight: number;
  /** The most arrivals in any span shorter than `windowMs`. */
  maxInWindow: number;
  windowMs: number;
  /** By `METHOD template`. */
  countsByTemplate: Record<string, number>;
  countsByStatus: Record<string, number>;
}

/** Tells the time as epoch milliseconds on a clock that never steps back. */
export function steadyMs(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1_000) / 1_000;
}

/** Counts the most arrivals that any window holds; two arrivals exactly `windowMs` apart are in different windows. */
export function maxInWindow(arrivals: readonly number[], windowMs: number): number {
  let most = 0;
  let first = 0;
  for (const [last, arrivedMs] of arrivals.entries()) {
    while (arrivedMs - (arrivals[first] ?? arrivedMs) >= windowMs) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

export class Ledger {
  #entries: LedgerEntry[] = [];
  /** Kept apart, because clearing the entries must not refill a quota. */
  #arrivals: number[] = [];
  #seq = 0;
  #inFlight = 0;

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Opens the entry of a request that has just arrived. */
  arrive(method: string, path: string, template: string | null): LedgerEntry {
    this.#inFlight += 1;
    const entry: LedgerEntry = {
      seq: ++this.#seq,
      arrivedMs: steadyMs(),
      method,
      path,
      template,
      body: undefined,
      inFlight: this.#inFlight,
      status: null,
      applied: false,
      appliedMs: null,
      finishedMs: null,
      abandoned: false,
      fault: null,
    };
    if (this.#entries.length >= ENTRIES_MAX) this.#entries.splice(0, ENTRIES_MAX / 10);
    if (this.#arrivals.length >= ENTRIES_MAX) this.#arrivals.splice(0, ENTRIES_MAX / 10);
    this.#entries.push(entry);
    this.#arrivals.push(entry.arrivedMs);
    return entry;
  }

  /** Closes an entry, before its answer leaves: the next request of that client must not find this one still counted. */
  leave(entry: LedgerEntry, status: number | null): void {
    if (entry.finishedMs !== null) return;
    this.#inFlight -= 1;
    entry.status = status;
    entry.finishedMs = steadyMs();
  }

  /** Lists the entries after a sequence number. */
  since(seq = 0): LedgerEntry[] {
    return seq === 0 ? [...this.#entries] : this.#entries.filter((entry) => entry.seq > seq);
  }

  /** Counts the arrivals of the last `windowMs` in real time, and forgets the older ones. */
  arrivalsWithin(windowMs: number): number {
    const fromMs = steadyMs() - windowMs;
    const first = this.#arrivals.findIndex((arrivedMs) => arrivedMs > fromMs);
    this.#arrivals.splice(0, first === -1 ? this.#arrivals.length : first);
    return this.#arrivals.length;
  }

  /** Forgets the entries, but neither the arrivals that count against a quota nor the requests that are still here. */
  clear(): void {
    this.#entries = [];
  }

  /** Forgets the entries and the arrivals. */
  reset(): void {
    this.#entries = [];
    this.#arrivals = [];
  }

  /** Computes the numbers over all entries. */
  stats(windowMs: number): Stats {
    const stats: Stats = {
      requests: this.#entries.length,
      inFlight: this.#inFlight,
      maxInFlight: 0,
      maxInWindow: maxInWindow(
        this.#entries.map((entry) => entry.arrivedMs),
        windowMs,
      ),
      windowMs,
      countsByTemplate: {},
      countsByStatus: {},
    };
    for (const { method, template, status, inFlight } of this.#entries) {
      const call = `${method} ${template ?? '(unknown)'}`;
      stats.countsByTemplate[call] = (stats.countsByTemplate[call] ?? 0) + 1;
      const answer = String(status ?? 'none');
      stats.countsByStatus[answer] = (stats.countsByStatus[answer] ?? 0) + 1;
      stats.maxInFlight = Math.max(stats.maxInFlight, inFlight);
    }
    return stats;
  }
}
