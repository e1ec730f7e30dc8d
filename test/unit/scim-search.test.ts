/** Guards the message of a search by POST, and a search over several types. RFC 7644 §3.4.3. */
import { describe, expect, test } from 'vitest';
import { matches } from '../../src/scim/filter.ts';
import { readSearchQuery } from '../../src/scim/list.ts';
import { GROUP, USER } from '../../src/scim/schema.ts';
import { readSearch } from '../../src/scim/search.ts';
import type { JsonObject } from '../../src/scim/types.ts';

const SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest';

describe('a SearchRequest', () => {
  test('becomes the query it would be in an address, names in any letter case', () => {
    const body = {
      schemas: [SCHEMA.toUpperCase()],
      ATTRIBUTES: ['userName', 'name.givenName'],
      filter: 'userName eq "ann"',
      sortBy: 'userName',
      sortOrder: 'descending',
      startIndex: 3,
      Count: 7,
      unknown: true,
    };
    expect(readSearch(body)).toEqual({
      attributes: 'userName,name.givenName',
      filter: 'userName eq "ann"',
      sortBy: 'userName',
      sortOrder: 'descending',
      startIndex: '3',
      count: '7',
    });
  });

  test('may leave out everything but its schema, and null is nothing', () => {
    expect(readSearch({ schemas: [SCHEMA] })).toEqual({});
    expect(readSearch({ schemas: SCHEMA, filter: null, count: null, attributes: [] })).toEqual({ attributes: '' });
  });

  test.each<[string, JsonObject, string]>([
    ['no schemas', {}, 'invalidSyntax'],
    ['another message', { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'] }, 'invalidSyntax'],
    ['a filter that is no text', { schemas: [SCHEMA], filter: { a: 1 } }, 'invalidValue'],
    ['a count that is no number', { schemas: [SCHEMA], count: true }, 'invalidValue'],
    ['attributes that are no names', { schemas: [SCHEMA], attributes: [1] }, 'invalidValue'],
  ])('with %s is refused', (_, body, scimType) => {
    expect(() => readSearch(body)).toThrow(expect.objectContaining({ status: 400, scimType }));
  });
});

describe('a query over users and groups', () => {
  const found = (filter: string, resource: JsonObject): boolean[] =>
    readSearchQuery({ filter }, [USER, GROUP]).selections.map(
      (each) => each.filter !== undefined && matches(each.filter, resource),
    );

  test.each<[string, JsonObject, boolean[]]>([
    ['displayName eq "x"', { displayName: 'X' }, [true, true]],
    ['userName eq "x"', { userName: 'x' }, [true, false]],
    ['userName eq "x" or members.value eq "m"', { userName: 'x', members: [{ value: 'm' }] }, [true, true]],
    ['members[value eq "m"]', { members: [{ value: 'm' }] }, [false, true]],
    ['not (userName eq "x")', { userName: 'x' }, [false, true]],
    ['members pr', { members: [{ value: 'm' }] }, [false, true]],
    ['meta.resourceType eq "Group"', { meta: { resourceType: 'Group' } }, [true, true]],
  ])('%s: what a type has not matches as an absent attribute', (filter, resource, expected) => {
    expect(found(filter, resource)).toEqual(expected);
  });

  test('a name that neither has is refused, also beside one that both have', () => {
    for (const filter of ['hat eq "x"', 'displayName eq "x" or hat pr', '__proto__ pr'])
      expect(() => readSearchQuery({ filter }, [USER, GROUP])).toThrow(expect.objectContaining({ scimType: 'invalidFilter' }));
    expect(() => readSearchQuery({ sortBy: 'hat' }, [USER, GROUP])).toThrow(
      expect.objectContaining({ scimType: 'invalidValue' }),
    );
  });

  test('an order that one type has not leaves the others in theirs', () => {
    const { selections } = readSearchQuery({ sortBy: 'userName', sortOrder: 'descending' }, [USER, GROUP]);
    expect(selections.map(({ sort }) => sort?.descending)).toEqual([true, true]);
  });
});
