/**
 * Owns taking over the secrets of sites and of operators that have changed in their files while this process runs: looked at every 15 seconds, and at once
 * when asked.
 * Refuses to read them (config.ts does) and to know what a key opens (Site.takeKey). Whatever else has changed in the configuration waits for a restart.
 */
import { type Config, ConfigError, type NamedOperator, type SiteConfig } from '../config.ts';
import type { Logger } from '../logger.ts';
import type { Secret } from '../secret.ts';
import type { KeyTrial } from './key-trial.ts';

/** A new secret is in use at the latest 60 s after it was written, the calls that try it included. */
const LOOK_MS = 15_000;
/** Single refusals of a right key are on record, so it is tried again, but not often. */
const REFUSED_MS = 60_000;
/** How often the same of the same key is said again. */
const SAY_AGAIN_MS = 600_000;

const UNUSED: Record<Exclude<KeyTrial, 'ours'>, string> = {
  unanswered: 'the new API key could not be tried yet; the one before stays in use',
  refused: 'Maxio refuses the new API key; the one before stays in use. Check the file; it is tried again every minute',
  foreign: 'the new API key opens another Maxio site; the one before stays in use. Put the key of this site into the file',
};

interface Keyed {
  config: SiteConfig;
  takeKey(fresh: Secret): Promise<KeyTrial>;
}

export interface SecretsParts {
  /** Reads the whole configuration anew. @throws ConfigError */
  reread: () => Config;
  sites: readonly Keyed[];
  /** What signs access tokens for all sites, where there is such a key. */
  signingKey?: Secret | undefined;
  /** Who may operate, replaced in place: whoever reads it does so at each use. */
  ops: Pick<Config, 'opsToken' | 'operators'>;
  logger: Logger;
}

export class Secrets {
  readonly #parts: SecretsParts;
  readonly #tried = new Map<Keyed, { key: string; trial: KeyTrial; againMs: number; saidMs: number }>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  /** What was last said of a configuration that cannot be read, so that it is not said every time. */
  #told = '';

  constructor(parts: SecretsParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = setInterval(() => void this.look(), LOOK_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Take over what is new, one look at a time. */
  async look(): Promise<void> {
    this.#looking ??= this.#once().finally(() => {
      this.#looking = undefined;
    });
    await this.#looking;
  }

  async #once(): Promise<void> {
    const fresh = this.#read();
    if (fresh === undefined) return;
    const { signingKey, ops } = this.#parts;
    this.#replace({}, 'OAUTH_SIGNING_KEY', signingKey, fresh.oauth.signingKey);
    this.#replace({}, 'OPS_TOKEN', ops.opsToken, fresh.opsToken);
    this.#replaceOperators(fresh.operators);
    for (const site of this.#parts.sites) {
      const now = fresh.sites.find(({ key }) => key === site.config.key);
      if (now === undefined) continue;
      const of = { site: site.config.key };
      this.#replace(of, 'SCIM_TOKEN', site.config.scimToken, now.scimToken);
      this.#replace(of, 'MAXIO_WEBHOOK_KEY', site.config.webhookKey, now.webhookKey);
      await this.#takeKey(site, now.apiKey);
    }
  }

  #read(): Config | undefined {
    try {
      const fresh = this.#parts.reread();
      this.#told = '';
      return fresh;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      if (error.message !== this.#told)
        this.#parts.logger.error({ err: error }, 'secrets were not read again; what is in use stays in use');
      this.#told = error.message;
      return undefined;
    }
  }

  #replace(of: { site?: string }, setting: string, used: Secret | undefined, fresh: Secret | undefined): void {
    if (used === undefined || fresh === undefined || used.reveal() === fresh.reveal()) return;
    used.replace(fresh.reveal());
    for (const text of fresh.hidden) used.hide(text);
    this.#parts.logger.info({ ...of, setting }, 'a secret was replaced');
  }

  /** Names, never digests: the log says who may do what from now on. A list is never replaced by none, which would make OPS_TOKEN an approver's. */
  #replaceOperators(fresh: NamedOperator[]): void {
    const { ops, logger } = this.#parts;
    const before = new Map(ops.operators.map((one) => [one.name, one]));
    const now = new Map(fresh.map((one) => [one.name, one]));
    const added = fresh.filter(({ name }) => !before.has(name)).map(nameAndRole);
    const removed = ops.operators.filter(({ name }) => !now.has(name)).map(({ name }) => name);
    const changed = fresh.filter((one) => isOther(before.get(one.name), one)).map(nameAndRole);
    if (fresh.length === 0 || added.length + removed.length + changed.length === 0) return;
    ops.operators = fresh;
    logger.info({ setting: 'OPS_TOKENS_FILE', added, removed, changed }, 'the operators were replaced');
  }

  async #takeKey(site: Keyed, fresh: Secret): Promise<void> {
    const key = fresh.reveal();
    if (key === site.config.apiKey.reveal()) {
      this.#tried.delete(site);
      return;
    }
    const before = this.#tried.get(site);
    const known = before?.key === key ? before : undefined;
    if (known !== undefined && performance.now() < known.againMs) return;
    const trial = await site.takeKey(fresh);
    const nowMs = performance.now();
    if (trial === 'ours') {
      this.#tried.delete(site);
      this.#parts.logger.info({ site: site.config.key, setting: 'MAXIO_API_KEY' }, 'a secret was replaced');
      return;
    }
    const isNews = known?.trial !== trial || nowMs - known.saidMs >= SAY_AGAIN_MS;
    if (isNews) this.#parts.logger.error({ site: site.config.key, setting: 'MAXIO_API_KEY' }, UNUSED[trial]);
    const againMs = trial === 'unanswered' ? 0 : nowMs + REFUSED_MS;
    this.#tried.set(site, { key, trial, againMs, saidMs: isNews ? nowMs : known.saidMs });
  }
}

function nameAndRole({ name, role }: NamedOperator): string {
  return `${name} (${role})`;
}

/** Another token or another role of somebody who was there before. */
function isOther(before: NamedOperator | undefined, now: NamedOperator): boolean {
  return before !== undefined && (before.sha256 !== now.sha256 || before.role !== now.role);
}
