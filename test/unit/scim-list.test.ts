/** Guards list queries, ListResponse and projection. RFC 7644 §3.4.2, §3.4.2.4, §3.4.2.5, §3.9. */
import { describe, expect, test } from 'vitest';
import { ScimError } from '../../src/scim/error.ts';
import { matches } from '../../src/scim/filter.ts';
import { listResponse, readListQuery } from '../../src/scim/list.ts';
import { project, toResource } from '../../src/scim/projection.ts';
import { GROUP } from '../../src/scim/schema.ts';
import { CORE_GROUP, CORE_USER, ENTERPRISE_USER, type UserAttributes } from '../../src/scim/types.ts';

const META = { id: 'i1', location: 'https://x/Users/i1', created: '2026-01-01T00:00:00Z', lastModified: '2026-01-02T00:00:00Z' };
const ATTRIBUTES: UserAttributes = {
  userName: 'ann',
  active: true,
  externalId: 'e1',
  name: { givenName: 'Ann', familyName: 'Lee' },
  emails: [
    { value: 'a@x', type: 'work', primary: true },
    { value: 'b@x', type: 'home' },
  ],
  shoeSize: 42,
  [ENTERPRISE_USER]: { department: 'D', manager: { value: 'm1' } },
  'urn:acme:2.0:Badge': { number: 7 },
};
const RESOURCE = toResource(ATTRIBUTES, META);
const SCHEMAS = [CORE_USER, ENTERPRISE_USER, 'urn:acme:2.0:Badge'];

