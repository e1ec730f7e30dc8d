/** Guards the order of lists: which value counts, how values compare, and where those without one stand. RFC 7644 §3.4.2.3. */
import { describe, expect, test } from 'vitest';
import { GROUP, USER } from '../../src/scim/schema.ts';
import { compareKeys, readSort, sortKeyOf } from '../../src/scim/sort.ts';
import { ENTERPRISE_USER, type JsonObject } from '../../src/scim/types.ts';

function sorted(sortBy: string, resources: JsonObject[], sortOrder?: string): unknown[] {
  const sort = readSort(sortBy, sortOrder, USER);
  return resources.toSorted((a, b) => compareKeys(sortKeyOf(sort, a), sortKeyOf(sort, b), sort.descending)).map(({ id }) => id);
}

describe('the value that counts', () => {
  test.each<[string, string, JsonObject, unknown]>([
    ['a text, folded where case does not count', 'userName', { userName: 'ANN' }, 'ann'],
    ['a text as it is where case counts', 'externalId', { externalId: 'Ann' }, 'Ann'],
    ['the name in any letter case', 'USERNAME', { userName: 'ann' }, 'ann'],
    ['a URN-qualified name', `${ENTERPRISE_USER}:department`, { [ENTERPRISE_USER]: { department: 'Ops' } }, 'ops'],
    ['a part of a complex value', 'name.familyName', { name: { familyName: 'Lee' } }, 'lee'],
    ['a moment', 'meta.created', { meta: { created: '1970-01-01T00:00:01Z' } }, 1_000],
    ['a switch', 'active', { active: true }, 1],
    ['the primary of several', 'emails', { emails: [{ value: 'b@x' }, { value: 'A@x', primary: true }] }, 'a@x'],
    ['the first of several', 'emails.value', { emails: [{ value: 'b@x' }, { value: 'a@x' }] }, 'b@x'],
    ['another part of the primary', 'emails.type', { emails: [{ type: 'home' }, { type: 'Work', primary: true }] }, 'work'],
    ['a number under a schema we do not know', 'urn:acme:2.0:Badge:number', { 'urn:acme:2.0:Badge': { number: 7 } }, 7],
    ['nothing where there is none', 'title', {}, undefined],
    ['nothing where it is empty', 'title', { title: '' }, undefined],
    ['nothing inherited', 'title', Object.create({ title: 'x' }) as JsonObject, undefined],
  ])('%s', (_, sortBy, resource, expected) => {
    expect(sortKeyOf(readSort(sortBy, undefined, USER), resource)).toBe(expected);
  });

  test('is cut, so that what a sort remembers of a person stays small', () => {
    const key = sortKeyOf(readSort('title', undefined, USER), { title: 'x'.repeat(100_000) });
    expect(String(key)).toHaveLength(256);
  });
});

describe('the order', () => {
  const people = [{ id: 'c', title: 'Chef' }, { id: 'none' }, { id: 'a', title: 'accountant' }, { id: 'B', title: 'Baker' }];

  test('ascending, and without a value last', () => {
    expect(sorted('title', people)).toEqual(['a', 'B', 'c', 'none']);
    expect(sorted('title', people, 'ASCENDING')).toEqual(['a', 'B', 'c', 'none']);
  });

  test('descending, and without a value first', () => {
    expect(sorted('title', people, 'descending')).toEqual(['none', 'c', 'B', 'a']);
  });

  test('moments by time, not by their text', () => {
    const rows = [
      { id: 'later', meta: { created: '2026-01-01T00:00:00-01:00' } },
      { id: 'sooner', meta: { created: '2026-01-01T00:30:00Z' } },
    ];
    expect(sorted('meta.created', rows)).toEqual(['sooner', 'later']);
  });

  test('numbers before texts where a schema is not known', () => {
    const rows = ['10', 9, 10, 'a'].map((rank) => ({ id: rank, 'urn:acme:2.0:Badge': { rank } }));
    expect(sorted('urn:acme:2.0:Badge:rank', rows)).toEqual([9, 10, '10', 'a']);
  });
});

test.each(['name', 'password', 'hat', 'constructor', '__proto__', 'userName.hat', 'urn:', ''])('"%s" is no order', (sortBy) => {
  expect(() => readSort(sortBy, undefined, USER)).toThrow(expect.objectContaining({ status: 400, scimType: 'invalidValue' }));
});

test('each type has its own attributes', () => {
  expect(readSort('members', undefined, GROUP).steps).toEqual(['members', 'value']);
  expect(() => readSort('userName', undefined, GROUP)).toThrow(/group/);
});
