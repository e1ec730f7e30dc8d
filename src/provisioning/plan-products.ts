/**
 * Owns the plan for someone whose groups decide what they are subscribed to, and who has a customer. Pure; ADR 0014.
 *
 * | for a wanted product, of its family there is | then |
 * |---|---|
 * | that product, and it bills | nothing, however it is paid |
 * | another product that is ours to change | one product change |
 * | nothing that bills, but that product, ended by us | bring it back |
 * | another product, still there, but ended by us | bring it back, then change it |
 * | an adopted subscription to a product that no rule names | nothing: somebody has sold it |
 * | nothing of ours that bills or only waits, but somebody else's subscription to that product, or to another of its family | nothing; of a group's product it is told |
 * | the product is the site's own, and one of another family bills that nothing has taken away | nothing: one is enough |
 * | nothing | create |
 *
 * | for a product that is not wanted any more | then |
 * |---|---|
 * | no rule names it, or no loss of its family is on record, or the loss is held or exempt | nothing |
 * | the loss is younger than the grace | wait |
 * | else | end it by the site's policy |
 *
 * The site's own product is like any other, except that it does not take the place of a loss before that loss may be acted on.
 */
import type { MaxioLink, RememberedSubscription } from '../directory/record.ts';
import type { Subscription } from '../maxio/types.ts';
import { expiryMs, lookAgainMs } from './ghosts.ts';
import { endingStep, planRefused, protectedParked } from './plan-leaving.ts';
import { planReturn } from './plan-return.ts';
import type { Decision, Desired, Known, Sale, WantedProduct } from './plan-types.ts';
import { isPresent, standingOf, unknownState } from './states.ts';

const EARLY = {
  grace:
    'A group has taken a product away and the grace for a move between groups is not over; getting it back before costs nothing.',
  calm: 'A group has taken a product away; endings begin when nobody has lost anything for a while, so that a mistake with many is seen before its first effect.',
};

/** Say whether groups decide here at all. */
export function isByGroup({ plans }: Desired): boolean {
  return Object.keys(plans).length > 0;
}

/** What is given now: everything but the product of the site where it would take the place of a loss too early. */
export function productsDue(desired: Desired, nowMs: number): readonly WantedProduct[] {
  return deferralOf(desired, nowMs) === undefined
    ? desired.products
    : desired.products.filter(({ through }) => through === 'group');
}

/** Wait for the moment at which the product of the site may take the place of a loss; `undefined` when it is not needed, or waits for an operator. */
export function planDeferred(desired: Desired, known: Known, link?: MaxioLink): Decision | undefined {
  const deferral = deferralOf(desired, known.nowMs);
  if (deferral === undefined || typeof deferral === 'string') return undefined;
  const needed = desired.products.some((wanted) => link === undefined || planOne(desired, known, link, wanted) !== undefined);
  if (!needed) return undefined;
  return { kind: 'wait', untilMs: deferral.fromMs, reason: deferral.reason, detail: EARLY[deferral.reason] };
}

type Deferral = { fromMs: number; reason: 'grace' | 'calm' } | 'held' | 'exempt';

function deferralOf({ products, lost = {} }: Desired, nowMs: number): Deferral | undefined {
  if (!products.some(({ through }) => through === 'site')) return undefined;
  const losses = Object.values(lost);
  const decided = losses.find((loss) => typeof loss === 'string');
  if (decided !== undefined) return decided;
  return losses
    .flatMap((loss) => (typeof loss === 'string' || loss.fromMs <= nowMs ? [] : [loss]))
    .sort((a, b) => b.fromMs - a.fromMs)[0];
}

/** Say whether this subscription, which we ended, may be wanted again by what the groups give. */
export function mayReturn(desired: Desired, remembered: RememberedSubscription): boolean {
  return isSoldElsewhere(desired, remembered) || desired.products.some((wanted) => serves(desired, remembered, wanted));
}

/** The next thing to do so that everything wanted is there. */
export function planProducts(desired: Desired, known: Known, link: MaxioLink): Decision | undefined {
  for (const remembered of link.subscriptions) {
    if (remembered.endedBy === undefined || !isSoldElsewhere(desired, remembered)) continue;
    const decision = planBack(known, link, remembered);
    if (decision !== undefined) return decision;
  }
  for (const wanted of productsDue(desired, known.nowMs)) {
    const decision = planOne(desired, known, link, wanted);
    if (decision !== undefined) return decision;
  }
  return undefined;
}

