/**
 * Owns bugs about groups, planted in the evidence of a clean history: one group that gives a product, one that gives nothing, and somebody in both
 * whom Maxio bills for it. Refuses to be evidence of anything but the checker.
 */
import type { Evidence, GroupEvidence, Invariant } from './evidence.ts';
import { activePerson, call, subscriptionOf } from './planted.ts';

interface PlantedInGroups {
  invariant: Invariant;
  bug: string;
  plant: (evidence: Evidence, groups: GroupEvidence, userId: string) => GroupEvidence;
}

/** Puts somebody who is active into groups, in every piece of evidence. @returns their SCIM id */
export function withGroups(evidence: Evidence): string {
  const person = activePerson(evidence);
  const { id } = person;
  sell(evidence, 'gold');
  const members = [id];
  const rows = [
    { id: 'g1', displayName: 'Gold', members },
    { id: 'g2', displayName: 'Chess', members },
  ];
  evidence.groups = {
    rules: [
      { group: 'Gold', product: 'gold', family: 'plans' },
      { group: 'Extra', product: 'extra', family: 'extras' },
    ],
    graceMs: 1_000,
    believed: rows,
    stored: structuredClone(rows),
    memberOf: { [id]: ['g1', 'g2'] },
  };
  return id;
}

/** The rows of a product are one object to the sandbox. */
function sell(evidence: Evidence, handle: string): void {
  const subscription = subscriptionOf(evidence, activePerson(evidence));
  subscription.product = { ...subscription.product, handle };
}

function deleteCall(evidence: Evidence): void {
  const { id } = subscriptionOf(evidence, activePerson(evidence));
  evidence.ledger.push(
    call(evidence, { method: 'DELETE', path: `/subscriptions/${id}.json`, template: '/subscriptions/{id}.json' }),
  );
}

/** A group has taken the product away for long enough, and gives it back so long before the call that ends it arrives. */
export function cancelAfterGift(evidence: Evidence, user: string, agoMs: number): void {
  deleteCall(evidence);
  const arrivedMs = evidence.ledger.at(-1)?.arrivedMs ?? 0;
  const { generation } = activePerson(evidence);
  const told = [
    { atMs: arrivedMs - 30_000, lost: ['plans'] },
    { atMs: arrivedMs - agoMs, gives: ['plans'] },
  ];
  for (const { atMs, ...words } of told) {
    evidence.auditSeq += 1;
    const entry = { kind: 'scim' as const, what: 'groups', ...words, requestId: 'r' };
    evidence.audit.push({ seq: evidence.auditSeq, atMs, user, generation, entry });
  }
}

export const IN_GROUPS: PlantedInGroups[] = [
  {
    invariant: 'I8',
    bug: 'a membership was acknowledged and never took place',
    plant: (_evidence, groups) => ({
      ...groups,
      stored: groups.stored.map((each) => (each.id === 'g2' ? { ...each, members: [] } : each)),
      memberOf: Object.fromEntries(Object.keys(groups.memberOf).map((id) => [id, ['g1']])),
    }),
  },
  {
    invariant: 'I8',
    bug: 'a rename was acknowledged and never took place',
    plant: (_evidence, groups) => ({
      ...groups,
      believed: groups.believed.map((each) => (each.id === 'g2' ? { ...each, displayName: 'Checkers' } : each)),
    }),
  },
  {
    invariant: 'I6',
    bug: 'person and group disagree',
    plant: (_evidence, groups, id) => ({ ...groups, memberOf: { [id]: ['g1'] } }),
  },
  {
    invariant: 'I1',
    bug: 'the product of a group never arrived',
    plant: (evidence, groups) => {
      sell(evidence, 'pro');
      return groups;
    },
  },
  {
    invariant: 'I4',
    bug: 'what no group gives any more is billed beside what one gives',
    plant: (evidence, groups) => {
      const theirs = subscriptionOf(evidence, activePerson(evidence));
      const reference = `${theirs.reference}-more`;
      const subscription = { customer_id: theirs.customer?.id, product_handle: 'extra', reference };
      const path = '/subscriptions.json';
      evidence.ledger.push(call(evidence, { method: 'POST', path, template: path, body: { subscription }, applied: false }));
      evidence.subscriptions.push({ ...theirs, id: 1, reference, product: { ...theirs.product, handle: 'extra' } });
      return groups;
    },
  },
  {
    invariant: 'I3',
    bug: 'somebody is canceled for a group that has given the product back',
    plant: (evidence, groups, user) => {
      cancelAfterGift(evidence, user, evidence.settings.sendGraceMs + 2 * evidence.settings.slackMs);
      return groups;
    },
  },
  {
    invariant: 'I3',
    bug: 'somebody is canceled for a group before its grace is over',
    plant: (evidence, groups, user) => {
      deleteCall(evidence);
      const atMs = (evidence.ledger.at(-1)?.arrivedMs ?? 0) - groups.graceMs / 2;
      const { generation } = activePerson(evidence);
      const entry = { kind: 'scim' as const, what: 'groups', lost: ['plans'], requestId: 'r' };
      evidence.auditSeq += 1;
      evidence.audit.push({ seq: evidence.auditSeq, atMs, user, generation, entry });
      return groups;
    },
  },
];
