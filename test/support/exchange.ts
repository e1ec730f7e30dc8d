/**
 * Owns the format of a recorded exchange and its replay: requests in order, each answer matched against what was promised.
 * Refuses to know any client; a file says in JSON what an IdP sends and where that shape is documented in public.
 * Pointers are JSON Pointers (RFC 6901), because extension URNs contain dots.
 */
import { expect } from 'vitest';
import { z } from 'zod';

const requestSchema = z.strictObject({
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD']),
  /** Below the SCIM base URL, exactly as it stands on the wire; `${name}` is a captured value. */
  path: z.string().startsWith('/'),
  /** On top of the client's usual headers; null takes one away. */
  headers: z.record(z.string(), z.string().nullable()).optional(),
  /** Any JSON. `"${name}"` alone becomes the captured value; the key `...` spreads one. A key set to `{"$drop":true}` is removed. */
  body: z.json().optional(),
});

const responseSchema = z.strictObject({
  status: z.int(),
  /** Exact values, or `{"$match": "<regular expression>"}`. */
  headers: z.record(z.string(), z.json()).optional(),
  /** A subset: objects may have more keys, arrays have exactly these elements. `{"$match": …}` and `{"$type": …}` stand for values. */
  body: z.json().optional(),
  absent: z.array(z.string().startsWith('/')).optional(),
});

const stepSchema = z.strictObject({
  request: requestSchema,
  response: responseSchema,
  /** Name -> JSON Pointer into the answer's body; `""` is the whole body. */
  capture: z.record(z.string(), z.string()).optional(),
});

