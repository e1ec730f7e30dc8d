/**
 * Owns the list of everything we accept beyond the RFCs because Okta or Entra ID sends it, and the small bends themselves.
 * Refuses to bend by guessing who calls: each bend is safe for every client, so none depends on a token or a user agent.
 * A deviation that is not in this table is a bug. Sources: Okta's SCIM 2.0 reference, Microsoft's SCIM tutorial and
 * "known issues and resolutions with SCIM 2.0 protocol compliance", RFC 7643, RFC 7644.
 */
import { invalidValue } from './error.ts';
import { findKey, findValue, isObject, isUnassigned } from './json.ts';
import type { Json, JsonObject } from './types.ts';

export interface Deviation {
  id: string;
  client: 'okta' | 'entra' | 'both';
  /** The rule that is bent, or the silence that is filled. */
  rfc: string;
  behaviour: string;
  /** `file#function` below src/scim. */
  where: string;
}

export const DEVIATIONS: readonly Deviation[] = [
  {
    id: 'boolean-text',
    client: 'entra',
    rfc: 'RFC 7643 §2.3.2',
    behaviour: '"True", "False" and other letter cases count as booleans in bodies, PATCH values and filters.',
    where: 'dialect.ts#readBoolean',
  },
  {
    id: 'empty-is-unassigned',
    client: 'both',
    rfc: 'RFC 7643 §2.5',
    behaviour: 'An empty text unassigns like null and []; only `active` refuses all three, so nobody is deactivated by accident.',
    where: 'json.ts#isUnassigned',
  },
  {
    id: 'groups-ignored',
    client: 'both',
    rfc: 'RFC 7644 §3.5.2',
    behaviour:
      '`groups` is read-only; a PATCH of it is ignored instead of refused, so that it cannot keep a disable beside it from landing.',
    where: 'patch/apply-operation.ts#applyOperation',
  },
  {
    id: 'manager-shapes',
    client: 'both',
    rfc: 'RFC 7643 §4.3',
    behaviour: 'The manager may be a text, an object, or a list with one object, and is stored as an object with `value`.',
    where: 'dialect.ts#readManager',
  },
  {
    id: 'manager-without-urn',
    client: 'entra',
    rfc: 'RFC 7644 §3.10',
    behaviour: 'A bare `manager` means the enterprise attribute; in a filter `manager eq` means `manager.value`.',
    where: 'schema.ts#resolveName',
  },
  {
    id: 'dot-after-urn',
    client: 'entra',
    rfc: 'RFC 7644 §3.10',
    behaviour: 'A dot in place of the colon between URN and attribute is accepted.',
    where: 'schema.ts#resolveName',
  },
  {
    id: 'schemas-missing',
    client: 'entra',
    rfc: 'RFC 7643 §3',
    behaviour: 'A user without `schemas` is accepted; extensions are kept whether `schemas` lists them or not.',
    where: 'read-user.ts#readUser',
  },
  {
    id: 'read-only-ignored',
    client: 'okta',
    rfc: 'RFC 7644 §3.3',
    behaviour: '`id`, `meta` and `groups` in POST and PUT are ignored; `password` is accepted and thrown away.',
    where: 'read-user.ts#readUser',
  },
  {
    id: 'put-keeps-anchor',
    client: 'both',
    rfc: 'RFC 7644 §3.5.1',
    behaviour: 'PUT without `active` or `externalId` keeps both; every other omitted attribute is removed.',
    where: 'read-user.ts#readUser',
  },
  {
    id: 'unknown-kept',
    client: 'both',
    rfc: 'RFC 7643 §2.1',
    behaviour: 'Unknown attributes and unknown or mistyped extension URNs are kept and returned as sent.',
    where: 'read-user.ts#readUser',
  },
  {
    id: 'last-primary-wins',
    client: 'entra',
    rfc: 'RFC 7643 §2.4',
    behaviour: 'Of several primary values the last one stays primary; no 400.',
    where: 'dialect.ts#keepLastPrimary',
  },
  {
    id: 'single-for-list',
    client: 'entra',
    rfc: 'RFC 7643 §2.4',
    behaviour: 'One object or one text in place of a list is a list of one; a text in a list is its `value` (roles).',
    where: 'read-value.ts#readValue',
  },
  {
    id: 'unquoted-filter-value',
    client: 'entra',
    rfc: 'RFC 7644 §3.4.2.2',
    behaviour: 'A filter value without quotes (`externalId eq jyoung`) is read as text.',
    where: 'filter/normalise.ts#normaliseFilter',
  },
  {
    id: 'sub-attribute-after-value-path',
    client: 'entra',
    rfc: 'RFC 7644 §3.4.2.2',
    behaviour: '`emails[type eq "work"].value eq "x"` is a filter: both conditions on the same element.',
    where: 'filter/normalise.ts#normaliseFilter',
  },
  {
    id: 'value-path-creates',
    client: 'entra',
    rfc: 'RFC 7644 §3.5.2.3',
    behaviour: 'add and replace on a value path that matches nothing create the element from the filter.',
    where: 'patch/patch-list.ts#patchList',
  },
  {
    id: 'operation-letter-case',
    client: 'entra',
    rfc: 'RFC 7644 §3.5.2',
    behaviour: '`op` is read in any letter case.',
    where: 'patch.ts#applyPatch',
  },
  {
    id: 'path-as-key',
    client: 'both',
    rfc: 'RFC 7644 §3.5.2.3',
    behaviour: 'Without a path, keys of the value may be dotted, carry a URN, or be whole value paths.',
    where: 'patch/apply-operation.ts#applyOperation',
  },
  {
    id: 'own-id-in-value',
    client: 'okta',
    rfc: 'RFC 7644 §3.5.2',
    behaviour: 'The own `id` inside a value without a path is tolerated.',
    where: 'patch/apply-operation.ts#applyOperation',
  },
  {
    id: 'remove-with-value',
    client: 'entra',
    rfc: 'RFC 7644 §3.5.2.2',
    behaviour: 'remove with a value on a multi-valued attribute removes the named elements and keeps the others.',
    where: 'patch/patch-list.ts#patchList',
  },
];

