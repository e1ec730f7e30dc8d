/** Owns one play of a history from its first event to the verdict. The same history always ends the same. Refuses to choose histories. */
import { check } from '../faults/bench/checker.ts';
import type { Evidence, Invariant, Violation } from '../faults/bench/evidence.ts';
import { Random } from '../faults/bench/random.ts';
import { NoEnd } from './clock.ts';
import type { History } from './history.ts';
import { type Sabotage, World } from './world.ts';

/** A history that takes more events than this goes round in circles. */
const TURNS_MAX = 400_000;

/** `defect`: an error that nobody is ever to see, raised by the code under test or by the world around it. */
export interface Failure extends Omit<Violation, 'invariant'> {
  invariant: Invariant | 'defect';
}

export interface Played {
  violations: Failure[];
  evidence: Evidence | undefined;
  turns: number;
}

/** Never throws: whatever ends a history early is what it comes to. */
export async function play(history: History, sabotage: Sabotage = {}): Promise<Played> {
  const world = new World(history, new Random(history.seed).fork('chance'), sabotage);
  const restore = world.clock.install();
  try {
    if (sabotage.meddle !== undefined) world.clock.after(10_000, undefined, () => sabotage.meddle?.(world));
    const evidence = await world.clock.until(world.play(), TURNS_MAX, () => {
      if (world.server.defects.length > 0) throw world.server.defects[0];
    });
    return { violations: check(evidence), evidence, turns: world.clock.turns };
  } catch (error) {
    return { violations: [failureOf(error)], evidence: undefined, turns: world.clock.turns };
  } finally {
    restore();
  }
}

function failureOf(error: unknown): Failure {
  if (error instanceof NoEnd) return { invariant: 'I12', evidence: error.message };
  return { invariant: 'defect', evidence: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
