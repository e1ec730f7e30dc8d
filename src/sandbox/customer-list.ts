/**
 * Owns `GET /customers.json`: pages, order, dates and the search with `q`.
 * Refuses to be exact: `q` matches parts of names, e-mail and organization as Maxio's does, so a client must filter what it gets.
 * Answers to "List or Find Customers" of developers.maxio.com.
 */
import { ok } from './answers.ts';
import { customerJson } from './customer-json.ts';
import { dateFilter, pageOf } from './paging.ts';
import type { CustomerRow } from './rows.ts';
import type { Operation, Route } from './site.ts';

const PER_PAGE_DEFAULT = 50;

const DATES = {
  created_at: (row: CustomerRow) => row.createdMs,
  updated_at: (row: CustomerRow) => row.updatedMs,
};

/** Builds the search: part of a text column, or the whole id or reference. */
function search(q: string): (row: CustomerRow) => boolean {
  const wanted = q.trim().toLowerCase();
  if (wanted === '') return () => true;
  return (row) =>
    String(row.id) === wanted ||
    row.reference?.toLowerCase() === wanted ||
    [row.email, row.first_name, row.last_name, `${row.first_name} ${row.last_name}`, row.organization].some((text) =>
      text?.toLowerCase().includes(wanted),
    );
}

const list: Operation = (site, { query }) => {
  const matches = search(query.get('q') ?? '');
  const inDates = dateFilter(query, DATES, site.settings.utcOffsetMinutes);
  const rows = site.store.customers().filter((row) => matches(row) && inDates(row));
  if (query.get('direction') === 'desc') rows.reverse();
  return ok(
    pageOf(rows, query, PER_PAGE_DEFAULT).map((row) => ({ customer: customerJson(row, site.settings.utcOffsetMinutes) })),
  );
};

export const customerListRoute: Route = { method: 'GET', template: '/customers.json', operation: list };
