/**
 * Owns the repair of a difference: it corrects what is believed of Maxio, under the person's lease, and lets the normal plan do the rest, within the budget
 * and behind every fence. Refuses to call Maxio, and to touch people with work pending or whose leave is held or exempt.
 * By itself (`MAXIO_DRIFT=repair`) a difference is repaired once; the same again is a quarrel that only an operator may go on with. And never so many a day
 * as would trip the guard if they were leavers: so many differences are one decision of somebody, and undoing it is a decision, too.
 */
import type { SiteConfig } from '../config.ts';
import { dataLossAtMs } from '../directory/data-loss.ts';
import type { DriftReports, StoredDriftRow } from '../directory/drift-report.ts';
import { intentOf, type MaxioLink, type UserRecord } from '../directory/record.ts';
import type { Lease, Runs } from '../directory/runs.ts';
import type { SiteModes } from '../directory/site-mode.ts';
import type { Store } from '../directory/store.ts';
import type { IndexedCustomer, SurveyIndex } from '../directory/survey-index.ts';
import type { Logger } from '../logger.ts';
import { updateRemembered } from '../provisioning/remember.ts';
import { type DriftKind, differingFields } from './drift-rows.ts';

/** Which rows of the last report are meant; ids are those of people. */
export type RepairWish = { ids: string[] } | { kind: string } | { all: true };

export interface RepairOrder {
  /** Name of the operator, or `drift`. */
  by: string;
  requestId: string;
}

export interface Repaired {
  /** People who are planned anew. */
  repaired: number;
  skipped: { id: string; detail: string }[];
  /** People who were not reached in the time that somebody waits for an answer; asked again, it goes on with them. */
  left: number;
}

export interface RepairsParts {
  site: Pick<SiteConfig, 'key' | 'guard'>;
  store: Store;
  runs: Runs;
  modes: Pick<SiteModes, 'read'>;
  index: SurveyIndex;
  reports: DriftReports;
  ring: (userId: string, lane: 'urgent' | 'normal') => Promise<void>;
  logger: Logger;
}

const DAY_MS = 24 * 3_600_000;
/** Below the time after which the server gives a request up. */
const PATIENCE_MS = 10_000;

const WHY_NOT = {
  busy: 'This person is being worked on at this moment. Ask again.',
  gone: 'This person is not in the directory.',
  old: 'The last change of this person is older than the recovery of the site, so it may be the directory that is wrong. An operator has to decide.',
  moved: 'This person has changed meanwhile. Look for drift again.',
  pending: 'A change of this person is on its way or parked; it comes first.',
  held: 'The leave of this person waits for approval; decide about it first.',
  exempt: 'An operator has decided that this leave is not acted on.',
} as const;
const WANTED_SO = 'Somebody wants it so; name this person by id to put it right all the same.';

export class Repairs {
  readonly #parts: RepairsParts;

  constructor(parts: RepairsParts) {
    this.#parts = parts;
  }

