/**
 * Owns the comparison of one person with what Maxio was seen to hold: which differences there are that nothing of ours explains. Pure.
 * Refuses to look, to judge who made a difference, and to name values: details name fields, states and ids. Only fields that we have set are compared,
 * and only subscriptions that are ours are expected to follow the person.
 */
import { intentOf, type MaxioLink, type UserRecord } from '../directory/record.ts';
import type { IndexedCustomer, IndexedSubscription } from '../directory/survey-index.ts';
import type { Desired, WantedProduct } from '../provisioning/plan-types.ts';
import { isPresent } from '../provisioning/states.ts';
import { forgottenLeave, isMarked, isOurs, plain, rememberedOf, stateOf, stillBills } from './drift-evidence.ts';
import { DRIFT_KINDS, type DriftKind, type Finding, finding, isExempt } from './drift-finding.ts';

export { DRIFT_KINDS, type DriftKind, type Finding };

/** What Maxio was seen to hold for the linked customer. */
export interface Evidence {
  customer: IndexedCustomer | undefined;
  subscriptions: IndexedSubscription[];
  /** Redis TIME at which all of this was still so, or later. */
  asOfMs: number;
}

export interface DriftPolicy {
  productHandle?: string | undefined;
  deprovision: Desired['policy'];
  /** Where groups give products: what this person should be subscribed to. */
  wanted?: (record: UserRecord) => readonly WantedProduct[];
}

/** Say whether work of ours that is pending, open, parked, held or newer than the evidence explains whatever differs. */
export function isExplained(record: UserRecord, asOfMs: number): boolean {
  if (record.link === undefined || record.open.length > 0) return true;
  if (isExempt(record)) return (record.leave?.decidedAtMs ?? asOfMs) >= asOfMs;
  return !isSettledBefore(record, asOfMs);
}

function isSettledBefore({ run, settledGeneration, generation }: UserRecord, asOfMs: number): boolean {
  return run?.outcome === 'settled' && settledGeneration === generation && run.atMs < asOfMs;
}

/** List what differs for one person; empty when everything is explained or equal. Of somebody without a link, `evidence` is about who has their reference. */
export function findingsOf(record: UserRecord, evidence: Evidence, policy: DriftPolicy): Finding[] {
  const { link } = record;
  if (link === undefined) return leftUnlinked(record, evidence, policy);
  if (record.unclaimed === true) return unclaimed(record, evidence.subscriptions, policy);
  if (isExplained(record, evidence.asOfMs)) return [];
  return intentOf(record) === 'active'
    ? findingsOfActive(record, link, evidence, policy)
    : leftBilled(record, link, evidence.subscriptions, policy);
}

/** A customer that shares an address with a linked person and is nobody's. */
export function duplicateCustomer(record: UserRecord, stranger: IndexedCustomer): Finding {
  return finding(record, 'duplicate-customer', {
    customerId: stranger.id,
    about: stranger.id,
    detail: `Customer ${stranger.id} has an e-mail address of this person, who is customer ${record.link?.customerId ?? 'nobody'}. Merge or rename one of them at Maxio.`,
  });
}

/** Live subscriptions under the reference of somebody who left before this service had taken that customer over: no run ends them, so a human has to know. */
function leftUnlinked(record: UserRecord, { customer, subscriptions, asOfMs }: Evidence, policy: DriftPolicy): Finding[] {
  if (record.leave === undefined || record.open.length > 0) return [];
  if (customer === undefined || customer.reference !== record.reference) return [];
  if (!isExempt(record) && !isSettledBefore(record, asOfMs)) return [];
  return subscriptions
    .filter((each) => stillBills(each, policy))
    .map((each) =>
      finding(record, 'left-billed', {
        about: each.id,
        customerId: customer.id,
        subscriptionId: each.id,
        detail: `This person has left, and subscription ${each.id} of customer ${customer.id}, who has their reference, is ${stateOf(each)}. This service never took that customer over and leaves it alone; end it at Maxio if that is right.`,
      }),
    );
}

