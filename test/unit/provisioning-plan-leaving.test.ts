/** When the ending of a leaver may begin, and who is protected from it: the pure parts. What a run makes of them is in provisioning-reconcile.test.ts. */
import { describe, expect, it } from 'vitest';
import type { MaxioLink, UserRecord } from '../../src/directory/record.ts';
import { monthlyCentsOf } from '../../src/directory/record.ts';
import { notBefore } from '../../src/provisioning/patience.ts';
import { plan } from '../../src/provisioning/plan.ts';
import type { Desired, Known } from '../../src/provisioning/plan-types.ts';
import { protection } from '../../src/provisioning/protected.ts';
import { inWords, leaving, subscription } from './provisioning-plan-bench.ts';

const LEFT_MS = 1_000_000;

function record(change: Partial<UserRecord> = {}): UserRecord {
  return {
    schemaVersion: 1,
    id: '11111111-1111-5111-8111-111111111111',
    reference: '00u1',
    generation: 2,
    settledGeneration: 1,
    attributes: {
      userName: 'Ann@Example.com',
      active: false,
      externalId: 'ext-1',
      emails: [{ value: 'ann.lee@example.com' }],
    },
    deleted: false,
    createdAtMs: 0,
    modifiedAtMs: LEFT_MS + 7,
    requestId: 'r1',
    open: [],
    leave: { atMs: LEFT_MS, state: 'free' },
    ...change,
  };
}

describe('patience', () => {
  const patience = { graceMs: 60_000, calmMs: 5_000 };

  it.each([
    ['grace alone', patience, LEFT_MS, { atMs: LEFT_MS + 60_000, reason: 'grace' }],
    ['calm after the last leaver', { graceMs: 0, calmMs: 5_000 }, LEFT_MS + 2_000, { atMs: LEFT_MS + 7_000, reason: 'calm' }],
    ['calm after oneself', { graceMs: 0, calmMs: 5_000 }, LEFT_MS - 90_000, { atMs: LEFT_MS + 5_000, reason: 'calm' }],
    ['calm with a limit', { graceMs: 0, calmMs: 5_000 }, LEFT_MS + 900_000, { atMs: LEFT_MS + 120_000, reason: 'calm' }],
    ['the later of both', patience, LEFT_MS + 58_000, { atMs: LEFT_MS + 63_000, reason: 'calm' }],
    ['neither', { graceMs: 0, calmMs: 0 }, LEFT_MS + 9_000, { atMs: LEFT_MS, reason: 'grace' }],
  ] as const)('waits for %s', (_what, { graceMs, calmMs }, lastLossMs, expected) => {
    expect(notBefore(record(), { graceMs, calmMs }, lastLossMs)).toEqual(expected);
  });

  it('is not for people who stay, nor for a leave that somebody approved, and counts from the leave and not from a later title', () => {
    const { attributes } = record();
    expect(notBefore(record({ attributes: { ...attributes, active: true } }), patience, undefined)).toBeUndefined();
    expect(notBefore(record({ leave: { atMs: LEFT_MS, state: 'approved' } }), patience, LEFT_MS + 1)).toBeUndefined();
    expect(notBefore(record({ generation: 9, modifiedAtMs: LEFT_MS + 50_000 }), patience, LEFT_MS)?.atMs).toBe(LEFT_MS + 60_000);
    const { leave: _leave, ...older } = record();
    expect(notBefore(older, patience, undefined)?.atMs, 'data of an earlier release').toBe(LEFT_MS + 60_007);
  });
});

