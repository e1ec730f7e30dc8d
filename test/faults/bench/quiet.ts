/**
 * Owns the wait for a cluster to come to rest, and tells a busy machine from lost work. No limit of it is a time: what counts is how often the sweep, which
 * takes up whatever was forgotten, had its turn since the last sign of work. A machine that is slow shows signs for longer; lost work shows none, however
 * often it is swept. Refuses to judge: what is still pending in the end stands in the evidence.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { OPS_TOKEN } from '../../support/service.ts';
import type { ServiceProcess } from '../../support/service-process.ts';
import { type Cluster, PREFIX } from './cluster.ts';
import type { Evidence } from './evidence.ts';

export interface Patience {
  /** So many sweeps by every worker, and no sign of work: it is lost. Longer than anything in the bench may wait. */
  idleSweeps: number;
  /** So many sweeps by every worker, and still work: it goes round in circles. */
  sweeps: number;
  /** So many looks without a sign of work while some worker does not even sweep: it hangs. */
  idleLooks: number;
}

const PATIENT: Patience = { idleSweeps: 60, sweeps: 300, idleLooks: 3_000 };
const LOOK_EVERY_MS = 100;
/** Looks between two questions to the workers; a sweep has its turn every two seconds. */
const LOOKS_A_QUESTION = 10;
/** Two turns of a sweep are never as near as this, two readings of one turn never as far apart. */
const ONE_TURN_SECONDS = 0.5;

/** Waits until nothing is pending and no call is on its way, as long as there is any sign of work. */
export async function waitForQuiet(cluster: Cluster, patience: Partial<Patience> = {}): Promise<Evidence['quiet']> {
  const { idleSweeps, sweeps, idleLooks } = { ...PATIENT, ...patience };
  const startedMs = performance.now();
  const counts = cluster.workers.map((worker) => new SweepCount(worker));
  const ended = (why?: string): Evidence['quiet'] => ({
    reached: why === undefined,
    waitedMs: performance.now() - startedMs,
    ...(why === undefined ? {} : { why }),
  });
  let seen: string | undefined;
  let since = { looks: 0, sweeps: counts.map(() => 0) };
  for (let looks = 1; ; looks += 1) {
    const now = await look(cluster).catch(() => undefined);
    if (now?.quiet === true) return ended();
    if (looks % LOOKS_A_QUESTION === 0) await Promise.all(counts.map((each) => each.ask()));
    const turns = counts.map(({ turns: all }) => all);
    if (now !== undefined && now.signs !== seen) {
      seen = now.signs;
      since = { looks, sweeps: turns };
    }
    const idle = Math.min(...turns.map((all, i) => all - (since.sweeps[i] ?? 0)));
    if (idle >= idleSweeps) return ended(`no sign of work while every worker swept ${idle} times`);
    if (Math.min(...turns) >= sweeps) return ended(`work that goes on and on: every worker has swept ${sweeps} times`);
    if (looks - since.looks >= idleLooks)
      return ended(`no sign of work, and a worker does not sweep: ${turns.join(' and ')} turns`);
    await sleep(LOOK_EVERY_MS);
  }
}

/** What every piece of work leaves behind: an entry of the trail, a call, one person fewer. */
async function look({ commands, sandbox }: Cluster): Promise<{ quiet: boolean; signs: string }> {
  const pending = await commands.zcard(`${PREFIX}dirty`);
  const seq = await commands.hget(`${PREFIX}auditClock`, 'seq');
  const calls = sandbox.state.ledger();
  const finished = calls.filter(({ finishedMs }) => finishedMs !== null).length;
  return { quiet: pending === 0 && finished === calls.length, signs: [pending, seq, calls.length, finished].join(' ') };
}

/** Turns of one worker's sweep, by its heartbeat. */
class SweepCount {
  readonly #worker: ServiceProcess;
  #beat: number | undefined;
  turns = 0;

  constructor(worker: ServiceProcess) {
    this.#worker = worker;
  }

  async ask(): Promise<void> {
    const beat = /^worker_heartbeat_timestamp_seconds\S* (\S+)/m.exec(await metricsOf(this.#worker))?.[1];
    if (beat === undefined) return;
    if (this.#beat !== undefined && Math.abs(Number(beat) - this.#beat) > ONE_TURN_SECONDS) this.turns += 1;
    this.#beat = Number(beat);
  }
}

/** Metrics of a process; nothing from one that does not run or does not answer. */
export async function metricsOf({ url, running }: ServiceProcess): Promise<string> {
  if (!running) return '';
  const headers = { authorization: `Bearer ${OPS_TOKEN}` };
  return await fetch(`${url}/metrics`, { headers, signal: AbortSignal.timeout(5_000) }).then(
    (answer) => answer.text(),
    () => '',
  );
}
