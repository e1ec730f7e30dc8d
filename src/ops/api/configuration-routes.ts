/**
 * Owns the routes about a configuration that would change what happens to many people and therefore waits for approval. Refuses an approval by its author.
 */
import { z } from 'zod';
import type { Authored } from '../../survey/configuration.ts';
import { authorsOf, isSecondPerson, refuseOwnHand } from '../second-person.ts';
import { type ApiRoute, oneSite, route } from './route.ts';
import { configured, moment, shape, siteKey, siteOnly } from './shapes.ts';

/** Without the digests by which scripts find groups. */
function told(configured: Authored | undefined) {
  if (configured === undefined) return null;
  const { groupPlans, ...rest } = configured;
  return groupPlans === undefined ? rest : { ...rest, groupPlans: groupPlans.map(({ match: _match, ...rule }) => rule) };
}

export const configurationRoutes: ApiRoute[] = [
  route({
    method: 'GET',
    path: '/configuration',
    group: 'Configuration',
    role: 'viewer',
    summary: 'The configuration that is acted by, and one that waits for approval',
    query: siteOnly,
    answer: shape(
      'Configuration',
      z.object({
        site: z.string(),
        applied: configured.nullable().describe('null before the first start.'),
        candidate: configured.nullable().describe('From the environment of a process, and not acted by until it is approved.'),
        changes: z
          .object({
            people: z.int().min(0),
            examples: z.array(z.string()),
          })
          .nullable()
          .describe('For how many people the candidate would do something else.'),
      }),
    ),
    async run({ query, parts }) {
      const site = oneSite(parts, query.site);
      const { applied, candidate, changes } = await site.configuration.state();
      return { site: site.key, applied: told(applied), candidate: told(candidate), changes: changes ?? null };
    },
  }),
  route({
    method: 'POST',
    path: '/configuration/approve',
    group: 'Configuration',
    role: 'approver',
    summary: 'Act by the configuration that waits',
    body: z.strictObject({
      site: siteKey.optional(),
      at: moment.optional().describe('The `at` of the candidate that was looked at; one that has come since is not approved.'),
    }),
    answer: shape(
      'ConfigurationApproved',
      z.object({
        site: z.string(),
        applied: configured.nullable(),
        secondPerson: z.boolean().describe('Whether it is known that somebody else made this configuration.'),
      }),
    ),
    errors: {
      'nothing-waits': [409, 'no configuration waits for approval'],
      moved: [409, 'the configuration changed at this very moment'],
      'second-person': [403, 'the same person made this configuration'],
    },
    logged: ({ secondPerson }) => ({ secondPerson }),
    async run({ body, operator, requestId, parts }) {
      const site = oneSite(parts, body.site);
      const { operators } = parts.config;
      const { candidate } = await site.configuration.state();
      const hands = candidate === undefined ? [] : authorsOf(candidate.author, 'made this configuration');
      refuseOwnHand(operator, operators, hands);
      const secondPerson = isSecondPerson(operator, operators, hands);
      const by = operator.name;
      // What is approved is the candidate whose author was looked at above, and, where the operator names one, the one they have seen.
      const seenAt = body.at === undefined || body.at === candidate?.at ? candidate?.at : undefined;
      await site.configuration.approve({ by, requestId, seenAt: seenAt ?? 'none' });
      await site.runs.tell('', 0, { kind: 'operator', what: 'approve-configuration', actor: by, requestId, secondPerson });
      const { applied } = await site.configuration.state();
      return { site: site.key, applied: told(applied), secondPerson };
    },
  }),
];
