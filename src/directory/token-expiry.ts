/**
 * Owns the judgement which SCIM token of a site ends first, of those whose end anybody would notice. Pure.
 * A token that has ended while another one that still opens was used after it is a finished rotation, and nobody is called for it.
 */
import type { TokenList } from './tokens.ts';

export interface TokenStanding {
  /** How many tokens open the door now, that of the configuration included. */
  live: number;
  /** The first to end, or the one that has ended and is missed. `id` is absent for the token of the configuration. */
  first?: { id?: string; expiresMs: number; lastUsedMs?: number | undefined };
}

interface Life {
  id?: string;
  expiresMs: number;
  lastUsedMs: number | undefined;
}

const NEVER = Number.NEGATIVE_INFINITY;

/** Judge the tokens of a site. */
export function standingOf({ tokens, configured }: TokenList, nowMs: number): TokenStanding {
  const lives: Life[] = tokens
    .filter(({ state }) => state !== 'revoked')
    .map(({ id, expiresMs, lastUsedMs }) => ({ id, expiresMs, lastUsedMs }));
  if (configured !== undefined)
    lives.push({ expiresMs: configured.expiresMs ?? Number.POSITIVE_INFINITY, lastUsedMs: configured.lastUsedMs });
  const live = lives.filter(({ expiresMs }) => expiresMs > nowMs);
  const newestUseMs = Math.max(NEVER, ...live.map(({ lastUsedMs }) => lastUsedMs ?? NEVER));
  const missed = lives.filter((life) => {
    if (life.expiresMs > nowMs) return false;
    return live.length === 0 || (life.lastUsedMs ?? NEVER) > newestUseMs;
  });
  // Of those that have ended, the one used last is the one that is missed.
  const ended = missed.toSorted((a, b) => (b.lastUsedMs ?? NEVER) - (a.lastUsedMs ?? NEVER) || b.expiresMs - a.expiresMs)[0];
  const first = ended ?? live.toSorted((a, b) => a.expiresMs - b.expiresMs)[0];
  return first === undefined || first.expiresMs === Number.POSITIVE_INFINITY
    ? { live: live.length }
    : { live: live.length, first };
}
