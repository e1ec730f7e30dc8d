/**
 * Owns bringing an export back: a beginning, rows, an end. From the beginning to the end the identity provider is told to come back later, so that nobody is
 * taken for a stranger who is only not there yet; afterwards the site observes until it is released. Begun again after it broke off, nothing is doubled.
 * Whoever has brought rows is remembered until somebody else has released the site: a file says who is held, and who left.
 * Refuses an export of another site, and a directory that knows people, unless it is told to bring the two together.
 */
import { ARCHIVE_FORMAT, type Archive, type ArchiveHead, type ArchiveRow, type Imported } from '../directory/archive.ts';
import type { Runs } from '../directory/runs.ts';
import type { Store } from '../directory/store.ts';
import type { ErasedCopy } from './erased-copy.ts';
import { withKey } from './erasure.ts';
import type { RecoveryOrder } from './recovery.ts';
import { Refused } from './refused.ts';
import type { Survey } from './survey.ts';

/** Begins a field of the site's hash: the epoch that the import began, and who has brought rows. */
const IMPORTER = 'importer:';

export interface Importer {
  name: string;
  /** Where it is remembered. A later import has a field of its own. */
  field: string;
}

export interface ImportsParts {
  siteKey: string;
  store: Store;
  survey: Pick<Survey, 'want'>;
  runs: Pick<Runs, 'tell'>;
  archive: Archive;
  /** Whoever was erased is left out. */
  erasedCopy: Pick<ErasedCopy, 'know'>;
}

export class Imports {
  readonly #parts: ImportsParts;

  constructor(parts: ImportsParts) {
    this.#parts = parts;
  }

  /** @throws Refused */
  async begin(head: ArchiveHead, merge: boolean, { by, requestId }: RecoveryOrder): Promise<void> {
    const { store, archive, siteKey } = this.#parts;
    const { people } = await archive.counts();
    const here = await archive.head();
    const otherId = here.siteId !== null && head.siteId !== null && here.siteId !== head.siteId;
    if (head.format > ARCHIVE_FORMAT || head.site !== siteKey || otherId) {
      throw new Refused(
        'other-site',
        `The export is of site ${head.site} (${head.siteId ?? 'not confirmed'}, format ${head.format}), not of ${siteKey}.`,
        'Choose the export of this site, written by this release or an older one.',
      );
    }
    if (people > 0 && !merge) {
      throw new Refused(
        'not-empty',
        `The directory of this site knows ${people} people already.`,
        'Add --merge: whoever is newer here stays, by the number of changes. Nothing was changed.',
      );
    }
    await this.#parts.erasedCopy.know();
    // The numbers of the trail go on behind those of the export, and every leave in it is older than this epoch.
    store.witness.noted(head.seq);
    const { recovery } = await store.witness.declare('restored', by, 'an export is imported');
    const writtenAt = new Date(head.atMs).toISOString();
    await store.witness.proceed(recovery, 'rebuilding', {
      kind: 'operator',
      what: 'import-begun',
      actor: by,
      requestId,
      writtenAt,
    });
    // An older rebuild must not go on in the middle of it.
    await store.guard(() => store.redis.hset(`${store.prefix}rebuild`, { state: 'never' }));
  }

  /** @throws Refused when no import has begun */
  async rows(rows: ArchiveRow[], { by, requestId }: RecoveryOrder): Promise<Imported> {
    const epoch = await this.#begun();
    const { archive, store } = this.#parts;
    // Before the first row: whoever is not remembered has brought nothing.
    await store.guard(() => store.redis.hset(`${store.prefix}site`, `${IMPORTER}${epoch}:${by}`, requestId));
    return await withKey(() => archive.put(rows, { kind: 'operator', what: 'imported', actor: by, requestId }));
  }

  /** @throws Refused when no import has begun */
  async end({ by, requestId }: RecoveryOrder): Promise<void> {
    await this.#begun();
    const audit = { kind: 'operator', what: 'import-ended', actor: by, requestId } as const;
    await this.#parts.store.witness.proceed('rebuilding', 'imported', audit);
    await this.#parts.survey.want({ by, requestId });
  }

  /** Lists whose imports nobody else has released yet. */
  async importers(): Promise<Importer[]> {
    const { store } = this.#parts;
    const fields = await store.guard(() => store.redis.hkeys(`${store.prefix}site`));
    const own = fields.filter((field) => field.startsWith(IMPORTER));
    return own.map((field) => ({ field, name: field.slice(field.indexOf(':', IMPORTER.length) + 1) }));
  }

  /** The site was released with these imports. @param order.named by somebody with a name of their own who is none of the importers: then they are forgotten */
  async released(
    importers: readonly Importer[],
    { by, requestId, named, secondPerson }: RecoveryOrder & { named: boolean; secondPerson: boolean },
  ): Promise<void> {
    if (importers.length === 0) return;
    const { store } = this.#parts;
    const fields = importers.map(({ field }) => field);
    const audit = { kind: 'operator', what: 'import-released', actor: by, requestId, secondPerson } as const;
    await this.#parts.runs.tell('', 0, audit);
    if (named) await store.guard(() => store.redis.hdel(`${store.prefix}site`, ...fields));
  }

  /** @returns the epoch that the import has begun */
  async #begun(): Promise<string> {
    const { recovery, epoch } = await this.#parts.store.witness.look();
    if (recovery === 'rebuilding') return epoch;
    throw new Refused('not-importing', 'No import is going on.', 'Run maxio-scim import FILE again, from the beginning.');
  }
}
