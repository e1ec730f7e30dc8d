/**
 * Owns the query of a list (filter, order, page, projection), whether it comes in an address or in the body of a search, and the ListResponse
 * around its result. Refuses to know where resources are. Paging by index is RFC 7644 §3.4.2.4, by cursor RFC 9865, the search §3.4.3.
 * Resources is always there: Okta reads a missing one as a failure.
 */
import { echo, invalidFilter, invalidValue, ScimError } from './error.ts';
import { type Filter, parseFilters } from './filter.ts';
import { readProjection, type Wanted } from './projection.ts';
import { type ResourceType, USER } from './schema.ts';
import { readSort, type Sort } from './sort.ts';
import { targetOf } from './target.ts';
import type { JsonObject } from './types.ts';

/** No attribute can have this name: no body gets past the parser with it. */
const NOBODYS = '__proto__';
const LIST_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:ListResponse';

/** Resources on a page when the client names no number, and at most. Okta steps by 100, so never below that. */
export const LIST_LIMITS = { defaultCount: 100, maxCount: 200 } as const;

export interface PageQuery extends Wanted {
  /** 1-based. */
  startIndex: number;
  count: number;
  /** Where the page begins, when the client pages by cursor; '' for the first page. */
  cursor?: string;
  /** All that decides who is on which page, without the page: cursors and bookmarks are good for this alone. */
  identity?: string;
}

/** Who is listed and in which order, in terms of one resource type. */
export interface Selection {
  filter?: Filter;
  sort?: Sort;
}

export interface ListQuery extends PageQuery, Selection {}

export interface SearchQuery extends PageQuery {
  /** One for each type, in their order. */
  selections: readonly Selection[];
}

export interface ListLimits {
  defaultCount: number;
  maxCount: number;
}

/**
 * Reads the query parameters of a list; unknown ones are ignored, of repeated ones the last counts.
 * Throws ScimError 400 invalidFilter (also for an empty filter), invalidValue (a page number that is none, an order there is not) or invalidCount.
 */
export function readListQuery(
  query: Record<string, unknown>,
  { limits = LIST_LIMITS, type = USER }: { limits?: ListLimits; type?: ResourceType } = {},
): ListQuery {
  const { selections, ...page } = readSearchQuery(query, [type], limits);
  return { ...page, ...selections[0] };
}

/** Reads the same for several types that are searched together. What one type has not matches as an absent attribute. Throws as above. */
export function readSearchQuery(
  query: Record<string, unknown>,
  types: readonly ResourceType[],
  limits: ListLimits = LIST_LIMITS,
): SearchQuery {
  const filter = readText(query, 'filter');
  const sortBy = readText(query, 'sortBy')?.trim() ?? '';
  const sortOrder = readText(query, 'sortOrder');
  const filters = filter === undefined ? [] : readFilters(filter, types);
  const sorts = sortBy === '' ? [] : readSorts(sortBy, sortOrder, types);
  const selections = types.map((_, at) => ({
    ...(filters[at] === undefined ? {} : { filter: filters[at] }),
    ...(sorts[at] === undefined ? {} : { sort: sorts[at] }),
  }));
  const page: PageQuery = { ...readPage(query, limits), ...readProjection(query) };
  const identity = JSON.stringify([
    types.map(({ name }) => name),
    filter ?? null,
    sortBy,
    selections[0]?.sort?.descending ?? false,
  ]);
  return { ...page, identity, selections };
}

function readPage(query: Record<string, unknown>, limits: ListLimits): PageQuery {
  const cursor = readText(query, 'cursor');
  if (cursor !== undefined) return readCursorPage(query, cursor, limits);
  const count = readInteger(query, 'count') ?? limits.defaultCount;
  return {
    startIndex: Math.max(1, readInteger(query, 'startIndex') ?? 1),
    count: Math.min(Math.max(0, count), limits.maxCount),
  };
}

/** Stricter than by index, as RFC 9865 wants it: a client that steps by a number of its own would miss what was cut off. */
function readCursorPage(query: Record<string, unknown>, cursor: string, limits: ListLimits): PageQuery {
  if (readText(query, 'startIndex') !== undefined) {
    throw invalidValue('cursor and startIndex cannot be used together. Send one of them.');
  }
  const text = readText(query, 'count')?.trim() ?? '';
  const count = text === '' ? limits.defaultCount : Number(/^\d{1,9}$/.test(text) ? text : 0);
  if (count < 1 || count > limits.maxCount) {
    throw new ScimError(400, `With a cursor count must be a whole number from 1 to ${limits.maxCount}.`, 'invalidCount');
  }
  return { startIndex: 1, count, cursor };
}

export interface PageFacts {
  /** All matches; left out where a cursor is used and nobody has counted. */
  totalResults?: number;
  /** Left out where pages have no numbers. */
  startIndex?: number;
  nextCursor?: string;
}

/** Builds the ListResponse of one page. */
export function listResponse(resources: readonly JsonObject[], page: PageFacts): JsonObject {
  return {
    schemas: [LIST_SCHEMA],
    ...(page.totalResults === undefined ? {} : { totalResults: page.totalResults }),
    ...(page.startIndex === undefined ? {} : { startIndex: page.startIndex }),
    itemsPerPage: resources.length,
    ...(page.nextCursor === undefined ? {} : { nextCursor: page.nextCursor }),
    Resources: [...resources],
  };
}

function readFilters(text: string, types: readonly ResourceType[]): Filter[] {
  // An empty filter must not list everybody to a client that meant one person.
  if (text.trim() === '')
    throw invalidFilter('The filter is empty. Leave it out, or send one such as: userName eq "ann@example.com".');
  return parseFilters(text, types);
}

/** A type that has no such attribute has no value to sort by; one of them must have it. */
function readSorts(sortBy: string, sortOrder: string | undefined, types: readonly ResourceType[]): Sort[] {
  const known = types.filter((type) => targetOf(sortBy, type) !== undefined);
  const sorts = new Map((known.length === 0 ? types : known).map((type) => [type, readSort(sortBy, sortOrder, type)]));
  const descending = [...sorts.values()].some((sort) => sort.descending);
  return types.map((type) => sorts.get(type) ?? { steps: [NOBODYS], kind: 'unknown', descending });
}

function readText(query: Record<string, unknown>, name: string): string | undefined {
  const raw = Object.hasOwn(query, name) ? query[name] : undefined;
  const last: unknown = Array.isArray(raw) ? raw.at(-1) : raw;
  return typeof last === 'string' ? last : undefined;
}

function readInteger(query: Record<string, unknown>, name: string): number | undefined {
  // Which of two pages was meant nobody knows, and whoever else has read the request may have read the other one.
  if (Array.isArray(query[name])) throw invalidValue(`${name} is given more than once. Send it once.`);
  const text = readText(query, name)?.trim();
  if (text === undefined || text === '') return undefined;
  if (!/^-?\d{1,30}$/.test(text)) throw invalidValue(`${name} must be a whole number, not ${echo(text)}.`);
  return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number(text), Number.MAX_SAFE_INTEGER));
}
