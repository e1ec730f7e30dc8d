/**
 * The bounded selection of random histories that `npm test` plays: whole clusters of real processes under load, killed, stopped and cut off by seed, and the
 * checker's verdict on what is left. Fixed seeds here: `npm run soak` plays seeds that nobody has chosen, as many as there is time for, and those that have
 * failed there are played here ever after.
 */
import { describe, expect, test } from 'vitest';
import type { FaultName } from './fault-kinds.ts';
import { type HistoryResult, keepEvidence, runHistory } from './history.ts';
import regressions from './regressions.json' with { type: 'json' };

const SMALL = { people: 8, steps: 6, faultsMax: 3 };
const PATIENCE = { timeout: 240_000 };

interface Regression {
  seed: number;
  why: string;
  kinds?: FaultName[];
}

/** Nothing violated, and not for want of anything having happened. */
function expectKept(result: HistoryResult): void {
  const { seed, violations, story, evidence } = result;
  const where = violations.length === 0 ? '' : keepEvidence(result);
  expect(violations, `seed ${seed}: ${story.join(', ')}; evidence: ${where}`).toEqual([]);
  expect(evidence.quiet.reached).toBe(true);
  expect(story.length).toBeGreaterThan(1);
  expect(evidence.acks.filter(({ status }) => status === 200 || status === 201).length).toBeGreaterThan(40);
  expect(evidence.ledger.some(({ applied }) => applied)).toBe(true);
}

describe('random histories', () => {
  test('F17 everything is killed at once under load: api, workers and Redis', PATIENCE, async () => {
    expectKept(await runHistory({ ...SMALL, seed: 17, kinds: ['kill-everything'] }));
  });

  test('F27 F28 replies are lost, Redis and processes stand still and go on', PATIENCE, async () => {
    expectKept(await runHistory({ ...SMALL, seed: 28, kinds: ['cut-replies', 'freeze-redis', 'stop-worker', 'stop-api'] }));
  });

  test('faults of every kind', PATIENCE, async () => {
    expectKept(await runHistory({ ...SMALL, seed: 7000 }));
  });
});

describe('seeds that have failed once', () => {
  const known = regressions as Regression[];
  test('are few enough to be played every time', () => expect(known.length).toBeLessThan(10));

  test.each(known)('seed $seed, which violated $why', PATIENCE, async ({ seed, kinds }) => {
    expectKept(await runHistory({ seed, ...(kinds === undefined ? {} : { kinds }) }));
  });
});
