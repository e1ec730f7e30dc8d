/**
 * Owns what this process knows of the OAuth clients of a site and of what they sign in with: secrets as digests, public keys, trusted issuers. In memory, read
 * anew every two seconds (kept-hash.ts), so a client or secret that was revoked anywhere stops everywhere within seconds, tokens already given out included.
 * Refuses to make clients (clients.ts) and to judge what a client sends (http/client-sign-in.ts).
 *
 * The hash `clients` is flat, so that scripts touch one entry at a time: `<client>` is a client, `<client>.<credential>` one of its credentials.
 */
import type { Redis } from 'ioredis';
import type { Logger } from '../logger.ts';
import { secretIdOf } from './issued-secret.ts';
import { KeptHash } from './kept-hash.ts';
import { digest, sitePrefix } from './keys.ts';
import { Uses } from './uses.ts';

/** Whom an assertion must come from, be about and be for, and where the keys of that issuer are. */
export interface Trust {
  issuer: string;
  subject: string;
  audience: string;
  jwksUrl: string;
}

/** What a client can sign in with, as stored. */
export type Proof =
  | { kind: 'secret'; digest: string }
  /** Public keys, as the text of a JWK set. */
  | { kind: 'key'; jwks: string }
  | ({ kind: 'trust' } & Trust);

interface Life {
  createdMs: number;
  by: string;
  note?: string;
  /** Absent only where there is no secret that could leak: a trusted issuer. */
  expiresMs?: number;
  revokedMs?: number;
  revokedBy?: string;
}

export type StoredClient = Life;
export type StoredCredential = Life & Proof;

export interface KnownClient {
  id: string;
  revoked: boolean;
}

export interface KnownCredential {
  id: string;
  client: string;
  proof: Proof;
  expiresMs: number;
  revoked: boolean;
}

type Known = { revoked: boolean; expiresMs: number } & ({ client: KnownClient } | { credential: KnownCredential });

const CLIENT = /^smc_([a-z2-7]{12})$/;
const FIELD = /^([a-z2-7]{12})(?:\.([a-z2-7]{12}))?$/;

/** Reads the field off a client id; `undefined` for a text that cannot be one of ours. */
export function clientFieldOf(clientId: string): string | undefined {
  return CLIENT.exec(clientId)?.[1];
}

/** Reads the id of the credential off a text that has the shape of a secret. */
export function credentialIdOf(secret: string): string | undefined {
  return secretIdOf('sms', secret);
}

/** Reads an entry of the hash; `undefined` for what this release cannot read. */
export function decodeCredential(text: string): StoredCredential | undefined {
  const read = parse(text) as Partial<Record<string, unknown>> | undefined;
  const strings = (...names: string[]): boolean => names.every((name) => typeof read?.[name] === 'string');
  const good =
    (read?.kind === 'secret' && /^[0-9a-f]{64}$/.test(String(read.digest)) && Number.isFinite(read.expiresMs)) ||
    (read?.kind === 'key' && strings('jwks') && Number.isFinite(read.expiresMs)) ||
    (read?.kind === 'trust' && strings('issuer', 'subject', 'audience', 'jwksUrl'));
  return good ? (read as unknown as StoredCredential) : undefined;
}

export function decodeClient(text: string): StoredClient | undefined {
  const read = parse(text) as Partial<StoredClient> | undefined;
  return Number.isFinite(read?.createdMs) ? (read as StoredClient) : undefined;
}

/** Splits the name of a field. */
export function fieldsOf(name: string): { client: string; credential: string | undefined } | undefined {
  const [, client, credential] = FIELD.exec(name) ?? [];
  return client === undefined ? undefined : { client, credential };
}

export class ClientBook extends KeptHash<Known> {
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #uses: Uses;

  constructor(redis: Redis, siteKey: string, logger?: Pick<Logger, 'warn'>) {
    super({ redis, siteKey, name: 'clients', what: 'OAuth clients or their secrets', decode: knownOf, logger });
    this.#redis = redis;
    this.#prefix = sitePrefix(siteKey);
    this.#uses = new Uses(redis, this.#prefix, 'clientUses');
  }

  client(clientId: string): KnownClient | undefined {
    const found = this.get(clientFieldOf(clientId) ?? '');
    return found !== undefined && 'client' in found ? found.client : undefined;
  }

  credential(clientId: string, credentialId: string): KnownCredential | undefined {
    const found = this.get(`${clientFieldOf(clientId) ?? ''}.${credentialId}`);
    return found !== undefined && 'credential' in found ? found.credential : undefined;
  }

  /** Everything this client could sign in with, revoked and expired included. */
  credentials(clientId: string): KnownCredential[] {
    return [...this.values()].flatMap((known) =>
      'credential' in known && known.credential.client === clientId ? [known.credential] : [],
    );
  }

  /** Note that a credential has brought a token; nobody waits for it. */
  used(credentialId: string): void {
    this.#uses.note(credentialId);
  }

  /**
   * Take note of the id of an assertion, over all processes. A client names it, so it enters the key as a digest.
   * @returns false when it was here before @throws when Redis does not answer
   */
  async firstUse(clientId: string, assertionId: string, keepMs: number): Promise<boolean> {
    const key = `${this.#prefix}assertion:${digest(`${clientId}\n${assertionId}`)}`;
    return (await this.#redis.set(key, '1', 'PX', Math.max(1_000, Math.ceil(keepMs)), 'NX')) === 'OK';
  }
}

function knownOf(name: string, text: string): Known | undefined {
  const fields = fieldsOf(name);
  if (fields === undefined) return undefined;
  const client = `smc_${fields.client}`;
  if (fields.credential === undefined) {
    const read = decodeClient(text);
    const revoked = read?.revokedMs !== undefined;
    return read && { client: { id: client, revoked }, revoked, expiresMs: Number.POSITIVE_INFINITY };
  }
  const read = decodeCredential(text);
  if (read === undefined) return undefined;
  const ending = { revoked: read.revokedMs !== undefined, expiresMs: read.expiresMs ?? Number.POSITIVE_INFINITY };
  return { credential: { id: fields.credential, client, proof: read, ...ending }, ...ending };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}
