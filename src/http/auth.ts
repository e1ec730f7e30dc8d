/**
 * Owns who is calling: it turns the Authorization header into the one site whose token it carries.
 * Refuses to know routes; the scope decides where it is asked. RFC 7644 §2, RFC 6750 §2.1 and §3.
 * Accepted are `Bearer x` in any letter case, a bare token and stray blanks: Okta's header templates send what the admin pasted,
 * with or without the scheme, and an admin who pastes `Bearer x` into a form that adds the scheme sends it twice.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Weigh } from '../directory/shelf.ts';
import { CONFIGURED, tokenIdOf } from '../directory/token-book.ts';
import { DirectoryUnavailable } from '../directory/unavailable.ts';
import { plainAddress } from '../network.ts';
import { ScimError } from '../scim/error.ts';
import { Throttle } from '../throttle.ts';
import type { SiteDoor } from './site-door.ts';
import { TooManyFailures } from './too-many-failures.ts';

export interface Caller {
  door: SiteDoor;
  /** Names the token in the audit trail; one cannot get from it to the token. */
  actor: string;
  /** Under which the use of the token is noted. */
  tokenId?: string;
  /** To be told how large it is what this request is about to read. @throws Crowded */
  weigh?: Weigh | undefined;
}

export type AuthFailure = 'missing' | 'malformed' | 'unknown' | 'expired' | 'revoked';
/** @param address of the client, as far as it can be trusted @throws ScimError 401, or 429 after too many; DirectoryUnavailable */
export type Authenticate = (request: IncomingMessage, address: string) => Promise<Caller>;

export interface AuthParts {
  sites: readonly SiteDoor[];
  onFailure: (reason: AuthFailure | 'throttled' | 'network') => void;
  /** Reads access tokens of /oauth/token; `expired` and `revoked` are said only of tokens that were good once. */
  issued?: (text: string) => Promise<Caller | AuthFailure>;
  throttle?: Throttle;
  /** Tests only: stands in for this machine's clock. */
  nowMs?: () => number;
}

/** Everyone who is refused reads the same: what exactly was wrong helps only those who are guessing. The metrics and `token list` tell operators. */
const REFUSAL =
  'The bearer token is missing, or unknown, revoked or expired here. Put a good one into the provisioning settings of the identity provider; ' +
  'the administrators of this service see with maxio-scim token list which ones are, and make one with maxio-scim token create.';

/** JSON in base64, and two dots. A configured token of that shape is known before it is read as one of these. */
const JWT = /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/;

/** What a token without a known id is compared with, so that an unknown id costs what a wrong secret costs. */
const NOBODY = randomBytes(32);

/**
 * Creates the check that maps a request to its caller, comparing with every site so that time tells nothing.
 * @throws ScimError 401 from the check it returns
 */
export function createAuthenticator(parts: AuthParts): Authenticate {
  const { sites, onFailure, issued, throttle = new Throttle(), nowMs = Date.now } = parts;
  const configured = createConfigured(sites, nowMs);

  return async function authenticate(request, address) {
    const { token, failure } = readToken(request);
    // An absent token is compared too, so that every refusal costs the same.
    const digest = digestOf(token ?? '');
    const id = tokenIdOf(token ?? '');
    const made = lookUp(sites, { id, digest, nowMs: nowMs() });
    const own = configured(digest);
    const given = token !== undefined && JWT.test(token) ? await issued?.(token) : undefined;
    const found = token === undefined ? (failure ?? 'malformed') : own === 'unknown' ? (given ?? made) : own;
    if (typeof found === 'object') return admitted(found, address, onFailure);
    // A load balancer that sends requests here is wrong, not the token: a 401 would make an administrator replace it.
    if (sites.length === 0)
      throw new ScimError(
        503,
        'This process is a worker and serves no SCIM. Send the request to a process with ROLE=api or all.',
      );
    if (found === 'unknown' && id !== undefined && sites.some(({ book }) => book?.loaded === false))
      throw new DirectoryUnavailable('the tokens could not be read yet', 5);
    // Whoever shows a token that was good guesses nothing, and is to read 401: that makes a client fetch the next one, and an administrator look at the token.
    const wasGood = found === 'expired' || found === 'revoked' || (given !== undefined && given !== 'unknown');
    const honest = found === 'missing' || wasGood;
    const waitSeconds = honest ? undefined : throttle.failed(address, id);
    onFailure(waitSeconds === undefined ? found : 'throttled');
    throw waitSeconds === undefined ? new ScimError(401, REFUSAL) : new TooManyFailures(waitSeconds);
  };
}

/** Whoever holds a right token may know that it is right: an administrator must not go and replace it because the address has changed. @throws ScimError 403 */
export function admitted(caller: Caller, address: string, onFailure: (reason: 'network') => void): Caller {
  const { door, actor, tokenId } = caller;
  if (door.gate?.admits(address, actor) !== false) {
    if (tokenId !== undefined) door.book?.used(tokenId);
    return caller;
  }
  onFailure('network');
  throw new ScimError(
    403,
    `The token is right, but not accepted from ${plainAddress(address) ?? 'an unreadable address'}. The administrators of this service add the networks of the ` +
      'identity provider to SCIM_ALLOW_FROM; if that is the address of a proxy of theirs, it belongs into TRUSTED_PROXIES.',
  );
}

/** Looks for a token that an operator has made. Every site is asked, and one comparison is made, whether or not any knows the id. */
function lookUp(
  sites: readonly SiteDoor[],
  { id, digest, nowMs }: { id: string | undefined; digest: Buffer; nowMs: number },
): Caller | AuthFailure {
  let found: { door: SiteDoor; token: NonNullable<ReturnType<NonNullable<SiteDoor['book']>['find']>> } | undefined;
  for (const door of sites) {
    const token = id === undefined ? undefined : door.book?.find(id);
    if (token !== undefined) found = { door, token };
  }
  const same = timingSafeEqual(digest, found?.token.digest ?? NOBODY);
  if (!same || found === undefined) return 'unknown';
  const { door, token } = found;
  if (token.revoked) return 'revoked';
  if (nowMs >= token.expiresMs) return 'expired';
  return { door, actor: `scim-token:${token.id}`, tokenId: token.id };
}

/** Compares with the tokens of the configuration, each of them and each in constant time. */
function createConfigured(sites: readonly SiteDoor[], nowMs: () => number): (digest: Buffer) => Caller | AuthFailure {
  const known = sites.flatMap((door) => {
    const { token } = door;
    return token === undefined ? [] : [{ door, secret: token, ...knownAs(door, token.reveal()) }];
  });
  return (digest) => {
    let found: Caller | undefined;
    for (const candidate of known) {
      const text = candidate.secret.reveal();
      // Replaced while this process runs: the one before opens nothing from then on.
      if (text !== candidate.text) Object.assign(candidate, knownAs(candidate.door, text));
    }
    for (const candidate of known) if (timingSafeEqual(digest, candidate.digest)) found = candidate.caller;
    if (found === undefined) return 'unknown';
    if (nowMs() > (found.door.tokenExpires?.getTime() ?? Number.POSITIVE_INFINITY)) return 'expired';
    return found;
  };
}

function knownAs(door: SiteDoor, text: string): { text: string; digest: Buffer; caller: Caller } {
  const digest = digestOf(text);
  return { text, digest, caller: { door, actor: `scim-token:${digest.toString('hex').slice(0, 8)}`, tokenId: CONFIGURED } };
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
