/**
 * Owns the audit trail outside of Redis: once a day everything that was sealed since the last file goes into EXPORT_DIR, packed, checked as it was written, and only
 * then called exported, so that Redis may forget it after 30 days. Nothing here removes a file: how long they are kept is a matter of whoever audits.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { ChainCheck, type ChainPoint } from '../audit-chain.ts';
import { type AuditTrail, pointOf } from '../directory/audit-trail.ts';
import type { Logger } from '../logger.ts';
import type { Chore, Turn } from './rounds.ts';

export interface AuditExportParts {
  siteKey: string;
  /** `undefined`: no files. */
  folder: string | undefined;
  trail: AuditTrail;
  logger: Logger;
}

const DAY_MS = 86_400_000;
const LOOK_MS = 600_000;
const PAGE = 500;
/** A file can be read by tools that hold it whole. */
const ENTRIES_MAX = 500_000;
export const AUDIT_FORMAT = 1;

export class AuditExport implements Chore {
  readonly name = 'audit-export';
  readonly needsMaxio = false;
  readonly #parts: AuditExportParts;
  #lookMs = 0;

  constructor(parts: AuditExportParts) {
    this.#parts = parts;
  }

  async turn({ nowMs, signal }: Turn): Promise<'more' | 'idle'> {
    const { folder, trail } = this.#parts;
    if (folder === undefined || nowMs < this.#lookMs) return 'idle';
    const after = await trail.exportedEntry();
    const { lines } = await trail.page(after, 1);
    // The first file comes a day after the first entry, and so does every further one: no file holds less than a day.
    const waits = lines[0] === undefined || nowMs - timeOf(lines[0]) < DAY_MS;
    const more = waits ? false : await this.#write(folder, after, signal);
    if (!more) this.#lookMs = nowMs + LOOK_MS;
    return more ? 'more' : 'idle';
  }

  async #write(folder: string, after: string, signal: AbortSignal): Promise<boolean> {
    const { trail, siteKey, logger } = this.#parts;
    const previous = await trail.pointAt(after);
    const unfinished = join(folder, `audit-${siteKey}.unfinished`);
    const written = { last: previous, entry: after, entries: 0 };
    try {
      await rm(unfinished, { force: true });
      const lines = Readable.from(this.#lines(previous, written));
      await pipeline(lines, createGzip(), createWriteStream(unfinished, { mode: 0o600, flush: true }), { signal });
      await this.#verify(unfinished, previous, written);
      const name = `audit-${siteKey}-${digits(previous.seq + 1)}-${digits(written.last.seq)}.jsonl.gz`;
      await rename(unfinished, join(folder, name));
      await trail.exported(written.last, written.entry);
      logger.info({ site: siteKey, file: name, entries: written.entries, ...written.last }, 'audit trail exported');
    } catch (error) {
      await rm(unfinished, { force: true }).catch(() => undefined);
      throw error;
    }
    return written.entries >= ENTRIES_MAX;
  }

  async *#lines(previous: ChainPoint, written: { last: ChainPoint; entry: string; entries: number }): AsyncGenerator<string> {
    const { trail, siteKey } = this.#parts;
    yield `${JSON.stringify({ kind: 'audit', format: AUDIT_FORMAT, site: siteKey, previous })}\n`;
    for (;;) {
      const { lines, last } = await trail.page(written.entry, PAGE);
      for (const line of lines) yield `${line}\n`;
      written.entries += lines.length;
      const end = lines.at(-1);
      if (end !== undefined) written.last = pointOf(end);
      if (last !== undefined) written.entry = last;
      if (lines.length < PAGE || written.entries >= ENTRIES_MAX) break;
    }
    yield `${JSON.stringify({ kind: 'end', entries: written.entries, ...written.last })}\n`;
  }

  /** Read what is on the disk, as whoever audits will. A trail that does not hold is no export, so Redis forgets nothing of it. */
  async #verify(path: string, previous: ChainPoint, written: { last: ChainPoint; entries: number }): Promise<void> {
    const check = new ChainCheck(this.#parts.siteKey, previous);
    let count = 0;
    const lines = createInterface({ input: createReadStream(path).pipe(createGunzip()), crlfDelay: Number.POSITIVE_INFINITY });
    for await (const line of lines) {
      if (line.startsWith('{"kind":')) continue;
      count += 1;
      check.add(line);
    }
    if (count !== written.entries) throw new Error(`the export of the audit trail holds ${count} entries of ${written.entries}`);
    if (check.fault === undefined) return;
    const { seq, what } = check.fault;
    throw new Error(
      `the audit trail does not hold from entry ${seq} on (${what}): look with maxio-scim audit verify; nothing of it is forgotten`,
    );
  }
}

function timeOf(line: string): number {
  return Date.parse((JSON.parse(line) as { at: string }).at);
}

function digits(seq: number): string {
  return String(seq).padStart(12, '0');
}
