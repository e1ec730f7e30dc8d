/**
 * Owns the shape of what is issued to an identity provider and shown once: `<kind>_<id>_<secret>`, the secret being 256 bits from the system's generator. The id is
 * public, finds the entry and is what people read in lists; of the whole only a digest is kept. OWASP ASVS 5.0, 6.5.2 and 11.5.1.
 * Refuses to keep anything.
 */
import { createHash, randomBytes } from 'node:crypto';

/** `smx`: a SCIM token. `sms`: a secret of an OAuth client. */
export type SecretKind = 'smx' | 'sms';

export interface IssuedSecret {
  id: string;
  /** The whole of it, which is shown and not kept. */
  text: string;
  /** SHA-256 of the whole, in lower-case hex. */
  digest: string;
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const SHAPE = /^(sm[xs])_([a-z2-7]{12})_[A-Za-z0-9_-]{43}$/;

/** Makes an id that nobody has had. */
export function newId(): string {
  return Array.from(randomBytes(12), (byte) => ALPHABET[byte & 31]).join('');
}

export function issueSecret(kind: SecretKind): IssuedSecret {
  const id = newId();
  const text = `${kind}_${id}_${randomBytes(32).toString('base64url')}`;
  return { id, text, digest: createHash('sha256').update(text, 'utf8').digest('hex') };
}

/** Reads the id off a text that has the shape of such a secret. */
export function secretIdOf(kind: SecretKind, text: string): string | undefined {
  const [, found, id] = SHAPE.exec(text) ?? [];
  return found === kind ? id : undefined;
}
