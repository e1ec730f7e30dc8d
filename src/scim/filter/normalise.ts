/**
 * Owns the way from filter text to the small safe subset that the filter parser library reads correctly: limits first, then every
 * name and value replaced by a placeholder. The library thus decides grammar and precedence and never sees input.
 * Reasons: it mangles JSON escapes, loses the element of `emails[...].value eq`, and recurses without a bound.
 * Refuses to know attributes. RFC 7644 §3.4.2.2.
 */
import { echo, invalidFilter } from '../error.ts';

const LENGTH_MAX = 2_048;
const DEPTH_MAX = 10;
const NODES_MAX = 50;

export interface Literal {
  text: string;
  quoted: boolean;
}

/** Canonical text: names are `a0`, `a1` ..., values are `"0"`, `"1"` ..., both indexes into the lists. */
export interface NormalFilter {
  text: string;
  names: string[];
  literals: Literal[];
}

type Expected = 'term' | 'operator' | 'value' | 'joint';
interface Open {
  bracket: '(' | '[';
  /** Where the bracket stands in the output. */
  at: number;
}

// A string, a bracket, or anything else up to one of them; no two branches can match the same text.
const TOKEN = /\s*(?:("(?:[^"\\]|\\.)*")|([()[\]])|([^\s()[\]"]+))/suy;
const COMPARISONS = new Set(['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le']);

/** Normalises a filter text. Throws ScimError 400 invalidFilter that says what was expected where. */
export function normaliseFilter(text: string): NormalFilter {
  const tokens = tokenise(text);
  const breach = limitBreach(text, tokens);
  if (breach !== undefined) throw invalidFilter(breach);
  return new Normaliser().run(tokens);
}

/** Tells which limit (length, nesting, conditions) a filter passes, or undefined. Throws ScimError for an unterminated text. */
export function filterLimitBreach(text: string): string | undefined {
  return text.length > LENGTH_MAX ? tooLong() : limitBreach(text, tokenise(text));
}

function tooLong(): string {
  return `The filter is longer than ${LENGTH_MAX} characters. Ask for fewer things at once.`;
}

function tokenise(text: string): string[] {
  const source = text.trim();
  if (source === '')
    throw invalidFilter('The filter is empty. Leave it out, or send one such as: userName eq "ann@example.com".');
  if (source.length > LENGTH_MAX) throw invalidFilter(tooLong());
  const tokens: string[] = [];
  let at = 0;
  while (at < source.length) {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(source);
    if (found === null) throw invalidFilter('The filter has a text without its closing quote.');
    tokens.push(found[1] ?? found[2] ?? found[3] ?? '');
    at = TOKEN.lastIndex;
  }
  return tokens;
}

function limitBreach(text: string, tokens: readonly string[]): string | undefined {
  if (text.length > LENGTH_MAX) return tooLong();
  let depth = 0;
  let nodes = 1;
  for (const token of tokens) {
    if (token === '(' || token === '[') depth += 1;
    if (token === ')' || token === ']') depth -= 1;
    if (depth > DEPTH_MAX) return `The filter is nested deeper than ${DEPTH_MAX} levels. Simplify it.`;
    // Each condition after the first needs an `and` or `or`, and `not` is a node of its own.
    if (/^(?:and|or)$/i.test(token)) nodes += 2;
    else if (/^not$/i.test(token)) nodes += 1;
    if (nodes > NODES_MAX) return `The filter has more than ${NODES_MAX} conditions and operators. Split it.`;
  }
  return undefined;
}

class Normaliser {
  readonly #out: string[] = [];
  readonly #names: string[] = [];
  readonly #literals: Literal[] = [];
  readonly #open: Open[] = [];
  #expected: Expected = 'term';
  /** Set while the condition after `attribute[...].` is read; it belongs inside the bracket, which closes after it. */
  #closeAfter = false;
  #lastClosed: Open | undefined;

