/**
 * Owns the routes about the OAuth clients of a site: which there are, a new one, more to sign in with, the end of one. A secret is in one answer only, that of
 * its making. Refuses to make and keep clients (directory/clients.ts) and to judge keys and issuers (client-keys.ts, client-trust.ts).
 */
import { z } from 'zod';
import { readPublicKeys } from '../../directory/client-keys.ts';
import { readTrust } from '../../directory/client-trust.ts';
import {
  CLIENT_LIMITS,
  type ClientMade,
  type ClientRow,
  type CredentialRow,
  SECRET_DAYS,
  type Wanted,
} from '../../directory/clients.ts';
import { OpsError } from '../ops-error.ts';
import { moment as momentOf } from '../words.ts';
import { type ApiParts, type ApiRoute, exactlyOne, oneSite, route } from './route.ts';
import { moment, shape, siteKey, siteOnly } from './shapes.ts';

const NO_SUCH = 'no-such-client';
const TOO_MANY = 'too-many';
const UNFIT = 'unfit-credential';
const NO_TOKENS_YET = 'Set OAUTH_SIGNING_KEY, the same for every process: until then no client gets a token.';

const clientId = z.string().regex(/^smc_[a-z2-7]{12}$/, 'must be the id of a client');
const credentialId = z.string().regex(/^[a-z2-7]{12}$/, 'must be the id of a secret, key or trust');
const days = z.int().min(1).max(SECRET_DAYS.max).default(SECRET_DAYS.usual).describe('How long it is good.');

const wants = {
  secret: z.strictObject({ days }).optional().describe('A secret of 256 bits, shown once.'),
  key: z
    .strictObject({ days, text: z.string().min(1).max(16_384).describe('JWK, JWK set, or public key or certificate as PEM.') })
    .optional()
    .describe('A public key; the client signs assertions with the private one (private_key_jwt).'),
  trust: z
    .strictObject({
      issuer: z.string().describe('The iss claim, letter by letter.'),
      subject: z.string().describe('The sub claim.'),
      audience: z.string().describe('The aud claim; one that ends in /.default is accepted without it.'),
      jwksUrl: z
        .string()
        .optional()
        .describe('Address of the keys, on the host of the issuer. May be left out for Microsoft Entra ID.'),
    })
    .optional()
    .describe('An issuer that speaks for the client (workload identity federation).'),
};
type Wants = z.output<z.ZodObject<typeof wants>>;

const trust = z.object({ issuer: z.string(), subject: z.string(), audience: z.string(), jwksUrl: z.string() });
const credential = shape(
  'ClientCredential',
  z.object({
    id: z.string(),
    kind: z.enum(['secret', 'key', 'trust']),
    state: z.enum(['live', 'expired', 'revoked']),
    createdAt: moment,
    expiresAt: moment.nullable().describe('null: until it is revoked.'),
    by: z.string().describe('Name of the operator who made it.'),
    lastUsedAt: moment.nullable().describe('To the minute; null: never.'),
    revokedAt: moment.nullable(),
    trust: trust.nullable(),
  }),
);
const client = shape(
  'Client',
  z.object({
    id: z.string(),
    state: z.enum(['live', 'revoked']),
    note: z.string(),
    createdAt: moment,
    by: z.string(),
    revokedAt: moment.nullable(),
    credentials: z.array(credential).describe('Newest first.'),
  }),
);
const made = shape(
  'ClientMade',
  z.object({
    site: z.string(),
    id: z.string(),
    credential: z.string(),
    secret: z.string().nullable().describe('Shown here and never again.'),
    expiresAt: moment.nullable(),
    tokenUrl: z.string(),
    scimUrl: z.string(),
    advice: z.string().describe('What is still to be done before a token is given out; empty: nothing.'),
  }),
);
const revoked = shape(
  'ClientRevoked',
  z.object({ site: z.string(), id: z.string(), credential: z.string().nullable(), already: z.boolean() }),
);

function orNull(atMs: number | undefined): string | null {
  return atMs === undefined ? null : momentOf(atMs);
}

function credentialOf({ id, kind, state, by, ...row }: CredentialRow): z.infer<typeof credential> {
  const times = { createdAt: momentOf(row.createdMs), expiresAt: orNull(row.expiresMs), lastUsedAt: orNull(row.lastUsedMs) };
  return { id, kind, state, by, ...times, revokedAt: orNull(row.revokedMs), trust: row.trust ?? null };
}

function clientOf({ id, state, note, by, createdMs, revokedMs, credentials }: ClientRow): z.infer<typeof client> {
  return {
    id,
    state,
    note,
    by,
    createdAt: momentOf(createdMs),
    revokedAt: orNull(revokedMs),
    credentials: credentials.map(credentialOf),
  };
}

