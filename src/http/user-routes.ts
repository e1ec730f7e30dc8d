/**
 * Owns the endpoints of /Users: status codes, Location, projection, versions. Each route reads its request, asks the directory of the caller's site,
 * and presents the record. Refuses to decide anything about people. RFC 7644 §3.3 (POST), §3.4.1-2 (GET), §3.5.1-2 (PUT, PATCH), §3.6 (DELETE), §3.14 (versions).
 * Answers are always 201, 200 or 204 from the durable directory, never 202: neither Okta nor Entra ID follows one up.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { UserRecord } from '../directory/record.ts';
import { userLocation } from '../directory/user-resource.ts';
import { type ListQuery, listResponse, readListQuery } from '../scim/list.ts';
import { project, readProjection, shows, type Wanted } from '../scim/projection.ts';
import { USER } from '../scim/schema.ts';
import { BILLING_USER, type JsonObject } from '../scim/types.ts';
import type { Caller } from './auth.ts';
import { isKnown, notModified, versionIn } from './etag.ts';
import { leaves } from './leaves.ts';
import { projectAll } from './project-all.ts';
import { refuseOtherMethods } from './refuse.ts';
import { bodyOf, callerOf, contextOf, idOf, queryOf } from './request-parts.ts';

/** Registers GET and POST on /Users, and GET, PUT, PATCH and DELETE on /Users/:id. */
export function userRoutes(app: FastifyInstance, parts: { baseUrl: string }): void {
  const { baseUrl } = parts;

  /** Answers with one person: projected, with its version, and 304 to a reader who has it already. */
  async function present(
    request: FastifyRequest,
    reply: FastifyReply,
    record: UserRecord,
    wanted: Wanted,
  ): Promise<JsonObject | FastifyReply> {
    const shown = shows(wanted);
    const needs = (part: string): boolean => part === 'meta.version' || shown(part);
    const [resource = {}] = await callerOf(request).door.users.resources([record], { baseUrl, needs });
    const version = versionIn(resource);
    // What is told of billing changes without the person, so a reader who asks for it is always told.
    const isVersioned = !shown(BILLING_USER);
    if (isVersioned && isReading(request) && isKnown(request, version)) return await notModified(reply, version);
    reply.headers({ etag: version, 'content-location': userLocation(record.id, baseUrl) });
    return project(resource, wanted);
  }

  async function list(request: FastifyRequest): Promise<JsonObject> {
    const query = readListQuery(queryOf(request));
    return await listUsers(callerOf(request), query, baseUrl);
  }
  app.get('/Users', list);
  app.get('/Users/', list);

  async function create(request: FastifyRequest, reply: FastifyReply): Promise<JsonObject | FastifyReply> {
    const context = contextOf(request);
    const { users } = callerOf(request).door;
    // Read before the write: a projection that is refused refuses the request, not only its answer.
    const wanted = readProjection(queryOf(request));
    const record = await users.create(bodyOf(request), context);
    reply.code(201).header('location', userLocation(record.id, baseUrl));
    return await present(request, reply, record, wanted);
  }
  app.post('/Users', create);
  app.post('/Users/', create);

  app.get('/Users/:id', async (request, reply) => {
    const wanted = readProjection(queryOf(request));
    return await present(request, reply, await callerOf(request).door.users.read(idOf(request)), wanted);
  });

  app.put('/Users/:id', async (request, reply) => {
    const context = contextOf(request, leaves('PUT', request.body));
    const { users } = callerOf(request).door;
    const wanted = readProjection(queryOf(request));
    return await present(request, reply, await users.replace(idOf(request), bodyOf(request), context), wanted);
  });

  app.patch('/Users/:id', async (request, reply) => {
    const context = contextOf(request, leaves('PATCH', request.body));
    const { users } = callerOf(request).door;
    const wanted = readProjection(queryOf(request));
    return await present(request, reply, await users.patch(idOf(request), bodyOf(request), context), wanted);
  });

  app.delete('/Users/:id', async (request, reply) => {
    const context = contextOf(request, true);
    const { users } = callerOf(request).door;
    await users.remove(idOf(request), context);
    return await reply.code(204).send();
  });

  refuseOtherMethods(app, '/Users', ['GET', 'POST']);
  refuseOtherMethods(app, '/Users/', ['GET', 'POST']);
  refuseOtherMethods(app, '/Users/:id', ['GET', 'PUT', 'PATCH', 'DELETE']);
}

/** Builds the answer to a list of people, whether it was asked for by address or by a search. */
export async function listUsers(caller: Caller, query: ListQuery, baseUrl: string): Promise<JsonObject> {
  const { users } = caller.door;
  const { records, ...page } = await users.list(query, { baseUrl, actor: caller.actor, weigh: caller.weigh });
  const resources = await users.resources(records, { baseUrl, needs: shows(query) });
  return listResponse(
    await projectAll(resources, query, USER),
    query.cursor === undefined ? { ...page, startIndex: query.startIndex } : page,
  );
}

function isReading(request: FastifyRequest): boolean {
  return request.method === 'GET' || request.method === 'HEAD';
}
