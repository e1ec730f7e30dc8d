/**
 * Owns the HTTP server: its limits and timeouts, and what it does with requests that are not worth routing.
 * Refuses to know what is mounted beside SCIM; app.ts registers the operator pages on the instance it gets back.
 * Node's defaults leave a slow body open for minutes, hence the numbers.
 * RFC 9112 §3.2 (Host), RFC 9110 §15.5. There is no trusted proxy: addresses are those of the next hop, and count only unsigned webhooks.
 */
import sensible from '@fastify/sensible';
import fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest, LogController } from 'fastify';
import type { Config } from '../config.ts';
import { ScimError } from '../scim/error.ts';
import type { Telemetry } from '../telemetry.ts';
import { sendError } from './answer-error.ts';
import { type Authenticate, countOf, createAuthenticator } from './auth.ts';
import { drainOnClose } from './drain.ts';
import { answerClientError } from './raw-errors.ts';
import { unknownPath } from './refuse.ts';
import { createRequestLog, requestIdOf } from './request-log.ts';
import { SCIM_PREFIX, scimScope } from './scim-scope.ts';
import type { SiteDoor } from './site-door.ts';

export interface ServerParts {
  config: Pick<Config, 'publicUrl'>;
  logger: FastifyBaseLogger;
  telemetry: Pick<Telemetry, 'requestSeconds' | 'authFailures'>;
  sites: readonly SiteDoor[];
  /** True as soon as this process is about to end. */
  leaving?: () => boolean;
  /** Shorter waits for tests. */
  waitsMs?: Record<keyof typeof SERVER_WAITS_MS, number>;
}

/**
 * Longest waits, in ms. A drip-fed request ends at `request` plus `check`; without `headers` and `check` Node would take a minute.
 * `handler` counts from the first byte too, so it is longer: a slow client must read 408, not that the directory is slow.
 * `finishing` and `silent` are about closing (drain.ts): together 25 s, and longer than any handler.
 */
export const SERVER_WAITS_MS = {
  request: 10_000,
  headers: 5_000,
  check: 2_000,
  handler: 20_000,
  keepAlive: 65_000,
  finishing: 22_000,
  silent: 3_000,
} as const;

const BODY_BYTES_MAX = 256 * 1024;
const HEADER_BYTES_MAX = 16 * 1024;
const CONNECTIONS_MAX = 2_000;
/** Longer than any id we make, so that a wrong one is "not found" and only an absurd one is "too long". */
const PATH_SEGMENT_MAX = 512;

/** Creates the server with the SCIM endpoints mounted; the caller listens on it, or injects. */
export function createServer(parts: ServerParts): FastifyInstance {
  const waitsMs = parts.waitsMs ?? SERVER_WAITS_MS;
  const authenticate = createAuthenticator({
    sites: parts.sites,
    onFailure: (reason) => parts.telemetry.authFailures.inc({ reason }),
  });
  const logRequest = createRequestLog(parts.telemetry);

  const app = fastify({
    loggerInstance: parts.logger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: requestIdOf,
    requestIdHeader: false,
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: waitsMs.request,
    handlerTimeout: waitsMs.handler,
    keepAliveTimeout: waitsMs.keepAlive,
    http: {
      headersTimeout: waitsMs.headers,
      connectionsCheckingInterval: waitsMs.check,
      maxHeaderSize: HEADER_BYTES_MAX,
      // Node would answer a missing Host without a body; `refuseStrangeRequests` does it in SCIM.
      requireHostHeader: false,
    },
    routerOptions: { maxParamLength: PATH_SEGMENT_MAX, ignoreDuplicateSlashes: true },
    // Fastify's own 503 is not SCIM, and Okta would file a failed task for it; while draining we serve what still arrives.
    return503OnClosing: false,
    clientErrorHandler: (error, socket) => {
      parts.logger.debug({ code: error.code }, 'unreadable request');
      answerClientError(error, socket);
    },
    frameworkErrors: (error, request, reply) => {
      // No hook runs for these, so the line is written by hand.
      reply.raw.once('finish', () => logRequest(request, reply));
      void sendError(refusalOf(error, request, authenticate), request, reply);
    },
  });
  app.server.maxConnections = CONNECTIONS_MAX;

  app.decorateRequest('caller', undefined);
  void app.register(sensible);
  app.addHook('onRequest', refuseStrangeRequests);
  app.addHook('onResponse', async (request, reply) => logRequest(request, reply));
  const { leaving = () => false } = parts;
  drainOnClose(app, { finishing: waitsMs.finishing, silent: waitsMs.silent }, leaving);
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply));
  app.setNotFoundHandler((request, reply) => sendError(unknownPath(SCIM_PREFIX, request.url), request, reply));

  const baseUrl = parts.config.publicUrl.replace(/\/+$/, '') + SCIM_PREFIX;
  void app.register(scimScope, { prefix: SCIM_PREFIX, authenticate, baseUrl });
  return app;
}

/** The SCIM prefix before the router has joined double slashes. */
const SCIM_PATH = /^\/+scim\/+v2\//;

/** Below the SCIM prefix even an undecodable path is told nothing before it has authenticated. */
function refusalOf(error: unknown, request: FastifyRequest, authenticate: Authenticate): unknown {
  if (!SCIM_PATH.test(request.url)) return error;
  try {
    authenticate(request.raw);
    return error;
  } catch (refusal) {
    return refusal;
  }
}

/** Two readings of one request are how requests are smuggled: exactly one Host, a path of our own, HTTP/1.0 or 1.1. */
async function refuseStrangeRequests(request: FastifyRequest): Promise<void> {
  const { raw } = request;
  const hosts = countOf(raw.rawHeaders, 'host');
  if (hosts > 1 || (hosts === 0 && raw.httpVersion === '1.1')) {
    throw new ScimError(400, 'Send exactly one Host header.');
  }
  if (!raw.url?.startsWith('/') || raw.httpVersionMajor < 1) {
    throw new ScimError(400, 'Send the path alone in the request line, and the HTTP version.');
  }
}
