/**
 * Owns the message of a search by POST: the same query as in an address, as JSON, so that names and filters stay out of URLs and logs.
 * Refuses to give it a meaning of its own: it becomes query parameters, and list.ts reads both. RFC 7644 §3.4.3.
 */
import { invalidSyntax, invalidValue } from './error.ts';
import { findValue, isUnassigned } from './json.ts';
import type { Json, JsonObject } from './types.ts';

const SEARCH_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest';

const TEXTS = ['filter', 'sortBy', 'sortOrder', 'cursor'] as const;
const NUMBERS = ['startIndex', 'count'] as const;
const LISTS = ['attributes', 'excludedAttributes'] as const;

/** Reads a SearchRequest into query parameters. Throws ScimError 400 invalidSyntax for another message, invalidValue for a wrong type. */
export function readSearch(body: JsonObject): Record<string, string> {
  const schemas = findValue(body, 'schemas');
  const list = Array.isArray(schemas) ? schemas : [schemas];
  if (!list.some((urn) => typeof urn === 'string' && urn.toLowerCase() === SEARCH_SCHEMA.toLowerCase())) {
    throw invalidSyntax(`A search must have "schemas": ["${SEARCH_SCHEMA}"].`);
  }
  const query: Record<string, string> = {};
  const put = (names: readonly string[], read: (raw: Json, name: string) => string): void => {
    for (const name of names) {
      const raw = findValue(body, name);
      if (raw !== undefined && raw !== null) query[name] = read(raw, name);
    }
  };
  put(TEXTS, textOf);
  put(NUMBERS, numberOf);
  put(LISTS, namesOf);
  return query;
}

function textOf(raw: Json, name: string): string {
  if (typeof raw !== 'string') throw invalidValue(`${name} must be a text.`);
  return raw;
}

function numberOf(raw: Json, name: string): string {
  if (typeof raw !== 'number' && typeof raw !== 'string') throw invalidValue(`${name} must be a whole number.`);
  return String(raw);
}

/** A list of names; one text with commas, as in an address, is understood too. */
function namesOf(raw: Json, name: string): string {
  if (isUnassigned(raw)) return '';
  const names = Array.isArray(raw) ? raw : [raw];
  if (!names.every((each) => typeof each === 'string')) throw invalidValue(`${name} must be a list of attribute names.`);
  return names.join(',');
}
