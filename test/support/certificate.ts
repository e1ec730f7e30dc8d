/**
 * Owns TLS certificates for tests, made when they are needed, so that none lies in the repository and none runs out. Just enough of X.509 for a server on
 * this machine: one key, self-signed, a validity, names. Refuses to be a certificate authority. RFC 5280 §4.1, X.690 (DER).
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

export interface TestCertificate {
  cert: string;
  key: string;
}

const OID = {
  ecdsaWithSha256: '06082a8648ce3d040302',
  commonName: '0603550403',
  subjectAltName: '0603551d11',
} as const;

function der(tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const { length } = body;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
}

const sequence = (...parts: Buffer[]): Buffer => der(0x30, ...parts);
const oid = (hex: string): Buffer => Buffer.from(hex, 'hex');

/** GeneralizedTime, as RFC 5280 wants it only from 2050 on; OpenSSL reads it for any year. */
const moment = (at: Date): Buffer =>
  der(
    0x18,
    Buffer.from(
      `${at
        .toISOString()
        .replaceAll(/[-:T]|\.\d+Z$/g, '')
        .slice(0, 14)}Z`,
    ),
  );

/** Makes a self-signed certificate. @param options.names host names and IPv4 addresses */
export function makeCertificate(options: { names: string[]; notAfter: Date }): TestCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const serial = randomBytes(8);
  serial[0] = 0x40;
  // A name of its own: whoever trusts several of these finds the issuer by name.
  const subject = sequence(der(0x31, sequence(oid(OID.commonName), der(0x0c, Buffer.from(serial.toString('hex'))))));
  const names = options.names.map((name) =>
    /^[\d.]+$/.test(name) ? der(0x87, Buffer.from(name.split('.').map(Number))) : der(0x82, Buffer.from(name)),
  );
  const extensions = der(0xa3, sequence(sequence(oid(OID.subjectAltName), der(0x04, sequence(...names)))));
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    algorithm,
    subject,
    sequence(moment(new Date(Date.UTC(2020, 0, 1))), moment(options.notAfter)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    extensions,
  );
  const signature = sign('sha256', body, privateKey);
  const whole = sequence(body, algorithm, der(0x03, Buffer.from([0]), signature));
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  return {
    cert: ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n'),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
