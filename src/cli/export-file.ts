/**
 * Owns the file of an export: written beside its place and moved there when it is whole, readable by its owner only, packed where its name ends in .gz;
 * and read with the proof that nothing of it is missing. Refuses to know what a row means.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { CliError } from './ask.ts';

export interface ExportEnd {
  kind: 'end';
  people: number;
  rows: number;
  /** Of everything before, line by line with its line feed. */
  sha256: string;
}

interface ExportFile {
  head: object;
  rows: string[];
  people: number;
}

/** Writes an export as it comes. @returns what the last line says */
export async function writeExport(path: string, lines: AsyncIterable<string>): Promise<ExportEnd> {
  const sum = new Sum();
  const put = path === '-' ? toOutput : opened(path);
  try {
    for await (const line of lines) {
      sum.add(line);
      put.line(line);
    }
    const end = sum.end();
    put.line(JSON.stringify(end));
    put.done();
    return end;
  } catch (error) {
    put.drop();
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof CliError || code === undefined) throw error;
    throw new CliError('broken', `${path} cannot be written (${code}).`, 'Check the folder, its permissions and its room.');
  }
}

/** Writes lines that are all there, as an export is written. */
export function writeLines(path: string, lines: readonly string[]): void {
  const put = path === '-' ? toOutput : opened(path);
  try {
    for (const line of lines) put.line(line);
    put.done();
  } catch (error) {
    put.drop();
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new CliError('broken', `${path} cannot be written (${code}).`, 'Check the folder, its permissions and its room.');
  }
}

const toOutput = { line: (text: string) => void process.stdout.write(`${text}\n`), done: () => {}, drop: () => {} };

function opened(path: string): typeof toOutput {
  const unfinished = `${path}.unfinished`;
  let file: number;
  try {
    // One that is left from before would keep its own permissions.
    rmSync(unfinished, { force: true });
    file = openSync(unfinished, 'wx', 0o600);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new CliError('broken', `${path} cannot be written (${code}).`, 'Check the folder and its permissions.');
  }
  // Packed piece by piece: several packed pieces after one another are one packed file.
  const packed = path.endsWith('.gz');
  let waiting: string[] = [];
  const flush = (): void => {
    const bytes = Buffer.from(waiting.join(''), 'utf8');
    writeSync(file, packed ? gzipSync(bytes) : bytes);
    waiting = [];
  };
  return {
    line(text) {
      waiting.push(`${text}\n`);
      if (waiting.length >= LINES_AT_ONCE) flush();
    },
    done() {
      flush();
      closeSync(file);
      renameSync(unfinished, path);
    },
    drop() {
      closeSync(file);
      rmSync(unfinished, { force: true });
    },
  };
}

const LINES_AT_ONCE = 1_000;

/** The sum that the service makes of its own exports, too. */
class Sum {
  readonly #hash = createHash('sha256');
  #rows = 0;
  #people = 0;

  add(line: string): void {
    this.#hash.update(`${line}\n`, 'utf8');
    this.#rows += 1;
    if (line.startsWith('{"kind":"user"')) this.#people += 1;
  }

  end(): ExportEnd {
    return { kind: 'end', people: this.#people, rows: this.#rows, sha256: this.#hash.digest('hex') };
  }
}

/** Reads an export. @throws CliError when it is not whole, or is no export */
export function readExport(path: string): ExportFile {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path === '-' ? 0 : path);
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) bytes = gunzipSync(bytes);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new CliError(
      'broken',
      `${path} cannot be read (${code}).`,
      'Check the path and its permissions, or take an older export.',
    );
  }
  const lines = bytes
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '');
  const sum = new Sum();
  for (const line of lines.slice(0, -1)) sum.add(line);
  const [head, end] = [jsonOf(lines[0]), jsonOf(lines.at(-1))];
  const { sha256, people } = sum.end();
  if (head.kind !== 'head' || end.kind !== 'end' || end.sha256 !== sha256) {
    throw new CliError(
      'broken',
      `${path} is not a whole export: it was cut off, changed, or is something else.`,
      'Take an older export. Nothing was changed.',
    );
  }
  return { head, rows: lines.slice(1, -1), people };
}

function jsonOf(line: string | undefined): Record<string, unknown> {
  try {
    return (JSON.parse(line ?? '') ?? {}) as Record<string, unknown>;
  } catch {
    return {};
  }
}
