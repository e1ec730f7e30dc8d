/**
 * Owns what a process remembers of the data of a site, to notice that it is not the data it knew: the epoch, a random word that is written at first contact,
 * the highest number of the audit trail, and how many people there ever were. Another epoch, or none, means the data was lost; a lower number means it was set back
 * to an earlier moment, and fewer people mean that a part of it is gone (census.ts looks for their records).
 * Both are declared in Redis by whoever notices, in one script with the mode `observe`, so that every process stops at once (witness.lua).
 * Refuses to mend anything: that takes an operator (survey/recovery.ts). A process that has just started remembers nothing, unless a file tells it.
 */
import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { RedisScript } from '../redis-script.ts';
import type { AuditEntry } from './audit.ts';
import { sitePrefix } from './keys.ts';
import { SCHEMA_VERSION } from './record.ts';
import { DirectoryUnavailable } from './unavailable.ts';

const witnessScript = new RedisScript(new URL('./witness.lua', import.meta.url));
const proceedScript = new RedisScript(new URL('./proceed.lua', import.meta.url));

/**
 * Where a site stands after a loss. `lost`: nobody knows who its people are, so the identity provider is told to come back. `rebuilding`: somebody is about
 * to change that. `rebuilt`, `imported`, `restored`: the identity provider is answered again, and nothing is written at Maxio before a release.
 */
export const RECOVERIES = ['lost', 'rebuilding', 'rebuilt', 'imported', 'restored'] as const;
export type Recovery = (typeof RECOVERIES)[number];

export interface Standing {
  /** '' before first contact, and where this process has not looked yet. */
  epoch: string;
  /** Highest number of the audit trail that this process has seen. */
  seq: number;
  /** `undefined`: nothing is wrong. */
  recovery: Recovery | undefined;
  /** Redis TIME at which this epoch began. */
  epochAtMs: number;
  /** The newest shape in which anything was ever written here, by whatever release. */
  schema: number;
}

/** What is kept of a standing outside of Redis. */
export interface Memory {
  epoch: string;
  seq: number;
  past: string[];
  /** Absent where a release has written it that did not count. */
  counted?: Counted | undefined;
}

/** How many people there ever were, erased ones included, when the audit trail had come to this number, at this Redis TIME. */
export interface Counted {
  people: number;
  seq: number;
  atMs: number;
}

/** How soon a loss is noticed by a process that has nothing else to ask. */
const LOOK_MS = 2_000;
const RETRY_SECONDS = 60;

const WHY: Record<'lost' | 'restored', string> = {
  lost: 'the data of this site was lost',
  restored: 'the data of this site was set back to an earlier moment',
};

export class Witness {
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #onNewer: (schema: number) => void;
  #standing: Standing = { epoch: '', seq: 0, recovery: undefined, epochAtMs: 0, schema: 0 };
  #counted: Counted | undefined;
  #site: Record<string, string> = {};
  readonly #past = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** @param onNewer told when a newer release turns out to have written here */
  constructor(redis: Redis, siteKey: string, onNewer: (schema: number) => void = () => undefined) {
    this.#redis = redis;
    this.#prefix = sitePrefix(siteKey);
    this.#onNewer = onNewer;
  }

  get standing(): Standing {
    return this.#standing;
  }

  /** The schema version of a newer release that has written here; `undefined`: this process can read everybody. */
  get newer(): number | undefined {
    return this.#standing.schema > SCHEMA_VERSION ? this.#standing.schema : undefined;
  }

