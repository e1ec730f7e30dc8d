/**
 * Owns the look at raw JSON text before it is parsed: depth, size of objects and arrays, and keys that appear twice.
 * `JSON.parse` cannot tell any of these afterwards. One linear pass without recursion; it refuses to judge the syntax,
 * which the real parser does right after. A text may be megabytes, so it hands over now and then. Limits answer RFC 7644 §7 (untrusted input).
 */
import { echo, invalidSyntax, invalidValue } from './error.ts';
import { isUnsafeName } from './json.ts';

export const DEPTH_MAX = 16;
const KEYS_MAX = 1_000;
/** In all objects together: 50,000 members have half of it, and the parser cannot be interrupted. */
const NAMES_MAX = 400_000;
const ELEMENTS_MAX = 10_000;
const CHARS_A_TURN = 16_384;

interface Level {
  /** Keys seen so far, folded; undefined for an array. */
  keys: Set<string> | undefined;
  elements: number;
}

export interface JsonLimits {
  /** In one list; more only where a whole group may be sent. */
  elementsMax?: number | undefined;
  /** Levels; more only where whole resources stand inside of a message. */
  depthMax?: number | undefined;
}

/** Scans JSON text in turns, so that others may go first; throws ScimError 400 invalidSyntax or invalidValue when a limit is passed or a key is repeated. */
export function* scanJson(
  text: string,
  { elementsMax = ELEMENTS_MAX, depthMax = DEPTH_MAX }: JsonLimits = {},
): Generator<undefined, void> {
  const levels: Level[] = [];
  let at = 0;
  let turnEnds = CHARS_A_TURN;
  let names = 0;
  while (at < text.length) {
    if (at >= turnEnds) {
      yield;
      turnEnds = at + CHARS_A_TURN;
    }
    const character = text[at];
    if (character === '"') {
      const end = endOfString(text, at);
      const level = levels.at(-1);
      if (level?.keys !== undefined && isFollowedByColon(text, end)) {
        names += 1;
        if (names > NAMES_MAX) throw invalidValue(`The body has more than ${NAMES_MAX} attributes in all. Send less at once.`);
        addKey(level.keys, text.slice(at, end));
      }
      at = end;
      continue;
    }
    if (character === '{' || character === '[') openLevel(levels, character, depthMax);
    else if (character === '}' || character === ']') levels.pop();
    else if (character === ',') countElement(levels.at(-1), elementsMax);
    at += 1;
  }
}

function openLevel(levels: Level[], bracket: string, depthMax: number): void {
  if (levels.length >= depthMax) {
    throw invalidSyntax(
      `The JSON is nested deeper than ${depthMax} levels. No SCIM resource needs that; check the attribute mapping.`,
    );
  }
  levels.push({ keys: bracket === '{' ? new Set() : undefined, elements: 1 });
}

function countElement(level: Level | undefined, elementsMax: number): void {
  if (level === undefined || level.keys !== undefined) return;
  level.elements += 1;
  if (level.elements > elementsMax) throw invalidValue(`A list has more than ${elementsMax} values. Send fewer.`);
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
