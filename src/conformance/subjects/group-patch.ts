/**
 * Owns the checks of every way into a group and out of it by PATCH, and that nobody else is moved. RFC 7644 §3.5.2.
 */
import { type Check, may, must, type Subject } from '../check.ts';
import { changeMembers, idAt } from '../group-try.ts';
import { membersOf } from '../trial.ts';

const PATCHES: Check[] = [
  must(
    'members-add',
    '7644 §3.5.2.1',
    'add puts somebody into a group and takes nobody out.',
    changeMembers({
      before: [0],
      operations: (p) => [{ op: 'add', path: 'members', value: [{ value: idAt(p, 1) }] }],
      after: [0, 1],
    }),
  ),
  must(
    'members-add-several',
    '7644 §3.5.2.1',
    'add puts several people in at once.',
    changeMembers({ before: [], operations: (p) => [{ op: 'add', path: 'members', value: membersOf(p) }], after: [0, 1, 2] }),
  ),
  must(
    'members-add-present',
    '7644 §3.5.2.1',
    'Who is in already is in once.',
    changeMembers({
      before: [0, 1],
      operations: (p) => [{ op: 'add', path: 'members', value: [{ value: idAt(p, 1) }] }],
      after: [0, 1],
    }),
  ),
  must(
    'members-add-twice',
    '7643 §2.4',
    'Who is added twice in one patch is in once.',
    changeMembers({
      before: [],
      operations: (p) => [{ op: 'add', path: 'members', value: [{ value: idAt(p, 0) }, { value: idAt(p, 0) }] }],
      after: [0],
    }),
  ),
  must(
    'members-add-no-path',
    '7644 §3.5.2.1',
    'add without a path adds the members of its value.',
    changeMembers({
      before: [0],
      operations: (p) => [{ op: 'add', value: { members: [{ value: idAt(p, 2) }] } }],
      after: [0, 2],
    }),
  ),
  must(
    'members-remove',
    '7644 §3.5.2.2',
    'remove through a value filter takes one out and leaves the others.',
    changeMembers({
      before: [0, 1, 2],
      operations: (p) => [{ op: 'remove', path: `members[value eq "${idAt(p, 1)}"]` }],
      after: [0, 2],
    }),
  ),
  must(
    'members-remove-several',
    '7644 §3.5.2.2',
    'Several removes in one patch take several out.',
    changeMembers({
      before: [0, 1, 2],
      operations: (p) => [0, 1].map((at) => ({ op: 'remove', path: `members[value eq "${idAt(p, at)}"]` })),
      after: [2],
    }),
  ),
  must(
    'members-remove-all',
    '7644 §3.5.2.2',
    'remove of members without a filter empties the group.',
    changeMembers({ before: [0, 1], operations: () => [{ op: 'remove', path: 'members' }], after: [] }),
  ),
  may(
    'members-remove-value',
    '7644 §3.5.2.2',
    'remove of members with a value takes out those it names and nobody else, as Microsoft’s client sends it.',
    changeMembers({
      before: [0, 1, 2],
      operations: (p) => [{ op: 'remove', path: 'members', value: [{ value: idAt(p, 0) }] }],
      after: [1, 2],
    }),
  ),
  must(
    'members-remove-absent',
    '7644 §3.5.2.2',
    'remove of somebody who is not in changes nothing, and succeeds.',
    changeMembers({ before: [0], operations: (p) => [{ op: 'remove', path: `members[value eq "${idAt(p, 2)}"]` }], after: [0] }),
  ),
  must(
    'members-replace',
    '7644 §3.5.2.3',
    'replace of members puts others in place of all.',
    changeMembers({
      before: [0, 1],
      operations: (p) => [{ op: 'replace', path: 'members', value: [{ value: idAt(p, 2) }] }],
      after: [2],
    }),
  ),
  must(
    'members-replace-none',
    '7644 §3.5.2.3',
    'replace of members with an empty list empties the group.',
    changeMembers({ before: [0, 1], operations: () => [{ op: 'replace', path: 'members', value: [] }], after: [] }),
  ),
  must(
    'members-both',
    '7644 §3.5.2',
    'One patch may take some out and put others in.',
    changeMembers({
      before: [0],
      operations: (p) => [
        { op: 'remove', path: `members[value eq "${idAt(p, 0)}"]` },
        { op: 'add', path: 'members', value: [{ value: idAt(p, 1) }] },
      ],
      after: [1],
    }),
  ),
];

export const GROUP_PATCH: Subject = {
  name: 'group-patch',
  title: 'Members by patch',
  needs: 'groups',
  checks: PATCHES.map((check): Check => ({ ...check, needs: 'patch' })),
};
