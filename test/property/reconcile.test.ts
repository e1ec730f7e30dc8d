/**
 * Guarantees of the plan and of what carries it out, over random histories: intents that flip, answers that get lost, effects that come late, and
 * operators and a guard that hold, approve, reject, pause and release at any moment.
 * Real reconcile code on a virtual clock; fast-check prints the seed and shrinks the history.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { intentOf } from '../../src/directory/record.ts';
import type { Fault } from '../support/model-maxio.ts';
import { Simulation } from '../support/simulation.ts';

/** What the IdP, an operator or the guard does while a call of a run is on its way. */
type Meanwhile = 'leave' | 'come' | 'trip' | 'approve' | 'reject' | 'paused' | 'enforce';

type Event =
  | { kind: 'want'; active: boolean }
  | { kind: 'rename'; to: string }
  | { kind: 'run'; faults: { fault: Fault; lateMs: number }[]; meanwhile?: (Meanwhile | undefined)[] }
  | { kind: 'advance'; ms: number }
  | { kind: 'order'; order: 'trip' | 'approve' | 'reject' | 'observe' | 'paused' | 'enforce' };

const fault = fc.record({
  fault: fc.constantFrom<Fault>('none', 'none', 'none', 'lost', 'landed', 'late', 'refused', 'unavailable'),
  lateMs: fc.integer({ min: 1, max: 119_000 }),
});
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('want' as const), active: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rename' as const), to: fc.constantFrom('Lee', 'Ray', 'Moe') }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('run' as const), faults: fc.array(fault, { maxLength: 4 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.constantFrom(100, 5_000, 40_000, 125_000, 140_000) }),
  },
);

const order = fc.record({
  kind: fc.constant('order' as const),
  order: fc.constantFrom(
    'trip' as const,
    'trip' as const,
    'approve' as const,
    'reject' as const,
    'observe' as const,
    'paused' as const,
    'enforce' as const,
  ),
});
const busyRun: fc.Arbitrary<Event> = fc.record({
  kind: fc.constant('run' as const),
  faults: fc.array(fault, { maxLength: 4 }),
  meanwhile: fc.array(
    fc.constantFrom<Meanwhile | undefined>(undefined, 'leave', 'come', 'trip', 'approve', 'reject', 'paused', 'enforce'),
    { minLength: 1, maxLength: 4 },
  ),
});
const guarded = fc.oneof({ weight: 3, arbitrary: event }, { weight: 1, arbitrary: order }, { weight: 1, arbitrary: busyRun });

async function play(sim: Simulation, events: Event[]): Promise<void> {
  for (const step of events) {
    if (step.kind === 'want') sim.want({ active: step.active });
    else if (step.kind === 'rename') sim.want({ familyName: step.to });
    else if (step.kind === 'advance') sim.maxio.advance(step.ms);
    else if (step.kind === 'order') give(sim, step.order);
    else {
      const faults = [...step.faults];
      sim.maxio.nextFault = () => faults.shift() ?? { fault: 'none', lateMs: 0 };
      const meanwhile = [...(step.meanwhile ?? [])];
      sim.maxio.meanwhile = () => {
        const what = meanwhile.shift();
        if (what === 'leave' || what === 'come') sim.want({ active: what === 'come' });
        else if (what !== undefined) give(sim, what);
      };
      await sim.run();
      sim.maxio.meanwhile = () => {};
    }
  }
}

function give(sim: Simulation, order: Extract<Event, { kind: 'order' }>['order']): void {
  if (order === 'trip') sim.trip();
  else if (order === 'approve' || order === 'reject') sim.decide(order);
  else sim.mode = order;
}

const ENDINGS = ['cancel', 'delay cancel', 'hold'];

