/**
 * Owns the list of customers that Maxio says have changed, and which webhooks have been here before. Ids of webhooks enter keys as digests.
 * Refuses to know what a webhook looks like and what is done about it.
 */
import { RedisScript } from '../redis-script.ts';
import { digest } from './keys.ts';
import type { Store } from './store.ts';

const touchScript = new RedisScript(new URL('./touch-customers.lua', import.meta.url));
const DONE = `if redis.call('hget', KEYS[1] .. 'touchedNews', ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('hdel', KEYS[1] .. 'touchedNews', ARGV[1])
return redis.call('zrem', KEYS[1] .. 'touched', ARGV[1])`;

/** The id of a webhook stays the same over all its repetitions, and Maxio lets people repeat old ones. */
const REMEMBER_SECONDS = 90 * 24 * 3_600;

export interface Touched {
  customerId: string;
  /** Redis TIME of the first message. */
  atMs: number;
  /** What the messages said, a line each. */
  news: string;
}

export class TouchedCustomers {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** @returns false when this webhook was here before; then nothing has changed */
  async add(webhookId: string, customers: { id: string; news: string }[]): Promise<boolean> {
    const { redis, prefix } = this.#store;
    const args = customers.flatMap(({ id, news }) => [id, news]);
    return (await this.#store.guard(() => touchScript.run(redis, prefix, digest(webhookId), REMEMBER_SECONDS, ...args))) === 1;
  }

  /** Those first told of before a moment, oldest first. */
  async due(beforeMs: number, most: number): Promise<Touched[]> {
    const { redis, prefix } = this.#store;
    return await this.#store.guard(async () => {
      const flat = await redis.zrangebyscore(`${prefix}touched`, '-inf', beforeMs, 'WITHSCORES', 'LIMIT', 0, most);
      const ids = flat.filter((_text, at) => at % 2 === 0);
      if (ids.length === 0) return [];
      const news = await redis.hmget(`${prefix}touchedNews`, ...ids);
      return ids.map((customerId, at) => ({ customerId, atMs: Number(flat[at * 2 + 1]), news: news[at] ?? '?' }));
    });
  }

  /** Take one off the list, unless Maxio has told more of it meanwhile. */
  async done({ customerId, news }: Touched): Promise<void> {
    await this.#store.guard(() => this.#store.redis.eval(DONE, 1, this.#store.prefix, customerId, news));
  }

  /** Look into it later. */
  async putOff({ customerId }: Touched, untilMs: number): Promise<void> {
    await this.#store.guard(() => this.#store.redis.zadd(`${this.#store.prefix}touched`, 'XX', untilMs, customerId));
  }
}
