/**
 * Owns what a run that was refused its next call leaves to the next run of the same generation: what it has seen at Maxio. Pure.
 * Without it a run that looks before it acts would spend every call of a tight budget on looking again, for ever.
 * What was seen grows old, so it is believed for a while only; a change of the person, a retry or a repair takes it off the record with the run.
 */
import type { MaxioLink, UserRecord } from '../directory/record.ts';
import type { Seen } from './plan-types.ts';

/** Longer than between two calls of the smallest budget there is, 5 an hour. */
const BELIEVED_MS = 30 * 60_000;

type Carried = Pick<Seen, 'referenceTaken' | 'customer' | 'marked' | 'subscriptions'> & { of?: string | undefined };

/** Pack what a run has seen; `undefined` when that is nothing. As text, since scripts that decode and encode JSON lose empty lists. */
export function packSeen(
  { referenceTaken, customer, marked, subscriptions }: Seen,
  link: MaxioLink | undefined,
): string | undefined {
  if (referenceTaken === undefined && customer === undefined && subscriptions === undefined) return undefined;
  const carried: Carried = { of: link?.customerId };
  if (referenceTaken !== undefined) carried.referenceTaken = referenceTaken;
  if (customer !== undefined) carried.customer = customer;
  if (marked !== undefined) carried.marked = marked;
  if (subscriptions !== undefined) carried.subscriptions = subscriptions;
  return JSON.stringify(carried);
}

/** Unpack what the last run of this generation has left, as far as it is still of this customer and young enough. */
export function unpackSeen({ run, link, open }: Pick<UserRecord, 'run' | 'link' | 'open'>, nowMs: number): Omit<Seen, 'refused'> {
  if (run?.seen === undefined || run.outcome !== 'postponed') return {};
  // A call of ours that was never answered may have taken effect since, and what it did must not be tried again and refused.
  if (open.length > 0) return {};
  const { of, ...seen } = JSON.parse(run.seen) as Carried;
  const young = [seen.customer, seen.subscriptions].every((look) => look === undefined || nowMs - look.atMs < BELIEVED_MS);
  return young && of === link?.customerId ? seen : {};
}
