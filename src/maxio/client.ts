/**
 * Owns the conversation with one Maxio site: twenty-one calls, each exactly one HTTP request, none ever repeated or redirected.
 * Refuses to count, wait or retry (the budget and the worker do) and to know SCIM. Whatever goes wrong is a `MaxioError`
 * that says what is proven. Source: developers.maxio.com, Sites, Customers, Subscriptions, Products, Events.
 */
import { CALLS } from './calls.ts';
import { untrusted } from './classify.ts';
import { type MaxioClientOptions, MaxioConnection, type MaxioSite } from './connection.ts';
import { MaxioError } from './error.ts';
import {
  confirmation,
  customerAnswer,
  customersAnswer,
  eventsAnswer,
  pricePointAnswer,
  productAnswer,
  signupAnswer,
  siteAnswer,
  subscriptionAnswer,
  subscriptionsAnswer,
} from './parse.ts';
import {
  CUSTOMER_FIELDS,
  type Customer,
  type CustomerFields,
  type EventQuery,
  type MaxioEvent,
  type NewSubscription,
  type PricePoint,
  type Product,
  type SiteFacts,
  type Subscription,
} from './types.ts';

export type { MaxioClientOptions, MaxioSite } from './connection.ts';

/** The largest page of any list. */
const PER_PAGE = '200';

/** What changed since an instant; in UTC, because without a zone Maxio takes the site's own. */
function changedSince(since: Date | undefined): Record<string, string> {
  if (since === undefined) return {};
  return { date_field: 'updated_at', start_datetime: `${since.toISOString().slice(0, 19).replace('T', ' ')} UTC` };
}

function writable(fields: CustomerFields): CustomerFields {
  return Object.fromEntries(CUSTOMER_FIELDS.filter((key) => fields[key] !== undefined).map((key) => [key, fields[key]]));
}

export class MaxioClient {
  readonly #connection: MaxioConnection;

  /** @throws TypeError when the site's address is not one of Maxio's or of this machine */
  constructor(site: MaxioSite, options: MaxioClientOptions = {}) {
    this.#connection = new MaxioConnection(site, options);
  }

  /** Reads what the site is: its id, whether it is a test site, how it invoices. */
  async readSite(signal?: AbortSignal): Promise<SiteFacts> {
    return await this.#connection.call(CALLS.readSite, siteAnswer, { signal });
  }

