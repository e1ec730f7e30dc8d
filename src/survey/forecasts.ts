/**
 * Owns forecasts of many: it brings together what the survey and our memory know of each person, page by page, and sums up what would happen.
 * This is the plan that `observe` shows, and how two configurations are compared. No call to Maxio, nothing written.
 */

import { dataLossAtMs } from '../directory/data-loss.ts';
import { GroupStore } from '../directory/group-store.ts';
import type { UserRecord } from '../directory/record.ts';
import type { Runs } from '../directory/runs.ts';
import { emailsOf, type Store } from '../directory/store.ts';
import type { IndexedSubscription, IndexSight, SurveyIndex } from '../directory/survey-index.ts';
import type { RunPolicy } from '../provisioning/run.ts';
import { foldEmail } from '../scim/fold.ts';
import type { Sight } from './dry-maxio.ts';
import { type Forecast, type ForecastKind, forecast } from './forecast.ts';
import { peoplePages } from './people.ts';

export interface ForecastExample {
  id: string;
  userName: string;
  words: string;
}

export interface ForecastSummary {
  people: number;
  counts: Partial<Record<ForecastKind, number>>;
  /** What leavers and held people bring in a month, in cents. */
  monthlyCents: number;
  examples: Partial<Record<ForecastKind, ForecastExample[]>>;
}

export interface ForecastsParts {
  store: Store;
  runs: Pick<Runs, 'nowMs'>;
  index: Pick<SurveyIndex, 'look' | 'subscriptionsOf'>;
  /** What the workers act by now. */
  policy: () => RunPolicy;
}

const EXAMPLES_MAX = 20;

export class Forecasts {
  readonly #parts: ForecastsParts;

  constructor(parts: ForecastsParts) {
    this.#parts = parts;
  }

  /** What would happen to one person. */
  async one(record: UserRecord): Promise<Forecast> {
    const policy = this.#parts.policy();
    const [sight] = await this.#sights([record], policy.groupPlans !== undefined);
    return guess(record, sight ?? BLIND, policy, await this.#clock());
  }

  /** What would happen to everybody whose change has not settled, or to all people. */
  async summary(who: 'unsettled' | 'everyone'): Promise<ForecastSummary> {
    const summary: ForecastSummary = { people: 0, counts: {}, monthlyCents: 0, examples: {} };
    await this.each(who, [this.#parts.policy()], (record, [told]) => {
      if (told === undefined) return;
      const { kind, words } = told;
      summary.people += 1;
      summary.counts[kind] = (summary.counts[kind] ?? 0) + 1;
      summary.monthlyCents += told.monthlyCents;
      summary.examples[kind] ??= [];
      const examples = summary.examples[kind];
      if (examples.length < EXAMPLES_MAX) examples.push({ id: record.id, userName: record.attributes.userName, words });
    });
    return summary;
  }

  /** Forecast people under several policies at once. */
  async each(
    who: 'unsettled' | 'everyone',
    policies: RunPolicy[],
    onPerson: (record: UserRecord, told: Forecast[]) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    const clock = await this.#clock();
    const byGroup = policies.some(({ groupPlans }) => groupPlans !== undefined);
    for await (const records of peoplePages(this.#parts.store, who)) {
      signal?.throwIfAborted();
      const sights = await this.#sights(records, byGroup);
      for (const [at, record] of records.entries()) {
        const sight = sights[at] ?? BLIND;
        onPerson(
          record,
          policies.map((policy) => guess(record, sight, policy, clock)),
        );
      }
    }
  }

  async #clock(): Promise<{ nowMs: number; lastLossMs?: number; dataLossAtMs: number | undefined }> {
    const { store, runs } = this.#parts;
    const [nowMs, lastLoss, lossAtMs] = await store.guard(() =>
      Promise.all([runs.nowMs(), store.redis.hget(`${store.prefix}guard`, 'lastLossMs'), dataLossAtMs(store)]),
    );
    return { nowMs, dataLossAtMs: lossAtMs, ...(lastLoss === null ? {} : { lastLossMs: Number(lastLoss) }) };
  }

  /** @param byGroup whether what the groups are known by matters */
  async #sights(records: UserRecord[], byGroup: boolean): Promise<Sight[]> {
    const { index, store } = this.#parts;
    const ids = byGroup ? [...new Set(records.flatMap(({ groups = [] }) => groups))] : [];
    const labels = await new GroupStore(store).labels(ids);
    const looks = await Promise.all(
      records.map(
        async (record): Promise<IndexSight> =>
          record.link === undefined ? await index.look(record.reference, corroborationOf(record)) : BLIND.index,
      ),
    );
    const customerIds = records.map((record, at) => record.link?.customerId ?? looks[at]?.referenced?.id);
    const wanted = [...new Set(customerIds.filter((id) => id !== undefined))];
    const owned = Map.groupBy(await index.subscriptionsOf(wanted), (row: IndexedSubscription) => row.customerId);
    return looks.map((look, at) => ({
      index: look,
      subscriptions: owned.get(customerIds[at] ?? '') ?? [],
      groups: (records[at]?.groups ?? []).flatMap((id) => labels.get(id) ?? []),
    }));
  }
}

const BLIND: Sight = { index: { ready: false, strangers: [] }, subscriptions: [] };

/** Somebody who cannot be mapped must not hide everybody else. */
function guess(...args: Parameters<typeof forecast>): Forecast {
  try {
    return forecast(...args);
  } catch {
    const words = 'The service fails on this person by itself; its log says why when it tries.';
    return { kind: 'park', steps: [], words, reason: 'internal-error', monthlyCents: 0 };
  }
}

function corroborationOf({ attributes }: UserRecord): string[] {
  return [attributes.userName, ...emailsOf(attributes)].map(foldEmail);
}
