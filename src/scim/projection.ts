/**
 * Owns the outer form of a resource: attributes plus id, meta and schemas on the way out, and which of them a client asked for.
 * Refuses to know where a resource comes from. RFC 7643 §3 (schemas, meta), §7 (`returned`); RFC 7644 §3.4.2.5, §3.9.
 */
import { echo, invalidValue } from './error.ts';
import { findKey, isObject } from './json.ts';
import { findAttribute, isUri, resolveName } from './schema.ts';
import { CORE_USER, type Json, type JsonObject, type UserAttributes } from './types.ts';

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
}

/** Builds the resource as it leaves: `schemas` names the extensions that have values. */
export function toResource(attributes: UserAttributes, meta: ResourceMeta): JsonObject {
  const extensions = Object.keys(attributes).filter((key) => isUri(key) && isObject(attributes[key]));
  return {
    schemas: [CORE_USER, ...extensions],
    id: meta.id,
    ...attributes,
    meta: { resourceType: 'User', created: meta.created, lastModified: meta.lastModified, location: meta.location },
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
export function project(resource: JsonObject, wanted: Wanted): JsonObject {
  refuseBoth(wanted);
  if (wanted.attributes !== undefined) return include(resource, wanted.attributes);
  return wanted.excludedAttributes === undefined ? resource : exclude(resource, wanted.excludedAttributes);
}

/** Keys from the resource down to what a name means; undefined when the resource has no such thing. */
function stepsOf(resource: JsonObject, name: string): string[] | undefined {
  const reference = resolveName(name, Object.keys(resource).filter(isUri));
  if (reference === undefined) return undefined;
  const { urn, attribute, sub } = reference;
  const names = [
    ...(urn === CORE_USER ? [] : [urn]),
    ...(attribute === undefined ? [] : [attribute]),
    ...(sub === undefined ? [] : [sub]),
  ];
  return names.length === 0 ? undefined : names;
}

function include(resource: JsonObject, names: readonly string[]): JsonObject {
  let result: JsonObject = {};
  for (const key of Object.keys(resource)) if (isAlways(key)) result[key] = resource[key] ?? null;
  for (const name of names) {
    if (isCoreUrn(name)) result = { ...onlyCore(resource), ...result };
    const steps = stepsOf(resource, name);
    const part = steps === undefined ? undefined : pick(resource, steps);
    if (part !== undefined) result = combine(result, part) as JsonObject;
  }
  return result;
}

function exclude(resource: JsonObject, names: readonly string[]): JsonObject {
  let result = resource;
  for (const name of names) {
    const steps = stepsOf(resource, name);
    if (steps !== undefined) result = omit(result, steps);
  }
  return result;
}

function isAlways(key: string): boolean {
  return findAttribute(CORE_USER, key)?.returned === 'always';
}

function isCoreUrn(name: string): boolean {
  return name.toLowerCase() === CORE_USER.toLowerCase();
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
