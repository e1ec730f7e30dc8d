/**
 * Owns the routes about customers that were at Maxio before us: which person each belongs to, what an operator decides, and how setting the references goes.
 * Refuses to know how people and customers are matched (survey floor).
 */
import { z } from 'zod';
import { tellTaken } from '../taken.ts';
import { type ApiRoute, oneSite, route } from './route.ts';
import { IDS_MAX, linkDecision, linkRow, shape, siteKey, siteOnly, tabular } from './shapes.ts';

const count = z.int().min(0);

export const linksRoutes: ApiRoute[] = [
  route({
    method: 'GET',
    path: '/links/plan',
    group: 'Survey and links',
    role: 'viewer',
    summary: 'Customers without a reference of ours, and the people they may be',
    description:
      'From the last survey and the directory, without a call to Maxio. The highest monthly revenue comes first. Holds names, so who has asked stands in the trail.',
    query: tabular,
    answer: shape('LinkPlan', z.object({ site: z.string(), rows: z.array(linkRow) })),
    table: ({ rows }, site) => ({
      filename: `link-plan-${site}.csv`,
      header: [
        'customer_id',
        'name',
        'email',
        'reference',
        'live_subscriptions',
        'monthly_revenue',
        'match',
        'user_name',
        'proposed_reference',
        'decision',
        'state',
      ],
      rows: rows.map((row) => [
        row.customerId,
        row.name,
        row.email,
        row.reference,
        row.subscriptions,
        (row.monthlyCents / 100).toFixed(2),
        row.match,
        row.userName,
        row.proposedReference,
        row.state === 'separate' ? 'separate' : row.state === 'open' ? '' : 'link',
        row.state,
      ]),
    }),
    async run({ query, operator, requestId, parts }) {
      const site = oneSite(parts, query.site);
      // Names and addresses of customers whom no identity provider has ever sent.
      await tellTaken(site, { what: 'link-plan', actor: operator.name, requestId, goesOn: false });
      return { site: site.key, rows: await site.links.plan() };
    },
  }),
  route({
    method: 'POST',
    path: '/links',
    group: 'Survey and links',
    role: 'operator',
    summary: 'Decide which customer belongs to which person',
    description:
      'Each approved link costs one call, which sets the reference of the customer, within the call budget. Sending a decision again changes nothing.',
    body: z.strictObject({ site: siteKey.optional(), rows: z.array(linkDecision).min(1).max(IDS_MAX) }),
    todo: `The body takes rows (at most ${IDS_MAX}), each with customerId, decision (link or separate) and reference, and site.`,
    answer: shape(
      'LinksAccepted',
      z.object({
        accepted: count,
        already: count,
        refused: z.array(z.object({ customerId: z.string(), detail: z.string() })),
      }),
    ),
    logged: ({ accepted, already, refused }) => ({ accepted, already, refused: refused.length }),
    async run({ body, operator, requestId, parts }) {
      const site = oneSite(parts, body.site);
      return await site.links.accept(body.rows, { by: operator.name, requestId });
    },
  }),
  route({
    method: 'GET',
    path: '/links',
    group: 'Survey and links',
    role: 'viewer',
    summary: 'How far the approved links have been set',
    query: siteOnly,
    answer: shape(
      'LinksProgress',
      z.object({
        site: z.string(),
        wanted: count,
        applied: count,
        failed: count,
        left: count,
        failures: z.array(z.object({ customerId: z.string(), reference: z.string(), detail: z.string() })),
      }),
    ),
    async run({ query, parts }) {
      const site = oneSite(parts, query.site);
      return { site: site.key, ...(await site.links.progress()) };
    },
  }),
];
