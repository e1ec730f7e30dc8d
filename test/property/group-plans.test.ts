/**
 * Groups that decide products, under every kind of fault: random histories of memberships, leaves, decisions, lost and late calls around the real run and the
 * real plan. Whatever happened, the person ends with what their groups give, one subscription a family; what no rule names is never touched; and nothing is
 * ended for a group but what a recorded loss covers, after its time.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { intentOf } from '../../src/directory/record.ts';
import { familiesOf, type GroupPlans, matchOf, wantedProducts } from '../../src/provisioning/group-plans.ts';
import type { Fault } from '../support/model-maxio.ts';
import { Simulation } from '../support/simulation.ts';

const GRACE_MS = 60_000;
const FAMILIES = { basic: 'plans', pro: 'plans', support: 'extras' };
const rule = (displayName: string, product: keyof typeof FAMILIES) => ({
  group: { displayName },
  match: matchOf({ displayName }),
  product,
  family: FAMILIES[product],
});
const PLANS: GroupPlans = {
  rules: [rule('Pro', 'pro'), rule('Basic', 'basic'), rule('Support', 'support')],
  siteFamily: 'plans',
};
const GROUPS = ['Pro', 'Basic', 'Support', 'Chess'];
const ENDINGS = ['cancel', 'delay cancel', 'hold'];

type Event =
  | { kind: 'groups'; names: string[] }
  | { kind: 'want'; active: boolean }
  | { kind: 'rename'; to: string }
  | { kind: 'advance'; ms: number }
  | { kind: 'order'; order: 'trip' | 'approve' | 'reject' }
  | { kind: 'run'; faults: { fault: Fault; lateMs: number }[] };

const fault = fc.record({
  fault: fc.constantFrom<Fault>('none', 'none', 'none', 'lost', 'landed', 'late', 'refused', 'unavailable'),
  lateMs: fc.integer({ min: 1, max: 129_000 }),
});
const groups = fc.record({ kind: fc.constant('groups' as const), names: fc.subarray(GROUPS) });
const run = fc.record({ kind: fc.constant('run' as const), faults: fc.array(fault, { maxLength: 4 }) });
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 3, arbitrary: groups },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('want' as const), active: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rename' as const), to: fc.constantFrom('Lee', 'Low', 'Lau') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 200_000 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('order' as const), order: fc.constantFrom('trip', 'approve', 'reject') }),
  },
  { weight: 4, arbitrary: run },
);

async function play(sim: Simulation, events: Event[]): Promise<void> {
  for (const step of events) {
    if (step.kind === 'groups') sim.inGroups(...step.names);
    else if (step.kind === 'want') sim.want({ active: step.active });
    else if (step.kind === 'rename') sim.want({ familyName: step.to });
    else if (step.kind === 'advance') sim.maxio.advance(step.ms);
    else if (step.kind === 'order') {
      if (step.order === 'trip') sim.trip();
      else sim.decide(step.order);
    } else {
      const faults = [...step.faults];
      sim.maxio.nextFault = () => faults.shift() ?? { fault: 'none', lateMs: 0 };
      await sim.run();
    }
  }
}

function simulate(options: {
  policy: 'cancel' | 'cancel_at_period_end' | 'hold';
  productHandle: string | undefined;
}): Simulation {
  const sim = new Simulation({ ...options, groupPlans: PLANS, groupGraceMs: GRACE_MS });
  sim.maxio.families = FAMILIES;
  return sim;
}

/** Nothing is ended but a leaver's, and what a recorded loss covers after its time. */
function watch(sim: Simulation, siteProduct: string | undefined): void {
  const plans = familiesOf(PLANS, siteProduct);
  sim.maxio.onCall = (kind, id) => {
    const context = () => sim.story.join('\n');
    const target = sim.maxio.subscriptions.find((each) => each.id === id);
    if (kind === 'change product') {
      expect(intentOf(sim.record), `a product is changed for somebody who has left\n${context()}`).toBe('active');
      expect(plans[target?.productHandle ?? ''], `what no rule names is changed\n${context()}`).toBeDefined();
    }
    if (!ENDINGS.includes(kind) || intentOf(sim.record) === 'inactive') return;
    const family = plans[target?.productHandle ?? ''] ?? 'none';
    const { loss } = sim.record;
    expect(loss?.families[family], `${kind} of ${family} without a loss\n${context()}`).toBeDefined();
    expect(['free', 'approved'], `${kind} of a loss that is ${loss?.state}\n${context()}`).toContain(loss?.state);
    if (loss?.state === 'free')
      expect(sim.maxio.nowMs + 100, `too early\n${context()}`).toBeGreaterThanOrEqual((loss.families[family] ?? 0) + GRACE_MS);
  };
}

