/**
 * Owns how a wrong configuration is told: every problem at once, one line each, each line with what to do, no value of a secret.
 * Refuses to know how the configuration is read.
 */
export class ConfigError extends Error {
  readonly problems: string[];

  constructor(problems: string[]) {
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
    super(`The configuration has ${count}:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Counts the edits (insert, delete, replace) between two names. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/** Tells that a name is unknown, with the nearest known one when it is near enough to be meant. */
export function unknownName(name: string, known: readonly string[]): string {
  const ranked = known.map((each) => ({ each, far: distance(name, each) })).sort((a, b) => a.far - b.far);
  const best = ranked[0];
  const hint =
    best && best.far <= Math.max(2, Math.floor(name.length / 3))
      ? `did you mean ${best.each}?`
      : 'remove it, or see .env.example for the names there are';
  return `${name} is not a known setting; ${hint}`;
}
