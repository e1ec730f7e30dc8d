/**
 * Owns the evaluation of a compiled filter against one resource. Total: it cannot throw, and never builds a regular expression.
 * Refuses to know the attribute table; compilation has put all of it into the filter.
 * RFC 7644 §3.4.2.2: any value of a multi-valued attribute may match; an absent attribute matches `ne` and nothing else.
 */
import { foldUserName } from '../fold.ts';
import { findKey, isObject, isUnassigned } from '../json.ts';
import type { Json, JsonObject } from '../types.ts';
import type { Comparison, ComparisonKind, Filter, Steps } from './types.ts';

type Operand = string | number | boolean;

/** Tells whether a resource (or, for a filter from a value path, an element) fulfils a filter. */
export function matches(filter: Filter, resource: JsonObject): boolean {
  switch (filter.op) {
    case 'and':
      return filter.filters.every((inner) => matches(inner, resource));
    case 'or':
      return filter.filters.some((inner) => matches(inner, resource));
    case 'not':
      return !matches(filter.filter, resource);
    case 'element':
      return valuesAt(resource, filter.steps).some((element) => isObject(element) && matches(filter.filter, element));
    case 'pr':
      return valuesAt(resource, filter.steps).some(isPresent);
    default:
      return compareAny(filter, valuesAt(resource, filter.steps));
  }
}

type ComparisonFilter = Extract<Filter, { kind: ComparisonKind }>;

function compareAny(filter: ComparisonFilter, values: readonly Json[]): boolean {
  const present = values.filter(isPresent);
  if (present.length === 0) return filter.value === null ? filter.op === 'eq' : filter.op === 'ne';
  if (filter.value === null) return filter.op === 'ne';
  const { op, kind, value } = filter;
  return present.some((stored) => {
    const [left, right] = operands(kind, stored, value);
    return left === undefined ? op === 'ne' : compareTwo(op, left, right);
  });
}

/** Brings the stored value and the filter's value to one type; a stored value of another type compares as unequal. */
function operands(kind: ComparisonKind, stored: Json, value: Operand): [Operand | undefined, Operand] {
  switch (kind) {
    case 'folded':
      return [typeof stored === 'string' ? foldUserName(stored) : undefined, value];
    case 'exact':
      return [typeof stored === 'string' ? stored : undefined, value];
    case 'boolean':
      return [typeof stored === 'boolean' ? stored : undefined, value];
    case 'instant':
      return [typeof stored === 'string' ? Date.parse(stored) : undefined, value];
    case 'unknown':
      return typeof stored === 'number' && typeof value === 'number'
        ? [stored, value]
        : [isObject(stored) || Array.isArray(stored) ? undefined : foldUserName(String(stored)), foldUserName(String(value))];
  }
}

function compareTwo(op: Comparison, left: Operand, right: Operand): boolean {
  switch (op) {
    case 'eq':
      return left === right;
    case 'ne':
      return left !== right;
    case 'gt':
      return left > right;
    case 'ge':
      return left >= right;
    case 'lt':
      return left < right;
    case 'le':
      return left <= right;
    case 'co':
      return String(left).includes(String(right));
    case 'sw':
      return String(left).startsWith(String(right));
    case 'ew':
      return String(left).endsWith(String(right));
  }
}

/** Collects the values at a place; lists on the way are entered, so one place can have many values. */
function valuesAt(resource: JsonObject, steps: Steps): Json[] {
  let current: Json[] = [resource];
  for (const step of steps) {
    current = current.flatMap((value) => {
      const key = isObject(value) ? findKey(value, step) : undefined;
      const found = key === undefined ? undefined : (value as JsonObject)[key];
      return found === undefined ? [] : Array.isArray(found) ? found : [found];
    });
  }
  return current;
}

function isPresent(value: Json): boolean {
  return !isUnassigned(value) && !(isObject(value) && Object.keys(value).length === 0);
}
