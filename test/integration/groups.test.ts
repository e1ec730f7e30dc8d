/** /Groups as Okta's group push and Entra ID's group provisioning use it, over HTTP on a real Redis. RFC 7644 §3.3-3.6, RFC 7643 §4.2. */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startRedis, type TestRedis } from '../support/redis.ts';
import {
  ask,
  openSite,
  PUBLIC_URL,
  patchOf,
  person,
  type ScimAnswer,
  type ScimServer,
  serveSites,
} from '../support/scim-server.ts';

const CORE_GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';
const ADSCIM = 'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group';
const NOBODY = '00000000-0000-4000-8000-000000000000';

let redis: TestRedis;
let commands: Redis;
let server: ScimServer;
let ann: string;
let bob: string;

beforeAll(async () => {
  redis = await startRedis({ appendfsync: 'no' });
  commands = redis.connect();
});
beforeEach(async () => {
  server = await serveSites([openSite(commands)]);
  ann = await provisioned('ann');
  bob = await provisioned('bob');
});
afterAll(() => redis.stop());

async function provisioned(name: string, more: Record<string, unknown> = {}): Promise<string> {
  const { status, body } = await ask(server, 'POST', '/scim/v2/Users', person(name, more));
  expect(status).toBe(201);
  return String(body.id);
}

async function group(displayName: string, members: string[] = [], more: Record<string, unknown> = {}): Promise<string> {
  const answer = await post({ displayName, members: members.map((value) => ({ value })), ...more });
  expect(answer.status, server.logLines.slice(-3).join()).toBe(201);
  return String(answer.body.id);
}

const post = (body: Record<string, unknown>): Promise<ScimAnswer> =>
  ask(server, 'POST', '/scim/v2/Groups', { schemas: [CORE_GROUP], ...body });
const get = (path: string): Promise<ScimAnswer> => ask(server, 'GET', `/scim/v2${path}`);
const patch = (id: string, ...operations: Record<string, unknown>[]): Promise<ScimAnswer> =>
  ask(server, 'PATCH', `/scim/v2/Groups/${id}`, patchOf(...operations));
const list = (filter: string): Promise<ScimAnswer> => get(`/Groups?filter=${encodeURIComponent(filter)}`);

function membersOf({ body }: ScimAnswer): string[] {
  return (body.members as { value: string }[]).map(({ value }) => value);
}

async function groupsOf(user: string): Promise<string[] | undefined> {
  // As the scripts keep it: what a person's groups are derived from.
  const text = await commands.hget(`scim:{${server.door.key}}:user:${user}`, 'groups');
  return text === null ? undefined : (JSON.parse(text) as string[]);
}

