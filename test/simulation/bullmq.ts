/**
 * Owns a model of the part of BullMQ that the bells use: lanes with deduplication, delays, a pause of a lane, workers that die with jobs in their hands.
 * It stands in the place of the package `bullmq`, so the real worker and the real queue code run on it. What BullMQ promises it keeps, and no more:
 * a bell may also be lost or heard twice, which the service must bear. Source: docs.bullmq.io, deduplication, stalled jobs; measured behaviour in
 * test/integration/bullmq-facts.test.ts.
 */
import type { SimProcess } from './clock.ts';
import { Refused, type SimConnection, type SimServer } from './connection.ts';

export class DelayedError extends Error {}
export class RateLimitError extends Error {}

interface Stored {
  data: unknown;
  dedup: string;
  state: 'waiting' | 'delayed' | 'active';
  /** Number of the present activity; a worker that has lost the job finds another one here. */
  turn: number;
  /** Rung while active: to be heard when this activity is over. */
  again: boolean;
}

class Lane {
  readonly jobs = new Set<Stored>();
  readonly workers = new Set<Worker>();
  pausedUntilMs = 0;
}

/** Lives as long as the modelled server. */
const boards = new WeakMap<SimServer, Map<string, Lane>>();

function laneOf(server: SimServer, name: string): Lane {
  const board = boards.get(server) ?? new Map<string, Lane>();
  boards.set(server, board);
  const lane = board.get(name) ?? new Lane();
  board.set(name, lane);
  return lane;
}

/** Chances that a bell gets lost, or is put down twice. */
export interface BellFaults {
  lost: number;
  doubled: number;
  /** Only bells of api processes get lost: what a commit rings, and not what the sweep rings. */
  apiOnly: boolean;
}

export const bellFaults = new WeakMap<SimServer, BellFaults>();

/** What lies in the lanes, by person. */
export function bellsOf(server: SimServer): { lane: string; userId: string }[] {
  const all = [...(boards.get(server) ?? [])];
  return all.flatMap(([lane, { jobs }]) => [...jobs].map(({ data }) => ({ lane, userId: (data as { userId: string }).userId })));
}

function removed(lane: Lane, job: Stored): void {
  lane.jobs.delete(job);
}

export class Queue {
  readonly #server: SimServer;
  readonly #connection: SimConnection;
  readonly #lane: Lane;

  constructor(name: string, { connection }: { connection: unknown }) {
    this.#connection = connection as SimConnection;
    this.#server = this.#connection.server;
    this.#lane = laneOf(this.#server, name);
  }

  on(): this {
    return this;
  }

  async add(_name: string, data: unknown, { deduplication }: { deduplication: { id: string } }): Promise<void> {
    await this.#connection.send(() => {
      const { random } = this.#server;
      const { lost = 0, doubled = 0, apiOnly = false } = bellFaults.get(this.#server) ?? {};
      if (random.chance(lost) && (!apiOnly || this.#connection.owner.name.startsWith('api'))) return null;
      this.#put(data, deduplication.id);
      if (random.chance(doubled)) this.#lane.jobs.add({ data, dedup: 'another', state: 'waiting', turn: 0, again: false });
      return null;
    });
    stir(this.#server, this.#lane);
  }

  #put(data: unknown, dedup: string): void {
    for (const job of this.#lane.jobs) {
      if (job.dedup !== dedup) continue;
      if (job.state === 'active') {
        job.again = true;
        return;
      }
      removed(this.#lane, job);
    }
    this.#lane.jobs.add({ data, dedup, state: 'waiting', turn: 0, again: false });
  }

  async rateLimit(waitMs: number): Promise<void> {
    await this.#connection.send(() => {
      this.#lane.pausedUntilMs = this.#server.clock.nowMs + waitMs;
      return null;
    });
  }

  async close(): Promise<void> {}
}

/** Let every worker of the lane look for work. */
function stir(server: SimServer, lane: Lane): void {
  for (const worker of lane.workers) {
    if (worker.owner.alive) server.clock.after(0, worker.owner, () => worker.look());
    else lane.workers.delete(worker);
  }
}

interface WorkerOptions {
  connection: unknown;
  concurrency: number;
  lockDuration: number;
  stalledInterval: number;
}

type Processor = (job: Job, token: string, signal: AbortSignal) => Promise<void>;

export class Worker {
  readonly owner: SimProcess;
  readonly #server: SimServer;
  readonly #connection: SimConnection;
  readonly #lane: Lane;
  readonly #options: WorkerOptions;
  readonly #processor: Processor;
  readonly #active = new Map<Stored, AbortController>();
  readonly #heard = new Map<string, (job: unknown, error: unknown) => void>();
  #closed = false;
  #emptied = (): void => {};

