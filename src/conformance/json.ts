/**
 * Owns careful reading of JSON that a server of unknown quality has sent: nothing here throws, whatever the shape.
 * Refuses to judge; that is expect.ts.
 */
export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads a place in a value; undefined when there is no such place. Names are exact. */
export function at(value: unknown, ...names: (string | number)[]): unknown {
  let current = value;
  for (const name of names) {
    if (Array.isArray(current) && typeof name === 'number') current = current[name];
    else if (isObject(current) && Object.hasOwn(current, name)) current = current[name];
    else return undefined;
  }
  return current;
}

/** The objects of a list; an empty list when the value is none. */
export function objectsAt(value: unknown, ...names: (string | number)[]): JsonObject[] {
  const list = at(value, ...names);
  return Array.isArray(list) ? list.filter(isObject) : [];
}

/** The text at a place, or an empty one. */
export function textAt(value: unknown, ...names: (string | number)[]): string {
  const text = at(value, ...names);
  return typeof text === 'string' ? text : '';
}

/** Without value in the sense of RFC 7643 §2.5. */
export function isUnassigned(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0);
}

/** Reads JSON; undefined when the text is none. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