function planOne(desired: Desired, known: Known, link: MaxioLink, wanted: WantedProduct): Decision | undefined {
  const ours = link.subscriptions.filter((each) => serves(desired, each, wanted));
  const billing = ours.filter(bills);
  if (billing.some((each) => isServed(desired, each, wanted))) return undefined;
  const [other] = billing;
  if (other !== undefined) return planChange(known, other, wanted);
  if (wanted.through === 'site' && link.subscriptions.some((each) => isLeftOver(desired, each))) return undefined;
  const ended = ours.filter(({ endedBy }) => endedBy !== undefined);
  const back =
    ended.findLast(({ productHandle }) => productHandle === wanted.productHandle) ??
    ended.findLast(({ state }) => isPresent(state));
  // Canceled, and somebody else has sold something of this family since: brought back as well it would bill twice.
  const isReplaced = back?.state === 'canceled' && givenByOthers(desired, link, wanted) !== undefined;
  if (back !== undefined && !isReplaced) return planBack(known, link, back);
  // Looked at each time: nobody tells us when what somebody else has sold is over.
  if (known.seen.subscriptions === undefined) return { kind: 'look', at: 'subscriptions' };
  // Somebody at Maxio has already given this customer the product, or another of its family: a second one would bill twice.
  if (givenByOthers(desired, link, wanted) !== undefined) return undefined;
  return { kind: 'step', step: { kind: 'create-subscription', ...saleOf(wanted), customerId: link.customerId } };
}

/** What a step that sells a product, or moves a subscription to it, needs to know. */
export function saleOf({ productHandle, pricePointHandle, paymentCollectionMethod }: WantedProduct): Sale {
  return {
    productHandle,
    ...(pricePointHandle === undefined ? {} : { pricePointHandle }),
    ...(paymentCollectionMethod === undefined ? {} : { paymentCollectionMethod }),
  };
}

function planBack(known: Known, link: MaxioLink, remembered: RememberedSubscription): Decision | undefined {
  const seen = known.seen.subscriptions?.value?.find(({ id }) => id === remembered.id);
  return planReturn(known, link, remembered, seen);
}

function planChange(known: Known, remembered: RememberedSubscription, wanted: WantedProduct): Decision {
  const target = remembered.id;
  if (standingOf(remembered.state) === 'unknown') {
    const seen = known.seen.subscriptions?.value?.find(({ id }) => id === target);
    return seen === undefined ? { kind: 'look', at: 'subscriptions' } : unknownState(seen);
  }
  const refusal = known.seen.refused.get(target);
  if (refusal !== undefined) {
    return {
      kind: 'park',
      reason: 'refused-by-maxio',
      detail: `Maxio refused to change subscription ${target} to ${wanted.productHandle}: ${refusal}. Correct it in Maxio or in the rules for groups, then retry.`,
    };
  }
  // A change that is still on its way would undo this one if it came later.
  const ghost = known.open.find(
    (step) => step.kind === 'change-product' && step.target === target && known.nowMs < expiryMs(step, known),
  );
  if (ghost !== undefined) {
    return {
      kind: 'wait',
      untilMs: lookAgainMs(ghost, known),
      reason: 'unknown-outcome',
      detail:
        'An earlier change of this product left and Maxio did not answer. The next one is sent when that one can no longer overwrite it.',
    };
  }
  return { kind: 'step', step: { kind: 'change-product', target, ...saleOf(wanted) } };
}

/** What to tell about products that groups give and that are not sold, because something of their family is there that is not ours. */
export function noteOfOthers(desired: Desired, link: MaxioLink): string | undefined {
  const told = desired.products.flatMap((wanted) => {
    if (wanted.through === 'site' || link.subscriptions.some((each) => bills(each) && serves(desired, each, wanted))) return [];
    const other = givenByOthers(desired, link, wanted);
    if (other === undefined || other.productHandle === wanted.productHandle) return [];
    return `A group gives ${wanted.productHandle}; subscription ${other.id} to ${other.productHandle ?? 'something'} of the same product family was made by somebody else and stands in its place.`;
  });
  return told.length === 0
    ? undefined
    : `${told.join(' ')} If that is wrong, end it in Maxio; a repair of drift, or the next change of this person, then gives what is missing.`;
}

function bills({ state, endedBy }: RememberedSubscription): boolean {
  return endedBy === undefined && isPresent(state);
}

function givenByOthers({ plans }: Desired, { foreign }: MaxioLink, wanted: WantedProduct) {
  return foreign?.find(({ productHandle, productFamily }) => {
    const family = plans[productHandle ?? ''] ?? productFamily;
    return productHandle === wanted.productHandle || (family !== undefined && family === wanted.family);
  });
}

