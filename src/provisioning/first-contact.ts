/**
 * Owns first contact: asking Maxio which site this is until it has answered rightly; nothing is written at Maxio before. Refuses to judge the answer
 * (site-identity.ts) and to know what begins afterwards.
 */
import type { SiteConfig } from '../config.ts';
import type { Census } from '../directory/census.ts';
import type { Store } from '../directory/store.ts';
import type { Logger } from '../logger.ts';
import type { MaxioClient } from '../maxio/client.ts';
import type { Caller } from './caller.ts';
import { CONTACT_WAIT, isRefusedKey, type SiteIdentity } from './site-identity.ts';

export interface FirstContactParts {
  config: SiteConfig;
  store: Store;
  census: Pick<Census, 'take'>;
  identity: SiteIdentity;
  caller: Caller;
  client: MaxioClient;
  logger: Logger;
  /** Begins what needs a confirmed site; a failure is one more unanswered try. */
  onConfirmed: () => Promise<void>;
}

export class FirstContact {
  readonly #parts: FirstContactParts;
  /** The next try. */
  #next: NodeJS.Timeout | undefined;
  #closed = false;
  #refusals = 0;

  constructor(parts: FirstContactParts) {
    this.#parts = parts;
  }

  /** How often in a row Maxio has refused our key. */
  get refusals(): number {
    return this.#refusals;
  }

  get closed(): boolean {
    return this.#closed;
  }

  begin(): void {
    void this.#ask();
  }

  /** Ask now instead of later, where a try is waiting: there is another key. */
  hasten(): void {
    if (this.#next === undefined) return;
    clearTimeout(this.#next);
    void this.#ask();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#next);
  }

  async #ask(): Promise<void> {
    const { config, store, census, identity, caller, client, logger, onConfirmed } = this.#parts;
    const key = config.apiKey.reveal();
    let waitMs = CONTACT_WAIT.unansweredMs;
    this.#next = undefined;
    try {
      await census.take();
      await store.countActive();
      const answer = await identity.check(caller, client);
      this.#refusals = 0;
      if (answer.kind === 'confirmed') {
        await store.witness.look();
        logger.info({ site: config.key, siteId: answer.siteId, test: answer.test }, 'site confirmed');
        await onConfirmed();
        return;
      }
      waitMs = CONTACT_WAIT.foreignMs;
      logger.error({ site: config.key, detail: answer.kind === 'foreign' ? answer.detail : undefined }, 'wrong site');
    } catch (error) {
      const refused = isRefusedKey(error);
      this.#refusals = refused ? this.#refusals + 1 : 0;
      if (refused) waitMs = CONTACT_WAIT.refusedMs;
      logger.warn({ err: error, site: config.key }, 'Maxio has not confirmed the site yet');
    }
    if (key !== config.apiKey.reveal()) waitMs = 0;
    if (!this.#closed) this.#next = setTimeout(() => void this.#ask(), waitMs);
  }
}
