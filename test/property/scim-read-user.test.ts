/** Guards for arbitrary JSON: reading never fails but by ScimError, never pollutes a prototype, and GET → PUT changes nothing. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ScimError } from '../../src/scim/error.ts';
import { parseBody } from '../../src/scim/parse-body.ts';
import { toResource } from '../../src/scim/projection.ts';
import { readUser } from '../../src/scim/read-user.ts';
import { COMMON_ATTRIBUTES } from '../../src/scim/schema/common.ts';
import { ENTERPRISE_ATTRIBUTES, USER_ATTRIBUTES } from '../../src/scim/schema/user.ts';
import { CORE_USER, ENTERPRISE_USER, type Json, type JsonObject } from '../../src/scim/types.ts';

const META = { id: 'i1', location: 'https://x/Users/i1', created: '2026-01-01T00:00:00Z', lastModified: '2026-01-02T00:00:00Z' };
const TABLE = [...COMMON_ATTRIBUTES, ...USER_ATTRIBUTES, ...ENTERPRISE_ATTRIBUTES];
const NAMES = [...new Set(TABLE.flatMap((row) => [row.name, ...(row.subAttributes ?? []).map((sub) => sub.name)]))];

const name = fc.oneof(
  fc.constantFrom(...NAMES),
  fc.constantFrom(...NAMES).map((text) => text.toUpperCase()),
  fc.constantFrom(
    '__proto__',
    'constructor',
    'prototype',
    'hat',
    CORE_USER,
    ENTERPRISE_USER,
    'urn:acme:2.0:Badge',
    `${ENTERPRISE_USER}:manager`,
  ),
  fc.string(),
);
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', 'True', 'false', 'ann@example.com', ' '));
const { value: json } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    text,
    fc.boolean(),
    fc.constant(null),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(name, tie('value'), { maxKeys: 5, noNullPrototype: true }),
  ),
}));
const object = fc.dictionary(name, json, { maxKeys: 8, noNullPrototype: true }) as fc.Arbitrary<JsonObject>;

/** A body that is mostly valid, so that the laws are tested and not only the refusals. */
const plausible = fc
  .record(
    {
      schemas: fc.constant([CORE_USER]),
      userName: fc.stringMatching(/^[A-Za-z0-9@. ]{0,20}[A-Za-z]$/),
      externalId: fc.oneof(fc.string({ maxLength: 20 }), fc.constant(null)),
      active: fc.constantFrom(true, false, 'True', 'False', 'false'),
      title: fc.oneof(fc.string(), fc.constant(null)),
      name: fc.dictionary(
        fc.constantFrom('givenName', 'FAMILYNAME', 'formatted', 'hat'),
        fc.oneof(fc.string(), fc.constant(null)),
        { noNullPrototype: true },
      ),
      emails: fc.array(
        fc.record(
          {
            value: fc.string({ maxLength: 30 }),
            type: fc.constantFrom('work', 'home', ''),
            primary: fc.constantFrom(true, 'True', 'False'),
          },
          { requiredKeys: [] },
        ),
        { maxLength: 4 },
      ),
      roles: fc.oneof(fc.array(fc.string()), fc.string()),
      manager: fc.oneof(
        fc.string(),
        fc.array(fc.record({ $ref: fc.webUrl(), value: fc.string() }, { requiredKeys: [] }), { maxLength: 1 }),
      ),
      [ENTERPRISE_USER]: fc.dictionary(fc.constantFrom('department', 'COSTCENTER', 'hat'), fc.string(), {
        noNullPrototype: true,
      }),
      'urn:acme:2.0:Badge': json,
      'urn:acme:2.0:Badge:flat': json,
      shoe: json,
    },
    { requiredKeys: ['userName'], noNullPrototype: true },
  )
  .map((body) => body as unknown as JsonObject);

function read(body: JsonObject) {
  try {
    return readUser(body);
  } catch (error) {
    if (error instanceof ScimError) return undefined;
    throw error;
  }
}

test('B20 any JSON object is read or refused with a ScimError, and no prototype is touched', () => {
  const before = Object.getOwnPropertyNames(Object.prototype);
  fc.assert(
    fc.property(fc.oneof(object, plausible), (body) => {
      const copy = structuredClone(body);
      read(body);
      expect(body).toEqual(copy);
      expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before);
    }),
    { numRuns: 1_000 },
  );
});

test('what GET returns is accepted by PUT and gives equal attributes', () => {
  let accepted = 0;
  fc.assert(
    fc.property(plausible, (body) => {
      const attributes = read(body);
      if (attributes === undefined) return;
      accepted += 1;
      const returned = JSON.parse(JSON.stringify({ ...toResource(attributes, META), groups: [{ value: 'g' }] })) as JsonObject;
      expect(readUser(returned, attributes)).toEqual(JSON.parse(JSON.stringify(attributes)));
    }),
    { numRuns: 1_000 },
  );
  expect(accepted).toBeGreaterThan(100);
});

test('what was read has a userName, a boolean active, and nothing that a client cannot set', () => {
  fc.assert(
    fc.property(plausible, (body) => {
      const attributes = read(body);
      if (attributes === undefined) return;
      expect(typeof attributes.active).toBe('boolean');
      expect(attributes.userName).toBe(body.userName);
      for (const key of ['id', 'meta', 'schemas', 'groups', 'password']) expect(Object.hasOwn(attributes, key)).toBe(false);
    }),
    { numRuns: 300 },
  );
});

test('B79 any bytes are parsed or refused with a ScimError', () => {
  const nearJson = fc.oneof(
    fc.json(),
    fc.string({ unit: 'binary' }),
    object.map((body) => JSON.stringify(body)),
  );
  const input = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    nearJson.map((line) => new TextEncoder().encode(line)),
    fc.tuple(nearJson, fc.nat(300)).map(([line, cut]) => new TextEncoder().encode(line.slice(0, cut))),
  );
  fc.assert(
    fc.property(input, (bytes) => {
      try {
        const body = parseBody(bytes);
        expect(body).toEqual(JSON.parse(new TextDecoder().decode(bytes)));
      } catch (error) {
        if (!(error instanceof ScimError)) throw error;
        expect(error.status).toBe(400);
      }
    }),
    { numRuns: 1_000 },
  );
});
