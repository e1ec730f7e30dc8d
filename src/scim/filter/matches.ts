/**
 * Owns the evaluation of a compiled filter against one resource. Total: it cannot throw, unless whoever counts the work does; and never builds a regular
 * expression. A resource may hold tens of thousands of values, so the work can be done in turns. Refuses to know the attribute table; compilation has
 * put all of it into the filter, and to know how much work is too much.
 * RFC 7644 §3.4.2.2: any value of a multi-valued attribute may match; an absent attribute matches `ne` and nothing else.
 */
import { findValue, isObject, isUnassigned } from '../json.ts';
import type { Json, JsonObject } from '../types.ts';
import { Folds } from './folds.ts';
import { includes } from './includes.ts';
import type { Comparison, ComparisonKind, Filter, Steps } from './types.ts';

type Operand = string | number | boolean;

/** Tells whether a resource (or, for a filter from a value path, an element) fulfils a filter. */
export function matches(filter: Filter, resource: JsonObject, folds: Folds = new Folds()): boolean {
  const turns = matchesInTurns(filter, resource, folds);
  let turn = turns.next();
  while (turn.done !== true) turn = turns.next();
  return turn.value;
}

/** The same, handing over after every few values, so that others may go first; returns the answer. */
export function* matchesInTurns(filter: Filter, resource: JsonObject, folds: Folds): Generator<undefined, boolean> {
  switch (filter.op) {
    case 'and':
    case 'or': {
      const decides = filter.op === 'or';
      for (const inner of filter.filters) if ((yield* matchesInTurns(inner, resource, folds)) === decides) return decides;
      return !decides;
    }
    case 'not':
      return !(yield* matchesInTurns(filter.filter, resource, folds));
    case 'element':
      for (const element of valuesAt(resource, filter.steps)) {
        yield;
        if (isObject(element) && (yield* matchesInTurns(filter.filter, element, folds))) return true;
      }
      return false;
    case 'pr':
      folds.look(0);
      return valuesAt(resource, filter.steps).some(isPresent);
    default:
      return yield* compareAny(filter, valuesAt(resource, filter.steps), folds);
  }
}

type ComparisonFilter = Extract<Filter, { kind: ComparisonKind }>;

/** Few enough that nobody waits for them, whatever they hold. */
const VALUES_A_TURN = 64;
/** They read the stored text as a whole. */
const PARTIAL: ReadonlySet<Comparison> = new Set<Comparison>(['co', 'ew', 'sw', 'gt', 'ge', 'lt', 'le']);

function* compareAny(filter: ComparisonFilter, values: readonly Json[], folds: Folds): Generator<undefined, boolean> {
  let isAnyPresent = false;
  for (let at = 0; at < values.length; at += 1) {
    if (at % VALUES_A_TURN === VALUES_A_TURN - 1) yield;
    const stored = values[at] ?? null;
    if (!isPresent(stored)) continue;
    if (filter.value === null) return filter.op === 'ne';
    isAnyPresent = true;
    const [left, right] = operands(filter, filter.value, stored, folds);
    folds.look(PARTIAL.has(filter.op) && typeof left === 'string' ? left.length : 0);
    if (left === undefined ? filter.op === 'ne' : compareTwo(filter.op, left, right)) return true;
  }
  if (isAnyPresent) return false;
  folds.look(0);
  return filter.value === null ? filter.op === 'eq' : filter.op === 'ne';
}

/** Brings the stored value and the filter's value to one type; a stored value of another type compares as unequal. */
function operands(
  { kind, written }: ComparisonFilter,
  value: Operand,
  stored: Json,
  folds: Folds,
): [Operand | undefined, Operand] {
  switch (kind) {
    case 'folded':
      return typeof stored === 'string' ? folds.pair(stored, String(value), String(written)) : [undefined, value];
    case 'exact':
      return [typeof stored === 'string' ? stored : undefined, value];
    case 'boolean':
      return [typeof stored === 'boolean' ? stored : undefined, value];
    case 'instant':
      return [typeof stored === 'string' ? Date.parse(stored) : undefined, value];
    case 'unknown':
      if (typeof stored === 'number' && typeof value === 'number') return [stored, value];
      return isObject(stored) || Array.isArray(stored)
        ? [undefined, value]
        : folds.pair(String(stored), folds.of(String(value)), String(value));
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
      return includes(String(left), String(right));
    case 'sw':
      return String(left).startsWith(String(right));
    case 'ew':
      return String(left).endsWith(String(right));
  }
}

/** Collects the values at a place; lists on the way are entered, so one place can have many values. */
function valuesAt(resource: JsonObject, steps: Steps): readonly Json[] {
  let current: readonly Json[] = [resource];
  for (const step of steps) {
    const next: Json[] = [];
    for (const value of current) {
      const found = isObject(value) ? findValue(value, step) : undefined;
      if (Array.isArray(found)) for (const element of found) next.push(element);
      else if (found !== undefined) next.push(found);
    }
    current = next;
  }
  return current;
}

function isPresent(value: Json): boolean {
  return !isUnassigned(value) && !(isObject(value) && Object.keys(value).length === 0);
}
