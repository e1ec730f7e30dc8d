/**
 * Owns the one rule by which two names count as the same (RFC 7643 §2.2 caseExact, §4.1.1 userName).
 * Refuses to know where it is used: uniqueness and filters must agree, otherwise a client finds nobody and then collides.
 *
 * The rule: NFKC and full Unicode case folding. `ß`, `ẞ`, `SS` and `ss` are one name; so are composed and decomposed accents,
 * fullwidth letters, ligatures and the Kelvin sign. Turkish dotless `ı` stays apart from `i`, and `İ` is `i` with a dot: no locale
 * is guessed. Letters of different scripts that only look alike stay different.
 */

const ASCII = /^\p{ASCII}*$/u;
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

/** Folds an e-mail address by the same rule, local part included: no provider in use tells `Ann@` from `ann@`. */
export function foldEmail(address: string): string {
  return foldUserName(address);
}
