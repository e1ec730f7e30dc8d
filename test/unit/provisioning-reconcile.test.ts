/**
 * Single histories of one run after another, told step by step: what a call that lies, fails or never ends must not do. The real reconcile
 * code on the simulated Maxio; random histories are in test/property. Refuses Redis and time.
 */
import { describe, expect, it } from 'vitest';
import { MaxioError } from '../../src/maxio/error.ts';
import type { Customer, Subscription } from '../../src/maxio/types.ts';
import type { UserAttributes } from '../../src/scim/types.ts';
import type { Fault } from '../support/model-maxio.ts';
import { Simulation } from '../support/simulation.ts';

const HOUR_MS = 3_600_000;

const emptyCustomer: Customer = {
  id: '77',
  reference: null,
  created_at: '',
  updated_at: '',
  first_name: 'Ann',
  last_name: 'Elder',
  email: '',
  organization: null,
  phone: null,
  address: null,
  address_2: null,
  city: null,
  state: null,
  zip: null,
  country: null,
  locale: null,
};
const staffSubscription: Subscription = {
  id: '900',
  state: 'active',
  reference: 'made-by-staff',
  productHandle: 'pro',
  productPriceInCents: 100,
  monthlyCents: 100,
  currentPeriodEndsAt: undefined,
  ending: false,
  cancellationMessage: null,
  customerId: '77',
  updatedAt: '',
};

/** Let the next mutating calls meet these fates, then none. */
function fates(sim: Simulation, ...faults: Fault[]): void {
  const left = [...faults];
  sim.maxio.nextFault = () => ({ fault: left.shift() ?? 'none', lateMs: 0 });
}

async function joined(policy: ConstructorParameters<typeof Simulation>[0] = {}): Promise<Simulation> {
  const sim = new Simulation(policy);
  expect((await sim.run()).kind).toBe('settled');
  sim.maxio.calls = [];
  return sim;
}

describe('a person on whom the code itself fails', () => {
  const poisons: [string, UserAttributes][] = [
    ['a userName that is a number', { userName: 42 as unknown as string, active: true }],
    ['a userName that is missing', { active: true } as unknown as UserAttributes],
  ];

  it.each(poisons)('F18 is parked after ten tries, with a reason and without a call: %s', async (_name, attributes) => {
    const sim = new Simulation();
    sim.record = { ...sim.record, attributes };
    const outcomes = [];
    for (let run = 0; run < 10; run += 1) outcomes.push(await sim.run());
    expect(outcomes.map(({ kind }) => kind)).toEqual([...Array(9).fill('retry'), 'parked']);
    expect(sim.record.run).toMatchObject({ outcome: 'parked', reason: 'internal-error', attempts: 10 });
    expect(sim.maxio.calls).toEqual([]);
  });

  it('F49 a late bell for somebody parked repeats nothing; a change does', async () => {
    const sim = new Simulation();
    sim.record.attributes = { userName: 'ann', active: true };
    expect(await sim.run()).toMatchObject({ kind: 'parked', reason: 'needs-email' });
    const before = structuredClone(sim.record);
    sim.record.attributes.userName = 'ann@example.com';
    expect(await sim.run()).toEqual({ kind: 'parked' });
    expect(sim.maxio.calls).toEqual([]);
    expect(sim.record.run).toEqual(before.run);
    sim.want({});
    expect((await sim.run()).kind).toBe('settled');
  });

  it('F18 gets fresh tries with the next change', async () => {
    const sim = new Simulation();
    sim.record = { ...sim.record, attributes: poisons[0]?.[1] as UserAttributes };
    for (let run = 0; run < 10; run += 1) await sim.run();
    sim.record.attributes = { userName: 'ann@example.com', active: true };
    sim.want({});
    expect((await sim.run()).kind).toBe('settled');
  });
});

