/**
 * Owns an OAuth bench for tests: a real server over real Redis whose sites have clients, and an issuer of its own that serves keys over HTTP on this machine.
 * Refuses stand-ins for what is tested: requests are bytes of a form, assertions are signed by jose with real keys.
 */
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Redis } from 'ioredis';
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import { type ClientMade, Clients, type Wanted } from '../../src/directory/clients.ts';
import { createServer } from '../../src/http/server.ts';
import { createLogger } from '../../src/logger.ts';
import { Secret } from '../../src/secret.ts';
import { createTelemetry, type Telemetry } from '../../src/telemetry.ts';
import { openSite, PUBLIC_URL, type TestSite } from './scim-server.ts';

export const SIGNING_KEY = 'oauth-CANARY-signing-key-4d1f7a90c3b2e586';
export const TOKEN_URL = `${PUBLIC_URL}/oauth/token`;
export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

export interface OAuthSite extends TestSite {
  key: string;
  clients: Clients;
}

export interface OAuthBench {
  app: FastifyInstance;
  sites: OAuthSite[];
  telemetry: Telemetry;
  logLines: string[];
}

/** Makes a site that has clients. @param like a site of another process: the same data, what it knows of its own */
export function openOAuthSite(redis: Redis, like?: OAuthSite): OAuthSite {
  const site = like === undefined ? openSite(redis) : { door: { ...like.door }, token: like.token };
  const clients = new Clients({ redis, siteKey: site.door.key });
  site.door.clients = clients.book;
  return { ...site, key: site.door.key, clients };
}

/** Starts a server; it does not listen until asked to. */
export async function serveOAuth(
  sites: OAuthSite[],
  options: { signingKey?: string | undefined; tokenSeconds?: number } = { signingKey: SIGNING_KEY },
): Promise<OAuthBench> {
  const logLines: string[] = [];
  const signingKey = options.signingKey === undefined ? undefined : new Secret(options.signingKey);
  const logger = createLogger(
    { level: 'trace', secrets: signingKey ? [signingKey] : [] },
    { write: (line) => void logLines.push(line) },
  );
  const telemetry = createTelemetry({ version: 'test', processMetrics: false });
  await Promise.all(sites.map(({ clients }) => clients.book.look()));
  const app = createServer({
    config: { publicUrl: PUBLIC_URL, oauth: { signingKey, tokenSeconds: options.tokenSeconds ?? 3_600 } },
    logger,
    telemetry,
    sites: sites.map(({ door }) => door),
  });
  await app.ready();
  return { app, sites, telemetry, logLines };
}

export type Made = Extract<ClientMade, { kind: 'ok' }>;

/** Makes a client as an operator would. */
export async function makeClient(
  { clients }: OAuthSite,
  wanted: Wanted = { kind: 'secret', days: 365 },
): Promise<Made & { secret: string }> {
  const made = await clients.create({ by: 'anna', requestId: 'make-client', note: 'test', wanted });
  if (made.kind !== 'ok') throw new Error(`no client was made: ${made.kind}`);
  return { ...made, secret: made.secret ?? '' };
}

export interface TokenAnswer {
  status: number;
  headers: Record<string, unknown>;
  body: {
    access_token?: string;
    token_type?: string;
    expires_in?: number;
    scope?: string;
    error?: string;
    error_description?: string;
  };
}

/** Sends one request for a token. A string goes out as it is. */
export async function askToken(
  { app }: Pick<OAuthBench, 'app'>,
  form: Record<string, string> | string | Buffer,
  headers: Record<string, string> = {},
  remoteAddress = '192.0.2.7',
): Promise<TokenAnswer> {
  const payload = typeof form === 'string' || Buffer.isBuffer(form) ? form : new URLSearchParams(form).toString();
  const answer = await app.inject({
    method: 'POST',
    url: '/oauth/token',
    remoteAddress,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    payload,
  });
  return { status: answer.statusCode, headers: answer.headers, body: JSON.parse(answer.body) };
}

/** The request of Microsoft's published code, secret in the body. */
export function secretForm({ client, secret }: { client: string; secret: string }): Record<string, string> {
  return { grant_type: 'client_credentials', client_id: client, client_secret: secret };
}

/** The request of workload identity federation, and of private_key_jwt. */
export function assertionForm(client: string | undefined, assertion: string): Record<string, string> {
  const named = client === undefined ? {} : { client_id: client };
  return {
    grant_type: 'client_credentials',
    ...named,
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: assertion,
    scope: 'scim',
  };
}

/** Gets a token that must be given. */
export async function tokenFor(bench: Pick<OAuthBench, 'app'>, made: { client: string; secret: string }): Promise<string> {
  const { status, body } = await askToken(bench, secretForm(made));
  if (status !== 200 || body.access_token === undefined) throw new Error(`no token: ${status} ${JSON.stringify(body)}`);
  return body.access_token;
}

/** Asks SCIM for a list with a bearer token. */
export async function askScim(
  { app }: Pick<OAuthBench, 'app'>,
  token: string,
  path = '/scim/v2/Users',
  remoteAddress = '192.0.2.7',
) {
  const answer = await app.inject({ url: path, remoteAddress, headers: { authorization: `Bearer ${token}` } });
  return { status: answer.statusCode, headers: answer.headers, body: JSON.parse(answer.body) as Record<string, unknown> };
}

export interface KeyPair {
  jwk: JWK;
  sign(claims: JWTPayload, header?: Record<string, unknown>): Promise<string>;
}

/** Makes a key pair; its public half as a JWK with that id. */
export async function makeKey(kid: string, alg = 'RS256'): Promise<KeyPair> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid, use: 'sig' };
  return {
    jwk,
    sign: (claims, header = {}) => new SignJWT(claims).setProtectedHeader({ alg, typ: 'JWT', kid, ...header }).sign(privateKey),
  };
}

/** The moment in seconds, as claims have it. */
export function seconds(fromNow = 0): number {
  return Math.floor(Date.now() / 1_000) + fromNow;
}

export interface Issuer {
  issuer: string;
  jwksUrl: string;
  /** How often its keys were asked for. */
  asked: number;
  keys: JWK[];
  /** What it answers instead of its keys. */
  fault?: { status: number; body?: string; location?: string } | 'silence' | undefined;
  close(): Promise<void>;
}

/** Starts an issuer of the shape of a Microsoft tenant. */
export async function startIssuer(...keys: JWK[]): Promise<Issuer> {
  const server = createHttpServer((request, response) => {
    state.asked += 1;
    const { fault } = state;
    if (fault === 'silence') return;
    if (fault !== undefined) {
      response.writeHead(fault.status, fault.location === undefined ? {} : { location: fault.location }).end(fault.body);
      return;
    }
    const there = request.url === '/tenant/discovery/v2.0/keys';
    response.writeHead(there ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: state.keys }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const state: Issuer = {
    issuer: `${origin}/tenant/v2.0`,
    jwksUrl: `${origin}/tenant/discovery/v2.0/keys`,
    asked: 0,
    keys,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return state;
}
