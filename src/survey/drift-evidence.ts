/**
 * Owns how single rows of Maxio are read for the comparison: what can still bill, whose it is, and which texts count as equal. Pure.
 * Refuses to judge a person (drift-rows.ts).
 */
import type { MaxioLink, RememberedSubscription, UserRecord } from '../directory/record.ts';
import type { IndexedSubscription } from '../directory/survey-index.ts';
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

/** Maxio's own word, made harmless. */
export function stateOf({ state }: IndexedSubscription): string {
  return state.replaceAll(/[^\w -]/g, '?').slice(0, 40);
}

/** Blanks around a value, and the letter case of an address, are no difference to anybody. */
export function plain(name: string, value: string | null | undefined): string {
  const text = (value ?? '').trim();
  return name === 'email' ? foldEmail(text) : text;
}
