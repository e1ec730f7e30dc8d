/**
 * Owns the small bends of values themselves: booleans as texts, the shapes of a manager, several primaries.
 * Refuses to bend what deviations.ts does not list.
 */
import { invalidValue } from './error.ts';
import { findKey, findValue, isObject, isUnassigned } from './json.ts';
import type { Json, JsonObject } from './types.ts';

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
