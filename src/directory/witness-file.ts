/**
 * Owns the file in which a process keeps what it knows of the data of each site, so that the next one notices a loss that happened while nothing ran.
 * Several sites and processes may share it: what is further on wins. Refuses to judge anything (witness.ts), and holds no word about people.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Logger } from '../logger.ts';
import type { Counted, Memory, Witness } from './witness.ts';

const EVERY_MS = 5_000;

interface WitnessFileParts {
  site: string;
  witness: Witness;
  logger: Pick<Logger, 'warn'>;
}

export class WitnessFile {
  readonly #path: string;
  readonly #site: string;
  readonly #witness: Witness;
  readonly #logger: Pick<Logger, 'warn'>;
  #timer: NodeJS.Timeout | undefined;
  #written = '';
  /** Process ids repeat between containers that share a folder; two of them must not write the same unfinished file. */
  readonly #unfinished: string;

  private constructor(path: string, { site, witness, logger }: WitnessFileParts) {
    this.#path = path;
    this.#unfinished = `${path}.${randomUUID()}`;
    this.#site = site;
    this.#witness = witness;
    this.#logger = logger;
  }

  /**
   * Let the site remember what earlier processes knew, and keep the file up to date. Before the first request is answered.
   * @throws when there is a file that cannot be read
   */
  static open(path: string | undefined, parts: WitnessFileParts): WitnessFile | undefined {
    if (path === undefined) return undefined;
    const file = new WitnessFile(path, parts);
    file.#start();
    return file;
  }

  #start(): void {
    const memory = this.#read()[this.#site];
    if (memory !== undefined) this.#witness.remember(memory);
    this.#timer = setInterval(() => this.#write(), EVERY_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#write();
  }

  #write(): void {
    try {
      const known = this.#read();
      const mine = furtherOn(known[this.#site], this.#witness.memory);
      const text = JSON.stringify(mine);
      if (text === this.#written) return;
      writeFileSync(this.#unfinished, `${JSON.stringify({ ...known, [this.#site]: mine })}\n`, { mode: 0o600 });
      renameSync(this.#unfinished, this.#path);
      this.#written = text;
    } catch (error) {
      this.#logger.warn({ err: error, site: this.#site }, 'the witness file could not be written');
    }
  }

  #read(): Record<string, Memory> {
    let text: string;
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
      throw error;
    }
    try {
      return JSON.parse(text) as Record<string, Memory>;
    } catch (error) {
      throw new Error(`WITNESS_FILE ${this.#path} is not readable; move it away and start again`, { cause: error });
    }
  }
}

/** Of two memories of one site, the one that knows more. A site whose epoch one of them has seen pass is judged by the other. */
function furtherOn(kept: Memory | undefined, mine: Memory): Memory {
  if (kept === undefined || mine.past.includes(kept.epoch)) return mine;
  if (mine.epoch === '' || kept.past.includes(mine.epoch)) return kept;
  if (kept.epoch !== mine.epoch) return mine;
  return { ...mine, seq: Math.max(kept.seq, mine.seq), counted: later(kept.counted, mine.counted) };
}

function later(kept: Counted | undefined, mine: Counted | undefined): Counted | undefined {
  return kept !== undefined && (mine === undefined || kept.seq > mine.seq) ? kept : mine;
}
