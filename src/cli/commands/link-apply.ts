/**
 * Owns sending the decided links of a file: what it would do first, then in requests of a thousand, then waiting if asked to. Everything is idempotent at the
 * service, so after any failure the same command again is the cure.
 */

import { figure, many, money } from '../../figures.ts';
import { linksAnswer, linksSetAnswer } from '../answers-rollout.ts';
import { ask } from '../ask.ts';
import { batches, bodyOf, confirmed, type Options, print, query, remark, targetOf } from '../command.ts';
import { type LinkFile, readLinkFile } from '../link-file.ts';
import { until } from '../progress.ts';
import { linksLine } from '../render-rollout.ts';
import { type Cell, grid, plain } from '../terminal.ts';

export interface ApplyOptions extends Options {
  wait?: boolean;
}

interface Refused {
  line: number | null;
  customerId: string;
  detail: string;
}

interface Sent {
  accepted: number;
  already: number;
  undecided: number;
  refused: Refused[];
  links?: unknown;
}

/** More than anybody corrects by reading, and few enough for a terminal. */
const REFUSED_SHOWN_MAX = 1_000;
/** Longer than any id of Maxio. */
const ID_SHOWN_MAX = 30;

/** Reads a file, shows what it says, sends it. */
export async function applyLinks(path: string, options: ApplyOptions): Promise<void> {
  const target = targetOf(options);
  const file = readLinkFile(path);
  const sent: Sent = { accepted: 0, already: 0, undecided: file.undecided, refused: [...file.refused] };
  if (file.decisions.length > 0) {
    remark(summaryOf(path, file));
    await confirmed(options, 'Set these references at Maxio?');
    for (const rows of batches(file.decisions)) {
      const body = bodyOf(options, { rows });
      const { answer } = await ask(target, { method: 'POST', path: '/links', body, shape: linksSetAnswer });
      sent.accepted += answer.accepted;
      sent.already += answer.already;
      sent.refused.push(
        ...answer.refused.map(({ customerId, detail }) => ({ line: file.lines.get(customerId) ?? null, customerId, detail })),
      );
    }
  }
  let failed = false;
  if (options.wait === true) {
    const links = await applied(options);
    sent.links = links.raw;
    failed = links.answer.failed > 0;
  }
  print(options, sent, () => renderSent(sent, options));
  if (sent.refused.length > 0 || failed) process.exitCode = 1;
}

function summaryOf(path: string, { decisions, undecided, refused, monthlyCents }: LinkFile): string[] {
  const links = decisions.filter(({ decision }) => decision === 'link').length;
  return [
    `${path}: ${figure(links)} to link (${money(monthlyCents)} a month), ${figure(decisions.length - links)} kept separate, ${figure(undecided)} undecided, ${figure(refused.length)} not understood.`,
    `Linking takes ${many(links, 'call')} to Maxio, within the call budget.`,
  ];
}

async function applied(options: ApplyOptions) {
  const target = targetOf(options);
  return await until({
    look: async () => await ask(target, { path: `/links${query({ site: options.site })}`, shape: linksAnswer }),
    over: ({ answer }) => answer.left === 0,
    show: ({ answer }, progress) =>
      progress.show(linksLine(answer), answer.wanted === 0 ? 1 : (answer.wanted - answer.left) / answer.wanted),
    left: 'The links are set by the service from here on. maxio-scim link status shows how far it is.',
  });
}

function renderRefused(refused: Refused[]): string[] {
  const rows = refused.slice(0, REFUSED_SHOWN_MAX).map(({ line, customerId, detail }): Cell[] => [
    { text: line === null ? '-' : String(line), right: true },
    { text: plain(customerId.slice(0, ID_SHOWN_MAX)), style: 'bold' },
    { text: plain(detail), style: 'yellow' },
  ]);
  const left = refused.length - rows.length;
  return [
    '',
    ...grid(['Line', 'Customer', 'Why'], rows, [0]),
    ...(left > 0 ? [`… and ${figure(left)} more; --json tells all.`] : []),
    '',
    'Correct these lines and apply the file again; what is accepted stays.',
  ];
}

function renderSent(sent: Sent, options: ApplyOptions): string[] {
  const { accepted, already, undecided, refused } = sent;
  const lines = [
    `${figure(accepted)} accepted, ${figure(already)} known already, ${figure(undecided)} undecided, ${figure(refused.length)} refused.`,
  ];
  if (refused.length > 0) lines.push(...renderRefused(refused));
  const links = linksAnswer.safeParse(sent.links);
  if (links.success) lines.push(`${linksLine(links.data)}.`);
  else if (options.wait !== true && accepted > 0) lines.push('maxio-scim link status shows how far they are.');
  return lines;
}
