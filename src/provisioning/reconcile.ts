/**
 * Owns one run for one person: read the newest desired state, plan, do one thing, plan again, until it settles or must stop.
 * Refuses to know queues and HTTP. Every way it can end is an {@link Outcome}; unchanged intent ends without a call to Maxio.
 */
import { type Erased, ErasureKeyMissing } from '../directory/erased.ts';
import type { GroupLabel } from '../directory/group-record.ts';
import { GroupStore } from '../directory/group-store.ts';
import { intentOf, type RunState, type UserRecord } from '../directory/record.ts';
import type { Lease, Runs } from '../directory/runs.ts';
import type { Store } from '../directory/store.ts';
import { DirectoryUnavailable } from '../directory/unavailable.ts';
import { failpoint } from '../failpoint.ts';
import { MaxioError } from '../maxio/error.ts';
import { isRedisAway } from '../redis.ts';
import { type ActParts, act } from './act.ts';
import { NotMade } from './caller.ts';
import { packSeen } from './carry-over.ts';
import { conclusions } from './ghosts.ts';
import { look } from './look.ts';
import { backoffMs, type Outcome, outcomeOf, RETRY_HORIZON_MS } from './outcome.ts';
import { plan } from './plan.ts';
import type { Decision } from './plan-types.ts';
import { Run, RunLost, type RunPolicy } from './run.ts';

/** More turns than any honest plan needs; a plan that circles is a defect, parked with its own reason instead of burning the budget. */
const TURNS_MAX = 500;

/** A person on whom the code itself fails is put aside after this many tries, so that the others are not kept waiting. */
const DEFECT_ATTEMPTS_MAX = 10;

/** And one over whom so many workers have died, by want of memory for example: nothing else would end that, and each death takes the others' runs with it. */
const UNFINISHED_MAX = 10;

export interface ReconcileParts extends Omit<ActParts, 'signal'> {
  store: Store;
  runs: Runs;
  policy: RunPolicy;
  /** Absent where nobody can be erased. */
  erased?: Pick<Erased, 'has'>;
}

/** Bring one person as far as possible now. The caller holds the lease. */
export async function reconcile(lease: Lease, parts: ReconcileParts, signal: AbortSignal): Promise<Outcome> {
  const { policy } = parts;
  const { record, mode, nowMs, lastLossMs, dataLossAtMs } = await parts.runs.begin(lease.id);
  await failpoint('after_read');
  // Nothing is written down: the person stays as pending as before, and the sweep rings when the site is released.
  if (mode !== 'enforce') return { kind: 'paused', reason: mode ?? 'unconfirmed' };
  if (record === undefined || record.unclaimed === true) return { kind: 'settled' };
  if (intentOf(record) === 'inactive') {
    if (record.leave?.state === 'held') return { kind: 'held', reason: 'guard' };
    if (record.leave?.state === 'exempt') return { kind: 'settled' };
  }
  // A late bell for someone parked must not repeat what was refused; a change or an operator's retry has taken the run off the record.
  if (record.run?.outcome === 'parked') return { kind: 'parked' };
  const groups = await labelsOf(record, parts.store, policy);
  const erased = record.link === undefined && (await wasErased(record.reference, parts.erased));
  const read = { record, lease, nowMs, lastLossMs, dataLossAtMs, policy, groups, erased };
  // A bell for someone who is already settled, rung twice or late: there is nothing to look at.
  const done = record.settledGeneration === record.generation && record.run?.outcome === 'settled';
  const outcome: Outcome = done
    ? { kind: 'settled' }
    : lease.unfinished >= UNFINISHED_MAX
      ? WORKERS_LOST
      : await attempt(read, parts, signal);
  return await finish(read, outcome, parts);
}

const WORKERS_LOST: Outcome = {
  kind: 'parked',
  reason: 'workers-lost',
  detail:
    'Ten workers have died or stood still while they were at work on this person, who may be the cause or was only there. ' +
    'Look into the end of their logs and into their memory, then retry.',
};

/** One person as read under the lease, Redis TIME of that moment, and what is acted by from then on. */
interface Read {
  record: UserRecord;
  lease: Lease;
  policy: RunPolicy;
  nowMs: number;
  lastLossMs: number | undefined;
  dataLossAtMs: number | undefined;
  groups: readonly GroupLabel[];
  erased: boolean;
}

/** Read after the record: a label that changes what a group gives also changes the generation of its members, so no call leaves by an older one. */
async function labelsOf({ groups = [] }: UserRecord, store: Store, policy: RunPolicy): Promise<GroupLabel[]> {
  if (policy.groupPlans === undefined || groups.length === 0) return [];
  return [...(await new GroupStore(store).labels(groups)).values()];
}

