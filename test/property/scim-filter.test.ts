/** Guards for arbitrary filters: only ScimErrors, precedence like a plain reference, one folding rule, equalities that never lose a match. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ScimError } from '../../src/scim/error.ts';
import { equalities, matches, parseFilter } from '../../src/scim/filter.ts';
import { foldUserName } from '../../src/scim/fold.ts';
import type { JsonObject } from '../../src/scim/types.ts';

const word = fc.constantFrom(
  ...[
    'userName',
    'eq',
    'and',
    'or',
    'not',
    '(',
    ')',
    '[',
    ']',
    'emails',
    'type',
    '.value',
    '"',
    '"work"',
    'pr',
    'true',
    '1',
    '\\',
    'active',
    'co',
    ' ',
  ],
  ...['urn:ietf:params:scim:schemas:core:2.0:User:userName', 'meta.created', 'gt', 'null', '__proto__', 'a0', '"0"'],
);
const noise = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string(),
  fc.array(word, { maxLength: 30 }).map((words) => words.join(' ')),
  fc.array(word, { maxLength: 30 }).map((words) => words.join('')),
);

test('any text is a filter or a ScimError 400 invalidFilter, and a filter can be evaluated', () => {
  const resource: JsonObject = {
    userName: 'ann',
    active: true,
    emails: [{ value: 'a', type: 'work' }, 'odd'],
    meta: { created: 'x' },
    name: 'odd',
  };
  fc.assert(
    fc.property(noise, (text) => {
      try {
        expect(typeof matches(parseFilter(text), resource)).toBe('boolean');
      } catch (error) {
        if (!(error instanceof ScimError)) throw error;
        expect(error).toMatchObject({ status: 400, scimType: 'invalidFilter' });
      }
    }),
    { numRuns: 2_000 },
  );
});

interface Tree {
  text: string;
  holds: boolean;
}

/** Random conditions over attributes that are there or not, with the truth computed beside the text. */
const { tree } = fc.letrec<{ tree: Tree; leaf: Tree }>((tie) => ({
  leaf: fc.constantFrom<Tree>(
    { text: 'displayName pr', holds: true },
    { text: 'title pr', holds: false },
    { text: 'emails[type eq "work"].value eq "a@x"', holds: true },
    { text: 'emails[type eq "home"].value eq "a@x"', holds: false },
    { text: 'displayName eq "and or not ) ]"', holds: true },
  ),
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    tie('leaf'),
    fc
      .tuple(tie('leaf'), tie('leaf'), tie('leaf'))
      .map(([a, b, c]) => ({ text: `${a.text} or ${b.text} and ${c.text}`, holds: a.holds || (b.holds && c.holds) })),
    fc
      .tuple(tie('leaf'), tie('leaf'), tie('leaf'))
      .map(([a, b, c]) => ({ text: `${a.text} AND ${b.text} oR ${c.text}`, holds: (a.holds && b.holds) || c.holds })),
    fc.tuple(tie('leaf'), tie('tree')).map(([a, b]) => ({ text: `not (${a.text}) and (${b.text})`, holds: !a.holds && b.holds })),
    fc.tuple(tie('tree'), tie('leaf')).map(([a, b]) => ({ text: `(${a.text}) or not(${b.text})`, holds: a.holds || !b.holds })),
    fc.tuple(tie('leaf'), tie('leaf'), tie('leaf'), tie('leaf')).map(([a, b, c, d]) => ({
      text: `${a.text} or ${b.text} and ${c.text} or ${d.text}`,
      holds: a.holds || (b.holds && c.holds) || d.holds,
    })),
  ),
}));

test('not binds before and, and before or, parentheses first', () => {
  const resource: JsonObject = {
    displayName: 'and or not ) ]',
    emails: [
      { type: 'work', value: 'a@x' },
      { type: 'home', value: 'b@x' },
    ],
  };
  fc.assert(
    fc.property(tree, ({ text, holds }) => {
      expect(matches(parseFilter(text), resource)).toBe(holds);
    }),
    { numRuns: 500 },
  );
});

test('any text survives quoting: eq finds it, case-exact and folded', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }), (value) => {
      const quoted = JSON.stringify(value);
      expect(matches(parseFilter(`externalId eq ${quoted}`), { externalId: value })).toBe(true);
      expect(matches(parseFilter(`userName eq ${quoted}`), { userName: value.toUpperCase() })).toBe(
        foldUserName(value) === foldUserName(value.toUpperCase()),
      );
      expect(matches(parseFilter(`externalId eq ${quoted}`), { externalId: `${value}x` })).toBe(false);
      expect(equalities(parseFilter(`userName eq ${quoted}`))).toEqual([{ attribute: 'userName', value }]);
    }),
    { numRuns: 500 },
  );
});

test('B29 B31 folding is idempotent and joins normal forms', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const folded = foldUserName(text);
      expect(foldUserName(folded)).toBe(folded);
      expect(foldUserName(text.normalize('NFD'))).toBe(folded);
      expect(foldUserName(text.normalize('NFKC'))).toBe(folded);
    }),
    { numRuns: 2_000 },
  );
});

test('a match always fulfils the equalities, so an index loses nobody', () => {
  const value = fc.constantFrom('a', 'A', 'b');
  const leaf = fc.oneof(
    fc
      .tuple(fc.constantFrom('userName', 'externalId', 'id', 'emails', 'emails.value'), value)
      .map(([name, text]) => `${name} eq "${text}"`),
    value.map((text) => `emails[type eq "work"].value eq "${text}"`),
    value.map((text) => `not (userName eq "${text}")`),
  );
  const filter = fc
    .tuple(leaf, fc.constantFrom('and', 'or'), leaf, fc.constantFrom('and', 'or'), leaf)
    .map((parts) => parts.join(' '));
  const resource = fc.record({
    id: value,
    externalId: value,
    userName: value,
    emails: fc.array(fc.record({ type: fc.constantFrom('work', 'home'), value }), { maxLength: 2 }),
  });
  fc.assert(
    fc.property(filter, resource, (text, candidate) => {
      const parsed = parseFilter(text);
      if (!matches(parsed, candidate)) return;
      for (const { attribute, value: wanted } of equalities(parsed)) {
        if (attribute === 'emails.value')
          expect(candidate.emails.map((email) => foldUserName(email.value))).toContain(foldUserName(wanted));
        else if (attribute === 'userName') expect(foldUserName(candidate.userName)).toBe(foldUserName(wanted));
        else expect(candidate[attribute]).toBe(wanted);
      }
    }),
    { numRuns: 1_000 },
  );
});
