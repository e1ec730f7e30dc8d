/**
 * Owns that whoever takes the data of everybody with them, or a table of names, stands in the audit trail. Pages are asked for one by one, and anybody may begin in the middle of
 * them: the first page is told of always, a later one where this process has not told of the same operator within the hour.
 * Refuses to know what is taken.
 */
import type { OpsSite } from './site-view.ts';

export interface Taking {
  what: 'export' | 'audit-names' | 'link-plan' | 'drift-table';
  actor: string;
  requestId: string;
  /** Whether pages before this one have been asked for, as the operator says. */
  goesOn: boolean;
}

const TOLD_MS = 3_600_000;
/** For each site: what and who -> when it was told. As many as there are operators. */
const told = new WeakMap<OpsSite, Map<string, number>>();

/** Writes it down, before anything is given away. @throws when Redis does not answer */
export async function tellTaken(site: OpsSite, { what, actor, requestId, goesOn }: Taking): Promise<void> {
  const times = told.get(site) ?? new Map<string, number>();
  told.set(site, times);
  const name = `${what} ${actor}`;
  const nowMs = performance.now();
  if (goesOn && nowMs - (times.get(name) ?? Number.NEGATIVE_INFINITY) < TOLD_MS) return;
  await site.runs.tell('', 0, { kind: 'operator', what, actor, requestId });
  times.set(name, nowMs);
}
