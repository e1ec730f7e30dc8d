/**
 * Owns the endpoints of /Users: status codes, Location, projection. Each route reads its request, asks the directory of the caller's site,
 * and presents the record. Refuses to decide anything about people. RFC 7644 §3.3 (POST), §3.4.1-2 (GET), §3.5.1-2 (PUT, PATCH), §3.6 (DELETE).
 * Answers are always 201, 200 or 204 from the durable directory, never 202: neither Okta nor Entra ID follows one up.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { UserRecord } from '../directory/record.ts';
import { DirectoryUnavailable } from '../directory/unavailable.ts';
import type { Users, WriteContext } from '../directory/users.ts';
import { notFound, ScimError } from '../scim/error.ts';
import { listResponse, readListQuery } from '../scim/list.ts';
import { project, readProjection, toResource, type Wanted } from '../scim/projection.ts';
import type { JsonObject } from '../scim/types.ts';
import type { Caller } from './auth.ts';
import { refuseOtherMethods } from './refuse.ts';
import { isScimId } from './scim-id.ts';

interface Write {
  users: Users;
  context: WriteContext;
}

/** Registers GET and POST on /Users, and GET, PUT, PATCH and DELETE on /Users/:id. */
export function userRoutes(app: FastifyInstance, parts: { baseUrl: string }): void {
  const present = (record: UserRecord, wanted: Wanted): JsonObject =>
    project(toResource(record.attributes, metaOf(record, parts.baseUrl)), wanted);

  async function list(request: FastifyRequest): Promise<JsonObject> {
    const query = readListQuery(queryOf(request));
    const page = await callerOf(request).door.users.list(query);
    const resources = page.records.map((record) => present(record, query));
    return listResponse(resources, { totalResults: page.totalResults, startIndex: query.startIndex });
  }
  app.get('/Users', list);
  app.get('/Users/', list);

  async function create(request: FastifyRequest, reply: FastifyReply): Promise<JsonObject> {
    const { users, context } = writeOf(request);
    // Read before the write: a projection that is refused refuses the request, not only its answer.
    const wanted = readProjection(queryOf(request));
    const record = await users.create(bodyOf(request), context);
    reply.code(201).header('location', locationOf(record.id, parts.baseUrl));
    return present(record, wanted);
  }
  app.post('/Users', create);
  app.post('/Users/', create);

  app.get('/Users/:id', async (request) => {
    const wanted = readProjection(queryOf(request));
    return present(await callerOf(request).door.users.read(idOf(request)), wanted);
  });

  app.put('/Users/:id', async (request) => {
    const { users, context } = writeOf(request);
    const wanted = readProjection(queryOf(request));
    return present(await users.replace(idOf(request), bodyOf(request), context), wanted);
  });

  app.patch('/Users/:id', async (request) => {
    const { users, context } = writeOf(request);
    const wanted = readProjection(queryOf(request));
    return present(await users.patch(idOf(request), bodyOf(request), context), wanted);
  });

  app.delete('/Users/:id', async (request, reply) => {
    const { users, context } = writeOf(request);
    await users.remove(idOf(request), context);
    return await reply.code(204).send();
  });

  refuseOtherMethods(app, '/Users', ['GET', 'POST']);
  refuseOtherMethods(app, '/Users/', ['GET', 'POST']);
  refuseOtherMethods(app, '/Users/:id', ['GET', 'PUT', 'PATCH', 'DELETE']);
}

/** The query as the router decoded it (`+` is a space), parameters we do not know included; those are ignored. */
export function queryOf(request: FastifyRequest): Record<string, unknown> {
  return request.query as Record<string, unknown>;
}

function callerOf(request: FastifyRequest): Caller {
  if (request.caller === undefined) throw new Error('a user route ran without authentication');
  return request.caller;
}

/** Everything a write needs besides its body, once the site has room for one more change. */
function writeOf(request: FastifyRequest): Write {
  const { door, actor } = callerOf(request);
  const room = door.accepting();
  if (!room.ok) throw new DirectoryUnavailable(room.detail, room.retryAfterSeconds);
  return { users: door.users, context: { requestId: request.id, actor } };
}

/** @throws ScimError 404 for a segment that cannot be one of our ids, so it never reaches a key */
function idOf(request: FastifyRequest): string {
  const { id } = request.params as { id: string };
  if (!isScimId(id)) throw notFound(id);
  return id;
}

function bodyOf(request: FastifyRequest): JsonObject {
  if (request.body === undefined || request.body === null) {
    throw new ScimError(400, 'The request has no body. Send a JSON object as application/scim+json.', 'invalidSyntax');
  }
  return request.body as JsonObject;
}

function locationOf(id: string, baseUrl: string): string {
  return `${baseUrl}/Users/${id}`;
}

function metaOf(record: UserRecord, baseUrl: string) {
  return {
    id: record.id,
    location: locationOf(record.id, baseUrl),
    created: new Date(record.createdAtMs).toISOString(),
    lastModified: new Date(record.modifiedAtMs).toISOString(),
  };
}
