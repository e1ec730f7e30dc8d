/**
 * Owns the faults of random histories, by kind: each happens to a running cluster, lasts a while, and mends itself. Which process, when and for how long
 * follows from the stream of random numbers it is given. Refuses to judge what comes of it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FailpointName } from '../../../src/failpoint.ts';
import type { Fault } from '../../../src/sandbox/faults.ts';
import type { ServiceProcess } from '../../support/service-process.ts';
import { until } from '../../support/until.ts';
import { type Cluster, PREFIX } from './cluster.ts';
import type { Random } from './random.ts';

/** Tells whether the service has met with what was put in its way; there are faults that wait for a call or a commit that may never come. */
type Met = () => boolean;
type FaultKind = (cluster: Cluster, random: Random) => Promise<Met | boolean | undefined>;

const POINTS: FailpointName[] = [
  'after_commit',
  'before_bell',
  'after_lease',
  'after_read',
  'before_send',
  'after_answer',
  'after_record',
  'after_settle',
];
const AT_API = new Set<FailpointName>(['after_commit', 'before_bell']);

/** Texts that stand only in the arguments of one script each. */
const SCRIPTS = { commit: '"backlogLimit":', take: '"waiter":', finish: '"outcome":', release: '"failuresMax":' } as const;

async function killAndRestart(victims: ServiceProcess[], downMs: number, env: Record<string, string> = {}): Promise<void> {
  await Promise.all(victims.map((each) => each.end('SIGKILL')));
  await sleep(downMs);
  for (const each of victims) each.start(env);
  await Promise.all(victims.map((each) => each.ready()));
}

/** Every history ends with this: a process that was started to fail, or with a wrong clock, goes on as an ordinary one. */
async function asBefore(victim: ServiceProcess): Promise<void> {
  await victim.end('SIGTERM');
  victim.start();
  await victim.ready();
}

function atMaxio(describe: (random: Random) => Fault): FaultKind {
  return async ({ sandbox: { state } }, random) => {
    const armed = state.setFault(describe(random));
    return () => state.faults().some(({ id, hits }) => id === armed && hits > 0);
  };
}

function cutReplies({ proxy }: Cluster, script: keyof typeof SCRIPTS, times: number): Met {
  const before = proxy.cuts;
  proxy.cutBeforeReply(SCRIPTS[script], times);
  return () => proxy.cuts > before;
}

const WRITES = ['POST', 'PUT', 'DELETE'] as const;

const KINDS = {
  'kill-api': async ({ apis }, random) => {
    await killAndRestart([random.pick(apis)], random.between(0, 500));
  },
  'kill-worker': async ({ workers }, random) => {
    await killAndRestart([random.pick(workers)], random.between(0, 500));
  },
  'kill-redis': async ({ redis }, random) => {
    await redis.kill();
    await sleep(random.between(100, 1_500));
    await redis.restart();
  },
  'kill-everything': async ({ redis, processes }, random) => {
    await Promise.all([...processes.map((each) => each.end('SIGKILL')), redis.kill()]);
    await sleep(random.between(0, 300));
    await redis.restart();
    for (const each of processes) each.start();
    await Promise.all(processes.map((each) => each.ready()));
  },
  failpoint: async ({ apis, workers }, random) => {
    const point = random.pick(POINTS);
    const victim = random.pick(AT_API.has(point) ? apis : workers);
    await victim.end('SIGTERM');
    victim.start({ FAILPOINT: `${point}:kill:${random.between(1, 6)}` });
    // It may be there before it is ready, and it may never come to the point; then it ends by our hand.
    await victim.ready().catch(() => undefined);
    const met = await victim.ended(4_000).then(
      () => true,
      () => false,
    );
    await victim.end('SIGKILL');
    victim.start();
    await victim.ready();
    return met;
  },
  /** Longer than a lease, so that another worker takes over and the first one wakes up beside it. */
  'stop-worker': async ({ workers }, random) => {
    const victim = random.pick(workers);
    victim.stop();
    await sleep(random.between(500, 5_000));
    victim.go();
  },
  'stop-api': async ({ apis }, random) => {
    const victim = random.pick(apis);
    victim.stop();
    await sleep(random.between(300, 2_500));
    victim.go();
  },
  'freeze-redis': async ({ redis }, random) => {
    redis.freeze();
    await sleep(random.between(300, 3_500));
    redis.thaw();
  },
  'cut-replies': async (cluster, random) =>
    cutReplies(cluster, random.pick(Object.keys(SCRIPTS) as (keyof typeof SCRIPTS)[]), random.between(1, 4)),
  'cut-commits': async (cluster, random) => cutReplies(cluster, 'commit', random.between(2, 4)),
  'slow-redis': async ({ proxy }, random) => {
    proxy.delay(random.between(20, 400));
    await sleep(random.between(500, 2_000));
    proxy.delay(0);
  },
  'full-redis': async ({ commands }, random) => {
    await until('Redis is there to be filled', async () => await commands.config('SET', 'maxmemory', '1mb'));
    await sleep(random.between(300, 1_500));
    await commands.config('SET', 'maxmemory', '0');
  },
  /** What an administrator may do to the queue: people lose their bells. */
  'flush-queue': async ({ commands }) => {
    const keys = await until('Redis is there to be flushed', async () => await commands.keys(`${PREFIX}bull:*`));
    if (keys.length > 0) await commands.del(...keys);
  },
  'rolling-restart': async ({ processes }) => {
    for (const each of processes) await asBefore(each);
  },
  'wrong-clock': async ({ workers }, random) => {
    const victim = random.pick(workers);
    const offMs = random.pick([3_600_000, -3_600_000]);
    await victim.end('SIGTERM');
    victim.start({ NODE_OPTIONS: `--import=data:text/javascript,const%20now=Date.now;Date.now=()=>now()+${offMs}` });
    await victim.ready();
    await sleep(random.between(1_000, 3_000));
    await asBefore(victim);
  },
  'maxio-cuts': atMaxio((random) => ({
    match: { method: random.pick(WRITES) },
    kind: random.pick(['commit-then-drop', 'drop-before-commit'] as const),
    times: random.between(1, 3),
  })),
  'maxio-late': atMaxio((random) => ({
    match: { method: random.pick(WRITES) },
    kind: random.pick(['late-commit', 'slow'] as const),
    minDelayMs: 300,
    maxDelayMs: 4_000,
    times: random.between(1, 3),
  })),
  'maxio-throttles': atMaxio((random) => ({ kind: 'throttle', retryAfter: 1, times: random.between(1, 2) })),
  'maxio-errors': atMaxio((random) => ({
    kind: 'html-error',
    status: random.pick([500, 502, 503]),
    commit: random.chance(0.5),
    times: random.between(1, 3),
  })),
  'maxio-garbles': atMaxio((random) => ({
    match: { method: random.pick(WRITES) },
    kind: random.pick(['truncated-json', 'cut-body', 'missing-id'] as const),
    times: random.between(1, 2),
  })),
  'maxio-denies': atMaxio((random) => ({ match: { method: 'GET' }, kind: 'html-404', times: random.between(1, 2) })),
  'maxio-pretends': atMaxio(() => ({ match: { method: 'DELETE' }, kind: 'no-effect', times: 1 })),
} as const satisfies Record<string, FaultKind>;

