/**
 * Guarantees that the fault matrix in docs/reliability.md is the one that the names of the tests make, and that every fault has a test or a reason.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

test('docs/reliability.md shows the tests as they are, and no fault without a test or a reason', { timeout: 60_000 }, () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/matrix.ts'], { cwd: ROOT, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});
