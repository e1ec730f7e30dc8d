/**
 * Owns the OAuth clients that operators make, and what each signs in with: secrets shown once and kept as digests, public keys, trusted issuers.
 * Several at once, so that the identity provider can go over from one to the next; secrets and keys end by themselves.
 * Refuses to judge who signs in (http/client-sign-in.ts) and to be part of an export: a file of last month would revive what was revoked since.
 * RFC 6749 §2, RFC 7523 §2.2; Microsoft's gallery: secrets of one to three years, several at once, each removable.
 */
import type { Redis } from 'ioredis';
import type { Logger } from '../logger.ts';
import { RedisScript } from '../redis-script.ts';
import { ClientBook, clientFieldOf, decodeClient, decodeCredential, fieldsOf, type Proof, type Trust } from './client-book.ts';
import { type ClientStanding, standingOf } from './client-expiry.ts';
import { type IssuedSecret, issueSecret, newId } from './issued-secret.ts';
import { sitePrefix } from './keys.ts';

const putScript = new RedisScript(new URL('./client-put.lua', import.meta.url));
const revokeScript = new RedisScript(new URL('./client-revoke.lua', import.meta.url));

export const SECRET_DAYS = { usual: 365, max: 1_095 } as const;
export const CLIENT_LIMITS = { clients: 20, credentials: 5 } as const;
const DAY_MS = 86_400_000;
const KEPT_MS = 90 * DAY_MS;

/** What a client is to sign in with. The keys have been read (client-keys.ts), the trust has been checked by who asks. */
export type Wanted = { kind: 'secret'; days: number } | { kind: 'key'; days: number; jwks: string } | ({ kind: 'trust' } & Trust);

export interface CredentialRow {
  id: string;
  kind: Proof['kind'];
  state: 'live' | 'expired' | 'revoked';
  createdMs: number;
  expiresMs?: number | undefined;
  by: string;
  revokedMs?: number | undefined;
  revokedBy?: string | undefined;
  lastUsedMs?: number | undefined;
  /** Of a trust: public, and what the other side has to match. */
  trust?: Trust | undefined;
}

export interface ClientRow {
  id: string;
  state: 'live' | 'revoked';
  note: string;
  createdMs: number;
  by: string;
  revokedMs?: number | undefined;
  /** Newest first. */
  credentials: CredentialRow[];
}

export interface ClientOrder {
  by: string;
  requestId: string;
}

export type ClientMade =
  | { kind: 'ok'; client: string; credential: string; secret: string | undefined; expiresMs: number | undefined }
  | { kind: 'missing' | 'full-clients' | 'full-credentials' };

export class Clients {
  readonly book: ClientBook;
  readonly #redis: Redis;
  readonly #prefix: string;

  constructor(parts: { redis: Redis; siteKey: string; logger?: Pick<Logger, 'warn'> }) {
    this.#redis = parts.redis;
    this.#prefix = sitePrefix(parts.siteKey);
    this.book = new ClientBook(parts.redis, parts.siteKey, parts.logger);
  }

  /** Make a client with its first credential. A secret can be read in this answer and never again. */
  async create(order: ClientOrder & { note: string; wanted: Wanted }): Promise<ClientMade> {
    return await this.#put(newId(), order.wanted, order, { what: 'create-client', client: JSON.stringify({ note: order.note }) });
  }

  /** Give a client one credential more. */
  async add(clientId: string, wanted: Wanted, order: ClientOrder): Promise<ClientMade> {
    const field = clientFieldOf(clientId);
    return field === undefined
      ? { kind: 'missing' }
      : await this.#put(field, wanted, order, { what: 'add-credential', client: '' });
  }

