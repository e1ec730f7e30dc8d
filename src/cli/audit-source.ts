/**
 * Owns where the lines of an audit trail come from: files as the service exports them, packed or not, or the running service, page by page.
 * Refuses to believe either: a line is handed on as it is, and whoever reads it checks it (audit-chain.ts).
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { ChainPoint } from '../audit-chain.ts';
import { auditLinesAnswer } from './answers-audit.ts';
import { ask, CliError, type Target } from './ask.ts';
import { query } from './command.ts';

export interface AuditFileHead {
  site: string;
  previous: ChainPoint;
}

/** Beginning of a file, an entry, or its end; an end that does not come is a file that was cut off. */
export type AuditPiece =
  | { kind: 'head'; head: AuditFileHead }
  | { kind: 'line'; line: string }
  | { kind: 'end'; end: ChainPoint };

/** Reads one file. @throws CliError when it is no export of an audit trail */
export async function* auditFile(path: string): AsyncGenerator<AuditPiece> {
  const [file, bytes] = [createReadStream(path), path.endsWith('.gz') ? createGunzip() : undefined];
  const unpacked: Readable = bytes === undefined ? file : file.pipe(bytes);
  // Errors do not travel along a pipe.
  if (bytes !== undefined) file.once('error', (error) => bytes.destroy(error));
  let first = true;
  try {
    for await (const line of createInterface({ input: unpacked, crlfDelay: Number.POSITIVE_INFINITY })) {
      const piece = pieceOf(line);
      if (first !== (piece.kind === 'head')) throw notOne(path);
      first = false;
      yield piece;
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined || error instanceof CliError) throw error;
    // What was readable before has been handed on; a file that ends in the middle has no end.
    if (code.startsWith('Z_') && !first) return;
    throw new CliError('broken', `${path} cannot be read (${code}).`, 'Check the path and its permissions.');
  }
  if (first) throw notOne(path);
}

function notOne(path: string): CliError {
  return new CliError('broken', `${path} is no export of an audit trail.`, 'Give files that begin with audit- from EXPORT_DIR.');
}

function pieceOf(line: string): AuditPiece {
  if (!line.startsWith('{"kind":')) return { kind: 'line', line };
  try {
    const read = JSON.parse(line) as { kind: string; format?: number } & AuditFileHead & ChainPoint;
    if (read.kind === 'audit' && read.format === 1) return { kind: 'head', head: read };
    if (read.kind === 'end') return { kind: 'end', end: { seq: read.seq, hash: read.hash } };
  } catch {
    // An entry never begins so, and this is nothing else.
  }
  return { kind: 'line', line };
}

/** Asks the service for everything that it has sealed. @param fromMs where to begin; left out: everything that is there */
export async function* auditService(target: Target, site: string | undefined, fromMs?: number): AsyncGenerator<string> {
  let after = fromMs === undefined ? undefined : `${Math.max(0, fromMs - 1)}-0`;
  for (;;) {
    const path = `/audit/lines${query({ site, after })}`;
    const { answer } = await ask(target, { path, shape: auditLinesAnswer });
    yield* answer.lines;
    if (answer.last === null) return;
    after = answer.last;
  }
}
