/**
 * Owns what PATCH does to the elements of a multi-valued attribute, and how complex values merge.
 * Refuses to know where the list hangs. Where clients and RFC differ the choice is in deviations.ts: a value path without a match creates
 * its element, and remove with a value names elements instead of clearing the list. RFC 7644 §3.5.2.1-3; RFC 7643 §2.4 (primary).
 */
import { isDeepStrictEqual } from 'node:util';
import { invalidPath, invalidValue, ScimError } from '../error.ts';
import { matches } from '../filter/matches.ts';
import type { Filter } from '../filter/types.ts';
import { findKey, hasUnsafeSegment, isObject, isUnassigned } from '../json.ts';
import type { PatchPath } from '../path.ts';
import { asElement, ELEMENTS_MAX, readValue } from '../read-value.ts';
import { type Attribute, findSubAttribute } from '../schema.ts';
import type { Json, JsonObject } from '../types.ts';
import type { Effort } from './effort.ts';

export type OperationKind = 'add' | 'replace' | 'remove';

/** Applies an operation to a list and returns the new one; the elements given in are not changed. Throws ScimError 400, and 413 (effort.ts). */
export function patchList(
  existing: readonly Json[],
  op: OperationKind,
  path: PatchPath,
  value: Json | undefined,
  effort: Effort,
): Json[] {
  const { filter, sub } = path;
  const patch = filter === undefined && sub === undefined ? patchWhole : patchElements;
  const next = patch(existing, op, path, value, effort);
  if (next.length > ELEMENTS_MAX)
    throw invalidValue(`${path.definition?.name ?? 'The list'} has more than ${ELEMENTS_MAX} values.`);
  return next;
}

function patchWhole(
  existing: readonly Json[],
  op: OperationKind,
  path: PatchPath,
  value: Json | undefined,
  effort: Effort,
): Json[] {
  const label = path.definition?.name ?? 'The attribute';
  if (op === 'remove' && (value === undefined || value === null || value === '')) return [];
  const given = toList(readValue(value ?? null, path.definition, label));
  if (op === 'replace') return given;
  if (op === 'remove')
    return existing.filter((element) => !given.some((named) => isNamedBy(element, named, path.definition, effort)));
  const present = new Set(existing.map((element) => fingerprintOf(element, effort)));
  const added = given.filter((element) => !present.has(fingerprintOf(element, effort)));
  return [...withoutPrimary(existing, added), ...added];
}

function patchElements(
  existing: readonly Json[],
  op: OperationKind,
  path: PatchPath,
  value: Json | undefined,
  effort: Effort,
): Json[] {
  const chosen = choose(existing, path, op === 'remove' || isUnassigned(value), effort);
  if (op === 'remove') {
    if (path.sub === undefined) return existing.filter((element) => !chosen.has(element));
    return existing.flatMap((element) => (chosen.has(element) ? changeElement(element, path, null, effort) : [element]));
  }
  const given = value ?? null;
  if (isUnassigned(given) && (chosen.size === 0 || (op === 'add' && path.sub === undefined))) return [...existing];
  if (chosen.size > 0) {
    effort.copies(given, chosen.size);
    const changed = existing.flatMap((element) =>
      chosen.has(element) ? changeElement(element, path, given, effort) : [element],
    );
    // The element this operation made primary wins over the one that was primary before.
    const winner = changed.findLast((element) => isPrimary(element) && !existing.includes(element));
    return winner === undefined ? changed : changed.map((element) => (element === winner ? element : notPrimary(element)));
  }
  if (path.sub !== undefined && readValue(given, path.subDefinition, path.sub) === undefined) return [...existing];
  const created = changeElement(path.filter === undefined ? {} : elementFrom(path.filter), path, given, effort);
  // A repeated request whose filter no longer matches, because the first one changed what it asks for, must not add a twin.
  if (created.every((element) => existing.some((present) => isPartOf(element, present)))) return [...existing];
  return [...withoutPrimary(existing, created), ...created];
}

/** Chooses the elements an operation is about; without a filter all of them to unassign a part, the primary or first one to set it. */
function choose(existing: readonly Json[], path: PatchPath, isRemoval: boolean, { folds }: Effort): ReadonlySet<Json> {
  const { filter } = path;
  if (filter !== undefined) return new Set(existing.filter((element) => isObject(element) && matches(filter, element, folds)));
  if (isRemoval) return new Set(existing.filter(isObject));
  const target = existing.find(isPrimary) ?? existing.find(isObject);
  return new Set(target === undefined ? [] : [target]);
}

