/**
 * Owns the checks of the operation add. RFC 7644 §3.5.2.1, §3.10.
 */
import { type Check, must, type Subject } from '../check.ts';
import { expectEqual } from '../expect.ts';
import { at, isUnassigned } from '../json.ts';
import { change, HOME, part, sweep, values, WORK } from '../patch-change.ts';
import { ENTERPRISE_URN } from '../urns.ts';

const ADD: Check[] = [
  must(
    'patch-add-single',
    '7644 §3.5.2.1',
    'add gives an unassigned attribute its value.',
    change({
      operations: [{ op: 'add', path: 'nickName', value: 'Nick' }],
      look: part('nickName'),
      what: 'nickName',
      now: 'Nick',
    }),
  ),
  must(
    'patch-add-over',
    '7644 §3.5.2.1',
    'add to a single-valued attribute replaces its value.',
    change({
      from: { nickName: 'Old' },
      operations: [{ op: 'add', path: 'nickName', value: 'New' }],
      look: part('nickName'),
      what: 'nickName',
      now: 'New',
    }),
  ),
  must(
    'patch-add-sub',
    '7644 §3.5.2.1',
    'add to a sub-attribute leaves the others.',
    change({
      from: { name: { givenName: 'Ada', familyName: 'Byron' } },
      operations: [{ op: 'add', path: 'name.familyName', value: 'Lovelace' }],
      look: (now) => [at(now, 'name', 'givenName'), at(now, 'name', 'familyName')],
      what: 'name',
      now: ['Ada', 'Lovelace'],
    }),
  ),
  must(
    'patch-add-complex',
    '7644 §3.5.2.1',
    'add of a complex value sets the sub-attributes it names.',
    change({
      from: { name: { givenName: 'Ada', familyName: 'Byron' } },
      operations: [{ op: 'add', path: 'name', value: { familyName: 'King', honorificPrefix: 'Lady' } }],
      look: (now) => [at(now, 'name', 'givenName'), at(now, 'name', 'familyName'), at(now, 'name', 'honorificPrefix')],
      what: 'name',
      now: ['Ada', 'King', 'Lady'],
    }),
  ),
  must(
    'patch-add-value',
    '7644 §3.5.2.1',
    'add to a multi-valued attribute appends.',
    change({
      from: { emails: [WORK] },
      operations: [{ op: 'add', path: 'emails', value: [HOME] }],
      look: (now) => values(now, 'emails'),
      what: 'emails',
      now: [HOME.value, WORK.value],
    }),
  ),
  must(
    'patch-add-first-value',
    '7644 §3.5.2.1',
    'add to a multi-valued attribute without values makes the first.',
    change({
      operations: [{ op: 'add', path: 'phoneNumbers', value: [{ value: '+1 201 555 0123', type: 'work' }] }],
      look: (now) => values(now, 'phoneNumbers'),
      what: 'phoneNumbers',
      now: ['+1 201 555 0123'],
    }),
  ),
  must(
    'patch-add-twice',
    '7644 §3.5.2.1',
    'add of a value that is there already makes no second one.',
    change({
      from: { emails: [WORK, HOME] },
      operations: [{ op: 'add', path: 'emails', value: [HOME] }],
      look: (now) => values(now, 'emails'),
      what: 'emails',
      now: [HOME.value, WORK.value],
    }),
  ),
  must('patch-add-nothing-new', '7644 §3.5.2.1', 'add of what is there already does not move lastModified.', async (t) => {
    const user = await t.user({ nickName: 'Same' });
    const now = await t.patch(user, { op: 'add', path: 'nickName', value: 'Same' });
    expectEqual(user.answer, 'meta.lastModified', at(now, 'meta', 'lastModified'), at(user.body, 'meta', 'lastModified'));
  }),
  must(
    'patch-add-no-path',
    '7644 §3.5.2.1',
    'add without a path merges the attributes of its value.',
    change({
      from: { emails: [WORK] },
      operations: [{ op: 'add', value: { nickName: 'Free', emails: [HOME] } }],
      look: (now) => [now.nickName, ...values(now, 'emails')],
      what: 'nickName and emails',
      now: ['Free', HOME.value, WORK.value],
    }),
  ),
  must(
    'patch-add-extension',
    '7644 §3.10',
    'A path may begin with the URN of an extension.',
    change({
      operations: [{ op: 'add', path: `${ENTERPRISE_URN}:department`, value: 'Optics' }],
      look: part(ENTERPRISE_URN, 'department'),
      what: 'department',
      now: 'Optics',
    }),
    { needs: 'enterprise' },
  ),
  must(
    'patch-add-extension-object',
    '7644 §3.5.2.1',
    'A value without a path may hold an extension below its URN.',
    change({
      operations: [{ op: 'add', value: { [ENTERPRISE_URN]: { costCenter: '4130' } } }],
      look: part(ENTERPRISE_URN, 'costCenter'),
      what: 'costCenter',
      now: '4130',
    }),
    { needs: 'enterprise' },
  ),
  must('patch-every-add', '7644 §3.5.2.1', 'Every attribute that the schema calls readWrite can be added.', async (t) => {
    await sweep(
      t,
      (user, path, value) => t.patch(user, { op: 'add', path, value }),
      (now) => !isUnassigned(now),
    );
  }),
];

export const PATCH_ADD: Subject = { name: 'patch-add', title: 'Patch: add', needs: 'patch', checks: ADD };
