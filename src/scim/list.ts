/**
 * Owns the query of a list (filter, page, projection) and the ListResponse around its result.
 * Refuses to sort: the service advertises sort as unsupported, and then `sortBy` is read and ignored (RFC 7644 §3.4.2.3).
 * Paging by index is RFC 7644 §3.4.2.4. Resources is always there: Okta reads a missing one as a failure.
 */
import { echo, invalidFilter, invalidValue } from './error.ts';
import { type Filter, parseFilter } from './filter.ts';
import { readProjection } from './projection.ts';
import type { JsonObject } from './types.ts';

const LIST_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:ListResponse';

/** Resources on a page when the client names no number, and at most. Okta steps by 100, so never below that. */
export const LIST_LIMITS = { defaultCount: 100, maxCount: 200 } as const;

export interface ListQuery {
  filter?: Filter;
  /** 1-based. */
  startIndex: number;
  count: number;
  attributes?: string[];
  excludedAttributes?: string[];
  sortBy?: string;
  sortOrder?: 'ascending' | 'descending';
}

export interface ListLimits {
  defaultCount: number;
  maxCount: number;
}

/**
 * Reads the query parameters of a list; unknown ones are ignored, of repeated ones the last counts.
 * Throws ScimError 400 invalidFilter (also for an empty filter) or invalidValue (a page number that is none).
 */
export function readListQuery(query: Record<string, unknown>, limits: ListLimits = LIST_LIMITS): ListQuery {
  const count = readInteger(query, 'count') ?? limits.defaultCount;
  const result: ListQuery = {
    startIndex: Math.max(1, readInteger(query, 'startIndex') ?? 1),
    count: Math.min(Math.max(0, count), limits.maxCount),
    ...readProjection(query),
  };
  const filter = readText(query, 'filter');
  if (filter !== undefined) result.filter = readFilter(filter);
  const sortBy = readText(query, 'sortBy');
  if (sortBy !== undefined && sortBy !== '') result.sortBy = sortBy;
  const sortOrder = readText(query, 'sortOrder')?.toLowerCase();
  if (sortOrder === 'ascending' || sortOrder === 'descending') result.sortOrder = sortOrder;
  return result;
}

/** Builds the ListResponse of one page; `totalResults` counts all matches. */
export function listResponse(resources: readonly JsonObject[], page: { totalResults: number; startIndex: number }): JsonObject {
  return {
    schemas: [LIST_SCHEMA],
    totalResults: page.totalResults,
    startIndex: page.startIndex,
    itemsPerPage: resources.length,
    Resources: [...resources],
  };
}

function readFilter(text: string): Filter {
  // An empty filter must not list everybody to a client that meant one person.
  if (text.trim() === '')
    throw invalidFilter('The filter is empty. Leave it out, or send one such as: userName eq "ann@example.com".');
  return parseFilter(text);
}

function readText(query: Record<string, unknown>, name: string): string | undefined {
  const raw = Object.hasOwn(query, name) ? query[name] : undefined;
  const last: unknown = Array.isArray(raw) ? raw.at(-1) : raw;
  return typeof last === 'string' ? last : undefined;
}

function readInteger(query: Record<string, unknown>, name: string): number | undefined {
  const text = readText(query, name)?.trim();
  if (text === undefined || text === '') return undefined;
  if (!/^-?\d{1,30}$/.test(text)) throw invalidValue(`${name} must be a whole number, not ${echo(text)}.`);
  return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number(text), Number.MAX_SAFE_INTEGER));
}
