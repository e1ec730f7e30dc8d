/** Placeholder of the types; the schema follows. */
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
  deprovision: 'cancel' | 'cancel_at_period_end' | 'hold';
  scimToken: Secret;
  idp: 'okta' | 'entra' | 'generic';
}

export interface Config {
  role: 'api' | 'worker' | 'all';
  host: string;
  port: number;
  publicUrl: string;
  redisUrl: Secret;
  redisDurability: 'required' | 'asserted' | 'relaxed';
  opsToken: Secret;
  logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  backlogLimit: number;
  sites: SiteConfig[];
}