for (const policy of ['cancel', 'cancel_at_period_end', 'hold'] as const) {
  test(`no ending starts while a leave is held or exempt, before its time, or where the site is not released: policy ${policy}`, async () => {
    const [graceMs, calmMs] = [30_000, 10_000];
    await fc.assert(
      fc.asyncProperty(fc.array(guarded, { maxLength: 30 }), async (events) => {
        const sim = new Simulation({ policy, graceMs, calmMs });
        sim.maxio.onCall = (kind) => {
          const context = sim.story.join('\n');
          expect(sim.mode, `${kind} in another mode\n${context}`).toBe('enforce');
          if (!ENDINGS.includes(kind)) return;
          expect(intentOf(sim.record), `I3: ${kind} started for an active person\n${context}`).toBe('inactive');
          const leave = sim.record.leave ?? { state: 'none', atMs: Number.POSITIVE_INFINITY };
          expect(['free', 'approved'], `${kind} of a leave that is ${leave.state}\n${context}`).toContain(leave.state);
          const earliestMs = Math.max(leave.atMs + graceMs, Math.min(sim.lastLossMs ?? 0, leave.atMs + 23 * calmMs) + calmMs);
          if (leave.state === 'free') expect(sim.maxio.nowMs + 100, `too early\n${context}`).toBeGreaterThanOrEqual(earliestMs);
        };
        await play(sim, events);
        give(sim, 'enforce');
        const before = await sim.converge();
        if (before.kind === 'held') {
          sim.maxio.calls = [];
          await sim.run();
          expect(sim.maxio.calls, 'somebody held costs no call').toEqual([]);
          give(sim, 'approve');
        }
        expect((await sim.converge()).kind, sim.story.join('\n')).toBe('settled');
        sim.maxio.advance(200_000);
        const billing = sim.maxio.subscriptions.filter(({ state, ending }) => state === 'active' && !ending);
        if (intentOf(sim.record) === 'active') expect(billing, sim.story.join('\n')).toHaveLength(1);
        else if (sim.record.leave?.state !== 'exempt') expect(billing, `I4: still billing\n${sim.story.join('\n')}`).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });

  for (const productHandle of ['pro', undefined]) {
    test(`whatever gets lost or comes late, the last intent wins: policy ${policy}, product ${productHandle ?? 'none'}`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(event, { maxLength: 25 }), async (events) => {
          const sim = new Simulation({ policy, productHandle });
          sim.maxio.onCall = (kind) => {
            const ending = kind === 'cancel' || kind === 'delay cancel' || kind === 'hold';
            if (ending) expect(intentOf(sim.record), `I3: ${kind} started for an active person`).toBe('inactive');
          };
          await play(sim, events);
          const outcome = await sim.converge();
          sim.maxio.advance(200_000);

          const context = sim.story.join('\n');
          expect(outcome.kind, context).toBe('settled');
          expect(sim.maxio.customers.length, `I2: customers\n${context}`).toBeLessThanOrEqual(1);
          const billing = sim.maxio.subscriptions.filter(({ state, ending }) => state === 'active' && !ending);
          if (intentOf(sim.record) === 'inactive') expect(billing.length, `I4: still billing\n${context}`).toBe(0);
          else if (productHandle !== undefined) expect(billing.length, `active person's subscriptions\n${context}`).toBe(1);
          else expect(sim.maxio.customers.length, context).toBe(1);
          if (intentOf(sim.record) === 'active') {
            const wanted = (sim.record.attributes.name as { familyName: string }).familyName;
            expect(sim.maxio.customers[0]?.last_name, `I6: an older name won\n${context}`).toBe(wanted);
          }

          sim.maxio.calls = [];
          await sim.run();
          expect(sim.maxio.calls, `a settled person costs no call\n${context}`).toEqual([]);
        }),
        { numRuns: 1_000 },
      );
    });
  }
}

test('a plan that has been carried out has nothing left to do, and an unmapped change costs no call', async () => {
  const sim = new Simulation();
  expect((await sim.run()).kind).toBe('settled');
  expect(sim.maxio.calls).toEqual(['create subscription']);
  sim.maxio.calls = [];
  sim.want({});
  expect((await sim.run()).kind).toBe('settled');
  expect(sim.maxio.calls).toEqual([]);
  sim.want({ active: false });
  await sim.run();
  expect(sim.maxio.calls).toEqual(['list', 'cancel']);
  sim.maxio.calls = [];
  sim.want({ active: true });
  await sim.run();
  expect(sim.maxio.calls).toEqual(['reactivate']);
});

for (const policy of ['hold', 'cancel_at_period_end'] as const) {
  test(`regression: a repeated ${policy} is not undone while its unanswered first attempt may still come`, async () => {
    const sim = new Simulation({ policy });
    await play(sim, [
      { kind: 'run', faults: [] },
      { kind: 'want', active: false },
      { kind: 'run', faults: [{ fault: 'late', lateMs: 100_000 }] },
      { kind: 'run', faults: [] },
      { kind: 'want', active: true },
    ]);
    expect((await sim.converge()).kind).toBe('settled');
    sim.maxio.advance(200_000);
    expect(sim.maxio.subscriptions).toMatchObject([{ state: 'active', ending: false }]);
  });
}

