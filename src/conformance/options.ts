/**
 * Owns the words of the command line of `npm run conformance`. Refuses to read the environment and to keep a token in a list of
 * processes when it need not be there: `--token-file` is for that. Wrong words are told together with the right ones.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Subject } from './check.ts';

export interface Options {
  url: string;
  token: string;
  only: string[];
  readOnly: boolean;
  json: boolean;
  verbose: boolean;
  timeoutMs: number;
}

/** The command cannot be carried out as it was given. */
export class UsageError extends Error {
  override name = 'UsageError';
}

const TIMEOUT_SECONDS = 20;

export const USAGE = `Checks a SCIM 2.0 server against RFC 7643, RFC 7644 and RFC 9865.

  npm run conformance -- --url https://host/scim/v2 --token TOKEN [options]

  --url ADDRESS       the SCIM base, the part before /Users
  --token TOKEN       the bearer token; --token-file FILE reads it from a file
  --only NAME         a subject or a single check; may be given several times, or with commas
  --read-only         nothing but reading: discovery, lists, errors
  --json              the report as JSON
  --verbose           show every check, not only those that failed or are not offered
  --timeout SECONDS   how long to wait for an answer (${TIMEOUT_SECONDS})
  --list              show the checks and end

It creates people and groups whose names begin with "conformance-", changes and deletes those, and touches nothing else. Whatever
the server does when somebody joins or leaves, it will do for them: use a test tenant.

Exit codes: 0 every MUST is met, 1 a MUST is not, or something could not be removed, 2 the server cannot be judged, or usage.`;

/** Reads the arguments. @returns `help` or `list` when that is asked for. Throws UsageError */
export function readOptions(args: readonly string[], subjects: readonly Subject[]): Options | 'help' | 'list' {
  const values = parse(args);
  if (values.help) return 'help';
  if (values.list) return 'list';
  const only = (values.only ?? []).flatMap((names) => names.split(',')).filter((name) => name !== '');
  const unknown = only.filter((name) => !isKnown(name, subjects));
  if (unknown.length > 0) {
    throw new UsageError(
      `--only knows no ${unknown.join(', ')}. Subjects: ${subjects.map(({ name }) => name).join(', ')}; or the id of a check.`,
    );
  }
  return {
    url: readUrl(values.url),
    token: readToken(values.token, values['token-file']),
    only,
    readOnly: values['read-only'],
    json: values.json,
    verbose: values.verbose,
    timeoutMs: readSeconds(values.timeout) * 1_000,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        url: { type: 'string' },
        token: { type: 'string' },
        'token-file': { type: 'string' },
        only: { type: 'string', multiple: true },
        'read-only': { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        verbose: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        timeout: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function isKnown(name: string, subjects: readonly Subject[]): boolean {
  return subjects.some((subject) => subject.name === name || subject.checks.some(({ id }) => id === name));
}

function readUrl(text: string | undefined): string {
  if (text === undefined) throw new UsageError('--url is missing: the SCIM base of the server, such as https://host/scim/v2.');
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) throw new UsageError('--url must begin with https:// or http://.');
  const { username, password, search, hash } = new URL(text);
  if (username !== '' || password !== '')
    throw new UsageError('--url must not hold a name or password; give the token with --token.');
  if (search !== '' || hash !== '') throw new UsageError('--url must end before ? and #.');
  return text;
}

function readToken(token: string | undefined, file: string | undefined): string {
  if (token !== undefined && file !== undefined) throw new UsageError('Give --token or --token-file, not both.');
  const text = file === undefined ? token : readFile(file);
  if (text === undefined || text.trim() === '')
    throw new UsageError('--token is missing: the bearer token of the server, or --token-file.');
  return text.trim();
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`--token-file cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function readSeconds(text: string | undefined): number {
  const seconds = text === undefined ? TIMEOUT_SECONDS : Number(text);
  if (!(seconds > 0 && seconds <= 600)) throw new UsageError('--timeout must be a number of seconds up to 600.');
  return seconds;
}
