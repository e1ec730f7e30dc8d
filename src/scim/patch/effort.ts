/**
 * Owns how much the operations of one PATCH may make us compare: a list of values with a filter, or with the values of a list, again and again.
 * Requests of all sites are read one after the other, so nobody may keep the others waiting for seconds; the size of a body alone does not say how long
 * it takes. Refuses to measure time: the same request is refused on every machine. RFC 7644 §3.12 (413).
 */

import { tooLarge } from '../error.ts';
import type { Filter } from '../filter/types.ts';
import { partsOf } from '../filter.ts';

export class Effort {
  #left: number;

  /** @param most comparisons of one value with one condition, or with one other value */
  constructor(most: number) {
    this.#left = most;
  }

  /** Counts that so many values are looked at by a filter, or compared with so many others. Throws ScimError 413 when it becomes too much. */
  spend(values: number, by: Filter | number): void {
    this.#left -= values * (typeof by === 'number' ? by : Math.max(1, partsOf(by).length));
    if (this.#left < 0) throw tooLarge('The operations compare too many values with each other. Split the request.');
  }
}