/** Where nobody can tell, it is asked: a key that is missing must not bring anybody back. */
async function wasErased(reference: string, erased: Pick<Erased, 'has'> | undefined): Promise<boolean> {
  try {
    return (await erased?.has(reference)) ?? false;
  } catch (error) {
    if (error instanceof ErasureKeyMissing) return true;
    throw error;
  }
}

async function attempt(read: Read, parts: ReconcileParts, signal: AbortSignal): Promise<Outcome> {
  const { record } = read;
  let run: Run | undefined;
  try {
    // Building the run maps the person; someone who cannot be mapped must end as an attempt, too, or they would be tried for ever.
    const { runs, store } = parts;
    const { prefix } = store;
    const keys = { userKey: store.userKey(record.id), modeKey: `${prefix}mode`, linksKey: `${prefix}linkReferences` };
    run = new Run({ ...read, runs, ...keys });
    return await turns(run, parts, signal);
  } catch (error) {
    if (error instanceof RunLost) return { kind: 'fenced' };
    if (error instanceof NotMade) return outcomeOfRefusal(error, run);
    if (error instanceof MaxioError) {
      parts.logger.warn(
        { err: error, site: parts.siteKey, userId: record.id, requestId: record.requestId },
        'a call to Maxio failed',
      );
      return outcomeOf(error);
    }
    if (signal.aborted) throw error;
    // Redis that comes and goes is nobody's defect; while it is away, writing the end of the run fails as well, and the sweep rings again.
    if (error instanceof DirectoryUnavailable || isRedisAway(error)) {
      return { kind: 'retry', reason: 'redis-unavailable', detail: 'Redis did not answer while this person was worked on.' };
    }
    parts.logger.error(
      { err: error, site: parts.siteKey, userId: record.id, requestId: record.requestId },
      'a run failed by itself',
    );
    return { kind: 'retry', reason: 'internal-error', detail: 'The service failed on this person by itself; its log says why.' };
  }
}

async function turns(run: Run, parts: ReconcileParts, signal: AbortSignal): Promise<Outcome> {
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    signal.throwIfAborted();
    const decision = plan(run.desired, run.known());
    switch (decision.kind) {
      case 'settle':
        await rememberQuiet(run);
        return decision.note === undefined ? { kind: 'settled' } : { kind: 'settled', detail: decision.note };
      case 'look':
        await look(run, decision.at, { ...parts, signal });
        break;
      case 'note':
        await note(run, decision);
        break;
      case 'step':
        await act(run, decision.step, { ...parts, signal });
        break;
      case 'wait':
        return { ...decision, kind: 'postponed', waitMs: Math.max(100, decision.untilMs - run.known().nowMs) };
      case 'retry':
        return decision;
      case 'park':
        return { ...decision, kind: 'parked' };
    }
  }
  return {
    kind: 'parked',
    reason: 'defect',
    detail: 'The plan did not come to an end. Please report this with the story of this person.',
  };
}

/** What has become of unanswered calls is told with their ids: for some of them it is the only entry that says that they took effect. */
async function note(run: Run, decision: Extract<Decision, { kind: 'note' }>): Promise<void> {
  const steps = conclusions(decision, run.known(), run.desired.mark);
  const about = steps.length === 0 ? {} : { steps };
  await run.learn(decision.link, decision.open, { kind: 'run', what: decision.why, ...about });
}

/** A settled leaver with nothing left to bill needs no call when an unmapped attribute changes later; a settled active person does. */
async function rememberQuiet(run: Run): Promise<void> {
  const quiet = run.desired.intent === 'inactive';
  // A run for an active person has dropped the mark from what it knows, but may have had no reason to write that down yet.
  const stored = (run.record.link?.quiet === true && !quiet) || run.record.link?.shown !== undefined;
  if (run.link === undefined || ((run.link.quiet === true) === quiet && !stored)) return;
  const { quiet: _quiet, ...rest } = run.link;
  await run.learn(quiet ? { ...rest, quiet } : rest, run.open);
}

const REFUSED = {
  blocked: 'The site is paused after answers from Maxio that asked for it; work goes on by itself.',
  budget: 'The call budget of this site is used up for now; work goes on by itself.',
  slots:
    'All call slots of this site are taken, by calls at work or by calls that were never answered; they come back by themselves within minutes.',
};

