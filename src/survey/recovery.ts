/**
 * Owns the way back of a site whose data was lost or set back: what an operator may do, what must have happened before the site may be released, and that
 * the budget of an emptied store counts as used for one window. The loss itself is noticed by whoever remembers (directory/witness.ts) or by the first survey.
 * Refuses to release: release.ts asks here first. Refuses to end anybody whose leave is older than the loss without an approval: they may be back since.
 */
import type { Archive } from '../directory/archive.ts';
import { Holds } from '../directory/holds.ts';
import type { Runs } from '../directory/runs.ts';
import type { Store } from '../directory/store.ts';
import type { Recovery as RecoveryWord } from '../directory/witness.ts';
import type { Logger } from '../logger.ts';
import type { Budget } from '../maxio/budget.ts';
import { RedisScript } from '../redis-script.ts';
import type { ErasedCopy } from './erased-copy.ts';
import { NO_COUNTS, type Rebuild, type RebuildCounts, type References } from './rebuild.ts';
import { Refused } from './refused.ts';
import type { Chore, Turn } from './rounds.ts';
import type { Survey } from './survey.ts';

const holdScript = new RedisScript(new URL('../directory/hold-leaver.lua', import.meta.url));

export interface RecoveryOrder {
  by: string;
  requestId: string;
}

export interface RecoveryState {
  recovery: RecoveryWord | null;
  /** When the loss was noticed; `null` where there was none. */
  sinceMs: number | null;
  unclaimed: number;
  people: number;
  rebuild: ({ state: 'never' | 'wanted' | 'running' | 'done' } & RebuildCounts) | null;
  detail: string;
}

export interface RecoveryParts {
  siteKey: string;
  store: Store;
  runs: Runs;
  survey: Survey;
  rebuild: Rebuild;
  archive: Archive;
  /** Whoever was erased is left out. */
  erasedCopy: Pick<ErasedCopy, 'know'>;
  budget: Budget | undefined;
  logger: Logger;
}

interface Notes {
  state: 'never' | 'wanted' | 'running' | 'done';
  references: References;
  by: string;
  requestId: string;
  cursor: string;
  counts: RebuildCounts;
}

const PAGE = 500;

const DETAILS: Record<RecoveryWord, string> = {
  lost: 'The data of this site was lost. The identity provider is told to come back later, and nothing is written at Maxio. Restore a backup of Redis, or run maxio-scim import FILE, or maxio-scim rebuild.',
  rebuilding:
    'The directory is being put back. The identity provider is told to come back later, and nothing is written at Maxio.',
  rebuilt:
    'Everybody who is known at Maxio is in the directory again, unseen until the identity provider sends them. Next: let it send everybody, look at maxio-scim plan, then maxio-scim release.',
  imported:
    'The directory is as it was when the export was written. Next: maxio-scim rebuild for whoever came after it, let the identity provider send everybody, look at maxio-scim plan, then maxio-scim release.',
  restored:
    'The data of this site was set back to an earlier moment. Nothing is written at Maxio. Next: maxio-scim rebuild for whoever came after it, let the identity provider send everybody, look at maxio-scim plan, then maxio-scim release.',
};

export class Recovery implements Chore {
  readonly name = 'recovery';
  readonly #parts: RecoveryParts;

  constructor(parts: RecoveryParts) {
    this.#parts = parts;
  }

