/**
 * Owns the HTTP server: its limits and timeouts, and what it does with requests that are not worth routing.
 * Refuses to know what is mounted beside SCIM; app.ts registers the operator pages on the instance it gets back.
 * Node's defaults leave a slow body open for minutes, hence the numbers.
 * RFC 9112 §3.2 (Host), RFC 9110 §15.5. The address of a client is that of its
 * connection, or what the proxies of TRUSTED_PROXIES say in X-Forwarded-For; what else a request claims about its way here is not read.
 */
import sensible from '@fastify/sensible';
import fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest, LogController } from 'fastify';
import type { Config } from '../config.ts';
import { ScimError } from '../scim/error.ts';
import type { Telemetry } from '../telemetry.ts';
import { AccessTokens, type OAuthSettings } from './access-token.ts';
import { sendError } from './answer-error.ts';
import { type Authenticate, countOf, createAuthenticator } from './auth.ts';
import { limitConnections } from './connections.ts';
import { drainOnClose } from './drain.ts';
import { createIssuedCheck } from './issued-caller.ts';
import { SERVER_LIMITS, type ServerLimits } from './limits.ts';
import { oauthRoutes } from './oauth-routes.ts';
import { answerClientError, answerUnrouted } from './raw-errors.ts';
import { unknownPath } from './refuse.ts';
import { createRequestLog, requestIdOf } from './request-log.ts';
import { SCIM_PREFIX, scimScope } from './scim-scope.ts';
import type { SiteDoor } from './site-door.ts';

export interface ServerParts {
  config: Pick<Config, 'publicUrl' | 'trustedProxies'> & { oauth?: OAuthSettings };
  logger: FastifyBaseLogger;
  telemetry: Pick<Telemetry, 'requestSeconds' | 'authFailures' | 'accessTokens'>;
  sites: readonly SiteDoor[];
  /** True as soon as this process is about to end. */
  leaving?: () => boolean;
  /** Shorter waits for tests. */
  waitsMs?: Record<keyof typeof SERVER_WAITS_MS, number>;
  /** Tighter limits for tests. */
  limits?: ServerLimits;
}

/**
 * Longest waits, in ms. A drip-fed request ends at `request` plus `check`; without `headers` and `check` Node would take a minute.
 * `handler` counts from the first byte too, so it is longer: a slow client must read 408, not that the directory is slow.
 * `reading` is for answers that nobody takes; what is taken slowly goes on.
 * `finishing` and `silent` are about closing (drain.ts): together 25 s, and longer than any handler.
 */
export const SERVER_WAITS_MS = {
  request: 10_000,
  headers: 5_000,
  check: 2_000,
  handler: 20_000,
  keepAlive: 65_000,
  reading: 30_000,
  finishing: 22_000,
  silent: 3_000,
} as const;

/** For how much of an answer's time a bulk request takes up operations; a Redis that stops answering makes the last one take seconds. */
const BULK_SHARE = 0.65;
/** A flood tells of itself once in so many ms. */
const FULL_NOTE_MS = 60_000;

