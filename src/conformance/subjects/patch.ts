/**
 * Owns the checks of PATCH as a message: its answer, the order of its operations, and at most one primary value. RFC 7644 §3.5.2; RFC 7643 §2.4.
 */
import { type Check, must, type Subject, should } from '../check.ts';
import { expectEqual, expectObject, expectThat } from '../expect.ts';
import { at, type JsonObject, objectsAt, textAt } from '../json.ts';
import { change, HOME, WORK } from '../patch-change.ts';
import { PATCH_URN } from '../urns.ts';

const MESSAGE: Check[] = [
  must(
    'patch-answer',
    '7644 §3.5.2',
    'A patch is answered with 200 and the whole resource, or with 204 and no body.',
    async (t) => {
      const user = await t.user();
      const answer = await t.tryPatch(user, { op: 'replace', path: 'displayName', value: 'Patched' });
      if (answer.status === 204) return expectEqual(answer, 'an empty body', answer.text, '');
      expectEqual(answer, 'displayName', expectObject(answer).displayName, 'Patched');
      expectEqual(answer, 'id', at(answer.body, 'id'), user.id);
    },
  ),
  must('patch-projection', '7644 §3.5.2', 'A patch that asks for attributes is answered with 200 and those.', async (t) => {
    const user = await t.user();
    const body = { schemas: [PATCH_URN], Operations: [{ op: 'replace', path: 'displayName', value: 'Seen' }] };
    const answer = await t.send('PATCH', `${user.path}?attributes=displayName`, body);
    expectEqual(answer, 'displayName', expectObject(answer).displayName, 'Seen');
    expectEqual(answer, 'no emails,', at(answer.body, 'emails'), undefined);
  }),
  must(
    'patch-in-order',
    '7644 §3.5.2',
    'Operations apply in order, each to what the one before left.',
    change({
      operations: [
        { op: 'add', path: 'nickName', value: 'one' },
        { op: 'replace', path: 'nickName', value: 'two' },
        { op: 'add', path: 'title', value: 'kept' },
      ],
      look: ({ nickName, title }) => [nickName, title],
      what: 'nickName and title',
      now: ['two', 'kept'],
    }),
  ),
  should(
    'patch-op-case',
    '7644 §3.5.2',
    'The name of an operation is read in any letter case, as Microsoft’s client sends it.',
    async (t) => {
      const user = await t.user();
      expectEqual(
        user.answer,
        'displayName',
        (await t.patch(user, { op: 'Replace', path: 'displayName', value: 'Loud' })).displayName,
        'Loud',
      );
    },
  ),
  must('patch-path-case', '7643 §2.1', 'Names in a path are read without regard to case.', async (t) => {
    const user = await t.user();
    expectEqual(
      user.answer,
      'displayName',
      (await t.patch(user, { op: 'replace', path: 'DisplayName', value: 'Any' })).displayName,
      'Any',
    );
  }),
  must('patch-times', '7643 §3.1', 'A patch keeps created and moves lastModified forward, never back.', async (t) => {
    const user = await t.user();
    const now = await t.patch(user, { op: 'replace', path: 'displayName', value: 'Later' });
    expectEqual(user.answer, 'meta.created', at(now, 'meta', 'created'), at(user.body, 'meta', 'created'));
    const [before, after] = [user.body, now].map((resource) => Date.parse(textAt(resource, 'meta', 'lastModified')));
    expectThat(
      user.answer,
      Number(after) >= Number(before),
      'lastModified not before the create',
      at(now, 'meta', 'lastModified'),
    );
  }),
];

const PRIMARY: Check[] = [
  must(
    'patch-primary-add',
    '7644 §3.5.2',
    'A new primary value takes the mark from the one before.',
    change({
      from: { emails: [WORK] },
      operations: [{ op: 'add', path: 'emails', value: [{ ...HOME, primary: true }] }],
      look: primaries,
      what: 'the primary emails',
      now: [HOME.value],
    }),
  ),
  must(
    'patch-primary-set',
    '7644 §3.5.2',
    'Marking a value as primary takes the mark from the others.',
    change({
      from: { emails: [WORK, HOME] },
      operations: [{ op: 'replace', path: 'emails[type eq "home"].primary', value: true }],
      look: primaries,
      what: 'the primary emails',
      now: [HOME.value],
    }),
  ),
];

function primaries(resource: JsonObject): string[] {
  return objectsAt(resource, 'emails')
    .filter(({ primary }) => primary === true)
    .map((element) => textAt(element, 'value'));
}

export const PATCH: Subject = { name: 'patch', title: 'Patch (PATCH)', needs: 'patch', checks: [...MESSAGE, ...PRIMARY] };
