/**
 * Owns what the command line reads of the answers about a rollout: modes, survey, links, plan, configuration, and the doctor.
 * Loose like answers.ts: what is not known passes, and only what is shown must be there.
 */
import { z } from 'zod';

const at = z.string().nullish();

export const surveyAnswer = z.looseObject({
  site: z.string().optional(),
  state: z.string(),
  phase: z.string().nullish(),
  customers: z.number(),
  subscriptions: z.number(),
  calls: z.number(),
  /** How much is done, from 0 to 1. */
  progress: z.number().nullish(),
  startedAt: at,
  finishedAt: at,
  unreferenced: z.number().nullish(),
  detail: z.string().nullish(),
});

export const modeAnswer = z.looseObject({
  sites: z.array(
    z.looseObject({
      site: z.string(),
      mode: z.string().nullable(),
      by: z.string().nullish(),
      at,
      why: z.string().nullish(),
      /** The mode this one took the place of. */
      before: z.string().nullish(),
      survey: surveyAnswer.partial().nullish(),
    }),
  ),
});

export const modeSetAnswer = z.looseObject({ site: z.string(), mode: z.string(), was: z.string().nullish() });

export const releaseAnswer = z.looseObject({ site: z.string(), mode: z.string(), unreferenced: z.number(), twins: z.number() });

export const linkRow = z.looseObject({
  customerId: z.string(),
  name: z.string(),
  email: z.string(),
  reference: z.string().nullable(),
  subscriptions: z.number(),
  monthlyCents: z.number(),
  match: z.string(),
  userName: z.string().nullish(),
  proposedReference: z.string().nullish(),
  state: z.string(),
});

export const linkPlanAnswer = z.looseObject({ site: z.string(), rows: z.array(linkRow) });

export const linksSetAnswer = z.looseObject({
  accepted: z.number(),
  already: z.number(),
  refused: z.array(z.looseObject({ customerId: z.string(), detail: z.string() })),
});

export const linksAnswer = z.looseObject({
  site: z.string().optional(),
  wanted: z.number(),
  applied: z.number(),
  failed: z.number(),
  left: z.number(),
  failures: z.array(z.looseObject({ customerId: z.string(), reference: z.string().nullish(), detail: z.string() })),
});

const example = z.looseObject({ id: z.string(), userName: z.string(), words: z.string() });

export const planAnswer = z.looseObject({
  site: z.string(),
  people: z.number(),
  counts: z.record(z.string(), z.number()),
  /** What leavers and held people bring in a month. */
  monthlyCents: z.number().optional(),
  examples: z.record(z.string(), z.array(example)),
});

const planRule = z.looseObject({
  group: z.looseObject({ displayName: z.string().optional(), externalId: z.string().optional() }),
  product: z.string(),
  pricePoint: z.string().optional(),
  collectionMethod: z.string().optional(),
});

const settings = z.looseObject({ groupPlans: z.array(planRule).optional() });

export const configurationAnswer = z.looseObject({
  site: z.string(),
  applied: settings.nullable(),
  candidate: settings.extend({ at: z.string().optional() }).nullable(),
  changes: z.looseObject({ people: z.number(), examples: z.array(z.string()) }).nullable(),
});

export const configurationSetAnswer = z.looseObject({ site: z.string(), applied: z.looseObject({}).nullable() });

export const doctorAnswer = z.looseObject({
  ok: z.boolean(),
  checks: z.array(
    z.object({ name: z.string(), status: z.enum(['pass', 'warn', 'fail']), finding: z.string(), cure: z.string() }),
  ),
});

export const noticesTestAnswer = z.looseObject({
  sent: z.array(z.looseObject({ channel: z.string(), ok: z.boolean(), detail: z.string() })),
});

export type SurveyAnswer = z.output<typeof surveyAnswer>;
export type ModeAnswer = z.output<typeof modeAnswer>;
export type LinkRow = z.output<typeof linkRow>;
export type LinksAnswer = z.output<typeof linksAnswer>;
export type PlanAnswer = z.output<typeof planAnswer>;
export const groupPlansAnswer = z.looseObject({
  site: z.string(),
  from: z.string(),
  by: z.string().nullable(),
  at: z.string().nullable(),
  rules: z.array(planRule),
  problems: z.array(z.string()),
  applied: z.array(planRule),
});

export type GroupPlansAnswer = z.output<typeof groupPlansAnswer>;
export type ConfigurationAnswer = z.output<typeof configurationAnswer>;
export type DoctorAnswer = z.output<typeof doctorAnswer>;
