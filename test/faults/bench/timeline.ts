/**
 * Owns what was wanted of each person and when: the writes of the load driver, put in the order in which the audit trail says they took place.
 * Refuses to judge. A write whose answer never came is in it exactly if it took place, which is what makes the checker exact.
 */
import type { AuditRow, Evidence, Wish, Write, WriteAck } from './evidence.ts';

/** What was wanted from one commit to the next. */
export interface State {
  generation: number;
  fromMs: number;
  toMs: number;
  /** `undefined`: not there for SCIM, because never created or deleted. */
  wish: Wish | undefined;
}

export interface Timeline {
  person: number;
  /** SCIM ids under which writes of this person took place; more than one is a violation. */
  ids: string[];
  /** The first is the time before there was anybody. */
  states: State[];
  acks: WriteAck[];
  /** Generation of each write that took place, by request id. */
  commits: Map<string, { generation: number; atMs: number }>;
  /** Generations of the audit trail are not 1, 2, 3 …, or a commit comes from nobody: what was wanted cannot be told. */
  broken: string | undefined;
}

export function isActive(state: State | undefined): boolean {
  return state?.wish?.active === true;
}

/** What a write makes of what was wanted before. */
export function applied(write: Write, before: Wish | undefined): Wish | undefined {
  switch (write.verb) {
    case 'create':
    case 'replace':
      return write.wish;
    case 'patch':
      return before && { ...before, ...write.change };
    case 'delete':
      return undefined;
  }
}

export function sameWish(a: Wish | undefined, b: Wish | undefined): boolean {
  return a?.active === b?.active && a?.familyName === b?.familyName && a?.title === b?.title;
}

/** The states that held at some moment of a span. */
export function statesWithin(timeline: Timeline, fromMs: number, toMs: number): State[] {
  return timeline.states.filter((state) => state.fromMs <= toMs && state.toMs >= fromMs);
}

const COMMITS = new Set(['create', 'revive', 'replace', 'patch', 'delete', 'groups']);

/** Builds the timeline of every person the driver has written about, by number. */
export function timelines(evidence: Evidence): Map<number, Timeline> {
  const byRequest = new Map<string, WriteAck>();
  const all = new Map<number, Timeline>();
  for (const ack of evidence.acks) {
    if (ack.kind !== 'write') continue;
    byRequest.set(ack.requestId, ack);
    const known = all.get(ack.person) ?? blank(ack.person);
    known.acks.push(ack);
    all.set(ack.person, known);
  }
  const rows = evidence.audit.filter(({ entry }) => entry.kind === 'scim' && COMMITS.has(entry.what));
  const owners = new Map<string, Timeline>();
  for (const row of rows.toSorted((a, b) => a.generation - b.generation)) {
    if (row.entry.what === 'groups') {
      const owner = owners.get(row.user);
      if (owner !== undefined) appendGroups(owner, row);
      continue;
    }
    const ack = byRequest.get(row.entry.requestId ?? '');
    if (ack === undefined) continue;
    const timeline = all.get(ack.person);
    if (timeline === undefined) continue;
    owners.set(row.user, timeline);
    append(timeline, row, ack);
  }
  return all;
}

function blank(person: number): Timeline {
  const before = { generation: 0, fromMs: Number.NEGATIVE_INFINITY, toMs: Number.POSITIVE_INFINITY, wish: undefined };
  return { person, ids: [], states: [before], acks: [], commits: new Map(), broken: undefined };
}

function append(timeline: Timeline, row: AuditRow, ack: WriteAck): void {
  if (!timeline.ids.includes(row.user)) timeline.ids.push(row.user);
  const last = timeline.states.at(-1);
  if (last === undefined) return;
  if (row.generation !== last.generation + 1) timeline.broken ??= `generation ${row.generation} follows ${last.generation}`;
  last.toMs = row.atMs;
  const wish = applied(ack.write, last.wish);
  timeline.states.push({ generation: row.generation, fromMs: row.atMs, toMs: Number.POSITIVE_INFINITY, wish });
  timeline.commits.set(ack.requestId, { generation: row.generation, atMs: row.atMs });
}

/** A change of groups is a generation of the same wish; one that came with a write of the person has none of its own. */
function appendGroups(timeline: Timeline, { generation, atMs }: AuditRow): void {
  const last = timeline.states.at(-1);
  if (last === undefined || generation === last.generation) return;
  if (generation !== last.generation + 1) timeline.broken ??= `generation ${generation} follows ${last.generation}`;
  last.toMs = atMs;
  timeline.states.push({ ...last, generation, fromMs: atMs, toMs: Number.POSITIVE_INFINITY });
}
