/**
 * Owns by which configuration a site acts: product, products by group, collection method, deprovisioning and mapping. Workers act by the APPLIED one in Redis, never straight by
 * their environment, so that a changed variable is first a question: what would it do to how many people?
 *
 * The rule. The environment of the process that started last among those alive is the wanted one (configuration-report.lua). Is it the applied one, nothing
 * is to do, and a candidate is withdrawn. Else everybody is forecast under both; where more people differ than the guard's hourly limit allows, it becomes a
 * candidate and waits for an approver who is not its author; else it is applied by itself, audited. Old processes beside new ones
 * therefore act alike; every call is fenced by the text of the applied configuration, so that none leaves by one that was replaced a moment ago.
 */
import { randomUUID } from 'node:crypto';
import type { GuardLimits } from '../config.ts';
import { AppliedConfiguration, type Reported, type StoredConfiguration } from '../directory/applied-configuration.ts';
import type { UserRecord } from '../directory/record.ts';
import type { Runs } from '../directory/runs.ts';
import type { Store } from '../directory/store.ts';
import type { Logger } from '../logger.ts';
import type { Fence } from '../maxio/budget.ts';
import { MAPPING_VERSION } from '../provisioning/mapping.ts';
import type { RunPolicy } from '../provisioning/run.ts';
import {
  type Authored,
  authorOf,
  type ConfigurationChanges,
  type ConfigurationState,
  type Configured,
  hasSettled,
  marksOf,
  RULES_VERSION,
  readConfigured,
  SETTLED,
  withRules,
} from './configured.ts';
import type { Forecast } from './forecast.ts';
import type { Forecasts } from './forecasts.ts';
import type { GroupPlans } from './group-plans.ts';
import { Refused } from './refused.ts';
import type { Chore, Turn } from './rounds.ts';

export type { Authored, Configured };

export interface ConfigurationParts {
  siteKey: string;
  store: Store;
  runs: Runs;
  /** What the environment of this process says. */
  environment: Pick<Configured, 'productHandle' | 'paymentCollectionMethod' | 'deprovision'> & { mappingVersion?: number };
  /** The rules that this process wants; absent: none, ever. */
  groupPlans?: Pick<GroupPlans, 'wanted'>;
  /** CONFIG_AUTHOR, else `start`. */
  author: string;
  guard: GuardLimits;
  forecasts: Forecasts;
  /** The policy of a configuration, for forecasts. */
  policyOf: (configured: Configured) => RunPolicy;
  ring: (userId: string, lane: 'urgent' | 'normal') => Promise<void>;
  logger: Logger;
}

const POLL_MS = 1_000;
/** A process that says nothing for so long counts as gone. */
const ALIVE_MS = 15_000;
const EXAMPLES_MAX = 20;

export class Configuration implements Chore {
  readonly name = 'configuration';
  readonly needsMaxio = false;
  readonly #parts: ConfigurationParts;
  readonly #stored: AppliedConfiguration;
  readonly #instance = randomUUID();
  readonly #own: Configured;
  #current: Configured;
  /** The text behind it. */
  #applied: string | undefined;
  #reported: Reported | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Whether this process may want something: it works, and Maxio has confirmed the site to it. */
  #wants = false;

  constructor(parts: ConfigurationParts) {
    this.#parts = parts;
    this.#stored = new AppliedConfiguration(parts.store);
    const { productHandle, paymentCollectionMethod, deprovision, mappingVersion = MAPPING_VERSION } = parts.environment;
    this.#own = { productHandle, paymentCollectionMethod, deprovision, mappingVersion };
    this.#current = this.#own;
  }

  /** What is acted by now, at most a poll old. */
  current(): Configured {
    return this.#current;
  }