test('I6: what only a lost create has set is cleared when the person no longer has it', async () => {
  const sim = new Simulation();
  sim.want({ phone: '+1 555 0100' });
  await play(sim, [{ kind: 'run', faults: [{ fault: 'landed', lateMs: 0 }] }]);
  sim.want({ phone: '' });
  expect((await sim.converge()).kind).toBe('settled');
  expect(sim.maxio.customers).toMatchObject([{ phone: null }]);
});

for (const policy of ['hold', 'cancel_at_period_end', 'cancel'] as const) {
  test(`a returner gets the product that is sold now, and not the one of before: policy ${policy}`, async () => {
    const sim = new Simulation({ policy });
    await sim.run();
    sim.sell('max');
    sim.want({ active: false });
    await sim.run();
    sim.want({ active: true });
    expect((await sim.converge()).kind).toBe('settled');
    const billing = sim.maxio.subscriptions.filter(({ state, ending }) => state === 'active' && !ending);
    expect(billing.map(({ productHandle }) => productHandle)).toEqual(['max']);
    sim.maxio.calls = [];
    sim.want({});
    await sim.run();
    expect(sim.maxio.calls, 'an unmapped change later').toEqual([]);
  });

  test(`I4: staff do by hand what an unanswered call was to do, and the late call comes after the leave: policy ${policy}`, async () => {
    const sim = new Simulation({ policy });
    await sim.run();
    sim.want({ active: false });
    await sim.run();
    sim.want({ active: true });
    await play(sim, [{ kind: 'run', faults: [{ fault: 'late', lateMs: 100_000 }] }]);
    for (const subscription of sim.maxio.subscriptions)
      Object.assign(subscription, { state: 'active', ending: false, cancellationMessage: null });
    await sim.run();
    sim.want({ active: false });
    expect((await sim.converge()).kind).toBe('settled');
    sim.maxio.advance(200_000);
    expect(sim.maxio.subscriptions.filter(({ state, ending }) => state === 'active' && !ending)).toEqual([]);
  });

  test(`a state nobody knows is not taken for an end that is undone: policy ${policy}`, async () => {
    const sim = new Simulation({ policy });
    await sim.run();
    sim.want({ active: false });
    await sim.run();
    const before = structuredClone(sim.maxio.subscriptions);
    for (const subscription of sim.maxio.subscriptions) subscription.state = 'levitating';
    sim.want({ active: true });
    await sim.run();
    sim.maxio.subscriptions = before;
    sim.want({ familyName: 'Ray' });
    expect((await sim.converge()).kind).toBe('settled');
    expect(sim.maxio.subscriptions).toMatchObject([{ state: 'active', ending: false }]);
  });
}

test('F34: off and on again within the grace costs no call, however often a run looks', async () => {
  const sim = new Simulation({ graceMs: 60_000, calmMs: 5_000 });
  await sim.run();
  sim.maxio.calls = [];
  for (let i = 0; i < 20; i += 1) {
    sim.want({ active: false });
    expect(await sim.run()).toMatchObject({ kind: 'postponed', reason: 'grace' });
    sim.maxio.advance(10_000);
    sim.want({ active: true });
    await sim.run();
  }
  expect(sim.maxio.calls).toEqual([]);
});

test('F34: off and on again before anything was done costs no call', async () => {
  const sim = new Simulation();
  await sim.run();
  sim.maxio.calls = [];
  sim.want({ active: false });
  sim.want({ active: true });
  expect((await sim.run()).kind).toBe('settled');
  expect(sim.maxio.calls).toEqual([]);
});

test('F35: back while the cancel is on its way: found canceled by its mark, and reactivated', async () => {
  const sim = new Simulation();
  await sim.run();
  sim.want({ active: false });
  await play(sim, [{ kind: 'run', faults: [{ fault: 'landed', lateMs: 0 }] }]);
  sim.want({ active: true });
  expect((await sim.converge()).kind).toBe('settled');
  expect(sim.maxio.subscriptions).toMatchObject([{ state: 'active' }]);
});

test('F36: two hundred flips leave one customer, one subscription, and a bounded number of calls', async () => {
  const sim = new Simulation();
  for (let i = 0; i < 200; i += 1) sim.want({ active: i % 2 === 0 });
  sim.want({ active: true });
  await sim.converge();
  expect(sim.maxio.calls).toEqual(['create subscription']);
});
