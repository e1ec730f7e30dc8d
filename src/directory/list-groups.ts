/**
 * Owns where lists find groups: which index answers an `eq` that must hold (id, displayName, a member, externalId), and when the people in groups are
 * read at all. Refuses to know what a list is made of (list-resources.ts). RFC 7644 §3.4.2.
 */

import type { GroupIndex } from '../scim/filter/types.ts';
import { type Equality, type Filter, groupEqualities } from '../scim/filter.ts';
import type { GroupRecord } from './group-record.ts';
import { groupResource, type Member } from './group-resource.ts';
import type { GroupStore } from './group-store.ts';
import type { Placed, Shelf } from './shelf.ts';

/** The fewest groups first. */
const BY_SELECTIVITY: readonly GroupIndex[] = ['id', 'displayName', 'externalId', 'members.value'];
/** Of people in groups, in memory at once for a filter: one group of the largest kind, or many usual ones. */
const MEMBERS_AT_ONCE = 50_000;

export function groupShelf(groups: GroupStore): Shelf<GroupRecord> {
  return {
    count: (after) => groups.count(after),
    page: (...range) => groups.page(...range),
    after: (...range) => groups.pageAfter(...range),
    candidates: (filter) => candidates(groups, filter),
    placesOf: (ids) => groups.placesOf(ids),
    readAll: (ids) => groups.readAll(ids),
    portions: (rows, view) => (view.needs('members') ? portionsOf(rows) : [rows]),
    async resources(records, view) {
      if (!view.needs('members')) return records.map((record) => groupResource(record, undefined, view.baseUrl));
      const members = await readMembers(groups, records, view.needs('members.display'));
      return records.map((record) => groupResource(record, members.get(record.id) ?? [], view.baseUrl));
    },
  };
}

/** A filter may ask for the people in every group it looks at, of which there may be many, and all of them large. */
function portionsOf(rows: Placed<GroupRecord>[]): Placed<GroupRecord>[][] {
  const portions: Placed<GroupRecord>[][] = [];
  let members = Number.POSITIVE_INFINITY;
  for (const row of rows) {
    members += row.record.size;
    if (members > MEMBERS_AT_ONCE) {
      members = row.record.size;
      portions.push([]);
    }
    portions.at(-1)?.push(row);
  }
  return portions;
}

/** Read the people in groups, in order of joining, by group id. @param named whether to read what they are called, too */
export async function readMembers(
  groups: GroupStore,
  records: readonly { id: string }[],
  named: boolean,
): Promise<Map<string, Member[]>> {
  const lists = await groups.members(records.map(({ id }) => id));
  const names = named ? await groups.names([...new Set([...lists.values()].flat())]) : new Map<string, string>();
  return new Map([...lists].map(([id, people]) => [id, people.map((person) => ({ id: person, display: names.get(person) }))]));
}

async function candidates(groups: GroupStore, filter: Filter): Promise<string[] | undefined> {
  const rank = ({ attribute }: Equality<GroupIndex>): number => BY_SELECTIVITY.indexOf(attribute);
  const [term] = groupEqualities(filter).toSorted((a, b) => rank(a) - rank(b));
  if (term === undefined) return undefined;
  switch (term.attribute) {
    case 'id':
      return [term.value];
    case 'displayName':
      return await groups.idsByName(term.value);
    case 'externalId':
      return await groups.idsByExternalId(term.value);
    case 'members.value':
      return await groups.idsByMember(term.value);
  }
}
