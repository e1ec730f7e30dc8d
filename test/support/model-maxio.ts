/**
 * Owns a model of Maxio for simulations on a virtual clock: customers, subscriptions, and calls whose answer is lost before, with, or long before their effect.
 * Refuses HTTP and time: the sandbox is the faithful one, this one is fast. It throws the errors the real client throws.
 */
import { MaxioError } from '../../src/maxio/error.ts';
import type { Customer, CustomerFields, NewSubscription, SiteFacts, Subscription } from '../../src/maxio/types.ts';

/** `lost`: no effect, no answer. `landed`: effect, no answer. `late`: no answer, and the effect comes after `lateMs`. */
export type Fault = 'none' | 'lost' | 'landed' | 'late' | 'refused' | 'unavailable';

type Effect = () => void;

export class ModelMaxio {
  nowMs = 1_000_000;
  customers: Customer[] = [];
  subscriptions: (Subscription & { customerId: string })[] = [];
  calls: string[] = [];
  /** Decides the fate of the next mutating call. */
  nextFault: () => { fault: Fault; lateMs: number } = () => ({ fault: 'none', lateMs: 0 });
  /** Told before each mutating call starts. */
  onCall: (kind: string, subscriptionId?: string) => void = () => {};
  /** Family of each product, where it matters. */
  families: Readonly<Record<string, string>> = {};
  /** What happens elsewhere while a call is on its way. */
  meanwhile: () => void = () => {};
  #late: { atMs: number; effect: Effect }[] = [];
  #ids = 100;

  advance(ms: number): void {
    this.nowMs += ms;
    const due = this.#late.filter(({ atMs }) => atMs <= this.nowMs).sort((a, b) => a.atMs - b.atMs);
    this.#late = this.#late.filter(({ atMs }) => atMs > this.nowMs);
    for (const { effect } of due) {
      try {
        effect();
      } catch (error) {
        // A late request that Maxio refuses has no effect, and nobody hears of it.
        if (!(error instanceof MaxioError)) throw error;
      }
    }
  }

  live(): Subscription[] {
    return this.subscriptions.filter(({ state }) => state !== 'canceled');
  }

