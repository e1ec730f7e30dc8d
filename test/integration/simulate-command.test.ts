/**
 * Guarantees of `npm run simulate`: options that make no sense are refused, and nothing that breaks within a history is lost with it: a defect is told with its
 * seed and shrunk, a history that ends its thread is told with its seed, and all the others are played all the same.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const COMMAND = fileURLToPath(new URL('../simulation/main.ts', import.meta.url));

/** Breaks what is done with the name of one person, whom not every history has. */
function breaking(how: string): string[] {
  const code = `
    const { toLowerCase } = String.prototype;
    String.prototype.toLowerCase = function () {
      if (String(this) === 'person11@example.com') { ${how} }
      return toLowerCase.call(this);
    };`;
  return ['--import', `data:text/javascript,${encodeURIComponent(code)}`];
}

function command(args: string[], before: string[] = []): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...before, COMMAND, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

test.each([
  { args: ['--histories', 'many'], words: '--histories is a whole number from 1' },
  { args: ['--histories', '0'], words: '--histories is a whole number from 1' },
  { args: ['--jobs', '0'], words: '--jobs is a whole number from 1' },
  { args: ['--years', '1'], words: '--years' },
])('refuses $args', ({ args, words }) => {
  const { status, stderr } = command(args);
  expect(stderr).toContain(words);
  expect(status).toBe(64);
});

/** Twelve histories, in more than one portion; only those of seeds 12 and 17 have a twelfth person, and only in the second does anybody look for them. */
const TWELVE = ['--histories', '12', '--seed', '7', '--jobs', '1'];

test('a defect is told with its seed, shrunk, and the other histories are played', { timeout: 120_000 }, () => {
  const { status, stdout } = command(TWELVE, breaking("throw new TypeError('planted defect');"));
  expect(stdout).toContain('12 of 12 histories, 1 failed');
  expect(stdout).toMatch(/seed 17, shrunk to 1 events; again: npm run simulate -- --replay .*simulation-17\.json/);
  expect(stdout).toContain('meets with a defect: TypeError: planted defect');
  expect(stdout).toContain('1 of 12 histories violate an invariant or meet with a defect; seeds 17');
  expect(status).toBe(1);
});

test('a history that ends its thread is told with its seed, and the others are played', { timeout: 120_000 }, () => {
  const { status, stdout } = command(TWELVE, breaking("process.nextTick(() => { throw new Error('planted death'); });"));
  expect(stdout).toContain('12 of 12 histories, 2 failed');
  expect(stdout).toMatch(/seed 12 ended the thread that played it: Error: planted death[\s\S]*--histories 1 --seed 12\n/);
  expect(stdout).toContain('seeds 12, 17');
  expect(status).toBe(1);
});
