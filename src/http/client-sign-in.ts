/**
 * Owns whether a client is who it says: by a secret, by an assertion it has signed itself (private_key_jwt), or by one that a trusted issuer has signed about it
 * (workload identity federation). RFC 6749 §2.3.1, RFC 7521 §5.2, RFC 7523 §3, RFC 8725.
 * Refuses to note that it was used, because who is right may still come from the wrong network; and to say outside what was wrong: the reason is for the log of those who run the service. Everything but the keys of issuers and the ids of used assertions
 * is in memory, so signing in by a secret needs no Redis.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  createLocalJWKSet,
  decodeJwt,
  errors,
  type JWSAlgorithm,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
  type LocalJWKSet,
} from 'jose';
import { credentialIdOf, type KnownCredential } from '../directory/client-book.ts';
import { ASSERTION_ALGORITHMS } from '../directory/client-keys.ts';
import { isAudience } from '../directory/client-trust.ts';
import { DirectoryUnavailable } from '../directory/unavailable.ts';
import type { IssuerKeys } from './issuer-keys.ts';
import type { SiteDoor } from './site-door.ts';

export type Claim = { clientId: string; secret: string } | { clientId: string | undefined; assertion: string };

export type Refusal =
  | 'unknown-client'
  | 'revoked-client'
  | 'wrong-secret'
  | 'expired-secret'
  | 'revoked-secret'
  | 'unreadable-assertion'
  | 'untrusted-issuer'
  | 'wrong-subject'
  | 'wrong-audience'
  | 'wrong-signature'
  | 'expired-assertion'
  | 'early-assertion'
  | 'long-lived-assertion'
  | 'assertion-without-id'
  | 'replayed-assertion';

export interface SignedIn {
  door: SiteDoor;
  clientId: string;
  credential: KnownCredential;
}

/** @throws DirectoryUnavailable, IssuerUnavailable */
export type SignIn = (claim: Claim) => Promise<SignedIn | { refused: Refusal; client?: string }>;

export interface SignInParts {
  sites: readonly SiteDoor[];
  /** What an assertion that a client has signed itself must be for: the service, or its token endpoint. */
  audiences: readonly string[];
  issuerKeys: IssuerKeys;
  /** Tests only: stands in for this machine's clock. */
  nowMs?: () => number;
}

/** Machines disagree about the time by so much. */
const SKEW_SECONDS = 60;
/** How far ahead an assertion may end: what a client signs itself is for one use, what an issuer gives out is for an hour or so. */
const AHEAD_SECONDS = { key: 3_600, trust: 86_400 } as const;
const ASSERTION_ID_MAX = 256;
/** What is compared when the credential is not known, so that an unknown one costs what a wrong secret costs. */
const NOBODY = randomBytes(32);
const ALGORITHMS: JWSAlgorithm[] = [...ASSERTION_ALGORITHMS];

/** Creates the check. */
export function createSignIn(parts: SignInParts): SignIn {
  const { sites, nowMs = Date.now } = parts;
  const assertions = new Assertions(parts, nowMs);
  return async (claim) => {
    const read = 'assertion' in claim ? decode(claim.assertion) : undefined;
    if ('assertion' in claim && read === undefined) return { refused: 'unreadable-assertion' };
    // RFC 7521 §4.2: an assertion about a client names it. What it says is not checked yet, so it may be anything.
    const clientId = claim.clientId ?? (typeof read?.sub === 'string' ? read.sub : '');
    const door = sites.find(({ clients }) => clients?.client(clientId) !== undefined);
    const client = door?.clients?.client(clientId);
    if (client === undefined && sites.some(({ clients }) => clients?.loaded === false))
      throw new DirectoryUnavailable('the OAuth clients could not be read yet', 5);
    const found = 'secret' in claim ? bySecret(door, clientId, claim.secret, nowMs()) : undefined;
    if (door === undefined || client === undefined) return { refused: 'unknown-client' };
    if (client.revoked) return { refused: 'revoked-client', client: clientId };
    const credential = found ?? (await assertions.check(door, clientId, 'assertion' in claim ? claim.assertion : '', read ?? {}));
    if (typeof credential === 'string') return { refused: credential, client: clientId };
    return { door, clientId, credential };
  };
}

/** One comparison, whether or not anything is known. */
function bySecret(door: SiteDoor | undefined, clientId: string, secret: string, nowMs: number): KnownCredential | Refusal {
  const id = credentialIdOf(secret);
  const known = id === undefined ? undefined : door?.clients?.credential(clientId, id);
  const right = known?.proof.kind === 'secret' ? Buffer.from(known.proof.digest, 'hex') : NOBODY;
  const same = timingSafeEqual(createHash('sha256').update(secret, 'utf8').digest(), right);
  if (!same || known === undefined) return 'wrong-secret';
  if (known.revoked) return 'revoked-secret';
  return nowMs >= known.expiresMs ? 'expired-secret' : known;
}

