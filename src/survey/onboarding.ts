/**
 * Owns the construction of what a site needs before it may act: the survey with its index, what keeps that fresh for creates, the link plan, the links and the release.
 * No behaviour of its own; see the parts.
 */

import { Archive } from '../directory/archive.ts';
import { AuditTrail } from '../directory/audit-trail.ts';
import { Erased } from '../directory/erased.ts';
import type { Budget } from '../maxio/budget.ts';
import type { Secret } from '../secret.ts';
import { AuditCare } from './audit-care.ts';
import { AuditExport } from './audit-export.ts';
import { ErasedCopy } from './erased-copy.ts';
import { Erasures } from './erasure.ts';
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
    /** ERASURE_KEY. */
    erasureKey?: Secret | undefined;
  };

export interface Onboarding {
  survey: Survey;
  links: Links;
  release: Release;
  recovery: Recovery;
  imports: Imports;
  archive: Archive;
  audit: AuditTrail;
  erased: Erased;
  erasures: Erasures;
  chores: Chore[];
}

export function createOnboarding(parts: OnboardingParts): Onboarding {
  const { store, siteKey } = parts;
  const plan = new LinkPlan(store, parts.index);
  const erased = new Erased(store, siteKey, parts.erasureKey);
  const erasures = new Erasures({ ...parts, erased });
  const folder = parts.exports?.folder;
  const copy = new ErasedCopy({ ...parts, folder, erased, erasures });
  const archive = new Archive(store, siteKey, erased);
  const rebuild = new Rebuild({ ...parts, erased });
  const survey = new Survey({ ...parts, prefix: store.prefix, lostBySurvey: () => recovery.lostBySurvey() });
  const recovery: Recovery = new Recovery({ ...parts, survey, rebuild, archive, erasedCopy: copy, budget: parts.budget });
  const links = new Links({ ...parts, plan });
  const newcomers = new Newcomers(parts);
  const imports = new Imports({ ...parts, survey, archive, erasedCopy: copy });
  const nightly = new NightlyExport({ keep: 1, ...parts.exports, ...parts, folder, archive });
  const release = new Release({ ...parts, plan, newcomers, recovery });
  const audit = new AuditTrail(store, siteKey);
  const care = [new AuditCare({ ...parts, trail: audit }), new AuditExport({ ...parts, folder, trail: audit }), copy];
  const chores: Chore[] = [survey, newcomers, links, recovery, nightly, ...care];
  return { survey, links, release, recovery, imports, archive, audit, erased, erasures, chores };
}
