/**
 * Owns how the resources of a page are reduced to what was asked for, one after the other, with others served in between: a page may hold 200 of the
 * largest, and the names asked for are looked for in each. Refuses to know what is shown (scim/projection). RFC 7644 §3.4.2.5.
 */
import { Breather } from '../breather.ts';
import { project, type Wanted } from '../scim/projection.ts';
import type { ResourceType } from '../scim/schema.ts';
import type { JsonObject } from '../scim/types.ts';

export async function projectAll(resources: readonly JsonObject[], wanted: Wanted, type: ResourceType): Promise<JsonObject[]> {
  const breather = new Breather();
  const shown: JsonObject[] = [];
  for (const resource of resources) {
    if (breather.isDue) await breather.rest();
    shown.push(project(resource, wanted, type));
  }
  return shown;
}
