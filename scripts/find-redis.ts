/**
 * Owns that `npm test` finds a real Redis, and curl: uses the one on PATH, installs the distribution's package where that needs no
 * question (root on Debian or Ubuntu, as in a fresh container), and otherwise says what to install.
 * Refuses to configure or start a server: each test starts its own.
 */
import { spawnSync } from 'node:child_process';
import { INSTALL_REDIS, onPath, redisBinary } from '../test/support/redis-binary.ts';

/** Runs apt-get without questions and without starting the packaged service. */
function aptGet(...args: string[]): boolean {
  const { status } = spawnSync('apt-get', args, {
    stdio: 'inherit',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
  });
  return status === 0;
}

if (!redisBinary() && process.getuid?.() === 0 && onPath('apt-get')) {
  console.log('No redis-server on PATH: installing the package redis-server with apt-get (its service is not started).');
  const install = ['install', '-y', '-qq', '--no-install-recommends', 'redis-server'];
  if (!aptGet(...install) && aptGet('update', '-qq')) aptGet(...install);
}

// The pages for operators speak of curl, and the tests run them as they are written.
if (!onPath('curl') && process.getuid?.() === 0 && onPath('apt-get')) {
  console.log('No curl on PATH: installing it with apt-get.');
  const install = ['install', '-y', '-qq', '--no-install-recommends', 'curl'];
  if (!aptGet(...install) && aptGet('update', '-qq')) aptGet(...install);
}
if (!onPath('curl')) console.error('There is no curl on PATH, which test/integration/docs-runbooks.test.ts needs.');

const binary = redisBinary();
if (binary) {
  console.log(`Redis for the tests: ${binary}`);
} else {
  console.error(INSTALL_REDIS);
  process.exitCode = 1;
}
