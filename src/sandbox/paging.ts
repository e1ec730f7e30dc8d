/**
 * Owns what the lists have in common: pages that are clamped and never refused, and date filters in the site's zone.
 * Refuses to know what is listed. Answers to "List Customers", "List Subscriptions" and the pagination page of developers.maxio.com.
 */
import { DAY_MS, parseInstant } from './clock.ts';
import { asInteger } from './site.ts';

const PER_PAGE_MAX = 200;

/** Cuts one page; past the end it is empty, and a page size above 200 becomes 200. */
export function pageOf<T>(rows: readonly T[], query: URLSearchParams, perPageDefault: number): T[] {
  const perPage = Math.min(atLeastOne(query.get('per_page'), perPageDefault), PER_PAGE_MAX);
  const page = atLeastOne(query.get('page'), 1);
  return rows.slice((page - 1) * perPage, page * perPage);
}

function atLeastOne(text: string | null, fallback: number): number {
  const number = asInteger(text);
  return number === undefined || number < 1 ? fallback : number;
}

/**
 * Builds the date filter of a list. `fields` maps each `date_field` to the instant it means;
 * any other `date_field` is ignored together with its dates. Both ends are inclusive, and an exact time wins over a day.
 */
export function dateFilter<T>(
  query: URLSearchParams,
  fields: Readonly<Record<string, (row: T) => number | null>>,
  offsetMinutes: number,
): (row: T) => boolean {
  const name = query.get('date_field') ?? '';
  const read = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (!read) return () => true;
  const endDay = parseInstant(query.get('end_date'), offsetMinutes);
  const fromMs = parseInstant(query.get('start_datetime') ?? query.get('start_date'), offsetMinutes) ?? Number.NEGATIVE_INFINITY;
  const toMs =
    parseInstant(query.get('end_datetime'), offsetMinutes) ??
    (endDay === undefined ? Number.POSITIVE_INFINITY : endDay + DAY_MS - 1);
  const bounded = Number.isFinite(fromMs) || Number.isFinite(toMs);
  return (row) => {
    const instantMs = read(row);
    if (instantMs === null) return !bounded;
    return instantMs >= fromMs && instantMs <= toMs;
  };
}
