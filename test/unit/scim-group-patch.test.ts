/** Every way in which Okta and Entra ID change a group, as who joins and who goes; and that what cannot be done names its operation. RFC 7644 §3.5.2. */
import { describe, expect, test } from 'vitest';
import { ScimError } from '../../src/scim/error.ts';
import { applyGroupPatch } from '../../src/scim/group/patch-group.ts';
import type { JsonObject } from '../../src/scim/types.ts';

const OWN = { id: '9d3f2c1a-0000-4000-8000-000000000001' };
const CURRENT = { displayName: 'Sales', externalId: 'g-1' };

const message = (...Operations: JsonObject[]): JsonObject => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations,
});
const patched = (...operations: JsonObject[]) => applyGroupPatch(CURRENT, message(...operations), OWN);
const deltaOf = (...operations: JsonObject[]) => patched(...operations).members;
const people = (...ids: string[]): JsonObject[] => ids.map((value) => ({ value }));

function refusal(run: () => unknown): ScimError {
  try {
    run();
  } catch (error) {
    if (error instanceof ScimError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('members', () => {
  test.each<[string, JsonObject[], object]>([
    ['add by a value array', [{ op: 'add', path: 'members', value: people('a', 'b') }], { add: ['a', 'b'] }],
    [
      'Add in Entra letter case, $ref null',
      [{ op: 'Add', path: 'members', value: [{ value: 'a', $ref: null }] }],
      { add: ['a'] },
    ],
    ['add one object', [{ op: 'add', path: 'members', value: { value: 'a', display: 'Ann' } }], { add: ['a'] }],
    ['add texts', [{ op: 'add', path: 'members', value: ['a', 'b'] }], { add: ['a', 'b'] }],
    ['add by an address alone', [{ op: 'add', path: 'members', value: [{ $ref: 'https://x/Users/a' }] }], { add: ['a'] }],
    ['add twice', [{ op: 'add', path: 'members', value: people('a', 'a', 'b', 'a') }], { add: ['a', 'b'] }],
    ['add nobody', [{ op: 'add', path: 'members', value: [] }], {}],
    ['add without a path', [{ op: 'add', value: { members: people('a') } }], { add: ['a'] }],
    [
      'a path with the URN',
      [{ op: 'add', path: 'urn:ietf:params:scim:schemas:core:2.0:Group:members', value: people('a') }],
      { add: ['a'] },
    ],
    [
      'the URN as a key',
      [{ op: 'add', value: { 'urn:ietf:params:scim:schemas:core:2.0:Group': { Members: people('a') } } }],
      { add: ['a'] },
    ],
    ['remove by a value path', [{ op: 'remove', path: 'members[value eq "a"]' }], { remove: ['a'] }],
    ['remove two by a value path', [{ op: 'remove', path: 'members[value eq "a" or value eq "b"]' }], { remove: ['a', 'b'] }],
    ['remove only those of a value array', [{ op: 'remove', path: 'members', value: people('a') }], { remove: ['a'] }],
    ['Remove one object', [{ op: 'Remove', path: 'members', value: { value: 'a' } }], { remove: ['a'] }],
    ['remove of an empty array names nobody', [{ op: 'remove', path: 'members', value: [] }], {}],
    ['remove of null names nobody: a mistake must not empty a group', [{ op: 'remove', path: 'members', value: null }], {}],
    ['remove of an empty text names nobody', [{ op: 'remove', path: 'members', value: '' }], {}],
    ['remove of what cannot be a member', [{ op: 'remove', path: 'members', value: [{ display: 'x' }, 7] }], {}],
    ['remove without a value', [{ op: 'remove', path: 'members' }], { replace: true }],
    ['replace', [{ op: 'replace', path: 'members', value: people('a', 'b') }], { replace: true, add: ['a', 'b'] }],
    ['replace by nobody', [{ op: 'replace', path: 'members', value: [] }], { replace: true }],
    ['replace by null', [{ op: 'replace', path: 'members', value: null }], { replace: true }],
    [
      'replace of one by another',
      [{ op: 'replace', path: 'members[value eq "a"]', value: { value: 'b' } }],
      { add: ['b'], remove: ['a'] },
    ],
    ['add by a value path', [{ op: 'add', path: 'members[value eq "a"]', value: { display: 'Ann' } }], { add: ['a'] }],
    [
      'Okta: both at once',
      [
        { op: 'remove', path: 'members[value eq "a"]' },
        { op: 'add', path: 'members', value: people('b') },
      ],
      { add: ['b'], remove: ['a'] },
    ],
    [
      'out and in again',
      [
        { op: 'remove', path: 'members', value: people('a') },
        { op: 'add', path: 'members', value: people('a') },
      ],
      { add: ['a'] },
    ],
    [
      'in and out again',
      [
        { op: 'add', path: 'members', value: people('a') },
        { op: 'remove', path: 'members', value: people('a') },
      ],
      { remove: ['a'] },
    ],
    [
      'everybody goes, one comes, another comes and goes',
      [
        { op: 'remove', path: 'members' },
        { op: 'add', path: 'members', value: people('a', 'b') },
        { op: 'remove', path: 'members[value eq "b"]' },
      ],
      { replace: true, add: ['a'] },
    ],
  ])('%s', (_name, operations, expected) => {
    expect(deltaOf(...operations)).toEqual({ replace: false, add: [], remove: [], ...expected });
  });

  test('a rename leaves them alone; with the own id and an empty list it clears them', () => {
    const rename = patched({ op: 'replace', value: { id: OWN.id, displayName: 'Sales EMEA' } });
    expect(rename.attributes).toEqual({ displayName: 'Sales EMEA', externalId: 'g-1' });
    expect(rename.members).toEqual({ replace: false, add: [], remove: [] });
    const push = patched({ op: 'replace', value: { members: [], id: OWN.id, displayName: 'Sales' } });
    expect(push).toMatchObject({ attributes: CURRENT, members: { replace: true, add: [] } });
  });

  test('a filter that must be evaluated asks for the members, and sees what earlier operations did', () => {
    const present = [
      { value: 'a', type: 'User', display: 'Ann' },
      { value: 'b', type: 'User', display: 'Bob' },
    ];
    const body = message({ op: 'add', path: 'members', value: people('c') }, { op: 'remove', path: 'members[display sw "A"]' });
    expect(applyGroupPatch(CURRENT, body, OWN).needsMembers).toBe(true);
    expect(applyGroupPatch(CURRENT, body, { ...OWN, present })).toMatchObject({ members: { add: ['c'], remove: ['a'] } });
    const all = message({ op: 'add', path: 'members', value: people('c') }, { op: 'remove', path: 'members[type eq "User"]' });
    expect(applyGroupPatch(CURRENT, all, { ...OWN, present }).members).toEqual({
      replace: false,
      add: [],
      remove: ['a', 'b', 'c'],
    });
    const missed = message({ op: 'replace', path: 'members[display eq "Zoe"]', value: { value: 'c' } });
    expect(refusal(() => applyGroupPatch(CURRENT, missed, { ...OWN, present }))).toMatchObject({ scimType: 'noTarget' });
  });
});

test.each<[string, JsonObject, string]>([
  ['a group as a member', { op: 'add', path: 'members', value: [{ value: 'g', type: 'Group' }] }, 'invalidValue'],
  [
    'a group by its address',
    { op: 'add', path: 'members', value: [{ value: 'g', $ref: 'https://x/scim/v2/Groups/g' }] },
    'invalidValue',
  ],
  ['a member without an id', { op: 'add', path: 'members', value: [{ display: 'Ann' }] }, 'invalidValue'],
  ['a member that is a number', { op: 'add', path: 'members', value: [7] }, 'invalidValue'],
  ['no value', { op: 'add', path: 'members' }, 'invalidValue'],
  ['what is told of a member', { op: 'replace', path: 'members[value eq "a"].display', value: 'Ann' }, 'mutability'],
  ['an unknown part of a member', { op: 'remove', path: 'members[colour eq "red"]' }, 'invalidFilter'],
  ['a path that is none', { op: 'remove', path: 'members[value eq "a"' }, 'invalidPath'],
  ['another id', { op: 'replace', value: { id: 'other', displayName: 'x' } }, 'mutability'],
  ['the name taken away', { op: 'remove', path: 'displayName' }, 'mutability'],
  ['an empty name', { op: 'replace', path: 'displayName', value: '' }, 'invalidValue'],
  ['meta', { op: 'replace', path: 'meta.created', value: '2020-01-01T00:00:00Z' }, 'mutability'],
  ['a removal without a path', { op: 'remove' }, 'noTarget'],
  ['a prototype', { op: 'add', path: 'members.__proto__', value: people('a') }, 'invalidPath'],
])('refused, and the operation is named: %s', (_name, operation, scimType) => {
  const error = refusal(() => patched({ op: 'replace', path: 'displayName', value: 'x' }, operation));
  expect(error).toMatchObject({ status: 400, scimType });
  expect(error.detail).toMatch(/^Operation 2 of 2: /);
  expect(CURRENT).toEqual({ displayName: 'Sales', externalId: 'g-1' });
});

test('other attributes change as those of people do', () => {
  const { attributes } = patched(
    { op: 'replace', path: 'externalId', value: 'g-2' },
    { op: 'add', value: { 'urn:acme:2.0:Group': { tier: 'gold' }, displayName: 'Sales 2' } },
  );
  expect(attributes).toEqual({ displayName: 'Sales 2', externalId: 'g-2', 'urn:acme:2.0:Group': { tier: 'gold' } });
});

test('says which operation has brought somebody in', () => {
  const { bringing } = patched(
    { op: 'add', path: 'members', value: people('a') },
    { op: 'add', path: 'members', value: people('b') },
  );
  expect(bringing('b')).toBe('Operation 2 of 2: ');
});

test('filters over a large group are counted, and ids that are named are not', () => {
  const present = Array.from({ length: 50_000 }, (_, n) => ({ value: `p${n}`, type: 'User', display: `Person ${n}` }));
  const each = (path: (n: number) => string) => Array.from({ length: 1_000 }, (_, n) => ({ op: 'remove', path: path(n) }));
  const filtered = message(...each((n) => `members[display eq "Person ${n}"]`));
  const told = refusal(() => applyGroupPatch(CURRENT, filtered, { ...OWN, present }));
  expect(told).toMatchObject({ status: 413, detail: expect.stringMatching(/^Operation \d of 1000: .*Split/) });
  const few = message({ op: 'remove', path: 'members[display eq "Person 7" or display eq "Person 8"]' });
  expect(applyGroupPatch(CURRENT, few, { ...OWN, present }).members.remove).toEqual(['p7', 'p8']);
  const named = message(...each((n) => `members[value eq "p${n}"]`));
  expect(applyGroupPatch(CURRENT, named, { ...OWN, present }).members.remove).toHaveLength(1_000);
});

test('50,000 members in one operation are read in one pass', () => {
  const ids = Array.from({ length: 50_000 }, (_, n) => `id-${n}`);
  expect(deltaOf({ op: 'add', path: 'members', value: people(...ids) }).add).toHaveLength(50_000);
  const error = refusal(() => deltaOf({ op: 'add', path: 'members', value: people(...ids, 'one-more') }));
  expect(error.detail).toContain('50000');
});
