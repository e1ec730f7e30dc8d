/**
 * Owns the Maxio sites of the configuration: one from the environment, or many from SITES_FILE, with the same names as keys.
 * Refuses sites that could not be told apart later: the key names a site everywhere, and the token names it at the door.
 * The content of SITES_FILE is never quoted, since it may hold secrets.
 */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { z } from 'zod';
import { type GroupPlan, parseGroupPlans, readGroupPlans } from './config-group-plans.ts';
import { siteSchema } from './config-schema.ts';
import {
  parseSettings,
  type Raw,
  readSecretFiles,
  refuseUnknown,
  secretNames,
  settingNames,
  withoutEmpty,
} from './config-source.ts';
import type { Networks } from './network.ts';
import type { Secret } from './secret.ts';

export interface SiteConfig {
  /** `<region>.<subdomain>`, for example `us.acme`: the name of the site in Redis keys, logs, metrics and /health. */
  key: string;
  region: 'us' | 'eu';
  subdomain: string;
  apiKey: Secret;
  /** Loopback only: a sandbox in place of the real host. */
  baseUrl?: string | undefined;
  productHandle?: string | undefined;
  paymentCollectionMethod: 'automatic' | 'remittance' | 'prepaid' | 'invoice';
  callsPerHour: number;
  maxConcurrency: number;
  /** 3,600 except in tests. `callsPerHour` calls are allowed in any rolling window of this length. */
  budgetWindowSeconds: number;
  /** 130 except in tests: how long an unanswered call may still take effect at Maxio. */
  unknownOutcomeSeconds: number;
  /** 40 by default: the total time one call to Maxio may take. */
  callDeadlineSeconds: number;
  /** 45 except in tests: how long the right to act for one person outlives its worker. */
  leaseSeconds: number;
  deprovision: 'cancel' | 'cancel_at_period_end' | 'hold';
  /** Mode of a site at first contact. */
  startMode: 'observe' | 'enforce';
  graceSeconds: number;
  /** Products by group, in the order of the rules; empty: groups give nothing. Rules set through the ops API take their place. */
  groupPlans: GroupPlan[];
  /** Where these rules stand; absent where there are none. */
  groupPlansIn?: 'MAXIO_GROUP_PLANS_FILE' | 'SITES_FILE';
  groupGraceSeconds: number;
  guard: GuardLimits;
  /** What `MAXIO_PROTECTED_FILE` holds, one entry an element, as written. */
  protectedPeople: string[];
  drift: 'report' | 'repair';
  driftHours: number;
  webhookKey?: Secret | undefined;
  /** Absent where the site has only tokens that operators have made. */
  scimToken?: Secret | undefined;
  scimTokenExpires?: Date | undefined;
  /** From where tokens of the site are accepted; absent: from everywhere. */
  allowFrom?: Networks | undefined;
  idp: 'okta' | 'entra' | 'generic';
}

/** From when on leaving is taken for a mistake until somebody approves. */
export interface GuardLimits {
  floor: number;
  hourPercent: number;
  dayPercent: number;
  revenuePercent: number;
  calmSeconds: number;
}

const BUDGET_WINDOW_SECONDS = 3_600;
const UNKNOWN_OUTCOME_SECONDS = 130;
const LEASE_SECONDS = 45;

/** Names the parsed variables as the rest of the code knows them. */
function toSite(settings: z.output<typeof siteSchema>): SiteConfig {
  return {
    key: `${settings.MAXIO_REGION}.${settings.MAXIO_SUBDOMAIN}`,
    region: settings.MAXIO_REGION,
    subdomain: settings.MAXIO_SUBDOMAIN,
    apiKey: settings.MAXIO_API_KEY,
    baseUrl: settings.MAXIO_BASE_URL,
    productHandle: settings.MAXIO_PRODUCT_HANDLE,
    paymentCollectionMethod: settings.MAXIO_PAYMENT_COLLECTION_METHOD,
    callsPerHour: settings.MAXIO_CALLS_PER_HOUR,
    maxConcurrency: settings.MAXIO_MAX_CONCURRENCY,
    budgetWindowSeconds: settings.MAXIO_BUDGET_WINDOW_SECONDS,
    unknownOutcomeSeconds: settings.MAXIO_UNKNOWN_OUTCOME_SECONDS,
    callDeadlineSeconds: settings.MAXIO_CALL_DEADLINE_SECONDS,
    leaseSeconds: settings.MAXIO_LEASE_SECONDS,
    deprovision: settings.MAXIO_DEPROVISION,
    startMode: settings.MAXIO_START_MODE ?? (settings.MAXIO_BASE_URL === undefined ? 'observe' : 'enforce'),
    graceSeconds: settings.DEPROVISION_GRACE,
    groupPlans: [],
    groupGraceSeconds: settings.MAXIO_GROUP_GRACE,
    guard: {
      floor: settings.MAXIO_GUARD_FLOOR,
      hourPercent: settings.MAXIO_GUARD_HOUR_PERCENT,
      dayPercent: settings.MAXIO_GUARD_DAY_PERCENT,
      revenuePercent: settings.MAXIO_GUARD_REVENUE_PERCENT,
      calmSeconds: settings.MAXIO_GUARD_CALM_SECONDS,
    },
    protectedPeople: [],
    drift: settings.MAXIO_DRIFT,
    driftHours: settings.MAXIO_DRIFT_HOURS,
    webhookKey: settings.MAXIO_WEBHOOK_KEY,
    scimToken: settings.SCIM_TOKEN,
    scimTokenExpires: settings.SCIM_TOKEN_EXPIRES,
    allowFrom: settings.SCIM_ALLOW_FROM,
    idp: settings.SCIM_IDP,
  };
}

