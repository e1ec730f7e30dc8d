/**
 * Owns the file that carries decisions about links: its columns, and which of its rows can be sent. Refuses to ask anybody: what is wrong with a row
 * is told with its line, and a file with a wrong row is sent without that row.
 */
import { type CsvRow, readCsv } from './csv.ts';

export const LINK_COLUMNS = [
  'customer_id',
  'name',
  'email',
  'reference',
  'live_subscriptions',
  'monthly_revenue',
  'match',
  'user_name',
  'proposed_reference',
  'decision',
  'state',
] as const;

interface Decision {
  customerId: string;
  decision: 'link' | 'separate';
  reference: string;
}

interface Refusal {
  line: number;
  customerId: string;
  detail: string;
}

export interface LinkFile {
  decisions: Decision[];
  /** Line of the file by customer. */
  lines: Map<string, number>;
  undecided: number;
  refused: Refusal[];
  /** Cents of the rows decided as `link`, where the file tells. */
  monthlyCents: number;
}

/** Reads the file. @throws CliError when it is not such a file at all */
export function readLinkFile(path: string): LinkFile {
  const file: LinkFile = { decisions: [], lines: new Map(), undecided: 0, refused: [], monthlyCents: 0 };
  const referenceLines = new Map<string, number>();
  for (const row of readCsv(path, ['customer_id', 'proposed_reference', 'decision'])) {
    const { line, cells } = row;
    const { customer_id: customerId = '', proposed_reference: reference = '', decision = '' } = cells;
    if (decision === '') {
      file.undecided += 1;
      continue;
    }
    const detail = wrongWith(row, file.lines, referenceLines);
    if (detail !== undefined) {
      file.refused.push({ line, customerId, detail });
      continue;
    }
    const word = decision.toLowerCase() as Decision['decision'];
    file.lines.set(customerId, line);
    if (word === 'link') {
      referenceLines.set(reference, line);
      file.monthlyCents += centsOf(cells.monthly_revenue ?? '');
    }
    file.decisions.push({ customerId, decision: word, reference });
  }
  return file;
}

function wrongWith({ cells }: CsvRow, lines: Map<string, number>, referenceLines: Map<string, number>): string | undefined {
  const { customer_id: customerId = '', proposed_reference: reference = '', decision = '' } = cells;
  if (!/^(link|separate)$/i.test(decision)) return 'decision must be link, separate or blank';
  if (!/^\d{1,20}$/.test(customerId)) {
    return /e\+/i.test(customerId)
      ? 'customer_id was turned into a rounded number by the spreadsheet; format the column as text'
      : 'customer_id must be the id of a Maxio customer, in digits';
  }
  if (/^\d[.,]\d+e\+\d+$/i.test(reference))
    return 'proposed_reference was turned into a rounded number by the spreadsheet; format the column as text';
  if (reference === '') return 'proposed_reference is blank, so it is not known whom this customer is';
  const before = lines.get(customerId);
  if (before !== undefined) return `line ${before} has decided about the same customer`;
  const twin = /^link$/i.test(decision) ? referenceLines.get(reference) : undefined;
  if (twin !== undefined) return `line ${twin} links the same person to another customer`;
  return undefined;
}

/** Only for the summary; a spreadsheet may have written the amount in its own way. */
function centsOf(amount: string): number {
  return /^\d+([.,]\d{1,2})?$/.test(amount) ? Math.round(Number(amount.replace(',', '.')) * 100) : 0;
}
