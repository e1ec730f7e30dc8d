/**
 * Owns what is written down of a survey while it runs, so that another process can go on at the next page, and the picture of it that people see.
 * Refuses to read anything from Maxio.
 */

export type SurveyWord = 'never' | 'wanted' | 'running' | 'done';
/** What is read; `events`: what happened meanwhile; `release`: the index is complete, what follows from it is not done yet. */
export type SurveyPhase = 'customers' | 'subscriptions' | 'events' | 'release';
export type PagedPhase = 'customers' | 'subscriptions';

/** The survey as people see it. */
export interface SurveyState {
  state: SurveyWord;
  phase: SurveyPhase | null;
  /** Rows read so far in a running survey, rows in the index after it. */
  customers: number;
  subscriptions: number;
  calls: number;
  /** From 0 to 1; estimated, since Maxio does not say how many customers there are. */
  progress: number;
  startedAt: string | null;
  finishedAt: string | null;
  /** Customers without a reference; `null` before the first survey has ended. */
  unreferenced: number | null;
  detail: string;
}

/** The survey as it is stored. */
export interface SurveyNotes {
  state: SurveyWord;
  phase: SurveyPhase;
  pass: number;
  /** The next page of a paged phase. */
  page: number;
  customers: number;
  subscriptions: number;
  calls: number;
  startedAtMs: number;
  finishedAtMs: number;
  /** Pages to be read once more, such as `customers:17`. */
  again: string[];
  /** How often pages had to be read once more. */
  repeats: number;
  /** Newest event known before the first page; '' when the site had none. */
  eventId: string;
  by: string;
  detail: string;
}

export function decodeNotes(fields: Record<string, string>): SurveyNotes {
  const number = (name: string): number => Number(fields[name] ?? 0);
  return {
    state: (fields.state as SurveyWord | undefined) ?? 'never',
    phase: (fields.phase as SurveyPhase | undefined) ?? 'customers',
    pass: number('pass'),
    page: number('page'),
    customers: number('customers'),
    subscriptions: number('subscriptions'),
    calls: number('calls'),
    startedAtMs: number('startedAtMs'),
    finishedAtMs: number('finishedAtMs'),
    again: fields.again ? (JSON.parse(fields.again) as string[]) : [],
    repeats: number('repeats'),
    eventId: fields.eventId ?? '',
    by: fields.by ?? '',
    detail: fields.detail ?? '',
  };
}

/** What there is to say while a survey has not ended. */
export const UNFINISHED: Record<Exclude<SurveyWord, 'done'>, string> = {
  never: 'This site has never been surveyed. Next: maxio-scim survey.',
  wanted: 'The survey begins within seconds, as soon as a worker runs, Maxio has confirmed the site and the site is not paused.',
  running: 'The survey is at work. It goes on by itself, also after a restart.',
};

/** Pages that a survey of unknown length is taken to have left. */
const PAGES_AHEAD = 10;

/** Estimate how far a survey is. Half of it is customers; a site is taken to have about as many subscriptions. */
export function progressOf(notes: SurveyNotes): number {
  if (notes.state === 'done') return 1;
  if (notes.state !== 'running') return 0;
  if (notes.phase === 'customers') return (0.5 * (notes.page - 1)) / (notes.page - 1 + PAGES_AHEAD);
  if (notes.phase === 'subscriptions') return 0.5 + 0.48 * Math.min(1, notes.subscriptions / Math.max(1, notes.customers));
  return 0.99;
}

/** How far Maxio's clock and Redis's may be apart, on top of Maxio's whole seconds. */
const CLOCK_SLACK_MS = 5_000;

/**
 * List the pages that may have lost a row. A page is cut by position, so a row that is deleted after page k was read and before k+1 was moves the first row
 * of k+1 to the end of k, where nobody looks any more. Reading k again finds it, as long as fewer rows than a page holds were deleted in all.
 * @param readAtMs when each page was read, page 1 first
 * @param deletedAtMs moments of the deletions
 */
export function pagesToRepeat(readAtMs: number[], deletedAtMs: number[], pageRows: number): number[] {
  const boundaries = readAtMs.slice(0, -1).map((_, i) => i);
  const all = deletedAtMs.length >= pageRows;
  const affected = boundaries.filter((i) => {
    const from = (readAtMs[i] ?? 0) - CLOCK_SLACK_MS;
    const to = (readAtMs[i + 1] ?? 0) + CLOCK_SLACK_MS;
    return deletedAtMs.some((at) => at >= from && at <= to);
  });
  return (all && affected.length > 0 ? readAtMs.map((_, i) => i) : affected).map((i) => i + 1);
}
