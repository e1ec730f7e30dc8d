/**
 * Owns the meaning of a parsed filter: names become places in the attribute table, values become what the attribute holds.
 * Everything a filter can get wrong is refused here, so that evaluation cannot fail. Refuses to know resources.
 * RFC 7644 §3.4.2.2; RFC 7643 §2.2 (caseExact), §2.4 (default sub-attribute `value`).
 */
import { type Filter as ParsedFilter, parse } from 'scim2-parse-filter';
import { readBoolean } from '../dialect.ts';
import { echo, invalidFilter } from '../error.ts';
import { foldText } from '../fold.ts';
import { isUnsafeName } from '../json.ts';
import { type Attribute, findSubAttribute, type ResourceType } from '../schema.ts';
import { type Target, targetOf } from '../target.ts';
import { type Literal, type NormalFilter, normaliseFilter } from './normalise.ts';
import type { Comparison, ComparisonKind, Filter, Scalar, Steps } from './types.ts';

/**
 * Where the names of a filter live: in a resource, or in an element of one attribute. With `foreign` a name that is none of this type is
 * not refused but put there, and means an attribute nobody has.
 */
type Scope =
  | { kind: 'resource'; type: ResourceType; foreign?: Set<string> }
  | { kind: 'element'; definition: Attribute | undefined };

const ORDERED = new Set<Comparison>(['gt', 'ge', 'lt', 'le']);
/** No attribute can have this name: no body gets past the parser with it. */
const FOREIGN = '__proto__';
const PARTIAL = new Set<Comparison>(['co', 'sw', 'ew']);

/** Compiles a filter over resources. Throws ScimError 400 invalidFilter. */
export function compileFilter(text: string, type: ResourceType): Filter {
  return folded(compile(text, { kind: 'resource', type }));
}

/**
 * Compiles one filter for each of several types that are searched together; what is an attribute of one type only, the others do not have.
 * Throws ScimError 400 invalidFilter, also for a name that is an attribute of none.
 */
export function compileFilters(text: string, types: readonly ResourceType[]): Filter[] {
  const [only] = types;
  if (types.length === 1 && only !== undefined) return [compileFilter(text, only)];
  const foreign = types.map(() => new Set<string>());
  const filters = types.map((type, at) => compile(text, { kind: 'resource', type, foreign: foreign[at] ?? new Set() }));
  const [first, ...others] = foreign;
  const unknown = [...(first ?? [])].find((name) => others.every((names) => names.has(name)));
  if (unknown === undefined) return filters.map(folded);
  throw invalidFilter(`The filter names ${echo(unknown)}, which is no attribute of any resource here.`);
}

/** Compiles what stands between the brackets of a value path; names are sub-attributes of `definition`. Throws ScimError 400. */
export function compileElementFilter(text: string, definition: Attribute | undefined): Filter {
  return folded(compile(text, { kind: 'element', definition }));
}

/** Folds the values last: that is most of the work, and a filter that is refused shall not cost it. */
function folded(filter: Filter): Filter {
  switch (filter.op) {
    case 'and':
    case 'or':
      return { op: filter.op, filters: filter.filters.map(folded) };
    case 'not':
      return { op: 'not', filter: folded(filter.filter) };
    case 'element':
      return { ...filter, filter: folded(filter.filter) };
    case 'pr':
      return filter;
    default:
      return filter.kind === 'folded' && typeof filter.value === 'string' ? { ...filter, value: foldText(filter.value) } : filter;
  }
}

function compile(text: string, scope: Scope): Filter {
  const normal = normaliseFilter(text);
  return convert(parseNormal(normal.text), normal, scope);
}

function parseNormal(text: string): ParsedFilter {
  try {
    return parse(text);
  } catch (cause) {
    // The text holds placeholders only, so the cause is free of input.
    throw Object.assign(invalidFilter('The filter cannot be read. Check operators and brackets.'), { cause });
  }
}

function convert(node: ParsedFilter, normal: NormalFilter, scope: Scope): Filter {
  switch (node.op) {
    case 'and':
    case 'or':
      return { op: node.op, filters: node.filters.map((inner) => convert(inner, normal, scope)) };
    case 'not':
      return { op: 'not', filter: convert(node.filter, normal, scope) };
    case '[]':
      return convertElement(find(node.attrPath, normal, scope), node.valFilter, normal, scope);
    case 'pr':
      return { op: 'pr', steps: find(node.attrPath, normal, scope).steps };
    default:
      return compare(node.op, find(node.attrPath, normal, scope), literalOf(String(node.compValue), normal));
  }
}

function literalOf(index: string, normal: NormalFilter): Literal {
  const literal = normal.literals[Number(index)];
  if (literal === undefined) throw invalidFilter('The filter cannot be read. Check operators and brackets.');
  return literal;
}

function convertElement(target: Target, inner: ParsedFilter, normal: NormalFilter, scope: Scope): Filter {
  const { definition, steps } = target;
  if (scope.kind === 'element') throw invalidFilter('Square brackets cannot stand inside square brackets.');
  if (definition !== undefined && definition.type !== 'complex') {
    throw invalidFilter(`${definition.name} has no sub-attributes, so square brackets cannot follow it.`);
  }
  return { op: 'element', steps, filter: convert(inner, normal, { kind: 'element', definition }) };
}

