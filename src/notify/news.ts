/**
 * Owns what the parts beside the directory have to tell: a survey that waits for a release, a configuration that waits for approval, open differences.
 * Refuses to read a long report again and again: its head says when there is a new one.
 */
import { AppliedConfiguration } from '../directory/applied-configuration.ts';
import { DriftReports } from '../directory/drift-report.ts';
import type { Store } from '../directory/store.ts';
import type { Survey } from '../survey/survey.ts';
import type { SituationSources } from './situation.ts';

export type News = Required<Pick<SituationSources, 'survey' | 'candidate' | 'drift'>>;

/** Rows change between reports only by a repair or a webhook, so this is soon enough. */
const ROWS_FRESH_MS = 300_000;

/** Make the questions for one site. */
export function newsOf(store: Store, survey: Pick<Survey, 'state'>): News {
  return {
    survey: async () => {
      const { state, finishedAt, unreferenced } = await survey.state();
      return state === 'done' && finishedAt !== null
        ? { finishedAtMs: Date.parse(finishedAt), unreferenced: unreferenced ?? 0 }
        : undefined;
    },
    candidate: candidateOf(new AppliedConfiguration(store)),
    drift: driftOf(new DriftReports(store)),
  };
}

function candidateOf(configuration: AppliedConfiguration): News['candidate'] {
  return async () => {
    const stored = await configuration.read();
    if (stored === undefined || stored.candidate === '') return undefined;
    const changes = stored.changes === '' ? { people: 0 } : (JSON.parse(stored.changes) as { people: number });
    return { atMs: stored.candidateAtMs, author: stored.candidateBy, people: changes.people };
  };
}

function driftOf(reports: DriftReports): News['drift'] {
  let kept: { atMs: number; readMs: number; news: Awaited<ReturnType<News['drift']>> } | undefined;
  return async () => {
    const { atMs } = await reports.head();
    if (atMs === 0) return undefined;
    const readMs = performance.now();
    if (kept !== undefined && kept.atMs === atMs && readMs - kept.readMs < ROWS_FRESH_MS) return kept.news;
    const kinds: Record<string, number> = {};
    let newestMs = 0;
    // What an operator has decided about and what is being repaired is not news.
    for (const { kind, exempt, repair, sinceMs } of await reports.rows()) {
      if (exempt || repair === 'repaired') continue;
      kinds[kind] = (kinds[kind] ?? 0) + 1;
      newestMs = Math.max(newestMs, sinceMs);
    }
    kept = { atMs, readMs, news: newestMs === 0 ? undefined : { newestMs, kinds } };
    return kept.news;
  };
}
