/**
 * Owns what our own extension tells of a person: what this service remembers of Maxio, and how far the two are in step.
 * Refuses to ask Maxio: the answer must be as quick and as certain as that of any other attribute. See scim/schema/billing.ts for the rows.
 */
import type { Json, JsonObject } from '../scim/types.ts';
import type { RunState, UserRecord } from './record.ts';

/** What is decided about a leave, or about a product that a group has taken away, stands before what any run has said. */
const LEAVE_HELD = 'The guard holds this leave. An operator must approve or reject it.';
const LOSS_HELD =
  'The guard holds the end of a product that a group has taken away. An operator must approve or reject it. All else is in step, or follows.';
const LEAVE_EXEMPT =
  'An operator has rejected this leave: nothing ends at Maxio until the identity provider changes active again.';

/** Tell what is known of one person's billing; what is not known is left out. */
export function billingOf(record: UserRecord): JsonObject {
  const { link, reference } = record;
  const subscriptions = (link?.subscriptions ?? []).map(({ id, productHandle, state }) =>
    told({ value: id, product: productHandle, state }),
  );
  return told({
    customerId: link?.customerId,
    reference,
    ...standingOf(record),
    subscriptions: subscriptions.length === 0 ? undefined : subscriptions,
  });
}

function standingOf(record: UserRecord): Record<string, string | undefined> {
  const { run, leave, loss } = record;
  const settledAtMs = record.settledAtMs ?? (run?.outcome === 'settled' ? run.atMs : undefined);
  const lastSettled = settledAtMs === undefined ? undefined : new Date(settledAtMs).toISOString();
  if (leave?.state === 'held') return { state: 'held', reason: leave.why, detail: LEAVE_HELD, lastSettled };
  if (leave?.state === 'exempt') return { state: 'held', reason: 'exempt', detail: LEAVE_EXEMPT, lastSettled };
  if (loss?.state === 'held') return { state: 'held', reason: loss.why, detail: LOSS_HELD, lastSettled };
  const isSettled = record.settledGeneration === record.generation;
  if (run === undefined || (run.outcome === 'settled' && !isSettled))
    return { state: isSettled ? 'settled' : 'pending', lastSettled };
  return { state: run.outcome, ...wordsOf(run), lastSettled };
}

function wordsOf({ reason, detail }: RunState): Record<string, string | undefined> {
  return { reason, detail };
}

function told(facts: Record<string, Json | undefined>): JsonObject {
  const known = Object.entries(facts).filter((entry): entry is [string, Json] => entry[1] !== undefined && entry[1] !== '');
  return Object.fromEntries(known);
}
