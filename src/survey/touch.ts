/**
 * Owns what follows from Maxio's webhooks: a message is verified and remembered (the door), and soon after, the customer it is about is read again, compared
 * with the directory and reported at once (the chore). Order and content of messages do not matter, because objects are read.
 * Our own calls cause messages, too; those agree with our memory and cost no reading (webhook-news.ts).
 */
import type { SiteConfig } from '../config.ts';
import type { DriftReports, StoredDriftRow } from '../directory/drift-report.ts';
import type { UserRecord } from '../directory/record.ts';
import type { Store } from '../directory/store.ts';
import type { IndexedCustomer, SurveyIndex } from '../directory/survey-index.ts';
import type { Touched, TouchedCustomers } from '../directory/touched.ts';
import { DirectoryUnavailable } from '../directory/unavailable.ts';
import type { MaxioClient } from '../maxio/client.ts';
import { MaxioError } from '../maxio/error.ts';
import { verifyWebhook } from '../maxio/webhook.ts';
import type { Called, Caller } from '../provisioning/caller.ts';
import type { Telemetry } from '../telemetry.ts';
import type { Drift } from './drift.ts';
import { type DriftPolicy, findingsOf } from './drift-rows.ts';
import { customerRow, subscriptionRow } from './index-rows.ts';
import type { Repairs } from './repair.ts';
import type { Chore, Turn } from './rounds.ts';
import { agrees, readNews, statementsIn } from './webhook-news.ts';

export interface TouchParts {
  site: Pick<SiteConfig, 'key' | 'subdomain' | 'webhookKey' | 'drift'>;
  store: Store;
  index: SurveyIndex;
  caller: Caller;
  client: Pick<MaxioClient, 'readCustomer' | 'listSubscriptions'>;
  touched: TouchedCustomers;
  reports: DriftReports;
  drift: Pick<Drift, 'rowsFrom'>;
  repairs: Pick<Repairs, 'once'>;
  policy: (records: readonly UserRecord[]) => DriftPolicy | Promise<DriftPolicy>;
  telemetry: Telemetry;
}

/** Until the messages of one change have come together, and our own answer, if it was ours, is written down. */
const SETTLE_MS = 3_000;
const BATCH = 20;
/** A person with work pending is looked at when that is over. */
const PENDING_MS = 10_000;
const FAILED_MS = 60_000;

export class Touch implements Chore {
  readonly name = 'touch';
  readonly #parts: TouchParts;

  constructor(parts: TouchParts) {
    this.#parts = parts;
  }

  /** Take a message. Nothing but the signature is computed for one that is not signed. */
  async accept(raw: Buffer, signature: string): Promise<'ok' | 'known' | 'unsigned' | 'unreadable' | 'foreign' | 'later'> {
    const { site, store, touched } = this.#parts;
    if (site.webhookKey === undefined || !verifyWebhook(site.webhookKey, raw, signature)) return 'unsigned';
    const news = readNews(raw);
    if (news === undefined) return 'unreadable';
    try {
      const siteId =
        news.site?.id === undefined ? null : await store.guard(() => store.redis.hget(`${store.prefix}site`, 'siteId'));
      const foreign =
        (news.site?.subdomain ?? site.subdomain) !== site.subdomain || (siteId !== null && siteId !== news.site?.id);
      if (foreign) return 'foreign';
      const customers = news.matters ? news.customerIds.map((id) => ({ id, news: news.line })) : [];
      return (await touched.add(news.id, customers)) ? 'ok' : 'known';
    } catch (error) {
      if (error instanceof DirectoryUnavailable) return 'later';
      throw error;
    }
  }

  /** Look into a few customers. */
  async turn(turn: Turn): Promise<'more' | 'idle'> {
    const due = await this.#parts.touched.due(turn.nowMs - SETTLE_MS, BATCH);
    for (const each of due) {
      turn.signal.throwIfAborted();
      try {
        await this.#one(each, turn);
      } catch (error) {
        // One that Maxio fails on again and again must not stand before all others.
        if (error instanceof MaxioError) await this.#parts.touched.putOff(each, turn.nowMs + FAILED_MS);
        throw error;
      }
    }
    return due.length === BATCH ? 'more' : 'idle';
  }

