/**
 * Owns the construction of what a site needs before it may act: the survey with its index, what keeps that fresh for creates, the link plan, the links and the release.
 * No behaviour of its own; see the parts.
 */

import { Archive } from '../directory/archive.ts';
import type { Budget } from '../maxio/budget.ts';
import { Imports } from './imports.ts';
import { LinkPlan } from './link-plan.ts';
import { Links, type LinksParts } from './links.ts';
import { Newcomers } from './newcomers.ts';
import { NightlyExport } from './nightly-export.ts';
import { Rebuild } from './rebuild.ts';
import { Recovery } from './recovery.ts';
import { Release } from './release.ts';
import type { Chore } from './rounds.ts';
import { Survey, type SurveyParts } from './survey.ts';

export type OnboardingParts = Omit<SurveyParts, 'prefix' | 'lostBySurvey'> &
  Omit<LinksParts, 'plan'> & {
    budget?: Budget;
    /** Where a daily export goes, if anywhere, and how many are kept. */
    exports?: { folder: string | undefined; keep: number };
  };

export interface Onboarding {
  survey: Survey;
  links: Links;
  release: Release;
  recovery: Recovery;
  imports: Imports;
  archive: Archive;
  chores: Chore[];
}

export function createOnboarding(parts: OnboardingParts): Onboarding {
  const plan = new LinkPlan(parts.store, parts.index);
  const archive = new Archive(parts.store, parts.siteKey);
  const rebuild = new Rebuild(parts);
  const survey = new Survey({ ...parts, prefix: parts.store.prefix, lostBySurvey: () => recovery.lostBySurvey() });
  const recovery: Recovery = new Recovery({ ...parts, survey, rebuild, archive, budget: parts.budget });
  const links = new Links({ ...parts, plan });
  const newcomers = new Newcomers(parts);
  const imports = new Imports({ ...parts, survey, archive });
  const nightly = new NightlyExport({ folder: undefined, keep: 1, ...parts.exports, ...parts, archive });
  const release = new Release({ ...parts, plan, newcomers, recovery });
  return { survey, links, release, recovery, imports, archive, chores: [survey, newcomers, links, recovery, nightly] };
}
