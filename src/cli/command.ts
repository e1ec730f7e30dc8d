/**
 * Owns what every command does alike: where the service is, how an answer is printed, how a question is put to whoever sits there.
 * Questions go to stderr, so that stdout holds the answer and nothing else. Refuses to ask where nobody can answer.
 */
import { createInterface } from 'node:readline/promises';
import { readCliOptions } from '../config.ts';
import { CliError, type Target } from './ask.ts';
import { json } from './terminal.ts';

export interface Options {
  url?: string;
  json?: boolean;
  site?: string;
  yes?: boolean;
}

export const SITE = ['--site <key>', 'only this site, for example us.acme'] as const;
export const YES = ['--yes', 'do not ask before acting'] as const;

/** Finds the service. @throws CliError, ConfigError */
export function targetOf(options: Options): Target {
  const { opsUrl, opsToken } = readCliOptions();
  const url = (options.url ?? opsUrl).replace(/\/+$/, '');
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new CliError('broken', '--url is not an address.', 'Give it as http://host:port or https://host.');
  }
  return { url, token: opsToken };
}

/** Prints an answer: as it came, or in words. */
export function print(options: Options, raw: unknown, lines: () => string[]): void {
  process.stdout.write(`${options.json === true ? json(raw) : lines().join('\n')}\n`);
}

/** Builds `?a=b` of what is given. */
export function query(values: Record<string, string | undefined>): string {
  const given = Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}

/** Builds a body that names the site if one was named. */
export function bodyOf(options: Options, values: Record<string, unknown> = {}): object {
  return { ...(options.site === undefined ? {} : { site: options.site }), ...values };
}

/** Shows something beside the answer, such as what a question is about. */
export function remark(lines: string[]): void {
  process.stderr.write(`${lines.join('\n')}\n`);
}

/** Goes on only with a yes. @throws CliError when the answer is no, or nobody can give one */
export async function confirmed(options: Options, question: string, input: NodeJS.ReadStream = process.stdin): Promise<void> {
  if (options.yes === true) return;
  if (!input.isTTY) {
    throw new CliError(
      'broken',
      `Nobody can be asked here: ${question}`,
      'Add --yes to say yes beforehand. Nothing was changed.',
    );
  }
  const asking = createInterface({ input, output: process.stderr });
  // A closed input is no yes.
  const closed = new Promise<string>((resolve) => asking.once('close', () => resolve('')));
  const answer = await Promise.race([asking.question(`${question} [y/N] `), closed]);
  asking.close();
  if (!/^\s*y(es)?\s*$/i.test(answer)) throw new CliError('asked', 'Nothing was changed.', 'Answer y to go on.');
}

/** Cuts a list into requests of at most so many. */
export function batches<T>(all: readonly T[], most = 1_000): T[][] {
  const cut: T[][] = [];
  for (let at = 0; at < all.length; at += most) cut.push(all.slice(at, at + most));
  return cut;
}
