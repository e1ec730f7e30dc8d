/**
 * Owns the shortest form of a history that fails: events are left out, in ever smaller portions, as long as the same invariant is still violated; then the
 * settings are made plain. Refuses to know what the events mean. Chance follows from the seed, so every attempt is a history of its own right.
 */
import { type History, PLAIN, type Settings } from './history.ts';
import { type Failure, play } from './play.ts';
import type { Sabotage } from './world.ts';

const ATTEMPTS_MAX = 400;

/** Made plain one after the other. */
const PARTS: (keyof Settings)[][] = [
  ['guard'],
  ['approves'],
  ['graceMs'],
  ['calmMs'],
  ['callsPerWindow', 'windowSeconds'],
  ['concurrency'],
  ['backlogLimit'],
  ['policy'],
];

/** @param history one that fails */
export async function shrink(history: History, sabotage: Sabotage = {}): Promise<{ history: History; violations: Failure[] }> {
  let best = history;
  let { violations } = await play(history, sabotage);
  const wanted = violations[0]?.invariant;
  let attempts = 0;
  const improves = async (candidate: History): Promise<boolean> => {
    attempts += 1;
    if (attempts > ATTEMPTS_MAX) return false;
    const played = await play(candidate, sabotage);
    if (!played.violations.some(({ invariant }) => invariant === wanted)) return false;
    best = candidate;
    violations = played.violations;
    return true;
  };
  for (let portion = Math.ceil(best.events.length / 2); portion >= 1; portion = portion === 1 ? 0 : Math.ceil(portion / 2)) {
    for (let from = 0; from < best.events.length; ) {
      const events = [...best.events.slice(0, from), ...best.events.slice(from + portion)];
      if (!(await improves({ ...best, events }))) from += portion;
    }
  }
  for (const part of PARTS) {
    const plain = Object.fromEntries(part.map((name) => [name, PLAIN[name]])) as Partial<Settings>;
    await improves({ ...best, settings: { ...best.settings, ...plain } });
  }
  return { history: best, violations };
}
