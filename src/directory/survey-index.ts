/**
 * Owns what a survey leaves in Redis: every customer and subscription of the site as last read, found by id, by reference, by folded e-mail address and
 * by owner. A pass is built beside the current one and takes its place in one script. Each row knows when it was read, and an older reading never
 * replaces a newer one, so pages, deltas and answers to our own calls may arrive in any order.
 * Refuses to know Maxio's client and what anybody concludes from a row. A row is what was there, not what is there.
 */
import { RedisScript } from '../redis-script.ts';
import { foldEmail } from '../scim/fold.ts';
import { digest } from './keys.ts';
import type { Store } from './store.ts';

const putScript = new RedisScript(new URL('./index-put.lua', import.meta.url));
const passScript = new RedisScript(new URL('./index-pass.lua', import.meta.url));
const lookScript = new RedisScript(new URL('./index-look.lua', import.meta.url));
const removeScript = new RedisScript(new URL('./index-remove.lua', import.meta.url));

export interface IndexedCustomer {
  id: string;
  reference: string | null;
  email: string;
  name: string;
  /** The writable fields that are set; the others are empty. */
  fields: Record<string, string | null>;
  createdAt: string;
  updatedAt: string;
  /** Redis TIME at the grant of the call that read it. */
  readAtMs: number;
}

export interface IndexedSubscription {
  id: string;
  customerId: string;
  state: string;
  productHandle?: string | undefined;
  monthlyCents?: number | undefined;
  reference: string | null;
  /** Scheduled to end. */
  ending: boolean;
  /** Only where it may carry our mark. */
  cancellationMessage?: string | null;
  canceledAt?: string | undefined;
  updatedAt: string;
  readAtMs: number;
}

export type CustomerRow = Omit<IndexedCustomer, 'readAtMs'>;
export type SubscriptionRow = Omit<IndexedSubscription, 'readAtMs'>;

/** Where the survey stands, written together with the rows it comes from. */
export interface PassStep {
  pass: number;
  /** Name of the page, such as `customers:17`; its moment is kept. */
  page?: string;
  state: Record<string, string | number>;
  /** Where the survey stood when the page was asked for: phase, page, again. The page counts only if it stands there still. */
  from?: [phase: string, page: string, again: string];
}

export interface IndexCounts {
  customers: number;
  subscriptions: number;
  /** Customers without a reference. */
  unreferenced: number;
}

/** What is known about someone who has no customer yet, before anything is created for them. */
export interface IndexSight {
  /** Whether a survey has ended: without one, finding nothing means nothing. */
  ready: boolean;
  /** The customer that carries the person's reference. */
  referenced?: IndexedCustomer;
  /** The customer an operator has approved for the person's reference. */
  approved?: string;
  /** That customer does not carry the reference yet: it is still to be set. */
  awaited?: boolean;
  /** Customers with an address of this person that are nobody's, as far as we know. */
  strangers: IndexedCustomer[];
}

const SCAN_COUNT = 500;

interface StoredCustomer {
  ref?: string;
  key: string;
  email: string;
  name: string;
  fields: Record<string, string>;
  created: string;
  updated: string;
  at: number;
}

export class SurveyIndex {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Begin to build a new pass; what was built of an unfinished one is dropped. */
  async begin(state: Record<string, string | number>): Promise<number> {
    const { redis, prefix } = this.#store;
    return Number(await passScript.run(redis, prefix, 'begin', '', pairs(state), '[]'));
  }

  /** Let a pass take the place of the current one. @param marks fields of `index`: from where changes are to be asked for */
  async finish(pass: number, state: Record<string, string | number>, marks: Record<string, string | number>): Promise<boolean> {
    const { redis, prefix } = this.#store;
    return (await passScript.run(redis, prefix, 'finish', pass, pairs(state), pairs(marks))) !== 0;
  }

  /** Put customers into the index as they were read at `readAtMs`. @returns false when the pass of `step` is no longer built */
  async putCustomers(rows: CustomerRow[], readAtMs: number, step?: PassStep): Promise<boolean> {
    const puts = rows.map((row) => {
      const key = emailKey(row.email);
      const { reference } = row;
      return { id: row.id, key, ...(reference === null ? {} : { reference }), text: customerText(row, key, readAtMs) };
    });
    return await this.#put('customers', puts, readAtMs, step);
  }

