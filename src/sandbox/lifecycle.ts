/**
 * Owns the end of a subscription and the way back: cancel now, cancel at the end of the period, undo, reactivate, purge.
 * Refuses the `cancel.json` that some guides mention: it exists in no specification, so it is an unknown path here too.
 * Answers to Subscription Status of developers.maxio.com; each refusal keeps its own spelling, which differs between endpoints.
 */
import { type Answer, noPaymentMethod, notFound, ok, refused, refusedSingly } from './answers.ts';
import { cancelAt, startPeriod, startTrial } from './billing.ts';
import type { SubscriptionRow } from './rows.ts';
import { asFlag, asText, type Call, isObject, type Operation, type Route, rootOf, type Site } from './site.ts';
import { productOf, subscriptionEnvelope } from './subscription-json.ts';
import { findSubscription } from './subscriptions.ts';

const REASON_LENGTH_MAX = 255;
const MESSAGE_LENGTH_MAX = 65_535;
const ALREADY_CANCELED = 'The subscription is already canceled';
const CAN_END_LATER = ['active', 'trialing', 'assessing', 'pending', 'paused', 'soft_failure'];

/** Reads the reason and the message of a cancel; answers the refusal when one is too long. */
function readReason(body: unknown): { reason?: string; message?: string } | Answer {
  const sent = rootOf(body, 'subscription') ?? {};
  const reason = asText(sent.reason_code) ?? undefined;
  const message = asText(sent.cancellation_message) ?? undefined;
  const problems: string[] = [];
  if ((reason?.length ?? 0) > REASON_LENGTH_MAX) {
    problems.push(`reason_code size cannot be greater than ${REASON_LENGTH_MAX}`);
  }
  if ((message?.length ?? 0) > MESSAGE_LENGTH_MAX) {
    problems.push(`cancellation_message size cannot be greater than ${MESSAGE_LENGTH_MAX}`);
  }
  if (problems.length > 0) return refused(...problems);
  return { ...(reason && { reason }), ...(message && { message }) };
}

function noteReason(row: SubscriptionRow, given: { reason?: string; message?: string }): void {
  row.reasonCode = given.reason ?? row.reasonCode;
  row.cancellationMessage = given.message ?? row.cancellationMessage;
}

const cancel: Operation = (site, call) => {
  const row = findSubscription(site, call);
  if (!row) return notFound();
  if (row.state === 'canceled') return refusedSingly(ALREADY_CANCELED);
  const given = readReason(call.body);
  if ('status' in given) return given;
  const sent = rootOf(call.body, 'subscription') ?? {};
  const scheduled = asFlag(sent.cancel_at_end_of_period) || sent.scheduled_cancellation_at !== undefined;
  if (scheduled && !site.settings.scheduledCancellation) return refused('Scheduled cancellation is not enabled for this site.');
  site.store.changeSubscription(row, (changing) => {
    noteReason(changing, given);
    if (scheduled) endLater(changing, site.clock.nowMs());
    else cancelNow(changing, site.clock.nowMs());
  });
  return ok(subscriptionEnvelope(site, row));
};

/** Cancels at an instant, and with it whatever was scheduled. */
export function cancelNow(row: SubscriptionRow, nowMs: number): void {
  row.cancelAtPeriodEnd = false;
  row.delayedCancelMs = null;
  cancelAt(row, nowMs);
}

/** Schedules a cancel for the end of the period. */
export function endLater(row: SubscriptionRow, nowMs: number): void {
  row.cancelAtPeriodEnd = true;
  row.delayedCancelMs = row.periodEndsMs;
  row.updatedMs = nowMs;
}

const delayCancel: Operation = (site, call) => {
  const row = findSubscription(site, call);
  if (!row) return notFound();
  if (row.state === 'canceled') return refused(ALREADY_CANCELED);
  if (row.state === 'past_due')
    return refused('The subscription cannot be canceled at the end of the period while it is past due.');
  if (!CAN_END_LATER.includes(row.state)) return refused('The subscription cannot be canceled at the end of the period.');
  const given = readReason(call.body);
  if ('status' in given) return given;
  site.store.changeSubscription(row, (changing) => {
    noteReason(changing, given);
    endLater(changing, site.clock.nowMs());
  });
  return ok({ message: 'This subscription is scheduled to be canceled at the end of the current period' });
};

