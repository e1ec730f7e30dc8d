/**
 * Owns a Maxio that exists only in thought: what a look would show of one person by the survey index and our own memory, and what a step would leave behind.
 * Refuses to call anything and to decide. Where memory and an older reading disagree, memory is right: it was written after the answer.
 */
import type { GroupLabel } from '../directory/group-record.ts';
import type { MaxioLink, OpenStep, RememberedSubscription, UserRecord } from '../directory/record.ts';
import type { IndexedCustomer, IndexedSubscription, IndexSight } from '../directory/survey-index.ts';
import type { Customer, CustomerFields, Subscription } from '../maxio/types.ts';
import { confirm, presentFields } from '../provisioning/mapping.ts';
import type { Desired, Known, LookAt, Sale, Seen, Step } from '../provisioning/plan-types.ts';
import {
  carriesMark,
  linkClaimed,
  linkCreated,
  rememberNew,
  rememberSeen,
  updateRemembered,
  withProduct,
} from '../provisioning/remember.ts';

/** What is known about one person without asking Maxio. */
export interface Sight {
  index: IndexSight;
  /** Subscriptions of the linked customer, or of the one that carries the person's reference, as the survey has read them. */
  subscriptions: IndexedSubscription[];
  /** What the groups of the person are known by; absent where no group gives anything. */
  groups?: readonly GroupLabel[];
}

const NEW = 'new';

export class DryMaxio {
  readonly #record: UserRecord;
  readonly #desired: Desired;
  readonly #sight: Sight;
  #nowMs: number;
  readonly #unknownOutcomeMs: number;
  readonly #seen: Seen = { refused: new Map() };
  link: MaxioLink | undefined;
  open: OpenStep[];

  constructor(record: UserRecord, desired: Desired, sight: Sight, clock: { nowMs: number; unknownOutcomeMs: number }) {
    this.#record = record;
    this.#desired = desired;
    this.#sight = sight;
    this.#nowMs = clock.nowMs;
    this.#unknownOutcomeMs = clock.unknownOutcomeMs;
    this.link = record.link;
    if (this.link?.quiet === true && desired.intent === 'active') {
      const { quiet: _quiet, ...rest } = this.link;
      this.link = rest;
    }
    if (this.link?.shown !== undefined) this.link = linkClaimed(this.link, desired.mapped);
    this.open = record.open;
  }

  known(): Known {
    return {
      link: this.link,
      open: this.open,
      seen: this.#seen,
      nowMs: this.#nowMs,
      unknownOutcomeMs: this.#unknownOutcomeMs,
    };
  }

  /** Let time pass, as a wait would. */
  waitUntil(untilMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** What a look would teach. */
  look(at: LookAt): void {
    const atMs = this.#nowMs;
    const found = this.#sight.index.referenced;
    switch (at) {
      case 'index':
        this.#seen.index = this.#sight.index;
        return;
      case 'customer':
        this.#seen.customer = { value: found === undefined ? undefined : customerOf(found), atMs };
        return;
      case 'marks':
        this.#seen.marked = {
          value: this.#subscriptions().some((each) => carriesMark(each, this.#desired.mark, this.#record.id)),
        };
        return;
      case 'subscriptions': {
        if (this.link === undefined) return;
        const value = this.#subscriptions();
        this.#seen.subscriptions = { value, atMs };
        this.link = rememberSeen(this.link, value, this.#desired.mark, this.#record.id);
      }
    }
  }

  /** Knowledge that changes without a call. */
  note(link: MaxioLink | undefined, open: OpenStep[]): void {
    if (link?.customerId !== this.link?.customerId) delete this.#seen.subscriptions;
    this.link = link;
    this.open = open;
  }

  /** What a step would leave behind. @returns false when Maxio would refuse it, which the plan then knows */
  take(step: Step): boolean {
    switch (step.kind) {
      case 'create-customer':
      case 'create-with-subscription':
        return this.#create(step);
      case 'create-subscription':
        this.#subscribe(step);
        return true;
      case 'change-product':
        this.#move(step);
        return true;
      case 'update-customer':
        this.#update(step.fields);
        return true;
      default:
        this.#change(step);
        return true;
    }
  }

  #create(step: Extract<Step, { kind: 'create-customer' | 'create-with-subscription' }>): boolean {
    if (this.#sight.index.referenced !== undefined && this.#seen.referenceTaken !== true) {
      this.#seen.referenceTaken = true;
      return false;
    }
    const sent = presentFields(this.#desired.mapped);
    const customer = newCustomer(this.#record.reference, sent);
    const subscription = step.kind === 'create-customer' ? undefined : sold(step);
    this.note(linkCreated(customer, confirm({}, sent), subscription), this.open);
    return true;
  }

  /** What is sold is known to the family that sells it, as it will be when Maxio has answered. */
  #move(step: Extract<Step, { kind: 'change-product' }>): void {
    const { target } = step;
    const list = this.#seen.subscriptions?.value;
    const at = list?.findIndex(({ id }) => id === target) ?? -1;
    const found = list?.[at];
    const { productHandle, pricePointHandle } = sold(step);
    if (list !== undefined && found !== undefined) list[at] = { ...found, productHandle, pricePointHandle };
    if (this.link === undefined) return;
    this.link = updateRemembered(this.link, target, (known) =>
      withProduct(known, { ...newSubscription(productHandle), productHandle, pricePointHandle }),
    );
  }

  #subscribe(sale: Sale): void {
    const subscription = { ...sold(sale), id: `${NEW}-${this.link?.subscriptions.length ?? 0}` };
    if (this.link) this.link = { ...this.link, subscriptions: [...this.link.subscriptions, rememberNew(subscription)] };
    this.#seen.subscriptions?.value?.push(subscription);
  }

