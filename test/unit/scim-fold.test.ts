/** Guards the one rule by which names are the same, for uniqueness and filters alike. */
import { describe, expect, test } from 'vitest';
import { foldEmail, foldUserName } from '../../src/scim/fold.ts';

describe('B29 B31 one name', () => {
  test.each([
    ['letter case', 'BOB@Example.COM', 'bob@example.com'],
    ['NFC and NFD', 'Jose\u0301', 'Jos\u00e9'],
    ['fullwidth', 'ＢＯＢ', 'bob'],
    ['a ligature', 'ﬁnn', 'FINN'],
    ['the Kelvin sign', '\u212aelvin', 'kelvin'],
    ['ß and SS', 'Straße', 'STRASSE'],
    ['capital ẞ and ß', 'STRAẞE', 'straße'],
    ['final and inner sigma', 'ΟΔΟΣ', 'οδος'],
    ['long s', 'ſam', 'sam'],
  ])('%s', (_, left, right) => {
    expect(foldUserName(left)).toBe(foldUserName(right));
    expect(foldEmail(left)).toBe(foldUserName(right));
  });
});

describe('B30 B31 different names', () => {
  test.each([
    ['dotless i', 'admın', 'admin'],
    ['dotted capital I', 'İpek', 'ipek'],
    ['a Cyrillic homoglyph', 'Аnn', 'Ann'],
    ['accents', 'José', 'Jose'],
    ['surrounding spaces', ' bob', 'bob'],
  ])('%s', (_, left, right) => {
    expect(foldUserName(left)).not.toBe(foldUserName(right));
  });
});

test('a prefix folds like the beginning of the whole, so that sw agrees with eq', () => {
  expect(foldUserName('ΟΔΟΣΧ').startsWith(foldUserName('ΟΔΟΣ'))).toBe(true);
});
