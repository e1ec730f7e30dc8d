/** Owns the commands that erase one person and let somebody in again. Everything happens in the service; what is left to do by hand is said to whoever asked. */
import type { Command } from 'commander';
import { many } from '../../figures.ts';
import { erasedAnswer, readmittedAnswer } from '../answers-audit.ts';
import { ask } from '../ask.ts';
import { bodyOf, confirmed, type Options, print, SITE, targetOf, YES } from '../command.ts';
import { plain, wrap } from '../terminal.ts';

const TEXT_WIDTH = 100;

async function erase(id: string, options: Options): Promise<void> {
  const target = targetOf(options);
  await confirmed(options, `Erase ${plain(id)} from the directory for ever? Nothing brings the person's data back.`);
  const { raw, answer } = await ask(target, {
    method: 'POST',
    path: '/erase',
    body: bodyOf(options, { id }),
    shape: erasedAnswer,
  });
  const list = (texts: readonly string[]): string[] =>
    texts.flatMap((text) => wrap(plain(text), TEXT_WIDTH - 2).map((line, at) => (at === 0 ? `- ${line}` : `  ${line}`)));
  print(options, raw, () => [
    `Erased from ${plain(answer.site)}${answer.groups > 0 ? `, and from ${many(answer.groups, 'group', 'groups')}` : ''}.`,
    'What stays:',
    ...list(answer.stays),
    'What is left to you:',
    ...list(answer.byHand),
  ]);
}

async function readmit(id: string, options: Options): Promise<void> {
  const target = targetOf(options);
  await confirmed(options, `Is ${plain(id)} the same person who was erased? Then the customer at Maxio is theirs again.`);
  const { raw, answer } = await ask(target, {
    method: 'POST',
    path: '/readmit',
    body: bodyOf(options, { id }),
    shape: readmittedAnswer,
  });
  print(options, raw, () => [
    answer.readmitted ? 'Let in again; it goes on by itself.' : 'Nobody with the reference of this person was erased.',
  ]);
  if (!answer.readmitted) process.exitCode = 1;
}

/** Adds the commands. */
export function addErasureCommands(program: Command): void {
  program
    .command('erase <id>')
    .description('erase one person who has left: record, indexes, story; the audit trail stays valid')
    .option(...SITE)
    .option(...YES)
    .action((id: string, _options: Options, command: Command) => erase(id, command.optsWithGlobals()));
  program
    .command('readmit <id>')
    .description('say that somebody who was erased is back, and that their customer at Maxio is theirs')
    .option(...SITE)
    .option(...YES)
    .action((id: string, _options: Options, command: Command) => readmit(id, command.optsWithGlobals()));
}
