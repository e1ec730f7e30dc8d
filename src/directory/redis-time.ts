/** Owns the reading of Redis TIME, the only clock that spans processes. */

/** @param answer seconds and microseconds @returns ms */
export function milliseconds([seconds, micros]: [string, string]): number {
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}
