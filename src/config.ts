/**
 * Owns the configuration: the only reader of the environment; answers with checked, typed settings.
 * Refuses to start halfway: every problem is collected and told at once, and secrets leave here only wrapped.
 * The rule of each variable is in `config-schema.ts`, from which .env.example is generated.
 */
import { z } from 'zod';
import packageJson from '../package.json' with { type: 'json' };
import { ConfigError } from './config-error.ts';
import { type NamedOperator, readOperators, refuseSharedTokens } from './config-operators.ts';
import { demoFlag, otherVariables, port, redisUrl, secretToken, serviceSchema, serviceUrl, siteSchema } from './config-schema.ts';
import { type GuardLimits, readSites, type SiteConfig } from './config-sites.ts';
import {
  type Environment,
  parseSettings,
  readSecretFiles,
  refuseUnknown,
  secretNames,
  settingNames,
  withoutEmpty,
} from './config-source.ts';
import type { Networks } from './network.ts';
import type { Secret } from './secret.ts';

export { ConfigError, type GuardLimits, type NamedOperator, type SiteConfig };

export interface Config {
  role: 'api' | 'worker' | 'all';
  host: string;
  port: number;
  /** Without a trailing slash. */
  publicUrl: string;
  /** Who is believed about the address of a client; absent: nobody. */
  trustedProxies?: Networks | undefined;
  redisUrl: Secret;
  redisDurability: 'required' | 'asserted' | 'relaxed';
  /** The key that signs access tokens, absent: there are none; and how long they are good. */
  oauth: { signingKey?: Secret | undefined; tokenSeconds: number };
  opsToken: Secret;
  /** Operators by name; empty when OPS_TOKEN is all there is. Replaced, as secrets are, when their file changes: read it at each use. */
  operators: NamedOperator[];
  configAuthor?: string | undefined;
  notify: NotifyConfig;
  logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  backlogLimit: number;
  shutdownDelaySeconds: number;
  /** Where a daily export goes; absent: nowhere. */
  exportDir?: string | undefined;
  exportKeep: number;
  witnessFile?: string | undefined;
  /** By what erased people are known again; absent: nobody can be erased. */
  erasureKey?: Secret | undefined;
  sites: SiteConfig[];
  /** `name:kill`, `name:stall` or `name:throw`; present only when every site is a loopback sandbox. */
  failpoint?: string | undefined;
  version: string;
}

/** Where notifications go; neither address: nowhere. */
export interface NotifyConfig {
  webhookUrl?: Secret | undefined;
  smtp?: { url: Secret; from: string; to: string } | undefined;
  /** Whether people are named by userName. */
  names: boolean;
}

/**
 * Reads the configuration of the service.
 * @throws ConfigError with every problem found, none of them showing a secret
 */
export function readConfig(env: Environment = process.env): Config {
  const problems: string[] = [];
  const given = withoutEmpty(env);
  const known = [...settingNames(serviceSchema), ...settingNames(siteSchema), ...otherVariables];
  refuseUnknown(given, known, false, problems);
  const raw = readSecretFiles(given, [...secretNames(serviceSchema), ...secretNames(siteSchema)], process.cwd(), problems);
  const service = parseSettings(serviceSchema, raw, problems);
  const sites = readSites(raw, raw.SITES_FILE, problems);
  const operators = readOperators(raw.OPS_TOKENS_FILE, problems);
  const notify = service === undefined ? { names: false } : notifyOf(service, problems);

  for (const { key, scimToken } of sites)
    if (scimToken) refuseSharedTokens(operators, `the SCIM_TOKEN of ${key}`, scimToken, problems);
  if (service) refuseSharedTokens(operators, 'OPS_TOKEN', service.OPS_TOKEN, problems);
  for (const site of sites) {
    if (service && site.scimToken?.reveal() === service.OPS_TOKEN.reveal()) {
      problems.push(
        `OPS_TOKEN and the SCIM_TOKEN of ${site.key} are the same; an identity provider must not reach /ops, so give each its own`,
      );
    }
    if (service?.FAILPOINT !== undefined && site.baseUrl === undefined) {
      problems.push(`FAILPOINT is for sandboxes only and ${site.key} has no MAXIO_BASE_URL; unset it`);
    }
  }
  if (service?.REDIS_DURABILITY_ASSERTED && service.REDIS_DURABILITY_RELAXED) {
    problems.push('REDIS_DURABILITY_ASSERTED and REDIS_DURABILITY_RELAXED contradict each other; keep one of them');
  }
  if (!service || problems.length > 0) throw new ConfigError(problems);

  return {
    role: service.ROLE,
    host: service.HOST,
    port: service.PORT,
    publicUrl: service.PUBLIC_URL ?? `http://localhost:${service.PORT}`,
    trustedProxies: service.TRUSTED_PROXIES,
    redisUrl: service.REDIS_URL,
    redisDurability: service.REDIS_DURABILITY_RELAXED ? 'relaxed' : service.REDIS_DURABILITY_ASSERTED ? 'asserted' : 'required',
    oauth: { signingKey: service.OAUTH_SIGNING_KEY, tokenSeconds: service.OAUTH_TOKEN_SECONDS },
    opsToken: service.OPS_TOKEN,
    operators,
    configAuthor: service.CONFIG_AUTHOR,
    notify,
    logLevel: service.LOG_LEVEL,
    backlogLimit: service.BACKLOG_LIMIT,
    shutdownDelaySeconds: service.SHUTDOWN_DELAY_SECONDS,
    exportDir: service.EXPORT_DIR,
    exportKeep: service.EXPORT_KEEP,
    witnessFile: service.WITNESS_FILE,
    erasureKey: service.ERASURE_KEY,
    sites,
    failpoint: service.FAILPOINT,
    version: packageJson.version,
  };
}

