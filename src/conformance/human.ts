/**
 * Owns how a report looks on a terminal: by subject, what is missing first, colours only where they are wanted (NO_COLOR, pipes).
 * What a server has sent is stripped of control characters: an answer must not steer a terminal.
 */
import { styleText } from 'node:util';
import { GRADES, type Grade, type Subject } from './check.ts';
import type { Outcome, Report, Result } from './run.ts';

type Style = 'red' | 'yellow' | 'green' | 'bold' | 'dim';
export type Paint = (style: Style, text: string) => string;

const MARKS: Record<Result, string> = { passed: '✓', failed: '✗', 'not offered': '–', skipped: '·' };

/** Colours text where the stream takes colours. */
export function painter(stream: NodeJS.WriteStream): Paint {
  return (style, text) => styleText(style, text, { stream });
}

/** Replaces what could steer a terminal. */
export function plain(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, (character) =>
    character === '\n' ? '\n' : '?',
  );
}

/** Writes JSON that is safe on a terminal, too: what JSON leaves unescaped and a terminal obeys is escaped. */
export function json(value: unknown): string {
  const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value, null, 2).replaceAll(/[\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, escaped);
}

/** Writes the whole report. @param all checks that passed, too */
export function human(report: Report, subjects: readonly Subject[], paint: Paint, all: boolean): string {
  const lines = [paint('bold', `SCIM conformance of ${plain(report.url)}`), ''];
  for (const { name, title } of subjects) {
    const mine = report.outcomes.filter(({ subject }) => subject === name);
    if (mine.length === 0) continue;
    const passed = mine.filter(({ result }) => result === 'passed').length;
    lines.push(`${paint('bold', title)}  ${paint('dim', `${passed} of ${mine.length}`)}`);
    for (const outcome of all ? mine : mine.filter(({ result }) => result !== 'passed' && result !== 'skipped'))
      lines.push(row(outcome, paint));
  }
  const failed = report.outcomes.filter(({ failure }) => failure !== undefined);
  for (const outcome of failed) lines.push('', ...explain(outcome, paint));
  return [...lines, '', ...summary(report, paint)].join('\n');
}

function row({ id, grade, result, section, says, reason }: Outcome, paint: Paint): string {
  const text = `  ${MARKS[result]} ${grade.padEnd(6)} ${id.padEnd(28)} ${section.padEnd(19)} ${plain(reason ?? says)}`;
  if (result === 'failed') return paint(colourOf(grade), text);
  return result === 'passed' ? text : paint('dim', text);
}

function colourOf(grade: Grade): Style {
  return grade === 'MUST' ? 'red' : 'yellow';
}

/** Everything about one failure: what the section says, what was asked, expected and got. */
function explain({ id, grade, section, says, failure }: Outcome, paint: Paint): string[] {
  if (failure === undefined) return [];
  const part = (label: string, text: string): string[] =>
    text === '' ? [] : [`  ${label.padEnd(9)} ${plain(text).replaceAll('\n', '\n            ')}`];
  return [
    `${paint(colourOf(grade), `✗ ${id}`)}  ${grade}  ${section}`,
    ...part('says', says),
    ...part('expected', failure.expected),
    ...part('got', failure.got),
    ...part('request', failure.request),
    ...part('answer', failure.answer),
  ];
}

function summary(report: Report, paint: Paint): string[] {
  const lines = GRADES.map((grade) => {
    const { passed, failed, 'not offered': notOffered, skipped } = report.counts[grade];
    const text = `${grade.padEnd(6)} ${passed} met, ${failed} not met, ${notOffered} not offered${skipped > 0 ? `, ${skipped} skipped` : ''}`;
    return failed > 0 ? paint(colourOf(grade), text) : text;
  });
  if (report.brokenOff) lines.push(paint('red', 'The run was broken off: what was not tried is not judged.'));
  if (report.left.length > 0) lines.push(paint('red', 'Could not be removed:'), ...report.left.map((text) => `  ${plain(text)}`));
  const verdict = isMet(report) ? paint('green', 'Every MUST that was tried is met.') : paint('red', 'Not conformant.');
  return [...lines, `${verdict}  ${report.outcomes.length} checks in ${(report.ms / 1_000).toFixed(1)} s.`];
}

/** Tells whether nothing that had to be met was missed, and nothing is left behind. */
export function isMet(report: Report): boolean {
  return report.counts.MUST.failed === 0 && report.left.length === 0 && !report.brokenOff;
}

/** One line while checks run. */
export function progressLine(id: string, at: number, of: number, failed: number, columns: number): string {
  const text = `${String(at + 1).padStart(String(of).length)}/${of}  ${id}${failed > 0 ? `  (${failed} not met)` : ''}`;
  return text.slice(0, Math.max(20, columns - 1));
}

/** The checks themselves, without a run. */
export function catalogue(subjects: readonly Subject[], paint: Paint): string {
  return subjects
    .map(({ name, title, checks }) =>
      [
        paint('bold', `${title}  (--only ${name})`),
        ...checks.map(({ id, grade, section, says }) => `  ${grade.padEnd(6)} ${id.padEnd(28)} ${section.padEnd(19)} ${says}`),
      ].join('\n'),
    )
    .join('\n\n');
}
