/**
 * What is said of an API key that cannot be used: when it is news, and then rarely, however often it is tried. The clock is moved by hand. And who may
 * operate when the files of operators change.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { createLogger } from '../../src/logger.ts';
import type { KeyTrial } from '../../src/provisioning/key-trial.ts';
import { Secrets } from '../../src/provisioning/secrets.ts';
import { OPERATORS, tokenOf } from '../support/operators.ts';

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
    ops: configOf('key-in-use'),
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

/** Operators in a file that changes; what is in use, and what was said. */
function opsBench() {
  const folder = mkdtempSync(join(tmpdir(), 'maxio-scim-operators-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const write = (name: string, content: unknown): string => {
    const file = join(folder, name);
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
    return file;
  };
  const env = {
    REDIS_URL: 'redis://127.0.0.1:1',
    MAXIO_SUBDOMAIN: 'acme',
    MAXIO_API_KEY: 'key',
    MAXIO_PRODUCT_HANDLE: 'pro',
    OPS_TOKEN_FILE: write('ops-token', 'secrets-ops-token-1'),
    OPS_TOKENS_FILE: write('operators.json', OPERATORS),
  };
  const used = readConfig(env);
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const secrets = new Secrets({ reread: () => readConfig(env), sites: [], ops: used, logger });
  return { write, used, secrets, lines };
}

test('F79 an operator who is gone from the file, has another token or another role; each is told by name and nothing else', async () => {
  const { write, used, secrets, lines } = opsBench();
  await secrets.look();
  expect(lines).toEqual([]);
  const [vera, otto, anna] = OPERATORS;
  const other = createHash('sha256').update(tokenOf('another')).digest('hex');
  const next = [
    { ...vera, role: 'operator' },
    { ...anna, sha256: other },
    { name: 'carl', role: 'viewer', sha256: otto?.sha256 },
  ];
  write('operators.json', next);
  await secrets.look();
  expect(used.operators).toEqual(next);
  expect(lines).toMatchObject([
    {
      msg: 'the operators were replaced',
      setting: 'OPS_TOKENS_FILE',
      added: ['carl (viewer)'],
      removed: ['otto', 'bert'],
      changed: ['vera (operator)', 'anna (approver)'],
    },
  ]);
  expect(JSON.stringify(lines)).not.toContain(other);
  await secrets.look();
  expect(lines).toHaveLength(1);
});

test('F79 another OPS_TOKEN', async () => {
  const { write, used, secrets, lines } = opsBench();
  write('ops-token', 'secrets-ops-token-2');
  await secrets.look();
  expect(used.opsToken.reveal()).toBe('secrets-ops-token-2');
  expect(lines).toMatchObject([{ msg: 'a secret was replaced', setting: 'OPS_TOKEN' }]);
});

test.each([
  ['cut off', '[{"name":"vera","ro'],
  ['of nobody', []],
  ['with two of one token', [OPERATORS[0], { ...OPERATORS[0], name: 'twin' }]],
  ['with the OPS_TOKEN in it', [{ ...OPERATORS[0], sha256: createHash('sha256').update('secrets-ops-token-1').digest('hex') }]],
])('F79 a file of operators %s changes nothing, not even the other secrets, and is told once', async (_name, content) => {
  const { write, used, secrets, lines } = opsBench();
  write('operators.json', content);
  for (let i = 0; i < 3; i += 1) await secrets.look();
  expect(used.operators).toEqual(OPERATORS);
  expect(lines).toMatchObject([{ msg: expect.stringContaining('what is in use stays in use') }]);
  expect(JSON.stringify(lines)).toContain('OPS_TOKENS_FILE');
});
