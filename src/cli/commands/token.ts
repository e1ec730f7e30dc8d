/**
 * Owns the commands about SCIM tokens: create, list, revoke. A new token is the whole of stdout, so that it can go straight into a file or a vault;
 * what belongs beside it goes to stderr. Refuses to write it anywhere itself.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { type TokensAnswer, tokenMadeAnswer, tokenRevokedAnswer, tokensAnswer } from '../answers-tokens.ts';
import { ask } from '../ask.ts';
import { bodyOf, confirmed, type Options, print, query, remark, SITE, targetOf, YES } from '../command.ts';
import { type Cell, grid, plain } from '../terminal.ts';

interface CreateOptions extends Options {
  days?: number;
  note?: string;
}

function daysOf(word: string): number {
  const days = Number(word);
  if (!/^[1-9]\d{0,3}$/.test(word) || days > 730) throw new InvalidArgumentError('Use whole days, from 1 to 730.');
  return days;
}

/** Whoever has the token at hand, as when it has leaked, may give the whole of it: the secret is left here. */
function idOf(word: string): string {
  const id = /^(?:smx_)?([a-z2-7]{12})(?:_.*)?$/.exec(word)?.[1];
  if (id === undefined) throw new InvalidArgumentError('Take the id from maxio-scim token list.');
  return id;
}

async function create(options: CreateOptions): Promise<void> {
  const { days, note } = options;
  const body = bodyOf(options, { ...(days === undefined ? {} : { days }), ...(note === undefined ? {} : { note }) });
  const { raw, answer } = await ask(targetOf(options), { method: 'POST', path: '/tokens', body, shape: tokenMadeAnswer });
  remark([
    `Token ${plain(answer.id)} of ${plain(answer.site)}, good until ${plain(answer.expiresAt)}. It is shown this once and kept nowhere:`,
  ]);
  print(options, raw, () => [plain(answer.token)]);
  remark([
    'Put it into the provisioning settings of the identity provider and test the connection there. Then revoke the one before: maxio-scim token list.',
  ]);
}

function render({ site, tokens, configured }: TokensAnswer): string[] {
  const used = (at: string | null): string => (at === null ? 'never' : plain(at));
  const rows = tokens.map(({ id, state, createdAt, expiresAt, lastUsedAt, by, note }): Cell[] => [
    { text: plain(id) },
    { text: plain(state), style: state === 'live' ? 'green' : 'dim' },
    { text: plain(createdAt) },
    { text: plain(expiresAt) },
    { text: used(lastUsedAt) },
    { text: plain(by) },
    { text: plain(note) },
  ]);
  if (configured !== null) {
    const { expiresAt, lastUsedAt } = configured;
    const end = { text: expiresAt === null ? 'never' : plain(expiresAt) };
    rows.push([
      { text: 'SCIM_TOKEN' },
      { text: 'configured' },
      { text: '' },
      end,
      { text: used(lastUsedAt) },
      { text: '' },
      { text: '' },
    ]);
  }
  if (rows.length === 0)
    return [`${plain(site)} has no token: every request of the identity provider is refused. maxio-scim token create makes one.`];
  return grid(['token', 'state', 'created', 'expires', 'last used', 'by', 'note'], rows);
}

async function list(options: Options): Promise<void> {
  const path = `/tokens${query({ site: options.site })}`;
  const { raw, answer } = await ask(targetOf(options), { path, shape: tokensAnswer });
  print(options, raw, () => render(answer));
}

async function revoke(id: string, options: Options): Promise<void> {
  await confirmed(options, `End token ${plain(id)} for ever? Whoever still sends it is refused within seconds.`);
  const body = bodyOf(options, { id });
  const { raw, answer } = await ask(targetOf(options), {
    method: 'POST',
    path: '/tokens/revoke',
    body,
    shape: tokenRevokedAnswer,
  });
  print(options, raw, () => [
    answer.already
      ? `${plain(answer.id)} of ${plain(answer.site)} was revoked before.`
      : `${plain(answer.id)} of ${plain(answer.site)} is revoked; within seconds every process refuses it.`,
  ]);
}

/** Adds `token create`, `token list` and `token revoke`. */
export function addTokenCommands(program: Command): void {
  const token = program.command('token').description('tokens with which the identity provider enters');
  token
    .command('create')
    .description('make a token, shown once; two may be live, for changing from one to the next')
    .option('--days <days>', 'how long it is good, at most 730 (default 365)', daysOf)
    .option('--note <text>', 'kept with the token, for your colleagues')
    .option(...SITE)
    .action((_options: Options, command: Command) => create(command.optsWithGlobals()));
  token
    .command('list')
    .description('which tokens there are, until when, and when each was last used')
    .option(...SITE)
    .action((_options: Options, command: Command) => list(command.optsWithGlobals()));
  token
    .command('revoke')
    .argument('<id>', 'id of the token, the part between the underscores', idOf)
    .description('end a token for ever; in force within seconds, without a restart')
    .option(...YES)
    .option(...SITE)
    .action((id: string, _options: Options, command: Command) => revoke(id, command.optsWithGlobals()));
}
