/** Owns how spans, moments and people are written in messages. Refuses line breaks and control characters from outside. */
import { many } from '../figures.ts';
import type { Person } from './situation.ts';

/** How people are named, and where the pages are. */
export interface Wording {
  /** By userName; otherwise by id only. */
  names: boolean;
  /** `{PUBLIC_URL}/ops`. */
  opsUrl: string;
}

const NAMED_MAX = 5;

/** Make a text from outside harmless in a line: no control characters, no line or paragraph separators. */
export function plain(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
    .replace(/ {2,}/g, ' ')
    .trim();
}

/** Say a span of time in the unit a person would choose. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return many(seconds, 'second', 'seconds');
  if (seconds < 7_200) return `${Math.round(seconds / 60)} minutes`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} hours`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** Write a moment in UTC to the minute. */
export function moment(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** Name up to five people, and say how many there are. */
export function people(total: number, some: readonly Person[], { names }: Wording): string {
  const named = some.slice(0, NAMED_MAX).map(({ id, userName }) => plain(names ? userName : id).slice(0, 100));
  const count = many(total, 'person', 'people');
  if (named.length === 0) return `${count}.`;
  return named.length < total ? `${count}, among them ${named.join(', ')}.` : `${count}: ${named.join(', ')}.`;
}
