/**
 * Owns the search for a text in a text in time that their lengths alone decide. The engine's own search is faster for usual texts, but for a long text
 * that almost occurs everywhere its time is the product of both lengths. By Knuth, Morris and Pratt. Refuses to fold.
 */

/** Below these the engine's own search is good enough at its worst. */
const WANTED_MAX = 32;
const TEXT_MAX = 4_096;

export function includes(text: string, wanted: string): boolean {
  if (wanted.length <= WANTED_MAX || text.length <= TEXT_MAX || wanted.length > text.length) return text.includes(wanted);
  const borders = bordersOf(wanted);
  let matched = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    while (matched > 0 && wanted.charCodeAt(matched) !== char) matched = borders[matched - 1] ?? 0;
    if (wanted.charCodeAt(matched) === char) matched += 1;
    if (matched === wanted.length) return true;
  }
  return false;
}

/** Of each beginning of the text: how long the longest shorter beginning is that it also ends with. */
function bordersOf(text: string): Uint32Array {
  const borders = new Uint32Array(text.length);
  let length = 0;
  for (let at = 1; at < text.length; at += 1) {
    while (length > 0 && text.charCodeAt(at) !== text.charCodeAt(length)) length = borders[length - 1] ?? 0;
    if (text.charCodeAt(at) === text.charCodeAt(length)) length += 1;
    borders[at] = length;
  }
  return borders;
}
