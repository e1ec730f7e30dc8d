/**
 * Owns the plan: from what should be and what is known, the ONE next thing to do. Pure and total; called again after every answer until it says settle,
 * so that what it does never rests on a guess about an earlier step.
 *
 * | intent \ known | no customer | customer, nothing live | live | live, ending | on hold |
 * |---|---|---|---|---|---|
 * | active | create (+ subscription) | reactivate ours, else create | PUT if mapped fields differ | undo the scheduled cancel if we set it | resume if we held it |
 * | inactive | nothing, unless a create is open | nothing | by policy | nothing | by policy |
 *
 * Before a create, the survey index is asked whether the person is at Maxio already: by our reference, or under another (twins.ts). And nobody is billed again
 * whose ending Maxio remembers and this directory does not (plan-forgotten.ts).
 *
 * Stance: no wrong cancel > no late cancel > speed. Absence proves nothing while a create is open, presence proves nothing while an ending call is open.
 */
import type { OpenStep } from '../directory/record.ts';
import type { Customer } from '../maxio/types.ts';
import { foldEmail } from '../scim/fold.ts';
import { addressDigest, expiryMs, lookAgainMs, roleOf } from './ghosts.ts';
import { planForgotten } from './plan-forgotten.ts';
import { planLeaving } from './plan-leaving.ts';
import { planDeferred, productsDue, saleOf } from './plan-products.ts';
import { planStaying } from './plan-staying.ts';
import type { Decision, Desired, Known } from './plan-types.ts';
import { linkFound } from './remember.ts';
import { isApproved, planTwins } from './twins.ts';

/** Decide the next thing to do. */
export function plan(desired: Desired, known: Known): Decision {
  const { link } = known;
  if (link === undefined) return planUnlinked(desired, known);
  if (known.seen.subscriptions !== undefined && known.seen.subscriptions.value === undefined)
    return planVanished(desired, known, link.customerId);
  return desired.intent === 'inactive'
    ? planLeaving(desired, known, link)
    : planForgotten(desired, known, planStaying(desired, known, link));
}

function planUnlinked(desired: Desired, known: Known): Decision {
  const creates = known.open.filter((step) => roleOf(step) === 'creating');
  if (creates.length > 0) return planOpenCreate(desired, known);
  if (desired.intent === 'inactive') return planUnlinkedLeaver(desired, known);
  if (known.seen.referenceTaken === true) return planTaken(desired, known);
  const { index } = known.seen;
  if (index === undefined) return { kind: 'look', at: 'index' };
  // A link that was carried out counts even where the index has read the customer since as it was before.
  const carried = index.approved !== undefined && index.awaited !== true;
  if ((index.referenced !== undefined || carried) && !isGone(known)) return planTaken(desired, known);
  const twins = planTwins(index);
  if (twins !== undefined) return twins;
  if (desired.mapped.email === null) {
    return {
      kind: 'park',
      reason: 'needs-email',
      detail:
        'Maxio requires an e-mail address and this person has none. Map an e-mail attribute in the identity provider; the next update retries.',
    };
  }
  const [product] = productsDue(desired, known.nowMs);
  if (product !== undefined) return { kind: 'step', step: { kind: 'create-with-subscription', ...saleOf(product) } };
  // One call later instead of two now: the customer comes with the product.
  return planDeferred(desired, known) ?? { kind: 'step', step: { kind: 'create-customer' } };
}

/**
 * Between an operator's word that a customer is this person and the release of the site lie days, in which people leave. Their subscriptions end like those of
 * everybody else, so they are adopted first. Without such a word nobody's customer is looked for, and a leaver costs no call.
 */
function planUnlinkedLeaver(desired: Desired, known: Known): Decision {
  if (desired.left !== true) return { kind: 'settle' };
  const { index } = known.seen;
  if (index === undefined) return { kind: 'look', at: 'index' };
  if (index.approved === undefined || isGone(known)) return { kind: 'settle' };
  return (index.awaited === true ? planTwins(index) : undefined) ?? planTaken(desired, known);
}

/** A customer with our reference was to be expected, and Maxio has none. */
function isGone({ seen }: Known): boolean {
  return seen.customer !== undefined && seen.customer.value === undefined;
}

/** How far Maxio's clock and ours may be apart. */
const CLOCK_SLACK_MS = 5_000;

/**
 * A create left and no answer came. Found means that it was ours where a second sign says so and it is not older: the address that we sent, one of the
 * person's, or our mark. Absent means nothing before it has expired.
 */
