/**
 * Owns words that must never be seen where they are not meant to be, and finding them in text in whatever dress: other letter case, base64 at any
 * alignment (a Basic header shifts it), hexadecimal, backwards. Refuses to know where they were planted and what they are allowed in.
 */
import { randomBytes } from 'node:crypto';

/** Letters that are the same in a URL, in JSON, in a header and in an e-mail address. */
const LETTERS = 'abcdefghijkmnopqrstuvwxyz';

export class Canaries {
  readonly #words = new Map<string, string>();

  /** Makes a word for what it stands for. @param grown of what length; secrets want more */
  plant(what: string, grown = 14): string {
    const word = `zq${Array.from(randomBytes(grown - 2), (byte) => LETTERS[byte % LETTERS.length]).join('')}`;
    return this.keep(what, word);
  }

  /** Looks for a text that somebody else has made, such as a token. */
  keep(what: string, word: string): string {
    this.#words.set(what, word);
    return word;
  }

  get names(): string[] {
    return [...this.#words.keys()];
  }

  /** Tells what stands in a text, each with a few characters around it. */
  foundIn(text: string): string[] {
    const low = text.toLowerCase();
    return [...this.#words].flatMap(([what, word]) => {
      for (const [form, where] of formsOf(word)) {
        const at = (where === 'low' ? low : text).indexOf(form);
        if (at >= 0) return [`${what}: …${text.slice(Math.max(0, at - 80), at + form.length + 20)}…`];
      }
      return [];
    });
  }
}

function formsOf(word: string): [form: string, where: 'low' | 'exact'][] {
  const low = word.toLowerCase();
  // At each alignment the first and last letters depend on the neighbours; the middle does not.
  const encoded = [0, 1, 2].map((shift) => {
    const text = Buffer.from(`${'\0'.repeat(shift)}${word}`)
      .toString('base64')
      .replace(/=+$/, '');
    return text.slice(shift === 0 ? 0 : shift + 1, Math.floor(((shift + word.length) * 4) / 3) - 1);
  });
  return [
    [low, 'low'],
    [[...low].toReversed().join(''), 'low'],
    [Buffer.from(word).toString('hex'), 'low'],
    ...encoded.filter((form) => form.length >= 10).map((form): [string, 'exact'] => [form, 'exact']),
  ];
}
