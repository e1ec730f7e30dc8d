/**
 * Owns recreating a directory from what a survey has found at Maxio: whoever is ours there is put back with the id they always had, unclaimed, so that nobody
 * sees them and nothing is done about them until the identity provider sends them. Costs no call besides the survey, and writes nothing at Maxio.
 * Ours is what carries our mark: a subscription whose reference, or whose cancellation message, names the id that follows from its customer's own reference.
 * Whoever was erased here stays away. A customer with a reference and without a mark may be anybody's: those are counted, and taken only where an operator says so.
 */
import { randomUUID } from 'node:crypto';
import type { Erased } from '../directory/erased.ts';
import { scimId, siteOfKey } from '../directory/identity.ts';
import { type MaxioLink, monthlyCentsOf, SCHEMA_VERSION } from '../directory/record.ts';
import type { Store } from '../directory/store.ts';
import type { IndexedCustomer, IndexedSubscription, SurveyIndex } from '../directory/survey-index.ts';
import type { Subscription } from '../maxio/types.ts';
import { rememberSeen } from '../provisioning/remember.ts';
import { RedisScript } from '../redis-script.ts';

const putScript = new RedisScript(new URL('../directory/put-unclaimed.lua', import.meta.url));

/** Whom to take besides those with our mark: nobody, everybody with a reference, or these references. */
export type References = 'marked' | 'all' | string[];

export interface RebuildCounts {
  /** Customers that carry our mark. */
  marked: number;
  /** Customers with a reference and without a mark. */
  unmarked: number;
  /** Customers whose subscriptions carry the mark of somebody else: never taken. */
  foreign: number;
  /** Customers without a reference: never taken. */
  unreferenced: number;
  /** Of all these, those whom the directory knows already. */
  known: number;
  /** Those who were erased here: never taken. */
  erased: number;
  /** Those who would be put back, or were. */
  wanted: number;
}

export const NO_COUNTS: RebuildCounts = { marked: 0, unmarked: 0, foreign: 0, unreferenced: 0, known: 0, erased: 0, wanted: 0 };

const MARK = /^scim-([0-9a-f-]{36})-/;
const MESSAGE = /\bscim=([0-9a-f-]{36})\b/;

export interface RebuildParts {
  siteKey: string;
  store: Store;
  index: SurveyIndex;
  erased: Pick<Erased, 'among'>;
}

export class Rebuild {
  readonly #parts: RebuildParts;

  constructor(parts: RebuildParts) {
    this.#parts = parts;
  }

  /** Count the customers that carry our mark and that the directory does not know. */
  async orphans(): Promise<number> {
    const { store, index, erased } = this.#parts;
    const owners = new Set<string>();
    let cursor = '0';
    do {
      const { next, rows } = await index.scanSubscriptions(cursor);
      cursor = next;
      for (const row of rows) if (namedBy(row) !== undefined) owners.add(row.customerId);
    } while (cursor !== '0');
    const ids = [...owners];
    let found = 0;
    for (let at = 0; at < ids.length; at += 500) {
      for (const customer of await index.customers(ids.slice(at, at + 500))) {
        const { reference } = customer;
        if (reference === null) continue;
        const id = this.#idOf(reference);
        const marks = (await index.subscriptionsOf([customer.id])).map(namedBy);
        if (!marks.includes(id)) continue;
        if ((await store.guard(() => store.redis.hexists(`${store.prefix}references`, reference))) === 1) continue;
        if (!(await erased.among([reference])).has(reference)) found += 1;
      }
    }
    return found;
  }

