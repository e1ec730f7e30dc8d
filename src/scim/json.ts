/**
 * Owns the few questions every protocol module asks of a JSON value: is it an object, is it unassigned, is this name safe.
 * Refuses to know SCIM attributes. "Unassigned" follows RFC 7643 §2.5, widened to the empty string that Okta and Entra send.
 */
import type { Json, JsonObject } from './types.ts';

const UNSAFE_NAMES = new Set(['__proto__', 'constructor', 'prototype']);

/** Tells whether a value is a JSON object (not an array, not null). */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Tells whether a value means "no value": null, the empty string, the empty array. */
export function isUnassigned(value: Json | undefined): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0);
}

/** Tells whether a key could reach an object's prototype, and must never be written. */
export function isUnsafeName(name: string): boolean {
  return UNSAFE_NAMES.has(name.toLowerCase());
}

/** Tells whether any segment of a path or key is unsafe, whatever separates the segments. */
export function hasUnsafeSegment(text: string): boolean {
  return text.split(/[^A-Za-z0-9_$-]+/).some(isUnsafeName);
}

/** Reads an own property, so that nothing inherited is ever taken for an attribute. */
export function ownValue(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Finds the own key that equals `name` without regard to case (RFC 7643 §2.1). */
export function findKey(object: JsonObject, name: string): string | undefined {
  if (Object.hasOwn(object, name)) return name;
  const wanted = name.toLowerCase();
  return Object.keys(object).find((key) => key.toLowerCase() === wanted);
}

/** Reads the own property that equals `name` without regard to case. */
export function findValue(object: JsonObject, name: string): Json | undefined {
  const key = findKey(object, name);
  return key === undefined ? undefined : object[key];
}
