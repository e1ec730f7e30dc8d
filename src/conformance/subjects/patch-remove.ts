/**
 * Owns the checks of the operation remove. RFC 7644 §3.5.2.2.
 */
import { type Check, must, type Subject } from '../check.ts';
import { at, isUnassigned } from '../json.ts';
import { change, HOME, sweep, values, WORK } from '../patch-change.ts';
import { ENTERPRISE_URN, USER_URN } from '../urns.ts';

const REMOVE: Check[] = [
  must(
    'patch-remove-single',
    '7644 §3.5.2.2',
    'remove unassigns an attribute.',
    change({
      from: { nickName: 'Gone' },
      operations: [{ op: 'remove', path: 'nickName' }],
      look: (now) => isUnassigned(now.nickName),
      what: 'nickName unassigned:',
      now: true,
    }),
  ),
  must(
    'patch-remove-sub',
    '7644 §3.5.2.2',
    'remove of a sub-attribute leaves the others.',
    change({
      from: { name: { givenName: 'Mary', familyName: 'Shelley', middleName: 'W' } },
      operations: [{ op: 'remove', path: 'name.middleName' }],
      look: (now) => [at(now, 'name', 'middleName') ?? null, at(now, 'name', 'familyName')],
      what: 'name',
      now: [null, 'Shelley'],
    }),
  ),
  must(
    'patch-remove-complex',
    '7644 §3.5.2.2',
    'remove of a complex attribute takes all of it.',
    change({
      operations: [{ op: 'remove', path: 'name' }],
      look: (now) => isUnassigned(now.name) || Object.keys(now.name as object).length === 0,
      what: 'name unassigned:',
      now: true,
    }),
  ),
  must(
    'patch-remove-list',
    '7644 §3.5.2.2',
    'remove of a multi-valued attribute takes all values.',
    change({
      from: { emails: [WORK, HOME] },
      operations: [{ op: 'remove', path: 'emails' }],
      look: (now) => isUnassigned(now.emails),
      what: 'emails unassigned:',
      now: true,
    }),
  ),
  must(
    'patch-remove-element',
    '7644 §3.5.2.2',
    'remove through a value filter takes the values that match and no others.',
    change({
      from: { emails: [WORK, HOME] },
      operations: [{ op: 'remove', path: 'emails[type eq "home"]' }],
      look: (now) => values(now, 'emails'),
      what: 'emails',
      now: [WORK.value],
    }),
  ),
  must(
    'patch-remove-element-sub',
    '7644 §3.5.2.2',
    'remove of a sub-attribute through a value filter leaves the value.',
    change({
      from: { emails: [{ ...WORK, display: 'Desk' }] },
      operations: [{ op: 'remove', path: 'emails[type eq "work"].display' }],
      look: (now) => [at(now, 'emails', 0, 'display') ?? null, at(now, 'emails', 0, 'value')],
      what: 'emails',
      now: [null, WORK.value],
    }),
  ),
  must(
    'patch-remove-last',
    '7644 §3.5.2.2',
    'remove of the last value unassigns the attribute.',
    change({
      from: { phoneNumbers: [{ value: '+44 20 7946 0000', type: 'work' }] },
      operations: [{ op: 'remove', path: 'phoneNumbers[type eq "work"]' }],
      look: (now) => isUnassigned(now.phoneNumbers),
      what: 'phoneNumbers unassigned:',
      now: true,
    }),
  ),
  must(
    'patch-remove-extension',
    '7644 §3.5.2.2',
    'remove of the last attribute of an extension takes its URN out of schemas.',
    change({
      from: { [ENTERPRISE_URN]: { department: 'Shut' } },
      operations: [{ op: 'remove', path: `${ENTERPRISE_URN}:department` }],
      look: ({ schemas, ...now }) => [schemas, isUnassigned(at(now, ENTERPRISE_URN, 'department'))],
      what: 'schemas, and department unassigned',
      now: [[USER_URN], true],
    }),
    { needs: 'enterprise' },
  ),
  must(
    'patch-every-remove',
    '7644 §3.5.2.2',
    'Every attribute that the schema calls readWrite, and not required, can be removed.',
    async (t) => {
      await sweep(t, (user, path, value) => t.patch(user, { op: 'add', path, value }, { op: 'remove', path }), isUnassigned);
    },
  ),
];

export const PATCH_REMOVE: Subject = { name: 'patch-remove', title: 'Patch: remove', needs: 'patch', checks: REMOVE };
