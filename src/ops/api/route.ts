/**
 * Owns what a route of the ops API is: data that names its method, path, role, what it takes and what it answers, and one function.
 * Registration, checks and the OpenAPI document are made from it, so that none of them can be forgotten for one route. Refuses to know any route.
 */
import { z } from 'zod';
import type { Config } from '../../config.ts';
import type { DoctorCheck } from '../../doctor/check.ts';
import type { HealthDesk, HealthParts } from '../health.ts';
import type { Operator, OpsAuth, Role } from '../ops-auth.ts';
import { OpsError } from '../ops-error.ts';
import type { OpsSite } from '../site-view.ts';

export interface ApiParts {
  config: Pick<Config, 'version' | 'role' | 'operators' | 'publicUrl'> & Partial<Pick<Config, 'oauth'>>;
  capacity: HealthParts['capacity'];
  sites: readonly OpsSite[];
  health: HealthDesk;
  auth: OpsAuth;
  /** Everything the doctor looks at, for all sites. */
  doctor(): Promise<DoctorCheck[]>;
}

/** One request, checked and allowed. */
export interface Ask<Q, B> {
  query: Q;
  body: B;
  params: Record<string, string>;
  operator: Operator;
  requestId: string;
  parts: ApiParts;
}

/** A table for spreadsheets in place of the JSON answer. */
export interface Table {
  filename: string;
  header: string[];
  rows: (string | number | null)[][];
}

interface Common {
  /** Below /ops/api. */
  path: string;
  /** Heading in the document. */
  group: string;
  role: Role;
  summary: string;
  description?: string;
  params?: Record<string, string>;
  /** Errors of this route's own: the word, its status and when it comes. */
  errors?: Record<string, [status: number, when: string]>;
  /** What a request that is not understood should have been. */
  todo?: string;
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

export interface RouteDefinition<Q extends z.ZodObject, B extends z.ZodObject, A extends z.ZodType> extends Common {
  method: Method;
  query?: Q;
  body?: B;
  answer: A;
  /** The answer as a table, when `format=csv` asks for it. */
  table?(answer: z.output<A>, site: string): Table;
  /** Numbers and our own ids for the log: never a name. */
  logged?(answer: z.output<A>): Record<string, number | string | boolean>;
  run(ask: Ask<z.output<Q>, z.output<B>>): Promise<z.output<A>>;
}

export type Outcome = { answer: unknown; table?: Table; logged: Record<string, number | string | boolean> };

/** A route whose types have been checked; the table holds routes of all shapes. */
export interface ApiRoute extends Common {
  method: Method;
  query: z.ZodObject;
  body: z.ZodObject;
  answer: z.ZodType;
  csv: boolean;
  run(ask: Ask<unknown, unknown>): Promise<Outcome>;
}

const NOTHING = z.strictObject({});

/** Makes a route; its requests are read here, so that its function gets what it says it takes. */
export function route<Q extends z.ZodObject, B extends z.ZodObject, A extends z.ZodType>(
  definition: RouteDefinition<Q, B, A>,
): ApiRoute {
  const { run, table, logged, query = NOTHING as unknown as Q, body = NOTHING as unknown as B, ...rest } = definition;
  const todo = rest.todo ?? todoOf(query, body);
  return {
    ...rest,
    todo,
    query,
    body,
    csv: table !== undefined,
    async run(ask) {
      const read = { query: understood(query, ask.query, todo), body: understood(body, ask.body, todo) };
      const answer = await run({ ...ask, ...read });
      const wantsTable = (read.query as { format?: unknown }).format === 'csv';
      return {
        answer,
        ...(wantsTable && table ? { table: table(answer, siteOf(answer)) } : {}),
        logged: logged?.(answer) ?? {},
      };
    },
  };
}

function siteOf(answer: unknown): string {
  const { site } = (answer ?? {}) as { site?: unknown };
  return typeof site === 'string' ? site : 'all';
}

function todoOf(query: z.ZodObject, body: z.ZodObject): string {
  const said = [query, body].map((schema) => Object.keys(schema.shape));
  const takes = (['query', 'body'] as const).flatMap((where, at) => {
    const names = said[at] ?? [];
    return names.length === 0 ? [] : [`The ${where} takes ${names.join(', ')}.`];
  });
  return `${takes.join(' ') || 'It takes neither query nor body.'} /ops/api/docs says more.`;
}

/** Names of fields are told, values never: they may be names of people. */
function understood<T extends z.ZodType>(schema: T, value: unknown, todo: string): z.output<T> {
  const parsed = schema.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  const unknown = issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? issue.keys : []));
  const names = [...issues.map(({ path }) => path.join('.')), ...unknown];
  const shown = [...new Set(names)].filter((name) => /^[\w.-]{1,60}$/.test(name)).slice(0, 10);
  const at = shown.length === 0 ? '' : ` at ${shown.join(', ')}`;
  throw new OpsError(400, 'bad-request', `The request is not understood${at}.`, todo);
}

/** Refuses a wish of which exactly one of several fields must be given. @throws OpsError 400 */
export function exactlyOne(fields: Record<string, unknown>, todo: string): void {
  if (Object.values(fields).filter((value) => value !== undefined).length === 1) return;
  const names = Object.keys(fields).join(', ');
  throw new OpsError(400, 'bad-request', `Exactly one of ${names} is needed.`, todo);
}

/** All sites, or the one that was asked for. @throws OpsError 404 */
export function someSites(parts: Pick<ApiParts, 'sites'>, key: string | undefined): readonly OpsSite[] {
  const { sites } = parts;
  if (key === undefined) return sites;
  const found = sites.filter((site) => site.key === key);
  if (found.length > 0) return found;
  throw new OpsError(404, 'no-such-site', 'There is no site of that key.', `Use one of: ${keysOf(sites)}.`);
}

/** The one site a route is about. @throws OpsError 404, and 400 when there are several and none was named */
export function oneSite(parts: Pick<ApiParts, 'sites'>, key: string | undefined): OpsSite {
  const [site, ...more] = someSites(parts, key);
  if (site !== undefined && more.length === 0) return site;
  throw new OpsError(400, 'site-needed', 'There are several sites and none was named.', `Name one of: ${keysOf(parts.sites)}.`);
}

function keysOf(sites: readonly OpsSite[]): string {
  return sites.map(({ key }) => key).join(', ');
}
