/**
 * Owns the access tokens that /oauth/token gives out: signed here, read here, by nobody else, hence one shared key (HS256). RFC 9068, RFC 8725.
 * A token names its site, its client and the credential it was given for; whether those still stand is asked with every request (issued-caller.ts).
 * Refuses to choose by what a token says of itself: one algorithm, one type, one issuer, and a key only by an id of our own.
 */
import { createHash, hkdfSync, randomUUID } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import type { Secret } from '../secret.ts';

export interface OAuthSettings {
  /** One or several keys, split by commas or blanks: the first signs, each of them verifies. Absent: no tokens are given out. */
  signingKey?: Secret | undefined;
  tokenSeconds: number;
}

export interface Grant {
  site: string;
  client: string;
  credential: string;
}

export interface AccessToken {
  text: string;
  seconds: number;
}

export interface AccessTokensParts {
  publicUrl: string;
  oauth?: OAuthSettings | undefined;
  /** Tests only: stands in for this machine's clock. */
  nowMs?: () => number;
}

const ALGORITHM = 'HS256';
const TYPE = 'at+jwt';
export const SCOPE = 'scim';

interface SigningKey {
  id: string;
  bytes: Uint8Array;
}

export class AccessTokens {
  readonly #issuer: string;
  readonly #oauth: OAuthSettings | undefined;
  readonly #nowMs: () => number;
  #keysOf = '';
  #keys: SigningKey[] = [];

  constructor({ publicUrl, oauth, nowMs = Date.now }: AccessTokensParts) {
    this.#issuer = publicUrl.replace(/\/+$/, '');
    this.#oauth = oauth;
    this.#nowMs = nowMs;
  }

  /** Whether tokens are given out at all. */
  get offered(): boolean {
    return this.#current().length > 0;
  }

  /** Sign a token; it never outlives the credential it is given for. */
  async issue({ site, client, credential }: Grant, credentialEndsMs: number): Promise<AccessToken> {
    const [key] = this.#current();
    if (key === undefined) throw new Error('no key to sign access tokens with');
    const now = Math.floor(this.#nowMs() / 1_000);
    const seconds = Math.min(this.#oauth?.tokenSeconds ?? 0, Math.floor(credentialEndsMs / 1_000) - now);
    const text = await new SignJWT({ client_id: client, cred: credential, scope: SCOPE })
      .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid: key.id })
      .setIssuer(this.#issuer)
      .setAudience(site)
      .setSubject(client)
      .setJti(randomUUID())
      .setIssuedAt(now)
      .setExpirationTime(now + seconds)
      .sign(key.bytes);
    return { text, seconds };
  }

  /** Read a token. `expired` is said only of one that was ours and good. */
  async read(text: string): Promise<Grant | 'unknown' | 'expired'> {
    try {
      const { payload } = await jwtVerify(text, ({ kid }) => this.#keyOf(kid), {
        algorithms: [ALGORITHM],
        typ: TYPE,
        issuer: this.#issuer,
        requiredClaims: ['exp', 'sub', 'aud', 'cred'],
        currentDate: new Date(this.#nowMs()),
      });
      const { aud: site, sub: client, cred: credential } = payload;
      const whole = typeof site === 'string' && typeof client === 'string' && typeof credential === 'string';
      return whole ? { site, client, credential } : 'unknown';
    } catch (error) {
      if (error instanceof errors.JWTExpired) return 'expired';
      if (error instanceof errors.JOSEError) return 'unknown';
      throw error;
    }
  }

  #keyOf(id: string | undefined): Uint8Array {
    const found = this.#current().find((key) => key.id === id);
    if (found === undefined) throw new errors.JWKSNoMatchingKey();
    return found.bytes;
  }

  /** Made anew when the secret was replaced while this process runs. */
  #current(): SigningKey[] {
    const text = this.#oauth?.signingKey?.reveal() ?? '';
    if (text !== this.#keysOf) {
      this.#keysOf = text;
      this.#keys = keysIn(text).map(derive);
    }
    return this.#keys;
  }
}

function keysIn(text: string): string[] {
  return text.split(/[\s,]+/).filter((part) => part !== '');
}

/** Signing and naming use different offspring of the key, so the id tells nothing about it. */
function derive(text: string): SigningKey {
  const bytes = new Uint8Array(hkdfSync('sha256', text, '', 'maxio-scim access token', 32));
  const id = createHash('sha256').update('maxio-scim access token id').update(bytes).digest('hex').slice(0, 12);
  return { id, bytes };
}
