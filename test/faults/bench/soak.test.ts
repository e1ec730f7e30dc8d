/**
 * Guarantees that a soak never looks green without having played, and that nothing that goes wrong within it is passed over: options that make no sense are
 * refused, a history that breaks counts as failed, is told with the command that plays it again, and is kept.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { HistoryResult } from './history.ts';
import { type SoakParts, soak } from './soaking.ts';

const COMMAND = fileURLToPath(new URL('./soak.ts', import.meta.url));

function command(
  args: string[],
  env: NodeJS.ProcessEnv = process.env,
): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [COMMAND, ...args], { encoding: 'utf8', env });
  return { status, stdout, stderr };
}

describe('the command', { timeout: 120_000 }, () => {
  test.each([
    { args: ['--minutes', 'abc'], words: '--minutes is a number above 0' },
    { args: ['--minutes', '0'], words: '--minutes is a number above 0' },
    { args: ['--histories', '0'], words: '--histories is a whole number from 1' },
    { args: ['--seed', ''], words: '--seed is a whole number from 0' },
    { args: ['--kinds', 'rain'], words: '--kinds does not know rain' },
    { args: ['--hours', '1'], words: '--hours' },
    { args: ['--minutes', '0.0000000001'], words: 'No history was played' },
  ])('refuses $args', ({ args, words }) => {
    const { status, stderr } = command(args);
    expect(stderr).toContain(words);
    expect(status).toBe(64);
  });

  test('fails where no history can be played, names the seeds, and does not go on for ever', () => {
    // No Redis is found.
    const { status, stdout } = command(['--minutes', '5', '--from', '41', '--people', '3'], { PATH: '' });
    expect(stdout).toMatch(/seed 41 could not be played to its end: .*\n/);
    expect(stdout).toContain('npm run soak -- --seed 43 --people 3');
    expect(stdout).toContain('3 histories in a row could not be played');
    expect(stdout).toContain('failed seeds 41, 42, 43');
    expect(status).toBe(1);
  });
});

describe('a run of histories', () => {
  const said: string[] = [];
  beforeEach(() => {
    said.length = 0;
    vi.spyOn(console, 'log').mockImplementation((line: string) => void said.push(line));
    return () => vi.restoreAllMocks();
  });

  /** Seeds 1 to 4, some of which break. */
  async function play(broken: number[]): Promise<{ soaked: Awaited<ReturnType<typeof soak>>; kept: [number, string][] }> {
    const kept: [number, string][] = [];
    const run = async (seed: number): Promise<HistoryResult> => {
      if (broken.includes(seed)) throw new Error('the cluster did not come up', { cause: new Error('no memory') });
      const evidence = { acks: [], ledger: [] } as unknown as HistoryResult['evidence'];
      return { seed, violations: [], evidence, story: [], faults: [], tookMs: 1 };
    };
    const parts: SoakParts = {
      first: 1,
      most: 4,
      hasTime: () => true,
      run,
      replayOf: (seed) => `again ${seed}`,
      remember: (...entry) => void kept.push(entry),
      keepEvidence: () => '',
    };
    return { soaked: await soak(parts), kept };
  }

  test('goes on after one that breaks, which is told, counted and kept', async () => {
    const { soaked, kept } = await play([1, 3]);
    expect(soaked).toEqual({ histories: 4, failed: [1, 3] });
    expect(kept.map(([seed]) => seed)).toEqual([1, 3]);
    const all = said.join('\n');
    expect(all).toMatch(
      /seed 3 could not be played to its end: Error: the cluster did not come up[\s\S]*no memory[\s\S]*again 3/,
    );
    expect(all).toMatch(/4 histories, seeds 1 to 4[\s\S]*failed seeds 1, 3/);
  });

  test('keeps no seed when none could be played: then it is the machine', async () => {
    const { soaked, kept } = await play([1, 2, 3, 4]);
    expect(soaked).toEqual({ histories: 3, failed: [1, 2, 3] });
    expect(kept).toEqual([]);
  });

  test('without anything wrong has nothing to tell', async () => {
    const { soaked } = await play([]);
    expect(soaked).toEqual({ histories: 4, failed: [] });
    expect(said.at(-1)).toBe('no violation');
  });
});