describe('a group', () => {
  it('is created, found, read, renamed, filled and deleted as Okta pushes it', async () => {
    expect((await list('displayName eq "Sales"')).body).toMatchObject({ totalResults: 0, Resources: [] });
    const created = await post({ displayName: 'Sales', members: [] });
    expect(created.status).toBe(201);
    const id = String(created.body.id);
    expect(created.headers.location).toBe(`${PUBLIC_URL}/scim/v2/Groups/${id}`);
    expect(created.body).toMatchObject({
      schemas: [CORE_GROUP],
      displayName: 'Sales',
      members: [],
      meta: { resourceType: 'Group', location: created.headers.location },
    });
    const put = await ask(server, 'PUT', `/scim/v2/Groups/${id}`, {
      ...created.body,
      members: [{ value: ann, display: 'ann@example.com' }],
    });
    expect(put.status).toBe(200);
    expect(put.body.members).toEqual([
      { value: ann, $ref: `${PUBLIC_URL}/scim/v2/Users/${ann}`, type: 'User', display: 'ann@example.com' },
    ]);
    const renamed = await patch(id, { op: 'replace', value: { id, displayName: 'Sales EMEA' } });
    expect(renamed.body.displayName).toBe('Sales EMEA');
    expect(membersOf(renamed)).toEqual([ann]);
    expect((await list('displayName eq "SALES emea"')).body).toMatchObject({ totalResults: 1 });
    expect((await list('displayName eq "Sales"')).body).toMatchObject({ totalResults: 0 });
    const moved = await patch(
      id,
      { op: 'replace', value: { id, displayName: 'Sales EMEA' } },
      { op: 'remove', path: `members[value eq "${ann}"]` },
      { op: 'add', path: 'members', value: [{ value: bob, display: 'bob@example.com' }] },
    );
    expect(membersOf(moved)).toEqual([bob]);
    expect((await ask(server, 'DELETE', `/scim/v2/Groups/${id}`)).status).toBe(204);
    for (const method of ['GET', 'DELETE'] as const) {
      expect((await ask(server, method, `/scim/v2/Groups/${id}`)).status).toBe(404);
    }
    expect((await patch(id, { op: 'add', path: 'members', value: [{ value: ann }] })).status).toBe(404);
    expect((await ask(server, 'PUT', `/scim/v2/Groups/${id}`, { displayName: 'x' })).status).toBe(404);
    expect((await get(`/Users/${bob}`)).status).toBe(200);
    expect(await groupsOf(bob)).toBeUndefined();
    // The name is free again, and the id is another one.
    expect(await group('Sales EMEA')).not.toBe(id);
  });

  it('is created and filled as Entra ID does it, its extra schema as sent', async () => {
    const created = await ask(server, 'POST', '/scim/v2/Groups', {
      schemas: [CORE_GROUP, ADSCIM],
      externalId: '8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159',
      displayName: 'Sales',
      meta: { resourceType: 'Group' },
    });
    expect(created.body).toMatchObject({ schemas: [CORE_GROUP, ADSCIM], members: [] });
    const id = String(created.body.id);
    const added = await patch(id, {
      op: 'Add',
      path: 'members',
      value: [
        { $ref: null, value: ann },
        { $ref: null, value: bob },
      ],
    });
    expect(membersOf(added)).toEqual([ann, bob]);
    expect(added.body.schemas).toEqual([CORE_GROUP, ADSCIM]);
    // The value array names whom to remove; it never clears the group.
    expect(membersOf(await patch(id, { op: 'Remove', path: 'members', value: [{ $ref: null, value: ann }] }))).toEqual([bob]);
    const read = await get(`/Groups/${id}?excludedAttributes=members`);
    expect(read.body).not.toHaveProperty('members');
    expect(read.body).toMatchObject({ id, displayName: 'Sales' });
    expect((await list('displayName eq "sales"')).body.Resources).toMatchObject([{ id, members: [{ value: bob }] }]);
    expect((await list('externalId eq "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159"')).body).toMatchObject({ totalResults: 1 });
    expect((await list(`id eq "${id}" and members eq "${bob}"`)).body).toMatchObject({ totalResults: 1 });
    expect((await list(`id eq "${id}" and members eq "${ann}"`)).body).toMatchObject({ totalResults: 0 });
  });

  it('is emptied by a replace with nobody, and by a removal without a value', async () => {
    const id = await group('Sales', [ann, bob]);
    expect(membersOf(await patch(id, { op: 'replace', path: 'members', value: [] }))).toEqual([]);
    expect(membersOf(await patch(id, { op: 'add', path: 'members', value: [ann, bob].map((value) => ({ value })) }))).toEqual([
      ann,
      bob,
    ]);
    expect(membersOf(await patch(id, { op: 'remove', path: 'members' }))).toEqual([]);
    expect(await groupsOf(ann)).toBeUndefined();
  });

  it('keeps its members through a PUT without any, and loses them by an empty list', async () => {
    const id = await group('Sales', [ann, bob]);
    const put = (body: Record<string, unknown>): Promise<ScimAnswer> => ask(server, 'PUT', `/scim/v2/Groups/${id}`, body);
    expect(membersOf(await put({ displayName: 'Renamed' }))).toEqual([ann, bob]);
    expect(membersOf(await put({ displayName: 'Renamed', members: [{ value: bob }] }))).toEqual([bob]);
    expect(membersOf(await put({ displayName: 'Renamed', members: [] }))).toEqual([]);
  });

  it('does not change by what is so already: same version, same moment', async () => {
    const id = await group('Sales', [ann]);
    const before = (await get(`/Groups/${id}`)).body;
    for (const operation of [
      { op: 'add', path: 'members', value: [{ value: ann }, { value: ann }] },
      { op: 'remove', path: `members[value eq "${NOBODY}"]` },
      { op: 'remove', path: 'members', value: [{ value: bob }] },
      { op: 'replace', path: 'displayName', value: 'Sales' },
      { op: 'replace', path: 'members', value: [{ value: ann }] },
    ]) {
      const answer = await patch(id, operation);
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual(before);
    }
  });

  it('keeps both directions in step, and whoever is in two groups stays in the other', async () => {
    const [sales, staff] = [await group('Sales', [ann, bob]), await group('Staff', [ann])];
    expect(await groupsOf(ann)).toEqual([sales, staff].sort());
    await ask(server, 'DELETE', `/scim/v2/Groups/${sales}`);
    expect(await groupsOf(ann)).toEqual([staff]);
    expect(await groupsOf(bob)).toBeUndefined();
  });

  it('loses whoever is deleted, and keeps whoever is only inactive', async () => {
    const id = await group('Sales', [ann, bob]);
    const before = (await get(`/Groups/${id}`)).body as { meta: { lastModified: string } };
    await ask(server, 'PATCH', `/scim/v2/Users/${bob}`, patchOf({ op: 'replace', path: 'active', value: false }));
    expect(membersOf(await get(`/Groups/${id}`))).toEqual([ann, bob]);
    await ask(server, 'DELETE', `/scim/v2/Users/${ann}`);
    const after = await get(`/Groups/${id}`);
    expect(membersOf(after)).toEqual([bob]);
    expect((after.body.meta as { lastModified: string }).lastModified >= before.meta.lastModified).toBe(true);
    expect(await groupsOf(ann)).toBeUndefined();
    // Back again: the same person, and in no group until somebody says so.
    expect(await provisioned('ann')).toBe(ann);
    expect(membersOf(await get(`/Groups/${id}`))).toEqual([bob]);
  });
});

