/**
 * What POST, PUT, PATCH and DELETE mean in the directory, on a real Redis: who is new, who comes back under the same id, who is a conflict and
 * what that conflict tells an administrator. RFC 7644 §3.3-3.6, RFC 7643 §4.1.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scimId } from '../../src/directory/identity.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { body, CONTEXT, dump, find, openSite, patchOf, type TestSite, without } from './directory-bench.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterAll(() => server.stop());

const create = (site: TestSite, change: ReturnType<typeof body>) => site.users.create(change, CONTEXT);
const deactivate = (site: TestSite, id: string) =>
  site.users.patch(id, patchOf({ op: 'replace', path: 'active', value: false }), CONTEXT);
const conflict = (text: RegExp) =>
  expect.objectContaining({ status: 409, scimType: 'uniqueness', detail: expect.stringMatching(text) });
const GONE = expect.objectContaining({ status: 404 });

describe('POST', () => {
  it('makes a person whose id follows from site and reference, and rings once', async () => {
    const site = openSite(server, { subdomain: 'acme' });
    const record = await create(site, body(1, { externalId: 'ann+x' }));
    expect(record).toMatchObject({ reference: 'ann~2bx', generation: 1, settledGeneration: 0, open: [], requestId: 'req-1' });
    expect(record.id).toBe(scimId({ region: 'us', subdomain: 'acme' }, 'ann~2bx'));
    expect(await site.users.read(record.id)).toEqual(record);
    expect(site.committed).toEqual([record]);
  });

  it('without externalId, or with an empty one, takes the userName as reference', async () => {
    const site = openSite(server);
    expect((await create(site, without(body(1), 'externalId'))).reference).toBe('person1@example.com');
    expect((await create(site, body(2, { externalId: '' }))).reference).toBe('person2@example.com');
  });

  it('F38 of an active person is a conflict, also when identical, and changes nothing', async () => {
    const site = openSite(server);
    await create(site, body(1));
    const before = await dump(site);
    for (let again = 0; again < 10; again += 1) {
      await expect(create(site, body(1))).rejects.toEqual(conflict(/userName already exists and is active/));
    }
    await expect(create(site, without(body(1), 'externalId'))).rejects.toEqual(conflict(/already exists/));
    await expect(create(site, body(1, { externalId: 'another' }))).rejects.toEqual(conflict(/already exists/));
    expect(await dump(site)).toEqual(before);
    expect(site.committed).toHaveLength(1);
  });

  it('with the externalId of an active person and another userName advises an immutable id', async () => {
    const site = openSite(server);
    await create(site, body(1));
    const other = body(2, { externalId: 'ext-1' });
    await expect(create(site, other)).rejects.toEqual(conflict(/map externalId to an immutable id.+objectId, not mailNickname/));
    const shared = body(2, { externalId: 'ext-1', emails: [{ value: 'person1@example.com' }] });
    await expect(create(site, shared), 'also when they share an address').rejects.toEqual(conflict(/immutable id/));
  });

  it('says nothing personal in a conflict', async () => {
    const site = openSite(server);
    await create(site, body(1));
    for (const again of [body(1), body(2, { externalId: 'ext-1' })]) {
      const error = (await create(site, again).catch((each: unknown) => each)) as { detail: string };
      expect(error.detail).not.toMatch(/person\d|ext-1|@example/);
    }
  });

  it('B52 keeps odd externalIds as opaque text', async () => {
    const site = openSite(server);
    const odd = ['1', '0', '__proto__', 'a:b', '*', '{x}', '\u00e4', ' ', 'x'.repeat(255)];
    for (const [n, externalId] of odd.entries()) {
      const record = await create(site, body(n, { externalId }));
      expect(record.attributes.externalId).toBe(externalId);
      expect(await find(site, `externalId eq ${JSON.stringify(externalId)}`)).toEqual([record.id]);
    }
  });

  it('of an inactive person is taken as such', async () => {
    const site = openSite(server);
    const record = await create(site, body(1, { active: false }));
    expect(record.attributes.active).toBe(false);
    expect(await site.redis.zscore(`${site.store.prefix}urgent`, record.id)).not.toBeNull();
  });
});

describe('coming back', () => {
  it('F37 after DELETE with the same externalId and userName keeps the id and the reference', async () => {
    const site = openSite(server);
    const first = await create(site, body(1));
    await site.users.remove(first.id, CONTEXT);
    await expect(site.users.read(first.id)).rejects.toEqual(GONE);
    const again = await create(site, body(1, { title: 'New' }));
    expect(again).toMatchObject({ id: first.id, reference: first.reference, generation: 3, deleted: false });
    expect(again.attributes.title).toBe('New');
    expect(again.createdAtMs).toBe(first.createdAtMs);
    expect((await site.users.read(first.id)).deleted).toBe(false);
  });

  it('F37 after DELETE with another externalId is another person: no conflict, new id, the old one untouched', async () => {
    const site = openSite(server);
    const first = await create(site, body(1));
    await site.users.remove(first.id, CONTEXT);
    const tombstone = await site.store.read(first.id);
    const second = await create(site, body(1, { externalId: 'ext-new' }));
    expect(second.id).not.toBe(first.id);
    expect(second).toMatchObject({ reference: 'ext-new', generation: 1 });
    expect(await site.store.read(first.id)).toEqual(tombstone);
  });

  it('F37 after DELETE without any externalId keeps the id, because the userName was the reference', async () => {
    const site = openSite(server);
    const first = await create(site, without(body(1), 'externalId'));
    await site.users.remove(first.id, CONTEXT);
    expect((await create(site, without(body(1), 'externalId'))).id).toBe(first.id);
  });

  it.each(['deactivated', 'deleted'])('of a %s person under a new userName needs an address in common', async (how) => {
    const site = openSite(server);
    const first = await create(site, body(1));
    if (how === 'deleted') await site.users.remove(first.id, CONTEXT);
    else await deactivate(site, first.id);
    const married = body(2, { externalId: 'ext-1', emails: [{ value: 'PERSON1@example.com', type: 'home' }] });
    expect((await create(site, married)).id).toBe(first.id);
  });

  it.each(['deactivated', 'deleted'])('with the externalId of a %s stranger gets a reference of its own', async (how) => {
    const site = openSite(server);
    const first = await create(site, body(1));
    if (how === 'deleted') await site.users.remove(first.id, CONTEXT);
    else await deactivate(site, first.id);
    const stranger = await create(site, body(2, { externalId: 'ext-1' }));
    expect(stranger).toMatchObject({ reference: 'ext-1~2', generation: 1 });
    expect(stranger.id).not.toBe(first.id);
    await site.users.remove(stranger.id, CONTEXT);
    expect((await create(site, body(3, { externalId: 'ext-1' }))).reference).toBe('ext-1~3');
    expect((await create(site, body(4, { externalId: 'ext-1~2' }))).reference, 'a tilde of the IdP is encoded').toBe('ext-1~7e2');
  });

  it('of the second and third who had that externalId finds each of them again', async () => {
    const site = openSite(server);
    const ids: string[] = [];
    for (const n of [1, 2, 3]) {
      const { id } = await create(site, body(n, { externalId: 'nick' }));
      await site.users.remove(id, CONTEXT);
      ids.push(id);
    }
    expect(new Set(ids).size).toBe(3);
    for (const n of [2, 3, 1]) {
      const { id } = await create(site, body(n, { externalId: 'nick' }));
      expect(id).toBe(ids[n - 1]);
      await site.users.remove(id, CONTEXT);
    }
  });

  it('of the second who had that externalId, and then another one, finds them by the numbered reference', async () => {
    const site = openSite(server);
    const first = await create(site, body(1, { externalId: 'nick' }));
    await site.users.remove(first.id, CONTEXT);
    const second = await create(site, body(2, { externalId: 'nick' }));
    await site.users.patch(second.id, patchOf({ op: 'replace', path: 'externalId', value: 'other' }), CONTEXT);
    await site.users.remove(second.id, CONTEXT);
    expect((await create(site, body(2, { externalId: 'nick' }))).id).toBe(second.id);
  });

  it('of a deactivated person by userName alone revives, and with another externalId is a conflict that says what to do', async () => {
    const site = openSite(server);
    const first = await create(site, body(1));
    await deactivate(site, first.id);
    await expect(create(site, body(1, { externalId: 'ext-new' }))).rejects.toEqual(
      conflict(/deactivated person with another externalId.+Reactivate or delete/),
    );
    expect((await create(site, without(body(1), 'externalId'))).id).toBe(first.id);
  });

  it('after the externalId was changed finds the person by the new one, and by the reference', async () => {
    const site = openSite(server);
    const first = await create(site, body(1));
    await site.users.patch(first.id, patchOf({ op: 'replace', path: 'externalId', value: 'ext-2' }), CONTEXT);
    expect((await site.users.read(first.id)).reference).toBe('ext-1');
    await site.users.remove(first.id, CONTEXT);
    expect((await create(site, body(1, { externalId: 'ext-2' }))).id).toBe(first.id);
    await site.users.remove(first.id, CONTEXT);
    expect((await create(site, body(1, { externalId: 'ext-1' }))).id).toBe(first.id);
  });
});

describe('PUT and PATCH', () => {
  it('replace and change, raise the generation by one, and ring', async () => {
    const site = openSite(server);
    const { id } = await create(site, body(1, { title: 'Boss' }));
    const replaced = await site.users.replace(id, without(body(1, { displayName: 'P One' }), 'externalId', 'active'), CONTEXT);
    expect(replaced).toMatchObject({ generation: 2, attributes: { externalId: 'ext-1', active: true, displayName: 'P One' } });
    expect(replaced.attributes).not.toHaveProperty('title');
    const patched = await site.users.patch(id, patchOf({ op: 'Replace', value: { active: 'False' } }), CONTEXT);
    expect(patched).toMatchObject({ generation: 3, attributes: { active: false } });
    expect(site.committed.map(({ generation }) => generation)).toEqual([1, 2, 3]);
  });

  it('I5 that change nothing commit nothing and ring nobody', async () => {
    const site = openSite(server);
    const full = body(1, {
      'urn:acme:2.0:Badge': { number: 7, tags: ['a', 'b'] },
      'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User': { department: 'D', manager: { value: 'm1' } },
      addresses: [{ type: 'work', locality: 'Wien' }],
    });
    const first = await create(site, full);
    const before = await dump(site);
    expect(await site.users.replace(first.id, structuredClone(full), CONTEXT)).toMatchObject({ generation: 1 });
    expect(await site.users.replace(first.id, without(full, 'externalId', 'active'), CONTEXT)).toMatchObject({ generation: 1 });
    for (const operation of [
      { op: 'replace', path: 'active', value: 'True' },
      { op: 'add', value: { displayName: '' } },
      { op: 'replace', path: 'addresses[type eq "work"].locality', value: 'Wien' },
      { op: 'remove', path: 'nickName' },
    ]) {
      expect(await site.users.patch(first.id, patchOf(operation), CONTEXT), JSON.stringify(operation)).toMatchObject({
        generation: 1,
      });
    }
    expect(await dump(site)).toEqual(before);
    expect(site.committed).toHaveLength(1);
  });

  it('all or nothing: a bad operation after good ones changes nothing', async () => {
    const site = openSite(server);
    const { id } = await create(site, body(1));
    const before = await dump(site);
    const bad = patchOf({ op: 'replace', path: 'title', value: 'x' }, { op: 'replace', path: 'active', value: 'maybe' });
    await expect(site.users.patch(id, bad, CONTEXT)).rejects.toEqual(expect.objectContaining({ status: 400 }));
    expect(await dump(site)).toEqual(before);
  });

  it('to a userName that somebody else has is a conflict, also if that person is deactivated, and free after DELETE', async () => {
    const site = openSite(server);
    const { id } = await create(site, body(1));
    const other = await create(site, body(2));
    const rename = () =>
      site.users.patch(id, patchOf({ op: 'replace', path: 'userName', value: 'PERSON2@example.com' }), CONTEXT);
    await expect(rename()).rejects.toEqual(conflict(/used by another person/));
    await deactivate(site, other.id);
    await expect(rename()).rejects.toEqual(conflict(/used by another person/));
    await site.users.remove(other.id, CONTEXT);
    expect((await rename()).attributes.userName).toBe('PERSON2@example.com');
  });

  it('to the own userName in other letters is a change, not a conflict', async () => {
    const site = openSite(server);
    const { id } = await create(site, body(1));
    const renamed = await site.users.replace(id, body(1, { userName: 'Person1@Example.com' }), CONTEXT);
    expect(renamed).toMatchObject({ generation: 2, attributes: { userName: 'Person1@Example.com' } });
  });
});

describe('DELETE', () => {
  it('F38 is done once, then 404 like everything else about that id', async () => {
    const site = openSite(server);
    const { id } = await create(site, body(1));
    await site.users.remove(id, CONTEXT);
    const before = await dump(site);
    for (const work of [
      () => site.users.remove(id, CONTEXT),
      () => site.users.read(id),
      () => site.users.replace(id, body(1), CONTEXT),
      () => deactivate(site, id),
    ]) {
      await expect(work()).rejects.toEqual(GONE);
    }
    expect(await dump(site)).toEqual(before);
    expect(site.committed.at(-1)).toMatchObject({ id, deleted: true, generation: 2 });
  });

  it('of a deactivated person is a change of its own', async () => {
    const site = openSite(server);
    const { id } = await create(site, body(1));
    await deactivate(site, id);
    await site.users.remove(id, CONTEXT);
    expect(await site.store.read(id)).toMatchObject({ generation: 3, deleted: true });
  });

  it.each(['', 'nobody', '../x', '*', 'x'.repeat(5_000)])('B50 B53 of %j is 404 and writes nothing', async (id) => {
    const site = openSite(server);
    await create(site, body(1));
    const before = await dump(site);
    await expect(site.users.remove(id, CONTEXT)).rejects.toEqual(GONE);
    await expect(site.users.patch(id, patchOf({ op: 'replace', path: 'active', value: false }), CONTEXT)).rejects.toEqual(GONE);
    expect(await dump(site)).toEqual(before);
  });
});
