/**
 * Owns the slots of a site: a few requests are worked on at once, more wait in order of arrival, and a full queue turns away.
 * Refuses to free a slot because a client has gone: the server does not notice. Answers to the concurrency limit in "Error handling"
 * of developers.maxio.com.
 */

export class Slots {
  readonly #limits: () => { slots: number; queueLimit: number };
  #taken = 0;
  #waiting: (() => void)[] = [];

  constructor(limits: () => { slots: number; queueLimit: number }) {
    this.#limits = limits;
  }

  /** Waits for a slot; answers false at once when the queue is full. Whoever got one must `leave`. */
  async enter(): Promise<boolean> {
    const { slots, queueLimit } = this.#limits();
    if (this.#taken < slots && this.#waiting.length === 0) {
      this.#taken += 1;
      return true;
    }
    if (this.#waiting.length >= queueLimit) return false;
    const turn = Promise.withResolvers<void>();
    this.#waiting.push(turn.resolve);
    await turn.promise;
    return true;
  }

  /** Frees a slot and lets the next ones in. */
  leave(): void {
    this.#taken -= 1;
    this.admit();
  }

  /** Lets in as many as there is room for; call it after the number of slots has changed. */
  admit(): void {
    while (this.#taken < this.#limits().slots) {
      const next = this.#waiting.shift();
      if (!next) return;
      this.#taken += 1;
      next();
    }
  }
}
