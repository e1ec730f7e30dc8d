/** Owns what the command line reads of the answers about a recovery. Refuses fields it does not print; those pass through to `--json`. */
import { z } from 'zod';

const counts = {
  marked: z.number(),
  unmarked: z.number(),
  foreign: z.number(),
  unreferenced: z.number(),
  known: z.number(),
  erased: z.number().default(0),
  wanted: z.number(),
};

export const recoveryAnswer = z.looseObject({
  site: z.string(),
  recovery: z.string().nullable(),
  since: z.string().nullable(),
  people: z.number(),
  unclaimed: z.number(),
  rebuild: z.looseObject({ state: z.string(), ...counts }).nullable(),
  detail: z.string(),
});

export const exportAnswer = z.looseObject({ site: z.string(), lines: z.array(z.string()), next: z.string().nullable() });

export const importAnswer = z.looseObject({
  site: z.string(),
  added: z.number(),
  replaced: z.number(),
  kept: z.number(),
  conflict: z.number(),
  newer: z.number(),
  erased: z.number().default(0),
  /** A service that knows no groups does not speak of them. */
  groups: z.number().default(0),
});

export type RecoveryAnswer = z.output<typeof recoveryAnswer>;
export type ImportAnswer = z.output<typeof importAnswer>;
export type ExportPage = z.output<typeof exportAnswer>;
