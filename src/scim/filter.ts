/**
 * Owns filters as the rest of the service sees them: parse once, evaluate many times, and the equalities an index can answer.
 * Refuses to know how lists are stored. One folding rule serves filters and uniqueness alike (fold.ts). RFC 7644 §3.4.2.2.
 */
import { compileFilter, compileFilters } from './filter/compile.ts';
import type { Equality, Filter, GroupIndex, UserIndex } from './filter/types.ts';
import { type ResourceType, USER } from './schema.ts';

export { Folds } from './filter/folds.ts';
export { matches, matchesInTurns } from './filter/matches.ts';
export type { Equality, Filter } from './filter/types.ts';

const USER_INDEXES: readonly UserIndex[] = ['id', 'userName', 'externalId', 'emails.value'];
const GROUP_INDEXES: readonly GroupIndex[] = ['id', 'displayName', 'externalId', 'members.value'];

/** Parses a filter. Throws ScimError 400 invalidFilter for anything it cannot evaluate; never returns a filter that matches all by mistake. */
export function parseFilter(text: string, type: ResourceType = USER): Filter {
  return compileFilter(text, type);
}

/**
 * Parses one filter for each of several types that are searched together: what one type does not have matches as an absent attribute does.
 * Throws ScimError 400 invalidFilter, also for a name that none of them has.
 */
export function parseFilters(text: string, types: readonly ResourceType[]): Filter[] {
  return compileFilters(text, types);
}

/** Names every place a filter reads of a resource, its steps joined by dots. */
export function partsOf(filter: Filter, prefix = ''): string[] {
  switch (filter.op) {
    case 'and':
    case 'or':
      return filter.filters.flatMap((inner) => partsOf(inner, prefix));
    case 'not':
      return partsOf(filter.filter, prefix);
    case 'element':
      return partsOf(filter.filter, `${filter.steps.join('.')}.`);
    default:
      return [prefix + filter.steps.join('.')];
  }
}

/**
 * Lists the equalities that every match must fulfil, for an index to narrow the search; the filter must still be evaluated.
 * Values are as the client wrote them: fold those of userName and emails.value before asking the index.
 */
export function equalities(filter: Filter): Equality[] {
  return collect(filter, USER_INDEXES, '');
}

/** The same over groups: fold the value of displayName before asking the index. */
export function groupEqualities(filter: Filter): Equality<GroupIndex>[] {
  return collect(filter, GROUP_INDEXES, '');
}

function collect<Index extends string>(filter: Filter, indexes: readonly Index[], prefix: string): Equality<Index>[] {
  if (filter.op === 'and') return filter.filters.flatMap((inner) => collect(inner, indexes, prefix));
  if (filter.op === 'element') return collect(filter.filter, indexes, `${filter.steps.join('.')}.`);
  if (filter.op !== 'eq' || typeof filter.written !== 'string') return [];
  const name = `${prefix}${filter.steps.join('.')}`;
  const attribute = indexes.find((index) => index === name);
  return attribute === undefined ? [] : [{ attribute, value: filter.written }];
}
