/**
 * Owns how text gets onto a terminal: columns, bars, time spans, colour only where it is wanted (NO_COLOR, pipes). Pure, except for asking
 * whether stdout is a terminal. Whatever came from a directory is stripped of control characters: a userName must not steer a terminal.
 */
import { styleText } from 'node:util';

type Style = 'red' | 'yellow' | 'green' | 'cyan' | 'bold' | 'dim';

export interface Cell {
  text: string;
  style?: Style | undefined;
  right?: boolean;
}

const GAP = '  ';
const BAR_CELLS = 12;

/** Colours a text where stdout takes colours. */
export function paint(style: Style | undefined, text: string): string {
  return style === undefined ? text : styleText(style, text, { stream: process.stdout });
}

/** Replaces what could steer a terminal, or turn the direction of writing. */
export function plain(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '?');
}

/** Writes JSON that is safe on a terminal too; what JSON leaves unescaped and a terminal obeys is escaped. */
export function json(value: unknown): string {
  const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value, null, 2).replaceAll(/[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, escaped);
}

/** Lays out rows in columns. */
export function table(rows: Cell[][]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach(({ text }, column) => {
      widths[column] = Math.max(widths[column] ?? 0, text.length);
    });
  }
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const fill = ' '.repeat((widths[column] ?? 0) - cell.text.length);
        const text = paint(cell.style, cell.text);
        return cell.right ? fill + text : text + fill;
      })
      .join(GAP)
      .trimEnd(),
  );
}

/** Lays out rows under a head. @param right the columns that hold numbers */
export function grid(head: string[], rows: Cell[][], right: number[] = []): string[] {
  const aligned = rows.map((row) => row.map((cell, at) => (right.includes(at) ? { ...cell, right: true } : cell)));
  return table([head.map((text, at): Cell => ({ text, style: 'dim', right: right.includes(at) })), ...aligned]);
}

/** Draws how full something is. */
export function bar(used: number, limit: number): string {
  const share = limit > 0 ? Math.min(1, Math.max(0, used / limit)) : 0;
  const full = used > 0 ? Math.max(1, Math.round(share * BAR_CELLS)) : 0;
  return '█'.repeat(full) + '░'.repeat(BAR_CELLS - full);
}

/** Says a time span in the unit a person would choose. */
export function span(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** Breaks a text into lines of at most `width` characters at blanks. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
