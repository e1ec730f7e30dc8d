/**
 * Owns the checks of the values in filters: how they are compared, dates and escapes, and that a value is never a pattern.
 * RFC 7644 §3.4.2.2; RFC 7643 §2.2, §4.1.1.
 */
import { type Check, must, READS, type Subject, should } from '../check.ts';
import { expectEqual, expectList } from '../expect.ts';
import { finds } from '../filter-try.ts';
import { textAt } from '../json.ts';
import type { Trial } from '../trial.ts';
import { USER_URN } from '../urns.ts';

const VALUES: Check[] = [
  must(
    'filter-value-case',
    '7643 §4.1.1',
    'userName is compared without regard to case.',
    finds(({ cast }) => `userName eq "${cast.ann.name.toUpperCase()}"`, ['ann']),
  ),
  must(
    'filter-id',
    '7644 §3.4.2.2',
    'A resource is found by its id.',
    finds(({ cast }) => `id eq "${cast.cora.id}"`, ['cora']),
  ),
  should(
    'filter-external-id',
    '7643 §3.1',
    'A resource is found by its externalId.',
    finds(({ run }) => `externalId eq "X-Bob-${run}"`, ['bob']),
  ),
  should(
    'filter-external-id-case',
    '7643 §3.1',
    'externalId is compared exactly.',
    finds(({ run }) => `externalId eq "x-bob-${run}"`, []),
  ),
  must(
    'filter-schemas',
    '7644 §3.4.2.2',
    'schemas can be filtered by, like any attribute.',
    finds(({ mine }) => `${mine} and schemas eq "${USER_URN}"`, ['ann', 'bob', 'cora']),
  ),
  must(
    'filter-created',
    '7644 §3.4.2.2',
    'Dates are compared as moments.',
    finds(
      ({ mine, cast }) => `${mine} and meta.created ge "${textAt(cast.ann.body, 'meta', 'created')}"`,
      ['ann', 'bob', 'cora'],
    ),
  ),
  must(
    'filter-date-zone',
    '7644 §3.4.2.2',
    'A date in another time zone is the same moment.',
    finds(({ mine, cast }) => `${mine} and meta.lastModified lt "${zoned(textAt(cast.ann.body, 'meta', 'created'))}"`, []),
  ),
  must('filter-escapes', '7644 §3.4.2.2', 'Values are JSON texts, with the escapes of JSON.', async (t) => {
    const displayName = `Quote " back \\ slash ${t.name('escape')}`;
    const user = await t.user({ displayName });
    const list = expectList(await t.get('/Users', { filter: `displayName eq ${JSON.stringify(displayName)}` }));
    expectEqual(list.answer, 'the ids', list.ids, [user.id]);
  }),
  must('filter-unicode', '7644 §3.4.2.2', 'Values may hold any text, escaped or not.', async (t) => {
    const name = t.name('unicode');
    const user = await t.user({ displayName: `Łukasz ${name}` });
    for (const filter of [`displayName eq "Łukasz ${name}"`, `displayName eq "\\u0141ukasz ${name}"`]) {
      const list = expectList(await t.get('/Users', { filter }));
      expectEqual(list.answer, 'the ids', list.ids, [user.id]);
    }
  }),
  must('filter-no-pattern', '7644 §3.4.2.2', 'A value is a text and no pattern: wildcards find nobody.', async (t) => {
    await t.cast();
    for (const value of ['.*', '*', '%', `${t.prefix}cast-.*`]) await t.finds(`userName eq ${JSON.stringify(value)}`);
  }),
  must(
    'filter-nothing',
    '7644 §3.4.2',
    'A filter without a match is 200 with an empty list.',
    async (t) => {
      await t.someone();
      const list = expectList(await t.get('/Users', { filter: `userName eq "${t.prefix}nobody"` }));
      expectEqual(list.answer, 'totalResults', list.total, 0);
    },
    READS,
  ),
  should(
    'filter-meta-type',
    '7644 §3.4.2.2',
    'meta.resourceType can be filtered by.',
    finds(({ mine }) => `${mine} and meta.resourceType eq "User"`, ['ann', 'bob', 'cora']),
  ),
  must(
    'filter-with-count',
    '7644 §3.4.2.4',
    'totalResults counts all matches, however few are on the page.',
    async (t: Trial) => {
      await t.cast();
      const list = expectList(await t.get('/Users', { filter: t.mine, count: 1 }));
      expectEqual(list.answer, 'totalResults', list.total, 3);
      expectEqual(list.answer, 'the number of Resources', list.resources.length, 1);
    },
  ),
];

/** The same moment as the clocks of another zone show it, an hour before. */
function zoned(iso: string): string {
  const moment = Date.parse(iso);
  if (Number.isNaN(moment)) return '2000-01-01T00:00:00+05:00';
  return `${new Date(moment + 4 * 3_600_000).toISOString().slice(0, 19)}+05:00`;
}

export const FILTER_VALUES: Subject = { name: 'filter-values', title: 'Values in filters', needs: 'filter', checks: VALUES };
