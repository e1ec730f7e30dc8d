/** Owns the route that tells one person's whole story. Refuses to know how it is told (person.ts). */
import { z } from 'zod';
import { findPerson } from '../find-person.ts';
import { viewPerson } from '../person.ts';
import { type ApiRoute, route, someSites } from './route.ts';
import { forecast, moment, shape, siteKey } from './shapes.ts';

const fields = z.record(z.string(), z.string().nullable());
const subscription = z.object({
  id: z.string(),
  productHandle: z.string().optional(),
  origin: z.enum(['created', 'adopted']),
  state: z.string(),
  monthlyCents: z.number().optional(),
  endedBy: z.enum(['cancel', 'cancel_at_period_end', 'hold']).optional(),
});

/** What a leave and a loss have in common. */
const decided = {
  at: moment,
  state: z.enum(['free', 'held', 'approved', 'exempt']),
  why: z.string().nullable(),
  by: z.string().nullable(),
  decidedAt: moment.nullable(),
};

const person = shape(
  'Person',
  z.object({
    site: z.string(),
    id: z.string(),
    userName: z.string(),
    active: z.boolean(),
    deleted: z.boolean(),
    generation: z.int(),
    settledGeneration: z.int(),
    inStep: z.boolean().describe('Whether Maxio holds what the identity provider wants, as far as we know.'),
    promised: z.string(),
    now: z.string(),
    would: forecast.nullable().describe('What would happen if the site were in enforce, or if the leave were approved.'),
    leave: z
      .object({
        ...decided,
      })
      .nullable()
      .describe('When they left, and what was decided about it.'),
    loss: z
      .object({
        ...decided,
        families: z.array(z.string()).describe('Product families of which a group has taken a product away.'),
        spared: z.array(z.string()).describe('Those whose loss is not acted on, by the word of an operator.'),
      })
      .nullable()
      .describe('What groups have taken away from somebody who stays, and what was decided about it.'),
    protected: z.boolean(),
    monthlyCents: z.int().nullable(),
    reference: z.string(),
    maxio: z
      .object({
        customerId: z.string(),
        origin: z.enum(['created', 'adopted']),
        confirmed: fields,
        inDoubt: z.boolean().optional(),
        quiet: z.boolean().optional(),
        unseen: z.boolean().optional(),
        subscriptions: z.array(subscription),
        foreign: z.array(z.object({ id: z.string(), productHandle: z.string().optional() })).optional(),
      })
      .nullable()
      .describe('As remembered from the last answers.'),
    openSteps: z.array(z.object({ kind: z.string(), generation: z.int(), target: z.string().nullable(), sentAt: moment })),
    story: z.array(
      z.object({
        seq: z.int(),
        at: moment,
        who: z.enum(['IdP', 'Maxio', 'service', 'operator']),
        what: z.string(),
        generation: z.int(),
        requestId: z.string().nullable(),
      }),
    ),
    live: z
      .object({
        customer: z.object({ id: z.string(), reference: z.string().nullable(), updatedAt: moment }).nullable(),
        subscriptions: z.array(
          z.object({
            id: z.string(),
            product: z.string().nullable(),
            state: z.string(),
            ending: z.boolean(),
            currentPeriodEndsAt: z.string().nullable(),
            managed: z.boolean(),
          }),
        ),
      })
      .optional()
      .describe('What Maxio says at this moment, where it was asked.'),
    liveError: z.string().optional(),
  }),
);

export const peopleRoutes: ApiRoute[] = [
  route({
    method: 'GET',
    path: '/people/:idOrUserName',
    group: 'People',
    role: 'viewer',
    summary: 'The whole story of one person',
    params: { idOrUserName: 'SCIM id, userName, Maxio reference, externalId or e-mail address; deleted people by id.' },
    query: z.strictObject({
      site: siteKey.optional(),
      live: z.enum(['0', '1']).optional().describe('1 asks Maxio too, at the cost of up to two calls.'),
    }),
    todo: 'The query takes site and live=1.',
    answer: person,
    logged: ({ id }) => ({ scimId: id }),
    errors: { 'not-found': [404, 'nobody is known under that name'], ambiguous: [409, 'several people fit'] },
    async run({ query, params, parts }) {
      const { site, record } = await findPerson(someSites(parts, query.site), params.idOrUserName ?? '');
      return await viewPerson(site, record, query.live === '1');
    },
  }),
];
