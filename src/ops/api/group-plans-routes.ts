/**
 * Owns the routes about the rules that give groups a product: which there are, who has set them, whether Maxio sells what they name, and setting or taking
 * them back. Refuses to put them to work: that is a change of the configuration, which waits for approval where it would change many (configuration-routes.ts).
 */
import { z } from 'zod';
import { GROUP_PLANS_MAX, groupPlanList } from '../../config-group-plans.ts';
import { moment as momentOf } from '../words.ts';
import { type ApiRoute, oneSite, route } from './route.ts';
import { moment, planRule, shape, siteKey, siteOnly } from './shapes.ts';

const groupName = z.object({ displayName: z.string().optional(), externalId: z.string().optional() });
const state = shape(
  'GroupPlans',
  z.object({
    site: z.string(),
    from: z.enum(['file', 'ops']).describe('file: as configured; ops: set here, in place of the file.'),
    by: z.string().nullable(),
    at: moment.nullable(),
    rules: z
      .array(
        z.object({
          group: groupName,
          product: z.string(),
          pricePoint: z.string().optional(),
          collectionMethod: z.string().optional(),
        }),
      )
      .describe('In their order: for each product family the first rule that one of the groups of a person matches counts.'),
    problems: z
      .array(z.string())
      .describe('What Maxio does not sell; as long as there are any, the rules before go on to apply.'),
    applied: z.array(planRule).describe('What is acted by at this moment.'),
  }),
);

async function stateOf(site: ReturnType<typeof oneSite>) {
  const { rules, from, by, atMs, problems } = await site.groupPlans.state();
  const { applied } = await site.configuration.state();
  return {
    site: site.key,
    from,
    by: by ?? null,
    at: atMs === undefined ? null : momentOf(atMs),
    rules,
    problems,
    applied: (applied?.groupPlans ?? []).map(({ match: _match, ...rule }) => rule),
  };
}

export const groupPlansRoutes: ApiRoute[] = [
  route({
    method: 'GET',
    path: '/group-plans',
    group: 'Configuration',
    role: 'viewer',
    summary: 'Which products groups give, and whether Maxio sells them',
    query: siteOnly,
    answer: state,
    run: async ({ query, parts }) => await stateOf(oneSite(parts, query.site)),
  }),
  route({
    method: 'PUT',
    path: '/group-plans',
    group: 'Configuration',
    role: 'approver',
    summary: 'Set the rules in place of those in the file',
    description:
      'Every product is read from Maxio first. The rules take effect as a change of the configuration: by themselves, or after an approval by somebody else where they would change many people.',
    body: z.strictObject({ site: siteKey.optional(), rules: groupPlanList }),
    todo: `The body takes rules (at most ${GROUP_PLANS_MAX}), each with group, product, and perhaps pricePoint and collectionMethod, and site.`,
    answer: state,
    errors: {
      'products-unknown': [422, 'Maxio has no such product, or it is archived'],
      'maxio-silent': [503, 'Maxio could not be asked'],
    },
    logged: ({ rules }) => ({ rules: rules.length }),
    async run({ body, operator, requestId, parts }) {
      const site = oneSite(parts, body.site);
      await site.groupPlans.set(body.rules, { by: operator.name, requestId });
      return await stateOf(site);
    },
  }),
  route({
    method: 'DELETE',
    path: '/group-plans',
    group: 'Configuration',
    role: 'approver',
    summary: 'Go back to the rules in the file',
    query: siteOnly,
    answer: state,
    logged: ({ rules }) => ({ rules: rules.length }),
    async run({ query, operator, requestId, parts }) {
      const site = oneSite(parts, query.site);
      await site.groupPlans.reset({ by: operator.name, requestId });
      return await stateOf(site);
    },
  }),
];