/** Changes one element; an empty list means that nothing of it is left. */
function changeElement(element: Json, path: PatchPath, value: Json, effort: Effort): Json[] {
  const { definition, sub, subDefinition } = path;
  const base = isObject(element) ? element : {};
  if (sub === undefined) {
    const merged = mergeComplex(base, definition, asElement(value, definition), effort);
    return merged === undefined ? [] : [merged];
  }
  const key = subDefinition?.name ?? findKey(base, sub) ?? sub;
  const next = { ...base };
  const read = readValue(value, subDefinition, `${definition?.name ?? 'The attribute'}.${key}`);
  if (read === undefined) delete next[key];
  else next[key] = read;
  return Object.keys(next).length === 0 ? [] : [next];
}

/**
 * Merges the sub-attributes of `value` into a complex value: those not named stay, empty ones go. The manager is replaced as a whole,
 * so that no name of the previous one stays behind. Throws ScimError 400 invalidValue, and 413 (effort.ts).
 */
export function mergeComplex(
  existing: Json | undefined,
  definition: Attribute | undefined,
  value: Json,
  effort: Effort,
): Json | undefined {
  const label = definition?.name ?? 'The attribute';
  if (definition?.name === 'manager') return readValue(value, definition, label);
  if (isUnassigned(value)) return undefined;
  if (!isObject(value)) throw invalidValue(`${label} needs an object of sub-attributes as its value.`);
  const next: JsonObject = isObject(existing) ? { ...existing } : {};
  effort.names(Object.keys(value).length, Object.keys(next).length);
  for (const [key, inner] of Object.entries(value)) {
    const sub = findSubAttribute(definition, key);
    const name = sub?.name ?? findKey(next, key) ?? key;
    if (hasUnsafeSegment(name)) throw invalidPath('A sub-attribute has a name that is not allowed.');
    const read = readValue(inner, sub, `${label}.${sub?.name ?? 'sub-attribute'}`);
    if (read === undefined) delete next[name];
    else next[name] = read;
  }
  return Object.keys(next).length === 0 ? undefined : next;
}

/** Builds the element a filter describes from its equalities. Throws ScimError 400 noTarget when it describes none. */
export function elementFrom(filter: Filter): JsonObject {
  const element: JsonObject = {};
  const pending: Filter[] = [filter];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next.op === 'and') pending.push(...next.filters);
    else if (next.op === 'eq' && next.steps[0] !== undefined && next.written !== null) element[next.steps[0]] = next.written;
    else
      throw new ScimError(
        400,
        'No value matches the filter of the path, and the filter does not say what to create. Use eq.',
        'noTarget',
      );
  }
  return element;
}

/** Tells whether an element is the one named in the value of a remove: by value and type, or by all that is given. */
function isNamedBy(element: Json, named: Json, definition: Attribute | undefined, effort: Effort): boolean {
  if (!isObject(element) || !isObject(named)) {
    effort.comparison(named);
    return isDeepStrictEqual(element, named);
  }
  const keys = Object.keys(named);
  const telling = keys.includes('value') ? keys.filter((key) => key === 'value' || key === 'type') : keys;
  return telling.every((key) => isSame(element[key], named[key], findSubAttribute(definition, key), effort));
}

function isPartOf(part: Json, whole: Json): boolean {
  return isObject(part) && isObject(whole) && Object.entries(part).every(([key, inner]) => isDeepStrictEqual(inner, whole[key]));
}

function isSame(left: Json | undefined, right: Json | undefined, definition: Attribute | undefined, effort: Effort): boolean {
  effort.comparison(right);
  if (typeof left === 'string' && typeof right === 'string' && definition?.caseExact === false)
    return effort.folds.of(left) === effort.folds.of(right);
  return isDeepStrictEqual(left, right);
}

/** Equal for equal elements, whatever the order of their keys. */
function fingerprintOf(element: Json, effort: Effort): string {
  const text = JSON.stringify(isObject(element) ? Object.entries(element).sort(([a], [b]) => (a < b ? -1 : 1)) : element);
  effort.text(text);
  return text;
}

function toList(value: Json | undefined): Json[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

function isPrimary(element: Json): boolean {
  return isObject(element) && element.primary === true;
}

function notPrimary(element: Json): Json {
  return isObject(element) && element.primary === true ? { ...element, primary: false } : element;
}

/** Takes the primary mark from a list when one of the added elements has it. */
function withoutPrimary(existing: readonly Json[], added: readonly Json[]): Json[] {
  return added.some(isPrimary) ? existing.map(notPrimary) : [...existing];
}
