/**
 * Owns how a person's record becomes the resource that filters are evaluated against and that answers show: attributes, meta and version, the groups
 * they are in, and what is told of their billing. Refuses to project (scim/projection) and to read anything: the names of groups are given.
 */
import { toResource } from '../scim/projection.ts';
import { BILLING_USER, type JsonObject } from '../scim/types.ts';
import { billingOf } from './billing-view.ts';
import type { UserRecord } from './record.ts';
import type { View } from './shelf.ts';
import { type GroupNames, versionOf } from './version.ts';

/** Address of a person, below the SCIM base URL. */
export function userLocation(id: string, baseUrl: string): string {
  return `${baseUrl}/Users/${id}`;
}

/** @param names of the groups of this person; where they are not given, neither are the groups */
export function userResource(record: UserRecord, names: GroupNames, view: View): JsonObject {
  const groups = groupsOf(record, names, view.baseUrl);
  const billing = view.needs(BILLING_USER) ? { [BILLING_USER]: billingOf(record) } : {};
  return toResource(
    { ...record.attributes, ...(groups.length === 0 ? {} : { groups }), ...billing },
    {
      id: record.id,
      location: userLocation(record.id, view.baseUrl),
      created: new Date(record.createdAtMs).toISOString(),
      lastModified: new Date(record.modifiedAtMs).toISOString(),
      version: versionOf(record, names),
    },
  );
}

function groupsOf(record: UserRecord, names: GroupNames, baseUrl: string): JsonObject[] {
  return (record.groups ?? []).flatMap((id) => {
    const display = names.get(id)?.displayName;
    return display === undefined ? [] : [{ value: id, $ref: `${baseUrl}/Groups/${id}`, display, type: 'direct' }];
  });
}
