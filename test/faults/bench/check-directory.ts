/**
 * Owns the part of the checker about what the identity provider was told: I6 to I9 without Maxio. Pure.
 */
import type { Context, Finding } from './check-context.ts';
import type { WriteAck } from './evidence.ts';
import { applied, sameWish, statesWithin, type Timeline } from './timeline.ts';

function isAcknowledged(ack: WriteAck): boolean {
  return ack.status !== 'unknown' && ack.status >= 200 && ack.status < 300;
}

/** I8: an acknowledged write took place before its answer, or changed nothing of what was wanted at some moment between request and answer. */
export function checkAcks({ evidence, people }: Context): Finding[] {
  const { slackMs } = evidence.settings;
  const found: Finding[] = [];
  for (const timeline of people.values()) {
    if (timeline.broken !== undefined || isUntold(timeline, evidence.people)) continue;
    for (const ack of timeline.acks.filter(isAcknowledged)) {
      const commit = timeline.commits.get(ack.requestId);
      const told = `${describe(ack)} was answered ${ack.status}`;
      if (commit === undefined) {
        const during = statesWithin(timeline, ack.sentAtMs - slackMs, ack.answeredAtMs + slackMs);
        const nothing = ack.write.verb !== 'delete' && ack.write.verb !== 'create';
        if (nothing && during.some(({ wish }) => wish !== undefined && sameWish(applied(ack.write, wish), wish))) continue;
        found.push({ invariant: 'I8', person: timeline.person, evidence: `${told}, but never took place` });
      } else if (commit.atMs > ack.answeredAtMs + slackMs) {
        const lateMs = Math.round(commit.atMs - ack.answeredAtMs);
        found.push({ invariant: 'I8', person: timeline.person, evidence: `${told} ${lateMs} ms before it took place` });
      }
    }
  }
  return found;
}

/** The store knows more generations than the audit trail: that is a matter of I9, and nothing can be said about single acknowledgements. */
function isUntold(timeline: Timeline, stored: Context['evidence']['people']): boolean {
  const last = timeline.states.at(-1)?.generation ?? 0;
  return stored.some(({ id, generation }) => timeline.ids.includes(id) && generation > last);
}

/** I9, the directory's part: numbers without a gap, and as many commits told as have taken place. */
export function checkAudit({ evidence, people }: Context): Finding[] {
  const found: Finding[] = [];
  const seqs = new Set(evidence.audit.map(({ seq }) => seq));
  const missing = Array.from({ length: evidence.auditSeq }, (_, i) => i + 1).filter((seq) => !seqs.has(seq));
  if (missing.length > 0) {
    const which = missing.slice(0, 5).join(', ');
    found.push({ invariant: 'I9', evidence: `${missing.length} numbers of the audit trail are missing: ${which}` });
  }
  if (seqs.size !== evidence.audit.length) found.push({ invariant: 'I9', evidence: 'the audit trail has a number twice' });
  // A number that is missing breaks the chain as well.
  if (missing.length === 0) for (const fault of evidence.chain) found.push({ invariant: 'I9', evidence: fault });
  for (const timeline of people.values()) {
    const stored = evidence.people.find(({ id }) => timeline.ids.includes(id));
    const told = timeline.states.at(-1)?.generation ?? 0;
    if (timeline.broken === undefined && (stored?.generation ?? 0) <= told) continue;
    // A number that is missing says it already.
    if (missing.length > 0)
      found.push({ invariant: 'I9', person: timeline.person, evidence: 'one of their commits is not told' });
    else {
      const what = timeline.broken ?? `generation ${stored?.generation} is stored, ${told} is the last that is told`;
      found.push({ invariant: 'I9', person: timeline.person, evidence: what });
    }
  }
  return found;
}

/** I6, the directory's part: real time and generations agree, and what is stored is what all commits together make. */
export function checkOrder({ evidence, people, named }: Context): Finding[] {
  const found: Finding[] = [];
  for (const timeline of people.values()) {
    if (named.people.has(timeline.person)) continue;
    const done = timeline.acks.flatMap((ack) => {
      const commit = timeline.commits.get(ack.requestId);
      return commit === undefined ? [] : [{ ack, ...commit }];
    });
    for (const first of done.filter(({ ack }) => isAcknowledged(ack))) {
      const overtaken = done.find(
        ({ ack, generation }) => first.ack.answeredAtMs < ack.sentAtMs && generation < first.generation,
      );
      if (overtaken === undefined) continue;
      const what = `${describe(first.ack)} was answered before ${describe(overtaken.ack)} was sent, but came after it`;
      found.push({ invariant: 'I6', person: timeline.person, evidence: what });
    }
    const stored = evidence.people.find(({ id }) => timeline.ids.includes(id));
    const wanted = timeline.states.at(-1)?.wish;
    if (stored === undefined || timeline.broken !== undefined) continue;
    const held = stored.deleted ? undefined : stored;
    if (!sameWish(held, wanted)) {
      const what = `stored is ${words(held)}, the commits together make ${words(wanted)}`;
      found.push({ invariant: 'I6', person: timeline.person, evidence: what });
    }
  }
  return found;
}

/** I7: what is read is what was wanted at some moment between request and answer. */
export function checkReads({ evidence, people, named }: Context): Finding[] {
  const { slackMs } = evidence.settings;
  const found: Finding[] = [];
  for (const ack of evidence.acks) {
    if (ack.kind !== 'read' || ack.status === 'unknown' || (ack.status !== 200 && ack.status !== 404)) continue;
    const timeline = people.get(ack.person);
    if (timeline === undefined || timeline.broken !== undefined || named.people.has(ack.person)) continue;
    const during = statesWithin(timeline, ack.sentAtMs - slackMs, ack.answeredAtMs + slackMs);
    const seen = ack.seen === 'absent' ? undefined : ack.seen;
    if (during.some(({ wish }) => sameWish(wish, seen))) continue;
    const wanted = during.map(({ wish }) => words(wish)).join(' or ');
    const what = `a read by ${ack.how} from ${ack.replica} saw ${words(seen)}, wanted was ${wanted}`;
    found.push({ invariant: 'I7', person: ack.person, evidence: what });
  }
  return found;
}

function describe({ write, requestId }: WriteAck): string {
  return `${write.verb} ${requestId}`;
}

function words(wish: { active: boolean; familyName: string; title: string } | undefined): string {
  return wish === undefined ? 'nobody' : `${wish.active ? 'active' : 'inactive'} ${wish.familyName} "${wish.title}"`;
}
