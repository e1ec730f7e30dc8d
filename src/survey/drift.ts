/**
 * Owns the look for drift: daily and on demand it brings the survey index up to date (a delta, every seventh day a full pass), compares it with the directory
 * and leaves a report. What pending, held or newer work of ours explains is no drift. Refuses to repair (repair.ts); by policy it asks for that, once.
 */
import type { SiteConfig } from '../config.ts';
import { type DriftHead, type DriftReports, openCounts, type StoredDriftRow } from '../directory/drift-report.ts';
import { digest } from '../directory/keys.ts';
import type { UserRecord } from '../directory/record.ts';
import type { Runs } from '../directory/runs.ts';
import type { Store } from '../directory/store.ts';
import type { IndexedCustomer, SurveyIndex } from '../directory/survey-index.ts';
import type { Logger } from '../logger.ts';
import { foldEmail } from '../scim/fold.ts';
import type { Telemetry } from '../telemetry.ts';
import type { Delta } from './delta.ts';
import {
  DRIFT_KINDS,
  type DriftPolicy,
  duplicateCustomer,
  type Evidence,
  type Finding,
  findingsOf,
  isExplained,
} from './drift-rows.ts';
import { peoplePages } from './people.ts';
import type { RepairOrder, Repairs } from './repair.ts';
import type { Chore, Turn } from './rounds.ts';
import type { Survey } from './survey.ts';

export interface DriftParts {
  site: Pick<SiteConfig, 'key' | 'drift' | 'driftHours'>;
  store: Store;
  runs: Runs;
  index: SurveyIndex;
  survey: Pick<Survey, 'want'>;
  delta: Delta;
  reports: DriftReports;
  repairs: Pick<Repairs, 'once'>;
  policy: (records: readonly UserRecord[]) => DriftPolicy | Promise<DriftPolicy>;
  logger: Logger;
  telemetry: Telemetry;
}

const HOUR_MS = 3_600_000;
const FULL_EVERY_MS = 7 * 24 * HOUR_MS;
/** A difference that comes back within this time after its repair is somebody's will, not an accident. */
const QUARREL_MS = 30 * 24 * HOUR_MS;

export class Drift implements Chore {
  readonly name = 'drift';
  readonly #parts: DriftParts;

  constructor(parts: DriftParts) {
    this.#parts = parts;
  }

  async head(): Promise<DriftHead> {
    return await this.#parts.reports.head();
  }

  async rows(): Promise<StoredDriftRow[]> {
    return await this.#parts.reports.rows();
  }

  /** Ask for a look now; a full one takes the place of a smaller one that is only wanted. */
  async want(full: boolean, { by, requestId }: RepairOrder): Promise<void> {
    const { reports, runs } = this.#parts;
    const { state, full: fuller } = await reports.head();
    if ((state === 'running' || state === 'wanted') && (fuller || !full)) return;
    await reports.note({ state: 'wanted', full, by });
    await runs.tell('', 0, { kind: 'operator', what: 'drift-wanted', actor: by, requestId, full });
  }

  async turn(turn: Turn): Promise<'more' | 'idle'> {
    const { reports, site } = this.#parts;
    const head = await reports.head();
    this.#measure(head);
    switch (head.state) {
      case 'never':
      case 'done':
        if (head.nextMs === 0) {
          // Whoever has just begun to act has nothing to compare yet.
          await reports.note({ nextMs: turn.nowMs + site.driftHours * HOUR_MS });
          return 'idle';
        }
        if (turn.nowMs < head.nextMs) return 'idle';
        await reports.note({ state: 'wanted', full: false, by: 'drift' });
        return 'more';
      case 'wanted':
        return await this.#begin(head, turn);
      case 'running':
        return await this.#go(head, turn);
    }
  }