  /** Reads a product of the site by its API handle; `undefined` when Maxio says there is none. */
  async readProduct(handle: string, signal?: AbortSignal): Promise<Product | undefined> {
    const found = await orAbsent(this.#connection.call(CALLS.readProduct, productAnswer, { id: handle, signal }));
    if (found && found.handle.toLowerCase() !== handle.toLowerCase()) {
      throw untrusted(CALLS.readProduct, 'tells of another handle');
    }
    return found;
  }

  /** Reads a price point of a product, both by API handle; `undefined` when Maxio says there is none. */
  async readPricePoint(productHandle: string, handle: string, signal?: AbortSignal): Promise<PricePoint | undefined> {
    const found = await orAbsent(
      this.#connection.call(CALLS.readPricePoint, pricePointAnswer, { id: [productHandle, handle], signal }),
    );
    if (found && found.handle.toLowerCase() !== handle.toLowerCase())
      throw untrusted(CALLS.readPricePoint, 'tells of another handle');
    return found;
  }

  /** Finds a customer by its exact reference; `undefined` when Maxio says there is none. */
  async lookupCustomer(reference: string, signal?: AbortSignal): Promise<Customer | undefined> {
    const found = await orAbsent(this.#connection.call(CALLS.lookupCustomer, customerAnswer, { query: { reference }, signal }));
    // Maxio does not publish whether it minds letter case, so that alone is no contradiction.
    if (found && found.reference?.toLowerCase() !== reference.toLowerCase()) {
      throw untrusted(CALLS.lookupCustomer, 'tells of another reference');
    }
    return found;
  }

  /** Reads a customer; `undefined` when Maxio says there is none. */
  async readCustomer(id: string, signal?: AbortSignal): Promise<Customer | undefined> {
    return await orAbsent(this.#connection.call(CALLS.readCustomer, customerAnswer, { id, signal }));
  }

  /** Creates a customer. @param token the `uniqueness_token`: new for a new attempt, the same after an unknown outcome */
  async createCustomer(reference: string, fields: CustomerFields, token: string, signal?: AbortSignal): Promise<Customer> {
    const body = { customer: { ...writable(fields), reference }, uniqueness_token: token };
    return await this.#connection.call(CALLS.createCustomer, customerAnswer, { body, signal });
  }

  /** Changes the given fields of a customer. @throws MaxioError of kind `missing` when it is not there */
  async updateCustomer(id: string, fields: CustomerFields, signal?: AbortSignal): Promise<Customer> {
    return await this.#connection.call(CALLS.updateCustomer, customerAnswer, {
      id,
      body: { customer: writable(fields) },
      signal,
    });
  }

  /**
   * Gives a customer its reference, the one field `updateCustomer` never writes. Saying it twice does no harm.
   * @throws MaxioError of kind `missing`, or one that `isReferenceTaken` knows
   */
  async setReference(id: string, reference: string, signal?: AbortSignal): Promise<Customer> {
    const changed = await this.#connection.call(CALLS.setReference, customerAnswer, {
      id,
      body: { customer: { reference } },
      signal,
    });
    if (changed.reference !== reference) throw untrusted(CALLS.setReference, 'tells of another reference');
    return changed;
  }

  /** Reads one page of all customers, oldest first, 200 a page and none past the end. @param page from 1 */
  async listCustomers(page: number, updatedSince?: Date, signal?: AbortSignal): Promise<Customer[]> {
    const query = { page: String(page), per_page: PER_PAGE, direction: 'asc', ...changedSince(updatedSince) };
    return await this.#connection.call(CALLS.listCustomers, customersAnswer, { query, signal });
  }

  /** Reads one page of all subscriptions in every state, oldest first, 200 a page and none past the end. @param page from 1 */
  async listAllSubscriptions(page: number, updatedSince?: Date, signal?: AbortSignal): Promise<Subscription[]> {
    const order = { sort: 'created_at', direction: 'asc' };
    const query = { page: String(page), per_page: PER_PAGE, ...order, ...changedSince(updatedSince) };
    return await this.#connection.call(CALLS.listAllSubscriptions, subscriptionsAnswer, { query, signal });
  }

  /** Reads up to 200 events from `sinceId` on, oldest first and that one included; with `newest` only the last there is. */
  async listEvents({ sinceId, keys, newest }: EventQuery, signal?: AbortSignal): Promise<MaxioEvent[]> {
    const query = {
      page: '1',
      ...(newest ? { per_page: '1', direction: 'desc' } : { per_page: PER_PAGE, direction: 'asc' }),
      ...(sinceId !== undefined && { since_id: sinceId }),
      ...(keys !== undefined && { filter: keys.join(',') }),
    };
    return await this.#connection.call(CALLS.listEvents, eventsAnswer, { query, signal });
  }

  /** Reads a subscription; `undefined` when Maxio says there is none. */
  async readSubscription(id: string, signal?: AbortSignal): Promise<Subscription | undefined> {
    return await orAbsent(this.#connection.call(CALLS.readSubscription, subscriptionAnswer, { id, signal }));
  }

  /** Lists a customer's subscriptions in every state; `undefined` when Maxio says there is no such customer. */
  async listSubscriptions(customerId: string, signal?: AbortSignal): Promise<Subscription[] | undefined> {
    const found = await orAbsent(this.#connection.call(CALLS.listSubscriptions, subscriptionsAnswer, { id: customerId, signal }));
    // A list that holds somebody else's subscription must never become the list of what to cancel.
    if (found?.some((each) => each.customerId !== undefined && each.customerId !== customerId)) {
      throw untrusted(CALLS.listSubscriptions, "holds another customer's subscription");
    }
    return found;
  }

  /** Creates a subscription, and its customer if it is new, in one request. @param token see `createCustomer` */
  async createSubscription(
    input: NewSubscription,
    token: string,
    signal?: AbortSignal,
  ): Promise<{ subscription: Subscription; customer: Customer }> {
    const { customer } = input;
    const owner =
      customer.kind === 'new'
        ? { customer_attributes: { ...writable(customer.fields), reference: customer.reference } }
        : { customer_id: /^\d{1,15}$/.test(customer.id) ? Number(customer.id) : customer.id };
    const subscription = {
      product_handle: input.productHandle,
      ...(input.pricePointHandle === undefined ? {} : { product_price_point_handle: input.pricePointHandle }),
      payment_collection_method: input.paymentCollectionMethod,
      reference: input.reference,
      ...owner,
    };
    const body = { subscription, uniqueness_token: token };
    const { customer: created, ...rest } = await this.#connection.call(CALLS.createSubscription, signupAnswer, { body, signal });
    return { subscription: rest, customer: created };
  }

  /** Cancels a subscription at once. @param message kept by Maxio with the subscription, at most 65,535 characters */
  async cancelSubscription(id: string, message: string, signal?: AbortSignal): Promise<Subscription> {
    const body = { subscription: { cancellation_message: message } };
    return await this.#connection.call(CALLS.cancelSubscription, subscriptionAnswer, { id, body, signal });
  }

  /** Schedules a cancel for the end of the current period. */
  async delayCancel(id: string, signal?: AbortSignal): Promise<void> {
    await this.#connection.call(CALLS.delayCancel, confirmation, { id, signal });
  }

  /** Takes a scheduled cancel back; no error when there was none. */
  async undoDelayedCancel(id: string, signal?: AbortSignal): Promise<void> {
    await this.#connection.call(CALLS.undoDelayedCancel, confirmation, { id, signal });
  }

  /**
   * Moves a subscription to another product, or to another price point of the same. Nothing is charged or credited now and no date moves: the new price is
   * that of the next period. Saying it twice does no harm.
   * @param to without a price point it gets the default one of the product, without a way of paying it keeps its own
   */
  async changeProduct(
    id: string,
    to: { productHandle: string; pricePointHandle?: string | undefined; paymentCollectionMethod?: string | undefined },
    signal?: AbortSignal,
  ): Promise<Subscription> {
    const { productHandle, pricePointHandle, paymentCollectionMethod } = to;
    const subscription = {
      product_handle: productHandle,
      ...(pricePointHandle === undefined ? {} : { product_price_point_handle: pricePointHandle }),
      ...(paymentCollectionMethod === undefined ? {} : { payment_collection_method: paymentCollectionMethod }),
    };
    return await this.#connection.call(CALLS.changeProduct, subscriptionAnswer, { id, body: { subscription }, signal });
  }

  /** Reactivates a canceled subscription: inside its running period with the old dates and no charge. */
  async reactivate(id: string, signal?: AbortSignal): Promise<Subscription> {
    return await this.#connection.call(CALLS.reactivate, subscriptionAnswer, { id, body: { resume: true }, signal });
  }

  /** Puts a subscription on hold, without an end. */
  async hold(id: string, signal?: AbortSignal): Promise<Subscription> {
    return await this.#connection.call(CALLS.hold, subscriptionAnswer, { id, signal });
  }

  /** Takes a subscription off hold; bills at once when its renewal has passed meanwhile. */
  async resume(id: string, signal?: AbortSignal): Promise<Subscription> {
    return await this.#connection.call(CALLS.resume, subscriptionAnswer, { id, signal });
  }

  /** Closes the connections after the calls under way have ended. */
  async close(): Promise<void> {
    await this.#connection.close();
  }
}

/** Turns Maxio's own "there is none" into `undefined`; every other failure stays one. */
async function orAbsent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (err) {
    if (err instanceof MaxioError && err.kind === 'missing') return undefined;
    throw err;
  }
}
