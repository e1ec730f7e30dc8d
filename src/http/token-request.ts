/**
 * Owns reading a request for an access token: the form, and the one way in which the client signs in. RFC 6749 §2.3.1, §3.2 and §4.4, RFC 7521 §4.2.
 * Refuses everything that could be read in two ways: a parameter twice, two ways to sign in, and secrets in the address, where logs of others would keep them.
 */
import type { IncomingMessage } from 'node:http';
import { countOf } from './auth.ts';
import type { Claim } from './client-sign-in.ts';
import { OAuthError } from './oauth-error.ts';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** @throws OAuthError */
export function readTokenRequest(request: IncomingMessage, query: string, body: Buffer): Claim {
  const inQuery = new URLSearchParams(query);
  if (['client_secret', 'client_assertion', 'grant_type'].some((name) => inQuery.has(name)))
    throw bad('Send the parameters in the body, never in the address; and replace a secret that was sent there.');
  const form = readForm(body);
  const grant = form.get('grant_type');
  if (grant === undefined) throw bad('grant_type is missing; send grant_type=client_credentials.');
  if (grant !== 'client_credentials')
    throw new OAuthError(400, 'unsupported_grant_type', 'Only grant_type=client_credentials is possible here.');
  const basic = readBasic(request);
  const ways = [basic !== undefined, form.has('client_secret'), form.has('client_assertion')].filter(Boolean).length;
  if (ways !== 1)
    throw bad(
      'Sign in in exactly one way: client_id and client_secret in the body, or by Basic, or client_assertion in the body.',
    );
  const clientId = form.get('client_id');
  if (basic !== undefined) {
    if (clientId !== undefined && clientId !== basic.clientId)
      throw bad('client_id in the body is not that of the Authorization header.');
    return basic;
  }
  const assertion = form.get('client_assertion');
  if (assertion !== undefined) {
    if (form.get('client_assertion_type') !== ASSERTION_TYPE) throw bad(`client_assertion_type must be ${ASSERTION_TYPE}.`);
    return { clientId, assertion };
  }
  if (clientId === undefined) throw bad('client_id is missing.');
  return { clientId, secret: form.get('client_secret') ?? '' };
}

function bad(message: string): OAuthError {
  return new OAuthError(400, 'invalid_request', message);
}

/** Parameters without a value count as left out, as RFC 6749 §3.2 wants it. */
function readForm(body: Buffer): Map<string, string> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw bad('The body is not a form in UTF-8.');
  }
  const form = new Map<string, string>();
  const seen = new Set<string>();
  for (const [name, value] of new URLSearchParams(text)) {
    if (seen.has(name)) throw bad('A parameter is there twice.');
    seen.add(name);
    if (value !== '') form.set(name, value);
  }
  return form;
}

function readBasic(request: IncomingMessage): { clientId: string; secret: string } | undefined {
  const { authorization } = request.headers;
  if (authorization === undefined) return undefined;
  const encoded = /^basic[ \t]+([A-Za-z0-9+/=_-]+)[ \t]*$/i.exec(authorization)?.[1];
  if (countOf(request.rawHeaders, 'authorization') > 1 || encoded === undefined)
    throw bad('The Authorization header is not Basic; leave it out, or send client id and secret in it.');
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon === -1) throw bad('The Authorization header holds no client id and secret.');
  return { clientId: unescaped(text.slice(0, colon)), secret: unescaped(text.slice(colon + 1)) };
}

/** RFC 6749 §2.3.1 has both form-encoded; ours look the same either way. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}