describe('refused', () => {
  it('whom nobody knows, by id, and nothing is changed', async () => {
    const id = await group('Sales', [ann]);
    const answer = await patch(
      id,
      { op: 'replace', path: 'displayName', value: 'Other' },
      { op: 'add', path: 'members', value: [{ value: bob }, { value: NOBODY }] },
    );
    expect(answer).toMatchObject({ status: 400, body: { scimType: 'invalidValue' } });
    expect(answer.body.detail).toContain('Operation 2 of 2: ');
    expect(answer.body.detail).toContain(NOBODY);
    expect((await get(`/Groups/${id}`)).body).toMatchObject({ displayName: 'Sales', members: [{ value: ann }] });
    expect(await groupsOf(bob)).toBeUndefined();

    const strangers = Array.from({ length: 8 }, (_, n) => ({ value: `${NOBODY.slice(0, -1)}${n}` }));
    const many = await post({ displayName: 'New', members: [{ value: ann }, ...strangers] });
    expect(many.status).toBe(400);
    expect(many.body.detail).toContain('and 3 more');
    expect((await list('displayName eq "New"')).body.totalResults).toBe(0);
    expect((await post({ displayName: 'New', members: [{ value: 'no uuid: \u0000' }] })).status).toBe(400);
    expect((await post({ displayName: 'New', members: [{ value: 'no uuid at all' }] })).status).toBe(400);
  });

  it('a deleted person, and somebody of another site', async () => {
    const other = await serveSites([openSite(commands)]);
    const { body: stranger } = await ask(other, 'POST', '/scim/v2/Users', person('eve'));
    await ask(server, 'DELETE', `/scim/v2/Users/${bob}`);
    for (const value of [bob, stranger.id]) {
      expect(await post({ displayName: 'New', members: [{ value }] })).toMatchObject({
        status: 400,
        body: { scimType: 'invalidValue' },
      });
    }
    const id = await group('Sales', [ann]);
    expect((await ask(other, 'GET', `/scim/v2/Groups/${id}`)).status).toBe(404);
    expect((await ask(other, 'DELETE', `/scim/v2/Groups/${id}`)).status).toBe(404);
  });

  it('a group in a group, whether it says so or not', async () => {
    const inner = await group('Inner', [ann]);
    const id = await group('Outer');
    for (const member of [{ value: inner, type: 'Group' }, { value: inner }]) {
      const answer = await patch(id, { op: 'add', path: 'members', value: [member] });
      expect(answer).toMatchObject({ status: 400, body: { scimType: 'invalidValue' } });
      expect(answer.body.detail).toContain('Groups in groups');
    }
  });

  it('a name that is taken, in any letter case, on POST, PUT and PATCH; an externalId is not unique', async () => {
    const id = await group('Sales', [], { externalId: 'x' });
    const other = await group('Staff', [], { externalId: 'x' });
    const conflict = { status: 409, body: { scimType: 'uniqueness', status: '409' } };
    expect(await post({ displayName: 'SALES' })).toMatchObject(conflict);
    expect(await ask(server, 'PUT', `/scim/v2/Groups/${other}`, { displayName: 'sales' })).toMatchObject(conflict);
    expect(await patch(other, { op: 'replace', value: { displayName: '\uff33ales' } })).toMatchObject(conflict);
    expect((await get(`/Groups/${other}`)).body.displayName).toBe('Staff');
    // In its own way a group may be written anew.
    expect((await patch(id, { op: 'replace', path: 'displayName', value: 'SALES' })).body.displayName).toBe('SALES');
    expect((await list('externalId eq "x"')).body.Resources).toMatchObject([{ id }, { id: other }]);
    expect((await list('externalId eq "X"')).body.totalResults).toBe(0);
  });

  it('ids that cannot be ours, other methods, and no body', async () => {
    for (const path of ['/Groups/nonsense', `/Groups/${NOBODY}`, '/Groups/%00'])
      expect((await get(path)).status).toBeGreaterThanOrEqual(400);
    expect(await ask(server, 'DELETE', '/scim/v2/Groups')).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD, POST' } });
    expect((await ask(server, 'POST', '/scim/v2/Groups')).status).toBe(400);
    expect((await post({ members: [] })).body).toMatchObject({ scimType: 'invalidValue' });
  });
});

