/**
 * Owns `POST /oauth/token`: client credentials against an access token. The client id names the site, as everywhere a credential does.
 * Every refusal reads the same outside and has its reason in the log; failures are throttled as those of bearer tokens, and a right secret always passes.
 * Refuses scopes: there is one, and it is in every answer. RFC 6749 §4.4, §5.1, §5.2.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DirectoryUnavailable } from '../directory/unavailable.ts';
import { plainAddress } from '../network.ts';
import { Throttle } from '../throttle.ts';
import { type AccessTokens, SCOPE } from './access-token.ts';
import { createSignIn, type SignIn } from './client-sign-in.ts';
import { IssuerKeys, IssuerUnavailable } from './issuer-keys.ts';
import { OAuthError } from './oauth-error.ts';
import type { SiteDoor } from './site-door.ts';
import { readTokenRequest } from './token-request.ts';

export const TOKEN_PATH = '/oauth/token';

export interface OAuthParts {
  sites: readonly SiteDoor[];
  tokens: AccessTokens;
  /** `{PUBLIC_URL}`, without a trailing slash. */
  publicUrl: string;
  onFailure: (reason: 'client' | 'throttled' | 'network') => void;
  onIssued: (site: string, kind: 'secret' | 'key' | 'trust') => void;
  throttle?: Throttle;
  issuerKeys?: IssuerKeys;
  /** Tests only: stands in for this machine's clock. */
  nowMs?: () => number;
}

const BODY_BYTES_MAX = 16 * 1024;
const ALWAYS = { 'cache-control': 'no-store', pragma: 'no-cache', 'x-content-type-options': 'nosniff' } as const;

/** Everyone who is refused reads the same: what exactly was wrong helps only those who are guessing. */
const REFUSAL =
  'The client is unknown here, or its secret or assertion is wrong, expired, revoked or was used before. The administrators of this service see which it was in ' +
  'its log, and with maxio-scim client list what is good; maxio-scim client add-secret makes a new secret.';

/** Registers the endpoint; to be encapsulated, because it reads bodies in its own way. */
export async function oauthRoutes(app: FastifyInstance, parts: OAuthParts): Promise<void> {
  const { sites, tokens, publicUrl, throttle = new Throttle(), issuerKeys = new IssuerKeys() } = parts;
  const audiences = [publicUrl, `${publicUrl}${TOKEN_PATH}`];
  const signIn = createSignIn({ sites, audiences, issuerKeys, ...(parts.nowMs ? { nowMs: parts.nowMs } : {}) });

  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'buffer', bodyLimit: BODY_BYTES_MAX },
    (_request, bytes, done) => done(null, bytes),
  );
  app.setErrorHandler((error, request, reply) => sendOAuthError(error, request, reply));
  app.post(TOKEN_PATH, {
    bodyLimit: BODY_BYTES_MAX,
    onRequest: async () => {
      if (!tokens.offered)
        throw new OAuthError(
          501,
          'server_error',
          'This service gives out no access tokens: set OAUTH_SIGNING_KEY, or use a SCIM token.',
        );
      // A load balancer that sends requests here is wrong, not the client.
      if (sites.length === 0) throw away('This process is a worker. Send the request to a process with ROLE=api or all.', 10);
    },
    handler: (request, reply) => answer(request, reply, { ...parts, throttle, signIn }),
  });
  app.route({
    method: app.supportedMethods.filter((method) => method !== 'POST'),
    url: TOKEN_PATH,
    exposeHeadRoute: false,
    onRequest: (_request, reply, done) => {
      reply.header('allow', 'POST');
      done(new OAuthError(405, 'invalid_request', 'Only POST is possible here.'));
    },
    handler: async () => undefined,
  });
}

interface Answering extends OAuthParts {
  throttle: Throttle;
  signIn: SignIn;
}

