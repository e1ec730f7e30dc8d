/**
 * Owns the checks of deleting people: gone is gone, for every way of asking. RFC 7644 §3.6.
 */
import { must, type Subject } from '../check.ts';
import { expectEqual, expectError, expectList, expectStatus, expectThat } from '../expect.ts';
import type { Made, Trial } from '../trial.ts';

async function deleted(t: Trial): Promise<Made> {
  const user = await t.user();
  expectStatus(await t.send('DELETE', user.path), 204);
  return user;
}

export const DELETE: Subject = {
  name: 'delete',
  title: 'Delete (DELETE)',
  checks: [
    must('delete-204', '7644 §3.6', 'A delete is answered with 204 and no body.', async (t) => {
      const user = await t.user();
      const answer = await t.send('DELETE', user.path);
      expectStatus(answer, 204);
      expectEqual(answer, 'an empty body', answer.text, '');
    }),
    must('delete-read', '7644 §3.6', 'What was deleted is 404 when it is read.', async (t) => {
      expectError(await t.get((await deleted(t)).path), 404);
    }),
    must('delete-replace', '7644 §3.6', 'What was deleted is 404 when it is replaced.', async (t) => {
      const user = await deleted(t);
      expectError(await t.send('PUT', user.path, t.userBody('late', { userName: user.name })), 404);
    }),
    must(
      'delete-patch',
      '7644 §3.6',
      'What was deleted is 404 when it is patched.',
      async (t) => expectError(await t.tryPatch(await deleted(t), { op: 'replace', path: 'displayName', value: 'Late' }), 404),
      { needs: 'patch' },
    ),
    must('delete-twice', '7644 §3.6', 'What was deleted is 404 when it is deleted again.', async (t) => {
      expectError(await t.send('DELETE', (await deleted(t)).path), 404);
    }),
    must(
      'delete-lists',
      '7644 §3.6',
      'What was deleted is in no list.',
      async (t) => {
        const user = await deleted(t);
        const list = expectList(await t.get('/Users', { filter: `userName eq "${user.name}"` }));
        expectEqual(list.answer, 'totalResults', list.total, 0);
        expectThat(list.answer, !list.ids.includes(user.id), 'a list without it', list.ids);
      },
      { needs: 'filter' },
    ),
    must('delete-name-free', '7644 §3.6', 'The userName of what was deleted is free again.', async (t) => {
      const user = await deleted(t);
      expectStatus(await t.send('POST', '/Users', t.userBody('next', { userName: user.name })), 201);
    }),
    must('delete-others', '7644 §3.6', 'A delete takes away nobody else.', async (t) => {
      const other = await t.user();
      await deleted(t);
      expectStatus(await t.get(other.path), 200);
    }),
    must('delete-unknown', '7644 §3.6', 'Deleting an id that nobody has is 404.', async (t) => {
      expectError(await t.send('DELETE', `/Users/${t.world.creations.nobody()}`), 404);
    }),
  ],
};
