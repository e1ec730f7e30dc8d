/**
 * Owns the chain of the audit trail: how an entry becomes a line, how a line is sealed by the one before, and how whoever has lines finds the first bad one.
 * A sealed line is the JSON text of an entry with `,"hash":"…"` put before its last brace; the hash is SHA-256 of the hash before, as 64 hex digits, and of the
 * text without that part. So it is checked on bytes, in any language, without a canonical form of JSON. Refuses to know where lines are kept
 * and what entries tell. On the ground floor, because the command line checks what the service has sealed.
 */
import { createHash } from 'node:crypto';

/** What the trail tells of; its words are the directory's. */
export interface ChainEntry {
  kind: string;
  what: string;
  [detail: string]: unknown;
}

export interface AuditLine {
  seq: number;
  at: string;
  /** A random word for a person, '' for the site. Only the record of the person says whose it is. */
  subject: string;
  generation: number;
  entry: ChainEntry;
}

export interface ChainPoint {
  seq: number;
  hash: string;
}

export interface ChainFault {
  /** The first entry that is not as it was sealed. */
  seq: number;
  what: string;
}

const SEALED = /^(\{.*),"hash":"([0-9a-f]{64})"\}$/s;

/** Where the chain of a site begins: another one for each site, so that lines of one cannot stand in for those of another. */
export function genesisOf(siteKey: string): ChainPoint {
  return { seq: 0, hash: createHash('sha256').update(`maxio-scim audit ${siteKey}`, 'utf8').digest('hex') };
}

/** The text of one entry as the stream holds it. An entry of release 0.1.0, which named the id, belongs to nobody here. */
export function auditText(fields: readonly string[]): { seq: number; text: string; entry: ChainEntry } {
  const value = (name: string): string => fields[fields.findIndex((field, at) => at % 2 === 0 && field === name) + 1] ?? '';
  const [seq, atMs] = [Number(value('seq')), Number(value('at'))];
  const subject = fields[0] === 'subject' ? value('subject') : '';
  const entry = entryOf(value('entry'));
  const line: AuditLine = { seq, at: timeOf(atMs), subject, generation: Number(value('generation')), entry };
  return { seq, text: JSON.stringify(line), entry };
}

/** Whatever a hand has put there becomes a line that does not fit its hash, never an end of the reading. */
function entryOf(text: string): ChainEntry {
  try {
    return JSON.parse(text) as ChainEntry;
  } catch {
    return { kind: 'run', what: `unreadable: ${text}` };
  }
}

function timeOf(atMs: number): string {
  return Number.isFinite(atMs) && Math.abs(atMs) < 8e15 ? new Date(atMs).toISOString() : '';
}

export function hashOf(before: string, text: string): string {
  return createHash('sha256').update(before, 'utf8').update(text, 'utf8').digest('hex');
}

export function sealedLine(text: string, hash: string): string {
  return `${text.slice(0, -1)},"hash":"${hash}"}`;
}

/** Read a sealed line, its hash put aside; `undefined` when it is none. */
export function readSealed(line: string): (AuditLine & { hash: string; text: string }) | undefined {
  const [, body, hash] = SEALED.exec(line) ?? [];
  if (body === undefined || hash === undefined) return undefined;
  const text = `${body}}`;
  try {
    const read = JSON.parse(text) as AuditLine;
    return Number.isSafeInteger(read.seq) && typeof read.entry === 'object' ? { ...read, hash, text } : undefined;
  } catch {
    return undefined;
  }
}

/** Where an entry hangs on: after data was set back, on the last one that was left; else on the one before. */
export function foundBefore({ what, kind, seqFound }: ChainEntry): number | undefined {
  const begun = kind === 'run' && (what === 'site-lost' || what === 'site-restored');
  return begun && typeof seqFound === 'number' ? seqFound : undefined;
}

/** Follows lines in their order and stops at the first that is bad. */
export class ChainCheck {
  readonly #hashes = new Map<number, string>();
  #last: ChainPoint;
  #fault: ChainFault | undefined;
  #entries = 0;

  /** @param start the point before the first line; the beginning of the chain when it is left out */
  constructor(siteKey: string, start?: ChainPoint) {
    const genesis = genesisOf(siteKey);
    this.#last = start ?? genesis;
    this.#hashes.set(genesis.seq, genesis.hash).set(this.#last.seq, this.#last.hash);
  }

  get fault(): ChainFault | undefined {
    return this.#fault;
  }

  /** The last good one. */
  get head(): ChainPoint {
    return this.#last;
  }

  get entries(): number {
    return this.#entries;
  }

  /** @returns false from the first bad line on */
  add(line: string): boolean {
    if (this.#fault !== undefined) return false;
    const read = readSealed(line);
    const next = this.#last.seq + 1;
    if (read === undefined) return this.#bad(next, 'the line that should hold it is unreadable');
    const { seq, hash, text, entry } = read;
    const known = this.#hashes.get(seq);
    // The same entry once more: two files may overlap where data was set back between them.
    if (known !== undefined && seq > 0 && known === hash && hashOf(this.#before(entry, seq) ?? '', text) === hash) return true;
    if (known !== undefined || seq < next) return this.#bad(seq, 'it is there with another content as well');
    const before = this.#before(entry, seq);
    if (before === undefined) {
      const last = seq - 1;
      return this.#bad(next, last === next ? 'it is missing' : `it is missing, and so is everything up to ${last}`);
    }
    if (hashOf(before, text) !== hash)
      return this.#bad(seq, 'it was changed after it was sealed, or one before it was exchanged');
    this.#hashes.set(seq, hash);
    this.#last = { seq, hash };
    this.#entries += 1;
    return true;
  }

  /** Whether this entry was met, as it is said to be. */
  holds({ seq, hash }: ChainPoint): boolean {
    return this.#hashes.get(seq) === hash;
  }

  /** Nothing of the end may be missing. @param anchor what somebody noted elsewhere: a line of the log, the last line of an export */
  expect(anchor: ChainPoint): void {
    if (this.#fault !== undefined) return;
    const hash = this.#hashes.get(anchor.seq);
    if (hash === undefined) this.#bad(this.#last.seq + 1, `it is missing: the trail was sealed up to ${anchor.seq}`);
    else if (hash !== anchor.hash) this.#bad(anchor.seq, 'it is not the entry that was sealed: the trail was written anew');
  }

  /** The hash that an entry has to follow; `undefined` when that one is not there. */
  #before(entry: AuditLine['entry'], seq: number): string | undefined {
    return this.#hashes.get(foundBefore(entry) ?? seq - 1);
  }

  #bad(seq: number, what: string): false {
    this.#fault = { seq, what };
    return false;
  }
}