const PUBLIC_SOURCE =
  /^(RFC \d{4} section [\d.]+|https:\/\/[a-z0-9.-]+\/\S*|[\w.-]+\/[\w.-]+#\d+|support\.okta\.com: .+|devforum\.okta\.com thread \d+)$/;
/^(RFC \d{4} (section )?[\d.]+|https:\/\/[a-z0-9.-]+\/|[\w.-]+\/[\w.-]+#\d+|[\w.-]+ (issue|pull request) \d+)/;

export const exchangeSchema = z
  .strictObject({
    name: z.string().min(20),
    source: z
      .array(z.string().regex(PUBLIC_SOURCE, 'name an RFC section, a public page, or a repository and issue number'))
      .min(1),
    /** Ids of the rows of src/scim/deviations.ts that this exchange shows. */
    deviations: z.array(z.string()).min(1).optional(),
    given: z.array(stepSchema).optional(),
    exchanges: z.array(stepSchema).min(1),
  })
  .refine(
    ({ exchanges }) => exchanges.some(({ response }) => response.body !== undefined || response.absent || response.headers),
    {
      message: 'asserts nothing beyond a status',
    },
  );

export type Exchange = z.infer<typeof exchangeSchema>;
type Step = Exchange['exchanges'][number];

export interface Answer {
  status: number;
  headers: Record<string, unknown>;
  text: string;
}

export type Send = (request: {
  method: Step['request']['method'];
  path: string;
  headers: Record<string, string>;
  payload?: string;
}) => Promise<Answer>;

export interface Client {
  token: string;
  usualHeaders(hasBody: boolean): Record<string, string>;
  send: Send;
}

/** Replays a file; every mismatch fails with the step it happened in. `${token}` is known from the start. */
export async function replay(exchange: Exchange, client: Client): Promise<void> {
  const captured: Record<string, unknown> = { token: client.token };
  const steps = [...(exchange.given ?? []), ...exchange.exchanges];
  for (const [index, { request, response, capture }] of steps.entries()) {
    const where = `step ${index + 1} of ${steps.length}, ${request.method} ${request.path}`;
    const body = fill(request.body, captured);
    const headers = Object.entries({ ...client.usualHeaders(body !== undefined), ...request.headers });
    const answer = await client.send({
      method: request.method,
      path: String(fill(request.path, captured)),
      headers: Object.fromEntries(
        headers.flatMap(([name, value]) => (value === null ? [] : [[name, String(fill(value, captured))]])),
      ),
      ...(body !== undefined && { payload: JSON.stringify(body) }),
    });
    expect(answer.status, `${where}: ${answer.text}`).toBe(response.status);
    const document: unknown = answer.text === '' ? undefined : JSON.parse(answer.text);
    checkScimShape(answer, document, where);
    for (const [name, wanted] of Object.entries(response.headers ?? {})) {
      expect(answer.headers[name], `${where}: header ${name}`).toEqual(toMatcher(fill(wanted, captured)));
    }
    if (response.body !== undefined) expect(document, where).toEqual(toMatcher(fill(response.body, captured)));
    for (const pointer of response.absent ?? []) expect(at(document, pointer), `${where}: ${pointer}`).toBeUndefined();
    for (const [name, pointer] of Object.entries(capture ?? {})) {
      captured[name] = at(document, pointer);
      expect(captured[name], `${where}: nothing to capture at ${pointer}`).toBeDefined();
    }
  }
}

/** What holds for every answer, whatever it is about (RFC 7644 §3.1, §3.4.2, §3.12; RFC 7643 §3.1). */
function checkScimShape(answer: Answer, document: unknown, where: string): void {
  expect(answer.headers['cache-control'], where).toBe('no-store');
  expect(document === undefined, `${where}: only 204 has no body`).toBe(answer.status === 204);
  if (document === undefined) return;
  expect(answer.headers['content-type'], where).toBe('application/scim+json; charset=utf-8');
  const { schemas, ...body } = document as Record<string, unknown> & { schemas?: string[] };
  if (answer.status >= 400) {
    expect(schemas, where).toEqual(['urn:ietf:params:scim:api:messages:2.0:Error']);
    expect(body.status, where).toBe(String(answer.status));
    expect(body.detail, where).toEqual(expect.any(String));
  } else if (schemas?.includes('urn:ietf:params:scim:api:messages:2.0:ListResponse')) {
    for (const count of ['totalResults', 'startIndex', 'itemsPerPage'])
      expect(body[count], `${where}: ${count}`).toSatisfy(Number.isInteger);
    expect(body.Resources, where).toHaveLength(Number(body.itemsPerPage));
  }
  expect(answer.text, `${where}: a password came back`).not.toMatch(/"password"/i);
}

function fill(value: unknown, captured: Record<string, unknown>): unknown {
  if (typeof value === 'string') {
    const whole = /^\$\{(\w+)\}$/.exec(value)?.[1];
    if (whole !== undefined) return known(captured, whole);
    return value.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => String(known(captured, name)));
  }
  if (Array.isArray(value)) return value.map((element) => fill(element, captured));
  if (value === null || typeof value !== 'object') return value;
  const filled: Record<string, unknown> = {};
  for (const [key, element] of Object.entries(value)) {
    if (key === '...') Object.assign(filled, fill(element, captured));
    else if (isMark(element, '$drop')) delete filled[key];
    else filled[key] = fill(element, captured);
  }
  return filled;
}

function known(captured: Record<string, unknown>, name: string): unknown {
  if (!(name in captured)) throw new Error(`\${${name}} was never captured`);
  return captured[name];
}

function isMark(value: unknown, mark: string): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && Object.keys(value).length === 1 && mark in value;
}

const CONSTRUCTORS: Record<string, unknown> = { string: String, number: Number, boolean: Boolean, object: Object };

/** Turns a pattern into what vitest compares with: objects become subsets, arrays stay exact in length and order. */
function toMatcher(pattern: unknown): unknown {
  if (isMark(pattern, '$match')) return expect.stringMatching(new RegExp(String(pattern.$match)));
  if (isMark(pattern, '$type')) return expect.any(CONSTRUCTORS[String(pattern.$type)]);
  if (Array.isArray(pattern)) return pattern.map(toMatcher);
  if (pattern === null || typeof pattern !== 'object') return pattern;
  return expect.objectContaining(Object.fromEntries(Object.entries(pattern).map(([key, value]) => [key, toMatcher(value)])));
}

function at(document: unknown, pointer: string): unknown {
  return pointer
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>(
      (node, key) => (node !== null && typeof node === 'object' ? (node as Record<string, unknown>)[key] : undefined),
      document,
    );
}
