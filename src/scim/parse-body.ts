/**
 * Owns the way from the bytes of a request to a JSON object that the rest can trust: strict UTF-8, strict JSON, bounded,
 * no key twice, no prototype keys, no text or number that would change on the way to the store and back.
 * Refuses to know attributes; the stricter rules for userName and ids are elsewhere. RFC 7644 §3.8, §3.12, RFC 8259 §4, §8.
 */
import { parse } from 'secure-json-parse';
import { echo, invalidSyntax, invalidValue } from './error.ts';
import { isObject } from './json.ts';
import { type JsonLimits, scanJson } from './json-scan.ts';
import type { Json, JsonObject } from './types.ts';

const VALUES_A_TURN = 4_096;
const DECODER = new TextDecoder('utf-8', { fatal: true });
/** Control characters without tab and line breaks, which belong in addresses and notes. */
const CONTROL = /(?![\t\n\r])\p{Cc}/u;

/** Parses a request body; a byte order mark is accepted. Throws ScimError 400 invalidSyntax or invalidValue. */
export function parseBody(bytes: Uint8Array, limits: JsonLimits = {}): JsonObject {
  const turns = parseBodyInTurns(bytes, limits);
  let turn = turns.next();
  while (turn.done !== true) turn = turns.next();
  return turn.value;
}

/** The same, handing over again and again, so that others may go first: a group may be megabytes. Returns the body. */
export function* parseBodyInTurns(bytes: Uint8Array, limits: JsonLimits = {}): Generator<undefined, JsonObject> {
  const text = decode(bytes);
  if (text.trim() === '') throw invalidSyntax('The request has no body. Send a JSON object.');
  yield* scanJson(text, limits);
  const body = parseJson(text);
  yield;
  if (!isObject(body)) throw invalidSyntax('The body must be a JSON object, not a list, a text or a number.');
  yield* checkValues(body);
  return body;
}

function decode(bytes: Uint8Array): string {
  try {
    return DECODER.decode(bytes);
  } catch {
    // No cause: the decoder's error adds nothing.
    throw invalidSyntax('The body is not valid UTF-8. Send JSON encoded as UTF-8.');
  }
}

function parseJson(text: string): Json {
  try {
    return parse(text, { protoAction: 'error', constructorAction: 'error' }) as Json;
  } catch {
    // The parser's message quotes the input, which may be personal: it is not passed on.
    throw invalidSyntax('The body is not valid JSON. Check quotes, commas and brackets.');
  }
}

/** Walks every value; depth and width are already bounded by the scan. */
function* checkValues(root: JsonObject): Generator<undefined, void> {
  const pending: { name: string; value: Json }[] = [{ name: 'body', value: root }];
  let looked = 0;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    looked += 1;
    if (looked % VALUES_A_TURN === 0) yield;
    const { name, value } = next;
    if (typeof value === 'string') checkText(name, value);
    else if (typeof value === 'number') checkNumber(name, value);
    else if (Array.isArray(value)) for (const element of value) pending.push({ name, value: element });
    else if (value !== null && typeof value === 'object') {
      for (const [key, inner] of Object.entries(value)) {
        checkText('attribute name', key);
        pending.push({ name: key, value: inner });
      }
    }
  }
}

function checkText(name: string, text: string): void {
  if (!text.isWellFormed())
    throw invalidValue(`The text of ${echo(name)} is broken Unicode (half a surrogate pair). Correct it at its source.`);
  if (CONTROL.test(text)) throw invalidValue(`The text of ${echo(name)} contains control characters. Remove them at its source.`);
}

function checkNumber(name: string, value: number): void {
  if (Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))) return;
  throw invalidValue(`The number in ${echo(name)} is too large to be kept exactly. Send it as a text.`);
}
