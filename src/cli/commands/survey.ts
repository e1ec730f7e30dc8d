/** Owns the command that reads what is at Maxio already. The survey runs in the service; this only asks for it and shows how far it is. */
import type { Command } from 'commander';
import { type SurveyAnswer, surveyAnswer } from '../answers-rollout.ts';
import { ask } from '../ask.ts';
import { bodyOf, type Options, print, query, SITE, targetOf } from '../command.ts';
import { until } from '../progress.ts';
import { renderSurvey, surveyLine } from '../render-rollout.ts';

interface SurveyOptions extends Options {
  wait?: boolean;
  status?: boolean;
}

async function survey(options: SurveyOptions): Promise<void> {
  const target = targetOf(options);
  const look = async () => await ask(target, { path: `/survey${query({ site: options.site })}`, shape: surveyAnswer });
  let seen =
    options.status === true
      ? await look()
      : await ask(target, { method: 'POST', path: '/survey', body: bodyOf(options), shape: surveyAnswer });
  const over = ({ answer }: { answer: SurveyAnswer }): boolean => answer.state === 'done' || answer.state === 'never';
  if (options.wait === true && !over(seen)) {
    seen = await until({
      look,
      over,
      show: ({ answer }, progress) => progress.show(`survey, ${surveyLine(answer)}`, answer.progress ?? undefined),
      left: 'The survey goes on in the service. maxio-scim survey --status shows how far it is.',
    });
  }
  print(options, seen.raw, () => renderSurvey(seen.answer));
}

/** Adds `survey`. */
export function addSurveyCommand(program: Command): void {
  program
    .command('survey')
    .description('read all customers and subscriptions at Maxio, 200 a call, so that nobody is created twice')
    .option('--wait', 'stay until it is done')
    .option('--status', 'only show how far it is; begin nothing')
    .option(...SITE)
    .action((_options: Options, command: Command) => survey(command.optsWithGlobals()));
}
