/**
 * Owns what the doctor says of the rules that give groups a product: whether Maxio sells what they name, and whether the groups are there.
 * Refuses to change anything; a site without rules has no line.
 */
import type { GroupPlan } from '../config-group-plans.ts';
import type { GroupStore } from '../directory/group-store.ts';
import type { GroupPlans } from '../survey/group-plans.ts';
import { type DoctorCheck, fail, pass, warn } from './check.ts';

export interface GroupPlansParts {
  groupPlans: Pick<GroupPlans, 'state' | 'wanted'>;
  groups: Pick<GroupStore, 'idsByName' | 'idsByExternalId'>;
}

const NAMED_MAX = 5;

/** Examines the rules of one site. */
export async function checkGroupPlans(siteKey: string, { groupPlans, groups }: GroupPlansParts): Promise<DoctorCheck[]> {
  const name = `${siteKey} products by group`;
  const { rules, from } = await groupPlans.state();
  if (rules.length === 0) return [];
  const wanted = await groupPlans.wanted();
  if (wanted.kind === 'refused') {
    return [
      fail(
        name,
        `${wanted.problems.join(' ')} So these rules are not put to work.`,
        from === 'ops'
          ? 'Correct them with maxio-scim group-plans set, or make the products at Maxio.'
          : 'Correct MAXIO_GROUP_PLANS_FILE and restart the service, or make the products at Maxio.',
      ),
    ];
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

async function isThere(group: GroupPlan['group'], groups: GroupPlansParts['groups']): Promise<boolean> {
  const found =
    'displayName' in group ? await groups.idsByName(group.displayName) : await groups.idsByExternalId(group.externalId);
  return found.length > 0;
}

function nameOf(group: GroupPlan['group']): string {
  return 'displayName' in group ? group.displayName : `externalId ${group.externalId}`;
}
