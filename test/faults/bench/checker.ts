/**
 * Owns the verdict on a history: evidence in, violated invariants out, each with what was seen. Pure; it knows nothing of how the evidence came about.
 * A defect breaks many things; it is named by the invariant nearest to its cause, and what follows from it for the same person or call is left out.
 */
import { checkBounds, checkLeaks, checkLimits, checkQuiet } from './check-bounds.ts';
import { checkAcks, checkAudit, checkOrder, checkReads } from './check-directory.ts';
import { checkGroups } from './check-groups.ts';
import { checkBilled, checkEndings, checkForeign, checkMutations, checkOnce } from './check-maxio.ts';
import type { Evidence, Invariant, Violation } from './evidence.ts';
import { maxioCalls } from './maxio-calls.ts';
import { timelines } from './timeline.ts';

/** What each invariant promises, and what the checker takes for a breach of it. */
export const INVARIANTS: Readonly<Record<Invariant, string>> = {
  I1: 'Every acknowledged change arrives at Maxio, or a later one for the same person has taken its place, or the person is parked or held: whoever is wanted active has one customer with the newest name and a billing subscription.',
  I2: 'One person is one SCIM id, one customer and at most one billing managed subscription of the product at any moment, whatever is repeated.',
  I3: 'No call that ends a subscription begins while the person is wanted active, or while their leave is held or rejected.',
  I4: 'Nobody who has left is billed in the end, unless parked, held or rejected.',
  I5: 'No rolling window holds more calls than the budget, reads, refusals and failures included, and no more are in flight than allowed, over all processes.',
  I6: 'Changes of a person take place in the order in which they were acknowledged, none is lost under another, and calls that carry an older state never begin after calls that carry a newer one.',
  I7: 'What was acknowledged is read back by id and by filter, from every replica, at once.',
  I8: 'Nothing is acknowledged that had not taken place when the answer was given.',
  I9: 'Every change and every effect at Maxio has an entry in the audit trail, and its numbers have no gap.',
  I10: 'Memory, open files, warnings a second and bells per person stay bounded.',
  I11: 'No key, token or personal data stands in logs, metrics, error answers, jobs or names of keys.',
  I12: 'When the last fault is over everything comes to its end by itself: nobody stays pending and nobody is parked whom no rule has parked.',
  I13: 'Customers and subscriptions that the facade does not manage are neither changed nor ended.',
};

/** Tells which invariants a history has violated; none is what it should be. */
export function check(evidence: Evidence): Violation[] {
  const found: Violation[] = [];
  const people = timelines(evidence);
  const calls = maxioCalls(evidence);
  const named = { people: new Set<number>(), calls: new Set<number>() };
  const context = { evidence, people, calls, named };
  for (const one of [
    checkForeign,
    checkAcks,
    checkGroups,
    checkAudit,
    checkEndings,
    checkOnce,
    checkOrder,
    checkReads,
    checkMutations,
    checkQuiet,
    checkBilled,
    checkLimits,
    checkBounds,
    checkLeaks,
  ]) {
    const violations = one(context);
    for (const { person, call } of violations) {
      if (person !== undefined) named.people.add(person);
      if (call !== undefined) named.calls.add(call);
    }
    found.push(...violations.map(({ call: _call, ...violation }) => violation));
  }
  return found;
}
