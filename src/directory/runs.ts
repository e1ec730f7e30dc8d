/**
 * Owns what a run may write: the per-person lease, closed steps, the end of a run, and the lists that operators and the sweep read.
 * Refuses to know what a run does. Everything but plain reads is fenced by the lease, so a run that was paused too long changes nothing.
 */
import { randomUUID } from 'node:crypto';
import { RedisScript } from '../redis-script.ts';
import { type AuditEntry, decodeAudit, type StoryEntry } from './audit.ts';
import { type Backlog, readBacklog } from './backlog.ts';
import { LOSS_FIELDS, lossOf } from './data-loss.ts';
import type { LeaveState, MaxioLink, OpenStep, RunState, UserRecord } from './record.ts';
import { monthlyCentsOf, SCHEMA_VERSION } from './record.ts';
import { decodeRecord } from './record-codec.ts';
import { milliseconds } from './redis-time.ts';
import { type Mode, modeOf } from './site-mode.ts';
import type { Store } from './store.ts';
import { DirectoryUnavailable } from './unavailable.ts';

const takeScript = new RedisScript(new URL('./lease-take.lua', import.meta.url));
const giveScript = new RedisScript(new URL('./lease-give.lua', import.meta.url));
const recordStepScript = new RedisScript(new URL('./record-step.lua', import.meta.url));
const finishScript = new RedisScript(new URL('./finish.lua', import.meta.url));
const retryScript = new RedisScript(new URL('./retry.lua', import.meta.url));
const replanScript = new RedisScript(new URL('./replan.lua', import.meta.url));
const tellScript = new RedisScript(new URL('./tell.lua', import.meta.url));
const sweepScript = new RedisScript(new URL('./sweep.lua', import.meta.url));
const RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) else return 0 end";

export interface Lease {
  id: string;
  key: string;
  token: string;
  /** How many have taken the right to act for this person and never given it back, since the person last came to an end. */
  unfinished: number;
  /** The last one before was one of them. */
  abandoned: boolean;
}

export interface Finish {
  generation: number;
  /** What was decided about the leave when the run began. */
  leave?: LeaveState | undefined;
  /** Groups give products here, so a run that settles has carried out every loss that it may. */
  losses?: boolean;
  /** Without the two times, which the script takes from Redis. */
  run: Omit<RunState, 'atMs' | 'nextAttemptAtMs'>;
  waitMs?: number;
  audit?: AuditEntry;
  /** Hash fields that must still be so, or the run has to begin anew before it can settle or park anybody. */
  restsOn?: { key: string; field: string; equals: string | undefined }[];
}

export type Finished = { kind: 'ok'; dirtySinceMs: number; nowMs: number } | { kind: 'fenced' } | { kind: 'moved' };

/** Where the sweep goes on: it walks through everybody, and faster through those who should stop being billed. */
export interface SweepFrom {
  everybody: number;
  leavers: number;
}

interface SweptPerson {
  id: string;
  lane: 'urgent' | 'normal';
}

/** What a run begins from, read at one moment. */
export interface Beginning {
  record: UserRecord | undefined;
  /** `undefined` before first contact: then nothing may be done. */
  mode: Mode | undefined;
  /** Redis TIME. */
  nowMs: number;
  /** When somebody left last, whoever it was. */
  lastLossMs: number | undefined;
  /** When it was noticed last that data of this site was lost or set back; `undefined`: it never was. */
  dataLossAtMs: number | undefined;
}

export class Runs {
  readonly #store: Store;
  readonly #leaseMs: number;

  constructor(store: Store, options: { leaseMs: number }) {
    this.#store = store;
    this.#leaseMs = options.leaseMs;
  }

