/**
 * Owns the routes about the SCIM tokens of a site: which there are, a new one, the end of one. A token is in one answer only, that of its making.
 * Refuses to make tokens and to keep them (directory/tokens.ts).
 */
import { z } from 'zod';
import { TOKEN_DAYS, type TokenRow } from '../../directory/tokens.ts';
import { OpsError } from '../ops-error.ts';
import type { OpsSite } from '../site-view.ts';
import { moment as momentOf } from '../words.ts';
import { type ApiRoute, oneSite, route } from './route.ts';
import { moment, shape, siteKey, siteOnly } from './shapes.ts';

const TOO_MANY = 'too-many-tokens';
const NO_SUCH = 'no-such-token';

const id = z.string().regex(/^[a-z2-7]{12}$/, 'must be the id of a token');

const token = shape(
  'Token',
  z.object({
    id: z.string(),
    state: z.enum(['live', 'expired', 'revoked']),
    createdAt: moment,
    expiresAt: moment,
    by: z.string().describe('Name of the operator who made it.'),
    note: z.string(),
    lastUsedAt: moment.nullable().describe('To the minute; null: never.'),
    revokedAt: moment.nullable(),
    revokedBy: z.string().nullable(),
  }),
);

const tokens = shape(
  'Tokens',
  z.object({
    site: z.string(),
    tokens: z.array(token).describe('Newest first. Those that have been over for 90 days are forgotten when a new one is made.'),
    configured: z
      .object({ expiresAt: moment.nullable(), lastUsedAt: moment.nullable() })
      .nullable()
      .describe('The SCIM_TOKEN of the configuration, if there is one.'),
  }),
);

function rowOf({ revokedMs, lastUsedMs, createdMs, expiresMs, ...row }: TokenRow): z.infer<typeof token> {
  const { id: name, state, by, note, revokedBy = null } = row;
  const times = { createdAt: momentOf(createdMs), expiresAt: momentOf(expiresMs), lastUsedAt: orNull(lastUsedMs) };
  return { id: name, state, by, note, ...times, revokedAt: orNull(revokedMs), revokedBy };
}

function orNull(atMs: number | undefined): string | null {
  return atMs === undefined ? null : momentOf(atMs);
}

/** Says which of the live ones could go: the one that was used longest ago. */
async function tooMany(site: OpsSite): Promise<OpsError> {
  const live = (await site.tokens.list()).tokens.filter(({ state }) => state === 'live');
  const oldest = live.toSorted((a, b) => (a.lastUsedMs ?? 0) - (b.lastUsedMs ?? 0) || a.createdMs - b.createdMs)[0];
  const words = live.map(
    ({ id: name, lastUsedMs }) => `${name} (${lastUsedMs === undefined ? 'never used' : `last used ${momentOf(lastUsedMs)}`})`,
  );
  return new OpsError(
    409,
    TOO_MANY,
    `${site.key} has two live tokens already: ${words.join(' and ')}.`,
    `Revoke the one that the identity provider does not use, probably ${oldest?.id ?? 'the older one'}: maxio-scim token revoke ${oldest?.id ?? 'ID'} --site ${site.key}. Then ask again.`,
  );
}

export const tokenRoutes: ApiRoute[] = [
  route({
    method: 'GET',
    path: '/tokens',
    group: 'Tokens',
    role: 'viewer',
    summary: 'The SCIM tokens of a site, without the tokens themselves',
    query: siteOnly,
    answer: tokens,
    async run({ query, parts }) {
      const site = oneSite(parts, query.site);
      const { tokens: rows, configured } = await site.tokens.list();
      const own = configured && { expiresAt: orNull(configured.expiresMs), lastUsedAt: orNull(configured.lastUsedMs) };
      return { site: site.key, tokens: rows.map(rowOf), configured: own ?? null };
    },
  }),
  route({
    method: 'POST',
    path: '/tokens',
    group: 'Tokens',
    role: 'approver',
    summary: 'Make a SCIM token; it is shown in this answer and never again',
    description:
      'It opens the door at once in the process that answers, and within seconds in every other one. A site has at most two live tokens, so that the identity provider can go over from one to the next.',
    body: z.strictObject({
      site: siteKey.optional(),
      days: z.int().min(1).max(TOKEN_DAYS.max).default(TOKEN_DAYS.usual).describe('How long it is good.'),
      note: z.string().max(200).default('').describe('For colleagues: where it is used.'),
    }),
    answer: shape(
      'TokenMade',
      z.object({ site: z.string(), id: z.string(), token: z.string(), createdAt: moment, expiresAt: moment }),
    ),
    errors: { [TOO_MANY]: [409, 'two tokens of the site are live'] },
    logged: (made) => ({ site: made.site, tokenId: made.id }),
    async run({ body, operator, requestId, parts }) {
      const site = oneSite(parts, body.site);
      const made = await site.tokens.create({ by: operator.name, requestId, days: body.days, note: body.note });
      if (made.kind === 'full') throw await tooMany(site);
      const { id: name, token: text, createdMs, expiresMs } = made;
      return { site: site.key, id: name, token: text, createdAt: momentOf(createdMs), expiresAt: momentOf(expiresMs) };
    },
  }),
  route({
    method: 'POST',
    path: '/tokens/revoke',
    group: 'Tokens',
    role: 'approver',
    summary: 'End a SCIM token for ever: at once here, within seconds in every process',
    body: z.strictObject({ site: siteKey.optional(), id }),
    answer: shape('TokenRevoked', z.object({ site: z.string(), id: z.string(), already: z.boolean() })),
    errors: { [NO_SUCH]: [404, 'the site has no token of that id'] },
    logged: (ended) => ({ site: ended.site, tokenId: ended.id }),
    async run({ body, operator, requestId, parts }) {
      const site = oneSite(parts, body.site);
      const ended = await site.tokens.revoke(body.id, { by: operator.name, requestId });
      if (ended !== 'missing') return { site: site.key, id: body.id, already: ended === 'already' };
      throw new OpsError(404, NO_SUCH, `${site.key} has no token ${body.id}.`, 'maxio-scim token list shows those it has.');
    },
  }),
];
