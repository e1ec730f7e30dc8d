/** Owns what the tests of the plan share: one person, one subscription, and a decision in words. No behaviour of its own. */
import type { Subscription } from '../../src/maxio/types.ts';
import { mapUser } from '../../src/provisioning/mapping.ts';
import type { Decision, Desired } from '../../src/provisioning/plan-types.ts';

export const MARK = 'scim-p1-';

export const mapped = mapUser({ userName: 'ann@example.com', active: true, name: { givenName: 'Ann', familyName: 'Lee' } });

export const staying: Desired = {
  intent: 'active',
  mapped,
  products: [{ productHandle: 'pro', through: 'site' }],
  plans: {},
  policy: 'cancel',
  corroboration: ['ann@example.com'],
  reference: '00u1',
  mark: MARK,
};

export const leaving: Desired = { ...staying, intent: 'inactive' };

export function subscription(state: string, change: Partial<Subscription> = {}): Subscription {
  return {
    id: '7',
    state,
    reference: null,
    productHandle: 'pro',
    productPriceInCents: 100,
    monthlyCents: 100,
    currentPeriodEndsAt: '2027-01-01T00:00:00Z',
    ending: false,
    cancellationMessage: null,
    customerId: '5',
    updatedAt: '',
    ...change,
  };
}

export function inWords(decision: Decision): string {
  if (decision.kind === 'step') return `step ${decision.step.kind}`;
  if (decision.kind === 'look') return `look ${decision.at}`;
  if (decision.kind === 'note') return `note, ${decision.open.length} open`;
  return 'reason' in decision ? `${decision.kind} ${decision.reason}` : decision.kind;
}
