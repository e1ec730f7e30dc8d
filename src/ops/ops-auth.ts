/**
 * Owns who may see and do operator things: the bearer of OPS_TOKEN, or a browser that has signed in with it. A SCIM token opens nothing here.
 * Refuses to keep the token: digests are compared, in constant time. Sessions live in this process only, so a restart or another replica asks
 * for the token again. OWASP ASVS 5.0 chapters 3.3 (cookies), 3.5 (cross-site requests), 7 (sessions); RFC 6750 §2.1.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Secret } from '../secret.ts';
import { OpsError } from './ops-error.ts';

const COOKIE = 'maxio_scim_ops';
const SESSION_MS = 60 * 60_000;
const SESSIONS_MAX = 100;

export type Operator = 'ops-token' | 'ops-page';

export interface OpsAuth {
  /** Says whether the text is the ops token. */
  isToken(text: string): boolean;
  /** Names who asks, by bearer token or session. @throws OpsError 401; 403 for a change that comes from another site's page */
  operator(request: FastifyRequest): Operator;
  hasSession(request: FastifyRequest): boolean;
  /** Opens a session. @returns the Set-Cookie header */
  open(): string;
  /** Ends the session of the request. @returns the Set-Cookie header that removes the cookie */
  end(request: FastifyRequest): string;
}

/** Creates the check. @param secure true when browsers reach the service over https; else the cookie could not be set */
export function createOpsAuth(opsToken: Secret, options: { secure: boolean; onFailure: () => void }): OpsAuth {
  const known = digestOf(opsToken.reveal());
  const sessions = new Map<string, number>();
  const attributes = `Path=/ops; HttpOnly; SameSite=Strict${options.secure ? '; Secure' : ''}`;

  const isToken = (text: string): boolean => timingSafeEqual(digestOf(text), known);
  const hasSession = (request: FastifyRequest): boolean => {
    const key = sessionKey(request);
    return key !== undefined && (sessions.get(key) ?? 0) > performance.now();
  };

  return {
    isToken,
    hasSession,
    operator(request) {
      const token = bearerOf(request);
      if (token !== undefined && isToken(token)) return 'ops-token';
      if (token === undefined && hasSession(request)) {
        if (request.method !== 'GET' && request.method !== 'HEAD') refuseOtherSites(request);
        return 'ops-page';
      }
      options.onFailure();
      throw new OpsError(
        401,
        'unauthorized',
        'The ops token is missing or wrong.',
        'Send Authorization: Bearer with the OPS_TOKEN of the service; a SCIM token does not work here.',
      );
    },
    open() {
      for (const [key, endsMs] of sessions)
        if (endsMs <= performance.now() || sessions.size >= SESSIONS_MAX) sessions.delete(key);
      const id = randomBytes(32).toString('base64url');
      sessions.set(digestOf(id).toString('hex'), performance.now() + SESSION_MS);
      return `${COOKIE}=${id}; Max-Age=${SESSION_MS / 1_000}; ${attributes}`;
    },
    end(request) {
      const key = sessionKey(request);
      if (key !== undefined) sessions.delete(key);
      return `${COOKIE}=; Max-Age=0; ${attributes}`;
    },
  };
}

/** Refuses a form that another site's page has sent: browsers say so in one of these two headers. @throws OpsError 403 */
export function refuseOtherSites(request: FastifyRequest): void {
  const { origin, host, 'sec-fetch-site': site } = request.headers;
  const same = site === undefined ? origin !== undefined && hostOf(origin) === host : site === 'same-origin';
  if (!same)
    throw new OpsError(403, 'other-site', 'This change came from a page of another site.', 'Open /ops directly and try again.');
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

/** Two Authorization headers are refused: a proxy and we might pick different ones. */
function bearerOf(request: FastifyRequest): string | undefined {
  const { headers, raw } = request;
  if (headers.authorization === undefined) return undefined;
  const sent = raw.rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'authorization').length;
  const token = /^bearer[ \t]+(\S+)[ \t]*$/i.exec(headers.authorization)?.[1];
  return sent > 1 || token === undefined ? '' : token;
}

function sessionKey(request: FastifyRequest): string | undefined {
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim());
  const own = pairs.find((pair) => pair.startsWith(`${COOKIE}=`));
  return own === undefined ? undefined : digestOf(own.slice(COOKIE.length + 1)).toString('hex');
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}