  constructor(name: string, processor: Processor, options: WorkerOptions) {
    this.#connection = options.connection as SimConnection;
    this.#server = this.#connection.server;
    this.owner = this.#connection.owner;
    this.#lane = laneOf(this.#server, name);
    this.#options = options;
    this.#processor = processor;
    this.#lane.workers.add(this);
    this.#server.clock.after(1, this.owner, () => this.look());
  }

  on(event: string, listener: (job: unknown, error: unknown) => void): this {
    this.#heard.set(event, listener);
    return this;
  }

  /** Take what waits, as far as hands are free. */
  look(): void {
    const { clock, down } = this.#server;
    if (this.#closed || !this.owner.alive) return;
    if (down || this.#lane.pausedUntilMs > clock.nowMs) {
      const waitMs = down ? 500 : this.#lane.pausedUntilMs - clock.nowMs;
      clock.after(waitMs, this.owner, () => this.look());
      return;
    }
    for (const job of this.#lane.jobs) {
      if (this.#active.size >= this.#options.concurrency) return;
      if (job.state === 'waiting') void this.#work(job);
    }
  }

  async #work(job: Stored): Promise<void> {
    job.state = 'active';
    job.turn += 1;
    const { turn } = job;
    const abort = new AbortController();
    this.#active.set(job, abort);
    this.#watch(job, turn);
    let end: unknown;
    try {
      await this.#processor(new Job(this.#connection, this.#lane, job, turn), 'token', abort.signal);
    } catch (error) {
      end = error;
    }
    this.#active.delete(job);
    if (job.turn === turn && job.state === 'active') await this.#conclude(job, turn, end);
    if (this.#active.size === 0) this.#emptied();
    this.look();
  }

  async #conclude(job: Stored, turn: number, end: unknown): Promise<void> {
    const conclude = (): null => {
      if (job.turn !== turn || job.state !== 'active') return null;
      if (end instanceof RateLimitError) job.state = 'waiting';
      else {
        removed(this.#lane, job);
        if (job.again) this.#lane.jobs.add({ ...job, state: 'waiting', again: false });
      }
      stir(this.#server, this.#lane);
      return null;
    };
    if (end !== undefined && !(end instanceof RateLimitError)) this.#heard.get('failed')?.({ data: job.data }, end);
    // Redis away: the job stays active, and is found to have stalled.
    await this.#connection.send(conclude).catch(() => undefined);
  }

  /** A job whose worker has died, or sleeps for longer than its lock, goes back to those who wait. */
  #watch(job: Stored, turn: number): void {
    const { clock, random } = this.#server;
    const { lockDuration, stalledInterval } = this.#options;
    clock.after(lockDuration, undefined, () => {
      if (job.turn !== turn || job.state !== 'active') return;
      const sleeps = this.owner.pausedUntilMs > clock.nowMs;
      if (this.owner.alive && !sleeps && this.#active.has(job)) {
        this.#watch(job, turn);
        return;
      }
      clock.after(random.between(0, stalledInterval), undefined, () => {
        if (job.turn !== turn || job.state !== 'active') return;
        job.turn += 1;
        job.state = 'waiting';
        stir(this.#server, this.#lane);
      });
    });
  }

  cancelAllJobs(reason: string): void {
    for (const abort of this.#active.values()) abort.abort(new Error(reason));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#lane.workers.delete(this);
    if (this.#active.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#emptied = resolve;
    });
  }
}

export class Job {
  readonly data: unknown;
  readonly #connection: SimConnection;
  readonly #lane: Lane;
  readonly #stored: Stored;
  readonly #turn: number;

  constructor(connection: SimConnection, lane: Lane, stored: Stored, turn: number) {
    this.data = stored.data;
    this.#connection = connection;
    this.#lane = lane;
    this.#stored = stored;
    this.#turn = turn;
  }

  async moveToDelayed(untilMs: number): Promise<void> {
    const { clock } = this.#connection.server;
    const job = this.#stored;
    await this.#connection.send(() => {
      if (job.turn !== this.#turn || job.state !== 'active') throw new Refused('Missing lock for job. moveToDelayed');
      job.state = 'delayed';
      job.again = false;
      clock.after(untilMs - clock.nowMs, undefined, () => {
        if (job.state !== 'delayed' || job.turn !== this.#turn || !this.#lane.jobs.has(job)) return;
        job.state = 'waiting';
        stir(this.#connection.server, this.#lane);
      });
      return null;
    });
  }
}
