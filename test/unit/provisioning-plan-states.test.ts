/**
 * The plan as a table: every subscription state Maxio knows, and one it has not invented yet, by intent, policy and whose subscription it is.
 * The tables are typed by the state names, so a state without a row does not compile. Source: subscription states in Maxio's API reference.
 */
import { describe, expect, it } from 'vitest';
import type { MaxioLink, RememberedSubscription } from '../../src/directory/record.ts';
import { SUBSCRIPTION_STATES, type Subscription, type SubscriptionState } from '../../src/maxio/types.ts';
import { plan } from '../../src/provisioning/plan.ts';
import type { Desired, Known } from '../../src/provisioning/plan-types.ts';
import { cancellationMessage, rememberSeen } from '../../src/provisioning/remember.ts';
import { isPresent, type Standing, standingOf } from '../../src/provisioning/states.ts';
import { inWords, leaving, MARK, mapped, staying, subscription } from './provisioning-plan-bench.ts';

type AnyState = SubscriptionState | 'levitating';
type Policy = Desired['policy'];
type Owner = 'created' | 'adopted' | 'foreign';
const STATES: AnyState[] = [...SUBSCRIPTION_STATES, 'levitating'];
const POLICIES: Policy[] = ['cancel', 'cancel_at_period_end', 'hold'];
const OWNERS: Owner[] = ['created', 'adopted', 'foreign'];

const STANDING: Record<AnyState, Standing> = {
  pending: 'billing',
  failed_to_create: 'ended',
  trialing: 'billing',
  assessing: 'billing',
  active: 'billing',
  soft_failure: 'billing',
  past_due: 'billing',
  suspended: 'billing',
  canceled: 'ended',
  expired: 'ended',
  paused: 'billing',
  unpaid: 'billing',
  trial_ended: 'billing',
  on_hold: 'held',
  awaiting_signup: 'billing',
  awaiting_signup_date: 'billing',
  levitating: 'unknown',
};

/** What happens to a managed subscription of someone who leaves. */
const LEAVING: Record<Standing, Record<Policy, string>> = {
  billing: { cancel: 'step cancel', cancel_at_period_end: 'step delay-cancel', hold: 'step hold' },
  held: { cancel: 'step cancel', cancel_at_period_end: 'step delay-cancel', hold: 'settle' },
  ended: { cancel: 'settle', cancel_at_period_end: 'settle', hold: 'settle' },
  unknown: { cancel: 'park unknown-state', cancel_at_period_end: 'park unknown-state', hold: 'park unknown-state' },
};

/** What happens for someone who stays: a second subscription only where nothing stands in its way. */
const STAYING: Record<Standing, string> = {
  billing: 'settle',
  held: 'settle',
  ended: 'step create-subscription',
  unknown: 'settle',
};

/** Everything known after the customer's list has been read, as look.ts leaves it. */
function observed(owner: Owner, seen: Subscription[], before: RememberedSubscription[] = []): Known {
  const origin = owner === 'adopted' ? 'adopted' : 'created';
  const own = owner === 'created' ? seen.map((each) => ({ ...each, reference: `${MARK}abc` })) : seen;
  const link: MaxioLink = { customerId: '5', origin, confirmed: { ...mapped }, subscriptions: before, unseen: true };
  return {
    link: rememberSeen(link, own, MARK, 'p1'),
    open: [],
    seen: { subscriptions: { value: own, atMs: 1_000 }, refused: new Map() },
    nowMs: 1_000,
    unknownOutcomeMs: 130_000,
  };
}

/** As our own cancel of this person leaves it at Maxio. */
const OUR_MESSAGE = cancellationMessage('p1', 3, 'a-token', 'inactive');

const combinations = STATES.flatMap((state) => POLICIES.flatMap((policy) => OWNERS.map((owner) => ({ state, policy, owner }))));

describe('a state', () => {
  it.each(STATES)(
    '%s has the standing that the table gives it, and stands in the way of another unless it has ended',
    (state) => {
      expect(standingOf(state)).toBe(STANDING[state]);
      expect(isPresent(state)).toBe(STANDING[state] !== 'ended');
    },
  );

  it.each(['Active', ' active', 'ACTIVE', '', 'constructor', '__proto__'])(
    '%j, which is no state, is unknown and not ended',
    (state) => {
      expect(standingOf(state)).toBe('unknown');
      expect(isPresent(state)).toBe(true);
    },
  );
});

