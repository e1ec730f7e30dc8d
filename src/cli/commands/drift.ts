/** Owns the commands about differences between the directory and Maxio that nobody's pending change explains: look, list, put right. */
import type { Command } from 'commander';
import { figure, many } from '../../figures.ts';
import { type DriftAnswer, driftAnswer, repairAnswer } from '../answers-people.ts';
import { ask, CliError, type Target } from '../ask.ts';
import { batches, bodyOf, confirmed, type Options, print, query, remark, SITE, targetOf, YES } from '../command.ts';
import { writeCsv } from '../csv.ts';
import { until } from '../progress.ts';
import { listed, renderDrift } from '../render-people.ts';
import { plain } from '../terminal.ts';

const COLUMNS = ['kind', 'person_id', 'user_name', 'customer_id', 'subscription_id', 'detail', 'since', 'repair', 'exempt'];

interface DriftOptions extends Options {
  full?: boolean;
  wait?: boolean;
  csv?: string;
  kind?: string;
}

interface RepairOptions extends Options {
  kind?: string;
  all?: boolean;
}

async function drift(options: DriftOptions): Promise<void> {
  const target = targetOf(options);
  const path = `/drift${query({ site: options.site, kind: options.kind })}`;
  const look = async () => await ask(target, { path, shape: driftAnswer });
  let seen: Awaited<ReturnType<typeof look>>;
  if (options.full === true || options.wait === true) {
    const body = bodyOf(options, options.full === true ? { full: true } : {});
    await ask(target, { method: 'POST', path: '/drift', body, shape: driftAnswer });
    seen = options.wait === true ? await waited(look) : await look();
  } else {
    seen = await look();
  }
  const { answer, raw } = seen;
  if (options.csv === undefined) print(options, raw, () => renderDrift(answer, options.kind));
  else write(options.csv, answer);
  // So that a daily job notices what nobody has decided about.
  if (answer.rows.some(({ exempt }) => !exempt)) process.exitCode = 1;
}

async function waited(look: () => Promise<{ raw: unknown; answer: DriftAnswer }>) {
  return await until({
    look,
    over: ({ answer }) => answer.state === 'done' || answer.state === 'never',
    show: ({ answer }, progress) => progress.show(`looking for drift: ${plain(answer.state)}`),
    left: 'The look for drift goes on in the service. maxio-scim drift shows the report.',
  });
}

function write(path: string, { rows }: DriftAnswer): void {
  writeCsv(
    path,
    COLUMNS,
    rows.map((row) => [
      row.kind,
      row.personId ?? null,
      row.userName ?? null,
      row.customerId ?? null,
      row.subscriptionId ?? null,
      row.detail,
      row.sinceAt ?? null,
      row.repair,
      row.exempt ? 'yes' : 'no',
    ]),
  );
  if (path !== '-') process.stdout.write(`${path}: ${many(rows.length, 'difference')}.\n`);
}

async function repair(ids: string[], options: RepairOptions): Promise<void> {
  const said = [ids.length > 0, options.kind !== undefined, options.all === true].filter(Boolean).length;
  if (said !== 1) {
    throw new CliError('broken', 'Say what: ids of people, --kind KIND, or --all.', 'maxio-scim drift lists the differences.');
  }
  const target = targetOf(options);
  if (ids.length === 0) await confirmRepair(target, options);
  const wishes =
    ids.length > 0
      ? batches(ids).map((some) => ({ ids: some }))
      : [options.all === true ? { all: true } : { kind: options.kind }];
  const done: Done = { repaired: 0, skipped: [] };
  for (const wish of wishes) await repairAll(target, bodyOf(options, wish), done);
  print(options, done, () => [
    `${many(done.repaired, 'person is', 'people are')} brought back in step.`,
    ...done.skipped.map(({ id, detail }) => `${plain(id ?? 'one')}: ${plain(detail)}`),
    ...(done.skipped.length > 0 ? [`${figure(done.skipped.length)} left alone.`] : []),
  ]);
  if (done.skipped.length > 0) process.exitCode = 1;
}

/** Asks before many are repaired. People of whom somebody wants something so are left out by the service, and named here. */
async function confirmRepair(target: Target, options: RepairOptions): Promise<void> {
  const { answer } = await ask(target, { path: `/drift${query({ site: options.site })}`, shape: driftAnswer });
  const contested = new Set(answer.rows.flatMap(({ repair, personId }) => (repair === 'contested' ? (personId ?? []) : [])));
  const meant = answer.rows.filter(({ kind }) => options.kind === undefined || kind === options.kind);
  const isLeft = ({ personId }: { personId?: string | null | undefined }): boolean => contested.has(personId ?? '');
  const left = new Set(meant.filter(isLeft).map(({ personId, userName }) => `${userName ?? '-'} (${personId})`));
  if (left.size > 0) remark([`Left alone unless named by id, because somebody wants it so: ${listed([...left])}.`]);
  const open = meant.filter((row) => row.repair === 'possible' && !isLeft(row)).length;
  await confirmed(options, `Put ${many(open, 'difference')} right at ${plain(answer.site)}, as the identity provider wants it?`);
}

interface Done {
  repaired: number;
  skipped: { id?: string | null | undefined; detail: string }[];
}

/** The service takes as many as it can in the time of one request; the last answer tells of everybody who is left alone. */
async function repairAll(target: Target, body: object, done: Done): Promise<void> {
  const before = done.skipped;
  for (;;) {
    const { answer } = await ask(target, { method: 'POST', path: '/drift/repair', body, shape: repairAnswer });
    done.repaired += answer.repaired;
    done.skipped = [...before, ...answer.skipped];
    if (answer.left === 0) return;
    if (answer.repaired === 0)
      throw new CliError('broken', 'Nobody more could be reached.', 'Look at maxio-scim status, then repair again.');
  }
}

/** Adds `drift` and `drift repair`. */
export function addDriftCommands(program: Command): void {
  const command = program
    .command('drift')
    .description('differences between the directory and Maxio; exit code 1 when there are any that are not exempt')
    .option('--full', 'compare everything now, by reading all of Maxio again')
    .option('--wait', 'look now and stay until the look is over')
    .option('--csv <file>', 'write a table for a spreadsheet; - is stdout')
    .option('--kind <kind>', 'only this kind, for example left-billed')
    .option(...SITE)
    .action((_options: Options, drifting: Command) => drift(drifting.optsWithGlobals()));
  command
    .command('repair')
    .argument('[id...]', 'ids of people')
    .description('bring people back in step, through the ordinary plan and the call budget')
    .option('--kind <kind>', 'everyone with this kind of difference')
    .option('--all', 'everyone, but nobody with a difference that somebody wants so')
    .option(...YES)
    .option(...SITE)
    .action((ids: string[], _options: Options, repairing: Command) => repair(ids, repairing.optsWithGlobals()));
}
