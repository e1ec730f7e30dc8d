/** What POST and PUT of a group mean: attributes apart from members, nothing lost that a client sent. RFC 7643 §4.2, RFC 7644 §3.5.1. */
import { expect, test } from 'vitest';
import { ScimError } from '../../src/scim/error.ts';
import { readGroup } from '../../src/scim/group/read-group.ts';
import { CORE_GROUP, type JsonObject } from '../../src/scim/types.ts';

const ADSCIM = 'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group';

test('as Okta and Entra ID create one', () => {
  expect(readGroup({ schemas: [CORE_GROUP], displayName: 'Sales', members: [] })).toEqual({
    attributes: { displayName: 'Sales' },
    extraSchemas: [],
    members: [],
  });
  const entra = { schemas: [CORE_GROUP, ADSCIM], externalId: '8aa1', displayName: 'Sales', meta: { resourceType: 'Group' } };
  expect(readGroup(entra)).toEqual({
    attributes: { displayName: 'Sales', externalId: '8aa1' },
    extraSchemas: [ADSCIM],
    members: undefined,
  });
  const withValues = { ...entra, [ADSCIM]: { mail: 'sales@example.com' } };
  expect(readGroup(withValues)).toMatchObject({ attributes: { [ADSCIM]: { mail: 'sales@example.com' } }, extraSchemas: [] });
});

test('PUT as Okta sends it: id and meta are ignored, display may be null, an omitted externalId stays', () => {
  const body = { schemas: [CORE_GROUP], id: 'x', displayName: 'X', members: [{ value: 'a', display: null }], meta: {} };
  expect(readGroup(body, { displayName: 'Old', externalId: 'g-1' })).toEqual({
    attributes: { displayName: 'X', externalId: 'g-1' },
    extraSchemas: [],
    members: ['a'],
  });
  expect(readGroup({ displayName: 'X', externalId: null }, { displayName: 'Old', externalId: 'g-1' }).attributes).toEqual({
    displayName: 'X',
  });
});

test.each<[string, JsonObject, string]>([
  ['without a name', { schemas: [CORE_GROUP], members: [] }, 'invalidValue'],
  ['with an empty name', { displayName: '' }, 'invalidValue'],
  ['with a name of spaces', { displayName: '   ' }, 'invalidValue'],
  ['with a name that is a number', { displayName: 7 }, 'invalidValue'],
  ['of another type', { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], displayName: 'x' }, 'invalidSyntax'],
  ['with a group inside', { displayName: 'x', members: [{ value: 'g', type: 'Group' }] }, 'invalidValue'],
  ['with a member that is nobody', { displayName: 'x', members: [{}] }, 'invalidValue'],
])('refused: %s', (_name, body, scimType) => {
  try {
    readGroup(body);
  } catch (error) {
    expect(error).toBeInstanceOf(ScimError);
    expect(error).toMatchObject({ status: 400, scimType });
    return;
  }
  throw new Error('was accepted');
});
