/** Owns the routes about people who wait for an operator: who they are, what a retry would cost, and the retry. Refuses to know how it is made (parked.ts). */
import { z } from 'zod';
import { listParked, previewRetry, retryParked } from '../parked.ts';
import { type ApiRoute, exactlyOne, route, someSites } from './route.ts';
import { IDS_MAX, ids, moment, shape, siteKey } from './shapes.ts';

const LISTED_MAX = 1_000;
const count = z.int().min(0);

const parked = shape(
  'Parked',
  z.object({
    total: count,
    parked: z
      .array(
        shape(
          'ParkedPerson',
          z.object({
            site: z.string(),
            id: z.string(),
            userName: z.string(),
            reason: z.string(),
            detail: z.string(),
            leaver: z.boolean().describe('Should have stopped being billed: look at these first.'),
            parkedAt: moment,
            parkedSeconds: count,
          }),
        ),
      )
      .describe('Longest parked first within each site.'),
  }),
);

const retried = shape(
  'Retried',
  z.object({
    retried: z.array(z.object({ site: z.string(), id: z.string() })),
    notParked: z.array(z.string()).describe('Asked for, but not parked.'),
    left: count.describe('Parked people that are left; ask again for them.'),
  }),
);

const preview = shape(
  'RetryPreview',
  z.object({
    preview: z.literal(true),
    total: count.describe('How many would be tried again.'),
    reasons: z.array(z.object({ reason: z.string(), count })),
    notParked: z.array(z.string()),
    estimatedCalls: count.describe('Calls to Maxio, from the plan of a sample of up to 200 people a site.'),
    estimatedSeconds: count.describe('How long that takes within the call budget.'),
    detail: z.string(),
  }),
);

const limit = z
  .string()
  .regex(/^[1-9]\d{0,3}$/)
  .transform(Number)
  .optional()
  .describe(`How many to list of a site, at most ${LISTED_MAX}.`);
const todo = `The body takes either ids (at most ${IDS_MAX}) or "all": true, and site and preview.`;

export const parkedRoutes: ApiRoute[] = [
  route({
    method: 'GET',
    path: '/parked',
    group: 'People',
    role: 'viewer',
    summary: 'Who is parked, and why',
    query: z.strictObject({ site: siteKey.optional(), limit }),
    todo: `The query takes site and limit, at most ${LISTED_MAX}.`,
    answer: parked,
    async run({ query, parts }) {
      const sites = someSites(parts, query.site);
      const most = Math.min(LISTED_MAX, query.limit ?? 200);
      const lists = await Promise.all(sites.map((site) => listParked(site, most)));
      const counts = await Promise.all(sites.map((site) => site.runs.backlog()));
      return { total: counts.reduce((sum, backlog) => sum + backlog.parked, 0), parked: lists.flat() };
    },
  }),
  route({
    method: 'POST',
    path: '/parked/retry',
    group: 'People',
    role: 'operator',
    summary: 'Try parked people again',
    description:
      'At most a thousand at a time; `left` tells whether to ask again. With preview nothing changes: the answer says how many, why they are parked, and what a retry would cost.',
    body: z.strictObject({
      site: siteKey.optional(),
      ids: ids.optional(),
      all: z.literal(true).optional(),
      preview: z.literal(true).optional(),
    }),
    todo,
    answer: z.union([retried, preview]),
    logged: (answer) =>
      'preview' in answer
        ? { preview: true, parked: answer.total }
        : { retried: answer.retried.length, notParked: answer.notParked.length },
    async run({ body, operator, requestId, parts }) {
      exactlyOne({ ids: body.ids, all: body.all }, todo);
      const sites = someSites(parts, body.site);
      if (body.preview) return await previewRetry(sites, body.ids);
      return await retryParked(sites, { ids: body.ids, actor: operator.name, requestId });
    },
  }),
];
