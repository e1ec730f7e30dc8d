/**
 * Owns each mutating call: what is recorded before it leaves, what is sent, what is remembered of the answer, and what a refusal teaches.
 * Refuses to decide whether a step is right (plan.ts). After a call that cannot have had an effect, memory is as before;
 * after one that may have had an effect, the open step stays.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { AuditEntry } from '../directory/audit.ts';
import { type MaxioLink, type OpenStep, SCHEMA_VERSION } from '../directory/record.ts';
import { failpoint } from '../failpoint.ts';
import type { Fence, Lane } from '../maxio/budget.ts';
import { isAlreadyCanceled, isReferenceTaken } from '../maxio/classify.ts';
import { MaxioError } from '../maxio/error.ts';
import type { Telemetry } from '../telemetry.ts';
import { NotMade } from './caller.ts';
import { addressDigest } from './ghosts.ts';
import type { LookParts } from './look.ts';
import { confirm, presentFields } from './mapping.ts';
import { isByGroup } from './plan-products.ts';
import type { Sale, Step } from './plan-types.ts';
import { updateRemembered } from './remember.ts';
import type { Run } from './run.ts';
import { type Answer, send } from './send.ts';
import { standingOf } from './states.ts';

export interface ActParts extends LookParts {
  paymentCollectionMethod: string;
  siteKey: string;
  logger: Logger;
  telemetry: Telemetry;
}

/**
 * Take one step. Returns when the run can plan on, also after a refusal that is knowledge.
 * @throws NotMade, MaxioError (no effect, or unknown with the step left open), RunLost
 */
export async function act(run: Run, step: Step, parts: ActParts): Promise<void> {
  const token = randomUUID();
  const before = { link: run.link, open: run.open };
  const entry: OpenStep = {
    kind: step.kind,
    token,
    ...('target' in step ? { target: step.target } : {}),
    ...('productHandle' in step && isByGroup(run.desired) ? productOf(step) : {}),
    ...(isCreate(step) ? { sent: addressDigest(run.desired.mapped.email) } : {}),
    generation: run.record.generation,
    sentAtMs: 0,
  };
  const doubtful = linkInDoubt(run.link, step);
  const stored = JSON.stringify([...run.open, { ...entry, sentAtMs: '$now' }]);
  const notes = [{ key: run.userKey, field: 'open', value: stored }];
  // An older release must not go on from a step that it may not know.
  if (run.record.schemaVersion < SCHEMA_VERSION) notes.push({ key: run.userKey, field: 'v', value: String(SCHEMA_VERSION) });
  if (doubtful !== run.link) notes.push({ key: run.userKey, field: 'link', value: JSON.stringify(doubtful) });
  const options = { operation: step.kind, lane: laneOf(run, step), fences: fencesOf(run, step), notes, signal: parts.signal };

  let answer: Answer;
  try {
    const called = await parts.caller.call(options, (signal) => send(run, step, { ...parts, token, signal }));
    answer = called.value;
  } catch (error) {
    if (error instanceof NotMade && error.granted) await run.learn(before.link, before.open);
    if (error instanceof NotMade) throw error;
    if (!(error instanceof MaxioError) || error.kind === 'ambiguous' || error.kind === 'duplicate') {
      await leaveOpen(run, step, error);
      throw error;
    }
    await run.learn(
      before.link,
      before.open,
      auditOf(step, { result: error.kind, status: error.status ?? null, said: error.messages }),
    );
    if (teach(run, step, error)) return;
    throw error;
  }
  await failpoint('after_answer');
  await run.learn(answer.link(doubtful), before.open, auditOf(step, { result: 'done', ...answer.audit }));
  answer.see?.(run.seen);
  await tellRaced(run, step, parts);
  verifyEnding(run, step);
  verifyChange(run, step);
  await failpoint('after_record');
}

/** What memory must say while the call is out: ids are remembered before the call that ends them leaves. */
function linkInDoubt(link: MaxioLink | undefined, step: Step): MaxioLink | undefined {
  if (link === undefined) return undefined;
  switch (step.kind) {
    case 'cancel':
      return updateRemembered(link, step.target, (known) => ({ ...known, endedBy: 'cancel' }));
    case 'delay-cancel':
      return updateRemembered(link, step.target, (known) => ({ ...known, endedBy: 'cancel_at_period_end' }));
    case 'hold':
      return updateRemembered(link, step.target, (known) => ({ ...known, endedBy: 'hold' }));
    case 'update-customer':
      // What the lost update may have set is ours to clear, too.
      return { ...link, inDoubt: true, confirmed: confirm(link.confirmed, presentFields(step.fields)) };
    case 'reactivate':
    case 'resume':
    case 'undo-delayed-cancel':
    case 'create-subscription': {
      const { quiet: _quiet, ...rest } = link;
      return rest;
    }
    case 'change-product':
    case 'create-customer':
    case 'create-with-subscription':
      return link;
  }
}

function productOf({ productHandle, pricePointHandle }: Sale): Partial<OpenStep> {
  return { productHandle, ...(pricePointHandle === undefined ? {} : { pricePointHandle }) };
}

