/**
 * Owns the SCIM semantics of /Groups over the store: what a write changes, what it may not, and that an unchanged write is nothing.
 * Refuses to know HTTP, Maxio, and what a membership is worth there. RFC 7643 §4.2, RFC 7644 §3.3-3.6.
 * Attributes are decided on a record that was read, and committed only if that record has not moved meanwhile; then decided again. Members who come
 * and go need no such order, so two clients who change different members at once never wait for each other and lose nothing.
 * A group is nothing at Maxio, so its id is random, and with the data it is gone: exports carry it (archive.ts).
 */
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { failpoint } from '../failpoint.ts';
import { notFound, stale } from '../scim/error.ts';
import { applyGroupPatch } from '../scim/group/patch-group.ts';
import { readGroup } from '../scim/group/read-group.ts';
import type { ListQuery } from '../scim/list.ts';
import type { GroupAttributes, JsonObject } from '../scim/types.ts';
import type { GroupRecord } from './group-record.ts';
import { refusalOf } from './group-refusal.ts';
import { groupVersion, memberResource } from './group-resource.ts';
import type { GroupChange, GroupCommitted, GroupRemoved, GroupStore, MemberDelta, Rings } from './group-store.ts';
import { groupShelf, readMembers } from './list-groups.ts';
import { type Asking, type ListPage, listResources } from './list-resources.ts';
import type { Shelf } from './shelf.ts';
import { DirectoryUnavailable } from './unavailable.ts';
import { listParts } from './user-lists.ts';
import { askedBy, effortOf, type WriteContext } from './users.ts';

export interface GroupPage extends Omit<ListPage<GroupRecord>, 'rows'> {
  records: GroupRecord[];
}

export interface Groups {
  /** POST. @throws ScimError 400 for members who are not here, 409 for a name that is taken */
  create(body: JsonObject, context: WriteContext): Promise<GroupRecord>;
  /** PUT; without `members` they stay. @throws ScimError 400, 404, 409, 412 */
  replace(id: string, body: JsonObject, context: WriteContext): Promise<GroupRecord>;
  /** PATCH, all or nothing. @throws ScimError 400, 404, 409, 412 */
  patch(id: string, body: JsonObject, context: WriteContext): Promise<GroupRecord>;
  /** DELETE: its people stay, its name is free again. @throws ScimError 404, 412 */
  remove(id: string, context: WriteContext): Promise<void>;
  /** @throws ScimError 404 */
  read(id: string): Promise<GroupRecord>;
  list(query: ListQuery, asking?: Asking): Promise<GroupPage>;
  /** Where groups are listed, for searches over several types; `resources` shows them, and reads their people only where the view needs them. */
  shelf: Shelf<GroupRecord>;
}

export interface GroupsParts {
  store: GroupStore;
  /**
   * Called after a commit for whom there is something to do at Maxio now: the bell. It must not fail the request; the sweep rings again,
   * and it alone rings for those beyond the first 200.
   */
  onChanged?: (rings: Rings, requestId: string) => void;
}

/** How often a write is decided anew when others change the same group at the same time, before the client is asked to come back. */
const DECISIONS_MAX = 64;
const RINGS_MAX = 200;

interface Decided {
  change: GroupChange;
  base?: GroupRecord;
  /** Says which part of the request has named somebody. */
  bringing?: (id: string) => string;
}

export function createGroups({ store: groups, onChanged }: GroupsParts): Groups {
  const shelf = groupShelf(groups);
  const { store } = groups;

  /** Repeat `decide` until its change is committed on the record it was made from. */
  async function write(decide: () => Promise<Decided>): Promise<GroupRecord> {
    for (let decision = 0; decision < DECISIONS_MAX; decision += 1) {
      const decided = await decide();
      const { change, base, bringing } = decided;
      await failpoint('before_commit');
      const committed = await groups.commit(change).catch((error: unknown) => committedUnseen(groups, decided, error));
      if (committed.kind === 'moved') continue;
      if (committed.kind === 'gone') throw notFound(change.id);
      if (!('record' in committed)) throw refusalOf(committed, bringing);
      await failpoint('after_commit');
      ring(committed.ring, change.requestId);
      return await after(groups, base, change, committed);
    }
    throw new DirectoryUnavailable('too many writes about the same group at once', 1);
  }

  function ring(rings: Rings, requestId: string): void {
    if (rings.length > 0) onChanged?.(rings.slice(0, RINGS_MAX), requestId);
  }

  return {
    create: async (body, context) => {
      const change = newGroup(body, context);
      return await write(async () => ({ change }));
    },
    replace: async (id, body, context) => await write(async () => replacing(await existing(groups, id, context), body, context)),
    patch: async (id, body, context) =>
      await write(async () => await patching(groups, await existing(groups, id, context), body, context)),
    remove: async (id, context) => ring(await removing(groups, id, context), context.requestId),
    read: async (id) => await existing(groups, id),
    async list(query, asking) {
      store.witness.admit(); // Nothing is told of half a directory.
      const { rows, ...page } = await listResources([{ shelf, ...selectionOf(query) }], listParts(store, query, asking));
      if (page.totalResults === 0 || rows.length === 0) await sound(groups);
      return { ...page, records: rows.map(({ record }) => record) };
    },
    shelf,
  };
}

function selectionOf({ filter, sort }: ListQuery) {
  return { ...(filter === undefined ? {} : { filter }), ...(sort === undefined ? {} : { sort }) };
}

/** That a group is not there is said only by data that is known to be the right one. */
async function sound({ store }: GroupStore): Promise<void> {
  await store.guard(() => store.witness.look());
  store.witness.admit();
}

