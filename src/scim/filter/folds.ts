/**
 * Owns the folded texts of one evaluation: each is folded once, however many conditions look at it, and whoever evaluates is told what it costs.
 * Memory is bounded: what does not fit is folded again. Refuses to know the rule (fold.ts) and what may be spent.
 */
import { FOLDED_MAX, foldCase, foldText, foldUserName, isAscii } from '../fold.ts';

/** In characters, folded and not. */
const KEPT_MAX = 2_000_000;
/** Folding a shorter text costs no more than finding it here, when it needs no rule. */
const PLAIN_MAX = 64;
/** What is told is in units of about a nanosecond on a slow machine; these are by measurement (test/bench/filters.ts). */
const UNITS_OF_A_LOOK = 200;
const UNITS_OF_A_CHAR = 6;
const UNITS_OF_A_FOLD = 40;

export class Folds {
  readonly #spend: (units: number) => void;
  readonly #kept = new Map<string, string>();
  #keptChars = 0;

  /** @param spend told of all work before it is done, as far as that can be known; it may throw */
  constructor(spend: (units: number) => void = () => undefined) {
    this.#spend = spend;
  }

  /** Counts one look at a value that many characters of which are read. */
  look(chars: number): void {
    this.#spend(UNITS_OF_A_LOOK + UNITS_OF_A_CHAR * chars);
  }

  /** Folds a stored text, and brings what it is compared with into the same form. @param value folded by the whole rule, `written` not at all */
  pair(stored: string, value: string, written: string): [string, string] {
    if (stored.length <= FOLDED_MAX) return [this.of(stored), value];
    // Folded by letter case alone, both or neither.
    return [this.of(stored), isAscii(written) || isAscii(stored) ? value : foldCase(written)];
  }

  /** Folds a text for a comparison. */
  of(text: string): string {
    if (text.length <= PLAIN_MAX && isAscii(text)) return foldUserName(text);
    const kept = this.#kept.get(text);
    if (kept !== undefined) return kept;
    const isPlain = text.length > FOLDED_MAX || isAscii(text);
    // Marks are put in order by comparing them with each other.
    if (!isPlain) this.#spend(text.length ** 2 / 4);
    const folded = foldText(text);
    this.#spend((isPlain ? UNITS_OF_A_CHAR : UNITS_OF_A_FOLD) * folded.length);
    this.#keep(text, folded);
    return folded;
  }

  #keep(text: string, folded: string): void {
    this.#keptChars += text.length + folded.length;
    if (this.#keptChars > KEPT_MAX) {
      this.#kept.clear();
      this.#keptChars = text.length + folded.length;
    }
    this.#kept.set(text, folded);
  }
}