function billing(sim: Simulation): string[] {
  return sim.maxio.subscriptions
    .filter(({ state, ending }) => state === 'active' && !ending)
    .flatMap(({ productHandle }) => productHandle ?? [])
    .sort();
}

for (const policy of ['cancel', 'cancel_at_period_end', 'hold'] as const) {
  for (const productHandle of [undefined, 'basic']) {
    test(`whatever gets lost or comes late, the groups win: policy ${policy}, product of the site ${productHandle ?? 'none'}`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(event, { maxLength: 25 }), async (events) => {
          const sim = simulate({ policy, productHandle });
          watch(sim, productHandle);
          await play(sim, events);
          sim.decide('approve');
          const outcome = await sim.converge();
          sim.maxio.advance(200_000);
          const context = sim.story.join('\n');
          expect(outcome.kind, context).toBe('settled');
          expect(sim.maxio.customers.length, context).toBeLessThanOrEqual(1);
          const bills = billing(sim);
          if (intentOf(sim.record) === 'inactive') {
            if (sim.record.leave?.state !== 'exempt') expect(bills, `still billing\n${context}`).toEqual([]);
          } else {
            const wanted = wantedProducts(
              (sim.record.groups ?? []).map((displayName) => ({ displayName })),
              PLANS,
              productHandle,
            );
            const families = bills.map((product) => FAMILIES[product as keyof typeof FAMILIES]);
            expect(new Set(families).size, `two of one family: ${bills.join(', ')}\n${context}`).toBe(families.length);
            const given = wanted.filter(({ through }) => through === 'group').map((product) => product.productHandle);
            expect(bills, context).toEqual(expect.arrayContaining(given));
            const spared = sim.record.loss?.spared ?? [];
            const others = bills.filter((product) => !given.includes(product));
            const own = spared.length === 0 && wanted.some(({ through }) => through === 'site');
            // What an operator has spared stays; the site's own product is there where nothing was spared, or something of its family that nothing has taken away.
            for (const product of others)
              expect([...spared, ...(own ? ['plans'] : [])], `${product} is not wanted\n${context}`).toContain(
                FAMILIES[product as keyof typeof FAMILIES],
              );
            if (own) expect(families, `the site's own product is missing\n${context}`).toContain('plans');
          }
          sim.maxio.calls = [];
          await sim.run();
          expect(sim.maxio.calls, `a settled person costs no call\n${context}`).toEqual([]);
        }),
        { numRuns: 700 },
      );
    });
  }
}

test('a move between groups of a family is one change, in either order and however often it is read in between', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      fc.array(fc.integer({ min: 0, max: GRACE_MS / 4 }), { maxLength: 3 }),
      async (addFirst, waits) => {
        const sim = simulate({ policy: 'cancel', productHandle: undefined });
        sim.inGroups('Basic');
        await sim.converge();
        sim.maxio.calls = [];
        // The list says Pro before Basic: somebody in both has Pro.
        sim.inGroups(...(addFirst ? ['Basic', 'Pro'] : []));
        for (const ms of waits) {
          await sim.run();
          sim.maxio.advance(ms);
        }
        sim.inGroups('Pro');
        await sim.converge();
        expect(sim.maxio.calls).toEqual(['change product']);
        expect(billing(sim)).toEqual(['pro']);
      },
    ),
    { numRuns: 200 },
  );
});

