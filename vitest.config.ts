/**
 * Owns which files are tests and how long they may take. Two workers, because the fault tests start real processes and
 * real Redis servers and the smallest machine we build on has two cores.
 */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/{unit,property,idp,conformance,integration,faults,gates}/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
  },
});
