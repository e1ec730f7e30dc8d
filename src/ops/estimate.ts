/**
 * Owns how the cost of work that waits is told before it is done: calls from the plan of a sample, time from the call budget.
 * Refuses to promise: a refusal or an unanswered call costs more. Nothing here calls Maxio or changes anything.
 */
import type { BudgetPeek } from '../maxio/budget.ts';
import type { OpsSite } from './site-view.ts';

const SAMPLE = 200;
const BATCH = 50;
/** Changes of people may use this share of a window; the rest stays with leavers. */
const NORMAL_SHARE = 0.95;
/** A look and a change: what somebody costs, as a rule, whose change is not at Maxio yet. */
const CALLS_A_PERSON = 2;
/** Answers a second that four calls at a time bring at Maxio's usual pace. */
const CALLS_A_SECOND = 8;

/** Estimates the calls that a run for each of these people costs, from evenly spread ones of them. */
export async function estimateCalls(site: OpsSite, ids: string[]): Promise<number> {
  const step = Math.max(1, ids.length / SAMPLE);
  const sample: string[] = [];
  for (let at = 0; at < ids.length; at += step) {
    const id = ids[Math.floor(at)];
    if (id !== undefined) sample.push(id);
  }
  let [people, calls] = [0, 0];
  for (let at = 0; at < sample.length; at += BATCH) {
    const records = await site.store.readAll(sample.slice(at, at + BATCH));
    const forecasts = await site.store.guard(() =>
      Promise.all(records.map(({ run: _parked, ...record }) => site.forecasts.one(record))),
    );
    people += forecasts.length;
    calls += forecasts.reduce((sum, { steps }) => sum + steps.length, 0);
  }
  return people === 0 ? 0 : Math.ceil((calls / people) * ids.length);
}

/** Says how many seconds the changes of so many people take, without reading one of them: it is asked with every look at the site. */
export function timeForPeople(people: number, budget: Parameters<typeof timeFor>[1]): number {
  return timeFor(people * CALLS_A_PERSON, budget);
}

/** Says how many seconds so many calls take: what is left of the window first, then as the window moves on. */
export function timeFor(
  calls: number,
  { limit, used, windowSeconds }: Pick<BudgetPeek, 'limit' | 'used' | 'windowSeconds'>,
): number {
  const share = limit * NORMAL_SHARE;
  const now = Math.min(calls, Math.max(0, Math.floor(share - used)));
  const later = calls - now;
  return Math.ceil(now / CALLS_A_SECOND + (later / share) * windowSeconds);
}
