/**
 * Owns how one value is read by its row of the attribute table: type check, the bends of the dialect, and what counts as no value.
 * Values are checked, never reformatted: what a client sent is what it gets back. Refuses to know whole resources and PATCH.
 * RFC 7643 §2.3 (types), §2.4 (multi-valued), §2.5 (unassigned).
 */
import { keepLastPrimary, readBoolean, readManager } from './dialect.ts';
import { echo, invalidSyntax, invalidValue } from './error.ts';
import { hasUnsafeSegment, isObject, isUnassigned } from './json.ts';
import { type Attribute, findSubAttribute } from './schema.ts';
import type { Json, JsonObject } from './types.ts';

/** In characters. Entra ID allows 256 in the name of a group, so a label is longer than an id. */
const LENGTH_MAX = { identifier: 255, opaque: 255, email: 320, label: 1_024, switch: 5 } as const;
/** More values than any person has; keeps PATCH linear in practice. */
export const ELEMENTS_MAX = 500;
const DEPTH_MAX = 32;

const CONTROL = /\p{Cc}/u;
/** Control, line separators, and everything that is drawn as nothing or turns the reading direction: two such names look alike. */
const INVISIBLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
/** These only qualify a value; alone they say nothing. */
const QUALIFIERS = new Set(['type', 'primary']);

/**
 * Reads a value by its definition; undefined means unassigned. Without a definition the value is kept as it is, minus empty parts.
 * `label` names the attribute in errors. Throws ScimError 400 invalidValue, or invalidSyntax for a name used twice.
 */
export function readValue(raw: Json, definition: Attribute | undefined, label: string): Json | undefined {
  if (definition === undefined) return withoutEmpty(raw, label, 0);
  if (definition.rule === 'switch') return readSwitch(raw, label);
  if (definition.multiValued) return readList(raw, definition, label);
  return definition.type === 'complex' ? readComplex(raw, definition, label) : readSimple(raw, definition, label);
}

function readSwitch(raw: Json, label: string): boolean {
  const value = readBoolean(raw);
  if (value === undefined)
    throw invalidValue(`${label} must be true or false. Anything else is refused, so that nobody is deactivated by accident.`);
  return value;
}

function readList(raw: Json, definition: Attribute, label: string): Json | undefined {
  if (isUnassigned(raw)) return undefined;
  const elements = Array.isArray(raw) ? raw : [raw];
  if (elements.length > ELEMENTS_MAX) throw invalidValue(`${label} has more than ${ELEMENTS_MAX} values. Send fewer.`);
  if (definition.type !== 'complex') return readElements(elements, (element) => readSimple(element, definition, label));
  const read = readElements(elements, (element) => readElement(element, definition, label));
  if (read !== undefined) keepLastPrimary(read);
  return read;
}

function readElements<T extends Json>(elements: Json[], read: (element: Json) => T | undefined): T[] | undefined {
  const values = elements.map(read).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : values;
}

function readElement(raw: Json, definition: Attribute, label: string): JsonObject | undefined {
  const element = readComplex(asElement(raw, definition), definition, label);
  return element === undefined || Object.keys(element).every((key) => QUALIFIERS.has(key)) ? undefined : element;
}

/** Wraps a bare text into the element it is the `value` of. */
export function asElement(raw: Json, definition: Attribute | undefined): Json {
  return typeof raw === 'string' && raw !== '' && findSubAttribute(definition, 'value') !== undefined ? { value: raw } : raw;
}

function readComplex(raw: Json, definition: Attribute, label: string): JsonObject | undefined {
  const value = definition.name === 'manager' ? readManager(raw) : raw;
  if (isUnassigned(value)) return undefined;
  if (!isObject(value)) throw invalidValue(`${label} must be an object with sub-attributes such as ${exampleOf(definition)}.`);
  const result: JsonObject = {};
  for (const [key, inner] of Object.entries(value)) {
    const sub = findSubAttribute(definition, key);
    const name = sub?.name ?? safeName(key);
    if (Object.hasOwn(result, name)) throw invalidSyntax(`${label} names ${echo(name)} twice (names ignore case). Map it once.`);
    const read = readValue(inner, sub, `${label}.${sub?.name ?? 'sub-attribute'}`);
    if (read !== undefined) result[name] = read;
  }
  return Object.keys(result).length === 0 ? undefined : result;
}

function exampleOf(definition: Attribute): string {
  return (definition.subAttributes ?? [])
    .slice(0, 2)
    .map((row) => row.name)
    .join(' and ');
}

function readSimple(raw: Json, definition: Attribute, label: string): Json | undefined {
  if (isUnassigned(raw)) return undefined;
  if (definition.type === 'boolean') {
    const value = readBoolean(raw);
    if (value === undefined) throw invalidValue(`${label} must be true or false.`);
    return value;
  }
  if (typeof raw !== 'string') throw invalidValue(`${label} must be a text in quotes. Check the type of the mapped attribute.`);
  checkText(raw, definition, label);
  return raw;
}

function checkText(text: string, definition: Attribute, label: string): void {
  if (!text.isWellFormed()) throw invalidValue(`${label} is broken Unicode (half a surrogate pair). Correct it at its source.`);
  if (definition.rule === undefined) return;
  const lengthMax = LENGTH_MAX[definition.rule];
  if (text.length > lengthMax) throw invalidValue(`${label} is longer than ${lengthMax} characters. Map a shorter attribute.`);
  if (CONTROL.test(text)) throw invalidValue(`${label} contains control characters or line breaks. Remove them at its source.`);
  if (definition.rule !== 'identifier' && definition.rule !== 'label') return;
  if (text.trim() === '') throw invalidValue(`${label} consists of spaces only. Map an attribute that always has a value.`);
  // Joined emoji of a group's name hold characters that are drawn as nothing.
  if (definition.rule === 'identifier' && INVISIBLE.test(text)) {
    throw invalidValue(
      `${label} contains invisible or text-direction characters. Remove them at its source: such names cannot be told apart.`,
    );
  }
}

function withoutEmpty(raw: Json, label: string, depth: number): Json | undefined {
  if (isUnassigned(raw)) return undefined;
  if (depth > DEPTH_MAX) throw invalidValue(`${label} is nested too deeply. Map a flat attribute.`);
  if (Array.isArray(raw)) return readElements(raw, (element) => withoutEmpty(element, label, depth + 1));
  if (!isObject(raw)) return checkVerbatim(raw, label);
  const result: JsonObject = {};
  for (const [key, inner] of Object.entries(raw)) {
    const name = safeName(key);
    const read = withoutEmpty(inner, label, depth + 1);
    if (read !== undefined) result[name] = read;
  }
  return Object.keys(result).length === 0 ? undefined : result;
}

function checkVerbatim(value: string | number | boolean | null, label: string): Json {
  if (typeof value === 'string' && !value.isWellFormed())
    throw invalidValue(`${label} is broken Unicode (half a surrogate pair).`);
  return value;
}

/** Returns a key that may be written to an object; throws ScimError 400 for the three that reach a prototype. */
export function safeName(key: string): string {
  if (hasUnsafeSegment(key))
    throw invalidSyntax(`The attribute name ${echo(key)} is not allowed. Remove it from the attribute mapping.`);
  return key;
}
