/**
 * Which products groups give: the rules as an operator writes them, what a person in some groups is to have, and the plan as its table says it
 * (provisioning/plan-products.ts), row by row.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from '../../src/config.ts';
import type { MaxioLink, OpenStep, RememberedSubscription, UserRecord } from '../../src/directory/record.ts';
import type { IndexSight } from '../../src/directory/survey-index.ts';
import type { Subscription } from '../../src/maxio/types.ts';
import { familiesOf, type GroupPlans, matchOf, wantedProducts } from '../../src/provisioning/group-plans.ts';
import { plan } from '../../src/provisioning/plan.ts';
import type { Decision, Desired, Known, WantedProduct } from '../../src/provisioning/plan-types.ts';
import { marksOf } from '../../src/survey/configured.ts';
import { forecast } from '../../src/survey/forecast.ts';
import { mapped, staying, subscription } from './provisioning-plan-bench.ts';

const rule = (group: { displayName: string } | { externalId: string }, product: string, family: string, more = {}) => ({
  group,
  match: matchOf(group),
  product,
  family,
  ...more,
});
const PLANS: GroupPlans = {
  rules: [
    rule({ externalId: 'g-1' }, 'pro', 'plans', { pricePoint: 'yearly' }),
    rule({ displayName: 'Pro' }, 'pro', 'plans'),
    rule({ displayName: 'Basic' }, 'basic', 'plans', { collectionMethod: 'invoice' }),
    rule({ displayName: 'Pro' }, 'support', 'extras'),
  ],
  siteFamily: 'plans',
};

describe('what a person is to have', () => {
  const wanted = (groups: { displayName: string; externalId?: string }[], siteProduct?: string) =>
    wantedProducts(groups, PLANS, siteProduct).map(
      ({ productHandle, pricePointHandle, through }) => `${productHandle} ${pricePointHandle ?? '-'} ${through}`,
    );

  it('is for each family what the first rule gives that matches, whatever the order of the groups', () => {
    expect(wanted([{ displayName: 'Basic' }, { displayName: 'Pro' }])).toEqual(['pro - group', 'support - group']);
    expect(wanted([{ displayName: 'Pro' }, { displayName: 'Basic' }])).toEqual(['pro - group', 'support - group']);
    expect(wanted([{ displayName: 'Basic' }, { displayName: 'Whatever', externalId: 'g-1' }])).toEqual(['pro yearly group']);
  });

  it('minds no letter case of a name, and every letter of an externalId', () => {
    expect(wanted([{ displayName: 'bASIC' }])).toEqual(['basic - group']);
    expect(wanted([{ displayName: 'x', externalId: 'G-1' }])).toEqual([]);
    expect(wanted([{ displayName: 'g-1' }])).toEqual([]);
  });

  it('is the product of the site where no group gives anything, or none', () => {
    expect(wanted([{ displayName: 'Chess' }], 'free')).toEqual(['free - site']);
    expect(wanted([{ displayName: 'Basic' }], 'free')).toEqual(['basic - group']);
    expect(wanted([])).toEqual([]);
  });

  it('depends on no family where a site has no rules', () => {
    expect(wantedProducts([{ displayName: 'Pro' }], undefined, 'free')).toEqual([{ productHandle: 'free', through: 'site' }]);
    expect(familiesOf(undefined, 'free')).toEqual({});
    expect(familiesOf(PLANS, 'free')).toEqual({ pro: 'plans', basic: 'plans', support: 'extras', free: 'plans' });
  });
});

describe('the plan', () => {
  const NOBODY: IndexSight = { ready: true, strangers: [] };
  const PRO: WantedProduct = { productHandle: 'pro', family: 'plans', through: 'group' };
  const YEARLY: WantedProduct = { ...PRO, pricePointHandle: 'yearly' };
  const BY_CARD: WantedProduct = { ...PRO, paymentCollectionMethod: 'automatic' };
  const FREE: WantedProduct = { productHandle: 'free', family: 'plans', through: 'site' };
  const MAP = { pro: 'plans', basic: 'plans', free: 'plans', support: 'extras' };
  const NOW = 1_000_000;
  const DUE = { fromMs: NOW - 1, reason: 'grace' } as const;
  const EARLY = { fromMs: NOW + 1, reason: 'grace' } as const;

  const remembered = (productHandle: string, change: Partial<RememberedSubscription> = {}): RememberedSubscription => ({
    id: '7',
    origin: 'created',
    state: 'active',
    productHandle,
    ...change,
  });

  function decide(
    wanted: WantedProduct[],
    subscriptions: RememberedSubscription[] | undefined,
    more: {
      lost?: Desired['lost'];
      seen?: Subscription[];
      foreign?: MaxioLink['foreign'];
      open?: OpenStep[];
      refused?: string;
      protected?: boolean;
    } = {},
  ): string {
    return words(decideOn(wanted, subscriptions, more));
  }

  function decideOn(
    wanted: WantedProduct[],
    subscriptions: RememberedSubscription[] | undefined,
    more: Parameters<typeof decide>[2] = {},
  ): Decision {
    const desired: Desired = {
      ...staying,
      products: wanted,
      plans: MAP,
      ...(more.lost === undefined ? {} : { lost: more.lost }),
      ...(more.protected === undefined ? {} : { protected: more.protected }),
    };
    const link: MaxioLink = { customerId: '5', origin: 'created', confirmed: { ...mapped }, subscriptions: subscriptions ?? [] };
    const known: Known = {
      ...(subscriptions === undefined ? {} : { link: more.foreign === undefined ? link : { ...link, foreign: more.foreign } }),
      open: more.open ?? [],
      seen: {
        index: NOBODY,
        refused: new Map(more.refused === undefined ? [] : [['7', more.refused]]),
        ...(more.seen === undefined ? {} : { subscriptions: { value: more.seen, atMs: NOW } }),
      },
      nowMs: NOW,
      unknownOutcomeMs: 130_000,
    };
    return plan(desired, known);
  }

  function words(decision: Decision): string {
    if (decision.kind === 'look') return `look ${decision.at}`;
    if (decision.kind !== 'step') return 'reason' in decision ? `${decision.kind} ${decision.reason}` : decision.kind;
    const { step } = decision;
    if (!('productHandle' in step)) return step.kind;
    const { kind, productHandle, pricePointHandle, paymentCollectionMethod } = step;
    return [kind, productHandle, pricePointHandle, paymentCollectionMethod && `by ${paymentCollectionMethod}`]
      .filter(Boolean)
      .join(' ');
  }

  const sub = (productHandle: string, change: Partial<Subscription> = {}) => subscription('active', { productHandle, ...change });

  it.each<[string, string, ReturnType<typeof decide>]>([
    ['nobody is there', 'create-with-subscription pro', decide([PRO], undefined)],
    ['and a price point is named', 'create-with-subscription pro yearly', decide([YEARLY], undefined)],
    ['and a way of paying is named', 'create-with-subscription pro by automatic', decide([BY_CARD], undefined)],
    ['nothing is given', 'create-customer', decide([], undefined)],
    ['that product bills', 'settle', decide([PRO], [remembered('pro')])],
    ['another product of the family', 'change-product pro', decide([PRO], [remembered('basic')])],
    ['the same, and a way of paying is named', 'change-product pro by automatic', decide([BY_CARD], [remembered('basic')])],
    [
      'another price point, and a way of paying is named',
      'change-product pro yearly by automatic',
      decide([{ ...YEARLY, ...BY_CARD, pricePointHandle: 'yearly' }], [remembered('pro')]),
    ],
    ['that product bills, however it is paid', 'settle', decide([BY_CARD], [remembered('pro')])],
    ['another price point', 'change-product pro yearly', decide([YEARLY], [remembered('pro')])],
    [
      'the price point that is there where none is named',
      'settle',
      decide([PRO], [remembered('pro', { pricePointHandle: 'yearly' })]),
    ],
    ['a product of another family', 'look subscriptions', decide([PRO], [remembered('support')])],
    ['the same, looked at', 'create-subscription pro', decide([PRO], [remembered('support')], { seen: [sub('support')] })],
    ['that product, ended by us', 'reactivate', decide([PRO], [remembered('pro', { state: 'canceled', endedBy: 'cancel' })])],
    [
      'that product ended by us, and another that bills',
      'change-product pro',
      decide([PRO], [remembered('pro', { id: '6', state: 'canceled', endedBy: 'cancel' }), remembered('basic')]),
    ],
    [
      'another product scheduled to end by us',
      'undo-delayed-cancel',
      decide([PRO], [remembered('basic', { endedBy: 'cancel_at_period_end' })], { seen: [sub('basic', { ending: true })] }),
    ],
    [
      'another product canceled by us',
      'create-subscription pro',
      decide([PRO], [remembered('basic', { state: 'canceled', endedBy: 'cancel' })], {
        seen: [sub('basic', { state: 'canceled' })],
      }),
    ],
    [
      'an adopted subscription of the family to a product that no rule names',
      'settle',
      decide([PRO], [remembered('enterprise', { origin: 'adopted', productFamily: 'plans' })]),
    ],
    [
      'a subscription that we made, to a product that no rule names any more',
      'change-product pro',
      decide([PRO], [remembered('pro-2019', { productFamily: 'plans' })]),
    ],
    ['somebody else gave that product', 'settle', decide([PRO], [], { foreign: [{ id: '9', productHandle: 'pro' }], seen: [] })],
    ['the same, by memory alone', 'look subscriptions', decide([PRO], [], { foreign: [{ id: '9', productHandle: 'pro' }] })],
    [
      'somebody else gave another product of the family',
      'settle',
      decide([PRO], [], { foreign: [{ id: '9', productHandle: 'basic' }], seen: [] }),
    ],
    [
      'that product, ended by us, and somebody else gave another of the family since',
      'settle',
      decide([PRO], [remembered('pro', { state: 'canceled', endedBy: 'cancel' })], {
        foreign: [{ id: '9', productHandle: 'basic' }],
        seen: [sub('pro', { state: 'canceled' })],
      }),
    ],
    [
      'the same, by memory alone',
      'look subscriptions',
      decide([PRO], [remembered('pro', { state: 'canceled', endedBy: 'cancel' })], {
        foreign: [{ id: '9', productHandle: 'basic' }],
      }),
    ],
    [
      'somebody else gave a product of the family that no rule names',
      'settle',
      decide([PRO], [], { foreign: [{ id: '9', productHandle: 'enterprise', productFamily: 'plans' }], seen: [] }),
    ],
    [
      'somebody else gave a product of another family',
      'create-subscription pro',
      decide([PRO], [], {
        foreign: [
          { id: '8', productHandle: 'support' },
          { id: '9', productHandle: 'course', productFamily: 'courses' },
          { id: '10' },
        ],
        seen: [],
      }),
    ],
    [
      'the change was refused',
      'park refused-by-maxio',
      decide([PRO], [remembered('basic')], { refused: 'no', seen: [sub('basic')] }),
    ],
  ])('gives: %s: %s', (_what, expected, decision) => expect(decision).toBe(expected));

  it.each<[string, string, ReturnType<typeof decide>]>([
    ['without a loss on record', 'settle', decide([], [remembered('pro')])],
    ['a loss of another family', 'settle', decide([], [remembered('pro')], { lost: { extras: DUE } })],
    ['a loss that is held', 'settle', decide([], [remembered('pro')], { lost: { plans: 'held' } })],
    ['a loss that is exempt', 'settle', decide([], [remembered('pro')], { lost: { plans: 'exempt' } })],
    ['a loss within the grace', 'wait grace', decide([], [remembered('pro')], { lost: { plans: EARLY } })],
    ['a loss after the grace', 'look subscriptions', decide([], [remembered('pro')], { lost: { plans: DUE } })],
    ['the same, looked at', 'cancel', decide([], [remembered('pro')], { lost: { plans: DUE }, seen: [sub('pro')] })],
    [
      'staff have moved it to a product that no rule names',
      'settle',
      decide([], [remembered('pro')], { lost: { plans: DUE }, seen: [sub('enterprise')] }),
    ],
    ['a product that no rule names', 'settle', decide([], [remembered('enterprise')], { lost: { plans: DUE } })],
    [
      'a protected person',
      'park protected',
      decide([], [remembered('pro')], { lost: { plans: EARLY }, seen: [sub('pro')], protected: true }),
    ],
    [
      'nothing bills',
      'settle',
      decide([], [remembered('pro', { state: 'canceled', endedBy: 'cancel' })], { lost: { plans: EARLY } }),
    ],
    ['the family is wanted again', 'settle', decide([PRO], [remembered('pro')], { lost: { plans: DUE } })],
  ])('takes away: %s: %s', (_what, expected, decision) => expect(decision).toBe(expected));

  it.each<[string, string, ReturnType<typeof decide>]>([
    ['pushes nothing aside', 'settle', decide([FREE], [remembered('pro')])],
    ['waits within the grace', 'wait grace', decide([FREE], [remembered('pro')], { lost: { plans: EARLY } })],
    ['takes the place of a loss', 'change-product free', decide([FREE], [remembered('pro')], { lost: { plans: DUE } })],
    ['does not while that is held', 'settle', decide([FREE], [remembered('pro')], { lost: { plans: 'held' } })],
    ['is not made beside what an operator has spared', 'settle', decide([FREE], [], { lost: { extras: 'exempt' }, seen: [] })],
    ['waits with the customer', 'wait grace', decide([FREE], undefined, { lost: { plans: EARLY } })],
    ['is served by whatever no rule names', 'settle', decide([FREE], [remembered('enterprise')])],
    [
      'is not made beside what somebody else has sold of its family',
      'settle',
      decide([FREE], [], { foreign: [{ id: '9', productHandle: 'pro' }], seen: [] }),
    ],
    ['is not made beside what a customer came with', 'settle', decide([FREE], [remembered('support', { origin: 'adopted' })])],
    [
      'is made where what there was is ended by us',
      'create-subscription free',
      decide([FREE], [remembered('support', { endedBy: 'hold', state: 'on_hold' })], {
        seen: [sub('support', { state: 'on_hold' })],
      }),
    ],
    [
      'is made before a lost one of another family ends',
      'create-subscription free',
      decide([FREE], [remembered('support')], { lost: { extras: DUE }, seen: [sub('support')] }),
    ],
  ])('the product of the site %s: %s', (_what, expected, decision) => expect(decision).toBe(expected));

  it('tells of a product that a group gives and that somebody else has taken the place of', () => {
    const foreign = [{ id: '9', productHandle: 'basic' }];
    const note = expect.stringMatching(/gives pro; subscription 9 to basic .* made by somebody else/);
    expect(decideOn([PRO], [], { foreign, seen: [] })).toEqual({ kind: 'settle', note });
    // Nothing has been kept from anybody here.
    expect(decideOn([PRO], [remembered('pro')], { foreign })).toEqual({ kind: 'settle' });
    expect(decideOn([PRO], [], { foreign: [{ id: '9', productHandle: 'pro' }], seen: [] })).toEqual({ kind: 'settle' });
    expect(decideOn([FREE], [], { foreign, seen: [] })).toEqual({ kind: 'settle' });
  });

  it('a change that is unanswered keeps every other change of that subscription waiting, also when it shows its effect', () => {
    const open: OpenStep[] = [
      { kind: 'change-product', token: 't', target: '7', productHandle: 'basic', generation: 1, sentAtMs: NOW - 1_000 },
    ];
    expect(decide([PRO], [remembered('basic')], { open, seen: [sub('basic')] })).toBe('wait unknown-outcome');
    expect(decide([PRO], [remembered('free')], { open, seen: [sub('free')] })).toBe('wait unknown-outcome');
    expect(decide([PRO], [remembered('free')], { open })).toBe('look subscriptions');
    const landed = open.map((step) => ({ ...step, productHandle: 'pro' }));
    expect(decide([PRO], [remembered('pro')], { open: landed, seen: [sub('pro')] })).toBe('settle');
  });
});

describe('the forecast', () => {
  const record: UserRecord = {
    schemaVersion: 3,
    id: 'p1',
    reference: '00u1',
    generation: 2,
    settledGeneration: 1,
    attributes: { userName: 'ann@example.com', active: true, name: { givenName: 'Ann', familyName: 'Lee' } },
    deleted: false,
    createdAtMs: 0,
    modifiedAtMs: 0,
    requestId: 'r',
    open: [],
  };
  const configured = {
    productHandle: null,
    paymentCollectionMethod: 'remittance',
    deprovision: 'cancel' as const,
    mappingVersion: 1,
  };

  function told(collectionMethod: string | undefined, change: Partial<MaxioLink> = {}) {
    const more = { pricePoint: 'yearly', ...(collectionMethod === undefined ? {} : { collectionMethod }) };
    const groupPlans = {
      rules: [rule({ displayName: 'Pro' }, 'pro', 'plans', more), rule({ displayName: 'Basic' }, 'basic', 'plans')],
    };
    const policy = {
      ...{ groupPlans, policy: 'cancel' as const, unknownOutcomeMs: 130_000, graceMs: 0, calmMs: 0 },
      isProtected: () => false,
    };
    const link: MaxioLink = {
      customerId: '5',
      origin: 'created',
      confirmed: { ...mapped },
      subscriptions: [{ id: '7', origin: 'created', state: 'active', productHandle: 'basic' }],
      ...change,
    };
    const row = { id: '9', customerId: '5', state: 'active', reference: null, ending: false, updatedAt: '', readAtMs: 0 };
    const sight = {
      index: { ready: true, strangers: [] },
      subscriptions: (link.foreign ?? []).map(({ id, productHandle }) => ({ ...row, id, productHandle })),
      groups: [{ displayName: 'Pro' }],
    };
    return forecast({ ...record, link }, sight, policy, { nowMs: 1_000_000 });
  }

  it('says how a subscription that is moved is paid, where a rule says so', () => {
    expect(told('automatic')).toMatchObject({
      kind: 'change',
      steps: [{ kind: 'change-product', target: '7', productHandle: 'pro', paymentCollectionMethod: 'automatic' }],
      words: 'Change subscription 7 to pro, price point yearly, paid by automatic.',
    });
    expect(told(undefined).steps[0]).not.toHaveProperty('paymentCollectionMethod');
  });

  it('differs by it, and not by how the site has new ones paid', () => {
    const site = { ...configured, paymentCollectionMethod: 'automatic' };
    expect(marksOf(told('automatic'), configured)).not.toBe(marksOf(told(undefined), configured));
    expect(marksOf(told('automatic'), configured)).toBe(marksOf(told('automatic'), site));
    expect(marksOf(told(undefined), configured)).toBe(marksOf(told(undefined), site));
    const sold = (method?: string) => told(method, { subscriptions: [] });
    expect(sold().kind).toBe('subscribe');
    expect(marksOf(sold(), configured)).not.toBe(marksOf(sold(), site));
    expect(marksOf(sold('automatic'), configured)).toBe(marksOf(sold('automatic'), site));
  });

  it('remembers the family of what somebody else has sold', () => {
    const theirs = { id: '9', productHandle: 'enterprise', productFamily: 'plans' };
    expect(told(undefined, { subscriptions: [], foreign: [theirs] })).toMatchObject({ kind: 'nothing', steps: [] });
    expect(told(undefined, { subscriptions: [], foreign: [{ ...theirs, productFamily: 'others' }] }).kind).toBe('subscribe');
  });
});

describe('rules in the configuration', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'group-plans-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const minimal = {
    REDIS_URL: 'redis://127.0.0.1:6379',
    MAXIO_SUBDOMAIN: 'acme',
    MAXIO_API_KEY: 'group-plans-key',
    SCIM_TOKEN: 'group-plans-scim-token-1f',
    OPS_TOKEN: 'group-plans-ops-token-2e',
  };
  function file(name: string, content: unknown): string {
    const path = join(folder, name);
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  }
  function problemsOf(env: Record<string, string>): string[] {
    try {
      readConfig(env);
      return [];
    } catch (error) {
      if (error instanceof ConfigError) return [...error.problems];
      throw error;
    }
  }

  it('are read from a file, a bare name being a displayName', () => {
    const path = file('plans.json', [
      { group: ' Pro ', product: 'pro', pricePoint: 'yearly' },
      { group: { externalId: 'g-1' }, product: 'basic', collectionMethod: 'automatic' },
    ]);
    const [site] = readConfig({ ...minimal, MAXIO_GROUP_PLANS_FILE: path, MAXIO_GROUP_GRACE: '60' }).sites;
    expect(site).toMatchObject({
      groupGraceSeconds: 60,
      groupPlansIn: 'MAXIO_GROUP_PLANS_FILE',
      groupPlans: [
        { group: { displayName: 'Pro' }, product: 'pro', pricePoint: 'yearly' },
        { group: { externalId: 'g-1' }, product: 'basic', collectionMethod: 'automatic' },
      ],
    });
    expect(readConfig(minimal).sites[0]).toMatchObject({ groupGraceSeconds: 900, groupPlans: [] });
  });

  it.each([
    ['no list', '{}', /MAXIO_GROUP_PLANS_FILE: .*array/],
    ['no JSON', '[', /not valid JSON/],
    ['a name in place of a handle', [{ group: 'A', product: 'My Product' }], /rule 1 \(product\).*API handle/],
    [
      'a field that nobody knows',
      [
        { group: 'A', product: 'a' },
        { group: 'B', product: 'b', price: 1 },
      ],
      /rule 2.*price/,
    ],
    ['a group without a name', [{ group: '', product: 'a' }], /rule 1 \(group/],
    ['a way of paying that Maxio does not have', [{ group: 'A', product: 'a', collectionMethod: 'gold' }], /collectionMethod/],
  ])('are refused with %s', (_what, content, problem) => {
    const path = file('wrong.json', content);
    expect(problemsOf({ ...minimal, MAXIO_GROUP_PLANS_FILE: path })).toEqual([expect.stringMatching(problem)]);
  });

  it('stand in SITES_FILE as groupPlans, or as the name of a file, not as both', () => {
    const { REDIS_URL, OPS_TOKEN, ...site } = minimal;
    const rules = [{ group: 'Pro', product: 'pro' }];
    const sites = file('sites.json', [{ ...site, groupPlans: rules }]);
    expect(readConfig({ REDIS_URL, OPS_TOKEN, SITES_FILE: sites }).sites[0]).toMatchObject({
      groupPlans: [{ group: { displayName: 'Pro' }, product: 'pro' }],
      groupPlansIn: 'SITES_FILE',
    });
    const both = file('both.json', [{ ...site, groupPlans: rules, MAXIO_GROUP_PLANS_FILE: file('plans.json', rules) }]);
    expect(problemsOf({ REDIS_URL, OPS_TOKEN, SITES_FILE: both })).toEqual([expect.stringMatching(/both set/)]);
    const wrong = file('wrong-sites.json', [{ ...site, groupPlans: [{ group: 'Pro' }] }]);
    expect(problemsOf({ REDIS_URL, OPS_TOKEN, SITES_FILE: wrong })).toEqual([
      expect.stringMatching(/SITES_FILE entry 1: groupPlans at rule 1 \(product\)/),
    ]);
  });
});