  async #one(each: Touched, turn: Turn): Promise<void> {
    const { touched, index, store, telemetry, site } = this.#parts;
    const before = await index.customer(each.customerId);
    const said = statementsIn(each.news);
    const owner = await this.#owner(each.customerId, [before?.reference, said?.[0]?.reference]);
    if (owner !== undefined && turn.mode === 'enforce' && (await this.#isPending(owner))) {
      await touched.putOff(each, turn.nowMs + PENDING_MS);
      return;
    }
    const ours =
      owner !== undefined && said?.every((statement) => agrees(owner, statement)) === true && !(await this.#isReported(owner));
    telemetry.webhooksRead.inc({ site: site.key, result: ours ? 'own-change' : 'read' });
    if (!ours) await this.#read(each.customerId, before, turn);
    await store.guard(() => touched.done(each));
  }

  async #read(customerId: string, before: IndexedCustomer | undefined, turn: Turn): Promise<void> {
    const { client, index } = this.#parts;
    const { value: customer, atMs } = await this.#call(turn, (signal) => client.readCustomer(customerId, signal));
    if (customer === undefined) {
      await index.remove(customerId);
    } else {
      await index.putCustomers([customerRow(customer)], atMs);
      const { value: list = [], atMs: listedMs } = await this.#call(turn, (signal) =>
        client.listSubscriptions(customerId, signal),
      );
      const rows = list.flatMap((each) => subscriptionRow({ ...each, customerId }) ?? []);
      if (rows.length > 0) await index.putSubscriptions(rows, listedMs);
    }
    const person = await this.#owner(customerId, [before?.reference, customer?.reference]);
    if (person !== undefined) await this.#report(person, customerId, atMs, turn);
  }

  /** Compare one person at once; what the last report says of strangers stands. */
  async #report(record: UserRecord, customerId: string, asOfMs: number, turn: Turn): Promise<void> {
    const { index, reports, drift, repairs, site, policy } = this.#parts;
    const [customer, subscriptions] = await Promise.all([index.customer(customerId), index.subscriptionsOf([customerId])]);
    const findings = findingsOf(record, { customer, subscriptions, asOfMs }, await policy([record]));
    let rows: StoredDriftRow[] = [];
    await reports.change(record.id, async (before) => {
      rows = await drift.rowsFrom(findings, before, asOfMs);
      return [...rows, ...before.filter(({ kind }) => kind === 'duplicate-customer')];
    });
    if (site.drift === 'repair' && turn.mode === 'enforce') await repairs.once(rows);
  }

  /** The person whose customer this is. */
  async #owner(customerId: string, references: (string | null | undefined)[]): Promise<UserRecord | undefined> {
    for (const reference of new Set(references)) {
      if (reference === null || reference === undefined || reference === '') continue;
      const record = await this.#parts.store.findByReference(reference);
      if (record !== undefined && (record.link === undefined || record.link.customerId === customerId)) return record;
    }
    return undefined;
  }

  /** A change that is made back agrees with us, and ends what was reported. */
  async #isReported(record: UserRecord): Promise<boolean> {
    return (await this.#parts.reports.rowsOf(record.id)).length > 0;
  }

  async #isPending(record: UserRecord): Promise<boolean> {
    const { store } = this.#parts;
    return (await store.guard(() => store.redis.zscore(`${store.prefix}dirty`, record.id))) !== null;
  }

  async #call<T>(turn: Turn, send: (signal: AbortSignal | undefined) => Promise<T>): Promise<Called<T>> {
    const { caller, store } = this.#parts;
    const fences = [{ key: `${store.prefix}mode`, field: 'mode', equals: turn.mode }];
    return await caller.call({ operation: 'drift', lane: 'background', fences, signal: turn.signal }, send);
  }
}
