/** Guards filters: grammar, limits, comparison by the attribute table, and that a filter never matches everybody by mistake. RFC 7644 §3.4.2.2. */
import { describe, expect, test } from 'vitest';
import { ScimError } from '../../src/scim/error.ts';
import { equalities, groupEqualities, matches, parseFilter, partsOf } from '../../src/scim/filter.ts';
import { GROUP } from '../../src/scim/schema.ts';
import { CORE_GROUP, CORE_USER, ENTERPRISE_USER, type JsonObject } from '../../src/scim/types.ts';

const ANN: JsonObject = {
  schemas: [CORE_USER, ENTERPRISE_USER],
  id: 'Aa-1',
  externalId: 'Jyoung',
  userName: 'Ann.Lee@Example.com',
  name: { givenName: 'Ann', familyName: 'Straße' },
  displayName: 'Ann "the\\boss" Lee',
  active: true,
  emails: [
    { value: 'Ann@work.example', type: 'work', primary: true },
    { value: 'ann@home.example', type: 'home' },
  ],
  roles: [{ value: 'admin', primary: true }],
  [ENTERPRISE_USER]: { department: 'R&D', manager: { value: 'M-1' } },
  'urn:acme:2.0:Badge': { number: 7, colour: 'Red', lost: false },
  meta: {
    resourceType: 'User',
    created: '2026-01-01T00:00:00Z',
    lastModified: '2026-03-01T12:00:00.500Z',
    location: 'https://x/1',
  },
};

function refusal(text: string): ScimError {
  try {
    parseFilter(text);
  } catch (error) {
    if (error instanceof ScimError) return error;
    throw error;
  }
  throw new Error(`${text} was not refused`);
}

describe('matches', () => {
  test.each([
    'userName eq "ann.lee@example.com"',
    'USERNAME EQ "ANN.LEE@EXAMPLE.COM"',
    `${CORE_USER}:userName eq "ann.lee@example.com"`,
    'externalId eq "Jyoung"',
    'externalId eq Jyoung',
    'id eq "Aa-1"',
    'name.familyName eq "STRASSE"',
    'displayName eq "Ann \\"the\\\\boss\\" Lee"',
    'displayName co "\\u0041nn"',
    'active eq true',
    'active eq "True"',
    'active eq TRUE',
    'active ne false',
    'emails eq "ann@HOME.example"',
    'emails.value eq "ann@work.example"',
    'emails[type eq "work"].value eq "ann@work.example"',
    'emails[type eq "work" and value co "@work"]',
    'emails[type eq "work"]',
    'emails[type eq "work" or type eq "other"].value sw "ann"',
    'roles[primary eq "True"].value eq "admin"',
    'emails.type eq "home"',
    `${ENTERPRISE_USER}:department eq "r&d"`,
    'id eq "Aa-1" and manager eq "m-1"',
    'manager eq "M-1" and id eq "Aa-1"',
    `${ENTERPRISE_USER}:manager.value eq "M-1"`,
    'urn:acme:2.0:Badge:colour eq "red"',
    'urn:acme:2.0:Badge:number gt 6',
    'urn:acme:2.0:Badge:lost eq false',
    `schemas eq "${ENTERPRISE_USER}"`,
    'title ne "x"',
    'not (title pr)',
    'title eq null',
    'displayName ne null',
    'name pr',
    'active pr',
    'emails pr',
    'emails.value ne "ann@home.example"',
    'meta.lastModified gt "2026-03-01T12:00:00Z"',
    'meta.lastModified ge "2026-03-01T13:00:00.500+01:00"',
    'meta.created lt "2026-01-01T00:00:01Z"',
    'meta.created le "2026-01-01T01:00:00+01:00"',
    'meta.created eq "2026-01-01T00:00:00.000Z"',
    'meta.created sw "2026-01"',
    'meta.resourceType eq "User"',
    'userName gt "a" and userName lt "b"',
    'userName ge "ann.lee@example.com" and userName le "ann.lee@example.com"',
    'userName ew "EXAMPLE.com"',
    'userName sw ""',
    'title pr or displayName pr and active eq true',
    'displayName pr or title pr and active eq false',
    '(title pr or displayName pr) and not (active eq false)',
    'urn:unknown:1.0:Thing:x ne "1"',
  ])('%s', (text) => {
    expect(matches(parseFilter(text), ANN)).toBe(true);
  });
});

