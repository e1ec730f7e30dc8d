/**
 * Owns the checks of searching by POST. No configuration tells whether a server has it: one that answers 404, 405 or 501 does not offer it.
 * RFC 7644 §3.4.3, §7.5.2.
 */
import { type Check, may, must, type Subject, should } from '../check.ts';
import type { Answer } from '../client.ts';
import { expectEqual, expectError, expectList, expectThat, NotOffered } from '../expect.ts';
import { at, type JsonObject } from '../json.ts';
import type { Trial } from '../trial.ts';
import { SEARCH_URN } from '../urns.ts';

const WHERE = '/Users/.search';

async function search(t: Trial, body: JsonObject, path = WHERE): Promise<Answer> {
  const answer = await t.send('POST', path, { schemas: [SEARCH_URN], ...body });
  if ([404, 405, 501].includes(answer.status)) throw new NotOffered(`POST ${path} is answered with ${answer.status}`);
  return answer;
}

const CHECKS: Check[] = [
  may(
    'search-offered',
    '7644 §3.4.3',
    'People can be searched by POST, so that no personal data is in the address.',
    async (t) => void expectList(await search(t, { count: 1 })),
  ),
  must('search-200', '7644 §3.4.3', 'A search is answered with 200 and a list, and creates nothing.', async (t) => {
    const answer = await search(t, { count: 1 });
    expectList(answer);
    expectEqual(answer, 'no Location,', answer.headers.location, undefined);
  }),
  must(
    'search-filter',
    '7644 §3.4.3',
    'A search takes a filter.',
    async (t) => {
      const { bob } = await t.cast();
      const list = expectList(await search(t, { filter: `userName eq "${bob.name}"` }));
      expectEqual(list.answer, 'the ids', list.ids, [bob.id]);
    },
    { needs: 'filter' },
  ),
  must(
    'search-nothing',
    '7644 §3.4.3',
    'A search without a match is 200 with an empty list.',
    async (t) => {
      expectEqual(
        await search(t, { count: 1 }),
        'totalResults',
        expectList(await search(t, { filter: `userName eq "${t.prefix}nobody"` })).total,
        0,
      );
    },
    { needs: 'filter' },
  ),
  must(
    'search-pages',
    '7644 §3.4.3',
    'A search gives pages, too.',
    async (t) => {
      await t.cast();
      const list = expectList(await search(t, { filter: t.mine, startIndex: 2, count: 1 }));
      expectEqual(list.answer, 'totalResults', list.total, 3);
      expectEqual(list.answer, 'startIndex', at(list.answer.body, 'startIndex'), 2);
      expectEqual(list.answer, 'the number of Resources', list.resources.length, 1);
    },
    { needs: 'filter' },
  ),
  must('search-attributes', '7644 §3.4.3', 'A search takes the attributes to return as a list.', async (t) => {
    await t.cast();
    const list = expectList(await search(t, { count: 2, attributes: ['userName'] }));
    for (const { id: _, schemas: __, ...rest } of list.resources)
      expectEqual(list.answer, 'beside id and schemas', Object.keys(rest), ['userName']);
  }),
  must('search-excluded', '7644 §3.4.3', 'A search takes the attributes to leave out as a list.', async (t) => {
    await t.cast();
    const list = expectList(await search(t, { count: 2, excludedAttributes: ['emails', 'name'] }));
    for (const resource of list.resources)
      expectEqual(list.answer, 'emails and name', [resource.emails, resource.name], [undefined, undefined]);
  }),
  must(
    'search-sort',
    '7644 §3.4.3',
    'A search sorts, too.',
    async (t) => {
      const { ann, bob, cora } = await t.cast();
      const list = expectList(await search(t, { filter: t.mine, sortBy: 'userName', sortOrder: 'descending' }));
      expectEqual(list.answer, 'the order', list.ids, [cora.id, bob.id, ann.id]);
    },
    { needs: 'sort' },
  ),
  must(
    'search-bad-filter',
    '7644 §3.12',
    'A filter that cannot be read is 400 invalidFilter.',
    async (t) => {
      expectError(await search(t, { filter: 'userName xx "x"' }), 400, 'invalidFilter');
    },
    { needs: 'filter' },
  ),
  should('search-without-schema', '7644 §3.4.3', 'A message without the schema of searches is 400.', async (t) => {
    await search(t, { count: 1 });
    expectError(await t.send('POST', WHERE, { count: 1 }), 400);
  }),
  must('search-malformed', '7644 §3.12', 'Malformed JSON is 400 invalidSyntax.', async (t) => {
    await search(t, { count: 1 });
    expectError(await t.send('POST', WHERE, '{"schemas"'), 400, 'invalidSyntax');
  }),
  may(
    'search-root',
    '7644 §3.4.3',
    'The base URL can be searched across resource types.',
    async (t) => {
      const { ann } = await t.cast();
      const list = expectList(await search(t, { filter: `userName eq "${ann.name}"` }, '/.search'));
      expectEqual(list.answer, 'the ids', list.ids, [ann.id]);
    },
    { needs: 'filter' },
  ),
  may(
    'search-groups',
    '7644 §3.4.3',
    'Groups can be searched by POST.',
    async (t) => {
      const list = expectList(await search(t, { count: 0 }, '/Groups/.search'));
      expectThat(list.answer, list.resources.length === 0, 'no Resources with count 0', list.resources);
    },
    { needs: 'groups' },
  ),
];

export const SEARCH: Subject = { name: 'search', title: 'Search by POST', checks: CHECKS };
