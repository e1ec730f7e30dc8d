/**
 * Owns the checks of paging by cursor, for servers that say they have it. RFC 9865.
 */
import { type Check, must, READS, type Subject, should } from '../check.ts';
import type { Answer } from '../client.ts';
import {
  expectEqual,
  expectError,
  expectList,
  expectObject,
  expectStatus,
  expectThat,
  type List,
  NotOffered,
} from '../expect.ts';
import { at, objectsAt, textAt } from '../json.ts';
import type { Trial } from '../trial.ts';
import { LIST_URN, SEARCH_URN } from '../urns.ts';

interface Page {
  answer: Answer;
  ids: string[];
  next: unknown;
}

/** A page by cursor; totalResults may be left out there (RFC 9865 §2). */
function pageOf(answer: Answer): Page {
  const body = expectObject(answer);
  const schemas = body.schemas;
  expectThat(answer, Array.isArray(schemas) && schemas.includes(LIST_URN), `schemas ["${LIST_URN}"]`, schemas);
  return { answer, ids: objectsAt(body, 'Resources').map((resource) => textAt(resource, 'id')), next: body.nextCursor };
}

const PAGES_MAX = 10;

/** Walks the cast from the first page to the last. */
async function walk(t: Trial, read: (cursor: string) => Promise<Answer>): Promise<Page[]> {
  await t.cast();
  const pages = [pageOf(await read(''))];
  for (
    let last = pages[0];
    last !== undefined && typeof last.next === 'string' && pages.length < PAGES_MAX;
    last = pages.at(-1)
  ) {
    pages.push(pageOf(await read(last.next)));
  }
  return pages;
}

const byGet =
  (t: Trial, count = 1) =>
  (cursor: string): Promise<Answer> =>
    t.get('/Users', { filter: t.mine, count, cursor });

async function expectEverybodyOnce(t: Trial, pages: Page[]): Promise<void> {
  const everybody = Object.values(await t.cast()).map(({ id }: { id: string }) => id);
  const [first] = pages;
  if (first !== undefined)
    expectEqual(first.answer, 'each of the three once,', pages.flatMap(({ ids }) => ids).toSorted(), everybody.toSorted());
}

const CHECKS: Check[] = [
  must('cursor-first', '9865 §2', 'An empty cursor gives the first page, and with more to come nextCursor.', async (t) => {
    await t.cast();
    const page = pageOf(await byGet(t)(''));
    expectThat(page.answer, typeof page.next === 'string' && page.next !== '', 'nextCursor', page.next);
    expectEqual(page.answer, 'as many resources as asked for,', page.ids.length, 1);
  }),
  must('cursor-walk', '9865 §2', 'From cursor to cursor everybody comes once.', async (t) =>
    expectEverybodyOnce(t, await walk(t, byGet(t))),
  ),
  must('cursor-last', '9865 §2', 'The last page has no nextCursor.', async (t) => {
    const pages = await walk(t, byGet(t, 2));
    const last = pages.at(-1);
    if (last !== undefined) expectEqual(last.answer, 'nextCursor', last.next, undefined);
  }),
  must('cursor-no-previous', '9865 §2', 'The first page has no previousCursor.', async (t) => {
    await t.cast();
    const { answer } = pageOf(await byGet(t)(''));
    expectEqual(answer, 'previousCursor', at(answer.body, 'previousCursor'), undefined);
  }),
  must('cursor-letters', '9865 §2', 'A cursor consists of characters that need no encoding in a URL.', async (t) => {
    await t.cast();
    const page = pageOf(await byGet(t)(''));
    expectThat(page.answer, /^[\w.~-]+$/.test(String(page.next)), 'letters, digits, - . _ ~', page.next);
  }),
  must(
    'cursor-invalid',
    '9865 §2.1',
    'A cursor that the server did not give is 400 invalidCursor.',
    async (t) =>
      expectError(
        await t.get('/Users', { cursor: 'not-a-cursor-of-this-server', count: 1 }),
        400,
        'invalidCursor',
        'expiredCursor',
      ),
    READS,
  ),
  must(
    'cursor-page-size',
    '9865 §2',
    'A page never has more resources than count.',
    async (t) => {
      const page = pageOf(await t.get('/Users', { cursor: '', count: 2 }));
      expectThat(page.answer, page.ids.length <= 2, 'at most 2', page.ids.length);
    },
    READS,
  ),
  should(
    'cursor-count-large',
    '9865 §2.1',
    'A count above what the server gives is served with fewer, or is 400 invalidCount.',
    async (t) => {
      const answer = await t.get('/Users', { cursor: '', count: 1_000_000 });
      expectStatus(answer, 200, 400);
      if (answer.status === 400) expectError(answer, 400, 'invalidCount');
    },
    READS,
  ),
  should('cursor-page-total', '9865 §2', 'Where a page by cursor tells totalResults, it counts all matches.', async (t) => {
    await t.cast();
    const { answer } = pageOf(await byGet(t)(''));
    const total = at(answer.body, 'totalResults');
    expectThat(answer, total === undefined || total === 3, 'totalResults 3, or none', total);
  }),
  must('cursor-search', '9865 §3', 'A search by POST pages by cursor, too.', async (t) => {
    const probe = await t.send('POST', '/Users/.search', { schemas: [SEARCH_URN], filter: t.mine, count: 1, cursor: '' });
    if ([404, 405, 501].includes(probe.status)) throw new NotOffered(`POST /Users/.search is answered with ${probe.status}`);
    const read = (cursor: string): Promise<Answer> =>
      t.send('POST', '/Users/.search', { schemas: [SEARCH_URN], filter: t.mine, count: 1, cursor });
    await expectEverybodyOnce(t, await walk(t, read));
  }),
  must(
    'cursor-index-beside',
    '9865 §2',
    'Without cursor a list pages by index as before, where the server says it does.',
    async (t) => {
      if (at(t.world.discovered.config, 'pagination', 'index') === false)
        throw new NotOffered('ServiceProviderConfig says pagination.index false');
      await t.cast();
      const list: List = expectList(await t.get('/Users', { startIndex: 2, count: 1, filter: t.mine }));
      expectEqual(list.answer, 'startIndex', at(list.answer.body, 'startIndex'), 2);
      expectEqual(list.answer, 'totalResults', list.total, 3);
    },
  ),
  should(
    'cursor-settings',
    '9865 §4',
    'pagination tells the default method and, where there are limits, page sizes as numbers.',
    async (t) => {
      const answer = await t.get('/ServiceProviderConfig');
      const pagination = at(expectObject(answer), 'pagination');
      const method = at(pagination, 'defaultPaginationMethod');
      expectThat(
        answer,
        method === undefined || method === 'cursor' || method === 'index',
        'defaultPaginationMethod cursor or index',
        method,
      );
      for (const key of ['defaultPageSize', 'maxPageSize', 'cursorTimeout']) {
        const value = at(pagination, key);
        expectThat(answer, value === undefined || Number.isInteger(value), `${key} as a whole number`, value);
      }
    },
    READS,
  ),
];

export const CURSOR: Subject = { name: 'cursor', title: 'Paging by cursor', needs: 'cursor', checks: CHECKS };
