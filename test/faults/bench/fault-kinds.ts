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

type FaultKind = (cluster: Cluster, random: Random) => Promise<void>;

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
  return async ({ sandbox }, random) => {
    sandbox.state.setFault(describe(random));
  };
}

const WRITES = ['POST', 'PUT', 'DELETE'] as const;

const KINDS = {
  'kill-api': async ({ apis }, random) => await killAndRestart([random.pick(apis)], random.between(0, 500)),
  'kill-worker': async ({ workers }, random) => await killAndRestart([random.pick(workers)], random.between(0, 500)),
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
    // It may never come to the point; then it ends by our hand.
    await victim.ended(4_000).catch(() => victim.end('SIGKILL'));
    victim.start();
    await victim.ready();
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
  'cut-replies': async ({ proxy }, random) => {
    const script = random.pick(Object.keys(SCRIPTS) as (keyof typeof SCRIPTS)[]);
    proxy.cutBeforeReply(SCRIPTS[script], random.between(1, 4));
  },
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

/** What no answer shows can be found by the next look for drift only, so these are played only when they are named. */
const NAMED_ONLY: ReadonlySet<FaultName> = new Set(['maxio-pretends']);
export const ORDINARY_FAULTS = FAULT_NAMES.filter((name) => !NAMED_ONLY.has(name));

/** Two faults about processes at once would undo each other: whoever restarts waits for whoever has stopped. */
export class Faults {
  readonly #cluster: Cluster;
  #processes: Promise<void> = Promise.resolve();
  readonly #started: Promise<void>[] = [];
  /** What has happened, in order, for the report. */
  readonly story: string[] = [];

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Lets one fault happen; it runs beside the load. */
  strike(name: FaultName, random: Random): void {
    const happen = async (): Promise<void> => {
      this.story.push(name);
      await KINDS[name](this.#cluster, random);
    };
    const done = name.startsWith('maxio-') ? happen() : this.#processes.then(happen);
    if (!name.startsWith('maxio-')) this.#processes = done.catch(() => undefined);
    this.#started.push(done);
  }

  /** Waits for all faults to have mended themselves, then mends what is left. */
  async over(): Promise<void> {
    const ends = await Promise.allSettled(this.#started);
    await this.#cluster.heal();
    for (const end of ends) if (end.status === 'rejected') this.story.push(`a fault did not mend itself: ${String(end.reason)}`);
    await until('all processes run', () => this.#cluster.processes.every(({ running }) => running));
  }
}
