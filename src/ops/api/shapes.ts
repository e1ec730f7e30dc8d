/**
 * Owns the shapes that the answers of the ops API are made of, each with its name in the OpenAPI document. The types of the code are read off them,
 * so that what is written and what is promised cannot differ. Refuses behaviour.
 */
import { z } from 'zod';

/** Every shape that has a name in the document. */
export const named = z.registry<{ id: string }>();

/** Gives a shape its name in the document. */
export function shape<T extends z.ZodType>(id: string, schema: T): T {
  named.add(schema, { id });
  return schema;
}

export const siteKey = z
  .string()
  .min(1)
  .max(200)
  .describe('Key of the site, such as us.acme. May be left out where there is only one.');
export const siteOnly = z.strictObject({ site: siteKey.optional() });
export const tabular = z.strictObject({
  site: siteKey.optional(),
  format: z.enum(['json', 'csv']).optional().describe('csv answers with a table for spreadsheets.'),
});

export const IDS_MAX = 1_000;
export const ids = z
  .array(z.string().min(1).max(100))
  .min(1)
  .max(IDS_MAX)
  .describe(`SCIM ids, at most ${IDS_MAX}; send more in several requests.`);

export const moment = z.string().describe('ISO 8601, UTC.');
export const cents = z.int().describe('Monthly revenue in cents of the currency of the site.');
export const mode = z
  .enum(['observe', 'enforce', 'paused'])
  .describe('observe: nothing is written at Maxio; enforce: it is; paused: Maxio is left alone.');
const count = z.int().min(0);

/** What every error looks like. */
shape(
  'Problem',
  z.object({
    error: z.string().describe('A word for programs.'),
    detail: z.string().describe('What happened.'),
    do: z.string().describe('What to do next.'),
  }),
);

export const survey = shape(
  'Survey',
  z.object({
    site: z.string(),
    state: z.enum(['never', 'wanted', 'running', 'done']),
    phase: z
      .string()
      .nullable()
      .describe('What is being read: customers, subscriptions or events; release: what follows from it.'),
    customers: count.describe('Read so far.'),
    subscriptions: count.describe('Read so far.'),
    calls: count.describe('Calls that it has cost.'),
    progress: z.number().min(0).max(1).optional().describe('How much is done; estimated.'),
    ratio: z.number().min(0).max(1).describe('How much is done; an estimate, since Maxio does not say how many there are.'),
    startedAt: moment.nullable(),
    finishedAt: moment.nullable(),
    unreferenced: count.nullable().describe('Customers without a reference; null before the first survey is done.'),
    detail: z.string().describe('How it stands and what to do next.'),
  }),
);

export const siteMode = shape(
  'SiteMode',
  z.object({
    site: z.string(),
    mode: mode.nullable().describe('null before the first contact with Maxio.'),
    by: z.string().nullable().describe('start, survey, lost, restored, or the name of an operator.'),
    at: moment.nullable(),
    why: z.string().nullable(),
    before: mode.nullable().describe('The mode this one took the place of, to which a pause goes back.'),
    survey: survey.nullable(),
  }),
);

export const linkRow = shape(
  'LinkRow',
  z.object({
    customerId: z.string(),
    name: z.string(),
    email: z.string(),
    reference: z.string().nullable(),
    subscriptions: count.describe('How many of them are live.'),
    monthlyCents: cents,
    match: z.enum(['unique', 'several', 'none', 'conflict']).describe('How the e-mail address fits people of the directory.'),
    personId: z.string().nullable(),
    userName: z.string().nullable(),
    proposedReference: z.string().nullable(),
    state: z.enum(['open', 'approved', 'applied', 'failed', 'separate']),
  }),
);

export const linkDecision = z.strictObject({
  customerId: z.string().regex(/^\d{1,20}$/, 'must be the id of a Maxio customer'),
  decision: z
    .enum(['link', 'separate'])
    .describe('separate: this customer is somebody else, whatever their e-mail address says.'),
  reference: z.string().min(1).max(255).describe('The reference of the person.'),
});

