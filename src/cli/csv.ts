/**
 * Owns the tables that go through a spreadsheet and come back: written so that no cell is taken for a formula, read as Excel and its cousins save them
 * (BOM, semicolons, CRLF, columns in another order or added). Refuses to guess: a column that is missing is named, a row that is broken is numbered.
 * RFC 4180; OWASP "CSV Injection".
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { CsvError, parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';
import { CliError } from './ask.ts';

export interface CsvRow {
  /** Line of the file, counted from 1; the head is line 1. */
  line: number;
  cells: Record<string, string>;
}

const BYTES_MAX = 256 * 1024 * 1024;
const SEPARATORS = [',', ';', '\t'] as const;

/** Writes a table to a file, or to stdout for `-`. @throws CliError */
export function writeCsv(path: string, columns: readonly string[], rows: readonly (string | number | null)[][]): void {
  const text = stringify([[...columns], ...rows.map((row) => row.map((cell) => cell ?? ''))], {
    escape_formulas: true,
    record_delimiter: 'windows',
  });
  if (path === '-') {
    process.stdout.write(text);
    return;
  }
  try {
    // Names of people are in it, so nobody else on this machine needs to read it. With a BOM Excel takes it for UTF-8.
    writeFileSync(path, `\uFEFF${text}`, { mode: 0o600 });
  } catch (error) {
    throw new CliError('broken', `${path} cannot be written (${codeOf(error)}).`, 'Check the folder and its permissions.');
  }
}

/** Reads a file. @throws CliError */
export function readText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path === '-' ? 0 : path);
  } catch (error) {
    throw new CliError('broken', `${path} cannot be read (${codeOf(error)}).`, 'Check the path and its permissions.');
  }
  if (bytes.length > BYTES_MAX) throw new CliError('broken', `${path} is too large.`, 'Split it.');
  if (bytes[0] === 0xff || bytes[0] === 0xfe || bytes.includes(0)) {
    throw new CliError('broken', `${path} is not UTF-8 text.`, 'Save it as "CSV UTF-8", not as a workbook or as Unicode text.');
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new CliError('broken', `${path} is not UTF-8 text.`, 'Save it as "CSV UTF-8".');
  }
}

/** Reads a table with at least the given columns. @throws CliError naming the columns that are missing or the line that is broken */
export function readCsv(path: string, wanted: readonly string[]): CsvRow[] {
  const text = readText(path);
  const head = text.slice(0, text.search(/[\r\n]|$/));
  const names = (cells: string[]): string[] => cells.map((cell) => cell.trim().toLowerCase().replaceAll(/[ -]/g, '_'));
  let missing: string[] = [...wanted];
  try {
    const rows = parse(text, {
      delimiter: separatorOf(head),
      columns: (cells: string[]) => {
        const found = names(cells);
        missing = wanted.filter((name) => !found.includes(name));
        // Later columns of the same name would win silently; an added column has no name to be trusted.
        return found.map((name, at) => (name === '' || found.indexOf(name) !== at ? false : name));
      },
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      skip_records_with_empty_values: true,
      trim: true,
    }) as unknown as { info: { lines: number }; record: Record<string, string | undefined> }[];
    if (missing.length === 0) {
      return rows.map(({ info, record }) => ({
        line: info.lines,
        cells: Object.fromEntries(Object.entries(record).map(([name, cell]) => [name, unescaped(cell ?? '')])),
      }));
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const { lines } = error as CsvError & { lines?: number };
    throw new CliError(
      'broken',
      `${path} is not a readable CSV${lines === undefined ? '' : ` at line ${lines}`} (${error.code}).`,
      'Look for a quotation mark that is not closed; then save it again from the spreadsheet.',
    );
  }
  throw new CliError(
    'broken',
    `${path} lacks the column${missing.length === 1 ? '' : 's'} ${missing.join(', ')}.`,
    'Keep the head line as it was written; columns may be moved or added.',
  );
}

/** Takes back the apostrophe with which a formula is kept from being one: a reference may begin with a dash, and must come back as it was written. */
function unescaped(cell: string): string {
  return cell.replace(/^'(?=[=+\-@\t\r])/, '');
}

/** Excel separates by the list separator of the country, so the head line decides. */
function separatorOf(head: string): string {
  const counts = SEPARATORS.map((separator) => ({ separator, count: head.split(separator).length - 1 }));
  return counts.reduce((best, each) => (each.count > best.count ? each : best)).separator;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown';
}