test('what was sold by somebody else, or came with an adopted customer and no rule names, is never touched', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 20 }), fc.boolean(), async (events, adopted) => {
      const sim = simulate({ policy: 'cancel', productHandle: undefined });
      const email = adopted ? 'ann@example.com' : 'other@example.com';
      if (adopted) {
        await sim.maxio.createCustomer('00u1', { first_name: 'Ann', last_name: 'Lee', email });
        const customer = { kind: 'existing', id: sim.maxio.customers[0]?.id ?? '' } as const;
        await sim.maxio.createSubscription({
          productHandle: 'legacy',
          paymentCollectionMethod: 'remittance',
          reference: 'x',
          customer,
        });
      } else {
        await sim.converge();
        const customer = { kind: 'existing', id: sim.maxio.customers[0]?.id ?? '' } as const;
        await sim.maxio.createSubscription({
          productHandle: 'legacy',
          paymentCollectionMethod: 'remittance',
          reference: 'x',
          customer,
        });
      }
      const legacy = sim.maxio.subscriptions.find(({ productHandle }) => productHandle === 'legacy')?.id;
      sim.maxio.onCall = (kind, id) => {
        // Of an adopted customer everything is managed: it ends, and comes back, with the person.
        const withPerson = adopted && (ENDINGS.includes(kind) ? intentOf(sim.record) === 'inactive' : kind === 'reactivate');
        if (id === legacy) expect(withPerson, `${kind} of what no rule names\n${sim.story.join('\n')}`).toBe(true);
      };
      await play(
        sim,
        events.filter(({ kind }) => kind !== 'order'),
      );
      await sim.converge();
      if (intentOf(sim.record) === 'active') expect(billing(sim)).toContain('legacy');
    }),
    { numRuns: 500 },
  );
});

test('what somebody else has sold of a family stands for what a group gives of it, and the group gives it when that is over', async () => {
  const sim = simulate({ policy: 'cancel', productHandle: undefined });
  await sim.converge();
  const customer = { kind: 'existing', id: sim.maxio.customers[0]?.id ?? '' } as const;
  await sim.maxio.createSubscription({ productHandle: 'pro', paymentCollectionMethod: 'remittance', reference: 'x', customer });
  sim.inGroups('Basic', 'Support');
  expect(await sim.converge()).toMatchObject({
    kind: 'settled',
    detail: expect.stringMatching(/gives basic; subscription \d+ to pro /),
  });
  expect(billing(sim)).toEqual(['pro', 'support']);

  const [theirs] = sim.maxio.subscriptions.filter(({ productHandle }) => productHandle === 'pro');
  Object.assign(theirs ?? {}, { state: 'canceled' });
  sim.want({ familyName: 'Low' });
  expect(await sim.converge()).toMatchObject({ kind: 'settled' });
  expect(billing(sim)).toEqual(['basic', 'support']);
});

test('a price point that Maxio accepts and does not show is asked for once, and then somebody has to look', async () => {
  const rules = [{ ...rule('Pro', 'pro'), pricePoint: 'yearly' }];
  const sim = new Simulation({ policy: 'cancel', productHandle: undefined, groupPlans: { rules }, groupGraceMs: GRACE_MS });
  sim.maxio.families = FAMILIES;
  sim.inGroups('Pro');
  // The model knows no price points, like a site that answers without them.
  expect(await sim.converge()).toMatchObject({ kind: 'parked', reason: 'refused-by-maxio' });
  expect(sim.maxio.calls.filter((kind) => kind === 'change product')).toHaveLength(1);
  expect(sim.record.run?.detail).toContain('still shows the price point "none"');
});