  async state(): Promise<RecoveryState> {
    const { store, archive } = this.#parts;
    const [{ recovery, epochAtMs }, counts, notes] = await Promise.all([store.witness.look(), archive.counts(), this.#read()]);
    return {
      recovery: recovery ?? null,
      sinceMs: recovery === undefined ? null : epochAtMs,
      ...counts,
      rebuild: notes.state === 'never' ? null : { state: notes.state, ...notes.counts },
      detail: recovery === undefined ? 'Nothing is being recovered.' : DETAILS[recovery],
    };
  }

  /** Somebody has restored a backup and says so: from now on nothing is written at Maxio before a release. */
  async restored({ by, requestId }: RecoveryOrder): Promise<RecoveryState> {
    const { store, runs, survey } = this.#parts;
    await store.witness.declare('restored', by);
    await runs.tell('', 0, { kind: 'operator', what: 'restored', actor: by, requestId });
    await survey.want({ by, requestId });
    return await this.state();
  }

  /** What a rebuild would do, by the last survey. @throws Refused */
  async preview(references: References): Promise<RebuildCounts> {
    if (!(await this.#surveyed())) {
      throw new Refused(
        'survey-first',
        'Nobody has read what is at Maxio since the data of this site began.',
        'Run maxio-scim survey --wait, then this again. A rebuild without --preview does so by itself.',
      );
    }
    await this.#parts.erasedCopy.know();
    const counts = { ...NO_COUNTS };
    let cursor = '0';
    do {
      const page = await this.#parts.rebuild.page(cursor, references);
      add(counts, page.counts);
      cursor = page.next;
    } while (cursor !== '0');
    return counts;
  }

  /** Ask for a rebuild; it goes on by itself, also after a restart. @throws Refused */
  async want(references: References, order: RecoveryOrder): Promise<RecoveryState> {
    const { store, runs } = this.#parts;
    await this.#observing('rebuild');
    await this.#parts.erasedCopy.know();
    const { recovery } = await store.witness.look();
    const notes = await this.#read();
    if (recovery === 'rebuilding' && notes.state !== 'done' && notes.state !== 'never') return await this.state();
    await this.#note({ state: 'wanted', references: JSON.stringify(references), ...order, cursor: '0', counts: '' });
    const audit = { kind: 'operator', what: 'rebuild-wanted', actor: order.by, requestId: order.requestId } as const;
    if (recovery === 'rebuilding') await runs.tell('', 0, audit);
    // Somebody may have let the site act since it was looked at.
    else if (!(await store.witness.proceed(recovery, 'rebuilding', audit))) await this.#observing('rebuild');
    return await this.state();
  }

  /** The first survey of a site that nobody has met finds subscriptions of ours: then somebody has met it, and that was forgotten. */
  async lostBySurvey(): Promise<number> {
    const { store, rebuild, logger, siteKey } = this.#parts;
    const { epoch } = await store.witness.look();
    if ((await store.redis.hget(`${store.prefix}site`, 'asNew')) === epoch) return 0;
    const orphans = await rebuild.orphans();
    if (orphans === 0) return 0;
    await store.witness.declare(
      'lost',
      'survey',
      `${orphans} customers at Maxio carry the mark of this service and are unknown here`,
    );
    logger.error({ site: siteKey, orphans }, 'the data of this site was lost');
    return orphans;
  }

  /**
   * Say why a site may not be released yet; `undefined` when it may.
   * @param asNew whoever asks accepts that what was lost stays lost
   */
  async obstacle(asNew: boolean): Promise<{ error: 'rebuild-first' | 'survey-first'; detail: string; todo: string } | undefined> {
    const { recovery } = await this.#parts.store.witness.look();
    if (recovery === undefined) return undefined;
    if ((recovery === 'lost' || recovery === 'rebuilding') && !asNew) {
      return {
        error: 'rebuild-first',
        detail: DETAILS[recovery],
        todo: 'Run maxio-scim rebuild or maxio-scim import FILE first. If this site should begin anew all the same: maxio-scim release --as-new.',
      };
    }
    if (await this.#surveyed()) return undefined;
    return {
      error: 'survey-first',
      detail: 'The last survey is older than the data of this site.',
      todo: 'Run maxio-scim survey --wait, then release again.',
    };
  }

  /** The operator has released the site: leaves from before wait for an approval each, and the recovery is over. Before the mode changes. */
  async end({ by, requestId }: RecoveryOrder, asNew: boolean): Promise<number> {
    const { store } = this.#parts;
    const { recovery, epoch } = await store.witness.look();
    if (recovery === undefined) return 0;
    if (asNew) await store.redis.hset(`${store.prefix}site`, 'asNew', epoch);
    const held = await this.#holdOldLeavers();
    const audit = { kind: 'operator', what: 'recovery-ended', actor: by, requestId, was: recovery, held, asNew } as const;
    if (!(await store.witness.proceed(recovery, undefined, audit))) {
      throw new Refused(
        'survey-first',
        'The data of this site was lost or set back once more, or its recovery has gone on, while it was being released.',
        'Run maxio-scim recovery, then release again.',
      );
    }
    return held;
  }

  async turn(turn: Turn): Promise<'more' | 'idle'> {
    const { recovery, epoch } = this.#parts.store.witness.standing;
    if (recovery === undefined) return 'idle';
    if (recovery === 'lost') await this.#fill(epoch);
    if (recovery !== 'rebuilding') return 'idle';
    const notes = await this.#read();
    if (notes.state === 'wanted') return await this.#begin(notes, epoch);
    return notes.state === 'running' ? await this.#go(notes, turn) : 'idle';
  }

  /** The calls of the last window were counted in what is lost. Once for each epoch. */
  async #fill(epoch: string): Promise<void> {
    const { store, budget } = this.#parts;
    const key = `${store.prefix}rebuild`;
    if (budget === undefined || (await store.redis.hget(key, 'filled')) === epoch) return;
    await budget.fill();
    await store.redis.hset(key, 'filled', epoch);
  }

  async #begin(notes: Notes, epoch: string): Promise<'more' | 'idle'> {
    if (!(await this.#surveyed())) {
      await this.#fill(epoch);
      await this.#parts.survey.want({ by: notes.by, requestId: notes.requestId });
      return 'idle';
    }
    await this.#note({ state: 'running', cursor: '0', counts: JSON.stringify(NO_COUNTS) });
    return 'more';
  }

  async #go(notes: Notes, { signal }: Turn): Promise<'more' | 'idle'> {
    const { store, rebuild, logger, siteKey } = this.#parts;
    const { next, counts } = await rebuild.page(notes.cursor, notes.references, notes);
    signal.throwIfAborted();
    add(notes.counts, counts);
    const done = next === '0';
    const state = { state: done ? 'done' : 'running', cursor: next, counts: JSON.stringify(notes.counts) };
    // Whom it was for are names, and nobody asks for them again.
    await this.#note({ ...state, ...(done && { references: '' }) });
    if (!done) return 'more';
    const { by, requestId } = notes;
    const audit = { kind: 'operator', what: 'rebuild-done', actor: by, requestId, ...notes.counts } as const;
    await store.witness.proceed('rebuilding', 'rebuilt', audit);
    logger.info({ site: siteKey, ...notes.counts }, 'directory rebuilt');
    return 'idle';
  }

  async #holdOldLeavers(): Promise<number> {
    const { store } = this.#parts;
    const { epochAtMs } = store.witness.standing;
    const leavers = await store.guard(() => store.redis.zrange(`${store.prefix}urgent`, '0', '-1'));
    const ids = [...leavers, ...(await new Holds(store).losers())];
    let held = 0;
    for (let at = 0; at < ids.length; at += PAGE) {
      const some = ids.slice(at, at + PAGE);
      const words = await Promise.all(
        some.map((id) => store.guard(() => holdScript.run(store.redis, store.prefix, id, epochAtMs))),
      );
      held += words.filter((word) => word === 1).length;
    }
    return held;
  }

  /** Whether a survey has begun and ended since the data of this site began. */
  async #surveyed(): Promise<boolean> {
    const { store, survey } = this.#parts;
    const { startedAt, finishedAt, state } = await survey.state();
    if (state !== 'done' || startedAt === null || finishedAt === null) return false;
    // Where everything was lost, an older survey was lost with it; where data was set back, a survey of then may be in it.
    const [began, since] = await store.redis.hmget(`${store.prefix}site`, 'began', 'epochAtMs');
    return began !== 'restored' || Date.parse(startedAt) >= Number(since);
  }

