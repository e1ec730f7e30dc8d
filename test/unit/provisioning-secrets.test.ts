/** What is said of an API key that cannot be used: when it is news, and then rarely, however often it is tried. The clock is moved by hand. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { createLogger } from '../../src/logger.ts';
import type { KeyTrial } from '../../src/provisioning/key-trial.ts';
import { Secrets } from '../../src/provisioning/secrets.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

const configOf = (key: string) =>
  readConfig({
    REDIS_URL: 'redis://127.0.0.1:1',
    MAXIO_SUBDOMAIN: 'acme',
    MAXIO_API_KEY: key,
    MAXIO_PRODUCT_HANDLE: 'pro',
    SCIM_TOKEN: 'secrets-scim-token-1',
    OPS_TOKEN: 'secrets-ops-token-1',
  });

/** A site whose key was changed, and what comes of each trial. */
function bench() {
  const used = configOf('key-in-use').sites[0];
  if (used === undefined) throw new Error('no site');
  const lines: string[] = [];
  const state = { file: 'key-in-file', trial: 'unanswered' as KeyTrial, trials: 0 };
  const secrets = new Secrets({
    reread: () => configOf(state.file),
    sites: [
      {
        config: used,
        async takeKey(fresh) {
          state.trials += 1;
          if (state.trial === 'ours') used.apiKey.replace(fresh.reveal());
          return state.trial;
        },
      },
    ],
    logger: createLogger({ level: 'info' }, { write: (line: string) => void lines.push(line) }),
  });
  const messages = (): string[] => lines.map((line) => String((JSON.parse(line) as { msg: string }).msg));
  /** Look every 15 s, as a process does. */
  const minutes = async (count: number): Promise<void> => {
    for (let i = 0; i < count * 4; i += 1) {
      await secrets.look();
      vi.advanceTimersByTime(15_000);
    }
  };
  return { state, minutes, messages };
}

test('F79 a key that gets no answer is tried every time, told at once and then every ten minutes', async () => {
  const { state, minutes, messages } = bench();
  await minutes(9);
  expect(state.trials).toBe(36);
  expect(messages()).toEqual([expect.stringContaining('could not be tried yet')]);
  await minutes(12);
  expect(messages()).toHaveLength(3);
});

test('F79 another outcome, or another key, is news', async () => {
  const { state, minutes, messages } = bench();
  await minutes(1);
  state.trial = 'refused';
  await minutes(3);
  expect(state.trials).toBeLessThan(9);
  state.file = 'another-key-in-file';
  await minutes(3);
  state.trial = 'ours';
  await minutes(3);
  expect(messages()).toEqual([
    expect.stringContaining('could not be tried yet'),
    expect.stringContaining('refuses the new API key'),
    expect.stringContaining('refuses the new API key'),
    'a secret was replaced',
  ]);
});
