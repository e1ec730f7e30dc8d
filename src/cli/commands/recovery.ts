/**
 * Owns the commands for the day after a loss, and for the nights before: recovery, rebuild, restored, export, import. Everything happens in the service; an import
 * that breaks off is begun again, since whoever is there as new stays as they are.
 */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { figure, many } from '../../figures.ts';
import {
  type ExportPage,
  exportAnswer,
  type ImportAnswer,
  importAnswer,
  type RecoveryAnswer,
  recoveryAnswer,
} from '../answers-recovery.ts';
import { ask, CliError } from '../ask.ts';
import { bodyOf, confirmed, type Options, print, query, remark, SITE, targetOf, YES } from '../command.ts';
import { readExport, writeExport } from '../export-file.ts';
import { Progress, until } from '../progress.ts';
import { plain, wrap } from '../terminal.ts';

interface RecoveryOptions extends Options {
  references?: string;
  preview?: boolean;
  wait?: boolean;
  merge?: boolean;
}

const TEXT_WIDTH = 100;
/** A request stays well below what the service takes. */
const BATCH_BYTES = 400_000;
const BATCH_ROWS = 500;

function render(answer: RecoveryAnswer): string[] {
  const { recovery, since, people, unclaimed, rebuild } = answer;
  const lines = [
    `${plain(answer.site)}: ${recovery === null ? 'nothing is being recovered' : plain(recovery)}${since === null ? '' : ` since ${plain(since)}`}.`,
    `${many(people, 'record')} in the directory, ${many(unclaimed, 'person', 'people')} of them found at Maxio and not sent by the identity provider since.`,
  ];
  if (rebuild !== null) {
    const { marked, unmarked, foreign, unreferenced, known, wanted } = rebuild;
    lines.push(
      `At Maxio: ${many(marked, 'customer')} with our mark, ${figure(unmarked)} with a reference and no mark, ${figure(foreign)} with the mark of somebody else, ${figure(unreferenced)} without a reference.`,
      `${figure(known)} known already, ${figure(wanted)} ${rebuild.state === 'done' ? 'put back' : 'to put back'} (${plain(rebuild.state === 'never' ? 'preview' : rebuild.state)}).`,
    );
  }
  return [...lines, ...wrap(plain(answer.detail), TEXT_WIDTH)];
}

async function look(options: Options) {
  return await ask(targetOf(options), { path: `/recovery${query({ site: options.site })}`, shape: recoveryAnswer });
}

async function recovery(options: Options): Promise<void> {
  const { raw, answer } = await look(options);
  print(options, raw, () => render(answer));
}

function referencesOf(word: string | undefined): string | string[] {
  if (word === undefined || word === 'all' || word === 'marked') return word ?? 'marked';
  try {
    return readFileSync(word, 'utf8')
      .split(/\r?\n/)
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new CliError('broken', `${word} cannot be read (${code}).`, 'Give all, or a file with one reference a line.');
  }
}

async function rebuild(options: RecoveryOptions): Promise<void> {
  const target = targetOf(options);
  const references = referencesOf(options.references);
  const path = '/recovery/rebuild';
  if (options.preview === true) {
    const body = bodyOf(options, { references, preview: true });
    const { raw, answer } = await ask(target, { method: 'POST', path, body, shape: recoveryAnswer });
    print(options, raw, () => render(answer));
    return;
  }
  await confirmed(options, 'Put back everybody who is ours at Maxio? The identity provider is told to wait meanwhile.');
  let seen = await ask(target, { method: 'POST', path, body: bodyOf(options, { references }), shape: recoveryAnswer });
  const over = ({ answer }: { answer: RecoveryAnswer }): boolean => answer.recovery !== 'rebuilding';
  if (options.wait === true && !over(seen)) {
    seen = await until({
      look: () => look(options),
      over,
      show: ({ answer }, progress) => progress.show(`rebuild: ${figure(answer.rebuild?.wanted ?? 0)} put back`),
      left: 'The rebuild goes on in the service. maxio-scim recovery shows how far it is.',
    });
  }
  print(options, seen.raw, () => render(seen.answer));
}

async function restored(options: Options): Promise<void> {
  await confirmed(options, 'Was a backup of Redis restored? Nothing is written at Maxio then until a release.');
  const body = bodyOf(options);
  const { raw, answer } = await ask(targetOf(options), {
    method: 'POST',
    path: '/recovery/restored',
    body,
    shape: recoveryAnswer,
  });
  print(options, raw, () => render(answer));
}

async function* pages(options: Options): AsyncGenerator<string> {
  const target = targetOf(options);
  let cursor: string | null = '';
  while (cursor !== null) {
    const body = bodyOf(options, cursor === '' ? {} : { cursor });
    const { answer }: { answer: ExportPage } = await ask(target, { method: 'POST', path: '/export', body, shape: exportAnswer });
    yield* answer.lines;
    cursor = answer.next;
  }
}

