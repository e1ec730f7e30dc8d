/** Owns how one site looks on the operator page: its mode and who set it, its budget, what waits, and what the guard, the survey and drift say. Pure. */
import { type Html, html, NOTHING } from './html.ts';
import { driftOf, type SiteReading } from './snapshot.ts';
import { span } from './words.ts';

/** Draws the card of a site. */
export function siteCard(reading: SiteReading): Html {
  const { key, test, idp, budget } = reading;
  const late = reading.oldestUrgentSeconds > reading.lateAfterSeconds;
  return html`<div class="card"><h2>${key}${test === true ? ' (test site)' : ''} ${modeTag(reading)}</h2>
${modeWords(reading)}
<div class="facts">
<div><small>Call budget</small><br><progress max="${budget.limit}" value="${Math.min(budget.used, budget.limit)}"></progress> ${budget.used} of ${budget.limit} in ${span(budget.windowSeconds)}</div>
${fact('Pending', reading.pending, ageOf(reading.pending, reading.oldestPendingSeconds) + endOf(reading))}
${fact('Leavers', reading.urgent, ageOf(reading.urgent, reading.oldestUrgentSeconds), late ? 'fail' : '')}
${fact('Parked', reading.parked, '', reading.parked > 0 ? 'warn' : '')}
${fact('Held', reading.held, '', reading.held > 0 ? 'fail' : '')}
${fact('Exempt', reading.exempt, '')}
${fact('Drift', driftOf(reading), reading.drift.at ?? reading.drift.state, driftOf(reading) > 0 ? 'warn' : '')}
${fact('Left in an hour', reading.guard.leftInHour, `limit ${reading.guard.limitHour}`)}
${fact('Left in a day', reading.guard.leftInDay, `limit ${reading.guard.limitDay}`)}
</div>
${lines(reading)}
<p class="quiet">Identity provider: ${idp}. ${reading.guard.activePeople} people active, ${reading.groups} groups.</p></div>
`;
}

const MODE_CLASS = { enforce: 'pass', observe: 'warn', paused: 'fail' } as const;

function modeTag({ mode, paused }: SiteReading): Html {
  const why = paused === undefined ? '' : `: ${paused.reason}${paused.seconds > 0 ? `, ${span(paused.seconds)}` : ''}`;
  return html`<span class="tag ${paused === undefined ? MODE_CLASS[mode] : 'fail'}">${mode}${why}</span>`;
}

const BY: Record<string, string> = {
  start: 'since the first start',
  survey: 'released by the survey',
  lost: 'since its data was lost',
  restored: 'since its data was set back',
};

function modeWords({ modeBy, modeSince, modeWhy }: SiteReading): Html {
  if (modeBy === null) return html`<p class="quiet">No first contact with Maxio yet.</p>`;
  const by = BY[modeBy] ?? `by ${modeBy}`;
  return html`<p class="quiet">${by}, ${modeSince ?? ''}${modeWhy === null ? '' : `: ${modeWhy}`}</p>`;
}

function fact(name: string, count: number, more: string, tone = ''): Html {
  return html`<div><small>${name}</small><b class="${tone}">${count}</b><small>${more}</small></div>`;
}

function ageOf(count: number, seconds: number): string {
  return count === 0 ? '' : `oldest ${span(seconds)}`;
}

function endOf({ pending, pendingForSeconds }: SiteReading): string {
  return pending === 0 || pendingForSeconds === null ? '' : `, done in about ${span(pendingForSeconds)}`;
}

function lines(reading: SiteReading): Html {
  const { survey, configurationWaiting, guard, tokenExpires } = reading;
  const said: Html[] = [];
  if (guard.trippedAt !== null)
    said.push(html`<p class="fail">The guard has held leavers since ${guard.trippedAt} (${guard.why ?? 'unknown'}).</p>`);
  if (survey.state !== 'done' && survey.state !== 'never')
    said.push(html`<p class="warn">Survey ${survey.state}: ${survey.detail}</p>`);
  else if (reading.mode === 'observe') said.push(html`<p class="warn">${survey.detail}</p>`);
  if (configurationWaiting) said.push(html`<p class="warn">A configuration waits for approval: maxio-scim config.</p>`);
  if (tokenExpires !== null) said.push(html`<p class="quiet">The SCIM token is accepted until ${tokenExpires}.</p>`);
  return said.length === 0 ? NOTHING : html`${said}`;
}