describe('does not match', () => {
  test.each([
    'userName eq "ann"',
    'externalId eq "jyoung"',
    'id eq "aa-1"',
    'active eq false',
    'active ne true',
    'title eq "x"',
    'title co ""',
    'title gt "a"',
    'emails[type eq "work"].value eq "ann@home.example"',
    'emails[type eq "home" and primary eq true]',
    'emails[type eq "other"]',
    'groups pr',
    'groups.value eq "x"',
    'urn:unknown:1.0:Thing:x eq "1"',
    'urn:acme:2.0:Badge:toString pr',
    'urn:acme:2.0:Badge:number eq "8"',
    '(title pr or displayName pr) and active eq false',
    'not (userName pr)',
    'displayName eq ".*"',
    'displayName co "%"',
    'meta.resourceType eq "user"',
  ])('%s', (text) => {
    expect(matches(parseFilter(text), ANN)).toBe(false);
  });
});

describe('refuses with 400 invalidFilter', () => {
  test.each([
    ['empty', ''],
    ['spaces', '   '],
    ['B61 10 KB', `userName eq "${'x'.repeat(10_240)}"`],
    ['B61 500 nested parentheses', `${'('.repeat(500)}title pr${')'.repeat(500)}`],
    ['B61 11 nested parentheses', `${'('.repeat(11)}title pr${')'.repeat(11)}`],
    ['B61 a chain of not', `${'not ('.repeat(11)}title pr${')'.repeat(11)}`],
    ['B61 26 conditions', Array.from({ length: 26 }, () => 'title pr').join(' and ')],
    ['B62 an unterminated text', 'userName co "'],
    ['B62 an unknown operator', 'userName like "x"'],
    ['B62 an unknown attribute', 'shoeSize eq "x"'],
    ['B62 an unknown sub-attribute', 'name.shoe eq "x"'],
    ['B62 an unknown attribute of the enterprise schema', `${ENTERPRISE_USER}:shoe eq "x"`],
    ['B62 eq on a complex attribute', 'name eq "x"'],
    ['B62 eq on addresses', 'addresses eq "x"'],
    ['gt on a boolean', 'active gt true'],
    ['co on a boolean', 'active co "t"'],
    ['a boolean against a text', 'active eq "maybe"'],
    ['a date against a text', 'meta.created gt "yesterday"'],
    ['a date against a number', 'meta.created gt 1'],
    ['gt on binary', 'x509Certificates.value gt "a"'],
    ['gt null', 'title gt null'],
    ['password', 'password eq "x"'],
    ['a value path on a text', 'userName[value eq "x"]'],
    ['a value path in a value path', 'emails[emails[type eq "x"]]'],
    ['an unknown name in a value path', 'emails[shoe eq "x"]'],
    ['a value path followed by nothing', 'emails[type eq "work"].value'],
    ['a missing value', 'userName eq'],
    ['a missing operator', 'userName'],
    ['a missing attribute', 'eq "x"'],
    ['a dangling and', 'title pr and'],
    ['two conditions without and', 'title pr title pr'],
    ['an unquoted value with spaces', 'displayName eq Ann Lee'],
    ['an open bracket', '(title pr'],
    ['a closed bracket', 'title pr)'],
    ['crossed brackets', '(emails[type pr)]'],
    ['not without parentheses', 'not title pr'],
    ['a bad escape', 'title eq "\\x"'],
    ['__proto__', '__proto__ pr'],
    ['constructor', 'constructor.prototype pr'],
    ['an unsafe name below an unknown schema', 'urn:acme:2.0:Badge:__proto__ pr'],
    ['a URN alone', `${ENTERPRISE_USER} pr`],
    ['an SQL injection', '1 eq 1 or userName pr'],
  ])('%s', (_, text) => {
    expect(refusal(text)).toMatchObject({ status: 400, scimType: 'invalidFilter' });
  });

  test('and the detail never repeats a value', () => {
    for (const text of [
      'shoe eq "secret-person"',
      'active eq "secret-person"',
      'displayName eq "a" "secret-person"',
      'title eq "secret-person',
    ]) {
      expect(refusal(text).detail).not.toContain('secret-person');
    }
  });
});

describe('B61 limits leave room', () => {
  test.each([
    ['25 conditions', Array.from({ length: 25 }, () => 'title pr').join(' or ')],
    ['10 levels', `${'('.repeat(10)}title pr${')'.repeat(10)}`],
    ['brackets and words inside a text', `title eq "${'(not and or '.repeat(100)}"`],
    ['2,048 characters', `title eq "${'x'.repeat(2_048 - 11)}"`],
  ])('%s', (_, text) => {
    expect(matches(parseFilter(text), ANN)).toBe(false);
  });
});

