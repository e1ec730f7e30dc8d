/**
 * Guarantees that the fault matrix in docs/reliability.md is the one that the names of the tests make, that every fault has a test or a reason, and that a
 * result is shown for what it is: of the run that was recorded, and never better than its worst part.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { remembered, reported, testCell, withoutResults } from '../../../scripts/matrix-results.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'matrix-test-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function matrix(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/matrix.ts', ...args], { cwd: ROOT, encoding: 'utf8' });
  return { status, stdout, stderr };
}

/** A report as vitest writes it, of another checkout. */
function report(results: Record<string, string>): string {
  const file = join(folder, 'report.json');
  const assertionResults = Object.entries(results).map(([title, status]) => ({ ancestorTitles: ['a group'], title, status }));
  const testResults = [{ name: '/elsewhere/test/faults/some.test.ts', assertionResults }];
  writeFileSync(file, JSON.stringify({ startTime: Date.UTC(2026, 10, 21, 17, 30), testResults }));
  return file;
}

test('docs/reliability.md shows the tests as they are, and no fault without a test or a reason', { timeout: 60_000 }, () => {
  expect(matrix()).toEqual({ status: 0, stdout: '', stderr: '' });
});

test('a run is told in one line: what failed, what was skipped and what is missing', { timeout: 60_000 }, () => {
  const told = matrix(
    '--report',
    report({ 'F01 one': 'passed', 'F02 F03 two': 'failed', 'F03 three': 'passed', 'F04 four': 'skipped' }),
  );
  expect(told.stdout).toMatch(
    /^matrix of docs\/reliability\.md: 1 of \d+ ids passed; failed: F02 F03; not run: F05 [F0-9AB ]+; skipped: F04\nmatrix of docs\/security\.md: 0 of [^\n]+\n$/,
  );
  expect(told.status).toBe(1);
});

test('a run without a failure is none, and neither is a failure that is about no fault', { timeout: 60_000 }, () => {
  const told = matrix('--report', report({ 'F01 one': 'passed', 'of no fault': 'failed' }));
  expect(told.stdout).toMatch(/^matrix of docs\/reliability\.md: 1 of \d+ ids passed; not run: /);
  expect(told.status).toBe(0);
});

test('results stay on the page for tests that keep their name, and are no part of what it is compared by', () => {
  const file = 'test/faults/some.test.ts';
  const tests = ['F01 one', 'F02 a row of %s and $what', 'F03 three'].map((title) => ({ file, title: `a group > ${title}` }));
  const run = reported(
    report({
      'F01 one': 'passed',
      'F01 one more': 'failed',
      'F02 a row of a and b (c)': 'passed',
      'F02 a row of b and c': 'failed',
    }),
    'npm test',
  );
  const results = ['passed', '**failed** (1 of 2)', 'not run'];
  expect(tests.map(run.resultOf)).toEqual(results);
  const rows = tests.map((each) => `|  | ${testCell(each)} | ${run.resultOf(each)} |`);
  const page = [`Results: ${run.run}: 1 of 3 faults passed.`, '', ...rows].join('\n');
  expect(run.run).toBe('`npm test`, 2026-11-21 17:30 UTC');
  expect(remembered(page).run).toBe(run.run);
  expect(tests.map(remembered(page).resultOf)).toEqual(results);
  expect(remembered(page).resultOf({ file, title: 'a group > F01 renamed' })).toBe('not run');
  expect(withoutResults(page)).toBe(withoutResults(page.replaceAll('passed', 'failed')));
  expect(withoutResults(page)).not.toBe(withoutResults(page.replace('F01', 'F09')));
});
