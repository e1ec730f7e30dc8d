/**
 * Owns the checks of sorting. RFC 7644 §3.4.2.3.
 */
import { type Check, must, type Subject, should } from '../check.ts';
import { expectEqual, expectList } from '../expect.ts';
import type { Cast } from '../trial.ts';

/** Sorts the cast and compares the order. */
function sorted(parameters: Record<string, string>, expected: readonly (keyof Cast)[], attribute?: string): Check['run'] {
  return async (t) => {
    if (attribute !== undefined) t.needsAttribute(attribute);
    const cast = await t.cast();
    const list = expectList(await t.get('/Users', { filter: t.mine, ...parameters }));
    const names = list.ids.map((id) => Object.entries(cast).find(([, made]) => made.id === id)?.[0] ?? id);
    expectEqual(list.answer, 'the order', names, expected);
  };
}

const DOWN = { sortOrder: 'descending' };

export const SORT: Subject = {
  name: 'sort',
  title: 'Sorting',
  needs: 'sort',
  checks: [
    must(
      'sort-default',
      '7644 §3.4.2.3',
      'sortBy without sortOrder sorts ascending.',
      sorted({ sortBy: 'userName' }, ['ann', 'bob', 'cora']),
    ),
    must(
      'sort-ascending',
      '7644 §3.4.2.3',
      'sortOrder ascending sorts ascending.',
      sorted({ sortBy: 'displayName', sortOrder: 'ascending' }, ['ann', 'bob', 'cora']),
    ),
    must(
      'sort-descending',
      '7644 §3.4.2.3',
      'sortOrder descending turns the order around.',
      sorted({ sortBy: 'userName', ...DOWN }, ['cora', 'bob', 'ann']),
    ),
    must(
      'sort-sub',
      '7644 §3.4.2.3',
      'sortBy may name a sub-attribute.',
      sorted({ sortBy: 'name.familyName', ...DOWN }, ['cora', 'bob', 'ann']),
    ),
    must(
      'sort-absent-last',
      '7644 §3.4.2.3',
      'Ascending, those without a value come last.',
      sorted({ sortBy: 'title' }, ['ann', 'bob', 'cora'], 'title'),
    ),
    must(
      'sort-absent-first',
      '7644 §3.4.2.3',
      'Descending, those without a value come first.',
      sorted({ sortBy: 'title', ...DOWN }, ['cora', 'bob', 'ann'], 'title'),
    ),
    must(
      'sort-multi',
      '7644 §3.4.2.3',
      'Many values sort by the primary one.',
      sorted({ sortBy: 'emails', ...DOWN }, ['cora', 'bob', 'ann']),
    ),
    must(
      'sort-multi-sub',
      '7644 §3.4.2.3',
      'sortBy may name a sub-attribute of many values.',
      sorted({ sortBy: 'emails.value' }, ['ann', 'bob', 'cora']),
    ),
    must(
      'sort-name-case',
      '7644 §3.4.2.3',
      'sortBy is read without regard to case.',
      sorted({ sortBy: 'USERNAME', ...DOWN }, ['cora', 'bob', 'ann']),
    ),
    should('sort-created', '7644 §3.4.2.3', 'Dates sort as moments.', sorted({ sortBy: 'meta.created' }, ['ann', 'bob', 'cora'])),
    must('sort-fold', '7644 §3.4.2.3', 'Values that ignore case sort without regard to it.', async (t) => {
      const hint = t.name('fold');
      const made = [
        await t.user({ displayName: `${hint} b` }),
        await t.user({ displayName: `${hint} A` }),
        await t.user({ displayName: `${hint} C` }),
      ];
      const list = expectList(await t.get('/Users', { filter: `displayName sw "${hint}"`, sortBy: 'displayName' }));
      expectEqual(list.answer, 'the order', list.ids, [made[1]?.id, made[0]?.id, made[2]?.id]);
    }),
    must('sort-paged', '7644 §3.4.2.3', 'Sorting comes before paging.', async (t) => {
      const { bob } = await t.cast();
      const list = expectList(await t.get('/Users', { filter: t.mine, sortBy: 'userName', startIndex: 2, count: 1 }));
      expectEqual(list.answer, 'the second in order,', list.ids, [bob.id]);
    }),
  ],
};
