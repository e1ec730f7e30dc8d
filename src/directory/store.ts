/**
 * Owns how records live in Redis: one hash per person, the indexes, and the scripts that keep them consistent. Every method is one round trip
 * (pages and index look-ups: two). Refuses to know SCIM rules (users.ts) and what a run does (provisioning).
 * A Redis that is away, full or read-only surfaces as `DirectoryUnavailable`: then nothing was acknowledged.
 */
import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { GuardLimits } from '../config.ts';
import { isRedisAway } from '../redis.ts';
import { RedisScript } from '../redis-script.ts';
import { foldEmail, foldUserName } from '../scim/fold.ts';
import type { UserAttributes } from '../scim/types.ts';
import type { AuditEntry } from './audit.ts';
import { digest, sitePrefix } from './keys.ts';
import { NewerRelease } from './newer-release.ts';
import { SCHEMA_VERSION, type UserRecord } from './record.ts';
import { decodeLeave, decodeRecord } from './record-codec.ts';
import type { Stretch, Weigh } from './shelf.ts';
import { type Kind, nextPlaces, type Place, type Places, placed, placesOf, weighed } from './stretch.ts';
import { DirectoryUnavailable } from './unavailable.ts';
import { Witness } from './witness.ts';

const commitScript = new RedisScript(new URL('./commit.lua', import.meta.url));
const countActiveScript = new RedisScript(new URL('./count-active.lua', import.meta.url));
const COUNT_PAGE = 500;
const PEOPLE: Kind = { order: 'order', record: 'user' };

export interface Change {
  id: string;
  /** The generation this change was made from; 0 for a new person. */
  expected: number;
  reference: string;
  attributes: UserAttributes;
  deleted: boolean;
  requestId: string;
  audit: AuditEntry;
}

export type Committed =
  | { kind: 'ok'; record: Pick<UserRecord, 'generation' | 'modifiedAtMs' | 'createdAtMs' | 'leave'> }
  | { kind: 'moved' }
  | { kind: 'taken'; what: 'userName' | 'reference'; id: string };

export interface StoreOptions {
  backlogLimit: number;
  /** From when on leaving is held; counted and decided in the commit itself, so that no replica can miss another's leavers. */
  guard: GuardLimits;
  /** Told when a commit of this process is the one by which the guard trips. */
  onTrip?: (why: string) => void;
  /** Told when a newer release turns out to have written to this site. */
  onNewer?: (schema: number) => void;
}

export class Store {
  readonly prefix: string;
  readonly redis: Redis;
  readonly limits: GuardLimits;
  /** What this process knows of the data itself. */
  readonly witness: Witness;
  readonly #options: StoreOptions;

  constructor(redis: Redis, siteKey: string, options: StoreOptions) {
    this.redis = redis;
    this.prefix = sitePrefix(siteKey);
    this.limits = options.guard;
    this.witness = new Witness(redis, siteKey, options.onNewer);
    this.#options = options;
  }

  userKey(id: string): string {
    return `${this.prefix}user:${id}`;
  }

  /** Commit one change of desired state; see commit.lua for what is in it. */
  async commit(change: Change): Promise<Committed> {
    const { attributes } = change;
    const externalId = externalIdOf(attributes);
    const head = {
      id: change.id,
      expected: change.expected,
      reference: change.reference,
      un: digest(foldUserName(attributes.userName)),
      xi: externalId === undefined ? '' : digest(externalId),
      em: emailsOf(attributes).map((address) => digest(foldEmail(address))),
      active: attributes.active,
      deleted: change.deleted,
      subject: randomUUID(),
      request: change.requestId,
      version: SCHEMA_VERSION,
      backlogLimit: this.#options.backlogLimit,
      guard: this.limits,
      epoch: this.witness.standing.epoch,
      seq: this.witness.standing.seq,
    };
    const answer = await this.guard(() =>
      commitScript.run(this.redis, this.prefix, JSON.stringify(head), JSON.stringify(attributes), JSON.stringify(change.audit)),
    );
    const [kind, first, second, third, ...rest] = answer as [string, ...(string | number)[]];
    switch (kind) {
      case 'ok': {
        const [leaveAt, hold, note, tripped, seq] = rest.map(String);
        this.noted(Number(seq), tripped);
        const leave = decodeLeave(leaveAt, hold, note);
        const times = { generation: Number(first), modifiedAtMs: Number(second), createdAtMs: Number(third) };
        return { kind, record: leave === undefined ? times : { ...times, leave } };
      }
      case 'moved':
        return { kind };
      case 'taken':
        return { kind, what: first as 'userName' | 'reference', id: String(second) };
      case 'full':
        throw new DirectoryUnavailable(`the backlog limit of ${first} people is reached`, 60);
      case 'lost':
        return await this.lost();
      default:
        throw new NewerRelease(Number(first));
    }
  }

  /** After a script has committed: what the trail has come to, and by which limit the guard has tripped, if it has. */
  noted(seq: number, tripped: string | undefined): void {
    this.witness.noted(seq);
    if (tripped) this.#options.onTrip?.(tripped);
  }

  /** The data is not what this process knew: whoever asked comes back when it is clear what became of it. */
  async lost(): Promise<never> {
    await this.guard(() => this.witness.look());
    this.witness.admit();
    throw new DirectoryUnavailable('the data of this site was set back or replaced', 5);
  }

