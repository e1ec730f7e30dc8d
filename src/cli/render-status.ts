/** Owns what `status`, `parked` and `retry` print: the sites as a table, the people who wait for an operator, what a retry did. Pure. */

import { figure, many } from '../figures.ts';
import type { ParkedAnswer, RetryAnswer, RetryPreviewAnswer, StatusAnswer } from './answers.ts';
import { bar, type Cell, grid, paint, plain, span, wrap } from './terminal.ts';

/** Changes that are done sooner are no news. */
const WAIT_TOLD_SECONDS = 60;
/** The objective for a leaver, in seconds. */
const LEAVER_LATE_SECONDS = 300;
const DETAIL_WIDTH = 100;
const MODES: Record<string, 'green' | 'yellow' | 'red'> = { enforce: 'green', observe: 'yellow', paused: 'red' };
const COLOURS: Record<string, 'green' | 'yellow' | 'red'> = { pass: 'green', warn: 'yellow', fail: 'red' };

/** Prints the state of the service and of each site. */
export function renderStatus(answer: StatusAnswer, url: string): string[] {
  const word = paint(COLOURS[answer.status], answer.status);
  const lines = [`maxio-scim ${answer.version} at ${url}: ${word}${answer.ready ? '' : ', not ready'}`];
  for (const reason of answer.reasons) lines.push(`  ${paint('red', '!')} ${plain(reason)}`);
  const head = ['Site', 'Mode', 'Call budget', '', 'Pending', 'Oldest', 'Leavers', 'Oldest', 'Parked', 'Held'];
  const rows = answer.sites.map(siteRow);
  lines.push('', ...grid(head, rows, [4, 5, 6, 7, 8, 9]));
  for (const { key, detail, notices = [], pending, pendingForSeconds } of answer.sites) {
    if ((pendingForSeconds ?? 0) >= WAIT_TOLD_SECONDS)
      lines.push(
        '',
        `${plain(key)}: ${figure(pending)} pending, done in about ${span(pendingForSeconds ?? 0)} by the call budget; leavers first.`,
      );
    if (detail !== null) lines.push('', `${plain(key)}: ${plain(detail)}`);
    for (const { severity, what, todo } of notices) {
      lines.push(
        '',
        `${paint(severity === 'page' ? 'red' : 'yellow', plain(key))}: ${plain(what)}`,
        `  ${paint('cyan', '→')} ${plain(todo)}`,
      );
    }
  }
  const parked = answer.sites.reduce((sum, site) => sum + site.parked, 0);
  const held = answer.sites.reduce((sum, site) => sum + (site.held ?? 0), 0);
  if (parked > 0) lines.push('', `${figure(parked)} parked: maxio-scim parked shows who and why.`);
  if (held > 0) lines.push('', `${figure(held)} held: maxio-scim held shows who and what they pay.`);
  return lines;
}

function siteRow(site: StatusAnswer['sites'][number]): Cell[] {
  const { budget, paused } = site;
  const why = paused === undefined ? '' : ` (${paused.reason}${paused.seconds > 0 ? `, ${span(paused.seconds)}` : ''})`;
  const full = budget.used > 0.9 * budget.limit;
  const late = site.oldestUrgentSeconds > LEAVER_LATE_SECONDS;
  return [
    { text: plain(site.key) + (site.test === true ? ' [test]' : ''), style: 'bold' },
    { text: plain(site.mode + why), style: paused === undefined ? MODES[site.mode] : 'red' },
    { text: bar(budget.used, budget.limit), style: full ? 'yellow' : undefined },
    { text: `${figure(budget.used)} of ${figure(budget.limit)} in ${span(budget.windowSeconds)}` },
    { text: figure(site.pending) },
    { text: site.pending === 0 ? '-' : span(site.oldestPendingSeconds) },
    { text: figure(site.urgent) },
    { text: site.urgent === 0 ? '-' : span(site.oldestUrgentSeconds), style: late ? 'red' : undefined },
    { text: figure(site.parked), style: site.parked > 0 ? 'yellow' : undefined },
    { text: figure(site.held ?? 0), style: (site.held ?? 0) > 0 ? 'red' : undefined },
  ];
}

/** Prints who is parked and why, longest parked first within each site. */
export function renderParked(answer: ParkedAnswer): string[] {
  if (answer.total === 0) return ['Nobody is parked.'];
  const lines: string[] = [];
  for (const person of answer.parked) {
    const leaver = person.leaver ? ` ${paint('red', 'LEAVER')}` : '';
    lines.push(`${paint('bold', plain(person.userName))}  ${plain(person.id)}  ${plain(person.site)}${leaver}`);
    lines.push(`  ${paint('yellow', plain(person.reason))}, for ${span(person.parkedSeconds)}`);
    lines.push(...wrap(plain(person.detail), DETAIL_WIDTH).map((line) => `  ${line}`), '');
  }
  const more = answer.total > answer.parked.length ? `, of ${figure(answer.total)} in all` : '';
  return [
    ...lines,
    `${figure(answer.parked.length)} parked${more}. When the cause is gone: maxio-scim retry <id>, or retry --all.`,
  ];
}

/** Prints what a retry would cost; nothing has happened. */
export function renderRetryPreview(answer: RetryPreviewAnswer): string[] {
  if (answer.total === 0) return ['Nobody of them is parked.'];
  return [
    `${many(answer.total, 'person', 'people')} would be tried again:`,
    ...answer.reasons.map(({ reason, count }) => `  ${figure(count).padStart(9)}  ${plain(reason)}`),
    `About ${many(answer.estimatedCalls, 'call')} to Maxio, in about ${span(answer.estimatedSeconds)}. Nothing was changed.`,
  ];
}

/** Prints what a retry did. */
export function renderRetry(answer: RetryAnswer): string[] {
  const lines = answer.retried.map(({ id, site }) => `${plain(id)} at ${plain(site)} is tried again.`);
  for (const id of answer.notParked) lines.push(`${paint('yellow', plain(id))} is not parked; nothing was changed.`);
  if (lines.length === 0) lines.push('Nobody is parked.');
  if (answer.retried.length > 0) lines.push('maxio-scim person <id> tells how it went.');
  return lines;
}
