/** Owns a sorted set as Redis has it: members by score, equal scores by text. Refuses to know keys and commands. */

interface Row {
  member: string;
  score: number;
}

export class SortedSet {
  readonly #scores = new Map<string, number>();
  #rows: Row[] | undefined;

  get size(): number {
    return this.#scores.size;
  }

  score(member: string): number | undefined {
    return this.#scores.get(member);
  }

  put(member: string, score: number): void {
    if (Number.isNaN(score)) throw new Error('ERR value is not a valid float');
    this.#scores.set(member, score);
    this.#rows = undefined;
  }

  delete(member: string): boolean {
    this.#rows = undefined;
    return this.#scores.delete(member);
  }

  rows(): Row[] {
    this.#rows ??= [...this.#scores]
      .map(([member, score]) => ({ member, score }))
      .sort((a, b) => a.score - b.score || (a.member < b.member ? -1 : 1));
    return this.#rows;
  }

  byRank(from: number, to: number): Row[] {
    const index = (at: number): number => (at < 0 ? Math.max(0, this.size + at) : at);
    return to < 0 && this.size + to < 0 ? [] : this.rows().slice(index(from), index(to) + 1);
  }

  /** Limits as Redis writes them: `-inf`, `+inf`, `12`, `(12`. */
  byScore(from: string, to: string): Row[] {
    const low = limit(from);
    const high = limit(to);
    return this.rows().filter(
      ({ score }) => (low.open ? score > low.at : score >= low.at) && (high.open ? score < high.at : score <= high.at),
    );
  }

  /** Limits as Redis writes them: `[text` and `(text`. */
  byText(from: string, to: string): string[] {
    const [low, high] = [from.slice(1), to.slice(1)];
    return this.rows()
      .map(({ member }) => member)
      .filter(
        (member) =>
          (from.startsWith('[') ? member >= low : member > low) && (to.startsWith('[') ? member <= high : member < high),
      );
  }
}

function limit(text: string): { at: number; open: boolean } {
  const open = text.startsWith('(');
  const word = open ? text.slice(1) : text;
  if (word === '-inf') return { at: Number.NEGATIVE_INFINITY, open };
  if (word === '+inf') return { at: Number.POSITIVE_INFINITY, open };
  return { at: Number(word), open };
}
