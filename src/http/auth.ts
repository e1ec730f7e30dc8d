/**
 * Owns who is calling: it turns the Authorization header into the one site whose token it carries.
 * Refuses to know routes; the scope decides where it is asked. RFC 7644 §2, RFC 6750 §2.1 and §3.
 * Accepted are `Bearer x` in any letter case, a bare token and stray blanks: Okta's header templates send what the admin pasted,
 * with or without the scheme, and an admin who pastes `Bearer x` into a form that adds the scheme sends it twice.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { ScimError } from '../scim/error.ts';
import type { SiteDoor } from './site-door.ts';

export interface Caller {
  door: SiteDoor;
  /** Names the token in the audit trail; one cannot get from it to the token. */
  actor: string;
}

export type AuthFailure = 'missing' | 'malformed' | 'unknown' | 'expired';
export type Authenticate = (request: IncomingMessage) => Caller;

export interface AuthParts {
  sites: readonly SiteDoor[];
  onFailure: (reason: AuthFailure) => void;
  /** Tests only: stands in for this machine's clock. */
  nowMs?: () => number;
}

/** Everyone who is refused reads the same: what exactly was wrong helps only those who are guessing. */
const REFUSAL =
  'The bearer token is missing or not valid here. Check the API token in the provisioning settings of the identity provider.';

/** Whoever reads this has shown the right token, so it may say what is wrong with it. */
const EXPIRED =
  'This bearer token has expired. The administrator of the service must make a new one (SCIM_TOKEN and SCIM_TOKEN_EXPIRES there), ' +
  'and it must be put into the provisioning settings of the identity provider.';

/**
 * Creates the check that maps a request to its caller, comparing with every site so that time tells nothing.
 * @throws ScimError 401 from the check it returns
 */
export function createAuthenticator(parts: AuthParts): Authenticate {
  const nowMs = parts.nowMs ?? Date.now;
  const known = parts.sites.map((door) => ({ door, ...knownAs(door, door.token.reveal()) }));

  return function authenticate(request) {
    const { token, failure } = readToken(request);
    // An absent token is compared too, so that every refusal costs the same.
    const digest = digestOf(token ?? '');
    let caller: Caller | undefined;
    for (const candidate of known) {
      const text = candidate.door.token.reveal();
      // Replaced while this process runs: the one before opens nothing from then on.
      if (text !== candidate.text) Object.assign(candidate, knownAs(candidate.door, text));
    }
    for (const candidate of known) if (timingSafeEqual(digest, candidate.digest)) caller = candidate.caller;
    if (token !== undefined && caller !== undefined) {
      const expiresMs = caller.door.tokenExpires?.getTime() ?? Number.POSITIVE_INFINITY;
      if (nowMs() <= expiresMs) return caller;
      parts.onFailure('expired');
      throw new ScimError(401, EXPIRED);
    }
    // A load balancer that sends requests here is wrong, not the token: a 401 would make an administrator replace it.
    if (known.length === 0)
      throw new ScimError(
        503,
        'This process is a worker and serves no SCIM. Send the request to a process with ROLE=api or all.',
      );
    parts.onFailure(failure ?? 'unknown');
    throw new ScimError(401, REFUSAL);
  };
}

function knownAs(door: SiteDoor, text: string): { text: string; digest: Buffer; caller: Caller } {
  const digest = digestOf(text);
  return { text, digest, caller: { door, actor: `scim-token:${digest.toString('hex').slice(0, 8)}` } };
}

/** Tells whether a request brings any Authorization header at all. */
export function hasCredentials(request: IncomingMessage): boolean {
  return request.headers.authorization !== undefined;
}

/** Two Authorization headers are refused: a proxy and we might pick different ones. */
function readToken(request: IncomingMessage): { token?: string; failure?: AuthFailure } {
  const header = request.headers.authorization;
  if (header === undefined) return { failure: 'missing' };
  if (countOf(request.rawHeaders, 'authorization') > 1) return { failure: 'malformed' };
  const words = header.trim().split(/[ \t]+/);
  while (words[0]?.toLowerCase() === 'bearer') words.shift();
  const [token] = words;
  return words.length === 1 && token ? { token } : { failure: 'malformed' };
}

/** Counts how often a header was sent; Node keeps only the first of some, which hides the conflict. */
export function countOf(rawHeaders: readonly string[], name: string): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) if (rawHeaders[at]?.toLowerCase() === name) count += 1;
  return count;
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token, 'utf8').digest();
}
