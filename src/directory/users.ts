/**
 * Owns the SCIM semantics of /Users over the store: who is new, who comes back, who is a conflict, and what an unchanged write is (nothing).
 * Refuses to know HTTP and Maxio. RFC 7644 §3.3-3.6; uniqueness and revival as in docs/adr/0003.
 * Every write is decided on a record that was read, and committed only if that record has not moved meanwhile; then decided again.
 */
import { isDeepStrictEqual } from 'node:util';
import { failpoint } from '../failpoint.ts';
import { notFound, stale, uniqueness } from '../scim/error.ts';
import type { Effort } from '../scim/patch/effort.ts';
import { applyPatch } from '../scim/patch.ts';
import { readUser } from '../scim/read-user.ts';
import type { JsonObject, UserAttributes } from '../scim/types.ts';
import { decideCreate } from './decide-create.ts';
import { SCHEMA_VERSION, type UserRecord } from './record.ts';
import type { Change, Committed, Store } from './store.ts';
import { DirectoryUnavailable } from './unavailable.ts';
import { openUserLists, type UserLists } from './user-lists.ts';

export interface WriteContext {
  requestId: string;
  /** Who asks, for the audit trail: the id of the token, never the token. */
  actor: string;
  /** Tells whether a version is one the client has seen; left out where it does not matter (RFC 7644 §3.14, If-Match). */
  ifMatch?: (version: string) => boolean;
  /** Which operation of a bulk request it is, from 1; left out for a request that is one write. */
  bulkOperation?: number;
  /** What the operations of the whole bulk request may make us do; left out for a request that is one write. */
  effort?: Effort;
}

/** Who asks, as the audit trail keeps it. */
export function askedBy({ requestId, actor, bulkOperation }: WriteContext) {
  return { requestId, actor, ...(bulkOperation === undefined ? {} : { bulkOperation }) };
}

/** What a PATCH may make us do. */
export function effortOf({ effort }: WriteContext): { effort?: Effort } {
  return effort === undefined ? {} : { effort };
}

export interface Users extends UserLists {
  /** POST: a new person, or one who comes back. @throws ScimError 409 for someone who is already there. */
  create(body: JsonObject, context: WriteContext): Promise<UserRecord>;
  /** PUT. @throws ScimError 404, 409 */
  replace(id: string, body: JsonObject, context: WriteContext): Promise<UserRecord>;
  /** PATCH, all or nothing. @throws ScimError 404, 409 */
  patch(id: string, body: JsonObject, context: WriteContext): Promise<UserRecord>;
  /** DELETE: a tombstone; the userName is free again. @throws ScimError 404 */
  remove(id: string, context: WriteContext): Promise<void>;
  /** @throws ScimError 404 */
  read(id: string): Promise<UserRecord>;
}

export interface UsersParts {
  store: Store;
  site: { region: string; subdomain: string };
  /** Called after every commit with what is now desired: the bell. It must not fail the request; the sweep rings again. */
  onCommitted: (record: UserRecord) => void;
}

/** How often a write is decided anew when others change the same person at the same time, before the client is asked to come back. */
const DECISIONS_MAX = 64;

export function createUsers(parts: UsersParts): Users {
  const { store } = parts;
  const { versionOf, ...lists } = openUserLists(store);

  const existing = async (id: string, leaving = false): Promise<UserRecord> => await readExisting(store, id, leaving);

  /** @throws ScimError 412 when the client has decided on a version that is no longer the current one */
  async function checkVersion(record: UserRecord, { ifMatch }: WriteContext): Promise<void> {
    if (ifMatch !== undefined && !ifMatch(await versionOf(record))) throw stale();
  }

  /** Repeat `decide` until its change is committed on the record it was made from. */
  async function write(
    decide: () => Promise<{ change: Change; base: UserRecord | undefined } | UserRecord>,
  ): Promise<UserRecord> {
    for (let decision = 0; decision < DECISIONS_MAX; decision += 1) {
      const decided = await decide();
      if (!('change' in decided)) return decided;
      const { change, base } = decided;
      await failpoint('before_commit');
      const committed = await store.commit(change).catch((error: unknown) => committedUnseen(store, change, error));
      if (committed.kind === 'taken' && committed.what === 'userName' && change.expected > 0) throw takenUserName();
      if (committed.kind !== 'ok') continue;
      const record = after(base, change, committed.record);
      await failpoint('after_commit');
      parts.onCommitted(record);
      return record;
    }
    throw new DirectoryUnavailable('too many writes about the same person at once', 1);
  }

  /** Decide a change to someone who exists; an unchanged result is not committed, unless the word itself is what is waited for. */
  async function update(id: string, what: string, context: WriteContext, next: (record: UserRecord) => UserAttributes) {
    return await write(async () => {
      const record = await existing(id);
      await checkVersion(record, context);
      const attributes = next(record);
      if (isDeepStrictEqual(attributes, record.attributes) && !isAwaited(record)) return record;
      return { base: record, change: changeOf(record, attributes, { what, deleted: false, context }) };
    });
  }

  return {
    async create(body, context) {
      const attributes = readUser(body);
      return await write(async () => {
        const decided = await decideCreate(store, parts.site, attributes);
        if (decided.kind === 'revive') {
          const { record } = decided;
          return { base: record, change: changeOf(record, attributes, { what: 'revive', deleted: false, context }) };
        }
        const { id, reference } = decided;
        const audit = auditOf('create', context, undefined, attributes, false);
        return {
          base: undefined,
          change: { id, reference, expected: 0, attributes, deleted: false, requestId: context.requestId, audit },
        };
      });
    },

    async replace(id, body, context) {
      return await update(id, 'replace', context, (record) => readUser(body, record.attributes));
    },

    async patch(id, body, context) {
      return await update(id, 'patch', context, (record) => applyPatch(record.attributes, body, { id, ...effortOf(context) }));
    },

    async remove(id, context) {
      await write(async () => {
        const record = await existing(id, true);
        await checkVersion(record, context);
        return { base: record, change: changeOf(record, record.attributes, { what: 'delete', deleted: true, context }) };
      });
    },

    read: async (id) => await existing(id),

    ...lists,
  };
}

