/**
 * Owns the mode of a site: `enforce` acts at Maxio, `observe` only shows what it would do, `paused` leaves Maxio alone. It lives in Redis, so it survives
 * restarts and holds for every process at once; whoever calls Maxio for a person fences the call by it. Refuses to decide when a site may be released.
 */
import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { RedisScript } from '../redis-script.ts';
import { sitePrefix } from './keys.ts';

const meetScript = new RedisScript(new URL('./meet.lua', import.meta.url));
const setModeScript = new RedisScript(new URL('./set-mode.lua', import.meta.url));

export const MODES = ['observe', 'enforce', 'paused'] as const;
export type Mode = (typeof MODES)[number];

export interface SiteMode {
  mode: Mode;
  /** `start` at first contact, `survey` when the site was released by itself, `lost` or `restored` after a loss, else the name of an operator. */
  by: string;
  atMs: number;
  why: string;
  /** The mode this one took the place of, to which a pause goes back; absent at first contact. */
  before?: Mode;
  /** When the site was first in `enforce`; absent while nobody has released it. */
  releasedAtMs?: number;
  /** This mode came by a release, which is an approval, and nobody has set it since. */
  byRelease?: true;
}

export class SiteModes {
  readonly #redis: Redis;
  readonly #prefix: string;

  constructor(redis: Redis, siteKey: string) {
    this.#redis = redis;
    this.#prefix = sitePrefix(siteKey);
  }

  /**
   * First contact: settle which Maxio site this data belongs to, and with that the mode it begins in.
   * @returns the site id this data belongs to, which is another one when the key opens the wrong site
   */
  async meet(siteId: string, startMode: Mode): Promise<string> {
    const entry = (mode: Mode, why: string): string => JSON.stringify({ kind: 'run', what: 'mode', mode, actor: 'start', why });
    const first = entry(startMode, 'first contact');
    const known = entry('enforce', 'the site was at work before there were modes');
    return String(await meetScript.run(this.#redis, this.#prefix, siteId, startMode, first, known, randomUUID()));
  }

  /** Read the mode; `undefined` before first contact. */
  async read(): Promise<SiteMode | undefined> {
    const fields = await this.#redis.hgetall(`${this.#prefix}mode`);
    const mode = modeOf(fields.mode);
    if (mode === undefined) return undefined;
    const { by = '', atMs, why = '', releasedAtMs } = fields;
    const before = modeOf(fields.before);
    return {
      mode,
      by,
      atMs: Number(atMs),
      why,
      ...(before && { before }),
      ...(releasedAtMs ? { releasedAtMs: Number(releasedAtMs) } : {}),
      ...(fields.release === '1' ? { byRelease: true } : {}),
    };
  }

  /**
   * Set the mode, audited; the same mode by the same hand again changes nothing but the reason, where there is a new one.
   * From the answer on no fenced call is granted in another mode.
   * `enforce` is not set while a recovery is open.
   * @param order.onlyFrom change nothing unless the mode is this one, set by this hand
   * @param order.release whether this is an approver's release of the site
   */
  async set(
    mode: Mode,
    order: {
      by: string;
      why?: string | undefined;
      requestId?: string;
      onlyFrom?: { mode: Mode; by: string };
      release?: boolean;
    },
  ): Promise<{ was: Mode | undefined; mode: Mode }> {
    const { by, why = '', requestId, onlyFrom, release = false } = order;
    const audit = { kind: 'operator', what: 'mode', mode, actor: by, ...(requestId === undefined ? {} : { requestId }) };
    const [was, now] = (await setModeScript.run(
      this.#redis,
      this.#prefix,
      mode,
      by,
      why,
      JSON.stringify(audit),
      onlyFrom?.mode ?? '',
      onlyFrom?.by ?? '',
      release ? '1' : '',
    )) as [string, string];
    return { was: modeOf(was), mode: modeOf(now) ?? mode };
  }
}

/** Read a word as a mode; an unknown one is none, so nothing is done in it. */
export function modeOf(word: string | null | undefined): Mode | undefined {
  return MODES.find((mode) => mode === word);
}
