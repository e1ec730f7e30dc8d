/**
 * Owns a real SCIM server for tests: the real HTTP edge over the real directory in a real Redis, one fresh site per call.
 * Refuses to replace anything but Maxio, which no test of the edge needs: nothing rings when a record is committed.
 */
import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { Redis } from 'ioredis';
import { GroupStore } from '../../src/directory/group-store.ts';
import { createGroups } from '../../src/directory/groups.ts';
import { Store } from '../../src/directory/store.ts';
import { createUsers, type Users } from '../../src/directory/users.ts';
import { createServer, type ServerParts } from '../../src/http/server.ts';
import type { SiteDoor } from '../../src/http/site-door.ts';
import { createLogger, type Logger } from '../../src/logger.ts';
import { Secret } from '../../src/secret.ts';
import { createTelemetry } from '../../src/telemetry.ts';
import { NO_GUARD } from './guard.ts';

export const PUBLIC_URL = 'https://scim.example.com';

export interface TestSite {
  door: SiteDoor;
  token: string;
}

export interface ScimServer extends TestSite {
  app: FastifyInstance;
  telemetry: ReturnType<typeof createTelemetry>;
  /** Lines the server has logged so far, unparsed. */
  logLines: string[];
}

/** Makes a door to a fresh, empty site. `users` replaces the directory, for faults that Redis cannot be brought to. */
export function openSite(
  redis: Redis,
  options: Partial<Pick<SiteDoor, 'idp' | 'book' | 'gate' | 'accepting'>> & {
    users?: Partial<Users>;
    backlogLimit?: number;
    /** The same one at two Redis servers makes the same ids. */
    subdomain?: string;
  } = {},
): TestSite {
  const subdomain = options.subdomain ?? `t${randomUUID().slice(0, 12)}`;
  const token = `${randomUUID()}${randomUUID()}`;
  const store = new Store(redis, `us.${subdomain}`, { backlogLimit: options.backlogLimit ?? 1_000_000, guard: NO_GUARD });
  const users = createUsers({ store, site: { region: 'us', subdomain }, onCommitted: () => undefined });
  const door: SiteDoor = {
    key: `us.${subdomain}`,
    idp: options.idp ?? 'generic',
    token: new Secret(token),
    users: { ...users, ...options.users },
    groups: createGroups({ store: new GroupStore(store) }),
    accepting: options.accepting ?? (() => ({ ok: true })),
  };
  return { door, token };
}

/** Starts a server for the given sites; the first one is the default. It does not listen until asked to. */
export async function serveSites(
  sites: [TestSite, ...TestSite[]],
  options: Pick<ServerParts, 'waitsMs'> & {
    trustedProxies?: ServerParts['config']['trustedProxies'];
    oauth?: ServerParts['config']['oauth'];
  } = {},
): Promise<ScimServer> {
  const { trustedProxies, oauth, ...more } = options;
  const logLines: string[] = [];
  const secrets = sites.flatMap((site) => site.door.token ?? []);
  const logger: Logger = createLogger({ level: 'debug', secrets }, { write: (line: string) => void logLines.push(line) });
  const telemetry = createTelemetry({ version: 'test', processMetrics: false });
  const app = createServer({
    config: { publicUrl: PUBLIC_URL, trustedProxies, ...(oauth && { oauth }) },
    logger,
    telemetry,
    sites: sites.map((site) => site.door),
    ...more,
  });
  await app.ready();
  return { ...sites[0], app, telemetry, logLines };
}

export interface ScimAnswer {
  status: number;
  headers: Record<string, unknown>;
  body: Record<string, unknown>;
}

/** Sends one request as the site's IdP would: its token, SCIM media type. A string body goes out as it is. */
export async function ask(
  server: Pick<ScimServer, 'app' | 'token'>,
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD' | 'OPTIONS',
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<ScimAnswer> {
  const payload = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const answer = await server.app.inject({
    method,
    url: path,
    headers: {
      authorization: `Bearer ${server.token}`,
      ...(payload !== undefined && { 'content-type': 'application/scim+json' }),
      ...headers,
    },
    ...(payload !== undefined && { payload }),
  });
  return { status: answer.statusCode, headers: answer.headers, body: answer.body === '' ? {} : JSON.parse(answer.body) };
}

/** Makes a plain, valid body for POST and PUT. */
export function person(name: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
    userName: `${name}@example.com`,
    externalId: `id-of-${name}`,
    emails: [{ type: 'work', value: `${name}@example.com`, primary: true }],
    ...more,
  };
}

/** Makes a PATCH body. */
export function patchOf(...Operations: Record<string, unknown>[]): Record<string, unknown> {
  return { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations };
}
