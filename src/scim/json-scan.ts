/**
 * Owns the look at raw JSON text before it is parsed: depth, size of objects and arrays, and keys that appear twice.
 * `JSON.parse` cannot tell any of these afterwards. One linear pass without recursion; it refuses to judge the syntax,
 * which the real parser does right after. Limits answer RFC 7644 §7 (untrusted input).
 */
import { echo, invalidSyntax, invalidValue } from './error.ts';
import { isUnsafeName } from './json.ts';

const DEPTH_MAX = 16;
const KEYS_MAX = 1_000;
const ELEMENTS_MAX = 10_000;

interface Level {
  /** Keys seen so far, folded; undefined for an array. */
  keys: Set<string> | undefined;
  elements: number;
}

/** Scans JSON text; throws ScimError 400 invalidSyntax or invalidValue when a limit is passed or a key is repeated. */
export function scanJson(text: string): void {
  const levels: Level[] = [];
  let at = 0;
  while (at < text.length) {
    const character = text[at];
    if (character === '"') {
      const end = endOfString(text, at);
      const level = levels.at(-1);
      if (level?.keys !== undefined && isFollowedByColon(text, end)) addKey(level.keys, text.slice(at, end));
      at = end;
      continue;
    }
    if (character === '{' || character === '[') openLevel(levels, character);
    else if (character === '}' || character === ']') levels.pop();
    else if (character === ',') countElement(levels.at(-1));
    at += 1;
  }
}

function openLevel(levels: Level[], bracket: string): void {
  if (levels.length >= DEPTH_MAX) {
    throw invalidSyntax(
      `The JSON is nested deeper than ${DEPTH_MAX} levels. No SCIM resource needs that; check the attribute mapping.`,
    );
  }
  levels.push({ keys: bracket === '{' ? new Set() : undefined, elements: 1 });
}

function countElement(level: Level | undefined): void {
  if (level === undefined || level.keys !== undefined) return;
  level.elements += 1;
  if (level.elements > ELEMENTS_MAX) throw invalidValue(`A list has more than ${ELEMENTS_MAX} values. Send fewer.`);
}

function addKey(keys: Set<string>, literal: string): void {
  const name = readKey(literal);
  if (name === undefined) return;
  if (isUnsafeName(name))
    throw invalidSyntax(`The attribute name ${echo(name)} is not allowed. Remove it from the attribute mapping.`);
  const folded = name.toLowerCase();
  if (keys.has(folded)) {
    throw invalidSyntax(`The attribute ${echo(name)} appears twice in one object (names ignore case). Map it once.`);
  }
  if (keys.size >= KEYS_MAX) throw invalidValue(`An object has more than ${KEYS_MAX} attributes. Send fewer.`);
  keys.add(folded);
}

function readKey(literal: string): string | undefined {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  try {
    return JSON.parse(literal) as string;
  } catch {
    // A broken escape: the parser reports it.
    return undefined;
  }
}

/** Finds the index after the closing quote, or the end of the text. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length) {
    const character = text[at];
    if (character === '\\') at += 2;
    else if (character === '"') return at + 1;
    else at += 1;
  }
  return text.length;
}

function isFollowedByColon(text: string, end: number): boolean {
  let at = end;
  while (at < text.length && /[ \t\n\r]/.test(text[at] ?? '')) at += 1;
  return text[at] === ':';
}