  get memory(): Memory {
    const { epoch, seq } = this.#standing;
    return { epoch, seq, past: [...this.#past], counted: this.#counted };
  }

  /** Take over what an earlier process knew. Before the first look. */
  remember({ epoch, seq, past, counted }: Memory): void {
    this.#standing = { ...this.#standing, epoch, seq };
    this.#counted = counted;
    for (const each of past) this.#past.add(each);
  }

  /** What must hold when a call leaves for Maxio: this is still the data that the call rests on. */
  fences(): { key: string; field: string; equals: string }[] {
    const { epoch } = this.#standing;
    return epoch === '' ? [] : [{ key: `${this.#prefix}site`, field: 'epoch', equals: epoch }];
  }

  /** The audit trail has reached this number. */
  noted(seq: number): void {
    if (seq > this.#standing.seq) this.#standing = { ...this.#standing, seq };
  }

  /**
   * Judge what was read together with something else, and look closer when it is wrong.
   * @param before what this process knew when the question left
   */
  agrees(before: Standing, epoch: string | null | undefined, seq: string | null | undefined): boolean {
    const right = (before.epoch === '' || epoch === before.epoch) && Number(seq ?? 0) >= before.seq;
    if (right) this.noted(Number(seq ?? 0));
    else void this.look().catch(() => undefined);
    return right;
  }

  /** Refuse while nobody knows who the people of this site are. @throws DirectoryUnavailable */
  admit(): void {
    const { recovery } = this.#standing;
    if (recovery !== 'lost' && recovery !== 'rebuilding') return;
    throw new DirectoryUnavailable('the data of this site was lost and is not recovered yet', RETRY_SECONDS);
  }

  /** Compare with Redis, and declare what is wrong. */
  async look(): Promise<Standing> {
    return await this.#ask('', 'witness', '');
  }

  /** Declare that the data was lost, or set back, by somebody who knows. */
  async declare(found: 'lost' | 'restored', by: string, why = WHY[found]): Promise<Standing> {
    return await this.#ask(found, by, why);
  }

  /** Declare that of so many people a part is gone: lost, unless somebody has said so meanwhile. */
  async declareMissing(people: number): Promise<Standing> {
    return await this.#ask('missing', 'start', `of ${people} people the record, or what leads to it, is gone`);
  }

  /** Go on with the recovery. @returns false when the site stands elsewhere by now */
  async proceed(from: Recovery | undefined, to: Recovery | undefined, audit: AuditEntry): Promise<boolean> {
    const { epoch } = this.#standing;
    const words = [epoch, from ?? '', to ?? '', JSON.stringify(audit)];
    const done = (await proceedScript.run(this.#redis, this.#prefix, ...words)) === 1;
    await this.look();
    return done;
  }

  /** Look again and again. */
  start(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      void this.look()
        .catch(() => undefined)
        .then(() => this.start());
    }, LOOK_MS);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #ask(declared: '' | 'lost' | 'restored' | 'missing', by: string, why: string): Promise<Standing> {
    const { epoch, seq } = this.#standing;
    const site = JSON.stringify(Object.entries(this.#site).flat());
    const past = [...this.#past].filter((each) => each !== epoch);
    // Which of the two it is the script finds out; the reason is kept with the mode and need not tell them apart.
    const reason = why === '' ? 'this data is not what the service knew' : why;
    const { people, atMs } = this.#counted ?? { people: -1, atMs: 0 };
    const words = [epoch, seq, randomUUID(), site, declared, by, reason, people, atMs, SCHEMA_VERSION, ...past];
    const answer = (await witnessScript.run(this.#redis, this.#prefix, ...words)) as (string | number)[];
    const [now = '', seen = 0, recovery = '', at = 0, siteId = '', test = '', name = '', , schema = 0, ...count] = answer;
    if (siteId !== '') this.#site = { siteId: String(siteId), test: String(test), name: String(name) };
    // A slower answer to an older question must not bring back what is over.
    if (this.#past.has(String(now))) return this.#standing;
    if (this.#standing.epoch !== '' && this.#standing.epoch !== now) this.#past.add(this.#standing.epoch);
    const moved = this.#standing.epoch !== now && this.#standing.epoch !== '';
    if (moved || this.#counted === undefined || Number(seen) >= this.#counted.seq) {
      const [counted = 0, countedAtMs = 0] = count.map(Number);
      this.#counted = { people: counted, seq: Number(seen), atMs: countedAtMs };
    }
    const { newer } = this;
    this.#standing = {
      epoch: String(now),
      seq: moved ? Number(seen) : Math.max(this.#standing.seq, Number(seen)),
      recovery: RECOVERIES.find((each) => each === recovery),
      epochAtMs: Number(at),
      schema: Number(schema),
    };
    if (this.newer !== undefined && this.newer !== newer) this.#onNewer(this.newer);
    return this.#standing;
  }
}