  #update(fields: CustomerFields): void {
    if (this.link === undefined) return;
    const { inDoubt: _inDoubt, ...rest } = this.link;
    this.link = { ...rest, confirmed: confirm(rest.confirmed, fields) };
  }

  #change(step: Extract<Step, { target: string }>): void {
    const { target, kind } = step;
    const state = { cancel: 'canceled', hold: 'on_hold', reactivate: 'active', resume: 'active' }[kind as 'cancel'];
    const ending = kind === 'delay-cancel';
    const list = this.#seen.subscriptions?.value;
    const at = list?.findIndex(({ id }) => id === target) ?? -1;
    const found = list?.[at];
    if (list !== undefined && found !== undefined) list[at] = { ...found, state: state ?? found.state, ending };
    if (this.link === undefined) return;
    this.link = updateRemembered(this.link, target, ({ endedBy: _endedBy, ...known }) => ({
      ...known,
      state: state ?? known.state,
      ...(kind === 'cancel' || kind === 'hold' ? { endedBy: kind } : ending ? { endedBy: 'cancel_at_period_end' as const } : {}),
    }));
  }

  /** The list as far as anybody can say: rows newer than the last run, and memory for the rest. */
  #subscriptions(): Subscription[] {
    const { link, run } = this.#record;
    const remembered = new Map(
      (this.link?.customerId === link?.customerId ? link?.subscriptions : [])?.map((each) => [each.id, each]),
    );
    const list = this.#sight.subscriptions.map((row) => {
      const memory = remembered.get(row.id);
      remembered.delete(row.id);
      const read = subscriptionOf(row);
      const newer = run !== undefined && row.readAtMs > run.atMs;
      const { productFamily } = memory ?? link?.foreign?.find(({ id }) => id === row.id) ?? {};
      if (memory === undefined || newer) return { ...read, ...(productFamily === undefined ? {} : { productFamily }) };
      return { ...read, ...productOf(memory), state: memory.state, ending: endingOf(memory, row.ending) };
    });
    for (const memory of remembered.values()) {
      list.push({
        ...newSubscription(memory.productHandle),
        id: memory.id,
        state: memory.state,
        monthlyCents: memory.monthlyCents,
        productFamily: memory.productFamily,
        pricePointHandle: memory.pricePointHandle,
        ending: endingOf(memory, false),
      });
    }
    return list;
  }
}

/** What the survey has read may be older than our own change of it. */
function productOf({ productHandle, productFamily, pricePointHandle }: RememberedSubscription): Partial<Subscription> {
  return productHandle === undefined ? {} : { productHandle, productFamily, pricePointHandle };
}

function endingOf(memory: { endedBy?: string; state: string }, read: boolean): boolean {
  return memory.endedBy === 'cancel_at_period_end' ? memory.state !== 'canceled' : read;
}

function customerOf(row: IndexedCustomer): Customer {
  const blank = newCustomer(row.reference ?? '', row.fields as CustomerFields);
  return {
    ...blank,
    id: row.id,
    reference: row.reference,
    email: row.email,
    created_at: row.createdAt,
    updated_at: row.updatedAt,
  };
}

function newCustomer(reference: string, fields: CustomerFields): Customer {
  return {
    id: NEW,
    reference,
    first_name: '',
    last_name: '',
    email: '',
    organization: null,
    phone: null,
    address: null,
    address_2: null,
    city: null,
    state: null,
    zip: null,
    country: null,
    locale: null,
    created_at: '',
    updated_at: '',
    ...fields,
  };
}

function sold({ productHandle, pricePointHandle }: Sale): Subscription {
  return { ...newSubscription(productHandle), ...(pricePointHandle === undefined ? {} : { pricePointHandle }) };
}

function newSubscription(productHandle: string | undefined): Subscription {
  return {
    id: NEW,
    state: 'active',
    reference: null,
    productHandle,
    productPriceInCents: undefined,
    monthlyCents: undefined,
    currentPeriodEndsAt: undefined,
    ending: false,
    cancellationMessage: null,
    customerId: undefined,
    updatedAt: '',
  };
}

function subscriptionOf(row: IndexedSubscription): Subscription {
  return {
    ...newSubscription(row.productHandle),
    id: row.id,
    state: row.state,
    reference: row.reference,
    monthlyCents: row.monthlyCents,
    ending: row.ending,
    cancellationMessage: row.cancellationMessage ?? null,
    canceledAt: row.canceledAt,
    customerId: row.customerId,
    updatedAt: row.updatedAt,
  };
}
