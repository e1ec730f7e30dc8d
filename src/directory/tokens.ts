/**
 * Owns the SCIM tokens that operators make: `smx_<id>_<secret>` (issued-secret.ts), shown once and kept as a digest. At most two are live,
 * so that the identity provider can go over from one to the next; each ends by itself.
 * Refuses to be asked whether somebody may enter (token-book.ts). Not part of an export: a file of last month would revive what was revoked since.
 * RFC 7644 §7.4 (tokens must expire).
 */
import type { Redis } from 'ioredis';
import type { Logger } from '../logger.ts';
import { RedisScript } from '../redis-script.ts';
import { issueSecret } from './issued-secret.ts';
import { sitePrefix } from './keys.ts';
import { milliseconds } from './redis-time.ts';
import { CONFIGURED, decodeToken, TokenBook } from './token-book.ts';
import { standingOf, type TokenStanding } from './token-expiry.ts';

const createScript = new RedisScript(new URL('./token-create.lua', import.meta.url));
const revokeScript = new RedisScript(new URL('./token-revoke.lua', import.meta.url));

export const TOKEN_DAYS = { usual: 365, max: 730 } as const;
const LIVE_MAX = 2;
const DAY_MS = 86_400_000;
const KEPT_MS = 90 * DAY_MS;

/** The token of the configuration, where there is one. */
export interface ConfiguredToken {
  expiresMs: number | undefined;
  lastUsedMs: number | undefined;
}

export interface TokenRow {
  id: string;
  state: 'live' | 'expired' | 'revoked';
  createdMs: number;
  expiresMs: number;
  by: string;
  note: string;
  revokedMs?: number | undefined;
  revokedBy?: string | undefined;
  lastUsedMs?: number | undefined;
}

export interface TokenList {
  /** Newest first. */
  tokens: TokenRow[];
  configured: ConfiguredToken | undefined;
}

export interface TokenOrder {
  by: string;
  requestId: string;
}

export type TokenMade = { kind: 'ok'; id: string; token: string; createdMs: number; expiresMs: number } | { kind: 'full' };

export interface TokensParts {
  redis: Redis;
  siteKey: string;
  /** SCIM_TOKEN and its last moment; `undefined`: the site has only tokens of this kind. */
  configured: { expires: Date | undefined } | undefined;
  logger?: Pick<Logger, 'warn'>;
}

export class Tokens {
  readonly book: TokenBook;
  readonly #parts: TokensParts;
  readonly #prefix: string;

  constructor(parts: TokensParts) {
    this.#parts = parts;
    this.#prefix = sitePrefix(parts.siteKey);
    this.book = new TokenBook(parts.redis, parts.siteKey, parts.logger);
  }

  /** Make a token. The answer is the only place where it can ever be read. */
  async create(order: TokenOrder & { days: number; note: string }): Promise<TokenMade> {
    const { id, text: token, digest } = issueSecret('smx');
    const { by, requestId, days, note } = order;
    const audit = JSON.stringify({ kind: 'operator', what: 'create-token', actor: by, requestId, token: id, days });
    const lifetimeMs = days * DAY_MS;
    const { redis } = this.#parts;
    const answer = await createScript.run(redis, this.#prefix, id, digest, lifetimeMs, by, note, audit, LIVE_MAX, KEPT_MS);
    const [kind, createdMs, expiresMs] = answer as [string, string, string];
    if (kind !== 'ok') return { kind: 'full' };
    await this.book.look();
    return { kind: 'ok', id, token, createdMs: Number(createdMs), expiresMs: Number(expiresMs) };
  }

  /** End a token. This process refuses it from the answer on, every other one within seconds. */
  async revoke(id: string, { by, requestId }: TokenOrder): Promise<'ok' | 'already' | 'missing'> {
    const audit = JSON.stringify({ kind: 'operator', what: 'revoke-token', actor: by, requestId, token: id });
    const answer = await revokeScript.run(this.#parts.redis, this.#prefix, id, by, audit);
    await this.book.look();
    return answer as 'ok' | 'already' | 'missing';
  }

  /** @throws when Redis does not answer */
  async list(): Promise<TokenList> {
    return (await this.#read()).list;
  }

  /** Tell which token ends first and how many open the door. @throws when Redis does not answer */
  async standing(): Promise<TokenStanding> {
    const { list, nowMs } = await this.#read();
    return standingOf(list, nowMs);
  }

  async #read(): Promise<{ list: TokenList; nowMs: number }> {
    const { redis, configured } = this.#parts;
    const [texts, uses, time] = await Promise.all([
      redis.hgetall(`${this.#prefix}tokens`),
      redis.hgetall(`${this.#prefix}tokenUses`),
      redis.time(),
    ]);
    const nowMs = milliseconds(time);
    const lastUse = (id: string): number | undefined => (uses[id] === undefined ? undefined : Number(uses[id]));
    const tokens = Object.entries(texts).flatMap(([id, text]): TokenRow[] => {
      const token = decodeToken(text);
      if (token === undefined) return [];
      const { digest: _, ...shown } = token;
      const state = token.revokedMs !== undefined ? 'revoked' : token.expiresMs <= nowMs ? 'expired' : 'live';
      return [{ ...shown, id, state, lastUsedMs: lastUse(id) }];
    });
    tokens.sort((a, b) => b.createdMs - a.createdMs || (a.id < b.id ? -1 : 1));
    const own = configured && { expiresMs: configured.expires?.getTime(), lastUsedMs: lastUse(CONFIGURED) };
    return { list: { tokens, configured: own }, nowMs };
  }
}
