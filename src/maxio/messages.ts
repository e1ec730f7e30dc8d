/**
 * Owns how Maxio's error bodies, of which six shapes are known, become a short list of texts fit for an operator's eyes.
 * Refuses to know what the texts mean. E-mail addresses and the caller's secrets do not get through, nor do control characters, nor what the request said
 * about a person, where the caller names it.
 * Source: developers.maxio.com "Error handling", and the shapes its live tests assert.
 */

const TEXTS_MAX = 10;
const TEXT_LENGTH_MAX = 200;
/** Of a longer text the rest is not looked at: an answer may have megabytes, and each pattern goes over all of what it is given. */
const TEXT_LOOKED_MAX = 10 * TEXT_LENGTH_MAX;
const DEPTH_MAX = 4;

/** Walks lists and maps of texts; a key other than `base` is said before its text. */
function* textsIn(node: unknown, label: string, depth: number): Generator<string> {
  if (typeof node === 'string') yield label ? `${label}: ${node}` : node;
  else if (depth === DEPTH_MAX) return;
  else if (Array.isArray(node)) for (const each of node) yield* textsIn(each, label, depth + 1);
  else if (typeof node === 'object' && node !== null) {
    for (const [key, each] of Object.entries(node)) yield* textsIn(each, key === 'base' ? label : key, depth + 1);
  }
}

/** Values shorter than this are parts of too many words to be taken out, and name nobody. */
const VALUE_LENGTH_MIN = 2;

/**
 * Finds what we have sent about a person: some texts of Maxio quote it, and texts go into the audit trail, where nobody may be named.
 * Whole words only, in any letter case, as they are and as they stand in an address.
 */
function patternOf(values: readonly string[]): RegExp | undefined {
  const forms = values
    .map((value) => value.toWellFormed().trim())
    .flatMap((value) => [value, encodeURIComponent(value)])
    .filter((form) => form.length >= VALUE_LENGTH_MIN)
    .toSorted((a, b) => b.length - a.length)
    .map((form) => form.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&'));
  return forms.length === 0 ? undefined : new RegExp(`(?<![\\p{L}\\p{N}])(?:${forms.join('|')})(?![\\p{L}\\p{N}])`, 'giu');
}

/** Lists what a request says about a person: everything below `customer` and `customer_attributes`, and every reference. */
export function personalValues(body: unknown, query: Record<string, string> = {}, about = false): string[] {
  const values = Object.values(query);
  if (typeof body === 'string') return about ? [...values, body] : values;
  if (typeof body !== 'object' || body === null) return values;
  for (const [key, value] of Object.entries(body)) {
    values.push(...personalValues(value, {}, about || /^customer(_attributes)?$|reference$/.test(key)));
  }
  return values;
}

function clean(text: string, secrets: readonly string[], personal: RegExp | undefined): string {
  // Secrets first, in the whole of it: none may be cut in two.
  let safe = text;
  for (const secret of secrets) if (secret) safe = safe.replaceAll(secret, '[secret]');
  safe = safe.slice(0, TEXT_LOOKED_MAX);
  if (personal !== undefined) safe = safe.replaceAll(personal, '[value]');
  return safe
    .replaceAll(/(?<![^\s@'"<>])[^\s@'"<>]+@[^\s@'"<>]+/g, '[address]')
    .replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
    .trim()
    .slice(0, TEXT_LENGTH_MAX);
}

/**
 * Flattens an error body into at most ten texts of at most 200 characters; an unfamiliar JSON document gives none.
 * @param values what the request said about a person; taken out as well
 */
export function messagesOf(body: string, secrets: readonly string[] = [], values: readonly string[] = []): string[] {
  const personal = patternOf(values);
  let found: Iterable<string>;
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
      const { errors, error } = parsed as { errors?: unknown; error?: unknown };
      found = textsIn(errors ?? error, '', 0);
    } else found = textsIn(parsed, '', 0);
  } catch {
    found = [body];
  }
  const texts: string[] = [];
  for (const text of found) {
    const safe = clean(text, secrets, personal);
    if (safe) texts.push(safe);
    if (texts.length === TEXTS_MAX) break;
  }
  return texts;
}
