/**
 * Owns the endpoints of /Groups: status codes, Location, projection, and when the people in a group are read at all.
 * Refuses to decide anything about groups. RFC 7644 §3.3 (POST), §3.4.1-2 (GET), §3.5.1-2 (PUT, PATCH), §3.6 (DELETE).
 * Lists do not touch the members unless they are to be shown; Entra ID asks without them, since the answer would be larger than everything else it asks for.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { GroupRecord } from '../directory/group-record.ts';
import { groupLocation, groupVersion } from '../directory/group-resource.ts';
import { ScimError } from '../scim/error.ts';
import { MEMBERS_SENT_MAX } from '../scim/group/read-members.ts';
import { type ListQuery, listResponse, readListQuery } from '../scim/list.ts';
import { project, readProjection, shows, type Wanted } from '../scim/projection.ts';
import { GROUP } from '../scim/schema.ts';
import type { JsonObject } from '../scim/types.ts';
import type { Caller } from './auth.ts';
import { isKnown, notModified } from './etag.ts';
import { projectAll } from './project-all.ts';
import { refuseOtherMethods } from './refuse.ts';
import { bodyOf, callerOf, contextOf, idOf, queryOf } from './request-parts.ts';

/** 50,000 members as Okta writes them, with their names. */
const BODY_BYTES_MAX = 8 * 1024 * 1024;
/** On one page of a list, all groups together; beyond, the client is told how to ask for less. */
const PAGE_MEMBERS_MAX = 100_000;
/** About as much as one of them takes in an answer. */
const MEMBER_BYTES = 200;
/** A PATCH of a larger group is answered without a body: a client that adds people one by one must not be sent megabytes each time. */
const PATCH_MEMBERS_MAX = 5_000;

/** Registers GET and POST on /Groups, and GET, PUT, PATCH and DELETE on /Groups/:id. */
export function groupRoutes(app: FastifyInstance, parts: { baseUrl: string }): void {
  const { baseUrl } = parts;
  const large = { bodyLimit: BODY_BYTES_MAX, config: { elementsMax: MEMBERS_SENT_MAX } };

  /** Answers with one group: projected, with its version, and 304 to a reader who has it already. */
  async function present(
    request: FastifyRequest,
    reply: FastifyReply,
    record: GroupRecord,
    wanted: Wanted,
  ): Promise<JsonObject | FastifyReply> {
    const version = groupVersion(record);
    const isReading = request.method === 'GET' || request.method === 'HEAD';
    if (isReading && isKnown(request, version)) return await notModified(reply, version);
    const caller = callerOf(request);
    const needs = shows(wanted, GROUP);
    // What was written is done, and is not to be told to come again.
    if (isReading && needs('members')) weighMembers(caller, [record]);
    const [resource = {}] = await caller.door.groups.shelf.resources([record], { baseUrl, needs });
    reply.headers({ etag: version, 'content-location': groupLocation(record.id, baseUrl) });
    return project(resource, wanted, GROUP);
  }

  async function list(request: FastifyRequest): Promise<JsonObject> {
    const query = readListQuery(queryOf(request), { type: GROUP });
    return await listGroups(callerOf(request), query, baseUrl);
  }
  app.get('/Groups', list);
  app.get('/Groups/', list);

  async function create(request: FastifyRequest, reply: FastifyReply): Promise<JsonObject | FastifyReply> {
    const context = contextOf(request);
    const { groups } = callerOf(request).door;
    // Read before the write: a projection that is refused refuses the request, not only its answer.
    const wanted = readProjection(queryOf(request));
    const record = await groups.create(bodyOf(request), context);
    reply.code(201).header('location', groupLocation(record.id, baseUrl));
    return await present(request, reply, record, wanted);
  }
  app.post('/Groups', large, create);
  app.post('/Groups/', large, create);

  app.get('/Groups/:id', async (request, reply) => {
    const wanted = readProjection(queryOf(request));
    return await present(request, reply, await callerOf(request).door.groups.read(idOf(request)), wanted);
  });

  app.put('/Groups/:id', large, async (request, reply) => {
    const context = contextOf(request);
    const { groups } = callerOf(request).door;
    const wanted = readProjection(queryOf(request));
    return await present(request, reply, await groups.replace(idOf(request), bodyOf(request), context), wanted);
  });

  app.patch('/Groups/:id', large, async (request, reply) => {
    const context = contextOf(request);
    const { groups } = callerOf(request).door;
    const wanted = readProjection(queryOf(request));
    const record = await groups.patch(idOf(request), bodyOf(request), context);
    if (record.size > PATCH_MEMBERS_MAX && wanted.attributes === undefined && shows(wanted, GROUP)('members'))
      return await reply.code(204).header('etag', groupVersion(record)).send();
    return await present(request, reply, record, wanted);
  });

  app.delete('/Groups/:id', async (request, reply) => {
    const context = contextOf(request, true);
    const { groups } = callerOf(request).door;
    await groups.remove(idOf(request), context);
    return await reply.code(204).send();
  });

  refuseOtherMethods(app, '/Groups', ['GET', 'POST']);
  refuseOtherMethods(app, '/Groups/', ['GET', 'POST']);
  refuseOtherMethods(app, '/Groups/:id', ['GET', 'PUT', 'PATCH', 'DELETE']);
}

/** Builds the answer to a list of groups, whether it was asked for by address or by a search. */
export async function listGroups(caller: Caller, query: ListQuery, baseUrl: string): Promise<JsonObject> {
  const { groups } = caller.door;
  const { records, ...page } = await groups.list(query, { baseUrl, actor: caller.actor, weigh: caller.weigh });
  const needs = shows(query, GROUP);
  if (needs('members')) weighMembers(caller, records);
  const resources = await groups.shelf.resources(records, { baseUrl, needs });
  return listResponse(
    await projectAll(resources, query, GROUP),
    query.cursor === undefined ? { ...page, startIndex: query.startIndex } : page,
  );
}

/** Groups whose people are to be shown: not too many on one page, and not too much at once. */
export function weighMembers({ weigh }: Pick<Caller, 'weigh'>, records: readonly GroupRecord[]): void {
  const members = records.reduce((sum, { size }) => sum + size, 0);
  refuseTooMany(members, records.length);
  weigh?.(members * MEMBER_BYTES);
}

function refuseTooMany(members: number, groups: number): void {
  if (members <= PAGE_MEMBERS_MAX || groups < 2) return;
  throw new ScimError(
    400,
    `These groups have ${members} members together. Ask for fewer groups with count, or without members: excludedAttributes=members. In Okta leave Import Groups off.`,
    'tooMany',
  );
}
