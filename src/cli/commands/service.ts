/** Owns the commands about the service itself: the configuration that waits for approval, and whether notifications arrive. */
import type { Command } from 'commander';
import { configurationAnswer, configurationSetAnswer, noticesTestAnswer } from '../answers-rollout.ts';
import { ask } from '../ask.ts';
import { bodyOf, confirmed, type Options, print, query, remark, SITE, targetOf, YES } from '../command.ts';
import { renderConfiguration } from '../render-rollout.ts';
import { paint, plain } from '../terminal.ts';

async function readConfiguration(options: Options) {
  const path = `/configuration${query({ site: options.site })}`;
  return await ask(targetOf(options), { path, shape: configurationAnswer });
}

async function showConfiguration(options: Options): Promise<void> {
  const { raw, answer } = await readConfiguration(options);
  print(options, raw, () => renderConfiguration(answer));
}

/** What is approved is what was shown: a configuration that comes while somebody reads is not meant. */
async function approveConfiguration(options: Options): Promise<void> {
  let seen: { at?: string | undefined } = {};
  if (options.yes !== true) {
    const { answer } = await readConfiguration(options);
    remark(renderConfiguration(answer));
    seen = { at: answer.candidate?.at };
    if (answer.candidate !== null) await confirmed(options, 'Put the configuration that waits to work?');
  }
  const { raw, answer } = await ask(targetOf(options), {
    method: 'POST',
    path: '/configuration/approve',
    body: bodyOf(options, seen),
    shape: configurationSetAnswer,
  });
  print(options, raw, () => [`${plain(answer.site)}: the configuration is at work.`]);
}

async function testNotices(options: Options): Promise<void> {
  const { raw, answer } = await ask(targetOf(options), {
    method: 'POST',
    path: '/notices/test',
    body: {},
    shape: noticesTestAnswer,
  });
  print(options, raw, () =>
    answer.sent.length === 0
      ? ['No channel is configured: set NOTIFY_WEBHOOK_URL, or NOTIFY_SMTP_URL with NOTIFY_FROM and NOTIFY_TO.']
      : answer.sent.map(({ channel, ok, detail }) => `${paint(ok ? 'green' : 'red', plain(channel))}: ${plain(detail)}`),
  );
  if (answer.sent.length === 0 || answer.sent.some(({ ok }) => !ok)) process.exitCode = 1;
}

/** Adds `config`, `config approve` and `notify-test`. */
export function addServiceCommands(program: Command): void {
  const config = program
    .command('config')
    .description('the configuration at work, and one that waits because it would change many people')
    .option(...SITE)
    .action((_options: Options, command: Command) => showConfiguration(command.optsWithGlobals()));
  config
    .command('approve')
    .description('put the configuration that waits to work; somebody else than its author must')
    .option(...YES)
    .option(...SITE)
    .action((_options: Options, command: Command) => approveConfiguration(command.optsWithGlobals()));
  program
    .command('notify-test')
    .description('send a test message through every channel and say what each answered')
    .action((_options: Options, command: Command) => testNotices(command.optsWithGlobals()));
}
