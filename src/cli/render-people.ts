/** Owns what `held`, `approve`, `reject` and `drift` print: people who wait for a decision, and what it did. Pure. */

import { figure, many, money } from '../figures.ts';
import type { DecidedAnswer, DriftAnswer, HeldAnswer } from './answers-people.ts';
import { type Cell, grid, paint, plain } from './terminal.ts';

const ROWS_SHOWN_MAX = 200;
const IDS_SHOWN_MAX = 20;

/** Prints who is held, what they pay, and what to do. */
export function renderHeld({ total, tripped, monthlyCents, held }: HeldAnswer): string[] {
  if (total === 0) return ['Nobody is held.'];
  const rows = held.slice(0, ROWS_SHOWN_MAX).map((person): Cell[] => [
    { text: plain(person.id), style: 'bold' },
    { text: plain(person.userName) },
    { text: plain(person.site) },
    { text: plain(person.leftAt) },
    {
      text:
        person.what === 'product'
          ? `loses ${plain(person.products?.join(', ') || 'a product')}`
          : person.deleted
            ? 'deleted'
            : 'inactive',
    },
    { text: figure(person.subscriptions) },
    { text: money(person.monthlyCents) },
  ]);
  const since = tripped === null ? '' : ` since ${plain(tripped.at)} (${plain(tripped.why)})`;
  return [
    ...grid(['Id', 'Person', 'Site', 'Left', 'At the IdP', 'Live', 'A month'], rows, [5, 6]),
    ...(total > rows.length ? [`… and ${figure(total - rows.length)} more.`] : []),
    '',
    `${many(total, 'person', 'people')} held${since}; ${money(monthlyCents)} a month. They are still billed.`,
    'If they have left, or are to lose the product: maxio-scim approve <id…>, --file FILE or --all. If it was a mistake: maxio-scim reject, or reactivate them, or put them back into the group.',
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

/** Prints the differences between the directory and Maxio. */
export function renderDrift(report: DriftAnswer): string[] {
  const { site, state, at, full, counts, rows } = report;
  if (at === null || at === undefined)
    return [
      `${plain(site)}: ${state === 'never' ? 'nobody has looked for drift yet' : `the look is ${plain(state)}`}. maxio-scim drift --wait looks now.`,
    ];
  const words = `as of ${plain(at)}${full === true ? ', everything compared' : ''}${state === 'done' ? '' : `; the next look is ${plain(state)}`}`;
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  if (total === 0) return [`${plain(site)}: the directory and Maxio agree, ${words}.`];
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
  const kinds = Object.entries(counts).filter(([, count]) => count > 0);
  return [
    ...grid(['Kind', 'Person', 'Customer', 'Subscription', 'Repair', 'What'], cells),
    ...(total > cells.length ? [`… ${figure(cells.length)} of ${figure(total)} shown; --csv FILE holds more.`] : []),
    '',
    `${plain(site)}: ${many(total, 'difference')}, ${words}: ${kinds.map(([kind, count]) => `${figure(count)} ${plain(kind)}`).join(', ')}.`,
    ...(rows.some(({ repair }) => repair !== 'none')
      ? ['maxio-scim drift repair <id…>, --kind KIND or --all puts them right.']
      : []),
  ];
}
