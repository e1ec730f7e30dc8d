/**
 * Owns the marks of people who were erased: HMAC of the reference with a key that is not in Redis, so that the set tells nobody's name and still knows somebody who
 * is named to it. A rebuild and an import leave those people out, and their customer at Maxio is taken over only by an operator's word.
 * Without the key, or with another one, nobody can be known again: then whoever asks hears that, and never "no".
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Secret } from '../secret.ts';
import type { Store } from './store.ts';

/** The field of the hash that tells by which key the marks were made. No mark is as short. */
const KEY_FIELD = 'key';

export interface ErasedNote {
  atMs: number;
  by: string;
  /** An operator has said that the person is back: the mark binds nobody any more. */
  readmitted?: true;
}

export type ErasureKey = 'right' | 'none' | 'other';

/** Somebody is to be compared with the erased, and this process cannot. */
export class ErasureKeyMissing extends Error {
  readonly todo =
    'Set ERASURE_KEY, or ERASURE_KEY_FILE, of every process to the key people were erased with; then do this again.';

  constructor(key: Exclude<ErasureKey, 'right'>) {
    super(
      key === 'none'
        ? 'People of this site were erased, and this process has no ERASURE_KEY to know them by.'
        : 'People of this site were erased with another ERASURE_KEY than the one of this process.',
    );
    this.name = 'ErasureKeyMissing';
  }
}

export class Erased {
  readonly #store: Store;
  readonly #siteKey: string;
  readonly #key: Secret | undefined;

  constructor(store: Store, siteKey: string, key: Secret | undefined) {
    this.#store = store;
    this.#siteKey = siteKey;
    this.#key = key;
  }

  /** Whether anybody was erased, and whether this process can know them again. `none` is no trouble where nobody was. */
  async state(): Promise<{ count: number; key: ErasureKey }> {
    const { redis, prefix } = this.#store;
    const [size, check] = await this.#store.guard(() =>
      Promise.all([redis.hlen(`${prefix}erased`), redis.hget(`${prefix}erased`, KEY_FIELD)]),
    );
    const count = check === null ? size : size - 1;
    if (this.#key === undefined) return { count, key: 'none' };
    return { count, key: check === null || equal(check, this.check()) ? 'right' : 'other' };
  }

  /** @throws ErasureKeyMissing where somebody was erased whom this process could not know */
  async ready(): Promise<void> {
    const { count, key } = await this.state();
    if (count > 0 && key !== 'right') throw new ErasureKeyMissing(key);
  }

  /** Which of these references are those of somebody who was erased and is not back. @throws ErasureKeyMissing */
  async among(references: readonly string[]): Promise<Set<string>> {
    const { count, key } = await this.state();
    if (count === 0 || references.length === 0) return new Set();
    if (key !== 'right') throw new ErasureKeyMissing(key);
    const { redis, prefix } = this.#store;
    const marks = references.map((reference) => this.mark(reference));
    const notes = await this.#store.guard(() => redis.hmget(`${prefix}erased`, ...marks));
    return new Set(references.filter((_, at) => binds(notes[at])));
  }

  /** Whether somebody with this reference was erased. @throws ErasureKeyMissing */
  async has(reference: string): Promise<boolean> {
    return (await this.among([reference])).has(reference);
  }

  mark(reference: string): string {
    return this.#hmac(`reference\n${this.#siteKey}\n${reference}`);
  }

  /** Tells one key from another without telling either. */
  check(): string {
    return this.#hmac(`key\n${this.#siteKey}`);
  }

  /** Everything there is, for a copy elsewhere. */
  async all(): Promise<Record<string, string>> {
    return await this.#store.guard(() => this.#store.redis.hgetall(`${this.#store.prefix}erased`));
  }

  /** Which marks of a copy are not here. @throws ErasureKeyMissing where they were made with another key */
  async missing(marks: Readonly<Record<string, string>>): Promise<Record<string, string>> {
    const here = await this.all();
    const [own, theirs] = [here[KEY_FIELD], marks[KEY_FIELD]];
    if (own !== undefined && theirs !== undefined && own !== theirs) throw new ErasureKeyMissing('other');
    return Object.fromEntries(Object.entries(marks).filter(([mark]) => here[mark] === undefined));
  }

  /** Take over one field of a copy; what is here stays. @throws ErasureKeyMissing where the copy was made with another key */
  async accept(mark: string, note: string): Promise<void> {
    const { redis, prefix } = this.#store;
    const fresh = await this.#store.guard(() => redis.hsetnx(`${prefix}erased`, mark, note));
    if (mark === KEY_FIELD && fresh === 0) await this.missing({ [mark]: note });
  }

  #hmac(text: string): string {
    if (this.#key === undefined) throw new ErasureKeyMissing('none');
    return createHmac('sha256', this.#key.reveal()).update(text, 'utf8').digest('base64url');
  }
}

/** Whether a mark still says that the person is to stay away. */
export function binds(note: string | null | undefined): boolean {
  if (note === null || note === undefined) return false;
  return (JSON.parse(note) as ErasedNote).readmitted !== true;
}

function equal(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
