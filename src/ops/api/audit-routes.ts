/**
 * Owns the routes by which the audit trail is read: its head, its sealed lines, and whose the words are by which it names people. Refuses to check anything: whoever
 * reads does that, so that nobody has to believe this service (maxio-scim audit verify).
 */
import { z } from 'zod';
import { tellTaken } from '../taken.ts';
import { moment as momentOf } from '../words.ts';
import { type ApiRoute, oneSite, route } from './route.ts';
import { moment, shape, siteKey, siteOnly } from './shapes.ts';

const LINES_MAX = 500;
const point = z.object({ seq: z.int().min(0), hash: z.string() });

export const auditRoutes: ApiRoute[] = [
  route({
    method: 'GET',
    path: '/audit',
    group: 'Audit',
    role: 'viewer',
    summary: 'How far the audit trail of a site is sealed and exported',
    query: siteOnly,
    answer: shape(
      'AuditHead',
      z.object({
        site: z.string(),
        base: point.describe('The point after which the entries that are here begin; those before were exported or forgotten.'),
        sealed: point.describe(
          'The last sealed entry. Keep it elsewhere: whoever cuts the trail off later cannot change your copy.',
        ),
        sealedAt: moment.nullable(),
        seq: z.int().describe('The last entry; those after the sealed one are sealed within seconds.'),
        exportedSeq: z.int().describe('Entries up to this one are in files of EXPORT_DIR.'),
      }),
    ),
    async run({ query, parts }) {
      const site = oneSite(parts, query.site);
      const { sealedAtMs, ...head } = await site.audit.head();
      return { site: site.key, ...head, sealedAt: sealedAtMs === 0 ? null : momentOf(sealedAtMs) };
    },
  }),
  route({
    method: 'GET',
    path: '/audit/lines',
    group: 'Audit',
    role: 'viewer',
    summary: 'A page of sealed lines of the audit trail, oldest first',
    description:
      'Each line is the JSON of an entry and its hash: SHA-256 of the hash before, as hex, and of the line without its hash. People are named by a word only.',
    query: z.strictObject({
      site: siteKey.optional(),
      after: z
        .string()
        .regex(/^\d{1,20}-\d{1,20}$/)
        .optional()
        .describe('`last` of the page before, or a moment in epoch milliseconds followed by -0.'),
    }),
    answer: shape('AuditLines', z.object({ site: z.string(), lines: z.array(z.string()), last: z.string().nullable() })),
    async run({ query, parts }) {
      const site = oneSite(parts, query.site);
      const { lines, last } = await site.audit.page(query.after ?? '', LINES_MAX);
      return { site: site.key, lines, last: last ?? null };
    },
  }),
  route({
    method: 'POST',
    path: '/audit/people',
    group: 'Audit',
    role: 'operator',
    summary: 'Whose words the subjects of the audit trail are, a page of people',
    description: 'Holds names, so who has asked stands in the trail. Whoever was erased is not in it.',
    body: z.strictObject({
      site: siteKey.optional(),
      cursor: z
        .string()
        .regex(/^\d{1,20}$/)
        .optional(),
    }),
    answer: shape(
      'AuditPeople',
      z.object({
        site: z.string(),
        people: z.array(
          z.object({
            subject: z.string(),
            id: z.string(),
            userName: z.string(),
            externalId: z.string().nullable(),
            deleted: z.boolean(),
          }),
        ),
        next: z.string().nullable(),
      }),
    ),
    logged: ({ people }) => ({ people: people.length }),
    async run({ body, operator, requestId, parts }) {
      const site = oneSite(parts, body.site);
      await tellTaken(site, { what: 'audit-names', actor: operator.name, requestId, goesOn: body.cursor !== undefined });
      const { next, people } = await site.audit.people(body.cursor ?? '0');
      return { site: site.key, people, next: next === '0' ? null : next };
    },
  }),
];
