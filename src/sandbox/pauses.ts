/**
 * Owns hold and resume. Refuses a hold within a day of the renewal, as Maxio does; a client must have an answer to that.
 * Answers to "Pause Subscription", "Update Automatic Resumption" and "Resume Subscription" of developers.maxio.com.
 */
import { notFound, ok, refused } from './answers.ts';
import { resumeAt } from './billing.ts';
import { DAY_MS, parseInstant } from './clock.ts';
import type { SubscriptionRow } from './rows.ts';
import { type Call, type Operation, type Route, rootOf, type Site } from './site.ts';
import { subscriptionEnvelope } from './subscription-json.ts';
import { findSubscription } from './subscriptions.ts';

const NOT_ELIGIBLE = 'This subscription is not eligible to be put on hold.';

function resumptionOf(site: Site, { body }: Call): number | null {
  return parseInstant(rootOf(body, 'hold')?.automatically_resume_at, site.settings.utcOffsetMinutes) ?? null;
}

/** Puts a subscription on hold, with or without an end. */
export function holdAt(row: SubscriptionRow, nowMs: number, autoResumeMs: number | null): void {
  row.previousState = row.state;
  row.state = 'on_hold';
  row.onHoldMs = nowMs;
  row.autoResumeMs = autoResumeMs;
  row.updatedMs = nowMs;
}

const hold: Operation = (site, call) => {
  const row = findSubscription(site, call);
  if (!row) return notFound();
  const nowMs = site.clock.nowMs();
  const nearRenewal = row.periodEndsMs !== null && row.periodEndsMs - nowMs < DAY_MS;
  if (row.state !== 'active' || nearRenewal) return refused(NOT_ELIGIBLE);
  site.store.changeSubscription(row, (changing) => holdAt(changing, nowMs, resumptionOf(site, call)));
  return ok(subscriptionEnvelope(site, row));
};

const changeHold: Operation = (site, call) => {
  const row = findSubscription(site, call);
  if (!row) return notFound();
  if (row.state !== 'on_hold') return refused(NOT_ELIGIBLE);
  site.store.changeSubscription(row, (changing) => {
    changing.autoResumeMs = resumptionOf(site, call);
    changing.updatedMs = site.clock.nowMs();
  });
  return ok(subscriptionEnvelope(site, row));
};

const resume: Operation = (site, call) => {
  const row = findSubscription(site, call);
  if (!row) return notFound();
  if (row.state !== 'on_hold') return refused('Only subscriptions that are on hold can be resumed.');
  site.store.changeSubscription(row, (changing) => resumeAt(site, changing, site.clock.nowMs()));
  return ok(subscriptionEnvelope(site, row));
};

export const pauseRoutes: readonly Route[] = [
  { method: 'POST', template: '/subscriptions/{id}/hold.json', operation: hold },
  { method: 'PUT', template: '/subscriptions/{id}/hold.json', operation: changeHold },
  { method: 'POST', template: '/subscriptions/{id}/resume.json', operation: resume },
];
