/**
 * Owns the commands that join customers at Maxio to people: the plan, the file with decisions, how far they are. Refuses to decide: only --decide-unique
 * fills anything in, and only where one address fits one person.
 */
import type { Command } from 'commander';
import { many } from '../../figures.ts';
import { type LinkRow, linkPlanAnswer, linksAnswer } from '../answers-rollout.ts';
import { ask, CliError } from '../ask.ts';
import { type Options, print, query, SITE, targetOf, YES } from '../command.ts';
import { writeCsv } from '../csv.ts';
import { LINK_COLUMNS } from '../link-file.ts';
import { renderLinkPlan, renderLinks } from '../render-rollout.ts';
import { type ApplyOptions, applyLinks } from './link-apply.ts';

const MATCHES = ['unique', 'several', 'none', 'conflict'];

interface PlanOptions extends Options {
  csv?: string;
  match?: string;
  decideUnique?: boolean;
}

async function plan(options: PlanOptions): Promise<void> {
  if (options.match !== undefined && !MATCHES.includes(options.match)) {
    throw new CliError('broken', '--match is not one of its words.', `Use one of: ${MATCHES.join(', ')}.`);
  }
  if (options.decideUnique === true && options.csv === undefined) {
    throw new CliError('broken', '--decide-unique fills in a file.', 'Add --csv FILE.');
  }
  const { answer } = await ask(targetOf(options), {
    path: `/links/plan${query({ site: options.site })}`,
    shape: linkPlanAnswer,
  });
  const rows = answer.rows.filter(({ match }) => options.match === undefined || match === options.match);
  if (options.csv === undefined) {
    print(options, { ...answer, rows }, () => renderLinkPlan(answer.site, rows));
    return;
  }
  writeCsv(
    options.csv,
    LINK_COLUMNS,
    rows.map((row) => cellsOf(row, options.decideUnique === true)),
  );
  if (options.csv === '-') return;
  const decided = options.decideUnique === true ? rows.filter(decidable).length : 0;
  print(options, { file: options.csv, rows: rows.length, decided }, () => [
    `${options.csv}: ${many(rows.length, 'customer')}${decided === 0 ? '' : `, ${many(decided, 'unique match', 'unique matches')} decided as link`}.`,
    'Fill in the column decision with link or separate, or leave it blank; then: maxio-scim link apply FILE.',
  ]);
}

function decidable({ match, state, proposedReference }: LinkRow): boolean {
  return match === 'unique' && state === 'open' && typeof proposedReference === 'string';
}

/** Decisions that were made before stand in the file, so that the file tells the whole truth. */
function cellsOf(row: LinkRow, decideUnique: boolean): (string | number | null)[] {
  const decided = row.state === 'separate' ? 'separate' : ['approved', 'applied', 'failed'].includes(row.state) ? 'link' : '';
  return [
    row.customerId,
    row.name,
    row.email,
    row.reference,
    row.subscriptions,
    (row.monthlyCents / 100).toFixed(2),
    row.match,
    row.userName ?? null,
    row.proposedReference ?? null,
    decideUnique && decidable(row) ? 'link' : decided,
    row.state,
  ];
}

async function status(options: Options): Promise<void> {
  const { raw, answer } = await ask(targetOf(options), { path: `/links${query({ site: options.site })}`, shape: linksAnswer });
  print(options, raw, () => renderLinks(answer));
  if (answer.failed > 0) process.exitCode = 1;
}

/** Adds `link plan`, `link apply` and `link status`. */
export function addLinkCommands(program: Command): void {
  const link = program.command('link').description('join customers that are at Maxio already to the people they are');
  link
    .command('plan')
    .description('customers without a reference of ours, and who they may be; revenue at stake first')
    .option('--csv <file>', 'write a table for a spreadsheet; - is stdout')
    .option('--match <kind>', `only ${MATCHES.join(', ')}`)
    .option('--decide-unique', 'fill in decision=link where one address fits one person')
    .option(...SITE)
    .action((_options: Options, command: Command) => plan(command.optsWithGlobals()));
  link
    .command('apply')
    .argument('<file>', 'the table of link plan with the column decision filled in; - is stdin')
    .description('set the approved references at Maxio, one call each; the same file again changes nothing')
    .option('--wait', 'stay until all are set')
    .option(...YES)
    .option(...SITE)
    .action((file: string, _options: ApplyOptions, command: Command) => applyLinks(file, command.optsWithGlobals()));
  link
    .command('status')
    .description('how many links are set, and which have failed')
    .option(...SITE)
    .action((_options: Options, command: Command) => status(command.optsWithGlobals()));
}
