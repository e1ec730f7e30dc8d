/**
 * The bounded selection of random histories that `npm test` plays: whole clusters of real processes under load, killed, stopped and cut off by seed, and the
 * checker's verdict on what is left. Some seeds are fixed, some are new every time and printed with the command that plays them again; `npm run soak` plays as
 * many as there is time for, and those that have failed there are played here ever after. However slow the machine, nothing here is a matter of time.
 */
import { describe, expect, test } from 'vitest';
import { FAULT_NAMES, type FaultName } from './fault-kinds.ts';
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
  expect(story.length).toBeGreaterThan(1);
  expect(evidence.acks.filter(({ status }) => status !== 'unknown' && status < 300).length).toBeGreaterThan(24);
  expect(evidence.ledger.some(({ applied }) => applied)).toBe(true);
}

/** Every kind was played, and the service has met with it. */
function expectMet({ story, faults }: HistoryResult, kinds: readonly FaultName[]): void {
  expect(new Set(story.slice(1))).toEqual(new Set(kinds));
  expect(new Set(faults.filter(({ met }) => met).map(({ name }) => name))).toEqual(new Set(kinds));
}

/** Writes that took place, and whose sender heard nothing of it, or a refusal. */
function commitsWithoutReply({ evidence: { acks, audit } }: HistoryResult): number {
  const committed = new Set(audit.flatMap(({ entry }) => (entry.kind === 'scim' ? [entry.requestId] : [])));
  return acks.filter(
    (ack) => ack.kind === 'write' && committed.has(ack.requestId) && (ack.status === 'unknown' || ack.status >= 400),
  ).length;
}

/** But for the one that only the next look for drift can find, which no history waits for. */
const EVERY_KIND = FAULT_NAMES.filter((name) => name !== 'maxio-pretends');
const LOST_REPLIES = ['cut-commits', 'cut-replies', 'freeze-redis', 'stop-worker', 'stop-api'] as const;
const WITH_GROUPS = [
  'kill-worker',
  'kill-redis',
  'cut-commits',
  'stop-worker',
  'maxio-cuts',
  'maxio-late',
  'maxio-errors',
] as const;

describe('random histories', () => {
  test('F17 everything is killed at once under load: api, workers and Redis', PATIENCE, async () => {
    expectKept(await runHistory({ ...SMALL, seed: 17, kinds: ['kill-everything'] }));
  });

  test('F27 F28 replies are lost, Redis and processes stand still and go on', PATIENCE, async () => {
    const result = await runHistory({ ...SMALL, seed: 32, kinds: LOST_REPLIES, each: true });
    expectKept(result);
    expectMet(result, LOST_REPLIES);
    expect(commitsWithoutReply(result)).toBeGreaterThan(0);
    const lastedMs = (kind: FaultName): number => result.faults.find(({ name }) => name === kind)?.lastedMs ?? 0;
    // Longer than a lease, and longer than anybody waits for Redis.
    expect(lastedMs('stop-worker')).toBeGreaterThan(3_000);
    expect(lastedMs('freeze-redis')).toBeGreaterThan(2_000);
  });

  test('groups decide what people are sold, while processes die, replies are lost and Maxio fails', PATIENCE, async () => {
    const result = await runHistory({ ...SMALL, steps: 10, seed: 7004, groups: true, kinds: WITH_GROUPS, each: true });
    expectKept(result);
    expectMet(result, WITH_GROUPS);
    expect(result.evidence.audit.some(({ entry }) => entry.what === 'groups' && entry.lost !== undefined)).toBe(true);
    expect(
      result.evidence.ledger.some(({ method, template }) => method === 'PUT' && template === '/subscriptions/{id}.json'),
    ).toBe(true);
  });

  test('faults of every kind', PATIENCE, async () => {
    const result = await runHistory({ ...SMALL, seed: 7000, kinds: EVERY_KIND, each: true });
    expectKept(result);
    expectMet(result, EVERY_KIND);
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
