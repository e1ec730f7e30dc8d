/**
 * Owns what the configuration alone tells: it is valid, or nobody would be here, but it may still promise less than its owner believes.
 * Refuses to reach out; time is handed in. No value of a secret is part of a finding.
 */
import type { Config, SiteConfig } from '../config.ts';
import { type DoctorCheck, fail, pass, warn } from './check.ts';

const DAY_MS = 86_400_000;
const EXPIRY_NOTICE_DAYS = 30;
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);
/** Up to here a floor is a rule for small sites; above it somebody has used it to switch the guard off. */
const FLOOR_SUSPECT = 1_000;

/** Examines the settings of the process and of each site. */
export function checkConfig(config: Config, nowMs: number): DoctorCheck[] {
  return [
    operatorsCheck(config),
    authorCheck(config),
    notifyCheck(config),
    publicUrlCheck(config),
    proxiesCheck(config),
    ...config.sites.flatMap((site) => [
      guardCheck(site),
      networkCheck(site),
      ...expiryChecks(site, nowMs),
      webhookCheck(site),
      addressCheck(site),
    ]),
  ];
}

function operatorsCheck({ operators }: Config): DoctorCheck {
  const name = 'operators';
  if (operators.length === 0) {
    return warn(
      name,
      'OPS_TOKEN is the only key, so whoever changes the configuration or imports people also approves what that causes: a second person is impossible.',
      'Name operators in OPS_TOKENS_FILE, at least two of them with the role approver.',
    );
  }
  const approvers = operators.filter(({ role }) => role === 'approver');
  if (approvers.length === 0) {
    return fail(
      name,
      'Nobody in OPS_TOKENS_FILE has the role approver, so what the guard holds can never be approved or rejected.',
      'Give at least two people the role approver.',
    );
  }
  if (approvers.length === 1) {
    return warn(
      name,
      `${approvers[0]?.name} is the only approver, and may not approve what they have caused.`,
      'Give a second person the role approver.',
    );
  }
  return pass(name, `${operators.length} operators by name, ${approvers.length} of them may approve.`);
}

function authorCheck({ configAuthor, operators }: Config): DoctorCheck {
  const name = 'author';
  if (operators.length === 0) return pass(name, 'Not asked for while OPS_TOKEN is the only key.');
  if (configAuthor === undefined) {
    return warn(
      name,
      'CONFIG_AUTHOR is not set, so the approver of a changed configuration cannot be told from its author.',
      'Set CONFIG_AUTHOR to the name of whoever changes the configuration, as in OPS_TOKENS_FILE.',
    );
  }
  if (operators.some((operator) => operator.name === configAuthor)) return pass(name, `${configAuthor} made this configuration.`);
  return warn(
    name,
    `CONFIG_AUTHOR is ${configAuthor}, who is not in OPS_TOKENS_FILE, so the rule of the second person compares with nobody.`,
    'Use a name from OPS_TOKENS_FILE.',
  );
}

function notifyCheck({ notify }: Config): DoctorCheck {
  const channels = [
    ...(notify.webhookUrl === undefined ? [] : ['a webhook']),
    ...(notify.smtp === undefined ? [] : [`mail to ${notify.smtp.to}`]),
  ];
  if (channels.length > 0)
    return pass('notifications', `They go by ${channels.join(' and ')}; maxio-scim notify-test sends one.`);
  return warn(
    'notifications',
    'Nobody is told when people are parked or held, or when Maxio refuses the key.',
    'Set NOTIFY_WEBHOOK_URL, or NOTIFY_SMTP_URL with NOTIFY_FROM and NOTIFY_TO.',
  );
}

function publicUrlCheck({ publicUrl }: Config): DoctorCheck {
  const name = 'public URL';
  const { protocol, hostname } = new URL(publicUrl);
  if (LOOPBACK.has(hostname)) {
    return warn(
      name,
      `PUBLIC_URL is ${publicUrl}, which no identity provider can reach.`,
      'Set PUBLIC_URL to the https:// address of this service.',
    );
  }
  if (protocol !== 'https:') {
    return fail(
      name,
      `PUBLIC_URL is ${publicUrl}: tokens and names would travel in clear text, and identity providers refuse it.`,
      'Put TLS in front of the service and set PUBLIC_URL to the https:// address.',
    );
  }
  return pass(name, publicUrl);
}