describe('an answer that says done while nothing was done', () => {
  it.each(['cancel', 'hold'] as const)(
    'F53 a %s is verified, repeated once and then shown, not repeated without end',
    async (policy) => {
      const sim = await joined({ policy });
      const lie = async (id: string) => {
        sim.maxio.calls.push(policy);
        const found = sim.maxio.subscriptions.find((each) => each.id === id);
        return structuredClone(found ?? expect.fail('no such subscription'));
      };
      Object.assign(sim.maxio, { cancelSubscription: lie, hold: lie });
      sim.want({ active: false });
      const outcome = await sim.run();
      expect(sim.maxio.calls).toEqual(['list', policy, 'list', policy]);
      expect(outcome).toMatchObject({ kind: 'parked', reason: 'cannot-end', detail: expect.stringContaining('"active"') });
    },
  );

  it('F53 a cancel that shows its effect only at the next look settles', async () => {
    const sim = await joined();
    const { cancelSubscription } = sim.maxio;
    sim.maxio.cancelSubscription = async function late(id: string, message: string) {
      const answer = await cancelSubscription.call(this, id, message);
      return { ...answer, state: 'active' };
    };
    sim.want({ active: false });
    expect((await sim.run()).kind).toBe('settled');
    expect(sim.maxio.calls).toEqual(['list', 'cancel', 'list']);
  });
});

describe('a call that never gets an answer', () => {
  it('F41 is parked after a day of trying, although every run between only waits', async () => {
    const sim = new Simulation();
    sim.maxio.nextFault = () => ({ fault: 'lost', lateMs: 0 });
    const startMs = sim.maxio.nowMs;
    let outcome = await sim.run();
    for (let run = 0; run < 20_000 && outcome.kind !== 'parked'; run += 1) {
      sim.maxio.advance(Math.max(1, outcome.waitMs ?? 0));
      outcome = await sim.run();
    }
    expect(outcome).toMatchObject({ kind: 'parked', reason: 'unknown-outcome' });
    expect(sim.maxio.nowMs - startMs).toBeGreaterThanOrEqual(24 * HOUR_MS);
    expect(sim.maxio.nowMs - startMs).toBeLessThan(25 * HOUR_MS);
    expect(sim.maxio.customers).toEqual([]);
  });

  it('F41 of one outage does not shorten the patience with the next', async () => {
    const sim = new Simulation();
    fates(sim, 'lost');
    expect((await sim.run()).kind).toBe('retry');
    sim.maxio.advance(140_000);
    expect((await sim.run()).kind).toBe('settled');
    expect(sim.record.run).toMatchObject({ attempts: 0 });
    expect(sim.record.run).not.toHaveProperty('failingSinceMs');
    sim.maxio.advance(30 * HOUR_MS);
    sim.want({ familyName: 'Ray' });
    fates(sim, 'unavailable');
    expect((await sim.run()).kind).toBe('retry');
  });

  it('I6 a field that only the lost update had set is cleared again when the IdP clears it', async () => {
    const sim = await joined();
    sim.record.attributes = { ...sim.record.attributes, phoneNumbers: [{ value: '+43 1 234', type: 'work' }] };
    sim.want({});
    fates(sim, 'landed');
    expect((await sim.run()).kind).toBe('retry');
    expect(sim.maxio.customers[0]?.phone).toBe('+43 1 234');
    const { phoneNumbers: _phones, ...without } = sim.record.attributes;
    sim.record.attributes = without as UserAttributes;
    sim.want({});
    expect((await sim.converge()).kind).toBe('settled');
    expect(sim.maxio.customers[0]?.phone).toBeNull();
  });

  it.each(['ann@example.com', 'bob@example.com'])(
    'B55 of a create that was refused for an older customer of that reference proves nothing: address %s',
    async (email) => {
      const sim = new Simulation();
      const created_at = new Date(sim.maxio.nowMs - HOUR_MS).toISOString();
      sim.maxio.customers.push({ ...emptyCustomer, id: '77', reference: '00u1', email, created_at });
      sim.maxio.subscriptions.push({ ...staffSubscription, customerId: '77' });
      fates(sim, 'landed');
      expect((await sim.run()).kind).toBe('retry');
      const outcome = await sim.converge();
      if (email === 'bob@example.com') {
        expect(outcome).toMatchObject({ kind: 'parked', reason: 'link-approval' });
        expect(sim.maxio.customers[0]).toMatchObject({ last_name: 'Elder', email });
        return;
      }
      expect(sim.record.link).toMatchObject({ customerId: '77', origin: 'adopted' });
      sim.want({ active: false });
      expect((await sim.converge()).kind).toBe('settled');
      expect(sim.maxio.live(), 'an adopted customer stops being billed').toEqual([]);
    },
  );

  it('I6 a refused update changes nothing of what is known', async () => {
    const sim = await joined();
    const before = structuredClone(sim.record.link);
    sim.want({ familyName: 'Ray' });
    fates(sim, 'refused');
    expect(await sim.run()).toMatchObject({ kind: 'postponed', reason: 'throttled' });
    expect(sim.record.link).toEqual(before);
    expect(sim.record.open).toEqual([]);
  });
});