function planOpenCreate(desired: Desired, known: Known): Decision {
  const creates = known.open.filter((step) => roleOf(step) === 'creating');
  const { customer } = known.seen;
  if (customer === undefined) return { kind: 'look', at: 'customer' };
  if (customer.value !== undefined) {
    // The create was refused and only the refusal got lost: asked again, Maxio says "taken", and adoption needs its second sign.
    const refused = (why: string): Decision => {
      const open = known.open.filter((step) => roleOf(step) !== 'creating');
      return { kind: 'note', link: undefined, open, why };
    };
    if (customer.value.reference !== desired.reference || wasThereBefore(customer.value, creates))
      return refused('the customer is older than the unanswered create');
    const ours = isAddressed(customer.value, creates) || shares(desired, customer.value) || known.seen.marked?.value === true;
    if (!ours && creates.some(({ kind }) => kind === 'create-with-subscription') && known.seen.marked === undefined)
      return { kind: 'look', at: 'marks' };
    if (!ours) return refused('the customer is not the one of the unanswered create');
    const open = known.open.filter((step) => step.kind !== 'create-customer');
    return {
      kind: 'note',
      // Fields that the person no longer has are cleared only where the address says that it was we who set them.
      link: linkFound(customer.value, 'created', desired.mapped, shares(desired, customer.value)),
      open,
      why: 'the unanswered create took effect',
    };
  }
  const last = creates.reduce((a, b) => (a.sentAtMs > b.sentAtMs ? a : b));
  if (customer.atMs < expiryMs(last, known)) {
    return known.nowMs < expiryMs(last, known)
      ? {
          kind: 'wait',
          untilMs: lookAgainMs(last, known),
          reason: 'unknown-outcome',
          detail:
            'A create left and Maxio did not answer. It may still take effect, so nothing is concluded before that is impossible.',
        }
      : { kind: 'look', at: 'customer' };
  }
  const open = known.open.filter((step) => roleOf(step) !== 'creating');
  return { kind: 'note', link: undefined, open, why: 'the unanswered create never took effect' };
}

/** Carries the address that one of these creates has sent; a create from before that was kept is believed. */
function isAddressed(customer: Customer, creates: OpenStep[]): boolean {
  return creates.some(({ sent }) => sent === undefined || sent === addressDigest(customer.email));
}

function wasThereBefore(customer: Customer, creates: OpenStep[]): boolean {
  const firstMs = Math.min(...creates.map(({ sentAtMs }) => sentAtMs));
  return Date.parse(customer.created_at) < firstMs - CLOCK_SLACK_MS;
}

/** Someone else has our reference at Maxio: ours only if a second sign says so. */
function planTaken(desired: Desired, known: Known): Decision {
  const { customer } = known.seen;
  if (customer === undefined) return { kind: 'look', at: 'customer' };
  if (customer.value === undefined) {
    return {
      kind: 'retry',
      reason: 'reference-conflict',
      detail:
        'Maxio says the reference is taken, but finds no customer by it. If this lasts, look for a customer with a similar reference.',
    };
  }
  if (desired.erased === true) return erasedParked(customer.value.id);
  if (shares(desired, customer.value)) {
    return {
      kind: 'note',
      link: linkFound(customer.value, 'adopted', desired.mapped),
      open: known.open,
      why: 'adopted by reference',
    };
  }
  if (known.seen.index === undefined) return { kind: 'look', at: 'index' };
  if (isApproved(desired, customer.value, known.seen.index)) {
    const link = linkFound(customer.value, 'adopted', desired.mapped);
    return { kind: 'note', link, open: known.open, why: 'adopted by an approved link' };
  }
  if (known.seen.marked === undefined) return { kind: 'look', at: 'marks' };
  if (known.seen.marked.value) {
    const link = linkFound(customer.value, 'created', desired.mapped);
    return { kind: 'note', link, open: known.open, why: 'recognised by our mark' };
  }
  return strangerParked(customer.value.id);
}

function shares(desired: Desired, customer: Customer): boolean {
  return customer.reference === desired.reference && desired.corroboration.includes(foldEmail(customer.email ?? ''));
}

function strangerParked(customerId: string): Decision {
  return {
    kind: 'park',
    reason: 'link-approval',
    detail:
      `Maxio already has customer ${customerId} with this reference, but no e-mail address in common with this person. ` +
      'If it is the same person, approve the link (maxio-scim link apply) or give the customer that address in Maxio, then retry; ' +
      'if not, change the reference of that customer and retry.',
  };
}

/** Whoever was erased asked to be forgotten: that the same person is back is for a human to say. */
function erasedParked(customerId: string): Decision {
  return {
    kind: 'park',
    reason: 'link-approval',
    detail:
      `Somebody with this reference was erased here, and Maxio customer ${customerId} carries it still. ` +
      'If it is the same person, who has come back, let them in (maxio-scim readmit, with the id): it goes on by itself then. ' +
      'If not, change the reference of that customer at Maxio and retry.',
  };
}

/** The customer id we knew is unknown at Maxio. Only a second look, by reference, makes that an absence. */
function planVanished(desired: Desired, known: Known, customerId: string): Decision {
  const { customer } = known.seen;
  if (customer === undefined) return { kind: 'look', at: 'customer' };
  if (customer.value?.id === customerId) {
    return {
      kind: 'retry',
      reason: 'contradiction',
      detail: 'Maxio finds this customer by reference but does not list its subscriptions.',
    };
  }
  if (customer.value !== undefined) {
    // Somebody has made another record under our reference: ours again only with the second sign that every adoption needs.
    const same = shares(desired, customer.value);
    if (!same && desired.intent === 'inactive') return strangerParked(customer.value.id);
    const found = same ? linkFound(customer.value, 'adopted', desired.mapped) : undefined;
    return { kind: 'note', link: found, open: known.open, why: 'the reference now belongs to another customer record' };
  }
  const live = known.open.find((step) => known.nowMs < expiryMs(step, known));
  if (live !== undefined) {
    return {
      kind: 'wait',
      untilMs: lookAgainMs(live, known),
      reason: 'unknown-outcome',
      detail: 'A call about this customer is still unanswered.',
    };
  }
  return { kind: 'note', link: undefined, open: [], why: 'the customer was deleted at Maxio' };
}
