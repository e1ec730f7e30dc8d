/**
 * Owns where the report of differences between the directory and Maxio lives: its head, the rows of each person, and what has been repaired before.
 * Any process may read it. Refuses to compare and to repair.
 */
import { RedisScript } from '../redis-script.ts';
import type { Store } from './store.ts';

const putScript = new RedisScript(new URL('./drift-put.lua', import.meta.url));
const swapScript = new RedisScript(new URL('./drift-swap.lua', import.meta.url));

/** `repaired`: a repair is on its way or done. `contested`: it was repaired before and has come back, or somebody means it so: only an operator repairs it. */
export type RepairState = 'possible' | 'repaired' | 'contested' | 'none';

export interface StoredDriftRow {
  key: string;
  kind: string;
  personId: string;
  userName: string;
  customerId: string | null;
  subscriptionId: string | null;
  detail: string;
  exempt: boolean;
  /** Redis TIME of the report that showed it first. */
  sinceMs: number;
  repair: RepairState;
}

export interface DriftHead {
  state: 'never' | 'wanted' | 'running' | 'done';
  /** What is wanted or running: a look at what has changed, or a full pass. */
  full: boolean;
  by: string;
  /** When a full pass was asked of the survey. */
  askedMs: number;
  /** The last report: when, from a full pass or not, everybody counted by kind also beyond the rows that are kept. */
  atMs: number;
  lastFull: boolean;
  counts: Record<string, number>;
  /** Of these, the differences of people whom an operator has exempted: nobody has to do anything about them. */
  exempts: Record<string, number>;
  nextMs: number;
}

export interface Report {
  /** Redis TIME before the first person was compared. */
  beganMs: number;
  atMs: number;
  lastFull: boolean;
  nextMs: number;
}

/** People whose rows are kept; a report of more has one cause. */
const PEOPLE_MAX = 10_000;
const BATCH = 500;
const FRESH = 'driftRows:new';

export class DriftReports {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async head(): Promise<DriftHead> {
    const fields = await this.#store.guard(() => this.#store.redis.hgetall(this.#key('drift')));
    const { state = 'never', by = '', counts = '{}', exempts = '{}' } = fields;
    return {
      state: state as DriftHead['state'],
      full: fields.full === '1',
      by,
      askedMs: Number(fields.askedMs ?? 0),
      atMs: Number(fields.atMs ?? 0),
      lastFull: fields.lastFull === '1',
      counts: JSON.parse(counts) as Record<string, number>,
      exempts: JSON.parse(exempts) as Record<string, number>,
      nextMs: Number(fields.nextMs ?? 0),
    };
  }

  async note(head: Partial<DriftHead>): Promise<void> {
    const fields: Record<string, string> = {};
    for (const [name, value] of Object.entries(head)) {
      fields[name] =
        typeof value === 'object' ? JSON.stringify(value) : typeof value === 'boolean' ? (value ? '1' : '0') : String(value);
    }
    await this.#store.guard(() => this.#store.redis.hset(this.#key('drift'), fields));
  }

  /** All rows that are kept, longest known first. */
  async rows(): Promise<StoredDriftRow[]> {
    const texts = await this.#store.guard(() => this.#store.redis.hvals(this.#key('driftRows')));
    return texts.flatMap((text) => JSON.parse(text) as StoredDriftRow[]).sort((a, b) => a.sinceMs - b.sinceMs);
  }

  async rowsOf(personId: string): Promise<StoredDriftRow[]> {
    const text = await this.#store.guard(() => this.#store.redis.hget(this.#key('driftRows'), personId));
    return text === null ? [] : (JSON.parse(text) as StoredDriftRow[]);
  }

