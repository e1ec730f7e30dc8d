/**
 * Owns the proof that time does in the sandbox what it does at Maxio: trials and periods end, scheduled cancels fire, dunning runs out.
 * Refuses to wait: the clock of the sandbox is moved.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { addInterval, Clock, dayOfMonth, formatMoment, parseInstant } from '../../src/sandbox/clock.ts';
import { type SandboxApi, startSandbox } from '../support/sandbox-api.ts';

const DAY = 86_400;

describe('the calendar', () => {
  const at = (text: string) => parseInstant(text, -300) ?? Number.NaN;

  test('keeps the day of the month where there is one', () => {
    const january = at('2031-01-31 12:00:00');
    const february = addInterval(january, { interval: 1, interval_unit: 'month' }, 31, -300);
    expect(formatMoment(february, -300)).toBe('2031-02-28T12:00:00-05:00');
    const march = addInterval(february, { interval: 1, interval_unit: 'month' }, 31, -300);
    expect(formatMoment(march, -300)).toBe('2031-03-31T12:00:00-05:00');
    expect(formatMoment(addInterval(january, { interval: 14, interval_unit: 'day' }, 31, -300), -300)).toBe(
      '2031-02-14T12:00:00-05:00',
    );
  });

  test('reads what it writes, in any zone', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), fc.integer({ min: -720, max: 840 }), (second, offset) => {
        expect(parseInstant(formatMoment(second * 1_000, offset), 0)).toBe(second * 1_000);
      }),
    );
  });

  test('always moves a period forward, by 28 to 31 days a month', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), fc.integer({ min: -720, max: 840 }), (second, offset) => {
        const fromMs = second * 1_000;
        const days =
          (addInterval(fromMs, { interval: 1, interval_unit: 'month' }, dayOfMonth(fromMs, offset), offset) - fromMs) /
          86_400_000;
        expect(days).toBeGreaterThanOrEqual(28);
        expect(days).toBeLessThanOrEqual(31);
      }),
    );
  });

  test('understands dates, times and zones, and nothing else', () => {
    expect(at('2031-01-01')).toBe(Date.UTC(2031, 0, 1, 5));
    expect(at('2031-01-01T06:30:00Z')).toBe(Date.UTC(2031, 0, 1, 6, 30));
    expect(at('2031-01-01 06:30:00 +0200')).toBe(Date.UTC(2031, 0, 1, 4, 30));
    for (const text of ['', 'soon', '2031-13-01', '31-01-01', 7, null]) expect(parseInstant(text, 0)).toBeUndefined();
  });

  test('never runs back', () => {
    const clock = new Clock();
    clock.advance(100);
    expect(() => clock.advance(-1)).toThrow(RangeError);
    expect(() => clock.set(Date.now())).toThrow(RangeError);
  });
});

describe('a subscription in time', () => {
  let api: SandboxApi;
  beforeAll(async () => {
    api = await startSandbox();
  });
  beforeEach(() => api.sandbox.state.reset());
  afterAll(() => api.sandbox.close());
  const only = () => api.sandbox.state.subscriptions()[0];

  test('renews by remittance with a growing balance', async () => {
    api.sandbox.state.setClock(new Date('2031-01-31T17:00:00Z'));
    await api.subscription();
    api.sandbox.state.setClock(new Date('2031-04-01T17:00:00Z'));
    expect(only()).toMatchObject({
      state: 'active',
      balance_in_cents: 3 * 29_900,
      current_period_started_at: '2031-03-31T12:00:00-05:00',
      current_period_ends_at: '2031-04-30T12:00:00-05:00',
    });
  });

  test('is canceled at the end of the period when that was scheduled, and not before', async () => {
    const { id, current_period_ends_at } = await api.subscription();
    await api.post(`/subscriptions/${id}/delayed_cancel.json`);
    const endMs = Date.parse(current_period_ends_at ?? '');
    api.sandbox.state.setClock(new Date(endMs - 60_000));
    expect(only()?.state).toBe('active');
    api.sandbox.state.advance(61);
    expect(only()).toMatchObject({ state: 'canceled', canceled_at: current_period_ends_at, balance_in_cents: 29_900 });
  });

  test('goes on when the scheduled cancel was undone', async () => {
    const { id } = await api.subscription();
    await api.post(`/subscriptions/${id}/delayed_cancel.json`);
    await api.del(`/subscriptions/${id}/delayed_cancel.json`);
    api.sandbox.state.advance(35 * DAY);
    expect(only()?.state).toBe('active');
  });

  test('turns from trial to paid by remittance, and to trial_ended without a payment method', async () => {
    await api.subscription({ product_handle: 'trial' });
    await api.subscription({ product_handle: 'trial', payment_collection_method: 'automatic' });
    api.sandbox.state.advance(15 * DAY);
    expect(api.sandbox.state.subscriptions().map(({ state, balance_in_cents }) => [state, balance_in_cents])).toEqual([
      ['active', 9_900],
      ['trial_ended', 0],
    ]);
  });

  test('begins when its signup is due', async () => {
    api.sandbox.state.setClock(new Date('2031-01-01T00:00:00Z'));
    await api.subscription({ initial_billing_at: '2031-02-01' });
    api.sandbox.state.advance(30 * DAY);
    expect(only()?.state).toBe('awaiting_signup');
    api.sandbox.state.advance(2 * DAY);
    expect(only()).toMatchObject({ state: 'active', activated_at: '2031-02-01T00:00:00-05:00', balance_in_cents: 29_900 });
  });

  test('comes off hold by itself when asked to', async () => {
    const { id } = await api.subscription();
    const soon = new Date(api.sandbox.state.now().getTime() + 2 * DAY * 1_000).toISOString();
    await api.post(`/subscriptions/${id}/hold.json`, { hold: { automatically_resume_at: soon } });
    api.sandbox.state.advance(3 * DAY);
    expect(only()).toMatchObject({ state: 'active', previous_state: 'on_hold', automatically_resume_at: null });
  });

  test.each(['unpaid', 'canceled'] as const)('falls past due when payments fail, and ends %s', async (dunningEnds) => {
    await api.subscription({ payment_collection_method: 'automatic', credit_card_attributes: { full_number: '1' } });
    api.sandbox.state.settings({ paymentsFail: true, dunningEnds });
    api.sandbox.state.advance(32 * DAY);
    expect(only()).toMatchObject({ state: 'past_due', balance_in_cents: 29_900 });
    api.sandbox.state.advance(20 * DAY);
    expect(only()?.state).toBe(dunningEnds);
  });

  test('expires on its day', async () => {
    api.sandbox.state.setClock(new Date('2031-01-01T00:00:00Z'));
    await api.subscription({ expires_at: '2031-01-10' });
    api.sandbox.state.advance(11 * DAY);
    expect(only()).toMatchObject({ state: 'expired', balance_in_cents: 29_900 });
  });
});
