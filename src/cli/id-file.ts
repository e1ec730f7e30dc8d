/** Owns the file that names people: ids one a line, or a table with a column `id`, such as `held --csv` writes. Refuses an empty one, which is a mistake. */
import { CliError } from './ask.ts';
import { readCsv, readText } from './csv.ts';

const ID = /^[\w.:@-]{1,100}$/;

/** Reads ids, each once. @throws CliError naming the first line that is no id */
export function readIdFile(path: string): string[] {
  const lines = readText(path)
    .split(/\r\n|\n|\r/)
    .map((text, at) => ({ line: at + 1, text: text.replace(/#.*$/, '').trim() }))
    .filter(({ text }) => text !== '');
  const head = lines[0]?.text ?? '';
  // stdin can be read only once, and a table on stdin is not worth a special case.
  const table = path !== '-' && (/[,;\t]/.test(head) || /^"?id"?$/i.test(head));
  const ids = table ? readCsv(path, ['id']).map(({ line, cells }) => ({ line, text: cells.id ?? '' })) : lines;
  const wrong = ids.find(({ text }) => !ID.test(text));
  if (wrong !== undefined) {
    throw new CliError(
      'broken',
      `${path} has no id on line ${wrong.line}.`,
      'Write one id a line, or keep the column id of held --csv as it was.',
    );
  }
  if (ids.length === 0) throw new CliError('broken', `${path} names nobody.`, 'Write one id a line.');
  return [...new Set(ids.map(({ text }) => text))];
}
