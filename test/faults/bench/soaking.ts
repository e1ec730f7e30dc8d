/**
 * Owns a run of random histories one after the other: progress, what is told of a seed that failed, what is kept of it, and the summary. A history that
 * cannot be played to its end has failed too. Refuses to read options and to decide how the process ends (soak.ts).
 */
import { INVARIANTS } from './checker.ts';
import type { HistoryResult } from './history.ts';

/** When so many in a row cannot be played at all, it is the machine, and nothing is learnt from the next. */
const BROKEN_IN_A_ROW_MAX = 3;

export interface SoakParts {
  first: number;
  /** At most so many histories. */
  most: number;
  /** Whether there is time for another one. */
  hasTime: () => boolean;
  run: (seed: number) => Promise<HistoryResult>;
  /** The command that plays a seed again. */
  replayOf: (seed: number) => string;
  /** Keeps a seed for good. */
  remember: (seed: number, why: string) => void;
  /** Writes down everything about a history. @returns the name of the file */
  keepEvidence: (result: HistoryResult) => string;
}

export interface Soaked {
  histories: number;
  failed: number[];
}

function count(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}

function listed(map: Map<string, number>): string {
  return [...map]
    .sort()
    .map(([name, times]) => `${name} ${times}`)
    .join(', ');
}

/** Plays history after history, and tells at last what came of them. */
export async function soak(parts: SoakParts): Promise<Soaked> {
  const run = new SoakRun(parts);
  for (let i = 0; i < parts.most && parts.hasTime() && !run.isBroken; i += 1) await run.play(parts.first + i);
  return run.end();
}

class SoakRun {
  readonly #parts: SoakParts;
  readonly #totals = { histories: 0, acks: 0, unknown: 0, calls: 0, violations: 0 };
  readonly #faults = new Map<string, number>();
  readonly #statuses = new Map<string, number>();
  readonly #failed: number[] = [];
  /** Not kept before anything could be played: on a machine without a Redis every seed breaks. */
  #unkept: number[] = [];
  #brokenInARow = 0;

  constructor(parts: SoakParts) {
    this.#parts = parts;
  }

  get isBroken(): boolean {
    return this.#brokenInARow >= BROKEN_IN_A_ROW_MAX;
  }

  async play(seed: number): Promise<void> {
    this.#progress(seed);
    let result: HistoryResult;
    try {
      result = await this.#parts.run(seed);
    } catch (error) {
      this.#broke(seed, error);
      return;
    }
    this.#brokenInARow = 0;
    this.#sum(result);
    this.#keepBroken();
    if (result.violations.length === 0) return;
    this.#failed.push(seed);
    this.#tell(result);
    this.#parts.remember(seed, [...new Set(result.violations.map(({ invariant }) => invariant))].join(', '));
  }

  end(): Soaked {
    const { histories, acks, unknown, calls, violations } = this.#totals;
    const failed = this.#failed;
    const { first } = this.#parts;
    console.log(`\n${histories} histories${histories === 0 ? '' : `, seeds ${first} to ${first + histories - 1}`}`);
    console.log(`${acks} acknowledged, ${unknown} without an answer, ${calls} calls to Maxio`);
    console.log(`answers: ${listed(this.#statuses)}`);
    console.log(`faults: ${listed(this.#faults)}`);
    if (this.isBroken) {
      console.log(
        `ended early: ${BROKEN_IN_A_ROW_MAX} histories in a row could not be played; look at what was said of the last one`,
      );
    }
    console.log(failed.length === 0 ? 'no violation' : `${violations} violations, failed seeds ${failed.join(', ')}`);
    return { histories, failed };
  }

  #broke(seed: number, error: unknown): void {
    this.#totals.histories += 1;
    this.#brokenInARow += 1;
    this.#failed.push(seed);
    this.#unkept.push(seed);
    if (this.#totals.histories > this.#brokenInARow) this.#keepBroken();
    const words = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const cause = error instanceof Error && error.cause !== undefined ? `\n  because: ${String(error.cause)}` : '';
    console.log(`\nseed ${seed} could not be played to its end: ${words}${cause}\n  again:    ${this.#parts.replayOf(seed)}`);
  }

  #keepBroken(): void {
    for (const seed of this.#unkept) this.#parts.remember(seed, 'not played to its end');
    this.#unkept = [];
  }

  #sum({ evidence, violations, faults }: HistoryResult): void {
    const { acks, ledger } = evidence;
    const totals = this.#totals;
    totals.histories += 1;
    totals.acks += acks.filter(({ status }) => status !== 'unknown' && status < 300).length;
    totals.unknown += acks.filter(({ status }) => status === 'unknown').length;
    totals.calls += ledger.length;
    totals.violations += violations.length;
    for (const { name, met } of faults) count(this.#faults, met ? name : `${name} (not met with)`);
    for (const { status } of acks) count(this.#statuses, String(status));
  }

  #tell(result: HistoryResult): void {
    const { seed, violations, story } = result;
    console.log(`\nseed ${seed}: ${story.join(', ')}`);
    for (const { invariant, person, evidence: seen } of violations) {
      console.log(`  ${invariant}${person === undefined ? '' : `, person ${person}`}: ${seen}`);
    }
    for (const invariant of new Set(violations.map((each) => each.invariant))) {
      console.log(`  ${invariant} says: ${INVARIANTS[invariant]}`);
    }
    console.log(`  evidence: ${this.#parts.keepEvidence(result)}\n  again:    ${this.#parts.replayOf(seed)}`);
  }

  #progress(seed: number): void {
    const { histories, acks, calls, violations } = this.#totals;
    const line = `${histories} histories, ${acks} acknowledged, ${calls} calls to Maxio, ${violations} violations; now seed ${seed}`;
    if (process.stdout.isTTY) process.stdout.write(`\r${line.padEnd(110)}`);
    else console.log(line);
  }
}
