/**
 * Owns what the command line reads of the service's answers. Loose on purpose: the command may be a release older or newer than the service,
 * so what it does not know passes, and only what it shows must be there. `--json` prints the answer as it came.
 */
import { z } from 'zod';

const pause = z.looseObject({ reason: z.string(), seconds: z.number() });

export const statusAnswer = z.looseObject({
  status: z.string(),
  version: z.string(),
  ready: z.boolean(),
  reasons: z.array(z.string()),
  sites: z.array(
    z.looseObject({
      key: z.string(),
      mode: z.string(),
      test: z.boolean().nullable(),
      budget: z.looseObject({ limit: z.number(), used: z.number(), windowSeconds: z.number() }),
      pending: z.number(),
      oldestPendingSeconds: z.number(),
      pendingForSeconds: z.number().nullish(),
      urgent: z.number(),
      oldestUrgentSeconds: z.number(),
      parked: z.number(),
      held: z.number().optional(),
      paused: pause.optional(),
      notices: z.array(z.looseObject({ severity: z.string(), what: z.string(), todo: z.string() })).optional(),
      detail: z.string().nullable(),
    }),
  ),
});

export const parkedAnswer = z.looseObject({
  total: z.number(),
  parked: z.array(
    z.looseObject({
      site: z.string(),
      id: z.string(),
      userName: z.string(),
      reason: z.string(),
      detail: z.string(),
      leaver: z.boolean(),
      parkedSeconds: z.number(),
    }),
  ),
});

export const retryAnswer = z.looseObject({
  retried: z.array(z.looseObject({ site: z.string(), id: z.string() })),
  notParked: z.array(z.string()),
  left: z.number(),
});

export const retryPreviewAnswer = z.looseObject({
  total: z.number(),
  reasons: z.array(z.looseObject({ reason: z.string(), count: z.number() })),
  notParked: z.array(z.string()),
  estimatedCalls: z.number(),
  estimatedSeconds: z.number(),
});

const remembered = z.looseObject({ id: z.string(), productHandle: z.string().optional(), state: z.string(), origin: z.string() });

export const personAnswer = z.looseObject({
  site: z.string(),
  id: z.string(),
  userName: z.string(),
  active: z.boolean(),
  deleted: z.boolean(),
  inStep: z.boolean(),
  promised: z.string(),
  now: z.string(),
  would: z.looseObject({ words: z.string(), steps: z.array(z.looseObject({ words: z.string() })) }).nullish(),
  leave: z.looseObject({ at: z.string(), state: z.string(), why: z.string().nullish(), by: z.string().nullish() }).nullish(),
  loss: z
    .looseObject({ at: z.string(), state: z.string(), families: z.array(z.string()), spared: z.array(z.string()) })
    .nullish(),
  protected: z.boolean().optional(),
  monthlyCents: z.number().nullish(),
  reference: z.string(),
  maxio: z
    .looseObject({
      customerId: z.string(),
      origin: z.string(),
      subscriptions: z.array(remembered),
      foreign: z.array(z.looseObject({ id: z.string(), productHandle: z.string().optional() })).optional(),
    })
    .nullable(),
  openSteps: z.array(z.looseObject({ kind: z.string(), target: z.string().nullable(), sentAt: z.string() })),
  story: z.array(
    z.looseObject({
      at: z.string(),
      who: z.string(),
      what: z.string(),
      generation: z.number(),
      requestId: z.string().nullable(),
    }),
  ),
  live: z
    .looseObject({
      customer: z.looseObject({ id: z.string(), reference: z.string().nullable(), updatedAt: z.string() }).nullable(),
      subscriptions: z.array(
        z.looseObject({
          id: z.string(),
          product: z.string().nullable(),
          state: z.string(),
          ending: z.boolean(),
          currentPeriodEndsAt: z.string().nullable(),
          managed: z.boolean(),
        }),
      ),
    })
    .optional(),
  liveError: z.string().optional(),
});

export type StatusAnswer = z.output<typeof statusAnswer>;
export type ParkedAnswer = z.output<typeof parkedAnswer>;
export type RetryAnswer = z.output<typeof retryAnswer>;
export type RetryPreviewAnswer = z.output<typeof retryPreviewAnswer>;
export type PersonAnswer = z.output<typeof personAnswer>;