describe('a list', () => {
  it('pages in order of creation, and filters by whatever a group has', async () => {
    const ids = [];
    for (const name of ['Alpha', 'Beta', 'Gamma', 'Delta']) ids.push(await group(name, name === 'Beta' ? [ann] : []));
    const page = await get('/Groups?startIndex=2&count=2');
    expect(page.body).toMatchObject({
      totalResults: 4,
      startIndex: 2,
      itemsPerPage: 2,
      Resources: [{ id: ids[1] }, { id: ids[2] }],
    });
    expect((await get('/Groups?count=0')).body).toMatchObject({ totalResults: 4, Resources: [] });
    expect((await get('/Groups/')).status).toBe(200);
    const found = async (filter: string): Promise<unknown[]> =>
      ((await list(filter)).body.Resources as { displayName: string }[]).map(({ displayName }) => displayName);
    expect(await found('displayName co "a" and not (displayName sw "b")')).toEqual(['Alpha', 'Gamma', 'Delta']);
    expect(await found('members pr')).toEqual(['Beta']);
    expect(await found(`members.value eq "${ann}"`)).toEqual(['Beta']);
    expect(await found(`members[value eq "${ann}" and type eq "User"]`)).toEqual(['Beta']);
    expect(await found('members.display sw "ann@"')).toEqual(['Beta']);
    expect(await found(`members.value eq "${bob}"`)).toEqual([]);
    expect(await found(`displayName eq "Alpha" or members.value eq "${ann}"`)).toEqual(['Alpha', 'Beta']);
    expect(await found('meta.resourceType eq "Group" and displayName eq "gamma"')).toEqual(['Gamma']);
    expect(await found(`schemas eq "${CORE_GROUP}"`)).toHaveLength(4);
    expect(await found('id eq "nobody"')).toEqual([]);
    expect(await list('userName eq "x"')).toMatchObject({ status: 400, body: { scimType: 'invalidFilter' } });
  });

  it('shows of members what is asked for', async () => {
    const id = await group('Sales', [ann]);
    const shown = async (query: string): Promise<unknown> => (await get(`/Groups/${id}?${query}`)).body;
    expect(await shown('attributes=displayName')).toEqual({ schemas: [CORE_GROUP], id, displayName: 'Sales' });
    expect(await shown('attributes=members.value')).toEqual({ schemas: [CORE_GROUP], id, members: [{ value: ann }] });
    expect(await shown('excludedAttributes=members.display,meta')).toMatchObject({ members: [{ value: ann, type: 'User' }] });
    expect(JSON.stringify(await shown('excludedAttributes=members.display'))).not.toContain('ann@');
    expect(await shown(`attributes=${CORE_GROUP}:members`)).toMatchObject({ members: [{ display: 'ann@example.com' }] });
  });
});

