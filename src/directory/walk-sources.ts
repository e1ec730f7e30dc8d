/**
 * Owns the walk through everything that is listed: list after list, in order of creation, by index where one can answer, else by bounded pages over all.
 * Memory holds one page of records. Refuses to know which of them a page of an answer shows (list-resources.ts) and to evaluate filters itself (scim/filter).
 */
import type { Position } from '../scim/cursor.ts';
import { type Filter, matches, partsOf } from '../scim/filter.ts';
import type { Selection } from '../scim/list.ts';
import type { JsonObject } from '../scim/types.ts';
import type { Placed, Shelf, Stretch, View } from './shelf.ts';

/** Something to list: where it is, and what is wanted of it. */
export interface Source<R extends { id: string }> extends Selection {
  shelf: Shelf<R>;
}

export interface Listed<R> {
  /** Number of its source. */
  list: number;
  record: R;
}

export interface Found<R> extends Listed<R>, Placed<R> {
  resource?: JsonObject;
}

/** Records read at once. */
export const SCAN_PAGE = 200;

/** Walk through all matches in order of creation, list after list, from a position on. Resources are built where a filter or an order needs them. */
export async function* walk<R extends { id: string }>(
  sources: readonly Source<R>[],
  from: Position | undefined,
  baseUrl: string,
  enough = SCAN_PAGE,
): AsyncGenerator<Found<R>> {
  for (const [list, source] of sources.entries()) {
    if (from !== undefined && list < from.list) continue;
    const start = from !== undefined && list === from.list ? from.sequence : 0;
    const { filter, sort } = source;
    const read = [...(filter === undefined ? [] : partsOf(filter)), ...(sort === undefined ? [] : [sort.steps.join('.')])];
    const view: View = { baseUrl, needs: (part) => read.some((place) => isWithin(place, part) || isWithin(part, place)) };
    const size = filter === undefined ? Math.min(enough, SCAN_PAGE + 1) : SCAN_PAGE;
    for await (const batch of batches(source, start, size)) {
      for (const rows of source.shelf.portions?.(batch, view) ?? [batch]) {
        const records = rows.map(({ record }) => record);
        const resources = read.length === 0 ? [] : await source.shelf.resources(records, view);
        for (const [at, row] of rows.entries()) {
          const resource = resources[at];
          if (filter !== undefined && (resource === undefined || !matches(filter, resource))) continue;
          yield resource === undefined ? { ...row, list } : { ...row, list, resource };
        }
      }
    }
  }
}

/** Tells whether a place is a part of another, or the same. */
function isWithin(place: string, whole: string): boolean {
  return place === whole || place.startsWith(`${whole}.`);
}

async function* batches<R extends { id: string }>(
  { shelf, filter }: { shelf: Shelf<R>; filter?: Filter },
  start: number,
  size: number,
): AsyncGenerator<Placed<R>[]> {
  const ids = filter === undefined ? undefined : await shelf.candidates(filter);
  if (ids !== undefined) {
    yield* candidateBatches(shelf, ids, start, size);
    return;
  }
  // By sequence, not by rank: somebody deleted between two pages must not hide anybody else.
  for (let after: number | undefined = start; after !== undefined; ) {
    const { rows, next }: Stretch<R> = await shelf.after(after, size);
    yield rows;
    after = next;
  }
}

async function* candidateBatches<R extends { id: string }>(
  shelf: Shelf<R>,
  ids: string[],
  start: number,
  size: number,
): AsyncGenerator<Placed<R>[]> {
  if (ids.length === 0) return;
  const sequences = await shelf.sequencesOf(ids);
  const placed = ids
    .map((id, at) => ({ id, sequence: sequences[at] ?? null }))
    .filter((each): each is { id: string; sequence: number } => each.sequence !== null && each.sequence > start)
    .sort((a, b) => a.sequence - b.sequence);
  for (let first = 0; first < placed.length; first += size) {
    const some = placed.slice(first, first + size);
    const records = new Map((await shelf.readAll(some.map(({ id }) => id))).map((record) => [record.id, record]));
    yield some.flatMap(({ id, sequence }) => {
      const record = records.get(id);
      return record === undefined ? [] : [{ record, sequence }];
    });
  }
}