  /**
   * Let a new report take the place of the last one; what was put of somebody since its comparison began stands.
   * @returns everything counted by kind, and of whom something was put; `undefined` when a newer report stands
   */
  async replace(
    rows: StoredDriftRow[],
    { beganMs, atMs, lastFull, nextMs }: Report,
  ): Promise<{ counts: Record<string, number>; late: string[] } | undefined> {
    const { redis, prefix } = this.#store;
    const fresh = this.#key(FRESH);
    const counts = JSON.stringify([countsOf(rows), countsOf(rows.filter(({ exempt }) => exempt))]);
    const people = [...Map.groupBy(rows, ({ personId }) => personId)].slice(0, PEOPLE_MAX);
    return await this.#store.guard(async () => {
      await redis.del(fresh);
      for (let at = 0; at < people.length; at += BATCH) {
        await redis.hset(
          fresh,
          Object.fromEntries(people.slice(at, at + BATCH).map(([id, theirs]) => [id, JSON.stringify(theirs)])),
        );
      }
      const head = ['lastFull', lastFull ? '1' : '0', 'nextMs', nextMs];
      const answer = await swapScript.run(redis, prefix, beganMs, atMs, counts, FRESH, ...head);
      const [text, late] = answer as [string, string[]];
      return text === '' ? undefined : { counts: JSON.parse(text) as Record<string, number>, late };
    });
  }

  /** Replace what is reported of one person, and count anew. `change` is asked again when somebody else was faster. */
  async change(
    personId: string,
    change: (before: StoredDriftRow[]) => StoredDriftRow[] | Promise<StoredDriftRow[]>,
  ): Promise<void> {
    const { redis, prefix } = this.#store;
    const text = (rows: StoredDriftRow[]): string => (rows.length === 0 ? '' : JSON.stringify(rows));
    for (;;) {
      const was = (await this.#store.guard(() => redis.hget(this.#key('driftRows'), personId))) ?? '';
      const now = text(await change(was === '' ? [] : (JSON.parse(was) as StoredDriftRow[])));
      // Also where nothing was and is: a comparison at work may have read of a difference that is over.
      if ((await this.#store.guard(() => putScript.run(redis, prefix, personId, was, now))) === 1) return;
    }
  }

  /** When each of these differences was repaired last; those that never were are left out. */
  async repairsOf(keys: string[]): Promise<Map<string, number>> {
    const found = new Map<string, number>();
    for (let at = 0; at < keys.length; at += BATCH) {
      const some = keys.slice(at, at + BATCH);
      const times = await this.#store.guard(() => this.#store.redis.hmget(this.#key('driftRepairs'), ...some));
      for (const [i, time] of times.entries()) if (time !== null) found.set(some[i] ?? '', Number(time));
    }
    return found;
  }

  async noteRepairs(keys: string[], atMs: number): Promise<void> {
    if (keys.length === 0) return;
    const fields = Object.fromEntries(keys.map((key) => [key, String(atMs)]));
    await this.#store.guard(() => this.#store.redis.hset(this.#key('driftRepairs'), fields));
  }

  /** How many differences were repaired since a moment. */
  async countRepairs(sinceMs: number): Promise<number> {
    const times = await this.#store.guard(() => this.#store.redis.hvals(this.#key('driftRepairs')));
    return times.filter((atMs) => Number(atMs) >= sinceMs).length;
  }

  /** Forget repairs older than a moment, so that a difference of another time is not taken for a quarrel. */
  async forgetRepairs(beforeMs: number): Promise<void> {
    const { redis } = this.#store;
    const all = await this.#store.guard(() => redis.hgetall(this.#key('driftRepairs')));
    const old = Object.entries(all).flatMap(([key, atMs]) => (Number(atMs) < beforeMs ? [key] : []));
    if (old.length > 0) await this.#store.guard(() => redis.hdel(this.#key('driftRepairs'), ...old));
  }

  #key(name: string): string {
    return this.#store.prefix + name;
  }
}

/** The differences that somebody may have to do something about, by kind. */
export function openCounts({ counts, exempts }: Pick<DriftHead, 'counts' | 'exempts'>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([kind, count]) => [kind, Math.max(0, count - (exempts[kind] ?? 0))]));
}

function countsOf(rows: StoredDriftRow[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of rows) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
