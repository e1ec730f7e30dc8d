/**
 * Owns how single rows of Maxio are read for the comparison: what can still bill, whose it is, and which texts count as equal. Pure.
 * Refuses to judge a person (drift-rows.ts).
 */
import type { MaxioLink, RememberedSubscription, UserRecord } from '../directory/record.ts';
import type { IndexedSubscription } from '../directory/survey-index.ts';
import { forgottenWords, isForgotten } from '../provisioning/plan-forgotten.ts';
import { standingOf } from '../provisioning/states.ts';
import { foldEmail } from '../scim/fold.ts';
import type { DriftPolicy } from './drift-rows.ts';

export function stillBills({ state, ending }: IndexedSubscription, policy: DriftPolicy): boolean {
  const standing = standingOf(state);
  return standing !== 'ended' && !ending && !(policy.deprovision === 'hold' && standing === 'held');
}

export function rememberedOf(link: MaxioLink, id: string): RememberedSubscription | undefined {
  return link.subscriptions.find((each) => each.id === id);
}

/** The same rule as remember.ts: remembered, carrying our mark, or anything of an adopted customer. */
export function isOurs(record: UserRecord, link: MaxioLink, seen: IndexedSubscription): boolean {
  return link.origin === 'adopted' || isMarked(record, seen) || rememberedOf(link, seen.id) !== undefined;
}

export function isMarked({ id }: UserRecord, { reference }: IndexedSubscription): boolean {
  return reference?.startsWith(`scim-${id}-`) === true;
}

/** What to say about an ending at Maxio that is newer than what this directory knows of the person; `undefined` where there is none. */
export function forgottenLeave(record: UserRecord, link: MaxioLink, seen: IndexedSubscription[]): string | undefined {
  const said = { id: record.id, generation: record.generation, atMs: record.modifiedAtMs };
  const forgotten = seen.find((each) => isOurs(record, link, each) && isForgotten(said, each));
  if (forgotten === undefined) return undefined;
  return (
    `${forgottenWords(said, forgotten)} If they are here, let the identity provider change them and look again: then it can be repaired. ` +
    'Or reactivate the subscription in Maxio. If not, deactivate or delete them over SCIM.'
  );
}

/** Maxio's own word, made harmless. */
export function stateOf({ state }: IndexedSubscription): string {
  return state.replaceAll(/[^\w -]/g, '?').slice(0, 40);
}

/** Blanks around a value, and the letter case of an address, are no difference to anybody. */
export function plain(name: string, value: string | null | undefined): string {
  const text = (value ?? '').trim();
  return name === 'email' ? foldEmail(text) : text;
}
