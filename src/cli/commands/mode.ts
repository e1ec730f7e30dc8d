/**
 * Owns the commands that decide whether anything reaches Maxio: mode, pause, resume, release. A pause is one word and asks nothing, because it is typed in
 * a hurry; what lets calls go out again says first what they would be.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { many } from '../../figures.ts';
import { modeAnswer, modeSetAnswer, planAnswer, releaseAnswer, surveyAnswer } from '../answers-rollout.ts';
import { ask, CliError } from '../ask.ts';
import { bodyOf, confirmed, type Options, print, query, remark, SITE, targetOf, YES } from '../command.ts';
import { renderModes, renderPlan, renderSurvey } from '../render-rollout.ts';
import { plain } from '../terminal.ts';

const MODES = ['observe', 'enforce', 'paused'] as const;
type Mode = (typeof MODES)[number];

interface ModeOptions extends Options {
  why?: string;
  acceptUnlinked?: boolean;
  asNew?: boolean;
}

const WORDS: Record<Mode, string> = {
  observe: 'nothing is written at Maxio; maxio-scim plan shows what would be',
  enforce: 'changes of the identity provider reach Maxio',
  paused: 'Maxio is left alone until maxio-scim resume; the identity provider is still answered',
};

function modeOf(word: string): Mode {
  const mode = MODES.find((each) => each === word);
  if (mode === undefined) throw new InvalidArgumentError(`Use one of: ${MODES.join(', ')}.`);
  return mode;
}

async function readModes(options: Options) {
  return await ask(targetOf(options), { path: `/mode${query({ site: options.site })}`, shape: modeAnswer });
}

async function mode(wanted: Mode | undefined, options: ModeOptions): Promise<void> {
  if (wanted === undefined) {
    const { raw, answer } = await readModes(options);
    print(options, raw, () => renderModes(answer));
    return;
  }
  const body = bodyOf(options, { mode: wanted, ...(options.why === undefined ? {} : { why: options.why }) });
  const { raw, answer } = await ask(targetOf(options), { method: 'POST', path: '/mode', body, shape: modeSetAnswer });
  print(options, raw, () => {
    const was = answer.was === answer.mode ? 'already ' : '';
    const now = answer.mode === 'paused' ? 'paused' : `in ${plain(answer.mode)}`;
    return [`${plain(answer.site)} is ${was}${now}: ${WORDS[wanted]}.`];
  });
}

/** Goes back to the mode that the pause took the place of, and not simply to `enforce`: it may have been `observe` for a reason. */
async function resume(options: ModeOptions): Promise<void> {
  const { answer } = await readModes(options);
  const [site, ...others] = answer.sites;
  if (site === undefined || others.length > 0) {
    throw new CliError(
      'broken',
      'There are several sites.',
      `Name one with --site: ${answer.sites.map((each) => plain(each.site)).join(', ')}.`,
    );
  }
  if (site.mode !== 'paused') {
    throw new CliError(
      'asked',
      `${plain(site.site)} is not paused; it is in ${plain(site.mode ?? 'no mode yet')}.`,
      'maxio-scim mode shows all sites.',
    );
  }
  const before = MODES.find((each) => each === site.before && each !== 'paused');
  if (before === undefined) {
    throw new CliError(
      'asked',
      'It is not known which mode the pause took the place of.',
      'Say which: maxio-scim mode observe, or maxio-scim mode enforce.',
    );
  }
  await mode(before, { ...options, site: site.site });
}

/** Shows what would happen before it does. */
async function release(options: ModeOptions): Promise<void> {
  const target = targetOf(options);
  const site = query({ site: options.site });
  if (options.yes !== true) {
    const [survey, plan] = await Promise.all([
      ask(target, { path: `/survey${site}`, shape: surveyAnswer }),
      ask(target, { path: `/plan${site}`, shape: planAnswer }),
    ]);
    remark([...renderSurvey(survey.answer), '', ...renderPlan(plan.answer), '']);
    await confirmed(options, `Let this happen at Maxio, for ${plain(plan.answer.site)}?`);
  }
  const body = bodyOf(options, {
    ...(options.acceptUnlinked === true ? { acceptUnlinked: true } : {}),
    ...(options.asNew === true ? { asNew: true } : {}),
  });
  const { raw, answer } = await ask(target, { method: 'POST', path: '/release', body, shape: releaseAnswer });
  print(options, raw, () => [
    `${plain(answer.site)} is in ${plain(answer.mode)}: ${WORDS.enforce}.`,
    `${many(answer.unreferenced, 'customer')} without a reference, ${many(answer.twins, 'customer')} whose address belongs to somebody without a decision: those people stay parked.`,
  ]);
}

/** Adds `mode`, `pause`, `resume` and `release`. */
export function addModeCommands(program: Command): void {
  const why = ['--why <text>', 'kept with the mode, for your colleagues'] as const;
  program
    .command('mode')
    .argument('[mode]', MODES.join(', '), modeOf)
    .description('show or set what reaches Maxio: observe (nothing is written), enforce, paused')
    .option(...why)
    .option(...SITE)
    .action((wanted: Mode | undefined, _options: Options, command: Command) => mode(wanted, command.optsWithGlobals()));
  program
    .command('pause')
    .description('leave Maxio alone at once; people are still taken from the identity provider')
    .option(...why)
    .option(...SITE)
    .action((_options: Options, command: Command) => mode('paused', command.optsWithGlobals()));
  program
    .command('resume')
    .description('go back to the mode before the pause')
    .option(...why)
    .option(...SITE)
    .action((_options: Options, command: Command) => resume(command.optsWithGlobals()));
  program
    .command('release')
    .description('let a surveyed site be written to, after a look at what would happen')
    .option('--accept-unlinked', 'even if people have namesakes at Maxio that nobody has decided about; they are parked')
    .option('--as-new', 'after a loss: begin as a site that nobody has met; what was lost stays lost')
    .option(...YES)
    .option(...SITE)
    .action((_options: Options, command: Command) => release(command.optsWithGlobals()));
}