  async putSubscriptions(rows: SubscriptionRow[], readAtMs: number, step?: PassStep): Promise<boolean> {
    const puts = rows.map((row) => {
      const { id, customerId, ...rest } = row;
      return { id, key: customerId, text: JSON.stringify({ key: customerId, at: readAtMs, ...rest }) };
    });
    return await this.#put('subscriptions', puts, readAtMs, step);
  }

  async #put(kind: string, rows: object[], readAtMs: number, step: PassStep | undefined): Promise<boolean> {
    const { redis, prefix } = this.#store;
    const passed =
      step === undefined
        ? {}
        : {
            pass: String(step.pass),
            state: Object.entries(step.state).flat().map(String),
            ...(step.page ? { page: step.page } : {}),
            ...(step.from ? { from: step.from } : {}),
          };
    return (await putScript.run(redis, prefix, JSON.stringify({ kind, rows, readAtMs, ...passed }))) === 1;
  }

  /** Remove a customer that Maxio no longer knows, with its subscriptions. */
  async remove(customerId: string): Promise<void> {
    await removeScript.run(this.#store.redis, this.#store.prefix, customerId);
  }

  /** The number of the pass that readers see; `undefined` before the first survey has ended. */
  async current(): Promise<number | undefined> {
    const pass = await this.#store.redis.hget(`${this.#store.prefix}index`, 'current');
    return pass === null ? undefined : Number(pass);
  }

  async byReference(reference: string): Promise<IndexedCustomer | undefined> {
    const base = await this.#base();
    if (base === undefined) return undefined;
    const id = await this.#store.redis.hget(`${base}references`, reference);
    return id === null ? undefined : (await this.#customers(base, [id]))[0];
  }

  /** Customers with one of these folded addresses. */
  async byEmails(folded: string[]): Promise<IndexedCustomer[]> {
    const base = await this.#base();
    if (base === undefined || folded.length === 0) return [];
    const ids = await this.#owned(`${base}emails`, folded.map(emailKey));
    return (await this.#customers(base, ids)).filter(({ email }) => folded.includes(foldEmail(email)));
  }

  async customer(id: string): Promise<IndexedCustomer | undefined> {
    return (await this.customers([id]))[0];
  }

  /** Those of the given customers that the index knows. */
  async customers(ids: string[]): Promise<IndexedCustomer[]> {
    const base = await this.#base();
    return base === undefined ? [] : await this.#customers(base, ids);
  }

  async subscriptionsOf(customerIds: string[]): Promise<IndexedSubscription[]> {
    const base = await this.#base();
    if (base === undefined) return [];
    const ids = await this.#owned(`${base}owners`, customerIds);
    if (ids.length === 0) return [];
    const texts = await this.#store.redis.hmget(`${base}subscriptions`, ...ids);
    return texts.flatMap((text, i) => (text === null ? [] : [decodeSubscription(ids[i] ?? '', text)]));
  }

  /** Walk through the customers; a row may come twice. @param cursor '0' to begin; '0' in the answer: that was all */
  async scan(cursor: string, count = SCAN_COUNT): Promise<{ next: string; rows: IndexedCustomer[] }> {
    const found = await this.#scan('customers', cursor, count);
    return { next: found.next, rows: found.entries.map(([id, text]) => decodeCustomer(id, text)) };
  }

  /** Walk through the subscriptions as {@link SurveyIndex.scan} does through the customers. */
  async scanSubscriptions(cursor: string, count = SCAN_COUNT): Promise<{ next: string; rows: IndexedSubscription[] }> {
    const found = await this.#scan('subscriptions', cursor, count);
    return { next: found.next, rows: found.entries.map(([id, text]) => decodeSubscription(id, text)) };
  }

  /** Look for customers that may be this person already; one round trip, no call to Maxio. @param folded userName and addresses, folded */
  async look(reference: string, folded: string[]): Promise<IndexSight> {
    const { redis, prefix } = this.#store;
    const keys = folded.filter((address) => address !== '').map(emailKey);
    const answer = (await lookScript.run(redis, prefix, reference, ...keys)) as string[] | null;
    if (answer === null) return { ready: false, strangers: [] };
    const [approved = '', state = '', id = '', text = ''] = answer;
    const strangers: IndexedCustomer[] = [];
    for (let i = 4; i + 1 < answer.length; i += 2) strangers.push(decodeCustomer(answer[i] ?? '', answer[i + 1] ?? ''));
    return {
      ready: true,
      ...(approved === '' ? {} : { approved, awaited: state === 'approved' }),
      ...(text === '' ? {} : { referenced: decodeCustomer(id, text) }),
      strangers: strangers.filter(({ email }) => folded.includes(foldEmail(email))),
    };
  }

  async counts(): Promise<IndexCounts> {
    const base = await this.#base();
    if (base === undefined) return { customers: 0, subscriptions: 0, unreferenced: 0 };
    const { redis } = this.#store;
    const [customers, subscriptions, referenced] = await Promise.all([
      redis.hlen(`${base}customers`),
      redis.hlen(`${base}subscriptions`),
      redis.hlen(`${base}references`),
    ]);
    return { customers, subscriptions, unreferenced: Math.max(0, customers - referenced) };
  }

  async #base(): Promise<string | undefined> {
    const pass = await this.current();
    return pass === undefined ? undefined : `${this.#store.prefix}index:${pass}:`;
  }

  async #customers(base: string, ids: string[]): Promise<IndexedCustomer[]> {
    if (ids.length === 0) return [];
    const texts = await this.#store.redis.hmget(`${base}customers`, ...ids);
    return texts.flatMap((text, i) => (text === null ? [] : [decodeCustomer(ids[i] ?? '', text)]));
  }

  /** What stands behind `owner:` in a sorted set of `owner:id` members. */
  async #owned(key: string, owners: string[]): Promise<string[]> {
    const pipeline = this.#store.redis.pipeline();
    for (const owner of owners) pipeline.zrangebylex(key, `[${owner}:`, `(${owner};`);
    const replies = (await pipeline.exec()) ?? [];
    const ids = replies.flatMap(([error, members]) => {
      if (error) throw error;
      return (members as string[]).map((member) => member.slice(member.indexOf(':') + 1));
    });
    return [...new Set(ids)];
  }

  async #scan(kind: string, cursor: string, count: number): Promise<{ next: string; entries: [string, string][] }> {
    const base = await this.#base();
    if (base === undefined) return { next: '0', entries: [] };
    const [next, flat] = await this.#store.redis.hscan(`${base}${kind}`, cursor, 'COUNT', count);
    const entries: [string, string][] = [];
    for (let i = 0; i + 1 < flat.length; i += 2) entries.push([flat[i] ?? '', flat[i + 1] ?? '']);
    return { next, entries };
  }
}

