/** Owns what `status`, `parked` and `retry` print: the sites as a table, the people who wait for an operator, what a retry did. Pure. */
import type { ParkedAnswer, RetryAnswer, StatusAnswer } from './answers.ts';
import { bar, type Cell, paint, plain, span, table, wrap } from './terminal.ts';

/** The objective for a leaver, in seconds. */
const LEAVER_LATE_SECONDS = 300;
const DETAIL_WIDTH = 100;
const COLOURS: Record<string, 'green' | 'yellow' | 'red'> = { pass: 'green', warn: 'yellow', fail: 'red' };
const count = new Intl.NumberFormat('en-US');

/** Prints the state of the service and of each site. */
export function renderStatus(answer: StatusAnswer, url: string): string[] {
  const word = paint(COLOURS[answer.status], answer.status);
  const lines = [`maxio-scim ${answer.version} at ${url}: ${word}${answer.ready ? '' : ', not ready'}`];
  for (const reason of answer.reasons) lines.push(`  ${paint('red', '!')} ${plain(reason)}`);
  const head = ['Site', 'Mode', 'Call budget', '', 'Pending', 'Oldest', 'Leavers', 'Oldest', 'Parked'];
  const rows = answer.sites.map(siteRow);
  lines.push('', ...table([head.map((text, at): Cell => ({ text, style: 'dim', right: at > 3 })), ...rows]));
  for (const site of answer.sites) if (site.detail !== null) lines.push('', `${plain(site.key)}: ${plain(site.detail)}`);
  const parked = answer.sites.reduce((sum, site) => sum + site.parked, 0);
  if (parked > 0) lines.push('', `${count.format(parked)} parked: maxio-scim parked shows who and why.`);
  return lines;
}

function siteRow(site: StatusAnswer['sites'][number]): Cell[] {
  const { budget, paused } = site;
  const why = paused === undefined ? '' : ` (${paused.reason}${paused.seconds > 0 ? `, ${span(paused.seconds)}` : ''})`;
  const full = budget.used > 0.9 * budget.limit;
  const late = site.oldestUrgentSeconds > LEAVER_LATE_SECONDS;
  return [
    { text: plain(site.key) + (site.test === true ? ' [test]' : ''), style: 'bold' },
    { text: site.mode + plain(why), style: paused === undefined ? 'green' : 'red' },
    { text: bar(budget.used, budget.limit), style: full ? 'yellow' : undefined },
    { text: `${count.format(budget.used)} of ${count.format(budget.limit)} in ${span(budget.windowSeconds)}` },
    { text: count.format(site.pending), right: true },
    { text: site.pending === 0 ? '-' : span(site.oldestPendingSeconds), right: true },
    { text: count.format(site.urgent), right: true },
    { text: site.urgent === 0 ? '-' : span(site.oldestUrgentSeconds), style: late ? 'red' : undefined, right: true },
    { text: count.format(site.parked), style: site.parked > 0 ? 'yellow' : undefined, right: true },
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
  const more = answer.total > answer.parked.length ? `, of ${count.format(answer.total)} in all` : '';
  return [
    ...lines,
    `${count.format(answer.parked.length)} parked${more}. When the cause is gone: maxio-scim retry <id>, or retry --all.`,
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
