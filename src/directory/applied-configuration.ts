/**
 * Owns where a site keeps by which configuration it acts: the applied one, the one that waits for approval, and what each live process would like.
 * Refuses to compare configurations and to judge who may approve (survey/configuration.ts). See configuration-report.lua for which process counts.
 */
import { RedisScript } from '../redis-script.ts';
import type { AuditEntry } from './audit.ts';
import type { Store } from './store.ts';

const reportScript = new RedisScript(new URL('./configuration-report.lua', import.meta.url));
const decideScript = new RedisScript(new URL('./configuration-decide.lua', import.meta.url));

/** Texts stay as they were written, so that "the same" is a comparison of texts. */
export interface Reported {
  startedMs: number;
  applied: string;
  wanted: string;
  wantedBy: string;
  /** Empty when nothing waits for approval. */
  candidate: string;
}

export interface StoredConfiguration {
  applied: string;
  appliedBy: string;
  appliedAtMs: number;
  candidate: string;
  candidateBy: string;
  candidateAtMs: number;
  /** JSON; empty without a candidate. */
  changes: string;
  /** People have not been looked at since the applied one came. */
  replan: boolean;
}

export interface Decision {
  what: 'propose' | 'withdraw' | 'apply';
  /** As read; the decision falls only if both still are so. */
  applied: string;
  candidate: string;
  environment: string;
  by: string;
  author: string;
  changes?: string;
  audit: AuditEntry;
}

export class AppliedConfiguration {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async report(from: {
    instance: string;
    environment: string;
    author: string;
    startedMs?: number | undefined;
    aliveMs: number;
  }): Promise<Reported> {
    const { instance, environment, author, startedMs, aliveMs } = from;
    const { redis, prefix } = this.#store;
    const answer = (await this.#store.guard(() =>
      reportScript.run(redis, prefix, instance, environment, author, startedMs ?? '', aliveMs),
    )) as [number, string, string, string, string];
    const [started, applied, wanted, wantedBy, candidate] = answer;
    return { startedMs: Number(started), applied, wanted, wantedBy, candidate };
  }

  /** Forget a process that ends. */
  async leave(instance: string): Promise<void> {
    await this.#store.redis.hdel(`${this.#store.prefix}configuration`, `live:${instance}`);
  }

  /** `undefined` before any worker has started. */
  async read(): Promise<StoredConfiguration | undefined> {
    const fields = await this.#store.guard(() => this.#store.redis.hgetall(`${this.#store.prefix}configuration`));
    const { applied, appliedBy = '', candidate = '', candidateBy = '', changes = '' } = fields;
    if (applied === undefined) return undefined;
    return {
      applied,
      appliedBy,
      appliedAtMs: Number(fields.appliedAtMs ?? 0),
      candidate,
      candidateBy,
      candidateAtMs: Number(fields.candidateAtMs ?? 0),
      changes,
      replan: fields.replan === '1',
    };
  }

  /** @returns false when the configuration has moved since it was read */
  async decide(decision: Decision): Promise<boolean> {
    const { what, applied, candidate, environment, by, author, changes = '', audit } = decision;
    const { redis, prefix } = this.#store;
    return (
      (await this.#store.guard(() =>
        decideScript.run(redis, prefix, what, applied, candidate, environment, by, author, changes, JSON.stringify(audit)),
      )) === 1
    );
  }

  /** Note that everybody has been looked at under this configuration. */
  async replanned(): Promise<void> {
    await this.#store.redis.hdel(`${this.#store.prefix}configuration`, 'replan');
  }
}
