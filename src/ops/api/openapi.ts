/**
 * Owns the OpenAPI 3.1 document of the ops API. It is made from the route table and the shapes alone, so what is checked and what is written are one thing.
 * Refuses to add anything by hand that a route could say itself. Sources: OpenAPI 3.1, JSON Schema 2020-12, zod's toJSONSchema.
 */
import { z } from 'zod';
import type { Role } from '../ops-auth.ts';
import type { ApiRoute } from './route.ts';
import { named } from './shapes.ts';

type JsonObject = Record<string, unknown>;

export interface Parameter {
  name: string;
  in: 'query' | 'path';
  required: boolean;
  description?: string;
  schema: JsonObject;
}

/** Errors that any route may answer, with when they come. */
const COMMON: Record<string, [status: number, when: string]> = {
  'bad-request': [400, 'the query or the body is not understood'],
  unauthorized: [401, 'the token is missing or wrong'],
  'role-missing': [403, 'the role of the token does not suffice'],
  'no-such-site': [404, 'there is no site of that key'],
  'redis-unavailable': [503, 'Redis does not answer'],
  'too-slow': [503, 'the answer did not come in time'],
};

const ROLE_WORDS: Record<Role, string> = {
  viewer: 'Any ops token.',
  operator: 'Needs the role operator or approver.',
  approver: 'Needs the role approver.',
};

/** Makes the document. */
export function openApiOf(routes: readonly ApiRoute[], about: { version: string; url: string }): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const route of routes) {
    const path = templateOf(route.path);
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  }
  const groups = [...new Set(routes.map(({ group }) => group))];
  return {
    openapi: '3.1.0',
    info: {
      title: 'maxio-scim ops API',
      version: about.version,
      description:
        'What the people on call can see and do. The command line uses it; tokens of identity providers open nothing here.',
    },
    servers: [{ url: `${about.url}/ops/api` }],
    security: [{ opsToken: [] }],
    tags: groups.map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        opsToken: { type: 'http', scheme: 'bearer', description: 'A token of OPS_TOKENS_FILE, or OPS_TOKEN.' },
      },
      schemas: namedSchemas(),
    },
  };
}

/** `/people/:id` as `/people/{id}`. */
export function templateOf(path: string): string {
  return path.replaceAll(/:(\w+)/g, '{$1}');
}

function operationOf(route: ApiRoute): JsonObject {
  const parameters = parametersOf(route);
  const body = Object.keys(route.body.shape).length === 0 ? undefined : requestSchema(route.body);
  return {
    operationId: operationIdOf(route),
    tags: [route.group],
    summary: route.summary,
    description: [route.description, ROLE_WORDS[route.role]].filter((text) => text !== undefined).join(' '),
    'x-role': route.role,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: isNeeded(body), content: { 'application/json': { schema: body } } } }),
    responses: responsesOf(route),
  };
}

function operationIdOf({ method, path }: ApiRoute): string {
  return `${method.toLowerCase()}${path.replaceAll(/[/:-]+(\w)/g, (_, letter: string) => letter.toUpperCase())}`;
}

function isNeeded(body: JsonObject): boolean {
  return Array.isArray(body.required) && body.required.length > 0;
}

function responsesOf(route: ApiRoute): JsonObject {
  const json = { 'application/json': { schema: answerSchema(route.answer) } };
  const content = route.csv ? { ...json, 'text/csv': { schema: { type: 'string' } } } : json;
  const responses: JsonObject = { 200: { description: route.summary, content } };
  for (const [status, words] of errorsOf(route)) {
    responses[status] = {
      description: words,
      content: { 'application/json': { schema: { $ref: refOf('Problem') } } },
    };
  }
  return responses;
}

/** What may go wrong on this route, by status. */
export function errorsOf(route: ApiRoute): Map<number, string> {
  const found = new Map<number, string[]>();
  const takesSite = 'site' in route.query.shape || 'site' in route.body.shape;
  for (const [word, [status, when]] of Object.entries({ ...COMMON, ...route.errors })) {
    if ((word === 'role-missing' && route.role === 'viewer') || (word === 'no-such-site' && !takesSite)) continue;
    found.set(status, [...(found.get(status) ?? []), `${word}: ${when}.`]);
  }
  return new Map([...found].sort(([a], [b]) => a - b).map(([status, lines]) => [status, lines.join(' ')]));
}

/** What a route takes in its path and query. */
export function parametersOf(route: ApiRoute): Parameter[] {
  const inPath = Object.entries(route.params ?? {}).map(
    ([name, description]): Parameter => ({ name, in: 'path', required: true, description, schema: { type: 'string' } }),
  );
  const { properties = {}, required = [] } = requestSchema(route.query) as {
    properties?: Record<string, JsonObject>;
    required?: string[];
  };
  const inQuery = Object.entries(properties).map(([name, { description, ...schema }]): Parameter => {
    const words = typeof description === 'string' ? { description } : {};
    return { name, in: 'query', required: required.includes(name), ...words, schema };
  });
  return [...inPath, ...inQuery];
}

/** The shape of a request, as it is sent. */
export function requestSchema(schema: z.ZodType): JsonObject {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io: 'input' });
  return rest;
}

/** An answer is one of the named shapes, or one of several. */
function answerSchema(answer: z.ZodType): JsonObject {
  const name = named.get(answer)?.id;
  if (name !== undefined) return { $ref: refOf(name) };
  if (answer instanceof z.ZodUnion) return { anyOf: answer.options.map((option) => answerSchema(option as z.ZodType)) };
  throw new Error('an answer of the ops API has no name; give it one with shape()');
}

function refOf(name: string): string {
  return `#/components/schemas/${name}`;
}

/** Answers may gain fields in a later release, so the document does not forbid them. */
function namedSchemas(): Record<string, JsonObject> {
  const { schemas } = z.toJSONSchema(named, {
    uri: refOf,
    io: 'output',
    override: ({ jsonSchema }) => {
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  });
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $schema: _dialect, $id: _id, ...schema }]) => [name, schema as JsonObject]),
  );
}
