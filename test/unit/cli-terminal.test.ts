/** Owns the promises of what a person sees: progress that suits where it is shown, and a question that nobody can overlook. */
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { CliError } from '../../src/cli/ask.ts';
import { batches, confirmed } from '../../src/cli/command.ts';
import { Progress } from '../../src/cli/progress.ts';
import { figure, many, money } from '../../src/figures.ts';

function screen(isTTY: boolean, columns?: number) {
  const shown: string[] = [];
  return { shown, isTTY, ...(columns === undefined ? {} : { columns }), write: (text: string) => shown.push(text) };
}

describe('progress', () => {
  test('draws one line again on a terminal, never wider than it', () => {
    const on = screen(true, 40);
    const progress = new Progress(on);
    progress.show('survey, 200 customers', 0.25);
    progress.show(`survey, ${'very '.repeat(30)}`, 0.5);
    progress.end();
    expect(on.shown[0]).toBe('\r\u001b[2K███░░░░░░░░░  25 %  survey, 200 customers'.slice(0, 5 + 39));
    expect(on.shown[1]?.length).toBe(5 + 39);
    expect(on.shown.at(-1)).toBe('\n');
  });

  test('prints a line now and then elsewhere, and nothing twice', () => {
    let nowMs = 0;
    const on = screen(false);
    const progress = new Progress(on, () => nowMs);
    for (; nowMs < 60_000; nowMs += 1_000) progress.show(`at ${nowMs}`);
    progress.show('the same');
    nowMs += 60_000;
    progress.show('the same');
    progress.end();
    expect(on.shown).toEqual(['at 0\n', 'at 15000\n', 'at 30000\n', 'at 45000\n', 'the same\n']);
    expect(on.shown.join('')).not.toContain('\u001b');
  });
});

describe('a question', () => {
  const terminal = (answer: string | undefined): NodeJS.ReadStream => {
    const input = new PassThrough();
    if (answer === undefined) input.end();
    else input.write(`${answer}\n`);
    return Object.assign(input, { isTTY: true }) as unknown as NodeJS.ReadStream;
  };

  test.each(['y', 'yes', ' YES '])('is answered by %s', async (answer) => {
    await expect(confirmed({}, 'Go on?', terminal(answer))).resolves.toBeUndefined();
  });

  test.each(['', 'n', 'no', 'yy', 'maybe', undefined])('is not answered by %j', async (answer) => {
    const refusal = await confirmed({}, 'Go on?', terminal(answer)).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(CliError);
    expect(refusal).toMatchObject({ exitCode: 1, message: 'Nothing was changed.' });
  });

  test('is refused where nobody can answer, and says what to add', async () => {
    const pipe = new PassThrough() as unknown as NodeJS.ReadStream;
    await expect(confirmed({}, 'Go on?', pipe)).rejects.toMatchObject({ exitCode: 2, todo: expect.stringContaining('--yes') });
    await expect(confirmed({ yes: true }, 'Go on?', pipe)).resolves.toBeUndefined();
  });
});

test('numbers are written for people', () => {
  expect([figure(1_234_567), money(123_450), money(0), many(1, 'person', 'people'), many(2_000, 'call')]).toEqual([
    '1,234,567',
    '1,234.50',
    '0.00',
    '1 person',
    '2,000 calls',
  ]);
});

test('requests hold a thousand at most', () => {
  expect(batches(Array.from({ length: 2_001 }, (_, at) => at)).map(({ length }) => length)).toEqual([1_000, 1_000, 1]);
  expect(batches([])).toEqual([]);
});
