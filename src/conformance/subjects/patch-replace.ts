/**
 * Owns the checks of the operation replace. RFC 7644 §3.5.2.3, §3.10.
 */
import { type Check, may, must, type Subject } from '../check.ts';
import { expectEqual } from '../expect.ts';
import { at, isUnassigned, objectsAt } from '../json.ts';
import { change, HOME, part, sweep, values, WORK } from '../patch-change.ts';
import { ENTERPRISE_URN, USER_URN } from '../urns.ts';

const REPLACE: Check[] = [
  must(
    'patch-replace-single',
    '7644 §3.5.2.3',
    'replace gives an attribute a new value.',
    change({
      from: { title: 'Old' },
      operations: [{ op: 'replace', path: 'title', value: 'New' }],
      look: part('title'),
      what: 'title',
      now: 'New',
    }),
  ),
  must(
    'patch-replace-active',
    '7644 §3.5.2.3',
    'replace of active deactivates.',
    change({ operations: [{ op: 'replace', path: 'active', value: false }], look: part('active'), what: 'active', now: false }),
  ),
  must(
    'patch-replace-absent',
    '7644 §3.5.2.3',
    'replace of an unassigned attribute is an add.',
    change({
      operations: [{ op: 'replace', path: 'nickName', value: 'Fresh' }],
      look: part('nickName'),
      what: 'nickName',
      now: 'Fresh',
    }),
  ),
  must(
    'patch-replace-sub',
    '7644 §3.5.2.3',
    'replace of a sub-attribute leaves the others.',
    change({
      from: { name: { givenName: 'Alan', familyName: 'Mathison' } },
      operations: [{ op: 'replace', path: 'name.familyName', value: 'Turing' }],
      look: (now) => [at(now, 'name', 'givenName'), at(now, 'name', 'familyName')],
      what: 'name',
      now: ['Alan', 'Turing'],
    }),
  ),
  must(
    'patch-replace-complex',
    '7644 §3.5.2.3',
    'replace of a complex attribute sets the sub-attributes it names.',
    change({
      from: { name: { givenName: 'Alan', familyName: 'Mathison' } },
      operations: [{ op: 'replace', path: 'name', value: { familyName: 'Turing' } }],
      look: part('name', 'familyName'),
      what: 'name.familyName',
      now: 'Turing',
    }),
  ),
  must(
    'patch-replace-list',
    '7644 §3.5.2.3',
    'replace of a multi-valued attribute replaces all its values.',
    change({
      from: { emails: [WORK, HOME] },
      operations: [{ op: 'replace', path: 'emails', value: [{ value: 'only@one.example', type: 'other' }] }],
      look: (now) => values(now, 'emails'),
      what: 'emails',
      now: ['only@one.example'],
    }),
  ),
  must(
    'patch-replace-element',
    '7644 §3.5.2.3',
    'replace through a value filter changes the values that match and no others.',
    change({
      from: { emails: [WORK, HOME] },
      operations: [{ op: 'replace', path: 'emails[type eq "home"]', value: { type: 'home', value: 'new@home.example' } }],
      look: (now) => values(now, 'emails'),
      what: 'emails',
      now: ['new@home.example', WORK.value],
    }),
  ),
  must(
    'patch-replace-element-sub',
    '7644 §3.5.2.3',
    'replace of a sub-attribute through a value filter leaves the rest of the value.',
    change({
      from: { emails: [WORK, HOME] },
      operations: [{ op: 'replace', path: 'emails[type eq "work"].value', value: 'new@work.example' }],
      look: (now) => [...values(now, 'emails'), objectsAt(now, 'emails').find(({ value }) => value === 'new@work.example')?.type],
      what: 'emails',
      now: [HOME.value, 'new@work.example', 'work'],
    }),
  ),
  must(
    'patch-replace-no-path',
    '7644 §3.5.2.3',
    'replace without a path replaces the attributes that its value names.',
    change({
      from: { title: 'Old', nickName: 'Kept' },
      operations: [{ op: 'replace', value: { title: 'New', active: false } }],
      look: ({ title, nickName, active }) => [title, nickName, active],
      what: 'title, nickName and active',
      now: ['New', 'Kept', false],
    }),
  ),
  must(
    'patch-replace-core-urn',
    '7644 §3.10',
    'A path may begin with the URN of the core schema.',
    change({
      operations: [{ op: 'replace', path: `${USER_URN}:title`, value: 'By URN' }],
      look: part('title'),
      what: 'title',
      now: 'By URN',
    }),
  ),
  must('patch-replace-name', '7644 §3.5.2.3', 'userName can be replaced.', async (t) => {
    const user = await t.user();
    const userName = `${t.name('patched')}@conformance.example`;
    expectEqual(
      user.answer,
      'userName',
      (await t.patch(user, { op: 'replace', path: 'userName', value: userName })).userName,
      userName,
    );
  }),
  must(
    'patch-replace-external-id',
    '7644 §3.5.2.3',
    'externalId can be replaced, as any attribute that is not read-only.',
    async (t) => {
      const user = await t.user();
      const externalId = t.name('XReplaced');
      const now = await t.patch(user, { op: 'replace', path: 'externalId', value: externalId });
      expectEqual(user.answer, 'externalId', now.externalId, externalId);
    },
  ),
  must(
    'patch-replace-manager',
    '7644 §3.10',
    'The manager of the enterprise extension can be set by a path with URN and sub-attribute.',
    async (t) => {
      const [user, manager] = [await t.user(), await t.user()];
      const now = await t.patch(user, { op: 'replace', path: `${ENTERPRISE_URN}:manager.value`, value: manager.id });
      expectEqual(user.answer, 'manager.value', at(now, ENTERPRISE_URN, 'manager', 'value'), manager.id);
    },
    { needs: 'enterprise' },
  ),
  may(
    'patch-manager-text',
    '7643 §4.3',
    'A manager may be given by the id alone, as Microsoft’s client sends it.',
    async (t) => {
      const [user, manager] = [await t.user(), await t.user()];
      const now = await t.patch(user, { op: 'Add', path: `${ENTERPRISE_URN}:manager`, value: manager.id });
      expectEqual(user.answer, 'manager.value', at(now, ENTERPRISE_URN, 'manager', 'value'), manager.id);
    },
    { needs: 'enterprise' },
  ),
  may(
    'patch-dotted-key',
    '7644 §3.5.2',
    'A value without a path may name sub-attributes with a dot, as Microsoft’s client does.',
    change({
      operations: [{ op: 'replace', value: { 'name.familyName': 'Dotted' } }],
      look: part('name', 'familyName'),
      what: 'name.familyName',
      now: 'Dotted',
    }),
  ),
  may(
    'patch-boolean-text',
    '7644 §3.5.2',
    '"False" as a text deactivates, as Microsoft’s client sends it.',
    change({
      operations: [{ op: 'Replace', path: 'active', value: 'False' }],
      look: part('active'),
      what: 'active',
      now: false,
    }),
  ),
  must('patch-every-replace', '7644 §3.5.2.3', 'Every attribute that the schema calls readWrite can be replaced.', async (t) => {
    await sweep(
      t,
      (user, path, value) => t.patch(user, { op: 'replace', path, value }),
      (now) => !isUnassigned(now),
    );
  }),
];

export const PATCH_REPLACE: Subject = { name: 'patch-replace', title: 'Patch: replace', needs: 'patch', checks: REPLACE };
