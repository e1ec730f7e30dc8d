/**
 * The only way to Maxio: no call without a grant, none after the grant has gone stale, and every slot given back by what came of the call.
 * A budget that answers as it is told stands in for Redis; the real one is tested beside its scripts.
 */
import { describe, expect, it } from 'vitest';
import type { Budget, Take, TakeAnswer } from '../../src/maxio/budget.ts';
import { MaxioError } from '../../src/maxio/error.ts';
import { Caller, NotMade } from '../../src/provisioning/caller.ts';
import { createTelemetry } from '../../src/telemetry.ts';

const OPTIONS = { operation: 'cancel', lane: 'urgent' as const };

/** A budget with its answers in order; the last one repeats. */
function scripted(...answers: TakeAnswer[]) {
  const takes: Take[] = [];
  const releases: [string, string, number | undefined][] = [];
  const budget = {
    take: async (wanted: Take) => {
      takes.push(wanted);
      return answers[Math.min(takes.length, answers.length) - 1];
    },
    release: async (slot: string, result: string, retryAfterMs?: number) => void releases.push([slot, result, retryAfterMs]),
  };
  const telemetry = createTelemetry({ version: 'test', processMetrics: false });
  return { caller: new Caller(budget as unknown as Budget, 'us.acme', telemetry), budget, takes, releases, telemetry };
}

const granted = (change: Partial<Extract<TakeAnswer, { granted: true }>> = {}): TakeAnswer => ({
  granted: true,
  slot: 's1',
  nowMs: 77,
  sendByMs: performance.now() + 5_000,
  ...change,
});
const never = (): Promise<never> => expect.fail('the call was made');
const failure = (parts: Partial<ConstructorParameters<typeof MaxioError>[0]>): MaxioError =>
  new MaxioError({ kind: 'ambiguous', call: 'cancel', sent: true, answered: false, ...parts });

describe('a call', () => {
  it('hands fences, notes and lane to the budget, and tells Redis time of the grant', async () => {
    const { caller, takes, releases } = scripted(granted());
    const fences = [{ key: 'lease', equals: 't' }];
    const notes = [{ key: 'user', field: 'open', value: '[]' }];
    expect(await caller.call({ ...OPTIONS, fences, notes }, async () => 'done')).toEqual({ value: 'done', atMs: 77 });
    expect(takes).toMatchObject([{ lane: 'urgent', fences, notes }]);
    expect(releases).toEqual([['s1', 'answered', undefined]]);
  });

  it.each([
    ['a refusal by Maxio', failure({ kind: 'rejected', status: 422, answered: true }), 'answered', undefined],
    ['a 429', failure({ kind: 'throttled', status: 429, answered: true, retryAfterMs: 9_000 }), 'throttled', 9_000],
    ['a 401', failure({ kind: 'unauthorized', status: 401, answered: true }), 'unauthorized', undefined],
    ['no answer', failure({}), 'unknown', undefined],
    ['nothing sent', failure({ kind: 'unavailable', sent: false }), 'failed', undefined],
    ['a mistake of ours', new TypeError('x'), 'unknown', undefined],
  ])('F42 that ends in %s gives its slot back as that, and is not repeated', async (_name, error, result, retryAfterMs) => {
    const { caller, takes, releases } = scripted(granted());
    await expect(caller.call(OPTIONS, () => Promise.reject(error))).rejects.toBe(error);
    expect(releases).toEqual([['s1', result, retryAfterMs]]);
    expect(takes).toHaveLength(1);
  });

  it('counts an unknown outcome, and nothing else, as one', async () => {
    const { caller, telemetry } = scripted(granted());
    await caller.call(OPTIONS, () => Promise.reject(failure({}))).catch(() => undefined);
    await caller.call(OPTIONS, () => Promise.reject(failure({ kind: 'rejected', answered: true }))).catch(() => undefined);
    const { values } = await telemetry.unknownOutcomes.get();
    expect(values).toMatchObject([{ value: 1, labels: { site: 'us.acme', operation: 'cancel' } }]);
  });

  it('F28 F76 is not made by a process that slept past its grant; the slot goes back unsent', async () => {
    const { caller, releases } = scripted(granted({ sendByMs: performance.now() - 1 }));
    await expect(caller.call(OPTIONS, never)).rejects.toMatchObject({ why: 'slots' });
    expect(releases).toEqual([['s1', 'unsent', undefined]]);
  });
});

describe('a slot that cannot be given back', () => {
  it('F20 does not hide what Maxio answered', async () => {
    const { caller, budget } = scripted(granted());
    budget.release = () => Promise.reject(new Error('Redis is away'));
    expect(await caller.call(OPTIONS, async () => 'done')).toMatchObject({ value: 'done' });
    const refused = failure({ kind: 'rejected', status: 422, answered: true });
    await expect(caller.call(OPTIONS, () => Promise.reject(refused))).rejects.toBe(refused);
  });
});

describe('a refusal of the budget', () => {
  it('F33 by a fence ends the call at once', async () => {
    const { caller, takes } = scripted({ granted: false, why: 'fenced', fence: 1 });
    await expect(caller.call(OPTIONS, never)).rejects.toMatchObject({ why: 'fenced' });
    expect(takes).toHaveLength(1);
  });

  it.each(['budget', 'blocked'] as const)(
    'for long (%s) is told with its wait, so that no worker is kept by one person',
    async (why) => {
      const { caller, takes, releases } = scripted({ granted: false, why, waitMs: 60_000 });
      const error: unknown = await caller.call(OPTIONS, never).catch((each: unknown) => each);
      expect(error).toBeInstanceOf(NotMade);
      expect(error).toMatchObject({ why, waitMs: 60_000 });
      expect(takes).toHaveLength(1);
      expect(releases).toEqual([]);
    },
  );

  it.each(['budget', 'blocked', 'slots'] as const)('for a moment (%s) is waited out, and the call is made once', async (why) => {
    const refusal: TakeAnswer = { granted: false, why, waitMs: 1 };
    const { caller, takes } = scripted(refusal, refusal, granted());
    let made = 0;
    await caller.call(OPTIONS, async () => {
      made += 1;
    });
    expect(made).toBe(1);
    expect(takes).toHaveLength(3);
  });
});