  /** What one page of customers would come to; with `requestId` they are put back. @param cursor '0' to begin; '0' in the answer: that was all */
  async page(
    cursor: string,
    references: References,
    order?: { by: string; requestId: string },
  ): Promise<{ next: string; counts: RebuildCounts }> {
    const { index, store, erased } = this.#parts;
    const { next, rows } = await index.scan(cursor);
    const counts = { ...NO_COUNTS };
    const owned = Map.groupBy(await index.subscriptionsOf(rows.map(({ id }) => id)), ({ customerId }) => customerId);
    const named = rows.map(({ reference }) => reference ?? '');
    const holders = named.length === 0 ? [] : await store.guard(() => store.redis.hmget(`${store.prefix}references`, ...named));
    const gone = await erased.among(named.filter((reference) => reference !== ''));
    for (const [at, customer] of rows.entries()) {
      const subscriptions = owned.get(customer.id) ?? [];
      const kind = this.#kindOf(customer, subscriptions);
      counts[kind] += 1;
      if (customer.reference === null || kind === 'foreign' || kind === 'unreferenced') continue;
      if (holders[at] !== null) {
        counts.known += 1;
        continue;
      }
      if (gone.has(customer.reference)) {
        counts.erased += 1;
        continue;
      }
      const asked = references === 'all' || (references !== 'marked' && references.includes(customer.reference));
      if (kind === 'unmarked' && !asked) continue;
      counts.wanted += 1;
      if (order !== undefined) await this.#put(customer, subscriptions, kind, order);
    }
    return { next, counts };
  }

  #idOf(reference: string): string {
    return scimId(siteOfKey(this.#parts.siteKey), reference);
  }

  #kindOf(
    { reference }: IndexedCustomer,
    subscriptions: IndexedSubscription[],
  ): 'marked' | 'unmarked' | 'foreign' | 'unreferenced' {
    if (reference === null) return 'unreferenced';
    const marks = subscriptions.flatMap((row) => namedBy(row) ?? []);
    if (marks.includes(this.#idOf(reference))) return 'marked';
    return marks.length > 0 ? 'foreign' : 'unmarked';
  }

  async #put(
    customer: IndexedCustomer,
    subscriptions: IndexedSubscription[],
    kind: 'marked' | 'unmarked',
    { by, requestId }: { by: string; requestId: string },
  ): Promise<void> {
    const { store } = this.#parts;
    const reference = customer.reference ?? '';
    const id = this.#idOf(reference);
    const found: MaxioLink = {
      customerId: customer.id,
      origin: kind === 'marked' ? 'created' : 'adopted',
      confirmed: {},
      shown: { ...customer.fields, email: customer.email === '' ? null : customer.email },
      subscriptions: [],
    };
    const link = rememberSeen(found, subscriptions.map(asSubscription), `scim-${id}-`, id);
    const emails = customer.email === '' ? [] : [{ value: customer.email, primary: true }];
    // Only for the second sign that whoever comes back must give; nobody sees it.
    const attributes = { userName: customer.email || reference, active: false, emails };
    const audit = { kind: 'operator', what: 'rebuilt', actor: by, requestId, customer: customer.id };
    const args = [
      JSON.stringify(attributes),
      JSON.stringify(link),
      monthlyCentsOf(link),
      JSON.stringify(audit),
      randomUUID(),
    ] as const;
    await store.guard(() => putScript.run(store.redis, store.prefix, id, reference, SCHEMA_VERSION, ...args));
  }
}

/** The id that a subscription was made for, or ended for, by its own word. */
function namedBy({ reference, cancellationMessage }: IndexedSubscription): string | undefined {
  return MARK.exec(reference ?? '')?.[1] ?? MESSAGE.exec(cancellationMessage ?? '')?.[1];
}

/** A row of the survey as Maxio would answer it, as far as memory asks for it. */
function asSubscription(row: IndexedSubscription): Subscription {
  const { id, customerId, state, productHandle, monthlyCents, reference, ending, cancellationMessage, updatedAt } = row;
  return {
    id,
    customerId,
    state,
    productHandle,
    monthlyCents,
    reference,
    ending,
    cancellationMessage: cancellationMessage ?? null,
    updatedAt,
    productPriceInCents: undefined,
    currentPeriodEndsAt: undefined,
  };
}
