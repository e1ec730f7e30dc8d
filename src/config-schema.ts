/**
 * Owns the one schema of the environment: the variables of the process here, those of a site beside it (config-site-schema.ts), each with its rule,
 * its description, its default and its example. Refuses to read anything: `config.ts` does, and `.env.example` is generated from here.
 */
import { z } from 'zod';
import {
  flag,
  integer,
  makeOne,
  networkList,
  oneOf,
  publicUrl,
  publicUrlWithQuery,
  redisUrl,
  signingKeys,
  token,
  variable,
} from './config-rules.ts';
import { Secret } from './secret.ts';

export type { VariableGroup, VariableNotes } from './config-rules.ts';
export { siteSchema } from './config-site-schema.ts';

const service = { group: 'Service' } as const;

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
  TRUSTED_PROXIES: variable(
    networkList({ ipv4: 8, ipv6: 7 }).optional(),
    { ...service, example: '10.20.0.4/32,10.20.0.5/32' },
    'Addresses or networks (CIDR) of the proxies in front of the service; only they are believed about X-Forwarded-For. Name the proxies, not the network they are in. Unset: the address of a client is that of its connection.',
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
  EXPORT_DIR: variable(
    z.string().optional(),
    { ...service, example: '/var/lib/maxio-scim/exports' },
    'Folder for a daily export of every site, to be backed up elsewhere. It holds personal data. Unset: none is written.',
  ),
  EXPORT_KEEP: variable(integer(1, 1_000).default(14), service, 'How many exports of a site are kept in EXPORT_DIR.'),
  ERASURE_KEY: variable(
    token.optional(),
    { ...service, secret: true },
    `Key by which people who were erased are known again, so that no rebuild and no import brings them back; keep it where backups of Redis are not; the same for every process; ${makeOne}. Unset: nobody can be erased.`,
  ),
  WITNESS_FILE: variable(
    z.string().optional(),
    { ...service, example: '/var/lib/maxio-scim/witness.json' },
    'File in which a process remembers which data it worked on, so that the next one notices when Redis was lost or set back meanwhile.',
  ),
  OAUTH_SIGNING_KEY: variable(
    signingKeys.optional(),
    { group: 'Identity provider', secret: true },
    `Signs the access tokens of /oauth/token; ${makeOne}. The same in every process. Several, split by commas, for changing it: the first signs, all are accepted. Unset: none are given out.`,
  ),
  OAUTH_TOKEN_SECONDS: variable(
    integer(3_600, 21_600).default(3_600),
    { group: 'Identity provider' },
    'How long an access token is good: one to six hours, as Entra ID wants it.',
  ),
  OPS_TOKEN: variable(
    token,
    { group: 'Operators', secret: true },
    `Token for /ops and the command line; not a SCIM_TOKEN; ${makeOne}.`,
  ),
  OPS_TOKENS_FILE: variable(
    z.string().optional(),
    { group: 'Operators', example: '/etc/maxio-scim/ops-tokens.json' },
    'Operators by name: a JSON array of {"name", "role": "viewer" | "operator" | "approver", "sha256"}. With it OPS_TOKEN may do everything but approve.',
  ),
  CONFIG_AUTHOR: variable(
    z
      .string()
      .regex(/^[\w.@-]{1,64}$/, 'must be a name from OPS_TOKENS_FILE')
      .optional(),
    { group: 'Operators', example: 'dana' },
    'Who has made this configuration: that operator may not approve what it causes.',
  ),
  NOTIFY_WEBHOOK_URL: variable(
    publicUrlWithQuery.transform((value) => new Secret(value)).optional(),
    { group: 'Operators', secret: true },
    'Address that receives notifications as JSON, with a text that Slack shows.',
  ),
  NOTIFY_SMTP_URL: variable(
    z
      .string()
      .refine(
        (value) => URL.canParse(value) && /^smtps?:$/.test(new URL(value).protocol),
        'must be smtp://[user:password@]host[:port] or smtps://…',
      )
      .transform((value) => new Secret(value))
      .optional(),
    { group: 'Operators', secret: true },
    'Mail server for notifications; wants NOTIFY_FROM and NOTIFY_TO.',
  ),
  NOTIFY_FROM: variable(
    z.string().optional(),
    { group: 'Operators', example: 'maxio-scim@example.com' },
    'Sender of notifications.',
  ),
  NOTIFY_TO: variable(
    z.string().optional(),
    { group: 'Operators', example: 'billing-ops@example.com' },
    'Receivers of notifications, separated by commas.',
  ),
  NOTIFY_NAMES: variable(
    flag.default(false),
    { group: 'Operators' },
    'Set to 1 to name people in notifications by userName; otherwise by id only.',
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
