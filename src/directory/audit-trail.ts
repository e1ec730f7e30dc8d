/**
 * Owns where the sealed audit trail of a site lives in Redis: the stream that the scripts write, the hash of every entry, up to where it is sealed and exported,
 * and what may be forgotten. Refuses files and rhythm (survey/audit-care.ts), and to mend: an entry that a hand has taken away stays a gap.
 */
import { randomUUID } from 'node:crypto';
import { auditText, type ChainPoint, foundBefore, genesisOf, hashOf, readSealed, sealedLine } from '../audit-chain.ts';
import { RedisScript } from '../redis-script.ts';
import type { Store } from './store.ts';

const sealScript = new RedisScript(new URL('./audit-seal.lua', import.meta.url));
const giveScript = new RedisScript(new URL('./give-subjects.lua', import.meta.url));
const trimScript = new RedisScript(new URL('./audit-trim.lua', import.meta.url));

const BATCH = 500;
const DAY_MS = 86_400_000;
/** Without a copy elsewhere Redis is where an auditor has to look. */
export const KEPT_DAYS = 400;
export const KEPT_EXPORTED_DAYS = 30;

export interface AuditHead {
  /** Where the chain that is here begins: entries up to it were exported, or forgotten. */
  base: ChainPoint;
  /** The last entry that is sealed. */
  sealed: ChainPoint;
  sealedAtMs: number;
  /** The last number given away; those after `sealed` are sealed within seconds. */
  seq: number;
  exportedSeq: number;
}

export interface AuditPage {
  lines: string[];
  /** Stream id of the last of them, behind which the next page begins; `undefined` where there is none. */
  last: string | undefined;
}

export interface NamedSubject {
  subject: string;
  id: string;
  userName: string;
  externalId: string | null;
  deleted: boolean;
}

export class AuditTrail {
  readonly #store: Store;
  readonly #siteKey: string;

  constructor(store: Store, siteKey: string) {
    this.#store = store;
    this.#siteKey = siteKey;
  }

  get siteKey(): string {
    return this.#siteKey;
  }

  async head(): Promise<AuditHead> {
    const { redis, prefix } = this.#store;
    const [seal, seq] = await this.#store.guard(() =>
      Promise.all([redis.hgetall(`${prefix}auditSeal`), redis.hget(`${prefix}auditClock`, 'seq')]),
    );
    const genesis = genesisOf(this.#siteKey);
    const base = seal.baseHash === undefined ? genesis : { seq: Number(seal.baseSeq), hash: seal.baseHash };
    return {
      base,
      sealed: seal.hash === undefined ? base : { seq: Number(seal.seq), hash: seal.hash },
      sealedAtMs: Number(seal.atMs ?? 0),
      seq: Number(seq ?? 0),
      exportedSeq: Number(seal.exportedSeq ?? 0),
    };
  }

