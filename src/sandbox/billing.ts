/**
 * Owns what time does to a subscription: trials and periods end, renewals are charged, scheduled cancels and resumes fire, dunning runs out.
 * Refuses to hear requests; it runs before each of them and whenever the clock is moved.
 * Answers to the subscription states and dunning pages of Maxio's help.
 */
import { addInterval, DAY_MS, dayOfMonth } from './clock.ts';
import type { SubscriptionRow } from './rows.ts';
import type { Site } from './site.ts';
import { productOf } from './subscription-json.ts';

/** Takes or invoices money. Answers false when it should have been taken and there was nothing to take it from. */
export function charge(site: Site, row: SubscriptionRow, cents: number): boolean {
  if (cents === 0) return true;
  const automatic = row.collectionMethod === 'automatic';
  if (automatic && row.hasPaymentProfile && !site.settings.paymentsFail) {
    row.revenueCents += cents;
    return true;
  }
  row.balanceCents += cents;
  return !automatic;
}

/** Starts a new paid period at an instant and charges for it; past due when that fails. */
export function startPeriod(site: Site, row: SubscriptionRow, atMs: number, previousState = row.state): void {
  const product = productOf(site, row);
  const offset = site.settings.utcOffsetMinutes;
  row.anchorDay = dayOfMonth(atMs, offset);
  row.periodStartedMs = atMs;
  row.periodEndsMs = addInterval(atMs, product, row.anchorDay, offset);
  row.activatedMs ??= atMs;
  settleCharge(site, row, product.price_in_cents, atMs, previousState);
}

function settleCharge(site: Site, row: SubscriptionRow, cents: number, atMs: number, previousState: string): void {
  const paid = charge(site, row, cents);
  row.previousState = previousState;
  row.state = paid ? 'active' : 'past_due';
  row.pastDueMs = paid ? null : atMs;
}

/** Starts the trial of a product, or answers false when it has none. */
export function startTrial(site: Site, row: SubscriptionRow, atMs: number): boolean {
  const days = productOf(site, row).trial_interval;
  if (days === null) return false;
  row.state = 'trialing';
  row.trialStartedMs = atMs;
  row.trialEndedMs = atMs + days * DAY_MS;
  row.periodStartedMs = atMs;
  row.periodEndsMs = row.trialEndedMs;
  row.activatedMs = null;
  return true;
}

/** Cancels at an instant. The dates of the period stay, because a later `resume` inside the period needs them. */
export function cancelAt(row: SubscriptionRow, atMs: number): void {
  row.state = 'canceled';
  row.canceledMs = atMs;
  row.updatedMs = atMs;
  row.cancellationMethod = 'merchant_api';
  row.reasonCode ??= 'CH:Unknown';
  row.onHoldMs = null;
  row.autoResumeMs = null;
  row.signupMs = null;
}

/** Takes a subscription off hold; if its renewal date has passed meanwhile, a new period starts and is billed. */
export function resumeAt(site: Site, row: SubscriptionRow, atMs: number): void {
  row.onHoldMs = null;
  row.autoResumeMs = null;
  row.updatedMs = atMs;
  if (row.periodEndsMs !== null && row.periodEndsMs <= atMs) {
    if (row.cancelAtPeriodEnd) cancelAt(row, atMs);
    else startPeriod(site, row, atMs, 'on_hold');
    return;
  }
  row.previousState = 'on_hold';
  row.state = 'active';
}

/** Tells when the next thing happens to a subscription by itself; null for never. */
function nextDueMs(site: Site, row: Readonly<SubscriptionRow>): number | null {
  switch (row.state) {
    case 'active':
    case 'trialing':
      return earliest(row.expiresMs, row.periodEndsMs);
    case 'past_due':
      return row.pastDueMs === null ? row.expiresMs : earliest(row.expiresMs, row.pastDueMs + site.settings.dunningDays * DAY_MS);
    case 'on_hold':
      return row.autoResumeMs;
    case 'awaiting_signup':
      return row.signupMs;
    default:
      return null;
  }
}

function earliest(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}

/** Lets the next due thing happen, at the time it was due. */
function happen(site: Site, row: SubscriptionRow, atMs: number): void {
  row.updatedMs = atMs;
  if (row.expiresMs !== null && row.expiresMs <= atMs) {
    row.previousState = row.state;
    row.state = 'expired';
  } else if (row.state === 'on_hold') resumeAt(site, row, atMs);
  else if (row.state === 'awaiting_signup') signUp(site, row, atMs);
  else if (row.state === 'past_due') endDunning(site, row, atMs);
  else if (row.cancelAtPeriodEnd) cancelAt(row, atMs);
  else if (row.state === 'trialing') endTrial(site, row, atMs);
  else renew(site, row, atMs);
}

/** Begins a signup whose day has come. */
function signUp(site: Site, row: SubscriptionRow, atMs: number): void {
  row.signupMs = null;
  row.previousState = row.state;
  if (!startTrial(site, row, atMs)) startPeriod(site, row, atMs);
}

function endTrial(site: Site, row: SubscriptionRow, atMs: number): void {
  const unpayable = row.collectionMethod === 'automatic' && !row.hasPaymentProfile && productOf(site, row).price_in_cents > 0;
  if (unpayable) {
    row.previousState = row.state;
    row.state = 'trial_ended';
  } else startPeriod(site, row, atMs);
}

function renew(site: Site, row: SubscriptionRow, atMs: number): void {
  const product = productOf(site, row);
  row.periodStartedMs = atMs;
  row.periodEndsMs = addInterval(atMs, product, row.anchorDay, site.settings.utcOffsetMinutes);
  settleCharge(site, row, product.price_in_cents, atMs, row.state);
}

function endDunning(site: Site, row: SubscriptionRow, atMs: number): void {
  row.previousState = row.state;
  row.pastDueMs = null;
  if (site.settings.dunningEnds === 'canceled') {
    cancelAt(row, atMs);
    row.cancellationMethod = 'dunning';
  } else row.state = 'unpaid';
}

/** Brings every subscription up to the sandbox's now. */
export function letTimePass(site: Site): void {
  const nowMs = site.clock.nowMs();
  for (const row of site.store.subscriptions()) {
    for (let dueMs = nextDueMs(site, row); dueMs !== null && dueMs <= nowMs; dueMs = nextDueMs(site, row)) {
      const atMs = dueMs;
      site.store.changeSubscription(row, (changing) => happen(site, changing, atMs));
    }
  }
}
