/**
 * Owns the commands about OAuth clients: create, list, add-secret, add-key, trust, revoke, revoke-secret. A new secret is the whole of stdout, so that it can go
 * straight into a vault; what belongs beside it goes to stderr. Refuses to write it anywhere itself, and to send a private key.
 */
import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import {
  type ClientMadeAnswer,
  type ClientsAnswer,
  clientMadeAnswer,
  clientRevokedAnswer,
  clientsAnswer,
} from '../answers-clients.ts';
import { ask, CliError } from '../ask.ts';
import { bodyOf, confirmed, type Options, print, query, remark, SITE, targetOf, YES } from '../command.ts';
import { type Cell, grid, plain } from '../terminal.ts';

interface TrustOptions {
  issuer?: string;
  subject?: string;
  audience?: string;
  jwksUrl?: string;
}

interface MakeOptions extends Options, TrustOptions {
  days?: number;
  note?: string;
  key?: string;
}

function daysOf(word: string): number {
  const days = Number(word);
  if (!/^[1-9]\d{0,3}$/.test(word) || days > 1_095) throw new InvalidArgumentError('Use whole days, from 1 to 1095.');
  return days;
}

/** The ids of `client list`, also without their prefix; of a whole secret only its id goes further. */
const CLIENT: [string, string, (word: string) => string] = [
  '<client>',
  'id of the client',
  (word) => `smc_${idIn(word, /^(?:smc_)?([a-z2-7]{12})$/)}`,
];
const CREDENTIAL: [string, string, (word: string) => string] = [
  '<id>',
  'id of the secret, key or trust',
  (word) => idIn(word, /^(?:sms_)?([a-z2-7]{12})(?:_.*)?$/),
];

function idIn(word: string, form: RegExp): string {
  const id = form.exec(word)?.[1];
  if (id === undefined) throw new InvalidArgumentError('Take the id from maxio-scim client list.');
  return id;
}

/** Looked at here already, so that a private key that was named by mistake does not leave this machine. */
function readKey(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(
      'broken',
      `The key file cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'}).`,
      'Check the path.',
    );
  }
  if (!/PRIVATE KEY|"(d|k)"\s*:/.test(text)) return text;
  throw new CliError(
    'broken',
    'That file holds a private key; it was not sent.',
    'Hand over the public key: openssl pkey -in private.pem -pubout',
  );
}

function wantedOf({ days, key, issuer, subject, audience, jwksUrl }: MakeOptions): object {
  const life = days === undefined ? {} : { days };
  if (key !== undefined) return { key: { text: readKey(key), ...life } };
  if (issuer === undefined) return { secret: life };
  if (subject === undefined || audience === undefined)
    throw new CliError('broken', '--issuer needs --subject and --audience.', 'Copy all three from the identity provider.');
  return { trust: { issuer, subject, audience, ...(jwksUrl === undefined ? {} : { jwksUrl }) } };
}

function show(options: Options, raw: unknown, answer: ClientMadeAnswer): void {
  const until = answer.expiresAt === null ? 'until it is revoked' : `until ${plain(answer.expiresAt)}`;
  remark([
    `Client ID   ${plain(answer.id)}  (${plain(answer.site)}; ${plain(answer.credential)} is good ${until})`,
    `Token URL   ${plain(answer.tokenUrl)}`,
    `SCIM URL    ${plain(answer.scimUrl)}`,
    ...(answer.advice === '' ? [] : [plain(answer.advice)]),
    ...(answer.secret === null ? [] : ['The secret is shown this once and kept nowhere:']),
  ]);
  print(options, raw, () => [plain(answer.secret ?? answer.id)]);
}

async function create(options: MakeOptions): Promise<void> {
  const { note } = options;
  const body = bodyOf(options, { ...wantedOf(options), ...(note === undefined ? {} : { note }) });
  const { raw, answer } = await ask(targetOf(options), { method: 'POST', path: '/clients', body, shape: clientMadeAnswer });
  show(options, raw, answer);
}

async function trust(id: string, options: MakeOptions): Promise<void> {
  if (options.issuer === undefined)
    throw new CliError('broken', '--issuer is missing.', 'Copy issuer, subject and audience from the identity provider.');
  await add(id, options);
}

async function add(id: string, options: MakeOptions): Promise<void> {
  const body = bodyOf(options, { id, ...wantedOf(options) });
  const { raw, answer } = await ask(targetOf(options), {
    method: 'POST',
    path: '/clients/credentials',
    body,
    shape: clientMadeAnswer,
  });
  show(options, raw, answer);
}

