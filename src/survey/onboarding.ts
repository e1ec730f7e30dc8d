/**
 * Owns the construction of what a site needs before it may act: the survey with its index, what keeps that fresh for creates, the link plan, the links and the release.
 * No behaviour of its own; see the parts.
 */

import { LinkPlan } from './link-plan.ts';
import { Links, type LinksParts } from './links.ts';
import { Newcomers } from './newcomers.ts';
import { Release } from './release.ts';
import type { Chore } from './rounds.ts';
import { Survey, type SurveyParts } from './survey.ts';

export type OnboardingParts = Omit<SurveyParts, 'prefix'> & Omit<LinksParts, 'plan'>;

export interface Onboarding {
  survey: Survey;
  links: Links;
  release: Release;
  chores: Chore[];
}

export function createOnboarding(parts: OnboardingParts): Onboarding {
  const plan = new LinkPlan(parts.store, parts.index);
  const survey = new Survey({ ...parts, prefix: parts.store.prefix });
  const links = new Links({ ...parts, plan });
  const newcomers = new Newcomers(parts);
  const release = new Release({ ...parts, plan, newcomers });
  return { survey, links, release, chores: [survey, newcomers, links] };
}
