/**
 * Owns when a condition is told: once when it begins, again when it has grown, a reminder now and then, and that it is over. Level-triggered:
 * it looks only at what is true now and at what each channel has taken, so nothing is lost by a restart or an outage. Pure; the clock is handed in.
 * Each channel is counted by itself: one that was away is told later, and one that was not hears nothing twice.
 */
import { type Condition, REST_MS, TOPICS, type Topic } from './topics.ts';

export type TellingKind = 'open' | 'update' | 'reminder' | 'recovered';

export interface Told {
  sentAtMs: number;
  count: number;
  mark: number;
}

/** The story of one condition, as kept in Redis. */
export interface NoticeState {
  sinceMs: number;
  /** When this story began to be told of here: what it is about may have begun long before, and may end and come again with the same beginning. */
  seenMs?: number;
  /** Set while it is not seen; the story ends when it stays away. */
  goneMs?: number;
  /** What each channel has taken. */
  told: Record<string, Told>;
  /** Channels that did not take the last message. */
  failed: Record<string, { times: number; againAtMs: number }>;
  /** Whoever is sending; when it has died, the message is due again. */
  sending?: { by: string; untilMs: number };
}

export interface Due {
  channel: string;
  kind: TellingKind;
  /** When this channel has last taken something of this story; 0: never. */
  previousMs: number;
}

export interface Decision {
  /** What to keep; `undefined` when the story is over and told. */
  state: NoticeState | undefined;
  due: Due[];
}

const BACKOFF_FIRST_MS = 15_000;
const BACKOFF_MAX_MS = 600_000;
/** The end of a story that a channel does not take within a day is not news any more. */
const OWED_MAX_MS = 86_400_000;

export interface Moment {
  topic: Topic;
  condition: Condition | undefined;
  channels: readonly string[];
  nowMs: number;
}

/** Decide what each channel must be told now. */
export function decide(old: NoticeState | undefined, moment: Moment): Decision {
  const { condition, nowMs } = moment;
  // Somebody is at it; the state will be theirs.
  if (old?.sending !== undefined && old.sending.untilMs > nowMs) return { state: old, due: [] };
  if (condition !== undefined) return whileTrue(old, condition, moment);
  return old === undefined ? { state: undefined, due: [] } : whenGone(old, moment);
}

function whileTrue(old: NoticeState | undefined, condition: Condition, { topic, channels, nowMs }: Moment): Decision {
  const { lastsMs, remindMs, spareMs = 0 } = TOPICS[topic];
  // A moment that a clock which has since stepped back calls future is now.
  const begun: NoticeState = { sinceMs: Math.min(condition.sinceMs ?? nowMs, nowMs), seenMs: nowMs, told: {}, failed: {} };
  const { sending: _sending, goneMs: _gone, ...kept } = old ?? begun;
  const kindFor = (told: Told | undefined): TellingKind | undefined => {
    if (told === undefined) return nowMs - kept.sinceMs >= lastsMs ? 'open' : undefined;
    const grown = condition.mark > told.mark || condition.count >= 2 * told.count;
    if (grown && nowMs - told.sentAtMs >= spareMs) return 'update';
    return nowMs - told.sentAtMs >= remindMs ? 'reminder' : undefined;
  };
  return { state: kept, due: dueFor(kept, channels, nowMs, kindFor) };
}

function whenGone(old: NoticeState, { channels, nowMs }: Moment): Decision {
  const { sending: _sending, ...kept } = old;
  const state = { ...kept, goneMs: old.goneMs ?? nowMs };
  const goneForMs = nowMs - state.goneMs;
  if (goneForMs < REST_MS) return { state, due: [] };
  // A channel that never took the beginning hears of it with the end, once.
  const owed = channels.filter((name) => state.told[name] !== undefined || state.failed[name] !== undefined);
  if (owed.length === 0 || goneForMs > OWED_MAX_MS) return { state: undefined, due: [] };
  return { state, due: dueFor(state, owed, nowMs, () => 'recovered') };
}

function dueFor(
  state: NoticeState,
  channels: readonly string[],
  nowMs: number,
  kindFor: (told: Told | undefined) => TellingKind | undefined,
): Due[] {
  return channels.flatMap((channel) => {
    const told = state.told[channel];
    const kind = kindFor(told);
    if (kind === undefined || (state.failed[channel]?.againAtMs ?? 0) > nowMs) return [];
    return [{ channel, kind, previousMs: told?.sentAtMs ?? 0 }];
  });
}

export interface Sent extends Due {
  taken: boolean;
}

/** Note what each channel has taken. @returns `undefined` when the story is over and everybody knows */
export function afterSending(
  state: NoticeState,
  sent: readonly Sent[],
  { nowMs, condition }: Pick<Moment, 'nowMs' | 'condition'>,
): NoticeState | undefined {
  const told = { ...state.told };
  const failed = { ...state.failed };
  for (const { channel, kind, taken } of sent) {
    if (!taken) {
      const times = (failed[channel]?.times ?? 0) + 1;
      failed[channel] = { times, againAtMs: nowMs + Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (times - 1)) };
      continue;
    }
    delete failed[channel];
    const before = told[channel];
    // What was told once stays told: shrinking and growing again within one story is not news.
    const most = (now = 0, then = 0): number => Math.max(now, then);
    if (kind === 'recovered') delete told[channel];
    else
      told[channel] = {
        sentAtMs: nowMs,
        count: most(condition?.count, before?.count),
        mark: most(condition?.mark, before?.mark),
      };
  }
  const over = condition === undefined && Object.keys(told).length === 0 && Object.keys(failed).length === 0;
  return over ? undefined : { ...state, told, failed };
}