  /** Repair what an operator has chosen from the last report. What is contested only for people who are named: a word about many is not a word about them. */
  async repair(wish: RepairWish, order: RepairOrder): Promise<Repaired> {
    const rows = await this.#parts.reports.rows();
    const wanted = rows.filter((row) =>
      'ids' in wish
        ? wish.ids.includes(row.personId)
        : row.repair !== 'repaired' && ('kind' in wish ? row.kind === wish.kind : true),
    );
    const skipped: Repaired['skipped'] = [];
    for (const id of 'ids' in wish ? wish.ids : []) {
      if (!wanted.some(({ personId }) => personId === id))
        skipped.push({ id, detail: 'The last report has no difference of this person.' });
    }
    const contested = 'ids' in wish ? new Set<string>() : contestedAmong(rows);
    const left = new Set(wanted.map(({ personId }) => personId)).intersection(contested);
    skipped.push(...[...left].map((id) => ({ id, detail: WANTED_SO })));
    const done = await this.#all(
      wanted.filter(({ personId }) => !left.has(personId)),
      order,
    );
    return { ...done, skipped: [...skipped, ...done.skipped] };
  }

  /** Repair, by policy, what was never repaired before, unless it is too much for nobody to have looked at it. */
  async once(rows: StoredDriftRow[]): Promise<Repaired> {
    const { runs, store, reports, site, logger } = this.#parts;
    const contested = contestedAmong(rows);
    const fresh = rows.filter(({ repair, personId }) => repair === 'possible' && !contested.has(personId));
    if (fresh.length === 0) return { repaired: 0, skipped: [], left: 0 };
    const today = await reports.countRepairs((await runs.nowMs()) - DAY_MS);
    const active = await store.guard(() => store.redis.scard(`${store.prefix}active`));
    const limit = Math.max(site.guard.floor, Math.floor((site.guard.hourPercent * active) / 100));
    if (today + fresh.length > limit) {
      logger.warn(
        { site: site.key, differences: fresh.length, today, limit },
        'too many differences to repair without an operator',
      );
      return { repaired: 0, skipped: [], left: 0 };
    }
    return await this.#all(fresh, { by: 'drift', requestId: 'drift' });
  }

  async #all(rows: StoredDriftRow[], order: RepairOrder): Promise<Repaired> {
    const mode = (await this.#parts.modes.read())?.mode;
    const skipped: Repaired['skipped'] = [];
    let [repaired, left] = [0, 0];
    const untilMs = performance.now() + PATIENCE_MS;
    for (const [id, theirs] of Map.groupBy(rows, ({ personId }) => personId)) {
      const mendable = theirs.filter(({ repair }) => repair === 'possible' || repair === 'contested');
      const [first] = theirs;
      if (mode !== 'enforce') {
        skipped.push({
          id,
          detail: `The site is in mode ${mode ?? 'unconfirmed'}, so nothing is repaired. Release or resume it first.`,
        });
      } else if (mendable.length === 0) {
        const under =
          first?.repair === 'repaired' ? 'It is repaired already; the next look says whether that has helped.' : first?.detail;
        skipped.push({ id, detail: under ?? 'Nothing to repair.' });
      } else if (performance.now() > untilMs) {
        left += 1;
      } else {
        const why = await this.#person(id, mendable, order);
        if (why === undefined) repaired += 1;
        else skipped.push({ id, detail: WHY_NOT[why] });
      }
    }
    return { repaired, skipped, left };
  }

  /** @returns why not, when not */
  async #person(id: string, rows: StoredDriftRow[], order: RepairOrder): Promise<keyof typeof WHY_NOT | undefined> {
    const { runs, store, reports, ring } = this.#parts;
    const lease = await runs.lease(id);
    if (lease === undefined) return 'busy';
    try {
      const record = await store.read(id);
      if (record === undefined) return 'gone';
      if (order.by === 'drift' && (await this.#isOld(record))) return 'old';
      const why = await this.#replan(record, lease, rows, order);
      if (why !== undefined) return why;
      await reports.noteRepairs(
        rows.map(({ key }) => key),
        await runs.nowMs(),
      );
      const keys = new Set(rows.map(({ key }) => key));
      await reports.change(id, (reported) =>
        reported.map((row) => (keys.has(row.key) ? { ...row, repair: 'repaired' as const } : row)),
      );
      await runs.release(lease);
      await ring(id, intentOf(record) === 'inactive' ? 'urgent' : 'normal').catch(() => undefined);
      return undefined;
    } finally {
      await runs.release(lease).catch(() => undefined);
    }
  }

  /** Whether nobody has said anything about somebody since this data was lost or set back: whoever left may be back, and whoever was here may have left. */
  async #isOld({ modifiedAtMs }: UserRecord): Promise<boolean> {
    const lossAtMs = await dataLossAtMs(this.#parts.store);
    return lossAtMs !== undefined && modifiedAtMs < lossAtMs;
  }

  async #replan(record: UserRecord, lease: Lease, rows: StoredDriftRow[], { by, requestId }: RepairOrder) {
    const { runs, index } = this.#parts;
    const { link } = record;
    if (link === undefined || record.open.length > 0) return 'pending';
    const kinds = [...new Set(rows.map(({ kind }) => kind))].sort();
    const audit = { kind: 'operator', what: 'repair', actor: by, requestId, differences: kinds } as const;
    const belief = believed(link, await index.customer(link.customerId), rows);
    const answer = await runs.replan(record, { link: belief, lease }, audit);
    return answer === 'done' ? undefined : answer;
  }
}

/** People of whom somebody wants something so. They are left out whole: planning them anew for another difference would undo that one, too. */
function contestedAmong(rows: StoredDriftRow[]): Set<string> {
  return new Set(rows.flatMap(({ repair, personId }) => (repair === 'contested' ? [personId] : [])));
}

/** What is believed of Maxio from now on: nothing about its subscriptions before they are listed again, and its own values where they differ. */
function believed(link: MaxioLink, customer: IndexedCustomer | undefined, rows: StoredDriftRow[]): MaxioLink {
  const { quiet: _quiet, ...rest } = link;
  let belief: MaxioLink = { ...rest, unseen: true };
  for (const row of rows) {
    const kind = row.kind as DriftKind;
    if (kind === 'fields-differ' && row.subscriptionId === null && customer !== undefined) {
      const shown = differingFields(link, customer).map((name) => [name, shownIn(customer, name)]);
      belief = { ...belief, confirmed: { ...belief.confirmed, ...Object.fromEntries(shown) } };
    }
    if (kind === 'ending-foreign' && row.subscriptionId !== null) {
      // Taken for an ending of ours, it is brought back as one.
      const endedBy = row.key.endsWith(':hold') ? 'hold' : 'cancel_at_period_end';
      belief = updateRemembered(belief, row.subscriptionId, (known) => ({ ...known, endedBy }));
    }
  }
  return belief;
}

function shownIn(customer: IndexedCustomer, name: string): string | null {
  return (name === 'email' ? customer.email : customer.fields[name]) ?? null;
}