const refusal = (run: () => unknown): ScimError => {
  try {
    run();
  } catch (error) {
    if (error instanceof ScimError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
};

test('a resource has id, meta and the schemas that have values', () => {
  expect(RESOURCE).toEqual({
    ...ATTRIBUTES,
    schemas: SCHEMAS,
    id: 'i1',
    meta: { resourceType: 'User', created: META.created, lastModified: META.lastModified, location: META.location },
  });
  expect(toResource({ userName: 'ann', active: true }, META).schemas).toEqual([CORE_USER]);
});

describe('project', () => {
  test.each<[string, string[], object]>([
    ['one attribute, in any letter case', ['USERNAME'], { userName: 'ann' }],
    ['id', ['id'], {}],
    ['a sub-attribute', ['name.givenName'], { name: { givenName: 'Ann' } }],
    [
      'two sub-attributes of a list',
      ['emails.value', 'emails.type'],
      {
        emails: [
          { value: 'a@x', type: 'work' },
          { value: 'b@x', type: 'home' },
        ],
      },
    ],
    ['a sub-attribute that some elements lack', ['emails.primary'], { emails: [{ primary: true }, {}] }],
    ['a whole and a part of it', ['name', 'name.givenName'], { name: { givenName: 'Ann', familyName: 'Lee' } }],
    ['a URN-qualified name', [`${CORE_USER}:userName`], { userName: 'ann' }],
    ['an extension attribute', [`${ENTERPRISE_USER}:department`], { [ENTERPRISE_USER]: { department: 'D' } }],
    ['a whole extension', [ENTERPRISE_USER.toLowerCase()], { [ENTERPRISE_USER]: { department: 'D', manager: { value: 'm1' } } }],
    ['an unknown extension', ['urn:acme:2.0:Badge:number'], { 'urn:acme:2.0:Badge': { number: 7 } }],
    ['the bare manager', ['manager'], { [ENTERPRISE_USER]: { manager: { value: 'm1' } } }],
    ['an unknown attribute that is there', ['shoesize'], { shoeSize: 42 }],
    ['names that mean nothing', ['hat', '__proto__', 'password', 'groups', ''], {}],
  ])('includes %s', (_, attributes, expected) => {
    expect(project(RESOURCE, { attributes })).toEqual({ schemas: SCHEMAS, id: 'i1', ...expected });
  });

  test('includes the whole core schema by its URN', () => {
    const { [ENTERPRISE_USER]: _enterprise, 'urn:acme:2.0:Badge': _badge, ...core } = RESOURCE;
    expect(project(RESOURCE, { attributes: [CORE_USER] })).toEqual(core);
  });

  test.each<[string, string[], string[]]>([
    ['an attribute', ['NAME'], ['name']],
    ['the last parts of an attribute', ['name.givenName', 'name.familyName'], ['name']],
    ['a whole extension', [ENTERPRISE_USER], [ENTERPRISE_USER]],
    ['an extension by its attributes', ['urn:acme:2.0:Badge:number'], ['urn:acme:2.0:Badge']],
    ['not id and schemas', ['id', 'schemas'], []],
    ['nothing for unknown names', ['hat', 'constructor', 'name.hat'], []],
  ])('excludes %s', (_, excludedAttributes, gone) => {
    const rest = Object.fromEntries(Object.entries(RESOURCE).filter(([key]) => !gone.includes(key)));
    expect(project(RESOURCE, { excludedAttributes })).toEqual(rest);
  });

  test('excludes one part of every element and keeps the others', () => {
    expect(project(RESOURCE, { excludedAttributes: ['emails.type', 'emails.primary'] }).emails).toEqual([
      { value: 'a@x' },
      { value: 'b@x' },
    ]);
  });

  test('changes nothing when nothing is asked, and never the resource', () => {
    const before = structuredClone(RESOURCE);
    expect(project(RESOURCE, {})).toEqual(RESOURCE);
    project(RESOURCE, { attributes: ['emails.value', 'name.givenName', 'name.familyName'] });
    project(RESOURCE, { excludedAttributes: ['emails.value', 'name'] });
    expect(RESOURCE).toEqual(before);
  });

  test('looks into a list once for each of its parts, however often and in whichever way it is named', () => {
    let looks = 0;
    const member = {
      get value(): string {
        looks += 1;
        return 'p';
      },
    };
    const team = { schemas: [CORE_GROUP], id: 'g', displayName: 'Team', members: [member] };
    const names = ['members.value', 'MEMBERS.Value', `${CORE_GROUP}:members.value`, 'members.hat', 'members.cap'];
    const shown = project(team, { attributes: [...names, ...names] }, GROUP);
    expect(looks).toBe(1);
    expect(shown).toEqual({ schemas: [CORE_GROUP], id: 'g', members: [{ value: 'p' }] });
    expect(project(team, { attributes: ['members.hat'] }, GROUP)).toEqual({ schemas: [CORE_GROUP], id: 'g' });
    expect(project(team, { attributes: ['members.value', CORE_GROUP] }, GROUP)).toEqual({ ...team, members: [{ value: 'p' }] });
  });

  test('refuses both lists', () => {
    expect(refusal(() => project(RESOURCE, { attributes: ['id'], excludedAttributes: ['name'] })).status).toBe(400);
    expect(refusal(() => readListQuery({ attributes: 'id', excludedAttributes: 'name' })).status).toBe(400);
  });
});

describe('readListQuery', () => {
  test.each<[string, Record<string, unknown>, object]>([
    ['nothing', {}, { startIndex: 1, count: 100 }],
    ["Okta's first page", { startIndex: '1', count: '100' }, { startIndex: 1, count: 100 }],
    ['B65 startIndex 0', { startIndex: '0' }, { startIndex: 1, count: 100 }],
    ['B65 startIndex -1', { startIndex: '-1' }, { startIndex: 1, count: 100 }],
    ['B65 a huge startIndex', { startIndex: '99999999999999999999' }, { startIndex: Number.MAX_SAFE_INTEGER, count: 100 }],
    ['B65 count -1', { count: '-1' }, { startIndex: 1, count: 0 }],
    ['count 0', { count: '0' }, { startIndex: 1, count: 0 }],
    ['B66 count above the limit', { count: '1000000000' }, { startIndex: 1, count: 200 }],
    ['B66 an empty count', { count: '' }, { startIndex: 1, count: 100 }],
    ['B69 unknown parameters', { aadOptscim062020: '', offset: 'x' }, { startIndex: 1, count: 100 }],
    [
      'sorting',
      { sortBy: 'userName', sortOrder: 'Descending' },
      { startIndex: 1, count: 100, sort: { steps: ['userName'], kind: 'folded', descending: true } },
    ],
    ['an order of nothing', { sortOrder: 'sideways', sortBy: ' ' }, { startIndex: 1, count: 100 }],
    ['names', { attributes: 'id, userName,,' }, { startIndex: 1, count: 100, attributes: ['id', 'userName'] }],
    ['no names', { attributes: '', excludedAttributes: 'groups' }, { startIndex: 1, count: 100, excludedAttributes: ['groups'] }],
  ])('%s', (_, query, expected) => {
    const { identity, ...page } = readListQuery(query);
    expect(page).toEqual(expected);
    // The same for every page of a list.
    expect(identity).toBe(
      readListQuery({ ...query, startIndex: '7', count: '3', attributes: '', excludedAttributes: '' }).identity,
    );
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['B66 count=abc', { count: 'abc' }, 'invalidValue'],
    ['B66 count=0x10', { count: '0x10' }, 'invalidValue'],
    ['B66 count=1.5', { count: '1.5' }, 'invalidValue'],
    ['B66 count=1e9', { count: '1e9' }, 'invalidValue'],
    ['B66 a repeated count', { count: ['1', '2'] }, 'invalidValue'],
    ['startIndex=NaN', { startIndex: 'NaN' }, 'invalidValue'],
    ['B67 10,000 names', { attributes: 'a,'.repeat(10_000) }, 'invalidValue'],
    ['B68 nonsense to sort by', { sortBy: 'constructor' }, 'invalidValue'],
    ['B68 a prototype to sort by', { sortBy: '__proto__' }, 'invalidValue'],
    ['an order there is not', { sortBy: 'userName', sortOrder: 'sideways' }, 'invalidValue'],
    ['a complex attribute to sort by', { sortBy: 'name' }, 'invalidValue'],
    ['a password to sort by', { sortBy: 'password' }, 'invalidValue'],
    ['a cursor and a number', { cursor: '', startIndex: '1' }, 'invalidValue'],
    ['a cursor and no people', { cursor: '', count: '0' }, 'invalidCount'],
    ['a cursor and fewer than none', { cursor: '', count: '-1' }, 'invalidCount'],
    ['a cursor and a count above the limit', { cursor: '', count: '201' }, 'invalidCount'],
    ['a cursor and a count that is none', { cursor: '', count: 'abc' }, 'invalidCount'],
    ['an empty filter', { filter: '' }, 'invalidFilter'],
    ['a filter of spaces', { filter: '  ' }, 'invalidFilter'],
    ['a bad filter', { filter: 'userName' }, 'invalidFilter'],
  ])('refuses %s', (_, query, scimType) => {
    expect(refusal(() => readListQuery(query))).toMatchObject({ status: 400, scimType });
  });

  test('of a repeated filter the last one counts', () => {
    const { filter } = readListQuery({ filter: ['userName eq "bob"', 'userName eq "ANN"'] });
    expect(filter !== undefined && matches(filter, RESOURCE)).toBe(true);
  });

  test('other limits may be given', () => {
    expect(readListQuery({ count: '50' }, { limits: { defaultCount: 5, maxCount: 10 } }).count).toBe(10);
    expect(readListQuery({}, { limits: { defaultCount: 5, maxCount: 10 } }).count).toBe(5);
  });
});

test('a ListResponse always has Resources, and whole numbers', () => {
  expect(listResponse([], { totalResults: 7, startIndex: 9 })).toEqual({
    schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
    totalResults: 7,
    startIndex: 9,
    itemsPerPage: 0,
    Resources: [],
  });
  expect(listResponse([RESOURCE], { totalResults: 1, startIndex: 1 }).itemsPerPage).toBe(1);
});
