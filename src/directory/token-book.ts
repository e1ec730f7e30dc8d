/**
 * Owns what this process knows of the SCIM tokens of a site: their digests, in memory (kept-hash.ts), so a token that was made or revoked anywhere counts
 * everywhere within seconds and while Redis is away the last answers stand. Refuses to make tokens (tokens.ts) and to read headers (http/auth.ts).
 */
import type { Redis } from 'ioredis';
import type { Logger } from '../logger.ts';
import { secretIdOf } from './issued-secret.ts';
import { KeptHash } from './kept-hash.ts';
import { sitePrefix } from './keys.ts';
import { Uses } from './uses.ts';

/** An entry of the hash, as stored. */
export interface StoredToken {
  /** SHA-256 of the whole token, in lower-case hex. */
  digest: string;
  createdMs: number;
  expiresMs: number;
  by: string;
  note: string;
  revokedMs?: number;
  revokedBy?: string;
}

export interface KnownToken {
  id: string;
  digest: Buffer;
  expiresMs: number;
  revoked: boolean;
}

/** Under this name the use of the token of the configuration is noted. */
export const CONFIGURED = 'SCIM_TOKEN';

/** Reads the id off a text that has the shape of a token. */
export function tokenIdOf(text: string): string | undefined {
  return secretIdOf('smx', text);
}

/** Reads one entry; `undefined` for what this release cannot read, which opens nothing. */
export function decodeToken(text: string): StoredToken | undefined {
  try {
    const read = JSON.parse(text) as Partial<StoredToken> | null;
    const good = /^[0-9a-f]{64}$/.test(read?.digest ?? '') && Number.isFinite(read?.expiresMs);
    return good ? (read as StoredToken) : undefined;
  } catch {
    return undefined;
  }
}

export class TokenBook extends KeptHash<KnownToken> {
  readonly #uses: Uses;

  constructor(redis: Redis, siteKey: string, logger?: Pick<Logger, 'warn'>) {
    super({ redis, siteKey, name: 'tokens', what: 'SCIM tokens', decode: knownOf, logger });
    this.#uses = new Uses(redis, sitePrefix(siteKey), 'tokenUses');
  }

  find(id: string): KnownToken | undefined {
    return this.get(id);
  }

  /** Note that a token has opened the door; nobody waits for it. */
  used(id: string): void {
    this.#uses.note(id);
  }
}

function knownOf(id: string, text: string): KnownToken | undefined {
  const token = decodeToken(text);
  if (token === undefined) return undefined;
  const { digest, expiresMs, revokedMs } = token;
  return { id, digest: Buffer.from(digest, 'hex'), expiresMs, revoked: revokedMs !== undefined };
}
