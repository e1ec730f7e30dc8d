/**
 * Owns the permission to call Maxio: at most `callsPerWindow` calls in ANY rolling window and `concurrency` at once, per site, over all
 * processes, counted where they arrive. Refuses to know what the calls are for, beyond three lanes and the fences handed in.
 *
 * Why it is exact although a call arrives later than it is granted: a slot is kept from the grant until the answer, or until the call can
 * no longer be at work. So at most `concurrency` calls are granted before a window and arrive in it; grants inside any window are capped
 * at `callsPerWindow - concurrency`; the sum is the limit. Condition: a granted call is written within the send grace, or never
 * (`mayStillSend`). Time is Redis TIME. Source: Maxio's "API rate limits", four requests at once per subdomain.
 */
import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { RedisScript } from '../redis-script.ts';
import type { CallResult } from './call-result.ts';

/** `urgent` may use everything and goes first to a free slot, `normal` stops at 95 % of the window, `background` at 80 %. */
export type Lane = 'urgent' | 'normal' | 'background';

export interface BudgetLimits {
  callsPerWindow: number;
  windowSeconds: number;
  concurrency: number;
  /** How long after sending an unanswered call may still take effect at Maxio. */
  unknownOutcomeSeconds: number;
}

/** A string key, or a field of a hash, that must hold exactly this text, or nothing at all, when the call is granted. */
export interface Fence {
  key: string;
  field?: string;
  /** `undefined`: it must be absent. */
  equals: string | undefined;
}

/** A hash field to be written in the same script when the call is granted; `"$now"`, quotes included, becomes Redis TIME in ms. */
export interface Note {
  key: string;
  field: string;
  value: string;
}

export interface Take {
  lane: Lane;
  fences?: Fence[];
  notes?: Note[];
  /** Who waits, so that repeated urgent takes leave one mark; by default the key of the first fence. */
  waiter?: string;
}

export interface Grant {
  granted: true;
  slot: string;
  /** Redis TIME of the grant. */
  nowMs: number;
  /** Last moment to write the request, on the clock of `performance.now()`. */
  sendByMs: number;
}

export type TakeAnswer =
  | Grant
  | { granted: false; why: 'fenced'; fence: number }
  | { granted: false; why: 'budget' | 'slots' | 'blocked'; waitMs: number };

export interface BudgetPeek {
  limit: number;
  used: number;
  windowSeconds: number;
  inFlight: number;
  /** Until the oldest calls stop counting; absent when none counts. */
  nextCallMs?: number;
  /** 0 with a `blockedWhy`: the pause is over and one call at a time finds out whether the site works again. */
  blockedForMs: number;
  blockedWhy?: 'throttled' | 'unauthorized' | 'failing';
  blockedStreak: number;
}

/** First and longest pause; each further pause for the same reason is twice as long as the one before. */
interface Pause {
  firstMs: number;
  maxMs: number;
}

export interface BudgetOptions {
  throttled?: Pause;
  unauthorized?: Pause;
  failing?: Pause;
  /** So many failures in a row open the pause `failing`. */
  failuresMax?: number;
  /** Tests only: stands in for Redis TIME, in whole ms. */
  nowMs?: () => number;
}

const PAUSES = {
  throttled: { firstMs: 60_000, maxMs: 600_000 },
  unauthorized: { firstMs: 30_000, maxMs: 600_000 },
  failing: { firstMs: 5_000, maxMs: 300_000 },
};
const FAILURES_MAX = 5;
const RETRY_AFTER_MIN_MS = 1_000;
/** No pause is longer, whatever a Retry-After says. */
const PAUSE_MAX_MS = 3_600_000;
/** How long an urgent caller keeps its claim on the next free slot without asking again; several slot waits. */
const MARK_MS = 250;

/** How long after the grant a request may at most be written. Scaled down when the unknown-outcome time is a test's. */
export const SEND_GRACE_MS = 5_000;

const takeScript = new RedisScript(new URL('./budget-take.lua', import.meta.url));
const releaseScript = new RedisScript(new URL('./budget-release.lua', import.meta.url));
const probeScript = new RedisScript(new URL('./budget-probe.lua', import.meta.url));
const fillScript = new RedisScript(new URL('./budget-fill.lua', import.meta.url));
const peekScript = new RedisScript(new URL('./budget-peek.lua', import.meta.url));

/** Names the keys the budget of a site lives in; all begin with the prefix. */
export function budgetKeys(prefix: string): { state: string; calls: string; slots: string; waiting: string } {
  return {
    state: `${prefix}budget`,
    calls: `${prefix}budget:calls`,
    slots: `${prefix}budget:slots`,
    waiting: `${prefix}budget:waiting`,
  };
}

/**
 * Tells whether a granted call may still be written. Ask as the last thing before the call; if not, release the slot as `unsent` and
 * take again. The charge stays: a refund would be the one way to count too little.
 */
export function mayStillSend(grant: Grant): boolean {
  return performance.now() <= grant.sendByMs;
}

export class Budget {
  readonly limits: Readonly<BudgetLimits>;
  readonly sendGraceMs: number;
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #options: BudgetOptions;
  readonly #caps: Record<Lane, number>;
  readonly #span: { windowMs: number; bucketMs: number; holdMs: number };
  readonly #self = randomUUID();

