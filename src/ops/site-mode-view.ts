/** Owns how the mode of a site and its survey are shown. No behaviour beyond that. */
import type { z } from 'zod';
import type { SurveyAnswer, siteMode } from './api/shapes.ts';
import type { OpsSite } from './site-view.ts';
import { moment } from './words.ts';

/** Reads how the survey of a site stands. */
export async function surveyOf(site: OpsSite): Promise<SurveyAnswer> {
  const { progress, ...state } = await site.survey.state();
  return { site: site.key, ...state, ratio: progress };
}

/** Reads the mode of a site, and how its survey stands. */
export async function siteModeOf(site: OpsSite): Promise<z.infer<typeof siteMode>> {
  const [mode, survey] = await Promise.all([site.modes.read(), surveyOf(site)]);
  return {
    site: site.key,
    mode: mode?.mode ?? null,
    by: mode?.by ?? null,
    at: mode === undefined ? null : moment(mode.atMs),
    why: mode === undefined || mode.why === '' ? null : mode.why,
    before: mode?.before ?? null,
    survey: survey.state === 'never' ? null : survey,
  };
}