describe('equalities that an index may use', () => {
  test.each([
    ['userName eq "Ann"', [{ attribute: 'userName', value: 'Ann' }]],
    ['EXTERNALID eq Ann', [{ attribute: 'externalId', value: 'Ann' }]],
    [`${CORE_USER}:id eq "1"`, [{ attribute: 'id', value: '1' }]],
    ['emails eq "A@x"', [{ attribute: 'emails.value', value: 'A@x' }]],
    ['emails.value eq "A@x"', [{ attribute: 'emails.value', value: 'A@x' }]],
    ['emails[type eq "work" and value eq "A@x"]', [{ attribute: 'emails.value', value: 'A@x' }]],
    ['emails[type eq "work"].value eq "A@x"', [{ attribute: 'emails.value', value: 'A@x' }]],
    [
      'id eq "1" and (manager eq "2" and userName eq "3")',
      [
        { attribute: 'id', value: '1' },
        { attribute: 'userName', value: '3' },
      ],
    ],
    ['userName eq "a" or userName eq "b"', []],
    ['not (userName eq "a")', []],
    ['emails[not (value eq "a")]', []],
    ['emails[type eq "work" or value eq "a"]', []],
    ['userName ne "a"', []],
    ['userName sw "a"', []],
    ['roles.value eq "a"', []],
    ['name.givenName eq "a"', []],
    ['externalId eq null', []],
    [`${ENTERPRISE_USER}:manager.value eq "a"`, []],
    ['urn:acme:2.0:Badge:id eq "1"', []],
  ])('%s', (text, expected) => {
    expect(equalities(parseFilter(text))).toEqual(expected);
  });
});

describe('a filter over groups', () => {
  const group: JsonObject = {
    schemas: [CORE_GROUP],
    id: 'g1',
    displayName: 'Team Tours',
    externalId: 'X1',
    members: [{ value: 'u1', display: 'Ann' }, { value: 'u2' }],
    meta: { resourceType: 'Group', created: '2026-01-01T00:00:00Z' },
  };

  test.each<[string, boolean]>([
    ['displayName eq "team tours"', true],
    [`${CORE_GROUP}:displayName sw "TEAM"`, true],
    ['members eq "u2"', true],
    ['members.value eq "U2"', false],
    ['members[value eq "u1" and display eq "ann"]', true],
    ['members[value eq "u2" and display pr]', false],
    ['externalId eq "x1"', false],
    ['meta.resourceType eq "Group" and not (members.value eq "u3")', true],
    [`${CORE_USER}:userName eq "ann"`, false],
  ])('%s', (text, expected) => {
    expect(matches(parseFilter(text, GROUP), group)).toBe(expected);
  });

  test.each(['userName eq "x"', 'members.hat eq "x"', 'name.givenName pr', 'manager eq "x"'])('%s is refused', (text) => {
    expect(() => parseFilter(text, GROUP)).toThrow(expect.objectContaining({ status: 400, scimType: 'invalidFilter' }));
  });

  test('names what an index can answer', () => {
    const terms = groupEqualities(parseFilter('members[value eq "u1"] and displayName eq "A" and id eq "g"', GROUP));
    expect(terms.map(({ attribute }) => attribute)).toEqual(['members.value', 'displayName', 'id']);
  });
});

test('a time without a zone is UTC, wherever this machine stands', () => {
  const before = process.env.TZ;
  process.env.TZ = 'America/New_York';
  try {
    expect(parseFilter('meta.created ge "2026-01-01T00:00:00"')).toMatchObject({ value: Date.UTC(2026, 0, 1) });
    expect(parseFilter('meta.created ge "2026-01-01T00:00:00.5-01:00"')).toMatchObject({ value: Date.UTC(2026, 0, 1, 1) + 500 });
    expect(parseFilter('meta.created ge "2026-01-01"')).toMatchObject({ value: Date.UTC(2026, 0, 1) });
  } finally {
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  }
});

test('what a filter reads is named, so that nothing else has to be looked up', () => {
  const text = 'groups[display eq "x" and value pr] or not (meta.created gt "2026-01-01") and urn:acme:2.0:Badge:number eq 7';
  expect(partsOf(parseFilter(text))).toEqual(['groups.display', 'groups.value', 'meta.created', 'urn:acme:2.0:Badge.number']);
});
