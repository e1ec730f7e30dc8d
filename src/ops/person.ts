/**
 * Owns the whole story of one person: what the identity provider said, what we promised by acknowledging it, what is remembered of Maxio, what happens next.
 * Refuses to decide anything and to call Maxio, except for the look that the operator asks for. Written for somebody who knows billing, not queues.
 */
import { intentOf, type Leave, type LeaveState, type MaxioLink, type OpenStep, type UserRecord } from '../directory/record.ts';
import type { SiteMode } from '../directory/site-mode.ts';
import { MaxioError } from '../maxio/error.ts';
import { NotMade } from '../provisioning/caller.ts';
import type { WantedProduct } from '../provisioning/plan-types.ts';
import type { Forecast } from '../survey/forecast.ts';
import type { ForecastAnswer } from './api/shapes.ts';
import type { LiveView, OpsSite } from './site-view.ts';
import { type StoryLine, tellStory } from './story.ts';
import { moment, sentence, span } from './words.ts';

export interface PersonView {
  site: string;
  id: string;
  userName: string;
  active: boolean;
  deleted: boolean;
  generation: number;
  settledGeneration: number;
  /** True when Maxio holds what the identity provider wants, as far as we know. */
  inStep: boolean;
  promised: string;
  now: string;
  /** What would happen in `enforce`, or after an approval; `null` where it is about to happen or has happened. */
  would: ForecastAnswer | null;
  leave: LeaveView | null;
  loss: LossView | null;
  /** On the list of people whose subscriptions are never ended. */
  protected: boolean;
  /** What they bring in a month, in cents, by our memory. */
  monthlyCents: number | null;
  reference: string;
  /** As remembered from the last answers; `live` is what Maxio says at this moment. */
  maxio: MaxioLink | null;
  openSteps: (Pick<OpenStep, 'kind' | 'generation'> & { target: string | null; sentAt: string })[];
  story: StoryLine[];
  live?: LiveView;
  /** Why there is no `live` although it was asked for. */
  liveError?: string;
}

/** What an approval would bring about is what somebody who decides needs to know. */
function ifApproved(record: UserRecord): UserRecord {
  if (record.loss?.state === 'held') return { ...record, loss: { ...record.loss, state: 'approved' } };
  return record.leave?.state === 'held' ? { ...record, leave: { ...record.leave, state: 'approved' } } : record;
}

function forecastView({ kind, words, reason, steps, monthlyCents }: Forecast): ForecastAnswer {
  const told = steps.map((step) => ({ kind: step.kind, target: step.target ?? null, words: step.words }));
  return { kind, words, reason: reason ?? null, steps: told, monthlyCents };
}

export interface LossView extends LeaveView {
  /** Product families that a group has taken away, and those whose loss is not acted on. */
  families: string[];
  spared: string[];
}

export interface LeaveView {
  at: string;
  state: LeaveState;
  why: string | null;
  by: string | null;
  decidedAt: string | null;
}

/** Builds the view of one person. @param live asks Maxio too, at the cost of up to two calls */
export async function viewPerson(site: OpsSite, record: UserRecord, live: boolean): Promise<PersonView> {
  const [entries, nowMs, mode] = await site.store.guard(() =>
    Promise.all([site.runs.story(record.id), site.runs.nowMs(), site.modes.read()]),
  );
  const held = record.leave?.state === 'held' || record.loss?.state === 'held';
  const undone = record.settledGeneration !== record.generation || held;
  const asks = undone && (mode?.mode !== 'enforce' || held);
  return {
    site: site.key,
    id: record.id,
    userName: record.attributes.userName,
    active: record.attributes.active,
    deleted: record.deleted,
    generation: record.generation,
    settledGeneration: record.settledGeneration,
    inStep: record.settledGeneration === record.generation,
    promised: promisedOf(site, record, await site.wanted(record)),
    now: nowOf(site, record, { nowMs, mode }),
    would: asks ? forecastView(await site.forecasts.one(ifApproved(record))) : null,
    leave: record.leave === undefined ? null : leaveOf(record.leave),
    loss:
      record.loss === undefined
        ? null
        : { ...leaveOf(record.loss), families: Object.keys(record.loss.families), spared: [...record.loss.spared] },
    protected: site.isProtected(record),
    monthlyCents: record.monthlyCents ?? null,
    reference: record.reference,
    maxio: record.link ?? null,
    openSteps: record.open.map(({ kind, generation, target, sentAtMs }) => ({
      kind,
      generation,
      target: target ?? null,
      sentAt: moment(sentAtMs),
    })),
    story: tellStory(entries),
    ...(live ? await lookAt(site, record) : {}),
  };
}

const ENDINGS = {
  cancel: 'every subscription of theirs that we manage is canceled at once',
  cancel_at_period_end: 'every subscription of theirs that we manage ends with its period',
  hold: 'every subscription of theirs that we manage is put on hold',
} as const;

function promisedOf(site: OpsSite, record: UserRecord, wanted: readonly WantedProduct[]): string {
  const since = moment(record.modifiedAtMs);
  if (intentOf(record) === 'inactive') {
    const said = record.deleted ? 'was deleted' : 'is deactivated';
    return `Since ${since} this person ${said} at the identity provider, so ${ENDINGS[site.deprovision]}; the customer is kept.`;
  }
  const product = wanted.length === 0 ? '' : `, subscribed to ${wanted.map(({ productHandle }) => productHandle).join(' and ')}`;
  return `Since ${since} this person is to be a customer at Maxio${product}, with the profile the identity provider sent.`;
}

