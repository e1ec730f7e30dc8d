/**
 * Owns the last question before somebody is billed again: whether Maxio remembers an ending that this directory has forgotten, because its data was set back.
 * Then that person is put aside until the identity provider sends them again: nobody else knows whether they are still here. Pure.
 * Refuses to judge people without a customer: of them Maxio remembers nothing. Generations alone say nothing about somebody who was recreated, whose count
 * began anew: only an ending that is also later than the last word about the person was forgotten.
 */
import type { Subscription } from '../maxio/types.ts';
import type { Decision, Desired, Known, LastWord, Step } from './plan-types.ts';
import { readCancellation } from './remember.ts';

/** How far Maxio's clock and ours may be apart; its times are whole seconds. */
const CLOCK_SLACK_MS = 5_000;

const BILLS_AGAIN: ReadonlySet<Step['kind']> = new Set(['create-subscription', 'reactivate', 'resume', 'undo-delayed-cancel']);

/** Let a decision stand, unless it would bill somebody again whose ending was forgotten. */
export function planForgotten({ said }: Desired, known: Known, decision: Decision): Decision {
  if (said === undefined || decision.kind !== 'step') return decision;
  const { seen, link } = known;
  const again = BILLS_AGAIN.has(decision.step.kind);
  // What is remembered of Maxio is as old as the rest of data that was set back.
  if (seen.subscriptions === undefined) {
    const look = isOld(said) && (again || decision.step.kind === 'change-product');
    return look ? { kind: 'look', at: 'subscriptions' } : decision;
  }
  if (!again) return decision;
  const managed = seen.subscriptions.value?.filter(({ id }) => link?.subscriptions.some((each) => each.id === id));
  const forgotten = managed?.find((subscription) => isForgotten(said, subscription));
  if (forgotten === undefined) return decision;
  const todo =
    'If they are here, let the identity provider send them again, or reactivate the subscription in Maxio and retry; ' +
    'if not, deactivate or delete them over SCIM.';
  return { kind: 'park', reason: 'forgotten-leave', detail: `${forgottenWords(said, forgotten)} ${todo}` };
}

type Ending = Pick<Subscription, 'id' | 'state' | 'updatedAt'> &
  Partial<Pick<Subscription, 'cancellationMessage' | 'canceledAt'>>;

/** Say whether this subscription was ended after the last word about the person that this directory knows, and by a word that it does not know. */
export function isForgotten(said: LastWord, ending: Ending): boolean {
  if (ending.state !== 'canceled') return false;
  const atMs = Date.parse(ending.canceledAt ?? ending.updatedAt);
  const ours = readCancellation(ending.cancellationMessage, said.id);
  // One that Maxio gives no time for counts as late, the careful side.
  if (ours !== undefined && ours.generation > said.generation) return !(atMs <= said.atMs - CLOCK_SLACK_MS);
  // Groups raise the generation as well, and what ends by itself with its period carries no message: both show by their time alone.
  // A product that a group has taken away is told apart by its message: that does not count as a word about the person.
  const inTheGap = isOld(said) && atMs > said.atMs && atMs < (said.lossAtMs ?? 0) + CLOCK_SLACK_MS;
  return inTheGap && ours?.intent !== 'active';
}

/** What there is to tell about such an ending; what to do about it depends on where it was found. */
export function forgottenWords(said: LastWord, ending: Ending): string {
  const generation = readCancellation(ending.cancellationMessage, said.id)?.generation;
  const which = generation === undefined ? '' : ` (generation ${generation}, here it is ${said.generation})`;
  return `Maxio remembers an ending of subscription ${ending.id} that this directory has forgotten${which}, so this person may have left.`;
}

function isOld({ atMs, lossAtMs }: LastWord): boolean {
  return lossAtMs !== undefined && atMs < lossAtMs;
}
