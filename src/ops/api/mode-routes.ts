/**
 * Owns the routes about what a site is allowed to do: its mode, its release, its survey. Refuses to decide whether a site may be released (survey floor).
 */
import { z } from 'zod';
import { OpsError } from '../ops-error.ts';
import { importHands, isSecondPerson, refuseOwnHand } from '../second-person.ts';
import { siteModeOf, surveyOf } from '../site-mode-view.ts';
import { type ApiRoute, oneSite, route, someSites } from './route.ts';
import { mode, shape, siteKey, siteMode, siteOnly, survey } from './shapes.ts';

const RELEASE_FIRST = 'release-first';
const RECOVERY_OPEN = 'recovery-open';

const releaseFirst = new OpsError(
  409,
  RELEASE_FIRST,
  'Nobody has released this site yet, so nothing may be written at Maxio.',
  'Look at the survey, the link plan and the plan, then release it: maxio-scim release, or POST /ops/api/release.',
);

/** A release ends the recovery, and holds who left before the loss; a bare `enforce` would do neither. */
const recoveryOpen = new OpsError(
  409,
  RECOVERY_OPEN,
  'A recovery of this site is open, so nothing may be written at Maxio before it is released.',
  'maxio-scim recovery says how it stands. Then release it: maxio-scim release, or POST /ops/api/release.',
);

export const modeRoutes: ApiRoute[] = [
  route({
    method: 'GET',
    path: '/mode',
    group: 'Mode',
    role: 'viewer',
    summary: 'The mode of every site',
    query: siteOnly,
    answer: shape('Modes', z.object({ sites: z.array(siteMode) })),
    run: async ({ query, parts }) => ({ sites: await Promise.all(someSites(parts, query.site).map(siteModeOf)) }),
  }),
  route({
    method: 'POST',
    path: '/mode',
    group: 'Mode',
    role: 'operator',
    summary: 'Set the mode of a site',
    description:
      'It survives restarts and holds for every process. In paused no call for anybody leaves for Maxio once this has answered, only a look that an operator asks for; in enforce what waits is taken up.',
    body: z.strictObject({ site: siteKey.optional(), mode, why: z.string().max(500).optional().describe('For colleagues.') }),
    answer: shape('ModeSet', z.object({ site: z.string(), mode, was: mode.nullable() })),
    errors: {
      [RELEASE_FIRST]: [409, 'enforce is asked for a site that nobody has released'],
      [RECOVERY_OPEN]: [409, 'enforce is asked for a site whose recovery nobody has ended by a release'],
    },
    logged: ({ mode: now, was }) => ({ mode: now, was: was ?? 'none' }),
    async run({ body, operator, requestId, parts }) {
      const site = oneSite(parts, body.site);
      const before = await site.modes.read();
      if (body.mode === 'enforce' && before?.releasedAtMs === undefined) throw releaseFirst;
      const order = { by: operator.name, why: body.why, requestId };
      const set = await site.modes.set(body.mode, order);
      if (set.mode !== body.mode) throw recoveryOpen;
      return { site: site.key, mode: set.mode, was: set.was ?? null };
    },
  }),
  route({
    method: 'POST',
    path: '/release',
    group: 'Mode',
    role: 'approver',
    summary: 'Release a site: from now on Maxio is written to',
    body: z.strictObject({
      site: siteKey.optional(),
      acceptUnlinked: z.boolean().optional().describe('Whoever has a twin at Maxio without a decision is parked.'),
      asNew: z.boolean().optional().describe('What was lost stays lost: the site begins as one that nobody has met.'),
    }),
    answer: shape(
      'Released',
      z.object({
        site: z.string(),
        mode: z.literal('enforce'),
        unreferenced: z.int().describe('Customers without a reference.'),
        twins: z.int().describe('Customers of them whose e-mail address belongs to a person, without a decision.'),
        secondPerson: z
          .boolean()
          .describe('Whether it is known that who releases the site has imported nothing of what it knows.'),
      }),
    ),
    errors: {
      'rebuild-first': [409, 'the data of the site was lost, and nothing was put back'],
      'survey-first': [409, 'no survey has finished'],
      'links-open': [409, 'twins are without a decision; acceptUnlinked parks their people'],
      'second-person': [403, 'the same person imported people'],
    },
    logged: ({ unreferenced, twins, secondPerson }) => ({ unreferenced, twins, secondPerson }),
    async run({ body, operator, requestId, parts }) {
      const site = oneSite(parts, body.site);
      const order = { by: operator.name, requestId, acceptUnlinked: body.acceptUnlinked ?? false, asNew: body.asNew ?? false };
      // What is imported from here on has a field of its own, and ends this release.
      const importers = await site.imports.importers();
      const hands = importHands(importers);
      refuseOwnHand(operator, parts.config.operators, hands);
      const secondPerson = isSecondPerson(operator, parts.config.operators, hands);
      const { unreferenced, twins } = await site.release.release(order);
      // With one token for all nobody is known to be somebody else.
      await site.imports.released(importers, { ...order, named: parts.config.operators.length > 1, secondPerson });
      return { site: site.key, mode: 'enforce' as const, unreferenced, twins, secondPerson };
    },
  }),
  route({
    method: 'GET',
    path: '/survey',
    group: 'Survey and links',
    role: 'viewer',
    summary: 'How the survey of the customers and subscriptions at Maxio stands',
    query: siteOnly,
    answer: survey,
    async run({ query, parts }) {
      const site = oneSite(parts, query.site);
      return await surveyOf(site);
    },
  }),
  route({
    method: 'POST',
    path: '/survey',
    group: 'Survey and links',
    role: 'operator',
    summary: 'Begin a survey, about one call for every 200 customers and every 200 subscriptions',
    body: siteOnly,
    answer: survey,
    async run({ body, operator, requestId, parts }) {
      const site = oneSite(parts, body.site);
      await site.survey.want({ by: operator.name, requestId });
      return await surveyOf(site);
    },
  }),
];
