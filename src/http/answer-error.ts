/**
 * Owns how any failure looks from outside: a SCIM error with the right status, and for our own failures nothing but a request id.
 * Refuses to know what was asked. RFC 7644 §3.12; back-pressure as the clients understand it: Okta retries by itself only on 429 with an
 * integer Retry-After, Entra ID treats 5xx as "try again in the next cycle" and may quarantine a job that sees 429.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DirectoryUnavailable } from '../directory/unavailable.ts';
import { errorBody, ScimError } from '../scim/error.ts';
import { Crowded } from './crowded.ts';
import type { SiteDoor } from './site-door.ts';
import { TooManyFailures } from './too-many-failures.ts';

export const SCIM_MEDIA_TYPE = 'application/scim+json; charset=utf-8';

export interface ErrorAnswer {
  error: ScimError;
  headers: Record<string, string>;
  /** Set when the cause is on our side; then it goes to the log, at this level. */
  log?: 'error' | 'warn';
}

/** What to tell about the errors that Fastify raises itself, by status. */
const FRAMEWORK_DETAIL: Record<number, string> = {
  400: 'The request could not be read. Check its path, its Content-Length header and its body.',
  404: 'There is no such resource.',
  408: 'The request did not arrive in time.',
  414: 'The path is too long.',
  415: 'Send the body as application/scim+json or application/json, in UTF-8 and without Content-Encoding.',
};

/** Answers "not now": 429 to Okta, 503 to everyone else, with Retry-After in whole seconds. */
export function backPressure(idp: SiteDoor['idp'] | undefined, detail: string, retryAfterSeconds: number): ErrorAnswer {
  const seconds = Math.max(1, Math.ceil(retryAfterSeconds));
  return {
    error: new ScimError(
      idp === 'okta' ? 429 : 503,
      `${detail} Send the same request again in ${seconds === 1 ? 'one second' : `${seconds} seconds`}.`,
    ),
    headers: { 'retry-after': String(seconds) },
    log: 'warn',
  };
}

/** Maps whatever was thrown to the answer the client gets. Never throws. */
export function answerTo(thrown: unknown, request: Pick<FastifyRequest, 'id' | 'caller' | 'routeOptions'>): ErrorAnswer {
  const idp = request.caller?.door.idp;
  if (thrown instanceof TooManyFailures) {
    return { error: thrown, headers: { 'retry-after': String(thrown.retryAfterSeconds) } };
  }
  if (thrown instanceof ScimError) {
    return { error: thrown, headers: headersFor(thrown.status) };
  }
  if (thrown instanceof DirectoryUnavailable) {
    return backPressure(idp, `This request is not acknowledged: ${thrown.message}.`, thrown.retryAfterSeconds);
  }
  if (thrown instanceof Crowded) {
    // Without a line of its own for each: there are many, and the line of the request tells its status.
    const { error, headers } = backPressure(
      idp,
      `This request is not acknowledged: ${thrown.message}.`,
      thrown.retryAfterSeconds,
    );
    return { error, headers };
  }
  const { code, statusCode } = (thrown ?? {}) as { code?: unknown; statusCode?: unknown };
  if (code === 'FST_ERR_HANDLER_TIMEOUT') {
    return backPressure(idp, 'This request is not acknowledged: the directory did not answer in time.', 10);
  }
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    const detail = statusCode === 413 ? tooLarge(request) : (FRAMEWORK_DETAIL[statusCode] ?? 'The request was refused.');
    const error = new ScimError(statusCode, detail, statusCode === 400 ? 'invalidSyntax' : undefined);
    return { error, headers: headersFor(statusCode) };
  }
  const detail = `Something failed inside maxio-scim; this request is not acknowledged. The log has the reason under request id ${request.id}.`;
  return { error: new ScimError(500, detail), headers: {}, log: 'error' };
}

/** Names the limit that was passed: it differs from endpoint to endpoint. */
function tooLarge({ routeOptions: { bodyLimit, config } }: Pick<FastifyRequest, 'routeOptions'>): string {
  return config.tooLarge ?? `The request body is larger than ${Math.floor(bodyLimit / 1024)} KiB. Send less in one request.`;
}

/** Sends an error answer; the one way out for every failure once there is a reply to write to. */
export function sendError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { error, headers, log } = answerTo(thrown, request);
  if (log) request.log[log]({ err: thrown, route: request.routeOptions.url ?? 'unmatched' }, 'request failed');
  return reply
    .code(error.status)
    .headers({ ...ALWAYS, 'x-request-id': request.id, ...headers })
    .type(SCIM_MEDIA_TYPE)
    .send(errorBody(error));
}

/** Headers of every SCIM answer: personal data must not stay in caches, and nobody may guess another type. */
export const ALWAYS: Readonly<Record<string, string>> = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

function headersFor(status: number): Record<string, string> {
  return status === 401 ? { 'www-authenticate': 'Bearer realm="scim"' } : {};
}
