/**
 * Owns that the audit trail of a site is sealed within seconds, that the hash of its end is said outside of Redis every hour, and that what is old enough is
 * forgotten. Works also while Maxio is not reachable or the site is paused. Refuses files (audit-export.ts) and to check: whoever does that must not be the one
 * who seals (maxio-scim audit verify).
 */
import type { AuditTrail } from '../directory/audit-trail.ts';
import type { Logger } from '../logger.ts';
import type { Chore, Turn } from './rounds.ts';

export interface AuditCareParts {
  siteKey: string;
  trail: AuditTrail;
  logger: Logger;
}

const HOUR_MS = 3_600_000;

export class AuditCare implements Chore {
  readonly name = 'audit';
  readonly needsMaxio = false;
  readonly #parts: AuditCareParts;
  #saidMs = 0;
  #trimMs = 0;
  /** Where naming people of an earlier release goes on; `undefined` when everybody has a word. */
  #unnamed: string | undefined = '0';

  constructor(parts: AuditCareParts) {
    this.#parts = parts;
  }

  async turn({ nowMs }: Turn): Promise<'more' | 'idle'> {
    const { trail } = this.#parts;
    if (this.#unnamed !== undefined) {
      const next = await trail.giveSubjects(this.#unnamed);
      this.#unnamed = next === '0' ? undefined : next;
    }
    const { more } = await trail.seal();
    if (more) return 'more';
    if (nowMs - this.#saidMs >= HOUR_MS) await this.#say(nowMs);
    if (nowMs >= this.#trimMs) {
      if ((await trail.trim(nowMs)) > 0) return 'more';
      this.#trimMs = nowMs + HOUR_MS;
    }
    return this.#unnamed === undefined ? 'idle' : 'more';
  }

  /** In the log, which is kept elsewhere: whoever cuts off or rewrites the trail in Redis cannot reach this line. */
  async #say(nowMs: number): Promise<void> {
    const { trail, logger, siteKey } = this.#parts;
    const { sealed } = await trail.head();
    if (sealed.seq === 0) return;
    logger.info({ site: siteKey, seq: sealed.seq, hash: sealed.hash }, 'audit trail sealed');
    this.#saidMs = nowMs;
  }
}
