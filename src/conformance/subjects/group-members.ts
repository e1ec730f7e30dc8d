/**
 * Owns the checks of the members of groups: how they are shown and found, many at once, and who cannot be one. Single patches are in group-patch.ts. RFC 7643 §4.2, §8.7.1; RFC 7644 §3.5.2.
 */
import { type Check, may, must, type Subject, should } from '../check.ts';
import { expectEqual, expectError, expectList, expectObject, expectStatus, expectThat } from '../expect.ts';
import { idsIn, idsOf, people } from '../group-try.ts';
import { at, isUnassigned } from '../json.ts';
import { membersOf } from '../trial.ts';

const FORM: Check[] = [
  must('members-create', '7643 §4.2', 'A group can be created with members.', async (t) => {
    const two = await people(t, 2);
    const group = await t.group(two);
    expectEqual(group.answer, 'the members', idsIn(await t.fresh(group)), idsOf(two));
  }),
  must('members-value', '7643 §4.2', 'A member has the id of the resource as its value.', async (t) => {
    const [one] = await people(t, 1);
    const group = await t.group(one === undefined ? [] : [one]);
    expectEqual(group.answer, 'value', at(await t.fresh(group), 'members', 0, 'value'), one?.id);
  }),
  should('members-ref', '7643 §4.2', 'A member has $ref: where the resource is.', async (t) => {
    const [one] = await people(t, 1);
    const group = await t.group(one === undefined ? [] : [one]);
    const reference = at(await t.fresh(group), 'members', 0, '$ref');
    expectThat(
      group.answer,
      typeof reference === 'string' && reference.endsWith(`/Users/${one?.id}`),
      `$ref ending in /Users/${one?.id}`,
      reference,
    );
  }),
  should('members-type', '7643 §8.7.1', 'The type of a member, where it is told, is User or Group.', async (t) => {
    const [one] = await people(t, 1);
    const group = await t.group(one === undefined ? [] : [one]);
    const type = at(await t.fresh(group), 'members', 0, 'type');
    expectThat(group.answer, type === undefined || type === 'User', 'type User', type);
  }),
  must('members-excluded', '7644 §3.9', 'Members can be left out of a group.', async (t) => {
    const group = await t.group(await people(t, 1));
    const answer = await t.get(group.path, { excludedAttributes: 'members' });
    expectEqual(answer, 'members', expectObject(answer).members, undefined);
  }),
  must(
    'members-excluded-list',
    '7644 §3.9',
    'Members can be left out of a list of groups.',
    async (t) => {
      const group = await t.group(await people(t, 1));
      const list = expectList(
        await t.get('/Groups', { filter: `displayName eq "${group.name}"`, excludedAttributes: 'members' }),
      );
      expectEqual(
        list.answer,
        'members',
        list.resources.map(({ members }) => members),
        [undefined],
      );
    },
    { needs: 'filter' },
  ),
  must('members-not-asked', '7644 §3.9', 'attributes without members gives no members.', async (t) => {
    const group = await t.group(await people(t, 1));
    const answer = await t.get(group.path, { attributes: 'displayName' });
    expectEqual(answer, 'members', expectObject(answer).members, undefined);
  }),
  should(
    'members-find',
    '7644 §3.4.2.2',
    'The groups of a person are found by members.value.',
    async (t) => {
      const [one] = await people(t, 1);
      const group = await t.group(one === undefined ? [] : [one]);
      const list = expectList(await t.get('/Groups', { filter: `members.value eq "${one?.id}"` }));
      expectEqual(list.answer, 'the ids', list.ids, [group.id]);
    },
    { needs: 'filter' },
  ),
  should(
    'members-find-path',
    '7644 §3.4.2.2',
    'A group is found by a filter in square brackets on its members.',
    async (t) => {
      const [one] = await people(t, 1);
      const group = await t.group(one === undefined ? [] : [one]);
      const list = expectList(
        await t.get('/Groups', { filter: `displayName eq "${group.name}" and members[value eq "${one?.id}"]` }),
      );
      expectEqual(list.answer, 'the ids', list.ids, [group.id]);
    },
    { needs: 'filter' },
  ),
];

