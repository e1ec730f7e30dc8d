/** What an operator may hand over as a public key, and whom one may trust: private keys, weak keys and addresses elsewhere are refused with the reason. */
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { readPublicKeys } from '../../src/directory/client-keys.ts';
import { isAudience, readTrust } from '../../src/directory/client-trust.ts';

const rsa = (bits: number) => generateKeyPairSync('rsa', { modulusLength: bits });
const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve });
const good = rsa(2_048);

describe('a public key', () => {
  it.each([
    ['PEM', good.publicKey.export({ format: 'pem', type: 'spki' }).toString()],
    ['JWK', JSON.stringify(good.publicKey.export({ format: 'jwk' }))],
    [
      'JWK set',
      JSON.stringify({ keys: [good.publicKey.export({ format: 'jwk' }), ec('P-256').publicKey.export({ format: 'jwk' })] }),
    ],
    ['Ed25519', JSON.stringify(generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }))],
  ])('is taken as %s and gets an id', async (_, text) => {
    const read = await readPublicKeys(text);
    const { keys } = JSON.parse(read.kind === 'ok' ? read.jwks : '{}') as { keys: Record<string, string>[] };
    for (const key of keys) {
      expect(key.kid).toMatch(/^[\w-]{43}$/);
      expect(Object.keys(key)).not.toContain('d');
    }
  });

  const jwk = good.publicKey.export({ format: 'jwk' });
  it.each([
    ['a private PEM', good.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), /private key/],
    ['a private JWK', JSON.stringify(good.privateKey.export({ format: 'jwk' })), /private or shared/],
    ['a shared key', JSON.stringify({ kty: 'oct', k: 'c2VjcmV0' }), /private or shared/],
    ['a short RSA key', JSON.stringify(rsa(1_024).publicKey.export({ format: 'jwk' })), /shorter than 2048/],
    ['a key for encryption', JSON.stringify({ ...jwk, use: 'enc' }), /not for signatures/],
    ['a key for HMAC', JSON.stringify({ ...jwk, alg: 'HS256' }), /not accepted/],
    ['a curve nobody uses', JSON.stringify(ec('secp256k1').publicKey.export({ format: 'jwk' })), /not accepted/],
    ['a point that is none', JSON.stringify({ kty: 'EC', crv: 'P-256', x: 'AAAA', y: 'AAAA' }), /cannot be used/],
    [
      'two of one id',
      JSON.stringify({
        keys: [
          { ...jwk, kid: 'a' },
          { ...jwk, kid: 'a' },
        ],
      }),
      /same key id/,
    ],
    ['none at all', '{"keys":[]}', /0 keys/],
    ['six', JSON.stringify({ keys: Array.from({ length: 6 }, (_, i) => ({ ...jwk, kid: `k${i}` })) }), /6 keys/],
    ['no JSON', 'hello', /neither PEM nor JSON/],
    ['something else in JSON', '"hello"', /not a JWK/],
    ['null', 'null', /not a JWK/],
    ['far too much', 'x'.repeat(20_000), /too long/],
  ])('is not %s', async (_, text, why) => {
    const read = await readPublicKeys(text);
    expect(read.kind === 'refused' ? read.why : read).toMatch(why);
  });
});

describe('a trusted issuer', () => {
  const tenant = 'https://login.microsoftonline.com/ce5f061f-abe6-4e40-9615-301f87bcb7f0/v2.0';
  const wanted = { issuer: tenant, subject: 'd2f8ee76', audience: 'api://b5ba7a93/.default' };

  it('of Microsoft needs no address of its keys', () => {
    const jwksUrl = 'https://login.microsoftonline.com/ce5f061f-abe6-4e40-9615-301f87bcb7f0/discovery/v2.0/keys';
    expect(readTrust(wanted)).toEqual({ kind: 'ok', trust: { ...wanted, jwksUrl } });
    expect(readTrust({ ...wanted, jwksUrl })).toEqual({ kind: 'ok', trust: { ...wanted, jwksUrl } });
  });

  it.each([
    ['plain http', { issuer: 'http://login.example.com/t', jwksUrl: 'http://login.example.com/k' }, /https/],
    ['no address', { issuer: 'login.microsoftonline.com' }, /https/],
    [
      'an issuer with a password in it',
      { issuer: 'https://a:b@login.example.com/t', jwksUrl: 'https://login.example.com/k' },
      /https/,
    ],
    ['an unknown issuer without its keys', { issuer: 'https://login.example.com/t' }, /jwksUrl/],
    ['keys elsewhere', { jwksUrl: 'https://keys.example.com/k' }, /host of the issuer/],
    ['keys on this machine', { jwksUrl: 'http://127.0.0.1:6379/' }, /host of the issuer/],
    ['keys with a query', { jwksUrl: 'https://login.microsoftonline.com/k?x=1' }, /without query/],
    ['keys in a file', { jwksUrl: 'file:///etc/passwd' }, /https/],
    ['no subject', { subject: '' }, /subject/],
    ['an audience with blanks', { audience: 'a b' }, /audience/],
  ])('is refused with %s', (_, more, why) => {
    const read = readTrust({ ...wanted, ...more });
    expect(read.kind === 'refused' ? read.why : read).toMatch(why);
  });

  it('sends its audience as Entra ID shows it or without the scope at its end, and nothing else', () => {
    expect(['api://x', 'api://x/.default'].map((sent) => isAudience('api://x/.default', sent))).toEqual([true, true]);
    for (const sent of ['api://', 'api://x/', 'api://xx', ['api://x'], undefined, ''])
      expect(isAudience('api://x/.default', sent)).toBe(false);
    expect(isAudience('api://x', 'api://x/.default')).toBe(false);
  });
});
