/**
 * Owns the one schema of the environment: every variable with its rule, its description, its default and its example.
 * Refuses to read anything: `config.ts` does, and `.env.example` is generated from here. Rules are strict on purpose: an
 * integer is decimal digits only, a flag is never coerced, and an address Maxio calls go to is a constant or loopback.
 */
import { z } from 'zod';
import { Secret } from './secret.ts';

export type VariableGroup = 'Service' | 'Redis' | 'Maxio site' | 'Identity provider' | 'Operators' | 'Tests only';

export interface VariableNotes {
  group: VariableGroup;
  /** May also be given as NAME_FILE; never shown. */
  secret?: true;
  /** Shown in .env.example where there is no default. */
  example?: string;
  /** Wanted although the schema lets it be absent, because SITES_FILE can take its place. */
  required?: true;
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Accepts decimal digits only: no sign, blank, exponent, hex or leading zero. */
function integer(min: number, max: number) {
  const rule = `must be a whole number from ${min} to ${max}, in plain digits`;
  return z
    .string()
    .regex(/^(0|[1-9]\d{0,14})$/, rule)
    .transform(Number)
    .refine((value) => value >= min && value <= max, rule);
}

function oneOf<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, `must be one of ${values.join(', ')}`);
}

const flag = z.stringbool({ error: 'must be 1 or 0 (true, false, yes, no, on, off)' });

const visible = z
  .string()
  .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without blanks; check for a line break or a pasted quote');

const makeOne = 'make one with: openssl rand -hex 32';
const token = visible
  .refine((value) => value.length >= 16, `is too short; at least 16 characters, ${makeOne}`)
  .refine((value) => new Set(value).size >= 6, `is too easy to guess; ${makeOne}`)
  .refine((value) => !/change[-_ ]?me|password|your[-_ ]?token/i.test(value), `is a placeholder; ${makeOne}`)
  .transform((value) => new Secret(value));

const redisUrl = z
  .string()
  .refine(
    (value) => value.startsWith('/') || (URL.canParse(value) && /^rediss?:$/.test(new URL(value).protocol)),
    'must be redis://[user:password@]host:port[/db], rediss://… for TLS, or the path of a unix socket',
  )
  .transform((value) => new Secret(value));

const loopbackOrigin = z
  .string()
  .refine((value) => {
    if (!URL.canParse(value)) return false;
    const url = new URL(value);
    const plain = url.username === '' && url.password === '' && url.search === '' && url.hash === '' && url.pathname === '/';
    return /^https?:$/.test(url.protocol) && LOOPBACK.has(url.hostname) && plain;
  }, 'must be http://127.0.0.1:port or http://localhost:port: it exists for a local sandbox only; unset it to reach the real Maxio')
  .transform((value) => new URL(value).origin);

const publicUrl = z
  .string()
  .refine((value) => {
    if (!URL.canParse(value)) return false;
    const url = new URL(value);
    return /^https?:$/.test(url.protocol) && url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  }, 'must be an http:// or https:// address without user, query or fragment')
  .transform((value) => value.replace(/\/+$/, ''));

/** Attaches the description and the notes from which .env.example is made. */
function variable<T extends z.ZodType>(schema: T, notes: VariableNotes, text: string): T {
  return schema.describe(text).meta({ ...notes });
}

const service = { group: 'Service' } as const;
const site = { group: 'Maxio site' } as const;

/** The variables of one Maxio site: from the environment, or as one entry of SITES_FILE. */
export const siteSchema = z.object({
  MAXIO_SUBDOMAIN: variable(
    z
      .string()
      .regex(
        /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
        'must be the first part of the host name of the site alone, in lower case, such as acme',
      ),
    { ...site, required: true },
    'Subdomain of the Advanced Billing site.',
  ),
  MAXIO_API_KEY: variable(
    visible.transform((value) => new Secret(value)),
    { ...site, secret: true, required: true },
    'API key of the site (Config > Integrations > API Keys).',
  ),
  MAXIO_REGION: variable(oneOf(['us', 'eu']).default('us'), site, 'Data centre of the site: us or eu.'),
  MAXIO_PRODUCT_HANDLE: variable(
    z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,254}$/, 'must be the API handle of a product, not its name')
      .optional(),
    { ...site, example: 'pro' },
    'API handle of the product each active person is subscribed to. Unset: customers only, no subscriptions.',
  ),
  MAXIO_PAYMENT_COLLECTION_METHOD: variable(
    oneOf(['automatic', 'remittance', 'prepaid', 'invoice']).default('remittance'),
    site,
    'How new subscriptions are paid: automatic, remittance, prepaid or invoice. The IdP knows no payment profile, so remittance.',
  ),
  MAXIO_DEPROVISION: variable(
    oneOf(['cancel', 'cancel_at_period_end', 'hold']).default('cancel'),
    site,
    'What happens to the subscriptions of a leaver: cancel (at once), cancel_at_period_end or hold.',
  ),
  MAXIO_CALLS_PER_HOUR: variable(
    integer(5, 10_000).default(10_000),
    site,
    'Calls to this site in any rolling hour, over all replicas. Lower it when other integrations share the site.',
  ),
  MAXIO_MAX_CONCURRENCY: variable(
    integer(1, 4).default(4),
    site,
    'Calls in flight at once, over all replicas; Maxio allows 4 per subdomain.',
  ),
  SCIM_TOKEN: variable(
    token,
    { group: 'Identity provider', secret: true, required: true },
    `Bearer token the identity provider presents; it also names the site. At least 16 characters; ${makeOne}.`,
  ),
  SCIM_IDP: variable(
    oneOf(['okta', 'entra', 'generic']).default('generic'),
    { group: 'Identity provider' },
    'Whose dialect the token speaks: okta, entra or generic.',
  ),
  MAXIO_BASE_URL: variable(
    loopbackOrigin.optional(),
    { group: 'Tests only', example: 'http://127.0.0.1:8090' },
    'A local sandbox in place of Maxio; loopback addresses only.',
  ),
  MAXIO_BUDGET_WINDOW_SECONDS: variable(
    integer(1, 3_600).default(3_600),
    { group: 'Tests only' },
    'Length of the rolling window of the call budget. Shorter ones are accepted only with MAXIO_BASE_URL.',
  ),
  MAXIO_UNKNOWN_OUTCOME_SECONDS: variable(
    integer(1, 3_600).default(130),
    { group: 'Tests only' },
    'How long an unanswered call may still take effect at Maxio. Shorter than 130 is accepted only with MAXIO_BASE_URL.',
  ),
  MAXIO_CALL_DEADLINE_SECONDS: variable(
    integer(1, 120).default(40),
    { group: 'Maxio site' },
    'How long one call to Maxio may take in all before its outcome counts as unknown.',
  ),
  MAXIO_LEASE_SECONDS: variable(
    integer(3, 600).default(45),
    { group: 'Tests only' },
    "How long a killed worker keeps a person's work to itself. Live workers renew it.",
  ),
});