  /** Holds while nothing newer has been applied. A call that it stops is tried again, at the latest after the next poll. */
  fence(): Fence {
    return { key: `${this.#parts.store.prefix}configuration`, field: 'applied', equals: this.#applied };
  }

  /** Say what this process wants and learn what applies; to be awaited before anybody works. @throws when Redis is away */
  async start(): Promise<void> {
    await this.#report();
    // Nothing applies yet, and by what this process was started with nobody may be acted on.
    if (this.#applied === undefined) throw new Error('the rules that give groups a product are not acceptable yet');
    this.#wants = true;
    clearInterval(this.#timer);
    this.#timer = setInterval(() => {
      // Redis away: what applied last goes on to apply, and no run can begin anyway.
      this.#report().catch(() => undefined);
    }, POLL_MS).unref();
  }

  /** Act by what applies without wanting anything: for processes that work nothing, or not yet, and still say what would happen. */
  follow(): void {
    const again = (): void => void this.#look().catch(() => undefined);
    again();
    this.#timer ??= setInterval(again, POLL_MS).unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#wants) await this.#stored.leave(this.#instance).catch(() => undefined);
  }

  async state(): Promise<ConfigurationState> {
    const stored = await this.#stored.read();
    if (stored === undefined) return { applied: undefined, candidate: undefined, changes: undefined };
    const { applied, appliedBy, appliedAtMs, candidate, candidateBy, candidateAtMs, changes } = stored;
    const seen = (text: string, author: string, atMs: number): Authored => ({
      ...readConfigured(text),
      author,
      at: new Date(atMs).toISOString(),
    });
    return {
      applied: seen(applied, appliedBy, appliedAtMs),
      candidate: candidate === '' ? undefined : seen(candidate, candidateBy, candidateAtMs),
      changes: changes === '' ? undefined : (JSON.parse(changes) as ConfigurationChanges),
    };
  }

  /**
   * Let the candidate take effect. Whether this hand may is not asked here. @throws Refused
   * @param order.seenAt since when the candidate waits that is meant: one that came later was seen by nobody
   */
  async approve({ seenAt, ...order }: { by: string; requestId: string; seenAt?: string }): Promise<void> {
    const stored = await this.#stored.read();
    if (stored === undefined || stored.candidate === '') {
      throw new Refused(
        'nothing-waits',
        'No configuration waits for approval.',
        'Look at the configuration: it may have been approved already, or taken back.',
      );
    }
    const meant = seenAt === undefined || seenAt === new Date(stored.candidateAtMs).toISOString();
    if (!meant || !(await this.#move('apply', stored, stored.candidate, { ...order, author: stored.candidateBy }))) {
      throw new Refused('moved', 'The configuration has changed at this very moment.', 'Look at it again, then approve.');
    }
    // The desk may be in a process that only serves: its environment is nobody's wish.
    await (this.#wants ? this.#report() : this.#look()).catch(() => undefined);
  }

  /** Settle what differs between what is wanted and what applies. */
  async turn({ signal }: Turn): Promise<'more' | 'idle'> {
    const reported = this.#reported;
    // A key that Maxio refuses, or that opens another site, gives nobody a say in what is done here.
    if (!this.#wants || reported === undefined) return 'idle';
    const stored = await this.#stored.read();
    if (stored === undefined) return 'idle';
    if (stored.replan && this.#speaksFor(stored.applied)) return await this.#replan(signal);
    const { wanted, wantedBy } = reported;
    if (wanted === stored.applied) {
      if (stored.candidate !== '') await this.#move('withdraw', stored, stored.candidate, { by: wantedBy, author: wantedBy });
      return 'idle';
    }
    if (wanted === stored.candidate || !this.#speaksFor(wanted)) return 'idle';
    return await this.#judge(stored, wanted, wantedBy, signal);
  }

  /** A mapping is code: what another release would make of people only a process of that release can tell, and in an upgrade one is about to make the rounds. */
  #speaksFor(configured: string): boolean {
    return readConfigured(configured).mappingVersion % RULES_VERSION === this.#own.mappingVersion;
  }

  async #judge(stored: StoredConfiguration, wanted: string, author: string, signal: AbortSignal): Promise<'more' | 'idle'> {
    const { guard, store, siteKey, logger } = this.#parts;
    const changes = await this.#compare(readConfigured(stored.applied), readConfigured(wanted), signal);
    const active = await store.guard(() => store.redis.scard(`${store.prefix}active`));
    const limit = Math.max(guard.floor, Math.floor((guard.hourPercent * active) / 100));
    const what = changes.people > limit ? 'propose' : 'apply';
    if (await this.#move(what, stored, wanted, { by: author, author, changes })) {
      const told = { site: siteKey, people: changes.people, limit, author };
      if (what === 'propose')
        logger.warn(told, 'a changed configuration waits for approval: it would change what happens to many people');
      else logger.info(told, 'a changed configuration is applied');
    }
    await this.#report();
    return 'more';
  }

  /** Whose forecast differs. Somebody who has settled needs nothing under the applied configuration, whatever a newer mapping would make of it. */
  async #compare(applied: Configured, wanted: Configured, signal: AbortSignal): Promise<ConfigurationChanges> {
    const { forecasts, policyOf } = this.#parts;
    const changes: ConfigurationChanges = { people: 0, examples: [] };
    const compare = (record: UserRecord, [now, then]: Forecast[]): void => {
      if (now === undefined || then === undefined) return;
      const before = hasSettled(record) ? SETTLED : now;
      if (marksOf(before, applied) === marksOf(then, wanted)) return;
      changes.people += 1;
      if (changes.examples.length >= EXAMPLES_MAX) return;
      const { id, attributes } = record;
      changes.examples.push(`${attributes.userName} (${id}): now ${before.words} Then: ${then.words}`);
    };
    await forecasts.each('everyone', [policyOf(applied), policyOf(wanted)], compare, signal);
    return changes;
  }

  /** After a new configuration everybody for whom it means something is planned again; the others are not touched. */
  async #replan(signal: AbortSignal): Promise<'more'> {
    const { forecasts, policyOf, runs, ring } = this.#parts;
    const wanted: UserRecord[] = [];
    const note = (record: UserRecord, [told]: Forecast[]): void => {
      if (hasSettled(record) && told !== undefined && marksOf(told, this.#current) !== marksOf(SETTLED, this.#current))
        wanted.push(record);
    };
    await this.#report();
    await forecasts.each('everyone', [policyOf(this.#current)], note, signal);
    for (const record of wanted) {
      signal.throwIfAborted();
      const audit = { kind: 'run', what: 'planned again', why: 'configuration' } as const;
      if ((await runs.replan(record, undefined, audit)) === 'done') await ring(record.id, 'normal').catch(() => undefined);
    }
    await this.#stored.replanned();
    return 'more';
  }

  async #move(
    what: 'propose' | 'withdraw' | 'apply',
    stored: StoredConfiguration,
    environment: string,
    order: { by: string; author: string; requestId?: string; changes?: ConfigurationChanges },
  ): Promise<boolean> {
    const { by, author, requestId, changes } = order;
    const { applied, candidate } = stored;
    return await this.#stored.decide({
      what,
      applied,
      candidate,
      environment,
      by,
      author,
      ...(changes === undefined ? {} : { changes: JSON.stringify(changes) }),
      audit: {
        kind: 'operator',
        what: `configuration-${what}`,
        actor: by,
        ...(requestId === undefined ? {} : { requestId }),
        configuration: environment,
        ...(changes === undefined ? {} : { people: changes.people }),
      },
    });
  }

  async #look(): Promise<void> {
    const stored = await this.#stored.read();
    if (stored === undefined) return;
    this.#applied = stored.applied;
    this.#current = readConfigured(stored.applied);
  }

  /** What this process wants, in one order of keys, so that equal settings are equal texts; nothing while its rules are not acceptable. */
  async #wish(): Promise<{ environment: string; author: string } | undefined> {
    const { author, groupPlans } = this.#parts;
    const plans = await groupPlans?.wanted();
    if (plans === undefined) return { environment: JSON.stringify(this.#own), author };
    if (plans.kind !== 'ready') return undefined;
    const configured = withRules(this.#own, plans.rules, plans.siteFamily);
    const applied = this.#applied === undefined ? undefined : readConfigured(this.#applied);
    const startedMs = this.#reported?.startedMs ?? Number.POSITIVE_INFINITY;
    const fileIsNewer = plans.backAtMs !== undefined && startedMs > plans.backAtMs;
    return {
      environment: JSON.stringify(configured),
      author: authorOf(configured, applied, { environment: author, rules: plans.author, fileIsNewer }),
    };
  }

  async #report(): Promise<void> {
    // Whose word a wish is, is a matter of what it changes.
    if (this.#applied === undefined) await this.#look();
    const wish = await this.#wish();
    if (wish === undefined) return await this.#look();
    const reported = await this.#stored.report({
      instance: this.#instance,
      ...wish,
      startedMs: this.#reported?.startedMs,
      aliveMs: ALIVE_MS,
    });
    this.#reported = reported;
    this.#applied = reported.applied;
    this.#current = readConfigured(reported.applied);
  }
}
