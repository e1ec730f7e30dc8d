/**
 * Owns the routes by which a site comes back after its data was lost or set back: how it stands, rebuild, restored, export and import. Refuses to decide
 * what may be done when (survey/recovery.ts). An export holds personal data, so it is for those who may act.
 */
import { z } from 'zod';
import { type ArchiveRow, archiveLinesPage } from '../../directory/archive.ts';
import { RECOVERIES } from '../../directory/witness.ts';
import type { RecoveryState } from '../../survey/recovery.ts';
import { tellTaken } from '../taken.ts';
import { moment as momentOf } from '../words.ts';
import { type ApiRoute, oneSite, route } from './route.ts';
import { moment, shape, siteKey, siteOnly } from './shapes.ts';

const ROWS_MAX = 1_000;
const MEMBERS_MAX = 1_000;
const count = z.int().min(0);
const counts = {
  marked: count.describe('Customers that carry our mark.'),
  unmarked: count.describe('Customers with a reference and without a mark.'),
  foreign: count.describe('Customers whose subscriptions carry the mark of somebody else; never taken.'),
  unreferenced: count.describe('Customers without a reference; never taken.'),
  known: count.describe('Of all these, those whom the directory knows.'),
  erased: count.describe('Those who were erased here; never taken.'),
  wanted: count.describe('Those who are put back.'),
};

const recovery = shape(
  'Recovery',
  z.object({
    site: z.string(),
    recovery: z
      .enum(RECOVERIES)
      .nullable()
      .describe('null: nothing is wrong. lost, rebuilding: SCIM is answered with come back later.'),
    since: moment.nullable(),
    people: count.describe('Everybody the directory has a record of.'),
    unclaimed: count.describe('Those of them whom a rebuild has found and the identity provider has not sent since.'),
    rebuild: z
      .object({ state: z.enum(['never', 'wanted', 'running', 'done']), ...counts })
      .nullable()
      .describe('The last rebuild.'),
    detail: z.string().describe('How it stands and what to do next.'),
  }),
);

const head = z.object({
  kind: z.literal('head'),
  format: z.int(),
  site: z.string(),
  siteId: z.string().nullable(),
  epoch: z.string().nullable(),
  seq: z.int(),
  mode: z.string().nullable(),
  atMs: z.int(),
});
const row = z.union([
  z.object({
    kind: z.literal('user'),
    f: z
      .record(z.string(), z.string())
      .refine(({ id, reference, v, gen, settled, attrs, un, xi, em }) =>
        [id, reference, v, gen, settled, attrs, un, xi, em].every((field) => field !== undefined),
      ),
    order: z.number().optional(),
    held: z.number().optional(),
    exempt: z.number().optional(),
    parked: z.number().optional(),
    dirty: z.number().optional(),
  }),
  z.object({
    kind: z.literal('decision'),
    hash: z.enum(['erased', 'links', 'linkReferences', 'separate', 'groupPlans']),
    field: z.string(),
    value: z.string(),
  }),
  z.object({
    kind: z.literal('group'),
    f: z
      .record(z.string(), z.string())
      .refine(({ id, v, gen, attrs, name, xi }) => [id, v, gen, attrs, name, xi].every((field) => field !== undefined)),
    order: z.number().optional(),
    label: z.string(),
    members: z.array(z.string()).max(MEMBERS_MAX),
    more: z.boolean(),
  }),
  z.object({
    kind: z.literal('members'),
    id: z.string(),
    gen: z.string(),
    members: z.array(z.string()).max(MEMBERS_MAX),
    more: z.boolean(),
  }),
]);

const REFUSALS = {
  'not-observing': [409, 'the site is in another mode than observe'],
  'survey-first': [409, 'no survey is newer than the data'],
  'erasure-key': [409, 'people were erased, and the ERASURE_KEY by which they are known is missing'],
} satisfies Record<string, [number, string]>;

function view(site: string, { sinceMs, ...state }: RecoveryState) {
  return { site, ...state, since: sinceMs === null ? null : momentOf(sinceMs) };
}

