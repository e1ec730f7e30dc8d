/**
 * Before a create: what the survey index knows decides whether anything is created at all. One row for each thing it can know,
 * and the words that a person on call then reads. Pure; what the index answers is tested with a real Redis in survey-index.test.ts.
 */
import { describe, expect, it } from 'vitest';
import type { IndexedCustomer, IndexSight } from '../../src/directory/survey-index.ts';
import type { Customer } from '../../src/maxio/types.ts';
import { plan } from '../../src/provisioning/plan.ts';
import type { Desired, Known, Seen } from '../../src/provisioning/plan-types.ts';
import { inWords, leaving, mapped, staying } from './provisioning-plan-bench.ts';

const NOW_MS = 1_000_000;
const customer = { ...mapped, id: '5', reference: '00u1', created_at: '', updated_at: '' } as Customer;

function row(id: string, change: Partial<IndexedCustomer> = {}): IndexedCustomer {
  const email = 'ann@example.com';
  return { id, reference: null, email, name: 'Ann Lee', fields: {}, createdAt: '', updatedAt: '', readAtMs: 1, ...change };
}

function known(index: IndexSight | undefined, seen: Partial<Seen> = {}): Known {
  const refused = new Map<string, string>();
  return {
    open: [],
    nowMs: NOW_MS,
    unknownOutcomeMs: 130_000,
    seen: { refused, ...(index === undefined ? {} : { index }), ...seen },
  };
}

function parkedIn(desired: Desired, state: Known): string {
  const decision = plan(desired, state);
  if (decision.kind !== 'park') throw new Error(`not parked: ${inWords(decision)}`);
  expect(decision.reason).toBe('link-approval');
  return decision.detail;
}

const NOBODY: IndexSight = { ready: true, strangers: [] };
const OURS: IndexSight = { ready: true, strangers: [], referenced: row('5', { reference: '00u1' }) };

describe('a person without a customer', () => {
  it.each<{ knows: string; index: IndexSight | undefined; does: string }>([
    { knows: 'has not been asked', index: undefined, does: 'look index' },
    {
      knows: 'nothing, because no survey has ended',
      index: { ready: false, strangers: [] },
      does: 'step create-with-subscription',
    },
    { knows: 'nobody like this person', index: NOBODY, does: 'step create-with-subscription' },
    { knows: 'a customer with their reference', index: OURS, does: 'look customer' },
    { knows: 'a stranger with their address', index: { ready: true, strangers: [row('7')] }, does: 'park link-approval' },
    { knows: 'two strangers', index: { ready: true, strangers: [row('7'), row('8')] }, does: 'park link-approval' },
    {
      knows: 'a stranger with a reference that is nobody here',
      index: { ready: true, strangers: [row('7', { reference: 'crm-7' })] },
      does: 'park link-approval',
    },
    {
      knows: 'that an operator has approved a customer with another address',
      index: { ...NOBODY, approved: '7', awaited: true },
      does: 'park link-approval',
    },
    {
      knows: 'that such a link is carried out, but has read the customer as it was before',
      index: { ready: true, strangers: [row('7')], approved: '7', awaited: false },
      does: 'look customer',
    },
    { knows: 'their own customer and a stranger', index: { ...OURS, strangers: [row('7')] }, does: 'look customer' },
  ])('when the index knows $knows: $does', ({ index, does }) => {
    expect(inWords(plan(staying, known(index)))).toBe(does);
  });

  it('who was never active is left alone, and costs no look at the index', () => {
    expect(inWords(plan(leaving, known(undefined)))).toBe('settle');
    expect(inWords(plan(leaving, known({ ...NOBODY, approved: '5' })))).toBe('settle');
  });

  it('who has left is left alone without a word of an operator, whoever is at Maxio', () => {
    const left: Desired = { ...leaving, left: true };
    expect(inWords(plan(left, known(undefined)))).toBe('look index');
    for (const index of [{ ready: false, strangers: [] }, NOBODY, OURS, { ready: true, strangers: [row('7')] }]) {
      expect(inWords(plan(left, known(index)))).toBe('settle');
    }
  });

  it('who has left after an operator has linked them is adopted, so that what they have ends', () => {
    const left: Desired = { ...leaving, left: true };
    expect(inWords(plan(left, known({ ...NOBODY, approved: '5', awaited: true })))).toBe('park link-approval');
    const carried = { ...OURS, approved: '5', awaited: false };
    expect(inWords(plan(left, known(carried)))).toBe('look customer');
    expect(plan(left, known(carried, { customer: { value: customer, atMs: NOW_MS } }))).toMatchObject({
      kind: 'note',
      link: { customerId: '5', origin: 'adopted', unseen: true },
    });
    expect(inWords(plan(left, known(carried, { customer: { value: undefined, atMs: NOW_MS } })))).toBe('settle');
  });

  it('without an e-mail address is adopted where the index knows the reference, and parked for the address where it does not', () => {
    const nameless: Desired = { ...staying, mapped: { ...mapped, email: null } };
    expect(inWords(plan(nameless, known(OURS)))).toBe('look customer');
    expect(inWords(plan(nameless, known(NOBODY)))).toBe('park needs-email');
  });

  it('is created when the customer that the index knew is gone from Maxio', () => {
    expect(inWords(plan(staying, known(OURS, { customer: { value: undefined, atMs: NOW_MS } })))).toBe(
      'step create-with-subscription',
    );
    const undone = { ...NOBODY, approved: '7', awaited: false };
    expect(inWords(plan(staying, known(undone, { customer: { value: undefined, atMs: NOW_MS } })))).toBe(
      'step create-with-subscription',
    );
    const another = { ...OURS, strangers: [row('7')] };
    expect(inWords(plan(staying, known(another, { customer: { value: undefined, atMs: NOW_MS } })))).toBe('park link-approval');
  });
});

