/**
 * Owns the checks of groups as resources: create, read, list, find, rename, delete, and what people see of them.
 * Their members are group-members.ts. RFC 7643 §4.2, §4.1.2; RFC 7644 §3.3-§3.6.
 */
import { type Check, may, must, READS, type Subject, should } from '../check.ts';
import {
  expectDateTime,
  expectEqual,
  expectError,
  expectHeader,
  expectList,
  expectObject,
  expectStatus,
  expectThat,
} from '../expect.ts';
import { at, isUnassigned, objectsAt } from '../json.ts';
import { GROUP_URN } from '../urns.ts';

const LIFE: Check[] = [
  must('group-create', '7644 §3.3', 'A group is created with 201, an id, and its address.', async (t) => {
    const group = await t.group();
    expectEqual(group.answer, 'displayName', group.body.displayName, group.name);
    expectEqual(
      group.answer,
      'Location equal to meta.location',
      expectHeader(group.answer, 'Location'),
      at(group.body, 'meta', 'location'),
    );
  }),
  must('group-meta', '7643 §3.1', 'meta has resourceType Group and the times as dateTime.', async (t) => {
    const { answer, body } = await t.group();
    expectEqual(answer, 'meta.resourceType', at(body, 'meta', 'resourceType'), 'Group');
    expectDateTime(answer, 'meta.created', at(body, 'meta', 'created'));
    expectDateTime(answer, 'meta.lastModified', at(body, 'meta', 'lastModified'));
  }),
  must('group-schemas', '7643 §3', 'A group names its schema.', async (t) => {
    const { answer, body } = await t.group();
    expectThat(
      answer,
      Array.isArray(body.schemas) && body.schemas.includes(GROUP_URN),
      `schemas with ${GROUP_URN}`,
      body.schemas,
    );
  }),
  must('group-without-name', '7643 §4.2', 'A group without displayName is refused with 400 invalidValue.', async (t) => {
    expectError(await t.send('POST', '/Groups', { schemas: [GROUP_URN] }), 400, 'invalidValue', 'invalidSyntax');
  }),
  must('group-read', '7644 §3.4.1', 'A group is read at its address.', async (t) => {
    const group = await t.group();
    const answer = await t.get(group.path);
    expectEqual(answer, 'displayName', expectObject(answer).displayName, group.name);
  }),
  must(
    'group-unknown',
    '7644 §3.4.1',
    'A group that does not exist is 404.',
    async (t) => expectError(await t.get(`/Groups/${t.world.creations.nobody()}`), 404),
    READS,
  ),
  must('group-not-a-user', '7644 §3.2', 'A group is not found among people.', async (t) => {
    const group = await t.group();
    expectStatus(await t.get(`/Users/${group.id}`), 404);
  }),
  must(
    'group-list',
    '7644 §3.4.2',
    'Groups can be listed.',
    async (t) => void expectList(await t.get('/Groups', { count: 1 })),
    READS,
  ),
  must('group-paging', '7644 §3.4.2.4', 'A list of groups keeps count.', async (t) => {
    await t.group();
    await t.group();
    const list = expectList(await t.get('/Groups', { count: 1 }));
    expectEqual(list.answer, 'the number of Resources', list.resources.length, 1);
    expectThat(list.answer, list.total >= 2, 'totalResults of all groups', list.total);
  }),
  must(
    'group-find',
    '7644 §3.4.2.2',
    'A group is found by its displayName.',
    async (t) => {
      const group = await t.group();
      const list = expectList(await t.get('/Groups', { filter: `displayName eq "${group.name}"` }));
      expectEqual(list.answer, 'the ids', list.ids, [group.id]);
    },
    { needs: 'filter' },
  ),
  should(
    'group-find-fold',
    '7643 §8.7.1',
    'displayName of a group is compared without regard to case.',
    async (t) => {
      const group = await t.group();
      const list = expectList(await t.get('/Groups', { filter: `displayName eq "${group.name.toUpperCase()}"` }));
      expectEqual(list.answer, 'the ids', list.ids, [group.id]);
    },
    { needs: 'filter' },
  ),
  must(
    'group-find-nothing',
    '7644 §3.4.2',
    'A filter without a match is 200 with an empty list.',
    async (t) => {
      const list = expectList(await t.get('/Groups', { filter: `displayName eq "${t.prefix}nothing"` }));
      expectEqual(list.answer, 'totalResults', list.total, 0);
    },
    { needs: 'filter', ...READS },
  ),
  must(
    'group-bad-filter',
    '7644 §3.4.2.2',
    'A filter that cannot be read is 400 invalidFilter.',
    async (t) => expectError(await t.get('/Groups', { filter: 'displayName xx "x"' }), 400, 'invalidFilter'),
    { needs: 'filter', ...READS },
  ),
  should('group-external-id', '7643 §3.1', 'A group keeps its externalId.', async (t) => {
    const externalId = t.name('XGroup');
    const group = await t.group([], { externalId });
    expectEqual(group.answer, 'externalId', (await t.fresh(group)).externalId, externalId);
  }),
  must('group-delete', '7644 §3.6', 'A deleted group is 404, and in no list.', async (t) => {
    const group = await t.group();
    expectStatus(await t.send('DELETE', group.path), 204);
    expectStatus(await t.get(group.path), 404);
    expectStatus(await t.send('DELETE', group.path), 404);
  }),
  must('group-delete-members', '7644 §3.6', 'Deleting a group deletes none of its members.', async (t) => {
    const user = await t.user();
    const group = await t.group([user]);
    expectStatus(await t.send('DELETE', group.path), 204);
    expectStatus(await t.get(user.path), 200);
  }),
];