  /** Take the right to act for one person; `undefined` when somebody else has it. */
  async lease(id: string): Promise<Lease | undefined> {
    const { redis, prefix } = this.#store;
    const lease = { id, key: `${prefix}lease:${id}`, token: randomUUID() };
    const [taken, unfinished, abandoned] = (await takeScript.run(redis, prefix, id, lease.token, this.#leaseMs)) as [
      number,
      number,
      number,
    ];
    return taken === 0 ? undefined : { ...lease, unfinished, abandoned: abandoned === 1 };
  }

  /** @returns false when the lease was lost */
  async renew(lease: Lease): Promise<boolean> {
    return (await this.#store.redis.eval(RENEW, 1, lease.key, lease.token, this.#leaseMs)) === 1;
  }

  /** @param ended the person has come to an end: what went wrong on the way is over */
  async release(lease: Lease, ended = false): Promise<void> {
    await giveScript.run(this.#store.redis, this.#store.prefix, lease.id, lease.token, ended ? '1' : '0');
  }

  /** Read what a run begins from, in one round trip. */
  async begin(id: string): Promise<Beginning> {
    const { redis, prefix, witness } = this.#store;
    const before = witness.standing;
    const replies = await this.#store.guard(() =>
      redis
        .pipeline()
        .hgetall(this.#store.userKey(id))
        .hget(`${prefix}mode`, 'mode')
        .hget(`${prefix}guard`, 'lastLossMs')
        .time()
        .hmget(`${prefix}site`, 'epoch', ...LOSS_FIELDS)
        .hget(`${prefix}auditClock`, 'seq')
        .exec(),
    );
    const failed = replies?.find(([error]) => error !== null)?.[0];
    if (replies === null || failed) throw new DirectoryUnavailable('the directory could not be read', 10, { cause: failed });
    const [record, mode, lastLoss, time, site, seq] = replies.map(([, value]) => value);
    // Other data than this process knows is taken for a site that nobody has met: nothing may be done.
    const agreed = witness.agrees(before, (site as string[])[0], seq as string | null);
    return {
      record: decodeRecord(record as Record<string, string>),
      mode: agreed ? modeOf(mode as string | null) : undefined,
      nowMs: milliseconds(time as [string, string]),
      lastLossMs: lastLoss === null ? undefined : Number(lastLoss),
      dataLossAtMs: lossOf((site as string[]).slice(1)),
    };
  }

  /**
   * Close a step after its answer.
   * @returns what is wanted of the person by now, or `undefined` when the lease was lost; then the step stays open and is observed later
   */
  async recordStep(
    lease: Lease,
    step: { generation: number; link: MaxioLink | undefined; open: OpenStep[]; audit?: AuditEntry },
  ): Promise<'active' | 'inactive' | undefined> {
    const link = step.link === undefined ? 'null' : JSON.stringify(step.link);
    const audit = step.audit === undefined ? '' : JSON.stringify(step.audit);
    const { redis, prefix } = this.#store;
    const answer = await recordStepScript.run(
      redis,
      prefix,
      lease.id,
      lease.token,
      link,
      JSON.stringify(step.open),
      audit,
      step.generation,
      monthlyCentsOf(step.link),
      SCHEMA_VERSION,
    );
    return answer === 0 ? undefined : answer === 2 ? 'active' : 'inactive';
  }

  /** Append an audit entry that comes with no other change. */
  async tell(id: string, generation: number, audit: AuditEntry): Promise<void> {
    await tellScript.run(this.#store.redis, this.#store.prefix, id, generation, JSON.stringify(audit));
  }

  /** End a run; see finish.lua. */
  async finish(lease: Lease, end: Finish): Promise<Finished> {
    const { redis, prefix } = this.#store;
    const answer = (await finishScript.run(
      redis,
      prefix,
      lease.id,
      lease.token,
      end.generation,
      end.run.outcome,
      JSON.stringify(end.run),
      end.waitMs === undefined ? '' : Math.ceil(end.waitMs),
      end.audit === undefined ? '' : JSON.stringify(end.audit),
      end.leave === undefined || end.leave === 'free' ? '' : end.leave,
      end.losses === true ? '1' : '',
      ...(end.restsOn ?? []).flatMap(({ key, field, equals }) => [key, field, equals ?? '']),
    )) as [string, string | number, string | number];
    if (answer[0] === 'ok') return { kind: 'ok', dirtySinceMs: Number(answer[1]), nowMs: Number(answer[2]) };
    return { kind: answer[0] === 'fenced' ? 'fenced' : 'moved' };
  }

  /** List people who should have a bell by now. @param ageMs how long they must have been dirty */
  async sweepable(ageMs: number, most: number, from: SweepFrom): Promise<{ next: SweepFrom; people: SweptPerson[] }> {
    const answer = (await sweepScript.run(
      this.#store.redis,
      this.#store.prefix,
      ageMs,
      most,
      from.everybody,
      from.leavers,
      this.#store.witness.standing.epoch,
    )) as [number, number, ...string[]];
    const people: SweptPerson[] = [];
    for (let i = 2; i + 1 < answer.length; i += 2) {
      people.push({ id: String(answer[i]), lane: answer[i + 1] === 'urgent' ? 'urgent' : 'normal' });
    }
    return { next: { everybody: Number(answer[0]), leavers: Number(answer[1]) }, people };
  }

  /** Make a parked person dirty again. @returns false when nobody of that id is parked @throws NewerRelease */
  async retry(id: string, audit: AuditEntry): Promise<boolean> {
    await this.#store.read(id);
    return (await retryScript.run(this.#store.redis, this.#store.prefix, id, JSON.stringify(audit))) === 1;
  }

  /**
   * Plan for somebody again who has settled, generation unchanged.
   * @param belief what is to be believed of Maxio from now on, under the person's lease; absent: what is known stays
   * @returns why not, when not: newer intent or a lost lease, a run that will look anyway, or a leave that is not acted on
   */
  async replan(
    record: Pick<UserRecord, 'id' | 'generation'>,
    belief: { link: MaxioLink; lease: Lease } | undefined,
    audit: AuditEntry,
  ): Promise<'done' | 'moved' | 'pending' | 'held' | 'exempt'> {
    const { redis, prefix } = this.#store;
    const link = belief === undefined ? '' : JSON.stringify(belief.link);
    const token = belief?.lease.token ?? '';
    return (await this.#store.guard(() =>
      replanScript.run(redis, prefix, record.id, record.generation, link, token, JSON.stringify(audit), SCHEMA_VERSION),
    )) as 'done' | 'moved' | 'pending' | 'held' | 'exempt';
  }

  /** List the ids of parked people, longest parked first. */
  async parked(start: number, count: number): Promise<string[]> {
    if (count <= 0) return [];
    return await this.#store.redis.zrange(`${this.#store.prefix}parked`, String(start), String(start + count - 1));
  }

  async backlog(): Promise<Backlog> {
    return await readBacklog(this.#store);
  }

  /** Read the audit entries of one person, oldest first. */
  async story(id: string): Promise<StoryEntry[]> {
    const { redis, prefix } = this.#store;
    const entryIds = await redis.lrange(`${prefix}story:${id}`, 0, -1);
    if (entryIds.length === 0) return [];
    const pipeline = redis.pipeline();
    for (const entryId of entryIds) pipeline.xrange(`${prefix}audit`, entryId, entryId);
    const replies = (await pipeline.exec()) ?? [];
    return replies.flatMap(([, rows]) => (rows as [string, string[]][]).map(([, fields]) => decodeAudit(fields)));
  }

  /** Read Redis TIME, the only clock that spans processes. */
  async nowMs(): Promise<number> {
    return milliseconds(await this.#store.redis.time());
  }
}