async function answer(request: FastifyRequest, reply: FastifyReply, parts: Answering): Promise<FastifyReply> {
  const mark = request.url.indexOf('?');
  const query = mark === -1 ? '' : request.url.slice(mark + 1);
  const claim = readTokenRequest(request.raw, query, Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0));
  const signedIn = await parts.signIn(claim).catch((error: unknown) => {
    throw error instanceof IssuerUnavailable ? unverified(error, request, parts) : error;
  });
  if ('refused' in signedIn) {
    const { refused: reason, client } = signedIn;
    const waitSeconds = parts.throttle.failed(request.ip, client);
    parts.onFailure(waitSeconds === undefined ? 'client' : 'throttled');
    // Only ids of our own: what nobody knows is not repeated.
    if (waitSeconds === undefined) request.log.info({ reason, client }, 'an OAuth client was refused');
    throw waitSeconds === undefined ? refusal() : tooMany(waitSeconds);
  }
  const { door, clientId, credential } = signedIn;
  if (door.gate?.admits(request.ip, `oauth:${clientId}`) === false) throw fromElsewhere(request.ip, parts.onFailure);
  door.clients?.used(credential.id);
  const grant = { site: door.key, client: clientId, credential: credential.id };
  const { text, seconds } = await parts.tokens.issue(grant, credential.expiresMs);
  parts.onIssued(door.key, credential.proof.kind);
  request.log.info({ ...grant, kind: credential.proof.kind, seconds }, 'an access token was given out');
  return reply.headers(ALWAYS).send({ access_token: text, token_type: 'Bearer', expires_in: seconds, scope: SCOPE });
}

/** Nobody has shown yet that they are who they say, so what cannot be verified is slowed down as what is wrong, by its address: the client is not to blame. */
function unverified(error: IssuerUnavailable, request: FastifyRequest, { throttle, onFailure }: Answering): OAuthError {
  const { jwksUrl, isNews } = error;
  if (isNews)
    request.log.warn({ err: error, jwksUrl }, 'the keys of an issuer cannot be fetched, so its assertions cannot be verified');
  const waitSeconds = throttle.failed(request.ip);
  if (waitSeconds === undefined)
    return away('The keys of the issuer of the assertion cannot be fetched now. Send the same request again.', 10);
  onFailure('throttled');
  return tooMany(waitSeconds);
}

function refusal(): OAuthError {
  return new OAuthError(401, 'invalid_client', REFUSAL, { 'www-authenticate': 'Basic realm="oauth"' });
}

function fromElsewhere(address: string, onFailure: OAuthParts['onFailure']): OAuthError {
  onFailure('network');
  return new OAuthError(
    403,
    'unauthorized_client',
    `The client is right, but not accepted from ${plainAddress(address) ?? 'an unreadable address'}. The administrators of this service add the networks of the ` +
      'identity provider to SCIM_ALLOW_FROM; if that is the address of a proxy of theirs, it belongs into TRUSTED_PROXIES.',
  );
}

function tooMany(waitSeconds: number): OAuthError {
  return new OAuthError(
    429,
    'invalid_client',
    `Too many wrong secrets or assertions have come from this address, or for this client. Correct it before the next try; a right one is served at once, a wrong one is looked at again in ${waitSeconds} s.`,
    { 'retry-after': String(waitSeconds) },
  );
}

function away(message: string, seconds: number): OAuthError {
  return new OAuthError(503, 'temporarily_unavailable', message, { 'retry-after': String(seconds) });
}

function sendOAuthError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, code, message, headers } = answerTo(thrown, request);
  return reply
    .code(status)
    .headers({ ...ALWAYS, 'x-request-id': request.id, ...headers })
    .send({ error: code, error_description: message });
}

function answerTo(thrown: unknown, request: FastifyRequest): OAuthError {
  if (thrown instanceof OAuthError) return thrown;
  if (thrown instanceof DirectoryUnavailable)
    return away('The directory does not answer now. Send the same request again.', thrown.retryAfterSeconds);
  const { statusCode } = (thrown ?? {}) as { statusCode?: unknown };
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500)
    return new OAuthError(statusCode, 'invalid_request', 'Send a form of at most 16 KiB as application/x-www-form-urlencoded.');
  request.log.error({ err: thrown }, 'a request for a token failed');
  return new OAuthError(
    500,
    'server_error',
    `Something failed inside maxio-scim. The log has the reason under request id ${request.id}.`,
  );
}
