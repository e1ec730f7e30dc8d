/**
 * Owns the part of the checker about what reached Maxio: I1 to I4, I13, and of I6 and I9 what only the ledger can tell. Pure.
 */
import type { Context, Finding } from './check-context.ts';
import { familyOf, isLoss, wantedIn } from './check-groups.ts';
import type { StoredPerson } from './evidence.ts';
import { billingSpans, bills, ENDING, type MaxioCall, type Span } from './maxio-calls.ts';
import { isActive, statesWithin, type Timeline } from './timeline.ts';

function storedOf({ evidence }: Context, timeline: Timeline): StoredPerson | undefined {
  return evidence.people.find(({ id }) => timeline.ids.includes(id));
}

/** People by their Maxio reference. */
function byReference(context: Context): Map<string, Timeline> {
  const found = new Map<string, Timeline>();
  for (const timeline of context.people.values()) {
    const stored = storedOf(context, timeline);
    if (stored !== undefined) found.set(stored.reference, timeline);
  }
  return found;
}

/** I13: nothing that was planted as foreign is called upon by a change, or looks different in the end. */
export function checkForeign({ evidence, calls }: Context): Finding[] {
  const { customers, subscriptions } = evidence.foreign;
  const found: Finding[] = [];
  for (const { doing, entry, customerId, subscriptionId } of calls) {
    if (doing === 'read') continue;
    const hit = subscriptions.some(({ id }) => id === subscriptionId) || customers.some(({ id }) => id === customerId);
    // A subscription that somebody else made for a person of ours is foreign, their customer is not.
    if (!hit) continue;
    found.push({ invariant: 'I13', call: entry.seq, evidence: `${entry.method} ${entry.path} is about something foreign` });
  }
  if (found.length > 0) return found;
  for (const was of subscriptions) {
    const is = evidence.subscriptions.find(({ id }) => id === was.id);
    if (is?.state === was.state && is.cancel_at_end_of_period === was.cancel_at_end_of_period) continue;
    const what = `foreign subscription ${was.id} was ${was.state} and is ${is?.state ?? 'gone'}`;
    found.push({ invariant: 'I13', evidence: what });
  }
  for (const was of customers) {
    const is = evidence.customers.find(({ id }) => id === was.id);
    const same = is?.last_name === was.last_name && is.email === was.email && is.reference === was.reference;
    if (!same) found.push({ invariant: 'I13', evidence: `foreign customer ${was.id} was changed` });
  }
  return found;
}

/** I3: an ending call arrives no later than the grace after its grant; at some moment of that time the person was not wanted active and not held. */
export function checkEndings(context: Context): Finding[] {
  const { evidence, calls, named } = context;
  const { sendGraceMs, slackMs } = evidence.settings;
  const owners = byReference(context);
  const found: Finding[] = [];
  for (const ending of calls) {
    const { doing, entry, reference } = ending;
    const timeline = owners.get(reference ?? '');
    if (!ENDING.has(doing) || timeline === undefined || timeline.broken !== undefined || named.calls.has(entry.seq)) continue;
    const fromMs = entry.arrivedMs - sendGraceMs - slackMs;
    const during = statesWithin(timeline, fromMs, entry.arrivedMs + slackMs);
    const call = `${entry.method} ${entry.path} (request ${entry.seq} of the ledger)`;
    if (during.every(isActive)) {
      if (isLoss(context, timeline, ending)) continue;
      const since = during[0]?.generation;
      const what = `${call} began while the person was active since generation ${since}`;
      found.push({ invariant: 'I3', person: timeline.person, call: entry.seq, evidence: what });
    } else if (wasHeld(context, timeline, fromMs, entry.arrivedMs)) {
      const what = `${call} began while the leave was held or rejected`;
      found.push({ invariant: 'I3', person: timeline.person, call: entry.seq, evidence: what });
    }
  }
  return found;
}

/** Held or rejected from before the span until after it, by the audit trail. */
function wasHeld({ evidence }: Context, timeline: Timeline, fromMs: number, toMs: number): boolean {
  let blocked = false;
  for (const { user, atMs, entry } of evidence.audit) {
    if (!timeline.ids.includes(user)) continue;
    const frees = entry.what === 'approve-leave' || (entry.kind === 'scim' && entry.active === true);
    if (atMs > fromMs && atMs <= toMs && (frees || entry.what === 'held')) return false;
    if (atMs > toMs) break;
    if (frees) blocked = false;
    else if (entry.what === 'held') blocked = true;
  }
  return blocked;
}

