/**
 * Owns what keeps pages by number whole while people are deleted: behind which resource the page begins that a client will ask for next. It lives in
 * Redis, so any replica can serve that page, and ends by itself. One for each caller and query, and only for the walk begun last: where a client reads
 * the same list twice at once, the other walk goes by rank, as does whoever asks for a page without having read the one before.
 * Refuses to fail a list: without a bookmark a page is what RFC 7644 §3.4.2.4 wants, by rank.
 */
import type { Position } from '../scim/cursor.ts';
import { digest } from './keys.ts';
import type { Store } from './store.ts';

/** How long a client may take from one page to the next. */
export const BOOKMARK_SECONDS = 600;

export interface Bookmark {
  /** Tell behind which place the page with this number begins; undefined where it goes by rank. */
  find(startIndex: number): Promise<Position | undefined>;
  /** Remember that pages with these numbers begin behind a place, and tell whether that was possible. */
  put(place: Position, startIndexes: readonly number[]): Promise<boolean>;
}

/** @param actor who reads; undefined where nobody knows, and then there is no bookmark */
export function openBookmark(store: Store, actor: string | undefined, identity: string | undefined): Bookmark | undefined {
  if (actor === undefined || identity === undefined) return undefined;
  // Sequence numbers mean nothing in other data than they were made in.
  const name = `${store.prefix}bookmark:${digest(JSON.stringify([actor, store.witness.standing.epoch, identity]))}`;
  let used: string | undefined;
  return {
    async find(startIndex) {
      if (startIndex === 1) return undefined;
      const text = await store.guard(() => store.redis.get(name));
      used = text?.split(' ').find((entry) => entry.startsWith(`${startIndex}:`));
      const [, list, sequence] = (used ?? '').split(':').map(Number);
      return list === undefined || sequence === undefined ? undefined : { list, sequence };
    },

    async put({ list, sequence }, startIndexes) {
      const next = [...new Set(startIndexes)].map((startIndex) => `${startIndex}:${list}:${sequence}`);
      // The one that was used stays: a client that has not got its answer asks for the same page again.
      const text = [...next, ...(used === undefined ? [] : [used])].join(' ');
      // A Redis that takes no writes at the moment still lists.
      const kept = await store.redis.set(name, text, 'EX', BOOKMARK_SECONDS).catch(() => undefined);
      return kept !== undefined;
    },
  };
}
