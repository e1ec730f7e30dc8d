/**
 * Owns the view that the people on call have of one Maxio site, and of what is true there now. No behaviour.
 * Refuses to know how a site is put together: ops-site.ts adapts the real one, tests bring their own.
 */
import type { Archive } from '../directory/archive.ts';
import type { AuditTrail } from '../directory/audit-trail.ts';
import type { Clients } from '../directory/clients.ts';
import type { Holds } from '../directory/holds.ts';
import type { UserRecord } from '../directory/record.ts';
import type { Runs } from '../directory/runs.ts';
import type { SiteModes } from '../directory/site-mode.ts';
import type { Store } from '../directory/store.ts';
import type { Tokens } from '../directory/tokens.ts';
import type { Budget } from '../maxio/budget.ts';
import type { Notifier } from '../notify/notifier.ts';
import type { WantedProduct } from '../provisioning/plan-types.ts';
import type { Configuration } from '../survey/configuration.ts';
import type { Drift } from '../survey/drift.ts';
import type { Erasures } from '../survey/erasure.ts';
import type { Forecasts } from '../survey/forecasts.ts';
import type { GroupPlans } from '../survey/group-plans.ts';
import type { Imports } from '../survey/imports.ts';
import type { Links } from '../survey/links.ts';
import type { Recovery } from '../survey/recovery.ts';
import type { Release } from '../survey/release.ts';
import type { Repairs } from '../survey/repair.ts';
import type { Survey } from '../survey/survey.ts';

export interface LiveSubscription {
  id: string;
  product: string | null;
  /** Maxio's own word. */
  state: string;
  /** A cancel is scheduled for the end of the period. */
  ending: boolean;
  currentPeriodEndsAt: string | null;
  /** True when this service may change it: created by us, or adopted with its customer. */
  managed: boolean;
}

/** What Maxio answers about one person at this moment. */
export interface LiveView {
  customer: { id: string; reference: string | null; updatedAt: string } | null;
  subscriptions: LiveSubscription[];
}

export interface OpsSite {
  /** `<region>.<subdomain>`. */
  key: string;
  idp: 'okta' | 'entra' | 'generic';
  deprovision: 'cancel' | 'cancel_at_period_end' | 'hold';
  productHandle: string | undefined;
  /** How long leavers are left alone on purpose. */
  graceSeconds: number;
  store: Store;
  runs: Runs;
  budget: Budget;
  modes: Pick<SiteModes, 'read' | 'set'>;
  holds: Pick<Holds, 'list' | 'exempt' | 'decide' | 'state'>;
  tokens: Pick<Tokens, 'create' | 'revoke' | 'list' | 'standing'>;
  clients: Pick<Clients, 'create' | 'add' | 'revoke' | 'list' | 'standing'>;
  survey: Pick<Survey, 'state' | 'want'>;
  links: Pick<Links, 'plan' | 'accept' | 'progress'>;
  drift: Pick<Drift, 'head' | 'rows' | 'want'>;
  repairs: Pick<Repairs, 'repair'>;
  configuration: Pick<Configuration, 'state' | 'approve'>;
  groupPlans: Pick<GroupPlans, 'state' | 'set' | 'reset'>;
  /** The products this person should be subscribed to, by what is acted by now. */
  wanted(record: UserRecord): Promise<readonly WantedProduct[]>;
  /** Every product that groups or the site can give: handle -> family. */
  plans(): Readonly<Record<string, string>>;
  release: Pick<Release, 'release'>;
  recovery: Pick<Recovery, 'state' | 'want' | 'preview' | 'restored'>;
  imports: Pick<Imports, 'begin' | 'rows' | 'end' | 'importers' | 'released'>;
  archive: Archive;
  audit: Pick<AuditTrail, 'head' | 'page' | 'people'>;
  erasures: Pick<Erasures, 'erase' | 'readmit'>;
  forecasts: Pick<Forecasts, 'one' | 'summary'>;
  notifier: Pick<Notifier, 'current' | 'test'>;
  isProtected(record: UserRecord): boolean;
  /** Whether Maxio calls it a test site; `undefined` before the first contact of any process. */
  test(): Promise<boolean | undefined>;
  /** What this process knows of the site its key opens: nothing is written unless it is the one the data belongs to. */
  contact(): 'confirmed' | 'unknown' | 'foreign';
  /** Why contact is not confirmed and what to do. Names Maxio site ids, so it is for operators only. */
  contactDetail(): string | undefined;
  ring(userId: string, lane: 'urgent' | 'normal'): Promise<void>;
  /** Asks Maxio; costs up to two calls of the budget, background lane. @throws NotMade, MaxioError */
  live(record: UserRecord): Promise<LiveView>;
}
