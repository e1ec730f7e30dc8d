/**
 * Owns the construction of what tells whether directory and Maxio agree, now and under another configuration: forecasts, configuration, drift with its
 * repairs, and the door for webhooks. No behaviour of its own; see the parts.
 */
import type { SiteConfig } from '../config.ts';
import { DriftReports } from '../directory/drift-report.ts';
import type { UserRecord } from '../directory/record.ts';
import type { Runs } from '../directory/runs.ts';
import type { SiteModes } from '../directory/site-mode.ts';
import type { Store } from '../directory/store.ts';
import type { SurveyIndex } from '../directory/survey-index.ts';
import { TouchedCustomers } from '../directory/touched.ts';
import type { Logger } from '../logger.ts';
import type { MaxioClient } from '../maxio/client.ts';
import type { Caller } from '../provisioning/caller.ts';
import type { RunPolicy } from '../provisioning/run.ts';
import type { Telemetry } from '../telemetry.ts';
import { Configuration, type Configured } from './configuration.ts';
import { Delta } from './delta.ts';
import { Drift } from './drift.ts';
import { Forecasts } from './forecasts.ts';
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
  forecasts: Forecasts;
  drift: Drift;
  repairs: Repairs;
  touch: Touch;
  chores: Chore[];
  /** What runs act by now; it follows the applied configuration. */
  policy(): RunPolicy;
}

export function createWatch(parts: WatchParts): Watch {
  const { site, store, runs, index } = parts;
  const policyOf = (configured: Configured): RunPolicy => ({
    productHandle: configured.productHandle ?? undefined,
    policy: configured.deprovision,
    unknownOutcomeMs: site.unknownOutcomeSeconds * 1_000,
    graceMs: site.graceSeconds * 1_000,
    calmMs: site.guard.calmSeconds * 1_000,
    isProtected: parts.isProtected,
  });
  const policy = (): RunPolicy => ({ ...policyOf(configuration.current()), fences: [configuration.fence()] });
  const forecasts = new Forecasts({ store, runs, index, policy });
  const configuration: Configuration = new Configuration({
    ...parts,
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
  const driftPolicy = () => {
    const { productHandle, policy: deprovision } = policy();
    return { productHandle, deprovision };
  };
  const reports = new DriftReports(store);
  const repairs = new Repairs({ ...parts, reports });
  const drift = new Drift({ ...parts, delta: new Delta(parts), reports, repairs, policy: driftPolicy });
  const touch = new Touch({ ...parts, touched: new TouchedCustomers(store), reports, drift, repairs, policy: driftPolicy });
  return { configuration, forecasts, drift, repairs, touch, chores: [configuration, drift, touch], policy };
}
