/**
 * Owns the one wrapper for anything that must never be printed: API keys, bearer tokens, passwords.
 * Refuses to know what the secret is for. Every implicit conversion (string, JSON, inspect, log serializer) shows `[secret]`.
 * A secret may be replaced while the process runs, so whoever needs the clear text asks at each use.
 */
import { inspect } from 'node:util';

export class Secret {
  #value: string;
  readonly #hidden = new Set<string>();

  constructor(value: string) {
    this.#value = value;
    this.hide(value);
  }

  /** The clear text. Call it only where the value leaves for the one place that needs it. */
  reveal(): string {
    return this.#value;
  }

  /** Use another clear text from now on. */
  replace(value: string): void {
    this.hide(value);
    this.#value = value;
  }

  /** Keep a clear text out of logs as well, such as one that is only tried. */
  hide(value: string): void {
    this.#hidden.add(value);
  }

  /** What must never be printed: the clear text, those before it, and those that were tried. Only ever grows. */
  get hidden(): ReadonlySet<string> {
    return this.#hidden;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}
