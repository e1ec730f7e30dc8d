/**
 * Owns the commands about the audit trail: verify, export, report. The chain is checked here and not in the service, so that whoever audits believes nobody.
 * Dates without a time are midnight UTC.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { type AuditLine, type ChainPoint, readSealed } from '../../audit-chain.ts';
import { figure, many } from '../../figures.ts';
import { auditHeadAnswer, auditPeopleAnswer } from '../answers-audit.ts';
import { ask, CliError, type Target } from '../ask.ts';
import { Movements } from '../audit-report.ts';
import { auditFile, auditService } from '../audit-source.ts';
import { type Verdict, verifyFiles, verifyService } from '../audit-verify.ts';
import { type Options, print, query, remark, SITE, targetOf } from '../command.ts';
import { writeCsv } from '../csv.ts';
import { writeLines } from '../export-file.ts';
import { paint, plain } from '../terminal.ts';

interface AuditOptions extends Options {
  anchor?: ChainPoint[];
  from?: number;
  to?: number;
  format: 'jsonl' | 'csv';
  out: string;
  names: boolean;
}

function momentOf(word: string): number {
  const atMs = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/.test(word)
    ? Date.parse(word)
    : Number.NaN;
  if (Number.isNaN(atMs))
    throw new InvalidArgumentError('Use a date such as 2026-01-31, or a moment such as 2026-01-31T12:00:00Z.');
  return atMs;
}

function anchorOf(word: string, before: ChainPoint[] = []): ChainPoint[] {
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(word) ?? [];
  if (seq === undefined || hash === undefined)
    throw new InvalidArgumentError('Use SEQ:HASH, as the log and the last line of a file say it.');
  return [...before, { seq: Number(seq), hash }];
}

function formatOf(word: string): AuditOptions['format'] {
  if (word === 'jsonl' || word === 'csv') return word;
  throw new InvalidArgumentError('Use jsonl or csv.');
}

/** The chain has no secret in it, so that anybody can check it; and so anybody can make one. */
const UNANCHORED =
  'Without --anchor this shows that every entry fits the one before, not that nobody has made all of them anew: whoever can write where they are kept could. Take an anchor from the log ("audit trail sealed") or from an older check.';

async function verify(files: string[], options: AuditOptions): Promise<void> {
  const anchors = options.anchor ?? [];
  const verdict =
    files.length > 0 ? await verifyFiles(files, anchors) : await verifyService(targetOf(options), options.site, anchors);
  if (anchors.length === 0 && verdict.fault === undefined) verdict.notes.push(UNANCHORED);
  print(options, { ...verdict, ok: verdict.fault === undefined, fault: verdict.fault ?? null }, () => words(verdict));
  if (verdict.fault !== undefined) process.exitCode = 1;
}

function words({ site, fault, entries, head, notes }: Verdict): string[] {
  const told = notes.map((note) => `Note: ${plain(note)}`);
  if (fault === undefined) {
    const end = `The last one is ${head.seq}:${head.hash}. Keep that elsewhere and give it as --anchor next time.`;
    return [`${paint('green', 'ok')}: ${many(entries, 'entry', 'entries')} of ${plain(site)} hold.`, end, ...told];
  }
  return [
    `${paint('red', 'BAD')}: entry ${fault.seq} of ${plain(site)} (${plain(fault.where)}): ${plain(fault.what)}.`,
    `${figure(entries)} before it hold; what comes behind proves nothing.`,
    ...told,
  ];
}

/** Lines of the wanted time, a run of the chain without a gap. */
async function wanted(target: Target, options: AuditOptions): Promise<{ lines: string[]; before: ChainPoint | undefined }> {
  const { from = 0, to = Number.POSITIVE_INFINITY } = options;
  const [lines, late]: [string[], string[]] = [[], []];
  let begun = false;
  let before: ChainPoint | undefined;
  for await (const line of auditService(target, options.site)) {
    const read = readSealed(line);
    const atMs = read === undefined ? from : Date.parse(read.at);
    begun ||= atMs >= from;
    if (!begun) {
      before = read;
      continue;
    }
    late.push(line);
    // Clocks step back: what is behind the end may be followed by what is not.
    if (atMs < to) lines.push(...late.splice(0));
  }
  return { lines, before };
}

const COLUMNS = [
  'seq',
  'at',
  'kind',
  'what',
  'subject',
  'generation',
  'actor',
  'requestId',
  'updatedAt',
  'details',
  'hash',
] as const;

function cellsOf({ seq, at, subject, generation, entry, hash }: AuditLine & { hash: string }): (string | number)[] {
  const { kind, what, actor, requestId, updatedAt, ...details } = entry;
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  const rest = Object.keys(details).length === 0 ? '' : JSON.stringify(details);
  return [seq, at, kind, what, subject, generation, text(actor), text(requestId), text(updatedAt), rest, hash];
}

