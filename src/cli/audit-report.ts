/**
 * Owns the report for whoever audits access: everybody who joined or left between two moments, by the audit trail alone, and how long it took from the acknowledged
 * change until Maxio held it. Pure. Refuses names: those are put beside it by whoever may read them.
 */
import { type AuditLine, readSealed } from '../audit-chain.ts';

export interface Movement {
  kind: 'joiner' | 'leaver';
  /** The word by which the trail names the person. */
  subject: string;
  /** Entry of the change. */
  seq: number;
  acknowledgedAt: string;
  /** When Maxio held it, for the first time; null while it does not. */
  settledAt: string | null;
  elapsedSeconds: number | null;
  /** `overtaken`: another change of the same person came before this one was carried out. */
  state: 'done' | 'open' | 'overtaken';
  actor: string;
  requestId: string;
}

interface Open {
  movement: Movement;
  generation: number;
}

/** Collects movements while lines are read in their order. */
export class Movements {
  readonly #from: number;
  readonly #to: number;
  readonly #found: Movement[] = [];
  readonly #open = new Map<string, Open[]>();

  /** @param to the first moment that no longer counts */
  constructor(from: number, to: number) {
    this.#from = from;
    this.#to = to;
  }

  get found(): readonly Movement[] {
    return this.#found;
  }

  /** Give every line, also those behind the last moment: a change may be carried out later. */
  add(line: string): void {
    const read = readSealed(line);
    if (read === undefined || read.subject === '') return;
    const { entry } = read;
    if (entry.kind === 'scim' && typeof entry.active === 'boolean') this.#change(read);
    else if (entry.kind === 'run' && entry.what === 'settled') this.#settled(read);
  }

  #change({ seq, at, subject, generation, entry }: AuditLine): void {
    const [was, is] = [entry.wasActive === true, entry.active === true];
    const wide = Date.parse(at);
    if (was === is || wide < this.#from) return;
    for (const { movement } of this.#open.get(subject) ?? []) movement.state = 'overtaken';
    this.#open.delete(subject);
    // One behind the last moment still overtakes what was before it.
    if (wide >= this.#to) return;
    const movement: Movement = {
      kind: is ? 'joiner' : 'leaver',
      subject,
      seq,
      acknowledgedAt: at,
      settledAt: null,
      elapsedSeconds: null,
      state: 'open',
      actor: wordOf(entry.actor),
      requestId: wordOf(entry.requestId),
    };
    this.#found.push(movement);
    this.#open.set(subject, [{ movement, generation }]);
  }

  #settled({ at, subject, generation }: AuditLine): void {
    const open = this.#open.get(subject) ?? [];
    const left = open.filter((one) => {
      if (generation < one.generation) return true;
      const { movement } = one;
      movement.settledAt = at;
      movement.elapsedSeconds = Math.max(0, (Date.parse(at) - Date.parse(movement.acknowledgedAt)) / 1_000);
      movement.state = 'done';
      return false;
    });
    if (left.length === 0) this.#open.delete(subject);
    else this.#open.set(subject, left);
  }
}

function wordOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
