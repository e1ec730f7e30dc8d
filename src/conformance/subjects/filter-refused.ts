/**
 * Owns the checks of filters that must be refused. Above all none of them may be ignored: a client that asked for one person and gets
 * everybody will treat a stranger as the person. RFC 7644 §3.4.2.2, §3.12, §7.5.2.
 */
import { type Check, must, READS, type Subject, should } from '../check.ts';
import { expectEqual, expectError, expectList, expectStatus, expectThat } from '../expect.ts';
import { at } from '../json.ts';

/** Expects a filter to be refused as invalidFilter. */
function bad(grade: typeof must, id: string, says: string, ...filters: string[]): Check {
  return grade(
    id,
    '7644 §3.4.2.2',
    says,
    async (t) => {
      for (const filter of filters) expectError(await t.get('/Users', { filter }), 400, 'invalidFilter');
    },
    READS,
  );
}

export const FILTER_REFUSED: Subject = {
  name: 'filter-refused',
  title: 'Filters that must be refused',
  needs: 'filter',
  checks: [
    bad(
      must,
      'filter-bad-syntax',
      'A filter that cannot be read is 400 invalidFilter.',
      'userName',
      'eq "x"',
      'userName eq',
      'userName "x"',
    ),
    bad(
      must,
      'filter-bad-operator',
      'An unknown operator is 400 invalidFilter.',
      'userName xx "x"',
      'userName = "x"',
      'userName regex ".*"',
    ),
    bad(
      must,
      'filter-bad-brackets',
      'Brackets that do not match are 400 invalidFilter.',
      '(userName eq "x"',
      'userName eq "x")',
      'emails[type eq "work"',
    ),
    bad(must, 'filter-bad-text', 'A text without its end is 400 invalidFilter.', 'userName eq "x', 'userName eq "x\\"'),
    bad(
      must,
      'filter-bad-joint',
      'and and or without a second condition are 400 invalidFilter.',
      'userName eq "x" and',
      'or userName eq "x"',
      'userName eq "x" xor userName eq "y"',
    ),
    bad(
      must,
      'filter-boolean-order',
      'Booleans have no order: gt and the like are 400 invalidFilter.',
      'active gt true',
      'active le false',
    ),
    bad(should, 'filter-empty', 'An empty filter is refused, and does not list everybody.', ''),
    bad(should, 'filter-not-bare', 'not without parentheses is no filter.', 'not userName eq "x"'),
    bad(should, 'filter-complex-bare', 'A complex attribute has no value of its own to compare.', 'name eq "x"'),
    bad(should, 'filter-bad-date', 'A date is compared with a date.', 'meta.created gt "soon"'),
    bad(
      should,
      'filter-nested-brackets',
      'Square brackets inside square brackets are no filter.',
      'emails[type[value eq "x"] eq "y"]',
    ),
    must(
      'filter-unknown-attribute',
      '7644 §3.4.2.1',
      'An attribute that nobody has matches nobody; a server may refuse it, but not ignore it.',
      async (t) => {
        await t.someone();
        const answer = await t.get('/Users', { filter: `favouriteColour eq "${t.prefix}"` });
        if (answer.status === 400) return expectError(answer, 400, 'invalidFilter');
        expectEqual(answer, 'totalResults', expectList(answer).total, 0);
      },
      READS,
    ),
    must(
      'filter-unknown-extension',
      '7644 §3.4.2.1',
      'An attribute below a URN that nobody has matches nobody.',
      async (t) => {
        await t.someone();
        const answer = await t.get('/Users', { filter: `urn:example:${t.world.run}:2.0:User:shoe eq "42"` });
        if (answer.status === 400) return expectError(answer, 400, 'invalidFilter');
        expectEqual(answer, 'totalResults', expectList(answer).total, 0);
      },
      READS,
    ),
    must(
      'filter-password',
      '7643 §7',
      'What is never returned cannot be guessed by a filter.',
      async (t) => {
        await t.someone();
        const answer = await t.get('/Users', { filter: 'password pr' });
        expectStatus(answer, 200, 400, 403);
        expectThat(
          answer,
          answer.status !== 200 || at(answer.body, 'totalResults') === 0,
          'no match',
          at(answer.body, 'totalResults'),
        );
      },
      READS,
    ),
    must(
      'filter-deep',
      '9110 §15.6.1',
      'A filter nested very deeply breaks nothing.',
      async (t) => {
        const filter = `${'('.repeat(300)}userName eq "x"${')'.repeat(300)}`;
        const answer = await t.get('/Users', { filter });
        expectThat(answer, answer.status < 500, 'no 5xx', `status ${answer.status}`);
      },
      READS,
    ),
    must(
      'filter-long',
      '9110 §15.6.1',
      'A filter of many conditions breaks nothing.',
      async (t) => {
        const filter = Array.from({ length: 120 }, (_, at) => `userName eq "u${at}"`).join(' or ');
        const answer = await t.get('/Users', { filter });
        expectThat(answer, answer.status < 500, 'no 5xx', `status ${answer.status}`);
      },
      READS,
    ),
  ],
};
