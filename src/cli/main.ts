/**
 * Owns the `maxio-scim` command: its words, its options and its exit codes. It speaks HTTP with the ops API of a running service and knows nothing else of it.
 * Exit codes, for scripts: 0 yes; 1 the service answered and the answer is no (status fail, nobody of that name, not parked); 2 it could not be asked.
 */
import { Command, CommanderError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { ConfigError, readCliOptions } from '../config.ts';
import { parkedAnswer, personAnswer, type RetryAnswer, retryAnswer, statusAnswer } from './answers.ts';
import { ask, CliError, type Target } from './ask.ts';
import { renderPerson } from './render-person.ts';
import { renderParked, renderRetry, renderStatus } from './render-status.ts';
import { json, paint, plain } from './terminal.ts';

interface Options {
  url?: string;
  json?: boolean;
  site?: string;
  live?: boolean;
  all?: boolean;
}

function targetOf(options: Options): Target {
  const { opsUrl, opsToken } = readCliOptions();
  const url = (options.url ?? opsUrl).replace(/\/+$/, '');
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new CliError('broken', '--url is not an address.', 'Give it as http://host:port or https://host.');
  }
  return { url, token: opsToken };
}

function print(options: Options, raw: unknown, lines: () => string[]): void {
  process.stdout.write(`${options.json === true ? json(raw) : lines().join('\n')}\n`);
}

/** Builds `?a=b` of what is given. */
function query(values: Record<string, string | undefined>): string {
  const given = Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}

async function showStatus(options: Options): Promise<void> {
  const target = targetOf(options);
  const { raw, answer } = await ask(target, { path: '/status', shape: statusAnswer });
  print(options, raw, () => renderStatus(answer, target.url));
  if (answer.status === 'fail') process.exitCode = 1;
}

async function showPerson(who: string, options: Options): Promise<void> {
  const asked = query({ site: options.site, live: options.live === true ? '1' : undefined });
  const { raw, answer } = await ask(targetOf(options), {
    path: `/people/${encodeURIComponent(who)}${asked}`,
    shape: personAnswer,
  });
  print(options, raw, () => renderPerson(answer));
}

async function showParked(options: Options): Promise<void> {
  const { raw, answer } = await ask(targetOf(options), { path: `/parked${query({ site: options.site })}`, shape: parkedAnswer });
  print(options, raw, () => renderParked(answer));
}

async function retry(ids: string[], options: Options): Promise<void> {
  const all = options.all === true;
  if (all === ids.length > 0) {
    throw new CliError('broken', 'Say who: one or more ids, or --all.', 'maxio-scim parked lists the ids.');
  }
  const target = targetOf(options);
  const done: RetryAnswer = { retried: [], notParked: [], left: 0 };
  let most = Number.POSITIVE_INFINITY;
  // The service takes a thousand at a time; whoever is parked again meanwhile is not tried twice.
  do {
    const body = { ...(options.site === undefined ? {} : { site: options.site }), ...(all ? { all } : { ids }) };
    const { answer } = await ask(target, { method: 'POST', path: '/parked/retry', body, shape: retryAnswer });
    if (most === Number.POSITIVE_INFINITY) most = answer.retried.length + answer.left;
    done.retried.push(...answer.retried);
    done.notParked.push(...answer.notParked);
    done.left = answer.left;
    if (answer.retried.length === 0) break;
  } while (all && done.left > 0 && done.retried.length < most);
  print(options, done, () => renderRetry(done));
  if (done.notParked.length > 0) process.exitCode = 1;
}

function commandLine(): Command {
  const program = new Command('maxio-scim')
    .description('What happens between your identity provider and Maxio, and why.')
    .version(packageJson.version)
    .option('--url <address>', 'address of the service (or MAXIO_SCIM_URL; default http://localhost:8080)')
    .option('--json', 'print the answer as JSON')
    .showHelpAfterError('(maxio-scim --help tells more)')
    .exitOverride()
    .addHelpText(
      'after',
      '\nNeeds OPS_TOKEN or OPS_TOKEN_FILE. Exit codes: 0 yes, 1 the answer is no, 2 the service could not be asked.',
    );
  const site = ['--site <key>', 'only this site, for example us.acme'] as const;
  program
    .command('status')
    .description('each site: mode, call budget, what is pending and for how long')
    .action((_options: Options, command: Command) => showStatus(command.optsWithGlobals()));
  program
    .command('person')
    .argument('<userName|id>', 'also: Maxio reference, externalId or e-mail address')
    .description('the whole story of one person')
    .option('--live', 'also ask Maxio what is true now (up to two calls)')
    .option(...site)
    .action((who: string, _options: Options, command: Command) => showPerson(who, command.optsWithGlobals()));
  program
    .command('parked')
    .description('people who wait for you, and why')
    .option(...site)
    .action((_options: Options, command: Command) => showParked(command.optsWithGlobals()));
  program
    .command('retry')
    .argument('[id...]', 'ids of parked people')
    .description('try parked people again')
    .option('--all', 'everyone who is parked')
    .option(...site)
    .action((ids: string[], _options: Options, command: Command) => retry(ids, command.optsWithGlobals()));
  return program;
}

/** Tells what went wrong and what to do. @returns the exit code */
function tell(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const known = error instanceof CliError || error instanceof ConfigError;
  process.stderr.write(`${paint('red', 'error')}: ${known ? plainLines(error.message) : String(error)}\n`);
  if (error instanceof CliError) process.stderr.write(`${plainLines(error.todo)}\n`);
  return error instanceof CliError ? error.exitCode : 2;
}

function plainLines(text: string): string {
  return text.split('\n').map(plain).join('\n');
}

// `maxio-scim parked | head` closes the pipe early; that is not a failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  await commandLine().parseAsync(process.argv);
} catch (error) {
  process.exitCode = tell(error);
}