describe('people who change their mind', () => {
  it('F34 false and true before any run: no cancel, no call', async () => {
    const sim = await joined();
    sim.want({ active: false });
    sim.want({ active: true });
    expect((await sim.run()).kind).toBe('settled');
    expect(sim.maxio.calls).toEqual([]);
  });

  it('F35 true while the cancel is in flight: the run ends as superseded and the next one repairs', async () => {
    const sim = await joined();
    sim.want({ active: false });
    sim.maxio.onCall = (kind) => {
      if (kind === 'cancel') sim.want({ active: true });
    };
    expect((await sim.run()).kind).toBe('superseded');
    sim.maxio.onCall = () => undefined;
    expect((await sim.run()).kind).toBe('settled');
    expect(sim.maxio.live()).toHaveLength(1);
    expect(sim.maxio.calls).toEqual(['list', 'cancel', 'reactivate']);
  });

  it('F36 200 times cost at most one cancel and one reactivation for each run', async () => {
    const sim = await joined();
    for (let flip = 0; flip < 200; flip += 1) {
      sim.want({ active: flip % 2 === 1 });
      if (flip % 20 === 0) await sim.run();
    }
    expect((await sim.converge()).kind).toBe('settled');
    expect(sim.maxio.live()).toHaveLength(1);
    expect(sim.maxio.calls.length).toBeLessThanOrEqual(3 * 11);
  });

  it('F37 deleted and wanted again: the kept customer, exactly the subscription we cancelled', async () => {
    const sim = await joined();
    sim.want({ deleted: true });
    expect((await sim.run()).kind).toBe('settled');
    sim.want({ deleted: false });
    expect((await sim.run()).kind).toBe('settled');
    expect(sim.maxio.calls).toEqual(['list', 'cancel', 'reactivate']);
    expect(sim.maxio.customers).toHaveLength(1);
    expect(sim.maxio.subscriptions).toHaveLength(1);
  });

  it('F38 a quiet leaver whose profile changes ten times costs nothing', async () => {
    const sim = await joined();
    sim.want({ active: false });
    await sim.run();
    sim.maxio.calls = [];
    for (let change = 0; change < 10; change += 1) {
      sim.want({ active: false, familyName: `No${change}` });
      expect((await sim.run()).kind).toBe('settled');
    }
    expect(sim.maxio.calls).toEqual([]);
  });
});