async function exportSite(path: string, options: Options): Promise<void> {
  const end = await writeExport(path, pages(options));
  if (path !== '-')
    print(options, { file: path, ...end }, () => [
      `${plain(path)}: ${many(end.people, 'person', 'people')}, sha256 ${end.sha256}.`,
    ]);
}

async function importSite(path: string, options: RecoveryOptions): Promise<void> {
  const target = targetOf(options);
  const file = readExport(path);
  const { answer } = await look(options);
  const head = file.head as { site?: unknown; atMs?: unknown };
  remark([
    `${plain(path)}: ${many(file.people, 'person', 'people')} of ${plain(String(head.site))}, written at ${new Date(Number(head.atMs)).toISOString()}.`,
    `${plain(answer.site)} knows ${many(answer.people, 'person', 'people')} now.`,
  ]);
  if (options.preview === true) return;
  await confirmed(options, 'Bring these people back? The site observes afterwards until it is released.');
  const total: ImportAnswer = { site: answer.site, added: 0, replaced: 0, kept: 0, conflict: 0, newer: 0, erased: 0, groups: 0 };
  const send = async (body: object): Promise<void> => {
    const sent = await ask(target, { method: 'POST', path: '/import', body: bodyOf(options, { ...body }), shape: importAnswer });
    for (const name of ['added', 'replaced', 'kept', 'conflict', 'newer', 'erased', 'groups'] as const)
      total[name] += sent.answer[name];
  };
  const progress = new Progress();
  await send({ head, ...(options.merge === true ? { merge: true } : {}) });
  let done = 0;
  for (const rows of batchesOf(file.rows)) {
    await send({ rows: rows.map((row) => JSON.parse(row) as unknown) });
    done += rows.length;
    progress.show(`import: ${figure(done)} of ${figure(file.rows.length)}`, done / file.rows.length);
  }
  await send({ end: true });
  print(options, total, () => [
    `${figure(total.added)} added, ${figure(total.replaced)} replaced, ${figure(total.kept)} kept as they are here, ${figure(total.conflict)} in conflict, ${figure(total.newer)} from a newer release.`,
    ...(total.erased > 0 ? [`${figure(total.erased)} left out, because they were erased here.`] : []),
    ...(total.groups > 0 ? [`${many(total.groups, 'group', 'groups')} with the people in them.`] : []),
    'Next: maxio-scim recovery.',
  ]);
  if (total.conflict + total.newer > 0) process.exitCode = 1;
}

function batchesOf(rows: readonly string[]): string[][] {
  const cut: string[][] = [];
  let bytes = BATCH_BYTES;
  for (const row of rows) {
    bytes += Buffer.byteLength(row);
    const last = cut.at(-1);
    if (last === undefined || bytes >= BATCH_BYTES || last.length >= BATCH_ROWS) {
      cut.push([row]);
      bytes = Buffer.byteLength(row);
    } else {
      last.push(row);
    }
  }
  return cut;
}

/** Adds `recovery`, `rebuild`, `restored`, `export` and `import`. */
export function addRecoveryCommands(program: Command): void {
  program
    .command('recovery')
    .description('whether the data of a site was lost or set back, and what to do next')
    .option(...SITE)
    .action((_options: Options, command: Command) => recovery(command.optsWithGlobals()));
  program
    .command('rebuild')
    .description('after a loss: put back everybody who is ours at Maxio, unseen until the identity provider sends them')
    .option('--references <all|file>', 'also customers without our mark: all with a reference, or those in a file, one a line')
    .option('--preview', 'only count, by the last survey')
    .option('--wait', 'stay until it is done')
    .option(...YES)
    .option(...SITE)
    .action((_options: RecoveryOptions, command: Command) => rebuild(command.optsWithGlobals()));
  program
    .command('restored')
    .description('say that a backup of Redis was restored: the site observes until it is released')
    .option(...YES)
    .option(...SITE)
    .action((_options: Options, command: Command) => restored(command.optsWithGlobals()));
  program
    .command('export')
    .argument('<file>', 'where to write it; packed when it ends in .gz; - for the output')
    .description('write everybody and what operators have decided to a file; it holds personal data')
    .option(...SITE)
    .action((path: string, _options: Options, command: Command) => exportSite(path, command.optsWithGlobals()));
  program
    .command('import')
    .argument('<file>', 'an export; - for the input')
    .description('bring an export back after a loss')
    .option('--preview', 'only look at the file')
    .option('--merge', 'into a directory that knows people already; whoever is newer there stays')
    .option(...YES)
    .option(...SITE)
    .action((path: string, _options: RecoveryOptions, command: Command) => importSite(path, command.optsWithGlobals()));
}
