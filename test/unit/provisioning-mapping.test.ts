/**
 * What of a SCIM person Maxio gets to see: names and e-mail as Maxio requires them, only fields that are ours to clear, nothing about money.
 * Source: customer fields of Maxio's API reference; RFC 7643 §4.1.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { confirm, fieldsToSend, mapUser, presentFields } from '../../src/provisioning/mapping.ts';
import { ENTERPRISE_USER, type Json, type JsonObject } from '../../src/scim/types.ts';

const map = (attributes: JsonObject = {}, userName = 'ann.lee@example.com') => mapUser({ userName, active: true, ...attributes });
const names = (attributes: JsonObject, userName?: string) => {
  const { first_name, last_name } = map(attributes, userName);
  return `${first_name}|${last_name}`;
};

describe('names', () => {
  it.each<[string, JsonObject, string, string]>([
    ['as they come', { name: { givenName: 'Ann', familyName: 'Lee' } }, 'x', 'Ann|Lee'],
    ['stripped of blanks around them', { name: { givenName: ' Ann ', familyName: '\tLee' } }, 'x', 'Ann|Lee'],
    ['from displayName', { displayName: 'Ann Mary van Lee' }, 'x', 'Ann|Mary van Lee'],
    ['from displayName, not from formatted', { displayName: 'Ann Lee', name: { formatted: 'Dr. A. Lee' } }, 'x', 'Ann|Lee'],
    ['from name.formatted', { name: { formatted: 'Ann Lee' } }, 'x', 'Ann|Lee'],
    ['given from name, family from displayName', { name: { givenName: 'Anna' }, displayName: 'Ann Lee' }, 'x', 'Anna|Lee'],
    ['one word and the userName', { displayName: 'Cher' }, 'cher@example.com', 'Cher|cher'],
    ['from the local part of userName', {}, 'ann@example.com', 'ann|ann'],
    ['from userName as it is', {}, 'ann', 'ann|ann'],
    ['from a userName without a local part', {}, '@ann', '@ann|@ann'],
    ['not from blanks', { name: { givenName: ' ', familyName: '' }, displayName: '  ' }, 'ann', 'ann|ann'],
    ['not from other types', { name: { givenName: 7, familyName: ['x'] }, displayName: true }, 'ann', 'ann|ann'],
  ])('%s', (_rule, attributes, userName, expected) => {
    expect(names(attributes, userName)).toBe(expected);
  });
});

describe('the e-mail address', () => {
  const work = { type: 'work', value: 'work@example.com' };
  const home = { type: 'home', value: 'home@example.com' };
  const primary = { type: 'other', value: 'main@example.com', primary: true };
  it.each<[string, Json, string, string | null]>([
    ['the primary one', [home, work, primary], 'ann', 'main@example.com'],
    ['else the one for work, in any letter case', [home, { ...work, type: 'Work' }], 'ann', 'work@example.com'],
    ['else the first', [home, { type: 'other', value: 'o@example.com' }], 'ann', 'home@example.com'],
    ['a plain text in the list', ['plain@example.com'], 'ann', 'plain@example.com'],
    ['else the userName if it has that shape', [], 'ann@example.com', 'ann@example.com'],
    ['not a userName of another shape', [], 'ann', null],
    ['not something with blanks', [{ value: 'ann lee@example.com' }], 'ann', null],
    ['not something with two @', [{ value: 'ann@lee@example.com' }], 'ann', null],
    ['nothing in a list that is no list', 'ann@example.com', 'ann', null],
    ['never null as a value', [null, { value: null }, { type: 'work' }], 'ann', null],
  ])('is %s', (_rule, emails, userName, expected) => {
    expect(map({ emails }, userName).email).toBe(expected);
  });
});

describe('address, phone and the rest', () => {
  it('the street is split by lines, as IdPs send it', () => {
    const addresses = [
      { type: 'work', streetAddress: '1 Main St\r\nFloor 2\nDoor 3', locality: 'Wien', region: 'W', postalCode: '1010' },
    ];
    expect(map({ addresses })).toMatchObject({
      address: '1 Main St',
      address_2: 'Floor 2, Door 3',
      city: 'Wien',
      state: 'W',
      zip: '1010',
      country: null,
    });
  });

  it.each([
    ['at', 'AT'],
    ['US', 'US'],
    ['Austria', null],
    ['USA', null],
    ['A1', null],
    ['', null],
  ])('the country %j becomes %j: free text must not make Maxio refuse the person', (country, expected) => {
    expect(map({ addresses: [{ country }] }).country).toBe(expected);
  });

  it('takes phone, organization and locale, and nothing else', () => {
    const mapped = map({
      phoneNumbers: [
        { type: 'mobile', value: '2' },
        { type: 'work', value: '1' },
      ],
      locale: 'de-AT',
      [ENTERPRISE_USER]: { organization: 'Acme', costCenter: '4711' },
      product_handle: 'gold',
      reference: 'other',
      price: 0,
    });
    expect(mapped).toMatchObject({ phone: '1', locale: 'de-AT', organization: 'Acme' });
    expect(Object.keys(mapped).sort()).toEqual(
      [
        'first_name',
        'last_name',
        'email',
        'organization',
        'phone',
        'address',
        'address_2',
        'city',
        'state',
        'zip',
        'country',
        'locale',
      ].sort(),
    );
  });

  it('is total: any attributes give two names and well-formed texts of at most 255 characters', () => {
    const json = fc.jsonValue() as fc.Arbitrary<Json>;
    const text = fc.string({ unit: 'binary', maxLength: 600 });
    const attributes = fc.record(
      {
        displayName: fc.oneof(text, json),
        name: fc.oneof(fc.record({ givenName: text, familyName: text, formatted: text }), json),
        emails: fc.oneof(fc.array(fc.oneof(json, fc.record({ value: text, primary: fc.boolean() }))), json),
        addresses: fc.oneof(fc.array(fc.record({ streetAddress: text, country: text })), json),
        phoneNumbers: json,
        [ENTERPRISE_USER]: json,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(attributes, fc.string({ minLength: 1, unit: 'binary' }), (given, userName) => {
        const mapped = map(given as JsonObject, userName);
        expect(mapped.first_name).not.toBe('');
        expect(mapped.last_name).not.toBe('');
        for (const value of Object.values(mapped)) {
          expect(value === null || (typeof value === 'string' && [...value].length <= 255)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('cuts between characters, never inside one', () => {
    const { last_name } = map({ name: { familyName: `${'x'.repeat(254)}😀😀` } });
    expect(last_name.isWellFormed()).toBe(true);
    expect([...last_name]).toHaveLength(255);
  });
});

describe('an update', () => {
  const before = confirm(
    {},
    presentFields(map({ phoneNumbers: [{ value: '1' }], name: { givenName: 'Ann', familyName: 'Lee' } })),
  );

  it('sends nothing when nothing differs, whatever else is confirmed', () => {
    const same = map({ phoneNumbers: [{ value: '1' }], name: { givenName: 'Ann', familyName: 'Lee' } });
    expect(fieldsToSend(same, before, false)).toEqual({});
    expect(fieldsToSend(same, { ...before, zip: null, city: '' }, false)).toEqual({});
  });

  it('clears what was ours, and never what staff filled in', () => {
    const without = map({ name: { givenName: 'Ann', familyName: 'Lee' } });
    expect(fieldsToSend(without, before, false)).toEqual({ phone: null });
    const { phone: _phone, ...neverOurs } = before;
    expect(fieldsToSend(without, neverOurs, false)).toEqual({});
    expect(fieldsToSend(without, { ...neverOurs, phone: null }, false)).toEqual({});
  });

  it('never clears names or e-mail, which Maxio refuses to be blank', () => {
    const nameless = { ...map(), email: null };
    expect(fieldsToSend(nameless, { ...before, email: 'ann@example.com' }, false)).not.toHaveProperty('email');
  });

  it('in doubt sends every field that has a value, and still clears only what was ours', () => {
    const without = map({ name: { givenName: 'Ann', familyName: 'Lee' } });
    expect(fieldsToSend(without, before, true)).toEqual({
      first_name: 'Ann',
      last_name: 'Lee',
      email: 'ann.lee@example.com',
      phone: null,
    });
  });

  it('that was confirmed leaves nothing to send', () => {
    const arbitrary = fc.record({
      phone: fc.option(fc.string()),
      city: fc.option(fc.string()),
      last_name: fc.string({ minLength: 1 }),
    });
    fc.assert(
      fc.property(arbitrary, arbitrary, fc.boolean(), (one, other, inDoubt) => {
        const known = confirm({}, presentFields({ ...map(), ...one }));
        const sent = fieldsToSend({ ...map(), ...other }, known, inDoubt);
        expect(fieldsToSend({ ...map(), ...other }, confirm(known, sent), false)).toEqual({});
      }),
    );
  });
});
