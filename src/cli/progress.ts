/**
 * Owns how waiting looks: one line that is drawn again on a terminal, a line now and then elsewhere, and what is said when somebody leaves early.
 * What is waited for happens in the service; leaving changes nothing, so Ctrl-C is an ordinary way out. Writes to stderr only.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { bar } from './terminal.ts';

/** Where it is shown. */
export interface Screen {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

const POLL_MS = 1_000;
/** Where lines pile up, in a log for example. */
const LINE_EVERY_MS = 15_000;
/** What a shell reports for a program that was interrupted. */
const EXIT_INTERRUPTED = 130;

export class Progress {
  readonly #screen: Screen;
  readonly #now: () => number;
  #last = '';
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(screen: Screen = process.stderr, now: () => number = () => performance.now()) {
    this.#screen = screen;
    this.#now = now;
  }

  /** @param ratio how much is done; `undefined` when nobody knows how much there is */
  show(text: string, ratio?: number): void {
    const percent = ratio === undefined ? '' : `${String(Math.floor(ratio * 100)).padStart(3)} %  `;
    if (this.#screen.isTTY === true) {
      const line = `${ratio === undefined ? '' : `${bar(ratio, 1)} `}${percent}${text}`;
      this.#screen.write(`\r\u001b[2K${line.slice(0, Math.max(20, (this.#screen.columns ?? 80) - 1))}`);
    } else if (text !== this.#last && this.#now() - this.#lastMs >= LINE_EVERY_MS) {
      this.#screen.write(`${percent}${text}\n`);
      this.#lastMs = this.#now();
    }
    this.#last = text;
  }

  /** Leaves the line standing, or shows the last one that was skipped. */
  end(): void {
    if (this.#screen.isTTY === true && this.#last !== '') this.#screen.write('\n');
    this.#last = '';
  }
}

/**
 * Asks again and again until it is over.
 * @param wait.left what to say to somebody who leaves early: it goes on, and where to look
 */
export async function until<T>(wait: {
  look: () => Promise<T>;
  over: (seen: T) => boolean;
  show: (seen: T, progress: Progress) => void;
  left: string;
}): Promise<T> {
  const progress = new Progress();
  const leave = (): void => {
    progress.end();
    process.stderr.write(`${wait.left}\n`);
    process.exit(EXIT_INTERRUPTED);
  };
  process.once('SIGINT', leave);
  try {
    for (;;) {
      const seen = await wait.look();
      wait.show(seen, progress);
      if (wait.over(seen)) return seen;
      await sleep(POLL_MS);
    }
  } finally {
    progress.end();
    process.off('SIGINT', leave);
  }
}
