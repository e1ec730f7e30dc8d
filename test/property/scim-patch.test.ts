/** Guards for arbitrary PATCH bodies: all or nothing, twice is once, ids untouched, and the result is a user that PUT would accept. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ScimError } from '../../src/scim/error.ts';
import { applyPatch } from '../../src/scim/patch.ts';
import { toResource } from '../../src/scim/projection.ts';
import { readUser } from '../../src/scim/read-user.ts';
import { CORE_USER, ENTERPRISE_USER, type Json, type JsonObject, type UserAttributes } from '../../src/scim/types.ts';

const OWN = { id: 'own-id' };
const ANN: UserAttributes = {
  userName: 'ann@example.com',
  active: true,
  externalId: '00u1',
  title: 'Engineer',
  name: { givenName: 'Ann', familyName: 'Lee' },
  emails: [
    { value: 'ann@work.example', type: 'work', primary: true },
    { value: 'ann@home.example', type: 'home' },
  ],
  roles: [{ value: 'admin' }],
  shoe: { size: 42 },
  tags: ['a', 'b'],
  [ENTERPRISE_USER]: { department: 'R&D', manager: { value: 'm1' } },
  'urn:acme:2.0:Badge': { number: 7 },
};

const path = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.constantFrom(
      ...[
        'title',
        'name',
        'name.givenName',
        'emails',
        'emails[type eq "work"]',
        'emails[type eq "work"].value',
        'emails[type eq "other"].value',
      ],
      ...[
        'emails[primary eq "True"].display',
        'emails.value',
        'roles',
        'roles[value eq "admin"]',
        'active',
        'userName',
        'externalId',
        'id',
        'meta',
      ],
      ...[
        'manager',
        'manager[value eq "m1"]',
        ENTERPRISE_USER,
        `${ENTERPRISE_USER}:department`,
        CORE_USER,
        `${CORE_USER}.manager`,
        'shoe',
        'shoe.size',
      ],
      ...[
        'tags',
        'tags[value eq "a"]',
        'urn:acme:2.0:Badge',
        'urn:acme:2.0:Badge:number',
        'urn:new:1.0:X:y.z',
        'groups',
        'password',
        'schemas',
      ],
      ...['__proto__', 'constructor.prototype', 'name.__proto__', 'x509Certificates', 'addresses[type eq "work"].locality'],
    ),
  },
  { weight: 1, arbitrary: fc.string() },
);
const scalar = fc.oneof(fc.string(), fc.constantFrom('', 'True', 'false', null, true, false, 7, 'ann@work.example', 'own-id'));
const element = fc.dictionary(
  fc.constantFrom('value', 'type', 'primary', 'display', 'givenName', 'locality', '$ref', '__proto__'),
  scalar,
  { maxKeys: 3, noNullPrototype: true },
);
const value = fc.oneof(
  scalar,
  element,
  fc.array(fc.oneof(scalar, element), { maxLength: 3 }),
  fc.dictionary(path, fc.oneof(scalar, element), { maxKeys: 3, noNullPrototype: true }),
);
const operation = fc.record(
  { op: fc.constantFrom('add', 'Replace', 'REMOVE', 'replace', 'move'), path: fc.oneof(path, fc.constant(null)), value },
  { requiredKeys: ['op'] },
);
/** One attribute at a time: keys that meet in one attribute are operations of their own, and two of those need not commute. */
const oneKey = fc.dictionary(path, fc.oneof(scalar, element), { maxKeys: 1, noNullPrototype: true });
const replacement = fc.record({
  op: fc.constantFrom('replace', 'Replace'),
  path: fc.oneof(path, fc.constant(null)),
  value: fc.oneof(scalar, element, fc.array(fc.oneof(scalar, element), { maxLength: 3 }), oneKey),
});
const bodyOf = (operations: unknown): JsonObject => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: operations as Json[],
});

function patch(current: UserAttributes, body: JsonObject): UserAttributes | undefined {
  try {
    return applyPatch(current, body, OWN);
  } catch (error) {
    if (error instanceof ScimError) return undefined;
    throw error;
  }
}

test('B70 B71 B75 a PATCH gives a whole user or a ScimError; input and prototypes stay as they are', () => {
  const before = structuredClone(ANN);
  const prototype = Object.getOwnPropertyNames(Object.prototype);
  let applied = 0;
  fc.assert(
    fc.property(fc.array(operation, { minLength: 1, maxLength: 3 }), (operations) => {
      const body = bodyOf(operations);
      const copy = structuredClone(body);
      const result = patch(ANN, body);
      expect(ANN).toEqual(before);
      expect(body).toEqual(copy);
      expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(prototype);
      if (result === undefined) return;
      applied += 1;
      for (const key of ['id', 'meta', 'schemas', 'groups', 'password']) expect(Object.hasOwn(result, key)).toBe(false);
      expect(typeof result.active).toBe('boolean');
      const returned = toResource(result, {
        ...OWN,
        location: 'https://x',
        created: '2026-01-01T00:00:00Z',
        lastModified: '2026-01-01T00:00:00Z',
      });
      expect(readUser(returned, result)).toEqual(result);
    }),
    { numRuns: 3_000 },
  );
  expect(applied).toBeGreaterThan(100);
});

test('a replace applied twice is the same as once', () => {
  let applied = 0;
  fc.assert(
    fc.property(replacement, (one) => {
      const once = patch(ANN, bodyOf([one]));
      if (once === undefined) return;
      applied += 1;
      expect(applyPatch(once, bodyOf([one]), OWN)).toEqual(once);
    }),
    { numRuns: 2_000 },
  );
  expect(applied).toBeGreaterThan(100);
});

test('operations after each other equal the same operations in one request', () => {
  const simple = fc.constantFrom<JsonObject>(
    { op: 'replace', path: 'title', value: 'Boss' },
    { op: 'Add', path: 'emails[type eq "other"].value', value: 'o@x' },
    { op: 'remove', path: 'emails[type eq "home"]' },
    { op: 'replace', value: { active: 'False', 'name.givenName': 'Eve' } },
    { op: 'add', path: 'roles', value: [{ value: 'x', primary: true }] },
    { op: 'replace', path: 'manager', value: '' },
    { op: 'remove', path: 'name' },
  );
  fc.assert(
    fc.property(fc.array(simple, { minLength: 1, maxLength: 5 }), (operations) => {
      const stepwise = operations.reduce<UserAttributes>((current, one) => applyPatch(current, bodyOf([one]), OWN), ANN);
      expect(applyPatch(ANN, bodyOf(operations), OWN)).toEqual(stepwise);
    }),
    { numRuns: 300 },
  );
});

test('at most one element of a list is primary, whatever is added or set', () => {
  const target = fc.constantFrom('emails', 'emails[type eq "home"]', 'emails[type eq "other"]', 'emails[type eq "work"]');
  const change = fc.record({
    op: fc.constantFrom('add', 'replace'),
    path: target,
    value: fc.record({ value: fc.constantFrom('a', 'b'), primary: fc.constantFrom(true, 'True', false) }),
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (operations) => {
      const { emails } = applyPatch(ANN, bodyOf(operations), OWN);
      const primaries = (emails as JsonObject[]).filter((email) => email.primary === true);
      expect(primaries.length).toBeLessThanOrEqual(1);
    }),
    { numRuns: 300 },
  );
});
