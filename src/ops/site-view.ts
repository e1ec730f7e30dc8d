/**
 * Owns the view that the people on call have of one Maxio site, and of what is true there now. No behaviour.
 * Refuses to know how a site is put together: ops-site.ts adapts the real one, tests bring their own.
 */
import type { UserRecord } from '../directory/record.ts';
import type { Runs } from '../directory/runs.ts';
import type { Store } from '../directory/store.ts';
import type { Budget } from '../maxio/budget.ts';

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
  store: Store;
  runs: Runs;
  budget: Budget;
  /** Whether Maxio calls it a test site; `undefined` before the first contact of any process. */
  test(): Promise<boolean | undefined>;
  /** `paused` here means for a reason that does not pass by itself; pauses of the budget come on top. */
  mode(): 'enforce' | 'paused' | 'unconfirmed';
  /** Why it is paused and what to do. Names Maxio site ids, so it is for operators only. */
  modeDetail(): string | undefined;
  ring(userId: string, lane: 'urgent' | 'normal'): Promise<void>;
  /** Asks Maxio; costs up to two calls of the budget, background lane. @throws NotMade, MaxioError */
  live(record: UserRecord): Promise<LiveView>;
}
