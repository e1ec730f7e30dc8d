/**
 * Owns the construction of everything that belongs to one Maxio site: directory, budget, bells, and where this process works, the workers and the sweep.
 * No branch on business state. See app.ts for the process around it.
 */
import type { Redis } from 'ioredis';
import type { SiteConfig } from './config.ts';
import { sitePrefix } from './directory/keys.ts';
import { intentOf, type UserRecord } from './directory/record.ts';
import { Runs } from './directory/runs.ts';
import { Store } from './directory/store.ts';
import { createUsers, type Users } from './directory/users.ts';
import { failpoint } from './failpoint.ts';
import type { Logger } from './logger.ts';
import { Budget } from './maxio/budget.ts';
import { MaxioClient } from './maxio/client.ts';
import { Caller } from './provisioning/caller.ts';
import { Bells, type QueueLane } from './provisioning/queue.ts';
import { isRefusedKey, SiteIdentity } from './provisioning/site-identity.ts';
import { Sweep } from './provisioning/sweep.ts';
import { SiteWorker } from './provisioning/worker.ts';
import type { Telemetry } from './telemetry.ts';

export interface SiteParts {
  site: SiteConfig;
  commands: Redis;
  queue: Redis;
  connectWorker: () => Redis;
  backlogLimit: number;
  logger: Logger;
  telemetry: Telemetry;
  beat: () => void;
}

/** How soon an unanswered or refused first contact is tried again. */
const CONTACT_WAIT_MS = 5_000;
/** Single refusals of a right key are on record, so it is tried again, but not often. */
const REFUSED_WAIT_MS = 60_000;
/** A wrong key does not become right by itself, and every question is a call at somebody else's site. */
const FOREIGN_WAIT_MS = 300_000;

export class Site {
  readonly config: SiteConfig;
  readonly store: Store;
  readonly runs: Runs;
  readonly users: Users;
  readonly budget: Budget;
  readonly caller: Caller;
  readonly client: MaxioClient;
  readonly identity: SiteIdentity;
  readonly bells: Bells;
  readonly #parts: SiteParts;
  #worker: SiteWorker | undefined;
  #sweep: Sweep | undefined;
  #contact: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(parts: SiteParts) {
    const { site, commands, logger, telemetry } = parts;
    this.#parts = parts;
    this.config = site;
    this.store = new Store(commands, site.key, { backlogLimit: parts.backlogLimit });
    this.runs = new Runs(this.store, { leaseMs: site.leaseSeconds * 1_000 });
    this.budget = new Budget(commands, sitePrefix(site.key), {
      callsPerWindow: site.callsPerHour,
      windowSeconds: site.budgetWindowSeconds,
      concurrency: site.maxConcurrency,
      unknownOutcomeSeconds: site.unknownOutcomeSeconds,
    });
    this.caller = new Caller(this.budget, site.key, telemetry);
    this.client = new MaxioClient(site, {
      deadlineMs: site.callDeadlineSeconds * 1_000,
      onCall: ({ method, template, status, kind, tookMs }) =>
        telemetry.callSeconds.observe(
          {
            http_request_method: method,
            url_template: template,
            http_response_status_code: status ?? '',
            error_type: kind ?? '',
            site: site.key,
          },
          tookMs / 1_000,
        ),
    });
    this.identity = new SiteIdentity(commands, site.key, site.subdomain);
    this.bells = new Bells(site.key, parts.queue, logger);
    this.users = createUsers({ store: this.store, site, onCommitted: (record) => this.#rung(record) });
  }

  /** Ask Maxio which site this is, and where this process works, begin as soon as the answer is right. */
  start(works: boolean): void {
    const { site, logger, telemetry, beat } = this.#parts;
    const { runs, bells } = this;
    if (works) {
      this.#sweep = new Sweep({ site: site.key, runs, bells, logger, telemetry, beat });
      this.#sweep.start();
    }
    void this.#confirm(works);
  }

  #work(): void {
    const { site, logger, telemetry, connectWorker } = this.#parts;
    const { store, runs, bells, caller, client } = this;
    this.#worker = new SiteWorker({
      siteKey: site.key,
      store,
      runs,
      bells,
      caller,
      client,
      logger,
      telemetry,
      connect: connectWorker,
      leaseMs: site.leaseSeconds * 1_000,
      paymentCollectionMethod: site.paymentCollectionMethod,
      policy: {
        productHandle: site.productHandle,
        policy: site.deprovision,
        unknownOutcomeMs: site.unknownOutcomeSeconds * 1_000,
      },
    });
  }

  /** Ring for one person, as after a write. */
  async ring(userId: string, lane: QueueLane): Promise<void> {
    await this.bells.ring(lane, userId);
  }

  /** Stop working: no new runs, those at work may end, connections close last. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#contact);
    this.#sweep?.close();
    await this.#worker?.close(graceMs);
    await this.bells.close();
    await this.client.close();
  }

  #rung(record: UserRecord): void {
    const lane = intentOf(record) === 'inactive' ? 'urgent' : 'normal';
    const ring = async (): Promise<void> => {
      await failpoint('before_bell');
      await this.ring(record.id, lane);
    };
    ring().catch((error: unknown) => {
      this.#parts.logger.warn(
        { err: error, site: this.config.key, requestId: record.requestId },
        'no bell was rung; the sweep will',
      );
    });
  }

  /** Ask Maxio who it is until it has answered; nothing is written before. */
  async #confirm(works: boolean): Promise<void> {
    const { logger } = this.#parts;
    let waitMs = CONTACT_WAIT_MS;
    try {
      const identity = await this.identity.check(this.caller, this.client);
      if (identity.kind === 'confirmed') {
        logger.info({ site: this.config.key, siteId: identity.siteId, test: identity.test }, 'site confirmed');
        if (works && !this.#closed) this.#work();
        return;
      }
      waitMs = FOREIGN_WAIT_MS;
      logger.error({ site: this.config.key, detail: identity.kind === 'foreign' ? identity.detail : undefined }, 'wrong site');
    } catch (error) {
      if (isRefusedKey(error)) waitMs = REFUSED_WAIT_MS;
      logger.warn({ err: error, site: this.config.key }, 'Maxio has not confirmed the site yet');
    }
    if (!this.#closed) this.#contact = setTimeout(() => void this.#confirm(works), waitMs);
  }
}
