/** Owns what `held`, `approve`, `reject` and `drift` print: people who wait for a decision or have got one, and what it did. Pure. */

import { figure, many, money } from '../figures.ts';
import type { DecidedAnswer, DriftAnswer, HeldAnswer } from './answers-people.ts';
import { type Cell, grid, paint, plain } from './terminal.ts';

const ROWS_SHOWN_MAX = 200;
const IDS_SHOWN_MAX = 20;

/** Prints who is held, what they pay, and what to do. */
export function renderHeld({ total, tripped, monthlyCents, held }: HeldAnswer): string[] {
  if (total === 0) return ['Nobody is held.'];
  const rows = held.slice(0, ROWS_SHOWN_MAX).map(cellsOf);
  const since = tripped === null ? '' : ` since ${plain(tripped.at)} (${plain(tripped.why)})`;
  return [
    ...grid(['Id', 'Person', 'Site', 'Left', 'At the IdP', 'Live', 'A month'], rows, [5, 6]),
    ...(total > rows.length ? [`… and ${figure(total - rows.length)} more.`] : []),
    '',
    `${many(total, 'person', 'people')} held${since}; ${money(monthlyCents)} a month. ${monthlyCents > 0 ? 'They are still billed.' : 'Nothing of theirs ends before somebody approves.'}`,
    'If they have left, or are to lose the product: maxio-scim approve <id…>, --file FILE or --all. If it was a mistake: maxio-scim reject, or reactivate them, or put them back into the group.',
  ];
}

/** Prints whose leave was rejected, by whom, and what ends that. */
export function renderExempt({ total, monthlyCents, held }: HeldAnswer): string[] {
  if (total === 0) return ['Nobody is exempt.'];
  const rows = held
    .slice(0, ROWS_SHOWN_MAX)
    .map((person): Cell[] => [
      ...cellsOf(person),
      { text: `${plain(person.decidedBy ?? '-')} ${plain(person.decidedAt ?? '')}`.trim() },
    ]);
  return [
    ...grid(['Id', 'Person', 'Site', 'Left', 'At the IdP', 'Live', 'A month', 'Rejected by'], rows, [5, 6]),
    ...(total > rows.length ? [`… and ${figure(total - rows.length)} more.`] : []),
    '',
    `${many(total, 'person is', 'people are')} exempt; ${money(monthlyCents)} a month. Nothing ends before the identity provider changes them again; what is to end earlier, end it at Maxio.`,
  ];
}

function cellsOf(person: HeldAnswer['held'][number]): Cell[] {
  const gone = person.deleted ? 'deleted' : 'inactive';
  const lost = `loses ${plain(person.products?.join(', ') || 'a product')}`;
  return [
    { text: plain(person.id), style: 'bold' },
    { text: plain(person.userName) },
    { text: plain(person.site) },
    { text: plain(person.leftAt) },
    { text: person.what === 'product' ? lost : gone },
    { text: figure(person.subscriptions) },
    { text: money(person.monthlyCents) },
  ];
}

/** Prints what a decision did. */
export function renderDecided(verdict: 'approve' | 'reject', { done, already, notHeld, left }: DecidedAnswer): string[] {
  const what =
    verdict === 'approve'
      ? 'approved: their subscriptions end now'
      : 'rejected: exempt until the identity provider changes them again';
  const lines = [`${many(done, 'person', 'people')} ${what}.`];
  if (already > 0) lines.push(`${many(already, 'person was', 'people were')} decided before; nothing was changed.`);
  if (notHeld.length > 0) lines.push(paint('yellow', `Not held: ${listed(notHeld)}.`));
  lines.push(left === 0 ? 'Nobody is held any more.' : `${many(left, 'person is', 'people are')} still held.`);
  return lines;
}

/** Names a few and counts the rest. */
export function listed(ids: string[]): string {
  const shown = ids.slice(0, IDS_SHOWN_MAX).map(plain).join(', ');
  return ids.length > IDS_SHOWN_MAX ? `${shown} and ${figure(ids.length - IDS_SHOWN_MAX)} more` : shown;
}

const REPAIR: Record<string, string> = {
  possible: 'can be repaired',
  repaired: 'repaired',
  contested: 'somebody wants it so',
  none: 'look at it',
};

/** Prints the differences between the directory and Maxio, all or those of one kind. */
export function renderDrift(report: DriftAnswer, kind?: string): string[] {
  const { site, state, at, full, rows } = report;
  const kinds = Object.entries(report.counts).filter(([name, count]) => count > 0 && (kind === undefined || name === kind));
  if (at === null || at === undefined)
    return [
      `${plain(site)}: ${state === 'never' ? 'nobody has looked for drift yet' : `the look is ${plain(state)}`}. maxio-scim drift --wait looks now.`,
    ];
  const words = `as of ${plain(at)}${full === true ? ', everything compared' : ''}${state === 'done' ? '' : `; the next look is ${plain(state)}`}`;
  // A report of very many holds rows of some and counts everybody.
  const total = Math.max(
    rows.length,
    kinds.reduce((sum, [, count]) => sum + count, 0),
  );
  if (total === 0) {
    const agree = kind === undefined ? 'the directory and Maxio agree' : `no difference of the kind ${plain(kind)}`;
    return [`${plain(site)}: ${agree}, ${words}.`];
  }
  const cells = rows.slice(0, ROWS_SHOWN_MAX).map((row): Cell[] => [
    { text: plain(row.kind), style: row.exempt ? 'dim' : 'yellow' },
    { text: plain(row.userName ?? row.personId ?? '-') },
    { text: plain(row.customerId ?? '-') },
    { text: plain(row.subscriptionId ?? '-') },
    {
      text: row.exempt ? 'exempt' : (REPAIR[row.repair] ?? plain(row.repair)),
      style: row.repair === 'contested' ? 'red' : undefined,
    },
    { text: plain(row.detail) },
  ]);
  const exempt = rows.filter((row) => row.exempt).length;
  return [
    ...grid(['Kind', 'Person', 'Customer', 'Subscription', 'Repair', 'What'], cells),
    ...(total > cells.length ? [`… ${figure(cells.length)} of ${figure(total)} shown; --csv FILE holds more.`] : []),
    '',
    `${plain(site)}: ${many(total, 'difference')}, ${words}: ${kinds.map(([name, count]) => `${figure(count)} ${plain(name)}`).join(', ')}.`,
    ...(exempt > 0 ? [`${figure(exempt)} exempt: somebody has decided that nothing ends for these people.`] : []),
    ...(rows.some(({ repair }) => repair !== 'none')
      ? ['maxio-scim drift repair <id…>, --kind KIND or --all puts them right.']
      : []),
    ...(rows.some(({ repair }) => repair === 'contested')
      ? ['What somebody wants so is put right only by the id of the person, which --csv FILE holds.']
      : []),
  ];
}
