/** Owns what the parts of the checker share. No behaviour. */
import type { Evidence, Violation } from './evidence.ts';
import type { MaxioCall } from './maxio-calls.ts';
import type { Timeline } from './timeline.ts';

export interface Context {
  evidence: Evidence;
  people: Map<number, Timeline>;
  calls: MaxioCall[];
  /** What an earlier part has named already: consequences for these are not named again. */
  named: { people: ReadonlySet<number>; calls: ReadonlySet<number> };
}

/** `call` is the number of the ledger entry it is about. */
export type Finding = Violation & { call?: number };