function notifyOf(service: z.output<typeof serviceSchema>, problems: string[]): NotifyConfig {
  const { NOTIFY_SMTP_URL: url, NOTIFY_FROM: from, NOTIFY_TO: to, NOTIFY_WEBHOOK_URL: webhookUrl, NOTIFY_NAMES: names } = service;
  const given = [url, from, to].filter((value) => value !== undefined).length;
  if (given !== 0 && given !== 3)
    problems.push('NOTIFY_SMTP_URL, NOTIFY_FROM and NOTIFY_TO belong together; set all three or none');
  const smtp = url === undefined || from === undefined || to === undefined ? undefined : { url, from, to };
  return { webhookUrl, smtp, names };
}

/** Lists every secret of a configuration, for the logger's mask. */
export function secretsOf(config: Config): Secret[] {
  const { notify } = config;
  const perhaps = [
    config.oauth.signingKey,
    config.erasureKey,
    notify.webhookUrl,
    notify.smtp?.url,
    ...config.sites.flatMap((site) => [site.scimToken, site.webhookKey]),
  ];
  const always = [config.redisUrl, config.opsToken, ...config.sites.map((site) => site.apiKey)];
  return [...always, ...perhaps.filter((secret) => secret !== undefined)];
}

/**
 * Reads the settings of one of the small programs, ignoring what only the service needs.
 * @throws ConfigError
 */
function readFew<T extends z.ZodObject>(schema: T, env: Environment): z.output<T> {
  const problems: string[] = [];
  const raw = readSecretFiles(withoutEmpty(env), secretNames(schema), process.cwd(), problems);
  const settings = parseSettings(schema, raw, problems);
  if (!settings || problems.length > 0) throw new ConfigError(problems);
  return settings;
}

const sandboxSchema = z.object({ SANDBOX_PORT: port.default(8090) });
const demoSchema = z.object({
  PORT: port.default(8080),
  SANDBOX_PORT: port.default(8090),
  DEMO_EMPTY: demoFlag.default(false),
  REDIS_URL: redisUrl.optional().meta({ secret: true }),
});
const cliSchema = z.object({
  MAXIO_SCIM_URL: serviceUrl.default('http://localhost:8080'),
  OPS_TOKEN: secretToken.describe('Use the OPS_TOKEN of the service.').meta({ secret: true }),
});

/** Reads the port of the sandbox (SANDBOX_PORT, default 8090). */
export function readSandboxPort(env: Environment = process.env): number {
  return readFew(sandboxSchema, env).SANDBOX_PORT;
}

/** Reads the options of the demo; without `redisUrl` it brings its own Redis. */
export function readDemoOptions(env: Environment = process.env): {
  port: number;
  sandboxPort: number;
  empty: boolean;
  redisUrl?: Secret | undefined;
} {
  const { PORT, SANDBOX_PORT, DEMO_EMPTY, REDIS_URL } = readFew(demoSchema, env);
  return { port: PORT, sandboxPort: SANDBOX_PORT, empty: DEMO_EMPTY, redisUrl: REDIS_URL };
}

/** Reads where the command line finds the service and its OPS_TOKEN. */
export function readCliOptions(env: Environment = process.env): { opsUrl: string; opsToken: Secret } {
  const { MAXIO_SCIM_URL, OPS_TOKEN } = readFew(cliSchema, env);
  return { opsUrl: MAXIO_SCIM_URL, opsToken: OPS_TOKEN };
}