export const driftRow = shape(
  'DriftRow',
  z.object({
    kind: z.string(),
    personId: z.string().nullable(),
    userName: z.string().nullable(),
    customerId: z.string().nullable(),
    subscriptionId: z.string().nullable(),
    detail: z.string(),
    sinceAt: moment,
    repair: z.enum(['possible', 'repaired', 'contested', 'none']),
    exempt: z.boolean().describe('Someone has decided, or is to decide, that nothing ends for this person.'),
  }),
);

export const heldPerson = shape(
  'HeldPerson',
  z.object({
    site: z.string(),
    id: z.string(),
    userName: z.string(),
    what: z
      .enum(['person', 'product'])
      .describe('person: they left; product: a group has taken a product away from somebody who stays.'),
    products: z.array(z.string()).describe('What would end, where it is not everything.'),
    leftAt: moment.describe('When they left, or lost the product.'),
    deleted: z.boolean(),
    why: z
      .string()
      .describe(
        'The limit of the guard that was passed: hour, day or revenue; restored: the leave is older than a loss of data.',
      ),
    subscriptions: count.describe('Managed subscriptions that would end.'),
    monthlyCents: cents,
    decidedBy: z.string().nullable().describe('Of those who are exempt: the operator who has rejected the leave.'),
    decidedAt: moment.nullable(),
    requestId: z.string().describe('The request of the identity provider that asked for it.'),
  }),
);

export const decided = shape(
  'Decided',
  z.object({
    done: count,
    already: count.describe('Decided before; nothing has changed by asking again.'),
    notHeld: z.array(z.string()).describe('Asked for, but not held.'),
    left: count.describe('Held people of the site who still wait for a decision.'),
    secondPerson: z
      .boolean()
      .describe('Whether it is known that somebody else than the decider changed the configuration and the mode.'),
  }),
);

export const forecast = shape(
  'Forecast',
  z.object({
    kind: z.string(),
    words: z.string().describe('What would happen, in one sentence.'),
    reason: z.string().nullable(),
    steps: z.array(z.object({ kind: z.string(), target: z.string().nullable(), words: z.string() })),
    monthlyCents: cents,
  }),
);

/** One person of a summary. */
export const example = z.object({ id: z.string(), userName: z.string(), words: z.string() });

export const doctorCheck = shape(
  'DoctorCheck',
  z.object({
    name: z.string(),
    status: z.enum(['pass', 'warn', 'fail']),
    finding: z.string(),
    cure: z.string().describe('What to do; empty when there is nothing to do.'),
  }),
);

export const notice = shape(
  'Notice',
  z.object({
    topic: z.string(),
    severity: z.enum(['info', 'warn', 'page']),
    title: z.string(),
    what: z.string(),
    who: z.string(),
    todo: z.string(),
    since: moment,
    told: z.array(z.string()).describe('Channels that have taken it.'),
    failing: z.array(z.string()).describe('Channels that did not take the last message; they are tried again.'),
  }),
);

/** One rule as it is acted by: with the family that Maxio has told. */
export const planRule = z.object({
  group: z.object({ displayName: z.string().optional(), externalId: z.string().optional() }),
  product: z.string(),
  pricePoint: z.string().optional(),
  collectionMethod: z.string().optional(),
  family: z.string().describe('Handle of the product family at Maxio.'),
});

/** What the configuration decides about people; other settings change nobody. */
export const configured = shape(
  'Configured',
  z.object({
    productHandle: z.string().nullable(),
    paymentCollectionMethod: z.string(),
    deprovision: z.string(),
    mappingVersion: z.int(),
    groupPlans: z.array(planRule).optional().describe('Which products groups give; left out where they give none.'),
    siteFamily: z.string().optional().describe('Family of productHandle, told beside groupPlans.'),
    author: z
      .string()
      .describe(
        'CONFIG_AUTHOR of the process that brought it, start where it is not set; or who has set the rules for groups, or taken them back. Both, with "and" between, where both have changed something.',
      ),
    at: moment,
  }),
);

export type SurveyAnswer = z.infer<typeof survey>;
export type HeldPerson = z.infer<typeof heldPerson>;
export type Decided = z.infer<typeof decided>;
export type ForecastAnswer = z.infer<typeof forecast>;
export type NoticeAnswer = z.infer<typeof notice>;