  async #mutate<T>(kind: string, effect: () => T, subscriptionId?: string): Promise<T> {
    this.onCall(kind, subscriptionId);
    this.calls.push(kind);
    this.meanwhile();
    const { fault, lateMs } = this.nextFault();
    const silent = (): MaxioError => new MaxioError({ kind: 'ambiguous', call: kind, sent: true, answered: false });
    switch (fault) {
      case 'none':
        return structuredClone(effect());
      case 'refused':
        throw new MaxioError({ kind: 'throttled', call: kind, status: 429, sent: true, answered: true });
      case 'unavailable':
        throw new MaxioError({ kind: 'unavailable', call: kind, sent: false, answered: false });
      case 'lost':
        throw silent();
      case 'landed':
        try {
          effect();
        } catch {
          // Refused, and the refusal is what got lost.
        }
        throw silent();
      case 'late':
        this.#late.push({ atMs: this.nowMs + lateMs, effect });
        throw silent();
    }
  }

  #refuse(call: string, message: string): never {
    throw new MaxioError({ kind: 'rejected', call, status: 422, messages: [message], sent: true, answered: true });
  }

  #addCustomer(call: string, reference: string, fields: CustomerFields): Customer {
    if (this.customers.some((customer) => customer.reference === reference)) {
      this.#refuse(call, 'Reference: must be unique - that value has been taken.');
    }
    this.#ids += 1;
    const customer = { ...fields, id: String(this.#ids), reference, created_at: '', updated_at: String(this.nowMs) } as Customer;
    this.customers.push(customer);
    return customer;
  }

  #subscription(id: string): Subscription {
    const found = this.subscriptions.find((subscription) => subscription.id === id);
    if (found === undefined)
      throw new MaxioError({ kind: 'missing', call: 'subscription', status: 404, sent: true, answered: true });
    return found;
  }

  async readSite(): Promise<SiteFacts> {
    return {
      id: '1',
      subdomain: 'acme',
      name: 'Acme',
      test: true,
      relationshipInvoicingEnabled: true,
      defaultPaymentCollectionMethod: 'remittance',
    };
  }

  async lookupCustomer(reference: string): Promise<Customer | undefined> {
    this.calls.push('lookup');
    this.meanwhile();
    return structuredClone(this.customers.find((customer) => customer.reference === reference));
  }

  async readCustomer(id: string): Promise<Customer | undefined> {
    return structuredClone(this.customers.find((customer) => customer.id === id));
  }

  async listSubscriptions(customerId: string): Promise<Subscription[] | undefined> {
    this.calls.push('list');
    this.meanwhile();
    if (!this.customers.some(({ id }) => id === customerId)) return undefined;
    return structuredClone(this.subscriptions.filter((subscription) => subscription.customerId === customerId));
  }

  async createCustomer(reference: string, fields: CustomerFields): Promise<Customer> {
    return await this.#mutate('create customer', () => this.#addCustomer('create customer', reference, fields));
  }

  async createSubscription(input: NewSubscription): Promise<{ customer: Customer; subscription: Subscription }> {
    return await this.#mutate('create subscription', () => {
      const { customer: wanted } = input;
      const customer =
        wanted.kind === 'new'
          ? this.#addCustomer('create subscription', wanted.reference, wanted.fields)
          : this.customers.find(({ id }) => id === wanted.id);
      if (customer === undefined)
        this.#refuse('create subscription', 'A Customer must be specified for the subscription to be valid.');
      this.#ids += 1;
      const subscription = {
        id: String(this.#ids),
        state: 'active',
        reference: input.reference,
        ...this.#sold(input.productHandle),
        productPriceInCents: 100,
        monthlyCents: 100,
        currentPeriodEndsAt: undefined,
        ending: false,
        cancellationMessage: null,
        customerId: customer.id,
        updatedAt: String(this.nowMs),
      };
      this.subscriptions.push(subscription);
      return { customer, subscription };
    });
  }

  async updateCustomer(id: string, fields: CustomerFields): Promise<Customer> {
    return await this.#mutate('update customer', () => {
      const customer = this.customers.find((each) => each.id === id);
      if (customer === undefined)
        throw new MaxioError({ kind: 'missing', call: 'update', status: 404, sent: true, answered: true });
      return Object.assign(customer, fields);
    });
  }

  async cancelSubscription(id: string, message: string): Promise<Subscription> {
    return await this.#mutate(
      'cancel',
      () => {
        const subscription = this.#subscription(id);
        if (subscription.state === 'canceled') this.#refuse('cancel', 'The subscription is already canceled');
        return Object.assign(subscription, { state: 'canceled', cancellationMessage: message, ending: false });
      },
      id,
    );
  }

  async delayCancel(id: string): Promise<void> {
    await this.#mutate('delay cancel', () => void Object.assign(this.#subscription(id), { ending: true }), id);
  }

  async undoDelayedCancel(id: string): Promise<void> {
    await this.#mutate('undo delayed cancel', () => {
      Object.assign(this.#subscription(id), { ending: false });
    });
  }

  async hold(id: string): Promise<Subscription> {
    return await this.#mutate(
      'hold',
      () => {
        const subscription = this.#subscription(id);
        if (subscription.state !== 'active') this.#refuse('hold', 'This subscription is not eligible to be put on hold.');
        return Object.assign(subscription, { state: 'on_hold' });
      },
      id,
    );
  }

  #sold(productHandle: string): { productHandle: string; productFamily?: string } {
    const productFamily = this.families[productHandle];
    return { productHandle, ...(productFamily === undefined ? {} : { productFamily }) };
  }

  async changeProduct(id: string, { productHandle }: { productHandle: string }): Promise<Subscription> {
    return await this.#mutate('change product', () => Object.assign(this.#subscription(id), this.#sold(productHandle)), id);
  }

  async resume(id: string): Promise<Subscription> {
    return await this.#mutate('resume', () => {
      const subscription = this.#subscription(id);
      if (subscription.state !== 'on_hold') this.#refuse('resume', 'Only subscriptions that are on hold can be resumed.');
      return Object.assign(subscription, { state: 'active' });
    });
  }

  async reactivate(id: string): Promise<Subscription> {
    return await this.#mutate('reactivate', () => {
      const subscription = this.#subscription(id);
      if (subscription.state !== 'canceled') {
        this.#refuse('reactivate', 'Cannot reactivate a subscription that is not marked "Canceled" or "Trial Ended".');
      }
      return Object.assign(subscription, { state: 'active', cancellationMessage: null });
    });
  }
}