export const recoveryRoutes: ApiRoute[] = [
  route({
    method: 'GET',
    path: '/recovery',
    group: 'Recovery',
    role: 'viewer',
    summary: 'Whether the data of a site was lost or set back, and how its recovery stands',
    query: siteOnly,
    answer: recovery,
    async run({ query, parts }) {
      const site = oneSite(parts, query.site);
      return view(site.key, await site.recovery.state());
    },
  }),
  route({
    method: 'POST',
    path: '/recovery/rebuild',
    group: 'Recovery',
    role: 'operator',
    summary: 'Put back everybody who is ours at Maxio, unseen until the identity provider sends them',
    description:
      'Costs a survey where none is newer than the data, and writes nothing at Maxio. It goes on by itself; GET /recovery tells how far it is.',
    body: z.strictObject({
      site: siteKey.optional(),
      references: z
        .union([z.enum(['marked', 'all']), z.array(z.string().min(1).max(255)).max(20_000)])
        .optional()
        .describe(
          'Whom to take besides those with our mark: all customers with a reference, or these references. Default marked.',
        ),
      preview: z.boolean().optional().describe('Only count.'),
    }),
    answer: recovery,
    errors: REFUSALS,
    logged: ({ recovery: now, rebuild }) => ({ recovery: now ?? 'none', wanted: rebuild?.wanted ?? 0 }),
    async run({ body, operator, requestId, parts }) {
      const site = oneSite(parts, body.site);
      const references = body.references ?? 'marked';
      if (body.preview !== true) return view(site.key, await site.recovery.want(references, { by: operator.name, requestId }));
      const found = await site.recovery.preview(references);
      return { ...view(site.key, await site.recovery.state()), rebuild: { state: 'never' as const, ...found } };
    },
  }),
  route({
    method: 'POST',
    path: '/recovery/restored',
    group: 'Recovery',
    role: 'operator',
    summary: 'Say that a backup of Redis was restored: the site observes until it is released',
    body: siteOnly,
    answer: recovery,
    logged: ({ recovery: now }) => ({ recovery: now ?? 'none' }),
    async run({ body, operator, requestId, parts }) {
      const site = oneSite(parts, body.site);
      return view(site.key, await site.recovery.restored({ by: operator.name, requestId }));
    },
  }),
  route({
    method: 'POST',
    path: '/export',
    group: 'Recovery',
    role: 'operator',
    summary: 'A page of the export of a site: everybody as stored, and what operators have decided',
    description: 'Holds personal data. The first page, without a cursor, begins with the head line.',
    body: z.strictObject({
      site: siteKey.optional(),
      cursor: z
        .string()
        .regex(/^g?\d{0,20}$/)
        .optional(),
    }),
    answer: shape(
      'ExportPage',
      z.object({
        site: z.string(),
        lines: z.array(z.string()).describe('JSON, one object a line.'),
        next: z.string().nullable().describe('The cursor of the next page; null: that was all.'),
      }),
    ),
    logged: ({ lines }) => ({ lines: lines.length }),
    async run({ body, operator, requestId, parts }) {
      const site = oneSite(parts, body.site);
      // Everybody's data leaves here.
      await tellTaken(site, { what: 'export', actor: operator.name, requestId, goesOn: body.cursor !== undefined });
      return { site: site.key, ...(await archiveLinesPage(site.archive, body.cursor ?? '')) };
    },
  }),
  route({
    method: 'POST',
    path: '/import',
    group: 'Recovery',
    role: 'approver',
    summary: 'Bring an export back: begin with its head, send its rows, end',
    description:
      'From begin to end the identity provider is told to come back later. Afterwards the site observes until it is released.',
    body: z.strictObject({
      site: siteKey.optional(),
      head: head.optional().describe('Begins the import.'),
      merge: z.boolean().optional().describe('Into a directory that knows people already; whoever is newer there stays.'),
      rows: z.array(row).max(ROWS_MAX).optional(),
      end: z.literal(true).optional(),
    }),
    answer: shape(
      'Imported',
      z.object({
        site: z.string(),
        added: count,
        replaced: count,
        kept: count.describe('What is here is as new.'),
        conflict: count.describe('Somebody else has the reference or the userName, or another group the name.'),
        newer: count.describe('Written by a newer release.'),
        erased: count.describe('Rows about people who were erased here; left out.'),
        groups: count.describe('Groups that were added or replaced; people are counted above.'),
      }),
    ),
    errors: {
      'not-empty': [409, 'the directory knows people already, and merge is not asked for'],
      'other-site': [409, 'the export is of another site or format'],
      'not-importing': [409, 'rows or end without a beginning'],
      'erasure-key': REFUSALS['erasure-key'],
    },
    logged: ({ added, replaced, kept, conflict, newer, erased, groups }) => ({
      added,
      replaced,
      kept,
      conflict,
      newer,
      erased,
      groups,
    }),
    async run({ body, operator, requestId, parts }) {
      const site = oneSite(parts, body.site);
      const order = { by: operator.name, requestId };
      if (body.head !== undefined) await site.imports.begin(body.head, body.merge === true, order);
      const done = await site.imports.rows((body.rows ?? []) as ArchiveRow[], order);
      if (body.end === true) await site.imports.end(order);
      return { site: site.key, ...done };
    },
  }),
];
