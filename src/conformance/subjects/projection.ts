/**
 * Owns the checks of `attributes` and `excludedAttributes`, wherever a resource is returned. RFC 7644 §3.4.2.5, §3.9; RFC 7643 §7.
 */
import { type Check, must, type Subject, should } from '../check.ts';
import type { Answer } from '../client.ts';
import { expectEqual, expectError, expectList, expectObject, expectStatus, expectThat } from '../expect.ts';
import { at, type JsonObject, objectsAt } from '../json.ts';
import { ENTERPRISE_URN, PATCH_URN, USER_URN } from '../urns.ts';

/** Looks at Ann with a projection. */
function of(parameters: Record<string, string>, look: (ann: JsonObject, answer: Answer) => void): Check['run'] {
  return async (t) => {
    const { ann } = await t.cast();
    const answer = await t.get(ann.path, parameters);
    look(expectObject(answer), answer);
  };
}

/** Expects exactly these attributes beside id and schemas. */
function only(names: readonly string[]): (resource: JsonObject, answer: Answer) => void {
  return (resource, answer) => {
    const others = Object.keys(resource).filter((name) => name !== 'id' && name !== 'schemas');
    expectEqual(answer, 'beside id and schemas', others.toSorted(), names.toSorted());
  };
}

const ONE: Check[] = [
  must(
    'project-attributes',
    '7644 §3.9',
    'attributes gives what it names and nothing else by default.',
    of({ attributes: 'userName' }, only(['userName'])),
  ),
  must(
    'project-id',
    '7643 §3.1',
    'id is always returned, whatever is asked for.',
    of({ attributes: 'displayName' }, (ann, answer) => expectThat(answer, typeof ann.id === 'string', 'id', ann.id)),
  ),
  must(
    'project-several',
    '7644 §3.9',
    'attributes may name several, with commas between.',
    of({ attributes: 'userName,displayName,emails' }, only(['userName', 'displayName', 'emails'])),
  ),
  must('project-case', '7643 §2.1', 'Names are read without regard to case.', of({ attributes: 'USERNAME' }, only(['userName']))),
  must(
    'project-sub',
    '7644 §3.9',
    'A sub-attribute can be asked for alone.',
    of({ attributes: 'name.familyName' }, (ann, answer) =>
      expectEqual(answer, 'the parts of name', Object.keys(ann.name as object), ['familyName']),
    ),
  ),
  must(
    'project-multi-sub',
    '7644 §3.9',
    'A sub-attribute of many values can be asked for alone.',
    of({ attributes: 'emails.value' }, (ann, answer) => {
      for (const email of objectsAt(ann, 'emails')) expectEqual(answer, 'the parts of an e-mail', Object.keys(email), ['value']);
      expectEqual(answer, 'the number of emails', objectsAt(ann, 'emails').length, 2);
    }),
  ),
  must(
    'project-urn',
    '7644 §3.10',
    'A name may begin with the URN of the core schema.',
    of({ attributes: `${USER_URN}:userName` }, only(['userName'])),
  ),
  must(
    'project-extension',
    '7644 §3.10',
    'An attribute of an extension is named with its URN.',
    of({ attributes: `${ENTERPRISE_URN}:department` }, (ann, answer) => {
      only([ENTERPRISE_URN])(ann, answer);
      expectEqual(answer, 'the parts of the extension', Object.keys(ann[ENTERPRISE_URN] as object), ['department']);
    }),
    { needs: 'enterprise' },
  ),
  should(
    'project-extension-whole',
    '7644 §3.10',
    'The URN of an extension means all of it.',
    of({ attributes: ENTERPRISE_URN }, only([ENTERPRISE_URN])),
    { needs: 'enterprise' },
  ),
  must(
    'project-meta',
    '7644 §3.9',
    'meta can be asked for.',
    of({ attributes: 'meta' }, (ann, answer) => {
      only(['meta'])(ann, answer);
      expectEqual(answer, 'meta.resourceType', at(ann, 'meta', 'resourceType'), 'User');
    }),
  ),
  must(
    'project-unknown',
    '7644 §3.9',
    'A name that means nothing adds nothing.',
    of({ attributes: 'favouriteColour,userName' }, only(['userName'])),
  ),
  must(
    'project-never',
    '7643 §7',
    'What is never returned is not returned when asked for.',
    of({ attributes: 'password,userName' }, only(['userName'])),
  ),
  must(
    'project-excluded',
    '7644 §3.9',
    'excludedAttributes takes away what it names and leaves the rest.',
    of({ excludedAttributes: 'emails,displayName' }, (ann, answer) => {
      expectEqual(answer, 'emails', ann.emails, undefined);
      expectEqual(answer, 'displayName', ann.displayName, undefined);
      expectThat(answer, typeof ann.userName === 'string', 'userName', ann.userName);
    }),
  ),
  must('project-every', '7644 §3.9', 'Every attribute that somebody has can be asked for alone.', async (t) => {
    const { ann } = await t.cast();
    const names = Object.keys(await t.fresh(ann)).filter((name) => name !== 'id' && name !== 'schemas');
    for (const name of names) {
      const answer = await t.get(ann.path, { attributes: name });
      only([name])(expectObject(answer), answer);
    }
  }),
  must(
    'project-excluded-always',
    '7644 §3.9',
    'What is always returned cannot be excluded: id stays.',
    of({ excludedAttributes: 'id' }, (ann, answer) => expectThat(answer, typeof ann.id === 'string', 'id', ann.id)),
  ),
  must(
    'project-excluded-sub',
    '7644 §3.9',
    'A sub-attribute can be excluded alone.',
    of({ excludedAttributes: 'name.givenName' }, (ann, answer) => {
      expectEqual(answer, 'name.givenName', at(ann, 'name', 'givenName'), undefined);
      expectThat(answer, typeof at(ann, 'name', 'familyName') === 'string', 'name.familyName', at(ann, 'name', 'familyName'));
    }),
  ),
  should('project-both', '7644 §3.9', 'attributes and excludedAttributes exclude each other: both are 400.', async (t) => {
    const { ann } = await t.cast();
    expectError(await t.get(ann.path, { attributes: 'userName', excludedAttributes: 'emails' }), 400);
  }),
];