describe('the plan for a leaver', () => {
  const link: MaxioLink = {
    customerId: '5',
    origin: 'created',
    confirmed: {},
    subscriptions: [{ id: '7', origin: 'created', state: 'active' }],
  };
  const early: Desired = { ...leaving, notBefore: { atMs: 2_000, reason: 'grace' } };
  const guarded: Desired = { ...leaving, protected: true };

  function known(change: Partial<Known> = {}): Known {
    return { link, open: [], seen: { refused: new Map() }, nowMs: 1_000, unknownOutcomeMs: 130_000, ...change };
  }
  function seeing(...list: ReturnType<typeof subscription>[]): Pick<Known, 'seen'> {
    return { seen: { refused: new Map(), subscriptions: { value: list, atMs: 1_000 } } };
  }

  it('waits before the first look, and to the millisecond', () => {
    expect(plan(early, known())).toMatchObject({ kind: 'wait', untilMs: 2_000, reason: 'grace' });
    expect(inWords(plan(early, known({ nowMs: 1_999 })))).toBe('wait grace');
    expect(inWords(plan(early, known({ nowMs: 2_000 })))).toBe('look subscriptions');
    const calm: Desired = { ...leaving, notBefore: { atMs: 2_000, reason: 'calm' } };
    expect(inWords(plan(calm, known()))).toBe('wait calm');
  });

  it('waits before an ending also when somebody has looked', () => {
    expect(inWords(plan(early, known(seeing(subscription('active')))))).toBe('wait grace');
    expect(inWords(plan(early, known({ ...seeing(subscription('active')), nowMs: 2_000 })))).toBe('step cancel');
  });

  it('keeps nobody waiting for whom nothing would be ended', () => {
    expect(inWords(plan(early, known({ link: undefined })))).toBe('settle');
    expect(inWords(plan(early, known({ link: { ...link, quiet: true } })))).toBe('settle');
    const ended: MaxioLink = { ...link, subscriptions: [{ id: '7', origin: 'created', state: 'canceled' }] };
    expect(inWords(plan(early, known({ link: ended })))).toBe('look subscriptions');
    expect(inWords(plan(early, known({ link: ended, ...seeing(subscription('canceled')) })))).toBe('settle');
    expect(inWords(plan(early, known({ link: ended, ...seeing(subscription('active')) }))), 'memory was wrong').toBe(
      'wait grace',
    );
    expect(inWords(plan(early, known({ link: { ...link, subscriptions: [], unseen: true } })))).toBe('wait grace');
  });

  it.each(['cancel', 'cancel_at_period_end', 'hold'] as const)(
    'parks protected people instead of an ending: policy %s',
    (policy) => {
      const desired = { ...guarded, ...early, policy };
      const decision = plan(desired, known(seeing(subscription('active'))));
      expect(decision).toMatchObject({ kind: 'park', reason: 'protected' });
      expect('detail' in decision && decision.detail).toContain('MAXIO_PROTECTED_FILE');
      expect(inWords(plan(desired, known(seeing(subscription('canceled')))))).toBe('settle');
      expect(inWords(plan(desired, known())), 'nobody waits to be told').toBe('look subscriptions');
    },
  );
});

describe('protection', () => {
  it.each([
    ['userName', 'ANN@example.COM'],
    ['externalId', 'ext-1'],
    ['reference', '00u1'],
    ['SCIM id', '11111111-1111-5111-8111-111111111111'],
    ['e-mail address', 'Ann.Lee@EXAMPLE.com'],
  ])('knows people by %s', (_what, entry) => {
    expect(protection(['somebody', entry])(record())).toBe(true);
  });

  it.each(['EXT-1', 'ext-10', 'ext', '', 'lee@example.com', '00U1'])('is not for somebody else: %j', (entry) => {
    expect(protection([entry])(record())).toBe(false);
  });

  it('of an empty list is for nobody, also where there is nothing to compare', () => {
    const bare = record({ attributes: { userName: 42 as unknown as string, active: false } });
    expect(protection([])(bare)).toBe(false);
  });
});

describe('what a person brings in a month', () => {
  it('is the sum of what bills and is not ended by us; an unknown state counts', () => {
    const subscriptions = [
      { id: '1', origin: 'created' as const, state: 'active', monthlyCents: 1_000 },
      { id: '2', origin: 'adopted' as const, state: 'past_due', monthlyCents: 200 },
      { id: '3', origin: 'created' as const, state: 'levitating', monthlyCents: 30 },
      { id: '4', origin: 'created' as const, state: 'canceled', monthlyCents: 7_000 },
      { id: '5', origin: 'created' as const, state: 'on_hold', monthlyCents: 7_000 },
      { id: '6', origin: 'created' as const, state: 'active', monthlyCents: 7_000, endedBy: 'cancel_at_period_end' as const },
      { id: '7', origin: 'created' as const, state: 'active' },
    ];
    expect(monthlyCentsOf({ customerId: '5', origin: 'created', confirmed: {}, subscriptions })).toBe(1_230);
    expect(monthlyCentsOf(undefined)).toBe(0);
  });
});
