/** Owns the commands about which products groups give: show them, set them from a file, go back to those of the service's own file. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { groupPlansAnswer } from '../answers-rollout.ts';
import { ask, CliError } from '../ask.ts';
import { bodyOf, confirmed, type Options, print, query, SITE, targetOf, YES } from '../command.ts';
import { renderGroupPlans } from '../render-group-plans.ts';

async function show(options: Options): Promise<void> {
  const path = `/group-plans${query({ site: options.site })}`;
  const { raw, answer } = await ask(targetOf(options), { path, shape: groupPlansAnswer });
  print(options, raw, () => renderGroupPlans(answer));
}

async function set(file: string, options: Options): Promise<void> {
  const rules = readRules(file);
  await confirmed(options, `Set ${rules.length} rules in place of those that are wanted now?`);
  const { raw, answer } = await ask(targetOf(options), {
    method: 'PUT',
    path: '/group-plans',
    body: bodyOf(options, { rules }),
    shape: groupPlansAnswer,
  });
  print(options, raw, () => [...renderGroupPlans(answer), 'They take effect as a configuration does: see maxio-scim config.']);
}

async function reset(options: Options): Promise<void> {
  await confirmed(options, 'Go back to the rules in the file that the service was started with?');
  const path = `/group-plans${query({ site: options.site })}`;
  const { raw, answer } = await ask(targetOf(options), { method: 'DELETE', path, shape: groupPlansAnswer });
  print(options, raw, () => renderGroupPlans(answer));
}

function readRules(file: string): unknown[] {
  let rules: unknown;
  try {
    rules = JSON.parse(readFileSync(file, 'utf8').replace(/^\uFEFF/, ''));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === undefined ? 'is not valid JSON' : `cannot be read (${code})`;
    throw new CliError('broken', `${file} ${why}.`, 'Give a JSON array of rules, such as MAXIO_GROUP_PLANS_FILE holds.');
  }
  if (Array.isArray(rules)) return rules;
  throw new CliError('broken', `${file} holds no list.`, 'Give a JSON array of rules, such as MAXIO_GROUP_PLANS_FILE holds.');
}

/** Adds `group-plans`, `group-plans set` and `group-plans reset`. */
export function addGroupPlansCommands(program: Command): void {
  const groupPlans = program
    .command('group-plans')
    .description('which products groups give, and whether Maxio sells them')
    .option(...SITE)
    .action((_options: Options, command: Command) => show(command.optsWithGlobals()));
  groupPlans
    .command('set <file>')
    .description('set the rules of a JSON file in place of those in the configuration')
    .option(...YES)
    .option(...SITE)
    .action((file: string, _options: Options, command: Command) => set(file, command.optsWithGlobals()));
  groupPlans
    .command('reset')
    .description('go back to the rules in the configuration')
    .option(...YES)
    .option(...SITE)
    .action((_options: Options, command: Command) => reset(command.optsWithGlobals()));
}
