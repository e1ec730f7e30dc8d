/**
 * The plan while a call is unanswered, while a record has vanished, and while a reference belongs to somebody. Absence proves nothing before the
 * call can no longer take effect, presence only what carries our mark. Typed by the step kinds: a new kind without a row does not compile.
 */
import { describe, expect, it } from 'vitest';
import type { MaxioLink, OpenStep, StepKind } from '../../src/directory/record.ts';
import type { IndexSight } from '../../src/directory/survey-index.ts';
import type { Customer, Subscription } from '../../src/maxio/types.ts';
import { addressDigest, conclusions, hasLanded, subscriptionReference } from '../../src/provisioning/ghosts.ts';
import { plan } from '../../src/provisioning/plan.ts';
import type { Desired, Known } from '../../src/provisioning/plan-types.ts';
import { inWords, leaving, MARK, mapped, staying, subscription } from './provisioning-plan-bench.ts';

const SENT_MS = 1_000_000;
const UNKNOWN_MS = 130_000;
const EARLY_MS = SENT_MS + 20_000;
const LATE_MS = SENT_MS + UNKNOWN_MS;
const customer = { ...mapped, id: '5', reference: '00u1', created_at: '', updated_at: '' } as Customer;
const live = subscription('active', {
  reference: subscriptionReference(MARK, 'earlier-one'),
  currentPeriodEndsAt: new Date(SENT_MS + 10 * 86_400_000).toISOString(),
});
const link: MaxioLink = {
  customerId: '5',
  origin: 'created',
  confirmed: { ...mapped },
  subscriptions: [{ id: '7', origin: 'created', state: 'active', productHandle: 'pro' }],
};

function open(kind: StepKind): OpenStep {
  const aboutOne = !kind.startsWith('create') && kind !== 'update-customer';
  const to = kind === 'change-product' ? { productHandle: 'max' } : {};
  return { kind, token: 'token-of-this-attempt', generation: 1, sentAtMs: SENT_MS, ...(aboutOne ? { target: '7' } : {}), ...to };
}

/** The survey knows nobody like this person; see provisioning-plan-twins.test.ts for the others. */
const NOBODY: IndexSight = { ready: true, strangers: [] };

function known(change: Partial<Known> & { subscriptions?: Subscription[] | undefined; at?: number } = {}): Known {
  const { subscriptions, at, ...rest } = change;
  const seen = { refused: new Map<string, string>(), index: NOBODY, ...rest.seen };
  if (subscriptions !== undefined) seen.subscriptions = { value: subscriptions, atMs: at ?? EARLY_MS };
  return { open: [], nowMs: EARLY_MS, unknownOutcomeMs: UNKNOWN_MS, ...rest, seen };
}

/** One open step, nothing to see of its effect: before a look, after an early look, after a look that came late enough. */
type Row = Record<'unlooked' | 'early' | 'late', string>;
const WAITS: Row = { unlooked: 'look subscriptions', early: 'wait unknown-outcome', late: 'note, 0 open' };
const OPEN: Record<
  Exclude<StepKind, 'create-customer' | 'create-with-subscription'>,
  { staying: Row; leaving: Row; seen: Subscription[] }
> = {
  'create-subscription': { staying: WAITS, leaving: WAITS, seen: [] },
  reactivate: { staying: WAITS, leaving: WAITS, seen: [{ ...live, state: 'canceled' }] },
  resume: { staying: WAITS, leaving: { ...WAITS, early: 'step cancel' }, seen: [{ ...live, state: 'on_hold' }] },
  'undo-delayed-cancel': { staying: WAITS, leaving: WAITS, seen: [{ ...live, ending: true }] },
  cancel: { staying: WAITS, leaving: { ...WAITS, early: 'step cancel' }, seen: [live] },
  'delay-cancel': { staying: WAITS, leaving: { ...WAITS, early: 'step cancel' }, seen: [live] },
  hold: { staying: WAITS, leaving: { ...WAITS, early: 'step cancel' }, seen: [live] },
  'change-product': { staying: WAITS, leaving: { ...WAITS, early: 'step cancel' }, seen: [live] },
  'update-customer': {
    staying: { unlooked: 'wait unknown-outcome', early: 'wait unknown-outcome', late: 'note, 0 open' },
    leaving: { ...WAITS, early: 'step cancel' },
    seen: [live],
  },
};
const rows = Object.entries(OPEN).flatMap(([kind, { seen, ...intents }]) =>
  Object.entries(intents).map(([intent, row]) => ({ kind: kind as StepKind, intent, row, seen })),
);

