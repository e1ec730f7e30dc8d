/**
 * Owns the outer form of a resource: attributes plus id, meta and schemas on the way out, and which of them a client asked for.
 * Refuses to know where a resource comes from. RFC 7643 §3 (schemas, meta), §7 (`returned`); RFC 7644 §3.4.2.5, §3.9.
 */
import { echo, invalidValue } from './error.ts';
import { findKey, isObject } from './json.ts';
import { coreOf, findAttribute, isUri, type ResourceType, resolveName, USER } from './schema.ts';
import type { Json, JsonObject } from './types.ts';

const NAMES_MAX = 200;

export interface Wanted {
  attributes?: string[];
  excludedAttributes?: string[];
}

/** What a resource has beside its attributes; times are ISO 8601 with zone. */
export interface ResourceMeta {
  id: string;
  location: string;
  created: string;
  lastModified: string;
  /** Equal to the ETag header (RFC 7644 §3.14); left out where nobody will see it. */
  version?: string;
}

/** Builds the resource as it leaves: `schemas` names the extensions that have values. */
export function toResource(attributes: JsonObject, meta: ResourceMeta, type: ResourceType = USER): JsonObject {
  const extensions = Object.keys(attributes).filter((key) => isUri(key) && isObject(attributes[key]));
  return {
    schemas: [coreOf(type), ...extensions],
    id: meta.id,
    ...attributes,
    meta: {
      resourceType: type.name,
      created: meta.created,
      lastModified: meta.lastModified,
      location: meta.location,
      ...(meta.version === undefined ? {} : { version: meta.version }),
    },
  };
}

/** Reads `attributes` and `excludedAttributes` from a query; of a repeated parameter the last counts. Throws ScimError 400 when both are given. */
export function readProjection(query: Record<string, unknown>): Wanted {
  const attributes = readNames(query.attributes, 'attributes');
  const excludedAttributes = readNames(query.excludedAttributes, 'excludedAttributes');
  const wanted: Wanted = {};
  if (attributes !== undefined) wanted.attributes = attributes;
  if (excludedAttributes !== undefined) wanted.excludedAttributes = excludedAttributes;
  refuseBoth(wanted);
  return wanted;
}

function readNames(raw: unknown, parameter: string): string[] | undefined {
  const last: unknown = Array.isArray(raw) ? raw.at(-1) : raw;
  if (typeof last !== 'string') return undefined;
  const names = last
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (names.length > NAMES_MAX) throw invalidValue(`${echo(parameter)} names more than ${NAMES_MAX} attributes. Ask for fewer.`);
  return names.length === 0 ? undefined : names;
}

function refuseBoth(wanted: Wanted): void {
  if (wanted.attributes === undefined || wanted.excludedAttributes === undefined) return;
  throw invalidValue('attributes and excludedAttributes cannot be used together. Send one of them.');
}

/** Reduces a resource to what was asked for; `id` and `schemas` always stay. Names that mean nothing are ignored. Throws ScimError 400 when both lists are given. */
export function project(resource: JsonObject, wanted: Wanted, type: ResourceType = USER): JsonObject {
  refuseBoth(wanted);
  if (wanted.attributes !== undefined) return include(resource, wanted.attributes, type);
  return wanted.excludedAttributes === undefined ? resource : exclude(resource, wanted.excludedAttributes, type);
}

/**
 * Tells which parts of a resource an answer will show, so that nobody reads what is thrown away: an attribute of the core schema or a part of it
 * (`members.display`), or the URN of an extension that is returned on request.
 */
export function shows(wanted: Wanted, type: ResourceType = USER): (part: string) => boolean {
  const included = placesOf(wanted.attributes, type);
  const excluded = placesOf(wanted.excludedAttributes, type) ?? [];
  return (part) => {
    if (isUri(part)) return included?.some((place) => place === part || place.startsWith(`${part}.`)) === true;
    if (included === undefined) return !excluded.some((place) => part === place || part.startsWith(`${place}.`));
    return included.some(
      (place) => place === '' || part === place || part.startsWith(`${place}.`) || place.startsWith(`${part}.`),
    );
  };
}

/** Each name as its steps joined by dots; the core schema itself is the empty place. */
function placesOf(names: readonly string[] | undefined, type: ResourceType): string[] | undefined {
  return names?.flatMap((name) => {
    const reference = resolveName(name, [], type);
    if (reference === undefined) return [];
    const { urn, attribute, sub } = reference;
    return [[urn === coreOf(type) ? undefined : urn, attribute, sub].filter((step) => step !== undefined).join('.')];
  });
}

