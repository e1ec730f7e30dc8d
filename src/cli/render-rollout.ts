/** Owns what the commands of a rollout print: modes, survey, links, plan, configuration, doctor. Pure. */

import { figure, many, money } from '../figures.ts';
import type {
  ConfigurationAnswer,
  DoctorAnswer,
  LinkRow,
  LinksAnswer,
  ModeAnswer,
  PlanAnswer,
  SurveyAnswer,
} from './answers-rollout.ts';
import { type Cell, grid, paint, plain, wrap } from './terminal.ts';

const TEXT_WIDTH = 100;
const LINKS_SHOWN_MAX = 200;
const EXAMPLES_SHOWN_MAX = 3;
const MODE_STYLE: Record<string, 'green' | 'yellow' | 'red'> = { enforce: 'green', observe: 'yellow', paused: 'red' };
const STATUS_STYLE = { pass: 'green', warn: 'yellow', fail: 'red' } as const;

/** Prints the mode of each site, since when, by whom and why. */
export function renderModes({ sites }: ModeAnswer): string[] {
  const rows = sites.map(({ site, mode, by, at, why, survey }): Cell[] => [
    { text: plain(site), style: 'bold' },
    { text: plain(mode ?? 'not met yet'), style: MODE_STYLE[mode ?? ''] },
    { text: plain(at ?? '-') },
    { text: plain(by ?? '-') },
    { text: plain(survey?.state ?? '-') },
    { text: plain(why ?? '') },
  ]);
  return grid(['Site', 'Mode', 'Since', 'By', 'Survey', 'Why'], rows);
}

/** Says in one line how far a survey is. */
export function surveyLine(survey: Partial<SurveyAnswer>): string {
  const { customers = 0, subscriptions = 0, calls = 0, phase } = survey;
  const found = `${many(customers, 'customer')}, ${many(subscriptions, 'subscription')}, ${many(calls, 'call')}`;
  return phase === null || phase === undefined || survey.state === 'done' ? found : `${plain(phase)}: ${found}`;
}

/** Prints a survey. */
export function renderSurvey(survey: SurveyAnswer): string[] {
  const words: Record<string, string> = {
    never: 'There has been no survey.',
    wanted: 'The survey begins within seconds.',
    running: `The survey is at work since ${plain(survey.startedAt ?? 'a moment ago')}.`,
    done: `The survey was done at ${plain(survey.finishedAt ?? 'an unknown time')}.`,
  };
  const lines = [words[survey.state] ?? plain(survey.state)];
  if (survey.state === 'running' || survey.state === 'done') lines.push(surveyLine(survey));
  if (typeof survey.unreferenced === 'number' && survey.state === 'done') {
    lines.push(`${many(survey.unreferenced, 'customer')} without a reference.`);
  }
  if (typeof survey.detail === 'string' && survey.detail !== '') lines.push(...wrap(plain(survey.detail), TEXT_WIDTH));
  return lines;
}

/** Prints the plan of links, what is at stake first, and what to do with it. */
export function renderLinkPlan(site: string, rows: LinkRow[]): string[] {
  if (rows.length === 0) return [`${plain(site)}: no customer waits for a link.`];
  const shown = rows
    .slice(0, LINKS_SHOWN_MAX)
    .map((row): Cell[] => [
      { text: plain(row.customerId), style: 'bold' },
      { text: plain(row.name) },
      { text: plain(row.email) },
      { text: figure(row.subscriptions) },
      { text: money(row.monthlyCents) },
      { text: plain(row.match), style: row.match === 'unique' ? 'green' : row.match === 'none' ? 'dim' : 'yellow' },
      { text: plain(row.userName ?? '-') },
      { text: plain(row.state) },
    ]);
  const counts = new Map<string, number>();
  for (const { match } of rows) counts.set(match, (counts.get(match) ?? 0) + 1);
  const found = [...counts].map(([match, count]) => `${figure(count)} ${plain(match)}`).join(', ');
  const left =
    rows.length > shown.length ? [`… and ${figure(rows.length - shown.length)} more; --csv FILE holds all of them.`] : [];
  return [
    ...grid(['Customer', 'Name', 'E-mail', 'Live', 'A month', 'Match', 'Person', 'State'], shown, [3, 4]),
    ...left,
    '',
    `${many(rows.length, 'customer')}: ${found}.`,
    'Decide in a spreadsheet: maxio-scim link plan --csv FILE --decide-unique, then maxio-scim link apply FILE.',
  ];
}

