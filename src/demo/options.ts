/**
 * Owns the words after `npm run demo --`: how large a company is there already, and the identity provider's part in a demo that is running elsewhere.
 * Refuses to guess: a word it does not know is answered with those it knows.
 */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';

export const SCENES = ['everyone', 'leavers', 'mistake', 'undo', 'staff'] as const;
export type Scene = (typeof SCENES)[number];

export type DemoOrder =
  | { kind: 'stage'; existing?: number | undefined }
  | { kind: 'play'; scene: Scene; existing: number }
  /** Nothing is left to do but to end: the help has been shown, or what is wrong told. */
  | { kind: 'told'; exitCode: number };

/** How many customers are there when no number is given. */
export const EXISTING = 2_000;
const EXISTING_MIN = 20;
const EXISTING_MAX = 20_000;

/** Reads the arguments; help goes to stdout, what is wrong with them to stderr. */
export function readOrder(args: readonly string[]): DemoOrder {
  let order: DemoOrder | undefined;
  const program = new Command('npm run demo --')
    .description(
      'A local Maxio, the service in front of it, and people who join, change and leave. Needs no account and nothing installed.',
    )
    .option('--existing [size]', `begin with so many customers at Maxio, most without a reference (default ${EXISTING})`, sizeOf)
    .helpOption('--help', 'show this')
    .showHelpAfterError()
    .exitOverride()
    .addHelpText(
      'after',
      '\nPORT and SANDBOX_PORT move it to other ports, DEMO_EMPTY=1 leaves the people out, REDIS_URL uses a Redis of yours.\n' +
        'The rollout on a site with customers, step by step: docs/onboarding.md',
    )
    .allowExcessArguments()
    .action((options: { existing?: number | true }, { args: [word] }: Command) => {
      if (word !== undefined) program.error(`error: "${word}" means nothing here; give options, or play and a scene`);
      order = { kind: 'stage', existing: options.existing === true ? EXISTING : options.existing };
    });
  program
    .command('play')
    .description('in another terminal: play a scene of the demo that was started with --existing')
    .addArgument(
      new Argument(
        '<scene>',
        'everyone: the whole first sync; leavers: two leave; mistake: everyone is deactivated; undo; staff: edits by hand at Maxio',
      ).choices(SCENES),
    )
    .addOption(new Option('--existing <size>', 'the size the demo was started with').argParser(sizeOf).default(EXISTING))
    .helpOption('--help', 'show this')
    .action((scene: Scene, options: { existing: number }) => {
      order = { kind: 'play', scene, existing: program.opts<{ existing?: number }>().existing ?? options.existing };
    });
  try {
    program.parse(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return { kind: 'told', exitCode: error.exitCode };
    throw error;
  }
  return order ?? { kind: 'told', exitCode: 1 };
}

function sizeOf(text: string): number {
  const size = Number(text);
  if (/^\d+$/.test(text) && size >= EXISTING_MIN && size <= EXISTING_MAX) return size;
  throw new InvalidArgumentError(`Give a number from ${EXISTING_MIN} to ${EXISTING_MAX}, for example --existing ${EXISTING}.`);
}
