/**
 * Owns the checks of replacing people. What happens to an attribute that is left out is the server's choice (cleared, or kept), so no
 * check judges it; null and empty lists are not. RFC 7644 §3.5.1; RFC 7643 §2.5.
 */
import { type Check, must, type Subject, should } from '../check.ts';
import type { Answer } from '../client.ts';
import { expectEqual, expectError, expectObject, expectStatus, expectThat } from '../expect.ts';
import { at, isUnassigned, type JsonObject, textAt } from '../json.ts';
import type { Made, Trial } from '../trial.ts';

/** Puts the resource as it was read, with some of it replaced. */
async function put(t: Trial, made: Made, more: JsonObject = {}): Promise<Answer> {
  return t.send('PUT', made.path, { ...(await t.fresh(made)), ...more });
}

const ANSWERS: Check[] = [
  must('replace-200', '7644 §3.5.1', 'A replace is answered with 200 and the whole resource.', async (t) => {
    const user = await t.user();
    const answer = await put(t, user, { displayName: 'Replaced' });
    expectEqual(answer, 'displayName', expectObject(answer).displayName, 'Replaced');
    expectEqual(answer, 'userName', at(answer.body, 'userName'), user.name);
  }),
  must('replace-lasts', '7644 §3.5.1', 'What was replaced reads so afterwards.', async (t) => {
    const user = await t.user();
    const answer = await put(t, user, { displayName: 'Lasting', name: { familyName: 'Later', givenName: 'Still' } });
    const now = await t.fresh(user);
    expectEqual(answer, 'name.familyName', at(now, 'name', 'familyName'), 'Later');
    expectEqual(answer, 'displayName', now.displayName, 'Lasting');
  }),
  must('replace-whole-list', '7644 §3.5.1', 'A multi-valued attribute is replaced as a whole.', async (t) => {
    const user = await t.user();
    const value = `${t.name('new')}@home.example`;
    const answer = await put(t, user, { emails: [{ value, type: 'home' }] });
    const emails = at(await t.fresh(user), 'emails');
    expectThat(
      answer,
      Array.isArray(emails) && emails.length === 1 && textAt(emails[0], 'value') === value,
      `emails with ${value} only`,
      emails,
    );
  }),
  must('replace-null', '7643 §2.5', 'null takes a value away.', async (t) => {
    const user = await t.user({ nickName: 'Nick' });
    const answer = await put(t, user, { nickName: null });
    expectThat(answer, isUnassigned((await t.fresh(user)).nickName), 'no nickName', at(answer.body, 'nickName'));
  }),
  must('replace-empty-list', '7643 §2.5', 'An empty list takes all values away.', async (t) => {
    const user = await t.user({ phoneNumbers: [{ value: '+49 30 1234', type: 'work' }] });
    const answer = await put(t, user, { phoneNumbers: [] });
    expectThat(answer, isUnassigned((await t.fresh(user)).phoneNumbers), 'no phoneNumbers', at(answer.body, 'phoneNumbers'));
  }),
  must('replace-active', '7643 §4.1.1', 'A replace can deactivate and activate somebody.', async (t) => {
    const user = await t.user();
    const off = await put(t, user, { active: false });
    expectEqual(off, 'active', expectObject(off).active, false);
    const on = await put(t, user, { active: true });
    expectEqual(on, 'active', expectObject(on).active, true);
  }),
  must('replace-round-trip', '7644 §3.5.1', 'What was read can be sent back as it is, and changes nothing.', async (t) => {
    const user = await t.user();
    const before = await t.fresh(user);
    const answer = await t.send('PUT', user.path, before);
    const { meta: _after, ...now } = expectObject(answer);
    const { meta: _before, ...was } = before;
    expectEqual(answer, 'the resource as it was,', now, was);
  }),
  should('replace-nothing-new', '7643 §3.1', 'A replace that changes nothing does not move lastModified.', async (t) => {
    const user = await t.user();
    const answer = await put(t, user);
    expectEqual(
      answer,
      'meta.lastModified',
      at(expectObject(answer), 'meta', 'lastModified'),
      at(user.body, 'meta', 'lastModified'),
    );
  }),
  must('replace-times', '7643 §3.1', 'A replace keeps created and does not set lastModified back.', async (t) => {
    const user = await t.user();
    const answer = await put(t, user, { displayName: 'Newer' });
    const { meta } = expectObject(answer);
    expectEqual(answer, 'meta.created', at(meta, 'created'), at(user.body, 'meta', 'created'));
    const before = Date.parse(textAt(user.body, 'meta', 'lastModified'));
    expectThat(
      answer,
      Date.parse(textAt(meta, 'lastModified')) >= before,
      'lastModified not before the create',
      at(meta, 'lastModified'),
    );
  }),
  must('replace-rename', '7644 §3.5.1', 'userName can be replaced, and the old one is free again.', async (t) => {
    const user = await t.user();
    const userName = `${t.name('renamed')}@conformance.example`;
    const answer = await put(t, user, { userName });
    expectEqual(answer, 'userName', expectObject(answer).userName, userName);
    expectStatus(await t.send('POST', '/Users', t.userBody('follower', { userName: user.name })), 201);
  }),
];

