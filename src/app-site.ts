/**
 * Owns the construction of everything that belongs to one Maxio site: directory, budget, bells, and where this process works, the workers and the sweep.
 * No branch on business state. See app.ts for the process around it.
 */
import type { Redis } from 'ioredis';
import type { Config, SiteConfig } from './config.ts';
import { Census } from './directory/census.ts';
import { Clients } from './directory/clients.ts';
import { Gate } from './directory/gate.ts';
import { GroupStore, type Rings } from './directory/group-store.ts';
import { createGroups, type Groups } from './directory/groups.ts';
import { Holds } from './directory/holds.ts';
import { sitePrefix } from './directory/keys.ts';
import { openStore } from './directory/open-store.ts';
import { intentOf, type UserRecord } from './directory/record.ts';
import { Runs } from './directory/runs.ts';
import { SiteModes } from './directory/site-mode.ts';
import type { Store } from './directory/store.ts';
import { SurveyIndex } from './directory/survey-index.ts';
import { Tokens } from './directory/tokens.ts';
import { createUsers, type Users } from './directory/users.ts';
import { WitnessFile } from './directory/witness-file.ts';
import { failpoint } from './failpoint.ts';
import type { Logger } from './logger.ts';
import { Budget } from './maxio/budget.ts';
import type { MaxioClient } from './maxio/client.ts';
import type { Channel } from './notify/channel.ts';
import { newsOf } from './notify/news.ts';
import { Notifier } from './notify/notifier.ts';
import type { SituationSources } from './notify/situation.ts';
import type { Wording } from './notify/words.ts';
import { Caller } from './provisioning/caller.ts';
import { FirstContact } from './provisioning/first-contact.ts';
import { type KeyTrial, tryKey } from './provisioning/key-trial.ts';
import { openClient } from './provisioning/open-client.ts';
import { protection } from './provisioning/protected.ts';
import { Bells, type QueueLane } from './provisioning/queue.ts';
import { SiteIdentity } from './provisioning/site-identity.ts';
import { Sweep } from './provisioning/sweep.ts';
import { SiteWorker } from './provisioning/worker.ts';
import type { Secret } from './secret.ts';
import { createOnboarding, type Onboarding } from './survey/onboarding.ts';
import { Rounds } from './survey/rounds.ts';
import { createWatch, type Watch } from './survey/watch.ts';
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
  /** Ways to reach people, shared by all sites, and how messages are worded. */
  channels: readonly Channel[];
  wording: Wording;
  /** What of the environment is about all sites: who has set it, where exports go and what this process remembers. */
  config: Pick<Config, 'configAuthor' | 'exportDir' | 'exportKeep' | 'witnessFile' | 'erasureKey'>;
  /** How Redis is, for the one site whose notices tell of it. */
  redisState?: SituationSources['redis'];
}

export class Site {
  readonly config: SiteConfig;
  readonly store: Store;
  readonly runs: Runs;
  readonly holds: Holds;
  readonly modes: SiteModes;
  readonly tokens: Tokens;
  readonly clients: Clients;
  readonly gate: Gate;
  readonly isProtected: (record: UserRecord) => boolean;
  readonly users: Users;
  readonly groups: Groups;
  readonly groupStore: GroupStore;
  readonly budget: Budget;
  readonly caller: Caller;
  readonly client: MaxioClient;
  readonly identity: SiteIdentity;
  readonly bells: Bells;
  readonly index: SurveyIndex;
  readonly onboarding: Onboarding;
  readonly watch: Watch;
  readonly notifier: Notifier;
  readonly #parts: SiteParts;
  #worker: SiteWorker | undefined;
  #sweep: Sweep | undefined;
  #rounds: Rounds | undefined;
  readonly census: Census;
  readonly #witnessFile: WitnessFile | undefined;
  readonly #contact: FirstContact;
  #works = false;

