/**
 * Owns the checks of filters that find: every operator, how they combine, how names and values are compared. What must be refused is in
 * filter-refused.ts. Tried on three people of the run, so that it works beside any others. RFC 7644 §3.4.2.2, §3.10; RFC 7643 §2.2, §7.
 */
import { type Check, must, type Subject, should } from '../check.ts';
import { expectEqual, expectList } from '../expect.ts';
import { finds, findsBy, local } from '../filter-try.ts';
import { ENTERPRISE_URN, USER_URN } from '../urns.ts';

const OPERATORS: Check[] = [
  must('filter-eq', '7644 §3.4.2.2', 'eq finds the resource whose value is equal, and no other.', async (t) => {
    const { ann } = await t.cast();
    const list = expectList(await t.get('/Users', { filter: `userName eq "${ann.name}"` }));
    expectEqual(list.answer, 'the ids', list.ids, [ann.id]);
    expectEqual(list.answer, 'totalResults', list.total, 1);
  }),
  must(
    'filter-ne',
    '7644 §3.4.2.2',
    'ne finds those whose value is another.',
    finds(({ mine, cast }) => `${mine} and userName ne "${cast.ann.name}"`, ['bob', 'cora']),
  ),
  must(
    'filter-co',
    '7644 §3.4.2.2',
    'co finds those whose value contains the text.',
    finds(({ run }) => `displayName co "nn ${run}"`, ['ann']),
  ),
  must(
    'filter-sw',
    '7644 §3.4.2.2',
    'sw finds those whose value begins with the text.',
    finds(({ run }) => `displayName sw "Bob ${run}"`, ['bob']),
  ),
  must(
    'filter-ew',
    '7644 §3.4.2.2',
    'ew finds those whose value ends with the text.',
    finds(({ run }) => `displayName ew "ra ${run}"`, ['cora']),
  ),
  must(
    'filter-pr',
    '7644 §3.4.2.2',
    'pr finds those who have a value.',
    findsBy('title', ({ mine }) => `${mine} and title pr`, ['ann', 'bob']),
  ),
  must(
    'filter-gt',
    '7644 §3.4.2.2',
    'gt compares texts by their order.',
    findsBy('title', ({ run, mine }) => `${mine} and title gt "Alpha ${run}"`, ['bob']),
  ),
  must(
    'filter-ge',
    '7644 §3.4.2.2',
    'ge includes the value itself.',
    findsBy('title', ({ run, mine }) => `${mine} and title ge "Alpha ${run}"`, ['ann', 'bob']),
  ),
  must(
    'filter-lt',
    '7644 §3.4.2.2',
    'lt compares texts by their order.',
    findsBy('title', ({ run, mine }) => `${mine} and title lt "Bravo ${run}"`, ['ann']),
  ),
  must(
    'filter-le',
    '7644 §3.4.2.2',
    'le includes the value itself.',
    findsBy('title', ({ run, mine }) => `${mine} and title le "Bravo ${run}"`, ['ann', 'bob']),
  ),
  must(
    'filter-boolean',
    '7644 §3.4.2.2',
    'Booleans are compared with true and false.',
    finds(({ mine }) => `${mine} and active eq false`, ['cora']),
  ),
  must(
    'filter-boolean-true',
    '7644 §3.4.2.2',
    'active eq true leaves out those who are inactive.',
    finds(({ mine }) => `${mine} and active eq true`, ['ann', 'bob']),
  ),
  should(
    'filter-ne-absent',
    '7644 §3.4.2.2',
    'Who has no value has another value: ne finds them, too.',
    findsBy('title', ({ run, mine }) => `${mine} and title ne "Alpha ${run}"`, ['bob', 'cora']),
  ),
];

