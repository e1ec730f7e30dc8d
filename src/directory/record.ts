/**
 * Owns the shape of one person in the directory: what the IdP wants (the resource), what we remember of Maxio (the link),
 * and how the work between the two stands (open steps, last outcome). Refuses to know how it is stored and what Maxio's API looks like:
 * mapped customer fields are an opaque string map here.
 */
import type { UserAttributes } from '../scim/types.ts';

/**
 * Records written by a newer release are refused, never half understood. 2: a leave may be held, and a site may be paused or observed; release 0.1.0,
 * which knows neither, would end and create people all the same, beside a newer process or after a step back to it. 3: groups decide products, and the loss
 * of one may be held while the person stays; a process that does not know that would give everybody the site's product and end the hold (ADR 0014).
 */
export const SCHEMA_VERSION = 3;

/** A subscription that this service manages, as last seen or last changed by us. */
export interface RememberedSubscription {
  id: string;
  productHandle?: string;
  /** `created` by this service, or `adopted` together with its customer. */
  origin: 'created' | 'adopted';
  /** Maxio's word at the last answer or observation. */
  state: string;
  /** What it brings in a month, in cents; absent where Maxio has not said. */
  monthlyCents?: number;
  /** Handle of its product's family, as Maxio said with the product. */
  productFamily?: string;
  /** Absent for the default price point of the product. */
  pricePointHandle?: string;
  /** Set before our ending call leaves and kept until we bring it back: only these are ever reactivated. */
  endedBy?: 'cancel' | 'cancel_at_period_end' | 'hold';
}

/** What is known of the person's Maxio customer. */
export interface MaxioLink {
  customerId: string;
  origin: 'created' | 'adopted';
  /** The mapped fields that we have set and Maxio has confirmed. A field that never was ours is not here, so it is never cleared. */
  confirmed: Record<string, string | null>;
  /** An update went out and no answer came: what Maxio holds is unknown, so the next update sends every mapped field. */
  inDoubt?: boolean;
  /** Nothing of this customer can bill any more, as observed when the leaver was settled. */
  quiet?: boolean;
  subscriptions: RememberedSubscription[];
  /** True until the customer's subscriptions have been listed once: found customers start so, created ones do not. */
  unseen?: boolean;
  /** Found by a rebuild: the fields as Maxio showed them. They take the place of `confirmed` as soon as it is known which of them the person has. */
  shown?: Record<string, string | null>;
  /** Live subscriptions of this customer that are not ours to touch. Shown, never changed. */
  foreign?: { id: string; productHandle?: string; productFamily?: string }[];
}

export type StepKind =
  | 'create-customer'
  | 'create-with-subscription'
  | 'create-subscription'
  | 'update-customer'
  | 'change-product'
  | 'cancel'
  | 'delay-cancel'
  | 'undo-delayed-cancel'
  | 'hold'
  | 'resume'
  | 'reactivate';

/** A mutating call that has been recorded before it left and whose answer has not been recorded yet. */
export interface OpenStep {
  kind: StepKind;
  /** The `uniqueness_token` of a POST, and the mark in a cancellation message. */
  token: string;
  /** Subscription id, where the step is about one. */
  target?: string;
  /** Where groups give products: the one that is created, or that it is to become. */
  productHandle?: string;
  /** With it, where a rule names one. */
  pricePointHandle?: string;
  generation: number;
  /** Of a create that makes a customer: digest of the e-mail address that it sent, folded, by which the customer is known again. */
  sent?: string;
  /** Redis TIME at the grant. The call can take effect until `sentAtMs` + the unknown-outcome time. */
  sentAtMs: number;
}

export type OutcomeKind = 'settled' | 'postponed' | 'retry' | 'parked' | 'held' | 'paused';

/** How the last run ended, in words an operator can act on. */
export interface RunState {
  outcome: OutcomeKind;
  /** Machine word, a label in metrics: `needs-email`, `link-approval`, `refused-by-maxio` … */
  reason?: string;
  /** One or two sentences: what happened, what to do next. No personal data. */
  detail?: string;
  atMs: number;
  /** Runs in a row that ended in `retry`; reset by success and by a new generation. */
  attempts: number;
  /** Redis TIME of the first of those runs. */
  failingSinceMs?: number;
  nextAttemptAtMs?: number;
  /** What a postponed run had seen at Maxio, for the next one; opaque here (provisioning/carry-over.ts). */
  seen?: string;
}

/** What was decided about a leave or a loss: `free` by nobody, `held` by the guard, `approved` or `exempt` by an operator. */
export type LeaveState = 'free' | 'held' | 'approved' | 'exempt';

/** One change of intent from active to not active. It outlives later generations and ends when the person is active again. */
export interface Leave {
  /** Redis TIME of the commit. */
  atMs: number;
  state: LeaveState;
  /** Which limit of the guard was passed: `hour`, `day` or `revenue`. */
  why?: string;
  /** The operator who decided. */
  by?: string;
  decidedAtMs?: number;
}

/** Product families whose product a group has taken away from somebody who stays; the guard treats it as a leave. */
export interface Loss extends Leave {
  /** Family -> Redis TIME of the commit. */
  families: Readonly<Record<string, number>>;
  /** Families whose loss is never acted on, by an operator's word, until a group gives them again. */
  spared: readonly string[];
  /** What the lost subscriptions bring in a month, in cents. */
  monthlyCents: number;
}

export interface UserRecord {
  schemaVersion: number;
  id: string;
  /** The Maxio customer reference. Immutable. */
  reference: string;
  /** Raised by every change of desired state. */
  generation: number;
  settledGeneration: number;
  /** When Maxio last held all that was wanted; absent before that, and where only an earlier release has settled this person. */
  settledAtMs?: number;
  attributes: UserAttributes;
  /** A tombstone: DELETE was acknowledged. Absent for SCIM, kept for deprovisioning and rehire. */
  deleted: boolean;
  createdAtMs: number;
  modifiedAtMs: number;
  /** Id of the SCIM request that made this generation; the worker logs under it. */
  requestId: string;
  link?: MaxioLink;
  open: OpenStep[];
  run?: RunState;
  /** Absent for people who are active, and for those who never were. */
  leave?: Leave;
  /** Absent for people who are not active, and for those to whom groups give all they have ever given. */
  loss?: Loss;
  /** Ids of the groups this person is in, sorted; absent for nobody's member. Changed through groups only, so no part of the attributes. */
  groups?: string[];
  /** Found at Maxio by a rebuild and not sent by the identity provider since: nobody sees them, and nothing is done about them. */
  unclaimed?: true;
  /** What this person brings in a month, in cents, by our memory. */
  monthlyCents?: number;
}

/** What should be true at Maxio: a deleted person is an inactive one. */
export function intentOf(record: Pick<UserRecord, 'attributes' | 'deleted'>): 'active' | 'inactive' {
  return record.attributes.active && !record.deleted ? 'active' : 'inactive';
}

/** States in which nothing is billed. A word that nobody knows counts as billing, which is the careful side. */
const UNBILLED = new Set(['canceled', 'expired', 'failed_to_create', 'on_hold']);

/** What the managed subscriptions of a customer bring in a month, in cents: those that bill and that we have not ended. */
export function monthlyCentsOf(link: MaxioLink | undefined): number {
  const billing = (link?.subscriptions ?? []).filter(({ state, endedBy }) => endedBy === undefined && !UNBILLED.has(state));
  return billing.reduce((sum, { monthlyCents }) => sum + Math.round(monthlyCents ?? 0), 0);
}
