/**
 * Owns the process of `npm run conformance`: arguments, progress on stderr, the report on stdout, the exit code.
 * 0: every MUST that was tried is met. 1: one is not, or something could not be removed. 2: usage, or the server cannot be judged.
 * Ctrl-C ends the checks and still cleans up; a second one ends at once.
 */
import { catalogue, human, isMet, json, painter, plain, progressLine } from './human.ts';
import { type Options, readOptions, USAGE, UsageError } from './options.ts';
import { type Report, run, Unreachable } from './run.ts';
import { SUBJECTS } from './subjects.ts';

/** Runs the checks with a line of progress. */
async function check(options: Options): Promise<Report> {
  const broken = new AbortController();
  const leave = (): void => {
    process.stderr.write('\nCleaning up; Ctrl-C again leaves at once.\n');
    broken.abort();
    process.once('SIGINT', () => process.exit(2));
  };
  process.once('SIGINT', leave);
  const { stderr } = process;
  let failed = 0;
  try {
    return await run({
      ...options,
      subjects: SUBJECTS,
      signal: broken.signal,
      onStart: ({ id }, _subject, at, of) => {
        if (stderr.isTTY) stderr.write(`\r\u001b[2K${progressLine(id, at, of, failed, stderr.columns)}`);
      },
      onOutcome: ({ id, grade, result }) => {
        if (result !== 'failed') return;
        failed += 1;
        if (!stderr.isTTY) stderr.write(`✗ ${grade} ${id}\n`);
      },
    });
  } finally {
    if (stderr.isTTY) stderr.write('\r\u001b[2K');
    process.off('SIGINT', leave);
  }
}

async function main(): Promise<number> {
  const paint = painter(process.stdout);
  const options = readOptions(process.argv.slice(2), SUBJECTS);
  if (typeof options === 'string') {
    process.stdout.write(`${options === 'help' ? USAGE : catalogue(SUBJECTS, paint)}\n`);
    return 0;
  }
  const report = await check(options);
  process.stdout.write(`${options.json ? json(report) : human(report, SUBJECTS, paint, options.verbose)}\n`);
  return isMet(report) ? 0 : 1;
}

// `… | head` closes the pipe early; that is not a failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof UsageError) process.stderr.write(`${plain(error.message)}\n\n${USAGE}\n`);
  else if (error instanceof Unreachable) process.stderr.write(`${plain(error.message)}\n`);
  else process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 2;
}
