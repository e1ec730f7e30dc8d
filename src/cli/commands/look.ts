/** Owns the commands that only look: status, person, plan. Refuses to change anything. */
import type { Command } from 'commander';
import { personAnswer, statusAnswer } from '../answers.ts';
import { planAnswer } from '../answers-rollout.ts';
import { ask } from '../ask.ts';
import { type Options, print, query, SITE, targetOf } from '../command.ts';
import { renderPerson } from '../render-person.ts';
import { renderPlan } from '../render-rollout.ts';
import { renderStatus } from '../render-status.ts';

async function showStatus(options: Options): Promise<void> {
  const target = targetOf(options);
  const { raw, answer } = await ask(target, { path: '/status', shape: statusAnswer });
  print(options, raw, () => renderStatus(answer, target.url));
  if (answer.status === 'fail') process.exitCode = 1;
}

async function showPerson(who: string, options: Options & { live?: boolean }): Promise<void> {
  const asked = query({ site: options.site, live: options.live === true ? '1' : undefined });
  const { raw, answer } = await ask(targetOf(options), {
    path: `/people/${encodeURIComponent(who)}${asked}`,
    shape: personAnswer,
  });
  print(options, raw, () => renderPerson(answer));
}

async function showPlan(options: Options): Promise<void> {
  const { raw, answer } = await ask(targetOf(options), { path: `/plan${query({ site: options.site })}`, shape: planAnswer });
  print(options, raw, () => renderPlan(answer));
}

/** Adds the commands that change nothing. */
export function addLookCommands(program: Command): void {
  program
    .command('status')
    .description('each site: mode, call budget, what is pending and for how long')
    .action((_options: Options, command: Command) => showStatus(command.optsWithGlobals()));
  program
    .command('person')
    .argument('<userName|id>', 'also: Maxio reference, externalId or e-mail address')
    .description('the whole story of one person')
    .option('--live', 'also ask Maxio what is true now (up to two calls)')
    .option(...SITE)
    .action((who: string, _options: Options, command: Command) => showPerson(who, command.optsWithGlobals()));
  program
    .command('plan')
    .description('what would happen at Maxio for everyone who is not in step, without a call to Maxio')
    .option(...SITE)
    .action((_options: Options, command: Command) => showPlan(command.optsWithGlobals()));
}