/** @throws ScimError 404, and 412 when the client has decided on a version that is no longer the current one */
async function existing(groups: GroupStore, id: string, { ifMatch }: Partial<WriteContext> = {}): Promise<GroupRecord> {
  groups.store.witness.admit();
  const record = await groups.read(id);
  if (record === undefined) {
    await sound(groups);
    throw notFound(id);
  }
  if (ifMatch !== undefined && !ifMatch(groupVersion(record))) throw stale();
  return record;
}

function newGroup(body: JsonObject, context: WriteContext): GroupChange {
  const { attributes, extraSchemas, members = [] } = readGroup(body);
  return {
    id: randomUUID(),
    expected: 0,
    attributes: { all: attributes, extraSchemas },
    members: { replace: false, add: members, remove: [] },
    write: randomUUID(),
    requestId: context.requestId,
    audit: auditOf('group-create', context, undefined, attributes),
  };
}

function replacing(record: GroupRecord, body: JsonObject, context: WriteContext): Decided {
  const { members, ...next } = readGroup(body, record.attributes);
  const delta = { replace: members !== undefined, add: members ?? [], remove: [] };
  return { base: record, change: changeOf(record, next, delta, 'group-replace', context) };
}

async function patching(groups: GroupStore, record: GroupRecord, body: JsonObject, context: WriteContext): Promise<Decided> {
  const { id, generation, extraSchemas } = record;
  const first = applyGroupPatch(record.attributes, body, { id, ...effortOf(context) });
  const change = (patched: typeof first): GroupChange =>
    changeOf(record, { attributes: patched.attributes, extraSchemas }, patched.members, 'group-patch', context);
  if (!first.needsMembers) return { base: record, bringing: first.bringing, change: change(first) };
  const people = (await readMembers(groups, [record], true)).get(id) ?? [];
  const present = people.map((each) => memberResource(each, ''));
  const patched = applyGroupPatch(record.attributes, body, { id, present, ...effortOf(context) });
  // Decided on who was there, so nobody may have come or gone since.
  return { base: record, bringing: patched.bringing, change: { ...change(patched), expected: generation } };
}

async function removing(groups: GroupStore, id: string, context: WriteContext): Promise<Rings> {
  const audit = { kind: 'scim', what: 'group-delete', ...askedBy(context) } as const;
  for (let decision = 0; decision < DECISIONS_MAX; decision += 1) {
    const { generation } = await existing(groups, id, context);
    await failpoint('before_commit');
    const expected = context.ifMatch === undefined ? undefined : generation;
    const removed = await groups.remove(id, expected, audit).catch((error: unknown) => removedUnseen(groups, id, error));
    if (removed.kind === 'gone') throw notFound(id);
    if (removed.kind === 'ok') return removed.ring;
  }
  throw new DirectoryUnavailable('too many writes about the same group at once', 1);
}

/** Attributes that stay are not sent, so that nothing but members is decided; only what is decided on a record needs that record not to move. */
function changeOf(
  record: GroupRecord,
  next: { attributes: GroupAttributes; extraSchemas: string[] },
  members: MemberDelta,
  what: string,
  context: WriteContext,
): GroupChange {
  const { id, generation: expected } = record;
  const audit = auditOf(what, context, record.attributes, next.attributes);
  const change = { id, members, write: randomUUID(), requestId: context.requestId, audit };
  const same = isDeepStrictEqual(next.attributes, record.attributes) && isDeepStrictEqual(next.extraSchemas, record.extraSchemas);
  if (!same) return { ...change, expected, attributes: { all: next.attributes, extraSchemas: next.extraSchemas } };
  return context.ifMatch === undefined ? change : { ...change, expected };
}

/** Tell what changed by attribute name; values stay out of the audit trail, and the script counts the members. */
function auditOf(what: string, context: WriteContext, before: GroupAttributes | undefined, now: GroupAttributes) {
  const names = new Set([...Object.keys(before ?? {}), ...Object.keys(now)]);
  const changed = [...names].filter((name) => !isDeepStrictEqual(before?.[name], now[name]));
  return { kind: 'scim' as const, what, ...askedBy(context), ...(changed.length === 0 ? {} : { changed }) };
}

/** Members move without waiting for others, who may have changed the attributes meanwhile: those of another version are never told under this one. */
async function after(
  groups: GroupStore,
  base: GroupRecord | undefined,
  { id, attributes, write, requestId }: GroupChange,
  { kind, record }: Extract<GroupCommitted, { record: unknown }>,
): Promise<GroupRecord> {
  if (attributes !== undefined) {
    return { ...record, id, requestId, write, attributes: attributes.all, extraSchemas: attributes.extraSchemas };
  }
  if (base === undefined) throw new Error('a new group was committed without attributes');
  const isAlone = record.generation === base.generation + (kind === 'ok' ? 1 : 0);
  return isAlone ? { ...base, ...record } : await existing(groups, id);
}

/** Redis may have done what it did not get to say: look once, so that a client is not told to repeat what is already so. */
async function committedUnseen(groups: GroupStore, { change }: Decided, error: unknown): Promise<GroupCommitted> {
  const record = error instanceof DirectoryUnavailable ? await groups.read(change.id).catch(() => undefined) : undefined;
  if (record?.write === change.write) return { kind: 'ok', record, ring: [] };
  throw error;
}

async function removedUnseen(groups: GroupStore, id: string, error: unknown): Promise<GroupRemoved> {
  if (!(error instanceof DirectoryUnavailable)) throw error;
  const record = await groups.read(id).catch(() => 'unknown' as const);
  if (record !== undefined) throw error;
  // A directory that was lost has no group either, and its backup still has this one.
  await sound(groups);
  return { kind: 'ok', ring: [] };
}
