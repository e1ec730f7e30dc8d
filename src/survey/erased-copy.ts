/**
 * Owns that the marks of people who were erased are kept outside of Redis as well, in EXPORT_DIR, and that they bind again after a backup from before was restored:
 * whoever is in it and was erased since is erased once more, as far as their work is done. Refuses to read names out of marks: nobody can.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { binds, type Erased } from '../directory/erased.ts';
import type { Store } from '../directory/store.ts';
import type { Logger } from '../logger.ts';
import { type Erasures, withKey } from './erasure.ts';
import { Refused } from './refused.ts';
import type { Chore, Turn } from './rounds.ts';

export interface ErasedCopyParts {
  siteKey: string;
  folder: string | undefined;
  store: Store;
  erased: Erased;
  erasures: Pick<Erasures, 'erase'>;
  logger: Logger;
}

const LOOK_MS = 60_000;
const PAGE = 500;
const ORDER = { by: 'restore', requestId: '' };

export class ErasedCopy implements Chore {
  readonly name = 'erased-copy';
  readonly needsMaxio = false;
  readonly #parts: ErasedCopyParts;
  #lookMs = 0;
  /** As the file is known to be. */
  #written: string | undefined;

  constructor(parts: ErasedCopyParts) {
    this.#parts = parts;
  }

  async turn({ nowMs }: Turn): Promise<'idle'> {
    if (nowMs < this.#lookMs) return 'idle';
    // Said in the log, since nobody notices otherwise before a rebuild or an import is refused.
    await this.#parts.erased.ready();
    await this.look();
    this.#lookMs = nowMs + LOOK_MS;
    return 'idle';
  }

  /** Before people are brought back: who was erased is known, from the file as well, and can be known again. @throws Refused */
  async know(): Promise<void> {
    await withKey(async () => {
      await this.look();
      await this.#parts.erased.ready();
    });
  }

  /** Bring file and Redis together now. @returns how many marks were new to Redis */
  async look(): Promise<number> {
    const { folder, siteKey, erased, logger } = this.#parts;
    if (folder === undefined) return 0;
    const path = join(folder, `erased-${siteKey}.json`);
    this.#written = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    const fresh = await erased.missing(this.#written === undefined ? {} : (JSON.parse(this.#written) as Record<string, string>));
    const count = Object.keys(fresh).length;
    if (count > 0) {
      // People first: were the marks taken over before, whoever is not erased again by then would never be.
      const again = await this.#again(fresh);
      for (const [mark, note] of Object.entries(fresh)) await erased.accept(mark, note);
      logger.warn({ site: siteKey, marks: count, ...again }, 'this data is older than some erasures, which were done again');
    }
    const marks = Object.entries(await erased.all()).sort(([a], [b]) => (a < b ? -1 : 1));
    const text = JSON.stringify(Object.fromEntries(marks));
    if (marks.length === 0 || text === this.#written) return count;
    await writeFile(`${path}.unfinished`, text, { mode: 0o600, flush: true });
    await rename(`${path}.unfinished`, path);
    this.#written = text;
    return count;
  }

  /** @returns how many were erased once more, and how many could not be yet */
  async #again(fresh: Readonly<Record<string, string>>): Promise<{ erased: number; left: number }> {
    const { store, erased, erasures } = this.#parts;
    const done = { erased: 0, left: 0 };
    let cursor = '0';
    do {
      const [next, flat] = await store.guard(() => store.redis.hscan(`${store.prefix}references`, cursor, 'COUNT', PAGE));
      cursor = next;
      for (let at = 0; at + 1 < flat.length; at += 2) {
        if (!binds(fresh[erased.mark(flat[at] ?? '')])) continue;
        const word = await erasures.erase(flat[at + 1] ?? '', ORDER).then(
          () => 'erased' as const,
          (error: unknown) => {
            if (error instanceof Refused) return 'left' as const;
            throw error;
          },
        );
        done[word] += 1;
      }
    } while (cursor !== '0');
    return done;
  }
}
