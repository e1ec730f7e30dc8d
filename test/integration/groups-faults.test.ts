/**
 * What happens to groups when Redis does: an answer that is lost on its way is looked for, data that is not what this process knew is not written to,
 * and nothing of what a client has sent stands in a key or in the audit trail.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GroupChange, type GroupCommitted, type GroupRemoved, GroupStore } from '../../src/directory/group-store.ts';
import { createGroups, type Groups } from '../../src/directory/groups.ts';
import { SiteModes } from '../../src/directory/site-mode.ts';
import { Store } from '../../src/directory/store.ts';
import { DirectoryUnavailable } from '../../src/directory/unavailable.ts';
import { createUsers } from '../../src/directory/users.ts';
import { ScimError } from '../../src/scim/error.ts';
import { NO_GUARD } from '../support/guard.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { auditOf, body, CONTEXT, openSite, patchOf } from './directory-bench.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterAll(() => server.stop());

const add = (...ids: string[]) => patchOf({ op: 'add', path: 'members', value: ids.map((value) => ({ value })) });

/** A store that does what it is asked and is not heard, as when Redis answers too late. */
class Unheard extends GroupStore {
  override async commit(change: GroupChange): Promise<GroupCommitted> {
    await super.commit(change);
    throw new DirectoryUnavailable('no answer came', 10);
  }

  override async remove(...words: Parameters<GroupStore['remove']>): Promise<GroupRemoved> {
    await super.remove(...words);
    throw new DirectoryUnavailable('no answer came', 10);
  }
}

test('F20 an answer that did not come is looked for: what has happened is told as it is, and only that', async () => {
  const site = openSite(server);
  const { id: who } = await site.users.create(body(1), CONTEXT);
  const groups = createGroups({ store: new Unheard(site.store) });
  const { id } = await groups.create({ displayName: 'Team', members: [{ value: who }] }, { ...CONTEXT, requestId: 'first' });
  expect(await site.groups.read(id)).toMatchObject({ generation: 1, size: 1, requestId: 'first' });
  const patched = await groups.patch(id, patchOf({ op: 'remove', path: 'members' }), { ...CONTEXT, requestId: 'second' });
  expect(patched).toMatchObject({ generation: 2, size: 0 });
  // Nothing was changed here, so nothing tells that it was heard: the client comes back.
  await expect(groups.patch(id, patchOf({ op: 'remove', path: 'members' }), CONTEXT)).rejects.toThrow(DirectoryUnavailable);
  await groups.remove(id, CONTEXT);
  await expect(site.groups.read(id)).rejects.toThrow(ScimError);
});

test("F20 a write that never arrived is not taken for another one under the same request id, which is the client's own", async () => {
  const site = openSite(server);
  const [ann = '', bob = ''] = await Promise.all([1, 2].map(async (n) => (await site.users.create(body(n), CONTEXT)).id));
  const { id } = await site.groups.create({ displayName: 'Team', members: [{ value: ann }] }, CONTEXT);
  /** What arrives is what another client does meanwhile, or the deletion of a member. */
  const deafTo = (meanwhile: () => Promise<unknown>): Groups => {
    class Deaf extends GroupStore {
      override async commit(): Promise<never> {
        await meanwhile();
        throw new DirectoryUnavailable('nothing arrived', 10);
      }
    }
    return createGroups({ store: new Deaf(site.store) });
  };
  const rename = patchOf({ op: 'replace', path: 'displayName', value: 'Crew' });
  const elsewhere = () => site.groups.patch(id, patchOf({ op: 'add', path: 'members', value: [{ value: bob }] }), CONTEXT);
  await expect(deafTo(elsewhere).patch(id, rename, CONTEXT)).rejects.toThrow(DirectoryUnavailable);
  await expect(deafTo(() => site.users.remove(ann, CONTEXT)).patch(id, rename, CONTEXT)).rejects.toThrow(DirectoryUnavailable);
  expect((await site.groups.read(id)).attributes.displayName).toBe('Team');

  class DeafStore extends Store {
    override async commit(): Promise<never> {
      await site.users.patch(bob, patchOf({ op: 'replace', path: 'title', value: 'Elsewhere' }), CONTEXT);
      throw new DirectoryUnavailable('nothing arrived', 10);
    }
  }
  const store = new DeafStore(site.redis, site.key, { backlogLimit: 100, guard: NO_GUARD });
  const users = createUsers({ store, site: { region: 'us', subdomain: site.key }, onCommitted: () => undefined });
  const disable = patchOf({ op: 'replace', path: 'active', value: false });
  await expect(users.patch(bob, disable, CONTEXT)).rejects.toThrow(DirectoryUnavailable);
  expect((await site.users.read(bob)).attributes).toMatchObject({ active: true, title: 'Elsewhere' });
});

