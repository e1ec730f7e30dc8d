/**
 * Owns what a history is: settings, and a list of events in order of time, both following from a seed alone. A shrunk history is the same with fewer events.
 * Refuses to carry anything out (play.ts).
 */
import { Random } from '../faults/bench/random.ts';
import type { BellFaults } from './bullmq.ts';
import { type FaultOrder, MAXIO_FAULTS } from './maxio.ts';

export const APIS = ['api-1', 'api-2'] as const;
export const WORKERS = ['worker-1', 'worker-2'] as const;
export type ProcessName = (typeof APIS)[number] | (typeof WORKERS)[number];

export type Verb = 'create' | 'replace' | 'activate' | 'deactivate' | 'rename' | 'retitle' | 'delete';

export type HistoryEvent = { atMs: number } & (
  | { kind: 'write'; person: number; verb: Verb; replica: number; impatient: boolean }
  | { kind: 'read'; person: number; how: 'id' | 'filter'; replica: number }
  | { kind: 'kill'; process: ProcessName; downMs: number }
  | { kind: 'pause'; process: ProcessName; ms: number }
  | { kind: 'restart'; process: ProcessName; downMs: number }
  | { kind: 'redis-dies'; downMs: number }
  | { kind: 'redis-freezes'; ms: number }
  | ({ kind: 'maxio' } & FaultOrder)
  | ({ kind: 'bells' } & BellFaults)
  | { kind: 'order'; order: 'approve' | 'reject' | 'observe' | 'paused' | 'enforce'; person: number }
  | { kind: 'staff'; person: number }
);

export interface Settings {
  people: number;
  policy: 'cancel' | 'cancel_at_period_end' | 'hold';
  graceMs: number;
  calmMs: number;
  guard: { floor: number; hourPercent: number; dayPercent: number; revenuePercent: number; calmSeconds: number };
  /** An operator approves every leave that is held in the end; otherwise they stay held. */
  approves: boolean;
  callsPerWindow: number;
  windowSeconds: number;
  concurrency: number;
  backlogLimit: number;
}

export interface History {
  seed: number;
  settings: Settings;
  events: HistoryEvent[];
}

/** Settings under which nothing waits for anything. */
export const PLAIN: Settings = {
  people: 2,
  policy: 'cancel',
  graceMs: 0,
  calmMs: 0,
  guard: { floor: 1_000_000, hourPercent: 100, dayPercent: 100, revenuePercent: 100, calmSeconds: 0 },
  approves: false,
  callsPerWindow: 400,
  windowSeconds: 60,
  concurrency: 4,
  backlogLimit: 100_000,
};

/** Make the history of a seed. */
export function historyOf(seed: number): History {
  const random = new Random(seed);
  const settings = settingsOf(random.fork('settings'));
  return { seed, settings, events: eventsOf(random.fork('events'), settings) };
}

function settingsOf(random: Random): Settings {
  const windowSeconds = random.pick([20, 60]);
  const concurrency = random.pick([1, 2, 2, 4, 4, 4, 4, 4, 4, 4]);
  return {
    people: random.pick([2, 3, 5, 8, 12]),
    policy: random.weighed({ cancel: 4, cancel_at_period_end: 1, hold: 1 }),
    graceMs: random.pick([0, 0, 5_000, 30_000]),
    calmMs: random.pick([0, 5_000]),
    guard: random.chance(0.5)
      ? PLAIN.guard
      : {
          floor: random.between(0, 4),
          hourPercent: random.pick([0, 10, 40]),
          dayPercent: 50,
          revenuePercent: 60,
          calmSeconds: 0,
        },
    approves: random.chance(0.5),
    // Enough to come to an end, little enough to be felt.
    callsPerWindow: concurrency + random.pick([6, 15, 40, 400]),
    windowSeconds,
    concurrency,
    backlogLimit: random.chance(0.1) ? 3 : 100_000,
  };
}

