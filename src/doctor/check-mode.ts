/**
 * Owns what the doctor says of the mode of a site and of its survey: whether anything is done at Maxio at all, and if not, what to do next.
 * Refuses to reach out: both are handed in.
 */
import type { SiteMode } from '../directory/site-mode.ts';
import { type DoctorCheck, pass, warn } from './check.ts';

export interface SurveyFacts {
  state: 'never' | 'wanted' | 'running' | 'done';
  /** Customers at Maxio without a reference, as of the last survey. */
  unreferenced?: number | null | undefined;
}

/** Examines the mode of one site. */
export function checkMode(siteKey: string, mode: SiteMode | undefined, survey: SurveyFacts | undefined): DoctorCheck {
  const name = `${siteKey} mode`;
  if (mode === undefined) {
    return warn(
      name,
      'Nobody has met this site yet.',
      'Start a process with ROLE worker or all; it asks Maxio which site this is.',
    );
  }
  const by = `set by ${mode.by}${mode.why === '' ? '' : ` (${mode.why})`}`;
  if (mode.mode === 'enforce') return enforceCheck(name, by, survey);
  if (mode.mode === 'paused') return warn(name, `paused, ${by}: nothing reaches Maxio.`, 'maxio-scim resume');
  return warn(name, `observe, ${by}: nothing is written at Maxio. ${surveyWords(survey)}`, nextStep(mode, survey));
}

/** Without a survey the answer to "is this person at Maxio already?" is always no. */
function enforceCheck(name: string, by: string, survey: SurveyFacts | undefined): DoctorCheck {
  const finding = `enforce, ${by}: changes of the identity provider reach Maxio.`;
  // A later one may be at work; what the one before has found stands until it ends.
  if (survey?.state === 'done' || typeof survey?.unreferenced === 'number') return pass(name, finding);
  return warn(
    name,
    `${finding} No survey has ended, so nobody is looked for before they are created: whoever is a customer without our reference becomes a second one.`,
    'maxio-scim survey --wait',
  );
}

function surveyWords(survey: SurveyFacts | undefined): string {
  if (survey?.state === 'wanted' || survey?.state === 'running') return 'The survey is at work.';
  if (survey?.state !== 'done') return 'There has been no survey.';
  if (survey.unreferenced === undefined || survey.unreferenced === null) return 'The survey is done.';
  return `The survey is done: ${survey.unreferenced} customers without a reference.`;
}

function nextStep({ releasedAtMs }: SiteMode, survey: SurveyFacts | undefined): string {
  if (survey?.state === 'wanted' || survey?.state === 'running') return 'maxio-scim survey --wait shows how far it is.';
  if (survey?.state !== 'done') return 'maxio-scim survey';
  // What was decided before the release still holds.
  if (releasedAtMs !== undefined) return 'maxio-scim plan, then maxio-scim mode enforce.';
  return 'maxio-scim link plan, then maxio-scim release.';
}
