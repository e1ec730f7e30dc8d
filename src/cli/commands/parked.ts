/** Owns the commands about people who are parked: who and why, and trying again, with a look at what that would cost first. */
import type { Command } from 'commander';
import { parkedAnswer, type RetryAnswer, retryAnswer, retryPreviewAnswer } from '../answers.ts';
import { ask, CliError } from '../ask.ts';
import { bodyOf, type Options, print, query, SITE, targetOf } from '../command.ts';
import { renderParked, renderRetry, renderRetryPreview } from '../render-status.ts';

interface RetryOptions extends Options {
  all?: boolean;
  preview?: boolean;
}

async function showParked(options: Options): Promise<void> {
  const { raw, answer } = await ask(targetOf(options), { path: `/parked${query({ site: options.site })}`, shape: parkedAnswer });
  print(options, raw, () => renderParked(answer));
}

async function retry(ids: string[], options: RetryOptions): Promise<void> {
  const all = options.all === true || (options.preview === true && ids.length === 0);
  if (all === ids.length > 0) {
    throw new CliError('broken', 'Say who: one or more ids, or --all.', 'maxio-scim parked lists the ids.');
  }
  const body = bodyOf(options, all ? { all: true } : { ids });
  if (options.preview === true) {
    const asked = { ...body, preview: true };
    const { raw, answer } = await ask(targetOf(options), {
      method: 'POST',
      path: '/parked/retry',
      body: asked,
      shape: retryPreviewAnswer,
    });
    print(options, raw, () => renderRetryPreview(answer));
    return;
  }
  const done = await retryAll(options, body, all);
  print(options, done, () => renderRetry(done));
  if (done.notParked.length > 0) process.exitCode = 1;
}

/** The service takes a thousand at a time; whoever is parked again meanwhile is not tried twice. */
async function retryAll(options: Options, body: object, all: boolean): Promise<RetryAnswer> {
  const target = targetOf(options);
  const done: RetryAnswer = { retried: [], notParked: [], left: 0 };
  let most = Number.POSITIVE_INFINITY;
  do {
    const { answer } = await ask(target, { method: 'POST', path: '/parked/retry', body, shape: retryAnswer });
    if (most === Number.POSITIVE_INFINITY) most = answer.retried.length + answer.left;
    done.retried.push(...answer.retried);
    done.notParked.push(...answer.notParked);
    done.left = answer.left;
    if (answer.retried.length === 0) break;
  } while (all && done.left > 0 && done.retried.length < most);
  return done;
}

/** Adds `parked` and `retry`. */
export function addParkedCommands(program: Command): void {
  program
    .command('parked')
    .description('people who wait for you, and why')
    .option(...SITE)
    .action((_options: Options, command: Command) => showParked(command.optsWithGlobals()));
  program
    .command('retry')
    .argument('[id...]', 'ids of parked people')
    .description('try parked people again')
    .option('--all', 'everyone who is parked')
    .option('--preview', 'only show how many, why they are parked, and what trying again would cost')
    .option(...SITE)
    .action((ids: string[], _options: Options, command: Command) => retry(ids, command.optsWithGlobals()));
}
