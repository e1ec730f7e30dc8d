/**
 * Owns how Maxio's error bodies, of which six shapes are known, become a short list of texts fit for an operator's eyes.
 * Refuses to know what the texts mean. E-mail addresses and the caller's secrets do not get through, nor do control characters.
 * Source: developers.maxio.com "Error handling", and the shapes its live tests assert.
 */

const TEXTS_MAX = 10;
const TEXT_LENGTH_MAX = 200;
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

function clean(text: string, secrets: readonly string[]): string {
  let safe = text;
  for (const secret of secrets) if (secret) safe = safe.replaceAll(secret, '[secret]');
  return safe
    .replaceAll(/[^\s@'"<>]+@[^\s@'"<>]+/g, '[address]')
    .replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
    .trim()
    .slice(0, TEXT_LENGTH_MAX);
}

/** Flattens an error body into at most ten texts of at most 200 characters; an unfamiliar JSON document gives none. */
export function messagesOf(body: string, secrets: readonly string[] = []): string[] {
  let found: Iterable<string>;
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
      const { errors, error } = parsed as { errors?: unknown; error?: unknown };
      found = textsIn(errors ?? error, '', 0);
    } else found = textsIn(parsed, '', 0);
  } catch {
    found = [body.slice(0, 10 * TEXT_LENGTH_MAX)];
  }
  const texts: string[] = [];
  for (const text of found) {
    const safe = clean(text, secrets);
    if (safe) texts.push(safe);
    if (texts.length === TEXTS_MAX) break;
  }
  return texts;
}
