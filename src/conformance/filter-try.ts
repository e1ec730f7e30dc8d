/**
 * Owns how the checks of filters try one: on the three people of the run, so that it works beside any others.
 */
import type { Check } from './check.ts';
import type { Cast } from './trial.ts';

type Names = readonly (keyof Cast)[];

interface Words {
  run: string;
  mine: string;
  cast: Cast;
}

/** A filter and whom it finds of Ann, Bob and Cora. */
export function finds(filter: (words: Words) => string, names: Names): Check['run'] {
  return async (t) => t.finds(filter({ run: t.world.run, mine: t.mine, cast: await t.cast() }), ...names);
}

/** Like `finds`, for attributes that a server may not have. */
export function findsBy(attribute: string, filter: (words: Words) => string, names: Names): Check['run'] {
  return async (t) => {
    t.needsAttribute(attribute);
    await finds(filter, names)(t);
  };
}

/** What stands before the @. */
export function local(userName: string): string {
  return userName.split('@', 1)[0] ?? '';
}