function render({ site, clients }: ClientsAnswer): string[] {
  const rows = clients.flatMap(({ id, state: whole, note, credentials }) =>
    credentials.map(({ id: name, kind, state, expiresAt, lastUsedAt, by, trust }): Cell[] => [
      { text: plain(id) },
      { text: plain(name) },
      { text: plain(kind) },
      { text: plain(whole === 'revoked' ? whole : state), style: whole === 'live' && state === 'live' ? 'green' : 'dim' },
      { text: expiresAt === null ? 'never' : plain(expiresAt) },
      { text: lastUsedAt === null ? 'never' : plain(lastUsedAt) },
      { text: plain(by) },
      { text: plain(trust === null ? note : `${trust.issuer} ${note}`.trim()) },
    ]),
  );
  if (rows.length === 0) return [`${plain(site)} has no OAuth client. maxio-scim client create makes one.`];
  return grid(['client', 'id', 'kind', 'state', 'expires', 'last used', 'by', 'note'], rows);
}

async function list(options: Options): Promise<void> {
  const { raw, answer } = await ask(targetOf(options), {
    path: `/clients${query({ site: options.site })}`,
    shape: clientsAnswer,
  });
  print(options, raw, () => render(answer));
}

async function revoke(id: string, credential: string | undefined, options: Options): Promise<void> {
  const what = credential === undefined ? `client ${plain(id)}` : `${plain(credential)} of client ${plain(id)}`;
  await confirmed(options, `End ${what} for ever? Its access tokens are refused within seconds.`);
  const body = bodyOf(options, { id, ...(credential === undefined ? {} : { credential }) });
  const { raw, answer } = await ask(targetOf(options), {
    method: 'POST',
    path: '/clients/revoke',
    body,
    shape: clientRevokedAnswer,
  });
  print(options, raw, () => [
    answer.already
      ? `${what} was revoked before.`
      : `${what} is revoked; within seconds every process refuses it and its tokens.`,
  ]);
}

const DAYS = ['--days <days>', 'how long it is good, at most 1095 (default 365)', daysOf] as const;

function trustOptions(command: Command): Command {
  return command
    .option('--issuer <address>', 'trust assertions of this issuer (workload identity federation)')
    .option('--subject <text>', 'their sub claim')
    .option('--audience <text>', 'their aud claim')
    .option('--jwks-url <address>', 'where the keys of the issuer are; not needed for Microsoft Entra ID');
}

/** Adds the commands below `client`. */
export function addClientCommands(program: Command): void {
  const client = program
    .command('client')
    .description('OAuth clients, for identity providers that fetch access tokens at /oauth/token');
  trustOptions(
    client
      .command('create')
      .description('make a client: with a secret, shown once; or with --key, or with --issuer')
      .option(...DAYS)
      .option('--note <text>', 'kept with the client, for your colleagues')
      .option('--key <file>', 'public key with which the client signs assertions: JWK, JWK set or PEM'),
  )
    .option(...SITE)
    .action((_options: Options, command: Command) => create(command.optsWithGlobals()));
  client
    .command('list')
    .description('which clients there are, what they sign in with, until when, and when each was last used')
    .option(...SITE)
    .action((_options: Options, command: Command) => list(command.optsWithGlobals()));
  client
    .command('add-secret')
    .argument(...CLIENT)
    .description('one secret more, shown once; those before it stay good')
    .option(...DAYS)
    .option(...SITE)
    .action((id: string, _options: Options, command: Command) => add(id, command.optsWithGlobals()));
  client
    .command('add-key')
    .argument(...CLIENT)
    .argument('<file>', 'JWK, JWK set or PEM')
    .description('one public key more: JWK, JWK set or PEM')
    .option(...DAYS)
    .option(...SITE)
    .action((id: string, key: string, _options: Options, command: Command) => add(id, { ...command.optsWithGlobals(), key }));
  trustOptions(
    client
      .command('trust')
      .argument(...CLIENT)
      .description('one trusted issuer more'),
  )
    .option(...SITE)
    .action((id: string, _options: Options, command: Command) => trust(id, command.optsWithGlobals()));
  client
    .command('revoke')
    .argument(...CLIENT)
    .description('end a client for ever, with all it signs in with; in force within seconds, without a restart')
    .option(...YES)
    .option(...SITE)
    .action((id: string, _options: Options, command: Command) => revoke(id, undefined, command.optsWithGlobals()));
  client
    .command('revoke-secret')
    .argument(...CLIENT)
    .argument(...CREDENTIAL)
    .description('end one secret, key or trust of a client for ever; its access tokens end with it')
    .option(...YES)
    .option(...SITE)
    .action((id: string, credential: string, _options: Options, command: Command) =>
      revoke(id, credential, command.optsWithGlobals()),
    );
}