/** Reads one site and refuses test settings that would break a promise at the real Maxio. */
function readSite(raw: Raw, problems: string[], where: string, groupPlans?: unknown): SiteConfig | undefined {
  const settings = parseSettings(siteSchema, raw, problems, where);
  if (!settings) return undefined;
  const site = toSite(settings);
  if (settings.MAXIO_PROTECTED_FILE !== undefined) {
    site.protectedPeople = readProtected(settings.MAXIO_PROTECTED_FILE, problems, where);
  }
  if (settings.MAXIO_GROUP_PLANS_FILE !== undefined) {
    site.groupPlans = readGroupPlans(settings.MAXIO_GROUP_PLANS_FILE, problems, where);
    site.groupPlansIn = 'MAXIO_GROUP_PLANS_FILE';
    if (groupPlans !== undefined) problems.push(`${where}groupPlans and MAXIO_GROUP_PLANS_FILE are both set; keep one of them`);
  } else if (groupPlans !== undefined) {
    site.groupPlans = parseGroupPlans(groupPlans, problems, `${where}groupPlans`);
    site.groupPlansIn = 'SITES_FILE';
  }
  if (site.baseUrl === undefined && site.budgetWindowSeconds < BUDGET_WINDOW_SECONDS) {
    problems.push(
      `${where}MAXIO_BUDGET_WINDOW_SECONDS below ${BUDGET_WINDOW_SECONDS} needs MAXIO_BASE_URL; unset it for the real Maxio`,
    );
  }
  if (site.baseUrl === undefined && site.unknownOutcomeSeconds < UNKNOWN_OUTCOME_SECONDS) {
    problems.push(
      `${where}MAXIO_UNKNOWN_OUTCOME_SECONDS below ${UNKNOWN_OUTCOME_SECONDS} needs MAXIO_BASE_URL; unset it for the real Maxio`,
    );
  }
  if (site.baseUrl === undefined && site.leaseSeconds < LEASE_SECONDS) {
    problems.push(`${where}MAXIO_LEASE_SECONDS below ${LEASE_SECONDS} needs MAXIO_BASE_URL; unset it for the real Maxio`);
  }
  return site;
}

/**
 * A list that cannot be read is a reason not to start, and so is a line that a spreadsheet or an editor has made into something that no person can match:
 * whoever is meant would not be protected. Lines are numbered, never quoted.
 */
