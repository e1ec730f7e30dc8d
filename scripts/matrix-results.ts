/**
 * Owns the results of tests as the fault matrix shows them: read from a JSON report of vitest, or from the page as the last recorded run has left it.
 * Refuses to know which faults there are (matrix.ts).
 */
import { readFileSync } from 'node:fs';

/** A test as it is listed; the names of a table may hold placeholders. */
export interface Listed {
  file: string;
  title: string;
}

export interface Ran {
  /** As the machine that ran it named it. */
  path: string;
  title: string;
  status: string;
}

export interface Recorded {
  /** Which command, and when; `undefined` before the first one. */
  run: string | undefined;
  resultOf: (test: Listed) => string;
}

export const PASSED = 'passed';
const NOT_RUN = 'not run';
const RUN = /^Results: (`[^`]+`, [\d-]+ [\d:]+ UTC)/m;

interface VitestReport {
  startTime: number;
  testResults: { name: string; assertionResults: { ancestorTitles: string[]; title: string; status: string }[] }[];
}

/** Reads what `vitest --reporter=json --outputFile.json=FILE` has written. */
export function readReport(file: string): { startedMs: number; ran: Ran[] } {
  const { startTime, testResults } = JSON.parse(readFileSync(file, 'utf8')) as VitestReport;
  const ran = testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.map(({ ancestorTitles, title, status }) => ({
      path: name,
      title: [...ancestorTitles, title].join(' > '),
      status,
    })),
  );
  return { startedMs: startTime, ran };
}

/** Results of one run, for tests by file and name. */
export function reported(file: string, command: string): Recorded {
  const { startedMs, ran } = readReport(file);
  const when = new Date(startedMs).toISOString().slice(0, 16).replace('T', ' ');
  return {
    run: `\`${command}\`, ${when} UTC`,
    resultOf: (test) => {
      const pattern = patternOf(test.title);
      return together(
        ran
          .filter(({ path, title }) => path.endsWith(`/${test.file}`) && (pattern.test(title) || isCutShort(title, test.title)))
          .map(({ status }) => status),
      );
    },
  };
}

/** Results that a page shows, for tests that are still there under the same name. */
export function remembered(page: string): Recorded {
  const shown = new Map(
    [...page.matchAll(/^\| [^|]*\| ([^|]*) \| ([^|]*)\|$/gm)].map(([, test = '', result = '']) => [test, result]),
  );
  return {
    run: RUN.exec(page)?.[1],
    resultOf: (test) => shown.get(testCell(test))?.trim() || NOT_RUN,
  };
}

/** What several results come to: a failure is never hidden by the others. */
export function together(results: readonly string[]): string {
  const failed = results.filter((result) => result.includes('failed')).length;
  if (failed > 0) return results.length === 1 ? '**failed**' : `**failed** (${failed} of ${results.length})`;
  if (results.length === 0 || results.includes(NOT_RUN)) return NOT_RUN;
  return results.includes(PASSED) ? PASSED : 'skipped';
}

/** How a test stands in its cell: its name looks like no markup. */
export function testCell({ file, title }: Listed): string {
  const plain = title.replaceAll(/[|<>`*_[\]]/g, (character) => (character === '>' ? '›' : character === '|' ? '/' : ' '));
  return `${plain} (\`${file}\`)`;
}

/** The page as the names of the tests make it: results are of one run. */
export function withoutResults(page: string): string {
  return page.replaceAll(/^Results: .*$/gm, 'Results:').replaceAll(/ \| [^|\n]*\|$/gm, ' | |');
}

/** A report cuts long values of a table short, with an ellipsis: what comes before it must be how the name begins. */
function isCutShort(reportedTitle: string, title: string): boolean {
  const cut = reportedTitle.indexOf('…');
  return cut > 0 && title.startsWith(reportedTitle.slice(0, cut));
}

/** The names that a name with placeholders stands for; what stands in brackets at the end of a table's name is not listed. */
function patternOf(title: string): RegExp {
  const parts = title
    .replaceAll('\\"', '"')
    .split(/%[a-zA-Z]|\$\{[^}]*\}|\$[\w.]+/)
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(String.raw`^${parts.join('.*')}( \(.*\))?$`, 's');
}
