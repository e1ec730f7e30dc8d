/**
 * Measures what it costs to refuse a filter: the worst that fit into the limits and beyond, each by its own share of the processor, and the dearest that
 * is accepted beside them. Nobody may keep the other sites waiting by a filter. Asserts nothing. Run: `npx node test/bench/filters.ts`.
 */
import { ScimError } from '../../src/scim/error.ts';
import { matches, parseFilter } from '../../src/scim/filter.ts';

const TIMES = 200;
const LONGEST = 2_048;

interface FilterFigures {
  filter: string;
  chars: number;
  answer: string;
  /** Of the first time, as whoever asks once would have it. */
  firstCpuMs: number;
  cpuMs: number;
}

const filled = (part: string, end = ''): string => part.repeat(Math.floor((LONGEST - end.length) / part.length)) + end;

const HOSTILE: Record<string, string> = {
  'nothing but quotes': '"'.repeat(LONGEST),
  'a quote that never ends': `userName eq "${'\\"'.repeat(1_000)}`,
  'nothing but backslashes': `userName eq "${'\\'.repeat(2_000)}`,
  'nothing but spaces': `${' '.repeat(LONGEST)}x`,
  'nothing but brackets': '('.repeat(LONGEST),
  'brackets that do not match': filled('(['),
  'not of not': filled('not '),
  'more conditions than may be': filled('a pr or ', 'a pr'),
  'as many conditions as may be, the last one wrong': `${'title pr or '.repeat(24)}title xx 1`,
  'as deep as may be, and unknown': `${'('.repeat(10)}nobody eq "x"${')'.repeat(10)}`,
  'one name without an end': 'a'.repeat(LONGEST),
  'a URN without an end': `${filled('urn:')}`,
  'a path without an end': filled('a.'),
  'a date that is none': `meta.created gt "${'9'.repeat(2_000)}"`,
  'letters that fold to many, then a wrong name': `title co "${'\uFDFA'.repeat(1_900)}" and nobody eq 1`,
  'many marks on one letter, then a wrong name': `title co "a${'\u0301\u0323'.repeat(950)}" and nobody eq 1`,
  'both as names may have them, then a wrong name': `title co "${'\uFDFA'.repeat(950)}" or title co "a${'\u0301\u0323'.repeat(470)}" or nobody eq 1`,
  'a megabyte': 'userName eq "x" or '.repeat(50_000),
  'control characters': filled('\u0000'),
};
const DEAREST: Record<string, string> = {
  'accepted: as many conditions as may be': `${'displayName co "\uFDFA\uFDFA\uFDFA\uFDFA\uFDFA" or '.repeat(24)}title pr`,
  'accepted: letters that fold to many': `title co "${'\uFDFA'.repeat(1_000)}" or title co "${'\uFDFA'.repeat(1_000)}"`,
  'accepted: many marks on one letter': `title co "a${'\u0301\u0323'.repeat(500)}" or title co "a${'\u0301\u0323'.repeat(500)}"`,
};

function cpuMsOf(run: () => void, times: number): number {
  const before = process.cpuUsage();
  for (let n = 0; n < times; n += 1) run();
  const { user, system } = process.cpuUsage(before);
  return Number(((user + system) / 1_000 / times).toFixed(3));
}

function answerTo(text: string): string {
  try {
    return `accepted, ${String(matches(parseFilter(text), { displayName: 'Ann' }))}`;
  } catch (error) {
    if (!(error instanceof ScimError)) throw error;
    return `${error.status} ${error.scimType}`;
  }
}

/** The dearest first. */
export function benchFilters(): FilterFigures[] {
  return Object.entries({ ...HOSTILE, ...DEAREST })
    .map(([filter, text]) => {
      const run = (): void => void answerTo(text);
      const firstCpuMs = cpuMsOf(run, 1);
      return { filter, chars: text.length, answer: answerTo(text), firstCpuMs, cpuMs: cpuMsOf(run, TIMES) };
    })
    .toSorted((a, b) => b.cpuMs - a.cpuMs);
}

if (import.meta.main) console.table(benchFilters());
