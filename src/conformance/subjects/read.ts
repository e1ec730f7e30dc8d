/**
 * Owns the checks of reading one person. RFC 7644 §3.4.1; RFC 7643 §3.1.
 */
import { must, READS, type Subject, should } from '../check.ts';
import { expectEqual, expectError, expectObject, expectStatus } from '../expect.ts';
import { at } from '../json.ts';

export const READ: Subject = {
  name: 'read',
  title: 'Read (GET)',
  checks: [
    must('read-200', '7644 §3.4.1', 'A resource is read at its address with 200.', async (t) => {
      const user = await t.user();
      const answer = await t.get(user.path);
      expectEqual(answer, 'id', expectObject(answer).id, user.id);
    }),
    must('read-twice', '7644 §3.4.1', 'Reading changes nothing: twice reads the same.', async (t) => {
      const user = await t.user();
      const first = await t.fresh(user);
      const again = await t.get(user.path);
      expectEqual(again, 'the same body as before', expectObject(again), first);
    }),
    must('read-location', '7643 §3.1', 'meta.location is the address that was given when it was created.', async (t) => {
      const user = await t.user();
      const answer = await t.get(user.path);
      expectEqual(answer, 'meta.location', at(answer.body, 'meta', 'location'), user.answer.headers.location);
    }),
    must(
      'read-unknown',
      '7644 §3.4.1',
      'An id that nobody has is 404.',
      async (t) => expectError(await t.get(`/Users/${t.world.creations.nobody()}`), 404),
      READS,
    ),
    must(
      'read-unknown-form',
      '7644 §3.4.1',
      'An id that does not even look like one is 404, too.',
      async (t) => expectError(await t.get(`/Users/${t.prefix}no-such-id`), 404),
      READS,
    ),
    should('read-id-case', '7643 §3.1', 'ids are compared exactly: in another letter case it is another id.', async (t) => {
      const { id } = await t.user();
      const other = id.toUpperCase() === id ? id.toLowerCase() : id.toUpperCase();
      if (other !== id) expectStatus(await t.get(`/Users/${encodeURIComponent(other)}`), 404);
    }),
    should('read-encoded', '7644 §3.4.1', 'Percent-encoding of an id does not make it another one.', async (t) => {
      const { id } = await t.user();
      const encoded = [...id].map((letter) => `%${letter.charCodeAt(0).toString(16).padStart(2, '0')}`).join('');
      const answer = await t.get(`/Users/${encoded}`);
      expectEqual(answer, 'id', expectObject(answer).id, id);
    }),
  ],
};