const RENAME: Check[] = [
  must(
    'group-rename',
    '7644 §3.5.2.3',
    'A group is renamed by replacing displayName, and keeps its members.',
    async (t) => {
      const user = await t.user();
      const group = await t.group([user]);
      const name = t.name('renamed');
      const now = await t.patch(group, { op: 'replace', path: 'displayName', value: name });
      expectEqual(group.answer, 'displayName', now.displayName, name);
      expectEqual(
        group.answer,
        'the members',
        objectsAt(now, 'members').map(({ value }) => value),
        [user.id],
      );
    },
    { needs: 'patch' },
  ),
  may(
    'group-rename-own-id',
    '7644 §3.5.2',
    'A rename may carry the group’s own id in its value, as Okta sends it.',
    async (t) => {
      const group = await t.group();
      const name = t.name('renamed');
      const now = await t.patch(group, { op: 'replace', value: { id: group.id, displayName: name } });
      expectEqual(group.answer, 'displayName', now.displayName, name);
    },
    { needs: 'patch' },
  ),
  must(
    'group-patch-external-id',
    '7644 §3.5.2.3',
    'externalId of a group can be replaced.',
    async (t) => {
      const group = await t.group();
      const externalId = t.name('XGroup');
      const now = await t.patch(group, { op: 'replace', path: 'externalId', value: externalId });
      expectEqual(group.answer, 'externalId', now.externalId, externalId);
    },
    { needs: 'patch' },
  ),
  must('group-replace', '7644 §3.5.1', 'A replace gives a group a new name and new members.', async (t) => {
    const [one, two] = [await t.user(), await t.user()];
    const group = await t.group([one]);
    const name = t.name('replaced');
    const answer = await t.send('PUT', group.path, { ...group.body, displayName: name, members: [{ value: two.id }] });
    expectEqual(answer, 'displayName', expectObject(answer).displayName, name);
    expectEqual(
      answer,
      'the members',
      objectsAt(await t.fresh(group), 'members').map(({ value }) => value),
      [two.id],
    );
  }),
  must('group-replace-without-name', '7643 §4.2', 'A replace without displayName is refused.', async (t) => {
    const group = await t.group();
    expectError(await t.send('PUT', group.path, { schemas: [GROUP_URN], members: [] }), 400);
    expectEqual(group.answer, 'displayName', (await t.fresh(group)).displayName, group.name);
  }),
  must(
    'group-remove-name',
    '7644 §3.5.2.2',
    'displayName of a group cannot be removed.',
    async (t) => {
      const group = await t.group();
      expectError(await t.tryPatch(group, { op: 'remove', path: 'displayName' }), 400, 'mutability', 'invalidValue');
    },
    { needs: 'patch' },
  ),
  must(
    'group-patch-unknown',
    '7644 §3.5.2',
    'Patching a group that does not exist is 404.',
    async (t) => {
      expectError(
        await t.tryPatch({ path: `/Groups/${t.world.creations.nobody()}` }, { op: 'replace', path: 'displayName', value: 'x' }),
        404,
      );
    },
    { needs: 'patch' },
  ),
];

const SEEN: Check[] = [
  should('group-on-user', '7643 §4.1.2', 'A person shows the groups they are in.', async (t) => {
    const user = await t.user();
    const group = await t.group([user]);
    expectEqual(
      group.answer,
      'groups of the person',
      objectsAt(await t.fresh(user), 'groups').map(({ value }) => value),
      [group.id],
    );
  }),
  should(
    'group-on-user-display',
    '7643 §4.1.2',
    'A person shows the name of each group, also after it was renamed.',
    async (t) => {
      const user = await t.user();
      const group = await t.group([user]);
      const name = t.name('renamed');
      await t.patch(group, { op: 'replace', path: 'displayName', value: name });
      expectEqual(
        group.answer,
        'display',
        objectsAt(await t.fresh(user), 'groups').map(({ display }) => display),
        [name],
      );
    },
    { needs: 'patch' },
  ),
  should('group-on-user-gone', '7643 §4.1.2', 'A person no longer shows a group that was deleted.', async (t) => {
    const user = await t.user();
    const group = await t.group([user]);
    await t.send('DELETE', group.path);
    expectThat(group.answer, isUnassigned((await t.fresh(user)).groups), 'no groups', (await t.fresh(user)).groups);
  }),
  must('group-on-user-read-only', '7643 §4.1.2', 'Replacing a person takes nobody out of a group.', async (t) => {
    const user = await t.user();
    const group = await t.group([user]);
    expectStatus(await t.send('PUT', user.path, { ...user.body, groups: [] }), 200);
    expectEqual(
      group.answer,
      'the members',
      objectsAt(await t.fresh(group), 'members').map(({ value }) => value),
      [user.id],
    );
  }),
];

export const GROUPS: Subject = { name: 'groups', title: 'Groups', needs: 'groups', checks: [...LIFE, ...RENAME, ...SEEN] };