  /** At every turn, so that a process that has taken over the rounds tells of the last report, too. */
  #measure({ counts, exempts, atMs }: DriftHead): void {
    const { telemetry, site } = this.#parts;
    if (atMs === 0) return;
    const open = openCounts({ counts, exempts });
    for (const kind of DRIFT_KINDS) telemetry.driftUsers.set({ site: site.key, kind }, open[kind] ?? 0);
    telemetry.duplicateCustomers.set({ site: site.key }, counts['duplicate-customer'] ?? 0);
    telemetry.reconcileLastSuccess.set({ site: site.key }, atMs / 1_000);
  }

  async #begin(head: DriftHead, turn: Turn): Promise<'more'> {
    const { current, fullAtMs } = await this.#parts.delta.marks();
    const full = head.full || current === undefined || turn.nowMs - fullAtMs >= FULL_EVERY_MS;
    if (full) await this.#parts.survey.want({ by: 'drift' });
    await this.#parts.reports.note({ state: 'running', full, askedMs: turn.nowMs });
    return 'more';
  }

  async #go(head: DriftHead, turn: Turn): Promise<'more' | 'idle'> {
    if (head.full) {
      // The survey is a chore of its own; it is over when its pass is newer than the question.
      if ((await this.#parts.delta.marks()).fullAtMs < head.askedMs) {
        // One that was in its last phase when it was asked for has ended with a pass that is older.
        await this.#parts.survey.want({ by: 'drift' });
        return 'idle';
      }
    } else if ((await this.#parts.delta.step(turn, head.askedMs)) === 'more') {
      return 'more';
    }
    await this.#report(head, turn);
    return 'idle';
  }

  async #report(head: DriftHead, turn: Turn): Promise<void> {
    const { reports, repairs, runs, site, logger } = this.#parts;
    const { sinceMs: asOfMs } = await this.#parts.delta.marks();
    const beganMs = await runs.nowMs();
    const rows = await this.rowsFrom(await this.#compare(asOfMs, turn.signal), await reports.rows(), asOfMs);
    const nextMs = turn.nowMs + site.driftHours * HOUR_MS;
    const made = await reports.replace(rows, { beganMs, atMs: turn.nowMs, lastFull: head.full, nextMs });
    if (made === undefined) return;
    const { counts } = made;
    const differences = Object.values(counts).reduce((sum, count) => sum + count, 0);
    await reports.forgetRepairs(turn.nowMs - QUARREL_MS);
    await runs.tell('', 0, { kind: 'operator', what: 'drift-report', actor: head.by, full: head.full, differences });
    logger.info({ site: site.key, full: head.full, counts }, 'drift report');
    // Whoever was looked into meanwhile was offered for repair by that look.
    const late = new Set(made.late);
    if (site.drift === 'repair' && turn.mode === 'enforce')
      await repairs.once(rows.filter(({ personId }) => !late.has(personId)));
  }

  /** Give findings what earlier reports and repairs say of them. */
  async rowsFrom(findings: Finding[], before: StoredDriftRow[], asOfMs: number): Promise<StoredDriftRow[]> {
    const known = new Map(before.map((row) => [row.key, row]));
    const repairs = await this.#parts.reports.repairsOf(findings.map(({ key }) => key));
    return findings.map(({ repairable, deliberate, ...finding }) => {
      const contested = deliberate || repairs.has(finding.key);
      const repair = !repairable ? 'none' : contested ? 'contested' : 'possible';
      return { ...finding, sinceMs: known.get(finding.key)?.sinceMs ?? asOfMs, repair };
    });
  }

  async #compare(asOfMs: number, signal: AbortSignal): Promise<Finding[]> {
    const { store, index, policy } = this.#parts;
    const findings: Finding[] = [];
    for await (const records of peoplePages(store, 'everyone')) {
      signal.throwIfAborted();
      const ids = records.flatMap(({ link }) => link?.customerId ?? []);
      const customers = new Map((await index.customers(ids)).map((row) => [row.id, row]));
      const owned = Map.groupBy(await index.subscriptionsOf(ids), ({ customerId }) => customerId);
      const rules = await policy(records);
      for (const record of records) {
        const id = record.link?.customerId ?? '';
        const evidence: Evidence = { customer: customers.get(id), subscriptions: owned.get(id) ?? [], asOfMs };
        findings.push(...findingsOf(record, evidence, rules));
      }
      findings.push(...(await this.#unlinkedLeavers(records, asOfMs)));
    }
    return [...findings, ...(await this.#strangers(asOfMs, signal))];
  }

  /** Who left before their customer was taken over. */
  async #unlinkedLeavers(records: UserRecord[], asOfMs: number): Promise<Finding[]> {
    const { index, policy } = this.#parts;
    const findings: Finding[] = [];
    for (const record of records.filter(({ link, leave }) => link === undefined && leave !== undefined)) {
      const customer = await index.byReference(record.reference);
      if (customer === undefined) continue;
      const subscriptions = await index.subscriptionsOf([customer.id]);
      findings.push(...findingsOf(record, { customer, subscriptions, asOfMs }, await policy([record])));
    }
    return findings;
  }

  /** Customers that are nobody's and share an address with somebody who has another. */
  async #strangers(asOfMs: number, signal: AbortSignal): Promise<Finding[]> {
    const { index, store } = this.#parts;
    const findings = new Map<string, Finding>();
    const separate = new Set(await store.guard(() => store.redis.hkeys(`${store.prefix}separate`)));
    let cursor = '0';
    do {
      signal.throwIfAborted();
      const { next, rows } = await index.scan(cursor);
      cursor = next;
      for (const finding of await this.#strangersAmong(rows, separate, asOfMs)) findings.set(finding.key, finding);
    } while (cursor !== '0');
    return [...findings.values()];
  }

  async #strangersAmong(customers: IndexedCustomer[], separate: Set<string>, asOfMs: number): Promise<Finding[]> {
    const { store } = this.#parts;
    const nobodys = await this.#nobodys(customers);
    if (nobodys.length === 0) return [];
    const pipeline = store.redis.pipeline();
    for (const { email } of nobodys) pipeline.smembers(`${store.prefix}email:${digest(foldEmail(email))}`);
    const replies = await store.guard(async () => (await pipeline.exec()) ?? []);
    const idsOf = (at: number): string[] => (replies[at]?.[1] as string[] | undefined) ?? [];
    const records = await store.readAll([...new Set(nobodys.flatMap((_row, at) => idsOf(at)))]);
    const byId = new Map<string, UserRecord>(records.map((record) => [record.id, record]));
    return nobodys.flatMap((stranger, at) =>
      idsOf(at).flatMap((id) => {
        const record = byId.get(id);
        if (record?.link === undefined || record.link.customerId === stranger.id || isExplained(record, asOfMs)) return [];
        // Somebody has decided that this customer is somebody else.
        if (separate.has(`${stranger.id}:${record.reference}`)) return [];
        return [duplicateCustomer(record, stranger)];
      }),
    );
  }

  /** Those whose reference nobody here has. */
  async #nobodys(customers: IndexedCustomer[]): Promise<IndexedCustomer[]> {
    const { store } = this.#parts;
    const some = customers.filter(({ email }) => email !== '');
    if (some.length === 0) return [];
    const references = some.map(({ reference }) => reference ?? '');
    const holders = await store.guard(() => store.redis.hmget(`${store.prefix}references`, ...references));
    return some.filter((_row, at) => holders[at] === null);
  }
}
