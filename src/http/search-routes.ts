/**
 * Owns the endpoints that search by POST: over people, over groups, and over both, people first. They change nothing, so a site that accepts no
 * writes still answers them. Refuses to know what a query means (scim/list) and how it is answered (directory/list-resources). RFC 7644 §3.4.3.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { GroupRecord } from '../directory/group-record.ts';
import type { UserRecord } from '../directory/record.ts';
import type { View } from '../directory/shelf.ts';
import { listResponse, readListQuery, readSearchQuery } from '../scim/list.ts';
import { shows } from '../scim/projection.ts';
import { GROUP, USER } from '../scim/schema.ts';
import { readSearch } from '../scim/search.ts';
import type { JsonObject } from '../scim/types.ts';
import type { Caller } from './auth.ts';
import { listGroups, weighMembers } from './group-routes.ts';
import { projectAll } from './project-all.ts';
import { refuseOtherMethods } from './refuse.ts';
import { bodyOf, callerOf } from './request-parts.ts';
import { listUsers } from './user-routes.ts';

/** Registers POST on /.search, /Users/.search and /Groups/.search. */
export function searchRoutes(app: FastifyInstance, { baseUrl }: { baseUrl: string }): void {
  const serve = (url: string, answer: (caller: Caller, query: Record<string, string>) => Promise<JsonObject>): void => {
    app.post(url, async (request: FastifyRequest) => await answer(callerOf(request), readSearch(bodyOf(request))));
    refuseOtherMethods(app, url, ['POST']);
  };
  serve('/Users/.search', async (caller, query) => await listUsers(caller, readListQuery(query), baseUrl));
  serve('/Groups/.search', async (caller, query) => await listGroups(caller, readListQuery(query, { type: GROUP }), baseUrl));
  serve('/.search', async (caller, query) => await searchAll(caller, query, baseUrl));
}

async function searchAll(caller: Caller, sent: Record<string, string>, baseUrl: string): Promise<JsonObject> {
  const { door, actor, weigh } = caller;
  const { users, groups } = door;
  const query = readSearchQuery(sent, [USER, GROUP]);
  const { rows, ...page } = await users.search(query, [groups.shelf], { baseUrl, actor, weigh });
  // The lists were given in this order, and a row says which one it is from.
  const people = rows.filter(({ list }) => list === 0).map(({ record }) => record as UserRecord);
  const teams = rows.filter(({ list }) => list === 1).map(({ record }) => record as GroupRecord);
  const viewOf = (type: typeof USER): View => ({ baseUrl, needs: shows(query, type) });
  if (viewOf(GROUP).needs('members')) weighMembers(caller, teams);
  const [shownPeople, shownTeams] = await Promise.all([
    users.resources(people, viewOf(USER)),
    groups.shelf.resources(teams, viewOf(GROUP)),
  ]);
  const left = [await projectAll(shownPeople, query, USER), await projectAll(shownTeams, query, GROUP)].map((resources) =>
    resources.values(),
  );
  const resources = rows.map(({ list }) => left[list]?.next().value ?? {});
  return listResponse(resources, query.cursor === undefined ? { ...page, startIndex: query.startIndex } : page);
}