function leaveOf({ atMs, state, why, by, decidedAtMs }: Leave): LeaveView {
  const decidedAt = decidedAtMs === undefined ? null : moment(decidedAtMs);
  return { at: moment(atMs), state, why: why ?? null, by: by ?? null, decidedAt };
}

interface Present {
  nowMs: number;
  mode: SiteMode | undefined;
}

const LIMITS: Record<string, string> = {
  hour: 'more people left within an hour than is usual',
  day: 'more people left within a day than is usual',
  revenue: 'a large share of the monthly revenue left within a day',
};

/** What was decided about a leave stands before what any run has said. */
function leaveWords({ id, leave }: UserRecord): string | undefined {
  const by = leave?.by === undefined ? '' : ` by ${leave.by}`;
  if (leave?.state === 'held') {
    const limit = LIMITS[leave.why ?? ''] ?? 'the guard tripped';
    return `Held: ${limit}, so nothing ends at Maxio until a human decides. An approver does: maxio-scim approve ${id}, or maxio-scim reject ${id} if the leave is a mistake. If the identity provider reactivates this person, the hold ends by itself.`;
  }
  if (leave?.state === 'exempt')
    return `Exempt: this leave was rejected${by}, so nothing ends at Maxio until the identity provider next changes active. To end the subscriptions after all, reactivate and deactivate this person there.`;
  return undefined;
}

/** Somebody who stays is otherwise in step, or not; that is said where nothing waits for a decision. */
function lossWords({ id, loss }: UserRecord): string | undefined {
  if (loss?.state !== 'held') return undefined;
  const limit = LIMITS[loss.why ?? ''] ?? 'the guard tripped';
  return `Held: ${limit}, so the product that a group has taken away does not end until a human decides; everything else goes on. An approver does: maxio-scim approve ${id}, or maxio-scim reject ${id} if it is a mistake. If a group gives the product again, the hold ends by itself.`;
}

/** Why nothing happens at the site as a whole, and what to do. */
function siteWords(site: OpsSite, mode: SiteMode | undefined): string | undefined {
  if (site.contact() !== 'confirmed') {
    // A process that has not met Maxio yet says nothing about a site that others have met.
    if (site.contact() === 'foreign' || mode === undefined)
      return `Waits: ${site.contactDetail() ?? 'Maxio has not confirmed the site yet.'}`;
  }
  if (mode?.mode === 'observe')
    return 'Waits, because the site is observed only: nothing is written at Maxio until it is released (maxio-scim release).';
  if (mode?.mode === 'paused')
    return `Waits, because ${mode.by} paused the site at ${moment(mode.atMs)}${mode.why === '' ? '' : ` (${mode.why})`}. maxio-scim resume lets it go on.`;
  return undefined;
}

function nowOf(site: OpsSite, record: UserRecord, { nowMs, mode }: Present): string {
  const { run } = record;
  const sinceSeconds = (nowMs - record.modifiedAtMs) / 1_000;
  const decided = intentOf(record) === 'inactive' ? leaveWords(record) : lossWords(record);
  if (decided !== undefined) return decided;
  if (record.settledGeneration === record.generation) {
    const at = run === undefined ? '' : ` since ${moment(run.atMs)}`;
    return `In step with Maxio${at}. ${sentence(run?.detail ?? '')}`.trim();
  }
  const stopped = run?.outcome === 'parked' ? undefined : siteWords(site, mode);
  if (stopped !== undefined) return stopped;
  if (run === undefined)
    return `Waits for its turn; the last change came ${span(sinceSeconds)} ago. A worker takes it up by itself.`;
  const reason = run.reason === undefined ? '' : ` (${run.reason})`;
  const detail = run.detail === undefined ? '' : ` ${sentence(run.detail)}`;
  const next =
    run.nextAttemptAtMs === undefined
      ? ''
      : run.nextAttemptAtMs <= nowMs
        ? ' The next attempt is due now.'
        : ` Next attempt in ${span((run.nextAttemptAtMs - nowMs) / 1_000)}.`;
  switch (run.outcome) {
    case 'settled':
      return `An earlier change is in step; the last one came ${span(sinceSeconds)} ago and waits for its turn.`;
    case 'postponed':
      return `Postponed${reason}.${detail}${next}`;
    case 'retry':
      return `Attempt ${run.attempts} did not succeed${reason}.${detail}${next}`;
    case 'parked':
      return `Parked for ${span((nowMs - run.atMs) / 1_000)}${reason}.${detail} Nothing happens until the identity provider changes this person or an operator retries.`;
    case 'held':
      return `Held${reason}.${detail} A human must decide.`;
    case 'paused':
      return `Waits, because the site is paused${reason}.${detail}${next}`;
  }
}

async function lookAt(site: OpsSite, record: UserRecord): Promise<Pick<PersonView, 'live' | 'liveError'>> {
  try {
    return { live: await site.live(record) };
  } catch (error) {
    if (error instanceof NotMade) {
      const why =
        error.why === 'blocked'
          ? 'the site is paused'
          : error.why === 'budget'
            ? "this look's share of the call budget is used up"
            : 'all calls Maxio serves at once are taken, or it is slow';
      return { liveError: `Maxio was not asked: ${why}. Ask again in ${span(Math.max(1, error.waitMs / 1_000))}.` };
    }
    if (error instanceof MaxioError) return { liveError: `${sentence(error.message)} Ask again later.` };
    throw error;
  }
}
