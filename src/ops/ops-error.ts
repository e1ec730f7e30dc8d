/**
 * Owns how the ops API fails: plain JSON `{ error, detail, do }`, a word for programs, a sentence for people, and the next thing to do.
 * Refuses SCIM's error shape, which is for identity providers, and to show anything of a failure of our own but its request id.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DirectoryUnavailable } from '../directory/unavailable.ts';
import { isRedisAway } from '../redis.ts';
import { ScimError } from '../scim/error.ts';
import { Refused } from '../survey/refused.ts';
import { ReleaseRefused } from '../survey/release.ts';

export interface OpsErrorBody {
  error: string;
  detail: string;
  do: string;
}

export class OpsError extends Error {
  readonly status: number;
  readonly body: OpsErrorBody;
  /** For the `Retry-After` header, where waiting helps. */
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, error: string, detail: string, todo: string, retryAfterSeconds?: number) {
    super(detail);
    this.retryAfterSeconds = retryAfterSeconds;
    this.name = 'OpsError';
    this.status = status;
    this.body = { error, detail, do: todo };
  }
}

/** Headers of every ops answer: it may name people, and nobody may keep it, guess its type or frame it. */
export const ALWAYS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

/** Answers whatever was thrown in an ops route. */
export function sendOpsError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const error = errorOf(thrown, request);
  if (error.status >= 500)
    request.log.error({ err: thrown, route: request.routeOptions.url ?? 'unmatched' }, 'ops request failed');
  if (error.status === 401) void reply.header('www-authenticate', 'Bearer realm="ops"');
  if (error.retryAfterSeconds !== undefined) void reply.header('retry-after', String(error.retryAfterSeconds));
  return reply
    .code(error.status)
    .headers({ ...ALWAYS, 'x-request-id': request.id })
    .type('application/json; charset=utf-8')
    .send(error.body);
}

/** Refusals that are not about the state of things. */
const REFUSED: Record<string, number> = {
  'second-person': 403,
  'unknown-person': 404,
  'products-unknown': 422,
  'maxio-silent': 503,
};

function errorOf(thrown: unknown, request: FastifyRequest): OpsError {
  if (thrown instanceof OpsError) return thrown;
  if (thrown instanceof Refused || thrown instanceof ReleaseRefused)
    return new OpsError(REFUSED[thrown.error] ?? 409, thrown.error, thrown.message, thrown.todo);
  if (thrown instanceof DirectoryUnavailable || isRedisAway(thrown)) {
    return new OpsError(
      503,
      'redis-unavailable',
      'Redis does not answer at the moment.',
      'Check Redis, then ask again; /readyz says more.',
    );
  }
  // Checks that hold for every door speak for themselves: their sentence says what to change.
  if (thrown instanceof ScimError) return new OpsError(thrown.status, 'bad-request', thrown.detail, 'Send it again in that way.');
  const { status, statusCode, code: word } = (thrown ?? {}) as { status?: unknown; statusCode?: unknown; code?: unknown };
  if (word === 'FST_ERR_HANDLER_TIMEOUT') {
    return new OpsError(
      503,
      'too-slow',
      'This was not answered in time: something that it asks for, Maxio or Redis, answers slowly.',
      'Ask again; if it stays so, maxio-scim status and maxio-scim doctor say which.',
      10,
    );
  }
  const code = typeof statusCode === 'number' ? statusCode : status;
  if (typeof code === 'number' && code >= 400 && code < 500) {
    return new OpsError(code, 'bad-request', 'The request could not be read.', 'Check its path, its query and its JSON body.');
  }
  return new OpsError(
    500,
    'internal-error',
    'The service failed on this request by itself.',
    `Look into the log for request id ${request.id}.`,
  );
}
