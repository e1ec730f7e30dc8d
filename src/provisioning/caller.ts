/**
 * Owns the only way to Maxio: every call takes its charge, its slot and its fence in one script, leaves at once or not at all, and gives the slot back by
 * what came of it. Refuses to retry. A mutating call is recorded as an open step, with everything that must be remembered, in that same script.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { failpoint } from '../failpoint.ts';
import { type Budget, type Fence, type Grant, type Lane, mayStillSend, type Note } from '../maxio/budget.ts';
import { callResult } from '../maxio/call-result.ts';
import { MaxioError } from '../maxio/error.ts';
import type { Telemetry } from '../telemetry.ts';

/** A refusal shorter than this is waited out here; longer ones end the run, so that a worker is not kept by one person. */
const WAIT_INLINE_MS = 1_500;
/** How long one call may compete for a free slot before its run steps back. */
const SLOT_PATIENCE_MS = 20_000;

/** The call was not made. */
export class NotMade extends Error {
  readonly why: 'fenced' | 'budget' | 'slots' | 'blocked';
  readonly waitMs: number;
  readonly lane: Lane;
  /** It was granted, and what it had to record is recorded; then this process was paused for too long. */
  readonly granted: boolean;

  constructor(why: NotMade['why'], waitMs: number, lane: Lane, granted = false) {
    super(`the call was not made: ${why}`);
    this.name = 'NotMade';
    this.why = why;
    this.waitMs = waitMs;
    this.lane = lane;
    this.granted = granted;
  }
}

export interface CallOptions {
  /** The call in words, for metrics. */
  operation: string;
  lane: Lane;
  fences?: Fence[];
  notes?: Note[];
  /** The answer is about this process rather than the site: a refused key pauses nobody else. */
  ownMatter?: boolean;
  /** Ends the call early, for example when the process must stop. */
  signal?: AbortSignal | undefined;
}

export interface Called<T> {
  value: T;
  /** Redis TIME at the grant. */
  atMs: number;
}

export class Caller {
  readonly #budget: Budget;
  readonly #site: string;
  readonly #telemetry: Telemetry;
  readonly #witness: { fences(): Fence[] } | undefined;

  /** @param witness what must hold of the data itself when any call leaves that is about the site */
  constructor(budget: Budget, site: string, telemetry: Telemetry, witness?: { fences(): Fence[] }) {
    this.#budget = budget;
    this.#site = site;
    this.#telemetry = telemetry;
    this.#witness = witness;
  }

  /**
   * Make one call.
   * @throws NotMade when the budget, the slots, a pause of the site or the fence refused it
   * @throws MaxioError as the client threw it
   */
  async call<T>(options: CallOptions, send: (signal: AbortSignal | undefined) => Promise<T>): Promise<Called<T>> {
    const grant = await this.#take(options);
    const { slot, nowMs } = grant;
    if (options.notes !== undefined) await failpoint('before_send');
    if (!mayStillSend(grant)) {
      // This process was paused: the slot may belong to somebody else by now. The charge stays, which is the safe side.
      await this.#budget.release(slot, 'unsent');
      throw new NotMade('slots', 100, options.lane, true);
    }
    try {
      const value = await send(options.signal);
      await this.#release(slot, undefined);
      return { value, atMs: nowMs };
    } catch (error) {
      await this.#release(slot, error, options.ownMatter);
      if (callResult(error) === 'unknown')
        this.#telemetry.unknownOutcomes.inc({ site: this.#site, operation: options.operation });
      throw error;
    }
  }

  /** A release that fails must not hide what Maxio answered: the slot comes back by itself when the call can no longer be at work. */
  async #release(slot: string, error: unknown, ownMatter = false): Promise<void> {
    const retryAfterMs = error instanceof MaxioError ? error.retryAfterMs : undefined;
    const result = callResult(error);
    const told = ownMatter && result === 'unauthorized' ? 'unsent' : result;
    await this.#budget.release(slot, told, retryAfterMs).catch(() => undefined);
  }

  async #take(options: CallOptions): Promise<Grant> {
    const startedMs = performance.now();
    const known = options.ownMatter === true ? [] : (this.#witness?.fences() ?? []);
    const fences = [...(options.fences ?? []), ...known];
    for (;;) {
      const answer = await this.#budget.take({ lane: options.lane, fences, notes: options.notes ?? [] });
      if (answer.granted) {
        this.#telemetry.budgetWaitSeconds.observe(
          { site: this.#site, lane: options.lane },
          (performance.now() - startedMs) / 1_000,
        );
        return answer;
      }
      if (answer.why === 'fenced') throw new NotMade('fenced', 0, options.lane);
      const waitedMs = performance.now() - startedMs;
      const patienceMs = answer.why === 'slots' ? SLOT_PATIENCE_MS : WAIT_INLINE_MS;
      if (waitedMs + answer.waitMs > patienceMs || options.signal?.aborted === true)
        throw new NotMade(answer.why, answer.waitMs, options.lane);
      await sleep(answer.waitMs);
    }
  }
}
