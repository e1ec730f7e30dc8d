/**
 * Owns filters as the rest of the service sees them: parse once, evaluate many times, and the equalities an index can answer.
 * Refuses to know how lists are stored. One folding rule serves filters and uniqueness alike (fold.ts). RFC 7644 §3.4.2.2.
 */
import { compileFilter } from './filter/compile.ts';
import type { Equality, Filter } from './filter/types.ts';

export { matches } from './filter/matches.ts';
export type { Equality, Filter } from './filter/types.ts';

const INDEXED: Readonly<Record<string, Equality['attribute']>> = {
  id: 'id',
  userName: 'userName',
  externalId: 'externalId',
  'emails.value': 'emails.value',
};

/** Parses a filter. Throws ScimError 400 invalidFilter for anything it cannot evaluate; never returns a filter that matches all by mistake. */
export function parseFilter(text: string): Filter {
  return compileFilter(text);
}

/**
 * Lists the equalities that every match must fulfil, for an index to narrow the search; the filter must still be evaluated.
 * Values are as the client wrote them: fold those of userName and emails.value before asking the index.
 */
export function equalities(filter: Filter): Equality[] {
  return collect(filter, '');
}

function collect(filter: Filter, prefix: string): Equality[] {
  if (filter.op === 'and') return filter.filters.flatMap((inner) => collect(inner, prefix));
  if (filter.op === 'element') return collect(filter.filter, `${filter.steps.join('.')}.`);
  if (filter.op !== 'eq' || typeof filter.written !== 'string') return [];
  const attribute = INDEXED[`${prefix}${filter.steps.join('.')}`];
  return attribute === undefined ? [] : [{ attribute, value: filter.written }];
}