/** I2: one id, one customer, one billing subscription of the product at a time. */
export function checkOnce(context: Context): Finding[] {
  const { evidence, people, calls } = context;
  const found: Finding[] = [];
  const foreign = new Set(evidence.foreign.subscriptions.map(({ id }) => id));
  const emails = new Map<string, number[]>();
  for (const { id, email } of evidence.customers) emails.set(email, [...(emails.get(email) ?? []), id]);
  const managed = evidence.subscriptions.filter(({ id }) => !foreign.has(id));
  const made = new Set(calls.flatMap(({ subscriptionId, doing }) => (isCreate(doing) && subscriptionId ? [subscriptionId] : [])));
  const spans = billingSpans(
    calls,
    managed.filter(({ id }) => !made.has(id)).map(({ id }) => id),
  );
  for (const timeline of people.values()) {
    const { person, ids } = timeline;
    if (ids.length > 1) found.push({ invariant: 'I2', person, evidence: `one person has the ids ${ids.join(' and ')}` });
    const reference = storedOf(context, timeline)?.reference;
    const own = evidence.customers.filter((customer) => reference !== undefined && customer.reference === reference);
    const all = [...new Set(own.flatMap(({ id, email }) => [id, ...(emails.get(email) ?? [])]))];
    if (all.length > 1) found.push({ invariant: 'I2', person, evidence: `one person has the customers ${all.join(' and ')}` });
    // Those of one family replace each other.
    const theirs = managed.filter(({ customer }) => customer?.reference === reference);
    const families = Map.groupBy(theirs, ({ product }) => familyOf(evidence, product.handle));
    families.delete(undefined);
    const overlap = [...families.values()].flatMap((same) => firstOverlap(same.flatMap(({ id }) => spans.get(id) ?? [])) ?? []);
    if (reference === undefined || overlap.length === 0) continue;
    const [a, b] = overlap as [Span, Span];
    const bothMs = Math.round(Math.min(a.toMs, b.toMs) - b.fromMs);
    const what = `subscriptions ${a.subscriptionId} and ${b.subscriptionId} billed at the same time, for ${bothMs} ms`;
    found.push({ invariant: 'I2', person, evidence: what });
  }
  return found;
}

function isCreate(doing: MaxioCall['doing']): boolean {
  return doing === 'create-subscription' || doing === 'create-with-subscription';
}

function firstOverlap(spans: Span[]): [Span, Span] | undefined {
  const sorted = spans.toSorted((a, b) => a.fromMs - b.fromMs);
  for (const [at, later] of sorted.entries()) {
    const earlier = sorted
      .slice(0, at)
      .find(({ toMs, subscriptionId }) => toMs > later.fromMs && subscriptionId !== later.subscriptionId);
    if (earlier !== undefined) return [earlier, later];
  }
  return undefined;
}

/** I6, by calls: family names come from one write each, so the ones that were sent must be of ever newer generations. I9: what took effect is told. */
export function checkMutations(context: Context): Finding[] {
  const { calls, named } = context;
  const owners = byReference(context);
  const newest = new Map<Timeline, number>();
  const outOfOrder = new Set<Timeline>();
  const found: Finding[] = [];
  for (const call of calls) {
    const { doing, entry, reference, familyName } = call;
    const timeline = owners.get(reference ?? '');
    if (doing === 'read' || timeline === undefined || timeline.broken !== undefined || named.calls.has(entry.seq)) continue;
    const generation = timeline.states.find(({ wish }) => wish !== undefined && wish.familyName === familyName)?.generation;
    const before = newest.get(timeline) ?? 0;
    if (generation !== undefined && generation < before) {
      const what = `${entry.method} ${entry.path} (request ${entry.seq}) brings generation ${generation} after ${before}`;
      found.push({ invariant: 'I6', person: timeline.person, call: entry.seq, evidence: what });
      outOfOrder.add(timeline);
      continue;
    }
    if (generation !== undefined) newest.set(timeline, generation);
    if (!entry.applied || outOfOrder.has(timeline) || named.people.has(timeline.person) || isTold(context, timeline, call))
      continue;
    const what = `${entry.method} ${entry.path} (request ${entry.seq}) took effect and no entry tells of it`;
    found.push({ invariant: 'I9', person: timeline.person, call: entry.seq, evidence: what });
  }
  return found;
}

