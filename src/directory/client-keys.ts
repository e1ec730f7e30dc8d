/**
 * Owns reading the public keys of an OAuth client from what an operator hands over: a JWK, a JWK set, or PEM (public key or certificate).
 * Refuses private keys, so that none is ever stored here, shared secrets, and keys too weak to sign with. RFC 7517, RFC 7518 §3.3.
 */
import { createPublicKey } from 'node:crypto';
import { calculateJwkThumbprint, importJWK, type JWK } from 'jose';

/** By which algorithms assertions may be signed: public keys only, so that nobody can pass a public key off as a shared secret. */
export const ASSERTION_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'EdDSA'] as const;

const KEYS_MAX = 5;
const TEXT_MAX = 16_384;
/** Members that only private or shared keys have. */
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth', 'priv'];
/** What is kept of a key. */
const PUBLIC = ['kty', 'n', 'e', 'crv', 'x', 'y', 'alg'] as const;
const ALGORITHM_OF: Record<string, string> = { RSA: 'RS256', 'P-256': 'ES256', 'P-384': 'ES384', Ed25519: 'EdDSA' };
const RSA_BITS_MIN = 2_048;

export type KeysRead = { kind: 'ok'; jwks: string } | { kind: 'refused'; why: string };

/** Read public keys; each gets a key id if it has none. */
export async function readPublicKeys(text: string): Promise<KeysRead> {
  if (text.length > TEXT_MAX) return refused('it is too long');
  if (text.includes('PRIVATE KEY'))
    return refused('it is a private key, which must stay with the client: hand over the public one');
  const found = text.trimStart().startsWith('-----BEGIN') ? ofPem(text) : ofJson(text);
  if (typeof found === 'string') return refused(found);
  if (found.length === 0 || found.length > KEYS_MAX)
    return refused(`it holds ${found.length} keys; 1 to ${KEYS_MAX} are possible`);
  const keys: JWK[] = [];
  for (const key of found) {
    const read = await readOne(key);
    if (typeof read === 'string') return refused(read);
    if (keys.some(({ kid }) => kid === read.kid)) return refused('two keys have the same key id (kid)');
    keys.push(read);
  }
  return { kind: 'ok', jwks: JSON.stringify({ keys }) };
}

function refused(why: string): KeysRead {
  return { kind: 'refused', why };
}

function ofPem(text: string): JWK[] | string {
  try {
    return [createPublicKey(text).export({ format: 'jwk' }) as JWK];
  } catch {
    return 'it is not a public key or certificate in PEM form';
  }
}

function ofJson(text: string): JWK[] | string {
  try {
    const read = JSON.parse(text) as { keys?: unknown } | null;
    const list = Array.isArray(read?.keys) ? (read.keys as unknown[]) : [read];
    return list.every((key) => typeof key === 'object' && key !== null) ? (list as JWK[]) : 'it is not a JWK or a JWK set';
  } catch {
    return 'it is neither PEM nor JSON';
  }
}

async function readOne(key: JWK): Promise<JWK | string> {
  if (PRIVATE.some((name) => name in key)) return 'it holds a private or shared key, which must stay with the client';
  if (key.use !== undefined && key.use !== 'sig') return 'a key is not for signatures (use)';
  const usual = ALGORITHM_OF[key.kty === 'RSA' ? 'RSA' : String(key.crv)];
  const algorithm = key.alg ?? usual;
  if (usual === undefined || !ASSERTION_ALGORITHMS.some((known) => known === algorithm)) {
    return `a key is of a kind that is not accepted; accepted are ${ASSERTION_ALGORITHMS.join(', ')}`;
  }
  const plain = Object.fromEntries(PUBLIC.flatMap((name) => (typeof key[name] === 'string' ? [[name, key[name]]] : []))) as JWK;
  if (key.kty === 'RSA' && Buffer.from(key.n ?? '', 'base64url').length * 8 < RSA_BITS_MIN)
    return `an RSA key is shorter than ${RSA_BITS_MIN} bits`;
  try {
    await importJWK(plain, algorithm);
  } catch {
    return 'a key cannot be used: its numbers do not fit its kind';
  }
  const named = typeof key.kid === 'string' && /^[\x21-\x7e]{1,128}$/.test(key.kid) ? key.kid : undefined;
  return { ...plain, kid: named ?? (await calculateJwkThumbprint(plain)), use: 'sig' };
}
