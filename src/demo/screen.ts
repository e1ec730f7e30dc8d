/**
 * Owns what the demo looks like: plain lines that read well in a log, and on a terminal a table that stays below them and is redrawn in place.
 * Refuses to decide what is true. Colours and redrawing go together: NO_COLOR, a dumb terminal or a pipe get neither.
 */
import type { Member } from './cast.ts';
import type { Truth } from './truth.ts';

export interface Row {
  person: Member;
  said: string;
  truth: Truth;
}

const COLUMNS: [title: string, width: number][] = [
  ['PERSON', 14],
  ['IDP SAID LAST', 36],
  ['DIRECTORY', 9],
  ['MAXIO CUSTOMER', 21],
  ['SUBSCRIPTION', 13],
  ['CALLS', 5],
];

const BAR_CELLS = 24;
const LABEL_WIDTH = 30;

export class Screen {
  readonly live: boolean;
  readonly #out: NodeJS.WriteStream;
  #table: string[] = [];
  /** Of the progress that is shown; -1 when there is none. */
  #quarter = -1;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
    this.live = out.isTTY === true && out.hasColors();
  }

  /** Writes lines above the table. */
  say(...lines: string[]): void {
    this.#erase();
    this.#out.write(`${lines.join('\n')}\n`);
    this.#draw();
  }

  /** Writes a line that stands out. */
  title(text: string): void {
    this.say('', this.live ? `\x1b[1m${text}\x1b[0m` : `== ${text}`);
  }

  /** Shows the table at the bottom, in place of the one before; nothing where it could not be redrawn. */
  show(rows: Row[]): void {
    if (!this.live || rows.length + 4 > this.#out.rows || tableWidth() > this.#out.columns) return;
    this.#erase();
    this.#table = ['', ...tableLines(rows, true)];
    this.#draw();
  }

  /** Shows how far something is: one line redrawn in place, and where nothing can be redrawn a line at each quarter. */
  progress(label: string, done: number, total: number): void {
    const share = total === 0 ? 1 : Math.min(1, done / total);
    const full = Math.round(share * BAR_CELLS);
    const bar = '█'.repeat(full) + '░'.repeat(BAR_CELLS - full);
    const line = `  ${label.padEnd(LABEL_WIDTH)}  ${bar}  ${done.toLocaleString('en')} of ${total.toLocaleString('en')}`;
    const quarter = Math.floor(share * 4);
    const told = this.#quarter;
    this.#quarter = share === 1 ? -1 : quarter;
    this.#erase();
    this.#table = this.live && share < 1 ? [line] : [];
    if (share === 1 || (!this.live && quarter > Math.max(told, 0))) this.#out.write(`${line}\n`);
    this.#draw();
  }

  /** Writes the table once and for good. */
  print(rows: Row[]): void {
    this.#erase();
    this.#table = [];
    this.say(...tableLines(rows, this.live));
  }

  #erase(): void {
    if (this.#table.length > 0) this.#out.write(`\x1b[${this.#table.length}A\x1b[J`);
  }

  #draw(): void {
    if (this.#table.length > 0) this.#out.write(`${this.#table.join('\n')}\n`);
  }
}

function tableWidth(): number {
  return COLUMNS.reduce((sum, [, width]) => sum + width + 2, -2);
}

function tableLines(rows: Row[], colour: boolean): string[] {
  const head = COLUMNS.map(([title, width]) => title.padEnd(width)).join('  ');
  const lines = rows.map(({ person, said, truth }) => {
    const cells = [
      `${person.givenName} ${person.familyName}`,
      said,
      truth.directory,
      truth.customer,
      truth.subscription,
      truth.calls === 0 ? '' : String(truth.calls).padStart(5),
    ];
    const line = cells
      .map((cell, i) => sized(cell, COLUMNS[i]?.[1] ?? 0))
      .join('  ')
      .trimEnd();
    return !colour || truth.inStep ? line : `\x1b[33m${line}\x1b[0m`;
  });
  return [head, '-'.repeat(tableWidth()), ...lines];
}

function sized(text: string, width: number): string {
  return (text.length > width ? `${text.slice(0, width - 1)}…` : text).padEnd(width);
}