function readProtected(path: string, problems: string[], where: string): string[] {
  let lines: string[];
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
    lines = text.split(/\r\n|\n|\r/).map((line) => line.replace(/#.*$/, '').trim());
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException;
    const why = code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'is not UTF-8 text; save it as UTF-8' : undefined;
    problems.push(`${where}MAXIO_PROTECTED_FILE ${why ?? `cannot be read (${code}); check the path and its permissions`}`);
    return [];
  }
  // Control characters (tables, UTF-16), characters nobody sees, quotation marks around an entry.
  const odd = lines.findIndex((line) => /[\p{Cc}\u00ad\u200b\u200e\u200f\u2060\ufeff]|^["'].*["']$/u.test(line));
  if (odd !== -1) {
    problems.push(
      `${where}MAXIO_PROTECTED_FILE is not a plain list at line ${odd + 1}; write one userName, externalId, e-mail address or reference a line, without quotation marks, tabs or invisible characters`,
    );
  }
  // A line of several people would match nobody, and so would the row of a table. Distinguished names are separated by commas, too.
  const several = lines.findIndex((line) => /[,;]/.test(line) && !/^[\w.]+=[^,;]+(,\s*[\w.]+=[^,;]+)+$/.test(line));
  if (several !== -1) {
    problems.push(
      `${where}MAXIO_PROTECTED_FILE has a comma or semicolon at line ${several + 1}, where it would protect nobody; write one userName, externalId, e-mail address or reference a line, and nothing else. Who has a comma in one of them is named by another`,
    );
  }
  return lines.filter((line) => line !== '');
}

/** Turns one entry of SITES_FILE into raw settings. */
function entryOf(value: unknown, where: string, folder: string, problems: string[]): Raw | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    problems.push(`${where}must be an object with MAXIO_* and SCIM_* names as keys`);
    return undefined;
  }
  const texts: Record<string, string> = {};
  for (const [name, each] of Object.entries(value)) {
    if (name === 'groupPlans') continue;
    if (name === 'allowFrom') {
      readAllowFrom(value, texts, where, problems);
      continue;
    }
    if (typeof each === 'string' || typeof each === 'number') texts[name] = String(each);
    else if (each !== null) problems.push(`${where}${name} must be a text or a number`);
  }
  const found: string[] = [];
  const raw = withoutEmpty(texts);
  refuseUnknown(raw, settingNames(siteSchema), true, found);
  const settings = readSecretFiles(raw, secretNames(siteSchema), folder, found);
  problems.push(...found.map((problem) => `${where}${problem}`));
  return settings;
}

/** Takes the list over into the variable of the same meaning. A list that cannot be read is a reason not to start: it would let everybody in. */
function readAllowFrom(entry: object, texts: Record<string, string>, where: string, problems: string[]): void {
  const { allowFrom: list, SCIM_ALLOW_FROM: same } = entry as { allowFrom: unknown; SCIM_ALLOW_FROM?: unknown };
  if (list === null) return;
  if (same !== undefined) problems.push(`${where}allowFrom and SCIM_ALLOW_FROM are both set; keep one of them`);
  if (Array.isArray(list) && list.length > 0 && list.every((text) => typeof text === 'string' && text.trim() !== '')) {
    texts.SCIM_ALLOW_FROM = list.join(',');
  } else problems.push(`${where}allowFrom must be a list of addresses or networks, such as ["203.0.113.0/24"]`);
}

/** Reads the list in SITES_FILE: an array, or an object with the array under `sites`. */
function readSitesFile(path: string, problems: string[]): SiteConfig[] {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8').replace(/^\uFEFF/, ''));
  } catch (err) {
    const code = (err as NodeJS.ErrnoException).code;
    problems.push(
      code ? `SITES_FILE cannot be read (${code}); check the path and its permissions` : 'SITES_FILE is not valid JSON',
    );
    return [];
  }
  const list = Array.isArray(content) ? content : (content as { sites?: unknown } | null)?.sites;
  if (!Array.isArray(list) || list.length === 0) {
    problems.push('SITES_FILE must hold a JSON array with at least one site, or {"sites": […]}');
    return [];
  }
  return list.flatMap((value: unknown, index) => {
    const where = `SITES_FILE entry ${index + 1}: `;
    const raw = entryOf(value, where, dirname(path), problems);
    return (raw && readSite(raw, problems, where, (value as { groupPlans?: unknown }).groupPlans)) ?? [];
  });
}

/** Reports sites that share a key or a token. */
function refuseTwins(sites: SiteConfig[], problems: string[]): void {
  const keys = new Set<string>();
  const tokens = new Map<string, string>();
  for (const site of sites) {
    if (keys.has(site.key)) problems.push(`the site ${site.key} is configured twice; keep one entry`);
    keys.add(site.key);
    const token = site.scimToken?.reveal();
    if (token === undefined) continue;
    const twin = tokens.get(token);
    if (twin !== undefined)
      problems.push(`the sites ${twin} and ${site.key} have the same SCIM_TOKEN; the token names the site, so give each its own`);
    tokens.set(token, site.key);
  }
}

/** Reads all sites; secrets in `raw` are already resolved. */
export function readSites(raw: Raw, sitesFile: string | undefined, problems: string[]): SiteConfig[] {
  const given = settingNames(siteSchema).filter((name) => raw[name] !== undefined);
  if (sitesFile === undefined) {
    const site = readSite(raw, problems, '');
    return site ? [site] : [];
  }
  if (given.length > 0) problems.push(`SITES_FILE is set, so ${given.join(', ')} must not be; move the site into the file`);
  const sites = readSitesFile(sitesFile, problems);
  refuseTwins(sites, problems);
  return sites;
}
