/**
 * Owns how much a site still has to do: how many people wait, for what, and since when. One round trip. Refuses to say how long it will take (ops/estimate.ts).
 */
import { milliseconds } from './redis-time.ts';
import { type Mode, modeOf } from './site-mode.ts';
import type { Store } from './store.ts';

export interface Backlog {
  pending: number;
  urgent: number;
  parked: number;
  /** Leaves that wait for a decision, and those decided never to be acted on. */
  held: number;
  exempt: number;
  /** Of the pending ones, those who wait for a moment: a grace, calm, another try. */
  waiting: number;
  mode: Mode | undefined;
  /** Age of the oldest acknowledged change that Maxio has not seen yet, 0 when there is none. */
  oldestPendingMs: number;
  oldestUrgentMs: number;
}

export async function readBacklog(store: Store): Promise<Backlog> {
  const { redis, prefix } = store;
  const replies = await redis
    .pipeline()
    .zcard(`${prefix}dirty`)
    .zcard(`${prefix}urgent`)
    .zcard(`${prefix}parked`)
    .zrange(`${prefix}dirty`, '0', '0', 'WITHSCORES')
    .zrange(`${prefix}urgent`, '0', '0', 'WITHSCORES')
    .time()
    .zcard(`${prefix}held`)
    .zcard(`${prefix}exempt`)
    .hget(`${prefix}mode`, 'mode')
    .zcard(`${prefix}due`)
    .exec();
  const value = (i: number): unknown => replies?.[i]?.[1];
  const nowMs = milliseconds(value(5) as [string, string]);
  const age = (i: number): number => {
    const score = (value(i) as string[])[1];
    return score === undefined ? 0 : Math.max(0, nowMs - Number(score));
  };
  return {
    pending: Number(value(0)),
    urgent: Number(value(1)),
    parked: Number(value(2)),
    held: Number(value(6)),
    exempt: Number(value(7)),
    waiting: Number(value(9)),
    mode: modeOf(value(8) as string | null),
    oldestPendingMs: age(3),
    oldestUrgentMs: age(4),
  };
}
