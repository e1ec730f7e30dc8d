/**
 * Owns where the rules that operators have set through the ops API are kept, and what Maxio has told of the products that rules name.
 * Refuses to judge either (survey/group-plans.ts).
 */
import type { GroupPlan } from '../config-group-plans.ts';
import { RedisScript } from '../redis-script.ts';
import type { AuditEntry } from './audit.ts';
import type { Store } from './store.ts';

const setScript = new RedisScript(new URL('./set-group-plans.lua', import.meta.url));

/** Rules in place of those in the file. */
export interface SetGroupPlans {
  rules: GroupPlan[];
  by: string;
  atMs: number;
}

/** What Maxio has said of a product, or of a price point of it. */
export interface CatalogueEntry {
  /** Absent: there is none of that handle. */
  found?: { handle: string; family?: string | undefined; archived: boolean };
  readAtMs: number;
}

export class StoredGroupPlans {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async read(): Promise<SetGroupPlans | undefined> {
    const { redis, prefix } = this.#store;
    const text = await this.#store.guard(() => redis.hget(`${prefix}groupPlans`, 'set'));
    return text === null ? undefined : (JSON.parse(text) as SetGroupPlans);
  }

  /** Who has gone back to the rules in the file; `undefined` once a configuration was applied after that. */
  async back(): Promise<{ by: string; atMs: number } | undefined> {
    const { redis, prefix } = this.#store;
    const [text, appliedAtMs] = await this.#store.guard(() =>
      Promise.all([redis.hget(`${prefix}groupPlans`, 'reset'), redis.hget(`${prefix}configuration`, 'appliedAtMs')]),
    );
    const back = text === null ? undefined : (JSON.parse(text) as { by: string; atMs: number });
    return back !== undefined && back.atMs > Number(appliedAtMs ?? 0) ? back : undefined;
  }

  /** @param rules `undefined`: back to those in the file */
  async set(rules: readonly GroupPlan[] | undefined, by: string, audit: AuditEntry): Promise<void> {
    const { redis, prefix } = this.#store;
    const text = rules === undefined ? '' : JSON.stringify(rules);
    await this.#store.guard(() => setScript.run(redis, prefix, text, by, JSON.stringify(audit)));
  }

  /** What is known of these products; absent where nobody has asked yet. */
  async known(names: readonly string[]): Promise<Map<string, CatalogueEntry>> {
    if (names.length === 0) return new Map();
    const { redis, prefix } = this.#store;
    const texts = await this.#store.guard(() => redis.hmget(`${prefix}catalogue`, ...names));
    return new Map(
      names.flatMap((name, at) => {
        const text = texts[at];
        return text ? [[name, JSON.parse(text) as CatalogueEntry] as const] : [];
      }),
    );
  }

  async learn(name: string, entry: CatalogueEntry): Promise<void> {
    await this.#store.guard(() => this.#store.redis.hset(`${this.#store.prefix}catalogue`, name, JSON.stringify(entry)));
  }
}