describe('a subscription that somebody changed at Maxio', () => {
  it('F51 and cancelled by hand is not brought back for a person who returns; the product is made anew', async () => {
    const sim = await joined();
    Object.assign(sim.maxio.subscriptions[0] ?? {}, { state: 'canceled', cancellationMessage: 'by staff' });
    sim.want({ active: false });
    expect((await sim.run()).kind).toBe('settled');
    sim.want({ active: true });
    sim.maxio.calls = [];
    expect((await sim.run()).kind).toBe('settled');
    expect(sim.maxio.calls).toEqual(['list', 'create subscription']);
  });

  it('F50 a cancel that Maxio calls already done is looked up, and the leaver settles', async () => {
    const sim = await joined();
    sim.maxio.onCall = (kind) => {
      if (kind === 'cancel')
        Object.assign(sim.maxio.subscriptions[0] ?? {}, { state: 'canceled', cancellationMessage: 'by staff' });
    };
    sim.want({ active: false });
    expect((await sim.run()).kind).toBe('settled');
    expect(sim.maxio.calls).toEqual(['list', 'cancel', 'list']);
  });

  it('I13 a subscription that staff made stays when the person leaves, and is told of', async () => {
    const sim = await joined();
    const customerId = sim.maxio.customers[0]?.id ?? '';
    sim.maxio.subscriptions.push({ ...staffSubscription, customerId });
    sim.want({ active: false });
    expect(await sim.run()).toMatchObject({ kind: 'settled', detail: expect.stringContaining('1 live subscription') });
    expect(sim.maxio.live().map(({ id }) => id)).toEqual(['900']);
  });
});

describe('a leave that somebody must decide about', () => {
  it.each(['observe', 'paused'] as const)('and every other change waits for the site: mode %s', async (mode) => {
    const sim = await joined();
    sim.want({ active: false });
    const before = structuredClone(sim.record);
    sim.mode = mode;
    expect(await sim.run()).toEqual({ kind: 'paused', reason: mode });
    expect(sim.record, 'nothing is written down').toEqual(before);
    expect(sim.maxio.calls).toEqual([]);
    sim.mode = 'enforce';
    expect((await sim.run()).kind).toBe('settled');
    expect(sim.maxio.calls).toEqual(['list', 'cancel']);
  });

  it('held costs no call, whatever changes besides; approved it is applied', async () => {
    const sim = await joined();
    sim.trip();
    sim.want({ active: false });
    expect(await sim.run()).toMatchObject({ kind: 'held' });
    sim.want({ familyName: 'Ray' });
    sim.want({ deleted: true });
    expect(await sim.run()).toMatchObject({ kind: 'held' });
    expect(sim.maxio.calls).toEqual([]);
    sim.decide('approve');
    expect((await sim.run()).kind).toBe('settled');
    expect(sim.maxio.calls).toEqual(['list', 'cancel']);
  });

  it('approved it waits neither for grace nor for calm', async () => {
    const sim = await joined({ graceMs: 3_600_000, calmMs: 60_000 });
    sim.want({ active: false });
    expect(await sim.run()).toMatchObject({ kind: 'postponed', reason: 'grace' });
    sim.trip();
    sim.decide('approve');
    expect((await sim.run()).kind).toBe('settled');
    expect(sim.maxio.calls).toEqual(['list', 'cancel']);
  });

  it('rejected it is never applied, and coming back is as if nothing had been', async () => {
    const sim = await joined();
    sim.trip();
    sim.want({ active: false });
    sim.decide('reject');
    sim.want({ familyName: 'Ray' });
    const before = structuredClone(sim.record);
    expect(await sim.run()).toEqual({ kind: 'settled' });
    expect(sim.record, 'a late bell writes nothing').toEqual(before);
    expect(sim.maxio.calls).toEqual([]);
    sim.want({ active: true });
    expect((await sim.run()).kind).toBe('settled');
    expect(sim.maxio.calls).toEqual([]);
    sim.want({ active: false });
    expect((await sim.run()).kind, 'the next leave is a new one').toBe('settled');
    expect(sim.maxio.calls).toEqual(['list', 'cancel']);
  });

  it('held while its ending is unanswered concludes nothing; approved, what was sent is looked for before anything is repeated', async () => {
    const sim = await joined();
    sim.want({ active: false });
    fates(sim, 'landed');
    expect(await sim.run()).toMatchObject({ kind: 'retry', reason: 'unknown-outcome' });
    sim.trip();
    expect(await sim.run()).toMatchObject({ kind: 'held' });
    expect(sim.record.open).toHaveLength(1);
    expect(sim.maxio.calls).toEqual(['list', 'cancel']);
    sim.decide('approve');
    expect((await sim.run()).kind).toBe('settled');
    expect(sim.maxio.calls).toEqual(['list', 'cancel', 'list']);
    expect(sim.record.open).toEqual([]);
  });

  it.each([
    ['held', (sim: Simulation) => sim.trip(), { kind: 'held' }],
    ['paused with the site', (sim: Simulation) => Object.assign(sim, { mode: 'paused' }), { kind: 'paused', reason: 'paused' }],
  ])('%s between two endings of one person: the second does not leave', async (_what, happens, then) => {
    const sim = await joined();
    await sim.maxio.createSubscription({
      productHandle: 'pro',
      paymentCollectionMethod: 'remittance',
      reference: `scim-${sim.record.id}-second`,
      customer: { kind: 'existing', id: sim.maxio.customers[0]?.id ?? '' },
    });
    sim.maxio.calls = [];
    sim.want({ active: false });
    sim.maxio.onCall = (kind) => {
      if (kind === 'cancel') happens(sim);
    };
    expect(await sim.run()).toEqual({ kind: 'superseded' });
    expect(await sim.run()).toMatchObject(then);
    expect(sim.maxio.calls).toEqual(['list', 'cancel']);
    expect(sim.maxio.live()).toHaveLength(1);
  });

  it('F35 the alarm: coming back while the cancel is at work is told, and the next run brings the person back', async () => {
    const sim = await joined();
    sim.want({ active: false });
    sim.maxio.onCall = (kind) => {
      if (kind === 'cancel') sim.want({ active: true });
    };
    expect(await sim.run()).toEqual({ kind: 'superseded' });
    expect(sim.story.filter((line) => line.includes('raced'))).toEqual(['run cancel raced ']);
    expect((await sim.converge()).kind).toBe('settled');
    expect(sim.maxio.calls).toEqual(['list', 'cancel', 'reactivate']);
    sim.maxio.onCall = () => {};
    sim.want({ active: false });
    await sim.converge();
    expect(
      sim.story.filter((line) => line.includes('raced')),
      'an ordinary leave is no alarm',
    ).toHaveLength(1);
  });
});