async function exportTrail(options: AuditOptions): Promise<void> {
  const target = targetOf(options);
  const { lines, before } = await wanted(target, options);
  const last = readSealed(lines.at(-1) ?? '');
  if (options.format === 'csv') {
    writeCsv(options.out, COLUMNS, lines.flatMap((line) => readSealed(line) ?? []).map(cellsOf));
  } else {
    const head = await headOf(target, options, before);
    const end = {
      kind: 'end',
      entries: lines.length,
      seq: last?.seq ?? head.previous.seq,
      hash: last?.hash ?? head.previous.hash,
    };
    writeLines(options.out, [JSON.stringify(head), ...lines, JSON.stringify(end)]);
  }
  if (options.out !== '-') remark([`${many(lines.length, 'entry', 'entries')} written to ${plain(options.out)}.`]);
}

/** The file can be checked by itself: it says what its first entry hangs on. */
async function headOf(target: Target, options: AuditOptions, before: ChainPoint | undefined) {
  const { answer } = await ask(target, { path: `/audit${query({ site: options.site })}`, shape: auditHeadAnswer });
  const { seq, hash } = before ?? answer.base;
  return { kind: 'audit', format: 1, site: answer.site, previous: { seq, hash } };
}

const REPORTS = ['joiners-leavers'];
const REPORT_COLUMNS = [
  'kind',
  'userName',
  'id',
  'subject',
  'acknowledgedAt',
  'settledAt',
  'elapsedSeconds',
  'state',
  'actor',
  'requestId',
  'entry',
] as const;

async function report(name: string, files: string[], options: AuditOptions): Promise<void> {
  if (!REPORTS.includes(name))
    throw new CliError('broken', `There is no report ${plain(name)}.`, `Use one of: ${REPORTS.join(', ')}.`);
  const found = new Movements(options.from ?? 0, options.to ?? Number.POSITIVE_INFINITY);
  for await (const line of files.length > 0 ? fileLines(files) : auditService(targetOf(options), options.site)) found.add(line);
  const names = files.length > 0 || !options.names ? undefined : await namesOf(targetOf(options), options.site);
  const rows = found.found.map(({ kind, subject, seq, acknowledgedAt, settledAt, elapsedSeconds, state, actor, requestId }) => {
    const person = names?.get(subject);
    const unknown = names === undefined ? '' : '(erased)';
    const who = [person?.userName ?? unknown, person?.id ?? ''];
    return [kind, ...who, subject, acknowledgedAt, settledAt, elapsedSeconds, state, actor, requestId, seq];
  });
  if (options.json === true) {
    print(
      options,
      { rows: rows.map((row) => Object.fromEntries(REPORT_COLUMNS.map((column, at) => [column, row[at] ?? null]))) },
      () => [],
    );
    return;
  }
  writeCsv(options.out, REPORT_COLUMNS, rows);
  if (options.out !== '-') remark([`${many(rows.length, 'row', 'rows')} written to ${plain(options.out)}.`]);
}

/** Also of files that do not hold: verify says whether they do. */
async function* fileLines(files: readonly string[]): AsyncGenerator<string> {
  for (const file of files) for await (const piece of auditFile(file)) if (piece.kind === 'line') yield piece.line;
}

async function namesOf(target: Target, site: string | undefined): Promise<Map<string, { userName: string; id: string }>> {
  const names = new Map<string, { userName: string; id: string }>();
  let cursor: string | undefined;
  do {
    const body = { ...(site === undefined ? {} : { site }), ...(cursor === undefined ? {} : { cursor }) };
    const { answer } = await ask(target, { method: 'POST', path: '/audit/people', body, shape: auditPeopleAnswer });
    for (const { subject, userName, id } of answer.people) names.set(subject, { userName, id });
    cursor = answer.next ?? undefined;
  } while (cursor !== undefined);
  return names;
}

/** Adds the commands. */
export function addAuditCommands(program: Command): void {
  const audit = program.command('audit').description('the audit trail: check it, take it along, report from it');
  audit
    .command('verify [files...]')
    .description(
      'check the chain of files from EXPORT_DIR, in order, or without files of the running service; names the first bad entry',
    )
    .option('--anchor <seq:hash>', 'an end that you have noted elsewhere, such as from the log; may be repeated', anchorOf)
    .option(...SITE)
    .action((files: string[], _options: Options, command: Command) => verify(files, command.optsWithGlobals()));
  audit
    .command('export')
    .description('write entries of a time to a file; JSON Lines can be verified, CSV is for spreadsheets')
    .option('--from <date>', 'from this moment on', momentOf)
    .option('--to <date>', 'before this moment', momentOf)
    .option('--format <format>', 'jsonl or csv', formatOf, 'jsonl')
    .option('--out <file>', 'where to', '-')
    .option(...SITE)
    .action((_options: Options, command: Command) => exportTrail(command.optsWithGlobals()));
  audit
    .command('report <name> [files...]')
    .description(
      'joiners-leavers: everybody who joined or left, and how long it took until Maxio held it, as CSV; from files without names',
    )
    .option('--from <date>', 'acknowledged at this moment or later', momentOf)
    .option('--to <date>', 'acknowledged before this moment', momentOf)
    .option('--out <file>', 'where to', '-')
    .option('--no-names', 'leave names out')
    .option(...SITE)
    .action((name: string, files: string[], _options: Options, command: Command) =>
      report(name, files, command.optsWithGlobals()),
    );
}