/** Says in one line how far links are. */
export function linksLine({ wanted, applied, failed, left }: LinksAnswer): string {
  return `${many(wanted, 'link')} wanted, ${figure(applied)} set at Maxio, ${figure(failed)} failed, ${figure(left)} left`;
}

/** Prints how far links are, and those that failed. */
export function renderLinks(links: LinksAnswer): string[] {
  const failures = links.failures.map(({ customerId, reference, detail }): Cell[] => [
    { text: plain(customerId), style: 'bold' },
    { text: plain(reference ?? '-') },
    { text: plain(detail), style: 'yellow' },
  ]);
  const lines = [`${linksLine(links)}.`];
  if (failures.length > 0) lines.push('', ...grid(['Customer', 'Reference', 'Why'], failures));
  return lines;
}

const KINDS: Record<string, string> = {
  nothing: 'nothing to do',
  create: 'become a customer',
  'create-with-subscription': 'become a customer with a subscription',
  adopt: 'are found at Maxio and taken over',
  'adopt-with-subscription': 'are found at Maxio and taken over, and get a subscription',
  subscribe: 'are customers and get a subscription',
  update: 'have their customer updated',
  end: 'stop being billed',
  return: 'are billed again',
  park: 'would wait for you',
  held: 'are held by the guard',
  exempt: 'are exempt: their leaving was rejected',
  wait: 'wait for their time',
};

/** Prints what would happen in `enforce`, by kind, with examples. */
export function renderPlan(plan: PlanAnswer): string[] {
  const counts = Object.entries(plan.counts).filter(([, count]) => count > 0);
  const lines = [`${paint('bold', plain(plan.site))}: what would happen to ${many(plan.people, 'person', 'people')}`];
  if (counts.length === 0) return [...lines, '  Nothing: everyone is in step.'];
  for (const [kind, count] of counts) {
    lines.push(`  ${paint('bold', figure(count).padStart(9))}  ${KINDS[kind] ?? plain(kind)}`);
    for (const { userName, words } of (plan.examples[kind] ?? []).slice(0, EXAMPLES_SHOWN_MAX)) {
      lines.push(`             ${paint('dim', plain(`${userName}: ${words}`))}`);
    }
  }
  if (plan.monthlyCents !== undefined && plan.monthlyCents > 0) {
    lines.push(`  Leavers and held people bring in ${money(plan.monthlyCents)} a month.`);
  }
  return lines;
}

/** Prints the configuration at work and the one that waits for approval. */
export function renderConfiguration({ site, applied, candidate, changes }: ConfigurationAnswer): string[] {
  const lines = [paint('bold', plain(site)), ...settings('at work', applied)];
  if (candidate === null) return [...lines, 'No other configuration waits for approval.'];
  lines.push(...settings('waits', candidate));
  if (changes !== null) {
    lines.push(`${many(changes.people, 'person', 'people')} would be treated differently.`);
    lines.push(...changes.examples.slice(0, EXAMPLES_SHOWN_MAX).map((example) => `  ${paint('dim', plain(example))}`));
  }
  return [...lines, 'maxio-scim config approve puts it to work.'];
}

function settings(label: string, values: ConfigurationAnswer['applied']): string[] {
  const { groupPlans = [], ...rest } = values ?? {};
  const entries = Object.entries(rest).filter(([, value]) => value !== null && typeof value !== 'object');
  // Two configurations may differ in nothing else, and somebody is to approve one of them.
  for (const [at, { group, product, pricePoint, collectionMethod }] of groupPlans.entries()) {
    const gives = [product, pricePoint, collectionMethod].filter((word) => word !== undefined).join(', ');
    entries.push([`groupPlans ${at + 1}`, `${group.displayName ?? `externalId ${group.externalId ?? '?'}`}: ${gives}`]);
  }
  return entries.map(
    ([name, value], at) => `  ${paint('dim', (at === 0 ? label : '').padEnd(9))}${plain(name)} ${plain(String(value))}`,
  );
}

/** Prints one line for each examination, and the cure below what needs one. */
export function renderDoctor({ checks }: DoctorAnswer): string[] {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const lines = checks.flatMap(({ name, status, finding, cure }) => [
    `${paint(STATUS_STYLE[status], status.padEnd(4))}  ${plain(name).padEnd(width)}  ${plain(finding)}`,
    ...(status === 'pass' || cure === '' ? [] : [`${' '.repeat(width + 8)}${paint('cyan', '→')} ${plain(cure)}`]),
  ]);
  const count = (wanted: string): number => checks.filter(({ status }) => status === wanted).length;
  return [...lines, '', `${count('pass')} right, ${many(count('warn'), 'warning')}, ${count('fail')} failed.`];
}