  /** Read one record, tombstones included. */
  async read(id: string): Promise<UserRecord | undefined> {
    return (await this.readAll([id]))[0];
  }

  /** Read many records in one round trip; ids without a record are left out. */
  async readAll(ids: string[]): Promise<UserRecord[]> {
    if (ids.length === 0) return [];
    const replies = await this.guard(async () => {
      const pipeline = this.redis.pipeline();
      for (const id of ids) pipeline.hgetall(this.userKey(id));
      return (await pipeline.exec()) ?? [];
    });
    const records: UserRecord[] = [];
    for (const [error, fields] of replies) {
      if (error) throw new DirectoryUnavailable('the directory could not be read', 10, { cause: error });
      const record = decodeRecord(fields as Record<string, string>);
      if (record) records.push(record);
    }
    return records;
  }

  async idsByUserName(userName: string): Promise<string[]> {
    const id = await this.guard(() => this.redis.hget(`${this.prefix}userNames`, digest(foldUserName(userName))));
    return id === null ? [] : [id];
  }

  /** Tombstones included. */
  async idsByExternalId(externalId: string): Promise<string[]> {
    return await this.guard(() => this.redis.smembers(`${this.prefix}externalId:${digest(externalId)}`));
  }

  async idsByEmail(address: string): Promise<string[]> {
    return await this.guard(() => this.redis.smembers(`${this.prefix}email:${digest(foldEmail(address))}`));
  }

  async findByUserName(userName: string): Promise<UserRecord | undefined> {
    return (await this.readAll(await this.idsByUserName(userName)))[0];
  }

  async findByReference(reference: string): Promise<UserRecord | undefined> {
    const id = await this.guard(() => this.redis.hget(`${this.prefix}references`, reference));
    return id === null ? undefined : await this.read(id);
  }

  /** Find everyone who carries this externalId, tombstones included. */
  async findByExternalId(externalId: string): Promise<UserRecord[]> {
    return await this.readAll(await this.idsByExternalId(externalId));
  }

  async findByEmail(address: string): Promise<UserRecord[]> {
    return await this.readAll(await this.idsByEmail(address));
  }

  /** Count people who are not deleted. @param after only those who come behind this sequence number */
  async count(after?: number): Promise<number> {
    const order = `${this.prefix}order`;
    return await this.guard(() =>
      after === undefined ? this.redis.zcard(order) : this.redis.zcount(order, `(${after}`, '+inf'),
    );
  }

  /** Page through people who are not deleted, in order of creation. @param start zero-based rank */
  async page(start: number, count: number, weigh?: Weigh): Promise<Stretch<UserRecord>> {
    if (count <= 0) return { rows: [], next: undefined };
    return await this.#stretch(await nextPlaces(this, PEOPLE, { rank: start, count }), weigh);
  }

  /** Tell the place of each person in the order of lists and pages, without tombstones and strangers. */
  async placesOf(ids: string[]): Promise<Place[]> {
    return await placesOf(this, PEOPLE, ids);
  }

  /** Walk through people who are not deleted, from a sequence number on. */
  async pageAfter(after: number, count: number, weigh?: Weigh): Promise<Stretch<UserRecord>> {
    return await this.#stretch(await nextPlaces(this, PEOPLE, { after, count }), weigh);
  }

  async #stretch({ places, next }: Places, weigh?: Weigh): Promise<Stretch<UserRecord>> {
    return { rows: placed(places, await this.readAll(weighed(places, weigh))), next };
  }

  /** Count who is active, once, where an earlier release has left data that nobody has counted. Commits at the same time are right by themselves. */
  async countActive(): Promise<void> {
    const flag = [`${this.prefix}guard`, 'activeCounted'] as const;
    if ((await this.guard(() => this.redis.hget(...flag))) === '1') return;
    let last = '0';
    for (;;) {
      const rows = await this.guard(() =>
        this.redis.zrangebyscore(`${this.prefix}order`, `(${last}`, '+inf', 'WITHSCORES', 'LIMIT', 0, COUNT_PAGE),
      );
      if (rows.length === 0) break;
      const ids = rows.filter((_, i) => i % 2 === 0);
      await this.guard(() => countActiveScript.run(this.redis, this.prefix, ...ids));
      last = rows.at(-1) ?? last;
    }
    await this.guard(() => this.redis.hset(flag[0], flag[1], '1'));
  }

  /** Turn every failure of Redis into the one error the edge knows how to answer. */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof DirectoryUnavailable || isDefect(error)) throw error;
      throw new DirectoryUnavailable('the directory could not be reached', 10, { cause: error });
    }
  }
}

/** A script or command that Redis calls wrong is a defect of ours: telling the client to come back would never cure it. */
function isDefect(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError' && !isRedisAway(error);
}

export function externalIdOf(attributes: UserAttributes): string | undefined {
  const value = attributes.externalId;
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** List the e-mail addresses of a person as they were sent. */
export function emailsOf(attributes: UserAttributes): string[] {
  const emails = attributes.emails;
  if (!Array.isArray(emails)) return [];
  const addresses: string[] = [];
  for (const email of emails) {
    const value =
      typeof email === 'string'
        ? email
        : email !== null && typeof email === 'object' && !Array.isArray(email)
          ? email.value
          : undefined;
    if (typeof value === 'string' && value !== '' && !addresses.includes(value)) addresses.push(value);
  }
  return addresses;
}
