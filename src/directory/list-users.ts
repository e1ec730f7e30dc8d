/**
 * Owns where lists find people: which index answers an `eq` that must hold (id, userName, externalId, e-mail), and what a look at the names of their
 * groups costs. Refuses to know what a list is made of (list-resources.ts). RFC 7644 §3.4.2.
 */
import { Breather } from '../breather.ts';
import { type Equality, equalities, type Filter } from '../scim/filter.ts';
import type { JsonObject } from '../scim/types.ts';
import type { UserRecord } from './record.ts';
import type { Shelf } from './shelf.ts';
import type { Store } from './store.ts';
import { userResource } from './user-resource.ts';
import type { GroupNames } from './version.ts';

/** Reads what groups are called. */
export type ReadNames = (ids: string[]) => Promise<GroupNames>;

/** The fewest people first: an address may be shared by a whole office. */
const BY_SELECTIVITY: readonly Equality['attribute'][] = ['id', 'userName', 'externalId', 'emails.value'];

const NOBODYS: GroupNames = new Map();

export function userShelf(store: Store, readNames: ReadNames): Shelf<UserRecord> {
  return {
    count: (after) => store.count(after),
    page: (...range) => store.page(...range),
    after: (...range) => store.pageAfter(...range),
    candidates: (filter) => candidates(store, filter),
    placesOf: (ids) => store.placesOf(ids),
    readAll: async (ids) => (await store.readAll(ids)).filter((record) => !record.deleted),
    async resources(records, view) {
      const names = view.needs('groups') || view.needs('meta.version') ? await namesFor(records, readNames) : NOBODYS;
      const breather = new Breather();
      const resources: JsonObject[] = [];
      for (const record of records) {
        // Somebody may be in a thousand groups.
        if (breather.isDue) await breather.rest();
        resources.push(userResource(record, names, view));
      }
      return resources;
    },
  };
}

/** Read the names of all groups these people are in: one look for all of them, none where nobody is in a group. */
export async function namesFor(records: readonly UserRecord[], readNames: ReadNames): Promise<GroupNames> {
  const ids = [...new Set(records.flatMap(({ groups }) => groups ?? []))];
  return ids.length === 0 ? NOBODYS : await readNames(ids);
}

async function candidates(store: Store, filter: Filter): Promise<string[] | undefined> {
  const terms = equalities(filter);
  const rank = ({ attribute }: Equality): number => BY_SELECTIVITY.indexOf(attribute);
  const [term] = terms.toSorted((a, b) => rank(a) - rank(b));
  if (term === undefined) return undefined;
  switch (term.attribute) {
    case 'id':
      return [term.value];
    case 'userName':
      return await store.idsByUserName(term.value);
    case 'externalId':
      return await store.idsByExternalId(term.value);
    case 'emails.value':
      return await store.idsByEmail(term.value);
  }
}
