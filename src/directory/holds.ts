/**
 * Owns the leaves that the guard has held: who they are, what an operator decides about each, and the numbers the guard goes by.
 * Refuses to hold anybody (commit.lua does, in the step that makes the leave) and to judge who may decide (ops). Nothing here releases itself.
 */
import type { GuardLimits } from '../config.ts';
import { RedisScript } from '../redis-script.ts';
import type { Store } from './store.ts';

const decideScript = new RedisScript(new URL('./decide-hold.lua', import.meta.url));
const stateScript = new RedisScript(new URL('./guard-state.lua', import.meta.url));

const LOSERS_AT_ONCE = 1_000;

export interface Decider {
  /** Name of the operator, for the audit trail. */
  by: string;
  requestId: string;
}

export interface GuardState {
  held: number;
  exempt: number;
  /** What the held people bring in a month, in cents. */
  heldCents: number;
  trippedAtMs?: number;
  /** `hour`, `day` or `revenue`. */
  why?: string;
  activePeople: number;
  /** What the people who are active bring in a month, in cents. */
  activeCents: number;
  lossesHour: number;
  lossesDay: number;
  /** More leavers than this within the time trip the guard. */
  limitHour: number;
  limitDay: number;
}

export class Holds {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** List the ids of people whose leave is held, longest held first. */
  async list(start: number, count: number): Promise<string[]> {
    return await this.#page('held', start, count);
  }

  /** List the ids of people whose leave is not to be acted on, longest decided first. */
  async exempt(start: number, count: number): Promise<string[]> {
    return await this.#page('exempt', start, count);
  }

  /**
   * Decide about one leave, audited. Repeating it, at once or from elsewhere, has no second effect.
   * @returns `done`: ring for the person after an approval, or the sweep will
   * @throws NewerRelease when only a newer release can tell what would be decided
   */
  async decide(id: string, decision: 'approve' | 'reject', { by, requestId }: Decider): Promise<'done' | 'already' | 'not-held'> {
    await this.#store.read(id);
    const audit = JSON.stringify({ kind: 'operator', what: `${decision}-leave`, actor: by, requestId });
    const { redis, prefix } = this.#store;
    return (await this.#store.guard(() => decideScript.run(redis, prefix, id, decision, by, audit))) as
      | 'done'
      | 'already'
      | 'not-held';
  }

  /** List the ids of people to whom the loss of a product is still to be applied: they stay, so they are among everybody who is dirty. */
  async losers(): Promise<string[]> {
    const { redis, prefix } = this.#store;
    const dirty = await this.#store.guard(() => redis.zrange(`${prefix}dirty`, '0', '-1'));
    const found: string[] = [];
    for (let at = 0; at < dirty.length; at += LOSERS_AT_ONCE) {
      const some = dirty.slice(at, at + LOSERS_AT_ONCE);
      const reads = some.map((id): [string, ...string[]] => ['hget', `${prefix}user:${id}`, 'leaveWhat']);
      const replies = (await this.#store.guard(() => redis.pipeline(reads).exec())) ?? [];
      found.push(...some.filter((_, n) => replies[n]?.[1] === 'product'));
    }
    return found;
  }

  async state(): Promise<GuardState> {
    const { redis, prefix, limits } = this.#store;
    const answer = (await this.#store.guard(() => stateScript.run(redis, prefix))) as (number | string)[];
    const number = (at: number): number => Number(answer[at] || 0);
    const [activePeople, lossesHour, lossesDay] = [number(2), number(3), number(4)];
    return {
      held: number(0),
      exempt: number(1),
      heldCents: number(7),
      ...(answer[5] ? { trippedAtMs: number(5), why: String(answer[6]) } : {}),
      activePeople,
      activeCents: number(8),
      lossesHour,
      lossesDay,
      limitHour: limitOf(limits, limits.hourPercent, activePeople + lossesHour),
      limitDay: limitOf(limits, limits.dayPercent, activePeople + lossesDay),
    };
  }

  async #page(list: 'held' | 'exempt', start: number, count: number): Promise<string[]> {
    if (count <= 0) return [];
    const { redis, prefix } = this.#store;
    return await this.#store.guard(() => redis.zrange(`${prefix}${list}`, String(start), String(start + count - 1)));
  }
}

function limitOf({ floor }: GuardLimits, percent: number, people: number): number {
  return Math.max(floor, Math.floor((percent * people) / 100));
}
