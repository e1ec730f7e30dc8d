/**
 * Owns where the discovery documents are and who may read them. They are open: they describe the software, not the people in it, and
 * RFC 7644 §4 wants a client to learn the authentication scheme before it has a token. A token that is sent is checked all the same, so
 * that an admin who tries one out is told the truth. Refuses to know their content (scim/discovery).
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { resourceType, resourceTypes, schema, schemas, serviceProviderConfig } from '../scim/discovery.ts';
import { ScimError } from '../scim/error.ts';
import type { JsonObject } from '../scim/types.ts';
import { refuseOtherMethods } from './refuse.ts';

/** Registers /ServiceProviderConfig, /ResourceTypes and /Schemas, with single entries by id. */
export function discoveryRoutes(app: FastifyInstance, parts: { baseUrl: string; oauth: boolean }): void {
  const { baseUrl, oauth } = parts;
  serve(app, '/ServiceProviderConfig', () => serviceProviderConfig(baseUrl, { oauth }));
  serve(app, '/ResourceTypes', () => resourceTypes(baseUrl));
  serve(app, '/ResourceTypes/:id', (id) => resourceType(baseUrl, id));
  serve(app, '/Schemas', () => schemas(baseUrl));
  serve(app, '/Schemas/:id', (id) => schema(baseUrl, id));
}

function serve(app: FastifyInstance, url: string, answer: (id: string) => JsonObject): void {
  app.get(url, { config: { open: true } }, async (request) => {
    refuseFilter(request);
    return answer((request.params as { id?: string }).id ?? '');
  });
  refuseOtherMethods(app, url, ['GET']);
}

/** RFC 7644 §4: a filter on discovery is forbidden rather than ignored, or a client would take the whole list for its answer. */
function refuseFilter(request: FastifyRequest): void {
  const { filter } = request.query as { filter?: unknown };
  if (filter !== undefined) throw new ScimError(403, 'Discovery documents cannot be filtered.');
}
