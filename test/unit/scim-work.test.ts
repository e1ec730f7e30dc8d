/**
 * Guards that nobody can keep the others waiting by what a filter, an order or a PATCH makes us compare: work is counted, bounded and done in turns. Nothing is
 * timed. RFC 7644 §7 (untrusted input).
 */
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Breather } from '../../src/breather.ts';
import { walk } from '../../src/directory/walk-sources.ts';
import { ScimError } from '../../src/scim/error.ts';
import { includes } from '../../src/scim/filter/includes.ts';
import { Folds, matches, matchesInTurns, parseFilter } from '../../src/scim/filter.ts';
import { FOLDED_MAX } from '../../src/scim/fold.ts';
import { applyGroupPatch } from '../../src/scim/group/patch-group.ts';
import { Effort } from '../../src/scim/patch/effort.ts';
import { applyPatch } from '../../src/scim/patch.ts';
import { readUser } from '../../src/scim/read-user.ts';
import { GROUP, USER } from '../../src/scim/schema.ts';
import { readSort, sortKeyOf } from '../../src/scim/sort.ts';
import type { JsonObject } from '../../src/scim/types.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const LIGATURE = '\uFDFA';
const MARKS = '\u0301\u0323';
/** The most expensive texts that fit into one person: one letter becomes eighteen, or is one under many marks. */
const HOSTILE = { ligatures: LIGATURE.repeat(60_000), marks: `a${MARKS.repeat(30_000)}`, letters: 'é'.repeat(90_000) };

/** Lengths of the texts that are brought into another normal form, which is what folding costs. */
function normalised(run: () => unknown): number[] {
  const lengths: number[] = [];
  const { normalize } = String.prototype;
  const spy = vi.spyOn(String.prototype, 'normalize').mockImplementation(function (this: string, form?: string) {
    lengths.push(this.length);
    return normalize.call(this, form);
  });
  try {
    run();
  } finally {
    spy.mockRestore();
  }
  return lengths;
}

function refusal(run: () => unknown): ScimError {
  try {
    run();
  } catch (error) {
    if (error instanceof ScimError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

const message = (operations: JsonObject[]): JsonObject => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: operations,
});
const repeated = (count: number, operation: JsonObject): JsonObject => message(Array.from({ length: count }, () => operation));
const emails = (display: string, count = 250) => Array.from({ length: count }, (_, n) => ({ value: `a${n}@x.example`, display }));
const withEmails = (display: string, count?: number) => readUser({ userName: 'a', emails: emails(display, count) });

describe('a filter', () => {
  test.each(['', ' and nobody eq 1', ' or title xx 1', ' and ('])('that is refused costs no folding (%j)', (wrong) => {
    const text = `title co "${LIGATURE.repeat(900)}" or displayName co "a${MARKS.repeat(400)}"`;
    const lengths = normalised(() => (wrong === '' ? parseFilter(text) : refusal(() => parseFilter(text + wrong))));
    expect(lengths.length > 0).toBe(wrong === '');
  });

  test.each(Object.entries(HOSTILE))('never brings a whole %s text into another form', (_, title) => {
    const filter = parseFilter(Array.from({ length: 25 }, () => 'title co "é"').join(' or '));
    let units = 0;
    const folds = new Folds((more) => {
      units += more;
    });
    const lengths = normalised(() => matches(filter, { userName: 'a', title }, folds));
    expect(Math.max(0, ...lengths)).toBeLessThanOrEqual(FOLDED_MAX);
    expect(units).toBeLessThan(50_000_000);
  });

  test('folds each value once, however many conditions look at it', () => {
    const user = withEmails(LIGATURE.repeat(100));
    const filter = (count: number) => parseFilter(Array.from({ length: count }, () => 'emails.display co "x"').join(' or '));
    const once = normalised(() => matches(filter(1), user));
    expect(normalised(() => matches(filter(24), user))).toEqual(once);
  });

  test('keeps bounded what it has folded', () => {
    const folds = new Folds();
    for (let n = 0; n < 2_000; n += 1) folds.of(`${n}${LIGATURE.repeat(300)}`);
    const again = normalised(() => folds.of(`0${LIGATURE.repeat(300)}`));
    expect(again.length).toBeGreaterThan(0);
    expect(normalised(() => folds.of(`1999${LIGATURE.repeat(300)}`))).toEqual([]);
  });

  test('finds in long texts without regard to letter case, and in texts that may be names by the whole rule', () => {
    const long = (text: string) => ({ userName: 'a', title: `${'ü'.repeat(2_000)}${text}` });
    for (const wanted of ['straße', 'STRAßE', 'x']) {
      expect(matches(parseFilter(`title co "${wanted}"`), long('Straße x')), wanted).toBe(true);
      expect(matches(parseFilter(`title ne "${wanted}"`), long('Straße x')), wanted).toBe(true);
    }
    expect(matches(parseFilter('title ew "ΟΔΟΣ"'), long('οδος'))).toBe(true);
    expect(matches(parseFilter('title co "strasse"'), long('Straße'))).toBe(false);
    expect(matches(parseFilter('title co "straße"'), { userName: 'a', title: `${'u'.repeat(2_000)}STRASSE` })).toBe(true);
    expect(matches(parseFilter('title co "strasse"'), { userName: 'a', title: `${'ü'.repeat(1_000)}Straße` })).toBe(true);
    const whole = 'Ä'.repeat(1_500);
    expect(matches(parseFilter(`title eq "${whole.toLowerCase()}"`), { userName: 'a', title: whole })).toBe(true);
  });

  test('over a resource with very many values is evaluated in turns, with the same answer', () => {
    const members = Array.from({ length: 5_000 }, (_, n) => ({ value: `p${n}`, display: `Person ${n}` }));
    for (const text of ['members.display co "Person 4999"', 'members[display eq "nobody"]', 'not (members.value ew "x")']) {
      const filter = parseFilter(text, GROUP);
      const turns = matchesInTurns(filter, { members }, new Folds());
      let taken = 0;
      let turn = turns.next();
      for (; turn.done !== true; turn = turns.next()) taken += 1;
      expect(taken).toBeGreaterThan(50);
      expect(turn.value).toBe(matches(filter, { members }));
    }
  });
});

test('a search for a text finds what the engine finds, whatever repeats itself', () => {
  const piece = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(piece, piece, fc.nat(200), (unit, other, at) => {
      const text = unit.repeat(5_000 / unit.length + 1);
      const wanted = unit.repeat(3) + other;
      const holding = text.slice(0, at) + wanted + text.slice(at);
      expect(includes(text, wanted)).toBe(text.includes(wanted));
      expect(includes(holding, wanted)).toBe(true);
    }),
  );
  expect(includes('a'.repeat(9_000), `${'a'.repeat(500)}b`)).toBe(false);
  expect(includes('short', 'a much longer text than the one that is looked through')).toBe(false);
});

