/**
 * Owns the conversation with one Maxio site: thirteen calls, each exactly one HTTP request, none ever repeated or redirected.
 * Refuses to count, wait or retry (the budget and the worker do) and to know SCIM. Whatever goes wrong is a `MaxioError`
 * that says what is proven. Source: developers.maxio.com, Authentication (Basic, password `x`), Customers, Subscriptions.
 */
import { Pool } from 'undici';
import type { z } from 'zod';
import type { Secret } from '../secret.ts';
import { CALLS, type Call, pathOf } from './calls.ts';
import { refusalOf, unanswered, untrusted } from './classify.ts';
import { MaxioError } from './error.ts';
import {
  confirmation,
  customerAnswer,
  readBody,
  signupAnswer,
  siteAnswer,
  subscriptionAnswer,
  subscriptionsAnswer,
} from './parse.ts';
import { type Answer, exchange, Unanswered } from './request.ts';
import { siteOrigin } from './site-url.ts';
import type { Customer, CustomerFields, NewSubscription, SiteFacts, Subscription } from './types.ts';

export interface MaxioSite {
  region: 'us' | 'eu';
  subdomain: string;
  apiKey: Secret;
  /** Loopback only: a sandbox in place of the real host. */
  baseUrl?: string | undefined;
}

/** What one call looked like from outside, for metrics; holds no values. */
export interface CallSeen {
  method: Call['method'];
  template: string;
  status: number | undefined;
  /** `undefined` when the call succeeded. */
  kind: MaxioError['kind'] | undefined;
  tookMs: number;
}

export interface MaxioClientOptions {
  /** Total time of a call, in ms. Maxio itself cuts off at 120 s. */
  deadlineMs?: number;
  maxResponseBytes?: number;
  connections?: number;
  /** Must not throw. */
  onCall?: (seen: CallSeen) => void;
}

interface Ask {
  id?: string;
  query?: Record<string, string>;
  body?: object;
  signal?: AbortSignal | undefined;
}

const CONNECT_TIMEOUT_MS = 5_000;
/** Below the idle time of the usual load balancers, whatever a server promises. */
const IDLE_MAX_MS = 30_000;

/** The only customer fields that can reach Maxio, whatever an object carries besides (OWASP API3, mass assignment). */
const WRITABLE = [
  'first_name',
  'last_name',
  'email',
  'organization',
  'phone',
  'address',
  'address_2',
  'city',
  'state',
  'zip',
  'country',
  'locale',
] as const satisfies readonly (keyof CustomerFields)[];

function writable(fields: CustomerFields): CustomerFields {
  return Object.fromEntries(WRITABLE.filter((key) => fields[key] !== undefined).map((key) => [key, fields[key]]));
}

export class MaxioClient {
  readonly #pool: Pool;
  readonly #apiKey: Secret;
  readonly #deadlineMs: number;
  readonly #answerBytesMax: number;
  readonly #onCall: ((seen: CallSeen) => void) | undefined;
  #closed: Promise<void> | undefined;