describe('grace', () => {
  it('F13 F63 counts on the clock of Redis from the moment of the leave, through changes that are no return', async () => {
    const sim = await joined({ graceMs: 100_000 });
    sim.want({ active: false });
    expect(await sim.run()).toMatchObject({ kind: 'postponed', reason: 'grace', waitMs: 100_000 });
    sim.maxio.advance(60_000);
    sim.want({ familyName: 'Ray' });
    const again = await sim.run();
    expect(again.waitMs).toBeGreaterThan(39_000);
    expect(again.waitMs).toBeLessThanOrEqual(40_000);
    expect(sim.maxio.calls).toEqual([]);
    sim.maxio.advance(40_000);
    expect((await sim.run()).kind).toBe('settled');
    expect(sim.maxio.calls).toEqual(['list', 'cancel']);
  });

  it('F34 leaves somebody who comes back within it untouched, without a call', async () => {
    const sim = await joined({ graceMs: 100_000 });
    sim.want({ active: false });
    await sim.run();
    sim.want({ active: true });
    expect((await sim.run()).kind).toBe('settled');
    sim.maxio.advance(200_000);
    expect((await sim.run()).kind).toBe('settled');
    expect(sim.maxio.calls).toEqual([]);
  });

  it('of protected people is not waited out: they are shown at once and never ended', async () => {
    const sim = await joined({ graceMs: 100_000, isProtected: () => true });
    sim.want({ active: false });
    expect(await sim.run()).toMatchObject({ kind: 'parked', reason: 'protected' });
    expect(sim.maxio.calls).toEqual(['list']);
    expect(sim.maxio.live()).toHaveLength(1);
  });
});