/** The next thing to do about products that groups have taken away; after everything else, since it may have to wait. */
export function planLosses(desired: Desired, known: Known, link: MaxioLink): Decision | undefined {
  const atStake = link.subscriptions.filter((each) => isPresent(each.state) && lossOf(desired, each.productHandle) !== undefined);
  if (atStake.length === 0) return undefined;
  const fromMs = ({ productHandle }: RememberedSubscription): number => lossOf(desired, productHandle)?.fromMs ?? 0;
  if (desired.protected === true || atStake.some((each) => fromMs(each) <= known.nowMs)) {
    const seen = known.seen.subscriptions;
    if (seen?.value === undefined) return { kind: 'look', at: 'subscriptions' };
    const ended = planEndings(desired, known, link, seen.value);
    if (ended !== undefined) return ended;
  }
  // What is there decides whether anybody waits; memory does where nobody has looked, and an ending that Maxio carries out later has always been looked at.
  const seen = known.seen.subscriptions?.value;
  const ending = ({ id }: RememberedSubscription): boolean =>
    seen?.some((each) => each.id === id && endingStep(desired.policy, each) === undefined) === true;
  const [next] = atStake
    .filter((each) => !ending(each))
    .flatMap(({ productHandle }) => lossOf(desired, productHandle) ?? [])
    .filter((loss) => loss.fromMs > known.nowMs)
    .sort((a, b) => a.fromMs - b.fromMs);
  return next && { kind: 'wait', untilMs: next.fromMs, reason: next.reason, detail: EARLY[next.reason] };
}

function planEndings(desired: Desired, known: Known, link: MaxioLink, seen: Subscription[]): Decision | undefined {
  const refused: Subscription[] = [];
  const unknown: Subscription[] = [];
  for (const subscription of seen) {
    // By what is there, not by what is remembered: staff may have moved it to a product that no group gives.
    const loss = lossOf(desired, subscription.productHandle);
    if (loss === undefined || !link.subscriptions.some(({ id }) => id === subscription.id)) continue;
    if (standingOf(subscription.state) === 'unknown') {
      unknown.push(subscription);
      continue;
    }
    const step = endingStep(desired.policy, subscription);
    if (step === undefined) continue;
    if (desired.protected === true) return protectedParked(subscription, 'lost the group that gave them a product');
    if (loss.fromMs > known.nowMs) continue;
    if (known.seen.refused.has(subscription.id)) refused.push(subscription);
    else return { kind: 'step', step };
  }
  const [first] = unknown;
  return planRefused(desired, known, refused) ?? (first && unknownState(first));
}

/** The loss by which a product may be ended; `undefined` where nothing may be done about it. */
function lossOf({ plans, products, lost = {} }: Desired, productHandle: string | undefined) {
  const family = plans[productHandle ?? ''];
  if (family === undefined || products.some((wanted) => wanted.family === family)) return undefined;
  const loss = lost[family];
  return typeof loss === 'string' ? undefined : loss;
}

function serves({ plans }: Desired, { productHandle, productFamily }: RememberedSubscription, wanted: WantedProduct): boolean {
  const family = plans[productHandle ?? ''] ?? productFamily;
  // Whatever no rule names stood for the site's own product before there were rules, and goes on to.
  if (wanted.through === 'site' && plans[productHandle ?? ''] === undefined) return true;
  return productHandle === wanted.productHandle || (family !== undefined && family === wanted.family);
}

/**
 * Bills for a product that groups can give, and no loss of it is on record: it came with its customer, or a changed list has left it behind. The site's own
 * product is for those who have nothing.
 */
function isLeftOver({ plans, lost = {} }: Desired, { productHandle, state, endedBy }: RememberedSubscription): boolean {
  const family = plans[productHandle ?? ''];
  return endedBy === undefined && isPresent(state) && family !== undefined && lost[family] === undefined;
}

/** Whether nothing is left to do about a subscription that bills and serves what is wanted. */
function isServed(desired: Desired, remembered: RememberedSubscription, wanted: WantedProduct): boolean {
  const { productHandle, pricePointHandle, origin } = remembered;
  if (desired.plans[productHandle ?? ''] === undefined && (origin === 'adopted' || wanted.through === 'site')) return true;
  // The site's own product pushes nothing aside: it takes the place of what a group has taken away.
  if (wanted.through === 'site' && desired.lost?.[wanted.family ?? ''] === undefined) return true;
  if (productHandle !== wanted.productHandle) return false;
  return wanted.pricePointHandle === undefined || pricePointHandle === wanted.pricePointHandle;
}

/** Came with its customer, and no rule names its product: it is brought back with the person, whatever their groups are. */
function isSoldElsewhere({ plans }: Desired, { origin, productHandle }: RememberedSubscription): boolean {
  return origin === 'adopted' && plans[productHandle ?? ''] === undefined;
}
