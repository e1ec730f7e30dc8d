/**
 * Owns how much the operations of one PATCH, or all of one bulk request, may make us do: values are looked at by filters and compared with those of a
 * list, again and again, and a value may be copied to hundreds. Requests of all sites are read one after the other, so nobody may keep the others waiting; the size of a body alone
 * does not say how long it takes. Refuses to measure time: the same request is refused on every machine. RFC 7644 §3.12 (413).
 */

import { tooLarge } from '../error.ts';
import { Folds } from '../filter/folds.ts';
import { isAscii } from '../fold.ts';
import { isObject } from '../json.ts';
import type { Json, JsonObject } from '../types.ts';

/**
 * In units of about a nanosecond on a slow machine: a tenth of a second. Enough for the longest list against itself, or for 1,000 operations with a
 * filter each on a list of 100 values; both providers send a few operations over a few values.
 */
const UNITS_MAX = 100_000_000;
const UNITS = { value: 100, name: 30, top: 300, pathChar: 60, pathMark: 250, copiedChar: 60, comparison: 250 } as const;

export class Effort {
  /** For filters, whose work is counted here. */
  readonly folds = new Folds((units) => this.#spend(units));
  #left = UNITS_MAX;

  /** Counts the reading of a path and of the filter in it. Throws ScimError 413 when it becomes too much, as all below. */
  path(text: string): void {
    this.#spend(text.length * (isAscii(text) ? UNITS.pathChar : UNITS.pathMark));
  }

  /** Counts that a value, all elements of a list or all names of an object are gone through. */
  through(value: Json | undefined): void {
    this.#spend(Array.isArray(value) ? value.reduce<number>((sum, element) => sum + unitsOf(element), 0) : unitsOf(value));
  }

  /** Counts that all a resource has is gone through, which is much where it has many schemas. */
  resource(attributes: JsonObject): void {
    this.#spend(Object.keys(attributes).length * UNITS.top);
  }

  /** Counts that so many values are gone through. */
  values(count: number): void {
    this.#spend(count * UNITS.value);
  }

  /** Counts that each of so many names is looked for among as many others. */
  names(wanted: number, among: number): void {
    this.#spend(wanted * among * UNITS.name);
  }

  /** Counts that a value is read anew for each of so many elements. */
  copies(value: Json, count: number): void {
    if (count > 1) this.#spend(JSON.stringify(value).length * count * UNITS.copiedChar);
  }

  /** Counts a text that was made to compare by. */
  text({ length }: string): void {
    this.#spend(length);
  }

  /** Counts a comparison with a value. */
  comparison(value: Json | undefined): void {
    const chars = typeof value === 'string' ? value.length / 8 : typeof value === 'object' ? 3 * JSON.stringify(value).length : 0;
    this.#spend(UNITS.comparison + chars);
  }

  #spend(units: number): void {
    this.#left -= units;
    if (this.#left < 0) throw tooLarge('The operations compare too many values with each other. Split the request.');
  }
}

function unitsOf(value: Json | undefined): number {
  return isObject(value) ? UNITS.value + Object.keys(value).length * UNITS.name : UNITS.value;
}
