/**
 * Owns the endpoints of events: those of the site, those of one subscription, and how many there are.
 * Refuses to be prompt: what the journal does not show yet is not there. Answers to Events of developers.maxio.com: `since_id` and
 * `max_id` are inclusive, the newest come first unless asked otherwise.
 */
import { notFound, ok } from './answers.ts';
import { formatMoment } from './clock.ts';
import type { EventRow } from './journal.ts';
import { dateFilter, pageOf } from './paging.ts';
import { asInteger, type Call, type Operation, type Route, type Site } from './site.ts';
import { findSubscription } from './subscriptions.ts';

const PER_PAGE_DEFAULT = 20;
const DATES = { created_at: (row: EventRow) => row.createdMs };

/** Selects by ids, keys and dates. */
function chosen(site: Site, { query }: Call): EventRow[] {
  const since = asInteger(query.get('since_id')) ?? Number.NEGATIVE_INFINITY;
  const max = asInteger(query.get('max_id')) ?? Number.POSITIVE_INFINITY;
  const keys = (query.get('filter') ?? '').split(',').filter((key) => key !== '');
  const inDates = dateFilter(query, DATES, site.settings.utcOffsetMinutes);
  return site.journal
    .visible(site.clock.nowMs())
    .filter((row) => row.id >= since && row.id <= max && (keys.length === 0 || keys.includes(row.key)) && inDates(row));
}

function page(site: Site, { query }: Call, rows: EventRow[]) {
  if (query.get('direction') !== 'asc') rows.reverse();
  return ok(pageOf(rows, query, PER_PAGE_DEFAULT).map((row) => ({ event: eventJson(row, site.settings.utcOffsetMinutes) })));
}

function eventJson(row: EventRow, offsetMinutes: number) {
  return {
    id: row.id,
    key: row.key,
    message: row.message,
    subscription_id: row.subscriptionId,
    customer_id: row.customerId,
    created_at: formatMoment(row.createdMs, offsetMinutes),
    event_specific_data: row.about,
  };
}

const list: Operation = (site, call) => page(site, call, chosen(site, call));

const count: Operation = (site, call) => ok({ count: chosen(site, call).length });

const ofSubscription: Operation = (site, call) => {
  const row = findSubscription(site, call);
  if (!row) return notFound();
  return page(
    site,
    call,
    chosen(site, call).filter(({ subscriptionId }) => subscriptionId === row.id),
  );
};

export const eventRoutes: readonly Route[] = [
  { method: 'GET', template: '/events.json', operation: list },
  { method: 'GET', template: '/events/count.json', operation: count },
  { method: 'GET', template: '/subscriptions/{id}/events.json', operation: ofSubscription },
];
