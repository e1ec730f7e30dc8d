/**
 * Owns the export of a site and its way back: every person as stored, tombstones included, with what Maxio cannot tell (userNames, remembered endings,
 * holds, approved links, marks of the erased), and every group (archive-groups.ts). A row is one line of JSON; a person is whole in one row, and rows of one export may be minutes apart.
 * Refuses queues, budget, survey and audit trail: they are made anew. Refuses to decide whether an import is right (survey/recovery.ts).
 */
import { createHash, randomUUID } from 'node:crypto';
import { RedisScript } from '../redis-script.ts';
import { type GroupRow, groupRows, type MembersRow, putGroupRow } from './archive-groups.ts';
import type { AuditEntry } from './audit.ts';
import type { Erased } from './erased.ts';
import { SCHEMA_VERSION } from './record.ts';
import type { Store } from './store.ts';

const importScript = new RedisScript(new URL('./import-user.lua', import.meta.url));

/** 2: groups. A release that knows only 1 would take them for people. */
export const ARCHIVE_FORMAT = 2;
const PAGE = 200;
/** Begins a cursor that has come to the groups. */
const GROUPS = 'g';
const LISTS = ['order', 'held', 'exempt', 'parked', 'dirty'] as const;
/** Decisions of operators about who is who, and the marks of whoever was erased, as whole hashes. Marks first: they count for the rows behind them. */
const DECISIONS = ['erased', 'links', 'linkReferences', 'separate', 'groupPlans'] as const;

export interface ArchiveHead {
  kind: 'head';
  format: number;
  site: string;
  siteId: string | null;
  epoch: string | null;
  seq: number;
  mode: string | null;
  atMs: number;
}

interface UserRow {
  kind: 'user';
  /** The fields of the record, as stored. */
  f: Record<string, string>;
  order?: number;
  held?: number;
  exempt?: number;
  parked?: number;
  dirty?: number;
}

interface DecisionRow {
  kind: 'decision';
  hash: (typeof DECISIONS)[number];
  field: string;
  value: string;
}

export type ArchiveRow = UserRow | DecisionRow | GroupRow | MembersRow;

export interface ArchiveEnd {
  kind: 'end';
  people: number;
  rows: number;
  /** Of everything before, line by line with its line feed. */
  sha256: string;
}

export interface Imported {
  /** Groups that were added or replaced; everything else counts people, except conflicts and newer rows. */
  groups: number;
  added: number;
  replaced: number;
  kept: number;
  conflict: number;
  newer: number;
  /** People and decisions about people who were erased here. */
  erased: number;
}

/** The same sum that whoever reads the file makes. */
export class ArchiveSum {
  readonly #hash = createHash('sha256');
  #rows = 0;
  #people = 0;

  add(line: string): void {
    this.#hash.update(`${line}\n`, 'utf8');
    this.#rows += 1;
    if (line.startsWith('{"kind":"user"')) this.#people += 1;
  }

  end(): ArchiveEnd {
    return { kind: 'end', people: this.#people, rows: this.#rows, sha256: this.#hash.digest('hex') };
  }
}

export class Archive {
  readonly #store: Store;
  readonly #site: string;
  readonly #erased: Pick<Erased, 'among' | 'accept'> | undefined;

  /** @param erased whoever is among them is left out of an import */
  constructor(store: Store, site: string, erased?: Pick<Erased, 'among' | 'accept'>) {
    this.#store = store;
    this.#site = site;
    this.#erased = erased;
  }

  async head(): Promise<ArchiveHead> {
    const { redis, prefix } = this.#store;
    const [site, seq, mode, time] = await this.#store.guard(() =>
      Promise.all([
        redis.hmget(`${prefix}site`, 'siteId', 'epoch'),
        redis.hget(`${prefix}auditClock`, 'seq'),
        redis.hget(`${prefix}mode`, 'mode'),
        redis.time(),
      ]),
    );
    const [siteId = null, epoch = null] = site;
    const atMs = Number(time[0]) * 1_000;
    return { kind: 'head', format: ARCHIVE_FORMAT, site: this.#site, siteId, epoch, seq: Number(seq ?? 0), mode, atMs };
  }

  /** Count everybody there ever was, and those whom nobody has claimed. */
  async counts(): Promise<{ people: number; unclaimed: number }> {
    const { redis, prefix } = this.#store;
    const [people, unclaimed] = await this.#store.guard(() =>
      Promise.all([redis.hlen(`${prefix}references`), redis.zcard(`${prefix}unclaimed`)]),
    );
    return { people, unclaimed };
  }

