/**
 * Pins the two names a person gets for ever. A change here orphans every id an identity provider has stored and every reference at Maxio,
 * so the vectors are written out and were computed by an independent UUIDv5 (RFC 9562 §5.5). Refuses to know who is the same person.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeReference, numberedReference, scimId } from '../../src/directory/identity.ts';

const SAFE = /^[A-Za-z0-9._@~-]*$/;

describe('the SCIM id', () => {
  it('is the same for ever for a site and a reference', () => {
    expect(scimId({ region: 'us', subdomain: 'acme' }, '00u1abcd')).toBe('6d14fdb9-183d-5580-b986-af1f4196849a');
    expect(scimId({ region: 'eu', subdomain: 'acme' }, '00u1abcd')).toBe('cba95134-9fe6-5e61-90ca-dc5bb45a3051');
  });

  it('differs when region, subdomain or reference differ, also where the parts meet', () => {
    const ids = [
      scimId({ region: 'us', subdomain: 'acme' }, 'a'),
      scimId({ region: 'eu', subdomain: 'acme' }, 'a'),
      scimId({ region: 'us', subdomain: 'acme' }, 'b'),
      scimId({ region: 'us', subdomain: 'acm' }, 'ea'),
      scimId({ region: 'us', subdomain: 'acme"' }, ',"a'),
    ];
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('the Maxio reference', () => {
  it.each([
    ['00u1abcdEFGH23456', '00u1abcdEFGH23456'],
    ['2f1c0d1e-7a4b-4c57-9d2b-0f6f1d6f8f0a', '2f1c0d1e-7a4b-4c57-9d2b-0f6f1d6f8f0a'],
    ['ann@example.com', 'ann@example.com'],
    ['ann+x@example.com', 'ann~2bx@example.com'],
    ['a b', 'a~20b'],
    ['a/b%c', 'a~2fb~25c'],
    ['ä', '~c3a4'],
    ['😀', '~f09f9880'],
    ['a~b', 'a~7eb'],
    ['', ''],
  ])('of %j is %j', (idpId, reference) => {
    expect(encodeReference(idpId)).toBe(reference);
  });

  it('B52 of 300 characters is 200 long, ends in a digest of the whole, and tells people with the same beginning apart', () => {
    const long = encodeReference('x'.repeat(300));
    expect(long).toBe(`${'x'.repeat(167)}-0d4e2ca9e9cbced7a7a5380eb29e1a37`);
    expect(long).toHaveLength(200);
    expect(encodeReference('x'.repeat(301))).not.toBe(long);
    expect(encodeReference('x'.repeat(200))).toBe('x'.repeat(200));
  });

  it('B52 B57 is safe in a URL for any text, at most 200 long, and different for different texts', () => {
    const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 90 }), fc.string({ maxLength: 300 }));
    fc.assert(
      fc.property(text, text, (one, other) => {
        const reference = encodeReference(one);
        expect(reference).toMatch(SAFE);
        expect(reference.length).toBeLessThanOrEqual(200);
        expect(encodeReference(one)).toBe(reference);
        if (one.isWellFormed() && other.isWellFormed() && one !== other) expect(encodeReference(other)).not.toBe(reference);
      }),
    );
  });

  it('is numbered from the second person on', () => {
    expect([1, 2, 3, 11].map((n) => numberedReference('jdoe', n))).toEqual(['jdoe', 'jdoe~2', 'jdoe~3', 'jdoe~11']);
  });

  it('of a tilde in an id never equals a number we gave', () => {
    expect(encodeReference('jdoe~2')).not.toBe(numberedReference(encodeReference('jdoe'), 2));
  });
});