function eventsOf(random: Random, settings: Settings): HistoryEvent[] {
  const spanMs = random.pick([3_000, 15_000, 40_000, 100_000]);
  const writes = random.between(settings.people, settings.people * 4);
  const faults = random.pick([0, 2, 5, 10]);
  const events: HistoryEvent[] = [];
  const at = (): number => random.between(0, spanMs);
  const person = (): number => random.between(0, settings.people - 1);
  for (let i = 0; i < settings.people; i += 1) {
    events.push({
      atMs: random.between(0, spanMs / 4),
      kind: 'write',
      person: i,
      verb: 'create',
      replica: random.between(0, 1),
      impatient: false,
    });
  }
  for (let i = 0; i < writes; i += 1) {
    const verb = random.weighed<Verb>({ deactivate: 6, activate: 5, rename: 4, retitle: 1, replace: 2, delete: 1, create: 1 });
    events.push({
      atMs: at(),
      kind: 'write',
      person: person(),
      verb,
      replica: random.between(0, 1),
      impatient: random.chance(0.25),
    });
  }
  for (let i = 0; i < settings.people; i += 1) if (random.chance(0.5)) events.push(...burstOf(random, person(), at()));
  for (let i = 0; i < writes / 3; i += 1) {
    events.push({
      atMs: at(),
      kind: 'read',
      person: person(),
      how: random.pick(['id', 'filter']),
      replica: random.between(0, 1),
    });
  }
  for (let i = 0; i < faults; i += 1) events.push({ atMs: at(), ...faultOf(random) });
  if (random.chance(0.3)) {
    for (let i = 0; i < 4; i += 1) {
      const order = random.pick(['approve', 'reject', 'approve', 'observe', 'paused', 'enforce'] as const);
      events.push({ atMs: at(), kind: 'order', order, person: person() });
    }
  }
  if (random.chance(0.2)) events.push({ atMs: at(), kind: 'staff', person: person() });
  return events.sort((a, b) => a.atMs - b.atMs);
}

/** One person, changed by both replicas at the same moment, or away and back while the work on them goes on. */
function burstOf(random: Random, person: number, fromMs: number): HistoryEvent[] {
  const gaps = random.pick([
    [0, 0],
    [0, 1, 2, 3],
    [0, 5, 30],
    [0, 700, 1_500],
    [0, 4_000, 9_000],
    [0, 31_000],
  ]);
  const flaps = random.chance(0.6);
  return gaps.map((gapMs, at) => {
    const verb = flaps
      ? at % 2 === 0
        ? 'deactivate'
        : 'activate'
      : random.pick<Verb>(['rename', 'retitle', 'deactivate', 'replace']);
    return { atMs: fromMs + gapMs + random.between(0, 2), kind: 'write', person, verb, replica: at % 2, impatient: true };
  });
}

type WithoutTime<T> = T extends unknown ? Omit<T, 'atMs'> : never;

function faultOf(random: Random): WithoutTime<HistoryEvent> {
  const process = random.pick([...APIS, ...WORKERS, ...WORKERS]);
  const kind = random.weighed({ maxio: 8, kill: 3, pause: 3, restart: 1, 'redis-dies': 1, 'redis-freezes': 1, bells: 1 });
  switch (kind) {
    case 'kill':
    case 'restart':
      return { kind, process, downMs: random.pick([100, 3_000, 10_000]) };
    case 'pause':
      return { kind, process, ms: random.pick([300, 4_000, 8_000, 20_000, 60_000]) };
    case 'redis-dies':
      return { kind, downMs: random.pick([500, 5_000, 20_000]) };
    case 'redis-freezes':
      return { kind, ms: random.pick([1_000, 3_000, 20_000]) };
    case 'bells':
      return { kind, lost: random.pick([0, 0.5, 1]), doubled: random.pick([0, 0.5]), apiOnly: random.chance(0.7) };
    case 'maxio':
      return {
        kind,
        fault: random.pick(MAXIO_FAULTS),
        calls: random.pick([1, 1, 1, 2, 4]),
        writesOnly: random.chance(0.6),
        lateMs: random.pick([500, 5_000, 12_000, 18_000, 24_000]),
      };
  }
}

/** One line for each event, as a person reads it. */
export function told(history: History): string[] {
  const { policy, people, graceMs, calmMs, guard, callsPerWindow, windowSeconds, concurrency, backlogLimit, approves } =
    history.settings;
  const budget = `${callsPerWindow} calls in ${windowSeconds} s, ${concurrency} at once`;
  const limits =
    guard.floor >= 1_000_000 ? 'no guard' : `guard ${JSON.stringify(guard)}${approves ? ', approves in the end' : ''}`;
  const head = `${people} people, policy ${policy}, grace ${graceMs} ms, calm ${calmMs} ms, ${budget}, backlog ${backlogLimit}, ${limits}`;
  return [
    head,
    ...history.events.map(({ atMs, kind, ...rest }) => {
      const words = Object.entries(rest).map(([name, value]) => `${name} ${value}`);
      return `${(atMs / 1_000).toFixed(3).padStart(9)} s  ${kind} ${words.join(', ')}`;
    }),
  ];
}
