/**
 * Owns the grammar of PATCH paths: `attr`, `attr.sub`, `attr[filter]`, `attr[filter].sub`, each with or without a URN, and a URN alone.
 * Refuses to know operations and resources, except for the URNs that have values, which tell where an unknown URN ends.
 * RFC 7644 §3.5.2 (path), §3.10 (URN prefix).
 */
import { echo, invalidPath } from './error.ts';
import { compileElementFilter } from './filter/compile.ts';
import { filterLimitBreach } from './filter/normalise.ts';
import type { Filter } from './filter/types.ts';
import { hasUnsafeSegment } from './json.ts';
import { findSubAttribute, type Reference, type ResourceType, resolveName, USER } from './schema.ts';

const LENGTH_MAX = 2_048;

export interface PatchPath extends Reference {
  /** Over the elements of the attribute; its names are sub-attributes. */
  filter?: Filter;
}

/**
 * Parses a path. `urns` are schema URNs that may stand in it although we do not know them.
 * Throws ScimError 400 invalidPath, or invalidFilter for what stands between square brackets.
 */
export function parsePath(text: string, urns: readonly string[] = [], type: ResourceType = USER): PatchPath {
  const path = text.trim();
  if (path.length > LENGTH_MAX) throw invalidPath(`The path is longer than ${LENGTH_MAX} characters.`);
  const bracket = path.indexOf('[');
  const name = bracket === -1 ? path : path.slice(0, bracket);
  if (hasUnsafeSegment(name)) throw malformed(name);
  const reference = resolveName(name, urns, type);
  if (reference === undefined) throw malformed(name);
  return bracket === -1 ? reference : withFilter(reference, path, bracket);
}

function withFilter(reference: Reference, path: string, bracket: number): PatchPath {
  const name = path.slice(0, bracket);
  const { definition } = reference;
  if (reference.attribute === undefined || reference.sub !== undefined) throw malformed(name);
  if (definition !== undefined && definition.type !== 'complex') {
    throw invalidPath(`${definition.name} has no elements to choose from. Use the path ${definition.name} alone.`);
  }
  // What follows the last bracket is `.sub` or nothing, so a bracket inside a quoted value does no harm.
  const end = path.lastIndexOf(']');
  const tail = path.slice(end + 1);
  if (end < bracket || (tail !== '' && !/^\.[A-Za-z$_][\w$-]*$/.test(tail)) || hasUnsafeSegment(tail))
    throw malformed(`${name}[...]`);
  const inner = path.slice(bracket + 1, end);
  const breach = filterLimitBreach(inner);
  if (breach !== undefined) throw invalidPath(breach);
  const withElements: PatchPath = { ...reference, filter: compileElementFilter(inner, definition) };
  if (tail === '') return withElements;
  const subDefinition = findSubAttribute(definition, tail.slice(1));
  withElements.sub = subDefinition?.name ?? tail.slice(1);
  if (subDefinition !== undefined) withElements.subDefinition = subDefinition;
  return withElements;
}

function malformed(name: string): Error {
  // The name only: what stands in brackets may be personal.
  return invalidPath(
    `The path ${echo(name)} is not a SCIM path. Use a form such as title, name.givenName or emails[type eq "work"].value.`,
  );
}
