/**
 * Owns the `maxio-scim` command: its words, its options and its exit codes. It speaks HTTP with the ops API of a running service and knows nothing else of it.
 * Exit codes, for scripts: 0 yes; 1 the service answered and the answer is no (status fail, nobody of that name, not
 * parked, drift found); 2 it could not be asked, or nobody could be asked for a yes; 130 somebody left while it was waiting.
 */
import { Command, CommanderError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { ConfigError } from '../config.ts';
import { CliError } from './ask.ts';
import { addAuditCommands } from './commands/audit.ts';
import { addClientCommands } from './commands/client.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addDriftCommands } from './commands/drift.ts';
import { addErasureCommands } from './commands/erasure.ts';
import { addGroupPlansCommands } from './commands/group-plans.ts';
import { addHeldCommands } from './commands/held.ts';
import { addLinkCommands } from './commands/link.ts';
import { addLookCommands } from './commands/look.ts';
import { addModeCommands } from './commands/mode.ts';
import { addParkedCommands } from './commands/parked.ts';
import { addRecoveryCommands } from './commands/recovery.ts';
import { addServiceCommands } from './commands/service.ts';
import { addSurveyCommand } from './commands/survey.ts';
import { addTokenCommands } from './commands/token.ts';
import { paint, plain } from './terminal.ts';

function commandLine(): Command {
  const program = new Command('maxio-scim')
    .description('What happens between your identity provider and Maxio, and why.')
    .version(packageJson.version)
    .option('--url <address>', 'address of the service (or MAXIO_SCIM_URL; default http://localhost:8080)')
    .option('--json', 'print the answer as JSON')
    .showHelpAfterError('(maxio-scim --help tells more)')
    .exitOverride()
    .addHelpText(
      'after',
      '\nNeeds OPS_TOKEN or OPS_TOKEN_FILE. Exit codes: 0 yes, 1 the answer is no, 2 the service could not be asked.',
    );
  addLookCommands(program);
  addParkedCommands(program);
  addHeldCommands(program);
  addModeCommands(program);
  addSurveyCommand(program);
  addLinkCommands(program);
  addDriftCommands(program);
  addRecoveryCommands(program);
  addTokenCommands(program);
  addClientCommands(program);
  addAuditCommands(program);
  addErasureCommands(program);
  addServiceCommands(program);
  addGroupPlansCommands(program);
  addDoctorCommand(program);
  return program;
}

/** Tells what went wrong and what to do. @returns the exit code */
function tell(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const known = error instanceof CliError || error instanceof ConfigError;
  process.stderr.write(`${paint('red', 'error')}: ${known ? plainLines(error.message) : String(error)}\n`);
  if (error instanceof CliError) process.stderr.write(`${plainLines(error.todo)}\n`);
  return error instanceof CliError ? error.exitCode : 2;
}

function plainLines(text: string): string {
  return text.split('\n').map(plain).join('\n');
}

// `maxio-scim parked | head` closes the pipe early; that is not a failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  await commandLine().parseAsync(process.argv);
} catch (error) {
  process.exitCode = tell(error);
}
