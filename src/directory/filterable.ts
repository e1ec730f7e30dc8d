/** Owns the view of a record that filters are evaluated against: the resource as a GET would show it, without its location. */
import { toResource } from '../scim/projection.ts';
import type { JsonObject } from '../scim/types.ts';
import type { UserRecord } from './record.ts';

export function toFilterable(record: UserRecord): JsonObject {
  return toResource(record.attributes, {
    id: record.id,
    location: '',
    created: new Date(record.createdAtMs).toISOString(),
    lastModified: new Date(record.modifiedAtMs).toISOString(),
  });
}
