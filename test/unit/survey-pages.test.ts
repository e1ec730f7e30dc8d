/** Which pages of a survey may have lost a row to a deletion, and how far a survey is. Pure. */
import { describe, expect, it } from 'vitest';
import { decodeNotes, pagesToRepeat, progressOf } from '../../src/survey/survey-state.ts';

const MINUTE = 60_000;
/** Page 1 was read at minute 1, and so on. */
const read = [1, 2, 3, 4].map((minute) => minute * MINUTE);

describe('pages to read again', () => {
  it('are none without a deletion', () => {
    expect(pagesToRepeat(read, [], 200)).toEqual([]);
  });

  it('are the one before the boundary that was crossed when the deletion happened', () => {
    expect(pagesToRepeat(read, [2.5 * MINUTE], 200)).toEqual([2]);
    expect(pagesToRepeat(read, [1.5 * MINUTE, 3.5 * MINUTE], 200)).toEqual([1, 3]);
  });

  it('are both neighbours when the clocks cannot tell which', () => {
    expect(pagesToRepeat(read, [2 * MINUTE + 1_000], 200)).toEqual([1, 2]);
  });

  it('are none for what was deleted before the first page or after the last', () => {
    expect(pagesToRepeat(read, [0, 9 * MINUTE], 200)).toEqual([]);
    expect(pagesToRepeat([MINUTE], [MINUTE], 200)).toEqual([]);
  });

  it('are all when as many rows as a page holds were deleted, since a row may have moved further than one page', () => {
    const many = Array.from({ length: 200 }, () => 1.5 * MINUTE);
    expect(pagesToRepeat(read, many, 200)).toEqual([1, 2, 3, 4]);
  });
});

describe('progress', () => {
  const notes = (fields: Record<string, string>) => progressOf(decodeNotes(fields));

  it('goes from 0 to 1 and never back', () => {
    const steps = [
      notes({}),
      notes({ state: 'wanted' }),
      notes({ state: 'running', phase: 'customers', page: '1' }),
      notes({ state: 'running', phase: 'customers', page: '50' }),
      notes({ state: 'running', phase: 'subscriptions', customers: '9800', subscriptions: '0', page: '1' }),
      notes({ state: 'running', phase: 'subscriptions', customers: '9800', subscriptions: '99999', page: '9' }),
      notes({ state: 'running', phase: 'events' }),
      notes({ state: 'done' }),
    ];
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));
    expect(steps[0]).toBe(0);
    expect(steps.at(-1)).toBe(1);
  });
});