  async #observing(what: string): Promise<void> {
    const { store } = this.#parts;
    const mode = await store.guard(() => store.redis.hget(`${store.prefix}mode`, 'mode'));
    if (mode === 'observe') return;
    throw new Refused(
      'not-observing',
      `The site is in mode ${mode ?? 'unconfirmed'}; a ${what} is for a site that observes.`,
      'Run maxio-scim mode observe first; nothing is written at Maxio then until you say maxio-scim release.',
    );
  }

  async #read(): Promise<Notes> {
    const { store } = this.#parts;
    const fields = await store.guard(() => store.redis.hgetall(`${store.prefix}rebuild`));
    return {
      state: (fields.state as Notes['state'] | undefined) ?? 'never',
      references: fields.references ? (JSON.parse(fields.references) as References) : 'marked',
      by: fields.by ?? '',
      requestId: fields.requestId ?? '',
      cursor: fields.cursor ?? '0',
      counts: fields.counts ? (JSON.parse(fields.counts) as RebuildCounts) : { ...NO_COUNTS },
    };
  }

  async #note(fields: Record<string, string>): Promise<void> {
    const { store } = this.#parts;
    await store.guard(() => store.redis.hset(`${store.prefix}rebuild`, fields));
  }
}

function add(sum: RebuildCounts, more: RebuildCounts): void {
  for (const name of Object.keys(more) as (keyof RebuildCounts)[]) sum[name] += more[name];
}