describe('someone who leaves', () => {
  it.each(combinations)('with a $owner subscription that is $state, policy $policy', ({ state, policy, owner }) => {
    const decision = plan({ ...leaving, policy }, observed(owner, [subscription(state)]));
    expect(inWords(decision)).toBe(owner === 'foreign' ? 'settle' : LEAVING[STANDING[state]][policy]);
    if (decision.kind === 'step') expect(decision.step).toEqual({ kind: decision.step.kind, target: '7' });
    const shown = owner === 'foreign' && STANDING[state] !== 'ended';
    if (decision.kind === 'settle') expect(decision.note !== undefined, 'foreign live ones are told of').toBe(shown);
  });

  it.each(POLICIES)('and whose subscription already ends with its period is left to it, policy %s', (policy) => {
    const known = observed('created', [subscription('active', { ending: true })]);
    expect(inWords(plan({ ...leaving, policy }, known))).toBe('settle');
  });

  it('F14 loses each of three subscriptions, one decision at a time, whatever product they are of', () => {
    const ids = ['7', '8', '9'];
    for (let done = 0; done <= ids.length; done += 1) {
      const seen = ids.map((id, at) => subscription(at < done ? 'canceled' : 'past_due', { id, productHandle: `p${id}` }));
      const decision = plan(leaving, observed('adopted', seen));
      if (done < ids.length) expect(decision).toEqual({ kind: 'step', step: { kind: 'cancel', target: ids[done] } });
      else expect(decision).toEqual({ kind: 'settle' });
    }
  });

  it('with an unknown state beside a live one: the live one ends first, then the person is parked', () => {
    const unknown = subscription('levitating', { id: '6' });
    expect(plan(leaving, observed('created', [unknown, subscription('active')]))).toMatchObject({
      kind: 'step',
      step: { target: '7' },
    });
    expect(plan(leaving, observed('created', [unknown, subscription('canceled')]))).toMatchObject({
      kind: 'park',
      reason: 'unknown-state',
    });
  });

  it('without a customer and without an open step costs nothing', () => {
    const known: Known = { open: [], seen: { refused: new Map() }, nowMs: 0, unknownOutcomeMs: 130_000 };
    expect(plan(leaving, known)).toEqual({ kind: 'settle' });
  });

  it('and was settled as quiet before costs nothing, unless a call is open', () => {
    const link: MaxioLink = { customerId: '5', origin: 'created', confirmed: {}, subscriptions: [], quiet: true };
    const known: Known = { link, open: [], seen: { refused: new Map() }, nowMs: 0, unknownOutcomeMs: 130_000 };
    expect(plan(leaving, known)).toEqual({ kind: 'settle' });
    const open = [{ kind: 'reactivate' as const, token: 't', target: '7', generation: 1, sentAtMs: 0 }];
    expect(plan(leaving, { ...known, open })).toEqual({ kind: 'look', at: 'subscriptions' });
    expect(plan(leaving, { ...known, link: { ...link, quiet: false } })).toEqual({ kind: 'look', at: 'subscriptions' });
  });
});

describe('someone who stays', () => {
  it.each(combinations)('with a $owner subscription that is $state, policy $policy', ({ state, policy, owner }) => {
    const decision = plan({ ...staying, policy }, observed(owner, [subscription(state)]));
    expect(inWords(decision)).toBe(STAYING[STANDING[state]]);
  });

  it.each(combinations)('is never ended: $owner, $state, policy $policy', ({ state, policy, owner }) => {
    for (const ending of [false, true]) {
      for (const endedBy of [undefined, 'cancel', 'cancel_at_period_end', 'hold'] as const) {
        const before =
          endedBy === undefined ? [] : [{ id: '7', origin: 'created' as const, state, productHandle: 'pro', endedBy }];
        const decision = plan({ ...staying, policy }, observed(owner, [subscription(state, { ending })], before));
        expect(inWords(decision)).not.toMatch(/^step (cancel|delay-cancel|hold)$/);
      }
    }
  });

  it('gets no second subscription while somebody else at Maxio has given the customer that product', () => {
    const other = subscription('active', { productHandle: 'other' });
    expect(inWords(plan(staying, observed('foreign', [subscription('active')])))).toBe('settle');
    expect(inWords(plan(staying, observed('foreign', [subscription('canceled')])))).toBe('step create-subscription');
    expect(inWords(plan(staying, observed('foreign', [other])))).toBe('step create-subscription');
  });

  it('gets no subscription at a site without a product', () => {
    expect(inWords(plan({ ...staying, products: [] }, observed('created', [])))).toBe('settle');
  });

  it('keeps an ending or a hold that somebody else has set', () => {
    expect(inWords(plan(staying, observed('created', [subscription('active', { ending: true })])))).toBe('settle');
    expect(inWords(plan(staying, observed('created', [subscription('on_hold')])))).toBe('settle');
  });
});