class Assertions {
  readonly #parts: SignInParts;
  readonly #nowMs: () => number;
  readonly #sets = new WeakMap<KnownCredential, LocalJWKSet>();

  constructor(parts: SignInParts, nowMs: () => number) {
    this.#parts = parts;
    this.#nowMs = nowMs;
  }

  /** What fits by its claims is tried, one after another: a client may have several keys. Nothing is fetched for an assertion that could not be right. */
  async check(door: SiteDoor, clientId: string, text: string, read: JWTPayload): Promise<KnownCredential | Refusal> {
    const nowMs = this.#nowMs();
    const live = (door.clients?.credentials(clientId) ?? []).filter(({ revoked, expiresMs }) => !revoked && nowMs < expiresMs);
    const fitting = read.iss === clientId ? this.#ownOf(live, clientId, read) : trustedOf(live, read);
    if (typeof fitting === 'string') return fitting;
    let refused: Refusal = 'wrong-signature';
    for (const credential of fitting) {
      const claims = await this.#verify(credential, text);
      if (typeof claims === 'object') return (await this.#refuse(door, credential, claims)) ?? credential;
      refused = claims;
    }
    return refused;
  }

  #ownOf(live: readonly KnownCredential[], clientId: string, { sub, aud }: JWTPayload): KnownCredential[] | Refusal {
    const own = live.filter(({ proof }) => proof.kind === 'key');
    if (own.length === 0) return 'untrusted-issuer';
    if (sub !== clientId) return 'wrong-subject';
    // One audience and no other: an assertion for somebody else as well could be used here by them.
    return typeof aud === 'string' && this.#parts.audiences.includes(aud) ? own : 'wrong-audience';
  }

  async #verify(credential: KnownCredential, text: string): Promise<JWTPayload | Refusal> {
    const currentDate = new Date(this.#nowMs());
    try {
      const verified = await jwtVerify(text, this.#keysOf(credential), {
        algorithms: ALGORITHMS,
        clockTolerance: SKEW_SECONDS,
        requiredClaims: ['exp'],
        currentDate,
      });
      return verified.payload;
    } catch (error) {
      if (error instanceof errors.JWTExpired) return 'expired-assertion';
      if (error instanceof errors.JWTClaimValidationFailed)
        return error.claim === 'nbf' ? 'early-assertion' : 'unreadable-assertion';
      if (error instanceof errors.JOSEError) return 'wrong-signature';
      throw error;
    }
  }

  #keysOf(credential: KnownCredential): JWTVerifyGetKey {
    const { proof } = credential;
    if (proof.kind === 'trust') return (header, token) => this.#parts.issuerKeys.keyOf(proof.jwksUrl, header, token);
    const set = this.#sets.get(credential) ?? createLocalJWKSet(JSON.parse(proof.kind === 'key' ? proof.jwks : '{"keys":[]}'));
    this.#sets.set(credential, set);
    return set;
  }

  /** Judges what is signed. An issuer's assertion may be shown again until it ends: Entra ID keeps it and names no id. */
  async #refuse(door: SiteDoor, { client, proof }: KnownCredential, claims: JWTPayload): Promise<Refusal | undefined> {
    const now = this.#nowMs() / 1_000;
    const { exp = 0, iat, jti } = claims;
    const kind = proof.kind === 'trust' ? 'trust' : 'key';
    if (iat !== undefined && iat > now + SKEW_SECONDS) return 'early-assertion';
    if (exp > now + AHEAD_SECONDS[kind] + SKEW_SECONDS) return 'long-lived-assertion';
    if (kind === 'trust') return undefined;
    if (typeof jti !== 'string' || jti === '' || jti.length > ASSERTION_ID_MAX) return 'assertion-without-id';
    try {
      const first = await door.clients?.firstUse(client, jti, (exp + SKEW_SECONDS - now) * 1_000 + 1_000);
      return first ? undefined : 'replayed-assertion';
    } catch (error) {
      throw new DirectoryUnavailable('whether this assertion was used before cannot be told now', 5, { cause: error });
    }
  }
}

function trustedOf(live: readonly KnownCredential[], { iss, sub, aud }: JWTPayload): KnownCredential[] | Refusal {
  const from = live.filter(({ proof }) => proof.kind === 'trust' && proof.issuer === iss);
  if (from.length === 0) return 'untrusted-issuer';
  const about = from.filter(({ proof }) => proof.kind === 'trust' && proof.subject === sub);
  if (about.length === 0) return 'wrong-subject';
  const fitting = about.filter(({ proof }) => proof.kind === 'trust' && isAudience(proof.audience, aud));
  return fitting.length === 0 ? 'wrong-audience' : fitting;
}

/** Reads what an assertion claims, unverified: only to find by what it is to be verified. */
function decode(assertion: string): JWTPayload | undefined {
  try {
    return decodeJwt(assertion);
  } catch {
    return undefined;
  }
}
