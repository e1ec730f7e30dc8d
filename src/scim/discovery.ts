/**
 * Owns what the service says about itself: /ServiceProviderConfig, /ResourceTypes, /Schemas. All of it is derived from the attribute
 * table and the limits in code, so that it cannot promise what is not built. Refuses to know addresses: the base URL is given.
 * RFC 7644 §4, RFC 7643 §5-§7, RFC 9865 §4 (pagination).
 */
import { BULK_LIMITS } from './bulk-limits.ts';
import { CURSOR_TIMEOUT_SECONDS } from './cursor.ts';
import { notFound } from './error.ts';
import { LIST_LIMITS, listResponse } from './list.ts';
import { type Attribute, RESOURCE_TYPES, type ResourceType, type Schema } from './schema.ts';
import type { JsonObject } from './types.ts';

const PROVIDER_CONFIG_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig';
const RESOURCE_TYPE_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:ResourceType';
const SCHEMA_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:Schema';
const OAUTH = {
  type: 'oauth2',
  name: 'OAuth 2.0 client credentials',
  description: 'An access token from /oauth/token, for a client secret or a signed assertion. It names the Maxio site.',
  specUri: 'https://www.rfc-editor.org/info/rfc6749',
  primary: false,
};
const SCHEMAS: readonly Schema[] = RESOURCE_TYPES.flatMap((type) => type.schemas);

/** Describes what the service supports. `baseUrl` is the SCIM base, such as `https://scim.example.com/scim/v2`; `oauth`: access tokens are given out. */
export function serviceProviderConfig(baseUrl: string, { oauth = false }: { oauth?: boolean } = {}): JsonObject {
  return {
    schemas: [PROVIDER_CONFIG_SCHEMA],
    patch: { supported: true },
    bulk: { ...BULK_LIMITS },
    filter: { supported: true, maxResults: LIST_LIMITS.maxCount },
    changePassword: { supported: false },
    sort: { supported: true },
    etag: { supported: true },
    // By index unless asked otherwise: that is what clients of RFC 7644 do.
    pagination: {
      cursor: true,
      index: true,
      defaultPaginationMethod: 'index',
      defaultPageSize: LIST_LIMITS.defaultCount,
      maxPageSize: LIST_LIMITS.maxCount,
      cursorTimeout: CURSOR_TIMEOUT_SECONDS,
    },
    authenticationSchemes: [
      {
        type: 'oauthbearertoken',
        name: 'Bearer token',
        description: 'A token in the Authorization header. It names the Maxio site.',
        specUri: 'https://www.rfc-editor.org/info/rfc6750',
        primary: true,
      },
      ...(oauth ? [OAUTH] : []),
    ],
    meta: { resourceType: 'ServiceProviderConfig', location: `${trimmed(baseUrl)}/ServiceProviderConfig` },
  };
}

/** Lists the resource types. */
export function resourceTypes(baseUrl: string): JsonObject {
  return listResponse(
    RESOURCE_TYPES.map((type) => typeResource(baseUrl, type)),
    { totalResults: RESOURCE_TYPES.length, startIndex: 1 },
  );
}

/** Describes one resource type by its id. Throws ScimError 404. */
export function resourceType(baseUrl: string, id: string): JsonObject {
  const type = RESOURCE_TYPES.find(({ name }) => name === id);
  if (type === undefined) throw notFound(id);
  return typeResource(baseUrl, type);
}

/** Lists the schemas with every attribute the service keeps. */
export function schemas(baseUrl: string): JsonObject {
  return listResponse(
    SCHEMAS.map((row) => schemaResource(baseUrl, row)),
    { totalResults: SCHEMAS.length, startIndex: 1 },
  );
}

/** Describes one schema by its URN, in any letter case. Throws ScimError 404. */
export function schema(baseUrl: string, urn: string): JsonObject {
  const found = SCHEMAS.find((row) => row.urn.toLowerCase() === urn.toLowerCase());
  if (found === undefined) throw notFound(urn);
  return schemaResource(baseUrl, found);
}

function typeResource(
  baseUrl: string,
  { name, endpoint, description, schemas: [core, ...extensions] }: ResourceType,
): JsonObject {
  return {
    schemas: [RESOURCE_TYPE_SCHEMA],
    id: name,
    name,
    endpoint,
    description,
    schema: core.urn,
    ...(extensions.length === 0 ? {} : { schemaExtensions: extensions.map(({ urn }) => ({ schema: urn, required: false })) }),
    meta: { resourceType: 'ResourceType', location: `${trimmed(baseUrl)}/ResourceTypes/${name}` },
  };
}

function schemaResource(baseUrl: string, row: Schema): JsonObject {
  return {
    schemas: [SCHEMA_SCHEMA],
    id: row.urn,
    name: row.name,
    description: row.description,
    // What is thrown away must not be offered for mapping.
    attributes: row.attributes.filter((attribute) => attribute.returned !== 'never').map(attributeResource),
    meta: { resourceType: 'Schema', location: `${trimmed(baseUrl)}/Schemas/${row.urn}` },
  };
}

/** Key by key, so that internal columns of the table never leak into the answer. */
function attributeResource(row: Attribute): JsonObject {
  return {
    name: row.name,
    type: row.type,
    multiValued: row.multiValued,
    description: row.description,
    required: row.required,
    ...(row.canonicalValues === undefined ? {} : { canonicalValues: [...row.canonicalValues] }),
    caseExact: row.caseExact,
    mutability: row.mutability,
    returned: row.returned,
    uniqueness: row.uniqueness,
    ...(row.referenceTypes === undefined ? {} : { referenceTypes: [...row.referenceTypes] }),
    ...(row.subAttributes === undefined ? {} : { subAttributes: row.subAttributes.map(attributeResource) }),
  };
}

function trimmed(baseUrl: string): string {
  return baseUrl.replace(/\/+$/, '');
}
