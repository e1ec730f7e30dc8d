/**
 * Owns the judgements: small questions to an answer that throw `Unmet` with what was expected and what came.
 * Refuses to know checks and to be clever: each says one thing.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Answer } from './client.ts';
import { at, isObject, type JsonObject, textAt } from './json.ts';
import { ERROR_URN, LIST_URN } from './urns.ts';

/** The server does otherwise than the section asks. */
export class Unmet extends Error {
  override name = 'Unmet';
  readonly expected: string;
  readonly got: string;
  readonly answer: Answer | undefined;

  constructor(expected: string, got: string, answer?: Answer) {
    super(`expected ${expected}, got ${got}`);
    this.expected = expected;
    this.got = got;
    this.answer = answer;
  }
}

/** The server says, or shows, that it does not have this part of SCIM, and it need not. */
export class NotOffered extends Error {
  override name = 'NotOffered';
}

/** Shows a value in a few characters. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

export function expectStatus(answer: Answer, ...allowed: number[]): void {
  if (!allowed.includes(answer.status)) throw new Unmet(`status ${allowed.join(' or ')}`, `status ${answer.status}`, answer);
}

/** Any refusal that is the client's fault: 4xx. */
export function expectRefused(answer: Answer): void {
  if (answer.status < 400 || answer.status > 499) throw new Unmet('a refusal (4xx)', `status ${answer.status}`, answer);
}

export function expectEqual(answer: Answer, what: string, got: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(got, expected)) throw new Unmet(`${what} ${shown(expected)}`, shown(got), answer);
}

/** @param expected what is asked for, as the end of the sentence "expected …" */
export function expectThat(answer: Answer, holds: boolean, expected: string, got: unknown): void {
  if (!holds) throw new Unmet(expected, typeof got === 'string' ? got : shown(got), answer);
}

/** The JSON object of a successful answer. */
export function expectObject(answer: Answer, ...statuses: number[]): JsonObject {
  expectStatus(answer, ...(statuses.length === 0 ? [200] : statuses));
  if (!isObject(answer.body))
    throw new Unmet('a JSON object', answer.text === '' ? 'no body' : shown(answer.body ?? answer.text), answer);
  return answer.body;
}

/** An error by status and scimType; its form is a matter of its own. @param types any of these; none: not looked at */
export function expectError(answer: Answer, status: number | readonly number[], ...types: string[]): void {
  expectStatus(answer, ...(typeof status === 'number' ? [status] : status));
  if (types.length === 0) return;
  const type = at(answer.body, 'scimType');
  expectThat(answer, types.includes(String(type)), `scimType ${types.join(' or ')}`, type);
}

export function expectErrorForm(answer: Answer): void {
  const schemas = at(answer.body, 'schemas');
  expectThat(
    answer,
    Array.isArray(schemas) && schemas.includes(ERROR_URN),
    `an error with schemas ["${ERROR_URN}"]`,
    schemas ?? answer.text.slice(0, 200),
  );
  expectEqual(answer, 'the error status', at(answer.body, 'status'), String(answer.status));
}

export interface List {
  answer: Answer;
  resources: JsonObject[];
  ids: string[];
  total: number;
}

/** A ListResponse whose resources can be counted. */
export function expectList(answer: Answer): List {
  const body = expectObject(answer);
  const schemas = at(body, 'schemas');
  expectThat(answer, Array.isArray(schemas) && schemas.includes(LIST_URN), `schemas ["${LIST_URN}"]`, schemas);
  const total = at(body, 'totalResults');
  expectThat(answer, Number.isInteger(total), 'totalResults as a whole number', total);
  const resources = at(body, 'Resources');
  const empty = resources === undefined && (total === 0 || at(body, 'itemsPerPage') === 0);
  expectThat(
    answer,
    empty || (Array.isArray(resources) && resources.every(isObject)),
    'Resources as a list of objects',
    resources,
  );
  const objects = empty ? [] : (resources as JsonObject[]);
  return { answer, resources: objects, ids: objects.map((resource) => textAt(resource, 'id')), total: total as number };
}

/** The text of a header. */
export function expectHeader(answer: Answer, name: string): string {
  const value = answer.headers[name.toLowerCase()];
  if (value === undefined || value === '') throw new Unmet(`a header ${name}`, 'none', answer);
  return value;
}

/** RFC 7643 §2.3.5: xsd:dateTime; the zone is always there in SCIM. */
export function expectDateTime(answer: Answer, what: string, value: unknown): number {
  const fits = typeof value === 'string' && /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/.test(value);
  expectThat(answer, fits && !Number.isNaN(Date.parse(String(value))), `${what} as a dateTime with zone`, value);
  return Date.parse(String(value));
}
