/** Owns one play of a history from its first event to the verdict. The same history always ends the same. Refuses to choose histories. */
import { check } from '../faults/bench/checker.ts';
import type { Evidence, Violation } from '../faults/bench/evidence.ts';
import { Random } from '../faults/bench/random.ts';
import type { History } from './history.ts';
import { type Sabotage, World } from './world.ts';

/** A history that takes more events than this goes round in circles. */
const TURNS_MAX = 400_000;

export interface Played {
  violations: Violation[];
  evidence: Evidence | undefined;
  turns: number;
}

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
    if (!(error instanceof RangeError)) throw error;
    return { violations: [{ invariant: 'I12', evidence: error.message }], evidence: undefined, turns: world.clock.turns };
  } finally {
    restore();
  }
}
