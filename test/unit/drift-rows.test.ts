import { describe, expect, test } from 'vitest';
import type { MaxioLink, UserRecord } from '../../src/directory/record.ts';
import type { IndexedCustomer, IndexedSubscription } from '../../src/directory/survey-index.ts';
import { cancellationMessage } from '../../src/provisioning/remember.ts';
import { type Evidence, findingsOf } from '../../src/survey/drift-rows.ts';

const POLICY = { productHandle: 'pro', deprovision: 'cancel' as const };
const LINK: MaxioLink = {
  customerId: '7',
  origin: 'created',
  confirmed: { first_name: 'Ann', email: 'ann@example.com', phone: null },
  subscriptions: [{ id: '70', productHandle: 'pro', origin: 'created', state: 'active' }],
};

function record(change: Partial<UserRecord> = {}, link: Partial<MaxioLink> = {}): UserRecord {
  return {
    schemaVersion: 1,
    id: 'p1',
    reference: 'ref-1',
    generation: 3,
    settledGeneration: 3,
    attributes: { userName: 'ann@example.com', active: true },
    deleted: false,
    createdAtMs: 0,
    modifiedAtMs: 0,
    requestId: 'r',
    open: [],
    run: { outcome: 'settled', atMs: 1_000, attempts: 0 },
    link: { ...LINK, ...link },
    ...change,
  };
}

function left(change: Partial<UserRecord> = {}, link: Partial<MaxioLink> = {}): UserRecord {
  return record({ attributes: { userName: 'ann@example.com', active: false }, ...change }, link);
}

const customer: IndexedCustomer = {
  id: '7',
  reference: 'ref-1',
  email: 'ann@example.com',
  name: 'Ann Lee',
  fields: { first_name: 'Ann', email: 'ann@example.com', organization: 'by staff' },
  createdAt: '',
  updatedAt: '',
  readAtMs: 2_000,
};

function subscription(change: Partial<IndexedSubscription> = {}): IndexedSubscription {
  return {
    id: '70',
    customerId: '7',
    state: 'active',
    productHandle: 'pro',
    reference: null,
    ending: false,
    updatedAt: '',
    readAtMs: 2_000,
    ...change,
  };
}

function seen(change: Partial<Evidence> = {}): Evidence {
  return { customer, subscriptions: [subscription()], asOfMs: 2_000, ...change };
}

function kinds(who: UserRecord, evidence: Evidence, policy: Parameters<typeof findingsOf>[2] = POLICY): string[] {
  return findingsOf(who, evidence, policy).map(({ kind, repairable }) => `${kind}${repairable ? '' : ' (not repairable)'}`);
}

test('agreement is no difference; what was never ours is not compared', () => {
  expect(kinds(record(), seen())).toEqual([]);
});

describe('what pending or newer work explains is left out', () => {
  const gone = seen({ customer: undefined, subscriptions: [] });
  const open = [{ kind: 'cancel' as const, token: 't', generation: 3, sentAtMs: 1 }];
  test.each([
    ['open steps', record({ open })],
    ['a newer generation', record({ generation: 4 })],
    ['no run', record({ run: undefined as never })],
    ['parked', record({ run: { outcome: 'parked', atMs: 1_000, attempts: 0 } })],
    ['a run after the reading', record({ run: { outcome: 'settled', atMs: 2_000, attempts: 0 } })],
    ['no customer', record({ link: undefined as never })],
    ['a held leave', left({ settledGeneration: 2, run: undefined as never, leave: { atMs: 1, state: 'held' } })],
  ])('%s', (_name, who) => {
    expect(kinds(who, gone)).toEqual([]);
  });
  test('and without any of it the same is a difference', () => {
    expect(kinds(record(), gone)).toEqual(['customer-deleted']);
  });
});

