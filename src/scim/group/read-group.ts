/**
 * Owns the reading of a whole Group from a POST or PUT body: its attributes, and apart from them the people in it.
 * Refuses to know who exists. RFC 7643 §4.2; RFC 7644 §3.3, §3.5.1.
 * A PUT without `members` leaves them alone: membership decides who is billed for what, and a client that only renames must not end that.
 */
import { invalidValue } from '../error.ts';
import { findValue } from '../json.ts';
import { readResource } from '../read-resource.ts';
import { coreOf, GROUP } from '../schema.ts';
import type { GroupAttributes, Json, JsonObject } from '../types.ts';
import { readMembers } from './read-members.ts';

/** Read by themselves: a group has more members than any other list has values. */
const MEMBERS = new Set(['members']);

export interface GroupBody {
  attributes: GroupAttributes;
  /** Schemas named besides the core one and without a value in the body, as sent. */
  extraSchemas: string[];
  /** Undefined when the body does not speak of members. */
  members: string[] | undefined;
}

/**
 * Reads a POST body, or a PUT body when `previous` is given: without `externalId` a PUT keeps the previous one.
 * Throws ScimError 400 invalidValue or invalidSyntax, and 413.
 */
export function readGroup(body: JsonObject, previous?: GroupAttributes): GroupBody {
  const { attributes, given } = readResource(body, GROUP, MEMBERS);
  if (previous?.externalId !== undefined && !given.has('externalId')) attributes.externalId = previous.externalId;
  const members = given.get('members');
  return {
    attributes: complete(attributes),
    extraSchemas: extraSchemasOf(findValue(body, 'schemas'), attributes),
    members: members === undefined ? undefined : readMembers(members),
  };
}

/** Reads attributes after a PATCH: what an operation removed does not come back. Throws ScimError 400, and 413. */
export function readPatchedGroup(draft: JsonObject): GroupAttributes {
  return complete(readResource(draft, GROUP, MEMBERS).attributes);
}

function complete(attributes: JsonObject): GroupAttributes {
  const { displayName } = attributes;
  if (typeof displayName !== 'string') throw invalidValue('displayName is missing or empty. Map the name of the group to it.');
  return { ...attributes, displayName };
}

function extraSchemasOf(schemas: Json | undefined, attributes: JsonObject): string[] {
  const named = (Array.isArray(schemas) ? schemas : [schemas]).filter((urn) => typeof urn === 'string');
  const core = coreOf(GROUP).toLowerCase();
  return [...new Set(named)].filter((urn) => urn.toLowerCase() !== core && !Object.hasOwn(attributes, urn) && urn !== '');
}
