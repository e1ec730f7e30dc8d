/**
 * Owns from where the tokens of a site are accepted, and the memory of right ones that came from elsewhere: either the identity provider has moved, and
 * everyone's provisioning stands still, or a token has leaked. Both want somebody to look, so it is written down where the notices are made.
 * Refuses to know tokens and to guess addresses: both are handed in, the address as far as it can be trusted (http/server.ts).
 */
import type { Redis } from 'ioredis';
import type { Logger } from '../logger.ts';
import type { Networks } from '../network.ts';
import { plainAddress } from '../network.ts';
import { RedisScript } from '../redis-script.ts';
import { sitePrefix } from './keys.ts';

const noteScript = new RedisScript(new URL('./gate-note.lua', import.meta.url));

/** At most so often something is written, however many ask. */
const NOTE_MS = 2_000;
/** So long after the last one it is told about them. */
const FRESH_MS = 86_400_000;

export interface Strangers {
  firstMs: number;
  lastMs: number;
  /** At least so many. */
  times: number;
  /** From where, and with which token, the last one came. */
  address: string;
  actor: string;
}

export interface GateParts {
  redis: Redis;
  siteKey: string;
  /** Absent: everybody may come. */
  allowFrom: Networks | undefined;
  logger: Pick<Logger, 'warn'>;
  /** Tests bring their own; milliseconds on any steady clock. */
  nowMs?: () => number;
}

export class Gate {
  readonly #parts: GateParts;
  readonly #prefix: string;
  #nextMs = Number.NEGATIVE_INFINITY;
  #unwritten = 0;

  constructor(parts: GateParts) {
    this.#parts = parts;
    this.#prefix = sitePrefix(parts.siteKey);
  }

  /** Whether a right token may be used from this address. One that may not is remembered; nobody waits for that. */
  admits(address: string, actor: string): boolean {
    const { allowFrom } = this.#parts;
    if (allowFrom === undefined || allowFrom.has(address)) return true;
    this.#note(plainAddress(address) ?? 'unreadable', actor);
    return false;
  }

  /** What came from elsewhere within the last day. @throws when Redis does not answer */
  async strangers(nowMs: number): Promise<Strangers | undefined> {
    const { firstMs, lastMs, times, address = '', actor = '' } = await this.#parts.redis.hgetall(`${this.#prefix}strangers`);
    if (lastMs === undefined || nowMs - Number(lastMs) > FRESH_MS) return undefined;
    return { firstMs: Number(firstMs), lastMs: Number(lastMs), times: Number(times), address, actor };
  }

  #note(address: string, actor: string): void {
    const nowMs = (this.#parts.nowMs ?? (() => performance.now()))();
    this.#unwritten += 1;
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + NOTE_MS;
    const times = this.#unwritten;
    this.#unwritten = 0;
    const { redis, siteKey, logger } = this.#parts;
    logger.warn({ site: siteKey, address, actor, times }, 'a right token came from a network that SCIM_ALLOW_FROM does not name');
    noteScript.run(redis, this.#prefix, address, actor, times, FRESH_MS).catch(() => {
      // Redis is away; it is written with the next one.
      this.#unwritten += times;
    });
  }
}
