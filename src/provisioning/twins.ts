/**
 * Owns the answer to "is this person at Maxio already, under another name?", before anything is created for them. Pure.
 *
 * | the survey index knows | then |
 * |---|---|
 * | nothing, or no survey has ended | create |
 * | a customer an operator has approved, whatever its address, and the link is not carried out | park until it is |
 * | the same, and the link is carried out, or a customer with our reference | look it up and adopt it: a shared address, our mark or an approved link is the second sign |
 * | a customer with one of the person's addresses that is nobody's | park until an operator decides: link, or separate |
 * | the same, and "separate" was decided | create |
 *
 * Stance: two customers for one person are billed twice, and nobody notices; one parked person is noticed at once.
 */
import type { IndexSight } from '../directory/survey-index.ts';
import type { Customer } from '../maxio/types.ts';
import type { Decision, Desired } from './plan-types.ts';

const NAMED_MAX = 5;

/** Park a person who is, or may be, a customer already; `undefined` when nothing says so. */
export function planTwins({ strangers, approved, awaited }: IndexSight): Decision | undefined {
  // Also where no address agrees: an operator knows better, and a create would take the reference that this customer is to get.
  if (awaited === true) {
    return {
      kind: 'park',
      reason: 'link-approval',
      detail:
        `The link to Maxio customer ${approved} is approved and not carried out yet. It goes on by itself when it is; ` +
        'if it lasts, look for the link among the failures of maxio-scim link status.',
    };
  }
  if (strangers.length === 0) return undefined;
  const named = strangers.slice(0, NAMED_MAX).map(({ id }) => id);
  const more = strangers.length - named.length;
  const who = `${strangers.length === 1 ? 'customer' : 'customers'} ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  return {
    kind: 'park',
    reason: 'link-approval',
    detail:
      `Maxio ${who} already ${strangers.length === 1 ? 'has' : 'have'} an e-mail address of this person and ${strangers.length === 1 ? 'belongs' : 'belong'} to nobody whom the identity provider has sent. ` +
      'Nothing is created, so that nobody is billed twice. Run maxio-scim link plan, decide link or separate, and run maxio-scim link apply; ' +
      'it goes on by itself then. Or merge or correct the customers at Maxio, let maxio-scim drift --wait look at that, then retry.',
  };
}

/** Say whether an operator has approved that this very customer is this person. */
export function isApproved(desired: Desired, customer: Customer, { approved }: IndexSight): boolean {
  return approved === customer.id && customer.reference === desired.reference;
}
