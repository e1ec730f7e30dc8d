/**
 * Owns what the server says about itself, read once before the first check, and which parts of SCIM it thereby leaves out.
 * A part counts as left out only when the server says so; what could not be read is taken as offered, and the checks will tell.
 * RFC 7644 §4; RFC 7643 §5-§7; RFC 9865 §4 (pagination).
 */
import type { Answer } from './client.ts';
import { at, isObject, type JsonObject, objectsAt, textAt } from './json.ts';
import { ENTERPRISE_URN, GROUP_URN, USER_URN } from './urns.ts';

export type Feature = 'patch' | 'bulk' | 'filter' | 'sort' | 'etag' | 'cursor' | 'groups' | 'enterprise';

/** Why a part is not offered, in words. */
const SAYS_NOT: Record<Feature, string> = {
  patch: 'ServiceProviderConfig says patch.supported false',
  bulk: 'ServiceProviderConfig says bulk.supported false',
  filter: 'ServiceProviderConfig says filter.supported false',
  sort: 'ServiceProviderConfig says sort.supported false',
  etag: 'ServiceProviderConfig says etag.supported false',
  cursor: 'ServiceProviderConfig does not say pagination.cursor true',
  groups: 'no resource type has the Group schema',
  enterprise: 'the enterprise extension is no extension of the User type',
};

export interface Discovered {
  config: JsonObject | undefined;
  types: JsonObject[] | undefined;
  schemas: JsonObject[] | undefined;
}

/** Reads the three discovery documents. Refusals leave holes; only a server that cannot be reached throws. */
export async function discover(get: (path: string) => Promise<Answer>): Promise<Discovered & { answers: Answer[] }> {
  const config = await get('/ServiceProviderConfig');
  const types = await get('/ResourceTypes');
  const schemas = await get('/Schemas');
  return {
    config: config.status === 200 && isObject(config.body) ? config.body : undefined,
    types: readList(types),
    schemas: readList(schemas),
    answers: [config, types, schemas],
  };
}

/** Some servers answer with a bare list. */
function readList(answer: Answer): JsonObject[] | undefined {
  if (answer.status !== 200) return undefined;
  const list = Array.isArray(answer.body) ? answer.body.filter(isObject) : objectsAt(answer.body, 'Resources');
  return list.length === 0 ? undefined : list;
}

/** Tells why a feature is not there; undefined when it is, or when nobody knows. */
export function whyNot(discovered: Discovered, feature: Feature): string | undefined {
  return isLeftOut(discovered, feature) ? SAYS_NOT[feature] : undefined;
}

function isLeftOut({ config, types }: Discovered, feature: Feature): boolean {
  switch (feature) {
    case 'groups':
      return types !== undefined && !types.some((type) => same(textAt(type, 'schema'), GROUP_URN));
    case 'enterprise': {
      const user = types?.find((type) => same(textAt(type, 'schema'), USER_URN));
      return (
        user !== undefined && !objectsAt(user, 'schemaExtensions').some((row) => same(textAt(row, 'schema'), ENTERPRISE_URN))
      );
    }
    case 'cursor':
      return config !== undefined && at(config, 'pagination', 'cursor') !== true;
    default:
      return at(config, feature, 'supported') === false;
  }
}

/** The rows of a schema; undefined when the schemas could not be read. */
export function attributesOf(discovered: Discovered, urn: string): JsonObject[] | undefined {
  const schema = discovered.schemas?.find((row) => same(textAt(row, 'id'), urn));
  return schema === undefined ? undefined : objectsAt(schema, 'attributes');
}

/** The row of an attribute, or of a sub-attribute as `name.familyName`. */
export function attributeRow(discovered: Discovered, urn: string, name: string): JsonObject | undefined {
  let rows = attributesOf(discovered, urn) ?? [];
  let row: JsonObject | undefined;
  for (const part of name.split('.')) {
    row = rows.find((candidate) => same(textAt(candidate, 'name'), part));
    rows = objectsAt(row, 'subAttributes');
  }
  return row;
}

/** Attributes a user must have on this server besides those we send anyway, with a value of the right type. */
export function requiredExtras(discovered: Discovered, given: JsonObject): JsonObject {
  const extras: JsonObject = {};
  for (const row of attributesOf(discovered, USER_URN) ?? []) {
    const name = textAt(row, 'name');
    if (row.required !== true || row.mutability === 'readOnly' || name in given) continue;
    const value = valueFor(row);
    extras[name] = row.multiValued === true ? [value] : value;
  }
  return extras;
}

/** Values for attributes whose form a server may check. */
const PLAUSIBLE: JsonObject = {
  emails: { value: 'plausible@conformance.example', type: 'work' },
  phoneNumbers: { value: '+44 20 7946 0018', type: 'work' },
  locale: 'en-GB',
  preferredLanguage: 'en-GB',
  timezone: 'Europe/Berlin',
  country: 'DE',
};

/** Makes a plausible value for an attribute. */
export function valueFor(row: JsonObject): unknown {
  const name = textAt(row, 'name');
  if (Object.hasOwn(PLAUSIBLE, name)) return PLAUSIBLE[name];
  const canonical = at(row, 'canonicalValues', 0);
  if (canonical !== undefined) return canonical;
  switch (textAt(row, 'type')) {
    case 'boolean':
      return true;
    case 'integer':
      return 7;
    case 'decimal':
      return 7.5;
    case 'dateTime':
      return '2026-01-31T08:00:00Z';
    case 'binary':
      return 'c2NpbQ==';
    case 'reference':
      return 'https://conformance.example/reference';
    case 'complex': {
      const parts = objectsAt(row, 'subAttributes').filter((part) => part.mutability !== 'readOnly' && part.name !== '$ref');
      return Object.fromEntries(parts.map((part) => [textAt(part, 'name'), valueFor(part)]));
    }
    default:
      return `conformance ${name}`;
  }
}

/** URNs ignore case (RFC 8141 §3.1 for the parts before the last; servers differ in the last, and nobody means two things by it). */
export function same(left: string, right: string): boolean {
  return left.toLowerCase() === right.toLowerCase();
}
