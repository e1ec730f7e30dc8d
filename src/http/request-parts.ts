/**
 * Owns what every endpoint takes from a request in the same way: who calls, the query, the id in the path, the body, and what a write needs besides it.
 * Bulk requests take the parts of their operations from here, too, so that an operation is read as the same request alone would be.
 * Refuses to know people and groups. RFC 7644 §3.3-3.7.
 */
import type { FastifyRequest } from 'fastify';
import { DirectoryUnavailable } from '../directory/unavailable.ts';
import type { WriteContext } from '../directory/users.ts';
import { notFound, ScimError } from '../scim/error.ts';
import type { JsonObject } from '../scim/types.ts';
import type { Caller } from './auth.ts';
import { ifMatchOf } from './etag.ts';
import { isScimId } from './scim-id.ts';

export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === undefined) throw new Error('a SCIM route ran without authentication');
  return request.caller;
}

/** The query as the router decoded it (`+` is a space), parameters we do not know included; those are ignored. */
export function queryOf(request: FastifyRequest): Record<string, unknown> {
  return request.query as Record<string, unknown>;
}

/** @throws ScimError 404 for a segment that cannot be one of our ids, so it never reaches a key */
export function idOf(request: FastifyRequest): string {
  return knownId((request.params as { id: string }).id);
}

/** @throws ScimError 404 */
export function knownId(segment: string): string {
  if (!isScimId(segment)) throw notFound(segment);
  return segment;
}

export function bodyOf(request: Pick<FastifyRequest, 'body'>): JsonObject {
  if (request.body === undefined || request.body === null) {
    throw new ScimError(400, 'The request has no body. Send a JSON object as application/scim+json.', 'invalidSyntax');
  }
  return request.body as JsonObject;
}

/** Everything a write needs besides its body, once the site has room for one more change. @param leaving see checkRoom @throws DirectoryUnavailable */
export function contextOf(request: FastifyRequest, leaving = false): WriteContext {
  const { door, actor } = callerOf(request);
  checkRoom(door, leaving);
  const ifMatch = ifMatchOf(request);
  return { requestId: request.id, actor, ...(ifMatch === undefined ? {} : { ifMatch }) };
}

/** @param leaving the write only takes away: for these there is room longer @throws DirectoryUnavailable while the site takes no such change */
export function checkRoom(door: Caller['door'], leaving: boolean): void {
  const room = door.accepting(leaving);
  if (!room.ok) throw new DirectoryUnavailable(room.detail, room.retryAfterSeconds);
}
