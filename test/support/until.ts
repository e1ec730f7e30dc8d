/** Owns waiting for a state, also outside vitest. Refuses to wait for time: what is waited for is asked for again and again. */
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits until `look` answers something other than undefined and false; an error counts as "not yet".
 * @throws Error that names what was waited for, with the last error as its cause
 */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  { timeoutMs = 30_000, everyMs = 50 }: { timeoutMs?: number; everyMs?: number } = {},
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > endMs) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`, { cause: last });
    await sleep(everyMs);
  }
}