  constructor(parts: SiteParts) {
    const { site, commands, logger, telemetry } = parts;
    this.#parts = parts;
    this.config = site;
    this.store = openStore(parts);
    this.#witnessFile = WitnessFile.open(parts.config.witnessFile, { site: site.key, witness: this.store.witness, logger });
    this.census = new Census(this.store, site.key, logger);
    this.runs = new Runs(this.store, { leaseMs: site.leaseSeconds * 1_000 });
    this.holds = new Holds(this.store);
    this.modes = new SiteModes(commands, site.key);
    const configured = site.scimToken && { expires: site.scimTokenExpires };
    this.tokens = new Tokens({ redis: commands, siteKey: site.key, configured, logger });
    this.clients = new Clients({ redis: commands, siteKey: site.key, logger });
    this.gate = new Gate({ redis: commands, siteKey: site.key, allowFrom: site.allowFrom, logger });
    this.isProtected = protection(site.protectedPeople);
    this.budget = new Budget(commands, sitePrefix(site.key), {
      callsPerWindow: site.callsPerHour,
      windowSeconds: site.budgetWindowSeconds,
      concurrency: site.maxConcurrency,
      unknownOutcomeSeconds: site.unknownOutcomeSeconds,
    });
    this.caller = new Caller(this.budget, site.key, telemetry, this.store.witness);
    this.client = openClient(site, telemetry);
    this.identity = new SiteIdentity(commands, site, this.modes);
    this.bells = new Bells(site.key, parts.queue, logger);
    this.index = new SurveyIndex(this.store);
    const { store, index, modes, runs, caller, client } = this;
    this.onboarding = createOnboarding({
      siteKey: site.key,
      redis: commands,
      store,
      index,
      modes,
      runs,
      caller,
      client,
      budget: this.budget,
      exports: { folder: parts.config.exportDir, keep: parts.config.exportKeep },
      erasureKey: parts.config.erasureKey,
      logger,
      telemetry,
    });
    this.watch = createWatch({
      site,
      author: parts.config.configAuthor,
      store,
      runs,
      modes,
      index,
      caller,
      client,
      survey: this.onboarding.survey,
      isProtected: this.isProtected,
      ring: (id, lane) => this.ring(id, lane),
      logger,
      telemetry,
    });
    this.users = createUsers({ store: this.store, site, onCommitted: (record) => this.#rung(record) });
    this.groupStore = new GroupStore(store);
    this.groups = createGroups({ store: this.groupStore, onChanged: (rings, requestId) => this.#ringAll(rings, requestId) });
    const { channels, wording } = parts;
    this.notifier = new Notifier({ sources: this.#situation(), channels, wording, telemetry, logger });
    this.#contact = this.#openContact();
  }

  /** Ask Maxio which site this is, and where this process works, begin as soon as the answer is right. */
  start(works: boolean): void {
    const { site, commands, logger, telemetry, beat } = this.#parts;
    const { runs, bells } = this;
    this.#works = works;
    if (works) {
      this.#sweep = new Sweep({ site: site.key, runs, bells, logger, telemetry, beat });
      this.#sweep.start();
      // One that cannot read everybody leaves the rounds to those of the newer release.
      const confirmed = (): boolean => this.identity.current.kind === 'confirmed' && this.store.witness.newer === undefined;
      this.#rounds = new Rounds({
        siteKey: site.key,
        redis: commands,
        chores: [...this.onboarding.chores, ...this.watch.chores, this.notifier],
        confirmed,
        logger,
      });
      this.#rounds.start();
    }
    this.watch.configuration.follow();
    this.store.witness.start();
    this.#contact.begin();
  }

  /** Use another API key from now on, if it opens this site; calls at work end with the one they left with. */
  async takeKey(fresh: Secret): Promise<KeyTrial> {
    const { identity, budget, caller, config } = this;
    config.apiKey.hide(fresh.reveal());
    const client = openClient({ ...config, apiKey: fresh }, this.#parts.telemetry);
    const trial = await tryKey({ subdomain: config.subdomain, identity, budget, caller, client });
    await client.close();
    if (trial !== 'ours') return trial;
    config.apiKey.replace(fresh.reveal());
    this.#contact.hasten();
    return trial;
  }

  #work(): void {
    const { site, logger, telemetry, connectWorker } = this.#parts;
    const { store, runs, bells, caller, client, index, watch } = this;
    const { erased } = this.onboarding;
    this.#worker = new SiteWorker({
      siteKey: site.key,
      store,
      runs,
      bells,
      caller,
      client,
      index,
      erased,
      logger,
      telemetry,
      connect: connectWorker,
      leaseMs: site.leaseSeconds * 1_000,
      // Read anew by every run: they act by the applied configuration, which may change while this process lives.
      get paymentCollectionMethod() {
        return watch.configuration.current().paymentCollectionMethod;
      },
      get policy() {
        return watch.policy();
      },
    });
  }

  #openContact(): FirstContact {
    const { config, store, census, identity, caller, client, watch } = this;
    const onConfirmed = async (): Promise<void> => {
      if (!this.#works) return;
      await watch.configuration.start();
      if (!this.#contact.closed) this.#work();
    };
    return new FirstContact({ config, store, census, identity, caller, client, logger: this.#parts.logger, onConfirmed });
  }

  /** What notices are made of: Redis and first contact, never a call to Maxio. */
  #situation(): SituationSources {
    const { store, runs, budget, modes, holds, identity, config: site } = this;
    const { redisState } = this.#parts;
    return {
      site,
      store,
      runs,
      budget,
      modes,
      holds,
      token: async () => (await this.tokens.standing()).first,
      client: async () => (await this.clients.standing()).first,
      strangers: (nowMs) => this.gate.strangers(nowMs),
      contact: () => ({ kind: identity.current.kind, refusals: this.#contact.refusals }),
      test: async () => (identity.current.kind === 'confirmed' ? identity.current.test : (await identity.stored())?.test),
      ...newsOf(store, this.onboarding.survey),
      groupPlans: () => this.watch.groupPlans.standing(),
      ...(redisState === undefined ? {} : { redis: redisState }),
    };
  }

  /** Ring for one person, as after a write. */
  async ring(userId: string, lane: QueueLane): Promise<void> {
    await this.bells.ring(lane, userId);
  }

  /** Stop working: no new runs, those at work may end, connections close last. @param served until then bells are rung */
  async close(graceMs: number, served: PromiseLike<void>): Promise<void> {
    this.#contact.close();
    this.store.witness.close();
    this.tokens.book.close();
    this.clients.book.close();
    this.#witnessFile?.close();
    this.#sweep?.close();
    await Promise.all([this.#rounds?.close(), this.#worker?.close(graceMs), this.watch.configuration.close()]);
    await served;
    await this.bells.close();
    await this.client.close();
  }

  #rung(record: UserRecord): void {
    // A held leave has nobody to wake: the approval rings.
    if (record.leave?.state === 'held' || record.leave?.state === 'exempt') return;
    this.#ringAll([{ id: record.id, lane: intentOf(record) === 'inactive' ? 'urgent' : 'normal' }], record.requestId);
  }

  #ringAll(rings: Rings, requestId: string): void {
    const ring = async (): Promise<void> => {
      await failpoint('before_bell');
      for (const { id, lane } of rings) await this.ring(id, lane);
    };
    ring().catch((error: unknown) => {
      this.#parts.logger.warn({ err: error, site: this.config.key, requestId }, 'no bell was rung; the sweep will');
    });
  }
}