describe('one unanswered call', () => {
  it.each(rows)('$kind, $intent: nothing is concluded before it has expired', ({ kind, intent, row, seen }) => {
    const desired = intent === 'staying' ? staying : leaving;
    const base = { link, open: [open(kind)] };
    expect(inWords(plan(desired, known(base)))).toBe(row.unlooked);
    expect(inWords(plan(desired, known({ ...base, subscriptions: seen })))).toBe(row.early);
    expect(inWords(plan(desired, known({ ...base, subscriptions: seen, at: LATE_MS, nowMs: LATE_MS })))).toBe(row.late);
  });

  it.each(rows)('$kind, $intent: an old look does not count as a late one', ({ kind, intent, seen }) => {
    const desired = intent === 'staying' ? staying : leaving;
    const decision = plan(desired, known({ link, open: [open(kind)], subscriptions: seen, at: LATE_MS - 1, nowMs: LATE_MS }));
    if (kind !== 'update-customer') expect(decision.kind).not.toBe('settle');
    if (decision.kind === 'step') expect(decision.step.kind).toBe('cancel');
  });
});

const landed: Record<StepKind, { yes: Subscription[][]; no: Subscription[][] }> = {
  'create-customer': { yes: [[]], no: [] },
  'create-with-subscription': {
    yes: [[{ ...live, reference: subscriptionReference(MARK, 'token-of-this-attempt') }]],
    no: [[], [live], [{ ...live, reference: null }]],
  },
  'create-subscription': {
    yes: [[live, { ...live, id: '8', reference: subscriptionReference(MARK, 'token-of-this-attempt') }]],
    no: [[], [live], [{ ...live, reference: 'token-of-this-attempt' }]],
  },
  reactivate: { yes: [[live], []], no: [[{ ...live, state: 'canceled' }]] },
  resume: { yes: [[live], []], no: [[{ ...live, state: 'on_hold' }]] },
  'undo-delayed-cancel': { yes: [[live], []], no: [[{ ...live, ending: true }]] },
  cancel: {
    yes: [[{ ...live, state: 'canceled', cancellationMessage: 'step=token-of-this-attempt' }], []],
    no: [[live], [{ ...live, state: 'canceled' }], [{ ...live, state: 'canceled', cancellationMessage: 'step=another' }]],
  },
  'delay-cancel': { yes: [[{ ...live, state: 'canceled' }], []], no: [[{ ...live, ending: true }], [live]] },
  hold: { yes: [[{ ...live, state: 'canceled' }], []], no: [[{ ...live, state: 'on_hold' }], [live]] },
  'change-product': { yes: [[{ ...live, productHandle: 'max' }], []], no: [[live]] },
  'update-customer': { yes: [], no: [[], [live]] },
};

describe('the effect of an unanswered call', () => {
  it.each(Object.entries(landed))('%s is believed only when what is seen can be nothing else', (kind, { yes, no }) => {
    for (const seen of yes) expect(hasLanded(open(kind as StepKind), MARK, seen), JSON.stringify(seen)).toBe(true);
    for (const seen of no) expect(hasLanded(open(kind as StepKind), MARK, seen), JSON.stringify(seen)).toBe(false);
  });
});

describe('what the audit trail says of a resolved change of product', () => {
  const told = (step: Partial<OpenStep>, seen: Subscription) => {
    const state = known({ link, open: [{ ...open('change-product'), ...step }], subscriptions: [seen] });
    return conclusions({ kind: 'note', link, open: [], why: '' }, state, MARK);
  };
  const seen = { step: 'change-product', customer: '5', subscription: '7', effect: 'seen' };
  const max = { ...live, productHandle: 'max' };

  it.each([
    ['seen', {}, max],
    ['not seen', {}, live],
    ['seen', { pricePointHandle: 'yearly' }, { ...max, pricePointHandle: 'yearly' }],
    ['not seen', { pricePointHandle: 'yearly' }, max],
    ['not seen', { pricePointHandle: 'yearly' }, { ...max, pricePointHandle: 'monthly' }],
    ['not seen', { pricePointHandle: 'yearly' }, { ...live, pricePointHandle: 'yearly' }],
    // As recorded by a release that kept the product alone.
    ['seen', { productHandle: 'pro' }, { ...live, pricePointHandle: 'yearly' }],
  ])('%s: asked for %j', (effect, step, subscription) => expect(told(step, subscription)).toEqual([{ ...seen, effect }]));
});

