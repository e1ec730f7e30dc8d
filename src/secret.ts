/**
 * Owns the one wrapper for anything that must never be printed: API keys, bearer tokens, passwords.
 * Refuses to know what the secret is for. Every implicit conversion (string, JSON, inspect, log serializer) shows `[secret]`.
 */
import { inspect } from 'node:util';

export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The clear text. Call it only where the value leaves for the one place that needs it. */
  reveal(): string {
    return this.#value;
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
