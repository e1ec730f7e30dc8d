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
  'letters that fold to many': `nobody eq "${'\uFDFA'.repeat(2_000)}"`,
  'a megabyte': 'userName eq "x" or '.repeat(50_000),
  'control characters': filled('\u0000'),
};
const DEAREST = `${'displayName co "\uFDFA\uFDFA\uFDFA\uFDFA\uFDFA" or '.repeat(24)}title pr`;

function cpuMsOf(run: () => void): number {
  const before = process.cpuUsage();
  for (let n = 0; n < TIMES; n += 1) run();
  const { user, system } = process.cpuUsage(before);
  return Number(((user + system) / 1_000 / TIMES).toFixed(3));
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
  return Object.entries({ ...HOSTILE, 'the dearest that is accepted': DEAREST })
    .map(([filter, text]) => ({ filter, chars: text.length, answer: answerTo(text), cpuMs: cpuMsOf(() => void answerTo(text)) }))
    .toSorted((a, b) => b.cpuMs - a.cpuMs);
}

if (import.meta.main) console.table(benchFilters());
