/** Owns what the command line reads of the answers about OAuth clients. Refuses fields it does not print; those pass through to `--json`. */
import { z } from 'zod';

export const clientsAnswer = z.looseObject({
  site: z.string(),
  clients: z.array(
    z.looseObject({
      id: z.string(),
      state: z.string(),
      note: z.string(),
      credentials: z.array(
        z.looseObject({
          id: z.string(),
          kind: z.string(),
          state: z.string(),
          expiresAt: z.string().nullable(),
          lastUsedAt: z.string().nullable(),
          by: z.string(),
          trust: z.looseObject({ issuer: z.string(), subject: z.string(), audience: z.string() }).nullable(),
        }),
      ),
    }),
  ),
});

export const clientMadeAnswer = z.looseObject({
  site: z.string(),
  id: z.string(),
  credential: z.string(),
  secret: z.string().nullable(),
  expiresAt: z.string().nullable(),
  tokenUrl: z.string(),
  scimUrl: z.string(),
  advice: z.string(),
});

export const clientRevokedAnswer = z.looseObject({
  site: z.string(),
  id: z.string(),
  credential: z.string().nullable(),
  already: z.boolean(),
});

export type ClientsAnswer = z.output<typeof clientsAnswer>;
export type ClientMadeAnswer = z.output<typeof clientMadeAnswer>;