export type FaultName = keyof typeof KINDS;
export const FAULT_NAMES = Object.keys(KINDS) as FaultName[];

/**
 * Played only when they are named: what no answer shows can be found by the next look for drift only, and the replies of commits are among those that are
 * cut anyhow.
 */
const NAMED_ONLY: ReadonlySet<FaultName> = new Set(['maxio-pretends', 'cut-commits']);
export const ORDINARY_FAULTS = FAULT_NAMES.filter((name) => !NAMED_ONLY.has(name));

/** A fault that was let happen. */
export interface Struck {
  name: FaultName;
  /** From its beginning to its end; of what lies in wait, only how long it took to put it there. */
  lastedMs: number;
  met: boolean;
}

/** So often is a fault let happen that nobody meets with, where it has to be met. */
const TRIES_MAX = 3;
const MET_WITHIN_MS = 30_000;

/** Two faults about processes at once would undo each other: whoever restarts waits for whoever has stopped. */
export class Faults {
  readonly #cluster: Cluster;
  #processes: Promise<void> = Promise.resolve();
  readonly #started: Promise<void>[] = [];
  /** What lies in wait, each with the look whether it was met with. */
  readonly #inWait = new Map<Struck, Met>();
  /** What has happened, in order, for the report. */
  readonly struck: Struck[] = [];
  /** What was to mend itself and did not. */
  readonly unmended: string[] = [];

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Lets one fault happen; it runs beside the load. @returns when it is over or, what lies in wait, in place */
  async strike(name: FaultName, random: Random): Promise<Struck> {
    const struck: Struck = { name, lastedMs: 0, met: false };
    const happen = async (): Promise<void> => {
      this.struck.push(struck);
      const beganMs = performance.now();
      try {
        const met = (await KINDS[name](this.#cluster, random)) ?? true;
        if (typeof met === 'boolean') struck.met = met;
        else this.#inWait.set(struck, () => (struck.met ||= met()));
      } catch (error) {
        this.unmended.push(`${name}: ${wordsOf(error)}`);
      }
      struck.lastedMs = performance.now() - beganMs;
    };
    const done = name.startsWith('maxio-') ? happen() : this.#processes.then(happen);
    if (!name.startsWith('maxio-')) this.#processes = done;
    this.#started.push(done);
    await done;
    return struck;
  }

  /** Lets each of these happen, one after the other, each until it was met with; there must be load as long as this takes. */
  async inTurn(names: readonly FaultName[], random: Random): Promise<void> {
    for (const name of names) {
      for (let tries = 1, met = false; tries <= TRIES_MAX && !met; tries += 1) {
        const struck = await this.strike(name, random.fork(`${name} ${tries}`));
        const look = this.#inWait.get(struck);
        met =
          look === undefined
            ? struck.met
            : await until(`${name} is met with`, look, { timeoutMs: MET_WITHIN_MS }).catch(() => false);
      }
    }
  }

  /** Waits for all faults to have mended themselves, then mends what is left. */
  async over(): Promise<void> {
    await Promise.all(this.#started);
    for (const look of this.#inWait.values()) look();
    await this.#cluster.heal();
    await until('all processes run', () => this.#cluster.processes.every(({ running }) => running));
  }
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message} (${wordsOf(error.cause)})`;
}