/** Nobody has said that they left: a rebuild has found them, and until they are sent nobody knows whether they should be billed. Never repairable. */
function unclaimed(record: UserRecord, seen: IndexedSubscription[], policy: DriftPolicy): Finding[] {
  const billing = seen.filter((each) => stillBills(each, policy));
  const [first] = billing;
  if (first === undefined) return [];
  const which =
    billing.length === 1 ? `subscription ${first.id} is` : `subscriptions ${billing.map(({ id }) => id).join(', ')} are`;
  return [
    finding(record, 'unclaimed', {
      subscriptionId: first.id,
      detail: `This person was recreated from Maxio and waits for the first full sync of the identity provider; ${which} billed meanwhile. If that sync does not bring them, end it at Maxio.`,
    }),
  ];
}

/** The fields of a customer that Maxio shows otherwise than we have set and it has confirmed. */
export function differingFields(link: MaxioLink, customer: IndexedCustomer): string[] {
  if (link.inDoubt === true) return [];
  return Object.entries(link.confirmed)
    .filter(([name, ours]) => plain(name, ours) !== plain(name, name === 'email' ? customer.email : customer.fields[name]))
    .map(([name]) => name)
    .sort();
}

function findingsOfActive(record: UserRecord, link: MaxioLink, evidence: Evidence, policy: DriftPolicy): Finding[] {
  const { customer, subscriptions } = evidence;
  if (customer === undefined) {
    return [
      finding(record, 'customer-deleted', {
        detail: `Customer ${link.customerId} is not at Maxio any more. A repair looks for another by reference and else creates one.`,
        repairable: true,
      }),
    ];
  }
  return [
    ...referenceChanged(record, customer),
    ...fieldsDiffer(record, link, customer),
    ...unlessForgotten(record, link, subscriptions, unbilled(record, link, subscriptions, policy)),
    ...endings(record, link, subscriptions, policy),
    ...moved(record, link, subscriptions, policy),
    ...duplicates(record, subscriptions),
  ];
}

function referenceChanged(record: UserRecord, { id, reference }: IndexedCustomer): Finding[] {
  if (reference === record.reference) return [];
  const now = reference === null ? 'no reference any more' : 'another reference';
  return [
    finding(record, 'reference-changed', {
      detail: `Customer ${id} has ${now}. Set it back at Maxio; until then this person is found by customer id alone.`,
    }),
  ];
}

function fieldsDiffer(record: UserRecord, link: MaxioLink, customer: IndexedCustomer): Finding[] {
  const names = differingFields(link, customer);
  if (names.length === 0) return [];
  const about = names.join(',');
  return [
    finding(record, 'fields-differ', { about, detail: `Maxio shows other values in ${names.join(', ')}.`, repairable: true }),
  ];
}

function unbilled(record: UserRecord, link: MaxioLink, seen: IndexedSubscription[], policy: DriftPolicy): Finding[] {
  const { productHandle } = policy;
  if (policy.wanted !== undefined) return unbilledByGroup(record, link, seen, policy.wanted(record));
  const expected =
    productHandle !== undefined || link.subscriptions.some(({ endedBy, state }) => endedBy === undefined && isPresent(state));
  const stands = seen.some(
    (each) => isPresent(each.state) && (isOurs(record, link, each) || each.productHandle === productHandle),
  );
  if (!expected || stands) return [];
  const last = seen.find((each) => isOurs(record, link, each));
  const how = last === undefined ? 'has no subscription' : `has no live subscription: ${last.id} is ${stateOf(last)}`;
  return [
    finding(record, 'active-unbilled', {
      subscriptionId: last?.id ?? null,
      detail: `This person is active and ${how}.`,
      repairable: productHandle !== undefined,
    }),
  ];
}

/** Where Maxio remembers a leave that this directory has forgotten, planning again would end with the person put aside: a human has to find out who is right. */
function unlessForgotten(record: UserRecord, link: MaxioLink, seen: IndexedSubscription[], findings: Finding[]): Finding[] {
  const words = findings.length === 0 ? undefined : forgottenLeave(record, link, seen);
  if (words === undefined) return findings;
  return findings.map((each) => ({ ...each, detail: `${each.detail} ${words}`, repairable: false }));
}