/** Half a digest: the row itself says whether the address is the same. */
export function emailKey(email: string): string {
  return email === '' ? '-' : digest(foldEmail(email)).slice(0, 20);
}

function pairs(fields: Record<string, string | number>): string {
  return JSON.stringify(Object.entries(fields).flat().map(String));
}

function customerText(row: CustomerRow, key: string, at: number): string {
  const fields: Record<string, string> = {};
  for (const [name, value] of Object.entries(row.fields)) if (value !== null && value !== '') fields[name] = value;
  const { reference, email, name } = row;
  const stored: StoredCustomer = { key, email, name, fields, created: row.createdAt, updated: row.updatedAt, at };
  return JSON.stringify(reference === null ? stored : { ...stored, ref: reference });
}

function decodeCustomer(id: string, text: string): IndexedCustomer {
  const { ref, email, name, fields, created, updated, at } = JSON.parse(text) as StoredCustomer;
  return { id, reference: ref ?? null, email, name, fields, createdAt: created, updatedAt: updated, readAtMs: at };
}

function decodeSubscription(id: string, text: string): IndexedSubscription {
  const { key, at, ...row } = JSON.parse(text) as Omit<IndexedSubscription, 'id' | 'customerId' | 'readAtMs'> & {
    key: string;
    at: number;
  };
  return { id, customerId: key, ...row, readAtMs: at };
}