describe('active people', () => {
  test.each<[string, Partial<Evidence>, string[], Partial<MaxioLink>?]>([
    ['another value', { customer: { ...customer, fields: { first_name: 'Eve' } } }, ['fields-differ']],
    ['only blanks and letter case of the address', { customer: { ...customer, email: ' ANN@example.com ' } }, []],
    [
      'a cleared field that somebody filled',
      { customer: { ...customer, fields: { ...customer.fields, phone: '1' } } },
      ['fields-differ'],
    ],
    ['fields after an unanswered update', { customer: { ...customer, fields: {} } }, [], { inDoubt: true }],
    ['another reference', { customer: { ...customer, reference: 'x' } }, ['reference-changed (not repairable)']],
    ['no reference', { customer: { ...customer, reference: null } }, ['reference-changed (not repairable)']],
    ['canceled', { subscriptions: [subscription({ state: 'canceled' })] }, ['active-unbilled']],
    ['none', { subscriptions: [] }, ['active-unbilled']],
    ['a foreign one of the product stands', { subscriptions: [subscription({ id: '71' })] }, []],
    [
      'a foreign one of another product does not',
      { subscriptions: [subscription({ id: '71', productHandle: 'x' })] },
      ['active-unbilled'],
    ],
    ['an unknown state stands', { subscriptions: [subscription({ state: 'mystery' })] }, []],
    ['scheduled to end', { subscriptions: [subscription({ ending: true })] }, ['ending-foreign']],
    ['on hold', { subscriptions: [subscription({ state: 'on_hold' })] }, ['ending-foreign']],
    ['moved', { subscriptions: [subscription({ productHandle: 'basic' })] }, ['fields-differ']],
    [
      'two of one product',
      { subscriptions: [subscription(), subscription({ id: '71' })] },
      ['duplicate-subscription (not repairable)'],
    ],
    ['two of different products', { subscriptions: [subscription(), subscription({ id: '71', productHandle: 'x' })] }, []],
    ['two, one ended', { subscriptions: [subscription(), subscription({ id: '71', state: 'canceled' })] }, []],
  ])('%s', (_name, evidence, expected, link = {}) => {
    expect(kinds(record({}, link), seen(evidence))).toEqual(expected);
  });

  test('F23 whose leave Maxio remembers and this directory has forgotten is told, and not repaired', () => {
    const canceled = subscription({
      state: 'canceled',
      cancellationMessage: cancellationMessage('p1', 4, 'a-token', 'inactive'),
      canceledAt: '1970-01-01T00:01:00Z',
    });
    const evidence = seen({ subscriptions: [canceled] });
    const byGroup = { ...POLICY, wanted: () => [{ productHandle: 'pro', family: 'f', through: 'group' as const }] };
    for (const policy of [POLICY, byGroup]) {
      expect(findingsOf(record(), evidence, policy)).toMatchObject([
        { kind: 'active-unbilled', repairable: false, detail: expect.stringContaining('(generation 4, here it is 3)') },
      ]);
      // Of an earlier generation, or earlier than the last word about the person, it is known.
      expect(kinds(record({ generation: 4, settledGeneration: 4 }), evidence, policy)).toEqual(['active-unbilled']);
      expect(kinds(record({ modifiedAtMs: 3_600_000 }), evidence, policy)).toEqual(['active-unbilled']);
    }
  });

  test('an ended one of a product that is not sold any more is not brought back', () => {
    const evidence = seen({ subscriptions: [subscription({ ending: true })] });
    expect(kinds(record(), evidence, { ...POLICY, productHandle: 'basic' })).toEqual(['ending-foreign (not repairable)']);
  });

  test('without a product only what was live before is missed, and nothing can be created for it', () => {
    const evidence = seen({ subscriptions: [] });
    expect(kinds(record({}, { subscriptions: [] }), evidence, { deprovision: 'cancel' })).toEqual([]);
    expect(kinds(record(), evidence, { deprovision: 'cancel' })).toEqual(['active-unbilled (not repairable)']);
  });
});

test('what somebody else has sold of a family is enough for a product that a group gives of it', () => {
  const policy = { ...POLICY, wanted: () => [{ productHandle: 'basic', family: 'plans', through: 'group' as const }] };
  const others = (productFamily: string) =>
    record({}, { subscriptions: [], foreign: [{ id: '90', productHandle: 'pro', productFamily }] });
  const theirs = seen({ subscriptions: [subscription({ id: '90' })] });
  expect(findingsOf(others('plans'), theirs, policy)).toEqual([]);
  const missing = expect.objectContaining({ kind: 'active-unbilled', key: 'active-unbilled:p1:basic', repairable: true });
  expect(findingsOf(others('courses'), theirs, policy)).toEqual([missing]);
  // It has ended: the group gives its own.
  const ended = seen({ subscriptions: [subscription({ id: '90', state: 'canceled' })] });
  expect(findingsOf(others('plans'), ended, policy)).toEqual([missing]);
});

