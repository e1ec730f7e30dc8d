/**
 * Owns what the command line reads of the answers about people who wait for a decision: held leavers and drift.
 * Loose like answers.ts: what is not known passes, and only what is shown must be there.
 */
import { z } from 'zod';

export const heldAnswer = z.looseObject({
  site: z.string().optional(),
  total: z.number(),
  tripped: z.looseObject({ at: z.string(), why: z.string() }).nullable(),
  monthlyCents: z.number(),
  held: z.array(
    z.looseObject({
      site: z.string(),
      id: z.string(),
      userName: z.string(),
      what: z.string().optional(),
      products: z.array(z.string()).optional(),
      leftAt: z.string(),
      deleted: z.boolean(),
      why: z.string().nullish(),
      subscriptions: z.number(),
      monthlyCents: z.number(),
      decidedBy: z.string().nullish(),
      decidedAt: z.string().nullish(),
      requestId: z.string().nullish(),
    }),
  ),
});

export const decidedAnswer = z.looseObject({
  done: z.number(),
  already: z.number(),
  notHeld: z.array(z.string()),
  left: z.number(),
  /** Whether it is known that somebody else than the decider caused it. */
  secondPerson: z.boolean().optional(),
});

export const driftAnswer = z.looseObject({
  site: z.string(),
  state: z.string(),
  at: z.string().nullish(),
  full: z.boolean().nullish(),
  counts: z.record(z.string(), z.number()),
  rows: z.array(
    z.looseObject({
      kind: z.string(),
      personId: z.string().nullish(),
      userName: z.string().nullish(),
      customerId: z.string().nullish(),
      subscriptionId: z.string().nullish(),
      detail: z.string(),
      sinceAt: z.string().nullish(),
      repair: z.string(),
      exempt: z.boolean(),
    }),
  ),
});

export const repairAnswer = z.looseObject({
  repaired: z.number(),
  skipped: z.array(z.looseObject({ id: z.string().nullish(), detail: z.string() })),
  left: z.number().default(0),
});

export type HeldAnswer = z.output<typeof heldAnswer>;
export type DecidedAnswer = z.output<typeof decidedAnswer>;
export type DriftAnswer = z.output<typeof driftAnswer>;