describe('a version', () => {
  it('is the same in header and meta, spares a reader what is known, and refuses a stale write', async () => {
    const id = await group('Sales', [ann]);
    const read = await get(`/Groups/${id}`);
    const version = String(read.headers.etag);
    expect(read.body.meta).toMatchObject({ version });
    expect((await ask(server, 'GET', `/scim/v2/Groups/${id}`, undefined, { 'if-none-match': version })).status).toBe(304);
    const changed = await patch(id, { op: 'add', path: 'members', value: [{ value: bob }] });
    expect(changed.headers.etag).not.toBe(version);
    const stale = { 'if-match': version };
    const path = `/scim/v2/Groups/${id}`;
    expect(await ask(server, 'PATCH', path, patchOf({ op: 'remove', path: 'members' }), stale)).toMatchObject({ status: 412 });
    expect(await ask(server, 'PUT', path, { displayName: 'x', members: [] }, stale)).toMatchObject({ status: 412 });
    expect(await ask(server, 'DELETE', path, undefined, stale)).toMatchObject({ status: 412 });
    expect(membersOf(await get(`/Groups/${id}`))).toEqual([ann, bob]);
    const fresh = { 'if-match': String(changed.headers.etag) };
    const emptied = await ask(server, 'PATCH', path, patchOf({ op: 'remove', path: 'members' }), fresh);
    expect(emptied).toMatchObject({ status: 200, body: { members: [] } });
    expect((await ask(server, 'DELETE', path, undefined, { 'if-match': '*' })).status).toBe(204);
  });

  it('changes for a person with the groups they are in, and with what those are called', async () => {
    const versionOf = async (): Promise<unknown> => (await get(`/Users/${ann}`)).headers.etag;
    const seen = [await versionOf()];
    const id = await group('Sales', [ann]);
    seen.push(await versionOf());
    await patch(id, { op: 'replace', path: 'displayName', value: 'Sales 2' });
    seen.push(await versionOf());
    expect(new Set(seen).size).toBe(3);
    await ask(server, 'DELETE', `/scim/v2/Groups/${id}`);
    expect(await versionOf()).toBe(seen[0]);
  });
});

describe('the groups of a person', () => {
  it("are told, found by, and nobody else's to change", async () => {
    const id = await group('Sales', [ann]);
    const told = [{ value: id, $ref: `${PUBLIC_URL}/scim/v2/Groups/${id}`, display: 'Sales', type: 'direct' }];
    expect((await get(`/Users/${ann}`)).body.groups).toEqual(told);
    expect((await get(`/Users/${bob}`)).body).not.toHaveProperty('groups');
    for (const filter of [`groups.value eq "${id}"`, 'groups.display eq "sales"', `groups[value eq "${id}"]`, 'groups pr']) {
      expect((await get(`/Users?filter=${encodeURIComponent(filter)}`)).body.Resources).toMatchObject([{ id: ann }]);
    }
    // Okta sends back what it has read; a PATCH of it must not keep what stands beside it from landing.
    const put = await ask(server, 'PUT', `/scim/v2/Users/${bob}`, { ...person('bob'), groups: told });
    expect(put.status).toBe(200);
    expect(put.body).not.toHaveProperty('groups');
    const patched = await ask(
      server,
      'PATCH',
      `/scim/v2/Users/${ann}`,
      patchOf({ op: 'replace', value: { groups: [], title: 'Boss' } }),
    );
    expect(patched.body).toMatchObject({ title: 'Boss', groups: told });
  });
});
