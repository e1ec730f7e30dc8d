/**
 * Owns the question, asked once at the start of a process, whether everybody whom the directory lists is whole. Whoever has no record would be answered "no such
 * person" when they leave, and be billed for ever; so the data is declared lost (witness.ts). Then whoever is only listed is forgotten, for a rebuild or an import
 * takes nobody who seems to be known. Refuses to judge by numbers that people may change meanwhile: each is looked at with their record, in one script.
 */
import type { Logger } from '../logger.ts';
import { RedisScript } from '../redis-script.ts';
import type { Store } from './store.ts';
import type { Witness } from './witness.ts';

const wholeScript = new RedisScript(new URL('./whole-people.lua', import.meta.url));

/** People looked at in one script; fewer where they are tidied, which is more work for each. */
const PAGE = { look: 500, tidy: 100 } as const;
/** Everybody is in the last, also who was deleted: when it is tidied nothing tells the next start to look again. Who is there is in the second as well. */
const INDEXES = ['userNames', 'order', 'references'] as const;
type Index = (typeof INDEXES)[number];
const TRIES = 3;

export class Census {
  readonly #store: Store;
  readonly #site: string;
  readonly #logger: Pick<Logger, 'error'>;
  #taken = false;

  constructor(store: Store, site: string, logger: Pick<Logger, 'error'>) {
    this.#store = store;
    this.#site = site;
    this.#logger = logger;
  }

  /** Look once, and declare what is lost. Data that nobody has met has nothing to lose. @throws DirectoryUnavailable when asked again it begins anew */
  async take(): Promise<void> {
    if (this.#taken) return;
    const missing = (await this.#judges()) ? Math.max(await this.#walk('references'), await this.#walk('order')) : 0;
    // Whoever writes a record of another shape says so in the same step: what looked like nothing may be that.
    if (missing > 0 && (await this.#judges())) await this.#lost(missing);
    this.#taken = true;
  }

  /** What a newer release keeps of people, this one does not know. */
  async #judges(): Promise<boolean> {
    const { witness } = this.#store;
    const { epoch } = await this.#store.guard(() => witness.look());
    return epoch !== '' && witness.newer === undefined;
  }

  async #lost(missing: number): Promise<void> {
    let recovery: Awaited<ReturnType<Witness['declareMissing']>>['recovery'];
    // Another process may have declared less at this moment: then the first word only brings its epoch.
    for (let tries = 0; tries < TRIES && recovery !== 'lost' && recovery !== 'rebuilding'; tries += 1)
      ({ recovery } = await this.#store.guard(() => this.#store.witness.declareMissing(missing)));
    this.#logger.error(
      { site: this.#site, missing, recovery },
      'a part of what is kept of people is gone: the data of this site was lost',
    );
    for (const index of INDEXES) await this.#walk(index, true);
  }

  /** Look at everybody in an index, page by page. */
  async #walk(index: Index, tidy = false): Promise<number> {
    const { redis, prefix } = this.#store;
    const size = tidy ? PAGE.tidy : PAGE.look;
    let [cursor, found] = ['0', 0];
    do {
      const { next, pairs } = await this.#page(index, cursor, size);
      cursor = next;
      for (let at = 0; at < pairs.length; at += 2 * size) {
        const some = pairs.slice(at, at + 2 * size);
        found += Number(await this.#store.guard(() => wholeScript.run(redis, prefix, index, tidy ? '1' : '', ...some)));
      }
    } while (cursor !== '0');
    return found;
  }

  /** Field and id of each, by turns. */
  async #page(index: Index, cursor: string, size: number): Promise<{ next: string; pairs: string[] }> {
    const { redis, prefix } = this.#store;
    const name = prefix + index;
    if (index !== 'order') {
      const [next, pairs] = await this.#store.guard(() => redis.hscan(name, cursor, 'COUNT', size));
      return { next, pairs };
    }
    const [next, rows] = await this.#store.guard(() => redis.zscan(name, cursor, 'COUNT', size));
    return { next, pairs: rows.flatMap((id, at) => (at % 2 === 0 ? ['', id] : [])) };
  }
}
