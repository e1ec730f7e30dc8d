/**
 * Owns everything below the SCIM prefix that is not a route: authentication first, media types, the body parser, the 404, and that every
 * answer, refusals included, is `application/scim+json`. Encapsulated: nothing of it reaches the operator pages beside it.
 * Refuses to know users and sites. RFC 7644 §2, §3.1, §3.8, §3.12.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Breather } from '../breather.ts';
import { ScimError } from '../scim/error.ts';
import { parseBodyInTurns } from '../scim/parse-body.ts';
import type { JsonObject } from '../scim/types.ts';
import { ALWAYS, SCIM_MEDIA_TYPE, sendError } from './answer-error.ts';
import { type Authenticate, type Caller, hasCredentials } from './auth.ts';
import { bulkRoutes } from './bulk-routes.ts';
import { discoveryRoutes } from './discovery-routes.ts';
import { groupRoutes } from './group-routes.ts';
import { answerInTime } from './in-time.ts';
import type { ServerLimits } from './limits.ts';
import { otherRoutes } from './other-routes.ts';
import { unknownPath } from './refuse.ts';
import { searchRoutes } from './search-routes.ts';
import { createSiteCrowd } from './site-crowd.ts';
import { userRoutes } from './user-routes.ts';

export const SCIM_PREFIX = '/scim/v2';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set once the token is known to be right; absent on the open discovery endpoints and outside SCIM. */
    caller: Caller | undefined;
  }
  interface FastifyContextConfig {
    /** May be read without a token: the discovery endpoints hold nothing about people or sites (RFC 7644 §4). */
    open?: boolean;
    /** How many values a list in the body may have, where that is more than anywhere else. */
    elementsMax?: number;
    /** How deep the body may be nested, where that is more than anywhere else. */
    depthMax?: number;
    /** The detail of the 413 for a larger body, where there is more to say than how large it may be. */
    tooLarge?: string;
  }
}

export interface ScopeParts {
  authenticate: Authenticate;
  /** `{PUBLIC_URL}/scim/v2`; every location is built on it, never on what a request claims to be addressed to. */
  baseUrl: string;
  /** Whether access tokens are given out at /oauth/token. */
  oauth: boolean;
  /** How long a bulk request may take up further operations, in ms. */
  bulkMs: number;
  /** How long any request may wait for its answer, in ms. */
  handlerMs: number;
  limits: ServerLimits;
}

/** Registers the SCIM endpoints, to be encapsulated below `SCIM_PREFIX`. */
export async function scimScope(app: FastifyInstance, parts: ScopeParts): Promise<void> {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(['application/scim+json', 'application/json'], { parseAs: 'buffer' }, readBody);

  const admit = createSiteCrowd(parts.limits);
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.open && !hasCredentials(request.raw)) return;
    const caller = await parts.authenticate(request.raw, request.ip);
    // First who it is: the answer to a crowd depends on it.
    request.caller = caller;
    request.caller = { ...caller, weigh: admit(caller.door.key, request, reply) };
  });
  app.addHook('onRequest', async (request) => {
    if (request.is404) throw unknownPath(SCIM_PREFIX, request.url);
    refuseEncodings(request);
  });
  app.addHook('onSend', async (request, reply, payload) => {
    reply.headers({ ...ALWAYS, 'x-request-id': request.id });
    if (payload === undefined || payload === null || payload === '') reply.removeHeader('content-type');
    else reply.type(SCIM_MEDIA_TYPE);
    return payload;
  });
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply));
  // Never runs: the hook above has answered. It is here so that the scope has a 404 of its own, with its hooks.
  app.setNotFoundHandler((request: FastifyRequest, reply: FastifyReply) =>
    sendError(unknownPath(SCIM_PREFIX, request.url), request, reply),
  );

  answerInTime(app, parts.handlerMs);
  userRoutes(app, parts);
  groupRoutes(app, parts);
  searchRoutes(app, parts);
  bulkRoutes(app, parts);
  discoveryRoutes(app, parts);
  otherRoutes(app);
}

/** An empty body is no body: clients send a content type even with DELETE. Whether one was needed is the route's question. */
async function readBody(request: FastifyRequest, bytes: Buffer): Promise<JsonObject | undefined> {
  refuseCharsets(request);
  if (bytes.length === 0) return undefined;
  const breather = new Breather();
  const turns = parseBodyInTurns(bytes, request.routeOptions.config);
  let turn = turns.next();
  for (; turn.done !== true; turn = turns.next()) if (breather.isDue) await breather.rest();
  return turn.value;
}

/** Nothing is ever inflated: a bomb of one kilobyte would otherwise become a megabyte behind the size limit. */
function refuseEncodings(request: FastifyRequest): void {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new ScimError(415, 'Send the body without Content-Encoding.');
  }
}

/** JSON in another charset would be read as different text than the client meant. */
function refuseCharsets(request: FastifyRequest): void {
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(request.headers['content-type'] ?? '')?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset)) throw new ScimError(415, 'Send the body in UTF-8.');
}
