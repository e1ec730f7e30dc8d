/**
 * Owns that there is always a recent export of a site outside of Redis: once a day into EXPORT_DIR, packed, readable by its owner only, moved to its name when
 * it is whole, the oldest dropped, and what a killed process has left unfinished. Refuses to write where the data is in doubt: an export of an emptied directory must not push out the good ones.
 */
import { createWriteStream } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type Archive, archiveLines } from '../directory/archive.ts';
import type { Store } from '../directory/store.ts';
import type { Logger } from '../logger.ts';
import type { Chore, Turn } from './rounds.ts';

export interface NightlyExportParts {
  siteKey: string;
  /** `undefined`: no exports. */
  folder: string | undefined;
  /** How many are kept. */
  keep: number;
  store: Store;
  archive: Archive;
  logger: Logger;
}

const DAY_MS = 86_400_000;
const LOOK_MS = 600_000;
const UNFINISHED = '.unfinished';

export class NightlyExport implements Chore {
  readonly name = 'export';
  readonly needsMaxio = false;
  readonly #parts: NightlyExportParts;
  #lookMs = 0;

  constructor(parts: NightlyExportParts) {
    this.#parts = parts;
  }

  async turn({ nowMs, signal }: Turn): Promise<'idle'> {
    const { folder, store, archive } = this.#parts;
    if (folder === undefined || nowMs < this.#lookMs) return 'idle';
    if (store.witness.standing.recovery !== undefined || (await archive.counts()).people === 0) return 'idle';
    const known = await this.#files(folder);
    const last = known.at(-1);
    if (last === undefined || nowMs - this.#writtenMs(last) >= DAY_MS) await this.#write(folder, nowMs, signal);
    this.#lookMs = nowMs + LOOK_MS;
    return 'idle';
  }

  async #write(folder: string, nowMs: number, signal: AbortSignal): Promise<void> {
    const { archive, keep, logger, siteKey } = this.#parts;
    const name = `${siteKey}-${new Date(nowMs).toISOString().replaceAll(/[:.]/g, '')}.jsonl.gz`;
    const unfinished = join(folder, name + UNFINISHED);
    // One process makes the rounds, so whatever else is unfinished nobody goes on with.
    for (const left of await this.#files(folder, UNFINISHED)) await rm(join(folder, left), { force: true });
    try {
      const lines = Readable.from(withLineFeeds(archive));
      await pipeline(lines, createGzip(), createWriteStream(unfinished, { mode: 0o600, flush: true }), { signal });
      await rename(unfinished, join(folder, name));
    } catch (error) {
      await rm(unfinished, { force: true }).catch(() => undefined);
      throw error;
    }
    logger.info({ site: siteKey, file: name }, 'export written');
    for (const old of (await this.#files(folder)).slice(0, -keep)) await rm(join(folder, old), { force: true });
  }

  /** The exports of this site, oldest first; with the ending of unfinished ones, those. */
  async #files(folder: string, ending = ''): Promise<string[]> {
    const names = await readdir(folder);
    return names
      .filter((name) => name.endsWith(ending) && this.#writtenMs(name.slice(0, name.length - ending.length)) > 0)
      .sort();
  }

  /** When a file was written, by its name; 0 for other files. */
  #writtenMs(name: string): number {
    const { siteKey } = this.#parts;
    const stamp = /^(\d{4}-\d{2}-\d{2}T)(\d{2})(\d{2})(\d{2})(\d{3})Z\.jsonl\.gz$/.exec(name.slice(siteKey.length + 1));
    if (stamp === null || !name.startsWith(`${siteKey}-`)) return 0;
    const [, day, hour, minute, second, ms] = stamp;
    return Date.parse(`${day}${hour}:${minute}:${second}.${ms}Z`);
  }
}

async function* withLineFeeds(archive: Archive): AsyncGenerator<string> {
  for await (const line of archiveLines(archive)) yield `${line}\n`;
}