const undoDelayedCancel: Operation = (site, call) => {
  const row = findSubscription(site, call);
  if (!row) return notFound();
  if (row.cancelAtPeriodEnd && row.state !== 'canceled') {
    site.store.changeSubscription(row, (changing) => {
      changing.cancelAtPeriodEnd = false;
      changing.delayedCancelMs = null;
      changing.cancellationMessage = null;
      changing.reasonCode = null;
      changing.updatedMs = site.clock.nowMs();
    });
  }
  return ok({ message: 'This subscription will no longer be canceled' });
};

/** Reads `resume` from body or query: a flag, or an object that insists on it. */
function readResume({ body, query }: Call): { wanted: boolean; required: boolean } {
  const sent = isObject(body) ? body.resume : undefined;
  const insists = isObject(sent) ? sent.require_resume : query.get('resume[require_resume]');
  const required = asFlag(insists);
  return { wanted: required || asFlag(sent) || isObject(sent) || asFlag(query.get('resume')), required };
}

const reactivate: Operation = (site, call) => {
  const row = findSubscription(site, call);
  if (!row) return notFound();
  if (row.state !== 'canceled' && row.state !== 'trial_ended') {
    return refused('Cannot reactivate a subscription that is not marked "Canceled" or "Trial Ended".');
  }
  const nowMs = site.clock.nowMs();
  const resume = readResume(call);
  const running = row.state === 'canceled' && row.periodEndsMs !== null && row.periodEndsMs > nowMs;
  if (resume.required && !running) return refused("Request was 'resume only', but this subscription cannot be resumed.");
  const resumes = resume.wanted && running;
  const withTrial = asFlag(isObject(call.body) ? call.body.include_trial : undefined) || asFlag(call.query.get('include_trial'));
  const trialDays = productOf(site, row).trial_interval;
  if (!resumes && !(withTrial && trialDays !== null)) {
    const due = productOf(site, row).price_in_cents;
    if (row.collectionMethod === 'automatic' && !row.hasPaymentProfile && due > 0) return noPaymentMethod(due);
  }
  const previous = row.state;
  site.store.changeSubscription(row, (changing) => {
    clearCancel(changing, nowMs);
    if (resumes) changing.state = (changing.trialEndedMs ?? 0) > nowMs ? 'trialing' : 'active';
    else if (!(withTrial && startTrial(site, changing, nowMs))) startPeriod(site, changing, nowMs);
    changing.previousState = previous;
  });
  return ok(subscriptionEnvelope(site, row));
};

function clearCancel(row: SubscriptionRow, nowMs: number): void {
  row.canceledMs = null;
  row.cancellationMessage = null;
  row.cancellationMethod = null;
  row.reasonCode = null;
  row.cancelAtPeriodEnd = false;
  row.delayedCancelMs = null;
  row.updatedMs = nowMs;
}

/** Destroys a subscription, which Maxio does on test sites only; `ack` must repeat the customer's id. */
const purge: Operation = (site, call) => {
  const row = findSubscription(site, call);
  if (!row) return notFound();
  if (!site.test) return { status: 403, body: { errors: ['Only subscriptions of a test site can be purged.'] } };
  const envelope = subscriptionEnvelope(site, row);
  if (call.query.get('ack') !== String(row.customerId)) return { status: 400, body: envelope };
  purgeRow(site, row, call.query.getAll('cascade[]').includes('customer'));
  return ok(envelope);
};

function purgeRow(site: Site, row: Readonly<SubscriptionRow>, withCustomer: boolean): void {
  const owner = site.store.customer(row.customerId);
  site.store.removeSubscription(row);
  if (withCustomer && owner) site.store.removeCustomer(owner);
}

export const lifecycleRoutes: readonly Route[] = [
  { method: 'DELETE', template: '/subscriptions/{id}.json', operation: cancel },
  { method: 'POST', template: '/subscriptions/{id}/delayed_cancel.json', operation: delayCancel },
  { method: 'DELETE', template: '/subscriptions/{id}/delayed_cancel.json', operation: undoDelayedCancel },
  { method: 'PUT', template: '/subscriptions/{id}/reactivate.json', operation: reactivate },
  { method: 'POST', template: '/subscriptions/{id}/purge.json', operation: purge },
];