/** Every product that the groups give should be there, or something of its family, which may be somebody else's. */
function unbilledByGroup(
  record: UserRecord,
  link: MaxioLink,
  seen: IndexedSubscription[],
  wanted: readonly WantedProduct[],
): Finding[] {
  const live = seen.filter(({ state }) => isPresent(state));
  const familyOf = ({ id }: IndexedSubscription): string | undefined =>
    (rememberedOf(link, id) ?? link.foreign?.find((other) => other.id === id))?.productFamily;
  return wanted.flatMap(({ productHandle, family, through }) => {
    // While a loss waits for an operator, or is not acted on, the site's own product is not given in its place.
    if (through === 'site' && (record.loss !== undefined || live.some((each) => isOurs(record, link, each)))) return [];
    const stands = live.some(
      (each) => each.productHandle === productHandle || (family !== undefined && familyOf(each) === family),
    );
    if (stands) return [];
    return [
      finding(record, 'active-unbilled', {
        about: productHandle,
        detail: `This person is active, should have ${productHandle}, and has no live subscription to it.`,
        repairable: true,
      }),
    ];
  });
}

function leftBilled(record: UserRecord, link: MaxioLink, seen: IndexedSubscription[], policy: DriftPolicy): Finding[] {
  const billing = seen.filter((each) => stillBills(each, policy));
  // Ours only because the customer was adopted: nobody has seen it while this person was here, so it may be a new life as a customer.
  const isNew = (each: IndexedSubscription): boolean => !isMarked(record, each) && rememberedOf(link, each.id) === undefined;
  const deliberate = link.origin === 'adopted' && billing.some(isNew);
  return billing.map((each) => {
    const ours = isOurs(record, link, each);
    const why = ours
      ? deliberate
        ? ' Somebody has made one since; a repair ends all of this customer.'
        : ''
      : ' It was made by somebody else and is left alone; end it at Maxio if that is wrong.';
    return finding(record, 'left-billed', {
      // Of ours any counts as the same difference, so that somebody who makes a new one each time is no fight without end.
      about: ours ? 'ours' : each.id,
      subscriptionId: each.id,
      detail: `This person has left and subscription ${each.id} is ${stateOf(each)}.${why}`,
      repairable: ours && !isExempt(record),
      deliberate,
    });
  });
}

function endings(record: UserRecord, link: MaxioLink, seen: IndexedSubscription[], policy: DriftPolicy): Finding[] {
  return seen.flatMap((each) => {
    const memory = rememberedOf(link, each.id);
    if (memory === undefined || memory.endedBy !== undefined || !isPresent(each.state)) return [];
    if (!each.ending && each.state !== 'on_hold') return [];
    const how = each.ending ? 'was scheduled to end' : 'was put on hold';
    return [
      finding(record, 'ending-foreign', {
        about: each.ending ? 'ending' : 'hold',
        subscriptionId: each.id,
        detail: `This person is active and subscription ${each.id} ${how}, not by this service.`,
        // What is not sold any more is not brought back.
        repairable: memory.origin === 'adopted' || isSold(record, memory.productHandle, policy),
      }),
    ];
  });
}

function isSold(record: UserRecord, productHandle: string | undefined, policy: DriftPolicy): boolean {
  const { wanted } = policy;
  if (wanted === undefined) return productHandle === policy.productHandle;
  return wanted(record).some((product) => product.productHandle === productHandle);
}

function moved(record: UserRecord, link: MaxioLink, seen: IndexedSubscription[], policy: DriftPolicy): Finding[] {
  return seen.flatMap((each) => {
    const before = rememberedOf(link, each.id)?.productHandle;
    if (before === undefined || each.productHandle === undefined || each.productHandle === before || !isPresent(each.state))
      return [];
    const given = policy.wanted !== undefined && isSold(record, before, policy);
    const then = given
      ? 'A group gives the former, so a repair moves it back.'
      : 'A repair takes that over; it is not moved back.';
    return [
      finding(record, 'fields-differ', {
        about: 'product',
        subscriptionId: each.id,
        detail: `Subscription ${each.id} was moved from ${before} to ${each.productHandle}. ${then}`,
        repairable: true,
      }),
    ];
  });
}

function duplicates(record: UserRecord, seen: IndexedSubscription[]): Finding[] {
  const live = seen.filter(({ state, ending, productHandle }) => isPresent(state) && !ending && productHandle !== undefined);
  return [...Map.groupBy(live, ({ productHandle }) => productHandle)].flatMap(([product, same]) =>
    same.slice(1).map((each) =>
      finding(record, 'duplicate-subscription', {
        about: each.id,
        subscriptionId: each.id,
        detail: `This person has ${same.length} live subscriptions to ${product}: ${same.map(({ id }) => id).join(', ')}. Cancel the wrong one at Maxio.`,
      }),
    ),
  );
}
