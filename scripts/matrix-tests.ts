/**
 * Owns the names of all tests, the rows of their tables included, and which ids they carry. vitest lists a table by the template of its name only, so the rows
 * are read from the source in front of it. Refuses to know what an id means (matrix-lists.ts).
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { Listed } from './matrix-results.ts';

const ID = /\b(?:F(?:\d\d|2[AB])|B\d\d|S(?:[1-9]|1\d|2[0-6]))\b/g;
/** Text of a row that begins with an id. */
const ROW = /[[,]\s*(?:'([FBS]\d[\dAB]?\b[^']*)'|"([FBS]\d[\dAB]?\b[^"]*)"|`([FBS]\d[\dAB]?\b[^`]*)`)/g;
const ROW_WITH_WHAT = /\bid: '([FBS]\w{1,2})'[^\n]*?\bwhat: '([^']+)'/g;

/** Lists the names of all tests under `root`. */
export function listTests(root: string): Listed[] {
  const folder = mkdtempSync(join(tmpdir(), 'matrix-'));
  const file = join(folder, 'list.json');
  const { status, stderr } = spawnSync(join(root, 'node_modules/.bin/vitest'), ['list', `--json=${file}`], {
    cwd: root,
    encoding: 'utf8',
  });
  if (status !== 0 || !existsSync(file)) throw new Error(`vitest list failed: ${stderr}`);
  const listed = JSON.parse(readFileSync(file, 'utf8')) as { name: string; file: string }[];
  rmSync(folder, { recursive: true });
  if (listed.length === 0) throw new Error('no test was found');
  // vitest lists files as it comes by them, and the tests of one in the order of their source.
  const inOrder = listed.toSorted((a, b) => (a.file < b.file ? -1 : Number(a.file > b.file)));
  const seen = new Map<string, number>();
  return inOrder.flatMap(({ name, file: path }) => {
    const title = name.split(' > ').at(-1) ?? name;
    const nth = seen.get(`${path} ${title}`) ?? 0;
    seen.set(`${path} ${title}`, nth + 1);
    return titles(name, nth, () => readFileSync(path, 'utf8')).map((each) => ({ file: relative(root, path), title: each }));
  });
}

/** The names that the tests of a table have. @param nth of the tests in its file that have the last part of this name */
function titles(name: string, nth: number, source: () => string): string[] {
  const parts = name.split(' > ');
  const at = parts.findLastIndex((part) => part.includes('%s'));
  const template = parts[at];
  if (template !== undefined) {
    const tables = tablesOf(source(), template);
    const mine = at === parts.length - 1 ? tables.slice(nth, nth + 1) : tables;
    const rows = [...mine.join('\n').matchAll(ROW)].map(([, single, double, back]) => single ?? double ?? back ?? '');
    return [
      name,
      ...rows.map((row) =>
        parts
          .with(
            at,
            template.replace('%s', () => row),
          )
          .join(' > '),
      ),
    ];
  }
  if (!parts.at(-1)?.includes('$id')) return [name];
  return [...source().matchAll(ROW_WITH_WHAT)].map(([, id = '', what = '']) =>
    name
      .replace('$id', id)
      .replace('$what', what)
      .replace(/ ?\(\$\w+\)/, ''),
  );
}

/** The source of the rows behind each use of a name: those in front of it, or the ones of the list named there. */
function tablesOf(source: string, title: string): string[] {
  const quoted = title.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  return [...source.matchAll(new RegExp(`['"\`]${quoted}['"\`]`, 'g'))].map(({ index }) => {
    const table = source.slice(source.lastIndexOf('.each', index), index);
    const list = /^\.each(?:<[^(]*>)?\((\w+)\)\(/.exec(table)?.[1];
    if (list === undefined) return table;
    const from = source.search(new RegExp(String.raw`\bconst ${list}\b`));
    return from < 0 ? '' : source.slice(from, source.indexOf('\n];', from));
  });
}

/** Tests by the ids that their names carry. */
export function byId<T extends { title: string }>(ids: readonly string[], tests: readonly T[]): Map<string, T[]> {
  const named = new Map<string, T[]>(ids.map((id) => [id, []]));
  for (const test of tests) for (const id of new Set(test.title.match(ID))) named.get(id)?.push(test);
  return named;
}
