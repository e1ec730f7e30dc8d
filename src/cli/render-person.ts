/** Owns what `person` prints: who it is, what was promised, how it stands, what Maxio holds, and the story as a timeline. Pure. */

import { money } from '../figures.ts';
import type { PersonAnswer } from './answers.ts';
import { paint, plain, wrap } from './terminal.ts';

const LABEL_WIDTH = 11;
const TEXT_WIDTH = 96;
const WHO: Record<string, 'cyan' | 'green' | 'yellow'> = { IdP: 'cyan', Maxio: 'green', operator: 'yellow' };

/** Prints one person. */
export function renderPerson(person: PersonAnswer): string[] {
  const state = person.deleted ? 'deleted' : person.active ? 'active' : 'inactive';
  return [
    `${paint('bold', plain(person.userName))}  ${state} at the identity provider, ${person.inStep ? paint('green', 'in step') : paint('yellow', 'not in step')}`,
    ...labelled('site', [person.site]),
    ...labelled('id', [person.id]),
    ...labelled('reference', [person.reference]),
    ...labelled('promised', [person.promised]),
    ...labelled('now', [person.now]),
    ...labelled('left', leaveOf(person)),
    ...labelled('lost', lossOf(person)),
    ...labelled('would', wouldOf(person)),
    ...labelled('Maxio', rememberedOf(person)),
    ...labelled(
      'open',
      person.openSteps.map(
        ({ kind, target, sentAt }) => `${kind}${target === null ? '' : ` ${target}`}, sent ${sentAt}, no answer yet`,
      ),
    ),
    ...labelled('live', liveOf(person)),
    '',
    ...storyOf(person.story),
  ];
}

function labelled(label: string, texts: string[]): string[] {
  const lines = texts.flatMap((text) => wrap(plain(text), TEXT_WIDTH));
  return lines.map((line, at) => `  ${paint('dim', (at === 0 ? label : '').padEnd(LABEL_WIDTH))}${line}`);
}

const LEAVE_WORDS: Record<string, string> = {
  free: 'ends by the policy of the site',
  held: 'held by the guard until somebody approves or rejects it',
  approved: 'approved',
  exempt: 'exempt: nothing is ended; rejected',
};

function leaveOf({ leave, protected: onList, monthlyCents }: PersonAnswer): string[] {
  const lines: string[] = [];
  if (leave !== null && leave !== undefined) {
    const by = typeof leave.by === 'string' ? ` by ${leave.by}` : '';
    lines.push(
      `${leave.at}: ${LEAVE_WORDS[leave.state] ?? leave.state}${by}${typeof leave.why === 'string' ? ` (${leave.why})` : ''}`,
    );
    if (typeof monthlyCents === 'number' && monthlyCents > 0) lines.push(`pays ${money(monthlyCents)} a month`);
  }
  if (onList === true) lines.push('on the list of protected people: nothing is ever ended for them');
  return lines;
}

function lossOf({ loss }: PersonAnswer): string[] {
  if (loss === null || loss === undefined) return [];
  const state =
    loss.families.length === 0 ? [] : [`${loss.at}: ${loss.families.join(', ')}; ${LEAVE_WORDS[loss.state] ?? loss.state}`];
  return [...state, ...(loss.spared.length === 0 ? [] : [`not acted on: ${loss.spared.join(', ')}`])];
}

/** The steps say more only where there are several. */
function wouldOf({ would }: PersonAnswer): string[] {
  if (would === null || would === undefined) return [];
  return [would.words, ...(would.steps.length > 1 ? would.steps.map(({ words }, at) => `${at + 1}. ${words}`) : [])];
}

function rememberedOf({ maxio }: PersonAnswer): string[] {
  if (maxio === null) return ['no customer known yet'];
  const lines = [`customer ${maxio.customerId}, ${maxio.origin}; as remembered from the last answers:`];
  for (const { id, productHandle, state, origin } of maxio.subscriptions) {
    lines.push(`subscription ${id}${productHandle === undefined ? '' : `, ${productHandle}`}: ${state} (${origin})`);
  }
  for (const { id, productHandle } of maxio.foreign ?? []) {
    lines.push(`subscription ${id}${productHandle === undefined ? '' : `, ${productHandle}`}: made by someone else, left alone`);
  }
  if (lines.length === 1) lines.push('no subscription');
  return lines;
}

function liveOf({ live, liveError }: PersonAnswer): string[] {
  if (liveError !== undefined) return [liveError];
  if (live === undefined) return [];
  if (live.customer === null) return ['Maxio has no such customer at this moment'];
  const { id, reference, updatedAt } = live.customer;
  const lines = [`customer ${id}, reference ${reference ?? 'none'}, last changed ${updatedAt}`];
  for (const { id: subscription, product, state, ending, currentPeriodEndsAt, managed } of live.subscriptions) {
    const until = currentPeriodEndsAt === null ? '' : `, period ends ${currentPeriodEndsAt}`;
    const words = `${state}${ending ? ', ends with its period' : ''}${until}${managed ? '' : '; not ours to change'}`;
    lines.push(`subscription ${subscription}${product === null ? '' : `, ${product}`}: ${words}`);
  }
  if (live.subscriptions.length === 0) lines.push('no subscription');
  return lines;
}

/** Lays out the story; what belongs to one change stands under one heading. */
function storyOf(story: PersonAnswer['story']): string[] {
  if (story.length === 0) return ['No story is left: entries are kept for a limited time.'];
  let under = '';
  return story.flatMap((line) => {
    const heading = `change ${line.generation}${line.requestId === null ? '' : `, request ${plain(line.requestId)}`}`;
    const opened = heading === under ? [] : [...(under === '' ? [] : ['']), paint('dim', heading)];
    under = heading;
    return [...opened, ...storyLines(line)];
  });
}

function storyLines(line: PersonAnswer['story'][number]): string[] {
  const at = plain(line.at)
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z');
  const indent = ' '.repeat(at.length + 12);
  const [first = '', ...rest] = wrap(plain(line.what), TEXT_WIDTH);
  return [
    `${paint('dim', at)}  ${paint(WHO[line.who], plain(line.who).padEnd(8))}  ${first}`,
    ...rest.map((text) => indent + text),
  ];
}
