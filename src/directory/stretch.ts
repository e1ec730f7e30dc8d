/**
 * Owns how much of a list is read at once: so many records, and of large ones fewer, so that no list takes the memory and the time that all sites share.
 * People and groups alike; what is told here is read by their stores. One round trip. Refuses to know what a page of an answer is (list-resources.ts).
 */
import { RedisScript } from '../redis-script.ts';
import type { Placed, Weigh } from './shelf.ts';
import type { Store } from './store.ts';

const stretchScript = new RedisScript(new URL('./stretch.lua', import.meta.url));

/** Of records, as they are stored: on one page of an answer, and in memory at once for a filter. RFC 7644 §3.4.2.4 lets a page be shorter than was asked for. */
export const PAGE_BYTES_MAX = 4 * 1024 * 1024;
const GROUPS_SHOWN = 6;

/** Where a record stands in the order of creation, and how large it is. */
export interface Place {
  id: string;
  sequence: number;
  bytes: number;
}

export interface Places {
  places: Place[];
  /** Sequence number behind which to go on; undefined when nothing is further. */
  next: number | undefined;
}

/** Under which names records of one type are kept. */
export interface Kind {
  order: 'order' | 'groupOrder';
  record: 'user' | 'group';
}

/** @param range of zero-based ranks, or what comes behind a sequence number */
export async function nextPlaces(
  store: Store,
  { order, record }: Kind,
  range: ({ rank: number } | { after: number }) & { count: number },
): Promise<Places> {
  const { count } = range;
  const words =
    'rank' in range ? ['rank', `${range.rank}`, `${range.rank + count - 1}`] : ['after', `${range.after}`, `${count}`];
  const answer = await store.guard(() => stretchScript.run(store.redis, store.prefix, order, record, ...words, PAGE_BYTES_MAX));
  const [isCut, ...rest] = answer as [number, ...(string | number)[]];
  const places: Place[] = [];
  for (let at = 0; at < rest.length; at += 3) {
    places.push({ id: String(rest[at]), sequence: Number(rest[at + 1]), bytes: Number(rest[at + 2]) });
  }
  // A short page was the last one, so nobody is asked again to hear so.
  return { places, next: isCut === 1 || places.length >= count ? places.at(-1)?.sequence : undefined };
}

/** Tell the places of some records, in the order of creation; what cannot be listed is left out. */
export async function placesOf(store: Store, { order, record }: Kind, ids: readonly string[]): Promise<Place[]> {
  if (ids.length === 0) return [];
  const { redis, prefix } = store;
  const answers = await store.guard(async () => {
    const pipeline = redis.pipeline().zmscore(`${prefix}${order}`, ...ids);
    // A single one is not worth it: no record alone is larger than a request may be.
    for (const id of ids.length === 1 ? [] : ids)
      pipeline.hstrlen(`${prefix}${record}:${id}`, 'attrs').hstrlen(`${prefix}${record}:${id}`, 'groups');
    return ((await pipeline.exec()) ?? []).map(([error, answer]) => {
      if (error) throw error;
      return answer;
    });
  });
  const [scores, ...sizes] = answers as [(string | null)[], ...number[]];
  const places = ids.flatMap((id, at) => {
    const score = scores[at];
    const bytes = (sizes[2 * at] ?? 0) + GROUPS_SHOWN * (sizes[2 * at + 1] ?? 0);
    return score === null || score === undefined ? [] : [{ id, sequence: Number(score), bytes }];
  });
  return places.sort((a, b) => a.sequence - b.sequence);
}

/** Ids to be read, once it is known that there is room for them. */
export function weighed(places: readonly Place[], weigh?: Weigh): string[] {
  weigh?.(places.reduce((sum, { bytes }) => sum + bytes, 0));
  return places.map(({ id }) => id);
}

/** Records where they belong, in the order of places; who has gone meanwhile is left out. */
export function placed<R extends { id: string }>(places: readonly Place[], records: readonly R[]): Placed<R>[] {
  const found = new Map(records.map((record) => [record.id, record]));
  return places.flatMap(({ id, sequence, bytes }) => {
    const record = found.get(id);
    return record === undefined ? [] : [{ record, sequence, bytes }];
  });
}

/** The first of some that fit on one page together, and at least one. */
export function fitting<T extends { bytes: number }>(rows: readonly T[]): T[] {
  let bytes = 0;
  const beyond = rows.findIndex((row, at) => {
    bytes += row.bytes;
    return at > 0 && bytes > PAGE_BYTES_MAX;
  });
  return beyond < 0 ? [...rows] : rows.slice(0, beyond);
}
