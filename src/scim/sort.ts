/**
 * Owns the order of a list: which value of a resource `sortBy` means, and how two such values compare.
 * Refuses to know where resources are kept, and to collate by any language: the order is that of the folded text, the same on every machine.
 * RFC 7644 §3.4.2.3: missing values come last, or first when descending; of several values the primary one counts, else the first;
 * letter case counts only where the attribute says so.
 */
import { echo, invalidValue } from './error.ts';
import type { Steps } from './filter/types.ts';
import { foldUserName } from './fold.ts';
import { findKey, isObject, isUnassigned } from './json.ts';
import { findSubAttribute, type ResourceType } from './schema.ts';
import { type Target, targetOf } from './target.ts';
import type { Json, JsonObject } from './types.ts';

/** Enough to tell names apart; keeps what a sort remembers of a person small. Longer texts with the same beginning count as equal. */
const KEY_LENGTH_MAX = 256;
/** What of a text is folded for that: two characters may become one, and a text can be as long as a resource. */
const READ_MAX = 2 * KEY_LENGTH_MAX;

type SortKind = 'folded' | 'exact' | 'instant' | 'boolean' | 'unknown';

export interface Sort {
  steps: Steps;
  kind: SortKind;
  descending: boolean;
}

/** Undefined: the resource has no such value. */
export type SortKey = string | number | undefined;

/** Reads `sortBy` and `sortOrder`. Throws ScimError 400 invalidValue, since RFC 7644 keeps invalidPath for PATCH. */
export function readSort(sortBy: string, sortOrder: string | undefined, type: ResourceType): Sort {
  const { steps, definition } = single(sortBy, type);
  const kind = definition === undefined ? 'unknown' : kindOf(definition);
  return { steps, kind, descending: readOrder(sortOrder) };
}

function readOrder(text: string | undefined): boolean {
  const order = text?.trim().toLowerCase() ?? '';
  if (order === 'descending') return true;
  if (order === '' || order === 'ascending') return false;
  throw invalidValue(`sortOrder is ascending or descending, not ${echo(order)}.`);
}

function single(sortBy: string, type: ResourceType): Target {
  const target = targetOf(sortBy.trim(), type);
  const { definition } = target ?? {};
  if (target === undefined || definition?.returned === 'never') {
    throw invalidValue(`sortBy names ${echo(sortBy)}, which is no attribute a ${type.name.toLowerCase()} can be sorted by.`);
  }
  if (definition?.type !== 'complex') return target;
  const value = findSubAttribute(definition, 'value');
  if (value !== undefined) return { steps: [...target.steps, value.name], definition: value };
  throw invalidValue(`${definition.name} has several parts; name one of them in sortBy.`);
}

function kindOf({ type, caseExact }: { type: string; caseExact: boolean }): SortKind {
  if (type === 'boolean') return 'boolean';
  if (type === 'dateTime') return 'instant';
  return caseExact || type === 'binary' ? 'exact' : 'folded';
}

/** Reads the value a resource is sorted by. */
export function sortKeyOf(sort: Sort, resource: JsonObject): SortKey {
  let value: Json | undefined = resource;
  for (const step of sort.steps) {
    const key: string | undefined = isObject(value) ? findKey(value, step) : undefined;
    value = chosen(key === undefined ? undefined : (value as JsonObject)[key]);
  }
  return isUnassigned(value) || value === undefined ? undefined : keyOf(sort.kind, value);
}

function chosen(value: Json | undefined): Json | undefined {
  if (!Array.isArray(value)) return value;
  return value.find((element) => isObject(element) && element.primary === true) ?? value[0];
}

function keyOf(kind: SortKind, value: Json): SortKey {
  if (typeof value === 'boolean') return Number(value);
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return undefined;
  if (kind === 'instant') {
    const atMs = Date.parse(value);
    return Number.isNaN(atMs) ? undefined : atMs;
  }
  return (kind === 'exact' ? value : foldUserName(value.slice(0, READ_MAX))).slice(0, KEY_LENGTH_MAX);
}

/** Compares two values in the wanted direction: below zero, the first comes first. */
export function compareKeys(a: SortKey, b: SortKey, descending: boolean): number {
  return descending ? -ascending(a, b) : ascending(a, b);
}

function ascending(a: SortKey, b: SortKey): number {
  if (a === b) return 0;
  if (a === undefined) return 1;
  if (b === undefined) return -1;
  // Under a schema we do not know, numbers and texts may stand side by side.
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
  return a < b ? -1 : 1;
}
