/**
 * Owns how the name in a filter or in `sortBy` becomes a place in a resource. Refuses to throw: a filter and a sort order have different
 * error keywords for a name that means nothing. RFC 7644 §3.4.2.2, §3.4.2.3, §3.10.
 */
import type { Steps } from './filter/types.ts';
import { type Attribute, coreOf, isKnownSchema, type ResourceType, resolveName } from './schema.ts';

export interface Target {
  steps: Steps;
  /** Undefined below a schema or an attribute we do not know. */
  definition: Attribute | undefined;
}

/** Finds the place a name means; undefined when a resource of this type can have no such attribute. */
export function targetOf(name: string, type: ResourceType): Target | undefined {
  const reference = resolveName(name, [], type);
  if (reference?.attribute === undefined) return undefined;
  const { urn, attribute, definition, sub, subDefinition } = reference;
  const leaf = sub === undefined ? definition : subDefinition;
  if (isKnownSchema(urn, type) && leaf === undefined) return undefined;
  const container = urn === coreOf(type) ? [] : [urn];
  return { steps: [...container, attribute, ...(sub === undefined ? [] : [sub])], definition: leaf };
}
