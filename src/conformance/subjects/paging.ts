/**
 * Owns the checks of lists and of paging by index. RFC 7644 §3.4.2, §3.4.2.4.
 */
import { type Check, may, must, READS, type Subject, should } from '../check.ts';
import type { Answer } from '../client.ts';
import { expectEqual, expectError, expectList, expectObject, expectThat, NotOffered } from '../expect.ts';
import { at } from '../json.ts';
import type { Trial } from '../trial.ts';

const LIST: Check[] = [
  must(
    'list-form',
    '7644 §3.4.2',
    'A list is a ListResponse with totalResults and Resources.',
    async (t) => void expectList(await t.get('/Users', { count: 1 })),
    READS,
  ),
  must('list-resources', '7644 §3.4.2', 'A list that is not empty has its resources in Resources.', async (t) => {
    await t.cast();
    const answer = await t.get('/Users', { count: 5 });
    const list = expectObject(answer);
    expectThat(answer, Array.isArray(list.Resources) && list.Resources.length > 0, 'Resources', list.Resources);
  }),
  should(
    'list-resources-empty',
    '7644 §3.4.2',
    'An empty list has an empty Resources: there are clients that read a missing one as a failure.',
    async (t) => {
      const answer = await t.get('/Users', { count: 0 });
      expectEqual(answer, 'Resources', at(expectObject(answer), 'Resources'), []);
    },
    READS,
  ),
  must('list-page-size', '7644 §3.4.2.4', 'itemsPerPage is the number of resources on the page.', async (t) => {
    await t.cast();
    const answer = await t.get('/Users', { count: 2 });
    expectEqual(answer, 'itemsPerPage', at(answer.body, 'itemsPerPage'), expectList(answer).resources.length);
  }),
  must('list-start', '7644 §3.4.2.4', 'startIndex of the answer is where the page begins.', async (t) => {
    await t.cast();
    const answer = await t.get('/Users', { startIndex: 2, count: 1 });
    expectEqual(answer, 'startIndex', at(expectObject(answer), 'startIndex'), 2);
  }),
  must('list-default', '7644 §3.4.2.4', 'Without startIndex a list begins with the first resource.', async (t) => {
    await t.cast();
    const answer = await t.get('/Users');
    const start = at(expectObject(answer), 'startIndex');
    expectThat(answer, start === 1 || start === undefined, 'startIndex 1', start);
  }),
];

/** A page number that is out of range, and how it is read. */
function reads(id: string, says: string, parameters: Record<string, string | number>, look: (answer: Answer) => void): Check {
  return must(id, '7644 §3.4.2.4', says, async (t) => look(await t.get('/Users', parameters)), READS);
}

const BOUNDS: Check[] = [
  reads('page-count-zero', 'count 0 gives totalResults and no resources.', { count: 0 }, (answer) => {
    expectEqual(answer, 'no Resources,', expectList(answer).resources, []);
  }),
  reads('page-count-negative', 'A negative count is 0.', { count: -5 }, (answer) => {
    expectEqual(answer, 'no Resources,', expectList(answer).resources, []);
  }),
  reads('page-start-zero', 'startIndex 0 is 1.', { startIndex: 0, count: 1 }, (answer) => {
    expectList(answer);
    expectEqual(answer, 'startIndex', at(answer.body, 'startIndex') ?? 1, 1);
  }),
  reads('page-start-negative', 'A negative startIndex is 1.', { startIndex: -3, count: 1 }, (answer) => {
    expectList(answer);
    expectEqual(answer, 'startIndex', at(answer.body, 'startIndex') ?? 1, 1);
  }),
  reads(
    'page-count-large',
    'A count above what the server gives is served with fewer, not refused.',
    { count: 1_000_000 },
    (answer) => void expectList(answer),
  ),
  must(
    'page-beyond',
    '7644 §3.4.2.4',
    'A page behind the end is empty, with totalResults as everywhere.',
    async (t) => {
      const first = expectList(await t.get('/Users', { count: 0 }));
      const list = expectList(await t.get('/Users', { startIndex: first.total + 1_000, count: 5 }));
      expectEqual(list.answer, 'no Resources,', list.resources, []);
      expectEqual(list.answer, 'totalResults', list.total, first.total);
    },
    READS,
  ),
  should(
    'page-not-a-number',
    '7644 §3.12',
    'A page number that is no number is 400.',
    async (t) => expectError(await t.get('/Users', { startIndex: 'one' }), 400),
    READS,
  ),
  must('page-count-kept', '7644 §3.4.2.4', 'A page never has more resources than count.', async (t) => {
    await t.cast();
    for (const count of [1, 2]) {
      const list = expectList(await t.get('/Users', { count }));
      expectThat(list.answer, list.resources.length <= count, `at most ${count}`, list.resources.length);
    }
  }),
];

/** Reads the cast one by one. */
async function onePerPage(t: Trial): Promise<{ ids: string[]; totals: number[]; answer: Answer }> {
  const ids: string[] = [];
  const totals: number[] = [];
  for (let startIndex = 1; ; startIndex += 1) {
    const list = expectList(await t.get('/Users', { filter: t.mine, startIndex, count: 1 }));
    totals.push(list.total);
    ids.push(...list.ids);
    if (startIndex >= 3) return { ids, totals, answer: list.answer };
  }
}

const PAGES: Check[] = [
  must(
    'page-walk',
    '7644 §3.4.2.4',
    'Page after page gives everybody once.',
    async (t) => {
      const cast = await t.cast();
      const { ids, answer } = await onePerPage(t);
      const everybody = Object.values(cast).map(({ id }: { id: string }) => id);
      expectEqual(answer, 'each of the three once,', ids.toSorted(), everybody.toSorted());
    },
    { needs: 'filter' },
  ),
  must(
    'page-total',
    '7644 §3.4.2.4',
    'totalResults is the same on every page.',
    async (t) => {
      await t.cast();
      const { totals, answer } = await onePerPage(t);
      expectEqual(answer, 'totalResults', totals, [3, 3, 3]);
    },
    { needs: 'filter' },
  ),
  should(
    'page-order-stable',
    '7644 §3.4.2.4',
    'While nothing changes, the same page has the same resources.',
    async (t) => {
      await t.cast();
      const first = await onePerPage(t);
      const again = await onePerPage(t);
      expectEqual(again.answer, 'the order as before,', again.ids, first.ids);
    },
    { needs: 'filter' },
  ),
  may(
    'page-root',
    '7644 §3.4.2.1',
    'The base URL can be queried across resource types.',
    async (t) => {
      const answer = await t.get('/', { count: 1 });
      if (answer.status !== 200) throw new NotOffered(`GET on the base URL is answered with ${answer.status}`);
      expectList(answer);
    },
    READS,
  ),
];

export const PAGING: Subject = { name: 'paging', title: 'Lists and paging by index', checks: [...LIST, ...BOUNDS, ...PAGES] };
