/**
 * Owns the reading of `members` as clients send it, in bodies and in operations: a list of objects, of texts, or one of them alone.
 * Only the id of each person counts; `display`, `$ref` and `type` are ours to say. Refuses to know who exists. RFC 7643 §4.2.
 */
import { invalidValue } from '../error.ts';
import { findValue, isObject, isUnassigned } from '../json.ts';
import type { Json } from '../types.ts';

/** In one request. More than the JSON scan lets through of any other list, and as many as a group may have. */
export const MEMBERS_SENT_MAX = 50_000;

/**
 * Reads the ids of people, each once, in the order given. For a removal a member without an id, or one that cannot be here, names nobody.
 * Throws ScimError 400 invalidValue.
 */
export function readMembers(raw: Json, isRemoval = false): string[] {
  if (isUnassigned(raw)) return [];
  const list = Array.isArray(raw) ? raw : [raw];
  if (list.length > MEMBERS_SENT_MAX) throw invalidValue(`members has more than ${MEMBERS_SENT_MAX} values. Split the group.`);
  const ids = new Set<string>();
  for (const element of list) {
    const id = idOf(element);
    if (id !== undefined && !(isGroup(element) && !isRemoval)) ids.add(id);
    else if (!isRemoval) throw isGroup(element) ? nestedGroup() : noValue();
  }
  return [...ids];
}

/** Builds the 400 for a group as a member of a group. */
export function nestedGroup(where = ''): Error {
  return invalidValue(
    `${where}A member is itself a group. Groups in groups are not supported: assign the people of the inner group to the outer one ` +
      '(Entra ID: assign the inner group to the application, too; Okta pushes people only).',
  );
}

function noValue(): Error {
  return invalidValue('A member has no value. Send the id of the person, as POST /Users has answered it.');
}

/** A member that has only an address is named by its end. */
function idOf(element: Json): string | undefined {
  if (typeof element === 'string') return element === '' ? undefined : element;
  if (!isObject(element)) return undefined;
  const value = findValue(element, 'value');
  if (typeof value === 'string' && value !== '') return value;
  if (!isUnassigned(value)) return undefined;
  return addressOf(element)?.findLast((segment) => segment !== '');
}

function isGroup(element: Json): boolean {
  if (!isObject(element)) return false;
  const type = findValue(element, 'type');
  return (typeof type === 'string' && type.toLowerCase() === 'group') || addressOf(element)?.at(-2)?.toLowerCase() === 'groups';
}

function addressOf(element: Json): string[] | undefined {
  const address = isObject(element) ? findValue(element, '$ref') : undefined;
  return typeof address === 'string' ? address.split('/') : undefined;
}