  /** Seal a batch. @returns how many, and whether there may be more */
  async seal(): Promise<{ sealed: number; more: boolean }> {
    const { redis, prefix } = this.#store;
    const [last = null, hash = null] = await this.#store.guard(() => redis.hmget(`${prefix}auditSeal`, 'entry', 'hash'));
    const rows = await this.#rows(last ?? '', '+', BATCH);
    const first = rows[0];
    if (first === undefined) return { sealed: 0, more: false };
    // The first entry that is still here; what an earlier release has forgotten before it is not missing.
    const begin = { seq: auditText(first[1]).seq - 1, hash: genesisOf(this.#siteKey).hash };
    let before = hash ?? begin.hash;
    const chain: (string | number)[] = [];
    let seq = begin.seq;
    for (const [, fields] of rows) {
      const { text, seq: own, entry } = auditText(fields);
      // After data was set back the chain goes on behind what was left of it, which is what is sealed here; where nothing was left it begins anew.
      before = hashOf(foundBefore(entry) === 0 ? begin.hash : before, text);
      seq = own;
      chain.push(own, before);
    }
    const words = [last ?? '', rows.at(-1)?.[0] ?? '', seq, before, begin.seq, begin.hash, ...chain];
    const mine = await this.#store.guard(() => sealScript.run(redis, prefix, ...words));
    return { sealed: mine === 1 ? rows.length : 0, more: rows.length === BATCH };
  }

  /** Sealed lines in order. @param after '' to begin, else `last` of the page before */
  async page(after: string, most: number): Promise<AuditPage> {
    const { redis, prefix } = this.#store;
    const upTo = await this.#store.guard(() => redis.hget(`${prefix}auditSeal`, 'entry'));
    if (upTo === null) return { lines: [], last: undefined };
    const rows = await this.#rows(after, upTo, most);
    if (rows.length === 0) return { lines: [], last: undefined };
    const texts = rows.map(([, fields]) => auditText(fields));
    const hashes = await this.#store.guard(() => redis.hmget(`${prefix}auditChain`, ...texts.map(({ seq }) => String(seq))));
    const lines = texts.map(({ text }, at) => sealedLine(text, hashes[at] ?? '0'.repeat(64)));
    return { lines, last: rows.at(-1)?.[0] };
  }

  /** A file holds everything up to this entry. */
  async exported({ seq }: ChainPoint, entryId: string): Promise<void> {
    const { redis, prefix } = this.#store;
    await this.#store.guard(() => redis.hset(`${prefix}auditSeal`, { exportedSeq: seq, exportedEntry: entryId }));
  }

  /** From which stream id the next export goes on, '' from the beginning. */
  async exportedEntry(): Promise<string> {
    const { redis, prefix } = this.#store;
    return (await this.#store.guard(() => redis.hget(`${prefix}auditSeal`, 'exportedEntry'))) ?? '';
  }

  /** The point after which the lines behind a stream id begin. */
  async pointAt(entryId: string): Promise<ChainPoint> {
    const { redis, prefix } = this.#store;
    if (entryId === '') return (await this.head()).base;
    const seq = Number(entryId.slice(entryId.indexOf('-') + 1));
    const hash = await this.#store.guard(() => redis.hget(`${prefix}auditChain`, String(seq)));
    return hash === null ? (await this.head()).base : { seq, hash };
  }

  /** Forget what is older than 30 days and exported, or than 400 days. @returns how many */
  async trim(nowMs: number): Promise<number> {
    const { redis, prefix } = this.#store;
    const exported = await this.exportedEntry();
    const exportedMs = exported === '' ? 0 : Number(exported.slice(0, exported.indexOf('-')));
    const beforeMs = Math.max(nowMs - KEPT_DAYS * DAY_MS, Math.min(nowMs - KEPT_EXPORTED_DAYS * DAY_MS, exportedMs));
    return Number(await this.#store.guard(() => trimScript.run(redis, prefix, `${Math.max(0, beforeMs)}-0`, BATCH)));
  }

  /** Give everybody the word by which the trail names them, once, where an earlier release has left people without. @returns the cursor, '0' when that was all */
  async giveSubjects(cursor: string): Promise<string> {
    const { redis, prefix } = this.#store;
    return await this.#store.guard(async () => {
      const [next, flat] = await redis.hscan(`${prefix}references`, cursor, 'COUNT', BATCH);
      const ids = [...new Set(flat.filter((_text, at) => at % 2 === 1))];
      if (ids.length > 0) await giveScript.run(redis, prefix, ...ids.flatMap((id) => [id, randomUUID()]));
      return next;
    });
  }

  /** Whose word a subject is, a page of people. Whoever was erased is nobody's any more. @param cursor '0' to begin; '0' in the answer: that was all */
  async people(cursor: string): Promise<{ next: string; people: NamedSubject[] }> {
    const { redis, prefix } = this.#store;
    return await this.#store.guard(async () => {
      const [next, flat] = await redis.hscan(`${prefix}references`, cursor, 'COUNT', BATCH);
      const ids = [...new Set(flat.filter((_text, at) => at % 2 === 1))];
      const fields = ['subject', 'attrs', 'deleted'] as const;
      const replies = (await redis.pipeline(ids.map((id) => ['hmget', this.#store.userKey(id), ...fields])).exec()) ?? [];
      const people = replies.flatMap(([error, values], at): NamedSubject[] => {
        const [subject = null, attrs = null, deleted] = error ? [] : (values as (string | null)[]);
        if (subject === null || attrs === null) return [];
        const { userName, externalId } = JSON.parse(attrs) as { userName: string; externalId?: unknown };
        const named = typeof externalId === 'string' ? externalId : null;
        return [{ subject, id: ids[at] ?? '', userName, externalId: named, deleted: deleted === '1' }];
      });
      return { next, people };
    });
  }

  async #rows(after: string, upTo: string, most: number): Promise<[string, string[]][]> {
    const { redis, prefix } = this.#store;
    const from = after === '' ? '-' : `(${after}`;
    return await this.#store.guard(() => redis.xrange(`${prefix}audit`, from, upTo, 'COUNT', most));
  }
}

/** The point that a sealed line stands for. */
export function pointOf(line: string): ChainPoint {
  const read = readSealed(line);
  if (read === undefined) throw new Error('an entry of the audit trail is not sealed');
  return { seq: read.seq, hash: read.hash };
}