describe('people who have left', () => {
  test.each<[string, IndexedSubscription[], 'cancel' | 'cancel_at_period_end' | 'hold', string[]]>([
    ['ended', [subscription({ state: 'canceled' })], 'cancel', []],
    ['scheduled to end', [subscription({ ending: true })], 'cancel_at_period_end', []],
    ['on hold by policy', [subscription({ state: 'on_hold' })], 'hold', []],
    ['on hold, but to be canceled', [subscription({ state: 'on_hold' })], 'cancel', ['left-billed']],
    ['live', [subscription()], 'hold', ['left-billed']],
    ['in an unknown state', [subscription({ state: 'mystery' })], 'cancel', ['left-billed']],
    ['live and foreign', [subscription({ id: '71' })], 'cancel', ['left-billed (not repairable)']],
    ['live and marked as ours', [subscription({ id: '71', reference: 'scim-p1-abc' })], 'cancel', ['left-billed']],
  ])('%s', (_name, subscriptions, deprovision, expected) => {
    expect(kinds(left(), seen({ subscriptions }), { ...POLICY, deprovision })).toEqual(expected);
  });

  test('everything of an adopted customer is ours', () => {
    const evidence = seen({ subscriptions: [subscription({ id: '71' })] });
    expect(kinds(left({}, { origin: 'adopted' }), evidence)).toEqual(['left-billed']);
  });

  test('what somebody has given an adopted customer since is not ended by itself; what was there before, and of ours, is', () => {
    const meant = (origin: 'adopted' | 'created', ...seenNow: IndexedSubscription[]) =>
      findingsOf(left({}, { origin }), seen({ subscriptions: seenNow }), POLICY).map(({ deliberate }) => deliberate);
    const fresh = subscription({ id: '71' });
    expect(meant('adopted', fresh)).toEqual([true]);
    expect(meant('adopted', subscription(), fresh)).toEqual([true, true]);
    expect(meant('adopted', subscription())).toEqual([false]);
    expect(meant('adopted', subscription({ id: '71', reference: 'scim-p1-abc' }))).toEqual([false]);
    expect(meant('created', subscription())).toEqual([false]);
  });

  test('customer fields and deletions are nobody’s concern any more', () => {
    const evidence = seen({ customer: undefined, subscriptions: [] });
    expect(kinds(left(), evidence)).toEqual([]);
  });

  test('an exempt leave is shown, flagged and not repairable', () => {
    const leave = { atMs: 1, state: 'exempt' as const, decidedAtMs: 1_500 };
    const who = left({ leave, settledGeneration: 2, run: undefined as never });
    expect(findingsOf(who, seen(), POLICY)).toMatchObject([{ kind: 'left-billed', exempt: true, repairable: false }]);
    expect(findingsOf(who, seen({ asOfMs: 1_400 }), POLICY)).toEqual([]);
  });
});

test('a difference keeps its key when a subscription is made anew, so that a quarrel is recognised', () => {
  const key = (id: string): string | undefined =>
    findingsOf(record(), seen({ subscriptions: [subscription({ id, state: 'canceled' })] }), POLICY)[0]?.key;
  expect(key('70')).toBe(key('99'));
});

describe('somebody who left before their customer was taken over', () => {
  const gone = (change: Partial<UserRecord> = {}): UserRecord => {
    const { link: _link, ...rest } = left({ leave: { atMs: 500, state: 'free' }, ...change });
    return rest;
  };
  const evidence: Evidence = { customer, subscriptions: [subscription()], asOfMs: 2_000 };

  test('is shown with what is still billed under their reference, and is not repaired by itself', () => {
    expect(findingsOf(gone(), evidence, POLICY)).toEqual([
      expect.objectContaining({ kind: 'left-billed', customerId: '7', subscriptionId: '70', repairable: false, exempt: false }),
    ]);
    expect(findingsOf(gone({ leave: { atMs: 500, state: 'exempt' } }), evidence, POLICY)).toMatchObject([{ exempt: true }]);
  });

  test.each<[string, UserRecord, Partial<Evidence>]>([
    ['nobody at Maxio has the reference', gone(), { customer: undefined }],
    ['the customer has another reference by now', gone(), { customer: { ...customer, reference: 'crm-7' } }],
    ['nothing is billed', gone(), { subscriptions: [subscription({ state: 'canceled' })] }],
    ['it ends by itself', gone(), { subscriptions: [subscription({ ending: true })] }],
    ['the guard holds the leave', gone({ leave: { atMs: 500, state: 'held' }, settledGeneration: 2 }), {}],
    ['the evidence is older than the last run', gone(), { asOfMs: 900 }],
  ])('is not shown where %s', (_what, record, change) => {
    expect(findingsOf(record, { ...evidence, ...change }, POLICY)).toEqual([]);
  });

  test('is not shown when they never were active', () => {
    const { link: _link, ...never } = left();
    expect(findingsOf(never, evidence, POLICY)).toEqual([]);
  });
});

describe('somebody whom a rebuild has found and nobody has sent', () => {
  const { run: _run, ...bare } = left({ deleted: true, generation: 1, settledGeneration: 1 });
  const found: UserRecord = { ...bare, unclaimed: true };

  test('is a kind of their own while they are billed, in one row, and never repaired', () => {
    const two = [subscription(), subscription({ id: '71' })];
    expect(findingsOf(found, seen({ subscriptions: two }), POLICY)).toEqual([
      expect.objectContaining({
        key: 'unclaimed:p1:',
        kind: 'unclaimed',
        customerId: '7',
        subscriptionId: '70',
        repairable: false,
        deliberate: false,
        detail: expect.stringMatching(
          /recreated from Maxio and waits for the first full sync .* subscriptions 70, 71 are billed/,
        ),
      }),
    ]);
    const settled: UserRecord = { ...found, run: { outcome: 'settled', atMs: 1_000, attempts: 0 } };
    expect(kinds(settled, seen())).toEqual(['unclaimed (not repairable)']);
  });

  test.each([
    ['ended', subscription({ state: 'canceled' })],
    ['ending', subscription({ ending: true })],
  ])('is no difference where all is %s', (_what, one) => {
    expect(findingsOf(found, seen({ subscriptions: [one] }), POLICY)).toEqual([]);
  });
});
