/**
 * Owns the construction of what tells whether directory and Maxio agree, now and under another configuration: forecasts, configuration, drift with its
 * repairs, and the door for webhooks. No behaviour of its own; see the parts.
 */
import type { SiteConfig } from '../config.ts';
import { DriftReports } from '../directory/drift-report.ts';
import type { GroupLabel } from '../directory/group-record.ts';
import { GroupStore } from '../directory/group-store.ts';
import type { UserRecord } from '../directory/record.ts';
import type { Runs } from '../directory/runs.ts';
import type { SiteModes } from '../directory/site-mode.ts';
import type { Store } from '../directory/store.ts';
import type { SurveyIndex } from '../directory/survey-index.ts';
import { TouchedCustomers } from '../directory/touched.ts';
import type { Logger } from '../logger.ts';
import type { MaxioClient } from '../maxio/client.ts';
import type { Caller } from '../provisioning/caller.ts';
import { wantedProducts } from '../provisioning/group-plans.ts';
import type { WantedProduct } from '../provisioning/plan-types.ts';
import type { RunPolicy } from '../provisioning/run.ts';
import type { Telemetry } from '../telemetry.ts';
import { Configuration, type Configured } from './configuration.ts';
import { Delta } from './delta.ts';
import { Drift } from './drift.ts';
import type { DriftPolicy } from './drift-rows.ts';
import { Forecasts } from './forecasts.ts';
import { GroupPlans } from './group-plans.ts';
import { Repairs } from './repair.ts';
import type { Chore } from './rounds.ts';
import type { Survey } from './survey.ts';
import { Touch } from './touch.ts';

export interface WatchParts {
  site: SiteConfig;
  /** CONFIG_AUTHOR. */
  author: string | undefined;
  store: Store;
  runs: Runs;
  modes: SiteModes;
  index: SurveyIndex;
  caller: Caller;
  client: MaxioClient;
  survey: Pick<Survey, 'want'>;
  isProtected: (record: UserRecord) => boolean;
  ring: (userId: string, lane: 'urgent' | 'normal') => Promise<void>;
  logger: Logger;
  telemetry: Telemetry;
}

export interface Watch {
  configuration: Configuration;
  groupPlans: GroupPlans;
  forecasts: Forecasts;
  drift: Drift;
  repairs: Repairs;
  touch: Touch;
  chores: Chore[];
  /** What each of these people should be subscribed to, by what is acted by now. */
  wanted(records: readonly UserRecord[]): Promise<(record: UserRecord) => readonly WantedProduct[]>;
  /** What runs act by now; it follows the applied configuration. */
  policy(): RunPolicy;
}

function plansOf({ groupPlans: rules = [], siteFamily }: Configured): RunPolicy['groupPlans'] {
  return rules.length === 0 ? undefined : { rules, siteFamily };
}

export function createWatch(parts: WatchParts): Watch {
  const { site, store, runs, index } = parts;
  const policyOf = (configured: Configured): RunPolicy => ({
    productHandle: configured.productHandle ?? undefined,
    groupPlans: plansOf(configured),
    groupGraceMs: site.groupGraceSeconds * 1_000,
    policy: configured.deprovision,
    unknownOutcomeMs: site.unknownOutcomeSeconds * 1_000,
    graceMs: site.graceSeconds * 1_000,
    calmMs: site.guard.calmSeconds * 1_000,
    isProtected: parts.isProtected,
  });
  const policy = (): RunPolicy => ({ ...policyOf(configuration.current()), fences: [configuration.fence()] });
  const forecasts = new Forecasts({ store, runs, index, policy });
  const groupPlans = new GroupPlans({ ...parts, siteKey: site.key, rules: site.groupPlans, siteProduct: site.productHandle });
  const configuration: Configuration = new Configuration({
    ...parts,
    groupPlans,
    siteKey: site.key,
    environment: {
      productHandle: site.productHandle ?? null,
      paymentCollectionMethod: site.paymentCollectionMethod,
      deprovision: site.deprovision,
    },
    author: parts.author ?? 'start',
    guard: site.guard,
    forecasts,
    policyOf,
  });
  const wanted: Watch['wanted'] = async (records) => {
    const { productHandle, groupPlans: plans } = policy();
    const ids = plans === undefined ? [] : [...new Set(records.flatMap(({ groups = [] }) => groups))];
    const labels = await new GroupStore(store).labels(ids);
    const known = ({ groups = [] }: UserRecord): GroupLabel[] => groups.flatMap((id) => labels.get(id) ?? []);
    return (record) => wantedProducts(known(record), plans, productHandle);
  };
  const driftPolicy = async (records: readonly UserRecord[]): Promise<DriftPolicy> => {
    const { productHandle, policy: deprovision, groupPlans: plans } = policy();
    return { productHandle, deprovision, ...(plans === undefined ? {} : { wanted: await wanted(records) }) };
  };
  const reports = new DriftReports(store);
  const repairs = new Repairs({ ...parts, reports });
  const drift = new Drift({ ...parts, delta: new Delta(parts), reports, repairs, policy: driftPolicy });
  const touch = new Touch({ ...parts, touched: new TouchedCustomers(store), reports, drift, repairs, policy: driftPolicy });
  return { configuration, groupPlans, forecasts, drift, repairs, touch, chores: [configuration, drift, touch], wanted, policy };
}
