/**
 * Owns the routes that show the differences between directory and Maxio, and the plan of what would happen next. Refuses to know how either is found.
 */
import { z } from 'zod';
import type { OpsSite } from '../site-view.ts';
import { tellTaken } from '../taken.ts';
import { moment as momentOf } from '../words.ts';
import { type ApiRoute, exactlyOne, oneSite, route } from './route.ts';
import { cents, driftRow, example, ids, moment, shape, siteKey, siteOnly, tabular } from './shapes.ts';

const count = z.int().min(0);

const drift = shape(
  'Drift',
  z.object({
    site: z.string(),
    state: z.enum(['never', 'wanted', 'running', 'done']),
    at: moment.nullable().describe('When the report was made.'),
    full: z.boolean().describe('Whether every customer and subscription is read for it, or only those that changed.'),
    counts: z.record(z.string(), count).describe('By kind.'),
    rows: z.array(driftRow),
  }),
);

async function reportOf(site: OpsSite, kind?: string): Promise<z.infer<typeof drift>> {
  const [{ state, atMs, full, lastFull, counts }, rows] = await Promise.all([site.drift.head(), site.drift.rows()]);
  const shown = kind === undefined ? rows : rows.filter((row) => row.kind === kind);
  const pending = state === 'wanted' || state === 'running';
  return {
    site: site.key,
    state,
    at: atMs === 0 ? null : momentOf(atMs),
    full: pending ? full : lastFull,
    counts,
    rows: shown.map(({ key: _key, sinceMs, ...row }) => ({ ...row, sinceAt: momentOf(sinceMs) })),
  };
}

const todo = 'The body takes exactly one of ids, kind or "all": true, and site.';

export const driftRoutes: ApiRoute[] = [
  route({
    method: 'GET',
    path: '/plan',
    group: 'Plan and drift',
    role: 'viewer',
    summary: 'What would happen for everybody whose last change is not settled',
    description: 'From memory and the last survey, without a call to Maxio.',
    query: siteOnly,
    answer: shape(
      'Plan',
      z.object({
        site: z.string(),
        people: count,
        counts: z.record(z.string(), count).describe('By kind.'),
        monthlyCents: cents.describe('What leavers and held people bring in a month.'),
        examples: z.record(z.string(), z.array(example)).describe('By kind, up to twenty people each.'),
      }),
    ),
    async run({ query, parts }) {
      const site = oneSite(parts, query.site);
      const { people, counts, monthlyCents, examples } = await site.forecasts.summary('unsettled');
      return { site: site.key, people, counts, monthlyCents, examples };
    },
  }),
  route({
    method: 'GET',
    path: '/drift',
    group: 'Plan and drift',
    role: 'viewer',
    summary: 'Differences between directory and Maxio that no pending work explains',
    query: tabular.extend({ kind: z.string().max(60).optional().describe('Only rows of this kind.') }),
    answer: drift,
    table: ({ rows }, site) => ({
      filename: `drift-${site}.csv`,
      header: ['kind', 'person_id', 'user_name', 'customer_id', 'subscription_id', 'detail', 'since', 'repair', 'exempt'],
      rows: rows.map((row) => [
        row.kind,
        row.personId,
        row.userName,
        row.customerId,
        row.subscriptionId,
        row.detail,
        row.sinceAt,
        row.repair,
        row.exempt ? 'yes' : 'no',
      ]),
    }),
    async run({ query, operator, requestId, parts }) {
      const site = oneSite(parts, query.site);
      // On the screen it is asked for over and over; a table is taken along.
      if (query.format === 'csv') await tellTaken(site, { what: 'drift-table', actor: operator.name, requestId, goesOn: false });
      return await reportOf(site, query.kind);
    },
  }),
  route({
    method: 'POST',
    path: '/drift',
    group: 'Plan and drift',
    role: 'operator',
    summary: 'Look for differences now',
    body: z.strictObject({
      site: siteKey.optional(),
      full: z.literal(true).optional().describe('Read everything, not only what changed.'),
    }),
    answer: drift,
    async run({ body, operator, requestId, parts }) {
      const site = oneSite(parts, body.site);
      await site.drift.want(body.full === true, { by: operator.name, requestId });
      return await reportOf(site);
    },
  }),
  route({
    method: 'POST',
    path: '/drift/repair',
    group: 'Plan and drift',
    role: 'operator',
    summary: 'Bring people in step again who differ',
    description:
      'They are planned anew from what Maxio shows, within the call budget. Held and exempt people are left out; people with a contested difference are, unless their ids are given.',
    body: z.strictObject({
      site: siteKey.optional(),
      ids: ids.optional(),
      kind: z.string().min(1).max(60).optional(),
      all: z.literal(true).optional(),
    }),
    todo,
    answer: shape(
      'Repaired',
      z.object({
        repaired: count,
        skipped: z.array(z.object({ id: z.string(), detail: z.string() })),
        left: count.describe('People who were not reached in the time of one request; ask again for them.'),
      }),
    ),
    logged: ({ repaired, skipped, left }) => ({ repaired, skipped: skipped.length, left }),
    async run({ body, operator, requestId, parts }) {
      const { ids: some, kind, all } = body;
      exactlyOne({ ids: some, kind, all }, todo);
      const site = oneSite(parts, body.site);
      const wish = some !== undefined ? { ids: some } : kind !== undefined ? { kind } : { all: true as const };
      return await site.repairs.repair(wish, { by: operator.name, requestId });
    },
  }),
];
