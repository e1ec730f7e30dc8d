/** Guards what our own extension tells of a person, for every state a record can be in. */
import { describe, expect, test } from 'vitest';
import { billingOf } from '../../src/directory/billing-view.ts';
import type { UserRecord } from '../../src/directory/record.ts';
import { versionOf } from '../../src/directory/version.ts';

const AT_MS = Date.UTC(2026, 0, 31, 8);
const RECORD: UserRecord = {
  schemaVersion: 2,
  id: 'i1',
  reference: 'ref-1',
  generation: 3,
  settledGeneration: 2,
  attributes: { userName: 'ann', active: true },
  deleted: false,
  createdAtMs: 1,
  modifiedAtMs: 2,
  requestId: 'r',
  open: [],
};
const run = (outcome: 'settled' | 'parked' | 'retry' | 'postponed' | 'paused' | 'held') =>
  ({ outcome, atMs: AT_MS, attempts: 1, reason: 'why', detail: 'What to do.' }) as const;

describe('the billing of a person', () => {
  test('is pending and nothing else before anything has happened', () => {
    expect(billingOf(RECORD)).toEqual({ reference: 'ref-1', state: 'pending' });
  });

  test('is settled with the moment of it', () => {
    expect(billingOf({ ...RECORD, settledGeneration: 3, run: run('settled') })).toEqual({
      reference: 'ref-1',
      state: 'settled',
      reason: 'why',
      detail: 'What to do.',
      lastSettled: '2026-01-31T08:00:00.000Z',
    });
  });

  // A change ends the run: the moment is kept by itself.
  test.each([{ settledAtMs: AT_MS }, { run: run('settled') }])(
    'is pending again after a change, and still tells when it was settled last',
    (known) => {
      expect(billingOf({ ...RECORD, ...known })).toMatchObject({
        state: 'pending',
        lastSettled: '2026-01-31T08:00:00.000Z',
      });
    },
  );

  test.each(['parked', 'retry', 'postponed', 'paused', 'held'] as const)('is %s with the reason', (outcome) => {
    expect(billingOf({ ...RECORD, run: run(outcome) })).toEqual({
      reference: 'ref-1',
      state: outcome,
      reason: 'why',
      detail: 'What to do.',
    });
  });

  test('is held by the guard before any run has said so', () => {
    const told = billingOf({ ...RECORD, leave: { atMs: 1, state: 'held', why: 'hour' } });
    expect(told).toMatchObject({ state: 'held', reason: 'hour', detail: expect.stringContaining('operator') });
  });

  test('is held while a loss waits for an operator, and when a leave was rejected, whatever the last run has said', () => {
    const settled = { ...RECORD, settledGeneration: 3, settledAtMs: AT_MS, run: run('settled') };
    const loss = { atMs: 1, state: 'held', why: 'day', families: { f: 1 }, spared: [], monthlyCents: 0 } as const;
    expect(billingOf({ ...settled, loss })).toMatchObject({
      state: 'held',
      reason: 'day',
      lastSettled: '2026-01-31T08:00:00.000Z',
    });
    expect(billingOf({ ...settled, loss: { ...loss, state: 'approved' } })).toMatchObject({ state: 'settled' });
    const rejected = billingOf({ ...RECORD, leave: { atMs: 1, state: 'exempt', by: 'ann' } });
    expect(rejected).toMatchObject({ state: 'held', reason: 'exempt', detail: expect.stringContaining('rejected') });
  });

  test('names customer and subscriptions, and leaves out what is not known', () => {
    const subscriptions = [
      { id: '7', productHandle: 'basic', origin: 'created', state: 'active', monthlyCents: 100 },
      { id: '8', origin: 'adopted', state: 'canceled' },
    ] as const;
    const link = {
      customerId: '5',
      origin: 'created',
      confirmed: { email: 'secret@example.com' },
      subscriptions: [...subscriptions],
    } as const;
    const told = billingOf({ ...RECORD, link: { ...link, subscriptions: [...subscriptions] } });
    expect(told).toMatchObject({
      customerId: '5',
      subscriptions: [
        { value: '7', product: 'basic', state: 'active' },
        { value: '8', state: 'canceled' },
      ],
    });
    expect(JSON.stringify(told)).not.toContain('secret');
  });
});

describe('the version of a person', () => {
  const names = new Map([
    ['g1', { displayName: 'One' }],
    ['g2', { displayName: 'Two' }],
  ]);

  test('is the generation, and with groups what they are and are called', () => {
    expect(versionOf(RECORD, new Map())).toBe('W/"3"');
    const inOne = versionOf({ ...RECORD, groups: ['g1'] }, names);
    expect(inOne).toMatch(/^W\/"3-[0-9a-f]{8}"$/);
    expect(versionOf({ ...RECORD, groups: ['g1', 'g2'] }, names)).not.toBe(inOne);
    expect(versionOf({ ...RECORD, groups: ['g1'] }, new Map([['g1', { displayName: 'Uno' }]]))).not.toBe(inOne);
    expect(versionOf({ ...RECORD, groups: ['g1', 'gone'] }, names)).toBe(inOne);
  });
});