describe.each(['create-customer', 'create-with-subscription'] as const)('an unanswered %s', (kind) => {
  const both = [staying, leaving];

  it('F07 F44 makes everyone look, then wait while the person is absent, the leaver too', () => {
    for (const desired of both) {
      expect(inWords(plan(desired, known({ open: [open(kind)] })))).toBe('look customer');
      const absent = { customer: { value: undefined, atMs: EARLY_MS }, refused: new Map() };
      const early = plan(desired, known({ open: [open(kind)], seen: absent }));
      expect(inWords(early)).toBe('wait unknown-outcome');
      if (early.kind === 'wait') expect(early.untilMs).toBeLessThanOrEqual(LATE_MS);
      expect(inWords(plan(desired, known({ open: [open(kind)], seen: absent, nowMs: LATE_MS })))).toBe('look customer');
    }
  });

  it('is forgotten after a look that came late enough, and never before', () => {
    for (const desired of both) {
      const at = (atMs: number) =>
        known({ open: [open(kind)], seen: { customer: { value: undefined, atMs }, refused: new Map() }, nowMs: LATE_MS });
      expect(plan(desired, at(LATE_MS))).toMatchObject({ kind: 'note', link: undefined, open: [] });
      expect(inWords(plan(desired, at(LATE_MS - 1)))).toBe('look customer');
    }
  });

  it('F08 becomes a link when the customer is there, and its subscriptions are looked at before anything else', () => {
    for (const desired of both) {
      const found = { customer: { value: customer, atMs: EARLY_MS }, refused: new Map<string, string>() };
      const decision = plan(desired, known({ open: [open(kind)], seen: found }));
      if (decision.kind !== 'note') throw new Error(inWords(decision));
      expect(decision.link).toMatchObject({ customerId: '5', origin: 'created', unseen: true });
      const next = known({ link: decision.link, open: decision.open, seen: { refused: new Map() } });
      expect(inWords(plan(desired, next))).toBe('look subscriptions');
    }
  });

  it('B55 is not the customer that somebody else has made at the same moment, unless it has our address, or our mark', () => {
    const sent = { ...open(kind), sent: addressDigest('Before@Example.com') };
    const found = (email: string, marked?: boolean) =>
      known({
        open: [sent],
        seen: {
          customer: { value: { ...customer, email }, atMs: EARLY_MS },
          refused: new Map(),
          ...(marked === undefined ? {} : { marked: { value: marked } }),
        },
      });
    for (const desired of both) {
      // The person has another address by now; the create had the one before.
      expect(plan(desired, found('before@example.com'))).toMatchObject({ link: { customerId: '5', origin: 'created' } });
      expect(plan(desired, found('ann@example.com'))).toMatchObject({ link: { customerId: '5', origin: 'created' } });
      expect(plan(desired, found('bob@example.com', true))).toMatchObject({ link: { customerId: '5', origin: 'created' } });
      const stranger = plan(desired, found('bob@example.com', false));
      expect(stranger).toMatchObject({ kind: 'note', link: undefined, open: [] });
    }
    const unlooked = inWords(plan(staying, found('bob@example.com')));
    expect(unlooked).toBe(kind === 'create-customer' ? 'note, 0 open' : 'look marks');
  });

  it('with a later one beside it waits for the later one', () => {
    const opens = [open(kind), { ...open(kind), token: 'second', sentAtMs: SENT_MS + 60_000 }];
    const seen = { customer: { value: undefined, atMs: LATE_MS }, refused: new Map<string, string>() };
    expect(inWords(plan(staying, known({ open: opens, seen, nowMs: LATE_MS })))).toBe('wait unknown-outcome');
  });
});

