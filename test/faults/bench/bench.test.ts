/**
 * The bounded selection of random histories that `npm test` plays: whole clusters of real processes under load, killed, stopped and cut off by seed, and the
 * checker's verdict on what is left. Some seeds are fixed, some are new every time and printed with the command that plays them again; `npm run soak` plays as
 * many as there is time for, and those that have failed there are played here ever after. However slow the machine, nothing here is a matter of time.
 */
import { describe, expect, test } from 'vitest';
import { type HistoryOptions, type HistoryResult, keepEvidence, runHistory } from './history.ts';
import regressions from './regressions.json' with { type: 'json' };

const SMALL = { people: 8, steps: 6, faultsMax: 3 };
/** Far beyond what a busy machine needs: a history ends by itself, at rest or without hope of it. */
const PATIENCE = { timeout: 1_200_000 };
const UNCHOSEN = 2;

interface Regression extends HistoryOptions {
  why: string;
}

/** Nothing violated, and not for want of anything having happened. */
function expectKept(result: HistoryResult): void {
  const { seed, violations, story, evidence } = result;
  const where = violations.length === 0 ? '' : keepEvidence(result);
  expect(violations, `seed ${seed}: ${story.join(', ')}; evidence: ${where}`).toEqual([]);
  expect(evidence.quiet.reached).toBe(true);
  expect(story.length).toBeGreaterThan(1);
  expect(evidence.acks.filter(({ status }) => status !== 'unknown' && status < 300).length).toBeGreaterThan(24);
  expect(evidence.ledger.some(({ applied }) => applied)).toBe(true);
}

describe('random histories', () => {
  test('F17 everything is killed at once under load: api, workers and Redis', PATIENCE, async () => {
    expectKept(await runHistory({ ...SMALL, seed: 17, kinds: ['kill-everything'] }));
  });

  test('F27 F28 replies are lost, Redis and processes stand still and go on', PATIENCE, async () => {
    expectKept(await runHistory({ ...SMALL, seed: 28, kinds: ['cut-replies', 'freeze-redis', 'stop-worker', 'stop-api'] }));
  });

  test('groups decide what people are sold, while everything that can fail does', PATIENCE, async () => {
    const result = await runHistory({ ...SMALL, seed: 7001, groups: true });
    expectKept(result);
    expect(result.evidence.audit.some(({ entry }) => entry.what === 'groups' && entry.lost !== undefined)).toBe(true);
    expect(
      result.evidence.ledger.some(({ method, template }) => method === 'PUT' && template === '/subscriptions/{id}.json'),
    ).toBe(true);
  });

  test('faults of every kind', PATIENCE, async () => {
    expectKept(await runHistory({ ...SMALL, seed: 7000 }));
  });
});

describe('random histories of seeds that nobody has seen before', () => {
  test.each(Array.from({ length: UNCHOSEN }, (_, i) => i + 1))('number %i', PATIENCE, async () => {
    const seed = Math.floor(Math.random() * 1_000_000_000);
    const { people, steps, faultsMax } = SMALL;
    console.log(
      `fault bench: again with npm run soak -- --seed ${seed} --people ${people} --steps ${steps} --faults ${faultsMax}`,
    );
    expectKept(await runHistory({ ...SMALL, seed }));
  });
});

describe('seeds that have failed once', () => {
  const known = regressions as Regression[];
  test('are few enough to be played every time', () => expect(known.length).toBeLessThan(10));

  test.each(known)('seed $seed, which violated $why', PATIENCE, async (options) => {
    expectKept(await runHistory(options));
  });
});
