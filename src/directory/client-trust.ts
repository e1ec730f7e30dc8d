/**
 * Owns what may be trusted as an issuer of assertions (workload identity federation), as an operator names it, and where its keys are.
 * Refuses addresses of keys on another host than the issuer's, and anything but https (plain http on this machine only): whoever serves the keys can sign in.
 */
import type { Trust } from './client-book.ts';

export type TrustRead = { kind: 'ok'; trust: Trust } | { kind: 'refused'; why: string };

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);
const MICROSOFT = /^https:\/\/login(\.partner)?\.microsoftonline\.(com|us|cn)\/[^/]+\/v2\.0$/;

/** Check a trust; the address of the keys may be left out for Microsoft Entra ID. */
export function readTrust(wanted: Omit<Trust, 'jwksUrl'> & { jwksUrl?: string | undefined }): TrustRead {
  const { issuer, subject, audience } = wanted;
  if (!isAddress(issuer)) return refused('issuer must be an https:// address without query, as the iss claim has it');
  const jwksUrl = wanted.jwksUrl ?? (MICROSOFT.test(issuer) ? issuer.replace(/\/v2\.0$/, '/discovery/v2.0/keys') : undefined);
  if (jwksUrl === undefined) return refused('jwksUrl, the address of its keys, is needed for this issuer');
  if (!isAddress(jwksUrl)) return refused('jwksUrl must be an https:// address without query');
  if (new URL(jwksUrl).host !== new URL(issuer).host) return refused('jwksUrl must be on the host of the issuer');
  for (const [name, value] of Object.entries({ subject, audience })) {
    if (!/^[\x21-\x7e]{1,300}$/.test(value)) return refused(`${name} must be 1 to 300 printable characters without blanks`);
  }
  return { kind: 'ok', trust: { issuer, subject, audience, jwksUrl } };
}

/** Entra ID shows the audience as a scope, with this at its end, and sends it without. */
export function isAudience(wanted: string, sent: unknown): boolean {
  return sent === wanted || (typeof sent === 'string' && `${sent}/.default` === wanted);
}

function refused(why: string): TrustRead {
  return { kind: 'refused', why };
}

function isAddress(text: string): boolean {
  if (text.length > 300 || !/^[\x21-\x7e]+$/.test(text) || /[?#]/.test(text) || !URL.canParse(text)) return false;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.has(url.hostname));
}
