/** Guards how POST and PUT bodies become attributes: nothing lost, nobody deactivated by accident, GET → PUT is the identity. */
import { describe, expect, test } from 'vitest';
import { ScimError } from '../../src/scim/error.ts';
import { toResource } from '../../src/scim/projection.ts';
import { readUser } from '../../src/scim/read-user.ts';
import { CORE_USER, ENTERPRISE_USER, type Json, type JsonObject, type UserAttributes } from '../../src/scim/types.ts';

const META = {
  id: 'b6c1',
  location: 'https://x/Users/b6c1',
  created: '2026-01-01T00:00:00Z',
  lastModified: '2026-01-02T00:00:00Z',
};

function refusal(body: JsonObject, previous?: UserAttributes): ScimError {
  try {
    readUser(body, previous);
  } catch (error) {
    if (error instanceof ScimError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

const OKTA_POST: JsonObject = {
  schemas: [CORE_USER],
  userName: 'test.user@okta.local',
  name: { givenName: 'Test', familyName: 'User' },
  emails: [{ primary: true, value: 'test.user@okta.local', type: 'work' }],
  displayName: 'Test User',
  locale: 'en-US',
  externalId: '00ujl29u0le5T6Aj10h7',
  groups: [],
  password: '1mz050nq',
  active: true,
};

const ENTRA_POST: JsonObject = {
  userName: 'ann@example.com',
  active: 'True',
  title: 'Ça va — 部長',
  emails: [
    { type: 'work', value: 'ann.lee@example.com', primary: true },
    { type: 'work', value: 'second@example.com' },
  ],
  phoneNumbers: [{ type: 'fax', value: '+1 (555) 00-11' }],
  addresses: [{ type: 'work', formatted: 'Line 1\nLine 2', country: 'Atlantis', postalCode: 'ab1 2cd', primary: true }],
  roles: [{ primary: 'True', display: 'd', value: 'v', type: 't' }],
  profileUrl: 'not a url',
  [ENTERPRISE_USER]: { employeeNumber: '7', department: 'R&D', manager: { value: 'nobody' } },
  'urn:ietf:params:scim:schemas:extension:CustomExtension:2.0:User': { badge: { colour: 'red', size: 4 }, tags: ['a', 'b'] },
};

describe('whole bodies', () => {
  test("Okta's create keeps everything but groups, password and schemas", () => {
    const { schemas, groups, password, ...kept } = OKTA_POST;
    expect(readUser(OKTA_POST)).toEqual(kept);
  });

  test("Entra's create keeps every value verbatim and turns boolean texts into booleans", () => {
    expect(readUser(ENTRA_POST)).toEqual({
      ...ENTRA_POST,
      active: true,
      roles: [{ primary: true, display: 'd', value: 'v', type: 't' }],
    });
  });

  test.each([
    ['Okta', OKTA_POST],
    ['Entra', ENTRA_POST],
  ])('what GET returns for the %s user is accepted by PUT and gives equal attributes', (_, body) => {
    const attributes = readUser(body);
    const returned = { ...toResource(attributes, META), groups: [{ value: 'g', display: 'Group' }] };
    expect(readUser(returned, attributes)).toEqual(attributes);
  });

  test('the body is not changed', () => {
    const body = structuredClone(ENTRA_POST);
    readUser(body);
    expect(body).toEqual(ENTRA_POST);
  });
});

describe('active', () => {
  const inactive: UserAttributes = { userName: 'ann', active: false };

  test.each([
    ['B21 "False"', 'False', false],
    ['B21 "false"', 'false', false],
    ['"True"', 'True', true],
    ['"tRUE"', 'tRUE', true],
    ['false', false, false],
  ])('%s is understood', (_, raw, expected) => {
    expect(readUser({ userName: 'ann', active: raw }).active).toBe(expected);
  });

  test.each<[string, Json]>([
    ['0', 0],
    ['1', 1],
    ['"no"', 'no'],
    ['"0"', '0'],
    ['" false"', ' false'],
    ['null', null],
    ['""', ''],
    ['[]', []],
    ['{}', {}],
    ['["False"]', ['False']],
  ])('B22 %s is refused, never read as a deactivation', (_, raw) => {
    expect(refusal({ userName: 'ann', active: raw })).toMatchObject({ status: 400, scimType: 'invalidValue' });
    expect(refusal({ userName: 'ann', active: raw }, inactive)).toMatchObject({ status: 400, scimType: 'invalidValue' });
  });

  test('absent on POST it is true', () => {
    expect(readUser({ userName: 'ann' }).active).toBe(true);
  });

  test('B24 absent on PUT it stays as it was', () => {
    expect(readUser({ userName: 'ann' }, inactive).active).toBe(false);
    expect(readUser({ userName: 'ann' }, { userName: 'ann', active: true }).active).toBe(true);
  });
});

describe('userName and externalId', () => {
  test.each<[string, Json]>([
    ['B23 a list', ['ann']],
    ['B23 an object', { value: 'ann' }],
    ['B23 a number', 7],
    ['B23 empty', ''],
    ['B23 null', null],
    ['B23 256 characters', 'x'.repeat(256)],
    ['B23 only spaces', ' \u00a0\u2003 '],
    ['B07 a line break', 'ann\nbob'],
    ['B07 a NUL', 'ann\0'],
    ['B10 a lone surrogate', 'ann\ud800'],
    ['B30 a zero-width space', 'ann\u200bbob'],
    ['B30 a right-to-left override', 'ann\u202ebob'],
    ['B30 a soft hyphen', 'ann\u00adbob'],
    ['B30 a line separator', 'ann\u2028'],
  ])('userName refuses %s', (_, userName) => {
    expect(refusal({ userName })).toMatchObject({ status: 400, scimType: 'invalidValue' });
  });

  test('B24 userName is required on POST and PUT', () => {
    expect(refusal({ displayName: 'Ann' }).detail).toContain('userName');
    expect(refusal({ displayName: 'Ann' }, { userName: 'ann', active: true }).scimType).toBe('invalidValue');
  });

  test.each(['x'.repeat(255), ' Ann ', 'Аnn', 'ﬁ@EXAMPLE.com', '=cmd|x', '../../subscriptions/1', '{tag}:1'])(
    'userName %j comes back byte for byte',
    (userName) => {
      expect(readUser({ userName }).userName).toBe(userName);
    },
  );

  test.each<[string, Json]>([
    ['a number', 1],
    ['a boolean', true],
    ['an object', {}],
    ['B52 10 KB', 'x'.repeat(10_240)],
    ['a line break', 'a\r\nb'],
  ])('externalId refuses %s', (_, externalId) => {
    expect(refusal({ userName: 'ann', externalId })).toMatchObject({ status: 400, scimType: 'invalidValue' });
  });

  test.each(['1', '__proto__', '0', 'constructor'])('B52 externalId %j is an opaque text', (externalId) => {
    expect(readUser({ userName: 'ann', externalId }).externalId).toBe(externalId);
  });

  test('externalId absent on PUT stays, null on PUT removes it', () => {
    const previous: UserAttributes = { userName: 'ann', active: true, externalId: '00u1' };
    expect(readUser({ userName: 'ann' }, previous).externalId).toBe('00u1');
    expect(readUser({ userName: 'ann', externalId: null }, previous)).not.toHaveProperty('externalId');
  });

  test('PUT removes every other omitted attribute', () => {
    const previous: UserAttributes = { userName: 'ann', active: true, title: 'x', name: { givenName: 'A' } };
    expect(readUser({ userName: 'ann' }, previous)).toEqual({ userName: 'ann', active: true });
  });
});

describe('names and schemas', () => {
  test('attribute names and URNs in any letter case become canonical', () => {
    const body = {
      USERNAME: 'ann',
      NAME: { GIVENNAME: 'A' },
      Emails: [{ VALUE: 'a@x', Type: 'work' }],
      [ENTERPRISE_USER.toUpperCase()]: { DEPARTMENT: 'D' },
    };
    expect(readUser(body)).toEqual({
      userName: 'ann',
      active: true,
      name: { givenName: 'A' },
      emails: [{ value: 'a@x', type: 'work' }],
      [ENTERPRISE_USER]: { department: 'D' },
    });
  });

  test('B15 one attribute under two names is refused', () => {
    expect(refusal({ userName: 'ann', title: 'a', [`${CORE_USER}:title`]: 'b' }).scimType).toBe('invalidSyntax');
  });

  test('fully qualified keys and a core URN object are taken apart', () => {
    const body = {
      [CORE_USER]: { userName: 'ann', extra: 1 },
      [`${ENTERPRISE_USER}:department`]: 'D',
      [`${CORE_USER}:name.givenName`]: 'A',
    };
    expect(readUser(body)).toEqual({
      userName: 'ann',
      active: true,
      extra: 1,
      name: { givenName: 'A' },
      [ENTERPRISE_USER]: { department: 'D' },
    });
  });

  test('B20 unknown attributes, unknown and mistyped extension URNs are kept, listed or not', () => {
    const body = {
      schemas: [CORE_USER],
      userName: 'ann',
      favouriteColour: { name: 'red', shades: [1, 2] },
      'urn:ietf:params:scim:schemas:extension:enterprise:2.0User': { department: 'D' },
      'urn:acme:2.0:Badge': { number: 0, lost: false },
    };
    const { schemas, ...kept } = body;
    const attributes = readUser(body);
    expect(attributes).toEqual({ ...kept, active: true });
    expect(toResource(attributes, META).schemas).toEqual([
      CORE_USER,
      'urn:ietf:params:scim:schemas:extension:enterprise:2.0User',
      'urn:acme:2.0:Badge',
    ]);
  });

  test.each<[string, Json]>([
    ['missing', null],
    ['empty', []],
    ['a single text', CORE_USER],
    ['in other letter case', [CORE_USER.toUpperCase()]],
    ['only the enterprise extension', [ENTERPRISE_USER]],
  ])('B19 schemas %s is accepted', (_, schemas) => {
    expect(readUser({ schemas, userName: 'ann' }).userName).toBe('ann');
  });

  test.each<[string, Json]>([
    ['of a group', ['urn:ietf:params:scim:schemas:core:2.0:Group']],
    ['of a PATCH', ['urn:ietf:params:scim:api:messages:2.0:PatchOp']],
    ['with a number', [1]],
    ['with 1,000 entries', Array.from({ length: 1000 }, () => CORE_USER)],
    ['that is an object', { a: 1 }],
  ])('B19 schemas %s is refused', (_, schemas) => {
    expect(refusal({ schemas, userName: 'ann' })).toMatchObject({ status: 400, scimType: 'invalidSyntax' });
  });

  test('B25 B27 id, meta, groups and password are ignored whatever they hold', () => {
    expect(readUser({ userName: 'ann', id: 5, meta: 'x', groups: 'y', password: { a: 1 } })).toEqual({
      userName: 'ann',
      active: true,
    });
  });

  test.each(['__proto__', 'constructor', 'prototype'])('B70 an attribute named %s is refused at any depth', (name) => {
    const evil = Object.fromEntries([[name, { polluted: true }]]) as JsonObject;
    for (const body of [
      evil,
      { name: evil },
      { emails: [evil] },
      { 'urn:acme:2.0:Badge': { deep: evil } },
      { [ENTERPRISE_USER]: evil },
    ]) {
      const whole = Object.fromEntries([...Object.entries(body), ['userName', 'ann']]) as JsonObject;
      expect(refusal(whole)).toMatchObject({ status: 400, scimType: 'invalidSyntax' });
    }
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test('a user above 192 KiB is refused with 413', () => {
    expect(refusal({ userName: 'ann', photo: 'x'.repeat(200 * 1024) }).status).toBe(413);
  });
});

describe('values', () => {
  test('empty text, null and empty lists are unassigned, also inside', () => {
    const body = {
      userName: 'ann',
      title: '',
      nickName: null,
      ims: [],
      name: { givenName: 'A', familyName: '', middleName: null },
      emails: [{ type: 'work', value: '' }, { value: 'a@x' }, null, {}],
      addresses: [{ type: 'home', primary: true, locality: null }],
      custom: { a: '', b: [null, ''], c: 0, d: false },
      [ENTERPRISE_USER]: { manager: { value: '' }, department: null },
    };
    expect(readUser(body)).toEqual({
      userName: 'ann',
      active: true,
      name: { givenName: 'A' },
      emails: [{ value: 'a@x' }],
      custom: { c: 0, d: false },
    });
  });

  test.each<[string, Json, Json]>([
    ['texts', ['admin', 'reader'], [{ value: 'admin' }, { value: 'reader' }]],
    ['one text', 'admin', [{ value: 'admin' }]],
    ['JSON in a text', [{ value: '{"id":"1","value":"x"}' }], [{ value: '{"id":"1","value":"x"}' }]],
    ['JSON in a bare text', ['{"id":"1"}'], [{ value: '{"id":"1"}' }]],
    ['objects', [{ value: 'a', primary: 'False' }], [{ value: 'a', primary: false }]],
    ['one object', { value: 'a' }, [{ value: 'a' }]],
  ])('roles as %s are accepted and not reformatted', (_, roles, expected) => {
    expect(readUser({ userName: 'ann', roles }).roles).toEqual(expected);
  });

  test.each<[string, Json, Json]>([
    ['a text', 'm1', { value: 'm1' }],
    ['an object', { value: 'm1' }, { value: 'm1' }],
    ['an object with a name', { value: 'm1', displayName: 'Boss' }, { value: 'm1', displayName: 'Boss' }],
    ['a list with $ref and value', [{ $ref: 'https://x/Users/m1', value: 'm1' }], { $ref: 'https://x/Users/m1', value: 'm1' }],
    ['a list with $ref alone', [{ $ref: '../Users/m1/' }], { $ref: '../Users/m1/', value: 'm1' }],
    ['a null $ref', { value: 'm1', $ref: null }, { value: 'm1' }],
  ])('the manager as %s ends up under the enterprise URN', (_, manager, expected) => {
    expect(readUser({ userName: 'ann', [ENTERPRISE_USER]: { manager } })[ENTERPRISE_USER]).toEqual({ manager: expected });
    expect(readUser({ userName: 'ann', manager })[ENTERPRISE_USER]).toEqual({ manager: expected });
  });

  test.each<[string, Json]>([
    ['empty text', ''],
    ['null', null],
    ['an empty list', []],
    ['an empty value', { value: '' }],
    ['an empty value beside a $ref', { value: '', $ref: 'https://x/Users/m1' }],
  ])('the manager as %s is no manager', (_, manager) => {
    expect(readUser({ userName: 'ann', [ENTERPRISE_USER]: { manager } })).not.toHaveProperty([ENTERPRISE_USER]);
  });

  test('B28 of two primaries the last one stays, and two addresses of one type are kept', () => {
    const emails = [
      { value: 'a@x', type: 'work', primary: true },
      { value: 'b@x', type: 'work', primary: 'true' },
    ];
    expect(readUser({ userName: 'ann', emails }).emails).toEqual([
      { value: 'a@x', type: 'work', primary: false },
      { value: 'b@x', type: 'work', primary: true },
    ]);
  });

  test.each(['"quoted name"@x.example', 'ünï@bücher.example', 'no-at-sign', "o'neil+tag@x", 'x'.repeat(320)])(
    'B28 the e-mail %j is kept as sent',
    (value) => {
      expect(readUser({ userName: 'ann', emails: [{ value }] }).emails).toEqual([{ value }]);
    },
  );

  test.each<[string, JsonObject]>([
    ['B28 an e-mail with a line break', { emails: [{ value: 'a@x\r\nBcc: b@x' }] }],
    ['B28 an e-mail of 321 characters', { emails: [{ value: 'x'.repeat(321) }] }],
    ['B03 501 e-mails', { emails: Array.from({ length: 501 }, (_, i) => ({ value: `${i}@x` })) }],
    ['an e-mail that is a number', { emails: [5] }],
    ['primary: "yes"', { emails: [{ value: 'a@x', primary: 'yes' }] }],
    ['primary: 1', { emails: [{ value: 'a@x', primary: 1 }] }],
    ['a name that is a text', { name: 'Ann' }],
    ['a title that is a number', { title: 7 }],
    ['a title that is an object', { title: { a: 1 } }],
    ['two managers', { manager: [{ value: 'a' }, { value: 'b' }] }],
    ['an enterprise extension that is a text', { [ENTERPRISE_USER]: 'x' }],
  ])('%s is refused with invalidValue', (_, part) => {
    expect(refusal({ userName: 'ann', ...part })).toMatchObject({ status: 400, scimType: 'invalidValue' });
  });

  test('B32 a spreadsheet formula is plain text', () => {
    expect(readUser({ userName: 'ann', displayName: '=cmd()' }).displayName).toBe('=cmd()');
  });

  test('no error repeats a value', () => {
    const person = 'secret-person@example.com';
    for (const part of [
      { emails: [{ value: `${person}\n` }] },
      { name: person },
      { active: person },
      { externalId: `${person}\0` },
    ]) {
      expect(refusal({ userName: 'ann', ...part }).detail).not.toContain('secret-person');
    }
  });
});