describe('an ending that was never answered, and whose repetition is refused', () => {
  const REFUSAL = new MaxioError({
    kind: 'rejected',
    call: 'ending',
    status: 422,
    messages: ['not now'],
    sent: true,
    answered: true,
  });

  /** Left; the first ending went out and takes effect in a minute, or never. */
  async function unanswered(policy: 'hold' | 'cancel_at_period_end', fault: 'late' | 'lost' = 'late'): Promise<Simulation> {
    const sim = await joined({ policy });
    sim.want({ active: false });
    const fate = [{ fault, lateMs: 60_000 }];
    sim.maxio.nextFault = () => fate.shift() ?? { fault: 'none', lateMs: 0 };
    await sim.run();
    expect(sim.record.open).toHaveLength(1);
    sim.maxio.advance(10_000);
    return sim;
  }

  it.each(['hold', 'cancel_at_period_end'] as const)(
    'is shown to nobody before the first can no longer come: policy %s',
    async (policy) => {
      const sim = await unanswered(policy);
      const refuse = async (): Promise<never> => Promise.reject(REFUSAL);
      sim.maxio.hold = refuse;
      sim.maxio.delayCancel = refuse;
      expect(await sim.run()).toMatchObject({ kind: 'postponed', reason: 'unknown-outcome' });
      sim.maxio.advance(60_000);
      expect((await sim.converge()).kind).toBe('settled');
      expect(sim.record.link?.subscriptions).toMatchObject([{ endedBy: policy }]);
      // It was ours, so it is brought back.
      sim.want({ active: true });
      expect((await sim.converge()).kind).toBe('settled');
      expect(sim.maxio.live()).toMatchObject([{ state: 'active', ending: false }]);
    },
  );

  it('and landed while the repetition was on its way: Maxio refuses what is done already, and nobody is asked', async () => {
    const sim = await unanswered('hold');
    sim.maxio.onCall = (kind) => {
      if (kind === 'hold') sim.maxio.advance(60_000);
    };
    expect(await sim.run()).toMatchObject({ kind: 'postponed', reason: 'unknown-outcome' });
    expect((await sim.converge()).kind).toBe('settled');
    expect(sim.maxio.live()).toMatchObject([{ state: 'on_hold' }]);
  });

  it('is shown to a human when it never came and Maxio goes on to refuse', async () => {
    const sim = await unanswered('hold', 'lost');
    sim.maxio.hold = async () => Promise.reject(REFUSAL);
    expect(await sim.converge()).toMatchObject({ kind: 'parked', reason: 'cannot-end' });
  });
});

describe('what has become of an unanswered call', () => {
  const told = (sim: Simulation) => sim.audits.filter(({ steps }) => steps !== undefined).map(({ steps }) => steps);

  it('I9 F15 a cancel that landed is named with its subscription and its customer', async () => {
    const sim = await joined();
    sim.want({ active: false });
    fates(sim, 'landed');
    await sim.run();
    expect((await sim.converge()).kind).toBe('settled');
    const [customer] = sim.maxio.customers;
    const [subscription] = sim.maxio.subscriptions;
    expect(told(sim)).toEqual([[{ step: 'cancel', customer: customer?.id, subscription: subscription?.id, effect: 'seen' }]]);
  });

  it('I9 F07 a create that landed is named when its customer is found, and again with its subscription', async () => {
    const sim = new Simulation();
    fates(sim, 'landed');
    await sim.run();
    expect((await sim.converge()).kind).toBe('settled');
    const [customer] = sim.maxio.customers;
    const [subscription] = sim.maxio.subscriptions;
    const step = { step: 'create-with-subscription', customer: customer?.id, effect: 'seen' };
    expect(told(sim)).toEqual([[step], [{ ...step, subscription: subscription?.id }]]);
  });

  it('I9 one that never took effect is named as such', async () => {
    const sim = await joined({ policy: 'hold' });
    sim.want({ active: false });
    fates(sim, 'lost');
    await sim.run();
    sim.maxio.advance(140_000);
    expect((await sim.converge()).kind).toBe('settled');
    expect(told(sim)[0]).toMatchObject([{ step: 'hold', effect: 'not seen' }]);
  });
});
