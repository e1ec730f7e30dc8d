/**
 * Guards that no pattern which meets a client's text takes more than linear time: every one in the code of the edge is tried on long texts made of its own
 * characters, with an end that does not match. One that backtracks needs minutes for them, one that does not a moment; the limit lies far from both.
 */
import { globSync, readFileSync } from 'node:fs';
import { createContext, Script } from 'node:vm';
import { describe, expect, test } from 'vitest';

const LIMIT_MS = 20_000;
const LENGTH = 200_000;
/** A pattern between slashes where an expression may begin; a class may hold a slash. */
const LITERAL = /(?<=[=(,:?!&|[>] ?|return )\/(?![*/])((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+)\/([dgimsuvy]*)/g;

/** Patterns that never meet a client's text, and what they meet. */
const TRUSTED = new Map([['/\\/+$/', 'PUBLIC_URL']]);

interface Pattern {
  where: string;
  source: string;
  flags: string;
}

function patterns(): Pattern[] {
  const files = globSync([
    'src/scim/**/*.ts',
    'src/http/*.ts',
    'src/directory/*.ts',
    'src/maxio/*.ts',
    'src/logger.ts',
    'src/network.ts',
  ]);
  const found = new Map<string, Pattern>();
  for (const where of files.sort()) {
    const code = readFileSync(where, 'utf8').replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '');
    for (const [, source = '', flags = ''] of code.matchAll(LITERAL)) found.set(`/${source}/${flags}`, { where, source, flags });
  }
  for (const trusted of TRUSTED.keys()) found.delete(trusted);
  return [...found.values()];
}

/** Texts that make a pattern try again and again: its own characters repeated, one and two at a time, and then something else. */
function attacks(source: string): string[] {
  const own = [
    ...new Set(source.replaceAll(/\\[a-zA-Z](?:\{[^}]*\})?|\\u[0-9a-f]{4}/g, '').replaceAll(/[\\^$*+?()[\]{}|]/g, '')),
  ].slice(0, 12);
  const units = new Set([
    ...own,
    'a',
    'A',
    '0',
    ' ',
    '.',
    '"',
    '\\',
    '[',
    '(',
    'a.',
    'a@',
    'a:',
    '\\"',
    ' a',
    ...own.slice(0, 6).map((one) => `${one}a`),
  ]);
  return [...units].map((unit) => `${unit.repeat(LENGTH / unit.length)}\u0000!`);
}

describe('B63 no pattern of the edge backtracks', () => {
  const all = patterns();

  test('B63 the patterns are found', () => {
    expect(all.length).toBeGreaterThan(50);
    expect(all.map(({ where }) => where)).toContain('src/http/etag.ts');
  });

  test('B63 a pattern that does is noticed', () => {
    expect(() => tried({ where: '', source: '^(a+)+$', flags: '' }, [`${'a'.repeat(40)}!`], 2_000)).toThrow(/timed out/);
    expect(() => tried({ where: '', source: '\\s+$', flags: '' }, [`${' '.repeat(LENGTH)}!`], 2_000)).toThrow(/timed out/);
  });

  test.each(all)(
    'B63 /$source/$flags of $where',
    (pattern) => {
      expect(tried(pattern, attacks(pattern.source), LIMIT_MS)).toBe('done');
    },
    120_000,
  );
});

/** Runs a pattern over texts as the code would, and as a search. @throws when it takes longer than that */
function tried({ source, flags }: Pattern, texts: string[], timeout: number): unknown {
  const context = createContext({ source, flags, texts });
  const script = new Script(`
    const pattern = new RegExp(source, flags.includes('g') ? flags : flags + 'g');
    for (const text of texts) text.replace(pattern, '');
    'done';
  `);
  return script.runInContext(context, { timeout });
}
