/**
 * Owns `bulkId:x` wherever the id of a resource may stand: as a value in a body, at the end of a `$ref`, in the filter of a PATCH path.
 * Refuses to know what the ids are and when they are known. RFC 7644 §3.7.2; by RFC 7643 §3.1 no id can contain the word itself.
 */
import type { Json, JsonObject } from '../types.ts';

const MARK = 'bulkId:';
/** The texts in the filter of a path, as JSON writes them; one without an end reaches to the end, so that nothing is looked at twice. */
const TEXTS = /"(?:[^"\\]|\\.?)*(?:"|$)/gs;
const PATCH_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

/** Tells which bulkId a text stands for; undefined for a text that is no reference. */
export function referredTo(text: string): string | undefined {
  return text.startsWith(MARK) ? text.slice(MARK.length) : undefined;
}

/** Lists what a body refers to, each once, in order. */
export function referencesIn(body: JsonObject): string[] {
  const found = new Set<string>();
  withReferences(body, (bulkId) => {
    found.add(bulkId);
    return '';
  });
  return [...found];
}

/** Copies a value with the id in the place of every reference. */
export function withReferences<T extends Json>(value: T, idOf: (bulkId: string) => string): T {
  return replaced(value, '', idOf) as T;
}

/**
 * Parts a body into what can be written now, and the attributes that refer to something which is not there yet. An attribute stays whole: half a
 * value is another value.
 */
export function withoutReferencesTo(body: JsonObject, absent: ReadonlySet<string>): { now: JsonObject; later: JsonObject } {
  const now: JsonObject = {};
  const later: JsonObject = {};
  for (const [name, value] of Object.entries(body)) {
    if (!referencesIn({ [name]: value }).some((bulkId) => absent.has(bulkId))) now[name] = value;
    else if (isExtension(name, value)) {
      const parted = withoutReferencesTo(value, absent);
      if (Object.keys(parted.now).length > 0) now[name] = parted.now;
      later[name] = parted.later;
    } else later[name] = value;
  }
  return { now, later };
}

/** Makes the PATCH that adds what a resource was created without. */
export function completion(later: JsonObject): JsonObject {
  return { schemas: [PATCH_SCHEMA], Operations: [{ op: 'add', value: later }] };
}

function isExtension(name: string, value: Json): value is JsonObject {
  return /^urn:/i.test(name) && typeof value === 'object' && value !== null && !Array.isArray(value);
}

function replaced(value: Json, key: string, idOf: (bulkId: string) => string): Json {
  if (typeof value === 'string') return textWithId(value, key.toLowerCase(), idOf);
  if (Array.isArray(value)) return value.map((element) => replaced(element, key, idOf));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, replaced(inner, name, idOf)]));
}

function textWithId(text: string, key: string, idOf: (bulkId: string) => string): string {
  const bulkId = referredTo(text);
  if (bulkId !== undefined) return idOf(bulkId);
  if (key === '$ref') {
    const at = text.indexOf(`/${MARK}`);
    return at === -1 ? text : text.slice(0, at + 1) + idOf(text.slice(at + 1 + MARK.length));
  }
  if (key !== 'path') return text;
  return text.replaceAll(TEXTS, (literal) => {
    const compared = referredTo(unquoted(literal));
    return compared === undefined ? literal : JSON.stringify(idOf(compared));
  });
}

/** What cannot be read is left for the filter to refuse. */
function unquoted(literal: string): string {
  try {
    return JSON.parse(literal) as string;
  } catch {
    return '';
  }
}
