/**
 * Owns the one step from watching to acting: an operator releases a site after its survey. Refuses while it is not known who is at Maxio already, and,
 * unless told otherwise, while customers that look like our people are undecided: those people would be parked, not created. What staff have changed at
 * Maxio since the survey is read first, because between a survey and a release lie the days in which a company prepares itself.
 * Refuses to decide who may release (ops).
 */
import type { Runs } from '../directory/runs.ts';
import type { Mode, SiteModes } from '../directory/site-mode.ts';
import type { SurveyIndex } from '../directory/survey-index.ts';
import { MaxioError } from '../maxio/error.ts';
import { NotMade } from '../provisioning/caller.ts';
import { isOpen, type LinkPlan } from './link-plan.ts';
import type { Newcomers } from './newcomers.ts';
import type { Recovery } from './recovery.ts';

/** Why a site is not released, and what to do first. */
export class ReleaseRefused extends Error {
  readonly error: 'survey-first' | 'links-open' | 'rebuild-first';
  readonly todo: string;

  constructor(error: ReleaseRefused['error'], detail: string, todo: string) {
    super(detail);
    this.name = 'ReleaseRefused';
    this.error = error;
    this.todo = todo;
  }
}

export interface Released {
  mode: 'enforce';
  /** Customers without a reference that stay as they are. */
  unreferenced: number;
  /** Customers that look like one of our people and are undecided: these people are parked. */
  twins: number;
}

export interface ReleaseOrder {
  by: string;
  requestId: string;
  /** Accept that people with an undecided twin are parked. */
  acceptUnlinked?: boolean | undefined;
  /** What was lost stays lost: the site begins as one that nobody has met. */
  asNew?: boolean | undefined;
}

export interface ReleaseParts {
  modes: SiteModes;
  index: SurveyIndex;
  plan: LinkPlan;
  newcomers: Newcomers;
  runs: Pick<Runs, 'nowMs'>;
  recovery: Pick<Recovery, 'obstacle' | 'end'>;
}

/** How long a release may take; whoever has asked is waiting. */
const READ_MS = 20_000;

export class Release {
  readonly #parts: ReleaseParts;

  constructor(parts: ReleaseParts) {
    this.#parts = parts;
  }

  /** Let the site act. Repeating it changes nothing. @throws ReleaseRefused */
  async release({ by, requestId, acceptUnlinked = false, asNew = false }: ReleaseOrder): Promise<Released> {
    const { modes, index, plan, recovery } = this.#parts;
    const obstacle = await recovery.obstacle(asNew);
    if (obstacle !== undefined) throw new ReleaseRefused(obstacle.error, obstacle.detail, obstacle.todo);
    if ((await index.current()) === undefined) {
      throw new ReleaseRefused(
        'survey-first',
        'No survey of this site has ended, so nobody knows which people are customers at Maxio already.',
        'Run maxio-scim survey --wait, then maxio-scim link plan, then release again.',
      );
    }
    const was = await modes.read();
    if (was?.mode !== 'enforce') await this.#freshen(was?.mode);
    const [rows, { unreferenced }] = await Promise.all([plan.rows(), index.counts()]);
    const twins = rows.filter(isOpen).length;
    if (was?.mode === 'enforce') {
      await recovery.end({ by, requestId }, asNew);
      return { mode: 'enforce', unreferenced, twins };
    }
    if (twins > 0 && !acceptUnlinked) {
      throw new ReleaseRefused(
        'links-open',
        `${twins} ${twins === 1 ? 'customer looks' : 'customers look'} like people of the directory and ${twins === 1 ? 'is' : 'are'} undecided.`,
        'Decide with maxio-scim link plan and maxio-scim link apply, or release with --accept-unlinked: then these people are parked until somebody decides.',
      );
    }
    await recovery.end({ by, requestId }, asNew);
    const set = await modes.set('enforce', { by, why: 'released', requestId, release: true });
    if (set.mode !== 'enforce') {
      throw new ReleaseRefused(
        'rebuild-first',
        'A recovery of this site was begun while it was being released.',
        'Run maxio-scim recovery, then release again.',
      );
    }
    return { mode: 'enforce', unreferenced, twins };
  }

  /** Read what has changed since the survey, unless that was only just. */
  async #freshen(mode: Mode | undefined): Promise<void> {
    const { newcomers, runs } = this.#parts;
    if (!(await newcomers.isDue(await runs.nowMs()))) return;
    if (mode === 'paused') {
      throw new ReleaseRefused(
        'survey-first',
        'The survey is some time ago, and what has changed at Maxio since cannot be read while the site is paused.',
        'Run maxio-scim mode observe, then release again.',
      );
    }
    try {
      await newcomers.read({ mode, signal: AbortSignal.timeout(READ_MS) });
    } catch (error) {
      if (!(error instanceof NotMade || error instanceof MaxioError)) throw error;
      throw new ReleaseRefused(
        'survey-first',
        `The survey is some time ago, and what has changed at Maxio since could not be read: ${error.message}.`,
        'Look at maxio-scim status, and release again in a minute. If it lasts, run maxio-scim survey --wait first.',
      );
    }
  }
}
