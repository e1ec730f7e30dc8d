/**
 * Owns the direct access that tests and the demo have to a sandbox in their own process; the control plane is this over HTTP.
 * Refuses to be mistaken for Maxio: nothing here passes through the ledger, the slots or the rules of the API.
 */
import { letTimePass } from './billing.ts';
import { type CustomerJson, customerJson } from './customer-json.ts';
import type { Premises } from './exchange.ts';
import type { Fault } from './faults.ts';
import type { EventRow } from './journal.ts';
import type { LedgerEntry, Stats } from './ledger.ts';
import type { CustomerRow, SubscriptionRow } from './rows.ts';
import { plantSeed, type Seed } from './seed.ts';
import { type Settings, settingsSchema } from './settings.ts';
import { actAsStaff, type StaffEdit, type Touched } from './staff.ts';
import { type SubscriptionJson, subscriptionJson } from './subscription-json.ts';
import { type Delivery, type Endpoint, WEBHOOK_KEYS } from './webhook-log.ts';

export class SandboxState {
  readonly #premises: Premises;
  readonly #firstSettings: Settings;

  constructor(premises: Premises) {
    this.#premises = premises;
    this.#firstSettings = { ...premises.site.settings };
  }

  /** Lists all customers as the API shows them, without their envelopes, by ascending id. */
  customers(): CustomerJson[] {
    const { site } = this.#premises;
    return site.store.customers().map((row) => customerJson(row, site.settings.utcOffsetMinutes));
  }

  /** Lists all subscriptions as the API shows them, without their envelopes, by ascending id; first brings them up to date. */
  subscriptions(): SubscriptionJson[] {
    const { site } = this.#premises;
    letTimePass(site);
    return site.store.subscriptions().map((row) => subscriptionJson(site, row));
  }

  /** Lists the requests after a sequence number (`seq`), default all. */
  ledger(sinceSeq = 0): LedgerEntry[] {
    return this.#premises.ledger.since(sinceSeq);
  }

  /** Forgets the requests of the past; a quota still counts them. */
  clearLedger(): void {
    this.#premises.ledger.clear();
  }

  /** Computes the numbers of the ledger; the window is in ms, default that of the quota. */
  stats(windowMs = this.#premises.site.settings.windowSeconds * 1_000): Stats {
    return this.#premises.ledger.stats(windowMs);
  }

  /** Arms a fault and returns its id; without `times` it stays until it is cleared. Throws ZodError when it makes no sense. */
  setFault(fault: Fault): string {
    return this.#premises.faults.arm(fault);
  }

  clearFaults(): void {
    this.#premises.faults.clear();
  }

  /** Ends every delay of a fault as if its time had come, and tells how many there were. */
  release(): number {
    return this.#premises.delays.release();
  }

  /** Lists the armed faults with their hits. */
  faults(): { id: string; hits: number; fault: Fault }[] {
    return this.#premises.faults.list();
  }

  /** Tells the sandbox's time. */
  now(): Date {
    return new Date(this.#premises.site.clock.nowMs());
  }

  /** Moves the clock forward and lets everything happen that falls due. Throws RangeError for a negative step. */
  advance(seconds: number): void {
    this.#premises.site.clock.advance(seconds);
    this.#catchUp();
  }

  /** Puts the clock at a later instant, from which it runs on. Throws RangeError when that instant has passed. */
  setClock(instant: Date): void {
    this.#premises.site.clock.set(instant.getTime());
    this.#catchUp();
  }

  #catchUp(): void {
    letTimePass(this.#premises.site);
    this.#premises.sender.wake();
  }

  /** Changes some settings and returns all of them. Throws ZodError for an unknown one. */
  settings(changes: { [Name in keyof Settings]?: Settings[Name] | undefined } = {}): Settings {
    const { site, slots, sender } = this.#premises;
    const given = Object.entries(settingsSchema.partial().parse(changes)).filter(([, value]) => value !== undefined);
    Object.assign(site.settings, Object.fromEntries(given));
    site.store.reindex();
    slots.admit();
    sender.wake();
    return { ...site.settings };
  }

  /** Issues another API key; the one before opens nothing from now on. */
  changeKey(apiKey: string): void {
    this.#premises.site.apiKey = apiKey;
  }

  /** Answers as the site of another id from now on, as if the key had been issued by that one. */
  becomeSite(id: number): void {
    this.#premises.site.id = id;
  }

  /** Adds customers and subscriptions without a request. Throws Error when a record is not acceptable. */
  seed(seed: Seed): { customers: CustomerJson[]; subscriptions: SubscriptionJson[] } {
    const { site } = this.#premises;
    const planted = plantSeed(site, seed);
    return {
      customers: planted.customers.map((row) => customerJson(row, site.settings.utcOffsetMinutes)),
      subscriptions: planted.subscriptions.map((row) => subscriptionJson(site, row)),
    };
  }

  /** Changes a customer as staff would in Maxio's own pages. Throws Error for an unknown id. */
  editCustomer(id: number, changes: Partial<Omit<CustomerRow, 'id'>>): void {
    actAsStaff(this.#premises.site, { do: 'edit-customer', id, changes });
  }

  /** Changes a subscription as staff would, into any state. Throws Error for an unknown id. */
  editSubscription(id: number, changes: Partial<Omit<SubscriptionRow, 'id' | 'customerId'>>): void {
    actAsStaff(this.#premises.site, { do: 'edit-subscription', id, changes });
  }

  /** Does one thing as staff would in Maxio's own pages. Throws Error for an unknown id. */
  staff(edit: StaffEdit): Touched {
    return actAsStaff(this.#premises.site, edit);
  }

  /** Lists what happened, visible already or not, oldest first. */
  events(): readonly EventRow[] {
    return this.#premises.site.journal.visible(Number.POSITIVE_INFINITY);
  }

  /** Has webhooks sent to an address of this machine; default all keys there are. */
  listen(url: string, keys: readonly string[] = WEBHOOK_KEYS): Endpoint {
    return this.#premises.site.webhooks.addEndpoint(url, [...keys]);
  }

  /** Lists all messages to endpoints, oldest first. */
  webhooks(): readonly Delivery[] {
    return this.#premises.site.webhooks.deliveries();
  }

  /** Makes one attempt for every message that waits, due or not, one after the other, and tells how many there were. */
  async deliverWebhooks(): Promise<number> {
    return await this.#premises.sender.deliver();
  }

  /** Returns to the beginning: no records, no ledger, no faults, real time, first settings. Work still under way comes to nothing. */
  reset(): void {
    const { site, ledger, faults, slots, sender } = this.#premises;
    this.#premises.epoch += 1;
    site.store.reset();
    site.journal.reset();
    site.webhooks.reset();
    sender.reset();
    ledger.reset();
    faults.clear();
    site.clock.reset();
    Object.assign(site.settings, this.#firstSettings);
    slots.admit();
  }
}
