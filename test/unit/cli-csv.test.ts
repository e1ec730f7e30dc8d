/** Owns the promises of tables that go through a spreadsheet: harmless when opened, understood when they come back, and told by line when they do not. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CliError } from '../../src/cli/ask.ts';
import { readCsv, writeCsv } from '../../src/cli/csv.ts';
import { readIdFile } from '../../src/cli/id-file.ts';
import { readLinkFile } from '../../src/cli/link-file.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'maxio-scim-csv-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(content: string | Buffer): string {
  const path = join(folder, `${Math.random().toString(36).slice(2)}.csv`);
  writeFileSync(path, content);
  return path;
}

function errorOf(act: () => unknown): CliError {
  try {
    act();
  } catch (error) {
    if (error instanceof CliError) return error;
  }
  throw new Error('it was not refused');
}

describe('writing', () => {
  test('no cell is taken for a formula, nobody else may read the file, Excel sees UTF-8, and what comes back is what was written', () => {
    const path = join(folder, 'formulas.csv');
    const hostile = ['=HYPERLINK("http://x")', '+1', '-1', '@SUM(A1)', '\tx', 'plain, "quoted"', 'Ångström'];
    writeCsv(
      path,
      ['name'],
      hostile.map((cell) => [cell]),
    );
    const text = readFileSync(path, 'utf8');
    expect(text.startsWith('\uFEFFname\r\n')).toBe(true);
    expect(text).not.toMatch(/^"?[=+@\t-]/m);
    expect(statSync(path).mode & 0o077).toBe(0);
    const back = readCsv(path, ['name']).map(({ cells }) => cells.name);
    expect(back).toEqual(hostile);
  });

  test('a folder that is not there is told, not thrown', () => {
    expect(errorOf(() => writeCsv('/nowhere/at/all.csv', ['a'], []))).toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('ENOENT'),
    });
  });
});

describe('reading', () => {
  test.each([
    ['commas', 'customer_id,proposed_reference,decision\n1,r1,link\n'],
    ['a BOM', '\uFEFFcustomer_id,proposed_reference,decision\n1,r1,link\n'],
    ['semicolons and CRLF', 'customer_id;proposed_reference;decision\r\n1;r1;link\r\n'],
    ['tabs', 'customer_id\tproposed_reference\tdecision\n1\tr1\tlink'],
    [
      'other order, other case, blanks, added columns',
      'Notes,Decision,,Customer ID,proposed-reference,notes\n"a, b", LINK ,x, 1 , r1 ,y\n',
    ],
    ['empty lines and rows of empty cells', 'customer_id,proposed_reference,decision\n\n,,\n1,r1,link\n,,\n'],
    ['quotation marks', '"customer_id","proposed_reference","decision"\n"1","r1","link"\n'],
    ['old Mac line ends', 'customer_id,proposed_reference,decision\r1,r1,link\r'],
  ])('is the same with %s', (_what, content) => {
    const read = readLinkFile(file(content));
    expect(read.refused).toEqual([]);
    expect(read.decisions).toEqual([{ customerId: '1', decision: 'link', reference: 'r1' }]);
  });

  test('missing columns are named, an empty file misses them all', () => {
    expect(errorOf(() => readLinkFile(file('customer_id,decision\n1,link\n'))).message).toMatch(
      /lacks the column proposed_reference\.$/,
    );
    expect(errorOf(() => readLinkFile(file(''))).message).toMatch(
      /lacks the columns customer_id, proposed_reference, decision\.$/,
    );
  });

  test.each([
    ['a workbook', Buffer.from([0x50, 0x4b, 3, 4, 0, 0, 0])],
    ['UTF-16', Buffer.from('\uFEFFcustomer_id', 'utf16le')],
    ['Latin-1', Buffer.from('customer_id,proposed_reference,decision\n1,r\xe9,link\n', 'latin1')],
  ])('%s is refused with how to save it', (_what, content) => {
    const error = errorOf(() => readLinkFile(file(content)));
    expect(error.message).toContain('is not UTF-8 text');
    expect(error.todo).toContain('CSV UTF-8');
  });

  test('an open quotation mark is told with its line', () => {
    const content = 'customer_id,proposed_reference,decision\n1,r1,link\n2,"r2,link\n3,r3,link\n';
    expect(errorOf(() => readLinkFile(file(content))).message).toMatch(/not a readable CSV at line \d/);
  });

  test('a file that is not there is told, not thrown', () => {
    expect(errorOf(() => readLinkFile(join(folder, 'none.csv')))).toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('ENOENT'),
    });
  });
});

describe('decisions', () => {
  test('each wrong row is told with its line, and the others stand', () => {
    const read = readLinkFile(
      file(
        [
          'customer_id,monthly_revenue,proposed_reference,decision',
          '1,299.00,r1,link',
          '2,"10,5",r2,Separate',
          '3,,r3,',
          '4,,r4,yes',
          '5,,,link',
          '6.78E+08,,r6,link',
          'x7,,r7,link',
          '1,,r8,link',
          '9,,r1,link',
          '10,,r1,separate',
          "11,,'-r11,link",
          '12,,1.23E+17,link',
        ].join('\n'),
      ),
    );
    expect(read.decisions).toEqual([
      { customerId: '1', decision: 'link', reference: 'r1' },
      { customerId: '2', decision: 'separate', reference: 'r2' },
      { customerId: '10', decision: 'separate', reference: 'r1' },
      // As the plan writes a reference that a spreadsheet would take for a formula.
      { customerId: '11', decision: 'link', reference: '-r11' },
    ]);
    expect(read).toMatchObject({ undecided: 1, monthlyCents: 29_900 });
    expect(read.refused.map(({ line, detail }) => `${line} ${detail}`)).toEqual([
      expect.stringMatching(/^5 decision must be/),
      expect.stringMatching(/^6 proposed_reference is blank/),
      expect.stringMatching(/^7 .*rounded number.*format the column as text/),
      expect.stringMatching(/^8 customer_id must be/),
      expect.stringMatching(/^9 line 2 has decided about the same customer/),
      expect.stringMatching(/^10 line 2 links the same person/),
      expect.stringMatching(/^13 proposed_reference was turned into a rounded number/),
    ]);
  });
});

describe('ids', () => {
  const id = '0f8fad5b-d9cb-5a6e-8d3a-000000000001';

  test.each([
    ['one a line', `${id}\r\nabc # left in May\n\n# nobody\nabc\n`],
    ['a table', `site;id;user_name\r\nus.acme;${id};ann\r\nus.acme;abc;bob\r\n`],
    ['a head alone', `id\n${id}\nabc\n`],
  ])('are read from %s, each once', (_what, content) => {
    expect(readIdFile(file(content))).toEqual([id, 'abc']);
  });

  test.each([
    ['nothing', '\n# only a remark\n', /names nobody/],
    ['an empty table', 'id,user_name\n', /names nobody/],
    ['a line that is no id', `${id}\nann baker\n`, /no id on line 2/],
    ['a table without ids', 'name,mail\nann,ann@example.com\n', /lacks the column id/],
  ])('%s is refused', (_what, content, message) => {
    expect(errorOf(() => readIdFile(file(content))).message).toMatch(message);
  });
});