const REST: Check[] = [
  must('members-atomic', '7644 §3.5.2', 'When one operation fails, nobody is moved.', async (t) => {
    const two = await people(t, 2);
    const group = await t.group(two.slice(0, 1));
    const answer = await t.tryPatch(group, { op: 'add', path: 'members', value: membersOf(two.slice(1)) }, { op: 'remove' });
    expectStatus(answer, 400);
    expectEqual(answer, 'the members', idsIn(await t.fresh(group)), idsOf(two.slice(0, 1)));
  }),
  should(
    'members-unknown',
    '7644 §3.12',
    'Somebody who does not exist cannot become a member: a 2xx would promise what is not.',
    async (t) => {
      const group = await t.group();
      const answer = await t.tryPatch(group, { op: 'add', path: 'members', value: [{ value: t.world.creations.nobody() }] });
      expectStatus(answer, 400, 404);
      expectThat(answer, isUnassigned((await t.fresh(group)).members), 'no members', at(answer.body, 'members'));
    },
  ),
  must('members-many', '7644 §3.5.2', 'Many people can be added in one patch.', async (t) => {
    const group = await t.group();
    const crowd = await people(t, 25);
    const now = await t.patch(group, { op: 'add', path: 'members', value: membersOf(crowd) });
    expectEqual(group.answer, 'the members', idsIn(now), idsOf(crowd));
  }),
  must('members-at-once', '7644 §3.5.2', 'Patches that add different people at the same time all count.', async (t) => {
    const group = await t.group();
    const crowd = await people(t, 6);
    const answers = await Promise.all(
      crowd.map((one) => t.tryPatch(group, { op: 'add', path: 'members', value: [{ value: one.id }] })),
    );
    for (const answer of answers) expectStatus(answer, 200, 204);
    expectEqual(group.answer, 'the members', idsIn(await t.fresh(group)), idsOf(crowd));
  }),
  should('members-deleted', '7644 §3.6', 'Who is deleted is in no group any more.', async (t) => {
    const two = await people(t, 2);
    const group = await t.group(two);
    expectStatus(await t.send('DELETE', two[0]?.path ?? ''), 204);
    expectEqual(group.answer, 'the members', idsIn(await t.fresh(group)), idsOf(two.slice(1)));
  }),
  should('members-inactive', '7643 §4.1.1', 'Who is deactivated stays in the group.', async (t) => {
    const [one] = await people(t, 1);
    if (one === undefined) return;
    const group = await t.group([one]);
    expectStatus(await t.send('PUT', one.path, { ...one.body, active: false }), 200);
    expectEqual(group.answer, 'the members', idsIn(await t.fresh(group)), [one.id]);
  }),
  must('members-nothing-new', '7644 §3.5.2.1', 'add of somebody who is in already does not move lastModified.', async (t) => {
    const [one] = await people(t, 1);
    const group = await t.group(one === undefined ? [] : [one]);
    const now = await t.patch(group, { op: 'add', path: 'members', value: [{ value: one?.id }] });
    expectEqual(group.answer, 'meta.lastModified', at(now, 'meta', 'lastModified'), at(group.body, 'meta', 'lastModified'));
  }),
  may(
    'members-nested',
    '7643 §4.2',
    'A group may be a member of a group; a server that has no such thing says so.',
    async (t) => {
      const [inner, outer] = [await t.group(), await t.group()];
      const answer = await t.tryPatch(outer, { op: 'add', path: 'members', value: [{ value: inner.id, type: 'Group' }] });
      if (answer.status === 400) return expectError(answer, 400);
      expectStatus(answer, 200, 204);
      expectEqual(answer, 'the members', idsIn(await t.fresh(outer)), [inner.id]);
    },
  ),
];

export const GROUP_MEMBERS: Subject = {
  name: 'group-members',
  title: 'Members of groups',
  needs: 'groups',
  checks: [...FORM, ...REST],
};
