/**
 * Owns the events of a site in the order in which they become visible, which at Maxio is some seconds after they have happened.
 * Refuses to know what an event means. Ids count up with visibility, so that a reader who goes on from the last id misses none.
 */
import type { NewEvent } from './what-happened.ts';

const FIRST_EVENT_ID = 351_000_001;

export interface EventRow extends NewEvent {
  id: number;
  createdMs: number;
  visibleMs: number;
}

export class Journal {
  #rows: EventRow[] = [];

  /** Writes down an event; `delayMs` later it can be read. */
  add(event: NewEvent, nowMs: number, delayMs: number): EventRow {
    const visibleMs = Math.max(nowMs + delayMs, this.#rows.at(-1)?.visibleMs ?? 0);
    const row = { ...event, id: FIRST_EVENT_ID + this.#rows.length, createdMs: nowMs, visibleMs };
    this.#rows.push(row);
    return row;
  }

  /** Lists what can be read by now, oldest first. */
  visible(nowMs: number): readonly EventRow[] {
    if ((this.#rows.at(-1)?.visibleMs ?? 0) <= nowMs) return this.#rows;
    return this.#rows.filter((row) => row.visibleMs <= nowMs);
  }

  /** Returns how to go back to the present contents. */
  checkpoint(): () => void {
    const { length } = this.#rows;
    return () => {
      this.#rows.length = length;
    };
  }

  reset(): void {
    this.#rows = [];
  }
}
