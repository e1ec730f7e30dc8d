/**
 * Owns what the doctor says of the rules that give groups a product: whether Maxio sells what they name, and whether the groups are there.
 * Refuses to change anything; a site without rules has no line.
 */
import type { SiteConfig } from '../config.ts';
import type { GroupPlan } from '../config-group-plans.ts';
import type { GroupStore } from '../directory/group-store.ts';
import type { GroupPlans } from '../survey/group-plans.ts';
import { type DoctorCheck, fail, pass, warn } from './check.ts';

export interface GroupPlansParts {
  config: Pick<SiteConfig, 'key' | 'idp' | 'groupGraceSeconds' | 'groupPlansIn'>;
  groupPlans: Pick<GroupPlans, 'state' | 'wanted'>;
  groups: Pick<GroupStore, 'idsByName' | 'idsByExternalId'>;
}

const NAMED_MAX = 5;
/** Entra ID sends what has changed about every 40 minutes, so the second half of a move may come that much later. */
const ENTRA_GRACE_MIN_SECONDS = 3_600;

/** Examines the rules of one site. */
export async function checkGroupPlans(parts: GroupPlansParts): Promise<DoctorCheck[]> {
  const { rules, from } = await parts.groupPlans.state();
  if (rules.length === 0) return [];
  return [...(await rulesChecks(parts, rules, from)), ...graceChecks(parts.config)];
}

async function rulesChecks(
  { config, groupPlans, groups }: GroupPlansParts,
  rules: readonly GroupPlan[],
  from: 'file' | 'ops',
): Promise<DoctorCheck[]> {
  const name = `${config.key} products by group`;
  const wanted = await groupPlans.wanted();
  if (wanted.kind === 'refused') {
    return [fail(name, `${wanted.problems.join(' ')} So these rules are not put to work.`, cureOf(wanted.of, from, config))];
  }
  if (wanted.kind === 'unanswered') {
    return [
      warn(
        name,
        'Maxio could not be asked for the products that the rules name.',
        'See the line about Maxio, then run the doctor again.',
      ),
    ];
  }
  const absent: string[] = [];
  for (const { group } of rules) if (!(await isThere(group, groups))) absent.push(nameOf(group));
  const products = [...new Set(wanted.rules.map(({ product }) => product))].join(', ');
  const words = `${rules.length} rules give ${products}.`;
  if (absent.length === 0) return [pass(name, words)];
  const shown = [...new Set(absent)].slice(0, NAMED_MAX).join(', ');
  return [
    warn(
      name,
      `${words} The identity provider has not sent these groups: ${shown}${absent.length > NAMED_MAX ? ' and more' : ''}.`,
      'Assign them to the provisioning (Okta: Push Groups; Entra ID: assign the groups to the application), or correct the names in the rules.',
    ),
  ];
}

/** Names the places where the wrong products are named, and no other. */
function cureOf(of: readonly ('rules' | 'site')[], from: 'file' | 'ops', { groupPlansIn }: GroupPlansParts['config']): string {
  const file = groupPlansIn === 'SITES_FILE' ? 'groupPlans in SITES_FILE' : 'MAXIO_GROUP_PLANS_FILE';
  const places = [
    ...(of.includes('rules') && from === 'file' ? [file] : []),
    ...(of.includes('site') ? ['MAXIO_PRODUCT_HANDLE'] : []),
  ];
  const ways = [
    ...(of.includes('rules') && from === 'ops' ? ['Correct the rules with maxio-scim group-plans set'] : []),
    ...(places.length === 0 ? [] : [`Correct ${places.join(' and ')} and restart the service`]),
  ];
  return `${ways.join('. ')}; or make the products at Maxio.`;
}

function graceChecks({ key, idp, groupGraceSeconds }: GroupPlansParts['config']): DoctorCheck[] {
  if (idp !== 'entra' || groupGraceSeconds >= ENTRA_GRACE_MIN_SECONDS) return [];
  return [
    warn(
      `${key} group grace`,
      `Entra ID sends changes about every 40 minutes, and MAXIO_GROUP_GRACE is ${groupGraceSeconds} seconds: somebody whose move from one group to another needs a second cycle loses the first product in between.`,
      'Set MAXIO_GROUP_GRACE to 5400, two cycles.',
    ),
  ];
}

async function isThere(group: GroupPlan['group'], groups: GroupPlansParts['groups']): Promise<boolean> {
  const found =
    'displayName' in group ? await groups.idsByName(group.displayName) : await groups.idsByExternalId(group.externalId);
  return found.length > 0;
}

function nameOf(group: GroupPlan['group']): string {
  return 'displayName' in group ? group.displayName : `externalId ${group.externalId}`;
}
