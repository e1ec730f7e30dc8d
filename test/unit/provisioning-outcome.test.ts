/** The one table from Maxio's error kinds to the end of a run, and the bounds of the backoff. Typed by the kinds: a new one without a row does not compile. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MaxioError, type MaxioErrorKind } from '../../src/maxio/error.ts';
import { backoffMs, type Outcome, outcomeOf, RETRY_HORIZON_MS } from '../../src/provisioning/outcome.ts';

const TABLE: Record<MaxioErrorKind, { kind: Outcome['kind']; reason: string; waits: boolean }> = {
  missing: { kind: 'parked', reason: 'refused-by-maxio', waits: false },
  rejected: { kind: 'parked', reason: 'refused-by-maxio', waits: false },
  duplicate: { kind: 'retry', reason: 'unknown-outcome', waits: false },
  throttled: { kind: 'postponed', reason: 'throttled', waits: true },
  blocked: { kind: 'paused', reason: 'site-blocked', waits: true },
  unauthorized: { kind: 'paused', reason: 'unauthorized', waits: true },
  unavailable: { kind: 'retry', reason: 'unavailable', waits: false },
  ambiguous: { kind: 'retry', reason: 'unknown-outcome', waits: false },
};

describe('a failed call', () => {
  it.each(Object.entries(TABLE))('F40-F49 of kind %s', (kind, expected) => {
    const error = new MaxioError({
      kind: kind as MaxioErrorKind,
      call: 'create customer',
      status: 422,
      messages: ['Last name: cannot be blank.'],
      sent: true,
      answered: true,
    });
    const outcome = outcomeOf(error);
    expect(outcome).toMatchObject({ kind: expected.kind, reason: expected.reason });
    expect(outcome.waitMs !== undefined, 'only a retry leaves the wait to the backoff').toBe(expected.waits);
    expect(outcome.detail).toMatch(/\.$/);
    if (expected.kind === 'parked') expect(outcome.detail).toContain('Last name: cannot be blank.');
  });

  it('F49 says what was refused and how to get on', () => {
    const error = new MaxioError({ kind: 'rejected', call: 'update customer', status: 422, sent: true, answered: true });
    expect(outcomeOf(error).detail).toMatch(/refused to update customer \(HTTP 422\).+retry/);
  });
});

describe('the backoff', () => {
  it('doubles from a second to five minutes', () => {
    const ceilings = [1, 2, 3, 4, 5, 8, 9, 10, 11, 1_000].map((attempts) => backoffMs(attempts, 1));
    expect(ceilings).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 128_000, 256_000, 300_000, 300_000, 300_000]);
  });

  it('is never below half a second, never above five minutes, and spread over the upper half', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1, max: 1_000_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempts, random) => {
        const waitMs = backoffMs(attempts, random);
        expect(Number.isInteger(waitMs)).toBe(true);
        expect(waitMs).toBeGreaterThanOrEqual(500);
        expect(waitMs).toBeLessThanOrEqual(300_000);
        expect(waitMs).toBeGreaterThanOrEqual(Math.floor(backoffMs(attempts, 1) / 2));
        expect(backoffMs(attempts + 1, random)).toBeGreaterThanOrEqual(waitMs);
      }),
    );
  });

  it('F41 leaves a day before anyone is parked', () => {
    expect(RETRY_HORIZON_MS).toBeGreaterThanOrEqual(86_400_000);
  });
});
