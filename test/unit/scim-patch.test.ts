/** Guards PATCH in the shapes Okta and Entra ID send, and that a failed or odd operation never deactivates or empties anybody. RFC 7644 §3.5.2. */
import { describe, expect, test } from 'vitest';
import { ScimError } from '../../src/scim/error.ts';
import { applyPatch } from '../../src/scim/patch.ts';
import { CORE_USER, ENTERPRISE_USER, type Json, type JsonObject, type UserAttributes } from '../../src/scim/types.ts';

const OWN = { id: 'own-id' };
const BADGE = 'urn:ietf:params:scim:schemas:extension:Acme:2.0:Badge';
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
  roles: [{ value: 'admin' }, { value: 'reader' }],
  [ENTERPRISE_USER]: { department: 'R&D', manager: { value: 'm1', displayName: 'Boss' } },
};

const body = (...operations: Json[]): JsonObject => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: operations,
});
const patch = (...operations: Json[]) => applyPatch(ANN, body(...operations), OWN);

function refusal(message: JsonObject, current = ANN): ScimError {
  const before = structuredClone(current);
  try {
    applyPatch(current, message, OWN);
  } catch (error) {
    expect(current).toEqual(before);
    if (error instanceof ScimError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('deactivation', () => {
  test.each<[string, Json]>([
    ["Okta's replace without path", { op: 'replace', value: { active: false } }],
    ["Entra's Replace with path and text", { op: 'Replace', path: 'active', value: 'False' }],
    ["Entra's lower-case text", { op: 'replace', path: 'active', value: 'false' }],
    ["Entra's Add of an existing value", { op: 'Add', path: 'active', value: 'False' }],
    ['a URN-qualified path', { op: 'replace', path: `${CORE_USER}:active`, value: false }],
    ['a path in other letter case', { OP: 'REPLACE', PATH: 'Active', VALUE: false }],
    ['a text without path', { op: 'replace', value: { active: 'False' } }],
    ['a core URN as key', { op: 'replace', value: { [CORE_USER]: { active: false } } }],
    ['a null path', { op: 'replace', path: null, value: { active: false } }],
  ])('%s', (_, operation) => {
    expect(patch(operation)).toEqual({ ...ANN, active: false });
  });

  test.each<[string, Json]>([
    ['0', { op: 'replace', path: 'active', value: 0 }],
    ['null', { op: 'replace', path: 'active', value: null }],
    ['""', { op: 'add', path: 'active', value: '' }],
    ['[]', { op: 'replace', value: { active: [] } }],
    ['"no"', { op: 'replace', path: 'active', value: 'no' }],
    ['no value', { op: 'replace', path: 'active' }],
    ['remove', { op: 'remove', path: 'active' }],
    ['remove with a value', { op: 'remove', path: 'active', value: 'True' }],
  ])('B22 never by accident: %s', (_, operation) => {
    expect(refusal(body(operation))).toMatchObject({ status: 400, scimType: 'invalidValue' });
  });
});

describe('single values', () => {
  test.each<[string, Json, JsonObject]>([
    ['Add replaces', { op: 'Add', path: 'title', value: 'Boss' }, { title: 'Boss' }],
    ['replace of an absent attribute adds', { op: 'replace', path: 'nickName', value: 'A' }, { nickName: 'A' }],
    [
      'a sub-attribute merges',
      { op: 'replace', path: 'name.givenName', value: 'Eve' },
      { name: { givenName: 'Eve', familyName: 'Lee' } },
    ],
    [
      'a complex value merges',
      { op: 'replace', path: 'name', value: { GivenName: 'Eve' } },
      { name: { givenName: 'Eve', familyName: 'Lee' } },
    ],
    ['an empty part is removed', { op: 'add', path: 'name', value: { familyName: '' } }, { name: { givenName: 'Ann' } }],
    ['the userName changes', { op: 'replace', path: 'userName', value: 'eve' }, { userName: 'eve' }],
    ['an unknown attribute is kept', { op: 'add', path: 'shoeSize', value: { eu: 42 } }, { shoeSize: { eu: 42 } }],
    ['password is thrown away', { op: 'replace', path: 'password', value: 'x' }, {}],
    ['schemas is ignored', { op: 'add', value: { schemas: [CORE_USER], title: 'Boss' } }, { title: 'Boss' }],
    [
      'an enterprise path is split at its last colon',
      { op: 'Add', path: `${ENTERPRISE_USER}:department`, value: 'Sales' },
      { [ENTERPRISE_USER]: { department: 'Sales', manager: { value: 'm1', displayName: 'Boss' } } },
    ],
    [
      'the enterprise URN alone merges',
      { op: 'add', path: ENTERPRISE_USER, value: { costCenter: '7' } },
      { [ENTERPRISE_USER]: { department: 'R&D', costCenter: '7', manager: { value: 'm1', displayName: 'Boss' } } },
    ],
    ['an unknown extension is created', { op: 'add', path: `${BADGE}:number`, value: '7' }, { [BADGE]: { number: '7' } }],
    ['an unknown extension as key', { op: 'replace', value: { [BADGE]: { a: { b: 1 } } } }, { [BADGE]: { a: { b: 1 } } }],
    [
      'dotted and URN keys without path',
      { op: 'replace', value: { displayName: 'E', 'name.givenName': 'Eve', [`${ENTERPRISE_USER}:department`]: 'S' } },
      {
        displayName: 'E',
        name: { givenName: 'Eve', familyName: 'Lee' },
        [ENTERPRISE_USER]: { department: 'S', manager: { value: 'm1', displayName: 'Boss' } },
      },
    ],
    ['the own id without path is tolerated', { op: 'replace', value: { id: 'own-id', title: 'Boss' } }, { title: 'Boss' }],
  ])('%s', (_, operation, expected) => {
    expect(patch(operation)).toEqual({ ...ANN, ...expected });
  });

  test.each(['title', 'name', 'externalId', 'emails', ENTERPRISE_USER])('remove takes %s away', (path) => {
    const { [path]: _removed, ...rest } = ANN;
    expect(patch({ op: 'remove', path })).toEqual(rest);
  });

  test.each<[string, Json]>([
    ['""', ''],
    ['null', null],
    ['[]', []],
  ])('replace with %s unassigns', (_, value) => {
    const { title, ...rest } = ANN;
    expect(patch({ op: 'replace', path: 'title', value })).toEqual(rest);
    expect(patch({ op: 'replace', value: { title: value } })).toEqual(rest);
  });

  test('an extension that loses its last attribute disappears', () => {
    const once = applyPatch({ ...ANN, [BADGE]: { number: 7 } }, body({ op: 'remove', path: `${BADGE}:number` }), OWN);
    expect(once).toEqual(ANN);
  });

  test('a present unknown URN tells where the attribute begins', () => {
    const current: UserAttributes = { ...ANN, [BADGE]: { number: 7 } };
    expect(applyPatch(current, body({ op: 'add', path: `${BADGE}:place`, value: { floor: 3 } }), OWN)[BADGE]).toEqual({
      number: 7,
      place: { floor: 3 },
    });
  });
});

describe('the manager', () => {
  const managed = (manager: Json) => ({ ...ANN, [ENTERPRISE_USER]: { department: 'R&D', manager } });
  const unmanaged = { ...ANN, [ENTERPRISE_USER]: { department: 'R&D' } };

  test.each<[string, string, Json]>([
    ['an object', `${ENTERPRISE_USER}:manager`, { value: 'm2' }],
    ['a text', `${ENTERPRISE_USER}:manager`, 'm2'],
    ['a bare path', 'manager', 'm2'],
    ['a dotted URN', `${ENTERPRISE_USER}.manager`, 'm2'],
    ['a dotted core URN', 'urn:ietf:params:scim:schemas:core:2.0:User.manager', { value: 'm2' }],
  ])('is replaced as a whole by %s', (_, path, value) => {
    expect(patch({ op: 'Add', path, value })).toEqual(managed({ value: 'm2' }));
  });

  test('is set by a list with $ref', () => {
    const value = [{ $ref: 'https://x/Users/m2', value: 'm2' }];
    expect(patch({ op: 'Replace', path: 'manager', value })).toEqual(managed({ $ref: 'https://x/Users/m2', value: 'm2' }));
  });

  test.each<[string, JsonObject]>([
    ['""', { op: 'Replace', path: `${ENTERPRISE_USER}:manager`, value: '' }],
    ['{value: ""}', { op: 'Replace', path: `${ENTERPRISE_USER}:manager`, value: { value: '' } }],
    ['null', { op: 'Add', path: 'manager', value: null }],
    ['remove', { op: 'Remove', path: `${ENTERPRISE_USER}:manager` }],
    ['remove by value', { op: 'remove', path: 'manager[value eq "m1"]' }],
    ['an object without path', { op: 'replace', value: { [ENTERPRISE_USER]: { manager: { value: '' } } } }],
  ])('is unset by %s', (_, operation) => {
    expect(patch(operation)).toEqual(unmanaged);
  });

  test('stays when another one is removed, and is replaced when another one is set by filter', () => {
    expect(patch({ op: 'remove', path: 'manager[value eq "m9"]' })).toEqual(ANN);
    expect(patch({ op: 'replace', path: 'manager[value eq "m9"]', value: { displayName: 'Nine' } })).toEqual(
      managed({ displayName: 'Nine' }),
    );
  });
});

describe('lists', () => {
  const emails = (...list: Json[]) => ({ ...ANN, emails: list });
  const work = { value: 'ann@work.example', type: 'work', primary: true };
  const home = { value: 'ann@home.example', type: 'home' };

  test.each<[string, Json, UserAttributes]>([
    [
      'add appends',
      { op: 'add', path: 'emails', value: [{ value: 'o@x', type: 'other' }] },
      emails(work, home, { value: 'o@x', type: 'other' }),
    ],
    ['add skips what is there', { op: 'add', path: 'emails', value: [{ type: 'home', value: 'ann@home.example' }] }, ANN],
    ['add of nothing changes nothing', { op: 'add', path: 'emails', value: [] }, ANN],
    ['replace replaces all', { op: 'replace', path: 'emails', value: [home] }, emails(home)],
    ['replace without path replaces all', { op: 'replace', value: { emails: [home] } }, emails(home)],
    [
      'Replace sets by filter',
      { op: 'Replace', path: 'emails[type eq "work"].value', value: 'n@x' },
      emails({ ...work, value: 'n@x' }, home),
    ],
    [
      'Add sets by filter',
      { op: 'Add', path: 'EMAILS[TYPE EQ "WORK"].VALUE', value: 'n@x' },
      emails({ ...work, value: 'n@x' }, home),
    ],
    [
      'B73 Replace by filter creates the element',
      { op: 'Replace', path: 'emails[type eq "other"].value', value: 'o@x' },
      emails(work, home, { type: 'other', value: 'o@x' }),
    ],
    [
      'Add by filter creates the element with all it says',
      { op: 'Add', path: 'emails[type eq "other" and primary eq "True"].value', value: 'o@x' },
      emails({ ...work, primary: false }, home, { type: 'other', primary: true, value: 'o@x' }),
    ],
    [
      'a value path as key without path',
      { op: 'replace', value: { 'emails[type eq "other"].value': 'o@x' } },
      emails(work, home, { type: 'other', value: 'o@x' }),
    ],
    [
      'a whole element merges by filter',
      { op: 'replace', path: 'emails[type eq "work"]', value: { display: 'W' } },
      emails({ ...work, display: 'W' }, home),
    ],
    [
      'a whole element as text',
      { op: 'replace', path: 'emails[type eq "work"]', value: 'n@x' },
      emails({ ...work, value: 'n@x' }, home),
    ],
    [
      'primary moves',
      { op: 'add', path: 'emails[type eq "home"].primary', value: 'True' },
      emails({ ...work, primary: false }, { ...home, primary: true }),
    ],
    [
      'an added primary moves it',
      { op: 'add', path: 'emails', value: [{ value: 'o@x', primary: true }] },
      emails({ ...work, primary: false }, home, { value: 'o@x', primary: true }),
    ],
    ['remove by filter', { op: 'remove', path: 'emails[type eq "work"]' }, emails(home)],
    [
      'remove by filter with a value removes, never sets',
      { op: 'Remove', path: 'emails[type eq "work"].value', value: 'x' },
      emails(home),
    ],
    ['remove by filter without match changes nothing', { op: 'remove', path: 'emails[type eq "other"]' }, ANN],
    [
      'remove with a list removes what it names',
      { op: 'Remove', path: 'emails', value: [{ $ref: null, value: 'ANN@home.example' }] },
      emails(work),
    ],
    ['remove with a text', { op: 'remove', path: 'emails', value: 'ann@home.example' }, emails(work)],
    ['remove with an empty list changes nothing', { op: 'remove', path: 'emails', value: [] }, ANN],
    ['remove with a stranger changes nothing', { op: 'remove', path: 'emails', value: [{ value: 'z@x' }] }, ANN],
    ['an emptied value path drops the element', { op: 'replace', path: 'emails[type eq "home"].value', value: '' }, emails(work)],
    ['a null by filter drops the element', { op: 'replace', path: 'emails[type eq "home"]', value: null }, emails(work)],
    ['an empty value without match creates nothing', { op: 'replace', path: 'emails[type eq "other"].value', value: '' }, ANN],
    ['add of null by filter changes nothing', { op: 'add', path: 'emails[type eq "home"]', value: null }, ANN],
    [
      'a sub-attribute without filter means the primary one',
      { op: 'replace', path: 'emails.value', value: 'n@x' },
      emails({ ...work, value: 'n@x' }, home),
    ],
    [
      'roles as JSON in a text are added as they are',
      { op: 'Add', path: 'roles', value: [{ value: '{"id":"1","value":"x"}' }] },
      { ...ANN, roles: [{ value: 'admin' }, { value: 'reader' }, { value: '{"id":"1","value":"x"}' }] },
    ],
    [
      'roles as a text',
      { op: 'add', path: 'roles', value: 'writer' },
      { ...ANN, roles: [{ value: 'admin' }, { value: 'reader' }, { value: 'writer' }] },
    ],
    [
      'roles by primary',
      { op: 'Add', path: 'roles[primary eq "True"].value', value: 'boss' },
      { ...ANN, roles: [{ value: 'admin' }, { value: 'reader' }, { primary: true, value: 'boss' }] },
    ],
  ])('%s', (_, operation, expected) => {
    expect(patch(operation)).toEqual(expected);
  });

  test('primary moves to an earlier element too', () => {
    const current = {
      ...ANN,
      emails: [
        { ...work, primary: false },
        { ...home, primary: true },
      ],
    };
    const operation = { op: 'replace', path: 'emails[type eq "work"].primary', value: true };
    expect(applyPatch(current, body(operation), OWN)).toEqual(emails(work, { ...home, primary: false }));
  });

  test('the next operation of the request sees one primary only', () => {
    const added = { value: 'o@x', primary: true };
    const operations = [
      { op: 'add', path: 'emails', value: [added] },
      { op: 'replace', path: 'emails[primary eq true].display', value: 'main' },
    ];
    expect(patch(...operations)).toEqual(emails({ ...work, primary: false }, home, { ...added, display: 'main' }));
  });

  test('a repeated change of what the filter asks for adds no twin', () => {
    const operation = { op: 'replace', path: 'emails[value eq "ann@home.example"].value', value: 'n@x' };
    const once = patch(operation);
    expect(once).toEqual(emails(work, { ...home, value: 'n@x' }));
    expect(applyPatch(once, body(operation), OWN)).toEqual(once);
  });

  test('an unknown list takes the same operations', () => {
    const path = `${BADGE}:tags[kind eq "a"].value`;
    const created = patch({ op: 'add', path, value: 'x' });
    expect(created[BADGE]).toEqual({ tags: [{ kind: 'a', value: 'x' }] });
    expect(applyPatch(created, body({ op: 'remove', path: `${BADGE}:tags[kind eq "a"]` }), OWN)).toEqual(ANN);
  });

  test('an element may be built by several operations of one request', () => {
    const operations = ['type', 'display', 'value'].map((part) => ({
      op: 'Add',
      path: `roles[primary eq "True"].${part}`,
      value: part,
    }));
    expect(patch(...operations).roles).toEqual([
      { value: 'admin' },
      { value: 'reader' },
      { primary: true, type: 'type', display: 'display', value: 'value' },
    ]);
  });
});

describe('refuses', () => {
  test.each<[string, Json, string]>([
    ['B26 id', { op: 'replace', path: 'id', value: 'x' }, 'mutability'],
    ['B26 the own id with a path', { op: 'replace', path: 'id', value: 'own-id' }, 'mutability'],
    ['B26 meta', { op: 'replace', path: 'meta.created', value: 'x' }, 'mutability'],
    ['a foreign id without path', { op: 'replace', value: { id: 'other' } }, 'mutability'],
    ['removing userName', { op: 'remove', path: 'userName' }, 'mutability'],
    ['removing the core schema', { op: 'remove', path: CORE_USER }, 'mutability'],
    ['emptying userName', { op: 'replace', path: 'userName', value: '' }, 'invalidValue'],
    ['an invisible userName', { op: 'replace', path: 'userName', value: 'a\u200bb' }, 'invalidValue'],
    ['a number for a text', { op: 'replace', path: 'title', value: 7 }, 'invalidValue'],
    ['a text for a name', { op: 'replace', path: 'name', value: 'Ann' }, 'invalidValue'],
    ['a number as e-mail', { op: 'replace', path: 'emails[type eq "work"].value', value: 7 }, 'invalidValue'],
    ['a text without path', { op: 'replace', value: 'x' }, 'invalidValue'],
    ['add without value', { op: 'add', path: 'title' }, 'invalidValue'],
    ['B72 an unknown op', { op: 'Move', path: 'title', value: 'x' }, 'invalidSyntax'],
    ['an op that is a number', { op: 1 }, 'invalidSyntax'],
    ['an operation that is a text', 'replace', 'invalidSyntax'],
    ['B73 remove without path', { op: 'remove', value: { title: 'x' } }, 'noTarget'],
    [
      'a filter that cannot create',
      { op: 'replace', path: 'emails[type ne "work" and type ne "home"].value', value: 'x' },
      'noTarget',
    ],
    ['a path that is a number', { op: 'replace', path: 1, value: 'x' }, 'invalidPath'],
    ['a malformed path', { op: 'replace', path: 'name..givenName', value: 'x' }, 'invalidPath'],
    ['a bracket too few', { op: 'replace', path: 'emails[type eq "work"', value: 'x' }, 'invalidPath'],
    ['a filter on a text', { op: 'replace', path: 'title[value eq "x"]', value: 'x' }, 'invalidPath'],
    ['a sub-attribute of a text', { op: 'replace', path: 'title.x', value: 'x' }, 'invalidPath'],
    ['a bad filter in a path', { op: 'replace', path: 'emails[type like "work"].value', value: 'x' }, 'invalidFilter'],
    ['B70 __proto__', { op: 'add', path: '__proto__.polluted', value: true }, 'invalidPath'],
    ['B70 constructor.prototype', { op: 'add', path: 'constructor.prototype.x', value: true }, 'invalidPath'],
    ['B70 name.__proto__', { op: 'add', path: 'name.__proto__', value: { polluted: true } }, 'invalidPath'],
    ['B70 below a URN', { op: 'add', path: `${BADGE}:constructor`, value: { polluted: true } }, 'invalidPath'],
    ['B70 after a filter', { op: 'add', path: 'emails[type eq "work"].__proto__', value: 'x' }, 'invalidPath'],
    ['B71 as key without path', { op: 'add', value: { 'constructor.prototype.x': true } }, 'invalidPath'],
    ['B71 as own key', { op: 'add', value: JSON.parse('{"__proto__":{"polluted":true}}') }, 'invalidPath'],
    ['B71 inside a schema', { op: 'add', value: { [BADGE]: JSON.parse('{"__proto__":{"polluted":true}}') } }, 'invalidPath'],
    [
      'B71 inside a complex value',
      { op: 'add', path: 'name', value: JSON.parse('{"__proto__":{"polluted":true}}') },
      'invalidPath',
    ],
    ['B74 a path of 10 KB', { op: 'add', path: `emails[value eq "${'x'.repeat(10_240)}"]`, value: 'x' }, 'invalidPath'],
    ['B74 a deep filter', { op: 'add', path: `emails[${'('.repeat(50)}type pr${')'.repeat(50)}]`, value: 'x' }, 'invalidPath'],
  ])('%s', (_, operation, scimType) => {
    expect(refusal(body(operation))).toMatchObject({ status: 400, scimType });
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test.each<[string, JsonObject, number]>([
    ['B72 no Operations', { schemas: body().schemas as Json }, 400],
    ['B72 Operations as object', { ...body(), Operations: {} }, 400],
    ['B72 no operation', body(), 400],
    ['B72 1,001 operations', body(...Array.from({ length: 1001 }, () => ({ op: 'add', path: 'title', value: 'x' }))), 413],
    ['another schema', { ...body({ op: 'add', path: 'title', value: 'x' }), schemas: [CORE_USER] }, 400],
    ['no schema', { Operations: [{ op: 'add', path: 'title', value: 'x' }] }, 400],
    ['growth beyond 192 KiB', body({ op: 'add', path: 'note', value: 'x'.repeat(200 * 1024) }), 413],
  ])('%s', (_, message, status) => {
    expect(refusal(message).status).toBe(status);
  });

  test('B03 growth of a list beyond 500 values', () => {
    const many = (prefix: string) => Array.from({ length: 300 }, (_, i) => ({ value: `${prefix}${i}` }));
    const operations = [
      { op: 'add', path: 'roles', value: many('a') },
      { op: 'add', path: 'roles', value: many('b') },
    ];
    expect(refusal(body(...operations)).detail).toMatch(/^Operation 2 of 2: /);
  });

  test('B75 all or nothing, naming the operation that failed', () => {
    const operations = [
      { op: 'replace', path: 'title', value: 'x' },
      { op: 'replace', path: 'active', value: 'False' },
      { op: 'replace', path: 'id', value: 'x' },
      { op: 'remove', path: 'emails' },
    ];
    expect(refusal(body(...operations)).detail).toMatch(/^Operation 3 of 4: /);
  });

  test('no error repeats what stands in a filter', () => {
    const path = 'emails[value eq "secret-person@x"';
    expect(refusal(body({ op: 'add', path, value: 'x' })).detail).not.toContain('secret-person');
  });
});

test('nothing changed gives an equal object', () => {
  expect(patch({ op: 'replace', value: { title: 'Engineer', name: { givenName: 'Ann' }, active: 'True' } })).toEqual(ANN);
});

test('B72 1,000 operations in upper case are accepted', () => {
  const operations = Array.from({ length: 1000 }, (_, i) => ({ op: 'ADD', path: 'title', value: `t${i}` }));
  expect(patch(...operations).title).toBe('t999');
});

test('operations that compare too much with each other are refused, whatever their size, and usual ones never are', () => {
  const crowded = { ...ANN, emails: Array.from({ length: 499 }, (_, n) => ({ value: `a${n}@x`, type: 'work' })) };
  const choose = (count: number) =>
    Array.from({ length: count }, (_, n) => ({ op: 'remove', path: `emails[value co "ß" or value ew "é${n}"]` }));
  expect(refusal(body(...choose(1_000)), crowded)).toMatchObject({ status: 413, detail: expect.stringContaining('Split') });
  const named = Array.from({ length: 500 }, (_, n) => ({ value: `ß${n}` }));
  const remove = { op: 'remove', path: 'emails', value: named };
  expect(refusal(body(remove, remove), crowded)).toMatchObject({ status: 413 });
  expect(applyPatch(crowded, body(remove), OWN)).toEqual(crowded);
  expect(applyPatch(crowded, body(...choose(200)), OWN)).toEqual(crowded);
  expect(applyPatch(ANN, body(...choose(1_000)), OWN)).toEqual(ANN);
});