async function wantedOf({ secret, key, trust: issuer }: Wants): Promise<Wanted> {
  exactlyOne(
    { secret, key, trust: issuer },
    'Say what the client signs in with: {"secret": {}}, {"key": {"text"}} or {"trust": {"issuer", "subject", "audience"}}.',
  );
  if (key !== undefined) {
    const read = await readPublicKeys(key.text);
    if (read.kind === 'ok') return { kind: 'key', days: key.days, jwks: read.jwks };
    throw unfit(
      `The key cannot be taken: ${read.why}.`,
      'Hand over a public key for signatures (RSA of 2048 bits or more, P-256, P-384, Ed25519) as JWK, JWK set or PEM.',
    );
  }
  if (issuer !== undefined) {
    const read = readTrust(issuer);
    if (read.kind === 'ok') return { kind: 'trust', ...read.trust };
    throw unfit(
      `That issuer cannot be trusted: ${read.why}.`,
      'Copy issuer, subject, audience and JWKS URL from the identity provider.',
    );
  }
  return { kind: 'secret', days: secret?.days ?? SECRET_DAYS.usual };
}

function unfit(message: string, todo: string): OpsError {
  return new OpsError(400, UNFIT, message, todo);
}

function madeOf(parts: ApiParts, site: string, answer: ClientMade): z.infer<typeof made> {
  if (answer.kind === 'missing') throw noSuch(site);
  if (answer.kind !== 'ok') {
    const what =
      answer.kind === 'full-clients'
        ? `${CLIENT_LIMITS.clients} live clients`
        : `${CLIENT_LIMITS.credentials} live secrets, keys and trusts for this client`;
    throw new OpsError(
      409,
      TOO_MANY,
      `${site} has ${what} already.`,
      'maxio-scim client list shows them; revoke one that is not used, then ask again.',
    );
  }
  const { client: id, credential: name, secret = null, expiresMs } = answer;
  const { publicUrl, oauth } = parts.config;
  const urls = { tokenUrl: `${publicUrl}/oauth/token`, scimUrl: `${publicUrl}/scim/v2` };
  const advice = oauth?.signingKey === undefined ? NO_TOKENS_YET : '';
  return { site, id, credential: name, secret, expiresAt: orNull(expiresMs), ...urls, advice };
}

function noSuch(site: string): OpsError {
  return new OpsError(
    404,
    NO_SUCH,
    `${site} has no live client, or nothing it signs in with, of that id.`,
    'maxio-scim client list shows what it has.',
  );
}

const errors: Record<string, [status: number, when: string]> = {
  [TOO_MANY]: [409, 'the site has as many as it may have'],
  [UNFIT]: [400, 'the key or issuer cannot be taken; the answer says why'],
};

export const clientRoutes: ApiRoute[] = [
  route({
    method: 'GET',
    path: '/clients',
    group: 'OAuth clients',
    role: 'viewer',
    summary: 'The OAuth clients of a site and what they sign in with, without secrets',
    query: siteOnly,
    answer: shape('Clients', z.object({ site: z.string(), clients: z.array(client).describe('Newest first.') })),
    async run({ query, parts }) {
      const site = oneSite(parts, query.site);
      return { site: site.key, clients: (await site.clients.list()).map(clientOf) };
    },
  }),
  route({
    method: 'POST',
    path: '/clients',
    group: 'OAuth clients',
    role: 'approver',
    summary: 'Make an OAuth client with the first thing it signs in with; a secret is shown in this answer and never again',
    body: z.strictObject({
      site: siteKey.optional(),
      note: z.string().max(200).default('').describe('For colleagues: where it is used.'),
      ...wants,
    }),
    answer: made,
    errors,
    logged: ({ site, id, credential: name }) => ({ site, clientId: id, credentialId: name }),
    async run({ body, operator, requestId, parts }) {
      const site = oneSite(parts, body.site);
      const wanted = await wantedOf(body);
      return madeOf(parts, site.key, await site.clients.create({ by: operator.name, requestId, note: body.note, wanted }));
    },
  }),
  route({
    method: 'POST',
    path: '/clients/credentials',
    group: 'OAuth clients',
    role: 'approver',
    summary: 'Give a client one secret, key or trust more; those before it stay good',
    body: z.strictObject({ site: siteKey.optional(), id: clientId, ...wants }),
    answer: made,
    errors: { ...errors, [NO_SUCH]: [404, 'the site has no live client of that id'] },
    logged: ({ site, id, credential: name }) => ({ site, clientId: id, credentialId: name }),
    async run({ body, operator, requestId, parts }) {
      const site = oneSite(parts, body.site);
      const wanted = await wantedOf(body);
      return madeOf(parts, site.key, await site.clients.add(body.id, wanted, { by: operator.name, requestId }));
    },
  }),
  route({
    method: 'POST',
    path: '/clients/revoke',
    group: 'OAuth clients',
    role: 'approver',
    summary: 'End a client, or one thing it signs in with, for ever; its tokens end with it, within seconds in every process',
    body: z.strictObject({ site: siteKey.optional(), id: clientId, credential: credentialId.optional() }),
    answer: revoked,
    errors: { [NO_SUCH]: [404, 'the site has no such client or credential'] },
    logged: ({ site, id, credential: name }) => ({ site, clientId: id, credentialId: name ?? '' }),
    async run({ body, operator, requestId, parts }) {
      const site = oneSite(parts, body.site);
      const ended = await site.clients.revoke(body.id, body.credential, { by: operator.name, requestId });
      if (ended === 'missing') throw noSuch(site.key);
      return { site: site.key, id: body.id, credential: body.credential ?? null, already: ended === 'already' };
    },
  }),
];
