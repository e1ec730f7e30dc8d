/**
 * Owns how a list or filter finds people: by index where an `eq` on userName, externalId, id or e-mail must hold, else by bounded pages over everyone.
 * Refuses to evaluate filters itself (scim/filter). RFC 7644 §3.4.2; no match is an empty list, and totals are always complete.
 */
import { type Equality, equalities, type Filter, matches } from '../scim/filter.ts';
import type { ListQuery } from '../scim/list.ts';
import { toFilterable } from './filterable.ts';
import type { UserRecord } from './record.ts';
import type { Store } from './store.ts';

export interface Page {
  records: UserRecord[];
  totalResults: number;
}

const SCAN_PAGE = 200;

export async function listUsers(store: Store, query: ListQuery): Promise<Page> {
  const start = query.startIndex - 1;
  if (query.filter === undefined) {
    const [totalResults, records] = await Promise.all([store.count(), store.page(start, query.count)]);
    return { totalResults, records };
  }
  const term = equalities(query.filter)[0];
  return term === undefined
    ? await scan(store, query.filter, start, query.count)
    : await lookUp(store, query.filter, term, start, query.count);
}

async function lookUp(store: Store, filter: Filter, term: Equality, start: number, count: number): Promise<Page> {
  const found = (await candidates(store, term)).filter((record) => !record.deleted && matches(filter, toFilterable(record)));
  const records = (await store.inOrder(found)).slice(start, start + count);
  return { totalResults: found.length, records };
}

async function candidates(store: Store, term: Equality): Promise<UserRecord[]> {
  switch (term.attribute) {
    case 'id':
      return await store.readAll([term.value]);
    case 'userName': {
      const record = await store.findByUserName(term.value);
      return record === undefined ? [] : [record];
    }
    case 'externalId':
      return await store.findByExternalId(term.value);
    case 'emails.value':
      return await store.findByEmail(term.value);
  }
}

/** Read everyone page by page, so that memory stays bounded however many there are. */
async function scan(store: Store, filter: Filter, start: number, count: number): Promise<Page> {
  const records: UserRecord[] = [];
  let totalResults = 0;
  // By sequence, not by rank: somebody deleted between two pages must not hide anybody else.
  let after = 0;
  for (;;) {
    const page = await store.pageAfter(after, SCAN_PAGE);
    if (page.next === undefined) return { totalResults, records };
    after = page.next;
    for (const record of page.records) {
      if (!matches(filter, toFilterable(record))) continue;
      if (totalResults >= start && records.length < count) records.push(record);
      totalResults += 1;
    }
  }
}