const ELSEWHERE: Check[] = [
  must('project-list', '7644 §3.9', 'A list projects each of its resources.', async (t) => {
    await t.cast();
    const list = expectList(await t.get('/Users', { count: 3, attributes: 'userName' }));
    for (const resource of list.resources) only(['userName'])(resource, list.answer);
  }),
  must('project-list-excluded', '7644 §3.9', 'excludedAttributes works on a list.', async (t) => {
    await t.cast();
    const list = expectList(await t.get('/Users', { count: 3, excludedAttributes: 'emails' }));
    for (const resource of list.resources) expectEqual(list.answer, 'emails', resource.emails, undefined);
  }),
  must('project-create', '7644 §3.9', 'The answer to a create is projected; what is stored is not.', async (t) => {
    const answer = await t.send('POST', '/Users?attributes=userName', t.userBody('project'));
    const body = expectObject(answer, 201);
    only(['userName'])(body, answer);
    const whole = await t.get(`/Users/${String(body.id)}`);
    expectThat(whole, at(whole.body, 'displayName') !== undefined, 'displayName', at(whole.body, 'displayName'));
  }),
  must('project-replace', '7644 §3.9', 'The answer to a replace is projected.', async (t) => {
    const user = await t.user();
    const answer = await t.send('PUT', `${user.path}?excludedAttributes=emails`, await t.fresh(user));
    expectEqual(answer, 'emails', expectObject(answer).emails, undefined);
  }),
  must(
    'project-patch',
    '7644 §3.9',
    'The answer to a patch is projected.',
    async (t) => {
      const user = await t.user();
      const body = { schemas: [PATCH_URN], Operations: [{ op: 'replace', path: 'displayName', value: 'Projected' }] };
      const answer = await t.send('PATCH', `${user.path}?excludedAttributes=emails`, body);
      expectStatus(answer, 200, 204);
      expectEqual(answer, 'emails', at(answer.body, 'emails'), undefined);
    },
    { needs: 'patch' },
  ),
];

export const PROJECTION: Subject = { name: 'projection', title: 'Attributes of an answer', checks: [...ONE, ...ELSEWHERE] };
