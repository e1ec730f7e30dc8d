/** Owns what the command line reads of the answers about SCIM tokens. Refuses fields it does not print; those pass through to `--json`. */
import { z } from 'zod';

export const tokensAnswer = z.looseObject({
  site: z.string(),
  tokens: z.array(
    z.looseObject({
      id: z.string(),
      state: z.string(),
      createdAt: z.string(),
      expiresAt: z.string(),
      by: z.string(),
      note: z.string(),
      lastUsedAt: z.string().nullable(),
      revokedAt: z.string().nullable(),
    }),
  ),
  configured: z.looseObject({ expiresAt: z.string().nullable(), lastUsedAt: z.string().nullable() }).nullable(),
});

export const tokenMadeAnswer = z.looseObject({ site: z.string(), id: z.string(), token: z.string(), expiresAt: z.string() });

export const tokenRevokedAnswer = z.looseObject({ site: z.string(), id: z.string(), already: z.boolean() });

export type TokensAnswer = z.output<typeof tokensAnswer>;
