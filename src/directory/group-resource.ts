/**
 * Owns how a group's record becomes the resource that filters are evaluated against and that answers show, and what its version is.
 * Refuses to project (scim/projection) and to read anything: the members are given. RFC 7643 §4.2; RFC 7644 §3.14.
 * The version is the generation, which counts every change of the group and of who is in it. What a member is called is told for convenience, and
 * another name of a person is no change of the group.
 */
import { toResource } from '../scim/projection.ts';
import { GROUP } from '../scim/schema.ts';
import type { JsonObject } from '../scim/types.ts';
import type { GroupRecord } from './group-record.ts';

export interface Member {
  id: string;
  /** Left out where nobody has asked for it. */
  display?: string | undefined;
}

/** Address of a group, below the SCIM base URL. */
export function groupLocation(id: string, baseUrl: string): string {
  return `${baseUrl}/Groups/${id}`;
}

export function groupVersion({ generation }: Pick<GroupRecord, 'generation'>): string {
  return `W/"${generation}"`;
}

/** @param members undefined where they are not asked for; shown even when there is none, since Okta reads a missing list as a failure */
export function groupResource(record: GroupRecord, members: readonly Member[] | undefined, baseUrl: string): JsonObject {
  const shown = members === undefined ? {} : { members: members.map((member) => memberResource(member, baseUrl)) };
  const meta = {
    id: record.id,
    location: groupLocation(record.id, baseUrl),
    created: new Date(record.createdAtMs).toISOString(),
    lastModified: new Date(record.modifiedAtMs).toISOString(),
    version: groupVersion(record),
  };
  const resource = toResource({ ...record.attributes, ...shown }, meta, GROUP);
  const { schemas } = resource;
  return { ...resource, schemas: [...(Array.isArray(schemas) ? schemas : []), ...record.extraSchemas] };
}

export function memberResource({ id, display }: Member, baseUrl: string): JsonObject {
  return { value: id, $ref: `${baseUrl}/Users/${id}`, type: 'User', ...(display === undefined ? {} : { display }) };
}
