/** Guards what the service says about itself, and that every deviation it lists really exists. RFC 7643 §5-§7, RFC 7644 §4. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { DEVIATIONS } from '../../src/scim/deviations.ts';
import * as discovery from '../../src/scim/discovery.ts';
import { isObject } from '../../src/scim/json.ts';
import { BILLING_USER, CORE_GROUP, CORE_USER, ENTERPRISE_USER, type Json, type JsonObject } from '../../src/scim/types.ts';

const BASE = 'https://scim.example.com/scim/v2';
const objects = (value: Json | undefined): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : []);
const TYPES = ['string', 'boolean', 'decimal', 'integer', 'dateTime', 'binary', 'reference', 'complex'];

function everyAttribute(attributes: JsonObject[]): JsonObject[] {
  return attributes.flatMap((row) => [row, ...everyAttribute(objects(row.subAttributes))]);
}

test('ServiceProviderConfig names every feature, supported or not', () => {
  expect(discovery.serviceProviderConfig(`${BASE}/`)).toMatchObject({
    patch: { supported: true },
    bulk: { supported: true, maxOperations: 1_000, maxPayloadSize: 1_048_576 },
    filter: { supported: true, maxResults: 200 },
    changePassword: { supported: false },
    sort: { supported: true },
    etag: { supported: true },
    pagination: { cursor: true, index: true, defaultPaginationMethod: 'index', defaultPageSize: 100, maxPageSize: 200 },
    authenticationSchemes: [{ type: 'oauthbearertoken', name: expect.any(String), description: expect.any(String) }],
    meta: { location: `${BASE}/ServiceProviderConfig` },
  });
});

test('the resource types are User with its extensions and Group, and their schemas exist', () => {
  const [user, group] = objects(discovery.resourceTypes(BASE).Resources);
  expect(user).toEqual(discovery.resourceType(BASE, 'User'));
  expect(user).toMatchObject({
    id: 'User',
    endpoint: '/Users',
    schema: CORE_USER,
    schemaExtensions: [
      { schema: ENTERPRISE_USER, required: false },
      { schema: BILLING_USER, required: false },
    ],
  });
  expect(group).toEqual(discovery.resourceType(BASE, 'Group'));
  expect(group).toMatchObject({ id: 'Group', endpoint: '/Groups', schema: CORE_GROUP });
  expect(group).not.toHaveProperty('schemaExtensions');
  for (const urn of [CORE_GROUP, BILLING_USER]) expect(discovery.schema(BASE, urn).id).toBe(urn);
  expect(discovery.schema(BASE, CORE_USER).id).toBe(CORE_USER);
  expect(discovery.schema(BASE, ENTERPRISE_USER.toLowerCase()).id).toBe(ENTERPRISE_USER);
});

test('unknown resource types and schemas are 404', () => {
  expect(() => discovery.resourceType(BASE, 'constructor')).toThrow(expect.objectContaining({ status: 404 }));
  expect(() => discovery.schema(BASE, 'urn:x')).toThrow(expect.objectContaining({ status: 404 }));
});

describe('/Schemas', () => {
  const list = discovery.schemas(BASE);
  const attributes = everyAttribute(objects(list.Resources).flatMap((row) => objects(row.attributes)));
  const core = objects(discovery.schema(BASE, CORE_USER).attributes).map((row) => row.name);

  test('every attribute of RFC 7643 §4.1 is there, without what is no part of a schema or never kept', () => {
    expect(core).toEqual([
      'userName',
      'name',
      'displayName',
      'nickName',
      'profileUrl',
      'title',
      'userType',
      'preferredLanguage',
      'locale',
      'timezone',
      'active',
      'emails',
      'phoneNumbers',
      'ims',
      'photos',
      'addresses',
      'groups',
      'entitlements',
      'roles',
      'x509Certificates',
    ]);
    expect(objects(discovery.schema(BASE, ENTERPRISE_USER).attributes).map((row) => row.name)).toEqual([
      'employeeNumber',
      'costCenter',
      'organization',
      'division',
      'department',
      'manager',
    ]);
  });

  test('every attribute has every characteristic, and nothing internal', () => {
    expect(attributes.length).toBeGreaterThan(70);
    for (const row of attributes) {
      expect(TYPES).toContain(row.type);
      expect(row).toMatchObject({
        name: expect.any(String),
        description: expect.stringMatching(/.\.$/),
        multiValued: expect.any(Boolean),
        required: expect.any(Boolean),
        caseExact: expect.any(Boolean),
        mutability: expect.stringMatching(/^(readWrite|readOnly|immutable|writeOnly)$/),
        returned: expect.stringMatching(/^(always|never|default|request)$/),
        uniqueness: expect.stringMatching(/^(none|server|global)$/),
      });
      expect(row).not.toHaveProperty('rule');
      if (row.type === 'complex') expect(objects(row.subAttributes).length).toBeGreaterThan(0);
      if (row.type === 'reference') expect(row.referenceTypes).toBeDefined();
    }
  });

  test('of the billing extension nothing can be written, and all of it comes on request only', () => {
    const rows = objects(discovery.schema(BASE, BILLING_USER).attributes);
    expect(rows.map((row) => row.name)).toEqual([
      'customerId',
      'reference',
      'state',
      'reason',
      'detail',
      'lastSettled',
      'subscriptions',
    ]);
    for (const row of rows) expect(row).toMatchObject({ mutability: 'readOnly', returned: 'request' });
    for (const row of everyAttribute(rows)) expect(row.mutability).toBe('readOnly');
  });

  test('a group has a required, unique displayName and members who are people', () => {
    const [displayName, members] = objects(discovery.schema(BASE, CORE_GROUP).attributes);
    expect(displayName).toMatchObject({ name: 'displayName', required: true, uniqueness: 'server', caseExact: false });
    expect(members).toMatchObject({ name: 'members', multiValued: true, required: false, mutability: 'readWrite' });
    expect(objects(members?.subAttributes).find((row) => row.name === 'value')).toMatchObject({ mutability: 'immutable' });
    expect(objects(members?.subAttributes).find((row) => row.name === 'type')).toMatchObject({ canonicalValues: ['User'] });
  });

  test('userName is required, unique and without regard to case', () => {
    expect(attributes.find((row) => row.name === 'userName')).toMatchObject({
      required: true,
      uniqueness: 'server',
      caseExact: false,
    });
  });

  test('there are no nulls, and the list counts itself', () => {
    expect(JSON.stringify(list)).not.toContain('null');
    expect(list).toMatchObject({ totalResults: 4, itemsPerPage: 4 });
  });
});

describe('the deviations', () => {
  test.each(DEVIATIONS.map((row) => [row.id, row] as const))('%s is implemented where it says', (_, row) => {
    const [file, name] = row.where.split('#');
    const url = new URL(`../../src/scim/${file}`, import.meta.url);
    expect(existsSync(url)).toBe(true);
    expect(readFileSync(url, 'utf8')).toMatch(new RegExp(`^export (async )?function ${name}\\(`, 'm'));
    expect(row.rfc).toMatch(/^RFC 764[34] §\d/);
  });

  test('have different ids', () => {
    expect(new Set(DEVIATIONS.map((row) => row.id)).size).toBe(DEVIATIONS.length);
  });
});