describe('a customer that carries our reference', () => {
  const found = (value: Customer, sight: Partial<IndexSight> = {}) =>
    known({ ...OURS, ...sight }, { customer: { value, atMs: NOW_MS } });

  it('is adopted when an address agrees', () => {
    expect(plan(staying, found(customer))).toMatchObject({
      kind: 'note',
      link: { customerId: '5', origin: 'adopted', unseen: true },
    });
  });

  it('is adopted without a shared address when an operator has approved this very link', () => {
    const stranger = { ...customer, email: 'old@example.org' };
    expect(plan(staying, found(stranger, { approved: '5' }))).toMatchObject({
      kind: 'note',
      link: { customerId: '5', origin: 'adopted', unseen: true },
      why: 'adopted by an approved link',
    });
  });

  it.each([
    { what: 'another customer was approved', sight: { approved: '9' }, reference: '00u1' },
    { what: 'nothing was approved', sight: {}, reference: '00u1' },
    { what: 'it carries the reference in other letters only', sight: { approved: '5' }, reference: '00U1' },
  ])('needs our mark when $what', ({ sight, reference }) => {
    const state = found({ ...customer, email: 'old@example.org', reference }, sight);
    expect(inWords(plan(staying, state))).toBe('look marks');
    state.seen.marked = { value: false };
    expect(parkedIn(staying, state)).toContain('customer 5');
  });

  it('is asked about in the index when the create was refused as taken before anybody looked there', () => {
    const stranger = { ...customer, email: 'old@example.org' };
    const refused = known(undefined, { referenceTaken: true, customer: { value: stranger, atMs: NOW_MS } });
    expect(inWords(plan(staying, refused))).toBe('look index');
    const approved = { ready: true, strangers: [], approved: '5' };
    expect(plan(staying, { ...refused, seen: { ...refused.seen, index: approved } })).toMatchObject({ kind: 'note' });
  });
});

describe('the words for a person on call', () => {
  it('name the customers and what to do, and no personal data', () => {
    const one = parkedIn(staying, known({ ready: true, strangers: [row('7')] }));
    expect(one).toContain('customer 7 already has');
    expect(one).toContain('maxio-scim link plan');
    expect(one).not.toContain('@');
    const strangers = Array.from({ length: 8 }, (_, i) => row(String(i + 1)));
    expect(parkedIn(staying, known({ ready: true, strangers }))).toContain('customers 1, 2, 3, 4, 5 and 3 more already have');
  });

  it('say that an approved link goes on by itself', () => {
    const words = parkedIn(staying, known({ ready: true, strangers: [row('7')], approved: '7', awaited: true }));
    expect(words).toContain('customer 7 is approved');
    expect(words).toContain('by itself');
  });
});