/** Told by its answer, or as unanswered, or by the run that has found out what became of this very call; or on record as open, for such a run to come. */
function isTold(context: Context, timeline: Timeline, { doing, entry, subscriptionId }: MaxioCall): boolean {
  const { evidence } = context;
  const { slackMs } = evidence.settings;
  if (storedOf(context, timeline)?.open.includes(doing)) return true;
  const isThis = ({ step, subscription }: Concluded): boolean =>
    step === doing &&
    (subscription === undefined || subscriptionId === undefined || String(subscription) === String(subscriptionId));
  return evidence.audit.some(
    ({ user, atMs, entry: told }) =>
      timeline.ids.includes(user) &&
      atMs >= entry.arrivedMs - slackMs &&
      ((told.kind === 'maxio' && told.what === doing) ||
        (told.kind === 'run' && ((told.steps ?? []) as unknown as Concluded[]).some(isThis))),
  );
}

/** What an entry of a run says about a call that was open. */
interface Concluded {
  step: string;
  subscription?: number | string;
}

/**
 * I1 for who is wanted, I4 for who has left: what Maxio shows in the end. Managed is what came through the API, and what a customer had whom the facade
 * has adopted; whoever left before they were found there stays as they were.
 */
export function checkBilled(context: Context): Finding[] {
  const { evidence, people, calls, named } = context;
  const made = new Set(calls.flatMap(({ subscriptionId, doing }) => (isCreate(doing) && subscriptionId ? [subscriptionId] : [])));
  const foreign = new Set(evidence.foreign.subscriptions.map(({ id }) => id));
  const found: Finding[] = [];
  for (const timeline of people.values()) {
    const { person } = timeline;
    if (named.people.has(person) || timeline.states.length === 1) continue;
    const stored = storedOf(context, timeline);
    if (stored === undefined) {
      found.push({ invariant: 'I1', person, evidence: 'acknowledged, told in the audit trail, and not stored' });
      continue;
    }
    if (stored.dirty || stored.parked || stored.held || stored.exempt) continue;
    const last = timeline.states.at(-1);
    const customer = evidence.customers.find(({ reference }) => reference === stored.reference);
    const billing = evidence.subscriptions.filter(
      (each) => each.customer?.id === customer?.id && customer !== undefined && bills(each.state) && !foreign.has(each.id),
    );
    if (!isActive(last)) {
      const managed = billing.find(({ id }) => stored.customerId === customer?.id || made.has(id));
      if (managed === undefined || (managed.cancel_at_end_of_period && evidence.settings.policy === 'cancel_at_period_end'))
        continue;
      found.push({ invariant: 'I4', person, evidence: `has left, and subscription ${managed.id} is ${managed.state}` });
    } else if (customer === undefined) {
      found.push({ invariant: 'I1', person, evidence: 'is active, and Maxio has no customer' });
    } else {
      const wanted = wantedIn(evidence, stored.id);
      const there = billing.filter((each) => !each.cancel_at_end_of_period);
      const missing = wanted.find((product) => !there.some((each) => each.product.handle === product));
      // What a customer came with and no group ever gave is left as it is.
      const tooMuch = there.find((each) => made.has(each.id) && !wanted.includes(each.product.handle));
      if (missing !== undefined) {
        const what = `is active, and customer ${customer.id} has no billing subscription to ${missing}`;
        found.push({ invariant: 'I1', person, evidence: what });
        continue;
      }
      if (tooMuch !== undefined) {
        const what = `should have ${wanted.join(' and ')}, and subscription ${tooMuch.id} to ${tooMuch.product.handle} is ${tooMuch.state}`;
        found.push({ invariant: 'I4', person, evidence: what });
        continue;
      }
      if (customer.last_name === last?.wish?.familyName) continue;
      const what = `customer ${customer.id} is called ${customer.last_name}, wanted is ${last?.wish?.familyName}`;
      found.push({ invariant: 'I1', person, evidence: what });
    }
  }
  return found;
}
