/**
 * Owns the check of an audit trail: every line by the one before, every file to its end, files in a row, and an end that somebody has noted elsewhere.
 * The first bad entry is named, since everything behind it proves nothing. Refuses to print.
 */
import type { z } from 'zod';
import {
  type AuditLine,
  ChainCheck,
  type ChainFault,
  type ChainPoint,
  foundBefore,
  genesisOf,
  readSealed,
} from '../audit-chain.ts';
import { auditHeadAnswer } from './answers-audit.ts';
import { ask, type Target } from './ask.ts';
import { type AuditFileHead, auditFile, auditService } from './audit-source.ts';
import { query } from './command.ts';

export interface Verdict {
  site: string;
  /** The first bad entry; `undefined`: everything holds. */
  fault: (ChainFault & { where: string }) | undefined;
  entries: number;
  head: ChainPoint;
  /** What is no fault and should be known all the same. */
  notes: string[];
}

type ServiceEnds = z.output<typeof auditHeadAnswer>;

/** A run of the chain. Files hold several where the trail began anew. */
interface Run {
  check: ChainCheck;
  /** The file and the point it begins with. */
  where: string;
  start: ChainPoint;
  /** Whether an entry tells why it begins; `undefined`: not yet, and nothing was done at Maxio so far. */
  explained: boolean | undefined;
}

/** Follows files, in the order in which they were given. */
class Files {
  readonly notes: string[] = [];
  site = '';
  readonly #runs: Run[] = [];
  /** A file begins where the chain begins: its first line tells whether it is what is known already. */
  #anew: { where: string; start: ChainPoint } | undefined;

  verdict(where: string, fault = this.#last?.check.fault): Verdict {
    const entries = this.#runs.reduce((sum, { check }) => sum + check.entries, 0);
    const head = this.#last?.check.head ?? { seq: 0, hash: '' };
    return { site: this.site, fault: fault && { ...fault, where }, entries, head, notes: this.notes };
  }

  head(where: string, { site, previous }: AuditFileHead): ChainFault | undefined {
    const last = this.#last?.check;
    if (last !== undefined && site !== this.site) return { seq: 0, what: `the file is of site ${site}, not of ${this.site}` };
    this.site = site;
    this.#anew = undefined;
    if (last === undefined) {
      if (previous.seq > 0)
        this.notes.push(`${where}: begins behind entry ${previous.seq}; what was before is not in these files.`);
      this.#runs.push({ check: new ChainCheck(site, previous), where, start: previous, explained: true });
    } else if (previous.hash === genesisOf(site).hash && last.head.seq > 0) this.#anew = { where, start: previous };
    else last.expect(previous);
    return this.#last?.check.fault;
  }

  line(text: string): ChainFault | undefined {
    const read = readSealed(text);
    if (this.#anew !== undefined && (read === undefined || this.#last?.check.holds(read) !== true)) {
      const { where, start } = this.#anew;
      this.#runs.push({ check: new ChainCheck(this.site, start), where, start, explained: undefined });
    }
    this.#anew = undefined;
    const run = this.#last;
    if (run === undefined) return undefined;
    if (run.explained === undefined && read !== undefined) this.#explain(run, read);
    run.check.add(text);
    return run.check.fault;
  }

  end(point: ChainPoint): ChainFault | undefined {
    this.#last?.check.expect(point);
    return this.#last?.check.fault;
  }

  /** What holds in itself: every anchor is somewhere, and nothing begins anew without a word. */
  whole(anchors: readonly ChainPoint[]): Verdict {
    for (const anchor of anchors) {
      if (this.#runs.some(({ check }) => check.holds(anchor))) continue;
      this.#last?.check.expect(anchor);
      return this.verdict('the anchor');
    }
    for (const { check, where, start, explained } of this.#runs) {
      if (explained === true || anchors.some((anchor) => anchor.seq > start.seq && check.holds(anchor))) continue;
      const what =
        'the trail begins anew here, and no entry tells that data was lost: it was put aside and begun again, or the file is in the wrong place. If you know why, give --anchor with an entry behind it that was noted elsewhere';
      return this.verdict(where, { seq: start.seq + 1, what });
    }
    return this.verdict('the anchor');
  }

  get #last(): Run | undefined {
    return this.#runs.at(-1);
  }