/** Creates the server with the SCIM endpoints mounted; the caller listens on it, or injects. */
export function createServer(parts: ServerParts): FastifyInstance {
  const waitsMs = parts.waitsMs ?? SERVER_WAITS_MS;
  const limits = parts.limits ?? SERVER_LIMITS;
  const tokens = new AccessTokens(parts.config);
  const authenticate = createAuthenticator({
    sites: parts.sites,
    issued: createIssuedCheck(parts.sites, tokens),
    onFailure: (reason) => parts.telemetry.authFailures.inc({ reason }),
  });
  const logRequest = createRequestLog(parts.telemetry);

  const app = fastify({
    loggerInstance: parts.logger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: requestIdOf,
    requestIdHeader: false,
    trustProxy:
      parts.config.trustedProxies === undefined ? false : (hop: string) => parts.config.trustedProxies?.has(hop) === true,
    bodyLimit: limits.bodyBytes,
    requestTimeout: waitsMs.request,
    handlerTimeout: waitsMs.handler,
    keepAliveTimeout: waitsMs.keepAlive,
    http: {
      headersTimeout: waitsMs.headers,
      connectionsCheckingInterval: waitsMs.check,
      maxHeaderSize: limits.headerBytes,
      // Node would answer a missing Host without a body; `refuseStrangeRequests` does it in SCIM.
      requireHostHeader: false,
    },
    routerOptions: { maxParamLength: limits.pathSegmentChars, ignoreDuplicateSlashes: true },
    // Fastify's own 503 is not SCIM, and Okta would file a failed task for it; while draining we serve what still arrives.
    return503OnClosing: false,
    clientErrorHandler: (error, socket) => {
      parts.logger.debug({ code: error.code }, 'unreadable request');
      answerClientError(error, socket, endAfterAnswer);
    },
    frameworkErrors: (error, request, reply) => {
      // No hook runs for these, so the line is written by hand.
      reply.raw.once('finish', () => logRequest(request, reply));
      void refusalOf(error, request, authenticate).then((refusal) => sendError(refusal, request, reply));
    },
  });
  answerUnrouted(app.server);

  app.decorateRequest('caller', undefined);
  void app.register(sensible);
  app.addHook('onRequest', async (request) => refuseStrangeRequests(request, limits));
  const endAfterAnswer = limitConnections(app, { ...limits, readingMs: waitsMs.reading, onFull: noteSometimes(parts.logger) });
  app.addHook('onResponse', async (request, reply) => logRequest(request, reply));
  const { leaving = () => false } = parts;
  drainOnClose(app, { finishing: waitsMs.finishing, silent: waitsMs.silent }, leaving);
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply));
  app.setNotFoundHandler((request, reply) => sendError(unknownPath(SCIM_PREFIX, request.url), request, reply));

  const publicUrl = parts.config.publicUrl.replace(/\/+$/, '');
  const baseUrl = publicUrl + SCIM_PREFIX;
  void app.register(oauthRoutes, {
    sites: parts.sites,
    tokens,
    publicUrl,
    onFailure: (reason) => parts.telemetry.authFailures.inc({ reason }),
    onIssued: (site, kind) => parts.telemetry.accessTokens.inc({ site, kind }),
  });
  void app.register(scimScope, {
    prefix: SCIM_PREFIX,
    authenticate,
    baseUrl,
    oauth: tokens.offered,
    bulkMs: waitsMs.handler * BULK_SHARE,
    handlerMs: waitsMs.handler,
    limits,
  });
  return app;
}

/** The SCIM prefix before the router has joined double slashes. */
const SCIM_PATH = /^\/+scim\/+v2\//;

/** Below the SCIM prefix even an undecodable path is told nothing before it has authenticated. */
async function refusalOf(error: unknown, request: FastifyRequest, authenticate: Authenticate): Promise<unknown> {
  if (!SCIM_PATH.test(request.url)) return error;
  try {
    await authenticate(request.raw, request.ip);
    return error;
  } catch (refusal) {
    return refusal;
  }
}

/** Two readings of one request are how requests are smuggled: exactly one Host, a path of our own, HTTP/1.0 or 1.1. */
function refuseStrangeRequests({ raw }: FastifyRequest, { headers, urlChars }: ServerLimits): void {
  // Node keeps the first 2,000 and drops the others without a word.
  if (raw.rawHeaders.length > 2 * headers) throw new ScimError(431, `The request has more than ${headers} headers. Send fewer.`);
  if ((raw.url?.length ?? 0) > urlChars) {
    throw new ScimError(414, `The path and query are longer than ${urlChars} characters. Send a search to /.search instead.`);
  }
  const hosts = countOf(raw.rawHeaders, 'host');
  if (hosts > 1 || (hosts === 0 && raw.httpVersion === '1.1')) {
    throw new ScimError(400, 'Send exactly one Host header.');
  }
  // The router would cut off a fragment, and a proxy before us might not.
  if (!raw.url?.startsWith('/') || raw.url.includes('#') || raw.httpVersionMajor < 1) {
    throw new ScimError(400, 'Send the path alone in the request line, without a fragment, and the HTTP version.');
  }
}

/** One line for many: whoever fills the connections must not fill the log with it. */
function noteSometimes(logger: FastifyBaseLogger): (what: string) => void {
  let nextMs = 0;
  return (what) => {
    if (performance.now() < nextMs) return;
    nextMs = performance.now() + FULL_NOTE_MS;
    logger.warn({ what }, 'all connections are taken; idle ones make room, and where there are none requests are refused');
  };
}