  /** @throws RangeError when the limits leave no call to grant */
  constructor(redis: Redis, keyPrefix: string, limits: BudgetLimits, options: BudgetOptions = {}) {
    const { callsPerWindow, concurrency, windowSeconds, unknownOutcomeSeconds } = limits;
    if (!(concurrency >= 1 && callsPerWindow > concurrency && windowSeconds > 0 && unknownOutcomeSeconds > 0)) {
      throw new RangeError('Maxio budget: the calls per window must exceed the concurrency, and every limit must be positive');
    }
    this.limits = { ...limits };
    this.#redis = redis;
    this.#prefix = keyPrefix;
    this.#options = options;
    const urgent = Math.floor(callsPerWindow) - Math.floor(concurrency);
    this.#caps = {
      urgent,
      normal: Math.min(urgent, Math.floor(0.95 * callsPerWindow)),
      background: Math.min(urgent, Math.floor(0.8 * callsPerWindow)),
    };
    const windowMs = Math.ceil(windowSeconds * 1_000);
    this.sendGraceMs = Math.min(SEND_GRACE_MS, Math.ceil((unknownOutcomeSeconds * 1_000) / 4));
    // A thousandth of the window: what rounding to buckets costs in utilisation.
    const bucketMs = Math.max(1, Math.ceil(windowMs / 1_000));
    this.#span = { windowMs, bucketMs, holdMs: Math.ceil(unknownOutcomeSeconds * 1_000) + this.sendGraceMs };
  }

  /**
   * Asks for one call: checks the fences, charges the window, takes a slot and writes the notes, all or nothing.
   * @throws when Redis gives no answer; then the call must not be made, and the charge may have been
   */
  async take(wanted: Take): Promise<TakeAnswer> {
    const slot = randomUUID();
    const sendByMs = performance.now() + this.sendGraceMs;
    const question = {
      slot,
      waiter: wanted.waiter ?? wanted.fences?.[0]?.key ?? this.#self,
      urgent: wanted.lane === 'urgent',
      cap: this.#caps[wanted.lane],
      concurrency: Math.floor(this.limits.concurrency),
      markMs: MARK_MS,
      pauseMaxMs: PAUSE_MAX_MS,
      fences: wanted.fences ?? [],
      notes: wanted.notes ?? [],
    };
    let answer: [string, number];
    try {
      answer = (await this.#run(takeScript, question)) as [string, number];
    } catch (err) {
      // The grant may have happened unseen. Nobody will use it, so give the slot back rather than block it for minutes.
      this.release(slot, 'unsent').catch(() => undefined);
      throw err;
    }
    const [word, figure] = answer;
    switch (word) {
      case 'granted':
        return { granted: true, slot, nowMs: figure, sendByMs };
      case 'fenced':
        return { granted: false, why: 'fenced', fence: figure };
      case 'slots':
        // Spread, or all who wait would come back in the same instant.
        return { granted: false, why: 'slots', waitMs: 10 + Math.floor(Math.random() * 16) };
      case 'budget':
      case 'blocked':
        return { granted: false, why: word, waitMs: figure };
      default:
        throw new Error('Maxio budget: unexpected answer of the script');
    }
  }

  /**
   * Reports the end of a call. Repeating it is harmless, and without it the slot comes back by itself after the unknown-outcome time.
   * @param retryAfterMs what a 429 asked for, in ms; kept between 1 s and 1 h
   */
  async release(slot: string, result: CallResult, retryAfterMs?: number): Promise<void> {
    const { throttled, unauthorized, failing, failuresMax } = this.#options;
    await this.#run(releaseScript, {
      slot,
      result,
      retryAfterMs,
      pauses: {
        throttled: throttled ?? PAUSES.throttled,
        unauthorized: unauthorized ?? PAUSES.unauthorized,
        failing: failing ?? PAUSES.failing,
      },
      failuresMax: failuresMax ?? FAILURES_MAX,
      retryAfterMinMs: RETRY_AFTER_MIN_MS,
      pauseMaxMs: PAUSE_MAX_MS,
    });
  }

  /** Reads the budget as it stands, without changing it. */
  async peek(): Promise<BudgetPeek> {
    const [used, inFlight, blockedForMs, why, blockedStreak, nextCallMs] = (await this.#run(peekScript, {})) as [
      number,
      number,
      number,
      NonNullable<BudgetPeek['blockedWhy']> | '',
      number,
      number,
    ];
    const { callsPerWindow: limit, windowSeconds } = this.limits;
    const next = nextCallMs < 0 ? {} : { nextCallMs };
    return {
      limit,
      used,
      windowSeconds,
      inFlight,
      ...next,
      blockedForMs,
      blockedStreak,
      ...(why === '' ? {} : { blockedWhy: why }),
    };
  }

  /** Counts the whole window as used, where calls were made that nobody has counted. Repeating it prolongs nothing but what has passed. */
  async fill(): Promise<void> {
    await this.#run(fillScript, { limit: Math.floor(this.limits.callsPerWindow) });
  }

  /** Ends a pause at once, by an operator's order; the counts of calls and slots stay. */
  async unblock(): Promise<void> {
    await this.#redis.hdel(budgetKeys(this.#prefix).state, 'why', 'blockedUntil', 'probe', 'streak', 'failures');
  }

  /** Lets the next call find out whether a pause for this reason is over, instead of waiting for its time. The pause itself stays until that call is answered. */
  async probeNow(why: NonNullable<BudgetPeek['blockedWhy']>): Promise<void> {
    await this.#run(probeScript, { why });
  }

  async #run(script: RedisScript, question: object): Promise<unknown> {
    const now = this.#options.nowMs?.();
    return await script.run(this.#redis, this.#prefix, JSON.stringify({ ...question, ...this.#span, now }));
  }
}
