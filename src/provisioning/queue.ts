/**
 * Owns the bells: two BullMQ queues per site, `urgent` for people who should stop being billed and `normal` for the rest. A job is `{ site, userId }`, never a
 * payload, so losing a job, or a whole queue, loses nothing but time: the sweep rings again for every dirty person.
 * Jobs carry no custom id (an id that still exists would swallow the next change); one bell per person is kept by deduplication instead.
 */
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { sitePrefix } from '../directory/keys.ts';

export type QueueLane = 'urgent' | 'normal';

export interface Bell {
  site: string;
  userId: string;
}

/** Failed jobs are traces of defects; the work itself lives in the directory, so a bounded number is enough. */
const FAILED_KEPT = 500;

/** BullMQ keys live under the site's hash tag, so one ACL pattern and one slot cover a site. */
export function queuePrefix(site: string): string {
  return `${sitePrefix(site)}bull`;
}

export class Bells {
  readonly #queues: Record<QueueLane, Queue<Bell>>;
  readonly #site: string;

  constructor(site: string, connection: Redis, logger: Logger) {
    this.#site = site;
    const open = (lane: QueueLane): Queue<Bell> => {
      const queue = new Queue<Bell>(lane, {
        connection,
        prefix: queuePrefix(site),
        // BullMQ asks for the version once and keeps a failed answer for ever: every later ring would fail with it. redis.ts checks the version.
        skipVersionCheck: true,
        defaultJobOptions: { removeOnComplete: true, removeOnFail: { count: FAILED_KEPT }, attempts: 1 },
      });
      queue.on('error', (error) => logger.debug({ err: error, site, lane }, 'queue connection'));
      return queue;
    };
    this.#queues = { urgent: open('urgent'), normal: open('normal') };
  }

  /**
   * Ring for one person.
   * A bell that waits for a later attempt is overtaken: right for a new desired state, and for the sweep, which leaves out people who wait by intent.
   */
  async ring(lane: QueueLane, userId: string): Promise<void> {
    await this.#queues[lane].add(
      'person',
      { site: this.#site, userId },
      { deduplication: { id: userId, keepLastIfActive: true, replace: true } },
    );
  }

  /** Stop one lane for a while, on every worker of it. */
  async pauseLane(lane: QueueLane, waitMs: number): Promise<void> {
    await this.#queues[lane].rateLimit(waitMs);
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#queues).map((queue) => queue.close()));
  }
}