test('an order folds the beginning of a text only', () => {
  const sort = readSort('title', undefined, USER);
  for (const title of Object.values(HOSTILE)) {
    expect(Math.max(...normalised(() => sortKeyOf(sort, { title })))).toBeLessThan(10_000);
  }
});

describe('a PATCH', () => {
  test('of 1,000 filters over 250 values that are expensive to fold folds each of them once', () => {
    const user = withEmails(LIGATURE.repeat(240));
    const body = (count: number) => repeated(count, { op: 'remove', path: 'emails[display eq "x"]' });
    const once = normalised(() => applyPatch(user, body(1), { id: 'x' }));
    expect(normalised(() => applyPatch(user, body(1_000), { id: 'x' }))).toEqual(once);
  });

  test.each<[string, () => unknown]>([
    [
      'many filters that read long texts',
      () =>
        applyPatch(withEmails('x'.repeat(700)), repeated(1_000, { op: 'remove', path: 'emails[display co "xq"]' }), { id: 'x' }),
    ],
    [
      'a value for each of many',
      () =>
        applyPatch(
          withEmails('x', 500),
          message([{ op: 'replace', path: 'emails[value pr].display', value: 'x'.repeat(20_000) }]),
          { id: 'x' },
        ),
    ],
    [
      'values of many names into many',
      () => {
        const names = (letter: string) => Object.fromEntries(Array.from({ length: 900 }, (_, n) => [`${letter}${n}`, 'x']));
        const user = readUser({ userName: 'a', name: names('k') });
        return applyPatch(user, repeated(50, { op: 'replace', path: 'name', value: names('K') }), { id: 'x' });
      },
    ],
    [
      'lists that are added to again and again',
      () =>
        applyPatch(
          withEmails('x'.repeat(700)),
          repeated(1_000, { op: 'add', path: 'emails', value: [{ value: 'a1@x.example', display: 'y' }] }),
          { id: 'x' },
        ),
    ],
    [
      'people in a group who are chosen by expensive names',
      () => {
        const present = Array.from({ length: 5_000 }, (_, n) => ({
          value: `p${n}`,
          type: 'User',
          display: `${LIGATURE.repeat(300)}${n}`,
        }));
        return applyGroupPatch({ displayName: 'g' }, repeated(1, { op: 'remove', path: 'members[display co "x"]' }), {
          id: 'g',
          present,
        });
      },
    ],
    [
      'filters in paths without an end',
      () =>
        applyGroupPatch(
          { displayName: 'g' },
          repeated(1_000, { op: 'remove', path: `members[display co "${LIGATURE.repeat(900)}"]` }),
          { id: 'g', present: [] },
        ),
    ],
  ])('that needs %s is refused', (_, run) => {
    expect(refusal(run)).toMatchObject({ status: 413, detail: expect.stringContaining('Split the request') });
  });

  test('is counted with the others of a bulk request', () => {
    const effort = new Effort();
    const user = withEmails('x'.repeat(700));
    const body = repeated(20, { op: 'remove', path: 'emails[display co "xq"]' });
    const each = () => applyPatch(user, body, { id: 'x', effort });
    expect(each()).toEqual(user);
    expect(refusal(() => Array.from({ length: 20 }, each))).toMatchObject({ status: 413 });
  });
});

describe('others have their turn', () => {
  test('between two slices of work, and many who work hard share one slice', async () => {
    let looks = 0;
    let isOver = false;
    const look = (): void => {
      looks += 1;
      if (!isOver) setImmediate(look);
    };
    setImmediate(look);
    const resting = Array.from({ length: 20 }, async () => await new Breather().rest());
    await Promise.all(resting);
    isOver = true;
    expect(looks).toBeGreaterThanOrEqual(19);
  });

  test('while a list looks through what is large', async () => {
    const members = Array.from({ length: 50_000 }, (_, n) => ({ value: `p${n}`, display: `Pérson ${n}` }));
    const filter = parseFilter(Array.from({ length: 24 }, () => 'members.display co "zz"').join(' or '), GROUP);
    const rows = Array.from({ length: 3 }, (_, n) => ({ record: { id: `g${n}` }, sequence: n + 1, bytes: 1 }));
    const shelf = {
      candidates: async () => undefined,
      after: async () => ({ rows, next: undefined }),
      resources: async () => rows.map(() => ({ members })),
    };
    let looks = 0;
    const looking = setInterval(() => {
      looks += 1;
    });
    for await (const _ of walk([{ shelf, filter }] as never, undefined, { baseUrl: '' } as never)) throw new Error('found');
    clearInterval(looking);
    expect(looks).toBeGreaterThan(1);
  });
});
