/** Owns the reading of Redis TIME, the only clock that spans processes. */

/** @param answer seconds and microseconds @returns ms, NaN for an answer that is none */
export function milliseconds([seconds, micros]: readonly (string | number)[]): number {
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}
