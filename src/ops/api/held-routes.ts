/**
 * Owns the routes about leavers that the guard has held: who they are, what is at stake, and an approver's word about them.
 * Refuses an approval by whoever changed what it depends on (second-person.ts); a reject is the careful side and anybody's who may approve.
 */
import { z } from 'zod';
import { decideAudited, listHeld } from '../held.ts';
import { moment as momentOf } from '../words.ts';
import { type ApiRoute, exactlyOne, oneSite, route } from './route.ts';
import { cents, decided, heldPerson, IDS_MAX, ids, moment, shape, siteKey } from './shapes.ts';

const LISTED_MAX = 10_000;
const todo = `The body takes either ids (at most ${IDS_MAX}) or "all": true, and site.`;
const body = z.strictObject({ site: siteKey.optional(), ids: ids.optional(), all: z.literal(true).optional() });

function decision(what: 'approve' | 'reject', words: { summary: string; description: string }): ApiRoute {
  return route({
    method: 'POST',
    path: `/held/${what}`,
    group: 'Guard',
    role: 'approver',
    ...words,
    body,
    todo,
    answer: decided,
    errors:
      what === 'approve'
        ? { 'second-person': [403, 'the same person changed the configuration or the mode, or imported people'] }
        : {},
    logged: ({ done, already, notHeld, secondPerson: second }) => ({
      decision: what,
      done,
      already,
      notHeld: notHeld.length,
      secondPerson: second,
    }),
    async run({ body: wish, operator, requestId, parts }) {
      exactlyOne({ ids: wish.ids, all: wish.all }, todo);
      const site = oneSite(parts, wish.site);
      return await decideAudited(
        site,
        { ids: wish.ids, decision: what, requestId },
        { operator, operators: parts.config.operators },
      );
    },
  });
}

export const heldRoutes: ApiRoute[] = [
  route({
    method: 'GET',
    path: '/held',
    group: 'Guard',
    role: 'viewer',
    summary: 'Leavers whose subscriptions do not end until somebody approves, and what is at stake; or those who are exempt',
    query: z.strictObject({
      site: siteKey.optional(),
      state: z
        .enum(['held', 'exempt'])
        .optional()
        .describe('exempt: those whose leave an approver has rejected. held unless told.'),
      limit: z
        .string()
        .regex(/^[1-9]\d{0,4}$/)
        .transform(Number)
        .optional()
        .describe(`How many to list, at most ${LISTED_MAX}; 200 unless told.`),
    }),
    answer: shape(
      'Held',
      z.object({
        site: z.string(),
        total: z.int(),
        tripped: z
          .object({ at: moment, why: z.string() })
          .nullable()
          .describe('When the guard began to hold, and which limit was passed.'),
        monthlyCents: cents.describe('Of everybody who is held, or of the exempt people who are listed.'),
        held: z.array(heldPerson).describe('Those who are longest so first.'),
      }),
    ),
    async run({ query, parts }) {
      const site = oneSite(parts, query.site);
      const exempt = query.state === 'exempt';
      const most = Math.min(LISTED_MAX, query.limit ?? 200);
      const [state, held] = await Promise.all([site.holds.state(), listHeld(site, most, query.state)]);
      const { trippedAtMs, why } = state;
      return {
        site: site.key,
        total: exempt ? state.exempt : state.held,
        tripped: trippedAtMs === undefined ? null : { at: momentOf(trippedAtMs), why: why ?? 'unknown' },
        monthlyCents: exempt ? held.reduce((sum, { monthlyCents }) => sum + monthlyCents, 0) : state.heldCents,
        held,
      };
    },
  }),
  decision('approve', {
    summary: 'Approve held leaves: their subscriptions end',
    description: 'Those who were approved or rejected before are counted as `already`, and nothing happens to them again.',
  }),
  decision('reject', {
    summary: 'Reject held leaves: nothing ends for these people until the identity provider next changes `active`',
    description: 'They are exempt from now on: shown and counted, and never acted on by themselves.',
  }),
];
