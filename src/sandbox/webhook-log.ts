/**
 * Owns the endpoints of a site and the log of everything that was, or still has to be, delivered to them.
 * Refuses to send (webhook-sender.ts). A message is written when its event happens and never changes, whatever becomes of the object.
 * Answers to Webhooks of developers.maxio.com: at most five endpoints, each with the keys it wants to hear of.
 */
import type { EventRow } from './journal.ts';
import type { Change } from './store.ts';

export const ENDPOINTS_MAX = 5;
const FIRST_WEBHOOK_ID = 141_765_032;
const FIRST_ENDPOINT_ID = 11;

/**
 * What an endpoint may ask for; most of it never happens here. A deleted customer or subscription is told by the events API only.
 */
export const WEBHOOK_KEYS: readonly string[] = [
  'billing_date_change',
  'component_allocation_change',
  'customer_create',
  'customer_update',
  'direct_debit_payment_paid_out',
  'direct_debit_payment_pending',
  'direct_debit_payment_rejected',
  'dunning_step_reached',
  'expiration_date_change',
  'expiring_card',
  'invoice_issued',
  'invoice_pending',
  'metered_usage',
  'payment_failure',
  'payment_success',
  'pending_cancellation_change',
  'prepaid_subscription_balance_changed',
  'prepaid_usage',
  'refund_failure',
  'refund_success',
  'renewal_failure',
  'renewal_success',
  'signup_failure',
  'signup_success',
  'statement_closed',
  'statement_settled',
  'subscription_card_update',
  'subscription_group_card_update',
  'subscription_prepayment_account_balance_changed',
  'subscription_product_change',
  'subscription_product_change_scheduled',
  'subscription_service_credit_account_balance_changed',
  'subscription_state_change',
  'trial_end_notice',
  'upcoming_renewal_notice',
  'upgrade_downgrade_failure',
  'upgrade_downgrade_success',
];

export interface Endpoint {
  id: number;
  url: string;
  keys: string[];
}

export interface Delivery {
  /** Stays the same over all attempts. */
  id: number;
  event: string;
  endpointId: number;
  subscriptionId: number | null;
  body: string;
  createdMs: number;
  attempts: number;
  /** When the next attempt is due; null when there will be none. */
  nextMs: number | null;
  acceptedMs: number | null;
  lastSentMs: number | null;
  lastSentUrl: string | null;
  lastError: string | null;
  lastErrorMs: number | null;
}

/** Writes the body of a message; the id is that of the delivery. */
export type Write = (id: number, event: EventRow, change: Change) => string;

export class WebhookLog {
  #endpoints: Endpoint[] = [];
  #deliveries: Delivery[] = [];
  readonly #pending = new Set<Delivery>();
  readonly #wake: () => void;
  readonly #write: Write;

  /** @param wake is called whenever a delivery has become due */
  constructor(wake: () => void, write: Write) {
    this.#wake = wake;
    this.#write = write;
  }

  endpoints(): readonly Endpoint[] {
    return this.#endpoints;
  }

  endpoint(id: number): Endpoint | undefined {
    return this.#endpoints.find((endpoint) => endpoint.id === id);
  }

  addEndpoint(url: string, keys: string[]): Endpoint {
    const endpoint = { id: FIRST_ENDPOINT_ID + this.#endpoints.length, url, keys };
    this.#endpoints.push(endpoint);
    return endpoint;
  }

  /** Lists all messages there ever were, oldest first. */
  deliveries(): readonly Delivery[] {
    return this.#deliveries;
  }

  pending(): ReadonlySet<Delivery> {
    return this.#pending;
  }

  /** Notes an event for each endpoint that wants to hear of it. */
  note(event: EventRow, change: Change, dueMs: number): void {
    for (const endpoint of this.#endpoints) {
      if (!endpoint.keys.includes(event.key)) continue;
      const id = FIRST_WEBHOOK_ID + this.#deliveries.length;
      const delivery: Delivery = {
        id,
        event: event.key,
        endpointId: endpoint.id,
        subscriptionId: event.subscriptionId,
        body: this.#write(id, event, change),
        createdMs: event.createdMs,
        attempts: 0,
        nextMs: dueMs,
        acceptedMs: null,
        lastSentMs: null,
        lastSentUrl: null,
        lastError: null,
        lastErrorMs: null,
      };
      this.#deliveries.push(delivery);
      this.#pending.add(delivery);
      this.#wake();
    }
  }

  /** Sends old messages again from the first attempt on; unknown ids are passed over. */
  replay(ids: readonly number[], nowMs: number): void {
    for (const delivery of this.#deliveries) {
      if (!ids.includes(delivery.id)) continue;
      Object.assign(delivery, { attempts: 0, nextMs: nowMs });
      this.#pending.add(delivery);
    }
    this.#wake();
  }

  /** Closes the matter of a delivery: it was accepted, or all attempts are used up. */
  settle(delivery: Delivery): void {
    delivery.nextMs = null;
    this.#pending.delete(delivery);
  }

  /** Returns how to go back to the present contents. */
  checkpoint(): () => void {
    const { length } = this.#deliveries;
    return () => {
      for (const delivery of this.#deliveries.splice(length)) this.#pending.delete(delivery);
    };
  }

  reset(): void {
    this.#endpoints = [];
    this.#deliveries = [];
    this.#pending.clear();
  }
}