function fencesOf(run: Run, step: Step): Fence[] {
  return isCreate(step) ? [...run.fences(), run.noNewLink()] : run.fences();
}

/** Makes a customer, too. */
function isCreate(step: Step): boolean {
  return step.kind === 'create-customer' || step.kind === 'create-with-subscription';
}

/** Ending, and undoing an ending, may spend the reserve. */
function laneOf(run: Run, step: Step): Lane {
  switch (step.kind) {
    case 'cancel':
    case 'delay-cancel':
    case 'hold':
    case 'undo-delayed-cancel':
    case 'resume':
    case 'reactivate':
      return 'urgent';
    default:
      return run.desired.intent === 'inactive' ? 'urgent' : 'normal';
  }
}

/** The call may have had an effect: the step is on record as open already, the run ends here, and the story says so. */
async function leaveOpen(run: Run, step: Step, error: unknown): Promise<void> {
  const status = error instanceof MaxioError ? (error.status ?? null) : null;
  await run.tell(auditOf(step, { result: 'no answer', status }));
}

/** Turn a refusal into knowledge the plan can go on with. @returns false when it is not knowledge but an end of the run */
function teach(run: Run, step: Step, error: MaxioError): boolean {
  const said = error.messages.join('; ') || `HTTP ${error.status}`;
  switch (step.kind) {
    case 'create-customer':
    case 'create-with-subscription':
      if (!isReferenceTaken(error)) return false;
      run.seen.referenceTaken = true;
      delete run.seen.customer;
      delete run.seen.marked;
      // What was seen there did not foretell this; a link may have been approved and carried out since.
      delete run.seen.index;
      return true;
    case 'update-customer':
      if (error.kind !== 'missing') return false;
      run.seen.subscriptions = { value: undefined, atMs: run.known().nowMs };
      delete run.seen.customer;
      return true;
    case 'cancel':
    case 'delay-cancel':
    case 'hold':
      return teachEnding(run, step, error, said);
    case 'change-product':
    case 'reactivate':
    case 'resume':
    case 'undo-delayed-cancel':
      if (error.kind !== 'rejected' && error.kind !== 'missing') return false;
      run.seen.refused.set(step.target, said);
      delete run.seen.subscriptions;
      return true;
    default:
      return false;
  }
}

/** Gone or already ended is believed only when the customer's list says so. */
function teachEnding(run: Run, step: Step & { target: string }, error: MaxioError, said: string): boolean {
  if (error.kind !== 'rejected' && error.kind !== 'missing') return false;
  if (error.kind === 'missing' || isAlreadyCanceled(error)) contradict(run, step.target, said);
  else run.seen.refused.set(step.target, said);
  return true;
}

/** The person came back while their ending was on its way: the next run brings them back, and people on call hear of it, since a customer saw a gap. */
async function tellRaced(run: Run, step: Step, { telemetry, logger, siteKey }: ActParts): Promise<void> {
  if (step.kind !== 'cancel' && step.kind !== 'delay-cancel' && step.kind !== 'hold') return;
  if (run.desired.intent !== 'inactive' || run.intentNow !== 'active') return;
  telemetry.cancelsRaced.inc({ site: siteKey });
  logger.warn({ site: siteKey, userId: run.record.id, requestId: run.record.requestId, step: step.kind }, 'cancel raced');
  await run.tell({ kind: 'run', what: 'cancel raced', subscription: step.target });
}

/** An ending that was accepted but shows no effect is not repeated at once: every repetition would look like progress and cost a call. */
function verifyEnding(run: Run, step: Step): void {
  if (step.kind !== 'cancel' && step.kind !== 'hold') return;
  const shown = run.seen.subscriptions?.value?.find(({ id }) => id === step.target)?.state;
  if (shown === undefined || standingOf(shown) === 'ended' || (step.kind === 'hold' && standingOf(shown) === 'held')) return;
  contradict(run, step.target, `Maxio accepted it and still shows the state "${shown.slice(0, 40)}"`);
}

/** A product change that was accepted and shows another product counts as refused: what is there is read before anything else is said about it. */
function verifyChange(run: Run, step: Step): void {
  if (step.kind !== 'change-product') return;
  const { productHandle, pricePointHandle } = run.link?.subscriptions.find(({ id }) => id === step.target) ?? {};
  const asked = step.pricePointHandle;
  if (productHandle === step.productHandle && (asked === undefined || asked === pricePointHandle)) return;
  const [what, shown] = productHandle === step.productHandle ? ['price point', pricePointHandle] : ['product', productHandle];
  run.seen.refused.set(step.target, `Maxio accepted it and still shows the ${what} "${(shown ?? 'none').slice(0, 40)}"`);
  delete run.seen.subscriptions;
}

/** An answer and the list disagree: the list is read again, and a second contradiction counts as a refusal. */
function contradict(run: Run, target: string, why: string): void {
  if (run.contradicted.has(target)) run.seen.refused.set(target, why);
  else delete run.seen.subscriptions;
  run.contradicted.add(target);
}

function auditOf(step: Step, detail: Omit<AuditEntry, 'kind' | 'what'>): AuditEntry {
  return { ...detail, kind: 'maxio', what: step.kind, ...('target' in step ? { subscription: step.target } : {}) };
}
