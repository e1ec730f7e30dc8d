/**
 * Owns the proof behind the bells: a timer in every worker process that rings for everyone who has been dirty for a while and is not waiting for a later attempt.
 * It lives outside the queue, so that a flushed, paused or wedged queue cannot take it along. Ringing twice is harmless.
 */
import type { Logger } from 'pino';
import type { Runs, SweepFrom } from '../directory/runs.ts';
import type { Telemetry } from '../telemetry.ts';
import type { Bells } from './queue.ts';

/** Long enough for a bell to have been heard, short enough that a lost one costs seconds. */
const DIRTY_AGE_MS = 3_000;
const INTERVAL_MS = 2_000;
const BATCH = 500;

export interface SweepParts {
  site: string;
  runs: Runs;
  bells: Bells;
  logger: Logger;
  telemetry: Telemetry;
  /** Told at every turn: the sign of life of a worker process, also of an idle one. */
  beat: () => void;
}

export class Sweep {
  readonly #parts: SweepParts;
  #timer: NodeJS.Timeout | undefined;
  #from: SweepFrom = { everybody: 0, leavers: 0 };
  #closed = false;

  constructor(parts: SweepParts) {
    this.#parts = parts;
  }

  start(): void {
    // Spread over replicas by chance, so that they do not all sweep at once.
    this.#timer = setTimeout(() => void this.#turn(), INTERVAL_MS * (0.5 + Math.random()));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** Ring once for a batch of those who should have been heard by now. @returns how many */
  async sweepOnce(): Promise<number> {
    const { site, runs, bells, telemetry } = this.#parts;
    const { next, people } = await runs.sweepable(DIRTY_AGE_MS, BATCH, this.#from);
    this.#from = next;
    // `replace` is safe here because people who wait for a later attempt are not in this list; without it, a bell that was put aside just before a
    // new desired state was committed would be heard only when its old wait is over.
    for (const { id, lane } of people) await bells.ring(lane, id);
    if (people.length > 0) telemetry.sweepRung.inc({ site }, people.length);
    return people.length;
  }

  async #turn(): Promise<void> {
    this.#parts.beat();
    try {
      await this.sweepOnce();
    } catch (error) {
      this.#parts.logger.debug({ err: error, site: this.#parts.site }, 'the sweep found no Redis and tries again');
    }
    if (!this.#closed) this.start();
  }
}
