/**
 * Owns how a list is cut into pages: in the order asked for, by number or by cursor. One list or several one after the other (a search over all types).
 * Refuses to know the types and how their resources are found (walk-sources.ts). Memory holds, of an order, the keys that can still reach the page.
 * RFC 7644 §3.4.2, RFC 9865.
 * Pages follow the order of creation, which no later write changes. A cursor holds the place of the last resource itself, so nobody is hidden or
 * repeated by what comes and goes elsewhere. A number is a rank, and whoever is deleted moves up all that follow: so a page by number begins behind the
 * bookmark of the page before it (bookmark.ts), if the same client has just read that, and its total is then that of the list this client is reading:
 * the places behind the client and what is still before it. Clients stop at the total, and a smaller one would cut off the end.
 * Sorted lists have no bookmark and go by rank: their places are names, which would stay in Redis beyond an erasure. Cursors are for them.
 */
import { openCursor, type Position, type Seal, sealCursor } from '../scim/cursor.ts';
import { ScimError } from '../scim/error.ts';
import type { PageQuery, Selection } from '../scim/list.ts';
import { compareKeys, type SortKey, sortKeyOf } from '../scim/sort.ts';
import type { Bookmark } from './bookmark.ts';
import type { Placed, Stretch, Weigh } from './shelf.ts';
import { fitting, PAGE_BYTES_MAX } from './stretch.ts';
import { type Found, type Listed, SCAN_PAGE, type Source, walk } from './walk-sources.ts';

export interface ListPage<R> {
  rows: Listed<R>[];
  /** All matches, those included that a client has read by number before they went; left out for pages by cursor where nobody has counted. */
  totalResults?: number;
  /** Left out on the last page, and for pages by index. */
  nextCursor?: string;
}

interface Keyed extends Position {
  id: string;
  key: SortKey;
  bytes: number;
}

/** Who wants a list, and how. */
export interface Asking {
  /** Of the resources that filters see. */
  baseUrl?: string;
  /** As the audit trail names the caller. Left out, pages by index go by rank. */
  actor?: string;
  /** Told before anything is read how large it is. @throws where too much would be under way at once */
  weigh?: Weigh | undefined;
}

export interface ListParts {
  query: PageQuery;
  baseUrl: string;
  weigh?: Weigh | undefined;
  /** Asked only for pages by cursor. */
  seal: () => Promise<Seal>;
  /** Asked only for pages by index that are not sorted; left out where nobody knows who reads them. */
  bookmark?: Bookmark;
}

export async function listResources<R extends { id: string }>(
  sources: readonly Source<R>[],
  parts: ListParts,
): Promise<ListPage<R>> {
  const { query } = parts;
  const isSorted = sources.some(({ sort }) => sort !== undefined);
  if (query.cursor === undefined) {
    if (isSorted) return await sortedByIndex(sources, parts);
    const isWhole = sources.every(({ filter }) => filter === undefined);
    return await (isWhole ? wholeByIndex(sources, parts) : filteredByIndex(sources, parts));
  }
  const seal = await parts.seal();
  const identity = query.identity ?? '';
  const from = query.cursor === '' ? undefined : openCursor(query.cursor, identity, seal);
  const found = await (isSorted ? sortedFrom : unsortedFrom)(sources, from, parts);
  const counts = sources.some(({ filter }) => filter !== undefined) ? undefined : await totals(sources);
  return {
    rows: found.rows,
    ...(counts === undefined ? {} : { totalResults: sum(counts) }),
    ...(found.last === undefined ? {} : { nextCursor: sealCursor(found.last, identity, seal) }),
  };
}