describe('a customer that Maxio no longer lists', () => {
  const vanished = (change: Partial<Known>, found?: Known['seen']['customer']) =>
    known({
      link,
      ...change,
      seen: { subscriptions: { value: undefined, atMs: EARLY_MS }, refused: new Map(), ...(found ? { customer: found } : {}) },
    });

  it.each([staying, leaving])('F47 counts as gone only after a look by reference, intent $intent', (desired) => {
    expect(inWords(plan(desired, vanished({})))).toBe('look customer');
    expect(plan(desired, vanished({}, { value: undefined, atMs: EARLY_MS }))).toMatchObject({
      kind: 'note',
      link: undefined,
      open: [],
    });
  });

  it.each([staying, leaving])('and is found by reference all the same is a contradiction, intent $intent', (desired) => {
    expect(inWords(plan(desired, vanished({}, { value: customer, atMs: EARLY_MS })))).toBe('retry contradiction');
  });

  it.each([staying, leaving])('stays while a call about it is unanswered, intent $intent', (desired) => {
    const change = { open: [open('create-subscription')] };
    expect(inWords(plan(desired, vanished(change, { value: undefined, atMs: EARLY_MS })))).toBe('wait unknown-outcome');
    const later = { ...change, nowMs: LATE_MS };
    expect(inWords(plan(desired, vanished(later, { value: undefined, atMs: LATE_MS })))).toBe('note, 0 open');
  });

  it('whose reference now belongs to another record is linked anew only with a second sign', () => {
    const other = { ...customer, id: '6' };
    const same = plan(leaving, vanished({}, { value: { ...other, email: 'ann@example.com' }, atMs: EARLY_MS }));
    expect(same).toMatchObject({ kind: 'note', link: { customerId: '6', origin: 'adopted', subscriptions: [], unseen: true } });
    const stranger = plan(leaving, vanished({}, { value: { ...other, email: 'bob@example.com' }, atMs: EARLY_MS }));
    expect(inWords(stranger)).toBe('park link-approval');
  });

  it('is made again for someone who stays, and for nobody else', () => {
    expect(inWords(plan(staying, known()))).toBe('step create-with-subscription');
    expect(inWords(plan({ ...staying, products: [] }, known()))).toBe('step create-customer');
    expect(inWords(plan(leaving, known()))).toBe('settle');
  });
});

describe('a reference that is taken at Maxio', () => {
  const taken = (value?: Customer, looked = true) =>
    known({ seen: { referenceTaken: true, refused: new Map(), ...(looked ? { customer: { value, atMs: EARLY_MS } } : {}) } });

  it('is looked up, and adopted when an e-mail address or the userName agrees in any letter case', () => {
    expect(inWords(plan(staying, taken(undefined, false)))).toBe('look customer');
    expect(plan(staying, taken({ ...customer, email: 'ANN@Example.com' }))).toMatchObject({
      kind: 'note',
      link: { customerId: '5', origin: 'adopted', unseen: true, subscriptions: [] },
    });
  });

  it.each(['bob@example.com', ''])('B55 waits for a person on call when the customer has the address %j', (email) => {
    const state = taken({ ...customer, email });
    expect(inWords(plan(staying, state))).toBe('look marks');
    state.seen.marked = { value: false };
    const decision = plan(staying, state);
    expect(decision).toMatchObject({ kind: 'park', reason: 'link-approval', detail: expect.stringContaining('customer 5') });
    expect(JSON.stringify(decision)).not.toContain('@');
  });

  it('is ours when one of its subscriptions carries our mark for this person, whatever the address', () => {
    const state = taken({ ...customer, email: 'bob@example.com' });
    state.seen.marked = { value: true };
    expect(plan(staying, state)).toMatchObject({ kind: 'note', link: { customerId: '5', origin: 'created', unseen: true } });
  });

  it('and yet not found is tried again, and a leaver is left alone', () => {
    expect(inWords(plan(staying, taken(undefined)))).toBe('retry reference-conflict');
    expect(inWords(plan(leaving, taken({ ...customer, email: 'bob@example.com' })))).toBe('settle');
  });
});

