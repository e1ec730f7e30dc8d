/**
 * Owns the commands about leavers that the guard holds: who they are, and the word that lets their endings happen or not. What is decided is exactly what
 * was shown: --all sends the ids of the people who were listed, so that nobody who is held a moment later is decided about unseen.
 */
import type { Command } from 'commander';
import { figure, many, money } from '../../figures.ts';
import { type DecidedAnswer, decidedAnswer, type HeldAnswer, heldAnswer } from '../answers-people.ts';
import { ask, CliError } from '../ask.ts';
import { batches, bodyOf, confirmed, type Options, print, query, remark, SITE, targetOf, YES } from '../command.ts';
import { writeCsv } from '../csv.ts';
import { readIdFile } from '../id-file.ts';
import { listed, renderDecided, renderExempt, renderHeld } from '../render-people.ts';

const COLUMNS = [
  'site',
  'id',
  'user_name',
  'left_at',
  'deleted',
  'loses',
  'why',
  'live_subscriptions',
  'monthly_revenue',
  'request_id',
  'decided_by',
  'decided_at',
];
/** As many as the service lists. */
const LIMIT = '10000';

type Verdict = 'approve' | 'reject';

interface DecideOptions extends Options {
  file?: string;
  all?: boolean;
}

async function readHeld(options: Options, state?: 'exempt') {
  const path = `/held${query({ site: options.site, limit: LIMIT, state })}`;
  return await ask(targetOf(options), { path, shape: heldAnswer });
}

async function held(options: Options & { csv?: string; exempt?: boolean }): Promise<void> {
  const exempt = options.exempt === true;
  const { raw, answer } = await readHeld(options, exempt ? 'exempt' : undefined);
  if (options.csv === undefined) {
    print(options, raw, () => (exempt ? renderExempt(answer) : renderHeld(answer)));
    return;
  }
  writeCsv(options.csv, COLUMNS, answer.held.map(cellsOf));
  if (answer.total > answer.held.length) {
    const more = figure(answer.total - answer.held.length);
    remark([
      exempt
        ? `${more} more are exempt and not in the table.`
        : `${more} more are held and not in the table; decide about these first.`,
    ]);
  }
  if (options.csv === '-') return;
  const next = exempt ? '' : ' Delete the rows you do not mean, then: maxio-scim approve --file FILE, or reject.';
  process.stdout.write(`${options.csv}: ${many(answer.held.length, 'person', 'people')}.${next}\n`);
}

function cellsOf(person: HeldAnswer['held'][number]): (string | number | null)[] {
  return [
    person.site,
    person.id,
    person.userName,
    person.leftAt,
    person.deleted ? 'yes' : 'no',
    person.what === 'product' ? (person.products ?? []).join(' ') : 'all',
    person.why ?? null,
    person.subscriptions,
    (person.monthlyCents / 100).toFixed(2),
    person.requestId ?? null,
    person.decidedBy ?? null,
    person.decidedAt ?? null,
  ];
}

async function decide(verdict: Verdict, ids: string[], options: DecideOptions): Promise<void> {
  const said = [ids.length > 0, options.file !== undefined, options.all === true].filter(Boolean).length;
  if (said !== 1) {
    throw new CliError('broken', 'Say who: one or more ids, --file FILE, or --all.', 'maxio-scim held lists the ids.');
  }
  const chosen = options.all === true ? await everyone(verdict, options) : await some(verdict, ids, options);
  const done: DecidedAnswer = { done: 0, already: 0, notHeld: [], left: 0 };
  const target = targetOf(options);
  for (const batch of batches(chosen)) {
    const body = bodyOf(options, { ids: batch });
    const { answer } = await ask(target, { method: 'POST', path: `/held/${verdict}`, body, shape: decidedAnswer });
    done.done += answer.done;
    done.already += answer.already;
    done.notHeld.push(...answer.notHeld);
    done.left = answer.left;
    if (answer.secondPerson !== undefined) done.secondPerson = answer.secondPerson;
  }
  print(options, done, () => renderDecided(verdict, done));
  if (done.notHeld.length > 0) process.exitCode = 1;
}

const EFFECT: Record<Verdict, string> = {
  approve: 'Approved, their subscriptions at Maxio end at once.',
  reject: 'Rejected, they go on being billed until the identity provider changes them again.',
};

async function everyone(verdict: Verdict, options: DecideOptions): Promise<string[]> {
  const { answer } = await readHeld(options);
  const ids = answer.held.map(({ id }) => id);
  if (ids.length === 0) return [];
  const cents = answer.held.reduce((sum, { monthlyCents }) => sum + monthlyCents, 0);
  const names = answer.held.map(({ userName }) => userName);
  remark([`${many(ids.length, 'person', 'people')}, ${money(cents)} a month: ${listed(names)}.`, EFFECT[verdict]]);
  if (answer.total > ids.length)
    remark([`${figure(answer.total - ids.length)} more are held and not meant; decide about them afterwards.`]);
  await confirmed(
    options,
    `${verdict === 'approve' ? 'Approve' : 'Reject'} the leaving of ${many(ids.length, 'person', 'people')}?`,
  );
  return ids;
}

/** Who types an id means it; a file is counted back first. */
async function some(verdict: Verdict, ids: string[], options: DecideOptions): Promise<string[]> {
  if (options.file === undefined) return [...new Set(ids)];
  const read = readIdFile(options.file);
  remark([`${options.file}: ${many(read.length, 'person', 'people')}. ${EFFECT[verdict]}`]);
  await confirmed(
    options,
    `${verdict === 'approve' ? 'Approve' : 'Reject'} the leaving of ${many(read.length, 'person', 'people')}?`,
  );
  return read;
}

/** Adds `held`, `approve` and `reject`. */
export function addHeldCommands(program: Command): void {
  program
    .command('held')
    .description('leavers that the guard keeps back, and what they pay')
    .option('--exempt', 'those whose leave was rejected instead: nothing ends until the identity provider changes them')
    .option('--csv <file>', 'write a table for a spreadsheet; - is stdout')
    .option(...SITE)
    .action((_options: Options, command: Command) => held(command.optsWithGlobals()));
  const words: Record<Verdict, string> = {
    approve: 'they have left: end their subscriptions',
    reject: 'a mistake: never act on it, until the identity provider changes them again',
  };
  for (const verdict of ['approve', 'reject'] as const) {
    program
      .command(verdict)
      .argument('[id...]', 'ids of held people')
      .description(`of held leavers: ${words[verdict]}`)
      .option('--file <file>', 'ids, one a line, or a table with the column id; - is stdin')
      .option('--all', 'everyone who is held at this moment')
      .option(...YES)
      .option(...SITE)
      .action((ids: string[], _options: Options, command: Command) => decide(verdict, ids, command.optsWithGlobals()));
  }
}