/** Count everything of each list. @param from only what comes behind this place */
async function totals(sources: readonly Source<{ id: string }>[], from?: Position): Promise<number[]> {
  return await Promise.all(
    sources.map(async ({ shelf }, list) => {
      if (from === undefined || list > from.list) return await shelf.count();
      return list < from.list ? 0 : await shelf.count(from.sequence);
    }),
  );
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

/** Everything, by number: no record is read but those of the page. */
async function wholeByIndex<R extends { id: string }>(
  sources: readonly Source<R>[],
  { query: { startIndex, count }, bookmark, weigh }: ListParts,
): Promise<ListPage<R>> {
  const start = startIndex - 1;
  const from = await bookmark?.find(startIndex);
  const first = from?.list ?? 0;
  const cut = async (list: number, skipped: number, wanted: number): Promise<Stretch<R>> => {
    const shelf = sources[list]?.shelf;
    if (shelf === undefined || wanted <= 0) return { rows: [], next: undefined };
    if (from === undefined) return await shelf.page(Math.max(0, start - skipped), wanted, weigh);
    return await shelf.after(list === first ? from.sequence : 0, wanted, weigh);
  };
  const [counts, head] = await Promise.all([totals(sources, from), cut(first, 0, count)]);
  const rows: Listed<R>[] = [];
  let last: Position | undefined;
  let skipped = 0;
  for (let list = first; list < sources.length; list += 1) {
    const { rows: some, next } = list === first ? head : await cut(list, skipped, count - rows.length);
    rows.push(...some.map(({ record }) => ({ list, record })));
    const sequence = next ?? some.at(-1)?.sequence;
    if (sequence !== undefined) last = { list, sequence };
    skipped += counts[list] ?? 0;
    // There is more of this list, which comes before any other.
    if (next !== undefined) break;
  }
  const behind = sum(counts);
  // With nothing more to come the true number is no danger to anybody.
  const totalResults = from === undefined ? behind : behind > 0 ? start + behind : sum(await totals(sources, undefined));
  // Who reads on by a bookmark may ask once more after the last page, and must not be shown by rank whoever was shown before.
  const isReadOn = from !== undefined || start + rows.length < totalResults;
  if (last !== undefined && isReadOn) await goOn(bookmark, last, { startIndex, count, sent: rows.length, behind });
  return { totalResults, rows };
}

async function filteredByIndex<R extends { id: string }>(
  sources: readonly Source<R>[],
  { query: { startIndex, count }, bookmark, ...reading }: ListParts,
): Promise<ListPage<R>> {
  const start = startIndex - 1;
  const from = await bookmark?.find(startIndex);
  const rows: Listed<R>[] = [];
  let last: Position | undefined;
  let before = 0;
  let behind = 0;
  let bytesLeft = PAGE_BYTES_MAX;
  for await (const { list, record, sequence, bytes } of walk(sources, undefined, reading)) {
    if (from === undefined ? before < start : !isBehind({ list, sequence }, from)) {
      before += 1;
      continue;
    }
    behind += 1;
    bytesLeft -= rows.length > 0 && rows.length < count ? bytes : 0;
    if (rows.length >= count || bytesLeft < 0) continue;
    rows.push({ list, record });
    last = { list, sequence };
  }
  const isReadOn = from !== undefined || behind > rows.length;
  if (last !== undefined && isReadOn) await goOn(bookmark, last, { startIndex, count, sent: rows.length, behind });
  return { totalResults: (from === undefined || behind === 0 ? before : start) + behind, rows };
}

/**
 * Remember where the next page begins, by the number of those that were sent, and by that of those that were wanted: there are clients that step by it.
 * Where large resources made a page shorter, those would miss the rest of it without a bookmark.
 */
async function goOn(
  bookmark: Bookmark | undefined,
  last: Position,
  { startIndex, count, sent, behind }: { startIndex: number; count: number; sent: number; behind: number },
): Promise<void> {
  if (bookmark === undefined) return;
  const isKept = await bookmark.put(last, [startIndex + sent, startIndex + count]);
  if (!isKept && sent < Math.min(count, behind)) throw tooLarge();
}

function tooLarge(): ScimError {
  const mib = PAGE_BYTES_MAX / 1024 ** 2;
  return new ScimError(400, `These are more than ${mib} MiB together. Ask for fewer with count, or page by cursor.`, 'tooMany');
}

function isBehind(place: Position, other: Position): boolean {
  return place.list === other.list ? place.sequence > other.sequence : place.list > other.list;
}

async function sortedByIndex<R extends { id: string }>(
  sources: readonly Source<R>[],
  { query, ...reading }: ListParts,
): Promise<ListPage<R>> {
  const best = new Best(query.startIndex - 1 + query.count, directionOf(sources));
  let totalResults = 0;
  for await (const found of walk(sources, undefined, reading)) {
    totalResults += 1;
    best.offer(keyed(found, sources));
  }
  const chosen = best.taken().slice(query.startIndex - 1);
  if (fitting(chosen).length < chosen.length) throw tooLarge();
  return { totalResults, rows: await readKeyed(sources, chosen) };
}

/** What a page by cursor holds, and where it ends when there is more behind it. */
interface CursorRows<R> {
  rows: Listed<R>[];
  last: Position | undefined;
}

async function unsortedFrom<R extends { id: string }>(
  sources: readonly Source<R>[],
  from: Position | undefined,
  { query: { count }, ...reading }: ListParts,
): Promise<CursorRows<R>> {
  const rows: (Listed<R> & Placed<R>)[] = [];
  let bytesLeft = PAGE_BYTES_MAX;
  for await (const found of walk(sources, from, reading, count + 1)) {
    bytesLeft -= found.bytes;
    if (rows.length === count || (rows.length > 0 && bytesLeft < 0)) {
      const { list, sequence } = rows.at(-1) ?? found;
      return { rows, last: { list, sequence } };
    }
    // Without the resource it was found by: of a group that is everybody in it.
    const { list, record, sequence, bytes } = found;
    rows.push({ list, record, sequence, bytes });
  }
  return { rows, last: undefined };
}

async function sortedFrom<R extends { id: string }>(
  sources: readonly Source<R>[],
  from: Position | undefined,
  { query: { count }, ...reading }: ListParts,
): Promise<CursorRows<R>> {
  const best = new Best(count + 1, directionOf(sources));
  for await (const found of walk(sources, undefined, reading)) {
    const candidate = keyed(found, sources);
    if (from === undefined || best.compare(from, candidate) < 0) best.offer(candidate);
  }
  const taken = best.taken();
  const page = fitting(taken.slice(0, count));
  const last = page.at(-1);
  return { rows: await readKeyed(sources, page), last: taken.length > page.length ? last : undefined };
}

function directionOf(sources: readonly Selection[]): boolean {
  return sources.some(({ sort }) => sort?.descending === true);
}

function keyed<R extends { id: string }>(found: Found<R>, sources: readonly Source<R>[]): Keyed {
  const { list, sequence, record, resource, bytes } = found;
  const sort = sources[list]?.sort;
  return { list, sequence, bytes, id: record.id, key: sort && resource ? sortKeyOf(sort, resource) : undefined };
}

/** Read the chosen ones again, in their order; who has gone meanwhile is left out. */
async function readKeyed<R extends { id: string }>(
  sources: readonly Source<R>[],
  chosen: readonly Keyed[],
): Promise<Listed<R>[]> {
  const lists = await Promise.all(
    sources.map(async ({ shelf }, list) => {
      const ids = chosen.filter((each) => each.list === list).map(({ id }) => id);
      return new Map(ids.length === 0 ? [] : (await shelf.readAll(ids)).map((record) => [record.id, record] as const));
    }),
  );
  return chosen.flatMap(({ list, id }) => {
    const record = lists[list]?.get(id);
    return record === undefined ? [] : [{ list, record }];
  });
}

/** Keeps the first so many in an order, whatever is offered, in memory bounded by that number. */
class Best {
  readonly #most: number;
  readonly #descending: boolean;
  #kept: Keyed[] = [];

  constructor(most: number, descending: boolean) {
    this.#most = most;
    this.#descending = descending;
  }

  offer(candidate: Keyed): void {
    this.#kept.push(candidate);
    if (this.#kept.length >= 2 * this.#most + SCAN_PAGE) this.#kept = this.taken();
  }

  taken(): Keyed[] {
    return this.#kept.sort((a, b) => this.compare(a, b)).slice(0, this.#most);
  }

  /** Equal keys stand in order of creation, so that every resource has one place. */
  compare(a: Position, b: Position): number {
    return compareKeys(a.key, b.key, this.#descending) || a.list - b.list || a.sequence - b.sequence;
  }
}