test('F22 groups of a lost directory are neither written nor said not to be there', async () => {
  const site = openSite(server);
  await new SiteModes(site.redis, site.key).meet('17', 'enforce');
  const { id: who } = await site.users.create(body(1), CONTEXT);
  const { id } = await site.groups.create({ displayName: 'Team', members: [{ value: who }] }, CONTEXT);
  await site.store.witness.look();
  await site.redis.del(...(await site.redis.keys(`${site.store.prefix}*`)));
  const everything = [
    site.groupStore.remove(id, undefined, { kind: 'scim', what: 'group-delete' }),
    site.groups.create({ displayName: 'New' }, CONTEXT),
    site.groups.read(id),
    site.groups.patch(id, add(who), CONTEXT),
    site.groups.remove(id, CONTEXT),
    site.groups.list({ startIndex: 1, count: 10 }),
  ];
  for (const { reason } of (await Promise.allSettled(everything)) as PromiseRejectedResult[]) {
    expect(reason).toBeInstanceOf(DirectoryUnavailable);
  }
  expect(await site.redis.keys(`${site.store.prefix}group*`)).toEqual([]);
});

test('F22 a removal that was not heard of is not told as done by a directory that was lost meanwhile', async () => {
  const site = openSite(server);
  await new SiteModes(site.redis, site.key).meet('17', 'enforce');
  const { id } = await site.groups.create({ displayName: 'Team' }, CONTEXT);
  await site.store.witness.look();
  class Losing extends GroupStore {
    override async remove(): Promise<never> {
      await site.redis.del(...(await site.redis.keys(`${site.store.prefix}*`)));
      throw new DirectoryUnavailable('nothing arrived', 10);
    }
  }
  await expect(createGroups({ store: new Losing(site.store) }).remove(id, CONTEXT)).rejects.toThrow(DirectoryUnavailable);
});

test('the trail counts who came and went and names nobody; no key holds what a client has sent', async () => {
  const site = openSite(server);
  const ids = [];
  for (let n = 0; n < 3; n += 1) ids.push((await site.users.create(body(n), CONTEXT)).id);
  const members = ids.map((value) => ({ value }));
  const { id } = await site.groups.create({ displayName: 'Secret project', externalId: 'client-made', members }, CONTEXT);
  const change = { op: 'replace', value: { displayName: 'Another name', members: members.slice(2) } };
  await site.groups.patch(id, patchOf(change), CONTEXT);
  await site.groups.patch(id, patchOf(change), CONTEXT);
  await site.groups.remove(id, CONTEXT);
  const entries = (await auditOf(site))
    .filter(({ subject }) => subject === '')
    .map(({ entry }) => JSON.parse(entry ?? '{}') as unknown);
  const by = { kind: 'scim', requestId: CONTEXT.requestId, actor: CONTEXT.actor, group: id };
  expect(entries).toEqual([
    { ...by, what: 'group-create', changed: ['displayName', 'externalId'], added: 3, removed: 0, size: 3 },
    { ...by, what: 'group-patch', changed: ['displayName'], added: 0, removed: 2, size: 1 },
    { ...by, what: 'group-delete', removed: 1 },
  ]);
  const keys = (await site.redis.keys(`${site.store.prefix}*`)).join(' ');
  for (const sent of ['Secret', 'secret', 'Another', 'client-made']) expect(keys).not.toContain(sent);
});

test('a group written by a newer release is refused, whole', async () => {
  const site = openSite(server);
  const { id } = await site.groups.create({ displayName: 'Team' }, CONTEXT);
  await site.redis.hset(`${site.store.prefix}group:${id}`, 'v', '99');
  await expect(site.groups.read(id)).rejects.toThrow('upgrade this process');
  await expect(site.groupStore.remove(id, undefined, { kind: 'scim', what: 'group-delete' })).rejects.toThrow('upgrade');
});
