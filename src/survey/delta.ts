/**
 * Owns keeping the survey index fresh between two surveys: what has changed since the last look, three calls when little has, in the background lane.
 * The watermark moves only when every page is in, and each look asks for five minutes more than it should need, since clocks differ and lists lag.
 * After it the whole index is true as of its first call. Refuses to compare. Source: developers.maxio.com, lists by `updated_at`, list events.
 */
import type { Store } from '../directory/store.ts';
import type { SurveyIndex } from '../directory/survey-index.ts';
import type { MaxioClient } from '../maxio/client.ts';
import type { Called, Caller } from '../provisioning/caller.ts';
import { customerRow, subscriptionRow } from './index-rows.ts';
import type { Turn } from './rounds.ts';

const PAGE_ROWS = 200;
const OVERLAP_MS = 300_000;
/** Deletions come by no list of what has changed. */
const DELETED = ['customer_delete'] as const;

/** From where changes are to be asked for, as the survey and earlier deltas have left it. */
export interface Marks {
  /** `undefined` before the first survey has ended. */
  current: string | undefined;
  /** The whole index is at least as new as this, in Redis TIME. */
  sinceMs: number;
  /** When the last full pass was complete. */
  fullAtMs: number;
  eventId: string;
}

export interface DeltaParts {
  store: Store;
  index: SurveyIndex;
  caller: Caller;
  client: Pick<MaxioClient, 'listCustomers' | 'listAllSubscriptions' | 'listEvents'>;
}

/** Where a delta stands; it lives in memory, because beginning anew costs little. */
interface Progress {
  /** What it began from; when the watermark has moved, another process has finished this look, and what was read for it is old. */
  fromMs: number;
  beganMs: number;
  phase: 'customers' | 'subscriptions' | 'events';
  page: number;
  since: Date;
  startedMs: number;
  eventId: string;
}

export class Delta {
  readonly #parts: DeltaParts;
  #progress: Progress | undefined;

  constructor(parts: DeltaParts) {
    this.#parts = parts;
  }

  async marks(): Promise<Marks> {
    const { store } = this.#parts;
    const [current, sinceMs, fullAtMs, eventId] = await store.guard(() =>
      store.redis.hmget(`${store.prefix}index`, 'current', 'sinceMs', 'fullAtMs', 'eventId'),
    );
    return {
      current: current ?? undefined,
      sinceMs: Number(sinceMs ?? 0),
      fullAtMs: Number(fullAtMs ?? 0),
      eventId: eventId ?? '',
    };
  }

  /**
   * Make one call.
   * @param askedMs when this look was asked for: what is left of an earlier one is dropped
   * @returns 'done' when the index is fresh and the watermark has moved
   */
  async step(turn: Turn, askedMs: number): Promise<'more' | 'done'> {
    const marks = await this.marks();
    const left = this.#progress;
    const stands = left !== undefined && left.fromMs === marks.sinceMs && left.beganMs >= askedMs;
    const progress = stands ? left : begin(turn, marks);
    this.#progress = progress;
    switch (progress.phase) {
      case 'customers':
        await this.#customers(progress, turn);
        return 'more';
      case 'subscriptions':
        await this.#subscriptions(progress, turn);
        return 'more';
      case 'events':
        return await this.#events(progress, turn);
    }
  }

  async #customers(progress: Progress, turn: Turn): Promise<void> {
    const { client, index } = this.#parts;
    const { page, since } = progress;
    const { value, atMs } = await this.#call(turn, (signal) => client.listCustomers(page, since, signal));
    if (page === 1) progress.startedMs = Math.min(progress.startedMs, atMs);
    await index.putCustomers(value.map(customerRow), atMs);
    if (value.length >= PAGE_ROWS) progress.page += 1;
    else Object.assign(progress, { phase: 'subscriptions', page: 1 });
  }

  async #subscriptions(progress: Progress, turn: Turn): Promise<void> {
    const { client, index } = this.#parts;
    const { page, since } = progress;
    const { value, atMs } = await this.#call(turn, (signal) => client.listAllSubscriptions(page, since, signal));
    await index.putSubscriptions(
      value.flatMap((subscription) => subscriptionRow(subscription) ?? []),
      atMs,
    );
    if (value.length >= PAGE_ROWS) progress.page += 1;
    else progress.phase = 'events';
  }

  async #events(progress: Progress, turn: Turn): Promise<'more' | 'done'> {
    const { client, index, store } = this.#parts;
    const { eventId, startedMs } = progress;
    const asked = { keys: DELETED, ...(eventId === '' ? {} : { sinceId: eventId }) };
    const { value } = await this.#call(turn, (signal) => client.listEvents(asked, signal));
    for (const { customerId } of value) if (customerId !== undefined) await index.remove(customerId);
    progress.eventId = value.at(-1)?.id ?? eventId;
    if (value.length >= PAGE_ROWS) return 'more';
    this.#progress = undefined;
    const { sinceMs } = await this.marks();
    const moved = { sinceMs: String(Math.max(sinceMs, startedMs)), eventId: progress.eventId };
    await store.guard(() => store.redis.hset(`${store.prefix}index`, moved));
    return 'done';
  }

  async #call<T>(turn: Turn, send: (signal: AbortSignal | undefined) => Promise<T>): Promise<Called<T>> {
    const { caller, store } = this.#parts;
    const fences = [{ key: `${store.prefix}mode`, field: 'mode', equals: turn.mode }];
    return await caller.call({ operation: 'drift', lane: 'background', fences, signal: turn.signal }, send);
  }
}

function begin({ nowMs }: Turn, { sinceMs, eventId }: Marks): Progress {
  const since = new Date(Math.max(0, sinceMs - OVERLAP_MS));
  return { fromMs: sinceMs, beganMs: nowMs, phase: 'customers', page: 1, since, startedMs: nowMs, eventId };
}