function outcomeOfRefusal(refusal: NotMade, run: Run | undefined): Outcome {
  if (refusal.why === 'fenced') return { kind: 'superseded' };
  const seen = run === undefined ? undefined : packSeen(run.seen, run.link);
  return {
    ...(seen === undefined ? {} : { seen }),
    kind: 'postponed',
    reason: refusal.why,
    detail: REFUSED[refusal.why],
    lane: refusal.lane,
    waitMs: refusal.waitMs,
  };
}

async function finish({ record, lease, nowMs, policy }: Read, outcome: Outcome, parts: ReconcileParts): Promise<Outcome> {
  if (outcome.kind === 'superseded' || outcome.kind === 'fenced') return outcome;
  const final =
    outcome.kind === 'retry' ? countAttempt(record, outcome, nowMs) : { outcome, state: carriedOver(record, outcome) };
  const { kind, reason, detail, waitMs, seen } = final.outcome;
  const words = { ...(reason === undefined ? {} : { reason }), ...(detail === undefined ? {} : { detail }) };
  const tell = kind !== record.run?.outcome || reason !== record.run?.reason;
  const finished = await parts.runs.finish(lease, {
    generation: record.generation,
    leave: (record.leave ?? record.loss)?.state,
    losses: policy.groupPlans !== undefined,
    run: { outcome: kind as RunState['outcome'], ...words, ...final.state, ...(seen === undefined ? {} : { seen }) },
    ...(waitMs === undefined ? {} : { waitMs }),
    restsOn: (policy.fences ?? []).flatMap(({ key, field, equals }) => (field === undefined ? [] : [{ key, field, equals }])),
    ...(tell ? { audit: { kind: 'run', what: kind, requestId: record.requestId, ...words } } : {}),
  });
  await failpoint('after_settle');
  if (finished.kind !== 'ok') return { kind: finished.kind === 'fenced' ? 'fenced' : 'superseded' };
  measure(record, final.outcome, finished, parts);
  return final.outcome;
}

/** Waiting, for an answer or for a pause to end, is neither a failure nor the end of one; any other end that is not a retry begins anew. */
function carriedOver(record: UserRecord, outcome: Outcome): Pick<RunState, 'attempts' | 'failingSinceMs'> {
  const before = record.run;
  if (before === undefined || outcome.kind !== 'postponed') return { attempts: 0 };
  const { attempts, failingSinceMs } = before;
  return failingSinceMs === undefined ? { attempts } : { attempts, failingSinceMs };
}

function countAttempt(
  record: UserRecord,
  outcome: Outcome,
  nowMs: number,
): { outcome: Outcome; state: Pick<RunState, 'attempts' | 'failingSinceMs'> } {
  const attempts = (record.run?.attempts ?? 0) + 1;
  const failingSinceMs = record.run?.failingSinceMs ?? nowMs;
  const state = { attempts, failingSinceMs };
  const defect = outcome.reason === 'internal-error' && attempts >= DEFECT_ATTEMPTS_MAX;
  // A refused hold or delayed cancel has an end of its own: the renewal it should prevent (plan-leaving.ts).
  const within = nowMs - failingSinceMs < RETRY_HORIZON_MS || outcome.reason === 'refused-for-now';
  if (!defect && within) return { outcome: { ...outcome, waitMs: backoffMs(attempts, Math.random(), outcome.reason) }, state };
  const detail =
    `${outcome.detail ?? ''} ${defect ? 'It was tried ten times.' : 'This has lasted for a day.'} Look into it, then retry.`.trim();
  return { outcome: { kind: 'parked', reason: outcome.reason ?? 'unavailable', detail }, state };
}

function measure(
  record: UserRecord,
  outcome: Outcome,
  finished: { dirtySinceMs: number; nowMs: number },
  parts: ReconcileParts,
): void {
  const operation = intentOf(record) === 'inactive' ? 'deprovision' : record.link === undefined ? 'create' : 'update';
  const labels = { site: parts.siteKey, operation, outcome: outcome.kind };
  parts.telemetry.attempts.inc(labels);
  if ((outcome.kind === 'settled' || outcome.kind === 'parked') && finished.dirtySinceMs > 0) {
    parts.telemetry.convergenceSeconds.observe(labels, (finished.nowMs - finished.dirtySinceMs) / 1_000);
  }
  const level = outcome.kind === 'parked' ? 'error' : outcome.kind === 'settled' ? 'info' : 'debug';
  parts.logger[level](
    { userId: record.id, requestId: record.requestId, generation: record.generation, ...labels, reason: outcome.reason },
    'run ended',
  );
}
