/**
 * Owns the customers, subscriptions and seen tokens of the sandbox in memory, with the indexes that keep large seeds fast. Every row
 * changes here and nowhere else, and each change is told once: events and webhooks come from that, whoever changed something.
 * Refuses to validate: rules are in the operations. Ids count up from fixed numbers, so that equal histories give equal ids.
 */
import type { CustomerRow, SubscriptionRow } from './rows.ts';

const FIRST_CUSTOMER_ID = 98_840_116;
const FIRST_SUBSCRIPTION_ID = 94_211_938;

/** One change of one row: `was` is a copy from before, `is` the row itself; one of them is missing at the ends of its life. */
export type Change =
  | { of: 'customer'; was: CustomerRow | undefined; is: CustomerRow | undefined }
  | { of: 'subscription'; was: SubscriptionRow | undefined; is: SubscriptionRow | undefined };

interface Contents {
  customers: Map<number, CustomerRow>;
  subscriptions: Map<number, SubscriptionRow>;
  customerByReference: Map<string, number>;
  subscriptionsOf: Map<number, Set<number>>;
  subscriptionByReference: Map<string, number>;
  tokens: Map<string, number>;
  lastCustomerId: number;
  lastSubscriptionId: number;
}

function empty(): Contents {
  return {
    customers: new Map(),
    subscriptions: new Map(),
    customerByReference: new Map(),
    subscriptionsOf: new Map(),
    subscriptionByReference: new Map(),
    tokens: new Map(),
    lastCustomerId: FIRST_CUSTOMER_ID - 1,
    lastSubscriptionId: FIRST_SUBSCRIPTION_ID - 1,
  };
}

export class Store {
  #held = empty();
  /** Decides when two references are the same one. */
  readonly #fold: (reference: string) => string;
  readonly #tell: (change: Change) => void;
  #quiet = false;

  constructor(fold: (reference: string) => string, tell: (change: Change) => void) {
    this.#fold = fold;
    this.#tell = (change) => {
      if (!this.#quiet) tell(change);
    };
  }

  /** Does some work of which nobody is told: what a seed plants has been there all along. */
  quietly<T>(work: () => T): T {
    this.#quiet = true;
    try {
      return work();
    } finally {
      this.#quiet = false;
    }
  }

  reset(): void {
    this.#held = empty();
  }

  /** Takes a copy of everything and returns how to go back to it. */
  checkpoint(): () => void {
    const copy = structuredClone(this.#held);
    return () => {
      this.#held = copy;
    };
  }

  /** Builds the reference index again, after the rule for equal references has changed. */
  reindex(): void {
    this.#held.customerByReference.clear();
    for (const { id, reference } of this.#held.customers.values()) {
      if (reference !== null) this.#held.customerByReference.set(this.#fold(reference), id);
    }
  }

  /** Lists the customers by ascending id, which is their order of creation. */
  customers(): Readonly<CustomerRow>[] {
    return [...this.#held.customers.values()];
  }

  customerCount(): number {
    return this.#held.customers.size;
  }

  customer(id: number): Readonly<CustomerRow> | undefined {
    return this.#held.customers.get(id);
  }

  customerByReference(reference: string): Readonly<CustomerRow> | undefined {
    const id = this.#held.customerByReference.get(this.#fold(reference));
    return id === undefined ? undefined : this.#held.customers.get(id);
  }

  addCustomer(row: Omit<CustomerRow, 'id'>): Readonly<CustomerRow> {
    const id = ++this.#held.lastCustomerId;
    const added = { ...row, id } as CustomerRow;
    this.#held.customers.set(id, added);
    if (added.reference !== null) this.#held.customerByReference.set(this.#fold(added.reference), id);
    this.#tell({ of: 'customer', was: undefined, is: added });
    return added;
  }

  changeCustomer({ id }: Readonly<CustomerRow>, changes: Partial<Omit<CustomerRow, 'id'>>): void {
    const row = this.#held.customers.get(id);
    if (!row) return;
    const was = { ...row };
    if (changes.reference !== undefined) {
      if (row.reference !== null) this.#held.customerByReference.delete(this.#fold(row.reference));
      if (changes.reference !== null) this.#held.customerByReference.set(this.#fold(changes.reference), row.id);
    }
    Object.assign(row, changes);
    this.#tell({ of: 'customer', was, is: row });
  }

  /** Removes a customer and all it has. */
  removeCustomer(row: Readonly<CustomerRow>): void {
    for (const subscription of this.subscriptionsOf(row.id)) this.removeSubscription(subscription);
    this.#held.customers.delete(row.id);
    this.#held.subscriptionsOf.delete(row.id);
    if (row.reference !== null) this.#held.customerByReference.delete(this.#fold(row.reference));
    this.#tell({ of: 'customer', was: row, is: undefined });
  }

  /** Lists the subscriptions by ascending id, which is their order of creation. */
  subscriptions(): Readonly<SubscriptionRow>[] {
    return [...this.#held.subscriptions.values()];
  }

  subscription(id: number): Readonly<SubscriptionRow> | undefined {
    return this.#held.subscriptions.get(id);
  }

  subscriptionsOf(customerId: number): Readonly<SubscriptionRow>[] {
    const ids = this.#held.subscriptionsOf.get(customerId) ?? [];
    return [...ids].map((id) => this.#held.subscriptions.get(id)).filter((row) => row !== undefined);
  }

  /** Finds the first subscription that took this reference and still has it. */
  subscriptionByReference(reference: string): Readonly<SubscriptionRow> | undefined {
    const known = this.#held.subscriptions.get(this.#held.subscriptionByReference.get(reference) ?? -1);
    if (known?.reference === reference) return known;
    return this.subscriptions().find((row) => row.reference === reference);
  }

  /** Adds a subscription. @param begin puts it into its first state, before anybody hears of it */
  addSubscription(row: Omit<SubscriptionRow, 'id'>, begin: (added: SubscriptionRow) => void): Readonly<SubscriptionRow> {
    const id = ++this.#held.lastSubscriptionId;
    const added: SubscriptionRow = { ...row, id };
    this.#held.subscriptions.set(id, added);
    const siblings = this.#held.subscriptionsOf.get(row.customerId) ?? new Set();
    this.#held.subscriptionsOf.set(row.customerId, siblings.add(id));
    if (row.reference !== null && !this.#held.subscriptionByReference.has(row.reference)) {
      this.#held.subscriptionByReference.set(row.reference, id);
    }
    begin(added);
    this.#tell({ of: 'subscription', was: undefined, is: added });
    return added;
  }

  /** Lets `change` alter a subscription; all it does there is one change. */
  changeSubscription({ id }: Readonly<SubscriptionRow>, change: (row: SubscriptionRow) => void): void {
    const row = this.#held.subscriptions.get(id);
    if (!row) return;
    const was = { ...row };
    change(row);
    this.#tell({ of: 'subscription', was, is: row });
  }

  removeSubscription(row: Readonly<SubscriptionRow>): void {
    this.#held.subscriptions.delete(row.id);
    this.#held.subscriptionsOf.get(row.customerId)?.delete(row.id);
    this.#tell({ of: 'subscription', was: row, is: undefined });
  }

  /** Remembers a uniqueness token until an instant and tells whether it was known already. */
  useToken(token: string, nowMs: number, untilMs: number): boolean {
    const { tokens } = this.#held;
    if ((tokens.get(token) ?? 0) > nowMs) return true;
    tokens.set(token, untilMs);
    return false;
  }
}