const LOGIC: Check[] = [
  must(
    'filter-and',
    '7644 §3.4.2.2',
    'and finds those who fulfil both.',
    finds(({ run, mine }) => `${mine} and displayName eq "Ann ${run}"`, ['ann']),
  ),
  must(
    'filter-or',
    '7644 §3.4.2.2',
    'or finds those who fulfil either.',
    finds(({ run }) => `displayName eq "Ann ${run}" or displayName eq "Cora ${run}"`, ['ann', 'cora']),
  ),
  must(
    'filter-not',
    '7644 §3.4.2.2',
    'not turns a filter in parentheses around.',
    finds(({ run, mine }) => `${mine} and not (displayName eq "Ann ${run}")`, ['bob', 'cora']),
  ),
  must(
    'filter-precedence',
    '7644 §3.4.2.2',
    'and binds more tightly than or.',
    finds(({ run }) => `displayName eq "Ann ${run}" or displayName eq "Bob ${run}" and displayName eq "Cora ${run}"`, ['ann']),
  ),
  must(
    'filter-grouping',
    '7644 §3.4.2.2',
    'Parentheses change what binds first.',
    finds(
      ({ run, mine }) => `(displayName eq "Ann ${run}" or displayName eq "Bob ${run}") and active eq true and ${mine}`,
      ['ann', 'bob'],
    ),
  ),
  must(
    'filter-not-first',
    '7644 §3.4.2.2',
    'not binds more tightly than and.',
    finds(({ run, mine }) => `not (displayName eq "Ann ${run}") and displayName eq "Bob ${run}" and ${mine}`, ['bob']),
  ),
];

const NAMES: Check[] = [
  must(
    'filter-operator-case',
    '7644 §3.4.2.2',
    'Operators are read without regard to case.',
    finds(({ cast }) => `userName EQ "${cast.ann.name}" OR userName Eq "${cast.bob.name}"`, ['ann', 'bob']),
  ),
  must(
    'filter-name-case',
    '7644 §3.4.2.2',
    'Names of attributes are read without regard to case.',
    finds(({ cast }) => `USERNAME eq "${cast.ann.name}"`, ['ann']),
  ),
  must(
    'filter-urn',
    '7644 §3.10',
    'A name may begin with the URN of the core schema.',
    finds(({ cast }) => `${USER_URN}:userName eq "${cast.bob.name}"`, ['bob']),
  ),
  must(
    'filter-extension',
    '7644 §3.10',
    'An attribute of an extension is named with its URN.',
    finds(({ run }) => `${ENTERPRISE_URN}:department eq "Design ${run}"`, ['ann']),
    { needs: 'enterprise' },
  ),
  must(
    'filter-sub',
    '7644 §3.4.2.2',
    'A sub-attribute is named with a dot.',
    finds(({ run }) => `name.familyName eq "Bobson ${run}"`, ['bob']),
  ),
  must(
    'filter-multi',
    '7644 §3.4.2.2',
    'Of many values any may match.',
    finds(({ cast }) => `emails.value eq "${local(cast.ann.name)}@home.example"`, ['ann']),
  ),
  must(
    'filter-multi-default',
    '7644 §3.4.2.2',
    'A multi-valued attribute without a sub-attribute means its value.',
    finds(({ cast }) => `emails eq "${local(cast.bob.name)}@home.example"`, ['bob']),
  ),
  must(
    'filter-multi-co',
    '7644 §3.4.2.2',
    'co looks into each of many values.',
    finds(({ cast }) => `emails co "${local(cast.cora.name)}@home"`, ['cora']),
  ),
];

const PATHS: Check[] = [
  must(
    'filter-value-path',
    '7644 §3.4.2.2',
    'A filter in square brackets finds those with a value that fulfils it.',
    finds(({ cast }) => `emails[type eq "home" and value eq "${local(cast.ann.name)}@home.example"]`, ['ann']),
  ),
  must(
    'filter-value-path-same',
    '7644 §3.4.2.2',
    'All conditions in square brackets are about the same value.',
    finds(({ cast }) => `emails[type eq "work" and value eq "${local(cast.ann.name)}@home.example"]`, []),
  ),
  must(
    'filter-value-path-and',
    '7644 §3.4.2.2',
    'Square brackets combine with other conditions.',
    finds(({ run, mine }) => `${mine} and emails[type eq "home"] and displayName eq "Cora ${run}"`, ['cora']),
  ),
  must(
    'filter-value-path-or',
    '7644 §3.4.2.2',
    'Inside square brackets or works, too.',
    finds(
      ({ cast }) => `emails[value eq "${local(cast.ann.name)}@home.example" or value eq "${local(cast.bob.name)}@work.example"]`,
      ['ann', 'bob'],
    ),
  ),
];

export const FILTER: Subject = {
  name: 'filter',
  title: 'Filters',
  needs: 'filter',
  checks: [...OPERATORS, ...LOGIC, ...NAMES, ...PATHS],
};
