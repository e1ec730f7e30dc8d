/**
 * Owns every wait inside the sandbox, so that a test can end all of them at a moment of its choosing instead of sleeping.
 * Refuses to know what is waited for. Real time, because the clients that wait outside live in it.
 */

/** Thrown into every wait when the sandbox closes: what was waiting must come to nothing. */
export class ClosedError extends Error {}

export class Delays {
  readonly #ends = new Set<(err?: Error) => void>();
  #closed = false;

  /** Waits, in ms, or until released. Throws ClosedError when the sandbox closes. */
  async pause(waitMs: number): Promise<void> {
    if (this.#closed) throw new ClosedError('the sandbox is closed');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const end = (err?: Error): void => (err ? reject(err) : resolve());
    const timer = setTimeout(end, waitMs);
    this.#ends.add(end);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#ends.delete(end);
    }
  }

  /** Ends every wait as if its time had come, and tells how many there were. */
  release(): number {
    const count = this.#ends.size;
    for (const end of this.#ends) end();
    return count;
  }

  /** Ends every wait by throwing into it, and refuses new ones. */
  close(): void {
    this.#closed = true;
    for (const end of this.#ends) end(new ClosedError('the sandbox is closed'));
  }
}
