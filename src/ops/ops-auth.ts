/**
 * Owns who may see and do operator things: the bearer of a token of OPS_TOKENS_FILE or of OPS_TOKEN, or a browser that has signed in with one.
 * A SCIM token opens nothing here. Refuses to keep tokens: digests are compared, every one of them and each in constant time. Sessions live in this
 * process only, so a restart or another replica asks for the token again, and end with the token they were opened with. Too many wrong tokens from one address are refused unread; a right one never is.
 * OWASP ASVS 5.0 chapters 3.3 (cookies), 3.5 (cross-site requests), 7 (sessions), 8.2 (roles); RFC 6750 §2.1.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Config, NamedOperator } from '../config.ts';
import { Throttle } from '../throttle.ts';
import { OpsError } from './ops-error.ts';

const COOKIE = 'maxio_scim_ops';
/** Stands for OPS_TOKEN, which names nobody. */
const OPS_TOKEN_NAME = 'ops-token';
const SESSION_MS = 60 * 60_000;
const SESSIONS_MAX = 100;

export type Role = NamedOperator['role'];

/** Who acts. The name is what the audit trail and the log say. */
export interface Operator {
  name: string;
  role: Role;
}

const RANKS: Record<Role, number> = { viewer: 0, operator: 1, approver: 2 };

/** Whether somebody of this role may do what needs that one: each role may do all that the ones below it may. */
export function mayAct(role: Role, needed: Role): boolean {
  return RANKS[role] >= RANKS[needed];
}

export interface OpsAuth {
  /** Names whose token the text is; `undefined` for nobody's. */
  whose(text: string): Operator | undefined;
  /** Count a wrong token. @returns whole seconds to wait, when there were too many from that address */
  failed(request: FastifyRequest): number | undefined;
  /** Names who asks, by bearer token or session. @throws OpsError 401, or 429 after too many; 403 for a change that comes from another site's page */
  operator(request: FastifyRequest): Operator;
  /** Names who has signed in; `undefined` without a session. */
  session(request: FastifyRequest): Operator | undefined;
  /** Opens a session for somebody whose token was just read. @returns the Set-Cookie header */
  open(operator: Operator): string;
  /** Ends the session of the request. @returns the Set-Cookie header that removes the cookie */
  end(request: FastifyRequest): string;
}

interface Session {
  /** Of the token it was opened with. */
  digest: Buffer;
  endsMs: number;
}

interface Known {
  operator: Operator;
  digest: Buffer;
}

export interface OpsAuthOptions {
  /** True when browsers reach the service over https; else the cookie could not be set. */
  secure: boolean;
  onFailure: (reason: 'ops' | 'throttled') => void;
  throttle?: Throttle;
}

/** Creates the check. OPS_TOKEN names no person, so where operators have names it may do everything but approve. */
export function createOpsAuth(config: Pick<Config, 'opsToken' | 'operators'>, options: OpsAuthOptions): OpsAuth {
  const { onFailure, throttle = new Throttle() } = options;
  const sessions = new Map<string, Session>();
  const attributes = `Path=/ops; HttpOnly; SameSite=Strict${options.secure ? '; Secure' : ''}`;

  // Every digest is compared, so that the time does not tell whose token comes early in the file.
  const ofDigest = (digest: Buffer): Operator | undefined =>
    knownNow(config).filter((one) => timingSafeEqual(digest, one.digest))[0]?.operator;
  const whose = (text: string): Operator | undefined => ofDigest(digestOf(text));
  const session = (request: FastifyRequest): Operator | undefined => {
    const key = sessionKey(request) ?? '';
    const found = sessions.get(key);
    if (found === undefined || found.endsMs <= performance.now()) return undefined;
    const operator = ofDigest(found.digest);
    // A token that was taken away does not come back into an old window when somebody puts it back.
    if (operator === undefined) sessions.delete(key);
    return operator?.name === OPS_TOKEN_NAME ? { ...operator, name: 'ops-page' } : operator;
  };
  const failed = (request: FastifyRequest): number | undefined => {
    const waitSeconds = throttle.failed(request.ip);
    onFailure(waitSeconds === undefined ? 'ops' : 'throttled');
    return waitSeconds;
  };

  return {
    whose,
    session,
    failed,
    operator(request) {
      const token = bearerOf(request);
      const operator = token === undefined ? session(request) : whose(token);
      if (operator !== undefined) {
        const changes = request.method !== 'GET' && request.method !== 'HEAD';
        if (token === undefined && changes) refuseOtherSites(request);
        return operator;
      }
      if (token === undefined) onFailure('ops');
      const waitSeconds = token === undefined ? undefined : failed(request);
      if (waitSeconds !== undefined) throw tooMany(waitSeconds);
      throw new OpsError(
        401,
        'unauthorized',
        'The ops token is missing or wrong.',
        'Send Authorization: Bearer with the OPS_TOKEN of the service, or with your own token of its OPS_TOKENS_FILE; a SCIM token does not work here.',
      );
    },
    open(operator) {
      for (const [key, { endsMs }] of sessions)
        if (endsMs <= performance.now() || sessions.size >= SESSIONS_MAX) sessions.delete(key);
      const id = randomBytes(32).toString('base64url');
      const digest = knownNow(config).find((one) => one.operator.name === operator.name)?.digest;
      if (digest !== undefined) sessions.set(digestOf(id).toString('hex'), { digest, endsMs: performance.now() + SESSION_MS });
      return `${COOKIE}=${id}; Max-Age=${SESSION_MS / 1_000}; ${attributes}`;
    },
    end(request) {
      const key = sessionKey(request);
      if (key !== undefined) sessions.delete(key);
      return `${COOKIE}=; Max-Age=0; ${attributes}`;
    },
  };
}

/** Read anew for every request: tokens are replaced, and operators come and go, while this process runs. */
function knownNow({ opsToken, operators }: Pick<Config, 'opsToken' | 'operators'>): Known[] {
  return [
    {
      operator: { name: OPS_TOKEN_NAME, role: operators.length === 0 ? 'approver' : 'operator' },
      digest: digestOf(opsToken.reveal()),
    },
    ...operators.map(({ name, role, sha256 }) => ({ operator: { name, role }, digest: Buffer.from(sha256, 'hex') })),
  ];
}

function tooMany(waitSeconds: number): OpsError {
  return new OpsError(
    429,
    'too-many-failures',
    'Too many wrong ops tokens have come from this address.',
    `Correct the token; a right one is taken at once, a wrong one is looked at again in ${waitSeconds} s.`,
    waitSeconds,
  );
}

/** Refuses a form that another site's page has sent: browsers say so in one of these two headers. @throws OpsError 403 */
export function refuseOtherSites(request: FastifyRequest): void {
  const { origin, host, 'sec-fetch-site': site } = request.headers;
  const same = site === undefined ? origin !== undefined && hostOf(origin) === host : site === 'same-origin';
  if (!same)
    throw new OpsError(
      403,
      'other-site',
      'This change did not come from a page of this service.',
      'Open /ops in a browser and try again; programs use /ops/api.',
    );
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
