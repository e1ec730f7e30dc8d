/**
 * Owns the one rule by which two names count as the same (RFC 7643 §2.2 caseExact, §4.1.1 userName).
 * Refuses to know where it is used: uniqueness and filters must agree, otherwise a client finds nobody and then collides.
 *
 * The rule: NFKC and full Unicode case folding. `ß`, `ẞ`, `SS` and `ss` are one name; so are composed and decomposed accents,
 * fullwidth letters, ligatures and the Kelvin sign. Turkish dotless `ı` stays apart from `i`, and `İ` is `i` with a dot: no locale
 * is guessed. Letters of different scripts that only look alike stay different.
 *
 * The rule costs far more than reading a text does, and more than in proportion where many marks stand on one letter. Names are short, and limited where
 * they are read; any other text may fill a whole resource, so beyond `FOLDED_MAX` such texts are compared by letter case alone.
 */

const ASCII = /^\p{ASCII}*$/u;
/** In characters; no name that may be kept is longer (read-value.ts). */
export const FOLDED_MAX = 1_024;
const DOTLESS_I = 'ı';
/** NFKC and folding disturb each other for a few combining marks; the second round settles them. */
const ROUNDS_MAX = 4;

function foldOnce(text: string): string {
  // lower-upper-lower equals full case folding except for dotless i, which upper case would merge with i.
  const folded = text
    .normalize('NFKC')
    .split(DOTLESS_I)
    .map((part) => part.toLowerCase().toUpperCase().toLowerCase())
    .join(DOTLESS_I);
  // Lower-casing picks the final sigma by its neighbours; a prefix must fold like the whole word.
  return folded.replaceAll('ς', 'σ').normalize('NFKC');
}

/** Folds a userName, or any caseExact=false text, into the form that is compared and indexed; never shown to anybody. */
export function foldUserName(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  let folded = text.normalize('NFD');
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const next = foldOnce(folded);
    if (next === folded) break;
    folded = next;
  }
  return folded;
}

/** Folds any text for a comparison: what may be a name by the rule, a longer one by letter case alone. */
export function foldText(text: string): string {
  return text.length <= FOLDED_MAX ? foldUserName(text) : foldCase(text);
}

/** Folds letter case alone; its cost is that of reading the text. */
export function foldCase(text: string): string {
  return text.toLowerCase().replaceAll('ς', 'σ');
}

export function isAscii(text: string): boolean {
  return ASCII.test(text);
}

/** Folds an e-mail address by the same rule, local part included: no provider in use tells `Ann@` from `ann@`. */
export function foldEmail(address: string): string {
  return foldUserName(address);
}