/** Reads a boolean or its text in any letter case; undefined when it is neither. */
export function readBoolean(value: Json | undefined): boolean | undefined {
  if (typeof value === 'boolean') return value;
  if (typeof value !== 'string') return undefined;
  const text = value.toLowerCase();
  if (text === 'true') return true;
  return text === 'false' ? false : undefined;
}

/**
 * Brings every shape of `manager` to an object with `value`, or to null when it is unassigned.
 * A lone `$ref` gives its last segment as the value. Throws ScimError 400 for several managers.
 */
export function readManager(raw: Json): Json {
  const single = Array.isArray(raw) ? singleManager(raw) : raw;
  if (isUnassigned(single)) return null;
  if (typeof single === 'string') return { value: single };
  if (!isObject(single)) return single;
  const valueKey = findKey(single, 'value');
  if (valueKey !== undefined) return isUnassigned(single[valueKey]) ? null : single;
  const reference = findValue(single, '$ref');
  const id = typeof reference === 'string' ? reference.split('/').findLast((segment) => segment !== '') : undefined;
  return id === undefined ? single : { ...single, value: id };
}

function singleManager(list: Json[]): Json {
  if (list.length > 1) throw invalidValue('A person has one manager; the list names several. Map one.');
  return list[0] ?? null;
}

/** Leaves `primary: true` on the last element that claims it; the others become false. Changes the list in place. */
export function keepLastPrimary(list: readonly JsonObject[]): void {
  const last = list.findLast((element) => element.primary === true);
  for (const element of list) if (element.primary === true && element !== last) element.primary = false;
}
