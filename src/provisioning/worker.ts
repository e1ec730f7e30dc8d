/**
 * Owns the two BullMQ workers of one site: a bell becomes one run under the person's lease, and the run's outcome becomes what happens to the bell.
 * Refuses to decide anything about people. A run never outlives its lease unnoticed: the lease is renewed while it lasts, and every write is fenced by it.
 */
import { DelayedError, type Job, RateLimitError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { NewerRelease } from '../directory/newer-release.ts';
import type { Lease } from '../directory/runs.ts';
import { failpoint } from '../failpoint.ts';
import { tellRedisError } from '../redis.ts';
import type { Outcome } from './outcome.ts';
import { type Bell, type Bells, type QueueLane, queuePrefix } from './queue.ts';
import { type ReconcileParts, reconcile } from './reconcile.ts';

/** Runs of one lane at a time in this process. More than the four calls Maxio serves at once, so that waiting runs never leave a slot idle. */
const CONCURRENCY = 8;
/** A person who keeps changing is given back to the queue after this many runs, so that others get their turn. */
const RUNS_IN_A_ROW_MAX = 5;
/** Refusals of a whole lane are asked about again at the latest after this, since a reading can go out of date. */
const LANE_PAUSE_MAX_MS = 30_000;
/** People hear of it when so many workers in a row have gone away over one person; deploys and crashes of other causes are no news. */
const UNFINISHED_TOLD = 3;
/** A paused queue wakes a little late; the last stretch is waited out by the runs themselves, to the millisecond, so that no budget is left unused. */
const WAKE_EARLY_MS = 1_000;
/** Somebody whom only a newer release can read: a worker of that release may hear the bell next. */
const ANOTHER_RELEASE: Outcome = { kind: 'postponed', reason: 'newer-release', waitMs: 1_000 };

export interface WorkerParts extends ReconcileParts {
  bells: Bells;
  leaseMs: number;
  /** A connection of BullMQ's own kind for each worker. */
  connect: () => Redis;
}

export class SiteWorker {
  readonly #parts: WorkerParts;
  readonly #workers: Worker<Bell>[];

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#workers = (['urgent', 'normal'] as const).map((lane) => this.#open(lane));
  }

  /** Take no new bell, let runs end, and after `graceMs` abort those that have not. */
  async close(graceMs: number): Promise<void> {
    const abort = setTimeout(() => {
      for (const worker of this.#workers) worker.cancelAllJobs('shutdown');
    }, graceMs);
    await Promise.all(this.#workers.map((worker) => worker.close()));
    clearTimeout(abort);
  }

  #open(lane: QueueLane): Worker<Bell> {
    const { siteKey, logger, leaseMs } = this.#parts;
    const worker = new Worker<Bell>(lane, (job, token, signal) => this.#ring(lane, job, token, signal), {
      connection: this.#parts.connect(),
      prefix: queuePrefix(siteKey),
      concurrency: CONCURRENCY,
      // The lock is shorter than the lease, so a stalled bell never meets a lease that has outlived it by much.
      lockDuration: Math.floor((leaseMs * 2) / 3),
      stalledInterval: Math.floor(leaseMs / 3),
      // A rolling deploy must not use up a person's bell; poisonous people are bounded by their attempts and by how many workers they end (reconcile.ts).
      maxStalledCount: 1_000,
      // Never reached; without any limiter a pause of the lane would stop only the worker that asked for it.
      limiter: { max: 1_000_000, duration: 1_000 },
    });
    // Without memory or disk Redis refuses every poll of every worker, thousands of times a second.
    worker.on('error', (error) => tellRedisError(logger, error, { site: siteKey, lane }, 'queue worker'));
    // A run that could not even be ended by the directory, such as a record nobody can read: the sweep rings again, the log says why.
    worker.on('failed', (job, error) => {
      logger.warn({ err: error, site: siteKey, lane, userId: job?.data.userId }, 'a run could not be ended');
    });
    return worker;
  }

  async #ring(lane: QueueLane, job: Job<Bell>, token: string | undefined, signal: AbortSignal | undefined): Promise<void> {
    const { runs } = this.#parts;
    if (typeof job.data.userId !== 'string')
      throw new Error('a bell of another release, which this one cannot read; the sweep rings again');
    const lease = await runs.lease(job.data.userId);
    if (lease === undefined) return await later(job, token, 150 + Math.random() * 150);
    // Before anything that could end this worker as well.
    await this.#tellUnfinished(lease).catch((error: unknown) => {
      this.#parts.logger.warn({ err: error, site: this.#parts.siteKey }, 'an unfinished run could not be told');
    });
    await failpoint('after_lease');
    const stop = new AbortController();
    const lost = this.#keep(lease, stop);
    const ending = signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal]);
    let outcome: Outcome | undefined;
    try {
      outcome = await this.#runs(lease, ending);
    } catch (error) {
      if (!(error instanceof NewerRelease)) throw error;
      outcome = ANOTHER_RELEASE;
    } finally {
      clearInterval(lost);
      await runs.release(lease, outcome?.kind === 'settled' || outcome?.kind === 'parked').catch(() => undefined);
    }
    await this.#conclude(lane, job, token, outcome);
  }

  async #runs(lease: Lease, signal: AbortSignal): Promise<Outcome> {
    let outcome: Outcome = { kind: 'superseded' };
    for (let i = 0; i < RUNS_IN_A_ROW_MAX && outcome.kind === 'superseded'; i += 1) {
      outcome = await reconcile(lease, this.#parts, signal);
    }
    return outcome;
  }

  /** A worker has died, or stood still for too long, in the middle of a run for this person. Counted each time, told when it happens again and again. */
  async #tellUnfinished({ id, unfinished: times, abandoned }: Lease): Promise<void> {
    const { runs, logger, telemetry, siteKey } = this.#parts;
    if (!abandoned) return;
    telemetry.unfinishedRuns.inc({ site: siteKey });
    if (times < UNFINISHED_TOLD) return;
    logger.error({ site: siteKey, userId: id, times }, 'workers keep going away over one person');
    const { record } = await runs.begin(id);
    const what = `a worker went away while it was at work on this person, ${times} times by now`;
    if (record !== undefined) await runs.tell(id, record.generation, { kind: 'run', what });
  }

  #keep(lease: Lease, stop: AbortController): NodeJS.Timeout {
    return setInterval(() => {
      this.#parts.runs.renew(lease).then(
        (kept) => {
          if (!kept) stop.abort(new Error('the lease was lost'));
        },
        () => undefined,
      );
    }, this.#parts.leaseMs / 3);
  }

  async #conclude(lane: QueueLane, job: Job<Bell>, token: string | undefined, outcome: Outcome): Promise<void> {
    switch (outcome.kind) {
      case 'settled':
      case 'parked':
      case 'held':
        return;
      case 'superseded':
      case 'fenced':
        return await later(job, token, 100 + Math.random() * 200);
      case 'postponed':
        // Where the refusal meets everyone in this queue, the queue waits instead of every bell by itself. An active person whose bell hangs in the urgent
        // queue is refused as `normal`, which says nothing about the leavers behind.
        if (outcome.reason === 'blocked' || (outcome.reason === 'budget' && (lane === 'normal' || outcome.lane === 'urgent'))) {
          await this.#parts.bells.pauseLane(
            lane,
            Math.min(LANE_PAUSE_MAX_MS, Math.max(50, (outcome.waitMs ?? 1_000) - WAKE_EARLY_MS)),
          );
          throw new RateLimitError();
        }
        return await later(job, token, outcome.waitMs ?? 1_000);
      case 'retry':
        return await later(job, token, outcome.waitMs ?? 5_000);
      case 'paused':
        // The mode of the site: its release is what rings again. A pause that Maxio asks for says how long it lasts.
        if (outcome.waitMs === undefined) return;
        return await later(job, token, outcome.waitMs);
    }
  }
}

/** Put the bell aside without counting an attempt; a new desired state overtakes it. */
async function later(job: Job<Bell>, token: string | undefined, waitMs: number): Promise<void> {
  await job.moveToDelayed(Date.now() + Math.ceil(waitMs), token);
  throw new DelayedError();
}
