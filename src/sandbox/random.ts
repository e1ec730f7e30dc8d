/**
 * Owns repeatable chance: the same seed draws the same numbers, so that a failed run can be played again.
 * Refuses to be used for secrets. The generator is mulberry32, small and good enough for choosing faults.
 */

/** Builds a generator of numbers from 0 up to, not including, 1. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
