/**
 * Owns the reading of a whole resource from a POST or PUT body into the attributes the directory keeps, for every resource type.
 * Refuses to know who exists, which attributes a type needs beyond its table, and never computes or reformats a value. One law above all:
 * what GET returned must be accepted here and give the same attributes, because Okta sends back what it read. RFC 7643 §2.1, §3; RFC 7644 §3.3, §3.5.1.
 */
import { echo, invalidSyntax, invalidValue, tooLarge } from './error.ts';
import { findValue, isObject, isUnassigned } from './json.ts';
import { readValue, safeName } from './read-value.ts';
import {
  type Attribute,
  coreOf,
  findAttribute,
  isKnownSchema,
  isReadOnlySchema,
  isUri,
  type ResourceType,
  resolveName,
} from './schema.ts';
import type { Json, JsonObject } from './types.ts';

const SCHEMAS_MAX = 100;
const BYTES_MAX = 192 * 1024;
const ENCODER = new TextEncoder();

/** Raw values by canonical name: one map for each known schema, and what we keep as it came. */
interface Sorted {
  type: ResourceType;
  known: ReadonlyMap<string, Map<string, Json>>;
  unknown: Map<string, Json>;
  urns: readonly string[];
}

export interface ReadResource {
  attributes: JsonObject;
  /** Every core attribute the body has named, as it came: those that are ignored or read elsewhere included. */
  given: ReadonlyMap<string, Json>;
}

/**
 * Reads a body; core attributes named in `elsewhere` are left for the caller to read.
 * Throws ScimError 400 invalidValue or invalidSyntax, and 413 for a resource above 192 KiB.
 */
export function readResource(body: JsonObject, type: ResourceType, elsewhere: ReadonlySet<string> = new Set()): ReadResource {
  checkSchemas(body, type);
  const known = new Map(type.schemas.map(({ urn }) => [urn, new Map<string, Json>()]));
  const sorted: Sorted = { type, known, unknown: new Map(), urns: Object.keys(body).filter(isUri) };
  for (const [key, raw] of Object.entries(body)) sortKey(sorted, key, raw);
  const attributes: JsonObject = {};
  const [core, ...extensions] = type.schemas;
  const given = mapOf(sorted, core.urn);
  for (const [name, raw] of given) {
    const definition = findAttribute(core.urn, name, type);
    if (!isIgnored(definition) && !elsewhere.has(name)) assign(attributes, name, readValue(raw, definition, name));
  }
  for (const [name, raw] of sorted.unknown) assign(attributes, safeName(name), readValue(raw, undefined, echo(name)));
  for (const { urn } of extensions) assign(attributes, urn, readExtension(mapOf(sorted, urn), urn, type));
  checkSize(attributes, type);
  return { attributes, given };
}

/** Known, and never taken from a body: ours to say, derived, or never stored. */
export function isIgnored(definition: Attribute | undefined): boolean {
  return definition?.mutability === 'readOnly' || definition?.returned === 'never' || definition?.name === 'schemas';
}

/** Throws ScimError 413 when a resource is too large to keep; also guards against growth by many PATCHes. */
function checkSize(attributes: JsonObject, type: ResourceType): void {
  if (ENCODER.encode(JSON.stringify(attributes)).length <= BYTES_MAX) return;
  throw tooLarge(
    `The ${type.name.toLowerCase()} is larger than ${BYTES_MAX / 1024} KiB. Remove large attributes such as photos from the attribute mapping.`,
  );
}

function checkSchemas(body: JsonObject, type: ResourceType): void {
  const schemas = findValue(body, 'schemas');
  if (isUnassigned(schemas)) return;
  const list = Array.isArray(schemas) ? schemas : [schemas];
  if (!list.every((urn) => typeof urn === 'string')) throw invalidSyntax('schemas must be a list of texts.');
  if (list.length > SCHEMAS_MAX) throw invalidSyntax(`schemas names more than ${SCHEMAS_MAX} schemas.`);
  // Extension URNs may be mistyped, but a body for another resource or message must not become a person or a group.
  const ending = type.name.toLowerCase();
  if (!list.some((urn) => urn.trim().toLowerCase().endsWith(ending))) {
    throw invalidSyntax(`schemas names ${echo(list[0] ?? '')}, but this endpoint takes ${ending}s. Send ${coreOf(type)}.`);
  }
}

function mapOf(sorted: Sorted, urn: string): Map<string, Json> {
  return sorted.known.get(urn) ?? sorted.unknown;
}

function sortKey(sorted: Sorted, key: string, raw: Json): void {
  const { type, unknown, urns } = sorted;
  const core = coreOf(type);
  const reference = resolveName(key, urns, type);
  if (!isUri(key)) {
    const definition = reference?.sub === undefined ? reference?.definition : undefined;
    if (reference === undefined || definition === undefined) put(unknown, key, raw);
    else if (reference.urn === core) put(mapOf(sorted, core), definition.name, raw);
    else putIfAbsent(mapOf(sorted, reference.urn), definition.name, raw);
    return;
  }
  if (reference === undefined || !isKnownSchema(reference.urn, type)) put(unknown, key, raw);
  else if (reference.attribute === undefined) sortSchema(sorted, reference.urn, raw);
  else {
    const isUnknownCore = reference.urn === core && reference.definition === undefined;
    const target = isUnknownCore ? unknown : mapOf(sorted, reference.urn);
    if (reference.sub === undefined) put(target, reference.attribute, raw);
    else putSub(target, reference.attribute, reference.sub, raw);
  }
}

/** Takes the attributes out of the object under a known schema's URN. */
function sortSchema(sorted: Sorted, urn: string, raw: Json): void {
  if (isUnassigned(raw)) return;
  if (isReadOnlySchema(urn, sorted.type)) return;
  if (!isObject(raw)) throw invalidValue(`${urn} must be an object with the attributes of that schema.`);
  for (const [key, inner] of Object.entries(raw)) {
    if (urn === coreOf(sorted.type)) {
      sortKey(sorted, key, inner);
      continue;
    }
    const name = findAttribute(urn, key, sorted.type)?.name ?? key;
    // The manager inside its schema wins over one outside.
    if (name === 'manager') mapOf(sorted, urn).set(name, inner);
    else put(mapOf(sorted, urn), name, inner);
  }
}

function put(target: Map<string, Json>, name: string, raw: Json): void {
  if (target.has(name)) throw invalidSyntax(`The attribute ${echo(name)} is given twice (names ignore case). Map it once.`);
  target.set(name, raw);
}

/** For the manager outside its schema: the one inside wins. */
function putIfAbsent(target: Map<string, Json>, name: string, raw: Json): void {
  if (!target.has(name)) target.set(name, raw);
}

function putSub(target: Map<string, Json>, name: string, sub: string, raw: Json): void {
  const existing = target.get(name);
  if (existing !== undefined && !isObject(existing))
    throw invalidSyntax(`The attribute ${echo(name)} is given twice. Map it once.`);
  target.set(name, { ...existing, [safeName(sub)]: raw });
}

function readExtension(raw: ReadonlyMap<string, Json>, urn: string, type: ResourceType): JsonObject | undefined {
  if (isReadOnlySchema(urn, type)) return undefined;
  const extension: JsonObject = {};
  for (const [name, value] of raw) {
    const definition = findAttribute(urn, name, type);
    assign(extension, safeName(name), readValue(value, definition, definition?.name ?? echo(name)));
  }
  return Object.keys(extension).length === 0 ? undefined : extension;
}

function assign(target: JsonObject, name: string, value: Json | undefined): void {
  if (value !== undefined) target[name] = value;
}