/** The variables of the process. */
export const serviceSchema = z.object({
  PORT: variable(integer(0, 65_535).default(8080), service, 'Port of SCIM, health, metrics and ops.'),
  HOST: variable(
    z
      .string()
      .regex(/^[A-Za-z0-9.:_-]{1,255}$/, 'must be an address or host name to listen on')
      .default('0.0.0.0'),
    service,
    'Address to listen on. 0.0.0.0 suits containers; use 127.0.0.1 behind a proxy on the same host.',
  ),
  PUBLIC_URL: variable(
    publicUrl.optional(),
    { ...service, example: 'https://scim.example.com' },
    'Address under which the identity provider reaches the service; SCIM is below it at /scim/v2. Default http://localhost:PORT.',
  ),
  ROLE: variable(oneOf(['api', 'worker', 'all']).default('all'), service, 'What this process does: api, worker or all.'),
  LOG_LEVEL: variable(
    oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
    service,
    'fatal, error, warn, info, debug, trace or silent.',
  ),
  SHUTDOWN_DELAY_SECONDS: variable(
    integer(0, 30).default(5),
    service,
    'How long a process that was asked to stop goes on answering while /readyz already says no, so that a load balancer notices first.',
  ),
  BACKLOG_LIMIT: variable(
    integer(1, 100_000_000).default(1_000_000),
    service,
    'People with unfinished work per site at which new SCIM writes are refused for a while.',
  ),
  SITES_FILE: variable(
    z.string().optional(),
    { ...service, example: '/etc/maxio-scim/sites.json' },
    'Many sites: a JSON array of objects with the MAXIO_* and SCIM_* names as keys, instead of those variables here. Secrets may be given as NAME_FILE in it.',
  ),
  REDIS_URL: variable(
    redisUrl,
    { group: 'Redis', secret: true, example: 'redis://localhost:6379' },
    'Redis 6.2 or newer, or Valkey: the store of record.',
  ),
  REDIS_DURABILITY_ASSERTED: variable(
    flag.default(false),
    { group: 'Redis' },
    'Set to 1 where the provider refuses CONFIG but guarantees appendonly yes and appendfsync always. Shown in /health.',
  ),
  REDIS_DURABILITY_RELAXED: variable(
    flag.default(false),
    { group: 'Redis' },
    'Set to 1 to run on a Redis that may forget acknowledged changes: demo and tests only. Shown in /health.',
  ),
  OPS_TOKEN: variable(
    token,
    { group: 'Operators', secret: true },
    `Token for /ops and the command line; not a SCIM_TOKEN; ${makeOne}.`,
  ),
  FAILPOINT: variable(
    z
      .string()
      .regex(/^[a-z0-9_.-]{1,64}:(kill|stall|throw)(:[1-9]\d{0,5})?$/, 'must be name:kill, name:stall or name:throw')
      .optional(),
    { group: 'Tests only', example: 'after_commit:kill' },
    'Fails on purpose at a named point. Accepted only when every site has a MAXIO_BASE_URL.',
  ),
});

/** Names of variables that other programs of this package read, so that they are not taken for typing errors. */
export const otherVariables = ['MAXIO_SCIM_URL', 'SANDBOX_PORT', 'DEMO_EMPTY'] as const;

export const port = integer(0, 65_535);
export const demoFlag = flag;
export { publicUrl as serviceUrl, redisUrl, token as secretToken };
