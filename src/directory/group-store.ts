/**
 * Owns how groups live in Redis: one hash a group, its members in a sorted set, the names people know it by in one hash, and the scripts that keep
 * groups and the people in them in step. Every method is one round trip, a page or a look-up two. Refuses to know SCIM rules (groups.ts), and what a
 * membership is worth at Maxio (membership.lua).
 */
import { RedisScript } from '../redis-script.ts';
import { foldUserName } from '../scim/fold.ts';
import type { GroupAttributes } from '../scim/types.ts';
import type { AuditEntry } from './audit.ts';
import { decodeGroup, encodeGroup, type GroupLabel, type GroupRecord, labelOf } from './group-record.ts';
import { digest } from './keys.ts';
import { SCHEMA_VERSION } from './record.ts';
import type { Stretch, Weigh } from './shelf.ts';
import type { Store } from './store.ts';
import { type Kind, nextPlaces, type Place, type Places, placed, placesOf, weighed } from './stretch.ts';
import { DirectoryUnavailable } from './unavailable.ts';

const commitScript = new RedisScript(new URL('./group-commit.lua', import.meta.url));
const removeScript = new RedisScript(new URL('./group-remove.lua', import.meta.url));

/** What one script may do to one group: beyond it, Redis would answer nobody for too long. */
export const MEMBERS_MAX = 50_000;
/** Groups of one person; every change of one of them reads and writes the list. */
const GROUPS_OF_ONE_MAX = 1_000;
/** Their names stand in all that is known of them, which may be much. */
const MEMBERS_AT_ONCE = 200;
const GROUPS: Kind = { order: 'groupOrder', record: 'group' };

/** Who joins and who goes. With `replace` everybody goes whom `add` does not name, as the group stands when the change is made. */
export interface MemberDelta {
  replace: boolean;
  add: string[];
  remove: string[];
}

export interface GroupChange {
  id: string;
  /** The generation this change was decided on, 0 for a new group; left out where only people come and go, which needs no order. */
  expected?: number;
  /** Left out where they stay as they are. */
  attributes?: { all: GroupAttributes; extraSchemas: string[] };
  members: MemberDelta;
  /** A random word by which this very write is known again; request ids are the client's own, and one request may hold many writes. */
  write: string;
  requestId: string;
  audit: AuditEntry;
}

export type GroupCommitted =
  | { kind: 'ok' | 'same'; record: Pick<GroupRecord, 'generation' | 'modifiedAtMs' | 'createdAtMs' | 'size'>; ring: Rings }
  | { kind: 'moved' }
  | { kind: 'gone' }
  | { kind: 'taken' | 'nested' | 'many'; id: string }
  | { kind: 'unknown'; count: number; ids: string[] }
  | { kind: 'large' };

export type GroupRemoved = { kind: 'ok'; ring: Rings } | { kind: 'gone' } | { kind: 'moved' };

/** People for whom there is something to do at Maxio now. */
export type Rings = { id: string; lane: 'urgent' | 'normal' }[];

export class GroupStore {
  readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  /** Commit one change; see group-commit.lua for what is in it. */
  async commit(change: GroupChange): Promise<GroupCommitted> {
    const { id, expected, attributes, members, write, requestId } = change;
    const label = attributes === undefined ? undefined : labelOf(attributes.all);
    const head = {
      ...this.#standing(),
      id,
      ...(expected === undefined ? {} : { expected }),
      ...(label === undefined
        ? {}
        : { name: nameDigest(label.displayName), xi: label.externalId ? digest(label.externalId) : '' }),
      ...members,
      write,
      request: requestId,
      membersMax: MEMBERS_MAX,
      groupsMax: GROUPS_OF_ONE_MAX,
    };
    const stored = attributes === undefined ? '' : encodeGroup(attributes.all, attributes.extraSchemas);
    const words = [JSON.stringify(head), stored, JSON.stringify(label ?? {}), JSON.stringify(change.audit)];
    const [kind, ...rest] = await this.#run(commitScript, words);
    switch (kind) {
      case 'ok':
      case 'same': {
        const [generation, modifiedAtMs, createdAtMs, size, seq, tripped, ...rings] = rest;
        const numbers = { generation: Number(generation), modifiedAtMs: Number(modifiedAtMs), createdAtMs: Number(createdAtMs) };
        if (kind === 'ok') this.store.noted(Number(seq), tripped);
        return { kind, record: { ...numbers, size: Number(size) }, ring: ringsOf(rings) };
      }
      case 'moved':
      case 'gone':
      case 'large':
        return { kind };
      case 'taken':
      case 'nested':
      case 'many':
        return { kind, id: rest[0] ?? '' };
      case 'unknown':
        return { kind, count: Number(rest[0]), ids: rest.slice(1) };
      default:
        return await this.#refused(kind, rest[0]);
    }
  }

  /** Remove a group and every membership in it; see group-remove.lua. */
  async remove(id: string, expected: number | undefined, audit: AuditEntry): Promise<GroupRemoved> {
    const request = audit.requestId ?? '';
    const head = { ...this.#standing(), id, request, ...(expected === undefined ? {} : { expected }) };
    const [kind, ...rest] = await this.#run(removeScript, [JSON.stringify(head), JSON.stringify(audit)]);
    if (kind === 'moved' || kind === 'gone') return { kind };
    if (kind !== 'ok') return await this.#refused(kind, rest[0]);
    const [seq, tripped, ...rings] = rest;
    this.store.noted(Number(seq), tripped);
    return { kind, ring: ringsOf(rings) };
  }

  #standing() {
    const { epoch, seq } = this.store.witness.standing;
    return { version: SCHEMA_VERSION, guard: this.store.limits, epoch, seq };
  }

