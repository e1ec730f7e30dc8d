/** Owns the promises of the doctor about rules that give groups a product: it blames the place where what is wrong stands, and knows how slowly Entra ID sends. */
import { expect, test } from 'vitest';
import type { SiteConfig } from '../../src/config.ts';
import { checkGroupPlans, type GroupPlansParts } from '../../src/doctor/check-group-plans.ts';
import type { GroupPlansState, ResolvedPlans } from '../../src/survey/group-plans.ts';

type Refused = Extract<ResolvedPlans, { kind: 'refused' }>;

const RULES: GroupPlansState['rules'] = [{ group: { displayName: 'Pro' }, product: 'pro' }];

async function look(
  change: Partial<SiteConfig> = {},
  { from = 'file', refused, rules = RULES }: { from?: 'file' | 'ops'; refused?: Refused['of']; rules?: typeof RULES } = {},
) {
  const config: GroupPlansParts['config'] = { key: 'us.acme', idp: 'okta', groupGraceSeconds: 900, ...change };
  const checks = await checkGroupPlans({
    config,
    groupPlans: {
      state: async () => ({ rules, from, problems: [] }),
      wanted: async () =>
        refused === undefined
          ? { kind: 'ready', rules: rules.map((rule) => ({ ...rule, match: '', family: 'plans' })) as never }
          : { kind: 'refused', problems: ['Maxio has no product gone.'], of: refused },
    },
    groups: { idsByName: async () => ['g1'], idsByExternalId: async () => ['g1'] },
  });
  for (const check of checks) expect(check.cure === '', check.name).toBe(check.status === 'pass');
  return checks;
}

test.each<[string, 'file' | 'ops', SiteConfig['groupPlansIn'], Refused['of'], string]>([
  ['the file', 'file', 'MAXIO_GROUP_PLANS_FILE', ['rules'], 'Correct MAXIO_GROUP_PLANS_FILE and restart the service; or make'],
  [
    'an entry of SITES_FILE',
    'file',
    'SITES_FILE',
    ['rules'],
    'Correct groupPlans in SITES_FILE and restart the service; or make',
  ],
  ['an operator', 'ops', 'SITES_FILE', ['rules'], 'Correct the rules with maxio-scim group-plans set; or make'],
  ['the site', 'file', 'MAXIO_GROUP_PLANS_FILE', ['site'], 'Correct MAXIO_PRODUCT_HANDLE and restart the service; or make'],
  ['the site, beside an operator', 'ops', undefined, ['site'], 'Correct MAXIO_PRODUCT_HANDLE and restart the service; or make'],
  [
    'file and site',
    'file',
    'MAXIO_GROUP_PLANS_FILE',
    ['rules', 'site'],
    'Correct MAXIO_GROUP_PLANS_FILE and MAXIO_PRODUCT_HANDLE and restart the service; or make',
  ],
  [
    'operator and site',
    'ops',
    undefined,
    ['rules', 'site'],
    'Correct the rules with maxio-scim group-plans set. Correct MAXIO_PRODUCT_HANDLE and restart the service; or make',
  ],
])('what Maxio does not sell is named by %s', async (_who, from, groupPlansIn, refused, cure) => {
  const [check] = await look(groupPlansIn === undefined ? {} : { groupPlansIn }, { from, refused });
  expect(check).toMatchObject({ status: 'fail', cure: `${cure} the products at Maxio.` });
});

test.each([
  ['entra', 900, true],
  ['entra', 3_599, true],
  ['entra', 5_400, false],
  ['okta', 900, false],
  ['generic', 0, false],
] as const)('with %s a grace of %i seconds is a warning: %s', async (idp, groupGraceSeconds, warned) => {
  const checks = await look({ idp, groupGraceSeconds });
  expect(checks[0]).toMatchObject({ name: 'us.acme products by group', status: 'pass' });
  const warning = { name: 'us.acme group grace', status: 'warn', cure: 'Set MAXIO_GROUP_GRACE to 5400, two cycles.' };
  expect(checks.slice(1)).toEqual(warned ? [expect.objectContaining(warning)] : []);
});

test('a site without rules has no line, whoever provisions it', async () => {
  expect(await look({ idp: 'entra' }, { rules: [] })).toEqual([]);
});
