/**
 * Owns the table an operator decides on before a site is released: every customer that may be one of our people under another name, whose it seems to be,
 * and what is at stake. From the survey index and the directory alone, without a call. Refuses to decide: even a unique match is only proposed,
 * because an address is not a person. Counted in both directions: two customers for one person are `several`, and so are two people for one customer.
 */
import type { Redis } from 'ioredis';
import { digest } from '../directory/keys.ts';
import type { UserRecord } from '../directory/record.ts';
import type { Store } from '../directory/store.ts';
import type { IndexedCustomer, SurveyIndex } from '../directory/survey-index.ts';
import { isPresent } from '../provisioning/states.ts';
import { foldEmail, foldUserName } from '../scim/fold.ts';

export type LinkMatch = 'unique' | 'several' | 'none' | 'conflict';

export interface LinkRow {
  customerId: string;
  name: string;
  email: string;
  reference: string | null;
  /** How many of its subscriptions are live. */
  subscriptions: number;
  monthlyCents: number;
  match: LinkMatch;
  personId: string | null;
  userName: string | null;
  proposedReference: string | null;
  state: 'open' | 'approved' | 'applied' | 'failed' | 'separate';
}

/** One approved link as it is stored; the text is a fence, so it is never written again the same way by chance. */
export interface StoredLink {
  reference: string;
  state: 'approved' | 'applied' | 'failed';
  by: string;
  atMs: number;
  /** A call left; until it is answered nobody may decide otherwise. */
  sentAtMs?: number;
  detail?: string;
}

const BATCH = 500;

interface Stake {
  live: number;
  cents: number;
}

interface Candidate {
  customer: IndexedCustomer;
  /** Whether the reference it carries is nobody's. */
  foreign: boolean;
  people: string[];
  link: StoredLink | undefined;
}

export class LinkPlan {
  readonly #store: Store;
  readonly #index: SurveyIndex;

  constructor(store: Store, index: SurveyIndex) {
    this.#store = store;
    this.#index = index;
  }

  /** Everyone to decide about, and what was decided already; most revenue first. */
  async rows(): Promise<LinkRow[]> {
    const stakes = await this.#stakes();
    const candidates = await this.#candidates();
    const people = new Map<string, UserRecord>();
    const ids = [...new Set(candidates.flatMap((each) => each.people))];
    for (let at = 0; at < ids.length; at += BATCH) {
      for (const record of await this.#store.readAll(ids.slice(at, at + BATCH))) people.set(record.id, record);
    }
    const customersOf = new Map<string, number>();
    for (const { people: found } of candidates) for (const id of found) customersOf.set(id, (customersOf.get(id) ?? 0) + 1);
    const separate = new Set(await this.#store.guard(() => this.#redis.hkeys(`${this.#store.prefix}separate`)));
    return candidates
      .map((each) => rowOf(each, { people, customersOf, separate, stake: stakes.get(each.customer.id) }))
      .sort((a, b) => b.monthlyCents - a.monthlyCents || Number(a.customerId) - Number(b.customerId));
  }

  get #redis(): Redis {
    return this.#store.redis;
  }

  async #stakes(): Promise<Map<string, Stake>> {
    const stakes = new Map<string, Stake>();
    const counted = new Set<string>();
    let cursor = '0';
    do {
      const { next, rows } = await this.#store.guard(() => this.#index.scanSubscriptions(cursor));
      cursor = next;
      for (const { id, customerId, state, monthlyCents } of rows) {
        if (counted.has(id) || !isPresent(state)) continue;
        counted.add(id);
        const stake = stakes.get(customerId) ?? { live: 0, cents: 0 };
        stakes.set(customerId, { live: stake.live + 1, cents: stake.cents + (state === 'on_hold' ? 0 : (monthlyCents ?? 0)) });
      }
    } while (cursor !== '0');
    return stakes;
  }

  async #candidates(): Promise<Candidate[]> {
    const found: Candidate[] = [];
    const seen = new Set<string>();
    let cursor = '0';
    do {
      const { next, rows } = await this.#store.guard(() => this.#index.scan(cursor));
      cursor = next;
      const fresh = rows.filter(({ id }) => !seen.has(id));
      for (const { id } of fresh) seen.add(id);
      found.push(...(await this.#judge(fresh)));
    } while (cursor !== '0');
    return found;
  }

  /** Keep the customers without a reference, those with one that is nobody's and an address that is somebody's, and those already decided about. */
  async #judge(customers: IndexedCustomer[]): Promise<Candidate[]> {
    if (customers.length === 0) return [];
    const { prefix } = this.#store;
    const replies = await this.#store.guard(async () => {
      const pipeline = this.#redis.pipeline();
      for (const { email } of customers) {
        pipeline.smembers(`${prefix}email:${digest(foldEmail(email))}`);
        pipeline.hget(`${prefix}userNames`, digest(foldUserName(email)));
      }
      pipeline.hmget(`${prefix}links`, ...customers.map(({ id }) => id));
      pipeline.hmget(`${prefix}references`, ...customers.map(({ reference }) => reference ?? ''));
      return (await pipeline.exec()) ?? [];
    });
    const value = (i: number): unknown => {
      const [error, reply] = replies[i] ?? [];
      if (error) throw error;
      return reply;
    };
    const links = value(2 * customers.length) as (string | null)[];
    const owners = value(2 * customers.length + 1) as (string | null)[];
    return customers.flatMap((customer, i): Candidate[] => {
      const text = links[i];
      const link = text ? (JSON.parse(text) as StoredLink) : undefined;
      const owner = customer.reference === null ? undefined : (owners[i] ?? undefined);
      const named = customer.email === '' ? [] : [value(2 * i) as string[], (value(2 * i + 1) as string | null) ?? []].flat();
      const people = owner === undefined ? [...new Set(named)] : [owner];
      const foreign = customer.reference !== null && owner === undefined;
      const open = customer.reference === null || (foreign && people.length > 0);
      return open || link !== undefined ? [{ customer, foreign, people, link }] : [];
    });
  }
}

interface Around {
  people: Map<string, UserRecord>;
  customersOf: Map<string, number>;
  separate: Set<string>;
  stake: Stake | undefined;
}

function rowOf({ customer, foreign, people: ids, link }: Candidate, around: Around): LinkRow {
  const people = ids.flatMap((id) => around.people.get(id) ?? []);
  const [only] = people;
  const person = people.length === 1 ? only : undefined;
  // Whoever has a customer already would have two by this one.
  const elsewhere = person?.link !== undefined && person.link.customerId !== customer.id;
  const alone = person !== undefined && !elsewhere && around.customersOf.get(person.id) === 1;
  const match = people.length === 0 ? 'none' : foreign && link?.state !== 'applied' ? 'conflict' : alone ? 'unique' : 'several';
  const proposedReference = link?.reference ?? (person !== undefined && !elsewhere ? person.reference : null);
  const apart = people.length > 0 && people.every(({ reference }) => around.separate.has(`${customer.id}:${reference}`));
  return {
    customerId: customer.id,
    name: customer.name,
    email: customer.email,
    reference: customer.reference,
    subscriptions: around.stake?.live ?? 0,
    monthlyCents: around.stake?.cents ?? 0,
    match,
    personId: person?.id ?? null,
    userName: person?.attributes.userName ?? null,
    proposedReference,
    state: link?.state ?? (apart ? 'separate' : 'open'),
  };
}

/** Say whether a row would leave somebody parked: a match nobody has decided about, or whose link has failed. */
export function isOpen({ match, state }: LinkRow): boolean {
  return match !== 'none' && (state === 'open' || state === 'failed');
}
