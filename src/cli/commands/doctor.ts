/**
 * Owns the command that examines everything. The service does it, because it knows best; where none answers and its configuration is at hand, the command
 * does it alone and counts the missing service as a failure. Exit code 0 when nothing has failed.
 */
import type { Command } from 'commander';
import { ConfigError, readConfig } from '../../config.ts';
import { type DoctorAnswer, doctorAnswer } from '../answers-rollout.ts';
import { ask, Unreachable } from '../ask.ts';
import { type Options, print, targetOf } from '../command.ts';
import { renderDoctor } from '../render-rollout.ts';

async function doctor(options: Options): Promise<void> {
  const { raw, answer } = await examined(options);
  print(options, raw, () => renderDoctor(answer));
  if (!answer.ok) process.exitCode = 1;
}

async function examined(options: Options): Promise<{ raw: unknown; answer: DoctorAnswer }> {
  try {
    return await ask(targetOf(options), { path: '/doctor', shape: doctorAnswer });
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    const checks = await alone(error);
    const answer: DoctorAnswer = { ok: checks.every(({ status }) => status !== 'fail'), checks };
    return { raw: answer, answer };
  }
}

async function alone(unreachable: Unreachable): Promise<DoctorAnswer['checks']> {
  const service = { name: 'service', status: 'fail', finding: unreachable.message, cure: unreachable.todo } as const;
  try {
    const config = readConfig();
    // Only here, because it brings Redis and all of Maxio with it, and the other commands should start at once.
    const { examineAlone } = await import('../../doctor/alone.ts');
    return [service, ...(await examineAlone(config))];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // Without REDIS_URL this is not the environment of a service but of somebody who asks one.
    if (error.problems.some((problem) => /^REDIS_URL\b.* not set/.test(problem))) throw unreachable;
    const cure = 'Correct it; .env.example describes every setting.';
    return [service, ...error.problems.map((finding) => ({ name: 'configuration', status: 'fail', finding, cure }) as const)];
  }
}

/** Adds `doctor`. */
export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('examine configuration, Redis, Maxio and the public address; each finding with its cure')
    .action((_options: Options, command: Command) => doctor(command.optsWithGlobals()));
}