function find(placeholder: string, normal: NormalFilter, scope: Scope): Target {
  const name = normal.names[Number(placeholder.slice(1))] ?? '';
  return scope.kind === 'element' ? findInElement(name, scope.definition) : findInResource(name, scope);
}

function findInElement(name: string, parent: Attribute | undefined): Target {
  const definition = findSubAttribute(parent, name);
  if (definition === undefined && (parent !== undefined || isUnsafeName(name) || !/^[A-Za-z$_][\w$-]*$/.test(name)))
    throw unknownPart(name, parent);
  return { steps: [definition?.name ?? name], definition };
}

function findInResource(name: string, { type, foreign }: Extract<Scope, { kind: 'resource' }>): Target {
  const target = targetOf(name, type);
  if (target?.definition?.returned === 'never') {
    throw invalidFilter(`${target.definition.name} cannot be filtered by: it is never stored.`);
  }
  if (target !== undefined) return target;
  if (foreign === undefined || isUnsafeName(name)) throw unknownAttribute(name, type);
  foreign.add(name);
  return { steps: [FOREIGN], definition: undefined };
}

const MATCHED_ON: Readonly<Record<ResourceType['name'], string>> = {
  User: 'userName, externalId or emails.value',
  Group: 'displayName or externalId',
};

function unknownAttribute(name: string, type: ResourceType): Error {
  return invalidFilter(
    `The filter names ${echo(name)}, which is no attribute of a ${type.name.toLowerCase()}. Match on ${MATCHED_ON[type.name]}.`,
  );
}

function unknownPart(name: string, parent: Attribute | undefined): Error {
  return invalidFilter(`The filter names ${echo(name)}, which is no part of ${parent?.name ?? 'that attribute'}.`);
}

function compare(op: Comparison, target: Target, literal: Literal): Filter {
  const { definition, steps } = target;
  if (definition === undefined) return unknownComparison(op, steps, literal);
  if (definition.type === 'complex') {
    const value = findSubAttribute(definition, 'value');
    if (value === undefined)
      throw invalidFilter(
        `${definition.name} has several parts; name one of them, such as ${definition.name}.${partOf(definition)}.`,
      );
    return compare(op, { steps: [...steps, value.name], definition: value }, literal);
  }
  if (!literal.quoted && literal.text === 'null') return compareNull(op, steps, definition);
  const written = literal.text;
  if (definition.type === 'boolean') {
    const value = booleanOf(literal, definition);
    return { op: checkBoolean(op, definition), steps, kind: 'boolean', value, written: value };
  }
  if (definition.type === 'dateTime' && !PARTIAL.has(op)) {
    return { op, steps, kind: 'instant', value: instantOf(literal, definition), written };
  }
  if (definition.type === 'binary' && ORDERED.has(op))
    throw invalidFilter(`${definition.name} is binary and has no order; use eq.`);
  const kind: ComparisonKind = definition.caseExact || definition.type === 'binary' ? 'exact' : 'folded';
  return { op, steps, kind, value: written, written };
}

function unknownComparison(op: Comparison, steps: Steps, literal: Literal): Filter {
  const value = bareValue(literal);
  return { op, steps, kind: 'unknown', value, written: value };
}

function partOf(definition: Attribute): string {
  return definition.subAttributes?.[0]?.name ?? 'value';
}

function compareNull(op: Comparison, steps: Steps, definition: Attribute): Filter {
  if (op === 'eq') return { op: 'not', filter: { op: 'pr', steps } };
  if (op === 'ne') return { op: 'pr', steps };
  throw invalidFilter(`${definition.name} ${op} null has no meaning; use pr.`);
}

function checkBoolean(op: Comparison, definition: Attribute): Comparison {
  if (op === 'eq' || op === 'ne') return op;
  throw invalidFilter(`${definition.name} is true or false; only eq, ne and pr apply.`);
}

function booleanOf(literal: Literal, definition: Attribute): boolean {
  const value = readBoolean(literal.text);
  if (value === undefined) throw invalidFilter(`${definition.name} is true or false; it cannot be compared with anything else.`);
  return value;
}

function instantOf(literal: Literal, definition: Attribute): number {
  // Date.parse also takes free text such as "1"; a date of RFC 7643 §2.3.5 begins with year and month.
  const { text } = literal;
  // A time without a zone would be read by the clock of this machine.
  const zoned = /T[\d:.]+$/.test(text) ? `${text}Z` : text;
  const value = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(zoned) : Number.NaN;
  if (Number.isNaN(value))
    throw invalidFilter(`${definition.name} is a date; compare it with one such as "2026-01-31T08:00:00Z".`);
  return value;
}

/** Reads a value for an attribute whose type is not known: unquoted JSON scalars keep their type. */
function bareValue(literal: Literal): Scalar {
  if (literal.quoted) return literal.text;
  if (literal.text === 'null') return null;
  if (/^-?\d{1,15}(?:\.\d{1,15})?$/.test(literal.text)) return Number(literal.text);
  return readBoolean(literal.text) ?? literal.text;
}