  /** @throws TypeError when the site's address is not one of Maxio's or of this machine */
  constructor(site: MaxioSite, options: MaxioClientOptions = {}) {
    this.#apiKey = site.apiKey;
    this.#deadlineMs = options.deadlineMs ?? 40_000;
    this.#answerBytesMax = options.maxResponseBytes ?? 8 * 1024 * 1024;
    this.#onCall = options.onCall;
    this.#pool = new Pool(siteOrigin(site), {
      connections: options.connections ?? 4,
      pipelining: 1,
      allowH2: false,
      connect: { timeout: Math.min(CONNECT_TIMEOUT_MS, this.#deadlineMs) },
      keepAliveMaxTimeout: IDLE_MAX_MS,
      // The total deadline of request.ts is stricter than any idle timeout.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /** Reads what the site is: its id, whether it is a test site, how it invoices. */
  async readSite(signal?: AbortSignal): Promise<SiteFacts> {
    return await this.#call(CALLS.readSite, siteAnswer, { signal });
  }

  /** Finds a customer by its exact reference; `undefined` when Maxio says there is none. */
  async lookupCustomer(reference: string, signal?: AbortSignal): Promise<Customer | undefined> {
    const found = await orAbsent(this.#call(CALLS.lookupCustomer, customerAnswer, { query: { reference }, signal }));
    // Maxio does not publish whether it minds letter case, so that alone is no contradiction.
    if (found && found.reference?.toLowerCase() !== reference.toLowerCase()) {
      throw untrusted(CALLS.lookupCustomer, 'tells of another reference');
    }
    return found;
  }

  /** Reads a customer; `undefined` when Maxio says there is none. */
  async readCustomer(id: string, signal?: AbortSignal): Promise<Customer | undefined> {
    return await orAbsent(this.#call(CALLS.readCustomer, customerAnswer, { id, signal }));
  }

  /** Creates a customer. @param token the `uniqueness_token`: new for a new attempt, the same after an unknown outcome */
  async createCustomer(reference: string, fields: CustomerFields, token: string, signal?: AbortSignal): Promise<Customer> {
    const body = { customer: { ...writable(fields), reference }, uniqueness_token: token };
    return await this.#call(CALLS.createCustomer, customerAnswer, { body, signal });
  }

  /** Changes the given fields of a customer. @throws MaxioError of kind `missing` when it is not there */
  async updateCustomer(id: string, fields: CustomerFields, signal?: AbortSignal): Promise<Customer> {
    return await this.#call(CALLS.updateCustomer, customerAnswer, { id, body: { customer: writable(fields) }, signal });
  }

  /** Lists a customer's subscriptions in every state; `undefined` when Maxio says there is no such customer. */
  async listSubscriptions(customerId: string, signal?: AbortSignal): Promise<Subscription[] | undefined> {
    const found = await orAbsent(this.#call(CALLS.listSubscriptions, subscriptionsAnswer, { id: customerId, signal }));
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
      payment_collection_method: input.paymentCollectionMethod,
      reference: input.reference,
      ...owner,
    };
    const body = { subscription, uniqueness_token: token };
    const { customer: created, ...rest } = await this.#call(CALLS.createSubscription, signupAnswer, { body, signal });
    return { subscription: rest, customer: created };
  }

  /** Cancels a subscription at once. @param message kept by Maxio with the subscription, at most 65,535 characters */
  async cancelSubscription(id: string, message: string, signal?: AbortSignal): Promise<Subscription> {
    const body = { subscription: { cancellation_message: message } };
    return await this.#call(CALLS.cancelSubscription, subscriptionAnswer, { id, body, signal });
  }

  /** Schedules a cancel for the end of the current period. */
  async delayCancel(id: string, signal?: AbortSignal): Promise<void> {
    await this.#call(CALLS.delayCancel, confirmation, { id, signal });
  }

  /** Takes a scheduled cancel back; no error when there was none. */
  async undoDelayedCancel(id: string, signal?: AbortSignal): Promise<void> {
    await this.#call(CALLS.undoDelayedCancel, confirmation, { id, signal });
  }

  /** Reactivates a canceled subscription: inside its running period with the old dates and no charge. */
  async reactivate(id: string, signal?: AbortSignal): Promise<Subscription> {
    return await this.#call(CALLS.reactivate, subscriptionAnswer, { id, body: { resume: true }, signal });
  }

  /** Puts a subscription on hold, without an end. */
  async hold(id: string, signal?: AbortSignal): Promise<Subscription> {
    return await this.#call(CALLS.hold, subscriptionAnswer, { id, signal });
  }

  /** Takes a subscription off hold; bills at once when its renewal has passed meanwhile. */
  async resume(id: string, signal?: AbortSignal): Promise<Subscription> {
    return await this.#call(CALLS.resume, subscriptionAnswer, { id, signal });
  }

  /** Closes the connections after the calls under way have ended. */
  async close(): Promise<void> {
    this.#closed ??= this.#pool.close();
    await this.#closed;
  }

  async #call<T>(call: Call, shape: z.ZodType<T>, ask: Ask): Promise<T> {
    const path = pathOf(call, ask.id, ask.query);
    const body = ask.body === undefined ? undefined : JSON.stringify(ask.body);
    const startedMs = performance.now();
    const ended = (status: number | undefined, kind?: MaxioError['kind']): void =>
      this.#onCall?.({ method: call.method, template: call.template, status, kind, tookMs: performance.now() - startedMs });
    try {
      const answer = await exchange(this.#pool, {
        method: call.method,
        path,
        headers: this.#headers(body !== undefined),
        body,
        deadlineMs: this.#deadlineMs,
        answerBytesMax: this.#answerBytesMax,
        signal: ask.signal,
      });
      const value = this.#read(call, shape, ask.id, answer);
      ended(answer.status);
      return value;
    } catch (err) {
      const told = err instanceof Unanswered ? unanswered(call, err) : err;
      if (told instanceof MaxioError) ended(told.status, told.kind);
      throw told;
    }
  }

  #read<T>(call: Call, shape: z.ZodType<T>, id: string | undefined, answer: Answer): T {
    const refusal = refusalOf(call, answer, this.#secrets());
    if (refusal) throw refusal;
    const read = readBody(shape, answer.body);
    if (!read.ok) throw untrusted(call, 'not the JSON that was asked for', answer);
    if (!isAbout(read.value, id)) throw untrusted(call, 'tells of another id', answer);
    return read.value;
  }

  #headers(withBody: boolean): Record<string, string> {
    return {
      authorization: `Basic ${this.#basic()}`,
      accept: 'application/json',
      'user-agent': 'maxio-scim',
      ...(withBody ? { 'content-type': 'application/json' } : {}),
    };
  }

  #basic(): string {
    return Buffer.from(`${this.#apiKey.reveal()}:x`, 'utf8').toString('base64');
  }

  /** What a faulty peer might echo back at us. */
  #secrets(): string[] {
    return [this.#basic(), this.#apiKey.reveal()];
  }
}

/** Tells whether an answer speaks of what was asked; lists and confirmations name no id of their own. */
function isAbout(value: unknown, id: string | undefined): boolean {
  return id === undefined || typeof value !== 'object' || value === null || !('id' in value) || value.id === id;
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
