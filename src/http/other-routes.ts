/**
 * Owns the endpoints of SCIM that this service does not offer (yet), so that each says so instead of being "not found".
 * /Groups answers reads with an empty list: Okta's connection test and import ask for groups when "Import Groups" is on, and a failure
 * there would stop the users too. RFC 7644 §3.4.3 (.search), §3.7 (Bulk), §3.11 (Me), §3.12 (501).
 */
import type { FastifyInstance } from 'fastify';
import { notFound } from '../scim/error.ts';
import { listResponse, readListQuery } from '../scim/list.ts';
import { notOffered } from './refuse.ts';
import { queryOf } from './user-routes.ts';

const GROUPS =
  'Groups are not provisioned to Maxio yet. Switch off group push (Okta) or the group mapping (Entra ID); users are not affected.';

/** Registers an empty /Groups for readers and 501 for everything else that is not offered. */
export function otherRoutes(app: FastifyInstance): void {
  app.get('/Groups', async (request) => {
    const { startIndex, count } = queryOf(request);
    const page = readListQuery({ startIndex, count });
    return listResponse([], { totalResults: 0, startIndex: page.startIndex });
  });
  app.get('/Groups/:id', async (request) => {
    throw notFound((request.params as { id: string }).id);
  });
  notOffered(app, '/Groups', GROUPS, ['GET', 'HEAD']);
  notOffered(app, '/Groups/:id', GROUPS, ['GET', 'HEAD']);

  notOffered(app, '/Bulk', 'Bulk requests are not offered; send one request per user.');
  notOffered(app, '/Me', 'There is no "me" for a provisioning token; use /Users with a filter.');
  for (const url of ['/.search', '/Users/.search', '/Groups/.search']) {
    notOffered(app, url, 'Searching by POST is not offered; use GET /Users with a filter.');
  }
}
