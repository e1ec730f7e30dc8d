/**
 * Owns how long work goes on is paused for whoever else waits: one request must not keep those of all other sites waiting, whatever it looks through.
 * Refuses to know the work. Pauses come one after the other, so that many requests that work hard together take one slice between two looks at the
 * network, not one each.
 */

/** Work of one request between two pauses. */
const SLICE_MS = 10;

let lastTurn: Promise<void> = Promise.resolve();

export class Breather {
  #sinceMs = performance.now();

  /** Has enough been done in one go? */
  get isDue(): boolean {
    return performance.now() - this.#sinceMs >= SLICE_MS;
  }

  /** Lets everybody else go first. */
  async rest(): Promise<void> {
    lastTurn = lastTurn.then(nextTurn);
    await lastTurn;
    this.rested();
  }

  /** Tells that others have had their turn already, as while something was read. */
  rested(): void {
    this.#sinceMs = performance.now();
  }
}

async function nextTurn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
