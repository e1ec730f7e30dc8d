/**
 * Owns the reading of a whole User from a POST or PUT body into the attributes the directory keeps.
 * Refuses to know who exists, and never computes or reformats a value. One law above all: what GET returned must be accepted here
 * and give the same attributes, because Okta sends back what it read. RFC 7643 §2.1, §3, §4; RFC 7644 §3.3, §3.5.1.
 */
import { echo, invalidSyntax, invalidValue, tooLarge } from './error.ts';
import { findValue, isObject, isUnassigned } from './json.ts';
import { readValue, safeName } from './read-value.ts';
import { findAttribute, isKnownSchema, isUri, resolveName } from './schema.ts';
import { CORE_USER, ENTERPRISE_USER, type Json, type JsonObject, type UserAttributes } from './types.ts';

const SCHEMAS_MAX = 100;
const BYTES_MAX = 192 * 1024;
const ENCODER = new TextEncoder();
/** Known, and never taken from a body. */
const IGNORED = new Set(['schemas', 'id', 'meta', 'groups', 'password']);

/** Raw values by canonical name, one map per known schema, and what we keep as it came. */
interface Sorted {
  core: Map<string, Json>;
  enterprise: Map<string, Json>;
  unknown: Map<string, Json>;
}

/**
 * Reads a POST body, or a PUT body when `previous` is given: without `active` or `externalId` a PUT keeps the previous ones.
 * Throws ScimError 400 invalidValue or invalidSyntax, and 413 for a user above 192 KiB.
 */
export function readUser(body: JsonObject, previous?: UserAttributes): UserAttributes {
  checkSchemas(body);
  const sorted: Sorted = { core: new Map(), enterprise: new Map(), unknown: new Map() };
  const urns = Object.keys(body).filter(isUri);
  for (const [key, raw] of Object.entries(body)) sortKey(sorted, key, raw, urns);
  const attributes: JsonObject = {};
  for (const [name, raw] of sorted.core) {
    if (!IGNORED.has(name)) assign(attributes, name, readValue(raw, findAttribute(CORE_USER, name), name));
  }
  for (const [name, raw] of sorted.unknown) assign(attributes, safeName(name), readValue(raw, undefined, echo(name)));
  assign(attributes, ENTERPRISE_USER, readEnterprise(sorted.enterprise));
  if (previous?.externalId !== undefined && !sorted.core.has('externalId')) attributes.externalId = previous.externalId;
  const user = complete(attributes, previous);
  checkSize(user);
  return user;
}

function complete(attributes: JsonObject, previous: UserAttributes | undefined): UserAttributes {
  const { userName, active } = attributes;
  if (typeof userName !== 'string')
    throw invalidValue('userName is missing or empty. Map an attribute that every person has to userName.');
  return { ...attributes, userName, active: typeof active === 'boolean' ? active : (previous?.active ?? true) };
}

/** Throws ScimError 413 when a user is too large to keep; also guards against growth by many PATCHes. */
function checkSize(user: UserAttributes): void {
  if (ENCODER.encode(JSON.stringify(user)).length <= BYTES_MAX) return;
  throw tooLarge(
    `The user is larger than ${BYTES_MAX / 1024} KiB. Remove large attributes such as photos from the attribute mapping.`,
  );
}

function checkSchemas(body: JsonObject): void {
  const schemas = findValue(body, 'schemas');
  if (isUnassigned(schemas)) return;
  const list = Array.isArray(schemas) ? schemas : [schemas];
  if (!list.every((urn) => typeof urn === 'string')) throw invalidSyntax('schemas must be a list of texts.');
  if (list.length > SCHEMAS_MAX) throw invalidSyntax(`schemas names more than ${SCHEMAS_MAX} schemas.`);
  // Extension URNs may be mistyped, but a body for another resource or message must not become a person.
  if (!list.some((urn) => /user$/i.test(urn.trim()))) {
    throw invalidSyntax(`schemas names ${echo(list[0] ?? '')}, but this endpoint takes users. Send ${CORE_USER}.`);
  }
}

function sortKey(sorted: Sorted, key: string, raw: Json, urns: readonly string[]): void {
  if (!isUri(key)) {
    const definition = findAttribute(CORE_USER, key);
    if (definition !== undefined) put(sorted.core, definition.name, raw);
    else if (key.toLowerCase() === 'manager') putIfAbsent(sorted.enterprise, 'manager', raw);
    else put(sorted.unknown, key, raw);
    return;
  }
  const reference = resolveName(key, urns);
  if (reference === undefined || !isKnownSchema(reference.urn)) put(sorted.unknown, key, raw);
  else if (reference.attribute === undefined) sortSchema(sorted, reference.urn, raw, urns);
  else {
    const known = reference.urn === CORE_USER ? sorted.core : sorted.enterprise;
    const target = reference.urn === CORE_USER && reference.definition === undefined ? sorted.unknown : known;
    if (reference.sub === undefined) put(target, reference.attribute, raw);
    else putSub(target, reference.attribute, reference.sub, raw);
  }
}

/** Takes the attributes out of the object under a known schema's URN. */
function sortSchema(sorted: Sorted, urn: string, raw: Json, urns: readonly string[]): void {
  if (isUnassigned(raw)) return;
  if (!isObject(raw)) throw invalidValue(`${urn} must be an object with the attributes of that schema.`);
  for (const [key, inner] of Object.entries(raw)) {
    if (urn === CORE_USER) {
      sortKey(sorted, key, inner, urns);
      continue;
    }
    const name = findAttribute(urn, key)?.name ?? key;
    // The manager inside its schema wins over one outside.
    if (name === 'manager') sorted.enterprise.set(name, inner);
    else put(sorted.enterprise, name, inner);
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

function readEnterprise(raw: ReadonlyMap<string, Json>): JsonObject | undefined {
  const extension: JsonObject = {};
  for (const [name, value] of raw) {
    const definition = findAttribute(ENTERPRISE_USER, name);
    assign(extension, safeName(name), readValue(value, definition, definition?.name ?? echo(name)));
  }
  return Object.keys(extension).length === 0 ? undefined : extension;
}

function assign(target: JsonObject, name: string, value: Json | undefined): void {
  if (value !== undefined) target[name] = value;
}