/** The places of all names, each once however often and in whichever way it is named: a list may have 50,000 elements to look into. */
function placesIn(resource: JsonObject, names: readonly string[], type: ResourceType): string[][] {
  const places = new Map<string, string[]>();
  for (const name of names) {
    const steps = stepsOf(resource, name, type);
    if (steps !== undefined) places.set(JSON.stringify(steps), steps);
  }
  return [...places.values()];
}

/** Keys from the resource down to what a name means; undefined when the resource has no such thing. */
function stepsOf(resource: JsonObject, name: string, type: ResourceType): string[] | undefined {
  const reference = resolveName(name, Object.keys(resource).filter(isUri), type);
  if (reference === undefined) return undefined;
  const { urn, attribute, definition, sub, subDefinition } = reference;
  // Of what only we write, all parts are in the table.
  const isOurs = definition?.subAttributes?.every(({ mutability }) => mutability !== 'readWrite') === true;
  if (isOurs && sub !== undefined && subDefinition === undefined) return undefined;
  const names = [
    ...(urn === coreOf(type) ? [] : [urn]),
    ...(attribute === undefined ? [] : [attribute]),
    ...(sub === undefined ? [] : [sub]),
  ];
  return names.length === 0 ? undefined : names;
}

function include(resource: JsonObject, names: readonly string[], type: ResourceType): JsonObject {
  let result: JsonObject = {};
  for (const key of Object.keys(resource)) if (isAlways(key)) result[key] = resource[key] ?? null;
  if (names.some((name) => name.toLowerCase() === coreOf(type).toLowerCase())) result = { ...onlyCore(resource), ...result };
  for (const steps of placesIn(resource, names, type)) {
    const part = pick(resource, steps);
    if (part !== undefined) result = combine(result, part) as JsonObject;
  }
  return result;
}

function exclude(resource: JsonObject, names: readonly string[], type: ResourceType): JsonObject {
  let result = resource;
  for (const steps of placesIn(resource, names, type)) result = omit(result, steps);
  return result;
}

/** The same for every type: only common attributes are returned always. */
function isAlways(key: string): boolean {
  return findAttribute(coreOf(USER), key)?.returned === 'always';
}

function onlyCore(resource: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(resource).filter(([key]) => !isUri(key)));
}

/** Copies what the steps lead to, keeping one element for each element of a list, so that parts can be combined. */
function pick(value: JsonObject, steps: readonly string[]): JsonObject | undefined {
  const [step, ...rest] = steps;
  const key = step === undefined ? undefined : findKey(value, step);
  const inner = key === undefined ? undefined : value[key];
  if (key === undefined || inner === undefined) return undefined;
  if (rest.length === 0) return { [key]: inner };
  if (Array.isArray(inner)) return { [key]: inner.map((element) => (isObject(element) ? (pick(element, rest) ?? {}) : element)) };
  const part = isObject(inner) ? pick(inner, rest) : undefined;
  return part === undefined ? undefined : { [key]: part };
}

function combine(left: Json, right: Json): Json {
  if (Array.isArray(left) && Array.isArray(right)) return left.map((element, index) => combine(element, right[index] ?? element));
  if (!isObject(left) || !isObject(right)) return right;
  const result: JsonObject = { ...left };
  for (const [key, inner] of Object.entries(right)) {
    const present = result[key];
    result[key] = present === undefined ? inner : combine(present, inner);
  }
  return result;
}

function omit(value: JsonObject, steps: readonly string[]): JsonObject {
  const [step, ...rest] = steps;
  const key = step === undefined ? undefined : findKey(value, step);
  const inner = key === undefined ? undefined : value[key];
  if (key === undefined || inner === undefined || isAlways(key)) return value;
  const { [key]: _omitted, ...others } = value;
  if (rest.length === 0) return others;
  const left: Json = Array.isArray(inner)
    ? inner.map((element) => (isObject(element) ? omit(element, rest) : element)).filter((element) => !isEmptyObject(element))
    : isObject(inner)
      ? omit(inner, rest)
      : inner;
  return isEmptyObject(left) || (Array.isArray(left) && left.length === 0) ? others : { ...value, [key]: left };
}

function isEmptyObject(value: Json): boolean {
  return isObject(value) && Object.keys(value).length === 0;
}