const KEPT: Check[] = [
  must('replace-id', '7644 §3.5.1', 'The id is read-only: another one in the body is ignored or refused.', async (t) => {
    const user = await t.user();
    const answer = await put(t, user, { id: t.world.creations.nobody() });
    expectStatus(answer, 200, 400);
    expectEqual(answer, 'id', (await t.fresh(user)).id, user.id);
  }),
  must('replace-meta', '7644 §3.5.1', 'meta is read-only: what the body says about it is ignored.', async (t) => {
    const user = await t.user();
    const answer = await put(t, user, { meta: { created: '1999-01-01T00:00:00Z' } });
    expectEqual(answer, 'meta.created', at(expectObject(answer), 'meta', 'created'), at(user.body, 'meta', 'created'));
  }),
  must('replace-groups', '7643 §4.1.2', 'groups are read-only: what the body says about them is ignored.', async (t) => {
    const user = await t.user();
    const answer = await put(t, user, { groups: [{ value: t.world.creations.nobody() }] });
    expectStatus(answer, 200);
    expectThat(answer, isUnassigned((await t.fresh(user)).groups), 'no groups', at(answer.body, 'groups'));
  }),
];

const REFUSED: Check[] = [
  must('replace-unknown', '7644 §3.5.1', 'Replacing an id that nobody has is 404.', async (t) => {
    expectError(await t.send('PUT', `/Users/${t.world.creations.nobody()}`, t.userBody('nobody')), 404);
  }),
  must(
    'replace-never-creates',
    '7644 §3.5.1',
    'A replace never creates: afterwards nobody has that id or that name.',
    async (t) => {
      const id = t.world.creations.nobody();
      const body = t.userBody('ghost');
      await t.send('PUT', `/Users/${id}`, body);
      expectStatus(await t.get(`/Users/${id}`), 404);
      expectStatus(await t.send('POST', '/Users', body), 201);
    },
  ),
  must('replace-required', '7644 §3.5.1', 'A replace without userName is refused.', async (t) => {
    const user = await t.user();
    const { userName: _, ...rest } = await t.fresh(user);
    expectError(await t.send('PUT', user.path, rest), 400, 'invalidValue', 'invalidSyntax', 'mutability');
    expectEqual(user.answer, 'userName', (await t.fresh(user)).userName, user.name);
  }),
  must('replace-taken', '7644 §3.3', 'A userName that somebody else has is refused with 409 uniqueness.', async (t) => {
    const [one, two] = [await t.user(), await t.user()];
    expectError(await put(t, two, { userName: one.name }), 409, 'uniqueness');
    expectEqual(two.answer, 'userName', (await t.fresh(two)).userName, two.name);
  }),
  must('replace-own-name', '7644 §3.5.1', 'One’s own userName is not taken, in any letter case.', async (t) => {
    const user = await t.user();
    expectStatus(await put(t, user, { userName: user.name.toUpperCase() }), 200);
  }),
  must('replace-wrong-type', '7644 §3.12', 'A value of a wrong type is refused, and nothing is replaced.', async (t) => {
    const user = await t.user();
    expectError(await put(t, user, { displayName: 'Half', active: 'perhaps' }), 400, 'invalidValue', 'invalidSyntax');
    expectEqual(user.answer, 'displayName', (await t.fresh(user)).displayName, user.body.displayName);
  }),
  must('replace-malformed', '7644 §3.12', 'Malformed JSON is 400 invalidSyntax, and nothing is replaced.', async (t) => {
    const user = await t.user();
    expectError(await t.send('PUT', user.path, '{"userName"'), 400, 'invalidSyntax');
    expectEqual(user.answer, 'userName', (await t.fresh(user)).userName, user.name);
  }),
];

export const REPLACE: Subject = { name: 'replace', title: 'Replace (PUT)', checks: [...ANSWERS, ...KEPT, ...REFUSED] };
