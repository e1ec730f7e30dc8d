/**
 * Owns what a message says, before any channel shapes it: one condition, told in one of a few manners, as plain lines without control characters.
 * Refuses secrets by construction: it is built from conditions, which hold words of our own, ids, figures and, where allowed, userNames.
 */
import { createHash } from 'node:crypto';
import type { Due, NoticeState } from './notice-state.ts';
import { type Condition, type Severity, TOPICS, type Topic } from './topics.ts';
import { moment, plain, span } from './words.ts';

export interface Message {
  site: string;
  /** Whether Maxio calls it a test site; `undefined` before first contact. */
  test: boolean | undefined;
  topic: Topic | 'test';
  state: 'open' | 'update' | 'reminder' | 'recovered' | 'test';
  severity: Severity;
  title: string;
  what: string;
  who: string;
  todo: string;
  /** The page that goes through it step by step. */
  runbook?: string;
  sinceMs: number;
  atMs: number;
  /** The same for every message of one story. */
  thread: string;
  /** The same again when a message is repeated because nobody knows whether it was taken. */
  id: string;
}

export interface Telling {
  site: string;
  test: boolean | undefined;
  topic: Topic;
  condition: Condition | undefined;
  state: NoticeState;
  due: Due;
  nowMs: number;
}

/** Write the message about one condition for one channel. */
export function messageOf({ site, test, topic, condition, state, due, nowMs }: Telling): Message {
  const { sinceMs, seenMs = 0 } = state;
  const thread = digest(site, topic, String(sinceMs), String(seenMs));
  const common = { site, test, topic, state: due.kind, sinceMs, atMs: nowMs, thread };
  const id = due.previousMs === 0 ? thread : digest(thread, due.kind, String(due.previousMs));
  if (condition === undefined || due.kind === 'recovered') {
    const endMs = state.goneMs ?? nowMs;
    const lasted = `It had been so since ${moment(sinceMs)} and lasted ${span(endMs - sinceMs)}.`;
    const what = `${TOPICS[topic].over} ${lasted}`;
    return { ...common, id, severity: 'info', title: `over: ${topic}`, what, who: 'Nobody any more.', todo: 'Nothing.' };
  }
  const { severity, title, what, who, todo } = condition;
  const { runbook } = TOPICS[topic];
  return { ...common, id, severity, title: plain(title), what: plain(what), who: plain(who), todo: plain(todo), runbook };
}

/** Write a message that proves that a channel works. */
export function testMessage(site: string, test: boolean | undefined, by: string, nowMs: number): Message {
  const thread = digest(site, 'test', String(nowMs));
  return {
    site,
    test,
    topic: 'test',
    state: 'test',
    severity: 'info',
    title: 'test message',
    what: `${plain(by)} has asked for this message, to see that it arrives. Nothing has happened.`,
    who: 'Nobody.',
    todo: 'Nothing.',
    sinceMs: nowMs,
    atMs: nowMs,
    thread,
    id: thread,
  };
}

const MANNERS: Record<Message['state'], string> = { open: '', update: 'more: ', reminder: 'still: ', recovered: '', test: '' };

/** One line without the site: what, in which manner, and whether it matters only for tests. */
export function headline({ test, state, title }: Message): string {
  return `${MANNERS[state]}${title}${test === true ? ' (test site)' : ''}`;
}

/** The whole message in lines of plain text. */
export function linesOf(message: Message): string[] {
  const { what, who, todo, runbook, state, sinceMs } = message;
  if (state === 'recovered' || state === 'test') return [what];
  const page = runbook === undefined ? [] : [`Step by step: ${runbook}`];
  return [what, `Affected: ${who}`, `To do: ${todo}`, ...page, `Since: ${moment(sinceMs)}`];
}

function digest(...parts: string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 32);
}