  async #run(script: RedisScript, words: string[]): Promise<string[]> {
    const { redis, prefix } = this.store;
    const answer = await this.store.guard(() => script.run(redis, prefix, ...words));
    return (answer as (string | number)[]).map(String);
  }

  async #refused(kind: string | undefined, version: string | undefined): Promise<never> {
    if (kind === 'lost') return await this.store.lost();
    throw new Error(`the group was written by a newer release (schema ${version}); upgrade this process`);
  }

  async read(id: string): Promise<GroupRecord | undefined> {
    return (await this.readAll([id]))[0];
  }

  /** Read many groups in one round trip, without their members; ids without a group are left out. */
  async readAll(ids: readonly string[]): Promise<GroupRecord[]> {
    const answers = await this.#pipeline(ids, (id) => ['hgetall', `${this.store.prefix}group:${id}`]);
    return answers.map((fields) => decodeGroup(fields as Record<string, string>)).filter((record) => record !== undefined);
  }

  async idsByName(displayName: string): Promise<string[]> {
    const { redis, prefix } = this.store;
    const id = await this.store.guard(() => redis.hget(`${prefix}groupNames`, nameDigest(displayName)));
    return id === null ? [] : [id];
  }

  async idsByExternalId(externalId: string): Promise<string[]> {
    const { redis, prefix } = this.store;
    return await this.store.guard(() => redis.smembers(`${prefix}groupExternalId:${digest(externalId)}`));
  }

  /** Find the groups of one person. @param userId as a client has sent it */
  async idsByMember(userId: string): Promise<string[]> {
    const text = await this.store.guard(() => this.store.redis.hget(this.store.userKey(userId), 'groups'));
    return text === null ? [] : (JSON.parse(text) as string[]);
  }

  /** @param after only those that come behind this sequence number */
  async count(after?: number): Promise<number> {
    const { redis, prefix } = this.store;
    const order = `${prefix}groupOrder`;
    return await this.store.guard(() => (after === undefined ? redis.zcard(order) : redis.zcount(order, `(${after}`, '+inf')));
  }

  /** Page through groups in order of creation. @param start zero-based rank */
  async page(start: number, count: number, weigh?: Weigh): Promise<Stretch<GroupRecord>> {
    if (count <= 0) return { rows: [], next: undefined };
    return await this.#stretch(await nextPlaces(this.store, GROUPS, { rank: start, count }), weigh);
  }

  /** Walk through groups from a sequence number on. */
  async pageAfter(after: number, count: number, weigh?: Weigh): Promise<Stretch<GroupRecord>> {
    return await this.#stretch(await nextPlaces(this.store, GROUPS, { after, count }), weigh);
  }

  async #stretch({ places, next }: Places, weigh?: Weigh): Promise<Stretch<GroupRecord>> {
    return { rows: placed(places, await this.readAll(weighed(places, weigh))), next };
  }

  /** Tell the place of each group in the order of creation. */
  async placesOf(ids: readonly string[]): Promise<Place[]> {
    return await placesOf(this.store, GROUPS, ids);
  }

  /** What groups are known by; one round trip, and none for nobody. Ids without a group are left out. */
  async labels(ids: readonly string[]): Promise<Map<string, GroupLabel>> {
    if (ids.length === 0) return new Map();
    const { redis, prefix } = this.store;
    const found = await this.store.guard(() => redis.hmget(`${prefix}groupLabels`, ...ids));
    return new Map(
      ids.flatMap((id, at) => {
        const text = found[at];
        return text === null || text === undefined ? [] : [[id, JSON.parse(text) as GroupLabel] as const];
      }),
    );
  }

  /** The members of groups, in order of joining. One round trip for all of them. */
  async members(ids: readonly string[]): Promise<Map<string, string[]>> {
    const lists = await this.#pipeline(ids, (id) => ['zrange', `${this.store.prefix}members:${id}`, '0', '-1']);
    return new Map(ids.map((id, at) => [id, lists[at] as string[]]));
  }

  /** What people are called, for showing them as members. Whoever is not there any more is left out. */
  async names(userIds: readonly string[]): Promise<Map<string, string>> {
    const names = new Map<string, string>();
    for (let first = 0; first < userIds.length; first += MEMBERS_AT_ONCE) {
      const some = userIds.slice(first, first + MEMBERS_AT_ONCE);
      const found = await this.#pipeline(some, (id) => ['hget', this.store.userKey(id), 'attrs']);
      for (const [at, text] of found.entries()) {
        if (typeof text !== 'string') continue;
        const { displayName, userName } = JSON.parse(text) as { displayName?: unknown; userName: string };
        names.set(some[at] ?? '', typeof displayName === 'string' ? displayName : userName);
      }
    }
    return names;
  }

  async #pipeline(ids: readonly string[], command: (id: string) => [string, ...string[]]): Promise<unknown[]> {
    if (ids.length === 0) return [];
    const replies = await this.store.guard(async () => (await this.store.redis.pipeline(ids.map(command)).exec()) ?? []);
    return replies.map(([error, answer]) => {
      if (error) throw new DirectoryUnavailable('the directory could not be read', 10, { cause: error });
      return answer;
    });
  }
}

function nameDigest(displayName: string): string {
  return digest(foldUserName(displayName));
}

function ringsOf(words: readonly string[]): Rings {
  return words.flatMap((lane, at) =>
    at % 2 === 0 ? [{ id: words[at + 1] ?? '', lane: lane === 'urgent' ? ('urgent' as const) : ('normal' as const) }] : [],
  );
}