/** Put aside because Maxio remembers a leave that this data has forgotten (provisioning/plan-forgotten.ts): to hear of the person at all says who is right. */
function isAwaited({ run }: UserRecord): boolean {
  return run?.outcome === 'parked' && run.reason === 'forgotten-leave';
}

/** @param leaving somebody whom only a rebuild knows may leave all the same: who asks for this id knows them */
async function readExisting(store: Store, id: string, leaving: boolean): Promise<UserRecord> {
  store.witness.admit();
  const record = await store.read(id);
  if (record !== undefined && (!record.deleted || (leaving && record.unclaimed === true))) return record;
  // That somebody is not there is said only by data that is known to be the right one.
  await store.guard(() => store.witness.look());
  store.witness.admit();
  throw notFound(id);
}

function changeOf(
  record: UserRecord,
  attributes: UserAttributes,
  write: { what: string; deleted: boolean; context: WriteContext },
): Change {
  return {
    id: record.id,
    reference: record.reference,
    expected: record.generation,
    attributes,
    deleted: write.deleted,
    requestId: write.context.requestId,
    audit: auditOf(write.what, write.context, record, attributes, write.deleted),
  };
}

/** Tell what changed by attribute name; values stay out of the audit trail. */
function auditOf(what: string, context: WriteContext, before: UserRecord | undefined, after: UserAttributes, deleted: boolean) {
  const names = new Set([...Object.keys(before?.attributes ?? {}), ...Object.keys(after)]);
  const changed = [...names].filter((name) => !isDeepStrictEqual(before?.attributes[name], after[name]));
  return {
    kind: 'scim' as const,
    what,
    ...askedBy(context),
    changed,
    active: after.active && !deleted,
    wasActive: before === undefined ? null : before.attributes.active && !before.deleted,
  };
}

function after(
  base: UserRecord | undefined,
  change: Change,
  committed: Pick<UserRecord, 'generation' | 'modifiedAtMs' | 'createdAtMs' | 'leave'>,
): UserRecord {
  const record: UserRecord = {
    schemaVersion: SCHEMA_VERSION,
    settledGeneration: 0,
    open: [],
    ...base,
    ...committed,
    id: change.id,
    reference: change.reference,
    attributes: change.attributes,
    deleted: change.deleted,
    requestId: change.requestId,
  };
  delete record.run;
  delete record.unclaimed;
  if (committed.leave === undefined) delete record.leave;
  return record;
}

function takenUserName(): Error {
  return uniqueness('userName is already used by another person. Rename or delete that person first.');
}

/**
 * Redis may have done what it did not get to say: look once, so that a client is not told to repeat what is already so. A request id is the client's own
 * and may come with several requests, so what is there must be what was wanted, too.
 */
async function committedUnseen(store: Store, change: Change, error: unknown): Promise<Committed> {
  const record = error instanceof DirectoryUnavailable ? await store.read(change.id).catch(() => undefined) : undefined;
  const isNext = record?.requestId === change.requestId && record.generation === change.expected + 1;
  const isWanted = record?.deleted === change.deleted && isDeepStrictEqual(record.attributes, change.attributes);
  if (record !== undefined && isNext && isWanted) return { kind: 'ok', record };
  throw error;
}