/** What is remembered of our ending, against what is seen now. */
type EndedBy = NonNullable<RememberedSubscription['endedBy']>;
type Now = 'active' | 'ending' | 'on_hold' | 'canceled' | 'canceled by staff' | 'gone';
const RETURNING: Record<EndedBy, Record<Now, string>> = {
  cancel: {
    active: 'note, 0 open',
    ending: 'note, 0 open',
    on_hold: 'note, 0 open',
    canceled: 'step reactivate',
    'canceled by staff': 'step create-subscription',
    gone: 'step create-subscription',
  },
  cancel_at_period_end: {
    active: 'note, 0 open',
    ending: 'step undo-delayed-cancel',
    on_hold: 'note, 0 open',
    canceled: 'step reactivate',
    // Maxio carries out the scheduled end by itself and leaves no message of ours.
    'canceled by staff': 'step reactivate',
    gone: 'step create-subscription',
  },
  hold: {
    active: 'note, 0 open',
    ending: 'note, 0 open',
    on_hold: 'step resume',
    canceled: 'step reactivate',
    'canceled by staff': 'step create-subscription',
    gone: 'step create-subscription',
  },
};
const returning = Object.entries(RETURNING).flatMap(([endedBy, row]) =>
  Object.entries(row).map(([now, expected]) => ({ endedBy: endedBy as EndedBy, now, expected })),
);

describe('someone who comes back', () => {
  it.each(returning)('ended by $endedBy, now $now: $expected', ({ endedBy, now, expected }) => {
    const before: RememberedSubscription[] = [{ id: '7', origin: 'created', state: 'active', productHandle: 'pro', endedBy }];
    const state = now === 'ending' ? 'active' : (now.split(' ')[0] ?? now);
    const cancellationMessage = now === 'canceled' ? OUR_MESSAGE : null;
    const seen = now === 'gone' ? [] : [subscription(state, { ending: now === 'ending', cancellationMessage })];
    const decision = plan(staying, observed('created', seen, before));
    expect(inWords(decision)).toBe(expected);
    if (decision.kind === 'note') expect(decision.link?.subscriptions[0]).not.toHaveProperty('endedBy');
  });

  it('gets back only what the site still sells, and an adopted customer all that we ended', () => {
    const ended = (origin: 'created' | 'adopted'): RememberedSubscription[] => [
      { id: '7', origin, state: 'canceled', productHandle: 'old', endedBy: 'cancel' },
    ];
    const seen = [subscription('canceled', { productHandle: 'old', cancellationMessage: OUR_MESSAGE })];
    expect(inWords(plan(staying, observed('created', seen, ended('created'))))).toBe('step create-subscription');
    expect(inWords(plan(staying, observed('adopted', seen, ended('adopted'))))).toBe('step reactivate');
  });

  it('is reactivated from memory after a plain cancel, and looked at first after an ending that Maxio carries out by itself', () => {
    const known = (endedBy: EndedBy): Known => ({
      link: {
        customerId: '5',
        origin: 'created',
        confirmed: { ...mapped },
        subscriptions: [{ id: '7', origin: 'created', state: 'canceled', productHandle: 'pro', endedBy }],
      },
      open: [],
      seen: { refused: new Map() },
      nowMs: 0,
      unknownOutcomeMs: 130_000,
    });
    expect(plan(staying, known('cancel'))).toEqual({ kind: 'step', step: { kind: 'reactivate', target: '7' } });
    expect(plan(staying, known('cancel_at_period_end'))).toEqual({ kind: 'look', at: 'subscriptions' });
    expect(plan(staying, known('hold'))).toEqual({ kind: 'look', at: 'subscriptions' });
  });

  it('is not billed twice when somebody at Maxio has given the customer the product meanwhile', () => {
    for (const endedBy of ['cancel', 'cancel_at_period_end', 'hold'] as const) {
      const before: RememberedSubscription[] = [{ id: '7', origin: 'created', state: 'active', productHandle: 'pro', endedBy }];
      const ours = subscription('canceled', { cancellationMessage: endedBy === 'cancel' ? OUR_MESSAGE : null });
      const known = observed('foreign', [ours, subscription('active', { id: '8' })], before);
      const decision = plan(staying, known);
      if (endedBy === 'hold') expect(inWords(decision)).toBe('settle');
      else expect(inWords(decision)).toBe('note, 0 open');
      if (decision.kind === 'note') expect(inWords(plan(staying, { ...known, link: decision.link }))).toBe('settle');
      const other = observed('foreign', [ours, subscription('active', { id: '8', productHandle: 'other' })], before);
      expect(inWords(plan(staying, other))).toBe(endedBy === 'hold' ? 'step create-subscription' : 'step reactivate');
    }
  });

  it('whom Maxio refuses to reactivate is parked, and gets no second subscription', () => {
    const before: RememberedSubscription[] = [
      { id: '7', origin: 'created', state: 'canceled', productHandle: 'pro', endedBy: 'cancel' },
    ];
    const known = observed('created', [subscription('canceled', { cancellationMessage: OUR_MESSAGE })], before);
    known.seen.refused.set('7', 'No payment method was on file');
    expect(plan(staying, known)).toMatchObject({
      kind: 'park',
      reason: 'refused-by-maxio',
      detail: expect.stringContaining('No payment'),
    });
  });
});
