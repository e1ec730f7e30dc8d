/**
 * Owns the walk through everything that is listed: list after list, in order of creation, by index where one can answer, else by bounded pages over all.
 * Memory holds one page of records, and others have their turn in between, however much there is to compare. Refuses to know which of them a page of an
 * answer shows (list-resources.ts) and to evaluate filters itself (scim/filter).
 */
import { Breather } from '../breather.ts';
import type { Position } from '../scim/cursor.ts';
import { type Filter, Folds, matchesInTurns, partsOf } from '../scim/filter.ts';
import type { Selection } from '../scim/list.ts';
import type { JsonObject } from '../scim/types.ts';
import type { Placed, Shelf, Stretch, View, Weigh } from './shelf.ts';
import { fitting, placed, weighed } from './stretch.ts';
import { DirectoryUnavailable } from './unavailable.ts';

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

export interface Reading {
  /** Of the resources that filters see. */
  baseUrl: string;
  weigh?: Weigh | undefined;
}

/** Records read at once, and fewer where they are large. */
export const SCAN_PAGE = 200;
/** Nobody waits longer for a list (SERVER_WAITS_MS in src/http); what goes on beyond is for nothing. */
const WALK_MS_MAX = 20_000;

/** Walk through all matches in order of creation, list after list, from a position on. Resources are built where a filter or an order needs them. */
export async function* walk<R extends { id: string }>(
  sources: readonly Source<R>[],
  from: Position | undefined,
  { baseUrl, weigh }: Reading,
  enough = SCAN_PAGE,
): AsyncGenerator<Found<R>> {
  const pace = new Pace();
  for (const [list, source] of sources.entries()) {
    if (from !== undefined && list < from.list) continue;
    const start = from !== undefined && list === from.list ? from.sequence : 0;
    const { filter, sort } = source;
    const read = [...(filter === undefined ? [] : partsOf(filter)), ...(sort === undefined ? [] : [sort.steps.join('.')])];
    const view: View = { baseUrl, needs: (part) => read.some((place) => isWithin(place, part) || isWithin(part, place)) };
    const size = filter === undefined ? Math.min(enough, SCAN_PAGE + 1) : SCAN_PAGE;
    for await (const batch of batches(source, start, size, weigh)) {
      for (const rows of source.shelf.portions?.(batch, view) ?? [batch]) {
        const records = rows.map(({ record }) => record);
        const resources = read.length === 0 ? [] : await source.shelf.resources(records, view);
        pace.rested();
        for (const [at, row] of rows.entries()) {
          const resource = resources[at];
          if (pace.breather.isDue) await pace.rest();
          if (filter !== undefined && (resource === undefined || !(await pace.matches(filter, resource)))) continue;
          yield resource === undefined ? { ...row, list } : { ...row, list, resource };
        }
      }
    }
  }
}

/** How one walk goes along with everything else that is done meanwhile. */
class Pace {
  readonly breather = new Breather();
  readonly #folds = new Folds();
  readonly #beganMs = performance.now();

  async rest(): Promise<void> {
    this.#check();
    await this.breather.rest();
  }

  /** Others have had their turn while something was read. */
  rested(): void {
    this.#check();
    this.breather.rested();
  }

  async matches(filter: Filter, resource: JsonObject): Promise<boolean> {
    const turns = matchesInTurns(filter, resource, this.#folds);
    let turn = turns.next();
    for (; turn.done !== true; turn = turns.next()) if (this.breather.isDue) await this.rest();
    return turn.value;
  }

  #check(): void {
    if (performance.now() - this.#beganMs > WALK_MS_MAX)
      throw new DirectoryUnavailable('the list took too long to look through', 10);
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
  weigh: Weigh | undefined,
): AsyncGenerator<Placed<R>[]> {
  const ids = filter === undefined ? undefined : await shelf.candidates(filter);
  if (ids !== undefined) {
    yield* candidateBatches(shelf, ids, start, size, weigh);
    return;
  }
  // By sequence, not by rank: somebody deleted between two pages must not hide anybody else.
  for (let after: number | undefined = start; after !== undefined; ) {
    const { rows, next }: Stretch<R> = await shelf.after(after, size, weigh);
    yield rows;
    after = next;
  }
}

async function* candidateBatches<R extends { id: string }>(
  shelf: Shelf<R>,
  ids: string[],
  start: number,
  size: number,
  weigh: Weigh | undefined,
): AsyncGenerator<Placed<R>[]> {
  let left = (await shelf.placesOf(ids)).filter(({ sequence }) => sequence > start);
  while (left.length > 0) {
    const some = fitting(left.slice(0, size));
    left = left.slice(some.length);
    yield placed(some, await shelf.readAll(weighed(some, weigh)));
  }
}