describe('someone without an e-mail address', () => {
  const nameless: Desired = { ...staying, mapped: { ...mapped, email: null } };

  it('is parked before a create, not before a look at an unanswered one, and not when a customer exists', () => {
    expect(inWords(plan(nameless, known()))).toBe('park needs-email');
    expect(inWords(plan(nameless, known({ open: [open('create-customer')] })))).toBe('look customer');
    expect(inWords(plan(nameless, known({ link })))).toBe('settle');
    expect(inWords(plan({ ...nameless, intent: 'inactive' }, known()))).toBe('settle');
  });
});

describe.each(['hold', 'cancel_at_period_end'] as const)('a refused ending under the policy %s', (policy) => {
  const renewalMs = Date.parse(live.currentPeriodEndsAt ?? '');
  const refused = (nowMs: number, subscription = live) => {
    const state = known({ link, subscriptions: [subscription], nowMs });
    state.seen.refused.set('7', 'is past due');
    return plan({ ...leaving, policy }, state);
  };

  it('is tried again until an hour before the renewal, then shown to a human', () => {
    expect(refused(renewalMs - 3_600_001)).toMatchObject({
      kind: 'retry',
      reason: 'refused-for-now',
      detail: expect.stringContaining('past due'),
    });
    expect(refused(renewalMs - 3_600_000)).toMatchObject({
      kind: 'park',
      reason: 'cannot-end',
      detail: expect.stringContaining('past due'),
    });
    expect(inWords(refused(renewalMs + 1))).toBe('park cannot-end');
  });

  it('F64 compares instants, whatever offset the site writes', () => {
    const text = new Date(renewalMs - 5 * 3_600_000).toISOString().replace('.000Z', '-05:00');
    expect(inWords(refused(renewalMs - 3_600_001, { ...live, currentPeriodEndsAt: text }))).toBe('retry refused-for-now');
    expect(inWords(refused(renewalMs - 3_600_000, { ...live, currentPeriodEndsAt: text }))).toBe('park cannot-end');
  });

  it('without a known renewal is shown at once', () => {
    expect(inWords(refused(EARLY_MS, { ...live, currentPeriodEndsAt: undefined }))).toBe('park cannot-end');
  });

  it('is not called refused while an unanswered one of the same subscription may still come', () => {
    const kind = policy === 'hold' ? 'hold' : 'delay-cancel';
    const state = known({ link, open: [open(kind)], subscriptions: [{ ...live, currentPeriodEndsAt: undefined }] });
    state.seen.refused.set('7', 'not now');
    expect(inWords(plan({ ...leaving, policy }, state))).toBe('wait unknown-outcome');
    expect(inWords(plan({ ...leaving, policy }, { ...state, nowMs: LATE_MS }))).toBe('look subscriptions');
    const other = { ...state, open: [{ ...open(kind), target: '8' }] };
    expect(inWords(plan({ ...leaving, policy }, other))).toBe('park cannot-end');
  });

  it('does not keep the others from ending', () => {
    const state = known({
      link: { ...link, subscriptions: [...link.subscriptions, { id: '8', origin: 'created', state: 'active' }] },
    });
    state.seen.subscriptions = { value: [live, { ...live, id: '8' }], atMs: EARLY_MS };
    state.seen.refused.set('7', 'is past due');
    expect(plan({ ...leaving, policy }, state)).toMatchObject({ kind: 'step', step: { target: '8' } });
  });
});

describe('an update', () => {
  it('sends what differs, and after an unanswered one everything', () => {
    const renamed: Desired = { ...staying, mapped: { ...mapped, last_name: 'Ray' } };
    expect(plan(renamed, known({ link }))).toEqual({
      kind: 'step',
      step: { kind: 'update-customer', customerId: '5', fields: { last_name: 'Ray' } },
    });
    const decision = plan(staying, known({ link, open: [open('update-customer')], nowMs: LATE_MS }));
    expect(decision).toMatchObject({ kind: 'note', link: { inDoubt: true }, open: [] });
    expect(plan(staying, known({ link: { ...link, inDoubt: true } }))).toMatchObject({
      step: { fields: { first_name: 'Ann', last_name: 'Lee', email: 'ann@example.com' } },
    });
  });

  it('of someone who left costs nothing', () => {
    const gone = known({ link, subscriptions: [{ ...live, state: 'canceled' }] });
    expect(inWords(plan({ ...leaving, mapped: { ...mapped, last_name: 'Ray' } }, gone))).toBe('settle');
  });
});
