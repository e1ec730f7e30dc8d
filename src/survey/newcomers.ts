/**
 * Owns that the survey index knows customers that staff have made, or given another address or reference, since the last look: every few minutes while
 * the site acts, and at a release. Without it somebody made at Maxio in the morning would be created again at noon; what is left of that is the time
 * between two looks, and webhooks shorten it to seconds. In lane `normal`, because it must not stop at 80 % of the budget while creates go on to 95 %.
 * Refuses subscriptions, deletions and every comparison (drift.ts). Source: developers.maxio.com, list customers by `updated_at`.
 */
import type { Store } from '../directory/store.ts';
import type { SurveyIndex } from '../directory/survey-index.ts';
import type { MaxioClient } from '../maxio/client.ts';
import type { Caller } from '../provisioning/caller.ts';
import { customerRow } from './index-rows.ts';
import type { Chore, Turn } from './rounds.ts';

/** One call then, where little has changed: twelve an hour. */
const EVERY_MS = 300_000;
const PAGE_ROWS = 200;
/** Clocks differ and lists lag. */
const OVERLAP_MS = 300_000;

export interface NewcomersParts {
  store: Store;
  index: Pick<SurveyIndex, 'putCustomers'>;
  caller: Caller;
  client: Pick<MaxioClient, 'listCustomers'>;
}

export class Newcomers implements Chore {
  readonly name = 'newcomers';
  readonly #parts: NewcomersParts;

  constructor(parts: NewcomersParts) {
    this.#parts = parts;
  }

  async turn(turn: Turn): Promise<'idle'> {
    if (turn.mode === 'enforce' && (await this.isDue(turn.nowMs))) await this.read(turn);
    return 'idle';
  }

  /** Say whether the last look is too long ago to create anybody by it; never before the first survey has ended. */
  async isDue(nowMs: number): Promise<boolean> {
    const asOfMs = await this.#asOfMs();
    return asOfMs !== undefined && nowMs - asOfMs >= EVERY_MS;
  }

  /** Read what has changed since the last look, all of it; begun anew when it breaks off. @throws NotMade, MaxioError */
  async read({ mode, signal }: Pick<Turn, 'mode' | 'signal'>): Promise<void> {
    const { store, index, caller, client } = this.#parts;
    const since = new Date(Math.max(0, ((await this.#asOfMs()) ?? 0) - OVERLAP_MS));
    const fences = [{ key: `${store.prefix}mode`, field: 'mode', equals: mode }];
    let beganMs = Number.POSITIVE_INFINITY;
    for (let page = 1; ; page += 1) {
      const { value, atMs } = await caller.call({ operation: 'newcomers', lane: 'normal', fences, signal }, (stop) =>
        client.listCustomers(page, since, stop),
      );
      beganMs = Math.min(beganMs, atMs);
      await index.putCustomers(value.map(customerRow), atMs);
      if (value.length < PAGE_ROWS) break;
    }
    await store.guard(() => store.redis.hset(`${store.prefix}index`, 'customersMs', beganMs));
  }

  /** Until when the customers of the index are complete. */
  async #asOfMs(): Promise<number | undefined> {
    const { store } = this.#parts;
    const [current, ...marks] = await store.guard(() =>
      store.redis.hmget(`${store.prefix}index`, 'current', 'sinceMs', 'customersMs'),
    );
    return current === null ? undefined : Math.max(...marks.map(Number));
  }
}
