/**
 * Owns where a real Redis server program is looked for, and the sentence that says how to get one.
 * Refuses to install or start anything: `scripts/find-redis.ts` and `redis.ts` beside this file do.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

export const INSTALL_REDIS =
  'The tests need a real Redis or Valkey, and there is no redis-server or valkey-server on PATH. Install one: Debian, Ubuntu: apt-get install redis-server; Fedora, RHEL: dnf install valkey; Alpine: apk add valkey; macOS: brew install redis; Windows: run the tests in WSL.';

/** Finds a program on PATH. */
export function onPath(name: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const file = join(folder, name);
    try {
      if (folder) accessSync(file, constants.X_OK);
      if (folder) return file;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** Finds the server program of Redis, else of Valkey. */
export function redisBinary(): string | undefined {
  return onPath('redis-server') ?? onPath('valkey-server');
}