  /** A loss that was noticed late is told before anything is done at Maxio, because a survey comes first. */
  #explain(run: Run, { seq, entry }: AuditLine): void {
    if (entry.kind === 'maxio') run.explained = false;
    if (foundBefore(entry) === undefined) return;
    run.explained = true;
    this.notes.push(`${run.where}: the trail begins anew; entry ${seq} tells that the data of the site was lost or set back.`);
  }
}

/** Checks files, in the order in which they were given. */
export async function verifyFiles(paths: readonly string[], anchors: readonly ChainPoint[]): Promise<Verdict> {
  const files = new Files();
  for (const path of paths) {
    let ended = false;
    for await (const piece of auditFile(path)) {
      ended ||= piece.kind === 'end';
      const fault =
        piece.kind === 'head'
          ? files.head(path, piece.head)
          : piece.kind === 'end'
            ? files.end(piece.end)
            : files.line(piece.line);
      if (fault !== undefined) return files.verdict(path, fault);
    }
    if (ended) continue;
    const { head } = files.verdict(path);
    return files.verdict(path, { seq: head.seq + 1, what: 'the file was cut off: it lacks its last line' });
  }
  return files.whole(anchors);
}

/** Checks what a running service holds. */
export async function verifyService(
  target: Target,
  siteKey: string | undefined,
  anchors: readonly ChainPoint[],
): Promise<Verdict> {
  const notes: string[] = [];
  const ends = async (): Promise<ServiceEnds> =>
    (await ask(target, { path: `/audit${query({ site: siteKey })}`, shape: auditHeadAnswer })).answer;
  let head = await ends();
  let check = new ChainCheck(head.site, head.base);
  let [entries, forgotten] = [0, 0];
  const expect = (): void => {
    for (const anchor of anchors) if (anchor.seq > head.base.seq && anchor.seq <= check.head.seq) check.expect(anchor);
  };
  /** The service forgets what is old while it is read: then the rest is checked from where it says the rest begins. */
  const goOn = async (): Promise<boolean> => {
    const now = await ends();
    expect();
    if (check.fault !== undefined || now.base.seq <= check.head.seq) return false;
    notes.push(`Entries ${check.head.seq + 1} to ${now.base.seq} were forgotten while this was read: check them with the files.`);
    entries += check.entries;
    forgotten = now.base.seq;
    // What was sealed since is not waited for.
    head = { ...head, base: now.base, sealed: head.sealed.seq > now.base.seq ? head.sealed : now.base };
    check = new ChainCheck(now.site, now.base);
    return true;
  };
  for await (const line of auditService(target, siteKey)) {
    const seq = readSealed(line)?.seq ?? Number.POSITIVE_INFINITY;
    if (seq <= forgotten) continue;
    if (isTorn(line, seq, check.head.seq) && (await goOn()) && seq <= forgotten) continue;
    if (!check.add(line)) break;
  }
  if (check.fault === undefined && check.head.seq < head.sealed.seq) await goOn();
  const { site, base, sealed } = head;
  check.expect(sealed);
  for (const anchor of anchors) if (anchor.seq > base.seq) check.expect(anchor);
  const older = anchors.filter(({ seq }) => seq <= base.seq);
  notes.push(
    ...(base.seq > 0 ? [`Begins behind entry ${base.seq}; what was before is in the files of EXPORT_DIR, or forgotten.`] : []),
    ...older.map(({ seq }) => `The anchor of entry ${seq} is older than what is here: check it with the files.`),
    ...(head.seq > sealed.seq ? [`Not sealed yet: entries ${sealed.seq + 1} to ${head.seq}.`] : []),
  );
  const fault = check.fault && { ...check.fault, where: 'the service' };
  return { site, fault, entries: entries + check.entries, head: check.head, notes };
}

/** What a line looks like behind entries that were forgotten a moment ago: others are missing before it, or its own hash is. An edited one is neither. */
function isTorn(line: string, seq: number, lastSeq: number): boolean {
  return seq > lastSeq + 1 || line.endsWith(`,"hash":"${'0'.repeat(64)}"}`);
}
