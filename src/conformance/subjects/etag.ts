/**
 * Owns the checks of versions: that they are told, that they change when the resource does, and that conditions are kept.
 * RFC 7644 §3.14; RFC 7643 §3.1; RFC 9110 §8.8.3, §13.1.
 */
import { type Check, must, type Subject, should } from '../check.ts';
import type { Answer } from '../client.ts';
import { expectEqual, expectHeader, expectList, expectObject, expectStatus, expectThat } from '../expect.ts';
import { at, textAt } from '../json.ts';
import type { Made, Trial } from '../trial.ts';
import { PATCH_URN } from '../urns.ts';

const CHANGE = { schemas: [PATCH_URN], Operations: [{ op: 'replace', path: 'displayName', value: 'Changed' }] };

/** Makes somebody and changes them once, so that the first version is an old one. */
async function changed(t: Trial): Promise<{ user: Made; old: string; now: string }> {
  const user = await t.user();
  const old = textAt(user.body, 'meta', 'version');
  const answer = await t.send('PUT', user.path, { ...user.body, displayName: 'Second' });
  return { user, old, now: textAt(expectObject(answer), 'meta', 'version') };
}

/** Reads or writes under a condition. */
function under(t: Trial, method: string, user: Made, header: string, value: string, body?: unknown): Promise<Answer> {
  return t.send(method, user.path, body, { headers: { [header]: value } });
}

const TOLD: Check[] = [
  must('etag-get', '7644 §3.14', 'A resource comes with its version in ETag.', async (t) => {
    const user = await t.user();
    expectHeader(await t.get(user.path), 'ETag');
  }),
  must('etag-form', '9110 §8.8.3', 'ETag is a text in quotes, with W/ before it when it is weak.', async (t) => {
    const value = expectHeader(await t.get((await t.user()).path), 'ETag');
    expectThat(await t.get('/ServiceProviderConfig'), /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/.test(value), '"…" or W/"…"', value);
  }),
  must('etag-meta', '7643 §3.1', 'meta.version is the same text as ETag.', async (t) => {
    const answer = await t.get((await t.user()).path);
    expectEqual(answer, 'meta.version', at(answer.body, 'meta', 'version'), expectHeader(answer, 'ETag'));
  }),
  should('etag-create', '7644 §3.14', 'The answer to a create has ETag.', async (t) => {
    const { answer, body } = await t.user();
    expectEqual(answer, 'ETag equal to meta.version', expectHeader(answer, 'ETag'), at(body, 'meta', 'version'));
  }),
  should('etag-replace', '7644 §3.14', 'The answer to a replace has the new ETag.', async (t) => {
    const user = await t.user();
    const answer = await t.send('PUT', user.path, { ...user.body, displayName: 'Other' });
    expectEqual(answer, 'ETag equal to meta.version', expectHeader(answer, 'ETag'), at(answer.body, 'meta', 'version'));
  }),
  should(
    'etag-list',
    '7644 §3.14',
    'Resources in a list have their versions.',
    async (t) => {
      const { ann } = await t.cast();
      const list = expectList(await t.get('/Users', { filter: `userName eq "${ann.name}"` }));
      const one = await t.get(ann.path);
      expectEqual(list.answer, 'meta.version', at(list.resources[0], 'meta', 'version'), one.headers.etag);
    },
    { needs: 'filter' },
  ),
  must('etag-changes', '7644 §3.14', 'The version changes when the resource does.', async (t) => {
    const { user, old, now } = await changed(t);
    expectThat(user.answer, now !== old && now !== '', `another version than ${old}`, now);
  }),
  should('etag-stays', '7644 §3.14', 'The version stays while the resource does.', async (t) => {
    const user = await t.user();
    const answer = await t.send('PUT', user.path, await t.fresh(user));
    expectEqual(answer, 'meta.version', at(answer.body, 'meta', 'version'), at(user.body, 'meta', 'version'));
  }),
];

const READING: Check[] = [
  must('etag-none-match', '7644 §3.14', 'If-None-Match with the current version is 304 without a body.', async (t) => {
    const user = await t.user();
    const answer = await under(t, 'GET', user, 'if-none-match', expectHeader(await t.get(user.path), 'ETag'));
    expectStatus(answer, 304);
    expectEqual(answer, 'an empty body', answer.text, '');
  }),
  must('etag-none-match-old', '7644 §3.14', 'If-None-Match with an old version gives the resource.', async (t) => {
    const { user, old } = await changed(t);
    expectStatus(await under(t, 'GET', user, 'if-none-match', old), 200);
  }),
  must('etag-none-match-list', '9110 §13.1.2', 'If-None-Match may name several versions.', async (t) => {
    const { user, old, now } = await changed(t);
    expectStatus(await under(t, 'GET', user, 'if-none-match', `${old}, ${now}`), 304);
  }),
  must('etag-none-match-any', '9110 §13.1.2', 'If-None-Match * is 304 for whatever exists.', async (t) => {
    expectStatus(await under(t, 'GET', await t.user(), 'if-none-match', '*'), 304);
  }),
];

/** A stale condition must stop a write, and change nothing. */
function stale(method: 'PUT' | 'PATCH' | 'DELETE', body: (user: Made) => unknown): Check['run'] {
  return async (t) => {
    const { user, old } = await changed(t);
    const before = await t.fresh(user);
    expectStatus(await under(t, method, user, 'if-match', old, body(user)), 412);
    expectEqual(user.answer, 'the resource as before,', await t.fresh(user), before);
  };
}

const WRITING: Check[] = [
  must('etag-match-replace', '7644 §3.14', 'A replace with If-Match and the current version happens.', async (t) => {
    const { user, now } = await changed(t);
    expectStatus(await under(t, 'PUT', user, 'if-match', now, { ...user.body, displayName: 'Third' }), 200);
  }),
  must(
    'etag-match-patch',
    '7644 §3.14',
    'A patch with If-Match and the current version happens.',
    async (t) => {
      const { user, now } = await changed(t);
      expectStatus(await under(t, 'PATCH', user, 'if-match', now, CHANGE), 200, 204);
    },
    { needs: 'patch' },
  ),
  must('etag-match-delete', '7644 §3.14', 'A delete with If-Match and the current version happens.', async (t) => {
    const { user, now } = await changed(t);
    expectStatus(await under(t, 'DELETE', user, 'if-match', now), 204);
  }),
  must(
    'etag-stale-replace',
    '7644 §3.14',
    'A replace with If-Match and an old version is 412 and does nothing.',
    stale('PUT', (user) => ({ ...user.body, displayName: 'Stale' })),
  ),
  must(
    'etag-stale-patch',
    '7644 §3.14',
    'A patch with If-Match and an old version is 412 and does nothing.',
    stale('PATCH', () => CHANGE),
    { needs: 'patch' },
  ),
  must(
    'etag-stale-delete',
    '7644 §3.14',
    'A delete with If-Match and an old version is 412 and does nothing.',
    stale('DELETE', () => undefined),
  ),
  must(
    'etag-match-any',
    '9110 §13.1.1',
    'If-Match * is met by whatever exists.',
    async (t) => {
      expectStatus(await under(t, 'PATCH', await t.user(), 'if-match', '*', CHANGE), 200, 204);
    },
    { needs: 'patch' },
  ),
];

export const ETAG: Subject = { name: 'etag', title: 'Versions (ETag)', needs: 'etag', checks: [...TOLD, ...READING, ...WRITING] };