/** With https in PUBLIC_URL somebody else ends TLS, and then every client has that one's address. */
function proxiesCheck({ publicUrl, trustedProxies, sites }: Config): DoctorCheck {
  const name = 'proxies';
  if (trustedProxies !== undefined) return pass(name, `X-Forwarded-For is believed from ${String(trustedProxies)} only.`);
  if (new URL(publicUrl).protocol !== 'https:') return pass(name, 'None: the address of a client is that of its connection.');
  const limited = sites.filter(({ allowFrom }) => allowFrom !== undefined).map(({ key }) => key);
  const finding =
    'PUBLIC_URL is https, so something in front of this service ends TLS, and TRUSTED_PROXIES does not name it: all clients seem to have its address';
  const cure = 'Set TRUSTED_PROXIES to the addresses of the proxies in front of the service.';
  if (limited.length > 0)
    return fail(name, `${finding}, and SCIM_ALLOW_FROM of ${limited.join(', ')} is compared with that.`, cure);
  return warn(name, `${finding}, and too many wrong tokens of one are too many of all.`, cure);
}

function networkCheck({ key, allowFrom }: SiteConfig): DoctorCheck {
  const from = allowFrom === undefined ? 'everywhere (no SCIM_ALLOW_FROM)' : String(allowFrom);
  return pass(`${key} networks`, `Tokens are accepted from ${from}.`);
}

function guardCheck({ key, guard }: SiteConfig): DoctorCheck {
  const name = `${key} guard`;
  const off = [
    ...(guard.floor > FLOOR_SUSPECT ? [`MAXIO_GUARD_FLOOR is ${guard.floor}`] : []),
    ...(guard.hourPercent === 100 && guard.dayPercent === 100
      ? ['MAXIO_GUARD_HOUR_PERCENT and MAXIO_GUARD_DAY_PERCENT are 100']
      : []),
  ];
  if (off.length > 0) {
    return warn(
      name,
      `${off.join(', and ')}: a mistaken mass deactivation would be carried out.`,
      'Choose limits a real wave of leavers stays below, for example a floor of 5, 5 % an hour and 10 % a day.',
    );
  }
  if (guard.calmSeconds === 0) {
    return warn(
      name,
      'MAXIO_GUARD_CALM_SECONDS is 0: the first leavers of a mass deactivation are ended before it is recognised.',
      'Leave it at 5 or more.',
    );
  }
  return pass(
    name,
    `Holds above ${guard.floor} leavers and ${guard.hourPercent} % an hour, ${guard.dayPercent} % a day, or ${guard.revenuePercent} % of the revenue.`,
  );
}

/** Only of the token of the configuration; those that operators have made are in Redis (check-tokens.ts). */
function expiryChecks({ key, scimToken, scimTokenExpires }: SiteConfig, nowMs: number): DoctorCheck[] {
  if (scimToken === undefined) return [];
  const name = `${key} SCIM token`;
  const cure =
    'maxio-scim token create makes one without a restart; or make a new SCIM_TOKEN, set it here and at the identity provider, and set SCIM_TOKEN_EXPIRES to its last day.';
  if (scimTokenExpires === undefined) {
    const finding = 'SCIM_TOKEN_EXPIRES is not set, so nobody is reminded to change the token.';
    return [warn(name, finding, 'Set SCIM_TOKEN_EXPIRES to the last day of the token, within a year.')];
  }
  const days = Math.floor((scimTokenExpires.getTime() - nowMs) / DAY_MS);
  const day = scimTokenExpires.toISOString().slice(0, 10);
  if (days < 0) return [fail(name, `It expired on ${day}; the identity provider is refused.`, cure)];
  if (days < EXPIRY_NOTICE_DAYS) return [warn(name, `It expires on ${day}, in ${days} days.`, cure)];
  return [pass(name, `It is accepted until ${day}.`)];
}

/** Optional by design, so its absence is no warning. */
function webhookCheck({ key, webhookKey, driftHours }: SiteConfig): DoctorCheck {
  return pass(
    `${key} webhooks`,
    webhookKey === undefined
      ? `No MAXIO_WEBHOOK_KEY: what others change at Maxio is seen every ${driftHours} hours.`
      : 'MAXIO_WEBHOOK_KEY is set; Maxio must send to /maxio/webhooks below PUBLIC_URL, with the site key behind it.',
  );
}

function addressCheck({ key, baseUrl }: SiteConfig): DoctorCheck {
  if (baseUrl === undefined) return pass(`${key} address`, 'Calls go to Maxio itself.');
  return warn(
    `${key} address`,
    `MAXIO_BASE_URL is set: calls go to ${baseUrl} on this machine and not to Maxio.`,
    'Unset MAXIO_BASE_URL to reach the real site.',
  );
}
