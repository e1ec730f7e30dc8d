/**
 * Owns the question whether the data in Redis and the site behind the API key belong together. First contact stores Maxio's site id, the mode the site begins
 * in, and whether it is a test site; from then on another id means the wrong key, subdomain or Redis, and nothing may be written. Refuses to guess while Maxio does not answer.
 */
import type { Redis } from 'ioredis';
import { sitePrefix } from '../directory/keys.ts';
import type { Mode, SiteModes } from '../directory/site-mode.ts';
import type { MaxioClient } from '../maxio/client.ts';
import { MaxioError } from '../maxio/error.ts';
import type { Caller } from './caller.ts';

export type Identity =
  | { kind: 'confirmed'; siteId: string; test: boolean }
  | { kind: 'unknown'; detail: string }
  | { kind: 'foreign'; detail: string };

const REFUSED_KEY =
  'Maxio refuses the API key of this process. Check MAXIO_API_KEY and MAXIO_SUBDOMAIN; it is tried again every minute.';

/** Say whether first contact failed for the key, which does not mend by itself within seconds. */
export function isRefusedKey(error: unknown): boolean {
  return error instanceof MaxioError && error.kind === 'unauthorized';
}

/** How soon first contact is tried again. */
export const CONTACT_WAIT: Readonly<Record<'unansweredMs' | 'refusedMs' | 'foreignMs', number>> = {
  unansweredMs: 5_000,
  /** Single refusals of a right key are on record, so it is tried again, but not often. */
  refusedMs: 60_000,
  /** A wrong key does not become right by itself, and every question is a call at somebody else's site. */
  foreignMs: 300_000,
};

export class SiteIdentity {
  readonly #redis: Redis;
  readonly #key: string;
  readonly #subdomain: string;
  readonly #modes: SiteModes;
  readonly #startMode: Mode;
  #identity: Identity = { kind: 'unknown', detail: 'Maxio has not answered yet' };

  constructor(redis: Redis, site: { key: string; subdomain: string; startMode: Mode }, modes: SiteModes) {
    this.#redis = redis;
    this.#key = `${sitePrefix(site.key)}site`;
    this.#subdomain = site.subdomain;
    this.#startMode = site.startMode;
    this.#modes = modes;
  }

  get current(): Identity {
    return this.#identity;
  }

  /** Ask Maxio once and compare with what is stored. @throws NotMade, MaxioError when there is no answer */
  async check(caller: Caller, client: MaxioClient): Promise<Identity> {
    // Urgent: no leaver can be served before this one call, however much of the budget the joiners have used.
    const options = { operation: 'read-site', lane: 'urgent', ownMatter: true } as const;
    const { value: site } = await caller
      .call(options, (signal) => client.readSite(signal))
      .catch((error: unknown) => {
        if (isRefusedKey(error)) this.#identity = { kind: 'unknown', detail: REFUSED_KEY };
        throw error;
      });
    const named = site.subdomain === this.#subdomain;
    const stored = named ? await this.#modes.meet(site.id, this.#startMode) : await this.#redis.hget(this.#key, 'siteId');
    if (!named || stored !== site.id) {
      this.#identity = {
        kind: 'foreign',
        detail:
          `The API key opens Maxio site ${site.id} (${site.subdomain}), but this data belongs to ${stored === null ? 'site' : `site ${stored}`} (${this.#subdomain}). ` +
          'Correct MAXIO_SUBDOMAIN and MAXIO_API_KEY, or point REDIS_URL at the data of this site.',
      };
    } else {
      await this.#redis.hset(this.#key, { test: site.test ? '1' : '0', name: site.name });
      this.#identity = { kind: 'confirmed', siteId: site.id, test: site.test };
    }
    return this.#identity;
  }

  /** Read what an earlier contact has stored, for processes that never call Maxio. */
  async stored(): Promise<{ siteId: string; test: boolean } | undefined> {
    const [siteId, test] = await this.#redis.hmget(this.#key, 'siteId', 'test');
    return siteId === null || siteId === undefined ? undefined : { siteId, test: test === '1' };
  }
}
