/**
 * Owns the shape of a configuration by which a site acts, and what makes two of them different to people: which steps each would be due. Pure.
 * Refuses to keep, to compare everybody and to decide (configuration.ts).
 */
import type { UserRecord } from '../directory/record.ts';
import type { PlanRule } from '../provisioning/group-plans.ts';
import type { RunPolicy } from '../provisioning/run.ts';
import type { Forecast } from './forecast.ts';

/** Added to the version of the mapping where there are rules for groups: an earlier release knows none and must not say what they would do to people. */
export const RULES_VERSION = 1_000;

export interface Configured {
  productHandle: string | null;
  paymentCollectionMethod: string;
  deprovision: RunPolicy['policy'];
  mappingVersion: number;
  /** Which products groups give, with what Maxio has told of them; left out where groups give nothing, so that such a text is what it always was. */
  groupPlans?: readonly PlanRule[];
  /** Family of `productHandle`, told only beside rules. */
  siteFamily?: string;
}

export interface ConfigurationChanges {
  people: number;
  /** A few of them, in words: what would happen now, and what then. */
  examples: string[];
}

/** A configuration, who made it, and since when it applies or waits. */
export type Authored = Configured & { author: string; at: string };

export interface ConfigurationState {
  /** `undefined` before any worker has started. */
  applied: Authored | undefined;
  candidate: Authored | undefined;
  changes: ConfigurationChanges | undefined;
}

/** Stands between two authors; no name holds a blank. */
export const AND = ' and ';

/** A configuration with rules for groups; without any it is the text that it always was. */
export function withRules(own: Configured, rules: readonly PlanRule[], siteFamily: string | undefined): Configured {
  if (rules.length === 0) return own;
  const family = siteFamily === undefined ? {} : { siteFamily };
  return { ...own, mappingVersion: own.mappingVersion + RULES_VERSION, groupPlans: rules, ...family };
}

export interface Authors {
  /** Who has started the process. */
  environment: string;
  /** Who has set the rules for groups, or has gone back to those in the file. */
  rules: string | undefined;
  /** Whether the process was started after that going back: then the file may be another one. */
  fileIsNewer: boolean;
}

/** Whose word a configuration is, by what in it differs from the one that applies: the rules for groups, everything else, or both. */
export function authorOf(
  wanted: Configured,
  applied: Configured | undefined,
  { environment, rules, fileIsNewer }: Authors,
): string {
  const plans = (one: Configured | undefined): string => JSON.stringify(one?.groupPlans ?? []);
  if (rules === undefined || rules === environment || plans(wanted) === plans(applied)) return environment;
  const others = ({ productHandle, paymentCollectionMethod, deprovision, mappingVersion }: Configured): string =>
    JSON.stringify([productHandle, paymentCollectionMethod, deprovision, mappingVersion % RULES_VERSION]);
  const alone = !fileIsNewer && applied !== undefined && others(wanted) === others(applied);
  return alone ? rules : rules + AND + environment;
}

/** Somebody for whom there is nothing to do. */
export const SETTLED: Forecast = { kind: 'nothing', steps: [], words: 'Nothing: directory and Maxio agree.', monthlyCents: 0 };

export function hasSettled(record: UserRecord): boolean {
  return record.run?.outcome === 'settled' && record.settledGeneration === record.generation;
}

/** What makes two forecasts different to a customer: the steps in their order, and how a new subscription is paid, or one that is moved if a rule says so. */
export function marksOf({ kind, reason, steps }: Forecast, { paymentCollectionMethod }: Configured): string {
  const marks = steps.map((step) => [
    step.kind,
    step.target,
    step.productHandle,
    step.paymentCollectionMethod ?? (step.productHandle && step.kind !== 'change-product' ? paymentCollectionMethod : undefined),
  ]);
  return JSON.stringify([kind, reason, marks, steps.map(({ words }) => words)]);
}

/** Reads the text of a configuration, which is kept as it was written. */
export function readConfigured(text: string): Configured {
  return JSON.parse(text) as Configured;
}
