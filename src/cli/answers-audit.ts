/** Owns what the command line reads of the answers about the audit trail and erasure. Refuses fields it does not print; those pass through to `--json`. */
import { z } from 'zod';

const point = z.looseObject({ seq: z.number(), hash: z.string() });

export const auditHeadAnswer = z.looseObject({
  site: z.string(),
  base: point,
  sealed: point,
  sealedAt: z.string().nullable(),
  seq: z.number(),
  exportedSeq: z.number(),
});

export const auditLinesAnswer = z.looseObject({ site: z.string(), lines: z.array(z.string()), last: z.string().nullable() });

export const auditPeopleAnswer = z.looseObject({
  people: z.array(z.looseObject({ subject: z.string(), id: z.string(), userName: z.string() })),
  next: z.string().nullable(),
});

export const erasedAnswer = z.looseObject({
  site: z.string(),
  customer: z.string().nullable(),
  groups: z.number(),
  stays: z.array(z.string()),
  byHand: z.array(z.string()),
});

export const readmittedAnswer = z.looseObject({ site: z.string(), readmitted: z.boolean() });