  /**
   * One page: decisions, then people, then groups; whoever is written to meanwhile may come twice, the newer one last.
   * @param cursor '' to begin; '' in the answer: that was all
   */
  async page(cursor: string): Promise<{ next: string; rows: ArchiveRow[] }> {
    const { redis, prefix } = this.#store;
    if (cursor === '') return { next: '0', rows: await this.#decisions() };
    if (cursor.startsWith(GROUPS)) {
      const { next, rows } = await groupRows(this.#store, cursor.slice(GROUPS.length));
      return { next: next === '0' ? '' : GROUPS + next, rows };
    }
    const [next, flat] = await this.#store.guard(() => redis.hscan(`${prefix}references`, cursor, 'COUNT', PAGE));
    const ids = [...new Set(flat.filter((_text, at) => at % 2 === 1))];
    return { next: next === '0' ? `${GROUPS}0` : next, rows: await this.#people(ids) };
  }

  async #people(ids: string[]): Promise<UserRow[]> {
    if (ids.length === 0) return [];
    const { redis, prefix } = this.#store;
    // One person at a time, whole: a change between two of these commands would tear the row.
    const whole = await this.#store.guard(() =>
      Promise.all(
        ids.map(async (id) => {
          const transaction = redis.multi().hgetall(this.#store.userKey(id));
          for (const list of LISTS) transaction.zscore(prefix + list, id);
          return ((await transaction.exec()) ?? []).map(([, value]) => value);
        }),
      ),
    );
    return whole.flatMap(([fields, ...scores]) => {
      const f = fields as Record<string, string> | undefined;
      if (f?.id === undefined) return [];
      const placed = LISTS.flatMap((list, at) =>
        scores[at] === null || scores[at] === undefined ? [] : [[list, Number(scores[at])]],
      );
      return [{ kind: 'user' as const, f, ...Object.fromEntries(placed) }];
    });
  }

  async #decisions(): Promise<DecisionRow[]> {
    const { redis, prefix } = this.#store;
    const rows: DecisionRow[] = [];
    for (const hash of DECISIONS) {
      const all = await this.#store.guard(() => redis.hgetall(prefix + hash));
      for (const [field, value] of Object.entries(all)) rows.push({ kind: 'decision', hash, field, value });
    }
    return rows;
  }

  /** Put rows into the directory; what is here and as new stays. */
  async put(rows: ArchiveRow[], audit: AuditEntry): Promise<Imported> {
    const { redis, prefix } = this.#store;
    const done: Imported = { groups: 0, added: 0, replaced: 0, kept: 0, conflict: 0, newer: 0, erased: 0 };
    let gone: Set<string> | undefined;
    for (const row of rows) {
      if (row.kind === 'decision' && row.hash === 'erased') {
        await this.#erased?.accept(row.field, row.value);
        continue;
      }
      gone ??= (await this.#erased?.among(rows.flatMap((one) => referenceOf(one) ?? []))) ?? new Set();
      if (gone.has(referenceOf(row) ?? '')) {
        done.erased += 1;
        continue;
      }
      if (row.kind === 'decision') {
        await this.#decide(row, audit.actor ?? '');
        continue;
      }
      if (row.kind !== 'user') {
        const word = await putGroupRow(this.#store, row, audit);
        if (word === 'added' || word === 'replaced') done.groups += 1;
        if (word === 'conflict' || word === 'newer') done[word] += 1;
        continue;
      }
      const word = await this.#store.guard(() =>
        importScript.run(redis, prefix, JSON.stringify(row), SCHEMA_VERSION, JSON.stringify(audit), randomUUID()),
      );
      done[word as keyof Imported] += 1;
    }
    return done;
  }

  /** A decision that is here already stands. One that was not carried out yet waits to be. */
  async #decide({ hash, field, value }: DecisionRow, by: string): Promise<void> {
    const { redis, prefix } = this.#store;
    // Nobody approves rules that a file says are somebody else's: whoever brings the file sets them.
    const text = hash === 'groupPlans' ? JSON.stringify({ ...(JSON.parse(value) as object), by }) : value;
    const fresh = await this.#store.guard(() => redis.hsetnx(prefix + hash, field, text));
    if (fresh !== 1 || hash !== 'links') return;
    const { state } = JSON.parse(value) as { state?: string };
    if (state === 'approved') await this.#store.guard(() => redis.zadd(`${prefix}linkQueue`, 0, field));
    if (state === 'failed') await this.#store.guard(() => redis.zadd(`${prefix}linkFailures`, 0, field));
  }
}

/** The Maxio reference that a row names, if any. */
function referenceOf(row: ArchiveRow): string | undefined {
  if (row.kind === 'user') return row.f.reference;
  if (row.kind !== 'decision') return undefined;
  if (row.hash === 'links') return (JSON.parse(row.value) as { reference?: string }).reference;
  if (row.hash === 'linkReferences') return row.field;
  return row.hash === 'separate' ? row.field.slice(row.field.indexOf(':') + 1) : undefined;
}

/** Write a whole export, line by line; the last one proves that nothing is missing. */
export async function* archiveLines(archive: Archive): AsyncGenerator<string> {
  const sum = new ArchiveSum();
  const head = JSON.stringify(await archive.head());
  sum.add(head);
  yield head;
  let cursor = '';
  do {
    const { next, rows } = await archive.page(cursor);
    for (const row of rows) {
      const line = JSON.stringify(row);
      sum.add(line);
      yield line;
    }
    cursor = next;
  } while (cursor !== '');
  yield JSON.stringify(sum.end());
}

/** One page as lines, for whoever writes the file elsewhere. @param cursor '' to begin */
export async function archiveLinesPage(archive: Archive, cursor: string): Promise<{ lines: string[]; next: string | null }> {
  const head = cursor === '' ? [JSON.stringify(await archive.head())] : [];
  const { next, rows } = await archive.page(cursor);
  return { lines: [...head, ...rows.map((row) => JSON.stringify(row))], next: next === '' ? null : next };
}