  run(tokens: readonly string[]): NormalFilter {
    tokens.forEach((token, index) => {
      this.#read(token, tokens[index + 1]);
    });
    if (this.#expected !== 'joint' || this.#open.length > 0) {
      throw invalidFilter(
        `The filter ends too early: ${this.#open.length > 0 ? 'a bracket is not closed' : `${words[this.#expected]} is missing`}.`,
      );
    }
    return { text: this.#out.join(' '), names: this.#names, literals: this.#literals };
  }

  #read(token: string, next: string | undefined): void {
    if (this.#expected === 'term') this.#term(token, next);
    else if (this.#expected === 'operator') this.#operator(token);
    else if (this.#expected === 'value') this.#value(token);
    else this.#joint(token);
  }

  #term(token: string, next: string | undefined): void {
    if (token === '(') this.#push('(');
    else if (/^not$/i.test(token)) {
      if (next !== '(') throw invalidFilter('After "not" a condition in parentheses must follow: not (title pr).');
      this.#out.push('not');
    } else if (isPunctuation(token)) throw this.#unexpected();
    else this.#name(token);
  }

  #name(token: string): void {
    this.#out.push(`a${this.#names.push(token) - 1}`);
    this.#expected = 'operator';
  }

  #operator(token: string): void {
    const op = token.toLowerCase();
    if (op === '[' && !this.#closeAfter) this.#push('[');
    else if (op === 'pr') {
      this.#out.push('pr');
      this.#finishCondition();
    } else if (COMPARISONS.has(op)) {
      this.#out.push(op);
      this.#expected = 'value';
    } else {
      const shown = isPunctuation(token) ? '' : ` ${echo(token)} is none.`;
      throw invalidFilter(`After an attribute one of eq, ne, co, sw, ew, gt, ge, lt, le, pr must follow.${shown}`);
    }
  }

  #value(token: string): void {
    const quoted = token.startsWith('"');
    if (!quoted && isPunctuation(token)) throw this.#unexpected();
    this.#out.push(`"${this.#literals.push({ text: quoted ? unquote(token) : token, quoted }) - 1}"`);
    this.#finishCondition();
  }

  #finishCondition(): void {
    if (this.#closeAfter) this.#out.push(']');
    this.#closeAfter = false;
    this.#lastClosed = undefined;
    this.#expected = 'joint';
  }

  #joint(token: string): void {
    const lastClosed = this.#lastClosed;
    this.#lastClosed = undefined;
    if (token === ')' || token === ']') this.#pop(token);
    else if (lastClosed?.bracket === '[' && /^\.[^.]+$/.test(token)) this.#reopen(lastClosed, token.slice(1));
    else if (/^(?:and|or)$/i.test(token)) {
      this.#out.push(token.toLowerCase());
      this.#expected = 'term';
    } else throw this.#unexpected();
  }

  #push(bracket: '(' | '['): void {
    this.#open.push({ bracket, at: this.#out.length });
    this.#out.push(bracket);
    this.#expected = 'term';
  }

  #pop(token: string): void {
    const open = this.#open.pop();
    if (open === undefined || (open.bracket === '(') !== (token === ')'))
      throw invalidFilter('The brackets of the filter do not match.');
    this.#out.push(token);
    this.#lastClosed = open;
    this.#expected = 'joint';
  }

  /** Turns `a[F].b eq v` into `a[(F) and b eq v]`: one element has to fulfil both. */
  #reopen(closed: Open, sub: string): void {
    this.#out.pop();
    this.#out.splice(closed.at + 1, 0, '(');
    this.#out.push(')', 'and');
    this.#name(sub);
    this.#closeAfter = true;
  }

  #unexpected(): Error {
    return invalidFilter(
      `The filter cannot be read: ${words[this.#expected]} was expected. Values with spaces need double quotes.`,
    );
  }
}

const words: Record<Expected, string> = {
  term: 'an attribute',
  operator: 'an operator',
  value: 'a value',
  joint: '"and", "or" or the end',
};

function isPunctuation(token: string): boolean {
  return /^[()[\]"]/.test(token);
}

function unquote(token: string): string {
  try {
    return JSON.parse(token) as string;
  } catch {
    // No cause: the message would quote the value.
    throw invalidFilter('A text in the filter is not a valid JSON string. Escape quotes and backslashes with a backslash.');
  }
}