  /** End a client, or with `credential` one thing it signs in with. Tokens given out for it end with it. */
  async revoke(
    clientId: string,
    credential: string | undefined,
    { by, requestId }: ClientOrder,
  ): Promise<'ok' | 'already' | 'missing'> {
    const field = clientFieldOf(clientId);
    if (field === undefined) return 'missing';
    const what = credential === undefined ? 'revoke-client' : 'revoke-credential';
    const audit = JSON.stringify({
      kind: 'operator',
      what,
      actor: by,
      requestId,
      client: clientId,
      ...(credential && { credential }),
    });
    const name = credential === undefined ? field : `${field}.${credential}`;
    const answer = await revokeScript.run(this.#redis, this.#prefix, name, by, audit);
    await this.book.look();
    return answer as 'ok' | 'already' | 'missing';
  }

  /** Newest first. @throws when Redis does not answer */
  async list(): Promise<ClientRow[]> {
    const [texts, uses, time] = await Promise.all([
      this.#redis.hgetall(`${this.#prefix}clients`),
      this.#redis.hgetall(`${this.#prefix}clientUses`),
      this.#redis.time(),
    ]);
    const nowMs = Number(time[0]) * 1_000;
    const rows: ClientRow[] = [];
    for (const [name, text] of Object.entries(texts)) {
      const fields = fieldsOf(name);
      const read = fields?.credential === undefined ? decodeClient(text) : undefined;
      if (fields === undefined || read === undefined) continue;
      const { createdMs, by, note = '', revokedMs } = read;
      const state = revokedMs === undefined ? 'live' : 'revoked';
      const credentials = credentialsOf(fields.client, { texts, uses, nowMs });
      rows.push({ id: `smc_${fields.client}`, state, note, createdMs, by, revokedMs, credentials });
    }
    return newestFirst(rows);
  }

  /** @throws when Redis does not answer */
  async standing(): Promise<ClientStanding> {
    return standingOf(await this.list());
  }

  async #put(
    field: string,
    wanted: Wanted,
    { by, requestId }: ClientOrder,
    { what, client }: { what: string; client: string },
  ): Promise<ClientMade> {
    const secret = issueSecret('sms');
    const { id } = secret;
    const clientId = `smc_${field}`;
    const lifetimeMs = wanted.kind === 'trust' ? 0 : wanted.days * DAY_MS;
    const audit = JSON.stringify({
      kind: 'operator',
      what,
      actor: by,
      requestId,
      client: clientId,
      credential: id,
      sort: wanted.kind,
    });
    const answer = await putScript.run(
      this.#redis,
      this.#prefix,
      field,
      id,
      JSON.stringify(proofOf(wanted, secret)),
      lifetimeMs,
      client,
      by,
      audit,
      CLIENT_LIMITS.clients,
      CLIENT_LIMITS.credentials,
      KEPT_MS,
    );
    const shown = wanted.kind === 'secret' ? secret.text : undefined;
    const [kind, , expires] = answer as ['ok' | 'missing' | 'full-clients' | 'full-credentials', string, string];
    if (kind !== 'ok') return { kind };
    await this.book.look();
    return { kind, client: clientId, credential: id, secret: shown, expiresMs: expires === '' ? undefined : Number(expires) };
  }
}

function proofOf(wanted: Wanted, { digest }: IssuedSecret): Proof {
  if (wanted.kind === 'key') return { kind: 'key', jwks: wanted.jwks };
  if (wanted.kind === 'trust') {
    const { issuer, subject, audience, jwksUrl } = wanted;
    return { kind: 'trust', issuer, subject, audience, jwksUrl };
  }
  return { kind: 'secret', digest };
}

interface Stored {
  texts: Record<string, string>;
  uses: Record<string, string>;
  nowMs: number;
}

function credentialsOf(client: string, { texts, uses, nowMs }: Stored): CredentialRow[] {
  const rows = Object.entries(texts).flatMap(([name, text]): CredentialRow[] => {
    const fields = fieldsOf(name);
    const read = fields?.client === client && fields.credential !== undefined ? decodeCredential(text) : undefined;
    if (read === undefined || fields?.credential === undefined) return [];
    const { kind, createdMs, expiresMs, by, revokedMs, revokedBy } = read;
    const state = revokedMs !== undefined ? 'revoked' : (expiresMs ?? Number.POSITIVE_INFINITY) <= nowMs ? 'expired' : 'live';
    const used = uses[fields.credential];
    const lastUsedMs = used === undefined ? undefined : Number(used);
    const row = {
      id: fields.credential,
      kind,
      state,
      createdMs,
      expiresMs,
      by,
      revokedMs,
      revokedBy,
      lastUsedMs,
    } satisfies CredentialRow;
    if (read.kind !== 'trust') return [row];
    const { issuer, subject, audience, jwksUrl } = read;
    return [{ ...row, trust: { issuer, subject, audience, jwksUrl } }];
  });
  return newestFirst(rows);
}

function newestFirst<T extends { id: string; createdMs: number }>(rows: T[]): T[] {
  return rows.sort((a, b) => b.createdMs - a.createdMs || (a.id < b.id ? -1 : 1));
}
